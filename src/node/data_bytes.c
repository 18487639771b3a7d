/* Training data that is mapped, or brought. */
#include "node/data_bytes.h"

#include <string.h>

#include "base/diag.h"

enum { STEP = 16 << 20 };

/* What must be here to open a store. */
static px_err hold_store(struct pxi_data_bytes *b, const struct pxi_ndp_sums *sums, px_diag *d)
{
    struct pxi_ndp_head h;
    unsigned copy;
    struct pxi_far *far = pxi_pager_far(b->pager);
    uint64_t heads = b->view.n < PXI_NDP_HEADS ? b->view.n : PXI_NDP_HEADS;
    px_err err = pxi_far_hold(far, 0, heads);
    if (err)
        return err;
    err = pxi_ndp_head_open(sums, px_view_of(b->view.p, heads), b->view.n, &h, &copy, d);
    if (!err)
        err = pxi_far_hold(far, h.directory_at, h.directory_bytes);
    if (err) {
        pxi_far_let_go(far, 0, heads);
        return err;
    }
    b->directory_at = h.directory_at;
    b->directory_bytes = h.directory_bytes;
    b->far = far;
    return PX_ERR_OK;
}

/* Other files are read from one end to the other; they stay. */
static px_err hold_all(struct pxi_data_bytes *b, const px_data_options *o, px_diag *d)
{
    struct pxi_far *far = pxi_pager_far(b->pager);
    px_err err = PX_ERR_OK;
    pxi_diag_field(d, "size");
    if (b->view.n > pxi_pager_cache(b->pager))
        return pxi_diag_set(d, PX_ERR_LIMIT, 0, "a store (.ndp3), or a file that fits the cache",
                            "%zu bytes, and a cache of %llu", b->view.n,
                            (unsigned long long)pxi_pager_cache(b->pager));
    for (uint64_t at = 0; !err && at < b->view.n; at += STEP) {
        uint64_t n = b->view.n - at < STEP ? b->view.n - at : STEP;
        if (o->progress && o->progress(o->ctx, at, b->view.n))
            return PX_ERR_INTERRUPTED;
        pxi_far_ahead(far, at, b->view.n - at < 2 * STEP ? b->view.n - at : 2 * STEP);
        err = pxi_far_hold(far, at, n);
    }
    return err;
}

static px_err open_far(struct pxi_data_bytes *b, const char *path, const px_data_options *o,
                       const struct pxi_ndp_sums *sums, px_diag *d)
{
    struct pxi_url url;
    struct pxi_pager_options po = {o->cache_bytes, o->timeout_ms};
    px_err err = pxi_url_read(px_view_str(path), &url, d);
    if (!err)
        err = pxi_pager_open(&url, &po, &b->pager, d);
    if (err)
        return err;
    struct pxi_far *far = pxi_pager_far(b->pager);
    b->view = pxi_pager_window(b->pager);
    uint64_t n = b->view.n < 4 ? b->view.n : 4;
    if ((err = pxi_far_hold(far, 0, n)))
        return pxi_data_bytes_failed(b, err, d);
    bool store = n == 4 && memcmp(b->view.p, "NDP3", 4) == 0;
    err = store ? hold_store(b, sums, d) : hold_all(b, o, d);
    pxi_far_let_go(far, 0, n);
    return err && !(d && d->expected[0]) ? pxi_data_bytes_failed(b, err, d) : err;
}

px_err pxi_data_bytes_open(struct pxi_data_bytes *b, const char *path, const px_data_options *o,
                           const struct pxi_ndp_sums *sums, px_diag *d)
{
    if (pxi_url_is(path))
        return open_far(b, path, o, sums, d);
    px_err err =
        o->writable ? px_file_open_private(path, &b->file, d) : px_file_open(path, &b->file, d);
    if (!err)
        b->view = px_file_bytes(b->file);
    return err;
}

void pxi_data_bytes_settle(struct pxi_data_bytes *b, const struct pxi_source *s,
                           const struct pxi_ndp_sums *sums)
{
    if (!b->far)
        return;
    pxi_far_let_go(b->far, 0, PXI_NDP_HEADS);
    pxi_far_let_go(b->far, b->directory_at, b->directory_bytes);
    b->grid = (struct pxi_grid){s, sums};
    struct pxi_far_cut cut = pxi_grid_cut(&b->grid);
    pxi_pager_cut(b->pager, &cut);
}

void pxi_data_bytes_close(struct pxi_data_bytes *b)
{
    px_file_close(b->file);
    pxi_pager_close(b->pager);
    *b = (struct pxi_data_bytes){0};
}

px_err pxi_data_bytes_failed(const struct pxi_data_bytes *b, px_err err, px_diag *d)
{
    switch (err) {
    case PX_ERR_UNREACHABLE:
    case PX_ERR_TIMEOUT:
    case PX_ERR_RESET:
    case PX_ERR_PROTOCOL:
    case PX_ERR_CHANGED:
    case PX_ERR_LIMIT:
    case PX_ERR_NOT_FOUND:
    case PX_ERR_PERMISSION:
    case PX_ERR_IDENTITY:
    case PX_ERR_UNSUPPORTED:
        if (b->pager)
            pxi_pager_why(b->pager, d);
        return err;
    default: return err;
    }
}
