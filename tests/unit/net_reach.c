/*
 * Reaching a peer over a transport of our own making, in virtual time: the order of addresses, head
 * starts, back-off, wishes that share an attempt, and every way to give up.
 */
#include "base/limits.h"
#include "net/host_impl.h"
#include "px_test.h"

enum { NEVER = 1, FAILS = 2, ANSWERS = 3, LIES = 4, RELAYS = 5 }; /* last digit of a port */

static struct pxi_timers timers;
static struct pxi_random rnd;
static struct pxi_host *host;
static struct pxi_key *self_key, *peer_key;
static struct pxi_peer peer;

struct attempt {
    struct pxi_timer timer;
    struct pxi_dial *dial;
    uint64_t at_ns;
    uint16_t port;
    bool cancelled;
};
static struct attempt attempts[64];
static unsigned dials;
static struct pxi_transport transport;

struct fake_conn {
    struct pxi_conn c;
    struct pxi_timer timer;
};
static struct fake_conn conns[64];
static unsigned conn_count, closes;

static struct pxi_stream *no_stream(struct pxi_conn *c)
{
    return NULL;
}
static void conn_fire(struct pxi_timer *t, uint64_t now)
{
    pxi_conn_on_closed(&PXI_OF(t, struct fake_conn, timer)->c, PX_ERR_RESET);
}
static void conn_close(struct pxi_conn *c, px_err why)
{
    closes++;
    pxi_timer_after(&timers, &PXI_OF(c, struct fake_conn, c)->timer, 0);
}
static const struct pxi_conn_ops conn_ops = {no_stream, conn_close, NULL};

static struct pxi_conn *conn_new(bool limited)
{
    struct fake_conn *f = &conns[conn_count++];
    *f = (struct fake_conn){.timer = {.fire = conn_fire}};
    pxi_conn_init(&f->c, &conn_ops, true);
    f->c.peer = peer;
    f->c.limited = limited;
    return &f->c;
}

static bool can_dial(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    return e->family != 0;
}
static void attempt_fire(struct pxi_timer *t, uint64_t now)
{
    struct attempt *a = PXI_OF(t, struct attempt, timer);
    unsigned how = a->port % 10;
    if (how == ANSWERS || how == RELAYS)
        pxi_dial_done(a->dial, conn_new(how == RELAYS), PX_ERR_OK);
    else
        pxi_dial_done(a->dial, NULL, how == LIES ? PX_ERR_IDENTITY : PX_ERR_UNREACHABLE);
}
static void dial(struct pxi_transport *t, struct pxi_dial *d)
{
    struct pxi_endpoint e;
    struct attempt *a = &attempts[dials++];
    CHECK(dials < 64);
    CHECK_EQ(pxi_endpoint_of(pxi_maddr_view(&d->addr), &e), PX_ERR_OK);
    *a = (struct attempt){{.fire = attempt_fire}, d, timers.now_ns, e.port, false};
    d->transport_data = a;
    if (e.port % 10 != NEVER)
        pxi_timer_after(&timers, &a->timer, 10 * PXI_MS);
}
static void cancel(struct pxi_transport *t, struct pxi_dial *d)
{
    struct attempt *a = d->transport_data;
    a->cancelled = true;
    pxi_timer_disarm(&timers, &a->timer);
}

static struct pxi_net_limits limits;

static void setup(void)
{
    uint8_t one[32] = {1}, two[32] = {2};
    rnd = pxi_random_seeded(px_seed);
    timers = (struct pxi_timers){.now_ns = PXI_SECOND};
    if (!limits.conns_in)
        limits = pxi_net_limits_default();
    self_key = pxi_key_from_seed(one);
    peer_key = pxi_key_from_seed(two);
    CHECK(self_key && peer_key);
    peer = pxi_peer_of_key(pxi_key_public(peer_key));
    struct pxi_host_options o = {
        .key = self_key, .timers = &timers, .random = &rnd, .limits = &limits};
    host = pxi_host_new(&o);
    CHECK(host);
    transport = (struct pxi_transport){
        .name = "fake", .can_dial = can_dial, .dial = dial, .cancel = cancel};
    pxi_host_transport(host, &transport);
    dials = conn_count = closes = 0;
}

static void pass(uint64_t ms)
{
    uint64_t end = timers.now_ns + ms * PXI_MS;
    while (pxi_timers_next(&timers) <= end)
        pxi_timers_run(&timers, pxi_timers_next(&timers));
    pxi_timers_run(&timers, end);
}

