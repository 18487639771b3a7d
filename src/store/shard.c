#include "store/shard.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/limits.h"

enum { ALIGNMENT = 32 };

const char *pxi_shard_role_name(uint64_t role)
{
    static const char *const names[] = {"meta", "token_embd", "block", "output"};
    return role < PXI_SHARD_ROLES ? names[role] : "?";
}

static enum pxi_shard_role role_of(const px_gguf_tensor *t)
{
    switch (t->role) {
    case PX_ROLE_EMBED: return PXI_SHARD_EMBED;
    case PX_ROLE_BLOCK: return PXI_SHARD_BLOCK;
    case PX_ROLE_OUTPUT: return PXI_SHARD_OUTPUT;
    default: return PXI_SHARD_META; /* every stage may need it */
    }
}

static int by_bytes(px_view a, px_view b)
{
    int d = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return d ? d : (a.n > b.n) - (a.n < b.n);
}

/* Shard by shard, by name inside a shard. */
static int by_place(const void *x, const void *y)
{
    const px_gguf_tensor *a = *(const px_gguf_tensor *const *)x;
    const px_gguf_tensor *b = *(const px_gguf_tensor *const *)y;
    int d = (int)role_of(a) - (int)role_of(b);
    if (d)
        return d;
    if (a->block != b->block)
        return a->block < b->block ? -1 : 1;
    return by_bytes(a->name, b->name);
}

static int by_key(const void *x, const void *y)
{
    const px_gguf_kv *a = *(const px_gguf_kv *const *)x, *b = *(const px_gguf_kv *const *)y;
    return by_bytes(a->key, b->key);
}

/* ------------------------------------------------------------------ deciding */

static px_err lacks(struct pxi_cut *c, const char *what)
{
    c->missing = what;
    return PX_ERR_NOT_FOUND;
}

/* Rows for the runs of equal place in the sorted tensors; meta has one even without tensors. */
static px_err add_runs(struct pxi_cut *c, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && role_of(c->order[i]) == PXI_SHARD_META)
        i++;
    c->shards[0].count = i;
    c->count = 1;
    while (i < n) {
        if (c->count == PXI_LIMIT_STORE_SHARDS)
            return PX_ERR_LIMIT;
        struct pxi_shard *s = &c->shards[c->count];
        *s = (struct pxi_shard){.role = role_of(c->order[i]), .block = c->order[i]->block};
        s->first = i;
        while (i < n && role_of(c->order[i]) == s->role && c->order[i]->block == s->block)
            i++;
        s->count = i - s->first;
        if (c->count++ == 1 && s->role != PXI_SHARD_EMBED)
            return lacks(c, "token_embd");
        if (s->role == PXI_SHARD_BLOCK && s->block != c->blocks++)
            return lacks(c, "a block before its last one");
    }
    if (!c->blocks)
        return lacks(c, "blk.0");
    return c->shards[c->count - 1].role == PXI_SHARD_OUTPUT ? PX_ERR_OK : lacks(c, "output_norm");
}

px_err pxi_cut_init(struct pxi_cut *c, const px_gguf *g)
{
    *c = (struct pxi_cut){.g = g};
    uint64_t n = px_gguf_tensor_count(g);
    if (n > PXI_LIMIT_GGUF_TENSORS)
        return PX_ERR_LIMIT;
    c->order = pxi_calloc((size_t)n + 1, sizeof *c->order);
    c->shards = pxi_calloc(PXI_LIMIT_STORE_SHARDS, sizeof *c->shards);
    if (!c->order || !c->shards)
        return PX_ERR_NOMEM;
    for (uint64_t i = 0; i < n; i++)
        c->order[i] = px_gguf_tensor_at(g, i);
    qsort(c->order, (size_t)n, sizeof *c->order, by_place);
    px_err err = add_runs(c, (uint32_t)n);
    for (uint32_t i = 0; i < c->count && err == PX_ERR_OK; i++) {
        err = pxi_shard_write(c, i, NULL, NULL);
        c->bytes += c->shards[i].bytes;
    }
    return err;
}

void pxi_cut_deinit(struct pxi_cut *c)
{
    pxi_free(c->order);
    pxi_free(c->shards);
    *c = (struct pxi_cut){0};
}

/* ------------------------------------------------------------------ writing */

/* Metadata that belongs to one file and not to the model. */
static int of_file(px_view key)
{
    return px_view_is(key, "general.alignment") || px_view_is(key, "split.no") ||
           px_view_is(key, "split.count") || px_view_is(key, "split.tensors.count");
}

static px_err put_number(px_gguf_writer *w, const char *key, px_gguf_type type, unsigned bytes,
                         uint64_t v)
{
    uint8_t le[4];
    for (unsigned i = 0; i < bytes; i++)
        le[i] = (uint8_t)(v >> 8 * i);
    px_gguf_kv kv = {.key = px_view_str(key),
                     .type = type,
                     .elem_type = type,
                     .count = 1,
                     .value = px_view_of(le, bytes)};
    return px_gguf_put_kv(w, &kv);
}

