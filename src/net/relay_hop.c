/*
 * The relay. A hop stream asks for a place (RESERVE) or for a circuit to somebody who has one
 * (CONNECT); for a circuit the relay opens a stop stream to that peer and, once both agreed, hands
 * bytes across. Peers that hold or use something are rows in a small hash table.
 */
#include "base/limits.h"
#include "base/map.h"
#include "base/math.h"
#include "codec/messages.h"
#include "net/message.h"
#include "net/limits.h"
#include "net/relay.h"
#include "net/voucher.h"

enum { BUCKETS = 256, ADDRS = 16, MESSAGE = PXI_LIMIT_RELAY_MESSAGE };

/* A peer with a reservation, a circuit or a request. */
struct guest {
    struct pxi_list bucket;
    struct pxi_relay_hop *relay;
    struct pxi_peer peer;
    struct pxi_timer expiry; /* armed while reserved */
    uint8_t ip[16];
    uint8_t ip_n; /* 0: does not count by address */
    bool reserved;
    unsigned circuits, requests;
};

enum state {
    READING,  /* the request is not all there */
    STOPPING, /* waiting for the other peer's answer */
    OPEN,     /* bytes go across */
    REPLIED,  /* refused, or reserved: the stream is ending */
};

/* One hop stream and what became of it. */
struct circuit {
    struct pxi_list link;
    struct pxi_relay_hop *relay;
    struct pxi_stream *a, *b; /* hop and stop stream; NULL when over */
    struct guest *src, *dst;  /* dst: from STOPPING on */
    struct pxi_frame frame;
    struct pxi_timer timer, resume; /* resume: both sides may hold bytes back */
    uint64_t left[2];               /* bytes that a and b may still send */
    enum state state;
};

struct pxi_relay_hop {
    struct pxi_host *host;
    struct pxi_relay_options o;
    struct pxi_watch watch;
    struct pxi_list circuits;
    struct pxi_list buckets[BUCKETS];
    struct pxi_relay_use use;
};

static struct pxi_timers *timers(struct pxi_relay_hop *r)
{
    return pxi_host_timers(r->host);
}

/* ------------------------------------------------------------------ guests */

static struct pxi_list *bucket_of(struct pxi_relay_hop *r, const struct pxi_peer *p)
{
    return &r->buckets[pxi_hash64(p->b, p->n, (uintptr_t)r) % BUCKETS];
}

static struct guest *guest_find(struct pxi_relay_hop *r, const struct pxi_peer *p)
{
    struct pxi_list *b = bucket_of(r, p);
    for (struct pxi_list *l = b->next; l != b; l = l->next) {
        struct guest *g = PXI_OF(l, struct guest, bucket);
        if (pxi_peer_equal(&g->peer, p))
            return g;
    }
    return NULL;
}

/* Take the place away. */
static void unreserve(struct guest *g)
{
    if (!g->reserved)
        return;
    g->reserved = false;
    g->relay->use.reservations--;
    pxi_timer_disarm(timers(g->relay), &g->expiry);
    pxi_host_protect(g->relay->host, &g->peer, -1);
}

/* Forget a guest who holds nothing. */
static void guest_drop(struct guest *g)
{
    if (g->reserved || g->circuits || g->requests)
        return;
    pxi_list_remove(&g->bucket);
    pxi_free(g);
}

static void expire(struct pxi_timer *t, uint64_t now_ns)
{
    struct guest *g = PXI_OF(t, struct guest, expiry);
    unreserve(g);
    guest_drop(g);
}

static struct guest *guest_need(struct pxi_relay_hop *r, const struct pxi_peer *p)
{
    struct guest *g = guest_find(r, p);
    if (g)
        return g;
    g = pxi_calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->relay = r;
    g->peer = *p;
    g->expiry.fire = expire;
    pxi_list_add(bucket_of(r, p), &g->bucket);
    return g;
}

/* ----------------------------------------------------------------- circuits */

/* The request is decided: it no longer counts as one. */
static void request_end(struct circuit *c)
{
    if (c->state != READING && c->state != STOPPING)
        return;
    c->src->requests--;
    c->relay->use.requests--;
}

static void circuit_free(struct circuit *c)
{
    request_end(c);
    if (c->dst) {
        c->src->circuits--;
        c->dst->circuits--;
        c->relay->use.circuits--;
        guest_drop(c->dst);
    }
    if (c->a)
        pxi_stream_reset(c->a);
    if (c->b)
        pxi_stream_reset(c->b);
    guest_drop(c->src);
    pxi_timer_disarm(timers(c->relay), &c->timer);
    pxi_timer_disarm(timers(c->relay), &c->resume);
    pxi_list_remove(&c->link);
    pxi_frame_deinit(&c->frame);
    pxi_free(c);
}

