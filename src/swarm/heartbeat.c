#include "swarm/heartbeat.h"

#include "base/limits.h"
#include "base/mem.h"
#include "net/ping.h"

enum { GOOD_IN_A_ROW = 2, AFTER_LATE_WORK = 10, SILENT_AFTER = 5 };

struct beat {
    struct pxi_list link;
    struct pxi_heartbeat *of;
    struct pxi_peer peer;
    struct pxi_ping *ping; /* NULL: no stream at the moment */
    struct pxi_conn *conn; /* that it is on */
    struct pxi_timer next, late;
    uint64_t rtt_ns, sent_ns;
    unsigned good, missed;
    unsigned due; /* good answers before it is good again, beyond the usual ones */
    enum pxi_peer_state state;
    bool waiting;
};

struct pxi_heartbeat {
    struct pxi_host *host;
    struct pxi_heartbeat_options o;
    struct pxi_watch watch;
    struct pxi_list beats;
    unsigned count;
};

static struct pxi_timers *timers(const struct pxi_heartbeat *b)
{
    return pxi_host_timers(b->host);
}

static struct beat *find(const struct pxi_heartbeat *b, const struct pxi_peer *p)
{
    for (struct pxi_list *l = b->beats.next; l != &b->beats; l = l->next) {
        struct beat *t = PXI_OF(l, struct beat, link);
        if (pxi_peer_equal(&t->peer, p))
            return t;
    }
    return NULL;
}

static void set_state(struct beat *t, enum pxi_peer_state s)
{
    if (t->state == s)
        return;
    t->state = s;
    if (t->of->o.changed)
        t->of->o.changed(t->of->o.ctx, &t->peer, s);
}

static void answered_late(struct beat *t)
{
    t->good = 0;
    set_state(t, t->missed >= SILENT_AFTER ? PXI_PEER_SILENT : PXI_PEER_SLOW);
}

static void pong(void *ctx, uint64_t rtt_ns, px_err err)
{
    struct beat *t = ctx;
    struct pxi_heartbeat *b = t->of;
    pxi_timer_disarm(timers(b), &t->late);
    t->waiting = false;
    if (err != PX_ERR_OK) {
        t->ping = NULL; /* a new stream at the next beat */
        t->missed++;
        answered_late(t);
        return;
    }
    t->missed = 0;
    t->rtt_ns = t->rtt_ns ? t->rtt_ns - t->rtt_ns / 8 + rtt_ns / 8 : rtt_ns;
    if (rtt_ns > b->o.slow_ns)
        answered_late(t);
    else if (t->due)
        t->due--;
    else if (++t->good >= GOOD_IN_A_ROW || t->state == PXI_PEER_NEW)
        set_state(t, PXI_PEER_GOOD);
}

void pxi_heartbeat_late(struct pxi_heartbeat *b, const struct pxi_peer *p)
{
    struct beat *t = find(b, p);
    if (!t)
        return;
    t->due = AFTER_LATE_WORK;
    answered_late(t);
}

/* The answer is beyond the deadline: down-ranked at once, whenever it comes. */
static void on_late(struct pxi_timer *timer, uint64_t now_ns)
{
    answered_late(PXI_OF(timer, struct beat, late));
}

/* A peer that was started anew connects again while its old connection still looks alive: when that
 * one does not answer, it goes, and the next beat is on the other. */
static void drop_for_another(struct beat *t)
{
    struct pxi_list *conns = pxi_host_conns(t->of->host);
    for (struct pxi_list *l = conns->next; l != conns && t->ping; l = l->next) {
        const struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        if (c == t->conn || c->closing || !pxi_peer_equal(&c->peer, &t->peer))
            continue;
        t->conn->closing = true;
        t->conn->ops->close(t->conn, PX_ERR_TIMEOUT);
        return;
    }
}

