/* The public face of reduce/hub: its arena, its socket, its thread. */
#include "plexus/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/exchange.h"
#include "io/frames.h"
#include "kernel/kernel.h"
#include "node/agg_run.h"
#include "node/reduce_address.h"
#include "reduce/group.h"
#include "reduce/hub.h"

enum { VALUES = 688, WINDOW = 128, DEADLINE_MS = 2000, MS = 1000000 };

struct px_hub {
    struct pxi_kernels kernels;
    struct pxi_hub *hub;
    struct pxi_exchange *exchange;
    struct pxi_frames frames;
    unsigned world;
    uint8_t leaves[PX_GRADIENT_WORKERS];
    struct pxi_agg_run *run; /* who adds; NULL: the hub itself */
    char why[160];
};

/* ------------------------------------------------------ what the thread asks */

static void turn(void *ctx, uint64_t now_ns) {}

static px_view pull(void *ctx, unsigned to, uint64_t now_ns)
{
    return pxi_hub_pull(((px_hub *)ctx)->hub, to);
}

static void take(void *ctx, unsigned from, px_view datagram, uint64_t now_ns)
{
    pxi_hub_take(((px_hub *)ctx)->hub, from, datagram, now_ns);
}

static uint64_t deadline(void *ctx)
{
    return UINT64_MAX; /* workers that wait ask again */
}

/* By the kernel's own clock. */
static enum pxi_slots_to add_in_kernel(void *ctx, unsigned worker, px_view packet, uint64_t now_ns,
                                       struct pxi_slots_answer *a)
{
    return pxi_agg_run_take(ctx, worker, packet, 0, a);
}

static const struct pxi_exchange_ops ops = {turn, pull, take, deadline};

/* -------------------------------------------------------------------- rules */

/* Of packets, then of vectors: those that need no root, but the mean, which is the first here. */
static const struct {
    const char *name;
    enum px_sentry_rule rule;
} packets[] = {
    {"mean", PX_SENTRY_NONE}, {"clip1", PX_SENTRY_CLIP1}, {"welford", PX_SENTRY_WELFORD}};
enum { PACKETS = sizeof packets / sizeof *packets };

const char *px_hub_rule(unsigned i)
{
    if (i < PACKETS)
        return packets[i].name;
    i -= PACKETS;
    for (unsigned r = 1; r < pxi_robust_rule_count; r++)
        if (!pxi_robust_rules[r].needs_root && i-- == 0)
            return pxi_robust_rules[r].name;
    return NULL;
}

static bool find_rule(const char *name, struct pxi_hub_options *h)
{
    for (unsigned i = 0; i < PACKETS; i++)
        if (strcmp(packets[i].name, name) == 0) {
            h->rule = packets[i].rule;
            return true;
        }
    h->robust = pxi_robust_find(name);
    return h->robust && !h->robust->needs_root;
}

static px_err rule_of(const px_hub_options *o, struct pxi_hub_options *h, px_diag *d)
{
    const char *name = o->rule ? o->rule : "mean";
    pxi_diag_field(d, "%s", "rule");
    if (!find_rule(name, h))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a rule", "%s", name);
    if ((h->rule || h->robust) && (o->world < PX_SENTRY_FAN_IN || !o->longest))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "4 workers and more, and the longest array",
                            "%u workers, %zu values", o->world, o->longest);
    if (!(o->k >= 0 && o->k <= PX_SENTRY_K_MAX / 4.0))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a k of 0 to 15.75", "%g", o->k);
    h->k = (unsigned)(o->k * 4 + 0.5);
    h->clip = o->clip != 0;
    h->liars = o->liars ? o->liars : o->world < 8 ? 1 : o->world / 4;
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------ opening */

static px_err check(const px_hub_options *o, px_diag *d)
{
    size_t chunks = o->longest / (o->values ? o->values : VALUES) + 2;
    pxi_diag_field(d, "%s", "options");
    if (o->size < sizeof *o || !o->address || !o->workers || !o->secret)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "px_hub_options with addresses and a secret",
                            "%zu bytes", o->size);
    if (o->world < 1 || o->world > PX_GRADIENT_WORKERS)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "1 to 64 workers", "%u", o->world);
    if (o->values % PXI_GRADIENT_STEP || o->values > PXI_GRADIENT_VALUES ||
        chunks > PXI_LIMIT_REDUCE_CHUNKS)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "values: a multiple of 16 up to 1536", "%u",
                            o->values);
    if ((o->window & (o->window - 1)) || o->window > PXI_LIMIT_REDUCE_SLOTS)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "window: a power of two up to 4096", "%u",
                            o->window);
    if ((unsigned)o->format > PX_REDUCE_I4)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a format", "%u", (unsigned)o->format);
    return PX_ERR_OK;
}

