/* Ranks, an aggregator and its Sentry, in virtual time. */
#include "node/poison.h"

#include <string.h>

#include "base/mem.h"
#include "node/agg_run.h"
#include "reduce/rank.h"
#include "reduce/slots.h"

enum {
    SLOTS = 2,
    CHUNKS = (PXI_DIGITS_PARAMETERS + PXI_POISON_CHUNK - 1) / PXI_POISON_CHUNK,
    STRIDE = 640,
    DEADLINE_NS = 1000000,
};

struct pxi_poison_slots {
    const struct pxi_poison_run *run;
    struct pxi_kernels kernels;
    struct pxi_sentry *sentry;
    struct pxi_slots *slots;
    struct pxi_agg_run *kernel; /* instead of the two before */
    struct pxi_rank *ranks[PXI_POISON_WORKERS];
    uint8_t *frames[PXI_POISON_WORKERS];
    uint8_t *sums;
    float *x[PXI_POISON_WORKERS], *residual[PXI_POISON_WORKERS];
    uint64_t now;
};

static bool add_rank(struct pxi_poison_slots *s, unsigned i)
{
    s->frames[i] = pxi_calloc_aligned((size_t)SLOTS * STRIDE, 64);
    s->x[i] = pxi_calloc(PXI_DIGITS_PARAMETERS, sizeof(float));
    s->residual[i] = pxi_calloc(PXI_DIGITS_PARAMETERS, sizeof(float));
    struct pxi_rank_options o = {.slots = SLOTS,
                                 .values = PXI_POISON_CHUNK,
                                 .fan_in = (uint8_t)s->run->n,
                                 .worker = (uint8_t)i,
                                 .frames = s->frames[i],
                                 .stride = STRIDE,
                                 .rto_min_ns = DEADLINE_NS,
                                 .rto_max_ns = DEADLINE_NS,
                                 .kernels = &s->kernels};
    s->ranks[i] = s->frames[i] ? pxi_rank_new(&o) : NULL;
    return s->x[i] && s->residual[i] && s->ranks[i];
}

/* What adds, in user space. */
static bool add_slots(struct pxi_poison_slots *s)
{
    const struct pxi_poison_run *run = s->run;
    unsigned n = run->n;
    if (run->rule.sentry != PX_SENTRY_NONE) {
        struct pxi_sentry_options o = {.rule = run->rule.sentry,
                                       .fan_in = (uint8_t)n,
                                       .values = PXI_POISON_CHUNK,
                                       .slots = SLOTS,
                                       .chunks = CHUNKS};
        s->sentry = pxi_sentry_new(&o);
    }
    s->sums = pxi_calloc_aligned(2 * SLOTS * pxi_slots_stride(PXI_POISON_CHUNK), 64);
    struct pxi_slots_options o = {.slots = SLOTS,
                                  .values = PXI_POISON_CHUNK,
                                  .fan_in = (uint8_t)n,
                                  .members = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1,
                                  .quorum = n / 2 + 1,
                                  .deadline_ns = DEADLINE_NS,
                                  .chunks = CHUNKS,
                                  .frames = s->sums,
                                  .kernels = &s->kernels,
                                  .sentry = s->sentry};
    bool all = s->sums && (s->sentry || run->rule.sentry == PX_SENTRY_NONE);
    s->slots = all ? pxi_slots_new(&o) : NULL;
    return s->slots != NULL;
}

px_err pxi_poison_slots_new(const struct pxi_poison_run *run, struct pxi_poison_slots **out,
                            px_diag *diag)
{
    struct pxi_poison_slots *s = pxi_calloc(1, sizeof *s);
    px_err err = PX_ERR_OK;
    *out = s;
    if (!s)
        return PX_ERR_NOMEM;
    s->run = run;
    s->now = DEADLINE_NS; /* 0 would be the kernel's own clock */
    pxi_kernels_init(&s->kernels, pxi_cpu_detect());
    struct pxi_agg_run_options o = {.world = (uint8_t)run->n,
                                    .rule = run->rule.sentry,
                                    .values = PXI_POISON_CHUNK,
                                    .slots = SLOTS,
                                    .chunks = CHUNKS,
                                    .deadline_ns = DEADLINE_NS,
                                    .nh = s->kernels.tag_nh};
    if (run->kernel)
        err = pxi_agg_run_new(&o, &s->kernel, diag);
    else
        err = add_slots(s) ? PX_ERR_OK : PX_ERR_NOMEM;
    for (unsigned i = 0; i < run->n && !err; i++)
        err = add_rank(s, i) ? PX_ERR_OK : PX_ERR_NOMEM;
    if (err) {
        pxi_poison_slots_free(s);
        *out = NULL;
    }
    return err;
}

