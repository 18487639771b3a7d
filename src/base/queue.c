#include "base/queue.h"

#include "base/mem.h"

struct pxi_chunk {
    struct pxi_chunk *next;
    uint32_t begin, end, cap;
    uint8_t bytes[];
};

/* A short message gets a short chunk, a stream of bytes long ones. */
enum { CHUNK_MIN = 512 - sizeof(struct pxi_chunk), CHUNK_MAX = 65536 - sizeof(struct pxi_chunk) };

static struct pxi_chunk *chunk_new(struct pxi_queue *q, size_t want)
{
    size_t cap = want < CHUNK_MIN ? CHUNK_MIN : want > CHUNK_MAX ? CHUNK_MAX : want;
    struct pxi_chunk *c = q->spare;
    if (c) {
        q->spare = c->next;
    } else if ((c = pxi_realloc(NULL, 1, sizeof *c + cap))) {
        c->cap = (uint32_t)cap;
    }
    if (c) {
        c->next = NULL;
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
        if (!c || c->end == c->cap) {
            c = chunk_new(q, q->n > CHUNK_MIN ? CHUNK_MAX : left);
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

px_view pxi_queue_peek(const struct pxi_queue *q, size_t skip)
{
    for (struct pxi_chunk *c = q->head; c; c = c->next) {
        size_t held = c->end - c->begin;
        if (skip < held)
            return px_view_of(c->bytes + c->begin + skip, held - skip);
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
    return c ? px_view_of(c->bytes + at, c->end - at) : px_view_of(NULL, 0);
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