/* Ranks that are there once, and in a leaf's reach. */
static px_err check_tree(const px_hub_options *o, px_diag *d)
{
    unsigned all = 0;
    bool fit = !o->above || (!o->leaves && o->world <= PXI_SLOTS_LEAF && o->first < o->total &&
                             o->world <= o->total - o->first && o->total <= PX_GRADIENT_WORKERS &&
                             o->leaf < PX_GRADIENT_WORKERS);
    for (unsigned i = 0; o->leaves && i < o->world; i++) {
        fit &= o->leaves[i] >= 1 && o->leaves[i] <= PXI_SLOTS_LEAF;
        all += o->leaves[i] <= PXI_SLOTS_LEAF ? o->leaves[i] : 0;
    }
    pxi_diag_field(d, "%s", o->above ? "above" : "leaves");
    if (!fit || all > PX_GRADIENT_WORKERS)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "1 to 32 workers a leaf, of 64 ranks", "%u of %u",
                            o->world, o->above ? o->total : all);
    bool tree = o->above || o->leaves, rule = o->rule && strcmp(o->rule, "mean") != 0;
    if (tree && (rule || o->kernel))
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a tree without a rule, in user space", "%s",
                            rule ? o->rule : "kernel");
    return PX_ERR_OK;
}

/* Who adds, and why. */
static px_err choose_adder(px_hub *h, const px_hub_options *o, struct pxi_hub_options *g)
{
    uint8_t secrets[PXI_AGG_RUN_SECRETS][PXI_TAG_SECRET];
    px_diag d = {0};
    struct pxi_agg_run_options r = {.job = g->job,
                                    .epoch = g->epoch,
                                    .slots = g->slots,
                                    .chunks = g->chunks,
                                    .values = g->values,
                                    .format = g->format,
                                    .world = g->world,
                                    .deadline_ns = g->deadline_ns,
                                    .rule = g->rule,
                                    .k = g->k,
                                    .clip = g->clip,
                                    .secrets = (const uint8_t(*)[PXI_TAG_SECRET])secrets};
    snprintf(h->why, sizeof h->why, "%s", g->robust ? "the rule is for vectors" : "asked for");
    if (!o->kernel || g->robust)
        return PX_ERR_OK;
    for (unsigned i = 0; i < PXI_AGG_RUN_SECRETS; i++)
        pxi_group_secret(o->secret, i, PX_GRADIENT_WORKERS, secrets[i]);
    px_err err = pxi_agg_run_new(&r, &h->run, &d);
    explicit_bzero(secrets, sizeof secrets);
    if (err == PX_ERR_PERMISSION || err == PX_ERR_UNSUPPORTED) {
        snprintf(h->why, sizeof h->why, "%s%s",
                 err == PX_ERR_PERMISSION ? "" : "the kernel's needs ",
                 err == PX_ERR_PERMISSION ? d.found : d.expected);
        return PX_ERR_OK;
    }
    if (!err)
        g->adder = (struct pxi_hub_adder){add_in_kernel, h->run};
    return err;
}

