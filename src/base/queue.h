/*
 * First in, first out bytes with a maximum. Bytes sit in chunks that never move, so a view of them
 * stays good until they are dropped (QUIC sends them again from there); an empty queue holds no
 * memory, so that an idle stream costs none. Zeroed memory with `max` set is an empty queue.
 */
#ifndef PXI_BASE_QUEUE_H
#define PXI_BASE_QUEUE_H

#include "plexus/view.h"

struct pxi_queue {
    struct pxi_chunk *head, *tail;
    size_t n, max;               /* bytes held; most that may be held */
    struct pxi_queue_pool *pool; /* where chunks come from and go to; NULL: the heap */
};

/* Append as many of the n bytes as the maximum and memory allow; returns how many. */
size_t pxi_queue_put(struct pxi_queue *q, const void *p, size_t n);

/* The first bytes that lie together, starting `skip` bytes after the front; empty at the end. */
px_view pxi_queue_peek(const struct pxi_queue *q, size_t skip);

/* Forget the first n bytes (at most what is held). */
void pxi_queue_drop(struct pxi_queue *q, size_t n);

/* Copy up to cap bytes from the front to out and drop them; returns how many. */
size_t pxi_queue_get(struct pxi_queue *q, void *out, size_t cap);

/* Forget everything and return the memory. */
void pxi_queue_clear(struct pxi_queue *q);

/*
 * Chunks that wait for their next use, so that queues that fill and drain all the time allocate
 * nothing. Shared by the queues of one owner, who trims it now and then and frees it after them.
 * Zeroed memory with `max` set is an empty pool.
 */
enum { PXI_QUEUE_SIZES = 4 };
struct pxi_queue_pool {
    struct pxi_chunk *free[PXI_QUEUE_SIZES];
    unsigned n[PXI_QUEUE_SIZES], least[PXI_QUEUE_SIZES]; /* held; fewest since the last trim */
    size_t bytes, max;                                   /* held; most that may be held */
};

/* Free the chunks that nobody has needed since the last trim; returns the bytes that are left. */
size_t pxi_queue_pool_trim(struct pxi_queue_pool *p);
void pxi_queue_pool_clear(struct pxi_queue_pool *p);

#endif
