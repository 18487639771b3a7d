/* What the kernel's aggregator has counted, and what happens in it, as lines of JSON. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reduce/sentry.h"
#include "codec/gradient.h"
#include "node/agg_impl.h"

/* Events are looked for so often; most lines a second: the rest is counted. */
enum { TRACE_MS = 50, LINES_S = 1000 };

/* The time under which a share of the timed packets lies: the upper end of its quarter of a power
 * of two. */
static double quantile(const struct pxi_bpf_counts *c, double share)
{
    uint64_t all = 0, sum = 0;
    for (unsigned i = 0; i < PXI_BPF_TIMES; i++)
        all += c->times[i];
    for (unsigned i = 0; i < PXI_BPF_TIMES; i++) {
        sum += c->times[i];
        if (all && (double)sum >= share * (double)all)
            return (double)((UINT64_C(5) + i % 4) << i / 4) / 4;
    }
    return 0;
}

static void put(json_t *o, const char *name, uint64_t v)
{
    json_object_set_new(o, name, json_integer((json_int_t)v));
}

static void put_text(json_t *o, const char *name, const char *text)
{
    json_object_set_new(o, name, json_string(text));
}

static json_t *drops_of(const struct pxi_bpf_counts *c)
{
    static const char *const names[] = PX_GRADIENT_DROP_NAMES;
    json_t *o = json_object();
    for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++)
        put(o, names[i], c->drops[i]);
    put(o, "busy", c->busy);
    put(o, "stuck", c->stuck);
    return o;
}

/* User space woke for sums, or it has nothing to do with them. */
static void put_wakeups(json_t *o, const struct pxi_agg *a, const struct pxi_bpf_counts *c)
{
    struct pxi_sums_counts s = {0};
    if (a->sums)
        s = pxi_sums_counts(a->sums);
    put(o, "wakeups", s.wakeups);
    put(o, "wakeups_forced", c->wakeups);
    put(o, "sums_sent", s.slots);
    put(o, "sums_datagrams", s.datagrams);
    put(o, "sums_calls", s.calls);
    put(o, "sums_stale", s.stale);
    put(o, "sums_lost", s.lost);
    json_object_set_new(
        o, "wakeups_per_1000",
        json_real(c->packets ? 1000.0 * (double)s.wakeups / (double)c->packets : 0));
}

static void put_counts(json_t *o, const struct pxi_agg *a)
{
    struct pxi_bpf_counts c;
    uint64_t received = pxi_xdp_received(a->xdp);
    pxi_xdp_counts(a->xdp, &c);
    for (size_t i = 0; i < sizeof c / 8; i++)
        ((uint64_t *)&c)[i] += ((const uint64_t *)&a->past)[i];
    if (a->sockets)
        pxi_agg_sockets_count(a->sockets, &c);
    put(o, "packets", c.packets);
    put(o, "summed", c.added);
    put(o, "passed", received > c.packets ? received - c.packets : 0);
    json_object_set_new(o, "dropped", drops_of(&c));
    put_wakeups(o, a, &c);
    put(o, "mismatches", a->mismatches);
    put(o, "finished", c.finished);
    put(o, "closed", c.closed);
    put(o, "again", c.again);
    put(o, "clipped", c.clipped);
    put(o, "answered_one", c.answered[0]);
    put(o, "answered_all", c.answered[1]);
    json_object_set_new(o, "ns_p50", json_real(quantile(&c, 0.5)));
    json_object_set_new(o, "ns_p99", json_real(quantile(&c, 0.99)));
}

/* The rule, and what it has said of whom. */
static json_t *sentry_of(const struct pxi_agg *a)
{
    const px_agg_options *o = &a->o;
    const char *rule = o->sentry;
    unsigned n = o->worker_count;
    uint32_t job = a->jobs ? pxi_agg_jobs_first(a->jobs, &n) : o->job;
    const struct px_sentry_worker *w = pxi_xdp_judged(a->xdp, job, 0);
    json_t *s = json_object(), *workers = json_array();
    double k = strcmp(rule, "clip1") == 0 ? PX_SENTRY_K_CLIP1 / 4.0 : PX_SENTRY_K_WELFORD / 4.0;
    put_text(s, "rule", rule);
    put_text(s, "why", a->sentry_why);
    json_object_set_new(s, "k", json_real(o->sentry_k > 0 ? o->sentry_k : k));
    put_text(s, "policy", strcmp(rule, "clip1") == 0 || o->sentry_clip ? "clip" : "drop");
    for (unsigned i = 0; w && i < n; i++) {
        json_t *one = json_object();
        put(one, "worker", i);
        put(one, "judged", w[i].judged);
        put(one, "clipped", w[i].clipped);
        put(one, "dropped", w[i].dropped);
        put(one, "verdicts", w[i].verdicts);
        put(one, "score", w[i].score);
        json_object_set_new(one, "quarantined", json_boolean(w[i].quarantined));
        json_array_append_new(workers, one);
    }
    json_object_set_new(s, "workers", workers);
    return s;
}

static const char *rung_of(const struct pxi_agg *a)
{
    static const char *const rungs[] = {"loaded", "native", "generic"};
    return a->sockets ? "sockets" : a->given_up ? "none" : rungs[pxi_xdp_rung(a->xdp)];
}

/* One line, whatever has happened. */
static void put_said(json_t *o, const struct pxi_agg *a)
{
    const char *lost = "the program is gone from its device", *why = a->again.why;
    char text[512];
    if (a->sockets)
        snprintf(text, sizeof text, "a UDP socket: %s", lost);
    else if (a->given_up)
        snprintf(text, sizeof text, "nothing adds: %s%s", lost,
                 a->jobs ? ""
                         : ", and no socket can go on (no job, one with a Sentry, or its port is "
                           "taken)");
    else
        snprintf(text, sizeof text, "%s", pxi_xdp_said(a->xdp));
    size_t n = strlen(text);
    if (why[0])
        snprintf(text + n, sizeof text - n, "; not attached again: %s", why);
    put_text(o, "said", text);
    put(o, "reattached", a->again.times);
}

