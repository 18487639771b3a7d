/* The aggregator in the kernel beside the one in user space, packet by packet. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/xdp.h"
#include "plexus/agg.h"
#include "reduce/slots.h"

enum { WORKERS = 4, SLOTS = 8, VALUES = 256, CHUNKS = 32, BEFORE = 42, PORT = 9999, ROOM = 2048 };

struct pair {
    struct pxi_xdp *xdp;
    struct pxi_slots *slots;
    struct pxi_sentry *sentry; /* NULL: none */
    uint8_t *frames;
    struct pxi_kernels kernels;
    struct pxi_rng rng;
    uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];
    struct pxi_tag_key keys[PXI_BPF_MEMBERS];
    uint32_t next[WORKERS][SLOTS]; /* what each worker sends next */
    int8_t agreed[SLOTS];
    uint64_t now_ns, run_ns;
};

/* The rule in user space; the kernel has the same. */
static px_err open_sentry(struct pair *p, enum px_sentry_rule rule)
{
    struct pxi_sentry_options s = {
        .rule = rule, .fan_in = WORKERS, .values = VALUES, .slots = SLOTS, .chunks = CHUNKS};
    if (rule == PX_SENTRY_NONE)
        return PX_ERR_OK;
    p->sentry = pxi_sentry_new(&s);
    return p->sentry ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err open_pair(struct pair *p, uint64_t seed, enum px_sentry_rule rule, const char *helper,
                        px_diag *diag)
{
    p->rng.state = seed;
    p->now_ns = 1000000000;
    for (unsigned i = 0; i < PXI_BPF_MEMBERS; i++) {
        for (unsigned j = 0; j < PXI_TAG_SECRET; j++)
            p->secrets[i][j] = (uint8_t)pxi_rng_u64(&p->rng);
        pxi_tag_key_init(&p->keys[i], p->secrets[i]);
    }
    for (unsigned i = 0; i < WORKERS * SLOTS; i++)
        p->next[i / SLOTS][i % SLOTS] = i % SLOTS;
    pxi_kernels_init(&p->kernels, pxi_cpu_detect());
    px_err err = open_sentry(p, rule);
    p->frames = pxi_calloc_aligned(2 * SLOTS * pxi_slots_stride(VALUES), 64);
    struct pxi_xdp_options o = {.port = PORT,
                                .values = VALUES,
                                .slots = SLOTS,
                                .chunks = CHUNKS,
                                .helper = helper,
                                .sentry = rule};
    struct pxi_xdp_job j = {.job = 1,
                            .slots = SLOTS,
                            .values = VALUES,
                            .fan_in = WORKERS,
                            .members = (1u << WORKERS) - 1,
                            .quorum = WORKERS / 2 + 1,
                            .deadline_ns = UINT64_MAX,
                            .chunks = CHUNKS,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])p->secrets};
    struct pxi_slots_options s = {.job = 1,
                                  .slots = SLOTS,
                                  .values = VALUES,
                                  .fan_in = WORKERS,
                                  .members = j.members,
                                  .quorum = j.quorum,
                                  .deadline_ns = UINT64_MAX,
                                  .chunks = CHUNKS,
                                  .keep_missed = true,
                                  .frames = p->frames,
                                  .sentry = p->sentry,
                                  .kernels = &p->kernels};
    if (!err)
        err = p->frames ? pxi_xdp_open(&o, &p->xdp, diag) : PX_ERR_NOMEM;
    if (!err)
        err = pxi_xdp_begin(p->xdp, &j, diag);
    if (!err && !(p->slots = pxi_slots_new(&s)))
        err = PX_ERR_NOMEM;
    return err;
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* A worker's packet, in time, early, late, once more or damaged. */
static size_t some_frame(struct pair *p, uint8_t *f)
{
    struct pxi_rng *r = &p->rng;
    unsigned worker = (unsigned)pxi_rng_below(r, WORKERS), slot = (unsigned)pxi_rng_below(r, SLOTS);
    uint32_t seq = p->next[worker][slot];
    if (pxi_rng_below(r, 16) == 0)
        seq += SLOTS * ((uint32_t)pxi_rng_below(r, 7) - 3);
    struct px_gradient_head h = {.kind = PX_GRADIENT_CONTRIBUTION,
                                 .job = 1,
                                 .worker = (uint8_t)worker,
                                 .slot = (uint16_t)slot,
                                 .flags = seq / SLOTS & 1,
                                 .seq = seq,
                                 .count = seq < SLOTS ? 0 : VALUES,
                                 .exponent = p->agreed[slot],
                                 .next = (int8_t)(pxi_rng_below(r, 9) - 4),
                                 .where = seq < SLOTS ? UINT32_MAX : seq % CHUNKS};
    size_t n = BEFORE + PX_GRADIENT_HEAD + 2 * (size_t)h.count;
    uint64_t mask = pxi_rng_below(r, 500) ? UINT64_C(0x3fff3fff3fff3fff) : UINT64_MAX;
    memset(f, 0, BEFORE);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, n - 14);
    f[23] = 17;
    put16(f + 36, PORT);
    put16(f + 38, n - 34);
    pxi_gradient_write(&h, f + BEFORE);
    for (size_t i = BEFORE + PX_GRADIENT_HEAD; i < n; i += 8) {
        uint64_t v = pxi_rng_u64(r) & mask;
        memcpy(f + i, &v, sizeof v);
    }
    pxi_tag_put(&p->keys[worker], p->kernels.tag_nh, f + BEFORE, n - BEFORE);
    if (pxi_rng_below(r, 64) == 0)
        f[BEFORE + 4 + pxi_rng_below(r, n - BEFORE - 4)] ^= (uint8_t)(1u << pxi_rng_below(r, 8));
    return n;
}

