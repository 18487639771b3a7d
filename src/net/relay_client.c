/* Connections through relays: dialling them (a transport) and answering them (stop streams). */
#include "codec/messages.h"
#include "net/relay_impl.h"
#include "net/streamlink.h"

enum { MESSAGE = PXI_LIMIT_RELAY_MESSAGE };

/* A circuit on its way to be a connection: ours out (dial set) or theirs in. */
struct circuit {
    struct pxi_list link;
    struct pxi_relay_client *client;
    struct pxi_dial *dial;  /* NULL: inbound */
    struct pxi_reach reach; /* of the relay */
    bool reaching;
    struct pxi_stream *stream; /* until it is a link */
    struct pxi_frame frame;
    struct pxi_upgrade *upgrade;
    struct pxi_peer peer;   /* inbound: who comes, says the relay */
    struct pxi_timer timer; /* inbound: to give up; outbound: to report err */
    px_err err;
};

static struct pxi_timers *timers(struct circuit *k)
{
    return pxi_host_timers(k->client->host);
}

static void circuit_free(struct circuit *k)
{
    if (k->reaching)
        pxi_reach_cancel(&k->reach);
    if (k->stream)
        pxi_stream_reset(k->stream);
    if (k->upgrade)
        pxi_upgrade_cancel(k->upgrade);
    pxi_timer_disarm(timers(k), &k->timer);
    pxi_frame_deinit(&k->frame);
    pxi_list_remove(&k->link);
    --*(k->dial ? &k->client->dial_count : &k->client->incoming_count);
    if (k->dial)
        k->dial->transport_data = NULL;
    pxi_free(k);
}

static void fault(struct circuit *k)
{
    pxi_host_faults(k->client->host)->n[PXI_FAULT_RELAY]++;
}

/* It came to nothing: the dial, if it is one, hears of it. */
static void circuit_fail(struct circuit *k, px_err err)
{
    struct pxi_dial *d = k->dial;
    circuit_free(k);
    if (d)
        pxi_dial_done(d, NULL, err);
}

/* The same from inside a call of the host: later. */
static void circuit_fail_later(struct circuit *k, px_err err)
{
    k->err = err;
    pxi_timer_after(timers(k), &k->timer, 0);
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct circuit *k = PXI_OF(t, struct circuit, timer);
    circuit_fail(k, k->err ? k->err : PX_ERR_TIMEOUT);
}

/* -------------------------------------------------------------------- upgrade */

static void upgraded(void *ctx, struct pxi_conn *c, px_err err)
{
    struct circuit *k = ctx;
    struct pxi_host *h = k->client->host;
    struct pxi_dial *d = k->dial;
    k->upgrade = NULL;
    circuit_free(k);
    if (d)
        pxi_dial_done(d, c, err);
    else if (c && (err = pxi_host_add_conn(h, c)) != PX_ERR_OK)
        c->ops->close(c, err);
}

/* Where the other end is: through the relay at the far end of the stream's connection. */
static struct pxi_maddr remote_of(const struct circuit *k)
{
    struct pxi_maddr a = {0};
    struct pxi_conn *c = k->stream->conn;
    if (!pxi_relay_address(pxi_maddr_view(&c->remote), &c->peer, &a) &&
        !pxi_relay_address(px_view_of(NULL, 0), &c->peer, &a))
        a.n = 0;
    return a;
}

/* Both ends agreed: the stream is a link now. */
static void circuit_upgrade(struct circuit *k)
{
    struct pxi_upgrade_options o = {.upgrader = k->client->upgrader,
                                    .outbound = k->dial != NULL,
                                    .peer = k->dial ? k->dial->peer : k->peer,
                                    .remote = remote_of(k),
                                    .limited = true,
                                    .done = upgraded,
                                    .ctx = k};
    struct pxi_link *link = pxi_streamlink_new(k->stream, timers(k));
    if (!link) {
        circuit_fail(k, PX_ERR_NOMEM);
        return;
    }
    k->stream = NULL;
    pxi_timer_disarm(timers(k), &k->timer);
    k->upgrade = pxi_upgrade_start(&o, link);
    if (!k->upgrade) {
        link->ops->close(link);
        circuit_fail(k, PX_ERR_NOMEM);
    }
}

static struct circuit *circuit_new(struct pxi_relay_client *c, struct pxi_dial *d)
{
    struct circuit *k = pxi_calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->client = c;
    k->dial = d;
    k->timer.fire = fire;
    k->frame.max = MESSAGE;
    pxi_list_add(d ? &c->dials : &c->incoming, &k->link);
    ++*(d ? &c->dial_count : &c->incoming_count);
    return k;
}

/* ------------------------------------------------------------------- outbound */

