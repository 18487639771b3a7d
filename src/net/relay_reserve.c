/* Reservations that we keep on relays. */
#include "base/math.h"
#include "codec/messages.h"
#include "net/relay_impl.h"
#include "net/voucher.h"

enum { MESSAGE = PXI_LIMIT_RELAY_MESSAGE, TRIES_COUNTED = 16 };

static void place_start(struct pxi_relay_place *p);

static struct pxi_timers *timers(struct pxi_relay_place *p)
{
    return pxi_host_timers(p->client->host);
}

struct pxi_relay_place *pxi_relay_place_find(struct pxi_relay_client *c,
                                             const struct pxi_peer *relay)
{
    for (struct pxi_list *l = c->places.next; l != &c->places; l = l->next) {
        struct pxi_relay_place *p = PXI_OF(l, struct pxi_relay_place, link);
        if (pxi_peer_equal(&p->now.relay, relay))
            return p;
    }
    return NULL;
}

/* ------------------------------------------------------------------ addresses */

bool pxi_relay_address(px_view addr, const struct pxi_peer *relay, struct pxi_maddr *out)
{
    struct pxi_maddr_part part;
    struct pxi_peer named;
    if (addr.n > PXI_MADDR_MAX || pxi_maddr_find(addr, PXI_MA_P2P_CIRCUIT, &part))
        return false;
    out->n = (uint16_t)addr.n;
    if (addr.n)
        memcpy(out->b, addr.p, addr.n);
    if (addr.n && pxi_maddr_find(addr, PXI_MA_P2P, &part)) {
        if (pxi_peer_from_bytes(part.value, &named, NULL) || !pxi_peer_equal(&named, relay))
            return false;
        out->n = (uint16_t)part.offset;
    }
    return pxi_maddr_add(out, PXI_MA_P2P, pxi_peer_view(relay)) &&
           pxi_maddr_add(out, PXI_MA_P2P_CIRCUIT, px_view_of(NULL, 0));
}

static void addrs_drop(struct pxi_relay_place *p)
{
    for (unsigned i = 0; i < p->own_n; i++)
        pxi_host_addr_remove(p->client->host, pxi_maddr_view(&p->own[i]), PXI_ADDR_RELAY);
    pxi_free(p->own);
    p->own = NULL;
    p->own_n = 0;
}

static void addr_take(struct pxi_relay_place *p, px_view addr)
{
    struct pxi_endpoint e;
    struct pxi_maddr *a = &p->own[p->own_n];
    if (p->own_n == PXI_LIMIT_RELAY_ADDRS || pxi_maddr_check(addr, NULL) ||
        pxi_endpoint_of(addr, &e) || !pxi_relay_address(addr, &p->now.relay, a))
        return;
    for (unsigned i = 0; i < p->own_n; i++)
        if (px_view_equal(pxi_maddr_view(&p->own[i]), pxi_maddr_view(a)))
            return;
    if (pxi_host_addr_add(p->client->host, pxi_maddr_view(a), PXI_ADDR_RELAY) == PX_ERR_OK)
        p->own_n++;
}

/* What the relay says of itself, else the address that we reached it at. Old ones that are told
 * again stay without a gap: they are added before the old list is dropped. */
static void addrs_set(struct pxi_relay_place *p, const struct pxi_pb_list *told)
{
    struct pxi_maddr *old = p->own;
    unsigned old_n = p->own_n;
    p->own_n = 0;
    p->own = pxi_calloc(PXI_LIMIT_RELAY_ADDRS + 1, sizeof *p->own);
    for (size_t i = 0; p->own && i < told->n; i++)
        addr_take(p, *PXI_PB_AT(*told, px_view, i));
    struct pxi_conn *c = pxi_host_conn(p->client->host, &p->now.relay, false);
    if (p->own && !p->own_n && c)
        addr_take(p, pxi_maddr_view(&c->remote));
    for (unsigned i = 0; i < old_n; i++) {
        bool kept = false;
        for (unsigned k = 0; k < p->own_n; k++)
            kept = kept || px_view_equal(pxi_maddr_view(&p->own[k]), pxi_maddr_view(&old[i]));
        if (!kept)
            pxi_host_addr_remove(p->client->host, pxi_maddr_view(&old[i]), PXI_ADDR_RELAY);
    }
    pxi_free(old);
}

/* --------------------------------------------------------------------- outcome */

