/* Checks of single messages of the network. */
#include "codec/check_net.h"

#include "base/diag.h"
#include "codec/cid.h"
#include "codec/maddr.h"
#include "codec/messages.h"
#include "codec/msgpack.h"
#include "codec/peer.h"
#include "codec/varint.h"
#include "crypto/key.h"

enum { ARENA_MAX = 16 << 20 };

/* A file past a limit is as bad as a malformed one. */
static px_err as_integrity(px_err err)
{
    return err == PX_ERR_LIMIT || err == PX_ERR_UNSUPPORTED ? PX_ERR_CORRUPT : err;
}

static px_err wrong(px_diag *d, uint64_t at, const char *field, const char *expected,
                    const char *found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%s", found);
}

/* ------------------------------------------------------------------- Kademlia */

/* /pk/<peer id>: the value is the public key with that id. */
static px_err check_record(const struct pxi_msg_kad *m, px_diag *d)
{
    static const char pk[] = "/pk/";
    enum { PREFIX = sizeof pk - 1 };
    if (!m->record)
        return wrong(d, 0, "kad.record", "a record to store", "none");
    if (!px_view_equal(m->record->key, m->key))
        return wrong(d, 0, "kad.record.key", "the key of the message", "another key");
    if (m->key.n <= PREFIX || memcmp(m->key.p, pk, PREFIX) != 0)
        return wrong(d, 0, "kad.record.key", "a namespace that is validated: /pk/", "another");
    struct pxi_peer peer = pxi_peer_of_key(m->record->value);
    px_view name = px_view_of(m->key.p + PREFIX, m->key.n - PREFIX);
    if (!px_view_equal(pxi_peer_view(&peer), name))
        return wrong(d, 0, "kad.record.value", "the public key that the key names", "another");
    return PX_ERR_OK;
}

static px_err check_message(const struct pxi_msg_kad *m, px_diag *d)
{
    if (m->type > PXI_KAD_PING)
        return wrong(d, 0, "kad.type", "0 to 5", "a type that does not exist");
    if (m->type != PXI_KAD_PING && !m->key.n)
        return wrong(d, 0, "kad.key", "a key", "none");
    if (m->type == PXI_KAD_PUT_VALUE)
        return check_record(m, d);
    if (m->type == PXI_KAD_ADD_PROVIDER)
        return wrong(d, 0, "kad.providers", "the sender as its own provider", "others");
    return PX_ERR_OK;
}

px_err pxi_check_kad(px_view in, px_diag *d)
{
    uint64_t n = 0;
    int head = pxi_varint_get(in, &n);
    if (head <= 0)
        return wrong(d, 0, "length", "a varint in its shortest form",
                     head ? "another form" : "the end");
    if (n != in.n - (size_t)head)
        return wrong(d, (uint64_t)head, "length", "as many bytes as the length says",
                     n > in.n - (size_t)head ? "fewer" : "more");
    struct pxi_msg_kad m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, ARENA_MAX);
    px_view body = px_view_of(in.p + head, (size_t)n);
    px_err err = pxi_pb_decode(&pxi_pb_kad, body, &arena, &m, d);
    if (err != PX_ERR_OK && d)
        d->offset += (uint64_t)head;
    if (err == PX_ERR_OK)
        err = check_message(&m, d);
    pxi_arena_deinit(&arena);
    return as_integrity(err);
}

/* ------------------------------------------------------------------- Noise */

/* Lengths that a signature may have, by the type of the key. */
static bool signature_fits(uint64_t type, size_t n)
{
    if (type == PXI_KEY_ED25519)
        return n == 64;
    if (type == PXI_KEY_RSA)
        return n >= 256 && n <= 512;
    return n >= 8 && n <= 72; /* an ASN.1 pair of numbers of 256 bits */
}

static px_err check_payload(const struct pxi_msg_noise_payload *m, px_diag *d)
{
    struct pxi_msg_key key = {0};
    struct pxi_pubkey *checked = NULL;
    px_err err = pxi_pubkey_decode(m->identity_key, &checked, d);
    pxi_pubkey_free(checked);
    if (err == PX_ERR_OK)
        err = pxi_pb_decode(&pxi_pb_key, m->identity_key, NULL, &key, d);
    if (err == PX_ERR_OK && !signature_fits(key.type, m->identity_sig.n))
        err = wrong(d, 0, "noise_payload.identity_sig", "a signature of this type of key",
                    m->identity_sig.n ? "another length" : "nothing");
    return err;
}

px_err pxi_check_noise_payload(px_view in, px_diag *d)
{
    struct pxi_msg_noise_payload m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, ARENA_MAX);
    px_err err = pxi_pb_decode(&pxi_pb_noise_payload, in, &arena, &m, d);
    if (err == PX_ERR_OK)
        err = check_payload(&m, d);
    pxi_arena_deinit(&arena);
    return as_integrity(err);
}

/* ------------------------------------------------------------------- text and values */

px_err pxi_check_cid(px_view in, px_diag *d)
{
    struct pxi_cid cid;
    return as_integrity(pxi_cid_parse(in, &cid, d));
}

px_err pxi_check_maddr(px_view in, px_diag *d)
{
    struct pxi_maddr a;
    return as_integrity(pxi_maddr_parse(in, &a, d));
}

px_err pxi_check_maddr_bin(px_view in, px_diag *d)
{
    return as_integrity(pxi_maddr_check(in, d));
}

px_err pxi_check_msgpack(px_view in, px_diag *d)
{
    return as_integrity(pxi_msgpack_check(in, d));
}
