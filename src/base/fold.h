/*
 * A heap of its own for one thing that rests most of the time: folded, its bytes other than zero
 * are packed together and its pages given back; opened, everything lies where it lay before, so
 * that pointers into it stay good. Where pages come from, the owner says.
 */
#ifndef PXI_BASE_FOLD_H
#define PXI_BASE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Address space: what nobody has written to reads as zero and costs nothing. */
struct pxi_pages {
    /* Whole pages of zeros; NULL: there are none. */
    void *(*reserve)(size_t bytes);
    /* They read as zero from now on, and cost nothing. */
    void (*discard)(void *p, size_t bytes);
    void (*release)(void *p, size_t bytes);
};

enum { PXI_FOLD_LEAST = 1024, PXI_FOLD_BYTES = 256 * 1024 };

struct pxi_fold;

/* A heap of PXI_FOLD_BYTES; `pages` outlives it. NULL: no memory. */
struct pxi_fold *pxi_fold_new(const struct pxi_pages *pages);
/* Frees what lives in it, too. NULL is allowed. */
void pxi_fold_free(struct pxi_fold *f);

/* n zeroed bytes in multiples of PXI_FOLD_LEAST, aligned to it; NULL: it is full. Not while
 * folded, like the next two. */
void *pxi_fold_alloc(struct pxi_fold *f, size_t n);
/* Give back what alloc gave. */
void pxi_fold_drop(struct pxi_fold *f, void *p);
/* The bytes that p, from alloc, has. */
size_t pxi_fold_size(const struct pxi_fold *f, const void *p);
/* Does p point into it? */
bool pxi_fold_has(const struct pxi_fold *f, const void *p);

/* Fold it. false, and nothing happened: no memory for what is packed. */
bool pxi_fold_close(struct pxi_fold *f);
/* The bytes are back where they were. Nothing to do when it is not folded. */
void pxi_fold_open(struct pxi_fold *f);
/* Bytes that it holds packed, 0 while it is open. */
size_t pxi_fold_packed(const struct pxi_fold *f);

#endif
