#include "base/queue.h"

#include "base/mem.h"

struct pxi_chunk {
    struct pxi_chunk *next;
    const uint8_t *at; /* the bytes: behind the structure, or lent */
    uint32_t begin, end, cap;
    uint8_t bytes[];
};

/* A short message gets a short chunk, a stream of bytes long ones: at most 16 times what it holds,
 * because the size follows what the queue holds. */
static const uint32_t SIZES[PXI_QUEUE_SIZES] = {512, 4096, 16384, 65536};
enum { CHUNK_MAX = 65536 - sizeof(struct pxi_chunk) };

static unsigned size_class(size_t bytes)
{
    unsigned i = 0;
    while (i + 1 < PXI_QUEUE_SIZES && SIZES[i] < bytes)
        i++;
    return i;
}

static bool is_lent(const struct pxi_chunk *c)
{
    return c->at != c->bytes;
}

static struct pxi_chunk *pool_take(struct pxi_queue_pool *pool, unsigned i)
{
    struct pxi_chunk *c = pool->free[i];
    if (!c)
        return NULL;
    pool->free[i] = c->next;
    pool->bytes -= SIZES[i];
    if (--pool->n[i] < pool->least[i])
        pool->least[i] = pool->n[i];
    return c;
}

static void pool_give(struct pxi_queue_pool *pool, struct pxi_chunk *c)
{
    unsigned i = size_class(c->cap + sizeof *c);
    if (SIZES[i] > pool->max - pool->bytes) {
        pxi_free(c);
        return;
    }
    c->next = pool->free[i];
    pool->free[i] = c;
    pool->n[i]++;
    pool->bytes += SIZES[i];
}

static struct pxi_chunk *chunk_new(struct pxi_queue *q, size_t want)
{
    unsigned i = size_class(want + sizeof(struct pxi_chunk));
    struct pxi_chunk *c = q->pool ? pool_take(q->pool, i) : q->spare;
    if (!c && (c = pxi_realloc(NULL, 1, SIZES[i])))
        c->cap = SIZES[i] - (uint32_t)sizeof *c;
    else if (c && !q->pool)
        q->spare = c->next;
    if (c) {
        c->next = NULL;
        c->at = c->bytes;
        c->begin = c->end = 0;
    }
    return c;
}

/* Join a new chunk at the end; a mark at the end moves into it. */
static void chunk_join(struct pxi_queue *q, struct pxi_chunk *c)
{
    if (q->tail)
        q->tail->next = c;
    else
        q->head = c;
    q->tail = c;
    if (!q->mark) {
        q->mark = c;
        q->mark_at = 0;
    }
}

/* A dropped chunk: kept while the queue flows, if it is a long one. */
static void chunk_leave(struct pxi_queue *q, struct pxi_chunk *c)
{
    q->head = c->next;
    if (q->mark == c) {
        q->mark = c->next;
        q->mark_at = 0;
    }
    if (q->pool) {
        pool_give(q->pool, c);
        if (!q->head)
            q->tail = NULL;
        return;
    }
    if (q->head && c->cap == CHUNK_MAX) {
        c->next = q->spare;
        q->spare = c;
        return;
    }
    pxi_free(c);
    if (q->head)
        return;
    q->tail = NULL;
    while (q->spare) {
        c = q->spare;
        q->spare = c->next;
        pxi_free(c);
    }
}

size_t pxi_queue_put(struct pxi_queue *q, const void *p, size_t n)
{
    const uint8_t *from = p;
    size_t room = q->max > q->n ? q->max - q->n : 0, left = n < room ? n : room, taken = 0;
    while (left) {
        struct pxi_chunk *c = q->tail;
        if (!c || is_lent(c) || c->end == c->cap) {
            c = chunk_new(q, left > q->n ? left : q->n);
            if (!c)
                break;
            chunk_join(q, c);
        }
        size_t fit = c->cap - c->end < left ? c->cap - c->end : left;
        memcpy(c->bytes + c->end, from + taken, fit);
        c->end += (uint32_t)fit;
        q->n += fit;
        taken += fit;
        left -= fit;
    }
    return taken;
}

size_t pxi_queue_lend(struct pxi_queue *q, const void *p, size_t n)
{
    const uint8_t *from = p;
    size_t room = q->max > q->n ? q->max - q->n : 0, left = n < room ? n : room, taken = 0;
    while (taken < left) {
        struct pxi_chunk *c = chunk_new(q, 0);
        if (!c)
            break;
        c->at = from + taken;
        c->end = left - taken < CHUNK_MAX ? (uint32_t)(left - taken) : CHUNK_MAX;
        chunk_join(q, c);
        taken += c->end;
    }
    q->n += taken;
    q->lent += taken;
    return taken;
}

