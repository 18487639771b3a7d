/* One way to connect, measured with several pairs of peers in turns. */
#include "bench_p2p.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCHES = 20,      /* of requests one after the other, a round */
    BATCH = 50,        /* requests in one of them; streams at a time */
    STREAM_TIMES = 10, /* times BATCH streams, a round */
    SHAKES = 100,      /* handshakes, a round */
    FIRSTS = 10,       /* first requests, a round */
    REQUEST_BYTES = 100,
    PAIRS = 3 * BENCH_PEERS + 1,
    PEER_IDLE = 500, /* connections that another program holds: dialling it takes long */
    SETTLE_MS = 4000
};

const struct p2p_way p2p_ways[P2P_WAYS] = {
    {"noise", "tcp noise", "/ip4/%s/tcp/0", {"--security", "noise", "--muxers", "yamux", NULL}},
    {"tls", "tcp tls", "/ip4/%s/tcp/0", {"--security", "tls", "--muxers", "yamux", NULL}},
    {"quic", "quic-v1", "/ip4/%s/udp/0/quic-v1", {NULL}},
};

static const struct {
    const char *name, *unit;
} figures[P2P_FIGURES] = {
    [P2P_UP] = {"upload", "MB/s"},          [P2P_DOWN] = {"download", "MB/s"},
    [P2P_UP_CPU] = {"upload, cpu", "s/GB"}, [P2P_DOWN_CPU] = {"download, cpu", "s/GB"},
    [P2P_REQUEST] = {"request", "ms"},      [P2P_FRESH] = {"request, new stream", "ms"},
    [P2P_STREAMS] = {"streams", "1/s"},     [P2P_SHAKES] = {"handshakes", "1/s"},
    [P2P_FIRST] = {"first request", "ms"},
};

int p2p_failed(const char *who, const char *what, const struct talker *t)
{
    return fail_text(PX_ERR_FAILED, who ? who : "plexus",
                     "a peer speaks the lines of plexus interop-peer", "%s: %s", what, t->why);
}

static double number(json_t *reply, const char *field)
{
    return json_number_value(json_object_get(reply, field));
}

static json_t *of(const struct p2p_pair *p)
{
    return json_pack("{s:s}", "peer", p->l.peer);
}

/* Ask the dialer; add scale * field to a series. */
static int figure(struct p2p_pair *p, enum p2p_figure f, const char *op, json_t *in,
                  const char *field, double scale)
{
    json_t *reply = talker_ask(&p->d, op, in);
    if (!reply)
        return p2p_failed(p->dialer, op, &p->d);
    double v = number(reply, field) * scale;
    if (f < P2P_FIGURES)
        series_add(&p->s[f], v);
    json_decref(reply);
    return 0;
}

static int dial(struct p2p_pair *p)
{
    return figure(p, P2P_FIGURES, "dial", json_pack("{s:s, s:b}", "addr", p->l.addr, "force", 1),
                  "ms", 1);
}

/* Bytes one way, and the processor time that both sides took for them. */
static int transfer(struct p2p_pair *p, enum p2p_figure f, enum p2p_figure cpu, const char *way,
                    uint64_t bytes)
{
    double before = talker_cpu_s(&p->d) + talker_cpu_s(&p->l);
    json_t *in = of(p);
    json_object_set_new(in, way, json_u64(bytes));
    int rc = figure(p, f, "perf", in, "MBps", 1);
    double used = talker_cpu_s(&p->d) + talker_cpu_s(&p->l) - before;
    if (rc == 0 && cpu < P2P_FIGURES)
        series_add(&p->s[cpu], used / ((double)bytes / 1e9));
    return rc;
}

static json_t *requests(const struct p2p_pair *p, int count)
{
    json_t *in = of(p);
    json_object_set_new(in, "count", json_integer(count));
    json_object_set_new(in, "bytes", json_integer(REQUEST_BYTES));
    return in;
}

/* Each on a stream of its own; peers that know this count the opening too. */
static json_t *fresh_requests(const struct p2p_pair *p, int count)
{
    json_t *in = requests(p, count);
    json_object_set_new(in, "fresh", json_true());
    return in;
}

