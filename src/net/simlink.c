/* Ports, dials and connections of the simulator. */
#include "net/simlink.h"

#include "base/map.h"
#include "net/simlink_impl.h"

static struct pxi_timers *timers(struct pxi_simnet *n)
{
    return n->o.timers;
}

static void look(struct pxi_timer *t, uint64_t now_ns);

struct pxi_simnet *pxi_simnet_new(const struct pxi_simnet_options *o)
{
    struct pxi_simnet *n = pxi_calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->o = *o;
    n->o.near_ns = o->near_ns ? o->near_ns : 10 * PXI_MS;
    n->o.far_ns = o->far_ns > n->o.near_ns ? o->far_ns : 15 * n->o.near_ns;
    n->o.idle_ns = o->idle_ns ? o->idle_ns : 10 * PXI_SECOND;
    n->o.handshake_rtts = o->handshake_rtts ? o->handshake_rtts : 2;
    n->rng.state = o->seed;
    n->look.fire = look;
    pxi_list_init(&n->resting);
    n->mask = 16383;
    n->chains = pxi_calloc(n->mask + 1, sizeof *n->chains);
    if (!n->chains) {
        pxi_free(n);
        return NULL;
    }
    for (unsigned i = 0; i <= n->mask; i++)
        pxi_list_init(&n->chains[i]);
    return n;
}

void *pxi_sim_take(struct pxi_simnet *n, enum sim_piece kind, size_t bytes)
{
    void *p = n->pools[kind].free;
    if (!p)
        return pxi_realloc(NULL, 1, bytes);
    memcpy(&n->pools[kind].free, p, sizeof p);
    return p;
}

void pxi_sim_give(struct pxi_simnet *n, enum sim_piece kind, void *p)
{
    memcpy(p, &n->pools[kind].free, sizeof p);
    n->pools[kind].free = p;
}

void pxi_simnet_free(struct pxi_simnet *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < sizeof n->pools / sizeof *n->pools; i++)
        while (n->pools[i].free)
            pxi_free(pxi_sim_take(n, (enum sim_piece)i, 1));
    pxi_timer_disarm(timers(n), &n->look);
    pxi_free(n->chains);
    pxi_free(n);
}

struct pxi_simnet_stats pxi_simnet_stats_of(const struct pxi_simnet *n)
{
    return n->stats;
}

uint64_t pxi_simport_delay_ns(const struct pxi_simport *p)
{
    return p->delay_ns;
}

static double uniform(struct pxi_simnet *n)
{
    return (double)(pxi_rng_u64(&n->rng) >> 11) * 0x1p-53;
}

uint64_t pxi_sim_flight(struct pxi_simnet *n, uint64_t delay_ns)
{
    while (n->o.loss > 0 && n->o.loss < 1 && uniform(n) < n->o.loss)
        delay_ns += 2 * delay_ns + 200 * PXI_MS; /* a retransmission timeout */
    return delay_ns;
}

/* ------------------------------------------------------------- connections */

static void conn_close(struct pxi_conn *pc, px_err why);
static uint64_t conn_rtt(struct pxi_conn *pc);

static const struct pxi_conn_ops conn_ops = {pxi_sim_stream_open, conn_close, conn_rtt};

static struct sim_conn *conn_of(struct pxi_conn *pc)
{
    return PXI_OF(pc, struct sim_conn, c);
}

static uint64_t conn_rtt(struct pxi_conn *pc)
{
    return 2 * conn_of(pc)->delay_ns;
}

/* The end of one end: its streams hear it, its host hears it, its memory goes. */
static void conn_end(struct sim_conn *c, px_err why)
{
    pxi_timer_disarm(timers(c->net), &c->timer);
    c->c.closing = true;
    while (!pxi_list_empty(&c->streams)) {
        struct sim_stream *s = PXI_OF(c->streams.next, struct sim_stream, of_conn);
        if (s->shown && !s->s.gone)
            pxi_stream_on_closed(&s->s, why ? why : PX_ERR_RESET);
        pxi_sim_stream_free(s);
    }
    pxi_conn_on_closed(&c->c, why);
    if (c->other)
        c->other->other = NULL;
    pxi_list_remove(&c->of_port);
    pxi_list_remove(&c->rest);
    c->net->stats.conns_now--;
    pxi_sim_give(c->net, SIM_CONN, c);
}

void pxi_sim_conn_drop(struct sim_conn *c)
{
    conn_end(c, PX_ERR_RESET);
}

static void conn_fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct sim_conn *c = PXI_OF(t, struct sim_conn, timer);
    conn_end(c, c->why);
}