static void teardown(void)
{
    pxi_host_free(host);
    pass(1000);
    pxi_key_free(self_key);
    pxi_key_free(peer_key);
}

/* net: 127 loopback, 10 private, 203 public */
static struct pxi_maddr addr_of(unsigned net, uint16_t port, int via)
{
    struct pxi_endpoint e = {.family = 4, .ip = {(uint8_t)net, 0, 0, 1}, .port = port, .via = via};
    return pxi_endpoint_maddr(&e);
}

static void know(unsigned net, uint16_t port, int via)
{
    struct pxi_maddr a = addr_of(net, port, via);
    pxi_peer_addr_add(host, &peer, pxi_maddr_view(&a), PXI_NEVER);
}

struct wish {
    struct pxi_reach r;
    struct wish *cancels;
    unsigned done;
    struct pxi_conn *conn;
    px_err err;
    bool again;
};

static void on_done(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    struct wish *w = PXI_OF(r, struct wish, r);
    w->done++;
    w->conn = c;
    w->err = err;
    CHECK((c != NULL) == (err == PX_ERR_OK));
    if (w->cancels)
        pxi_reach_cancel(&w->cancels->r);
    if (w->again) {
        w->again = false;
        *r = (struct pxi_reach){.peer = peer, .done = on_done};
        pxi_reach_start(r, host, NULL, 0);
        pxi_reach_cancel(r);
    }
}

static void begin(struct wish *w)
{
    w->r.peer = peer;
    w->r.done = on_done;
    pxi_reach_start(&w->r, host, NULL, 0);
    CHECK_EQ(w->done, 0); /* never from inside */
}

TEST(near_before_far_quic_before_tcp_with_head_starts)
{
    setup();
    know(203, 31, PXI_VIA_TCP);
    know(203, 21, PXI_VIA_QUIC);
    know(10, 11, PXI_VIA_TCP);
    know(127, 1, PXI_VIA_QUIC);
    struct wish w = {0};
    begin(&w);
    pass(1000);
    CHECK_EQ(dials, 4);
    static const uint16_t order[] = {1, 11, 21, 31};
    static const unsigned at_ms[] = {0, 30, 60, 310}; /* 30 ms after near ones, 250 after far */
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(attempts[i].port, order[i]);
        CHECK_EQ((attempts[i].at_ns - attempts[0].at_ns) / PXI_MS, at_ms[i]);
    }
    pxi_reach_cancel(&w.r);
    pass(10);
    for (unsigned i = 0; i < 4; i++)
        CHECK(attempts[i].cancelled);
    CHECK_EQ(w.done, 0);
    teardown();
}

TEST(a_failure_gives_the_next_its_turn_at_once_and_backs_off)
{
    setup();
    know(203, 12, PXI_VIA_QUIC);
    know(203, 22, PXI_VIA_TCP);
    struct wish w = {0};
    begin(&w);
    pass(25);
    CHECK_EQ(dials, 2);
    CHECK_EQ((attempts[1].at_ns - attempts[0].at_ns) / PXI_MS, 10);
    CHECK_EQ(w.err, PX_ERR_UNREACHABLE);
    CHECK_EQ(w.done, 1);
    struct wish soon = {0}, later = {0};
    begin(&soon); /* nothing may be dialled yet: the answer comes at once */
    pass(1);
    CHECK_EQ(soon.done, 1);
    CHECK_EQ(dials, 2);
    pass(6000);
    begin(&later);
    pass(25);
    CHECK_EQ(dials, 4);
    struct wish asked = {.r = {.peer = peer, .done = on_done}}; /* who names the address insists */
    struct pxi_maddr a = addr_of(203, 12, PXI_VIA_QUIC);
    px_view v = pxi_maddr_view(&a);
    pxi_reach_start(&asked.r, host, &v, 1);
    pass(25);
    CHECK_EQ(dials, 5);
    teardown();
}

TEST(wishes_share_one_attempt_and_one_connection)
{
    setup();
    know(10, 13, PXI_VIA_TCP);
    struct wish a = {0}, b = {0}, c = {0};
    begin(&a);
    begin(&b);
    pass(5);
    begin(&c);
    pxi_reach_cancel(&b.r);
    pass(50);
    CHECK_EQ(dials, 1);
    CHECK(a.conn && a.conn == c.conn && a.done == 1 && c.done == 1);
    CHECK_EQ(b.done, 0);
    struct wish d = {0}; /* connected already */
    begin(&d);
    pass(1);
    CHECK(d.conn == a.conn);
    CHECK_EQ(dials, 1);
    struct wish forced = {.r = {.force_new = true}};
    begin(&forced);
    pass(50);
    CHECK_EQ(dials, 2);
    CHECK(forced.conn && forced.conn != a.conn);
    teardown();
}

