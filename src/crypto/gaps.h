/*
 * Messages whose bytes do not all lie together: sealing gathers plaintext that was lent from where
 * it lies, opening scatters plaintext to where it is used. Encryption is then the only pass over
 * these bytes.
 */
#ifndef PXI_CRYPTO_GAPS_H
#define PXI_CRYPTO_GAPS_H

#include "plexus/view.h"

enum { PXI_GAPS = 8 };

/* Plaintext in one piece but for gaps, in order: what belongs to `to` lies at `from` instead. */
struct pxi_gaps {
    unsigned n;
    struct pxi_gap {
        uint8_t *to;
        px_view from;
    } of[PXI_GAPS];
};

/* Of the plaintext that comes next, n bytes after the first `lead` ones go to p. n == 0: none. */
struct pxi_landing {
    uint8_t *p;
    size_t lead, n;
};

/* Room for one more? */
static inline int pxi_gaps_room(const struct pxi_gaps *g)
{
    return g && g->n < PXI_GAPS;
}

static inline void pxi_gaps_add(struct pxi_gaps *g, uint8_t *to, px_view from)
{
    g->of[g->n++] = (struct pxi_gap){to, from};
}

#endif