static px_err make_hub(px_hub *h, const px_hub_options *o, px_diag *d)
{
    uint16_t values = (uint16_t)(o->values ? o->values : VALUES);
    struct pxi_hub_options g = {.job = o->job,
                                .epoch = 1,
                                .slots = o->window ? o->window : WINDOW,
                                .values = values,
                                .format = (uint8_t)o->format,
                                .world = (uint8_t)o->world,
                                .chunks = o->longest ? (uint32_t)(o->longest / values + 2) : 0,
                                .secret = o->secret,
                                .kernels = &h->kernels};
    g.deadline_ns = (uint64_t)(o->deadline_ms ? o->deadline_ms : DEADLINE_MS) * MS;
    g.slack_ns = (uint64_t)o->slack_ms * MS;
    if (o->above) {
        g.leaf = true;
        g.number = (uint8_t)o->leaf;
        g.first = (uint8_t)o->first;
        g.total = (uint8_t)o->total;
    }
    for (unsigned i = 0; o->leaves && i < o->world; i++)
        h->leaves[i] = (uint8_t)o->leaves[i];
    g.leaves = o->leaves ? h->leaves : NULL;
    px_err err = rule_of(o, &g, d);
    if (!err)
        err = choose_adder(h, o, &g);
    if (err)
        return err;
    if (pxi_frames_map(&h->frames, pxi_hub_arena(&g)) != 0)
        return PX_ERR_NOMEM;
    g.arena = h->frames.p;
    h->hub = pxi_hub_new(&g);
    return h->hub ? PX_ERR_OK : PX_ERR_NOMEM;
}

px_err px_hub_open(const px_hub_options *o, px_hub **out, px_diag *diag)
{
    struct pxi_udp_addr peers[PX_GRADIENT_WORKERS + 1] = {0};
    /* Without a secret for words UDP is the only path. */
    struct pxi_paths_options p = {.path = {.peers = peers}};
    *out = NULL;
    px_err err = check(o, diag);
    if (!err)
        err = check_tree(o, diag);
    if (!err)
        err = pxi_reduce_address(o->address, &p.path.local, diag);
    if (!err && o->above)
        err = pxi_reduce_address(o->above, &peers[o->world], diag);
    p.path.n = p.path.rank = o->world + (o->above != NULL);
    for (unsigned i = 0; i < o->world && !err; i++)
        err = pxi_reduce_address(o->workers[i], &peers[i], diag);
    px_hub *h = err ? NULL : pxi_calloc(1, sizeof *h);
    if (!h)
        return err ? err : PX_ERR_NOMEM;
    pxi_kernels_init(&h->kernels, pxi_cpu_detect());
    h->world = o->world;
    err = make_hub(h, o, diag);
    p.path.frame = PX_GRADIENT_HEAD + pxi_gradient_most(o->values ? o->values : VALUES);
    if (!err)
        err = pxi_exchange_open(&p, &ops, h, &h->exchange);
    if (err)
        px_hub_close(h);
    else
        *out = h;
    return err;
}

void px_hub_close(px_hub *h)
{
    if (!h)
        return;
    pxi_exchange_close(h->exchange);
    pxi_hub_free(h->hub);
    pxi_agg_run_free(h->run);
    pxi_frames_unmap(&h->frames);
    pxi_free(h);
}

/* ------------------------------------------------------------------ looking */

/* On the thread. */
static px_err tell(void *ctx, void *arg)
{
    px_hub *h = ctx;
    px_hub_report *out = arg;
    const struct pxi_slots_counts s = h->run ? pxi_agg_run_counts(h->run) : *pxi_hub_slots(h->hub);
    const struct pxi_hub_counts *c = pxi_hub_counts(h->hub);
    *out = (px_hub_report){.size = out->size,
                           .packets = s.packets,
                           .added = s.added,
                           .finished = s.finished,
                           .closed = s.closed,
                           .clipped = s.clipped,
                           .refused = s.drops[PX_GRADIENT_DROP_SENTRY],
                           .path = h->run ? "kernel" : "user"};
    snprintf(out->why, sizeof out->why, "%s", h->why);
    for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++)
        out->dropped += c->bad[i];
    for (unsigned i = 0; i < h->world; i++) {
        const struct px_sentry_worker *w =
            h->run ? pxi_agg_run_worker(h->run, i) : pxi_hub_worker(h->hub, i);
        if (w)
            out->workers[i] = (px_hub_worker){.judged = w->judged,
                                              .clipped = w->clipped,
                                              .dropped = w->dropped,
                                              .verdicts = w->verdicts,
                                              .score = w->score,
                                              .quarantined = w->quarantined != 0};
    }
    return PX_ERR_OK;
}

static bool told(void *ctx)
{
    return true;
}

void px_hub_look(px_hub *h, px_hub_report *out)
{
    if (pxi_exchange_run(h->exchange, tell, told, out) == PX_ERR_OK)
        out->dropped += pxi_exchange_counts(h->exchange).strangers;
}