void pxi_poison_slots_free(struct pxi_poison_slots *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->run->n; i++) {
        pxi_rank_free(s->ranks[i]);
        pxi_free_aligned(s->frames[i]);
        pxi_free(s->x[i]);
        pxi_free(s->residual[i]);
    }
    pxi_agg_run_free(s->kernel);
    pxi_slots_free(s->slots);
    pxi_sentry_free(s->sentry);
    pxi_free_aligned(s->sums);
    pxi_free(s);
}

/* What attackers do to packets beyond their values. */
static void forge(const struct pxi_poison_slots *s, uint8_t *frame, size_t n)
{
    enum pxi_poison_wire wire = pxi_poison_attacks[s->run->attack].wire;
    struct px_gradient_head h;
    memcpy(&h, frame, sizeof h);
    if (wire == PXI_POISON_WIRE_EXPONENT)
        h.next = 127;
    if (wire == PXI_POISON_WIRE_NAN)
        memset(frame + PX_GRADIENT_HEAD, 0xff, n - PX_GRADIENT_HEAD);
    memcpy(frame, &h, sizeof h);
}

static void to_ranks(struct pxi_poison_slots *s, enum pxi_slots_to to, unsigned sender,
                     const struct pxi_slots_answer *a)
{
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    if (to == PXI_SLOTS_NOBODY || !pxi_gradient_read(px_view_of(a->bytes, a->n), &h, &values, &why))
        return;
    for (unsigned i = 0; i < s->run->n; i++)
        if (to == PXI_SLOTS_ALL || (to == PXI_SLOTS_SENDER && i == sender))
            pxi_rank_take(s->ranks[i], &h, values, s->now);
}

/* All that a worker has to send now; how much that was. */
static unsigned send(struct pxi_poison_slots *s, unsigned i)
{
    unsigned sent = 0;
    for (;;) {
        px_view f = pxi_rank_poll(s->ranks[i], s->now);
        struct px_gradient_head h;
        struct pxi_slots_answer a;
        px_view values;
        enum px_gradient_drop why;
        if (!f.n)
            return sent;
        sent++;
        memcpy(&h, f.p, sizeof h);
        if (i >= s->run->n - s->run->f)
            forge(s, s->frames[i] + (h.seq % SLOTS) * STRIDE, f.n);
        if (!pxi_gradient_read(f, &h, &values, &why))
            continue;
        enum pxi_slots_to to = s->kernel ? pxi_agg_run_take(s->kernel, i, f, s->now, &a)
                                         : pxi_slots_take(s->slots, &h, values, s->now, &a);
        to_ranks(s, to, i, &a);
    }
}

bool pxi_poison_slots_reduce(struct pxi_poison_slots *s, float *const *v, float *out)
{
    bool nan = pxi_poison_attacks[s->run->attack].wire == PXI_POISON_WIRE_NAN;
    unsigned n = s->run->n, honest = n - s->run->f;
    for (unsigned i = 0; i < n; i++) {
        if (i < honest || !nan)
            memcpy(s->x[i], v[i], PXI_DIGITS_PARAMETERS * sizeof *out);
        struct pxi_rank_op op = {.x = s->x[i],
                                 .residual = i < honest ? s->residual[i] : NULL,
                                 .n = PXI_DIGITS_PARAMETERS,
                                 .mean = true};
        /* What is not finite is refused where it would enter. */
        if (pxi_rank_begin(s->ranks[i], &op) != PX_ERR_OK && i < honest)
            return false;
    }
    for (bool all = false; !all;) {
        unsigned sent = 0;
        all = true;
        for (unsigned i = 0; i < n; i++) {
            sent += send(s, i);
            all &= i >= honest || pxi_rank_done(s->ranks[i]);
        }
        s->now += sent ? 1000 : DEADLINE_NS;
    }
    for (unsigned i = honest; i < n; i++)
        pxi_rank_abort(s->ranks[i]);
    memcpy(out, s->x[0], PXI_DIGITS_PARAMETERS * sizeof *out);
    return true;
}