static void circuit_late(struct pxi_timer *t, uint64_t now_ns);

static void circuit_wait(struct circuit *c, uint64_t ms)
{
    pxi_timer_after(timers(c->relay), &c->timer, ms * PXI_MS);
}

/* Answer the hop stream and end it; the stop stream, if any, goes. */
static void reply_with(struct circuit *c, const struct pxi_msg_relay_hop *m)
{
    request_end(c);
    c->state = REPLIED;
    if (c->b)
        pxi_stream_reset(c->b);
    c->b = NULL;
    circuit_wait(c, PXI_LIMIT_RELAY_LINGER_MS);
    if (!pxi_message_write(c->a, &pxi_pb_relay_hop, m, MESSAGE)) {
        circuit_free(c);
        return;
    }
    pxi_stream_end(c->a);
}

static void reply(struct circuit *c, unsigned status)
{
    struct pxi_msg_relay_hop m = {.type = PXI_RELAY_HOP_STATUS, .status = status};
    c->relay->use.refused += status != PXI_RELAY_OK;
    reply_with(c, &m);
}

static void malformed(struct circuit *c, unsigned status)
{
    pxi_host_faults(c->relay->host)->n[PXI_FAULT_RELAY]++;
    reply(c, status);
}

static void circuit_late(struct pxi_timer *t, uint64_t now_ns)
{
    struct circuit *c = PXI_OF(t, struct circuit, timer);
    if (c->state == STOPPING)
        reply(c, PXI_RELAY_CONNECTION_FAILED);
    else
        circuit_free(c);
}

/* -------------------------------------------------------------- reservations */

static unsigned reserved_by_ip(struct pxi_relay_hop *r, const struct guest *g)
{
    unsigned n = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct pxi_list *l = r->buckets[i].next; l != &r->buckets[i]; l = l->next) {
            struct guest *o = PXI_OF(l, struct guest, bucket);
            n += o != g && o->reserved && o->ip_n == g->ip_n && !memcmp(o->ip, g->ip, g->ip_n);
        }
    }
    return n;
}

/* Where the guest comes from, as limits see it. */
static void note_ip(struct guest *g, const struct pxi_conn *c)
{
    struct pxi_endpoint e;
    g->ip_n = 0;
    if (pxi_endpoint_of(pxi_maddr_view(&c->remote), &e) == PX_ERR_OK)
        g->ip_n = (uint8_t)pxi_limits_ip(&e, g->ip);
    if (g->ip_n == 16)
        g->ip_n = 7; /* a /56 is one address */
}

/* Whether the guest may have a place. */
static bool may_reserve(struct pxi_relay_hop *r, struct guest *g)
{
    if (!g->reserved && r->use.reservations >= r->o.reservations)
        return false;
    return !g->ip_n || reserved_by_ip(r, g) < r->o.reservations_ip;
}

/* Our own addresses with our id behind them. */
static size_t own_addrs(struct pxi_relay_hop *r, struct pxi_maddr full[ADDRS], px_view out[ADDRS])
{
    size_t n = 0, bytes = 0;
    for (unsigned i = 0; n < ADDRS; i++) {
        px_view a = pxi_host_addr(r->host, i);
        struct pxi_maddr_part part;
        if (!a.n)
            break;
        if (a.n > PXI_MADDR_MAX || pxi_maddr_find(a, PXI_MA_P2P_CIRCUIT, &part))
            continue;
        memcpy(full[n].b, a.p, a.n);
        full[n].n = (uint16_t)a.n;
        if (!pxi_maddr_add(&full[n], PXI_MA_P2P, pxi_peer_view(pxi_host_self(r->host))) ||
            (bytes += full[n].n + 4) > MESSAGE / 2)
            continue;
        out[n] = pxi_maddr_view(&full[n]);
        n++;
    }
    return n;
}

