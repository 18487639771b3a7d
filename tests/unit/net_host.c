/*
 * The host: protocols are agreed on, streams live and die, connections are let in or not. Over
 * carriers without framing, in virtual time.
 */
#include "base/limits.h"
#include "host_net.h"
#include "net/host_impl.h"
#include "net/ping.h"

static struct net n;

/* What one end of a stream heard. */
struct ear {
    struct pxi_stream *s;
    char order[32]; /* o d e w c, as they came */
    unsigned events;
    size_t bytes;
    px_err why;
    char reset_in; /* reset from inside this event */
    bool quiet;    /* take no data */
};

static void note(struct ear *e, struct pxi_stream *s, char what)
{
    if (e->events < sizeof e->order - 1)
        e->order[e->events++] = what;
    if (what == 'c')
        e->s = NULL;
    if (e->reset_in == what) {
        e->reset_in = 0;
        e->s = NULL;
        pxi_stream_reset(s);
        pxi_stream_reset(s); /* twice is harmless */
    }
}
static void on_opened(struct pxi_stream *s)
{
    note(s->user, s, 'o');
}
static size_t on_data(struct pxi_stream *s, px_view v)
{
    struct ear *e = s->user;
    if (e->quiet)
        return 0;
    e->bytes += v.n;
    note(e, s, 'd');
    return v.n;
}
static void on_ended(struct pxi_stream *s)
{
    note(s->user, s, 'e');
}
static void on_writable(struct pxi_stream *s)
{
    note(s->user, s, 'w');
}
static void on_closed(struct pxi_stream *s, px_err why)
{
    struct ear *e = s->user;
    e->why = why;
    note(e, s, 'c');
}
static const struct pxi_stream_events ear_events = {on_opened, on_data, on_ended, on_writable,
                                                    on_closed};

static void accept_ear(void *ctx, struct pxi_stream *s)
{
    struct ear *e = ctx;
    e->s = s;
    pxi_stream_own(s, &ear_events, e);
    note(e, s, 'a');
}

static const char *const ONE[] = {"/one/1"};
static const char *const TWO[] = {"/none/1", "/one/1"};

static struct ear a, b;
static struct net_conn *ab;

static void setup(void)
{
    a = b = (struct ear){0};
    net_init(&n, 3);
    CHECK_EQ(pxi_host_handle(n.host[1], "/one/1", 0, accept_ear, &b), PX_ERR_OK);
    ab = net_connect(&n, 0, 1);
    net_run(&n, 100); /* identified */
    CHECK_EQ(ab->c.stream_count, 0);
}

static void open_from_a(const char *const *names, unsigned count)
{
    a.s = pxi_host_open(&ab->c, names, count, &ear_events, &a);
    CHECK(a.s);
}

TEST(one_proposal_is_sent_with_the_first_bytes)
{
    setup();
    open_from_a(ONE, 1);
    CHECK_EQ(pxi_stream_write(a.s, px_view_str("hello")), 5);
    net_run(&n, 1);
    CHECK_EQ(b.bytes, 5); /* with the first flight, before the answer */
    CHECK_EQ(a.events, 0);
    net_run(&n, 10);
    CHECK_STR(a.order, "o");
    CHECK_STR(a.s->protocol, "/one/1");
    net_deinit(&n);
}

TEST(of_several_the_first_that_is_served)
{
    setup();
    open_from_a(TWO, 2);
    CHECK_EQ(pxi_stream_write(a.s, px_view_str("early")), 0); /* nobody knows yet which */
    CHECK_EQ(pxi_stream_room(a.s), 0);
    net_run(&n, 10);
    CHECK_STR(a.order, "ow"); /* the write that was cut short may go on */
    CHECK_STR(a.s->protocol, "/one/1");
    CHECK_EQ(b.bytes, 0);
    net_deinit(&n);
}

TEST(a_protocol_that_is_not_served_is_refused_and_counted)
{
    static const char *const none[] = {"/none/1"};
    setup();
    open_from_a(none, 1);
    pxi_stream_write(a.s, px_view_str("for nobody"));
    net_run(&n, 20);
    CHECK_STR(a.order, "c");
    CHECK_EQ(a.why, PX_ERR_NO_PROTOCOL);
    CHECK_EQ(ab->c.stream_count, 0);
    CHECK_EQ(pxi_host_conn_count(n.host[0]), 1); /* the connection is none the worse */
    open_from_a(ONE, 1);
    net_run(&n, 20);
    CHECK(strchr(a.order, 'o'));
    net_deinit(&n);
}