/* Put a connection at the end of the line; all wait equally long, so the line is in order. */
static void rest(struct sim_conn *c, uint64_t now_ns)
{
    struct pxi_simnet *n = c->net;
    c->look_ns = now_ns + n->o.idle_ns;
    pxi_list_remove(&c->rest);
    pxi_list_add(&n->resting, &c->rest);
    if (!n->look.armed)
        pxi_timer_arm(timers(n), &n->look, c->look_ns);
}

/* Close what nobody has used for a while; one timer serves all connections. */
static void look(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_simnet *n = PXI_OF(t, struct pxi_simnet, look);
    while (!pxi_list_empty(&n->resting)) {
        struct sim_conn *c = PXI_OF(n->resting.next, struct sim_conn, rest);
        if (c->look_ns > now_ns) {
            pxi_timer_arm(timers(n), t, c->look_ns);
            return;
        }
        bool busy = c->c.stream_count || c->c.protect || now_ns - c->c.used_ns < n->o.idle_ns;
        if (busy || c->c.closing)
            rest(c, now_ns);
        else {
            pxi_list_remove(&c->rest);
            conn_close(&c->c, PX_ERR_OK);
        }
    }
}

static void conn_close(struct pxi_conn *pc, px_err why)
{
    struct sim_conn *c = conn_of(pc), *other = c->other;
    c->c.closing = true;
    c->why = why;
    pxi_timer_after(timers(c->net), &c->timer, 0);
    if (other && !other->c.closing) {
        other->c.closing = true;
        other->why = PX_ERR_RESET;
        pxi_timer_after(timers(c->net), &other->timer, c->delay_ns);
    }
}

/* Zero all but the rooms for addresses, of which only as much as is filled is read. */
static void conn_clear(struct sim_conn *c)
{
    uint8_t *local = c->c.local.b, *remote = c->c.remote.b, *p = (uint8_t *)c;
    uint8_t *after = remote + sizeof c->c.remote.b;
    memset(p, 0, (size_t)(local - p));
    memset(local + sizeof c->c.local.b, 0, (size_t)(remote - local) - sizeof c->c.local.b);
    memset(after, 0, sizeof *c - (size_t)(after - p));
}

static struct sim_conn *end_new(struct pxi_simport *port, struct pxi_simport *far, bool outbound)
{
    struct sim_conn *c = pxi_sim_take(port->net, SIM_CONN, sizeof *c);
    if (!c)
        return NULL;
    conn_clear(c);
    pxi_conn_init(&c->c, &conn_ops, outbound);
    c->net = port->net;
    c->port = port;
    c->delay_ns = port->delay_ns + far->delay_ns;
    c->timer.fire = conn_fire;
    c->c.peer = *pxi_host_self(far->host);
    c->c.pubkey = pxi_key_public(pxi_host_key(far->host));
    c->c.local.n = port->addr_n;
    memcpy(c->c.local.b, port->addr, port->addr_n);
    c->c.remote.n = far->addr_n;
    memcpy(c->c.remote.b, far->addr, far->addr_n);
    pxi_list_init(&c->streams);
    pxi_list_init(&c->rest);
    pxi_list_add(&port->conns, &c->of_port);
    port->net->stats.conns_now++;
    return c;
}

static px_err offer(struct sim_conn *in, struct pxi_simport *to)
{
    struct pxi_endpoint e;
    px_err err = pxi_endpoint_of(pxi_maddr_view(&in->c.remote), &e);
    if (err == PX_ERR_OK)
        err = pxi_scope_conn_open(pxi_host_limiter(to->host), false, &e, &in->c.scope);
    return err == PX_ERR_OK ? pxi_host_add_conn(to->host, &in->c) : err;
}

struct sim_conn *pxi_sim_connect(struct pxi_simport *from, struct pxi_simport *to, px_err *err)
{
    struct sim_conn *out = end_new(from, to, true);
    struct sim_conn *in = out ? end_new(to, from, false) : NULL;
    *err = in ? PX_ERR_OK : PX_ERR_NOMEM;
    if (in) {
        out->other = in;
        in->other = out;
        *err = offer(in, to);
    }
    if (*err != PX_ERR_OK) {
        if (in)
            conn_end(in, *err);
        if (out)
            conn_end(out, *err);
        return NULL;
    }
    struct pxi_simnet *n = from->net;
    rest(out, timers(n)->now_ns);
    rest(in, timers(n)->now_ns);
    n->stats.conns++;
    if (n->stats.conns_now > n->stats.conns_most)
        n->stats.conns_most = n->stats.conns_now;
    return out;
}

/* -------------------------------------------------------------------- dials */

