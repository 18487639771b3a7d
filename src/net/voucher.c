#include "net/voucher.h"

#include "codec/messages.h"
#include "net/envelope.h"

px_err pxi_voucher_seal(const struct pxi_key *relay_key, const struct pxi_peer *relay,
                        const struct pxi_peer *peer, uint64_t expiration, struct pxi_buf *out)
{
    struct pxi_msg_voucher v = {pxi_peer_view(relay), pxi_peer_view(peer), expiration};
    struct pxi_buf payload = {.max = PXI_VOUCHER_MAX};
    px_err err = pxi_pb_encode(&pxi_pb_voucher, &v, &payload);
    if (!err)
        err =
            pxi_envelope_seal(relay_key, &pxi_kind_voucher, px_view_of(payload.p, payload.n), out);
    pxi_buf_deinit(&payload);
    return err;
}

bool pxi_voucher_check(px_view envelope, const struct pxi_peer *relay, const struct pxi_peer *peer)
{
    struct pxi_msg_voucher v;
    struct pxi_arena a;
    struct pxi_peer signer;
    px_view payload;
    pxi_arena_init(&a, PXI_VOUCHER_MAX);
    bool ok =
        envelope.n <= PXI_VOUCHER_MAX &&
        pxi_envelope_open(envelope, &pxi_kind_voucher, NULL, &payload, &signer) == PX_ERR_OK &&
        pxi_pb_decode(&pxi_pb_voucher, payload, &a, &v, NULL) == PX_ERR_OK &&
        pxi_peer_equal(&signer, relay) && px_view_equal(v.relay, pxi_peer_view(relay)) &&
        px_view_equal(v.peer, pxi_peer_view(peer));
    pxi_arena_deinit(&a);
    return ok;
}