/* The keys of split files, of the types that they have elsewhere. */
static px_err put_split(px_gguf_writer *w, const struct pxi_cut *c, uint32_t i)
{
    px_err err = put_number(w, "split.no", PX_GGUF_U16, 2, i);
    if (err == PX_ERR_OK)
        err = put_number(w, "split.count", PX_GGUF_U16, 2, c->count);
    if (err == PX_ERR_OK)
        err = put_number(w, "split.tensors.count", PX_GGUF_I32, 4, px_gguf_tensor_count(c->g));
    return err;
}

static px_err put_metadata(px_gguf_writer *w, const px_gguf *g)
{
    uint64_t n = px_gguf_kv_count(g);
    px_err err = PX_ERR_OK;
    const px_gguf_kv **kv = pxi_calloc((size_t)n + 1, sizeof *kv);
    if (!kv)
        return PX_ERR_NOMEM;
    for (uint64_t i = 0; i < n; i++)
        kv[i] = px_gguf_kv_at(g, i);
    qsort(kv, (size_t)n, sizeof *kv, by_key);
    for (uint64_t i = 0; i < n && err == PX_ERR_OK; i++)
        if (!of_file(kv[i]->key))
            err = px_gguf_put_kv(w, kv[i]);
    pxi_free(kv);
    return err;
}

/* Counts what the writer writes, and passes it on. */
struct counter {
    px_write_fn *fn;
    void *ctx;
    uint64_t n;
};

static int count(void *ctx, const void *bytes, size_t n)
{
    struct counter *k = ctx;
    k->n += n;
    return k->fn ? k->fn(k->ctx, bytes, n) : 0;
}

static px_err write_tensors(struct pxi_cut *c, const struct pxi_shard *s, px_gguf_writer *w)
{
    px_err err = PX_ERR_OK;
    for (uint32_t j = 0; j < s->count && err == PX_ERR_OK; j++) {
        px_view data = c->order[s->first + j]->data;
        err = px_gguf_write_data(w, data.p, data.n);
    }
    return err == PX_ERR_OK ? px_gguf_write_finish(w) : err;
}

/* Bytes of the tensors, each padded to the alignment. */
static uint64_t data_bytes(const struct pxi_cut *c, const struct pxi_shard *s)
{
    uint64_t n = 0;
    for (uint32_t j = 0; j < s->count; j++)
        n += (c->order[s->first + j]->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return n;
}

px_err pxi_shard_write(struct pxi_cut *c, uint32_t i, px_write_fn *fn, void *ctx)
{
    struct pxi_shard *s = &c->shards[i];
    struct counter k = {fn, ctx, 0};
    px_gguf_writer *w = px_gguf_writer_new(ALIGNMENT);
    px_err err = w ? put_split(w, c, i) : PX_ERR_NOMEM;
    if (err == PX_ERR_OK && s->role == PXI_SHARD_META)
        err = put_metadata(w, c->g);
    for (uint32_t j = 0; j < s->count && err == PX_ERR_OK; j++) {
        const px_gguf_tensor *t = c->order[s->first + j];
        err = px_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->dims);
    }
    if (err == PX_ERR_OK)
        err = px_gguf_write_header(w, count, &k);
    if (err == PX_ERR_OK && fn)
        err = write_tensors(c, s, w);
    if (!fn)
        s->bytes = k.n + data_bytes(c, s);
    px_gguf_writer_free(w);
    return err;
}

/* ------------------------------------------------------------------ checking */

static px_err check_number(const px_gguf *g, uint32_t no, const char *key, uint64_t want,
                           px_diag *d)
{
    uint64_t found = UINT64_MAX;
    px_err err = px_gguf_get_u64(g, key, &found, d);
    if (err == PX_ERR_OK && found == want)
        return PX_ERR_OK;
    char expected[32];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)want);
    pxi_diag_field(d, "shard[%u].%s", no, key);
    return pxi_diag_set(d, PX_ERR_CORRUPT, 0, expected, "%lld", (long long)found);
}

px_err pxi_shard_check(const px_gguf *g, uint32_t no, uint32_t count, enum pxi_shard_role role,
                       uint32_t block, uint64_t tensors, px_diag *d)
{
    px_err err = check_number(g, no, "split.no", no, d);
    if (err == PX_ERR_OK)
        err = check_number(g, no, "split.count", count, d);
    uint64_t n = px_gguf_tensor_count(g);
    if (err == PX_ERR_OK && n != tensors) {
        char expected[32];
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)tensors);
        pxi_diag_field(d, "shard[%u].tensors", no);
        err = pxi_diag_set(d, PX_ERR_CORRUPT, 0, expected, "%llu", (unsigned long long)n);
    }
    for (uint64_t i = 0; i < n && err == PX_ERR_OK; i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        if (role_of(t) == role && t->block == block)
            continue;
        pxi_diag_field(d, "shard[%u].tensor[%llu]", no, (unsigned long long)i);
        err = pxi_diag_set(d, PX_ERR_CORRUPT, t->offset, "a tensor of its role and block", "%.*s",
                           (int)(t->name.n < 64 ? t->name.n : 64), (const char *)t->name.p);
    }
    return err;
}