static void stream_drop(struct pxi_relay_place *p)
{
    if (p->stream)
        pxi_stream_reset(p->stream);
    p->stream = NULL;
    p->asking = false;
    pxi_frame_deinit(&p->frame);
    p->frame = (struct pxi_frame){.max = MESSAGE};
}

/* The place is gone. */
static void place_lose(struct pxi_relay_place *p)
{
    addrs_drop(p);
    if (p->now.held)
        pxi_host_protect(p->client->host, &p->now.relay, -1);
    p->now.held = false;
}

/* Try again later, a little longer each time; what we hold stays until it ends. */
static void place_failed(struct pxi_relay_place *p)
{
    uint64_t now = timers(p)->now_ns, wait_ms = 1000ull << (p->now.tries < 10 ? p->now.tries : 10);
    stream_drop(p);
    if (p->now.held && now >= p->expires_ns)
        place_lose(p);
    p->now.tries += p->now.tries < TRIES_COUNTED;
    if (wait_ms > PXI_LIMIT_RELAY_RETRY_MS)
        wait_ms = PXI_LIMIT_RELAY_RETRY_MS;
    wait_ms += pxi_random_u64(pxi_host_random(p->client->host)) % (wait_ms / 4);
    uint64_t at = now + wait_ms * PXI_MS;
    if (p->now.held && at > p->expires_ns)
        at = p->expires_ns;
    p->now.renew_at_ns = at;
    pxi_timer_arm(timers(p), &p->timer, at);
}

/* How long it holds: never longer than our own limit, whatever the relay says. */
static uint64_t lifetime_s(struct pxi_relay_place *p, uint64_t expire)
{
    uint64_t wall = pxi_host_wall_s(p->client->host);
    if (expire <= wall)
        return 0;
    uint64_t left = wall ? expire - wall : PXI_LIMIT_RELAY_TTL_S;
    return left < PXI_LIMIT_RELAY_TTL_MAX_S ? left : PXI_LIMIT_RELAY_TTL_MAX_S;
}

static bool voucher_ok(struct pxi_relay_place *p, px_view voucher)
{
    struct pxi_host *h = p->client->host;
    return !voucher.n || pxi_voucher_check(voucher, &p->now.relay, pxi_host_self(h));
}

static void place_held(struct pxi_relay_place *p, const struct pxi_msg_relay_reservation *r)
{
    uint64_t left_s = lifetime_s(p, r->expire), now = timers(p)->now_ns;
    if (!left_s || !voucher_ok(p, r->voucher)) {
        pxi_host_faults(p->client->host)->n[PXI_FAULT_RELAY]++;
        place_failed(p);
        return;
    }
    addrs_set(p, &r->addrs);
    if (!p->now.held)
        pxi_host_protect(p->client->host, &p->now.relay, 1);
    p->now.held = true;
    p->now.tries = 0;
    p->expires_ns = now + left_s * PXI_SECOND;
    p->now.renew_at_ns = now + left_s * PXI_SECOND / 4 * 3;
    stream_drop(p);
    pxi_timer_arm(timers(p), &p->timer, p->now.renew_at_ns);
}

/* ----------------------------------------------------------------------- asking */

static void answer(struct pxi_relay_place *p, px_view message)
{
    struct pxi_msg_relay_hop m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    px_err err = pxi_pb_decode(&pxi_pb_relay_hop, message, &arena, &m, NULL);
    if (err || m.type != PXI_RELAY_HOP_STATUS || (m.status == PXI_RELAY_OK && !m.reservation)) {
        pxi_host_faults(p->client->host)->n[PXI_FAULT_RELAY]++;
        place_failed(p);
    } else if (m.status != PXI_RELAY_OK) {
        p->now.status = m.status;
        place_failed(p);
    } else {
        p->now.status = m.status;
        pxi_stream_leave(p->stream);
        p->stream = NULL;
        place_held(p, m.reservation);
    }
    pxi_arena_deinit(&arena);
}

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_relay_place *p = s->user;
    px_view rest = bytes, message;
    px_err err = pxi_frame_next(&p->frame, &rest, &message);
    if (err == PX_ERR_OK) {
        answer(p, message);
    } else if (err != PX_ERR_TRUNCATED) {
        pxi_host_faults(p->client->host)->n[PXI_FAULT_RELAY]++;
        place_failed(p);
    }
    return bytes.n;
}

static void on_ended(struct pxi_stream *s)
{
    place_failed(s->user);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_relay_place *p = s->user;
    p->stream = NULL;
    place_failed(p);
}

