/* Files of tokens for other tools. */
#include "node/data_export.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "codec/ndp.gen.h"
#include "data/export.h"
#include "io/disk.h"

enum { BUFFER = 1 << 20 };

/* A file that is written from front to back. */
struct out {
    char *path, *temporary; /* NULL: it is in its place */
    struct pxi_file *file;
    uint64_t at; /* where the buffer goes */
    uint8_t *buffer;
    size_t n;
};

struct pxi_data_export {
    struct pxi_data_export_options o;
    struct out bin, idx;
    uint64_t documents, tokens;
};

/* -------------------------------------------------------------------- files */

static px_err flush(struct out *o)
{
    px_err err = o->n ? pxi_disk_write(o->file, o->at, px_view_of(o->buffer, o->n)) : PX_ERR_OK;
    o->at += o->n;
    o->n = 0;
    return err;
}

/* Room for n <= BUFFER bytes, which then count. */
static px_err reserve(struct out *o, size_t n, uint8_t **to)
{
    px_err err = o->n + n > BUFFER ? flush(o) : PX_ERR_OK;
    *to = o->buffer + o->n;
    o->n += err ? 0 : n;
    return err;
}

static px_err open_out(struct out *o, px_view path, uint64_t head, px_diag *d)
{
    size_t n = path.n + 32;
    o->path = pxi_strdup_view(path);
    o->temporary = pxi_calloc(1, n);
    o->buffer = pxi_calloc(1, BUFFER);
    o->at = head;
    if (!o->path || !o->temporary || !o->buffer)
        return PX_ERR_NOMEM;
    snprintf(o->temporary, n, "%s.%ld.part", o->path, (long)getpid());
    px_err err = pxi_disk_open(AT_FDCWD, o->temporary, O_RDWR | O_CREAT | O_TRUNC, 0666, &o->file);
    pxi_diag_field(d, "%.90s", o->path);
    return err ? pxi_diag_set(d, err, 0, "a file that can be written", "%s", px_err_text(err))
               : PX_ERR_OK;
}

static void close_out(struct out *o)
{
    if (o->file && o->temporary)
        unlink(o->temporary);
    pxi_disk_close(o->file);
    pxi_free(o->path);
    pxi_free(o->temporary);
    pxi_free(o->buffer);
}