/* No figure of a peer that cannot. */
static int fresh(struct p2p_pair *p)
{
    json_t *reply = talker_ask(&p->d, "reqres", fresh_requests(p, BATCH));
    if (!reply)
        return p2p_failed(p->dialer, "reqres", &p->d);
    if (json_is_true(json_object_get(reply, "fresh")))
        series_add(&p->s[P2P_FRESH], number(reply, "ms") / BATCH);
    json_decref(reply);
    return 0;
}

static int streams(struct p2p_pair *p)
{
    double start = now_s();
    for (int i = 0; i < STREAM_TIMES; i++) {
        for (int k = 0; k < BATCH; k++)
            talker_send(&p->d, "reqres", requests(p, 1));
        for (int k = 0; k < BATCH; k++) {
            json_t *reply = talker_reply(&p->d);
            if (!reply)
                return p2p_failed(p->dialer, "streams", &p->d);
            json_decref(reply);
        }
    }
    series_add(&p->s[P2P_STREAMS], STREAM_TIMES * BATCH / (now_s() - start));
    return 0;
}

/* The first request of a new connection; the last of them stays open. */
static int first_requests(struct p2p_pair *p)
{
    int rc = 0;
    for (int i = 0; i < FIRSTS && rc == 0; i++) {
        rc = figure(p, P2P_FIGURES, "hangup", of(p), "ms", 1);
        if (rc == 0)
            rc = dial(p);
        if (rc == 0)
            rc = figure(p, P2P_FIRST, "reqres", fresh_requests(p, 1), "ms", 1);
    }
    return rc;
}

static int one_round(struct p2p_pair *p, uint64_t bytes)
{
    int rc = transfer(p, P2P_UP, P2P_UP_CPU, "up", bytes);
    if (rc == 0)
        rc = transfer(p, P2P_DOWN, P2P_DOWN_CPU, "down", bytes);
    for (int i = 0; i < BATCHES && rc == 0; i++)
        rc = figure(p, P2P_REQUEST, "reqres", requests(p, BATCH), "ms", 1.0 / BATCH);
    for (int i = 0; i < BATCHES && rc == 0; i++)
        rc = fresh(p);
    if (rc == 0)
        rc = streams(p);
    if (rc == 0)
        rc = figure(p, P2P_SHAKES, "handshakes",
                    json_pack("{s:s, s:i}", "addr", p->l.addr, "n", SHAKES), "perSecond", 1);
    return rc == 0 ? first_requests(p) : rc;
}

static int pair_open(struct p2p_pair *p, const struct p2p_way *way, uint64_t bytes)
{
    char at[64];
    snprintf(at, sizeof at, way->listen, "127.0.0.1");
    if (talker_start(&p->l, p->listener, NULL, at, way) != 0)
        return p2p_failed(p->listener, "start", &p->l);
    if (talker_start(&p->d, p->dialer, NULL, NULL, way) != 0)
        return p2p_failed(p->dialer, "start", &p->d);
    int rc = dial(p);
    return rc == 0 ? transfer(p, P2P_FIGURES, P2P_FIGURES, "up", bytes / 10) : rc;
}

static void pair_close(struct p2p_pair *p)
{
    talker_stop(&p->d);
    talker_stop(&p->l);
    for (int i = 0; i < P2P_FIGURES; i++)
        free(p->s[i].v);
}

/* First ours, then each peer's, then those that mix. */
static unsigned plan(const struct p2p *b, struct p2p_pair *p)
{
    unsigned n = 1;
    for (unsigned i = 0; i < b->peer_count; i++)
        p[n++] = (struct p2p_pair){.dialer = b->peers[i], .listener = b->peers[i]};
    for (unsigned i = 0; i < b->peer_count && opt_on(b->c, OPT_CROSS); i++) {
        p[n++] = (struct p2p_pair){.listener = b->peers[i]};
        p[n++] = (struct p2p_pair){.dialer = b->peers[i]};
    }
    return n;
}

