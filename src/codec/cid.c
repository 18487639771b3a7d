/* Content identifiers. */
#include "codec/cid.h"

#include "base/diag.h"
#include "codec/multibase.h"
#include "codec/varint.h"

/* Hash functions that we know, with the one length that their digests have (0: any). */
static const struct hash {
    uint64_t code;
    uint8_t n;
} hashes[] = {{PXI_HASH_IDENTITY, 0},
              {PXI_HASH_SHA2_256, 32},
              {PXI_HASH_SHA2_512, 64},
              {PXI_HASH_BLAKE3, 32}};

static px_err wrong(px_diag *d, size_t at, const char *field, const char *expected, uint64_t found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%llu", (unsigned long long)found);
}

/* A varint at *at, which moves behind it. */
static px_err take(px_view in, size_t *at, const char *field, uint64_t *v, px_diag *d)
{
    int n = *at < in.n ? pxi_varint_get(px_view_of(in.p + *at, in.n - *at), v) : 0;
    if (n > 0) {
        *at += (size_t)n;
        return PX_ERR_OK;
    }
    px_err err = wrong(d, *at, field, "a varint in its shortest form", in.n - *at);
    return n == 0 ? PX_ERR_TRUNCATED : err;
}

static const struct hash *find_hash(uint64_t code)
{
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        if (hashes[i].code == code)
            return &hashes[i];
    return NULL;
}

static px_err multihash_decode(px_view in, size_t at, struct pxi_cid *out, px_diag *d)
{
    uint64_t n = 0;
    size_t start = at;
    px_err err = take(in, &at, "hash", &out->hash, d);
    if (err != PX_ERR_OK)
        return err;
    const struct hash *h = find_hash(out->hash);
    if (!h)
        return wrong(d, start, "hash", "identity 0, sha2-256 18, sha2-512 19, blake3 30",
                     out->hash);
    start = at;
    err = take(in, &at, "digest length", &n, d);
    if (err != PX_ERR_OK)
        return err;
    if ((h->n && n != h->n) || n > sizeof out->digest)
        return wrong(d, start, "digest length", "the length of this hash", n);
    if (n != in.n - at)
        return wrong(d, at, "digest", "as many bytes as its length says", in.n - at);
    out->n = (uint8_t)n;
    if (n)
        memcpy(out->digest, in.p + at, (size_t)n);
    return PX_ERR_OK;
}

px_err pxi_cid_decode(px_view in, struct pxi_cid *out, px_diag *d)
{
    size_t at = 0;
    *out = (struct pxi_cid){0};
    if (in.n == 34 && in.p[0] == PXI_HASH_SHA2_256 && in.p[1] == 32) {
        out->codec = PXI_CID_DAG_PB;
        return multihash_decode(in, 0, out, d);
    }
    px_err err = take(in, &at, "version", &out->version, d);
    if (err == PX_ERR_OK && out->version != 1)
        return wrong(d, 0, "version", "1", out->version);
    if (err == PX_ERR_OK)
        err = take(in, &at, "codec", &out->codec, d);
    return err == PX_ERR_OK ? multihash_decode(in, at, out, d) : err;
}

px_err pxi_cid_parse(px_view text, struct pxi_cid *out, px_diag *d)
{
    uint8_t bytes[PXI_CID_MAX];
    size_t n;
    *out = (struct pxi_cid){0};
    bool v0 = text.n == 46 && text.p[0] == 'Q' && text.p[1] == 'm';
    px_err err = v0 ? pxi_base_get(PXI_BASE58, text, bytes, sizeof bytes, &n, d)
                    : pxi_multibase_get(text, bytes, sizeof bytes, &n, d);
    if (err != PX_ERR_OK)
        return err;
    if (!v0 && n && bytes[0] == PXI_HASH_SHA2_256)
        return wrong(d, 0, "version", "a version 0 without a multibase prefix", bytes[0]);
    return pxi_cid_decode(px_view_of(bytes, n), out, d);
}

size_t pxi_cid_multihash(const struct pxi_cid *c, uint8_t out[PXI_CID_MAX])
{
    size_t n = pxi_varint_put(out, c->hash);
    out[n++] = c->n;
    memcpy(out + n, c->digest, c->n);
    return n + c->n;
}

size_t pxi_cid_encode(const struct pxi_cid *c, uint8_t out[PXI_CID_MAX])
{
    size_t n = 0;
    if (c->version) {
        n = pxi_varint_put(out, c->version);
        n += pxi_varint_put(out + n, c->codec);
    }
    uint8_t hash[PXI_CID_MAX];
    size_t m = pxi_cid_multihash(c, hash);
    memcpy(out + n, hash, m);
    return n + m;
}

char *pxi_cid_text(const struct pxi_cid *c, char out[PXI_CID_TEXT])
{
    uint8_t bytes[PXI_CID_MAX];
    px_view v = px_view_of(bytes, pxi_cid_encode(c, bytes));
    size_t n = 0;
    if (c->version)
        out[n++] = PXI_BASE32;
    n += pxi_base_put(c->version ? PXI_BASE32 : PXI_BASE58, v, out + n, PXI_CID_TEXT - 1 - n);
    out[n] = 0;
    return out;
}

struct pxi_cid pxi_cid_raw(uint64_t hash, const uint8_t digest[32])
{
    struct pxi_cid c = {.version = 1, .codec = PXI_CID_RAW, .hash = hash, .n = 32};
    memcpy(c.digest, digest, 32);
    return c;
}
