/* AutoNAT v1 and v2, both sides, honest and lying peers; what NATs look like. */
#include "net/autonat.h"
#include "net/autonat2.h"

#include "codec/messages.h"
#include "net/message.h"
#include "net/nat.h"
#include "net_world.h"

static struct {
    unsigned calls;
    enum pxi_reachability last;
    struct pxi_maddr addr;
} heard;

static void hear(void *ctx, px_view addr, enum pxi_reachability r)
{
    heard.calls++;
    heard.last = r;
    heard.addr.n = (uint16_t)addr.n;
    if (addr.n)
        memcpy(heard.addr.b, addr.p, addr.n);
}

/* One client and n servers that it is connected to; returns the client. */
struct swarm {
    struct node *client, *server[8];
    unsigned n;
    struct pxi_autonat *v1[9];
    struct pxi_autonat2 *v2[9];
};

static void swarm_begin(struct swarm *w, enum nat nat, unsigned n, bool v1, bool v2)
{
    struct pxi_autonat_options o1 = {.client = true, .verdict = hear};
    struct pxi_autonat2_options o2 = {.client = true, .verdict = hear};
    memset(w, 0, sizeof *w);
    memset(&heard, 0, sizeof heard);
    world_begin();
    w->client = world_add(nat);
    w->n = n;
    if (v1)
        w->v1[8] = pxi_autonat_new(w->client->host, &o1);
    if (v2)
        w->v2[8] = pxi_autonat2_new(w->client->host, &o2);
    for (unsigned i = 0; i < n; i++) {
        struct pxi_autonat_options s1 = {.server = true};
        struct pxi_autonat2_options s2 = {.server = true};
        w->server[i] = world_add(NAT_NONE);
        if (v1)
            w->v1[i] = pxi_autonat_new(w->server[i]->host, &s1);
        if (v2)
            w->v2[i] = pxi_autonat2_new(w->server[i]->host, &s2);
    }
    for (unsigned i = 0; i < n; i++)
        CHECK(world_connect(w->client, w->server[i]) != NULL);
}

static void swarm_end(struct swarm *w)
{
    for (unsigned i = 0; i < 9; i++) {
        pxi_autonat_free(w->v1[i]);
        pxi_autonat2_free(w->v2[i]);
    }
    world_end();
}

TEST(v1_says_public_after_four_agree)
{
    struct swarm w;
    swarm_begin(&w, NAT_NONE, 3, true, false);
    world_run(300 * PXI_SECOND);
    CHECK_EQ(heard.calls, 0); /* three are not enough */
    struct node *more = world_add(NAT_NONE);
    struct pxi_autonat_options s = {.server = true};
    w.v1[3] = pxi_autonat_new(more->host, &s);
    CHECK(world_connect(w.client, more) != NULL);
    world_run(60 * PXI_SECOND);
    CHECK_EQ(heard.calls, 1);
    CHECK_EQ(heard.last, PXI_REACH_PUBLIC);
    CHECK_EQ(pxi_autonat_verdict(w.v1[8]), PXI_REACH_PUBLIC);
    CHECK(world.fresh >= 4); /* dial-backs leave from ports that no NAT knows */
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(pxi_host_conn_count(w.server[i]->host), 1); /* they were closed again */
    swarm_end(&w);
}

TEST(v1_says_private_behind_a_nat)
{
    struct swarm w;
    swarm_begin(&w, NAT_CONE, 5, true, false);
    world_run(300 * PXI_SECOND);
    CHECK_EQ(heard.last, PXI_REACH_PRIVATE);
    swarm_end(&w);
}

