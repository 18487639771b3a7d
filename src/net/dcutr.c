#include "net/dcutr.h"

#include "base/limits.h"
#include "base/mem.h"
#include "codec/messages.h"
#include "net/message.h"
#include "net/relay.h"

enum { MESSAGE = PXI_LIMIT_DCUTR_MESSAGE, ADDRS = PXI_LIMIT_DCUTR_ADDRS, ROUNDS = 3 };

enum state {
    WAITING,  /* B: for identify, which tells A's addresses */
    REVERSAL, /* B: dialling A's public addresses */
    ASKING,   /* B: CONNECT sent; A: CONNECT awaited, then SYNC */
    SYNCED,   /* B: SYNC sent, half a round trip to wait */
    DIALLING, /* both dial */
    DRAINING, /* a direct connection stands; the relayed one closes when idle */
};

/* An upgrade of one relayed connection. */
struct punch {
    struct pxi_list link;
    struct pxi_dcutr *dcutr;
    struct pxi_conn *conn; /* the relayed one */
    struct pxi_stream *stream;
    struct pxi_frame frame;
    struct pxi_reach reach;
    struct pxi_timer timer, spray; /* spray: the next datagram of B */
    uint64_t asked_ns;
    unsigned rounds, addr_n;
    enum state state;
    bool leads, reaching, met; /* leads: we are B; met: A has B's CONNECT */
    struct pxi_maddr addrs[ADDRS];
};

struct pxi_dcutr {
    struct pxi_host *host;
    struct pxi_dcutr_options o;
    struct pxi_watch watch;
    struct pxi_list punches;
    struct pxi_dcutr_use use;
};

static struct pxi_timers *timers(struct punch *p)
{
    return pxi_host_timers(p->dcutr->host);
}

static void arm(struct punch *p, uint64_t ns)
{
    pxi_timer_after(timers(p), &p->timer, ns);
}

static struct punch *punch_find(struct pxi_dcutr *d, const struct pxi_peer *peer)
{
    for (struct pxi_list *l = d->punches.next; l != &d->punches; l = l->next) {
        struct punch *p = PXI_OF(l, struct punch, link);
        if (pxi_peer_equal(&p->conn->peer, peer))
            return p;
    }
    return NULL;
}

/* Whether the peer can be reached without a relay already. */
static bool direct_to(struct pxi_dcutr *d, const struct pxi_peer *peer)
{
    struct pxi_conn *c = pxi_host_conn(d->host, peer, false);
    return c && !pxi_conn_relayed(c);
}

/* ------------------------------------------------------------------- addresses */

/* An address fit for a direct dial. */
static bool fit(const struct pxi_dcutr *d, px_view addr)
{
    struct pxi_endpoint e;
    if (addr.n > PXI_MADDR_MAX || pxi_endpoint_of(addr, &e) != PX_ERR_OK || e.relayed || !e.port ||
        !e.family || (e.via != PXI_VIA_TCP && e.via != PXI_VIA_QUIC))
        return false;
    enum pxi_ip_kind kind = pxi_ip_kind_of(&e);
    return kind == PXI_IP_PUBLIC || (d->o.allow_private && kind != PXI_IP_NONE);
}

static bool over_quic(px_view addr)
{
    struct pxi_endpoint e;
    return pxi_endpoint_of(addr, &e) == PX_ERR_OK && e.via == PXI_VIA_QUIC;
}

/* Our own addresses that the other may dial. */
static unsigned own_addrs(struct pxi_dcutr *d, px_view out[ADDRS])
{
    unsigned n = 0;
    for (unsigned i = 0; n < ADDRS; i++) {
        px_view a = pxi_host_addr(d->host, i);
        if (!a.n)
            break;
        if (fit(d, a))
            out[n++] = a;
    }
    return n;
}

static void addr_keep(struct punch *p, px_view addr)
{
    if (p->addr_n == ADDRS || !fit(p->dcutr, addr))
        return;
    struct pxi_maddr *a = &p->addrs[p->addr_n++];
    memcpy(a->b, addr.p, addr.n);
    a->n = (uint16_t)addr.n;
}

/* ----------------------------------------------------------------------- ends */

static void stream_drop(struct punch *p)
{
    if (p->stream)
        pxi_stream_reset(p->stream);
    p->stream = NULL;
    pxi_frame_deinit(&p->frame);
    p->frame = (struct pxi_frame){.max = MESSAGE};
}

