/* Scenario "dht": peers join, some die, and the rest look for peers, values and providers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "node/sim.h"

enum kind { CLOSEST, PUT, GET, PROVIDE, FIND, KINDS };

/* What became of the operations of one kind. */
struct tally {
    unsigned started, ended, succeeded;
    double hops, requests, failures;
    double *took_ms;
    unsigned answered; /* operations that got a hop count */
};

struct dht {
    struct sim_run *run;
    struct sim_world *w;
    struct tally tally[KINDS];
};

/* One operation on its way. */
struct work {
    struct dht *d;
    enum kind kind;
    unsigned id;
    const struct sim_node *by; /* who asks */
    struct pxi_timer timer;
};

/* ---------------------------------------------------------------- operations */

/* Keys of the id-th value and provider record. */
static px_view value_key(char buf[32], unsigned id)
{
    snprintf(buf, 32, "/v/%u", id);
    return px_view_str(buf);
}

static px_view content_key(uint8_t buf[34], unsigned id)
{
    struct pxi_kad_key k = pxi_kad_key_of(px_view_of(&id, sizeof id));
    buf[0] = 0x12;
    buf[1] = 0x20;
    memcpy(buf + 2, k.b, 32);
    return px_view_of(buf, 34);
}

static bool success(const struct work *v, const struct pxi_kad_result *r)
{
    char key[32];
    uint8_t content[34];
    if (r->err != PX_ERR_OK)
        return false;
    if (v->kind == GET)
        return px_view_equal(r->value, value_key(key, v->id));
    if (v->kind == FIND)
        return r->peer_count > 0;
    if (v->kind != CLOSEST)
        return r->stored > 0;
    struct pxi_kad_key at = pxi_kad_key_of(content_key(content, v->id));
    const struct sim_node *best = pxi_sim_nearest(v->d->w, &at, v->by);
    return best && r->peer_count && pxi_peer_equal(&r->peers[0].peer, pxi_host_self(best->host));
}

static void ended(void *ctx, const struct pxi_kad_result *r)
{
    struct work *v = ctx;
    struct tally *t = &v->d->tally[v->kind];
    bool ok = success(v, r);
    t->took_ms[t->ended++] = (double)r->took_ns / 1e6;
    t->succeeded += ok;
    t->requests += r->requests;
    t->failures += r->failures;
    t->hops += r->hops;
    t->answered += r->hops > 0;
    pxi_sim_note(v->d->run->r, (uint64_t)v->id << 32 | (uint64_t)v->kind << 16 | ok << 8 | r->hops);
    pxi_sim_note(v->d->run->r, r->took_ns);
    pxi_sim_advance(v->d->run, NULL, 1);
    pxi_free(v);
}

static bool start(struct work *v, struct pxi_kad *k)
{
    char key[32];
    uint8_t content[34];
    px_view name = value_key(key, v->id), hash = content_key(content, v->id);
    switch (v->kind) {
    case CLOSEST: return pxi_kad_closest(k, hash, ended, v);
    case PUT: return pxi_kad_put(k, name, name, ended, v);
    case GET: return pxi_kad_get(k, name, 3, ended, v);
    case PROVIDE: return pxi_kad_provide(k, hash, ended, v);
    default: return pxi_kad_providers(k, hash, 1, ended, v);
    }
}

static void begin(struct pxi_timer *t, uint64_t now_ns)
{
    struct work *v = PXI_OF(t, struct work, timer);
    struct sim_node *by = pxi_sim_any(v->d->w);
    v->by = by;
    if (!by || !start(v, by->kad))
        pxi_free(v);
}

/* Start `count` operations of a kind, spread over time, and wait for all. */
static bool operate(struct dht *d, enum kind kind, const char *what)
{
    unsigned count = d->run->o->lookups;
    struct tally *t = &d->tally[kind];
    t->took_ms = pxi_calloc(count, sizeof *t->took_ms);
    for (unsigned i = 0; t->took_ms && i < count; i++) {
        struct work *v = pxi_calloc(1, sizeof *v);
        if (!v)
            return false;
        *v = (struct work){.d = d, .kind = kind, .id = i, .timer = {.fire = begin}};
        pxi_timer_after(&d->w->timers, &v->timer, 50 * PXI_MS * i);
        t->started++;
    }
    pxi_sim_advance(d->run, what, 0);
    return t->took_ms && pxi_sim_pass(d->run, d->w, 50 * PXI_MS * count + 100 * PXI_SECOND);
}

/* ------------------------------------------------------------------- figures */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const struct tally *t, double p)
{
    return t->ended ? t->took_ms[(unsigned)(p * (t->ended - 1))] : 0;
}

struct labels {
    const char *success, *hops, *messages, *failures, *p50, *p90, *p99;
};

static const struct labels labels[KINDS] = {
#define LABELS(k)                                                                                  \
    {                                                                                              \
        k ".success", k ".hops", k ".messages", k ".failures", k ".p50", k ".p90", k ".p99"        \
    }
    LABELS("closest"), LABELS("put"), LABELS("get"), LABELS("provide"), LABELS("find"),
#undef LABELS
};