TEST(v2_tests_each_address)
{
    struct swarm w;
    swarm_begin(&w, NAT_NONE, 4, false, true);
    world_run(120 * PXI_SECOND);
    CHECK_EQ(heard.calls, 1);
    CHECK_EQ(heard.last, PXI_REACH_PUBLIC);
    CHECK(px_view_equal(pxi_maddr_view(&heard.addr), pxi_maddr_view(&w.client->addr)));
    CHECK_EQ(pxi_autonat2_verdict(w.v2[8], pxi_maddr_view(&w.client->addr)), PXI_REACH_PUBLIC);
    CHECK_EQ(world_faults(w.client, PXI_FAULT_AUTONAT), 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(pxi_host_conn_count(w.server[i]->host), 1);
    swarm_end(&w);
}

TEST(v2_says_private_behind_a_nat)
{
    struct swarm w;
    swarm_begin(&w, NAT_SYMMETRIC, 4, false, true);
    world_run(300 * PXI_SECOND);
    CHECK_EQ(heard.last, PXI_REACH_PRIVATE);
    swarm_end(&w);
}

TEST(v2_pays_for_an_address_of_another_ip)
{
    struct swarm w;
    px_diag d;
    struct pxi_maddr elsewhere;
    swarm_begin(&w, NAT_NONE, 3, false, true);
    /* an address that is not the one the servers see; nobody is there */
    CHECK_EQ(pxi_maddr_parse(px_view_str("/ip4/99.9.9.9/tcp/7"), &elsewhere, &d), PX_ERR_OK);
    pxi_host_addr_add(w.client->host, pxi_maddr_view(&elsewhere), PXI_ADDR_LISTEN);
    uint64_t before = pxi_simnet_stats_of(world.net).bytes;
    world_run(200 * PXI_SECOND);
    CHECK(pxi_simnet_stats_of(world.net).bytes - before > 3 * 30000);
    CHECK_EQ(pxi_autonat2_verdict(w.v2[8], pxi_maddr_view(&elsewhere)), PXI_REACH_PRIVATE);
    CHECK_EQ(pxi_autonat2_verdict(w.v2[8], pxi_maddr_view(&w.client->addr)), PXI_REACH_PUBLIC);
    swarm_end(&w);
}

/* ------------------------------------------------------------------- liars */

/* A peer of raw bytes: what it sends to every stream of a protocol, then whether it ends. */
struct liar {
    uint8_t say[256];
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

static void liar_says(struct liar *l, const struct pxi_pb_message *m, const void *message)
{
    struct pxi_buf b = {.max = sizeof l->say};
    CHECK_EQ(pxi_pb_encode_framed(m, message, &b), PX_ERR_OK);
    memcpy(l->say, b.p, b.n);
    l->n = b.n;
    pxi_buf_deinit(&b);
}

TEST(v1_a_liar_alone_decides_nothing)
{
    struct pxi_msg_autonat_response r = {.status = PXI_AUTONAT_OK};
    struct pxi_msg_autonat m = {.type = PXI_AUTONAT_DIAL_RESPONSE, .response = &r};
    struct liar l = {0};
    struct swarm w;
    swarm_begin(&w, NAT_CONE, 4, true, false);
    struct node *bad = world_add(NAT_NONE);
    liar_says(&l, &pxi_pb_autonat, &m);
    pxi_host_handle(bad->host, PXI_AUTONAT_PROTOCOL, 0, lie, &l);
    CHECK(world_connect(w.client, bad) != NULL);
    world_run(600 * PXI_SECOND);
    CHECK(l.met > 0);
    CHECK_EQ(heard.last, PXI_REACH_PRIVATE);
    swarm_end(&w);
}

TEST(v2_success_without_the_nonce_is_a_lie)
{
    struct pxi_msg_autonat2_response r = {PXI_AUTONAT2_OK, 0, PXI_AUTONAT2_DIAL_OK};
    struct pxi_msg_autonat2 m = {.response = &r};
    struct liar l = {0};
    struct swarm w;
    swarm_begin(&w, NAT_CONE, 0, false, true);
    liar_says(&l, &pxi_pb_autonat2, &m);
    for (int i = 0; i < 5; i++) {
        struct node *bad = world_add(NAT_NONE);
        pxi_host_handle(bad->host, PXI_AUTONAT2_REQUEST, 0, lie, &l);
        CHECK(world_connect(w.client, bad) != NULL);
    }
    world_run(300 * PXI_SECOND);
    CHECK(l.met >= 5);
    CHECK_EQ(heard.calls, 0);
    CHECK(world_faults(w.client, PXI_FAULT_AUTONAT) >= 5);
    swarm_end(&w);
}

/* A server whose dial-backs come from another peer, as those of go-libp2p do. */
struct twin {
    struct node *client, *other;
    struct pxi_stream *asked;
};

/* The client took the nonce: the answer to its question follows. */
static size_t twin_back(struct pxi_stream *s, px_view bytes)
{
    struct pxi_msg_autonat2_response r = {PXI_AUTONAT2_OK, 0, PXI_AUTONAT2_DIAL_OK};
    struct pxi_msg_autonat2 m = {.response = &r};
    struct twin *t = s->user;
    struct pxi_buf out = {.max = 64};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_autonat2, &m, &out), PX_ERR_OK);
    pxi_stream_write(t->asked, px_view_of(out.p, out.n));
    pxi_buf_deinit(&out);
    return bytes.n;
}

