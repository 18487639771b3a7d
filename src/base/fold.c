#include "base/fold.h"

#include <string.h>

#include "base/mem.h"

enum {
    GRAIN = PXI_FOLD_LEAST,
    GRAINS = PXI_FOLD_BYTES / GRAIN,
    LONGEST = 255, /* grains of one piece, as a byte counts them */
    LINE = 32      /* bytes that are packed or left out together */
};

struct line {
    uint64_t w[LINE / 8];
};

/* Lines one after the other that are packed: where they go, and how many follow. */
struct run {
    uint16_t at, n;
};

struct pxi_fold {
    const struct pxi_pages *pages;
    uint8_t *base;
    uint8_t *packed;
    size_t packed_n, packed_cap;
    bool folded;
    uint8_t length[GRAINS]; /* in grains, where a piece starts; else 0 */
};

struct pxi_fold *pxi_fold_new(const struct pxi_pages *pages)
{
    struct pxi_fold *f = pxi_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->pages = pages;
    f->base = pages->reserve(PXI_FOLD_BYTES);
    if (f->base)
        return f;
    pxi_free(f);
    return NULL;
}

void pxi_fold_free(struct pxi_fold *f)
{
    if (!f)
        return;
    f->pages->release(f->base, PXI_FOLD_BYTES);
    pxi_free(f->packed);
    pxi_free(f);
}

bool pxi_fold_has(const struct pxi_fold *f, const void *p)
{
    return (uintptr_t)p - (uintptr_t)f->base < PXI_FOLD_BYTES;
}

static size_t grain_of(const struct pxi_fold *f, const void *p)
{
    return (size_t)((const uint8_t *)p - f->base) / GRAIN;
}

size_t pxi_fold_size(const struct pxi_fold *f, const void *p)
{
    return (size_t)f->length[grain_of(f, p)] * GRAIN;
}

void *pxi_fold_alloc(struct pxi_fold *f, size_t n)
{
    size_t want = n / GRAIN + (n % GRAIN != 0), room = 0;
    if (want == 0 || want > LONGEST)
        return NULL;
    for (size_t i = 0; i < GRAINS;) {
        room = f->length[i] ? 0 : room + 1;
        i += f->length[i] ? f->length[i] : 1;
        if (room == want) {
            f->length[i - want] = (uint8_t)want;
            return f->base + (i - want) * GRAIN;
        }
    }
    return NULL;
}

static bool is_zero(const struct line *l)
{
    return !(l->w[0] | l->w[1] | l->w[2] | l->w[3]);
}

/* What is free is zero: pages that were not written to are not written to now. */
void pxi_fold_drop(struct pxi_fold *f, void *p)
{
    struct line *l = p, *end = l + pxi_fold_size(f, p) / LINE;
    f->length[grain_of(f, p)] = 0;
    for (; l < end; l++)
        if (!is_zero(l))
            memset(l, 0, sizeof *l);
}

/* Pack the lines of one piece that are not zero to out, which may be NULL; the bytes for it. */
static size_t pack_piece(const struct pxi_fold *f, size_t grain, uint8_t *out)
{
    const struct line *lines = (const struct line *)(const void *)f->base;
    size_t i = grain * (GRAIN / LINE), end = i + f->length[grain] * (size_t)(GRAIN / LINE), n = 0;
    while (i < end) {
        if (is_zero(&lines[i])) {
            i++;
            continue;
        }
        size_t from = i;
        while (i < end && !is_zero(&lines[i]))
            i++;
        struct run r = {(uint16_t)from, (uint16_t)(i - from)};
        if (out) {
            memcpy(out + n, &r, sizeof r);
            memcpy(out + n + sizeof r, &lines[from], r.n * sizeof *lines);
        }
        n += sizeof r + r.n * sizeof *lines;
    }
    return n;
}

static size_t pack(const struct pxi_fold *f, uint8_t *out)
{
    size_t n = 0;
    for (size_t g = 0; g < GRAINS; g += f->length[g] ? f->length[g] : 1)
        if (f->length[g])
            n += pack_piece(f, g, out ? out + n : NULL);
    return n;
}

bool pxi_fold_close(struct pxi_fold *f)
{
    if (f->folded)
        return true;
    size_t n = pack(f, NULL);
    if (n > f->packed_cap || n < f->packed_cap / 2) {
        uint8_t *p = n ? pxi_realloc(f->packed, n, 1) : NULL;
        if (n && !p)
            return false;
        f->packed = p ? p : f->packed;
        f->packed_cap = p ? n : f->packed_cap;
    }
    f->packed_n = pack(f, f->packed);
    f->pages->discard(f->base, PXI_FOLD_BYTES);
    f->folded = true;
    return true;
}

void pxi_fold_open(struct pxi_fold *f)
{
    struct line *lines = (struct line *)(void *)f->base;
    if (!f->folded)
        return;
    f->folded = false;
    for (size_t at = 0; at < f->packed_n;) {
        struct run r;
        memcpy(&r, f->packed + at, sizeof r);
        at += sizeof r;
        memcpy(&lines[r.at], f->packed + at, r.n * sizeof *lines);
        at += r.n * sizeof *lines;
    }
}

size_t pxi_fold_packed(const struct pxi_fold *f)
{
    return f->folded ? f->packed_n : 0;
}