/* Stop everything that is under way. */
static void halt(struct punch *p)
{
    stream_drop(p);
    if (p->reaching)
        pxi_reach_cancel(&p->reach);
    p->reaching = false;
    pxi_timer_disarm(timers(p), &p->timer);
    pxi_timer_disarm(timers(p), &p->spray);
}

static void punch_free(struct punch *p)
{
    halt(p);
    pxi_list_remove(&p->link);
    p->dcutr->use.active--;
    pxi_free(p);
}

static void tell(struct punch *p, px_err err)
{
    struct pxi_dcutr *d = p->dcutr;
    ++*(err ? &d->use.lost : &d->use.won);
    if (d->o.result)
        d->o.result(d->o.ctx, &p->conn->peer, err, p->rounds);
}

static void lose(struct punch *p, px_err err)
{
    tell(p, err);
    punch_free(p);
}

static void win(struct punch *p)
{
    if (p->state == DRAINING)
        return;
    halt(p);
    p->state = DRAINING;
    tell(p, PX_ERR_OK);
    arm(p, PXI_LIMIT_DCUTR_IDLE_MS * PXI_MS);
}

static void drain(struct punch *p)
{
    struct pxi_conn *c = p->conn;
    if (!direct_to(p->dcutr, &c->peer)) {
        punch_free(p); /* the direct one broke: the relayed one serves on */
    } else if (c->stream_count || c->closing) {
        arm(p, PXI_LIMIT_DCUTR_IDLE_MS * PXI_MS);
    } else {
        punch_free(p);
        c->closing = true;
        c->ops->close(c, PX_ERR_OK);
    }
}

/* --------------------------------------------------------------------- dialling */

static void round_start(struct punch *p);

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    struct punch *p = PXI_OF(r, struct punch, reach);
    p->reaching = false;
    if (c && !pxi_conn_relayed(c))
        win(p);
    else if (p->state == REVERSAL)
        round_start(p);
    /* DIALLING: the other's dial may still arrive; the timer ends the round */
}

/* Dial those of p->addrs that we dial: as the leader only TCP, acting as the server. */
static void dial(struct punch *p, bool punching)
{
    px_view to[ADDRS];
    unsigned n = 0;
    for (unsigned i = 0; i < p->addr_n; i++) {
        px_view a = pxi_maddr_view(&p->addrs[i]);
        if (!(punching && p->leads && over_quic(a)))
            to[n++] = a;
    }
    if (!n)
        return;
    p->reach = (struct pxi_reach){.peer = p->conn->peer,
                                  .done = reached,
                                  .force_new = true,
                                  .at_once = true,
                                  .simultaneous_server = punching && p->leads,
                                  .fresh_port = !punching, /* our NAT must not know the pair yet */
                                  .timeout_ns = PXI_LIMIT_DCUTR_DIAL_MS * PXI_MS};
    p->reaching = true;
    pxi_reach_start(&p->reach, p->dcutr->host, to, n);
}

/* B sends a datagram to each QUIC address every 10 to 200 ms, so that its NAT lets A in. */
static void spray(struct pxi_timer *t, uint64_t now_ns)
{
    struct punch *p = PXI_OF(t, struct punch, spray);
    bool any = false;
    for (unsigned i = 0; i < p->addr_n; i++) {
        px_view a = pxi_maddr_view(&p->addrs[i]);
        if (over_quic(a))
            any = pxi_host_punch(p->dcutr->host, a) || any;
    }
    if (any)
        pxi_timer_after(timers(p), &p->spray,
                        (10 + pxi_random_u64(pxi_host_random(p->dcutr->host)) % 190) * PXI_MS);
}

static void dial_both(struct punch *p)
{
    p->state = DIALLING;
    arm(p, PXI_LIMIT_DCUTR_DIAL_MS * PXI_MS);
    dial(p, true);
    if (p->leads)
        pxi_timer_after(timers(p), &p->spray, 0);
}

static const struct pxi_stream_events events;

/* --------------------------------------------------------------------- messages */

static bool say(struct punch *p, unsigned type)
{
    px_view own[ADDRS];
    struct pxi_msg_dcutr m = {.type = type};
    if (type == PXI_DCUTR_CONNECT)
        m.addrs = (struct pxi_pb_list){own, own_addrs(p->dcutr, own)};
    return pxi_message_write(p->stream, &pxi_pb_dcutr, &m, MESSAGE);
}

