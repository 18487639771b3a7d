#include "store/manifest.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/limits.h"
#include "net/envelope.h"

static const struct pxi_envelope_kind kind = {"plexus-manifest", {(const uint8_t *)"\x03\x20", 2}};

enum { VERSION = 1, SHARD_MIN = 24, ARENA = 1 << 18, TYPES = 64 };

typedef unsigned long long ull;

char *pxi_hash_text(const uint8_t hash[PXI_DIGEST], char out[PXI_CID_TEXT])
{
    struct pxi_cid c = pxi_cid_raw(PXI_HASH_BLAKE3, hash);
    return pxi_cid_text(&c, out);
}

/* ------------------------------------------------------------------ checking */

static px_err wrong(px_diag *d, uint32_t i, const char *field, const char *expected, uint64_t found)
{
    pxi_diag_field(d, "shards[%u].%s", i, field);
    return pxi_diag_set(d, PX_ERR_CORRUPT, 0, expected, "%llu", (ull)found);
}

/* Role and block of shard i are those of its place. */
static px_err check_place(const struct pxi_msg_manifest *m, const struct pxi_msg_shard *s,
                          uint32_t i, px_diag *d)
{
    uint64_t want = i == 0                ? PXI_SHARD_META
                    : i == 1              ? PXI_SHARD_EMBED
                    : i < m->shards.n - 1 ? PXI_SHARD_BLOCK
                                          : PXI_SHARD_OUTPUT;
    if (s->role != want)
        return wrong(d, i, "role", pxi_shard_role_name(want), s->role);
    if (s->block != (want == PXI_SHARD_BLOCK ? i - 2 : 0))
        return wrong(d, i, "block", "blocks counted from 0", s->block);
    return PX_ERR_OK;
}

static px_err take_shard(const struct pxi_msg_manifest *m, uint32_t i, struct pxi_manifest *out,
                         px_diag *d)
{
    const struct pxi_msg_shard *s = (const struct pxi_msg_shard *)m->shards.p + i;
    struct pxi_manifest_shard *row = &out->shards[i];
    struct pxi_cid cid;
    px_err err = check_place(m, s, i, d);
    if (err != PX_ERR_OK)
        return err;
    if (pxi_cid_decode(s->cid, &cid, NULL) != PX_ERR_OK || cid.version != 1 ||
        cid.codec != PXI_CID_RAW || cid.hash != PXI_HASH_BLAKE3 || cid.n != PXI_DIGEST)
        return wrong(d, i, "cid", "a raw CIDv1 of a BLAKE3 hash", s->cid.n);
    if (s->bytes < SHARD_MIN || s->bytes > PXI_LIMIT_STORE_SHARD_BYTES)
        return wrong(d, i, "bytes", "24 to 2^40", s->bytes);
    if ((i && !s->tensors) || s->tensors > PXI_LIMIT_GGUF_TENSORS)
        return wrong(d, i, "tensors", i ? "1 to 2^22" : "at most 2^22", s->tensors);
    if (s->sha256.n != 0 && s->sha256.n != PXI_DIGEST)
        return wrong(d, i, "sha256", "32 bytes or none", s->sha256.n);
    *row = (struct pxi_manifest_shard){.role = (enum pxi_shard_role)s->role,
                                       .block = (uint32_t)s->block,
                                       .bytes = s->bytes,
                                       .tensors = s->tensors,
                                       .has_sha256 = s->sha256.n != 0};
    memcpy(row->hash, cid.digest, PXI_DIGEST);
    if (row->has_sha256)
        memcpy(row->sha256, s->sha256.p, PXI_DIGEST);
    for (uint32_t j = 0; j < i; j++)
        if (memcmp(out->shards[j].hash, row->hash, PXI_DIGEST) == 0)
            return wrong(d, i, "cid", "a shard of its own", j);
    return PX_ERR_OK;
}

