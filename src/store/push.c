#include "store/push.h"

#include "base/mem.h"
#include "store/store_impl.h"

px_err pxi_push_begin(struct pxi_push *p, const px_gguf *g)
{
    p->store->writers++;
    px_err err = pxi_cut_init(&p->cut, g);
    if (err == PX_ERR_OK && !(p->rows = pxi_calloc(p->cut.count, sizeof *p->rows)))
        err = PX_ERR_NOMEM;
    /* A tree is a part in a thousand. */
    return err == PX_ERR_OK ? pxi_store_room(p->store, p->cut.bytes + p->cut.bytes / 512) : err;
}

static int write_some(void *ctx, const void *bytes, size_t n)
{
    enum { PART = 1 << 20 };
    struct pxi_push *p = ctx;
    const uint8_t *at = bytes;
    while (n) {
        size_t part = n < PART ? n : PART;
        if (atomic_load(&p->stop) || pxi_sink_write(&p->sink, at, part))
            return 1;
        at += part;
        n -= part;
        atomic_fetch_add(&p->done, part);
        if (p->progress)
            p->progress(p);
    }
    return 0;
}

static px_err write_shard(struct pxi_push *p, uint32_t i)
{
    struct pxi_manifest_shard *row = &p->rows[i];
    px_err err = pxi_sink_open(p->store, p->cut.shards[i].bytes, p->sha256, &p->sink);
    if (err != PX_ERR_OK)
        return err;
    err = pxi_shard_write(&p->cut, i, write_some, p);
    if (p->sink.err != PX_ERR_OK)
        err = p->sink.err;
    else if (atomic_load(&p->stop))
        err = PX_ERR_INTERRUPTED;
    if (err == PX_ERR_OK)
        err = pxi_sink_finish(&p->sink, row->hash, row->sha256);
    row->has_sha256 = p->sha256;
    pxi_sink_close(&p->sink);
    return err;
}

void pxi_push_run(struct pxi_push *p)
{
    for (; p->written < p->cut.count && p->err == PX_ERR_OK; p->written += p->err == PX_ERR_OK)
        p->err = write_shard(p, p->written);
}

px_err pxi_push_end(struct pxi_push *p, struct pxi_store_model **out, px_diag *d)
{
    struct pxi_buf envelope = {.max = PXI_MANIFEST_MAX};
    px_err err = PX_ERR_OK;
    *out = NULL;
    for (uint32_t i = 0; i < p->written && err == PX_ERR_OK; i++)
        err = pxi_store_index(p->store, p->rows[i].hash, p->cut.shards[i].bytes);
    if (p->err != PX_ERR_OK)
        err = p->err;
    if (err == PX_ERR_OK)
        err = pxi_manifest_seal(&p->cut, p->rows, p->name, p->key, &envelope);
    if (err == PX_ERR_OK)
        err = pxi_store_add(p->store, px_view_of(envelope.p, envelope.n), out, d);
    pxi_buf_deinit(&envelope);
    return err;
}

void pxi_push_deinit(struct pxi_push *p)
{
    p->store->writers--;
    pxi_cut_deinit(&p->cut);
    pxi_free(p->rows);
    p->rows = NULL;
}
