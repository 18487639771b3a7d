/* Several files of a split model read as one: each is parsed alone, then the tables are joined. */
#include "base/diag.h"
#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/gguf.h"

#include <stdio.h>

typedef unsigned long long ull;

struct parts {
    int some; /* not all parts are there */
    pxi_gguf_part_fn *check;
    void *ctx;
    px_gguf **g;
    uint32_t n;
    uint64_t n_tensors; /* of all parts */
    px_diag *diag;
};

/* Put "part[i]." in front of the field that the parser named; returns err. */
static px_err blame(struct parts *s, uint32_t i, px_err err)
{
    char field[sizeof s->diag->field];
    if (!s->diag)
        return err;
    snprintf(field, sizeof field, "%s", s->diag->field);
    snprintf(s->diag->field, sizeof s->diag->field, "part[%u].%.72s", i, field);
    return err;
}

/* Key `key` of part i must hold `want`. */
static px_err check_key(struct parts *s, uint32_t i, const char *key, uint64_t want)
{
    uint64_t found = 0;
    char expected[32];
    px_err err = px_gguf_get_u64(s->g[i], key, &found, s->diag);
    snprintf(expected, sizeof expected, "%llu", (ull)want);
    if (!err && found == want)
        return PX_ERR_OK;
    const px_gguf_kv *kv = px_gguf_kv_find(s->g[i], key);
    if (!err || err == PX_ERR_NOT_FOUND) {
        pxi_diag_field(s->diag, "metadata %s", key);
        pxi_diag_set(s->diag, PX_ERR_CORRUPT, kv ? kv->offset : 0, expected,
                     kv ? "%llu" : "no such key", (ull)found);
    }
    return blame(s, i, PX_ERR_CORRUPT);
}

/* Some parts: the first is number 0, the numbers ascend, and all are of one split. */
static px_err check_some(struct parts *s, uint32_t i)
{
    uint64_t count = 0, tensors = 0, no = 0, before = 0;
    px_err err = px_gguf_get_u64(s->g[0], "split.count", &count, s->diag);
    if (err == PX_ERR_OK)
        err = px_gguf_get_u64(s->g[0], "split.tensors.count", &tensors, s->diag);
    if (err == PX_ERR_OK)
        err = check_key(s, i, "split.count", count);
    if (err == PX_ERR_OK)
        err = check_key(s, i, "split.tensors.count", tensors);
    if (err != PX_ERR_OK || i == 0)
        return err == PX_ERR_OK ? check_key(s, 0, "split.no", 0) : err;
    err = px_gguf_get_u64(s->g[i], "split.no", &no, s->diag);
    if (err == PX_ERR_OK)
        err = px_gguf_get_u64(s->g[i - 1], "split.no", &before, s->diag);
    return err == PX_ERR_OK && (no <= before || no >= count)
               ? check_key(s, i, "split.no", before + 1)
               : err;
}

static px_err parse_parts(struct parts *s, const px_view *files)
{
    for (uint32_t i = 0; i < s->n; i++) {
        px_err err = px_gguf_parse(files[i], &s->g[i], s->diag);
        if (err)
            return blame(s, i, err);
        err = s->some ? check_some(s, i) : check_key(s, i, "split.no", i);
        if (!err && !s->some)
            err = check_key(s, i, "split.count", s->n);
        if (!err && s->check)
            err = s->check(s->ctx, i, s->g[i], s->diag);
        if (err)
            return err;
        s->n_tensors += s->g[i]->n_tensors;
    }
    for (uint32_t i = 0; i < s->n && !s->some; i++) {
        px_err err = check_key(s, i, "split.tensors.count", s->n_tensors);
        if (err)
            return err;
    }
    return PX_ERR_OK;
}

/* Row `at` of the joined table repeats a name: say in which part. */
static px_err blame_row(struct parts *s, uint64_t at, px_err err)
{
    uint32_t i = 0;
    while (at >= s->g[i]->n_tensors)
        at -= s->g[i++]->n_tensors;
    const px_gguf_tensor *t = &s->g[i]->tensors[at];
    pxi_diag_field(s->diag, "tensor[%llu].name", (ull)at);
    pxi_diag_set(s->diag, err, 0, "a new name", "%.*s", (int)t->name.n, t->name.p);
    return blame(s, i, err);
}

/* Move the tensors of all parts into the first. */
static px_err join(struct parts *s)
{
    px_gguf *first = s->g[0];
    size_t row = 0, dup = 0;
    px_gguf_tensor *all = pxi_calloc((size_t)s->n_tensors, sizeof *all);
    struct pxi_names names = {0};
    if (!all)
        return PX_ERR_NOMEM;
    for (uint32_t i = 0; i < s->n; i++)
        for (uint64_t j = 0; j < s->g[i]->n_tensors; j++)
            all[row++] = s->g[i]->tensors[j];
    px_err err = pxi_names_init(&names, all, row, sizeof *all, &dup);
    if (err) {
        pxi_names_deinit(&names);
        pxi_free(all);
        return err == PX_ERR_NOMEM ? err : blame_row(s, dup, err);
    }
    pxi_names_deinit(&first->tensor_names);
    pxi_free(first->tensors);
    first->tensors = all;
    first->n_tensors = s->n_tensors;
    first->tensor_names = names;
    return PX_ERR_OK;
}

static px_err parse(struct parts s, const px_view *files, px_gguf **out)
{
    uint32_t n = s.n;
    px_diag *diag = s.diag;
    *out = NULL;
    if (n < 1 || n > PXI_LIMIT_GGUF_PARTS) {
        pxi_diag_field(diag, "parts");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "1 to 1024 files", "%u", n);
    }
    s.g = pxi_calloc(n, sizeof *s.g);
    if (!s.g)
        return PX_ERR_NOMEM;
    px_err err = parse_parts(&s, files);
    if (!err)
        err = join(&s);
    for (uint32_t i = err ? 0 : 1; i < n; i++)
        px_gguf_free(s.g[i]);
    if (!err)
        *out = s.g[0];
    pxi_free(s.g);
    return err;
}

px_err px_gguf_parse_split(const px_view *files, uint32_t n, px_gguf **out, px_diag *diag)
{
    *out = NULL;
    if (n == 1)
        return px_gguf_parse(files[0], out, diag);
    return parse((struct parts){.n = n, .diag = diag}, files, out);
}

px_err pxi_gguf_parse_some(const px_view *files, uint32_t n, pxi_gguf_part_fn *check, void *ctx,
                           px_gguf **out, px_diag *diag)
{
    struct parts s = {.some = 1, .check = check, .ctx = ctx, .n = n, .diag = diag};
    return parse(s, files, out);
}