TEST(an_end_waits_for_the_answer)
{
    setup();
    open_from_a(ONE, 1);
    struct net_stream *wire = net_of(a.s);
    pxi_stream_write(a.s, px_view_str("all"));
    pxi_stream_end(a.s);
    CHECK_EQ(pxi_stream_write(a.s, px_view_str("more")), 0);
    CHECK(!wire->other->end_in);
    net_run(&n, 1);
    CHECK(!wire->other->end_in);
    CHECK_STR(b.order, "ad");
    net_run(&n, 10);
    CHECK_STR(b.order, "ade");
    pxi_stream_end(b.s);
    net_run(&n, 10);
    CHECK_STR(a.order, "oec");
    CHECK_STR(b.order, "adec");
    CHECK(a.why == PX_ERR_OK && b.why == PX_ERR_OK);
    net_deinit(&n);
}

/* Whatever a protocol hears, it may reset the stream there and then; nothing comes after it. */
TEST(reset_from_inside_every_event)
{
    for (const char *what = "odewc"; *what; what++)
        for (int side = 0; side < 2; side++) {
            setup();
            struct ear *e = side ? &b : &a;
            e->reset_in = side && *what == 'o' ? 'a' : *what;
            if (*what == 'w')
                open_from_a(TWO, 2);
            else
                open_from_a(ONE, 1);
            struct pxi_stream *mine = a.s;
            pxi_stream_write(mine, px_view_str("x"));
            net_run(&n, 10);
            if (b.s)
                pxi_stream_write(b.s, px_view_str("y"));
            net_run(&n, 10);
            if (a.s)
                pxi_stream_end(a.s);
            if (b.s)
                pxi_stream_end(b.s);
            net_run(&n, 50);
            CHECK_EQ(ab->c.stream_count, 0);
            CHECK_EQ(ab->other->c.stream_count, 0);
            CHECK(e->reset_in || !strchr(e->order, 'c') || *what == 'c');
            net_deinit(&n);
        }
}

TEST(streams_that_name_no_protocol_end_in_time)
{
    setup();
    struct pxi_stream *raw = net_open(&ab->c); /* says nothing at all */
    struct pxi_stream *half = net_open(&ab->c);
    net_write(half, px_view_str("\x13/multistream/1.0.0\n\x07/one"));
    net_run(&n, 100);
    CHECK_EQ(ab->other->c.stream_count, 2);
    net_run(&n, PXI_LIMIT_NET_NEGOTIATE_MS);
    CHECK_EQ(ab->other->c.stream_count, 0);
    CHECK_EQ(b.events, 0);
    CHECK(raw && half);
    net_deinit(&n);
}

TEST(junk_instead_of_a_protocol_ends_the_stream_at_once)
{
    static const char *const junk[] = {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x01x",
                                       "\x13/multistream/9.9.9\n", "GET / HTTP/1.1\r\n\r\n"};
    setup();
    for (unsigned i = 0; i < 4; i++) {
        net_write(net_open(&ab->c), px_view_str(junk[i]));
        net_run(&n, 20);
    }
    CHECK(ab->other->c.stream_count <= 2); /* a short piece of what may become a name waits */
    CHECK(n.host[1]->faults.n[PXI_FAULT_MULTISTREAM] >= 2);
    net_run(&n, PXI_LIMIT_NET_NEGOTIATE_MS + 100);
    CHECK_EQ(ab->other->c.stream_count, 0);
    net_deinit(&n);
}

TEST(a_connection_that_breaks_ends_its_streams)
{
    setup();
    open_from_a(ONE, 1);
    net_run(&n, 20);
    struct ear c = {0};
    c.s = pxi_host_open(&ab->c, ONE, 1, &ear_events, &c); /* in the middle of agreeing */
    CHECK(c.s);
    net_kill(&n, 1);
    net_run(&n, 50);
    CHECK(strchr(a.order, 'c') && a.why == PX_ERR_RESET);
    CHECK(strchr(c.order, 'c') && c.why == PX_ERR_RESET);
    CHECK_EQ(pxi_host_conn_count(n.host[0]), 0);
    net_deinit(&n);
}