static const struct pxi_stream_events events = {
    .data = on_data, .ended = on_ended, .closed = on_closed};

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    static const char *const protocol = PXI_RELAY_HOP;
    struct pxi_relay_place *p = PXI_OF(r, struct pxi_relay_place, reach);
    struct pxi_msg_relay_hop m = {.type = PXI_RELAY_HOP_RESERVE};
    p->reaching = false;
    if (c && !pxi_conn_relayed(c))
        p->stream = pxi_host_open(c, &protocol, 1, &events, p);
    if (!p->stream || !pxi_message_write(p->stream, &pxi_pb_relay_hop, &m, MESSAGE)) {
        place_failed(p);
        return;
    }
    p->asking = true;
    pxi_timer_after(timers(p), &p->timer, PXI_LIMIT_RELAY_REQUEST_MS * PXI_MS);
}

static void place_start(struct pxi_relay_place *p)
{
    px_view addrs[PXI_LIMIT_RELAY_ADDRS];
    for (unsigned i = 0; i < p->at_n; i++)
        addrs[i] = pxi_maddr_view(&p->at[i]);
    stream_drop(p);
    p->reach = (struct pxi_reach){.peer = p->now.relay, .done = reached};
    p->reaching = true;
    pxi_reach_start(&p->reach, p->client->host, addrs, p->at_n);
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_relay_place *p = PXI_OF(t, struct pxi_relay_place, timer);
    if (p->asking)
        place_failed(p); /* no answer */
    else if (!p->reaching)
        place_start(p);
}

/* ------------------------------------------------------------------- the places */

static void place_free(struct pxi_relay_place *p)
{
    place_lose(p);
    stream_drop(p);
    if (p->reaching)
        pxi_reach_cancel(&p->reach);
    pxi_timer_disarm(timers(p), &p->timer);
    pxi_list_remove(&p->link);
    p->client->place_count--;
    pxi_free(p->at);
    pxi_free(p);
}

px_err pxi_relay_reserve(struct pxi_relay_client *c, const struct pxi_peer *relay,
                         const px_view *addrs, unsigned count)
{
    if (pxi_relay_place_find(c, relay))
        return PX_ERR_OK;
    if (c->place_count >= PXI_LIMIT_RELAY_RELAYS)
        return PX_ERR_LIMIT;
    struct pxi_relay_place *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return PX_ERR_NOMEM;
    p->client = c;
    p->now.relay = *relay;
    p->timer.fire = fire;
    p->frame.max = MESSAGE;
    count = (unsigned)pxi_min(count, PXI_LIMIT_RELAY_ADDRS);
    p->at = count ? pxi_calloc(count, sizeof *p->at) : NULL;
    for (unsigned i = 0; p->at && i < count; i++) {
        if (addrs[i].n > PXI_MADDR_MAX)
            continue;
        p->at[p->at_n].n = (uint16_t)addrs[i].n;
        memcpy(p->at[p->at_n++].b, addrs[i].p, addrs[i].n);
    }
    pxi_list_add(&c->places, &p->link);
    c->place_count++;
    pxi_timer_after(timers(p), &p->timer, 0);
    return PX_ERR_OK;
}

void pxi_relay_release(struct pxi_relay_client *c, const struct pxi_peer *relay)
{
    struct pxi_relay_place *p = pxi_relay_place_find(c, relay);
    if (p)
        place_free(p);
}

void pxi_relay_places_free(struct pxi_relay_client *c)
{
    while (!pxi_list_empty(&c->places))
        place_free(PXI_OF(c->places.next, struct pxi_relay_place, link));
}

void pxi_relay_places_disconnected(struct pxi_relay_client *c, const struct pxi_peer *relay)
{
    struct pxi_relay_place *p = pxi_relay_place_find(c, relay);
    if (!p || !p->now.held || pxi_host_conn(c->host, relay, false))
        return;
    place_lose(p);
    if (!p->reaching && !p->asking)
        place_failed(p); /* try again soon */
}

bool pxi_relay_standing(const struct pxi_relay_client *c, unsigned i,
                        struct pxi_relay_standing *out)
{
    for (const struct pxi_list *l = c->places.next; l != &c->places; l = l->next) {
        if (i-- == 0) {
            *out = PXI_OF(l, struct pxi_relay_place, link)->now;
            return true;
        }
    }
    return false;
}