static px_err take_shards(const struct pxi_msg_manifest *m, struct pxi_manifest *out, px_diag *d)
{
    uint64_t sum = 0;
    px_err err = PX_ERR_OK;
    out->shards = pxi_calloc(m->shards.n, sizeof *out->shards);
    if (!out->shards)
        return PX_ERR_NOMEM;
    out->count = (uint32_t)m->shards.n;
    for (uint32_t i = 0; i < out->count && err == PX_ERR_OK; i++) {
        err = take_shard(m, i, out, d);
        sum += out->shards[i].bytes; /* at most 2^9 times 2^40 */
    }
    if (err != PX_ERR_OK || sum == m->bytes)
        return err;
    pxi_diag_field(d, "bytes");
    return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "the sum of the shards", "%llu", (ull)m->bytes);
}

/* Numbers that others compute with. */
static px_err check_dims(const struct pxi_msg_manifest *m, px_diag *d)
{
    const uint64_t dims[] = {m->embd, m->ffn, m->heads, m->kv_heads, m->vocab, m->context};
    static const char *const names[] = {"embd", "ffn", "heads", "kv_heads", "vocab", "context"};
    if (m->version != VERSION) {
        pxi_diag_field(d, "version");
        return pxi_diag_set(d, PX_ERR_VERSION, 0, "1", "%llu", (ull)m->version);
    }
    if (m->shards.n < 4 || m->blocks != m->shards.n - 3) {
        pxi_diag_field(d, "blocks");
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "one shard a block and three others", "%llu",
                            (ull)m->blocks);
    }
    for (unsigned i = 0; i < sizeof dims / sizeof *dims; i++)
        if (dims[i] > UINT32_MAX) {
            pxi_diag_field(d, "%s", names[i]);
            return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "32 bits", "%llu", (ull)dims[i]);
        }
    return PX_ERR_OK;
}

/* The bytes are the only ones that say this: nothing unknown, nothing twice, fields in order. */
static px_err check_canonical(const struct pxi_msg_manifest *m, px_view payload, px_diag *d)
{
    struct pxi_buf again = {.max = PXI_MANIFEST_MAX};
    px_err err = pxi_pb_encode(&pxi_pb_manifest, m, &again);
    if (err == PX_ERR_OK && !px_view_equal(px_view_of(again.p, again.n), payload)) {
        pxi_diag_field(d, "manifest");
        err = pxi_diag_set(d, PX_ERR_CORRUPT, 0, "the canonical encoding", "another");
    }
    pxi_buf_deinit(&again);
    return err;
}

static px_err take_words(const struct pxi_msg_manifest *m, struct pxi_manifest *out, px_diag *d)
{
    const px_view v[] = {m->name, m->architecture, m->type};
    char **const to[] = {&out->name, &out->architecture, &out->type};
    for (unsigned i = 0; i < 3; i++) {
        for (size_t j = 0; j < v[i].n; j++)
            if (v[i].p[j] < 0x20 || v[i].p[j] == 0x7f) {
                pxi_diag_field(d, "name");
                return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "text", "a control character");
            }
        if (!(*to[i] = pxi_strdup_view(v[i])))
            return PX_ERR_NOMEM;
    }
    out->blocks = m->blocks;
    out->embd = m->embd;
    out->ffn = m->ffn;
    out->heads = m->heads;
    out->kv_heads = m->kv_heads;
    out->vocab = m->vocab;
    out->context = m->context;
    out->parameters = m->parameters;
    out->bytes = m->bytes;
    out->tied = m->tied != 0;
    return PX_ERR_OK;
}

px_err pxi_manifest_open(px_view envelope, struct pxi_manifest *out, px_diag *d)
{
    struct pxi_msg_manifest m;
    struct pxi_arena arena;
    px_view payload;
    *out = (struct pxi_manifest){0};
    pxi_diag_field(d, "envelope");
    px_err err = envelope.n > PXI_MANIFEST_MAX
                     ? PX_ERR_LIMIT
                     : pxi_envelope_open(envelope, &kind, NULL, &payload, &out->signer);
    if (err != PX_ERR_OK)
        return pxi_diag_set(d, err, 0, "a signed manifest", "%s", px_err_text(err));
    pxi_arena_init(&arena, ARENA);
    err = pxi_pb_decode(&pxi_pb_manifest, payload, &arena, &m, d);
    if (err == PX_ERR_OK)
        err = check_dims(&m, d);
    if (err == PX_ERR_OK)
        err = check_canonical(&m, payload, d);
    if (err == PX_ERR_OK)
        err = take_shards(&m, out, d);
    if (err == PX_ERR_OK)
        err = take_words(&m, out, d);
    pxi_arena_deinit(&arena);
    pxi_blake3(envelope, out->hash);
    if (err != PX_ERR_OK)
        pxi_manifest_deinit(out);
    return err;
}