TEST(streams_of_one_protocol_are_limited_and_others_go_on)
{
    setup();
    struct pxi_endpoint e = {.family = 4, .ip = {198, 51, 100, 1}, .port = 1};
    struct pxi_conn *at_b = &ab->other->c;
    CHECK_EQ(pxi_scope_conn_open(n.host[1]->limiter, false, &e, &at_b->scope), PX_ERR_OK);
    CHECK_EQ(pxi_scope_conn_peer(at_b->scope, &at_b->peer), PX_ERR_OK);
    static struct ear ears[PXI_LIMIT_NET_STREAMS_PROTOCOL_PEER + 50];
    unsigned refused = 0, count = sizeof ears / sizeof *ears;
    b.quiet = true;
    for (unsigned i = 0; i < count; i++)
        CHECK(pxi_host_open(&ab->c, ONE, 1, &ear_events, &ears[i]));
    net_run(&n, 100);
    for (unsigned i = 0; i < count; i++)
        refused += strchr(ears[i].order, 'c') != NULL;
    CHECK_EQ(refused, 50);
    CHECK_EQ(n.host[1]->faults.n[PXI_FAULT_LIMIT], 50);
    CHECK_EQ(pxi_ping_serve(n.host[1]), PX_ERR_OK);
    static const char *const ping[] = {"/ipfs/ping/1.0.0"};
    struct ear p = {0};
    CHECK(pxi_host_open(&ab->c, ping, 1, &ear_events, &p));
    net_run(&n, 100);
    CHECK_STR(p.order, "o");
    net_deinit(&n);
    for (unsigned i = 0; i < count; i++)
        CHECK(strchr(ears[i].order, 'c'));
}

static bool only_third(void *ctx, const struct pxi_peer *p)
{
    return pxi_peer_equal(p, pxi_host_self(n.host[2]));
}

TEST(the_gate_lets_in_who_is_on_the_list)
{
    setup();
    pxi_host_gate(n.host[0], only_third, NULL);
    struct net_conn *x = net_half(&n, 0, 1, true), *y = net_half(&n, 0, 2, true);
    x->other = y->other = x;
    CHECK_EQ(pxi_host_add_conn(n.host[0], &x->c), PX_ERR_REFUSED);
    CHECK_EQ(pxi_host_add_conn(n.host[0], &y->c), PX_ERR_OK);
    CHECK_EQ(n.host[0]->faults.n[PXI_FAULT_GATED], 1);
    struct net_conn *self = net_half(&n, 0, 0, true);
    self->other = self;
    pxi_host_gate(n.host[0], NULL, NULL);
    CHECK_EQ(pxi_host_add_conn(n.host[0], &self->c), PX_ERR_REFUSED);
    net_run(&n, 10);
    net_deinit(&n);
}

TEST(relayed_connections_serve_only_what_may_be_relayed)
{
    setup();
    ab->c.limited = ab->other->c.limited = true;
    open_from_a(ONE, 1);
    net_run(&n, 20);
    CHECK_EQ(a.why, PX_ERR_NO_PROTOCOL);
    CHECK_EQ(b.events, 0);
    CHECK_EQ(pxi_host_handle(n.host[1], "/one/1", PXI_HANDLE_LIMITED, accept_ear, &b), PX_ERR_OK);
    a = (struct ear){0};
    open_from_a(ONE, 1);
    net_run(&n, 20);
    CHECK_STR(a.order, "o");
    net_deinit(&n);
}

static unsigned ups, downs;
static void up(struct pxi_watch *w, struct pxi_conn *c)
{
    ups++;
}
static void down(struct pxi_watch *w, struct pxi_conn *c)
{
    downs++;
    CHECK(!pxi_host_conn(c->host, &c->peer, true)); /* out of the tables already */
}

TEST(watchers_hear_and_hang_up_closes_all)
{
    setup();
    struct pxi_watch w = {.connected = up, .disconnected = down};
    pxi_host_watch(n.host[0], &w);
    net_connect(&n, 0, 2);
    CHECK_EQ(ups, 1);
    pxi_host_hangup(n.host[0], pxi_host_self(n.host[2]));
    CHECK_EQ(downs, 0);                                               /* from the loop */
    CHECK(!pxi_host_conn(n.host[0], pxi_host_self(n.host[2]), true)); /* but used no more */
    net_run(&n, 10);
    CHECK_EQ(downs, 1);
    CHECK_EQ(pxi_host_conn_count(n.host[0]), 1);
    pxi_host_unwatch(&w);
    net_deinit(&n);
}