TEST(an_inbound_connection_answers_too_and_the_dial_is_dropped)
{
    setup();
    know(203, 1, PXI_VIA_TCP);
    struct wish w = {0};
    begin(&w);
    pass(5);
    struct pxi_conn *in = conn_new(false);
    CHECK_EQ(pxi_host_add_conn(host, in), PX_ERR_OK);
    pass(1);
    CHECK(w.conn == in);
    CHECK(attempts[0].cancelled);
    teardown();
}

TEST(dead_addresses_end_in_time)
{
    setup();
    know(203, 1, PXI_VIA_TCP);
    struct wish w = {0}, quick = {.r = {.timeout_ns = 100 * PXI_MS}};
    begin(&w);
    begin(&quick);
    pass(150);
    CHECK_EQ(quick.err, PX_ERR_TIMEOUT);
    CHECK_EQ(w.done, 0);
    pass(PXI_LIMIT_NET_DIAL_MS + 100);
    CHECK(attempts[0].cancelled);
    CHECK_EQ(w.done, 1);
    CHECK_EQ(w.err, PX_ERR_TIMEOUT);
    teardown();
}

/* What `done` of one wish does to the others of the same attempt. */
TEST(done_may_cancel_the_other_wishes)
{
    for (unsigned how = NEVER; how <= ANSWERS; how++) {
        setup();
        know(203, (uint16_t)(10 + how), PXI_VIA_TCP);
        struct wish a = {.r = {.timeout_ns = 100 * PXI_MS}}, b = {.r = {.timeout_ns = PXI_SECOND}};
        a.cancels = &b;
        begin(&a);
        begin(&b);
        pass(5000);
        CHECK_EQ(a.done, 1);
        CHECK_EQ(b.done, 0);
        teardown();
    }
}

TEST(done_may_begin_and_cancel_again)
{
    for (unsigned how = NEVER; how <= ANSWERS; how++) {
        setup();
        know(203, (uint16_t)(10 + how), PXI_VIA_TCP);
        struct wish a = {.r = {.timeout_ns = 100 * PXI_MS}, .again = true};
        begin(&a);
        pass(5000);
        CHECK_EQ(a.done, 1);
        teardown();
    }
}

/* A relayed connection does not serve a wish for a direct one, which then fails with an error. */
TEST(a_limited_connection_is_no_answer_to_who_wants_a_direct_one)
{
    setup();
    know(203, 15, PXI_VIA_TCP);
    struct wish direct = {0}, any = {.r = {.limited_ok = true}};
    begin(&direct);
    begin(&any);
    pass(100);
    CHECK(any.conn && any.conn->limited);
    CHECK_EQ(direct.done, 1);
    CHECK(!direct.conn);
    CHECK(direct.err != PX_ERR_OK);
    CHECK(pxi_host_conn(host, &peer, true) && !pxi_host_conn(host, &peer, false));
    struct pxi_conn *better = conn_new(false);
    CHECK_EQ(pxi_host_add_conn(host, better), PX_ERR_OK);
    CHECK(pxi_host_conn(host, &peer, true) == better);
    teardown();
}

TEST(a_liar_is_told_from_a_dead_address)
{
    setup();
    know(10, 14, PXI_VIA_TCP);
    know(203, 22, PXI_VIA_TCP);
    struct wish w = {0};
    begin(&w);
    pass(1000);
    CHECK_EQ(w.err, PX_ERR_IDENTITY);
    teardown();
}

TEST(limits_and_the_gate)
{
    limits = pxi_net_limits_default();
    limits.conns_out = 1;
    setup();
    know(203, 1, PXI_VIA_TCP);
    struct pxi_scope_conn *taken;
    struct pxi_endpoint e = {.family = 4, .ip = {203}, .port = 1};
    CHECK_EQ(pxi_scope_conn_open(host->limiter, true, &e, &taken), PX_ERR_OK);
    struct wish w = {0};
    begin(&w);
    pass(100);
    CHECK_EQ(w.err, PX_ERR_LIMIT);
    CHECK_EQ(dials, 0);
    pxi_scope_conn_close(taken);
    CHECK_EQ(pxi_limiter_use(host->limiter).conns_out, 0);
    teardown();
    limits = pxi_net_limits_default();
}

