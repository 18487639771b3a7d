/* Circuit relay v2: three hosts, the relay's limits, relays and users that misbehave. */
#include "net/relay.h"

#include "codec/messages.h"
#include "net/message.h"
#include "net/ping.h"
#include "relay_world.h"
#include "net/trim.h"
#include "net/voucher.h"

#define ECHO "/test/echo/1.0.0"

/* --------------------------------------------------------------- echo over a circuit */

static size_t echo_data(struct pxi_stream *s, px_view bytes)
{
    return pxi_stream_write(s, bytes);
}

static void echo_writable(struct pxi_stream *s)
{
    pxi_stream_resume(s);
}

static void echo_ended(struct pxi_stream *s)
{
    pxi_stream_end(s);
}

static const struct pxi_stream_events echo_events = {
    .data = echo_data, .writable = echo_writable, .ended = echo_ended};

static void echo_accept(void *ctx, struct pxi_stream *s)
{
    pxi_stream_own(s, &echo_events, NULL);
}

/* Sends `total` pattern bytes and checks that they come back. */
struct caller {
    uint64_t total, sent, back;
    px_err why;
    bool closed, ended;
};

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 131 + (i >> 9));
}

static void call_more(struct pxi_stream *s)
{
    struct caller *k = s->user;
    while (k->sent < k->total) {
        uint8_t b[5000];
        size_t n = k->total - k->sent < sizeof b ? (size_t)(k->total - k->sent) : sizeof b;
        for (size_t i = 0; i < n; i++)
            b[i] = pattern(k->sent + i);
        size_t took = pxi_stream_write(s, px_view_of(b, n));
        k->sent += took;
        if (took < n)
            return;
    }
    if (!k->ended)
        pxi_stream_end(s);
    k->ended = true;
}

static size_t call_data(struct pxi_stream *s, px_view bytes)
{
    struct caller *k = s->user;
    for (size_t i = 0; i < bytes.n; i++)
        CHECK(bytes.p[i] == pattern(k->back + i));
    k->back += bytes.n;
    return bytes.n;
}

static void call_closed(struct pxi_stream *s, px_err why)
{
    struct caller *k = s->user;
    k->closed = true;
    k->why = why;
}

static const struct pxi_stream_events call_events = {
    .opened = call_more, .data = call_data, .writable = call_more, .closed = call_closed};

static void call(struct caller *k, struct pxi_conn *c, uint64_t total)
{
    static const char *const protocol = ECHO;
    *k = (struct caller){.total = total};
    CHECK(pxi_host_open(c, &protocol, 1, &call_events, k) != NULL);
}

/* ------------------------------------------------------------------ the three hosts */

static struct {
    struct relay_node relay, target, caller;
} trio;

static void trio_begin(const struct pxi_relay_options *o)
{
    world_begin();
    relay_node_begin(&trio.relay, NAT_NONE);
    relay_node_begin(&trio.target, NAT_SYMMETRIC);
    relay_node_begin(&trio.caller, NAT_SYMMETRIC);
    trio.relay.hop = pxi_relay_hop_new(trio.relay.v->host, o);
    CHECK(trio.relay.hop != NULL);
    pxi_host_handle(trio.target.v->host, ECHO, PXI_HANDLE_LIMITED, echo_accept, NULL);
}

static void trio_end(void)
{
    relay_node_end(&trio.caller);
    relay_node_end(&trio.target);
    relay_node_end(&trio.relay);
    world_end();
}