static const struct pxi_stream_events twin_back_events = {.data = twin_back};

static size_t twin_asked(struct pxi_stream *s, px_view bytes)
{
    static const char *const protocol = PXI_AUTONAT2_BACK;
    struct twin *t = s->user;
    struct pxi_frame f = {.max = 4096};
    struct pxi_arena arena;
    struct pxi_msg_autonat2 m;
    struct pxi_buf out = {.max = 64};
    px_view in = bytes, message;
    pxi_arena_init(&arena, 65536);
    CHECK_EQ(pxi_frame_next(&f, &in, &message), PX_ERR_OK);
    CHECK_EQ(pxi_pb_decode(&pxi_pb_autonat2, message, &arena, &m, NULL), PX_ERR_OK);
    CHECK(m.request != NULL);
    struct pxi_msg_autonat2_back back = {m.request->nonce};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_autonat2_back, &back, &out), PX_ERR_OK);
    struct pxi_conn *c = pxi_host_conn(t->other->host, world_id(t->client), false);
    struct pxi_stream *to = pxi_host_open(c, &protocol, 1, &twin_back_events, t);
    CHECK(to != NULL);
    pxi_stream_write(to, px_view_of(out.p, out.n));
    t->asked = s;
    pxi_buf_deinit(&out);
    pxi_arena_deinit(&arena);
    pxi_frame_deinit(&f);
    return bytes.n;
}

static const struct pxi_stream_events twin_events = {.data = twin_asked};

static void twin_accept(void *ctx, struct pxi_stream *s)
{
    pxi_stream_own(s, &twin_events, ctx);
}

TEST(v2_dial_back_of_another_peer_counts)
{
    struct twin t[3] = {{0}};
    struct swarm w;
    swarm_begin(&w, NAT_NONE, 0, false, true);
    struct node *other = world_add(NAT_NONE);
    CHECK(world_connect(other, w.client) != NULL);
    for (int i = 0; i < 3; i++) {
        struct node *server = world_add(NAT_NONE);
        t[i] = (struct twin){w.client, other, NULL};
        pxi_host_handle(server->host, PXI_AUTONAT2_REQUEST, 0, twin_accept, &t[i]);
        CHECK(world_connect(w.client, server) != NULL);
    }
    world_run(120 * PXI_SECOND);
    CHECK_EQ(heard.last, PXI_REACH_PUBLIC);
    CHECK_EQ(world_faults(w.client, PXI_FAULT_AUTONAT), 0);
    swarm_end(&w);
}