static void grant(struct circuit *c, struct guest *g)
{
    struct pxi_relay_hop *r = c->relay;
    struct pxi_maddr full[ADDRS];
    px_view addrs[ADDRS];
    struct pxi_buf voucher = {.max = PXI_VOUCHER_MAX};
    struct pxi_msg_relay_reservation res = {.expire = pxi_host_wall_s(r->host) + r->o.ttl_s};
    struct pxi_msg_relay_limit limit = {r->o.duration_s, r->o.data};
    struct pxi_msg_relay_hop m = {PXI_RELAY_HOP_STATUS, NULL, &res, &limit, PXI_RELAY_OK};
    res.addrs = (struct pxi_pb_list){addrs, own_addrs(r, full, addrs)};
    if (pxi_voucher_seal(pxi_host_key(r->host), pxi_host_self(r->host), &g->peer, res.expire,
                         &voucher) == PX_ERR_OK)
        res.voucher = px_view_of(voucher.p, voucher.n);
    if (!g->reserved) {
        g->reserved = true;
        r->use.reservations++;
        pxi_host_protect(r->host, &g->peer, 1);
    }
    pxi_timer_after(timers(r), &g->expiry, r->o.ttl_s * PXI_SECOND);
    reply_with(c, &m);
    pxi_buf_deinit(&voucher);
}

static void on_reserve(struct circuit *c)
{
    struct guest *g = c->src;
    uint8_t old_n = g->ip_n;
    note_ip(g, c->a->conn);
    if (may_reserve(c->relay, g)) {
        grant(c, g);
    } else {
        g->ip_n = g->reserved ? old_n : g->ip_n;
        reply(c, PXI_RELAY_RESERVATION_REFUSED);
    }
}

/* A reservation ends with the last direct connection of its holder. */
static void disconnected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_relay_hop *r = PXI_OF(w, struct pxi_relay_hop, watch);
    struct guest *g = guest_find(r, &c->peer);
    if (!g || !g->reserved || pxi_host_conn(r->host, &c->peer, false))
        return;
    unreserve(g);
    guest_drop(g);
}

/* ---------------------------------------------------------------- hand across */

/* Bytes from side `from` (0: a, 1: b). What the other side has no room for stays. */
static size_t across(struct circuit *c, int from, px_view bytes)
{
    struct pxi_stream *to = from ? c->a : c->b;
    size_t n = (size_t)(c->left[from] < bytes.n ? c->left[from] : bytes.n), sent = 0;
    if (!to)
        return bytes.n;
    if (n)
        sent = pxi_stream_write(to, px_view_of(bytes.p, n));
    c->left[from] -= sent;
    c->relay->use.bytes += sent;
    if (c->left[from] || sent == bytes.n)
        return sent;
    circuit_free(c); /* over the limit of data */
    return bytes.n;
}

static void side_closed(struct circuit *c, bool is_a, px_err why)
{
    *(is_a ? &c->a : &c->b) = NULL;
    if (c->state == STOPPING && !is_a)
        reply(c, PXI_RELAY_CONNECTION_FAILED);
    else if (why != PX_ERR_OK || c->state != OPEN || (!c->a && !c->b))
        circuit_free(c);
}

static void side_ended(struct circuit *c, struct pxi_stream *other)
{
    if (c->state == OPEN && other)
        pxi_stream_end(other);
    else if (c->state == READING || c->state == STOPPING)
        circuit_free(c);
}

/* ---------------------------------------------------------------- stop stream */

static void resume_both(struct pxi_timer *t, uint64_t now_ns)
{
    struct circuit *c = PXI_OF(t, struct circuit, resume);
    if (c->a)
        pxi_stream_resume(c->a);
    if (c->b)
        pxi_stream_resume(c->b);
}

/* Both agreed: answer the hop stream and couple the two. */
static void circuit_open(struct circuit *c)
{
    struct pxi_relay_options *o = &c->relay->o;
    struct pxi_msg_relay_limit limit = {o->duration_s, o->data};
    struct pxi_msg_relay_hop m = {
        .type = PXI_RELAY_HOP_STATUS, .limit = &limit, .status = PXI_RELAY_OK};
    request_end(c);
    c->state = OPEN;
    c->left[0] = c->left[1] = o->data;
    pxi_timer_after(timers(c->relay), &c->timer, o->duration_s * PXI_SECOND);
    if (!pxi_message_write(c->a, &pxi_pb_relay_hop, &m, MESSAGE)) {
        circuit_free(c);
        return;
    }
    pxi_timer_after(timers(c->relay), &c->resume, 0);
}

static void stop_answer(struct circuit *c, px_view message)
{
    struct pxi_msg_relay_stop m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    px_err err = pxi_pb_decode(&pxi_pb_relay_stop, message, &arena, &m, NULL);
    pxi_arena_deinit(&arena);
    if (err || m.type != PXI_RELAY_STOP_STATUS) {
        pxi_host_faults(c->relay->host)->n[PXI_FAULT_RELAY]++;
        reply(c, PXI_RELAY_CONNECTION_FAILED);
    } else if (m.status != PXI_RELAY_OK) {
        reply(c, m.status == PXI_RELAY_PERMISSION_DENIED ? PXI_RELAY_PERMISSION_DENIED
                                                         : PXI_RELAY_CONNECTION_FAILED);
    } else {
        circuit_open(c);
    }
}