TEST(reserve_dial_through_and_echo)
{
    struct caller k;
    struct pxi_relay_standing now;
    struct pxi_relay_options o = {.data = 16 << 20};
    trio_begin(&o);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    CHECK(pxi_relay_standing(trio.target.client, 0, &now) && now.held);
    CHECK_EQ(now.status, PXI_RELAY_OK);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).reservations, 1);
    struct pxi_conn *c = relay_dial(&trio.caller, &trio.relay, &trio.target);
    CHECK(c != NULL && c->limited && pxi_conn_relayed(c));
    CHECK(pxi_peer_equal(&c->peer, world_id(trio.target.v)));
    world_run(PXI_SECOND);
    struct pxi_conn *in = pxi_host_conn(trio.target.v->host, world_id(trio.caller.v), true);
    CHECK(in != NULL && in->limited && !in->outbound && pxi_conn_relayed(in));
    CHECK(pxi_host_conn(trio.caller.v->host, world_id(trio.target.v), false) == NULL);
    call(&k, c, 3 << 20);
    world_run(60 * PXI_SECOND);
    CHECK_EQ(k.back, 3 << 20);
    CHECK(k.closed && k.why == PX_ERR_OK);
    struct pxi_relay_use use = pxi_relay_hop_use(trio.relay.hop);
    CHECK_EQ(use.circuits, 1);
    CHECK_EQ(use.requests, 0);
    CHECK(use.bytes > 6 << 20);
    c->ops->close(c, PX_ERR_OK);
    world_run(10 * PXI_SECOND);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).circuits, 0);
    CHECK(pxi_host_conn(trio.target.v->host, world_id(trio.caller.v), true) == NULL);
    CHECK_EQ(world_faults(trio.relay.v, PXI_FAULT_RELAY), 0);
    trio_end();
}

TEST(circuit_addresses_come_and_go)
{
    trio_begin(NULL);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    char text[PXI_MADDR_TEXT];
    bool found = false;
    px_view a;
    for (unsigned i = 0; (a = pxi_host_addr(trio.target.v->host, i)).n; i++)
        found = found || strstr(pxi_maddr_text(a, text), "/p2p-circuit");
    CHECK(found);
    pxi_relay_release(trio.target.client, world_id(trio.relay.v));
    for (unsigned i = 0; (a = pxi_host_addr(trio.target.v->host, i)).n; i++)
        CHECK(!strstr(pxi_maddr_text(a, text), "/p2p-circuit"));
    trio_end();
}

TEST(data_limit_ends_the_circuit)
{
    struct caller k;
    struct pxi_relay_options o = {.data = 100000};
    trio_begin(&o);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    struct pxi_conn *c = relay_dial(&trio.caller, &trio.relay, &trio.target);
    CHECK(c != NULL);
    call(&k, c, 1 << 20);
    world_run(30 * PXI_SECOND);
    CHECK(k.closed && k.why != PX_ERR_OK);
    CHECK(k.back < 100000);
    CHECK(pxi_relay_hop_use(trio.relay.hop).bytes <= 2 * 100000);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).circuits, 0);
    CHECK(pxi_host_conn(trio.caller.v->host, world_id(trio.target.v), true) == NULL);
    CHECK(relay_dial(&trio.caller, &trio.relay, &trio.target) != NULL); /* and a new one works */
    trio_end();
}

TEST(duration_limit_ends_the_circuit)
{
    struct pxi_relay_options o = {.duration_s = 30};
    trio_begin(&o);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    CHECK(relay_dial(&trio.caller, &trio.relay, &trio.target) != NULL);
    world_run(20 * PXI_SECOND);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).circuits, 1);
    world_run(15 * PXI_SECOND);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).circuits, 0);
    CHECK(pxi_host_conn(trio.caller.v->host, world_id(trio.target.v), true) == NULL);
    CHECK(pxi_host_conn(trio.target.v->host, world_id(trio.caller.v), true) == NULL);
    trio_end();
}

TEST(relay_dies_and_comes_back)
{
    struct pxi_relay_standing now;
    trio_begin(NULL);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    CHECK(relay_dial(&trio.caller, &trio.relay, &trio.target) != NULL);
    pxi_host_hangup(trio.relay.v->host, world_id(trio.target.v));
    world_run(PXI_SECOND / 2);
    CHECK(pxi_relay_standing(trio.target.client, 0, &now) && !now.held);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).reservations, 0); /* ends with the connection */
    CHECK(pxi_host_conn(trio.caller.v->host, world_id(trio.target.v), true) == NULL);
    world_run(20 * PXI_SECOND); /* the client asks again by itself */
    CHECK(pxi_relay_standing(trio.target.client, 0, &now) && now.held);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).reservations, 1);
    trio_end();
}