/* This round came to nothing. */
static void round_end(struct punch *p, px_err err)
{
    halt(p);
    if (!p->leads)
        punch_free(p); /* B decides whether there is another round */
    else if (p->rounds >= ROUNDS)
        lose(p, err);
    else
        round_start(p);
}

static void broken(struct punch *p)
{
    pxi_host_faults(p->dcutr->host)->n[PXI_FAULT_DCUTR]++;
    p->rounds = ROUNDS; /* no more of it with this peer */
    round_end(p, PX_ERR_PROTOCOL);
}

static void addrs_take(struct punch *p, const struct pxi_pb_list *addrs)
{
    p->addr_n = 0;
    for (size_t i = 0; i < addrs->n; i++)
        addr_keep(p, *PXI_PB_AT(*addrs, px_view, i));
}

/* B hears A's CONNECT: SYNC, and dial when it arrives there, half a round trip from now. */
static void lead(struct punch *p, const struct pxi_msg_dcutr *m)
{
    uint64_t rtt = timers(p)->now_ns - p->asked_ns; /* bounded by our own timer */
    if (m->type != PXI_DCUTR_CONNECT) {
        broken(p);
        return;
    }
    addrs_take(p, &m->addrs);
    if (!say(p, PXI_DCUTR_SYNC)) {
        round_end(p, PX_ERR_RESET);
        return;
    }
    pxi_stream_leave(p->stream);
    p->stream = NULL;
    p->state = SYNCED;
    arm(p, rtt / 2);
}

/* A hears B's CONNECT, then its SYNC. */
static void follow(struct punch *p, const struct pxi_msg_dcutr *m)
{
    if (m->type != (p->met ? PXI_DCUTR_SYNC : PXI_DCUTR_CONNECT)) {
        broken(p);
    } else if (!p->met) {
        p->met = true;
        addrs_take(p, &m->addrs);
        if (!say(p, PXI_DCUTR_CONNECT))
            round_end(p, PX_ERR_RESET);
    } else {
        pxi_stream_leave(p->stream);
        p->stream = NULL;
        p->rounds = 1;
        dial_both(p);
    }
}

static void on_message(struct punch *p, px_view message)
{
    struct pxi_msg_dcutr m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    if (pxi_pb_decode(&pxi_pb_dcutr, message, &arena, &m, NULL) != PX_ERR_OK)
        broken(p);
    else if (p->leads)
        lead(p, &m);
    else
        follow(p, &m);
    pxi_arena_deinit(&arena);
}

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    px_view rest = bytes, message;
    while (rest.n && s->on == &events) { /* a message may have ended it */
        struct punch *p = s->user;
        px_err err = pxi_frame_next(&p->frame, &rest, &message);
        if (err == PX_ERR_TRUNCATED)
            break;
        if (err == PX_ERR_OK)
            on_message(p, message);
        else
            broken(p);
    }
    return bytes.n;
}

static void on_ended(struct pxi_stream *s)
{
    round_end(s->user, PX_ERR_RESET);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    struct punch *p = s->user;
    p->stream = NULL;
    if (why == PX_ERR_NO_PROTOCOL || why == PX_ERR_UNSUPPORTED)
        p->rounds = ROUNDS; /* the other cannot */
    round_end(p, why ? why : PX_ERR_RESET);
}

static const struct pxi_stream_events events = {
    .data = on_data, .ended = on_ended, .closed = on_closed};

/* ------------------------------------------------------------------------ B */

static void round_start(struct punch *p)
{
    static const char *const protocol = PXI_DCUTR_PROTOCOL;
    stream_drop(p);
    p->rounds++;
    p->state = ASKING;
    p->asked_ns = timers(p)->now_ns;
    p->stream = pxi_host_open(p->conn, &protocol, 1, &events, p);
    if (p->stream && say(p, PXI_DCUTR_CONNECT)) {
        arm(p, PXI_LIMIT_DCUTR_MESSAGE_MS * PXI_MS);
        return;
    }
    stream_drop(p);
    lose(p, PX_ERR_RESET);
}