static bool nobody(void *ctx, const struct pxi_peer *p)
{
    return false;
}

TEST(who_is_not_allowed_is_no_answer)
{
    setup();
    pxi_host_gate(host, nobody, NULL);
    know(203, 13, PXI_VIA_TCP);
    struct wish w = {0}, forced = {.r = {.force_new = true}};
    begin(&w);
    begin(&forced);
    pass(1000);
    CHECK_EQ(w.err, PX_ERR_REFUSED);
    CHECK_EQ(forced.err, PX_ERR_REFUSED);
    CHECK_EQ(closes, 2);
    CHECK_EQ(pxi_host_conn_count(host), 0);
    CHECK_EQ(host->faults.n[PXI_FAULT_GATED], 2);
    CHECK_EQ(pxi_limiter_use(host->limiter).conns_out, 0);
    teardown();
}

TEST(ourselves_and_addresses_of_others_are_not_dialled)
{
    setup();
    struct wish w = {.r = {.peer = *pxi_host_self(host), .done = on_done}}, v = {0};
    pxi_reach_start(&w.r, host, NULL, 0);
    struct pxi_maddr a = addr_of(203, 13, PXI_VIA_TCP);
    pxi_maddr_add(&a, PXI_MA_P2P, pxi_peer_view(pxi_host_self(host)));
    px_view view = pxi_maddr_view(&a);
    v.r = (struct pxi_reach){.peer = peer, .done = on_done};
    pxi_reach_start(&v.r, host, &view, 1);
    pass(100);
    CHECK(w.done == 1 && w.err != PX_ERR_OK);
    CHECK(v.done == 1 && v.err != PX_ERR_OK);
    CHECK_EQ(dials, 0);
    teardown();
}

struct killer {
    struct pxi_watch w;
    struct wish *wish;
};
static void cancel_wish(struct pxi_watch *w, struct pxi_conn *c)
{
    pxi_reach_cancel(&PXI_OF(w, struct killer, w)->wish->r);
}

TEST(a_watcher_may_cancel_the_wish_that_its_connection_answers)
{
    for (int force = 0; force < 2; force++) {
        setup();
        know(203, 13, PXI_VIA_TCP);
        struct wish w = {.r = {.force_new = force}};
        struct killer k = {.w = {.connected = cancel_wish}, .wish = &w};
        pxi_host_watch(host, &k.w);
        begin(&w);
        pass(100);
        CHECK_EQ(w.done, 0);
        CHECK_EQ(pxi_host_conn_count(host), 1);
        pxi_host_unwatch(&k.w);
        teardown();
    }
}

TEST(the_end_of_the_host_answers_everybody)
{
    setup();
    know(203, 1, PXI_VIA_TCP);
    struct wish a = {0}, b = {.r = {.force_new = true}}, c = {0};
    begin(&a);
    begin(&b);
    pass(10);
    begin(&c);
    teardown();
    CHECK_EQ(a.done + b.done + c.done, 3);
    CHECK_EQ(a.err, PX_ERR_RESET);
}

static unsigned returned;
static void begin_again(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    if (++returned > 100)
        PX_FAIL("the end of the host answers one wish again and again");
    *r = (struct pxi_reach){.peer = peer, .done = begin_again, .force_new = returned & 1};
    pxi_reach_start(r, host, NULL, 0);
}

/* A wish that is begun again whenever it fails, as those of a node for its friends are. */
TEST(the_end_of_the_host_takes_no_new_wishes)
{
    for (int known = 0; known < 2; known++) {
        setup();
        if (known)
            know(203, 1, PXI_VIA_TCP);
        returned = 0;
        struct pxi_reach a = {.peer = peer, .done = begin_again}, b = a;
        pxi_reach_start(&a, host, NULL, 0);
        pxi_reach_start(&b, host, NULL, 0);
        pxi_host_close(host);
        CHECK_EQ(returned, 2);
        pxi_reach_cancel(&a);
        pxi_reach_cancel(&b);
        teardown();
        CHECK_EQ(returned, 2);
    }
}

TEST(memory_may_fail_anywhere)
{
    for (unsigned n = 1; n < 12; n++) {
        setup();
        know(203, 13, PXI_VIA_TCP);
        know(203, 22, PXI_VIA_TCP);
        know(203, 23, PXI_VIA_QUIC);
        struct wish w = {0};
        pxi_mem_fail_after(n);
        begin(&w);
        pass(30000);
        pxi_mem_fail_after(0);
        CHECK_EQ(w.done, 1);
        teardown();
    }
}

TEST_MAIN()