char *pxi_agg_stat(const struct pxi_agg *a)
{
    json_t *o = json_object();
    json_object_set_new(o, "ok", json_true());
    put_text(o, "device", a->o.device);
    put_text(o, "rung", rung_of(a));
    put_said(o, a);
    put_text(o, "mode", a->sums ? "server" : "switch");
    json_object_set_new(o, "helper", json_boolean(pxi_xdp_helped(a->xdp)));
    json_object_set_new(o, "attached", json_boolean(pxi_xdp_attached(a->xdp)));
    put_counts(o, a);
    json_object_set_new(o, "sentry", sentry_of(a));
    put(o, "slots", a->o.worker_count || a->jobs ? a->o.slots : 0);
    json_object_set_new(o, "jobs", a->jobs ? pxi_agg_jobs_stat(a->jobs) : json_array());
    json_object_set_new(o, "seconds", json_real((double)(pxi_clock_ns() - a->since_ns) * 1e-9));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* ---------------------------------------------------------------- trace */

static bool wanted(const struct pxi_agg *a)
{
    bool any = false;
    for (unsigned i = 0; i < PXI_AGG_CLIENTS; i++)
        any |= a->clients[i].lines && a->clients[i].traces;
    return any;
}

static void say(struct pxi_agg *a, json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    for (unsigned i = 0; i < PXI_AGG_CLIENTS && text; i++)
        if (a->clients[i].lines && a->clients[i].traces)
            pxi_lines_send(a->clients[i].lines, text, strlen(text));
    free(text);
    json_decref(o);
}

static void put_detail(json_t *o, const struct pxi_bpf_event *e)
{
    static const char *const drops[] = PX_GRADIENT_DROP_NAMES;
    static const char *const verdicts[] = {
        [PX_SENTRY_ACCEPT] = "accept", [PX_SENTRY_CLIP] = "clip", [PX_SENTRY_DROP] = "drop"};
    if (e->kind == PXI_BPF_DROPPED && e->detail < PX_GRADIENT_DROPS) {
        put_text(o, "event", "dropped");
        put_text(o, "why", drops[e->detail]);
    } else if (e->kind == PXI_BPF_FINISHED) {
        put_text(o, "event", "finished");
        put_text(o, "why", e->detail ? "deadline" : "full");
        put(o, "workers", (uint64_t)__builtin_popcountll(e->added));
    } else if (e->kind == PXI_BPF_VERDICT && e->detail < sizeof verdicts / sizeof *verdicts) {
        put_text(o, "event", "verdict");
        put_text(o, "why", verdicts[e->detail]);
    } else {
        put_text(o, "event", "unknown");
    }
}

static void on_event(void *ctx, const struct pxi_bpf_event *e)
{
    struct pxi_agg *a = ctx;
    struct in_addr from = {e->source};
    char text[INET_ADDRSTRLEN] = "";
    if (a->told >= LINES_S) {
        a->untold++;
        return;
    }
    a->told++;
    json_t *o = json_object();
    put_detail(o, e);
    inet_ntop(AF_INET, &from, text, sizeof text);
    put(o, "job", e->job);
    put(o, "shard", e->shard);
    put(o, "worker", e->worker);
    put(o, "seq", e->seq);
    put_text(o, "from", text);
    double at = e->at_ns > a->since_ns ? (double)(e->at_ns - a->since_ns) * 1e-9 : 0;
    json_object_set_new(o, "seconds", json_real(at));
    say(a, o);
}

/* Once a second: what there was no line or no room in the ring for. */
static void say_rest(struct pxi_agg *a)
{
    struct pxi_bpf_counts c;
    uint64_t now = pxi_clock_ns();
    if (now - a->trace_ns < UINT64_C(1000000000))
        return;
    pxi_xdp_counts(a->xdp, &c);
    uint64_t rest = a->untold + c.untold - a->untold_before;
    if (rest) {
        json_t *o = json_object();
        put_text(o, "event", "more");
        put(o, "events", rest);
        say(a, o);
    }
    a->trace_ns = now;
    a->told = a->untold = 0;
    a->untold_before = c.untold;
}

static void on_tick(uv_timer_t *t)
{
    struct pxi_agg *a = t->data;
    pxi_loop_now(a->loop);
    pxi_xdp_events(a->xdp, on_event, a);
    say_rest(a);
    if (wanted(a))
        return;
    uv_timer_stop(t);
    pxi_xdp_watch(a->xdp, false);
    a->tracing = false;
}

static void forget(void *ctx, const struct pxi_bpf_event *e)
{
    (void)ctx, (void)e;
}

void pxi_agg_trace(struct pxi_agg *a, struct pxi_agg_client *c)
{
    struct pxi_bpf_counts counts;
    c->traces = true;
    if (a->tracing)
        return;
    a->tracing = true;
    pxi_xdp_counts(a->xdp, &counts);
    a->untold_before = counts.untold;
    a->told = a->untold = 0;
    a->trace_ns = pxi_clock_ns();
    pxi_xdp_events(a->xdp, forget, a); /* of those who looked before */
    pxi_xdp_watch(a->xdp, true);
    uv_timer_start(&a->trace, on_tick, TRACE_MS, TRACE_MS);
}

void pxi_agg_trace_init(struct pxi_agg *a)
{
    uv_timer_init(pxi_loop_uv(a->loop), &a->trace);
    a->trace.data = a;
}