TEST(own_addresses)
{
    setup();
    struct pxi_host *h = n.host[0];
    struct pxi_endpoint e = {.family = 4, .ip = {192, 0, 2, 1}, .port = 1, .via = PXI_VIA_TCP};
    struct pxi_maddr x = pxi_endpoint_maddr(&e), y;
    CHECK_EQ(pxi_host_addr(h, 0).n, 0);
    CHECK_EQ(pxi_host_addr_add(h, pxi_maddr_view(&x), PXI_ADDR_LISTEN), PX_ERR_OK);
    CHECK_EQ(pxi_host_addr_add(h, pxi_maddr_view(&x), PXI_ADDR_OBSERVED), PX_ERR_OK);
    CHECK(pxi_host_addr(h, 0).n && !pxi_host_addr(h, 1).n);
    e.port = 2;
    y = pxi_endpoint_maddr(&e);
    CHECK_EQ(pxi_host_addr_add(h, pxi_maddr_view(&y), PXI_ADDR_ANNOUNCE), PX_ERR_OK);
    CHECK(px_view_equal(pxi_host_addr(h, 0), pxi_maddr_view(&y))); /* instead of the others */
    CHECK_EQ(pxi_host_addr(h, 1).n, 0);
    pxi_host_addr_remove(h, pxi_maddr_view(&y), PXI_ADDR_ANNOUNCE);
    pxi_host_addr_remove(h, pxi_maddr_view(&x), PXI_ADDR_LISTEN);
    CHECK(px_view_equal(pxi_host_addr(h, 0), pxi_maddr_view(&x))); /* still observed */
    pxi_host_addr_remove(h, pxi_maddr_view(&x), PXI_ADDR_OBSERVED);
    CHECK_EQ(pxi_host_addr(h, 0).n, 0);
    unsigned taken = 0;
    for (unsigned i = 0; i < 2 * PXI_LIMIT_NET_OWN_ADDRS; i++) {
        e.port = (uint16_t)(100 + i);
        y = pxi_endpoint_maddr(&e);
        taken += pxi_host_addr_add(h, pxi_maddr_view(&y), PXI_ADDR_OBSERVED) == PX_ERR_OK;
    }
    CHECK_EQ(taken, PXI_LIMIT_NET_OWN_ADDRS);
    static uint8_t big[PXI_MADDR_MAX + 1];
    CHECK_EQ(pxi_host_addr_add(h, px_view_of(big, sizeof big), PXI_ADDR_LISTEN), PX_ERR_INVALID);
    net_deinit(&n);
}

static void pong(void *ctx, uint64_t rtt_ns, px_err err)
{
    *(int *)ctx = err == PX_ERR_OK ? 1 : 2;
}

/* The n-th allocation of a conversation fails: connect, identify, ping, an own protocol. */
static void starved_talk(unsigned nth)
{
    net_init(&n, 2);
    a = b = (struct ear){0};
    int answered = 0;
    pxi_mem_fail_after(nth);
    (void)pxi_host_handle(n.host[1], "/one/1", 0, accept_ear, &b);
    (void)pxi_ping_serve(n.host[1]);
    struct net_conn *x = net_half(&n, 0, 1, true), *y = net_half(&n, 1, 0, false);
    x->other = y;
    y->other = x;
    bool up = pxi_host_add_conn(n.host[0], &x->c) == PX_ERR_OK;
    up = pxi_host_add_conn(n.host[1], &y->c) == PX_ERR_OK && up;
    struct pxi_ping *p = up ? pxi_ping_open(&x->c, pong, &answered) : NULL;
    if (p)
        pxi_ping_send(p, PXI_SECOND);
    if (up)
        (void)pxi_host_open(&x->c, TWO, 2, &ear_events, &a);
    net_run(&n, 20000);
    pxi_mem_fail_after(0);
    CHECK(!p || answered);
    if (answered == 1)
        pxi_ping_close(p);
    net_deinit(&n);
}

TEST(memory_may_fail_anywhere)
{
    for (unsigned i = 1; i < 160; i++)
        starved_talk(i);
}

TEST_MAIN()