TEST(reservations_are_renewed)
{
    struct pxi_relay_standing now;
    struct pxi_relay_options o = {.ttl_s = 60};
    trio_begin(&o);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    for (int i = 0; i < 50; i++) {
        world_run(10 * PXI_SECOND);
        CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).reservations, 1);
        CHECK(pxi_relay_standing(trio.target.client, 0, &now) && now.held);
    }
    trio_end();
}

TEST(refusals_tell_why)
{
    struct pxi_relay_standing now;
    struct pxi_relay_options o = {.reservations = 1, .circuits_peer = 1};
    trio_begin(&o);
    CHECK(relay_dial(&trio.caller, &trio.relay, &trio.target) == NULL); /* no reservation */
    CHECK_EQ(trio.caller.last, PX_ERR_UNREACHABLE);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    CHECK(!relay_reserve(&trio.caller, &trio.relay)); /* the only place is taken */
    CHECK(pxi_relay_standing(trio.caller.client, 0, &now) && !now.held);
    CHECK_EQ(now.status, PXI_RELAY_RESERVATION_REFUSED);
    CHECK(relay_dial(&trio.caller, &trio.relay, &trio.target) != NULL);
    struct relay_node other;
    relay_node_begin(&other, NAT_SYMMETRIC);
    CHECK(relay_dial(&other, &trio.relay, &trio.target) == NULL); /* one circuit a peer */
    CHECK_EQ(other.last, PX_ERR_LIMIT);
    CHECK(relay_dial(&trio.target, &trio.relay, &trio.target) == NULL); /* to itself */
    relay_node_end(&other);
    trio_end();
}

TEST(places_of_one_address_are_few)
{
    struct pxi_relay_options o = {.reservations_ip = 2};
    struct relay_node more[4];
    unsigned held = 0;
    trio_begin(&o);
    for (int i = 0; i < 4; i++) {
        relay_node_begin(&more[i], NAT_SYMMETRIC);
        more[i].v->port->addr[1] = 77; /* all come from one address */
        more[i].v->port->addr[4] = 1;
        held += relay_reserve(&more[i], &trio.relay);
    }
    CHECK_EQ(held, 2);
    for (int i = 0; i < 4; i++)
        relay_node_end(&more[i]);
    trio_end();
}

/* ------------------------------------------------------------------- misbehaviour */

struct reply {
    uint8_t b[8192];
    size_t n;
    bool over;
};

static size_t take_reply(struct pxi_stream *s, px_view bytes)
{
    struct reply *r = s->user;
    size_t n = bytes.n < sizeof r->b - r->n ? bytes.n : sizeof r->b - r->n;
    memcpy(r->b + r->n, bytes.p, n);
    r->n += n;
    return bytes.n;
}

static void reply_over(struct pxi_stream *s, px_err why)
{
    ((struct reply *)s->user)->over = true;
}

static const struct pxi_stream_events asking = {.data = take_reply, .closed = reply_over};

static unsigned hop_status(const struct reply *r)
{
    struct pxi_msg_relay_hop m;
    struct pxi_arena arena;
    struct pxi_frame f = {.max = 4096};
    px_view in = px_view_of(r->b, r->n), message;
    if (pxi_frame_next(&f, &in, &message) != PX_ERR_OK)
        return 0;
    pxi_arena_init(&arena, 65536);
    px_err err = pxi_pb_decode(&pxi_pb_relay_hop, message, &arena, &m, NULL);
    pxi_arena_deinit(&arena);
    pxi_frame_deinit(&f);
    return err ? 0 : (unsigned)m.status;
}

static void say_raw(struct node *a, struct node *b, const char *const *protocol, px_view bytes,
                    struct reply *r, bool end, uint64_t ns)
{
    struct pxi_conn *c = pxi_host_conn(a->host, world_id(b), false);
    *r = (struct reply){0};
    struct pxi_stream *s = pxi_host_open(c, protocol, 1, &asking, r);
    CHECK(s != NULL);
    CHECK_EQ(pxi_stream_write(s, bytes), bytes.n);
    if (end)
        pxi_stream_end(s);
    world_run(ns);
    if (!r->over)
        pxi_stream_reset(s);
    world_run(PXI_SECOND);
}

