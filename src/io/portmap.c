#include "io/portmap.h"

#include "base/mem.h"
#include "io/portmap_impl.h"

/* Owned by libuv while the worker runs. */
struct errand {
    uv_work_t work;
    struct pxi_portmap *owner; /* NULL: gone */
    struct pxi_portmap_job job;
};

struct pxi_portmap {
    struct pxi_loop *loop;
    struct pxi_host *host;
    struct errand *errand;
    struct pxi_timer timer;
    struct pxi_maddr mapped[PXI_PORTMAP_MAX];
    unsigned n;
};

static void work(uv_work_t *w)
{
    pxi_portmap_ask(&PXI_OF(w, struct errand, work)->job);
}

static void unmap(struct pxi_portmap *p)
{
    for (unsigned i = 0; i < p->n; i++)
        pxi_host_addr_remove(p->host, pxi_maddr_view(&p->mapped[i]), PXI_ADDR_MAPPED);
    p->n = 0;
}

static void after(uv_work_t *w, int status)
{
    struct errand *e = PXI_OF(w, struct errand, work);
    struct pxi_portmap *p = e->owner;
    if (p) {
        pxi_loop_now(p->loop);
        unmap(p);
        for (unsigned i = 0; i < e->job.n && status == 0; i++) {
            if (!e->job.want[i].outside.family)
                continue;
            struct pxi_maddr a = pxi_endpoint_maddr(&e->job.want[i].outside);
            if (pxi_host_addr_add(p->host, pxi_maddr_view(&a), PXI_ADDR_MAPPED) == PX_ERR_OK)
                p->mapped[p->n++] = a;
        }
        p->errand = NULL;
        uint64_t again_s = p->n ? PXI_PORTMAP_LEASE_S / 2 : 300;
        pxi_timer_after(pxi_loop_timers(p->loop), &p->timer, again_s * PXI_SECOND);
    }
    pxi_free(e);
}

/* What we listen at on a private network, IPv4 only: IPv6 has no such NATs. */
static void collect(struct pxi_host *h, struct pxi_portmap_job *job)
{
    struct pxi_endpoint e;
    px_view a;
    for (unsigned i = 0; job->n < PXI_PORTMAP_MAX && (a = pxi_host_addr(h, i)).n; i++)
        if (pxi_endpoint_of(a, &e) == PX_ERR_OK && !e.relayed && e.family == 4 && e.port &&
            pxi_ip_kind_of(&e) == PXI_IP_PRIVATE) {
            e.dns = px_view_of(NULL, 0);
            job->want[job->n++].inside = e;
        }
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_portmap *p = PXI_OF(t, struct pxi_portmap, timer);
    struct errand *e = pxi_calloc(1, sizeof *e);
    pxi_timer_after(pxi_loop_timers(p->loop), &p->timer, 300 * PXI_SECOND);
    if (!e)
        return;
    e->owner = p;
    collect(p->host, &e->job);
    if (!e->job.n || uv_queue_work(pxi_loop_uv(p->loop), &e->work, work, after) != 0) {
        pxi_free(e);
        return;
    }
    p->errand = e;
    pxi_timer_disarm(pxi_loop_timers(p->loop), &p->timer);
}

struct pxi_portmap *pxi_portmap_new(struct pxi_loop *l, struct pxi_host *h)
{
    struct pxi_portmap *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->loop = l;
    p->host = h;
    p->timer.fire = fire;
    pxi_timer_after(pxi_loop_timers(l), &p->timer, PXI_SECOND);
    return p;
}

void pxi_portmap_free(struct pxi_portmap *p)
{
    if (!p)
        return;
    if (p->errand)
        p->errand->owner = NULL;
    pxi_timer_disarm(pxi_loop_timers(p->loop), &p->timer);
    unmap(p);
    pxi_free(p);
}

px_view pxi_portmap_addr(const struct pxi_portmap *p, unsigned i)
{
    return p && i < p->n ? pxi_maddr_view(&p->mapped[i]) : px_view_of(NULL, 0);
}