void pxi_manifest_deinit(struct pxi_manifest *m)
{
    pxi_free(m->name);
    pxi_free(m->architecture);
    pxi_free(m->type);
    pxi_free(m->shards);
    *m = (struct pxi_manifest){0};
}

px_err pxi_manifest_check(px_view in, px_diag *d)
{
    struct pxi_manifest m;
    px_err err = pxi_manifest_open(in, &m, d);
    if (err == PX_ERR_OK)
        pxi_manifest_deinit(&m);
    return err;
}

/* ------------------------------------------------------------------ making */

/* "<architecture>.<key>" of the metadata, or 0. */
static uint64_t dim(const px_gguf *g, px_view arch, const char *key)
{
    char name[128];
    uint64_t v = 0;
    snprintf(name, sizeof name, "%.*s.%s", (int)arch.n, arch.p, key);
    return px_gguf_get_u64(g, name, &v, NULL) == PX_ERR_OK && v <= UINT32_MAX ? v : 0;
}

static uint64_t elements(const px_gguf_tensor *t)
{
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

/* The type that takes the most bytes. */
static const char *main_type(const px_gguf *g)
{
    uint64_t sum[TYPES] = {0}, n = px_gguf_tensor_count(g);
    uint32_t best = 0;
    for (uint64_t i = 0; i < n; i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        if (t->type < TYPES && (sum[t->type] += t->bytes) > sum[best])
            best = t->type;
    }
    return sum[best] ? px_dtype_name(best) : "";
}

/* What the metadata say. */
static void describe_dims(const px_gguf *g, struct pxi_msg_manifest *m)
{
    px_view arch = {0};
    const px_gguf_kv *tokens = px_gguf_kv_find(g, "tokenizer.ggml.tokens");
    if (px_gguf_get_str(g, "general.architecture", &arch, NULL) != PX_ERR_OK || arch.n > 64)
        arch.n = 0;
    m->architecture = arch;
    m->embd = dim(g, arch, "embedding_length");
    m->ffn = dim(g, arch, "feed_forward_length");
    m->heads = dim(g, arch, "attention.head_count");
    m->kv_heads = dim(g, arch, "attention.head_count_kv");
    m->context = dim(g, arch, "context_length");
    m->vocab = tokens && tokens->count <= UINT32_MAX ? tokens->count : 0;
}

static void describe(const struct pxi_cut *c, px_view name, struct pxi_msg_manifest *m)
{
    const px_gguf *g = c->g;
    px_view own = {0};
    describe_dims(g, m);
    if (px_gguf_get_str(g, "general.name", &own, NULL) != PX_ERR_OK)
        own.n = 0;
    m->name = name.n ? name : own;
    if (m->name.n > PXI_LIMIT_STORE_NAME_BYTES)
        m->name.n = 0;
    m->type = px_view_str(main_type(g));
    m->tied = px_gguf_tensor_find(g, "output.weight") == NULL;
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++)
        m->parameters += elements(px_gguf_tensor_at(g, i));
}

px_err pxi_manifest_seal(const struct pxi_cut *c, const struct pxi_manifest_shard *rows,
                         px_view name, const struct pxi_key *key, struct pxi_buf *out)
{
    struct pxi_buf payload = {.max = PXI_MANIFEST_MAX};
    struct pxi_msg_shard *list = pxi_calloc(c->count, sizeof *list);
    uint8_t(*cids)[PXI_CID_MAX] = pxi_calloc(c->count, sizeof *cids);
    struct pxi_msg_manifest m = {.version = VERSION, .blocks = c->blocks, .bytes = c->bytes};
    m.shards = (struct pxi_pb_list){list, c->count};
    px_err err = list && cids ? PX_ERR_OK : PX_ERR_NOMEM;
    for (uint32_t i = 0; i < c->count && err == PX_ERR_OK; i++) {
        const struct pxi_shard *s = &c->shards[i];
        struct pxi_cid cid = pxi_cid_raw(PXI_HASH_BLAKE3, rows[i].hash);
        list[i] = (struct pxi_msg_shard){.role = s->role,
                                         .block = s->block,
                                         .cid = px_view_of(cids[i], pxi_cid_encode(&cid, cids[i])),
                                         .bytes = s->bytes,
                                         .tensors = s->count};
        if (rows[i].has_sha256)
            list[i].sha256 = px_view_of(rows[i].sha256, PXI_DIGEST);
    }
    if (err == PX_ERR_OK) {
        describe(c, name, &m);
        err = pxi_pb_encode(&pxi_pb_manifest, &m, &payload);
    }
    if (err == PX_ERR_OK)
        err = pxi_envelope_seal(key, &kind, px_view_of(payload.p, payload.n), out);
    pxi_free(cids);
    pxi_free(list);
    pxi_buf_deinit(&payload);
    return err;
}