/* A's addresses as identify told them: perhaps it needs no punching. */
static void reversal_start(struct punch *p)
{
    px_view known[PXI_LIMIT_PEERSTORE_ADDRS];
    unsigned n = pxi_peer_addrs(p->dcutr->host, &p->conn->peer, known, PXI_LIMIT_PEERSTORE_ADDRS);
    p->addr_n = 0;
    for (unsigned i = 0; i < n; i++)
        addr_keep(p, known[i]);
    p->state = REVERSAL;
    if (p->addr_n)
        dial(p, false);
    else
        round_start(p);
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct punch *p = PXI_OF(t, struct punch, timer);
    if (p->state == WAITING)
        reversal_start(p);
    else if (p->state == SYNCED)
        dial_both(p);
    else if (p->state == DRAINING)
        drain(p);
    else if (p->state != REVERSAL)
        round_end(p, PX_ERR_TIMEOUT);
}

static struct punch *punch_new(struct pxi_dcutr *d, struct pxi_conn *c, bool leads)
{
    struct punch *p = d->use.active < PXI_LIMIT_DCUTR_ACTIVE ? pxi_calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    p->dcutr = d;
    p->conn = c;
    p->leads = leads;
    p->timer.fire = fire;
    p->spray.fire = spray;
    p->frame.max = MESSAGE;
    pxi_list_add(&d->punches, &p->link);
    d->use.active++;
    return p;
}

static void connected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_dcutr *d = PXI_OF(w, struct pxi_dcutr, watch);
    struct punch *p = punch_find(d, &c->peer);
    if (!pxi_conn_relayed(c)) {
        if (p)
            win(p);
    } else if (!p && !c->outbound && !direct_to(d, &c->peer)) {
        p = punch_new(d, c, true);
        if (p)
            arm(p, PXI_LIMIT_DCUTR_IDENTIFY_MS * PXI_MS);
    }
}

static void disconnected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_dcutr *d = PXI_OF(w, struct pxi_dcutr, watch);
    struct punch *p = punch_find(d, &c->peer);
    if (!p || p->conn != c)
        return;
    if (p->state == DRAINING)
        punch_free(p);
    else
        lose(p, PX_ERR_RESET);
}

static void identified(struct pxi_watch *w, const struct pxi_peer *peer, struct pxi_conn *c)
{
    struct pxi_dcutr *d = PXI_OF(w, struct pxi_dcutr, watch);
    struct punch *p = punch_find(d, peer);
    if (p && p->state == WAITING)
        arm(p, 0);
}

/* ------------------------------------------------------------------------ A */

static void accept_punch(void *ctx, struct pxi_stream *s)
{
    struct pxi_dcutr *d = ctx;
    struct pxi_conn *c = s->conn;
    struct punch *p = punch_find(d, &c->peer);
    bool wanted = pxi_conn_relayed(c) && c->outbound && (!p || (!p->leads && p->state != DRAINING));
    if (wanted && p)
        punch_free(p); /* the leader begins a new round */
    p = wanted ? punch_new(d, c, false) : NULL;
    if (!p) {
        pxi_stream_reset(s);
        return;
    }
    p->state = ASKING;
    p->stream = s;
    arm(p, PXI_LIMIT_DCUTR_MESSAGE_MS * PXI_MS);
    pxi_stream_own(s, &events, p);
}

/* ----------------------------------------------------------------------- both */

struct pxi_dcutr *pxi_dcutr_new(struct pxi_host *h, const struct pxi_dcutr_options *o)
{
    struct pxi_dcutr *d = pxi_calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->host = h;
    d->o = o ? *o : (struct pxi_dcutr_options){0};
    pxi_list_init(&d->punches);
    if (pxi_host_handle(h, PXI_DCUTR_PROTOCOL, PXI_HANDLE_LIMITED, accept_punch, d)) {
        pxi_free(d);
        return NULL;
    }
    d->watch.connected = connected;
    d->watch.disconnected = disconnected;
    d->watch.identified = identified;
    pxi_host_watch(h, &d->watch);
    return d;
}

void pxi_dcutr_free(struct pxi_dcutr *d)
{
    if (!d)
        return;
    pxi_host_unhandle(d->host, PXI_DCUTR_PROTOCOL);
    pxi_host_unwatch(&d->watch);
    while (!pxi_list_empty(&d->punches))
        punch_free(PXI_OF(d->punches.next, struct punch, link));
    pxi_free(d);
}

struct pxi_dcutr_use pxi_dcutr_use(const struct pxi_dcutr *d)
{
    return d->use;
}