static size_t stop_data(struct pxi_stream *s, px_view bytes)
{
    struct circuit *c = s->user;
    px_view rest = bytes, message;
    if (c->state == OPEN)
        return across(c, 1, bytes);
    px_err err = pxi_frame_next(&c->frame, &rest, &message);
    if (err == PX_ERR_OK) {
        stop_answer(c, message);
    } else if (err != PX_ERR_TRUNCATED) {
        pxi_host_faults(c->relay->host)->n[PXI_FAULT_RELAY]++;
        reply(c, PXI_RELAY_CONNECTION_FAILED);
    }
    return bytes.n - rest.n;
}

static void stop_ended(struct pxi_stream *s)
{
    struct circuit *c = s->user;
    if (c->state == STOPPING)
        reply(c, PXI_RELAY_CONNECTION_FAILED);
    else
        side_ended(c, c->a);
}

static void stop_writable(struct pxi_stream *s)
{
    struct circuit *c = s->user;
    if (c->a)
        pxi_stream_resume(c->a);
}

static void stop_closed(struct pxi_stream *s, px_err why)
{
    side_closed(s->user, false, why);
}

static const struct pxi_stream_events stop_events = {
    .data = stop_data, .ended = stop_ended, .writable = stop_writable, .closed = stop_closed};

/* ------------------------------------------------------------------ hop stream */

/* Ask the other peer. */
static void stop_start(struct circuit *c, struct guest *dst, struct pxi_conn *to)
{
    static const char *const protocol = PXI_RELAY_STOP;
    struct pxi_relay_options *o = &c->relay->o;
    struct pxi_msg_peer_info peer = {.id = pxi_peer_view(&c->src->peer)};
    struct pxi_msg_relay_limit limit = {o->duration_s, o->data};
    struct pxi_msg_relay_stop m = {.type = PXI_RELAY_STOP_CONNECT, .peer = &peer, .limit = &limit};
    c->b = pxi_host_open(to, &protocol, 1, &stop_events, c);
    if (!c->b || !pxi_message_write(c->b, &pxi_pb_relay_stop, &m, MESSAGE)) {
        reply(c, PXI_RELAY_CONNECTION_FAILED);
        return;
    }
    c->dst = dst;
    c->src->circuits++;
    dst->circuits++;
    c->relay->use.circuits++;
    c->state = STOPPING;
    circuit_wait(c, PXI_LIMIT_RELAY_STOP_MS);
}

static void on_connect(struct circuit *c, const struct pxi_msg_relay_hop *m)
{
    struct pxi_relay_hop *r = c->relay;
    struct pxi_peer to;
    if (!m->peer || pxi_peer_from_bytes(m->peer->id, &to, NULL) != PX_ERR_OK) {
        malformed(c, PXI_RELAY_MALFORMED);
        return;
    }
    struct guest *dst = guest_find(r, &to);
    struct pxi_conn *conn = dst ? pxi_host_conn(r->host, &to, false) : NULL;
    if (dst == c->src)
        reply(c, PXI_RELAY_PERMISSION_DENIED);
    else if (!dst || !dst->reserved)
        reply(c, PXI_RELAY_NO_RESERVATION);
    else if (!conn || pxi_conn_relayed(conn))
        reply(c, PXI_RELAY_CONNECTION_FAILED);
    else if (r->use.circuits >= r->o.circuits || c->src->circuits >= r->o.circuits_peer ||
             dst->circuits >= r->o.circuits_peer)
        reply(c, PXI_RELAY_RESOURCE_LIMIT);
    else
        stop_start(c, dst, conn);
}

static void on_request(struct circuit *c, px_view message)
{
    struct pxi_msg_relay_hop m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    if (pxi_pb_decode(&pxi_pb_relay_hop, message, &arena, &m, NULL))
        malformed(c, PXI_RELAY_MALFORMED);
    else if (m.type == PXI_RELAY_HOP_RESERVE)
        on_reserve(c);
    else if (m.type == PXI_RELAY_HOP_CONNECT)
        on_connect(c, &m);
    else
        malformed(c, PXI_RELAY_UNEXPECTED);
    pxi_arena_deinit(&arena);
}

static size_t hop_data(struct pxi_stream *s, px_view bytes)
{
    struct circuit *c = s->user;
    px_view rest = bytes, message;
    if (c->state == OPEN)
        return across(c, 0, bytes);
    if (c->state == STOPPING)
        return 0; /* meant for the other end: kept until it answers */
    if (c->state == REPLIED)
        return bytes.n;
    px_err err = pxi_frame_next(&c->frame, &rest, &message);
    if (err == PX_ERR_OK)
        on_request(c, message);
    else if (err != PX_ERR_TRUNCATED)
        malformed(c, PXI_RELAY_MALFORMED);
    return bytes.n - rest.n;
}