TEST(malformed_requests_at_every_byte)
{
    static const char *const hop = PXI_RELAY_HOP;
    struct pxi_buf good = {.max = 4096};
    struct reply r;
    trio_begin(NULL);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    struct pxi_msg_peer_info to = {.id = pxi_peer_view(world_id(trio.target.v))};
    struct pxi_msg_relay_hop m = {.type = PXI_RELAY_HOP_CONNECT, .peer = &to};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_relay_hop, &m, &good), PX_ERR_OK);
    CHECK(world_connect(trio.caller.v, trio.relay.v) != NULL);
    for (size_t i = 0; i < good.n; i++) {
        uint8_t bad[256];
        memcpy(bad, good.p, good.n);
        bad[i] ^= (uint8_t)(0x80 | i);
        say_raw(trio.caller.v, trio.relay.v, &hop, px_view_of(bad, good.n), &r, true, PXI_SECOND);
        CHECK(hop_status(&r) != PXI_RELAY_OK || i >= 10); /* another peer, or a fault */
        say_raw(trio.caller.v, trio.relay.v, &hop, px_view_of(good.p, i), &r, true, PXI_SECOND);
        CHECK_EQ(hop_status(&r), 0);
    }
    static const uint8_t status[] = {4, 8, 2, 40, 100}, endless[] = {0xff, 0xff, 0xff, 0x7f};
    say_raw(trio.caller.v, trio.relay.v, &hop, px_view_of(status, 5), &r, false, PXI_SECOND);
    CHECK_EQ(hop_status(&r), PXI_RELAY_UNEXPECTED);
    say_raw(trio.caller.v, trio.relay.v, &hop, px_view_of(endless, 4), &r, false, PXI_SECOND);
    CHECK_EQ(hop_status(&r), PXI_RELAY_MALFORMED);
    CHECK(world_faults(trio.relay.v, PXI_FAULT_RELAY) > 10);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).requests, 0);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).circuits, 0);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).reservations, 1);
    pxi_buf_deinit(&good);
    trio_end();
}

TEST(requests_that_never_end_are_bounded)
{
    static const char *const hop = PXI_RELAY_HOP;
    static struct reply r[64];
    trio_begin(NULL);
    struct pxi_conn *c = world_connect(trio.caller.v, trio.relay.v);
    for (int i = 0; i < 64; i++)
        CHECK(pxi_host_open(c, &hop, 1, &asking, &r[i]) != NULL);
    world_run(PXI_SECOND);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).requests, PXI_LIMIT_RELAY_REQUESTS_PEER);
    world_run((PXI_LIMIT_RELAY_REQUEST_MS + 1000) * PXI_MS);
    CHECK_EQ(pxi_relay_hop_use(trio.relay.hop).requests, 0);
    trio_end();
}

/* A relay of raw bytes. */
struct liar {
    uint8_t say[4096];
    size_t n;
    bool end;
    unsigned met;
};

static size_t swallow(struct pxi_stream *s, px_view bytes)
{
    return bytes.n;
}

static const struct pxi_stream_events deaf = {.data = swallow};

static void lie(void *ctx, struct pxi_stream *s)
{
    struct liar *l = ctx;
    l->met++;
    pxi_stream_own(s, &deaf, NULL);
    pxi_stream_write(s, px_view_of(l->say, l->n));
    if (l->end)
        pxi_stream_end(s);
}

static void liar_says(struct liar *l, const struct pxi_msg_relay_hop *m)
{
    struct pxi_buf b = {.max = sizeof l->say};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_relay_hop, m, &b), PX_ERR_OK);
    memcpy(l->say, b.p, b.n);
    l->n = b.n;
    pxi_buf_deinit(&b);
}