/* ------------------------------------------------------------------ shards that are opened */

/* The manifest repeats what the metadata of the shard say. */
static px_err check_meta(const struct pxi_manifest *m, const px_gguf *g, px_diag *d)
{
    struct pxi_msg_manifest found = {0};
    describe_dims(g, &found);
    const uint64_t says[] = {m->embd, m->ffn, m->heads, m->kv_heads, m->vocab, m->context};
    const uint64_t is[] = {found.embd,     found.ffn,   found.heads,
                           found.kv_heads, found.vocab, found.context};
    static const char *const names[] = {"embd", "ffn", "heads", "kv_heads", "vocab", "context"};
    if (!px_view_is(found.architecture, m->architecture)) {
        pxi_diag_field(d, "manifest.architecture");
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "that of the metadata", "%.60s", m->architecture);
    }
    for (unsigned i = 0; i < sizeof is / sizeof *is; i++)
        if (says[i] != is[i]) {
            char expected[32];
            snprintf(expected, sizeof expected, "%llu", (ull)is[i]);
            pxi_diag_field(d, "manifest.%s", names[i]);
            return pxi_diag_set(d, PX_ERR_CORRUPT, 0, expected, "%llu", (ull)says[i]);
        }
    return PX_ERR_OK;
}

px_err pxi_manifest_check_shard(const struct pxi_manifest *m, uint32_t i, const px_gguf *g,
                                px_diag *d)
{
    const struct pxi_manifest_shard *row = &m->shards[i];
    uint64_t tensors = 0, all = 0;
    for (uint32_t k = 0; k < m->count; k++)
        tensors += m->shards[k].tensors; /* at most 2^9 times 2^22 */
    px_err err = pxi_shard_check(g, i, m->count, row->role, row->block, row->tensors, d);
    if (err == PX_ERR_OK)
        err = px_gguf_get_u64(g, "split.tensors.count", &all, d);
    if (err == PX_ERR_OK && all != tensors) {
        char expected[32];
        snprintf(expected, sizeof expected, "%llu", (ull)tensors);
        pxi_diag_field(d, "shard[%u].split.tensors.count", i);
        err = pxi_diag_set(d, PX_ERR_CORRUPT, 0, expected, "%llu", (ull)all);
    }
    return err == PX_ERR_OK && row->role == PXI_SHARD_META ? check_meta(m, g, d) : err;
}

/* ------------------------------------------------------------------ parts */

struct pxi_want pxi_want_all(const struct pxi_manifest *m)
{
    return (struct pxi_want){0, (uint32_t)m->blocks, true, true};
}

bool pxi_want_shard(const struct pxi_want *w, const struct pxi_manifest *m, uint32_t i)
{
    const struct pxi_manifest_shard *s = &m->shards[i];
    switch (s->role) {
    case PXI_SHARD_META: return true;
    case PXI_SHARD_EMBED: return w->embd || (w->output && m->tied);
    case PXI_SHARD_BLOCK: return s->block >= w->first && s->block < w->last;
    default: return w->output;
    }
}

px_err pxi_manifest_check_part(void *check, uint32_t part, const px_gguf *g, px_diag *d)
{
    struct pxi_parts_check *c = check;
    (void)part;
    while (c->next < c->m->count && !pxi_want_shard(&c->want, c->m, c->next))
        c->next++;
    return c->next < c->m->count ? pxi_manifest_check_shard(c->m, c->next++, g, d) : PX_ERR_INVALID;
}