static void hop_ended(struct pxi_stream *s)
{
    struct circuit *c = s->user;
    if (c->state == READING && pxi_frame_partial(&c->frame))
        pxi_host_faults(c->relay->host)->n[PXI_FAULT_RELAY]++;
    side_ended(c, c->b);
}

static void hop_writable(struct pxi_stream *s)
{
    struct circuit *c = s->user;
    if (c->b)
        pxi_stream_resume(c->b);
}

static void hop_closed(struct pxi_stream *s, px_err why)
{
    side_closed(s->user, true, why);
}

static const struct pxi_stream_events hop_events = {
    .data = hop_data, .ended = hop_ended, .writable = hop_writable, .closed = hop_closed};

static void accept_hop(void *ctx, struct pxi_stream *s)
{
    struct pxi_relay_hop *r = ctx;
    struct guest *g = pxi_conn_relayed(s->conn) ? NULL : guest_need(r, &s->conn->peer);
    struct circuit *c = NULL;
    if (g && g->requests < PXI_LIMIT_RELAY_REQUESTS_PEER &&
        r->use.requests < PXI_LIMIT_RELAY_REQUESTS)
        c = pxi_calloc(1, sizeof *c);
    if (!c) {
        pxi_host_faults(r->host)->n[PXI_FAULT_LIMIT]++;
        if (g)
            guest_drop(g);
        pxi_stream_reset(s);
        return;
    }
    c->relay = r;
    c->a = s;
    c->src = g;
    c->frame.max = MESSAGE;
    c->timer.fire = circuit_late;
    c->resume.fire = resume_both;
    g->requests++;
    r->use.requests++;
    pxi_list_add(&r->circuits, &c->link);
    circuit_wait(c, PXI_LIMIT_RELAY_REQUEST_MS);
    pxi_stream_own(s, &hop_events, c);
}

/* ------------------------------------------------------------------- the relay */

static struct pxi_relay_options filled(const struct pxi_relay_options *given)
{
    struct pxi_relay_options o = given ? *given : (struct pxi_relay_options){0};
    o.reservations = o.reservations ? o.reservations : PXI_LIMIT_RELAY_RESERVATIONS;
    o.reservations_ip = o.reservations_ip ? o.reservations_ip : PXI_LIMIT_RELAY_RESERVATIONS_IP;
    o.circuits = o.circuits ? o.circuits : PXI_LIMIT_RELAY_CIRCUITS;
    o.circuits_peer = o.circuits_peer ? o.circuits_peer : PXI_LIMIT_RELAY_CIRCUITS_PEER;
    o.ttl_s = o.ttl_s ? o.ttl_s : PXI_LIMIT_RELAY_TTL_S;
    o.duration_s = o.duration_s ? o.duration_s : PXI_LIMIT_RELAY_DURATION_S;
    o.data = o.data ? o.data : PXI_LIMIT_RELAY_DATA;
    return o;
}

struct pxi_relay_hop *pxi_relay_hop_new(struct pxi_host *h, const struct pxi_relay_options *o)
{
    struct pxi_relay_hop *r = pxi_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->host = h;
    r->o = filled(o);
    pxi_list_init(&r->circuits);
    for (unsigned i = 0; i < BUCKETS; i++)
        pxi_list_init(&r->buckets[i]);
    if (pxi_host_handle(h, PXI_RELAY_HOP, 0, accept_hop, r) != PX_ERR_OK) {
        pxi_free(r);
        return NULL;
    }
    r->watch.disconnected = disconnected;
    pxi_host_watch(h, &r->watch);
    return r;
}

void pxi_relay_hop_free(struct pxi_relay_hop *r)
{
    if (!r)
        return;
    pxi_host_unhandle(r->host, PXI_RELAY_HOP);
    pxi_host_unwatch(&r->watch);
    while (!pxi_list_empty(&r->circuits))
        circuit_free(PXI_OF(r->circuits.next, struct circuit, link));
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (!pxi_list_empty(&r->buckets[i])) {
            struct guest *g = PXI_OF(r->buckets[i].next, struct guest, bucket);
            unreserve(g);
            guest_drop(g);
        }
    }
    pxi_free(r);
}

struct pxi_relay_use pxi_relay_hop_use(const struct pxi_relay_hop *r)
{
    return r->use;
}