struct sim_dial {
    struct pxi_timer timer;
    struct pxi_dial *dial;
    struct pxi_simport *from;
};

static struct pxi_simport *port_find(struct pxi_simnet *n, px_view addr)
{
    struct pxi_list *head = &n->chains[pxi_hash64(addr.p, addr.n, 7) & n->mask];
    for (struct pxi_list *l = head->next; l != head; l = l->next) {
        struct pxi_simport *p = PXI_OF(l, struct pxi_simport, link);
        if (px_view_equal(px_view_of(p->addr, p->addr_n), addr))
            return p;
    }
    return NULL;
}

static bool can_dial(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    return !e->relayed && (e->via == PXI_VIA_MEMORY || (e->via == PXI_VIA_TCP && e->family));
}

static void dial_fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct sim_dial *s = PXI_OF(t, struct sim_dial, timer);
    struct pxi_dial *d = s->dial;
    struct pxi_simport *from = s->from;
    struct pxi_simport *to = port_find(from->net, pxi_maddr_view(&d->addr));
    struct sim_conn *c = NULL;
    px_err err = PX_ERR_UNREACHABLE;
    d->transport_data = NULL;
    pxi_free(s);
    if (to && to->host && d->peer.n && !pxi_peer_equal(pxi_host_self(to->host), &d->peer))
        err = PX_ERR_IDENTITY;
    else if (to && to->host)
        c = pxi_sim_connect(from, to, &err);
    from->net->stats.dials_failed += !c;
    pxi_dial_done(d, c ? &c->c : NULL, err);
}

static void dial(struct pxi_transport *t, struct pxi_dial *d)
{
    struct pxi_simport *from = PXI_OF(t, struct pxi_simport, transport);
    struct pxi_simnet *n = from->net;
    struct pxi_simport *to = port_find(n, pxi_maddr_view(&d->addr));
    struct sim_dial *s = pxi_calloc(1, sizeof *s);
    n->stats.dials++;
    d->transport_data = s;
    if (!s) /* the dial runs into its deadline */
        return;
    s->dial = d;
    s->from = from;
    s->timer.fire = dial_fire;
    uint64_t one_way = from->delay_ns + (to ? to->delay_ns : n->o.far_ns);
    if (to && to->host)
        pxi_timer_after(timers(n), &s->timer, pxi_sim_flight(n, 2 * one_way * n->o.handshake_rtts));
    else if (!to || to->refuses)
        pxi_timer_after(timers(n), &s->timer, 2 * one_way);
    else
        n->stats.dials_failed++; /* silence: the deadline of the dial ends it */
}

static void cancel(struct pxi_transport *t, struct pxi_dial *d)
{
    struct pxi_simport *from = PXI_OF(t, struct pxi_simport, transport);
    struct sim_dial *s = d->transport_data;
    if (!s)
        return;
    pxi_timer_disarm(timers(from->net), &s->timer);
    pxi_free(s);
    d->transport_data = NULL;
}

/* -------------------------------------------------------------------- ports */

struct pxi_simport *pxi_simnet_join(struct pxi_simnet *n, struct pxi_host *h, px_view addr)
{
    struct pxi_simport *p = NULL;
    if (addr.n <= sizeof p->addr && !port_find(n, addr))
        p = pxi_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    double u = uniform(n);
    p->net = n;
    p->host = h;
    p->delay_ns = n->o.near_ns + (uint64_t)((double)(n->o.far_ns - n->o.near_ns) * u * u);
    p->refuses = uniform(n) < n->o.refused;
    p->addr_n = (uint16_t)addr.n;
    memcpy(p->addr, addr.p, addr.n);
    p->hash = pxi_hash64(addr.p, addr.n, 7);
    p->transport =
        (struct pxi_transport){.name = "sim", .can_dial = can_dial, .dial = dial, .cancel = cancel};
    pxi_list_init(&p->conns);
    pxi_list_add(&n->chains[p->hash & n->mask], &p->link);
    n->ports++;
    pxi_host_transport(h, &p->transport);
    pxi_host_addr_add(h, addr, PXI_ADDR_LISTEN);
    return p;
}

void pxi_simport_die(struct pxi_simport *p)
{
    p->host = NULL;
    while (!pxi_list_empty(&p->conns)) {
        struct sim_conn *c = PXI_OF(p->conns.next, struct sim_conn, of_port);
        conn_end(c, PX_ERR_RESET); /* the far end is not told: its bytes go nowhere */
    }
}

void pxi_simport_leave(struct pxi_simport *p)
{
    pxi_simport_die(p);
    pxi_list_remove(&p->link);
    p->net->ports--;
    pxi_free(p);
}
