/* Open addressing at most half full, over positions of a table that somebody else owns. */
#include "codec/gguf_names.h"

#include "base/map.h"
#include "base/mem.h"

static px_view name_at(const struct pxi_names *x, size_t i)
{
    return *(const px_view *)(const void *)((const char *)x->rows + i * x->stride);
}

/* Slot that holds name, or the free one where it belongs; NULL after more than *budget probes. */
static uint32_t *slot_of(const struct pxi_names *x, px_view name, uint64_t *budget)
{
    size_t i = (size_t)pxi_hash64(name.p, name.n, x->mask) & x->mask;
    for (; *budget; i = (i + 1) & x->mask, --*budget)
        if (!x->slots[i] || px_view_equal(name_at(x, x->slots[i] - 1), name))
            return &x->slots[i];
    return NULL;
}

px_err pxi_names_init(struct pxi_names *x, const void *rows, size_t n, size_t stride, size_t *at)
{
    size_t slots = 16;
    uint64_t budget = 32 * (uint64_t)n + 1024; /* an honest file needs about 1.5 n */
    while (slots < n * 2)
        slots *= 2;
    *x = (struct pxi_names){rows, stride, pxi_calloc(slots, sizeof *x->slots), slots - 1};
    if (!x->slots)
        return PX_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        uint32_t *slot = slot_of(x, name_at(x, i), &budget);
        *at = i;
        if (!slot)
            return PX_ERR_LIMIT;
        if (*slot)
            return PX_ERR_CORRUPT;
        *slot = (uint32_t)i + 1;
    }
    return PX_ERR_OK;
}

void pxi_names_deinit(struct pxi_names *x)
{
    pxi_free(x->slots);
    *x = (struct pxi_names){0};
}

int64_t pxi_names_find(const struct pxi_names *x, px_view name)
{
    uint64_t budget = UINT64_MAX;
    if (!x->slots)
        return -1;
    return (int64_t)*slot_of(x, name, &budget) - 1;
}