static px_err status_err(uint64_t status)
{
    switch (status) {
    case PXI_RELAY_OK: return PX_ERR_OK;
    case PXI_RELAY_NO_RESERVATION:
    case PXI_RELAY_CONNECTION_FAILED: return PX_ERR_UNREACHABLE;
    case PXI_RELAY_RESOURCE_LIMIT: return PX_ERR_LIMIT;
    default: return PX_ERR_REFUSED;
    }
}

static void hop_answer(struct circuit *k, px_view message)
{
    struct pxi_msg_relay_hop m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    px_err err = pxi_pb_decode(&pxi_pb_relay_hop, message, &arena, &m, NULL);
    if (err || m.type != PXI_RELAY_HOP_STATUS) {
        fault(k);
        circuit_fail(k, PX_ERR_PROTOCOL);
    } else if (m.status != PXI_RELAY_OK) {
        circuit_fail(k, status_err(m.status));
    } else {
        circuit_upgrade(k);
    }
    pxi_arena_deinit(&arena);
}

static size_t hop_data(struct pxi_stream *s, px_view bytes)
{
    struct circuit *k = s->user;
    px_view rest = bytes, message;
    px_err err = pxi_frame_next(&k->frame, &rest, &message);
    if (err == PX_ERR_OK) {
        hop_answer(k, message);
    } else if (err != PX_ERR_TRUNCATED) {
        fault(k);
        circuit_fail(k, PX_ERR_PROTOCOL);
    }
    return bytes.n - rest.n;
}

static void hop_ended(struct pxi_stream *s)
{
    circuit_fail(s->user, PX_ERR_RESET);
}

static void hop_closed(struct pxi_stream *s, px_err why)
{
    struct circuit *k = s->user;
    k->stream = NULL;
    circuit_fail(k, why ? why : PX_ERR_RESET);
}

static const struct pxi_stream_events hop_events = {
    .data = hop_data, .ended = hop_ended, .closed = hop_closed};

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    static const char *const protocol = PXI_RELAY_HOP;
    struct circuit *k = PXI_OF(r, struct circuit, reach);
    struct pxi_msg_peer_info peer = {.id = pxi_peer_view(&k->dial->peer)};
    struct pxi_msg_relay_hop m = {.type = PXI_RELAY_HOP_CONNECT, .peer = &peer};
    k->reaching = false;
    if (!c || pxi_conn_relayed(c)) {
        circuit_fail(k, err ? err : PX_ERR_UNREACHABLE);
        return;
    }
    k->stream = pxi_host_open(c, &protocol, 1, &hop_events, k);
    if (!k->stream)
        circuit_fail(k, PX_ERR_LIMIT);
    else if (!pxi_message_write(k->stream, &pxi_pb_relay_hop, &m, MESSAGE))
        circuit_fail(k, PX_ERR_RESET);
}

static bool can_dial(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    return e->relayed;
}

/* Just one relay, named by its id. */
static bool one_relay(px_view addr, struct pxi_maddr_part *relay)
{
    struct pxi_maddr_part part;
    size_t at = 0;
    unsigned ids = 0, circuits = 0;
    while (pxi_maddr_next(addr, &at, &part)) {
        if (part.code == PXI_MA_P2P && !circuits) {
            *relay = part;
            ids++;
        }
        circuits += part.code == PXI_MA_P2P_CIRCUIT;
    }
    return ids == 1 && circuits == 1;
}

static void dial(struct pxi_transport *t, struct pxi_dial *d)
{
    struct pxi_relay_client *c = PXI_OF(t, struct pxi_relay_client, transport);
    struct circuit *k = circuit_new(c, d);
    struct pxi_maddr_part part = {0};
    d->transport_data = k;
    if (!k)
        return; /* memory is out: the host's timer ends it */
    px_view addr = pxi_maddr_view(&d->addr);
    k->reach = (struct pxi_reach){.done = reached};
    if (c->dial_count > PXI_LIMIT_RELAY_DIALS) {
        circuit_fail_later(k, PX_ERR_LIMIT);
    } else if (!d->peer.n || !one_relay(addr, &part) ||
               pxi_peer_from_bytes(part.value, &k->reach.peer, NULL) != PX_ERR_OK ||
               pxi_peer_equal(&k->reach.peer, &d->peer)) {
        circuit_fail_later(k, PX_ERR_INVALID);
    } else {
        px_view at = px_view_of(addr.p, part.offset);
        k->reaching = true;
        pxi_reach_start(&k->reach, c->host, &at, at.n ? 1 : 0);
    }
}

static void cancel(struct pxi_transport *t, struct pxi_dial *d)
{
    if (d->transport_data)
        circuit_free(d->transport_data);
}