TEST(what_a_relay_promises_is_clamped)
{
    struct pxi_relay_standing now;
    struct liar l = {0};
    trio_begin(NULL);
    pxi_relay_hop_free(trio.relay.hop);
    trio.relay.hop = NULL;
    pxi_host_handle(trio.relay.v->host, PXI_RELAY_HOP, 0, lie, &l);
    struct pxi_msg_relay_reservation res = {.expire = UINT64_MAX};
    struct pxi_msg_relay_hop m = {
        .type = PXI_RELAY_HOP_STATUS, .reservation = &res, .status = PXI_RELAY_OK};
    liar_says(&l, &m);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    CHECK(pxi_relay_standing(trio.target.client, 0, &now) && now.held);
    CHECK(now.renew_at_ns <= world.timers.now_ns + PXI_LIMIT_RELAY_TTL_MAX_S * PXI_SECOND);
    pxi_relay_release(trio.target.client, world_id(trio.relay.v));
    res.expire = 5; /* long ago */
    liar_says(&l, &m);
    CHECK(!relay_reserve(&trio.target, &trio.relay));
    pxi_relay_release(trio.target.client, world_id(trio.relay.v));
    struct pxi_buf v = {.max = PXI_VOUCHER_MAX}; /* a voucher for somebody else */
    res.expire = world_wall() + 100;
    CHECK_EQ(pxi_voucher_seal(trio.relay.v->key, world_id(trio.relay.v), world_id(trio.caller.v),
                              res.expire, &v),
             PX_ERR_OK);
    res.voucher = px_view_of(v.p, v.n);
    liar_says(&l, &m);
    CHECK(!relay_reserve(&trio.target, &trio.relay));
    CHECK(world_faults(trio.target.v, PXI_FAULT_RELAY) > 0);
    pxi_buf_deinit(&v);
    trio_end();
}

TEST(answers_of_a_relay_malformed_at_every_byte)
{
    struct liar l = {.end = true};
    trio_begin(NULL);
    pxi_relay_hop_free(trio.relay.hop);
    trio.relay.hop = NULL;
    pxi_host_handle(trio.relay.v->host, PXI_RELAY_HOP, 0, lie, &l);
    struct pxi_msg_relay_limit limit = {UINT64_MAX, UINT64_MAX};
    struct pxi_msg_relay_hop m = {
        .type = PXI_RELAY_HOP_STATUS, .limit = &limit, .status = PXI_RELAY_OK};
    liar_says(&l, &m);
    struct liar good = l;
    for (size_t i = 0; i < good.n; i++) {
        l.n = i;
        CHECK(relay_dial(&trio.caller, &trio.relay, &trio.target) == NULL);
        l.n = good.n;
        l.say[i] ^= (uint8_t)(0x80 | i);
        CHECK(relay_dial(&trio.caller, &trio.relay, &trio.target) == NULL);
        CHECK(!relay_reserve(&trio.caller, &trio.relay));
        pxi_relay_release(trio.caller.client, world_id(trio.relay.v));
        l.say[i] = good.say[i];
    }
    CHECK(world_faults(trio.caller.v, PXI_FAULT_RELAY) > 10);
    trio_end();
}

TEST(circuits_from_strangers_are_refused)
{
    static const char *const stop = PXI_RELAY_STOP;
    struct pxi_buf good = {.max = 4096};
    struct reply r;
    trio_begin(NULL);
    struct pxi_msg_peer_info from = {.id = pxi_peer_view(world_id(trio.caller.v))};
    struct pxi_msg_relay_stop m = {.type = PXI_RELAY_STOP_CONNECT, .peer = &from};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_relay_stop, &m, &good), PX_ERR_OK);
    CHECK(world_connect(trio.target.v, trio.relay.v) != NULL); /* connected, but no place */
    say_raw(trio.relay.v, trio.target.v, &stop, px_view_of(good.p, good.n), &r, false, PXI_SECOND);
    static const uint8_t denied[] = {5, 8, 1, 32, 0xca, 1}; /* STATUS 202 */
    CHECK(r.n == sizeof denied && memcmp(r.b, denied, r.n) == 0);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    for (size_t i = 0; i < good.n; i++) { /* the relay itself is hostile */
        uint8_t bad[256];
        memcpy(bad, good.p, good.n);
        bad[i] ^= (uint8_t)(0x80 | i);
        say_raw(trio.relay.v, trio.target.v, &stop, px_view_of(bad, good.n), &r, true, PXI_SECOND);
        say_raw(trio.relay.v, trio.target.v, &stop, px_view_of(good.p, i), &r, true, PXI_SECOND);
    }
    world_run(30 * PXI_SECOND);
    CHECK(world_faults(trio.target.v, PXI_FAULT_RELAY) > 5);
    CHECK_EQ(pxi_host_conn_count(trio.target.v->host), 1);
    pxi_buf_deinit(&good);
    trio_end();
}