/* Another chunk in the place of c, which is behind `before` (NULL: the first), with bytes of its
 * own. NULL without memory. */
static struct pxi_chunk *chunk_own(struct pxi_queue *q, struct pxi_chunk *before,
                                   struct pxi_chunk *c)
{
    struct pxi_chunk *own = chunk_new(q, c->end - c->begin);
    if (!own)
        return NULL;
    own->end = c->end - c->begin;
    memcpy(own->bytes, c->at + c->begin, own->end);
    own->next = c->next;
    *(before ? &before->next : &q->head) = own;
    if (q->tail == c)
        q->tail = own;
    if (q->mark == c) {
        q->mark = own;
        q->mark_at -= c->begin;
    }
    q->lent -= own->end;
    if (q->pool)
        pool_give(q->pool, c);
    else
        pxi_free(c);
    return own;
}

bool pxi_queue_own(struct pxi_queue *q)
{
    struct pxi_chunk *before = NULL;
    for (struct pxi_chunk *c = q->head; c && q->lent; c = c->next) {
        if (is_lent(c) && !(c = chunk_own(q, before, c)))
            return false;
        before = c;
    }
    return true;
}

bool pxi_queue_is_lent(const struct pxi_queue *q)
{
    return q->head && is_lent(q->head);
}

px_view pxi_queue_peek(const struct pxi_queue *q, size_t skip)
{
    for (struct pxi_chunk *c = q->head; c; c = c->next) {
        size_t held = c->end - c->begin;
        if (skip < held)
            return px_view_of(c->at + c->begin + skip, held - skip);
        skip -= held;
    }
    return px_view_of(NULL, 0);
}

px_view pxi_queue_peek_unread(const struct pxi_queue *q)
{
    const struct pxi_chunk *c = q->mark;
    size_t at = q->mark_at;
    if (c && at == c->end) { /* read to its end before the next one came */
        c = c->next;
        at = c ? c->begin : 0;
    }
    return c ? px_view_of(c->at + at, c->end - at) : px_view_of(NULL, 0);
}

void pxi_queue_read(struct pxi_queue *q, size_t n)
{
    n = n < pxi_queue_unread(q) ? n : pxi_queue_unread(q);
    q->read += n;
    while (n) {
        size_t held = q->mark->end - q->mark_at, part = held < n ? held : n;
        q->mark_at += (uint32_t)part;
        n -= part;
        if (n) {
            q->mark = q->mark->next;
            q->mark_at = q->mark->begin;
        }
    }
}

void pxi_queue_drop(struct pxi_queue *q, size_t n)
{
    while (q->head) {
        struct pxi_chunk *c = q->head;
        size_t held = c->end - c->begin, part = held < n ? held : n;
        c->begin += (uint32_t)part;
        q->n -= part;
        q->lent -= is_lent(c) ? part : 0;
        q->read -= q->read < part ? q->read : part;
        n -= part;
        if (q->mark == c && q->mark_at < c->begin)
            q->mark_at = c->begin;
        if (c->begin < c->end)
            return;
        chunk_leave(q, c);
    }
}

size_t pxi_queue_get(struct pxi_queue *q, void *out, size_t cap)
{
    size_t got = 0;
    while (got < cap && q->n) {
        px_view v = pxi_queue_peek(q, 0);
        size_t part = v.n < cap - got ? v.n : cap - got;
        memcpy((uint8_t *)out + got, v.p, part);
        pxi_queue_drop(q, part);
        got += part;
    }
    return got;
}

void pxi_queue_clear(struct pxi_queue *q)
{
    pxi_queue_drop(q, q->n);
}

size_t pxi_queue_pool_trim(struct pxi_queue_pool *p)
{
    for (unsigned i = 0; i < PXI_QUEUE_SIZES; i++) {
        for (; p->least[i]; p->least[i]--, p->n[i]--) {
            struct pxi_chunk *c = p->free[i];
            p->free[i] = c->next;
            p->bytes -= SIZES[i];
            pxi_free(c);
        }
        p->least[i] = p->n[i];
    }
    return p->bytes;
}

void pxi_queue_pool_clear(struct pxi_queue_pool *p)
{
    for (unsigned i = 0; i < PXI_QUEUE_SIZES; i++)
        p->least[i] = p->n[i];
    pxi_queue_pool_trim(p);
}