/* -------------------------------------------------------------------- inbound */

static bool stop_reply(struct circuit *k, unsigned status)
{
    struct pxi_msg_relay_stop m = {.type = PXI_RELAY_STOP_STATUS, .status = status};
    return pxi_message_write(k->stream, &pxi_pb_relay_stop, &m, MESSAGE);
}

static void stop_refuse(struct circuit *k, unsigned status, bool broken)
{
    if (broken)
        fault(k);
    if (stop_reply(k, status)) {
        pxi_stream_leave(k->stream);
        k->stream = NULL;
    }
    circuit_free(k);
}

static void stop_connect(struct circuit *k, const struct pxi_msg_relay_stop *m)
{
    struct pxi_relay_place *p = pxi_relay_place_find(k->client, &k->stream->conn->peer);
    if (!m->peer || pxi_peer_from_bytes(m->peer->id, &k->peer, NULL) != PX_ERR_OK) {
        stop_refuse(k, PXI_RELAY_MALFORMED, true);
    } else if (!p || !p->now.held) {
        stop_refuse(k, PXI_RELAY_PERMISSION_DENIED, false);
    } else if (!stop_reply(k, PXI_RELAY_OK)) {
        circuit_free(k);
    } else {
        circuit_upgrade(k);
    }
}

static size_t stop_data(struct pxi_stream *s, px_view bytes)
{
    struct circuit *k = s->user;
    struct pxi_msg_relay_stop m;
    struct pxi_arena arena;
    px_view rest = bytes, message;
    px_err err = pxi_frame_next(&k->frame, &rest, &message);
    if (err == PX_ERR_TRUNCATED)
        return bytes.n - rest.n;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    if (err != PX_ERR_OK || pxi_pb_decode(&pxi_pb_relay_stop, message, &arena, &m, NULL))
        stop_refuse(k, PXI_RELAY_MALFORMED, true);
    else if (m.type != PXI_RELAY_STOP_CONNECT)
        stop_refuse(k, PXI_RELAY_UNEXPECTED, true);
    else
        stop_connect(k, &m);
    pxi_arena_deinit(&arena);
    return bytes.n - rest.n;
}

static const struct pxi_stream_events stop_events = {
    .data = stop_data, .ended = hop_ended, .closed = hop_closed};

static void accept_stop(void *ctx, struct pxi_stream *s)
{
    struct pxi_relay_client *c = ctx;
    struct circuit *k = NULL;
    if (!pxi_conn_relayed(s->conn) && c->incoming_count < PXI_LIMIT_RELAY_INCOMING)
        k = circuit_new(c, NULL);
    if (!k) {
        pxi_host_faults(c->host)->n[PXI_FAULT_LIMIT]++;
        pxi_stream_reset(s);
        return;
    }
    k->stream = s;
    pxi_timer_after(timers(k), &k->timer, PXI_LIMIT_RELAY_REQUEST_MS * PXI_MS);
    pxi_stream_own(s, &stop_events, k);
}

/* ------------------------------------------------------------------- the client */

static void disconnected(struct pxi_watch *w, struct pxi_conn *conn)
{
    struct pxi_relay_client *c = PXI_OF(w, struct pxi_relay_client, watch);
    pxi_relay_places_disconnected(c, &conn->peer);
}

struct pxi_relay_client *pxi_relay_client_new(struct pxi_host *h, struct pxi_upgrader *upgrader)
{
    struct pxi_relay_client *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->host = h;
    c->upgrader = upgrader;
    pxi_list_init(&c->places);
    pxi_list_init(&c->dials);
    pxi_list_init(&c->incoming);
    if (pxi_host_handle(h, PXI_RELAY_STOP, 0, accept_stop, c) != PX_ERR_OK) {
        pxi_free(c);
        return NULL;
    }
    c->transport.name = "relay";
    c->transport.can_dial = can_dial;
    c->transport.dial = dial;
    c->transport.cancel = cancel;
    pxi_host_transport(h, &c->transport);
    c->watch.disconnected = disconnected;
    pxi_host_watch(h, &c->watch);
    return c;
}

void pxi_relay_client_free(struct pxi_relay_client *c)
{
    if (!c)
        return;
    pxi_host_unhandle(c->host, PXI_RELAY_STOP);
    pxi_host_unwatch(&c->watch);
    pxi_list_remove(&c->transport.link);
    pxi_relay_places_free(c);
    while (!pxi_list_empty(&c->dials))
        circuit_fail(PXI_OF(c->dials.next, struct circuit, link), PX_ERR_RESET);
    while (!pxi_list_empty(&c->incoming))
        circuit_free(PXI_OF(c->incoming.next, struct circuit, link));
    pxi_free(c);
}
