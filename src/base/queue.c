#include "base/queue.h"

#include "base/mem.h"

struct pxi_chunk {
    struct pxi_chunk *next;
    uint32_t begin, end, cap;
    uint8_t bytes[];
};

/* A short message gets a short chunk, a stream of bytes long ones. */
enum { CHUNK_MIN = 512 - sizeof(struct pxi_chunk), CHUNK_MAX = 65536 - sizeof(struct pxi_chunk) };

static struct pxi_chunk *chunk_new(size_t want)
{
    size_t cap = want < CHUNK_MIN ? CHUNK_MIN : want > CHUNK_MAX ? CHUNK_MAX : want;
    struct pxi_chunk *c = pxi_realloc(NULL, 1, sizeof *c + cap);
    if (c) {
        c->next = NULL;
        c->begin = c->end = 0;
        c->cap = (uint32_t)cap;
    }
    return c;
}

size_t pxi_queue_put(struct pxi_queue *q, const void *p, size_t n)
{
    const uint8_t *from = p;
    size_t room = q->max > q->n ? q->max - q->n : 0, left = n < room ? n : room, taken = 0;
    while (left) {
        struct pxi_chunk *c = q->tail;
        if (!c || c->end == c->cap) {
            c = chunk_new(q->n > CHUNK_MIN ? CHUNK_MAX : left);
            if (!c)
                break;
            if (q->tail)
                q->tail->next = c;
            else
                q->head = c;
            q->tail = c;
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

void pxi_queue_drop(struct pxi_queue *q, size_t n)
{
    while (q->head) {
        struct pxi_chunk *c = q->head;
        size_t held = c->end - c->begin, part = held < n ? held : n;
        c->begin += (uint32_t)part;
        q->n -= part;
        n -= part;
        if (c->begin < c->end)
            return;
        q->head = c->next;
        if (!q->head)
            q->tail = NULL;
        pxi_free(c);
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
