/* The program was taken off its device: back onto it, with the jobs that it had. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "io/xdp_impl.h"

static void say_again(struct pxi_xdp *x)
{
    snprintf(x->l.said, sizeof x->l.said, "%s XDP on %s, attached again",
             x->l.rung == PXI_XDP_NATIVE ? "native" : "generic", x->o.device);
}

px_err pxi_xdp_relink(struct pxi_xdp *x, px_diag *diag)
{
    struct pxi_xdp_hold hold;
    int refused;
    pxi_diag_field(diag, "%s", x->o.device);
    if (pxi_xdp_helped(x))
        return pxi_diag_set(diag, PX_ERR_PERMISSION, 0, "the helper that attached it",
                            "it is gone");
    /* It was loaded without locks for a device of one queue. */
    if (!x->l.shared && !x->o.steered && !pxi_xdp_serial(x->o.device))
        return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a device of one queue, as before",
                            "another");
    struct pxi_xdp_options o = x->o;
    o.generic = x->l.rung == PXI_XDP_GENERIC;
    px_err err = pxi_xdp_attach(&o, x->l.program, &hold, &refused, diag);
    if (err)
        return err;
    pxi_xdp_release(&x->l.hold);
    x->l.hold = hold;
    say_again(x);
    return PX_ERR_OK;
}

/* ------------------------------------------------------------ by the helper */

px_err pxi_xdp_fetch(const struct pxi_xdp *x, struct pxi_xdp_loaded **out, px_diag *diag)
{
    struct pxi_xdp_loaded *l = pxi_calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return PX_ERR_NOMEM;
    px_err err = pxi_xdpd_ask(x->o.helper, &x->o, l, diag);
    if (err)
        pxi_free(l);
    else
        *out = l;
    return err;
}

void pxi_xdp_drop(struct pxi_xdp_loaded *l)
{
    if (l)
        pxi_xdp_unload(l);
    pxi_free(l);
}

/* Entries of a map whose values are so long. */
static bool copy(const struct pxi_xdp *from, const struct pxi_xdp *to, enum pxi_xdp_map map,
                 size_t bytes, uint32_t n)
{
    void *value = pxi_calloc(1, bytes);
    bool ok = value != NULL;
    for (uint32_t i = 0; i < n && ok; i++)
        ok = !bpf_map_lookup_elem(from->l.maps[map], &i, value) &&
             !bpf_map_update_elem(to->l.maps[map], &i, value, BPF_ANY);
    if (value)
        explicit_bzero(value, bytes);
    pxi_free(value);
    return ok;
}

/* All that the program before knew. Jobs last: then it begins. */
static bool copy_all(const struct pxi_xdp *from, const struct pxi_xdp *to)
{
    const struct pxi_xdp_options *o = &from->o;
    size_t lanes = pxi_xdp_lane_bytes(o), cpus = (size_t)libbpf_num_possible_cpus();
    uint32_t slots = 2 * o->slots * o->jobs, chunks = o->chunks * o->jobs;
    bool clip1 = o->sentry == PX_SENTRY_CLIP1, welford = o->sentry == PX_SENTRY_WELFORD;
    bool ok =
        copy(from, to, PXI_XDP_WORKERS, sizeof(struct pxi_bpf_worker), o->jobs * PXI_BPF_MEMBERS) &&
        copy(from, to, PXI_XDP_COUNTS, cpus * sizeof(struct pxi_bpf_counts), 1) &&
        copy(from, to, PXI_XDP_KEPT, sizeof(struct pxi_bpf_kept) + lanes, chunks) &&
        copy(from, to, PXI_XDP_NOTED, sizeof(struct pxi_bpf_noted) + lanes,
             o->sentry ? slots : 0) &&
        copy(from, to, PXI_XDP_CENTRES, sizeof(struct pxi_bpf_centre) + lanes,
             clip1 ? chunks : 0) &&
        copy(from, to, PXI_XDP_PASTS, sizeof(struct pxi_bpf_past),
             welford ? PX_GRADIENT_WORKERS * o->jobs : 0);
    if (!ok)
        return false;
    memcpy(to->slots, from->slots, slots * from->slot_bytes);
    memcpy(to->sentries, from->sentries, o->jobs * sizeof *from->sentries);
    *to->watch = *from->watch;
    for (unsigned i = 0; i < PXI_BPF_JOBS; i++) {
        struct pxi_bpf_job j = from->jobs[i];
        j.live = 0;
        j.pending = 0; /* of the ring before */
        to->jobs[i] = j;
        __atomic_store_n(&to->jobs[i].live, from->jobs[i].live, __ATOMIC_RELEASE);
    }
    return true;
}

px_err pxi_xdp_move(struct pxi_xdp *x, struct pxi_xdp_loaded *to, px_diag *diag)
{
    struct pxi_xdp before = *x;
    x->l = *to;
    pxi_free(to);
    px_err err = pxi_xdp_map(x, diag);
    if (!err && !copy_all(&before, x))
        err = pxi_xdp_refused(diag, errno);
    struct pxi_xdp gone = err ? *x : before;
    if (err)
        *x = before;
    /* A descriptor that another process has, too, does not leave it by being closed. */
    epoll_ctl(x->wakes, EPOLL_CTL_DEL, gone.l.maps[PXI_XDP_DONE], NULL);
    pxi_xdp_unmap(&gone);
    if (!err)
        say_again(x);
    return err;
}