static void on_beat(struct pxi_timer *timer, uint64_t now_ns)
{
    struct beat *t = PXI_OF(timer, struct beat, next);
    struct pxi_heartbeat *b = t->of;
    pxi_timer_after(timers(b), timer, b->o.every_ns);
    if (t->waiting) { /* the last one is not answered yet */
        t->missed++;
        answered_late(t);
        drop_for_another(t);
        return;
    }
    struct pxi_conn *c = t->ping ? NULL : pxi_host_conn(b->host, &t->peer, true);
    if (c) {
        t->conn = c;
        t->ping = pxi_ping_open(c, pong, t);
    }
    if (!t->ping)
        return;
    t->waiting = true;
    t->sent_ns = now_ns;
    pxi_timer_after(timers(b), &t->late, b->o.slow_ns);
    pxi_ping_send(t->ping, 10 * b->o.every_ns);
}

static void beat_free(struct beat *t)
{
    struct pxi_heartbeat *b = t->of;
    pxi_timer_disarm(timers(b), &t->next);
    pxi_timer_disarm(timers(b), &t->late);
    if (t->ping)
        pxi_ping_close(t->ping);
    pxi_list_remove(&t->link);
    b->count--;
    pxi_free(t);
}

static void on_connected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_heartbeat *b = PXI_OF(w, struct pxi_heartbeat, watch);
    if (find(b, &c->peer) || b->count >= PXI_LIMIT_HEARTBEAT_PEERS)
        return;
    struct beat *t = pxi_calloc(1, sizeof *t);
    if (!t)
        return;
    t->of = b;
    t->peer = c->peer;
    t->state = PXI_PEER_NEW;
    t->next.fire = on_beat;
    t->late.fire = on_late;
    pxi_list_add(&b->beats, &t->link);
    b->count++;
    /* Spread over the interval, so that a thousand peers are not pinged in one burst. */
    uint64_t spread = pxi_random_u64(pxi_host_random(b->host)) % (b->o.every_ns / 8 + 1);
    pxi_timer_after(timers(b), &t->next, spread);
}

static void on_disconnected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_heartbeat *b = PXI_OF(w, struct pxi_heartbeat, watch);
    struct beat *t = find(b, &c->peer);
    if (!t || pxi_host_conn(b->host, &c->peer, true))
        return;
    set_state(t, PXI_PEER_GONE);
    beat_free(t);
}

struct pxi_heartbeat *pxi_heartbeat_new(struct pxi_host *h, const struct pxi_heartbeat_options *o)
{
    struct pxi_heartbeat *b = pxi_calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->host = h;
    b->o = *o;
    b->o.every_ns = o->every_ns ? o->every_ns : PXI_SECOND;
    b->o.slow_ns = o->slow_ns ? o->slow_ns : 500 * PXI_MS;
    pxi_list_init(&b->beats);
    b->watch.connected = on_connected;
    b->watch.disconnected = on_disconnected;
    pxi_host_watch(h, &b->watch);
    return b;
}

void pxi_heartbeat_free(struct pxi_heartbeat *b)
{
    if (!b)
        return;
    pxi_host_unwatch(&b->watch);
    while (!pxi_list_empty(&b->beats))
        beat_free(PXI_OF(b->beats.next, struct beat, link));
    pxi_free(b);
}

enum pxi_peer_state pxi_heartbeat_state(const struct pxi_heartbeat *b, const struct pxi_peer *p,
                                        uint64_t *rtt_ns)
{
    const struct beat *t = find(b, p);
    if (rtt_ns)
        *rtt_ns = t ? t->rtt_ns : 0;
    return t ? t->state : PXI_PEER_GONE;
}

const char *pxi_peer_state_name(enum pxi_peer_state s)
{
    static const char *const names[] = {"gone", "silent", "slow", "new", "good"};
    return names[s];
}

/* a is better than b for work */
static bool better(const struct pxi_heartbeat *b, const struct pxi_peer *x,
                   const struct pxi_peer *y)
{
    uint64_t rx, ry;
    enum pxi_peer_state sx = pxi_heartbeat_state(b, x, &rx), sy = pxi_heartbeat_state(b, y, &ry);
    return sx != sy ? sx > sy : rx < ry;
}

void pxi_heartbeat_rank(const struct pxi_heartbeat *b, struct pxi_peer *peers, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && better(b, &peers[k], &peers[k - 1]); k--) {
            struct pxi_peer swap = peers[k];
            peers[k] = peers[k - 1];
            peers[k - 1] = swap;
        }
}