static void put_rows(struct p2p *b, const struct p2p_way *way, const struct p2p_pair *p,
                     unsigned count)
{
    char name[96];
    for (int f = 0; f < P2P_FIGURES; f++) {
        double ours = median(&p[0].s[f]);
        snprintf(name, sizeof name, "%s %s", way->name, figures[f].name);
        unsigned beside = 0;
        for (unsigned i = 1; i <= b->peer_count; i++)
            if (p[i].s[f].n) {
                bench_row(b->rows, name, ours, figures[f].unit, p[i].dialer, median(&p[i].s[f]));
                beside++;
            }
        if (!beside)
            bench_row(b->rows, name, ours, figures[f].unit, NULL, 0);
        for (unsigned i = 1 + b->peer_count; i < count && beside; i++) {
            unsigned peer = (i - 1 - b->peer_count) / 2;
            snprintf(name, sizeof name, "%s %s, %s", way->name, figures[f].name,
                     p[i].dialer ? "it dials" : "it listens");
            bench_row(b->rows, name, median(&p[i].s[f]), figures[f].unit, b->peers[peer],
                      median(&p[1 + peer].s[f]));
        }
    }
}

int p2p_run(struct p2p *b, const struct p2p_way *way)
{
    struct p2p_pair p[PAIRS] = {0};
    unsigned n = plan(b, p);
    int rc = 0;
    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = pair_open(&p[i], way, b->bytes);
    for (unsigned round = 0; round < b->rounds && rc == 0; round++)
        for (unsigned i = 0; i < n && rc == 0; i++) {
            rc = one_round(&p[i], b->bytes);
            progress_set(&b->progress, ++b->done);
        }
    if (rc == 0)
        put_rows(b, way, p, n);
    for (unsigned i = 0; i < n; i++)
        pair_close(&p[i]);
    return rc;
}

/* -------------------------------------------------------------- idle connections */

static double rss(struct talker *t)
{
    json_t *reply = talker_ask(t, "rss", json_object());
    double v = number(reply, "rss");
    json_decref(reply);
    return v;
}

/* Memory of the listener for each connection that plexus holds to it, and how many those are. */
static int idle_of(struct p2p *b, const struct p2p_way *way, const char *listener, uint64_t want,
                   double *each_kib, double *held)
{
    struct p2p_pair p = {.listener = listener};
    int rc = pair_open(&p, way, 10000000);
    if (rc == 0)
        poll(NULL, 0, SETTLE_MS);
    double before = rc == 0 ? rss(&p.l) : 0;
    json_t *reply = rc == 0 ? talker_ask(&p.d, "hold",
                                         json_pack("{s:s, s:I, s:i}", "addr", p.l.addr, "n",
                                                   (json_int_t)want, "wait", SETTLE_MS))
                            : NULL;
    if (rc == 0 && !reply)
        rc = p2p_failed(NULL, "hold", &p.d);
    *held = number(reply, "held");
    *each_kib = *held > 0 ? (rss(&p.l) - before) / 1024 / *held : 0;
    json_decref(reply);
    pair_close(&p);
    progress_set(&b->progress, ++b->done);
    return rc;
}

int p2p_idle(struct p2p *b, const struct p2p_way *way)
{
    double ours, held, theirs[BENCH_PEERS] = {0}, count;
    char name[96];
    int rc = idle_of(b, way, NULL, b->idle, &ours, &held);
    for (unsigned i = 0; i < b->peer_count && rc == 0; i++)
        rc = idle_of(b, way, b->peers[i], b->idle < PEER_IDLE ? b->idle : PEER_IDLE, &theirs[i],
                     &count);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "%s idle connection", way->name);
    if (!b->peer_count)
        bench_row(b->rows, name, ours, "KiB", NULL, 0);
    for (unsigned i = 0; i < b->peer_count; i++)
        bench_row(b->rows, name, ours, "KiB", b->peers[i], theirs[i]);
    snprintf(name, sizeof name, "%s connections held", way->name);
    bench_row(b->rows, name, held, "", "wanted", (double)b->idle);
    return 0;
}