static px_err move_out(struct out *o)
{
    if (rename(o->temporary, o->path) != 0)
        return pxi_disk_error();
    pxi_free(o->temporary);
    o->temporary = NULL;
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------ writing */

px_err pxi_data_export_open(const char *path, const struct pxi_data_export_options *o,
                            struct pxi_data_export **out, px_diag *d)
{
    size_t n = strlen(path);
    *out = NULL;
    pxi_diag_field(d, "%.90s", path);
    if (o->megatron && (n < 4 || strcmp(path + n - 4, ".bin") != 0))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a name that ends in .bin", "another");
    struct pxi_data_export *e = pxi_calloc(1, sizeof *e);
    char *idx = o->megatron ? pxi_strdup_view(px_view_str(path)) : NULL;
    if (!e || (o->megatron && !idx)) {
        pxi_free(e);
        return PX_ERR_NOMEM;
    }
    e->o = *o;
    px_err err = open_out(&e->bin, px_view_str(path), o->megatron ? 0 : PXI_EXPORT_LLMC_HEAD, d);
    if (!err && idx) {
        memcpy(idx + n - 4, ".idx", 4);
        err = open_out(&e->idx, px_view_str(idx), PXI_EXPORT_MEGATRON_HEAD, d);
    }
    pxi_free(idx);
    if (err)
        pxi_data_export_close(e);
    else
        *out = e;
    return err;
}

void pxi_data_export_close(struct pxi_data_export *e)
{
    if (!e)
        return;
    close_out(&e->bin);
    close_out(&e->idx);
    pxi_free(e);
}

static px_err too_many(const struct pxi_data_export *e, uint64_t tokens, px_diag *d)
{
    if (e->o.megatron || tokens <= INT32_MAX)
        return PX_ERR_OK;
    pxi_diag_field(d, "llmc");
    return pxi_diag_set(d, PX_ERR_LIMIT, 8, "at most 2147483647 tokens: convert to several files",
                        "%llu", (unsigned long long)tokens);
}

static px_err too_large(uint64_t token, px_diag *d)
{
    pxi_diag_field(d, "token");
    return pxi_diag_set(d, PX_ERR_LIMIT, 0, "at most 65535, or --token-bytes 4", "%llu",
                        (unsigned long long)token);
}

px_err pxi_data_export_expect(const struct pxi_data_export *e, uint64_t tokens, uint64_t vocab,
                              px_diag *d)
{
    if (e->o.token_bytes == 2 && vocab > 65536)
        return too_large(vocab - 1, d);
    return too_many(e, tokens, d);
}

static px_err put_tokens(struct pxi_data_export *e, const int32_t *tokens, size_t n, px_diag *d)
{
    px_err err = PX_ERR_OK;
    for (size_t at = 0; !err && at < n;) {
        uint8_t *to;
        size_t some = n - at < BUFFER / 4 ? n - at : BUFFER / 4;
        err = reserve(&e->bin, some * e->o.token_bytes, &to);
        size_t good = err ? some : pxi_export_tokens(e->o.token_bytes, tokens + at, some, to);
        if (good < some)
            return too_large((uint32_t)tokens[at + good], d);
        at += some;
    }
    e->tokens += n;
    return err ? err : too_many(e, e->tokens, d);
}

px_err pxi_data_export_put(struct pxi_data_export *e, const int32_t *tokens, size_t n, px_diag *d)
{
    px_err err = PX_ERR_OK;
    uint8_t *to;
    if (!e->o.megatron && e->o.has_eot && (!n || tokens[0] != e->o.eot))
        err = put_tokens(e, &e->o.eot, 1, d);
    if (!err)
        err = put_tokens(e, tokens, n, d);
    e->documents++;
    if (err || !e->o.megatron)
        return err;
    if (n > INT32_MAX)
        return PX_ERR_LIMIT;
    err = reserve(&e->idx, 4, &to);
    if (!err)
        pxi_ndp_put_le(to, 4, n);
    return err;
}

/* --------------------------------------------------------------------- ends */

/* What follows the lengths in an .idx: the offsets, which are sums of lengths, and the documents.
 */
static px_err put_places(struct pxi_data_export *e)
{
    static const size_t most = BUFFER / 8;
    uint64_t byte = 0;
    uint8_t *to, *lengths = pxi_calloc(most, 4);
    px_err err = lengths ? flush(&e->idx) : PX_ERR_NOMEM;
    for (uint64_t i = 0; !err && i < e->documents;) {
        size_t n = e->documents - i < most ? (size_t)(e->documents - i) : most;
        err = pxi_disk_read(e->idx.file, PXI_EXPORT_MEGATRON_HEAD + 4 * i, lengths, 4 * n);
        if (!err)
            err = reserve(&e->idx, 8 * n, &to);
        for (size_t k = 0; !err && k < n; k++, i++) {
            pxi_ndp_put_le(to + 8 * k, 8, byte);
            byte += pxi_ndp_le(lengths + 4 * k, 4) * e->o.token_bytes;
        }
    }
    for (uint64_t i = 0; !err && i <= e->documents; i++) {
        err = reserve(&e->idx, 8, &to);
        if (!err)
            pxi_ndp_put_le(to, 8, i);
    }
    pxi_free(lengths);
    return err ? err : flush(&e->idx);
}

static px_err finish_megatron(struct pxi_data_export *e)
{
    uint8_t head[PXI_EXPORT_MEGATRON_HEAD];
    pxi_export_megatron_head(e->o.token_bytes, e->documents, head);
    px_err err = put_places(e);
    if (!err)
        err = pxi_disk_write(e->idx.file, 0, px_view_of(head, sizeof head));
    if (!err)
        err = pxi_disk_sync(e->idx.file);
    if (!err)
        err = pxi_disk_sync(e->bin.file);
    if (err)
        return err;
    unlink(e->idx.path); /* of a pair that was there before: it must not meet the new tokens */
    err = move_out(&e->bin);
    return err ? err : move_out(&e->idx);
}

px_err pxi_data_export_finish(struct pxi_data_export *e)
{
    px_err err = flush(&e->bin);
    if (err || e->o.megatron)
        return err ? err : finish_megatron(e);
    uint8_t head[PXI_EXPORT_LLMC_HEAD];
    pxi_export_llmc_head(e->o.token_bytes, (uint32_t)e->tokens, head);
    err = pxi_disk_write(e->bin.file, 0, px_view_of(head, sizeof head));
    if (!err)
        err = pxi_disk_sync(e->bin.file);
    return err ? err : move_out(&e->bin);
}