/* What user space makes of it, the tag first. */
static enum pxi_slots_to in_user_space(struct pair *p, const uint8_t *f, size_t n,
                                       struct pxi_slots_answer *a)
{
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    if (!pxi_gradient_read(px_view_of(f + BEFORE, n - BEFORE), &h, &values, &why) ||
        h.worker >= PX_GRADIENT_WORKERS ||
        !pxi_tag_right(&p->keys[h.worker], p->kernels.tag_nh, f + BEFORE, n - BEFORE))
        return PXI_SLOTS_NOBODY;
    return pxi_slots_take(p->slots, &h, values, p->now_ns, a);
}

static void heard(struct pair *p, unsigned sender, enum pxi_slots_to to, const uint8_t *answer)
{
    struct px_gradient_head h;
    memcpy(&h, answer, sizeof h);
    unsigned slot = h.slot % SLOTS;
    if (to == PXI_SLOTS_ALL)
        p->agreed[slot] = h.next;
    for (unsigned i = 0; i < WORKERS; i++)
        if ((to == PXI_SLOTS_ALL || i == sender) && p->next[i][slot] == h.seq &&
            pxi_rng_below(&p->rng, 20))
            p->next[i][slot] = h.seq + SLOTS;
}

/* One packet to both. False: they differ. */
static bool same(struct pair *p)
{
    uint8_t f[ROOM], out[ROOM];
    struct pxi_slots_answer a;
    size_t n = some_frame(p, f), out_n = sizeof out;
    uint32_t ns = 0;
    p->now_ns += pxi_rng_below(&p->rng, 200) ? 1000 : 60000000;
    pxi_xdp_clock(p->xdp, 1, 0, p->now_ns);
    enum pxi_slots_to to = in_user_space(p, f, n, &a);
    int verdict = pxi_xdp_run(p->xdp, f, n, out, &out_n, 1, &ns);
    p->run_ns += ns;
    if (verdict == XDP_PASS) /* damaged so that it says that it is a result */
        return to == PXI_SLOTS_NOBODY && out_n == n && memcmp(f, out, n) == 0;
    if (to == PXI_SLOTS_NOBODY)
        return verdict == XDP_DROP;
    heard(p, f[BEFORE + 11] % WORKERS, to, a.bytes);
    return verdict == XDP_TX && out_n == BEFORE + a.n &&
           memcmp(out + BEFORE, a.bytes, PXI_TAG_AT) == 0 &&
           memcmp(out + BEFORE + PX_GRADIENT_HEAD, a.bytes + PX_GRADIENT_HEAD,
                  a.n - PX_GRADIENT_HEAD) == 0 &&
           pxi_tag_right(&p->keys[PXI_BPF_MEMBERS - 1], p->kernels.tag_nh, out + BEFORE,
                         out_n - BEFORE);
}

static px_err rule_of(const char *name, enum px_sentry_rule *out, px_diag *diag)
{
    static const char *const rules[] = {
        [PX_SENTRY_NONE] = "none", [PX_SENTRY_CLIP1] = "clip1", [PX_SENTRY_WELFORD] = "welford"};
    pxi_diag_field(diag, "sentry");
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i] && strcmp(name, rules[i]) == 0) {
            *out = (enum px_sentry_rule)i;
            return PX_ERR_OK;
        }
    return pxi_diag_set(diag, PX_ERR_INVALID, 0, "none, clip1, welford", "%s", name);
}

px_err px_agg_verify(uint64_t packets, uint64_t seed, const char *sentry, const char *helper,
                     px_agg_report *out, px_diag *diag)
{
    enum px_sentry_rule rule = PX_SENTRY_NONE;
    static const char *const names[] = PX_GRADIENT_DROP_NAMES;
    struct pair *p = pxi_calloc(1, sizeof *p);
    struct px_agg_report r = {.size = sizeof r};
    struct pxi_bpf_counts c;
    px_err err = p ? rule_of(sentry ? sentry : "none", &rule, diag) : PX_ERR_NOMEM;
    if (!err)
        err = open_pair(p, seed, rule, helper, diag);
    for (uint64_t i = 0; i < packets && !err; i++)
        r.mismatches += !same(p);
    if (!err) {
        const struct pxi_slots_counts *s = pxi_slots_counts(p->slots);
        pxi_xdp_counts(p->xdp, &c);
        r.packets = packets;
        r.summed = c.added;
        r.finished = c.finished;
        r.closed = c.closed;
        r.passed = packets - c.packets;
        r.ns = packets ? (double)p->run_ns / (double)packets : 0;
        for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++) {
            r.drops[i] = names[i];
            r.dropped[i] = c.drops[i];
        }
        r.mismatches += s->added != c.added || s->finished != c.finished || s->closed != c.closed ||
                        s->clipped != c.clipped;
        *out = r;
    }
    if (p) {
        pxi_xdp_close(p->xdp);
        pxi_slots_free(p->slots);
        pxi_sentry_free(p->sentry);
        pxi_free_aligned(p->frames);
    }
    pxi_free(p);
    return err;
}
