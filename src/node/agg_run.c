#include "node/agg_run.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "io/xdp.h"

enum { BEFORE = 42, PORT = 9999, GROUP_PORT = 9998, ROOM = 4096, SENT_BACK = 3 /* XDP_TX */ };

struct pxi_agg_run {
    struct pxi_xdp *xdp;
    uint32_t job;
    pxi_tag_nh *nh; /* NULL: packets have their tags */
    struct pxi_tag_key keys[PX_GRADIENT_WORKERS];
    uint8_t in[ROOM], out[ROOM];
};

static px_err begin(struct pxi_agg_run *k, const struct pxi_agg_run_options *o, px_diag *diag)
{
    static const uint8_t zero[PXI_AGG_RUN_SECRETS][PXI_TAG_SECRET];
    unsigned n = o->world;
    struct pxi_xdp_job j = {.job = o->job,
                            .epoch = o->epoch,
                            .format = o->format,
                            .slots = o->slots,
                            .values = o->values,
                            .fan_in = o->world,
                            .members = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1,
                            .quorum = n / 2 + 1,
                            .deadline_ns = o->deadline_ns,
                            .chunks = o->chunks,
                            .group_address = htonl(0xef000001),
                            .group_port = GROUP_PORT,
                            .secrets = o->secrets ? o->secrets : zero};
    for (unsigned i = 0; i < PX_GRADIENT_WORKERS && !o->secrets; i++)
        pxi_tag_key_init(&k->keys[i], zero[i]);
    return pxi_xdp_begin(k->xdp, &j, diag);
}

px_err pxi_agg_run_new(const struct pxi_agg_run_options *o, struct pxi_agg_run **out, px_diag *diag)
{
    struct pxi_xdp_options x = {.port = PORT,
                                .values = o->values,
                                .jobs = 1,
                                .slots = o->slots,
                                .chunks = o->chunks,
                                .sentry = o->rule,
                                .k = o->k,
                                .clip = o->clip};
    struct pxi_agg_run *k = pxi_calloc(1, sizeof *k);
    *out = k;
    if (!k)
        return PX_ERR_NOMEM;
    k->job = o->job;
    k->nh = o->secrets ? NULL : o->nh;
    px_err err = pxi_xdp_open(&x, &k->xdp, diag);
    if (!err)
        err = begin(k, o, diag);
    if (!err)
        return err;
    pxi_agg_run_free(k);
    *out = NULL;
    return err;
}

void pxi_agg_run_free(struct pxi_agg_run *k)
{
    if (!k)
        return;
    pxi_xdp_close(k->xdp);
    pxi_free(k);
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Ethernet, IPv4 and UDP before a packet of a worker. */
static size_t wrap(struct pxi_agg_run *k, unsigned worker, px_view packet)
{
    uint8_t *f = k->in;
    size_t n = BEFORE + packet.n;
    memset(f, 0, BEFORE);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, n - 14);
    f[23] = 17;
    put16(f + 34, 5000);
    put16(f + 36, PORT);
    put16(f + 38, n - 34);
    memcpy(f + BEFORE, packet.p, packet.n);
    if (k->nh)
        pxi_tag_put(&k->keys[worker], k->nh, f + BEFORE, packet.n);
    return n;
}

enum pxi_slots_to pxi_agg_run_take(struct pxi_agg_run *k, unsigned worker, px_view packet,
                                   uint64_t now_ns, struct pxi_slots_answer *a)
{
    size_t out_n = sizeof k->out;
    if (BEFORE + packet.n > sizeof k->in || packet.n < PX_GRADIENT_HEAD ||
        worker >= PX_GRADIENT_WORKERS)
        return PXI_SLOTS_NOBODY;
    size_t n = wrap(k, worker, packet);
    pxi_xdp_clock(k->xdp, k->job, 0, now_ns);
    if (pxi_xdp_run(k->xdp, k->in, n, k->out, &out_n, 1, NULL) != SENT_BACK || out_n < BEFORE)
        return PXI_SLOTS_NOBODY;
    *a = (struct pxi_slots_answer){k->out + BEFORE, out_n - BEFORE};
    return (k->out[36] << 8 | k->out[37]) == GROUP_PORT ? PXI_SLOTS_ALL : PXI_SLOTS_SENDER;
}

struct pxi_slots_counts pxi_agg_run_counts(const struct pxi_agg_run *k)
{
    struct pxi_bpf_counts c;
    pxi_xdp_counts(k->xdp, &c);
    struct pxi_slots_counts out = {.packets = c.packets,
                                   .added = c.added,
                                   .finished = c.finished,
                                   .closed = c.closed,
                                   .clipped = c.clipped,
                                   .again = c.again,
                                   .outvoted = c.outvoted};
    memcpy(out.drops, c.drops, sizeof out.drops);
    return out;
}

const struct px_sentry_worker *pxi_agg_run_worker(const struct pxi_agg_run *k, unsigned worker)
{
    const struct px_sentry_worker *all = pxi_xdp_judged(k->xdp, k->job, 0);
    return all && worker < PX_GRADIENT_WORKERS ? &all[worker] : NULL;
}
