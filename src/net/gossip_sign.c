/* Composing, signing, checking and naming pubsub messages. */
#include "net/gossip_sign.h"

#include "crypto/hash.h"

#define PREFIX "libp2p-pubsub:"

enum { SEQNO = 8, KEY_TYPE = 0x08, KEY_DATA = 0x12 };

static bool add_signature(struct pxi_buf *out, size_t start, const struct pxi_key *key,
                          const struct pxi_peer *self)
{
    struct pxi_buf text = {.max = out->n - start + sizeof PREFIX};
    uint8_t signature[PXI_SIGNATURE_MAX];
    size_t n = 0;
    if (pxi_buf_add(&text, PREFIX, sizeof PREFIX - 1) &&
        pxi_buf_add(&text, out->p + start, out->n - start))
        n = pxi_key_sign(key, px_view_of(text.p, text.n), signature);
    pxi_buf_deinit(&text);
    if (!n || !pxi_rpc_put_bytes(out, PXI_RPC_MSG_SIGNATURE, px_view_of(signature, n)))
        return false;
    return pxi_peer_key(self).n || pxi_rpc_put_bytes(out, PXI_RPC_MSG_KEY, pxi_key_public(key));
}

bool pxi_gossip_compose(struct pxi_buf *out, const struct pxi_key *key, const struct pxi_peer *self,
                        uint64_t seqno, px_view topic, px_view data)
{
    size_t start = out->n;
    uint8_t be[SEQNO];
    for (unsigned i = 0; i < SEQNO; i++)
        be[i] = (uint8_t)(seqno >> (56 - 8 * i));
    bool good = !key || pxi_rpc_put_bytes(out, PXI_RPC_MSG_FROM, pxi_peer_view(self));
    good = good && pxi_rpc_put_bytes(out, PXI_RPC_MSG_DATA, data);
    good = good && (!key || pxi_rpc_put_bytes(out, PXI_RPC_MSG_SEQNO, px_view_of(be, SEQNO)));
    good = good && pxi_rpc_put_bytes(out, PXI_RPC_MSG_TOPIC, topic);
    good = good && (!key || add_signature(out, start, key, self));
    if (!good)
        out->n = start;
    return good;
}

static bool has(const struct pxi_rpc_message *m, unsigned field)
{
    return m->has >> field & 1;
}

px_err pxi_gossip_shape(enum pxi_gossip_policy policy, const struct pxi_rpc_message *m,
                        struct pxi_peer *from)
{
    *from = (struct pxi_peer){.n = 0};
    if (policy == PXI_GOSSIP_STRICT_NO_SIGN) {
        bool any = has(m, PXI_RPC_MSG_FROM) || has(m, PXI_RPC_MSG_SEQNO) ||
                   has(m, PXI_RPC_MSG_SIGNATURE) || has(m, PXI_RPC_MSG_KEY);
        return any ? PX_ERR_PROTOCOL : PX_ERR_OK;
    }
    if (!m->signature.n || m->signature.n > PXI_SIGNATURE_MAX || m->seqno.n != SEQNO)
        return PX_ERR_PROTOCOL;
    if (m->key.n > PXI_PUBKEY_MAX || pxi_peer_from_bytes(m->from, from, NULL) != PX_ERR_OK)
        return PX_ERR_PROTOCOL;
    return PX_ERR_OK;
}

/* The message without the fields of signature and key, behind the prefix. */
static bool signed_text(const struct pxi_rpc_message *m, struct pxi_buf *out)
{
    struct pxi_rpc_field f;
    size_t at = 0, kept = 0;
    if (!pxi_buf_add(out, PREFIX, sizeof PREFIX - 1))
        return false;
    while (pxi_rpc_next(m->raw, &at, &f) == 1) {
        if (f.number == PXI_RPC_MSG_SIGNATURE || f.number == PXI_RPC_MSG_KEY) {
            if (f.offset > kept && !pxi_buf_add(out, m->raw.p + kept, f.offset - kept))
                return false;
            kept = at;
        }
    }
    return kept == m->raw.n || pxi_buf_add(out, m->raw.p + kept, m->raw.n - kept);
}

px_err pxi_gossip_verify(const struct pxi_rpc_message *m, const struct pxi_peer *from)
{
    px_view key = pxi_peer_key(from);
    if (m->key.n) {
        struct pxi_peer owner = pxi_peer_of_key(m->key);
        if (!pxi_peer_equal(&owner, from))
            return PX_ERR_IDENTITY;
        key = m->key;
    }
    if (!key.n)
        return PX_ERR_IDENTITY;
    struct pxi_buf text = {.max = m->raw.n + sizeof PREFIX};
    px_err err = PX_ERR_NOMEM;
    if (signed_text(m, &text))
        err =
            pxi_verify(key, px_view_of(text.p, text.n), m->signature) ? PX_ERR_OK : PX_ERR_IDENTITY;
    pxi_buf_deinit(&text);
    return err;
}

static void append(struct pxi_gossip_id *id, px_view v)
{
    memcpy(id->b + id->n, v.p, v.n);
    id->n = (uint8_t)(id->n + v.n);
}

struct pxi_gossip_id pxi_gossip_id_of(enum pxi_gossip_policy policy,
                                      const struct pxi_rpc_message *m)
{
    struct pxi_gossip_id id = {.n = 0};
    if (policy == PXI_GOSSIP_STRICT_NO_SIGN) {
        pxi_sha256(m->data, id.b);
        id.n = PXI_DIGEST;
    } else if (m->from.n + m->seqno.n <= PXI_GOSSIP_ID) {
        append(&id, m->from);
        append(&id, m->seqno);
    }
    return id;
}

bool pxi_gossip_id_from_key(px_view id, struct pxi_gossip_id *out)
{
    *out = (struct pxi_gossip_id){.n = 0};
    if (id.n < 4 + SEQNO || id.n > PXI_PUBKEY_MAX + SEQNO || id.p[0] != KEY_TYPE ||
        id.p[1] > PXI_KEY_ECDSA || id.p[2] != KEY_DATA)
        return false;
    px_view key = px_view_of(id.p, id.n - SEQNO);
    size_t n = key.p[3]; /* the length of the data: one byte, or two */
    size_t at = 4;
    if (n & 0x80) {
        n = (n & 0x7f) | (size_t)key.p[4] << 7;
        at = 5;
    }
    if (at + n != key.n)
        return false;
    struct pxi_peer p = pxi_peer_of_key(key);
    if (!p.n)
        return false;
    append(out, pxi_peer_view(&p));
    append(out, px_view_of(id.p + key.n, SEQNO));
    return true;
}

bool pxi_gossip_id_to_key(px_view id, struct pxi_gossip_id *out)
{
    struct pxi_peer p;
    *out = (struct pxi_gossip_id){.n = 0};
    if (id.n <= SEQNO || pxi_peer_from_bytes(px_view_of(id.p, id.n - SEQNO), &p, NULL) != PX_ERR_OK)
        return false;
    px_view key = pxi_peer_key(&p);
    if (!key.n)
        return false;
    append(out, key);
    append(out, px_view_of(id.p + id.n - SEQNO, SEQNO));
    return true;
}