TEST(v2_a_price_without_measure_is_refused)
{
    struct pxi_msg_autonat2_data_request d = {0, UINT64_MAX};
    struct pxi_msg_autonat2 m = {.data_request = &d};
    struct liar l = {0};
    struct swarm w;
    swarm_begin(&w, NAT_NONE, 0, false, true);
    liar_says(&l, &pxi_pb_autonat2, &m);
    struct node *bad = world_add(NAT_NONE);
    pxi_host_handle(bad->host, PXI_AUTONAT2_REQUEST, 0, lie, &l);
    CHECK(world_connect(w.client, bad) != NULL);
    world_run(60 * PXI_SECOND);
    CHECK(l.met > 0);
    CHECK(world_faults(w.client, PXI_FAULT_AUTONAT) > 0);
    CHECK(pxi_simnet_stats_of(world.net).bytes < 30000);
    swarm_end(&w);
}

/* A lying asker: raw bytes to a server. What it answered, if anything. */
struct reply {
    uint8_t b[4096];
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

static struct pxi_stream *say_raw(struct node *a, struct node *b, const char *const *protocol,
                                  px_view bytes, struct reply *r)
{
    struct pxi_conn *c = pxi_host_conn(a->host, world_id(b), false);
    struct pxi_stream *s = pxi_host_open(c, protocol, 1, &asking, r);
    CHECK(s != NULL);
    CHECK_EQ(pxi_stream_write(s, bytes), bytes.n);
    return s;
}

static unsigned status_v1(const struct reply *r)
{
    struct pxi_msg_autonat m;
    struct pxi_arena arena;
    struct pxi_frame f = {.max = 8192};
    px_view in = px_view_of(r->b, r->n), message;
    CHECK_EQ(pxi_frame_next(&f, &in, &message), PX_ERR_OK);
    pxi_arena_init(&arena, 65536);
    CHECK_EQ(pxi_pb_decode(&pxi_pb_autonat, message, &arena, &m, NULL), PX_ERR_OK);
    CHECK(m.response != NULL);
    unsigned status = (unsigned)m.response->status;
    pxi_arena_deinit(&arena);
    pxi_frame_deinit(&f);
    return status;
}

static unsigned ask_v1(struct node *a, struct node *b, const struct pxi_peer *as, const char *addr)
{
    static const char *const protocol = PXI_AUTONAT_PROTOCOL;
    struct reply r = {0};
    struct pxi_maddr at;
    px_diag d;
    CHECK_EQ(pxi_maddr_parse(px_view_str(addr), &at, &d), PX_ERR_OK);
    px_view v = pxi_maddr_view(&at);
    struct pxi_msg_peer_info p = {pxi_peer_view(as), {&v, 1}};
    struct pxi_msg_autonat_dial dial = {&p};
    struct pxi_msg_autonat m = {PXI_AUTONAT_DIAL, &dial, NULL};
    struct pxi_buf out = {.max = 4096};
    CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_autonat, &m, &out), PX_ERR_OK);
    struct pxi_stream *s = say_raw(a, b, &protocol, px_view_of(out.p, out.n), &r);
    world_run(30 * PXI_SECOND);
    if (!r.over)
        pxi_stream_reset(s);
    pxi_buf_deinit(&out);
    return status_v1(&r);
}

TEST(v1_server_dials_nobody_else)
{
    struct swarm w;
    swarm_begin(&w, NAT_NONE, 1, true, false);
    const struct pxi_peer *self = world_id(w.client);
    struct node *victim = world_add(NAT_NONE);
    pxi_autonat_free(w.v1[8]); /* it asks nothing of its own */
    w.v1[8] = NULL;
    unsigned dials = (unsigned)pxi_simnet_stats_of(world.net).dials;
    CHECK_EQ(ask_v1(w.client, w.server[0], self, "/ip4/99.9.9.9/tcp/7"), PXI_AUTONAT_DIAL_REFUSED);
    CHECK_EQ(ask_v1(w.client, w.server[0], self, "/ip4/20.1.1.1/udp/7"), PXI_AUTONAT_DIAL_REFUSED);
    CHECK_EQ(ask_v1(w.client, w.server[0], self, "/ip4/127.0.0.1/tcp/7"), PXI_AUTONAT_DIAL_REFUSED);
    CHECK_EQ(ask_v1(w.client, w.server[0], world_id(victim), "/ip4/20.1.1.1/tcp/4001"),
             PXI_AUTONAT_BAD_REQUEST);
    CHECK_EQ(pxi_simnet_stats_of(world.net).dials, dials);
    CHECK_EQ(ask_v1(w.client, w.server[0], self, "/ip4/20.1.1.1/tcp/4001"), PXI_AUTONAT_OK);
    unsigned ok = 0; /* and not for ever */
    for (int i = 0; i < 40; i++)
        ok += ask_v1(w.client, w.server[0], self, "/ip4/20.1.1.1/tcp/4001") == PXI_AUTONAT_OK;
    CHECK(ok > 0 && ok <= 40);
    swarm_end(&w);
}

