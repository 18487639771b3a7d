#include "net/voucher.h"

#include "codec/messages.h"
#include "codec/varint.h"

static const uint8_t payload_type[] = {0x03, 0x02};
#define DOMAIN "libp2p-relay-rsvp"

static bool add_prefixed(struct pxi_buf *b, px_view v)
{
    uint8_t length[PXI_VARINT_MAX];
    return pxi_buf_add(b, length, pxi_varint_put(length, v.n)) && pxi_buf_add(b, v.p, v.n);
}

/* What is signed: domain, type and payload, each behind its length. */
static bool signed_bytes(struct pxi_buf *b, px_view payload)
{
    return add_prefixed(b, px_view_str(DOMAIN)) &&
           add_prefixed(b, px_view_of(payload_type, sizeof payload_type)) &&
           add_prefixed(b, payload);
}

px_err pxi_voucher_seal(const struct pxi_key *relay_key, const struct pxi_peer *relay,
                        const struct pxi_peer *peer, uint64_t expiration, struct pxi_buf *out)
{
    struct pxi_msg_voucher v = {pxi_peer_view(relay), pxi_peer_view(peer), expiration};
    struct pxi_buf payload = {.max = PXI_VOUCHER_MAX}, body = {.max = PXI_VOUCHER_MAX};
    uint8_t signature[PXI_SIGNATURE_MAX];
    size_t n = 0;
    px_err err = pxi_pb_encode(&pxi_pb_voucher, &v, &payload);
    if (!err && signed_bytes(&body, px_view_of(payload.p, payload.n)))
        n = pxi_key_sign(relay_key, px_view_of(body.p, body.n), signature);
    if (!err && n) {
        struct pxi_msg_envelope e = {pxi_key_public(relay_key),
                                     px_view_of(payload_type, sizeof payload_type),
                                     px_view_of(payload.p, payload.n), px_view_of(signature, n)};
        err = pxi_pb_encode(&pxi_pb_envelope, &e, out);
    } else if (!err) {
        err = PX_ERR_FAILED;
    }
    pxi_buf_deinit(&payload);
    pxi_buf_deinit(&body);
    return err;
}

static bool names(const struct pxi_msg_envelope *e, const struct pxi_msg_voucher *v,
                  const struct pxi_peer *relay, const struct pxi_peer *peer)
{
    struct pxi_peer signer = pxi_peer_of_key(e->public_key);
    return px_view_equal(e->payload_type, px_view_of(payload_type, sizeof payload_type)) &&
           px_view_equal(v->relay, pxi_peer_view(relay)) &&
           px_view_equal(v->peer, pxi_peer_view(peer)) && pxi_peer_equal(&signer, relay);
}

bool pxi_voucher_check(px_view envelope, const struct pxi_peer *relay, const struct pxi_peer *peer)
{
    struct pxi_msg_envelope e;
    struct pxi_msg_voucher v;
    struct pxi_arena a;
    struct pxi_buf body = {.max = PXI_VOUCHER_MAX};
    pxi_arena_init(&a, PXI_VOUCHER_MAX);
    bool ok = envelope.n <= PXI_VOUCHER_MAX &&
              pxi_pb_decode(&pxi_pb_envelope, envelope, &a, &e, NULL) == PX_ERR_OK &&
              pxi_pb_decode(&pxi_pb_voucher, e.payload, &a, &v, NULL) == PX_ERR_OK &&
              names(&e, &v, relay, peer) && signed_bytes(&body, e.payload) &&
              pxi_verify(e.public_key, px_view_of(body.p, body.n), e.signature) == 1;
    pxi_buf_deinit(&body);
    pxi_arena_deinit(&a);
    return ok;
}
