#include "io/compute.h"

#include "base/mem.h"
#include "io/loop.h"
#include "io/worker.h"

struct computer {
    struct pxi_compute base;
    struct pxi_worker *worker;
};

static struct pxi_computation *work_of(struct pxi_mail *m)
{
    return PXI_OF(&m->link, struct pxi_computation, link);
}

static void compute(void *ctx, struct pxi_worker *w)
{
    struct pxi_mail *m;
    (void)ctx;
    while ((m = pxi_worker_take(w, true)) != NULL) {
        uint64_t start = pxi_clock_ns();
        work_of(m)->run(work_of(m));
        work_of(m)->took_ns = pxi_clock_ns() - start;
        pxi_worker_tell(w, m);
    }
}

static void heard(void *ctx, struct pxi_mail *m)
{
    (void)ctx;
    work_of(m)->done(work_of(m));
}

static void submit(struct pxi_compute *base, struct pxi_computation *w)
{
    struct computer *c = PXI_OF(base, struct computer, base);
    pxi_worker_send(c->worker, PXI_OF(&w->link, struct pxi_mail, link));
}

struct pxi_compute *pxi_compute_new(struct pxi_loop *l)
{
    static const struct pxi_worker_events events = {compute, heard};
    struct computer *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->base.submit = submit;
    if (pxi_worker_open(l, &events, c, &c->worker) == PX_ERR_OK)
        return &c->base;
    pxi_free(c);
    return NULL;
}

static void forget(void *ctx, struct pxi_mail *m)
{
    (void)ctx;
    (void)m;
}

void pxi_compute_free(struct pxi_compute *base)
{
    if (!base)
        return;
    struct computer *c = PXI_OF(base, struct computer, base);
    pxi_worker_close(c->worker, forget);
    pxi_free(c);
}
