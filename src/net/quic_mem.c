/*
 * Memory of ngtcp2's connections. It takes blocks of 4 to 16 KiB for objects to come, of which a
 * connection at rest uses the beginnings; they lie in a heap that folds (base/fold.h) after a
 * while of silence, and what ngtcp2 is asked next opens it again.
 */
#include "base/math.h"
#include "net/quic_impl.h"

/* ----------------------------------------------------------------- reserve */

/* A block of the reserve. NULL only when it is used up. */
static void *reserve_take(struct pxi_quic *q, size_t n)
{
    q->starved = true;
    for (unsigned i = 0; i < PXI_QUIC_RESERVES && n <= PXI_QUIC_RESERVE; i++)
        if (!(q->reserve_used & 1u << i)) {
            q->reserve_used |= 1u << i;
            return q->reserve[i];
        }
    return NULL;
}

static bool is_reserve(const struct pxi_quic *q, const void *p, unsigned *i)
{
    for (*i = 0; p && q->reserve_used && *i < PXI_QUIC_RESERVES; ++*i)
        if (q->reserve[*i] == p)
            return true;
    return false;
}

/* --------------------------------------------------------- what ngtcp2 calls */

static bool in_fold(const struct pxi_quic_conn *c, const void *p)
{
    return c->fold && p && pxi_fold_has(c->fold, p);
}

static void *mem_malloc(size_t n, void *user)
{
    struct pxi_quic_conn *c = user;
    void *p = c->fold && n >= PXI_FOLD_LEAST ? pxi_fold_alloc(c->fold, n) : NULL;
    if (!p)
        p = pxi_realloc(NULL, n, 1);
    return p ? p : reserve_take(c->q, n);
}

static void mem_free(void *p, void *user)
{
    struct pxi_quic_conn *c = user;
    unsigned i;
    if (in_fold(c, p))
        pxi_fold_drop(c->fold, p);
    else if (is_reserve(c->q, p, &i))
        c->q->reserve_used &= ~(1u << i);
    else
        pxi_free(p);
}

static void *mem_calloc(size_t n, size_t size, void *user)
{
    size_t bytes;
    void *p = pxi_mul_size(n, size, &bytes) ? mem_malloc(bytes, user) : NULL;
    return p ? memset(p, 0, bytes) : NULL;
}

static void *mem_realloc(void *p, size_t n, void *user)
{
    struct pxi_quic_conn *c = user;
    unsigned i;
    if (is_reserve(c->q, p, &i))
        return n <= PXI_QUIC_RESERVE ? p : NULL;
    if (!in_fold(c, p))
        return p ? pxi_realloc(p, n, 1) : mem_malloc(n, user);
    size_t had = pxi_fold_size(c->fold, p);
    if (n <= had)
        return p;
    void *more = mem_malloc(n, user);
    if (!more)
        return NULL;
    memcpy(more, p, had);
    pxi_fold_drop(c->fold, p);
    return more;
}

/* -------------------------------------------------------------------- rest */

static void sleep_all(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_quic *q = PXI_OF(t, struct pxi_quic, rest);
    for (struct pxi_list *l = q->awake.next, *next; l != &q->awake; l = next) {
        struct pxi_quic_conn *c = PXI_OF(l, struct pxi_quic_conn, awake);
        next = l->next;
        if (c->used_ns + PXI_LIMIT_QUIC_REST_MS * PXI_MS > now_ns || !pxi_list_empty(&c->ready) ||
            !pxi_list_empty(&c->due))
            continue;
        pxi_quic_conn_rearm(c);
        if (c->timer.at_ns < now_ns + PXI_LIMIT_QUIC_REST_MS * PXI_MS || !pxi_fold_close(c->fold))
            continue;
        c->resting = true;
        q->stats.resting++;
        pxi_list_remove(&c->awake);
    }
    if (!pxi_list_empty(&q->awake))
        pxi_timer_after(q->timers, &q->rest, PXI_LIMIT_QUIC_REST_MS * PXI_MS / 2);
}

void pxi_quic_conn_wake(struct pxi_quic_conn *c)
{
    struct pxi_quic *q = c->q;
    if (!c->fold)
        return;
    if (c->resting)
        q->stats.resting--;
    c->resting = false;
    c->used_ns = q->timers->now_ns;
    pxi_fold_open(c->fold);
    if (pxi_list_empty(&c->awake))
        pxi_list_add(&q->awake, &c->awake);
    if (!q->rest.armed)
        pxi_timer_after(q->timers, &q->rest, PXI_LIMIT_QUIC_REST_MS * PXI_MS / 2);
}

/* ------------------------------------------------------------- life times */

void pxi_quic_conn_mem_init(struct pxi_quic_conn *c)
{
    struct pxi_quic *q = c->q;
    pxi_list_init(&c->awake);
    c->mem = (ngtcp2_mem){c, mem_malloc, mem_free, mem_calloc, mem_realloc};
    if (q->fold_count)
        c->fold = q->folds[--q->fold_count];
    else if (q->pages)
        c->fold = pxi_fold_new(q->pages); /* without, the heap does */
}

void pxi_quic_conn_mem_deinit(struct pxi_quic_conn *c)
{
    struct pxi_quic *q = c->q;
    pxi_list_remove(&c->awake);
    if (c->fold && q->fold_count < PXI_QUIC_FOLDS)
        q->folds[q->fold_count++] = c->fold;
    else
        pxi_fold_free(c->fold);
    c->fold = NULL;
}

bool pxi_quic_mem_init(struct pxi_quic *q)
{
    q->rest.fire = sleep_all;
    pxi_list_init(&q->awake);
    for (unsigned i = 0; i < PXI_QUIC_RESERVES; i++)
        if (!(q->reserve[i] = pxi_realloc(NULL, PXI_QUIC_RESERVE, 1)))
            return false;
    return true;
}

void pxi_quic_mem_deinit(struct pxi_quic *q)
{
    pxi_timer_disarm(q->timers, &q->rest);
    while (q->fold_count)
        pxi_fold_free(q->folds[--q->fold_count]);
    for (unsigned i = 0; i < PXI_QUIC_RESERVES; i++)
        pxi_free(q->reserve[i]);
}
