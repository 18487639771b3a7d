/* Peer ids. */
#include "codec/peer.h"

#include "base/diag.h"
#include "codec/cid.h"
#include "codec/multibase.h"
#include "crypto/hash.h"

enum { INLINE_MAX = PXI_PEER_BYTES - 2 }; /* longest key that is its own hash */

struct pxi_peer pxi_peer_of_key(px_view pubkey)
{
    struct pxi_peer p = {.n = PXI_DIGEST + 2, .b = {PXI_HASH_SHA2_256, PXI_DIGEST}};
    if (pubkey.n > INLINE_MAX) {
        pxi_sha256(pubkey, p.b + 2);
        return p;
    }
    p.n = (uint8_t)(pubkey.n + 2);
    p.b[0] = PXI_HASH_IDENTITY;
    p.b[1] = (uint8_t)pubkey.n;
    if (pubkey.n)
        memcpy(p.b + 2, pubkey.p, pubkey.n);
    return p;
}

px_err pxi_peer_from_bytes(px_view multihash, struct pxi_peer *out, px_diag *d)
{
    *out = (struct pxi_peer){0};
    pxi_diag_field(d, "peer id");
    if (multihash.n < 3 || multihash.n > PXI_PEER_BYTES)
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "3 to 44 bytes", "%zu", multihash.n);
    uint8_t hash = multihash.p[0], n = multihash.p[1];
    if (hash != PXI_HASH_IDENTITY && hash != PXI_HASH_SHA2_256)
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "identity 0 or sha2-256 18", "%u", hash);
    if (n != multihash.n - 2 || (hash == PXI_HASH_SHA2_256 && n != PXI_DIGEST))
        return pxi_diag_set(d, PX_ERR_CORRUPT, 1, "the length of the digest", "%u", n);
    out->n = (uint8_t)multihash.n;
    memcpy(out->b, multihash.p, multihash.n);
    return PX_ERR_OK;
}

static px_err parse_cid(px_view text, struct pxi_peer *out, px_diag *d)
{
    struct pxi_cid cid;
    uint8_t hash[PXI_CID_MAX];
    px_err err = pxi_cid_parse(text, &cid, d);
    if (err != PX_ERR_OK)
        return err;
    if (cid.version != 1 || cid.codec != PXI_CID_LIBP2P_KEY) {
        pxi_diag_field(d, "codec");
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "libp2p-key 114", "%llu",
                            (unsigned long long)cid.codec);
    }
    return pxi_peer_from_bytes(px_view_of(hash, pxi_cid_multihash(&cid, hash)), out, d);
}

px_err pxi_peer_parse(px_view text, struct pxi_peer *out, px_diag *d)
{
    uint8_t bytes[PXI_PEER_BYTES];
    size_t n;
    *out = (struct pxi_peer){0};
    bool plain = text.n > 1 && (text.p[0] == '1' || (text.p[0] == 'Q' && text.p[1] == 'm'));
    if (!plain)
        return parse_cid(text, out, d);
    px_err err = pxi_base_get(PXI_BASE58, text, bytes, sizeof bytes, &n, d);
    return err == PX_ERR_OK ? pxi_peer_from_bytes(px_view_of(bytes, n), out, d) : err;
}

char *pxi_peer_text(const struct pxi_peer *p, char out[PXI_PEER_TEXT])
{
    out[pxi_base_put(PXI_BASE58, pxi_peer_view(p), out, PXI_PEER_TEXT - 1)] = 0;
    return out;
}

px_view pxi_peer_key(const struct pxi_peer *p)
{
    bool is_inline = p->n > 2 && p->b[0] == PXI_HASH_IDENTITY;
    return is_inline ? px_view_of(p->b + 2, p->n - 2u) : px_view_of(NULL, 0);
}
