/*
 * First in, first out bytes with a maximum. Bytes sit in chunks that never move, so a view of them
 * stays good until they are dropped (QUIC sends them again from there); an empty queue holds no
 * memory, so that an idle stream costs none. Zeroed memory with `max` set is an empty queue.
 *
 * A mark may go ahead of the front: bytes before it were sent and wait to be acknowledged, those
 * after it are unread. Long chunks that were dropped are kept for the next bytes until the queue is
 * empty, so that a steady flow allocates nothing; queues of one owner may share a pool instead, and
 * then a queue that is empty again and again allocates nothing either.
 *
 * Bytes may also be lent: they stay where they are, in order among those that were put, until they
 * are dropped or the lender wants its memory back.
 */
#ifndef PXI_BASE_QUEUE_H
#define PXI_BASE_QUEUE_H

#include <stdbool.h>

#include "plexus/view.h"

struct pxi_queue {
    struct pxi_chunk *head, *tail;
    size_t n, max;               /* bytes held; most that may be held */
    size_t lent;                 /* of the bytes held, those that belong to somebody else */
    struct pxi_chunk *mark;      /* where the unread bytes begin; NULL: at the end */
    struct pxi_chunk *spare;     /* dropped chunks for the next bytes */
    size_t read;                 /* bytes from the front to the mark */
    uint32_t mark_at;            /* the mark's place in its chunk */
    struct pxi_queue_pool *pool; /* where chunks come from and go to; NULL: the heap */
};

/*
 * Chunks that wait for their next use, for the queues of one owner, who trims the pool now and then
 * and frees it after them. Zeroed memory with `max` set is an empty pool.
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

/* Append as many of the n bytes as the maximum and memory allow; returns how many. */
size_t pxi_queue_put(struct pxi_queue *q, const void *p, size_t n);

/* Append bytes without copying them, as many as the maximum and memory (for their description)
 * allow; returns how many. They must stay as they are until they are dropped or owned. */
size_t pxi_queue_lend(struct pxi_queue *q, const void *p, size_t n);

/* Copy lent bytes that are still held: their lender may do with them what it wants. false: no
 * memory, some are still lent. */
bool pxi_queue_own(struct pxi_queue *q);

/* Whether the first byte is lent. */
bool pxi_queue_is_lent(const struct pxi_queue *q);

/* The first bytes that lie together, starting `skip` bytes after the front; empty at the end. */
px_view pxi_queue_peek(const struct pxi_queue *q, size_t skip);

/* The first unread bytes that lie together; empty when all are read. */
px_view pxi_queue_peek_unread(const struct pxi_queue *q);

/* Move the mark n bytes on (at most over what is unread); the bytes stay until they are dropped. */
void pxi_queue_read(struct pxi_queue *q, size_t n);

/* How many bytes are unread. */
static inline size_t pxi_queue_unread(const struct pxi_queue *q)
{
    return q->n - q->read;
}

/* Forget the first n bytes (at most what is held); a mark among them moves to the new front. */
void pxi_queue_drop(struct pxi_queue *q, size_t n);

/* Copy up to cap bytes from the front to out and drop them; returns how many. */
size_t pxi_queue_get(struct pxi_queue *q, void *out, size_t cap);

/* Forget everything and return the memory. */
void pxi_queue_clear(struct pxi_queue *q);

#endif
