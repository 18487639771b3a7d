#include "net/trim.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

#define CHECK_NS (PXI_LIMIT_TRIM_CHECK_MS * PXI_MS)

struct candidate {
    struct pxi_conn *conn;
    uint64_t used_ns;
    int rank;
    bool busy;
};

/* First the one that goes first. */
static int before(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->busy != y->busy)
        return x->busy ? 1 : -1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

/* Connections that may be closed, into a new array. */
static unsigned collect(struct pxi_trim *t, struct candidate *out, unsigned cap)
{
    uint64_t now = pxi_host_timers(t->host)->now_ns;
    struct pxi_list *all = pxi_host_conns(t->host);
    unsigned n = 0;
    for (struct pxi_list *l = all->next; l != all && n < cap; l = l->next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        if (c->closing || c->protect || now - c->opened_ns < t->grace_ns)
            continue;
        out[n++] = (struct candidate){c, c->used_ns, t->rank ? t->rank(t->ctx, c) : 0,
                                      c->stream_count > 0};
    }
    return n;
}

static void trim(struct pxi_trim *t)
{
    unsigned open = pxi_host_conn_count(t->host), n = 0;
    struct candidate *c = pxi_calloc(open, sizeof *c);
    if (c) {
        n = collect(t, c, open);
        qsort(c, n, sizeof *c, before);
    }
    for (unsigned i = 0; i < n && open > (c[i].busy ? t->high : t->low); i++) {
        c[i].conn->closing = true;
        c[i].conn->ops->close(c[i].conn, PX_ERR_LIMIT);
        open--;
        t->closed++;
    }
    pxi_free(c);
}

static void fire(struct pxi_timer *timer, uint64_t now_ns)
{
    struct pxi_trim *t = PXI_OF(timer, struct pxi_trim, timer);
    if (pxi_host_conn_count(t->host) <= t->high)
        return;
    trim(t);
    pxi_timer_after(pxi_host_timers(t->host), &t->timer, CHECK_NS); /* grace ends for some */
}

static void connected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_trim *t = PXI_OF(w, struct pxi_trim, watch);
    if (pxi_host_conn_count(t->host) > t->high && !t->timer.armed)
        pxi_timer_after(pxi_host_timers(t->host), &t->timer, 0);
}

void pxi_trim_start(struct pxi_trim *t, struct pxi_host *h)
{
    t->host = h;
    t->high = t->high ? t->high : PXI_LIMIT_TRIM_HIGH;
    t->low = t->low ? t->low : PXI_LIMIT_TRIM_LOW;
    t->low = t->low < t->high ? t->low : t->high;
    t->grace_ns = t->grace_ns ? t->grace_ns : PXI_LIMIT_TRIM_GRACE_MS * PXI_MS;
    t->timer.fire = fire;
    t->watch.connected = connected;
    pxi_host_watch(h, &t->watch);
    pxi_timer_after(pxi_host_timers(h), &t->timer, 0);
}

void pxi_trim_stop(struct pxi_trim *t)
{
    if (!t->host)
        return;
    pxi_host_unwatch(&t->watch);
    pxi_timer_disarm(pxi_host_timers(t->host), &t->timer);
    t->host = NULL;
}