static void report(struct dht *d, enum kind kind)
{
    px_sim_result *r = d->run->r;
    struct tally *t = &d->tally[kind];
    const struct labels *l = &labels[kind];
    double n = t->ended ? t->ended : 1,
           share = (double)t->succeeded / (t->started ? t->started : 1);
    double target = d->run->o->churn > 0 ? 0.95 : 0.99;
    if (t->ended)
        qsort(t->took_ms, t->ended, sizeof *t->took_ms, by_value);
    pxi_sim_figure(r, l->success, share, "share", true);
    if (t->answered)
        pxi_sim_figure(r, l->hops, t->hops / t->answered, "hops", true);
    pxi_sim_figure(r, l->messages, t->requests / n, "requests", true);
    pxi_sim_figure(r, l->failures, t->failures / n, "requests", true);
    pxi_sim_figure(r, l->p50, percentile(t, 0.5), "ms", true);
    pxi_sim_figure(r, l->p90, percentile(t, 0.9), "ms", true);
    pxi_sim_figure(r, l->p99, percentile(t, 0.99), "ms", true);
    if (share < target)
        pxi_sim_fail(r, "%s is %.4f, below %.2f", l->success, share, target);
}

static void report_world(struct dht *d)
{
    px_sim_result *r = d->run->r;
    struct pxi_simnet_stats s = pxi_simnet_stats_of(d->w->net);
    double entries = 0, alive = 0;
    for (unsigned i = 0; i < d->w->n; i++)
        if (d->w->node[i].host) {
            entries += pxi_kad_table_of(d->w->node[i].kad)->count;
            alive++;
        }
    pxi_sim_figure(r, "nodes", d->w->n, "", true);
    pxi_sim_figure(r, "nodes.alive", alive, "", true);
    pxi_sim_figure(r, "log2.nodes", log2(d->w->n), "hops", true);
    pxi_sim_figure(r, "table.entries", entries / alive, "peers", true);
    pxi_sim_figure(r, "connections.most", s.conns_most, "", true);
    pxi_sim_figure(r, "dials", (double)s.dials, "", true);
    pxi_sim_figure(r, "streams", (double)s.streams, "", true);
    pxi_sim_figure(r, "virtual.time", (double)d->w->timers.now_ns / 1e9, "s", true);
}

static void report_machine(struct dht *d)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec / 1e6 +
                 (double)use.ru_stime.tv_sec + (double)use.ru_stime.tv_usec / 1e6;
    double bytes = (double)use.ru_maxrss * 1024;
    pxi_sim_figure(d->run->r, "memory", bytes, "bytes", false);
    pxi_sim_figure(d->run->r, "memory.node", bytes / d->w->n, "bytes", false);
    pxi_sim_figure(d->run->r, "cpu.time", cpu, "s", false);
}

/* --------------------------------------------------------------------- phases */

/* Each peer joins through one that is there; their number grows by a twentieth a second at most. */
static bool join_all(struct dht *d)
{
    struct sim_world *w = d->w;
    uint8_t seed[32];
    unsigned nodes = d->run->o->nodes;
    while (w->n < nodes) {
        unsigned batch = w->n / 40 + 1;
        for (unsigned i = 0; i < batch && w->n < nodes; i++) {
            pxi_sim_seed(w, seed);
            struct sim_node *v = pxi_sim_add(w, seed, 0, NULL);
            if (!v)
                return false;
            pxi_sim_join(v, PXI_SECOND / 2 * i / batch);
            pxi_sim_advance(d->run, "joining", 1);
        }
        pxi_mem_huge();
        if (!pxi_sim_pass(d->run, w, PXI_SECOND / 2))
            return false;
    }
    return pxi_sim_pass(d->run, w, 60 * PXI_SECOND);
}

static void kill_some(struct dht *d)
{
    unsigned count = (unsigned)(d->run->o->churn * d->w->n);
    while (count) {
        struct sim_node *v = pxi_sim_any(d->w);
        if (!v)
            return;
        pxi_sim_kill(v);
        count--;
    }
}

static px_err run_all(struct dht *d)
{
    if (!join_all(d))
        return PX_ERR_NOMEM;
    if (d->w->joined < d->w->n)
        pxi_sim_fail(d->run->r, "%u peers could not join", d->w->n - d->w->joined);
    if (!operate(d, PUT, "values put") || !operate(d, PROVIDE, "providing"))
        return PX_ERR_NOMEM;
    kill_some(d);
    if (!operate(d, CLOSEST, "lookups") || !operate(d, GET, "values got") ||
        !operate(d, FIND, "providers found"))
        return PX_ERR_NOMEM;
    for (unsigned k = 0; k < KINDS; k++)
        report(d, (enum kind)k);
    report_world(d);
    report_machine(d);
    return PX_ERR_OK;
}

px_err pxi_sim_dht(struct sim_run *run)
{
    /* Paths of up to 600 ms there and back: who is silent for 3 s is slow. */
    struct pxi_kad_options kad = {.quiet = true, .accept_all = true, .slow_ns = 3 * PXI_SECOND};
    struct dht d = {.run = run};
    run->total = run->o->nodes + KINDS * (uint64_t)run->o->lookups;
    d.w = pxi_sim_world_new(run->o->nodes, run->o->seed, &kad);
    px_err err = d.w ? run_all(&d) : PX_ERR_NOMEM;
    pxi_sim_world_free(d.w);
    for (unsigned k = 0; k < KINDS; k++)
        pxi_free(d.tally[k].took_ms);
    if (err == PX_ERR_OK && run->o->sybil_count)
        err = pxi_sim_attacks(run);
    return err;
}