TEST(grants_are_few)
{
    struct pxi_backs b = {0};
    struct pxi_peer p = {.n = 3, .b = {1}};
    uint64_t now = 60 * PXI_SECOND;
    for (unsigned i = 0; i < PXI_LIMIT_AUTONAT_BACKS_PEER; i++) {
        CHECK(pxi_backs_grant(&b, &p, now));
        pxi_backs_end(&b);
    }
    CHECK(!pxi_backs_grant(&b, &p, now)); /* one peer */
    unsigned granted = PXI_LIMIT_AUTONAT_BACKS_PEER;
    for (unsigned i = 0; i < 1000; i++) {
        p.b[0] = 2;
        p.b[1] = (uint8_t)i;
        p.b[2] = (uint8_t)(i >> 8);
        if (pxi_backs_grant(&b, &p, now)) {
            granted++;
            pxi_backs_end(&b);
        }
    }
    CHECK_EQ(granted, PXI_LIMIT_AUTONAT_BACKS_MINUTE);
    now += 61 * PXI_SECOND;
    granted = 0;
    for (unsigned i = 0; i < 1000; i++) { /* none of them ends */
        p.b[1] = (uint8_t)i;
        granted += pxi_backs_grant(&b, &p, now);
    }
    CHECK_EQ(granted, PXI_LIMIT_AUTONAT_BACKS);
}

/* Every prefix and every changed byte of a request: a fault or an answer, never more. */
TEST(malformed_requests_at_every_byte)
{
    static const char *const protocols[] = {PXI_AUTONAT_PROTOCOL, PXI_AUTONAT2_REQUEST};
    struct swarm w;
    swarm_begin(&w, NAT_NONE, 1, true, true);
    px_view own = pxi_maddr_view(&w.client->addr);
    struct pxi_msg_peer_info p = {pxi_peer_view(world_id(w.client)), {&own, 1}};
    struct pxi_msg_autonat_dial dial = {&p};
    struct pxi_msg_autonat m1 = {PXI_AUTONAT_DIAL, &dial, NULL};
    struct pxi_msg_autonat2_request r2 = {{&own, 1}, 77};
    struct pxi_msg_autonat2 m2 = {.request = &r2};
    for (int which = 0; which < 2; which++) {
        struct pxi_buf good = {.max = 4096};
        const char *const *protocol = &protocols[which];
        if (which)
            CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_autonat2, &m2, &good), PX_ERR_OK);
        else
            CHECK_EQ(pxi_pb_encode_framed(&pxi_pb_autonat, &m1, &good), PX_ERR_OK);
        for (size_t i = 0; i < good.n; i++) {
            struct reply r = {0};
            uint8_t bad[512];
            memcpy(bad, good.p, good.n);
            bad[i] ^= 0x80 | (uint8_t)i;
            struct pxi_stream *s =
                say_raw(w.client, w.server[0], protocol, px_view_of(bad, good.n), &r);
            pxi_stream_end(s);
            world_run(3 * PXI_SECOND);
            if (!r.over)
                pxi_stream_reset(s);
            r = (struct reply){0};
            s = say_raw(w.client, w.server[0], protocol, px_view_of(good.p, i), &r);
            pxi_stream_end(s);
            world_run(PXI_SECOND);
            if (!r.over)
                pxi_stream_reset(s);
        }
        pxi_buf_deinit(&good);
    }
    world_run(60 * PXI_SECOND);
    CHECK(world_faults(w.server[0], PXI_FAULT_AUTONAT) > 0);
    CHECK_EQ(pxi_host_conn_count(w.server[0]->host), 1);
    swarm_end(&w);
}

