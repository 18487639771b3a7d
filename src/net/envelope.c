#include "net/envelope.h"

#include "codec/messages.h"
#include "codec/varint.h"

#define TYPE(bytes)                                                                                \
    {                                                                                              \
        (const uint8_t *)(bytes), sizeof(bytes) - 1                                                \
    }
const struct pxi_envelope_kind pxi_kind_peer_record = {"libp2p-peer-record", TYPE("\x03\x01")};
const struct pxi_envelope_kind pxi_kind_voucher = {"libp2p-relay-rsvp", TYPE("\x03\x02")};

static int add_framed(struct pxi_buf *b, px_view v)
{
    uint8_t length[PXI_VARINT_MAX];
    return pxi_buf_add(b, length, pxi_varint_put(length, v.n)) && pxi_buf_add(b, v.p, v.n);
}

/* What the signature covers: domain, type and payload, each behind its length. */
static int to_sign(const struct pxi_envelope_kind *kind, px_view payload, struct pxi_buf *b)
{
    return add_framed(b, px_view_str(kind->domain)) && add_framed(b, kind->type) &&
           add_framed(b, payload);
}

px_err pxi_envelope_seal(const struct pxi_key *key, const struct pxi_envelope_kind *kind,
                         px_view payload, struct pxi_buf *out)
{
    struct pxi_buf covered = {.max = PXI_ENVELOPE_MAX};
    uint8_t signature[PXI_SIGNATURE_MAX];
    px_err err = to_sign(kind, payload, &covered) ? PX_ERR_OK : PX_ERR_NOMEM;
    if (err == PX_ERR_OK) {
        size_t n = pxi_key_sign(key, px_view_of(covered.p, covered.n), signature);
        struct pxi_msg_envelope m = {.public_key = pxi_key_public(key),
                                     .payload_type = kind->type,
                                     .payload = payload,
                                     .signature = px_view_of(signature, n)};
        err = n ? pxi_pb_encode(&pxi_pb_envelope, &m, out) : PX_ERR_FAILED;
    }
    pxi_buf_deinit(&covered);
    return err;
}

px_err pxi_envelope_open(px_view envelope, const struct pxi_envelope_kind *kind,
                         struct pxi_proofs *known, px_view *payload, struct pxi_peer *signer)
{
    struct pxi_msg_envelope m;
    struct pxi_arena arena;
    struct pxi_buf covered = {.max = PXI_ENVELOPE_MAX};
    if (envelope.n > PXI_ENVELOPE_MAX)
        return PX_ERR_LIMIT;
    pxi_arena_init(&arena, PXI_ENVELOPE_MAX);
    px_err err = pxi_pb_decode(&pxi_pb_envelope, envelope, &arena, &m, NULL);
    pxi_arena_deinit(&arena);
    if (err != PX_ERR_OK)
        return err;
    if (!px_view_equal(m.payload_type, kind->type))
        return PX_ERR_CORRUPT;
    if (!to_sign(kind, m.payload, &covered))
        err = PX_ERR_NOMEM;
    else if (!pxi_proofs_verify(known, m.public_key, px_view_of(covered.p, covered.n), m.signature))
        err = PX_ERR_IDENTITY;
    pxi_buf_deinit(&covered);
    if (err == PX_ERR_OK) {
        *payload = m.payload;
        *signer = pxi_peer_of_key(m.public_key);
    }
    return err;
}

px_err pxi_peer_record_seal(const struct pxi_key *key, const struct pxi_peer *self, uint64_t seq,
                            const px_view *addrs, unsigned count, struct pxi_buf *out)
{
    struct pxi_buf payload = {.max = PXI_ENVELOPE_MAX / 2};
    struct pxi_msg_address *list = pxi_calloc(count, sizeof *list);
    struct pxi_msg_peer_record m = {
        .peer_id = pxi_peer_view(self), .seq = seq, .addresses = {list, count}};
    px_err err = list ? PX_ERR_OK : PX_ERR_NOMEM;
    for (unsigned i = 0; list && i < count; i++)
        list[i].multiaddr = addrs[i];
    if (err == PX_ERR_OK)
        err = pxi_pb_encode(&pxi_pb_peer_record, &m, &payload);
    if (err == PX_ERR_OK)
        err = pxi_envelope_seal(key, &pxi_kind_peer_record, px_view_of(payload.p, payload.n), out);
    pxi_free(list);
    pxi_buf_deinit(&payload);
    return err;
}

px_err pxi_peer_record_open(px_view envelope, struct pxi_proofs *known, struct pxi_peer *peer,
                            uint64_t *seq, void (*fn)(void *ctx, px_view addr), void *ctx)
{
    px_view payload;
    struct pxi_peer signer;
    struct pxi_msg_peer_record m;
    struct pxi_arena arena;
    px_err err = pxi_envelope_open(envelope, &pxi_kind_peer_record, known, &payload, &signer);
    if (err != PX_ERR_OK)
        return err;
    pxi_arena_init(&arena, PXI_ENVELOPE_MAX);
    err = pxi_pb_decode(&pxi_pb_peer_record, payload, &arena, &m, NULL);
    if (err == PX_ERR_OK && !px_view_equal(m.peer_id, pxi_peer_view(&signer)))
        err = PX_ERR_IDENTITY;
    if (err == PX_ERR_OK) {
        *peer = signer;
        *seq = m.seq;
        for (size_t i = 0; i < m.addresses.n && fn; i++) {
            px_view a = PXI_PB_AT(m.addresses, struct pxi_msg_address, i)->multiaddr;
            if (pxi_maddr_check(a, NULL) == PX_ERR_OK)
                fn(ctx, a);
        }
    }
    pxi_arena_deinit(&arena);
    return err;
}
