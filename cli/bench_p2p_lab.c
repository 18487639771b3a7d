/*
 * The lab: two network namespaces and a pair of interfaces between them, shaped to 1 Gbit/s by a
 * token bucket in both directions. What share of the line is reached, and how two streams share it.
 */
#include "bench_p2p.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MBIT = 1000, TRANSFER = 250000000 };
#define NEAR  "10.77.0.1"
#define FAR   "10.77.0.2"
#define QUIET " >/dev/null 2>&1"

struct lab {
    char near[32], far[32]; /* namespaces */
};

static int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int sh(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line)
        return -1;
    return system(line);
}

static void close_lab(const struct lab *l)
{
    sh("ip netns del %s" QUIET, l->near);
    sh("ip netns del %s" QUIET, l->far);
}

static int open_lab(struct lab *l)
{
    static const char shape[] = "tbf rate 1000mbit burst 256k latency 20ms";
    snprintf(l->near, sizeof l->near, "plexus-a-%d", (int)getpid());
    snprintf(l->far, sizeof l->far, "plexus-b-%d", (int)getpid());
    if (sh("ip netns add %s" QUIET, l->near) == 0 && sh("ip netns add %s" QUIET, l->far) == 0 &&
        sh("ip -n %s link add plx0 type veth peer name plx1 netns %s" QUIET, l->near, l->far) ==
            0 &&
        sh("ip -n %s addr add " NEAR "/24 dev plx0" QUIET, l->near) == 0 &&
        sh("ip -n %s addr add " FAR "/24 dev plx1" QUIET, l->far) == 0 &&
        sh("ip -n %s link set plx0 up" QUIET, l->near) == 0 &&
        sh("ip -n %s link set plx1 up" QUIET, l->far) == 0 &&
        sh("ip netns exec %s tc qdisc add dev plx0 root %s" QUIET, l->near, shape) == 0 &&
        sh("ip netns exec %s tc qdisc add dev plx1 root %s" QUIET, l->far, shape) == 0)
        return 0;
    close_lab(l);
    return -1;
}

/* Bytes that the line has carried for the near side, as the token bucket counts them: with the
 * headers of every packet, also of those that left as one large piece. */
static double sent_bytes(const struct lab *l)
{
    char command[160];
    unsigned long long n = 0;
    snprintf(command, sizeof command, "ip netns exec %s tc -s qdisc show dev plx0", l->near);
    FILE *f = popen(command, "r");
    if (f && fscanf(f, "%*[^\n] Sent %llu", &n) != 1)
        n = 0;
    if (f)
        pclose(f);
    return (double)n;
}

struct shares {
    struct series payload, wire, even;
};

static json_t *upload(const struct p2p_pair *p)
{
    return json_pack("{s:s, s:i}", "peer", p->l.peer, "up", TRANSFER);
}

static double seconds(json_t *reply)
{
    double s = json_number_value(json_object_get(reply, "seconds"));
    json_decref(reply);
    return s;
}

/* One stream with the line for itself, then two that begin together. When the faster one has ended
 * at time a and the slower one at b, the slower one had had 2a/b - 1 of the faster one's share. */
static int measure(const struct lab *l, struct p2p_pair *p, struct shares *s)
{
    double before = sent_bytes(l), line = LINE_MBIT * 1e6 / 8;
    json_t *reply = talker_ask(&p->d, "perf", upload(p));
    if (!reply)
        return p2p_failed(NULL, "perf", &p->d);
    double took = seconds(reply);
    series_add(&s->payload, TRANSFER / took / line * 100);
    series_add(&s->wire, (sent_bytes(l) - before) / took / line * 100);
    talker_send(&p->d, "perf", upload(p));
    talker_send(&p->d, "perf", upload(p));
    json_t *first = talker_reply(&p->d), *second = first ? talker_reply(&p->d) : NULL;
    if (!second) {
        json_decref(first);
        return p2p_failed(NULL, "perf", &p->d);
    }
    double a = seconds(first), b = seconds(second);
    series_add(&s->even, a < b ? (2 * a / b - 1) * 100 : (2 * b / a - 1) * 100);
    return 0;
}

static void put_rows(struct p2p *b, const struct p2p_way *way, struct shares *s)
{
    char name[96];
    snprintf(name, sizeof name, "%s on 1 Gbit/s", way->name);
    bench_row(b->rows, name, median(&s->wire), "%", "line rate", 100);
    snprintf(name, sizeof name, "%s payload of it", way->name);
    bench_row(b->rows, name, median(&s->payload), "%", "line rate", 100);
    snprintf(name, sizeof name, "%s second stream", way->name);
    bench_row(b->rows, name, median(&s->even), "%", "the first one", 100);
    free(s->wire.v);
    free(s->payload.v);
    free(s->even.v);
}

static int run(struct p2p *b, const struct lab *l, const struct p2p_way *way)
{
    struct p2p_pair p = {0};
    struct shares s = {0};
    char at[64];
    snprintf(at, sizeof at, way->listen, FAR);
    int rc = talker_start(&p.l, NULL, l->far, at, way);
    if (rc != 0)
        rc = p2p_failed(NULL, "start", &p.l);
    else if ((rc = talker_start(&p.d, NULL, l->near, NULL, way)) != 0)
        rc = p2p_failed(NULL, "start", &p.d);
    json_t *reply = rc == 0 ? talker_ask(&p.d, "dial", json_pack("{s:s}", "addr", p.l.addr)) : NULL;
    if (rc == 0 && !reply)
        rc = p2p_failed(NULL, "dial", &p.d);
    json_decref(reply);
    for (unsigned i = 0; i < b->rounds && rc == 0; i++)
        rc = measure(l, &p, &s);
    talker_stop(&p.d);
    talker_stop(&p.l);
    if (rc == 0)
        put_rows(b, way, &s);
    return rc;
}

int p2p_lab(struct p2p *b)
{
    struct lab l;
    int rc = 0;
    if (geteuid() != 0 || open_lab(&l) != 0) {
        note(b->c, "the shaped line is skipped: it needs CAP_NET_ADMIN, ip and tc");
        return 0;
    }
    for (int i = 1; i < P2P_WAYS && rc == 0; i++)
        rc = run(b, &l, &p2p_ways[i]);
    close_lab(&l);
    return rc;
}
