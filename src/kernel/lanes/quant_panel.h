/*
 * Rows of quantised weights unpacked into a panel of vectors of LANES rows, for the products of
 * many tokens. Before including this the includer defines
 *
 *     LANES                rows of a vector
 *     floats               vectors of LANES floats
 *     load_f32, store_f32  at any address
 *     transpose            LANES rows of 32 bytes, plus a bias, as panel vectors
 */
#ifndef PXI_KERNEL_LANES_QUANT_PANEL_H
#define PXI_KERNEL_LANES_QUANT_PANEL_H

#include "base/math.h"
#include "kernel/quant_unpack.h"
#include "kernel/sets.h"

enum {
    ROWS = 2 * LANES, /* of a panel */
    SPAN = 16,        /* blocks of a panel; a multiple of every super-block */
};

/* One block of the rows: vectors of 4 elements of LANES rows, then what scales them. */
struct panel {
    int8_t q[2][8][LANES][4];
    float dw[2][ROWS], mw[2][ROWS];
};

_Static_assert(SPAN * sizeof(struct panel) <= PXI_QUANT_SCRATCH, "scratch");
_Static_assert(PXI_ROW_GROUP % ROWS == 0, "rows");

/* The panel in hand: so many blocks from block `first` on, of the rows from `row` on. */
struct span {
    const struct pxi_matmul *m;
    struct panel *panel;
    size_t row, first, blocks;
    int bias; /* what was added to the weights */
};

/* Block b of LANES rows, `in` and every PXI_Q_SUPER after it, as vectors number g of the panel. */
INLINE void put_block(struct panel *to, size_t g, const struct pxi_block *in, int bias,
                      const int flags)
{
    transpose(&to->q[g][0][0][0], in->q, PXI_Q_SUPER * sizeof *in, bias);
    for (size_t i = 0; i < LANES; i++)
        for (int h = 0; h < (flags & PXI_Q_HALVES ? 2 : 1); h++) {
            to->dw[h][g * LANES + i] = in[i * PXI_Q_SUPER].dw[h];
            if (flags & PXI_Q_MINS)
                to->mw[h][g * LANES + i] = in[i * PXI_Q_SUPER].mw[h];
        }
}

INLINE void unpack_span(const struct span *s, pxi_unpack_fn *unpack, const size_t super,
                        const size_t bytes, const int flags)
{
    struct pxi_block in[LANES][PXI_Q_SUPER];
    const struct pxi_matmul *m = s->m;
    for (size_t g = 0; g < 2; g++)
        for (size_t b = 0; b < s->blocks; b += PXI_Q_SUPER) {
            size_t n = pxi_min(s->blocks - b, PXI_Q_SUPER);
            for (size_t i = 0; i < LANES; i++) { /* past the last row: the last again, not stored */
                size_t row = pxi_min(s->row + g * LANES + i, m->row_last - 1);
                const uint8_t *p = (const uint8_t *)m->w + row * m->row_bytes;
                p += (s->first + b) / super * bytes;
                if (row + ROWS < m->row_last) /* the next panel */
                    for (size_t at = 0; at < n * bytes / super; at += 64)
                        __builtin_prefetch(p + ROWS * m->row_bytes + at, 0, 2);
                for (size_t j = 0; j < n; j += super, p += bytes)
                    unpack(&in[i][j], p);
            }
            for (size_t j = 0; j < n; j++)
                put_block(s->panel + b + j, g, &in[0][j], s->bias, flags);
        }
}

INLINE void load_rows(floats y[2], const float *p, size_t rows)
{
    float part[ROWS] = {0};
    if (rows < ROWS)
        p = memcpy(part, p, rows * sizeof *p);
    y[0] = load_f32(p);
    y[1] = load_f32(p + LANES);
}

INLINE void store_rows(float *p, const floats y[2], size_t rows)
{
    float part[ROWS];
    float *to = rows < ROWS ? part : p;
    store_f32(to, y[0]);
    store_f32(to + LANES, y[1]);
    if (rows < ROWS)
        memcpy(p, part, rows * sizeof *p);
}

/* Of the table of types: id, blocks and bytes of a stored block, flags. */
enum {
#define X(name, id, super, bytes, flags)                                                           \
    ID_##name = id, SUPER_##name = super, BYTES_##name = bytes, FLAGS_##name = flags,
    PXI_QTYPE_TABLE(X)
#undef X
};

#endif