/* ------------------------------------------------------------------------ nat */

static void sight(struct pxi_nat *n, const char *local, const char *remote, const char *seen)
{
    struct pxi_conn c = {.outbound = true};
    struct pxi_maddr s;
    px_diag d;
    CHECK_EQ(pxi_maddr_parse(px_view_str(local), &c.local, &d), PX_ERR_OK);
    CHECK_EQ(pxi_maddr_parse(px_view_str(remote), &c.remote, &d), PX_ERR_OK);
    CHECK_EQ(pxi_maddr_parse(px_view_str(seen), &s, &d), PX_ERR_OK);
    pxi_nat_observed(n, pxi_maddr_view(&s), &c);
}

TEST(what_a_nat_looks_like)
{
    struct pxi_nat n = {0};
    const char *own = "/ip4/10.0.0.2/udp/4001/quic-v1";
    CHECK_EQ(pxi_nat_kind_of(&n, PXI_VIA_QUIC), PXI_NAT_UNKNOWN);
    sight(&n, own, "/ip4/20.0.0.1/udp/1/quic-v1", "/ip4/99.0.0.1/udp/5000/quic-v1");
    sight(&n, own, "/ip4/20.0.0.1/udp/2/quic-v1", "/ip4/99.0.0.1/udp/5000/quic-v1");
    CHECK_EQ(pxi_nat_kind_of(&n, PXI_VIA_QUIC), PXI_NAT_UNKNOWN); /* one remote is no witness */
    sight(&n, own, "/ip4/20.0.0.2/udp/1/quic-v1", "/ip4/99.0.0.1/udp/5000/quic-v1");
    CHECK_EQ(pxi_nat_kind_of(&n, PXI_VIA_QUIC), PXI_NAT_CONE);
    CHECK_EQ(pxi_nat_kind_of(&n, PXI_VIA_TCP), PXI_NAT_UNKNOWN);
    n = (struct pxi_nat){0};
    sight(&n, own, "/ip4/20.0.0.1/udp/1/quic-v1", "/ip4/99.0.0.1/udp/5000/quic-v1");
    sight(&n, own, "/ip4/20.0.0.2/udp/1/quic-v1", "/ip4/99.0.0.1/udp/5001/quic-v1");
    CHECK_EQ(pxi_nat_kind_of(&n, PXI_VIA_QUIC), PXI_NAT_SYMMETRIC);
    CHECK_STR(pxi_nat_kind_name(PXI_NAT_SYMMETRIC), "symmetric");
    n = (struct pxi_nat){0};
    own = "/ip4/20.0.0.9/tcp/4001";
    sight(&n, own, "/ip4/20.0.0.1/tcp/1", own);
    sight(&n, own, "/ip4/20.0.0.2/tcp/1", own);
    CHECK_EQ(pxi_nat_kind_of(&n, PXI_VIA_TCP), PXI_NAT_NONE);
    for (unsigned i = 0; i < 1000; i++) { /* bounded */
        char remote[64];
        snprintf(remote, sizeof remote, "/ip4/30.0.%u.%u/tcp/1", i / 256, i % 256);
        sight(&n, own, remote, "/ip4/99.0.0.1/tcp/5000");
    }
    CHECK_EQ(n.n, PXI_LIMIT_NAT_SIGHTS);
    CHECK_EQ(pxi_nat_kind_of(&n, PXI_VIA_TCP), PXI_NAT_CONE);
}

TEST_MAIN()
