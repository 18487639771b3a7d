/*
 * The lab: two network namespaces and a pair of interfaces between them, shaped to 1 Gbit/s by a
 * token bucket in both directions. What share of the line is reached, and how two streams share it.
 */
#include "bench_p2p.h"

#include <stdlib.h>

#include "bench_lab.h"

enum { TRANSFER = 250000000, NEAR = 0, FAR = 1 };

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
    double before = lab_sent(l, NEAR), line = LAB_MBIT * 1e6 / 8;
    json_t *reply = talker_ask(&p->d, "perf", upload(p));
    if (!reply)
        return p2p_failed(NULL, "perf", &p->d);
    double took = seconds(reply);
    series_add(&s->payload, TRANSFER / took / line * 100);
    series_add(&s->wire, (lab_sent(l, NEAR) - before) / took / line * 100);
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
    char at[64], host[LAB_ADDR];
    lab_addr(l, FAR, NEAR, host);
    snprintf(at, sizeof at, way->listen, host);
    int rc = talker_start(&p.l, NULL, l->ns[FAR], at, way);
    if (rc != 0)
        rc = p2p_failed(NULL, "start", &p.l);
    else if ((rc = talker_start(&p.d, NULL, l->ns[NEAR], NULL, way)) != 0)
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
    if (lab_open(&l, 2, 0) != 0) {
        note(b->c, "the shaped line is skipped: it needs CAP_NET_ADMIN, ip and tc");
        return 0;
    }
    for (int i = 1; i < P2P_WAYS && rc == 0; i++)
        rc = run(b, &l, &p2p_ways[i]);
    lab_close(&l);
    return rc;
}
