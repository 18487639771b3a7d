/* Streams by number: a hash table that grows, and the life of a stream. */
#include "base/mem.h"
#include "net/yamux_impl.h"

static struct pxi_ystream **bucket(struct pxi_yamux *y, uint32_t id)
{
    return &y->buckets[(uint64_t)id * y->hash >> (64 - y->bucket_bits)];
}

struct pxi_ystream *pxi_yamux_find(struct pxi_yamux *y, uint32_t id)
{
    struct pxi_ystream *s = *bucket(y, id);
    while (s && s->id != id)
        s = s->next;
    return s;
}

static void chain(struct pxi_yamux *y, struct pxi_ystream *s)
{
    struct pxi_ystream **b = bucket(y, s->id);
    s->next = *b;
    *b = s;
}

/* Twice the buckets; without memory the chains grow longer instead. */
static void grow(struct pxi_yamux *y)
{
    size_t n = (size_t)1 << y->bucket_bits;
    struct pxi_ystream **old = y->buckets, **buckets = pxi_calloc(2 * n, sizeof *buckets);
    if (!buckets)
        return;
    y->buckets = buckets;
    y->bucket_bits++;
    for (size_t i = 0; i < n; i++)
        for (struct pxi_ystream *s = old[i], *next; s; s = next) {
            next = s->next;
            chain(y, s);
        }
    if (old != y->first_buckets)
        pxi_free(old);
}

void pxi_yamux_table_shrink(struct pxi_yamux *y)
{
    if (y->buckets == y->first_buckets)
        return;
    pxi_free(y->buckets);
    y->buckets = y->first_buckets;
    memset(y->first_buckets, 0, sizeof y->first_buckets); /* it still has what moved out of it */
    y->bucket_bits = PXI_YAMUX_BITS;
}

struct pxi_ystream *pxi_yamux_add(struct pxi_yamux *y, uint32_t id, bool outbound)
{
    if (y->held >= PXI_LIMIT_NET_STREAMS_PEER)
        return NULL;
    struct pxi_ystream *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (y->streams >= (size_t)2 << y->bucket_bits)
        grow(y);
    s->y = y;
    s->id = id;
    s->send_window = s->recv_window = s->recv_max = PXI_YAMUX_WINDOW;
    s->epoch_ns = y->timers->now_ns;
    s->out.max = PXI_LIMIT_NET_STREAM_QUEUE;
    s->in.max = PXI_LIMIT_YAMUX_WINDOW;
    s->out.pool = s->in.pool = &y->pool;
    s->syn = outbound;
    s->ack = !outbound;
    pxi_list_init(&s->ring);
    pxi_list_init(&s->later);
    chain(y, s);
    y->streams++;
    y->held++;
    y->unacked_out += outbound;
    y->unacked_in += !outbound;
    pxi_stream_init(&s->s, &pxi_yamux_stream_ops, &y->conn, outbound);
    return s;
}

static void unchain(struct pxi_ystream *s)
{
    struct pxi_ystream **p = bucket(s->y, s->id);
    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
}

void pxi_yamux_kill(struct pxi_ystream *s, px_err why)
{
    struct pxi_yamux *y = s->y;
    if (s->dead)
        return;
    s->dead = true;
    s->why = why;
    unchain(s);
    y->streams--;
    y->unacked_out -= s->s.outbound && !s->acked;
    y->unacked_in -= !s->s.outbound && s->ack;
    pxi_list_remove(&s->ring);
    if (y->body == s)
        y->body = NULL;
    size_t out = s->out.n, in = s->in.n, grown = s->recv_max - PXI_YAMUX_WINDOW;
    pxi_queue_clear(&s->out);
    pxi_queue_clear(&s->in);
    pxi_yamux_let_go(y, &y->out_bytes, out);
    pxi_yamux_let_go(y, &y->kept_bytes, in);
    pxi_yamux_let_go(y, &y->grown, grown);
    pxi_yamux_stream_later(s);
}

void pxi_yamux_bury(struct pxi_ystream *s)
{
    pxi_list_remove(&s->later);
    pxi_stream_on_closed(&s->s, s->why);
    s->y->held--;
    pxi_free(s);
}

void pxi_yamux_kill_all(struct pxi_yamux *y, px_err why)
{
    for (size_t i = 0; i < (size_t)1 << y->bucket_bits; i++)
        while (y->buckets[i])
            pxi_yamux_kill(y->buckets[i], why);
}