TEST(nothing_is_relayed_over_a_relayed_connection)
{
    static const char *const hop = PXI_RELAY_HOP;
    static const uint8_t reserve[] = {2, 8, 0};
    struct reply r = {0};
    trio_begin(NULL);
    trio.target.hop = pxi_relay_hop_new(trio.target.v->host, NULL);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    struct pxi_conn *c = relay_dial(&trio.caller, &trio.relay, &trio.target);
    CHECK(c != NULL);
    struct pxi_stream *s = pxi_host_open(c, &hop, 1, &asking, &r);
    CHECK(s != NULL);
    pxi_stream_write(s, px_view_of(reserve, sizeof reserve));
    world_run(10 * PXI_SECOND);
    CHECK(r.over && r.n == 0);
    CHECK_EQ(pxi_relay_hop_use(trio.target.hop).reservations, 0);
    trio_end();
}

TEST(slow_readers_hold_the_sender_not_the_relay)
{
    struct caller k;
    struct pxi_relay_options o = {.data = 64 << 20};
    trio_begin(&o);
    CHECK(relay_reserve(&trio.target, &trio.relay));
    struct pxi_conn *c = relay_dial(&trio.caller, &trio.relay, &trio.target);
    CHECK(c != NULL);
    call(&k, c, 16 << 20); /* the echo reads only as fast as its answers leave */
    world_run(200 * PXI_SECOND);
    CHECK_EQ(k.back, 16 << 20);
    trio_end();
}

/* ------------------------------------------------------------------------ trimming */

static int by_last_byte(void *ctx, const struct pxi_conn *c)
{
    return c->remote.b[c->remote.n - 4] == 0 ? 0 : (int)(c->remote.b[4] % 3);
}

TEST(trimming_closes_the_least_worthy)
{
    enum { N = 30 };
    world_begin();
    struct node *a = world_add(NAT_NONE), *b[N];
    struct pxi_trim t = {.high = 20, .low = 12, .grace_ns = 5 * PXI_SECOND, .rank = by_last_byte};
    pxi_trim_start(&t, a->host);
    for (int i = 0; i < N; i++) {
        b[i] = world_add(NAT_NONE);
        CHECK(world_connect(b[i], a) != NULL);
        if (i == 3 || i == 4)
            pxi_host_protect(a->host, world_id(b[i]), 1);
    }
    world_run(30 * PXI_SECOND);
    unsigned open = pxi_host_conn_count(a->host);
    CHECK(open >= 12 && open <= 20);
    CHECK_EQ(t.closed, N - open);
    CHECK(pxi_host_conn(a->host, world_id(b[3]), false) != NULL);
    CHECK(pxi_host_conn(a->host, world_id(b[4]), false) != NULL);
    CHECK(pxi_host_conn(a->host, world_id(b[N - 1]), false) != NULL); /* grace */
    pxi_trim_stop(&t);
    world_end();
}

TEST(relay_survives_failing_allocation)
{
    for (unsigned n = 1; n < 400; n += 1 + n / 20) {
        struct pxi_relay_standing now;
        trio_begin(NULL);
        pxi_relay_reserve(trio.target.client, world_id(trio.relay.v),
                          &(px_view){trio.relay.v->addr.b, trio.relay.v->addr.n}, 1);
        pxi_mem_fail_after(n);
        world_run(2 * PXI_SECOND);
        pxi_mem_fail_after(0);
        world_run(200 * PXI_SECOND); /* whatever failed, it is tried again */
        CHECK(pxi_relay_standing(trio.target.client, 0, &now) && now.held);
        pxi_mem_fail_after(n);
        relay_dial(&trio.caller, &trio.relay, &trio.target);
        pxi_mem_fail_after(0);
        trio_end();
    }
}

TEST_MAIN()
