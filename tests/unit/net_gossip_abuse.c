/* A router and a peer that does not play by the rules: raw RPCs into it, and what comes back. */
#include "net/gossip.h"

#include "base/limits.h"
#include "codec/varint.h"
#include "host_net.h"

static const px_view topic = {(const uint8_t *)"t", 1};

/* Host 0 runs the router, host 1 is the attacker with a stream each way, host 2 honest. */
struct arena {
    struct net net;
    struct pxi_gossip *g, *honest;
    struct pxi_stream *out, *in;
    struct pxi_buf got; /* RPCs that the router sent to the attacker */
    unsigned delivered, closed;
    bool deaf; /* takes nothing of what comes */
};

static struct arena A;

static size_t on_data(struct pxi_stream *s, px_view v)
{
    if (A.deaf)
        return 0;
    CHECK(pxi_buf_add(&A.got, v.p, v.n));
    return v.n;
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    A.closed++;
    A.out = s == A.out ? NULL : A.out;
    A.in = s == A.in ? NULL : A.in;
}

static const struct pxi_stream_events events = {.data = on_data, .closed = on_closed};

static void on_accept(void *ctx, struct pxi_stream *s)
{
    A.in = s;
    pxi_stream_own(s, &events, NULL);
}

static void on_message(void *ctx, const struct pxi_gossip_message *m)
{
    A.delivered++;
}

static const char *const v12[] = {"/meshsub/1.2.0"};

static void open_stream(struct net_conn *c)
{
    A.out = pxi_host_open(&c->c, v12, 1, &events, NULL);
    CHECK(A.out);
}

static void start(struct pxi_gossip_options o)
{
    memset(&A, 0, sizeof A);
    A.got.max = 64u << 20;
    net_init(&A.net, 3);
    o.message = on_message;
    A.g = pxi_gossip_new(A.net.host[0], &o);
    o.message = NULL;
    A.honest = pxi_gossip_new(A.net.host[2], &o);
    CHECK_EQ(pxi_host_handle(A.net.host[1], v12[0], 0, on_accept, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_join(A.g, topic), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_join(A.honest, topic), PX_ERR_OK);
    struct net_conn *c = net_connect(&A.net, 1, 0);
    net_connect(&A.net, 2, 0);
    open_stream(c);
    net_run(&A.net, 500);
    CHECK(A.in && A.out);
}

static void stop(void)
{
    pxi_gossip_free(A.g);
    pxi_gossip_free(A.honest);
    pxi_buf_deinit(&A.got);
    net_deinit(&A.net);
}

static void send_rpc(const struct pxi_buf *rpc)
{
    uint8_t head[PXI_VARINT_MAX];
    size_t n = pxi_varint_put(head, rpc->n), at = 0;
    CHECK(A.out);
    CHECK_EQ(pxi_stream_write(A.out, px_view_of(head, n)), n);
    while (A.out && at < rpc->n) {
        at += pxi_stream_write(A.out, px_view_of(rpc->p + at, rpc->n - at));
        net_run(&A.net, 2);
    }
}

/* One part of an RPC, or of its control message, sent by itself. */
static void send_control(const struct pxi_buf *control)
{
    struct pxi_buf rpc = {.max = 4u << 20};
    CHECK(pxi_rpc_put_bytes(&rpc, PXI_RPC_CONTROL, px_view_of(control->p, control->n)));
    send_rpc(&rpc);
    pxi_buf_deinit(&rpc);
}

static void subscribe(px_view name)
{
    struct pxi_buf rpc = {.max = 4096};
    CHECK(pxi_rpc_put_subscription(&rpc, true, name));
    send_rpc(&rpc);
    pxi_buf_deinit(&rpc);
}

static void graft(px_view name)
{
    struct pxi_buf c = {.max = 4096};
    CHECK(pxi_rpc_put_graft(&c, name));
    send_control(&c);
    pxi_buf_deinit(&c);
}

static void prune(uint64_t backoff_s)
{
    struct pxi_buf c = {.max = 4096};
    CHECK(pxi_rpc_put_prune(&c, topic, backoff_s, px_view_of(NULL, 0)));
    send_control(&c);
    pxi_buf_deinit(&c);
}

/* Messages of the attacker, signed by it. */
static void publish(uint64_t seqno, size_t size, unsigned tamper)
{
    static uint8_t data[1 << 20];
    struct pxi_buf m = {.max = 2u << 20}, rpc = {.max = 2u << 20};
    CHECK(pxi_gossip_compose(&m, A.net.key[1], pxi_host_self(A.net.host[1]), seqno, topic,
                             px_view_of(data, size)));
    if (tamper)
        m.p[m.n - tamper] ^= 1;
    CHECK(pxi_rpc_put_bytes(&rpc, PXI_RPC_PUBLISH, px_view_of(m.p, m.n)));
    send_rpc(&rpc);
    pxi_buf_deinit(&m);
    pxi_buf_deinit(&rpc);
}

/* IHAVE or IWANT or IDONTWANT of `count` ids from a number on. */
static void send_ids(uint32_t field, uint32_t first, unsigned count)
{
    struct pxi_buf ids = {.max = 4u << 20}, c = {.max = 4u << 20};
    uint32_t number = field == PXI_RPC_IHAVE ? PXI_RPC_IHAVE_ID : PXI_RPC_WANT_ID;
    if (field == PXI_RPC_IHAVE)
        CHECK(pxi_rpc_put_bytes(&ids, PXI_RPC_TOPIC, topic));
    for (uint32_t i = first; i < first + count; i++)
        CHECK(pxi_rpc_put_bytes(&ids, number, px_view_of(&i, sizeof i)));
    CHECK(pxi_rpc_put_bytes(&c, field, px_view_of(ids.p, ids.n)));
    send_control(&c);
    pxi_buf_deinit(&ids);
    pxi_buf_deinit(&c);
}

/* Entries of this control field that the attacker got since it last looked. */
static unsigned heard(uint32_t field, uint64_t *value)
{
    unsigned n = 0;
    size_t at = 0;
    while (at < A.got.n) {
        uint64_t len;
        int head = pxi_varint_get(px_view_of(A.got.p + at, A.got.n - at), &len);
        if (head <= 0 || len > A.got.n - at - (size_t)head)
            break;
        px_view frame = px_view_of(A.got.p + at + head, (size_t)len), control, entry;
        CHECK_EQ(pxi_rpc_check(frame, NULL), PX_ERR_OK);
        for (size_t i = 0; pxi_rpc_find(frame, &i, PXI_RPC_CONTROL, &control);)
            for (size_t j = 0; pxi_rpc_find(control, &j, field, &entry); n++) {
                struct pxi_rpc_field f;
                for (size_t k = 0; value && pxi_rpc_next(entry, &k, &f) == 1;)
                    if (f.wire == 0)
                        *value = f.value;
            }
        at += (size_t)head + (size_t)len;
    }
    return n;
}

static double score(void)
{
    return pxi_gossip_peer_score(A.g, pxi_host_self(A.net.host[1]));
}

static bool in_mesh(void)
{
    struct pxi_peer p[8];
    unsigned n = pxi_gossip_mesh(A.g, topic, p, 8);
    for (unsigned i = 0; i < n; i++)
        if (pxi_peer_equal(&p[i], pxi_host_self(A.net.host[1])))
            return true;
    return false;
}

/* ------------------------------------------------------------------- tests */

TEST(graft_before_the_back_off_is_over)
{
    uint64_t backoff = 0;
    start((struct pxi_gossip_options){0});
    subscribe(topic);
    graft(topic);
    net_run(&A.net, 5);
    CHECK(in_mesh());
    prune(30);
    net_run(&A.net, 5);
    CHECK(!in_mesh() && score() >= 0);
    A.got.n = 0;
    graft(topic);
    net_run(&A.net, 5);
    CHECK(!in_mesh());
    CHECK_EQ(heard(PXI_RPC_PRUNE, &backoff), 1);
    CHECK_EQ(backoff, 60);
    for (unsigned k = 0; k < 10; k++) /* a flood: graylisted in the end */
        graft(topic);
    net_run(&A.net, 5);
    CHECK(score() < -80);
    uint64_t before = pxi_gossip_stats(A.g).graylisted;
    publish(1, 10, 0);
    net_run(&A.net, 5);
    CHECK_EQ(pxi_gossip_stats(A.g).graylisted, before + 1);
    CHECK_EQ(A.delivered, 0);
    stop();
}

TEST(prune_for_ever_is_an_hour)
{
    start((struct pxi_gossip_options){0});
    subscribe(topic);
    net_run(&A.net, 1500);
    CHECK(in_mesh()); /* the heartbeat took it */
    prune(UINT64_MAX);
    net_run(&A.net, 3500 * 1000);
    CHECK(!in_mesh());
    net_run(&A.net, 110 * 1000);
    CHECK(in_mesh());
    prune(UINT64_MAX / 1000000000u);
    net_run(&A.net, 3700 * 1000);
    CHECK(in_mesh());
    stop();
}

TEST(unknown_topics)
{
    start((struct pxi_gossip_options){0});
    net_run(&A.net, 10);
    A.got.n = 0;
    graft(px_view_str("nobody joined this"));
    subscribe(px_view_str("nor this"));
    net_run(&A.net, 10);
    CHECK_EQ(heard(PXI_RPC_PRUNE, NULL), 0); /* no answer, nothing kept for it */
    CHECK_EQ(pxi_gossip_stats(A.g).topics, 2);
    for (unsigned i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%u", i);
        subscribe(px_view_str(name));
    }
    net_run(&A.net, 10);
    CHECK(pxi_gossip_stats(A.g).topics <= PXI_LIMIT_GOSSIP_TOPICS_PEER + 1);
    net_kill(&A.net, 1);
    CHECK_EQ(pxi_gossip_stats(A.g).topics, 1); /* all of it went with the peer */
    stop();
}

TEST(floods_of_ihave)
{
    start((struct pxi_gossip_options){0});
    subscribe(topic);
    net_run(&A.net, 10);
    for (unsigned k = 0; k < 40; k++)
        send_ids(PXI_RPC_IHAVE, k * 1000, 1000);
    net_run(&A.net, 10);
    struct pxi_gossip_stats s = pxi_gossip_stats(A.g);
    CHECK(s.iwant_out <= 2 * PXI_LIMIT_GOSSIP_IHAVE_IDS);
    CHECK(s.ihave_ignored >= 20);
    net_run(&A.net, 5000); /* nothing of what was advertised came */
    CHECK(pxi_gossip_stats(A.g).broken_promises >= 5);
    CHECK(score() < 0 && !in_mesh());
    stop();
}

TEST(floods_of_iwant)
{
    start((struct pxi_gossip_options){.policy = PXI_GOSSIP_STRICT_NO_SIGN});
    subscribe(topic);
    net_run(&A.net, 10);
    CHECK_EQ(pxi_gossip_publish(A.g, topic, px_view_str("hello"), NULL, 0, NULL), PX_ERR_OK);
    struct pxi_rpc_message m = {.data = px_view_str("hello")};
    struct pxi_gossip_id id = pxi_gossip_id_of(PXI_GOSSIP_STRICT_NO_SIGN, &m);
    struct pxi_buf c = {.max = 1 << 20}, ids = {.max = 1 << 20};
    for (unsigned k = 0; k < 1000; k++)
        CHECK(pxi_rpc_put_bytes(&ids, PXI_RPC_WANT_ID, pxi_gossip_id_view(&id)));
    CHECK(pxi_rpc_put_bytes(&c, PXI_RPC_IWANT, px_view_of(ids.p, ids.n)));
    for (unsigned k = 0; k < 10; k++)
        send_control(&c);
    net_run(&A.net, 10);
    struct pxi_gossip_stats s = pxi_gossip_stats(A.g);
    CHECK_EQ(s.iwant_served, 3);
    CHECK(s.iwant_in <= 2 * PXI_LIMIT_GOSSIP_IHAVE_IDS);
    pxi_buf_deinit(&c);
    pxi_buf_deinit(&ids);
    stop();
}

TEST(idontwant_is_heeded_and_capped)
{
    start((struct pxi_gossip_options){.policy = PXI_GOSSIP_STRICT_NO_SIGN});
    subscribe(topic);
    graft(topic);
    net_run(&A.net, 5);
    struct pxi_rpc_message m = {.data = px_view_str("secret of everybody")};
    struct pxi_gossip_id id = pxi_gossip_id_of(PXI_GOSSIP_STRICT_NO_SIGN, &m);
    struct pxi_buf c = {.max = 4096}, e = {.max = 4096};
    CHECK(pxi_rpc_put_bytes(&e, PXI_RPC_WANT_ID, pxi_gossip_id_view(&id)));
    CHECK(pxi_rpc_put_bytes(&c, PXI_RPC_IDONTWANT, px_view_of(e.p, e.n)));
    send_control(&c);
    net_run(&A.net, 5);
    CHECK_EQ(pxi_gossip_publish(A.honest, topic, m.data, NULL, 0, NULL), PX_ERR_OK);
    net_run(&A.net, 20);
    CHECK_EQ(A.delivered, 1);
    CHECK_EQ(pxi_gossip_stats(A.g).spared, 1);
    for (unsigned k = 0; k < 20; k++)
        send_ids(PXI_RPC_IDONTWANT, k * 100, 100);
    net_run(&A.net, 5);
    CHECK(pxi_gossip_stats(A.g).idontwant_ignored > 0);
    CHECK(pxi_gossip_stats(A.g).idontwant_in <= 2 * PXI_LIMIT_GOSSIP_IDONTWANT + 1);
    pxi_buf_deinit(&c);
    pxi_buf_deinit(&e);
    stop();
}

TEST(forged_and_repeated_messages)
{
    start((struct pxi_gossip_options){0});
    subscribe(topic);
    net_run(&A.net, 1500);
    publish(1, 100, 0);
    net_run(&A.net, 10);
    CHECK_EQ(A.delivered, 1);
    for (unsigned k = 0; k < 200; k++)
        publish(1, 100, 0);
    net_run(&A.net, 10);
    CHECK_EQ(A.delivered, 1);
    CHECK(pxi_gossip_stats(A.g).duplicates >= 50);
    CHECK(pxi_gossip_stats(A.g).graylisted >= 50);
    CHECK(score() < 0); /* spam of duplicates */
    net_run(&A.net, 1100);
    CHECK(!in_mesh());
    stop();
    start((struct pxi_gossip_options){0});
    subscribe(topic);
    net_run(&A.net, 1500);
    CHECK(in_mesh());
    for (uint64_t k = 2; k < 5; k++)
        publish(k, 100, 5); /* a bit of the signature */
    net_run(&A.net, 10);
    CHECK_EQ(A.delivered, 0);
    CHECK_EQ(pxi_gossip_stats(A.g).rejected, 3);
    CHECK(score() < -80);
    publish(2, 100, 0); /* the forgery did not block the true message; the score does */
    net_run(&A.net, 1100);
    CHECK(A.delivered == 0 && !in_mesh());
    stop();
}

TEST(messages_under_the_wrong_policy)
{
    start((struct pxi_gossip_options){.policy = PXI_GOSSIP_STRICT_NO_SIGN});
    subscribe(topic);
    publish(1, 10, 0); /* signed, where nobody signs */
    net_run(&A.net, 10);
    CHECK_EQ(A.delivered, 0);
    CHECK_EQ(pxi_gossip_stats(A.g).rejected, 1);
    stop();
    start((struct pxi_gossip_options){0});
    struct pxi_buf m = {.max = 4096}, rpc = {.max = 4096};
    CHECK(pxi_gossip_compose(&m, NULL, NULL, 0, topic, px_view_str("unsigned")));
    CHECK(pxi_rpc_put_bytes(&rpc, PXI_RPC_PUBLISH, px_view_of(m.p, m.n)));
    send_rpc(&rpc);
    net_run(&A.net, 10);
    CHECK_EQ(A.delivered, 0);
    CHECK_EQ(pxi_gossip_stats(A.g).rejected, 1);
    pxi_buf_deinit(&m);
    pxi_buf_deinit(&rpc);
    stop();
}

TEST(frames_that_end_the_stream)
{
    static const uint8_t bad[][12] = {
        {0x81, 0x80, 0x40},                               /* 1 MiB + 1 announced */
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* no length at all */
        {0x80, 0x00},                                     /* not in the shortest form */
        {2, 0x0a, 0x7f},                                  /* a part beyond its frame */
        {2, 0x08, 1},                                     /* a subscription as a number */
    };
    static const size_t size[] = {3, 9, 2, 3, 3};
    for (unsigned i = 0; i < 5; i++) {
        uint8_t bytes[12] = {0};
        start((struct pxi_gossip_options){0});
        memcpy(bytes, bad[i], sizeof bad[i]);
        if (i == 1)
            memset(bytes, 0xff, sizeof bytes);
        struct pxi_faults before = *pxi_host_faults(A.net.host[0]);
        pxi_stream_write(A.out, px_view_of(bytes, i == 1 ? 12 : size[i]));
        net_run(&A.net, 10);
        CHECK(!A.out);
        enum pxi_fault f = i == 0 ? PXI_FAULT_LIMIT : PXI_FAULT_GOSSIP;
        CHECK_EQ(pxi_host_faults(A.net.host[0])->n[f] - before.n[f], 1);
        stop();
    }
    start((struct pxi_gossip_options){0}); /* exactly 1 MiB is a frame */
    struct pxi_buf rpc = {.max = 1 << 20};
    static uint8_t pad[1 << 20];
    CHECK(pxi_rpc_put_bytes(&rpc, 9, px_view_of(pad, (1 << 20) - 4)));
    CHECK_EQ(rpc.n, 1 << 20);
    send_rpc(&rpc);
    net_run(&A.net, 10);
    CHECK(A.out);
    pxi_buf_deinit(&rpc);
    stop();
}

/* A peer that reads nothing: its queue has an end, the others get everything, it leaves the mesh.
 */
TEST(a_peer_that_does_not_read)
{
    static uint8_t data[100000];
    start((struct pxi_gossip_options){0});
    subscribe(topic);
    net_run(&A.net, 1500);
    CHECK(in_mesh());
    A.deaf = true;
    for (unsigned k = 0; k < 200; k++) {
        memcpy(data, &k, sizeof k);
        CHECK_EQ(pxi_gossip_publish(A.g, topic, px_view_of(data, sizeof data), NULL, 0, NULL),
                 PX_ERR_OK);
        net_run(&A.net, 50);
    }
    net_run(&A.net, 1000);
    struct pxi_gossip_stats s = pxi_gossip_stats(A.g);
    CHECK_EQ(pxi_gossip_stats(A.honest).delivered, 200);
    CHECK(s.dropped > 50);
    CHECK(s.slow_prunes >= 1 && !in_mesh());
    stop();
}

TEST(a_flood_of_grafts_and_prunes)
{
    start((struct pxi_gossip_options){0});
    struct pxi_buf c = {.max = 1 << 20};
    for (unsigned i = 0; i < 20000; i++)
        CHECK(i % 2 ? pxi_rpc_put_prune(&c, topic, 1, px_view_of(NULL, 0))
                    : pxi_rpc_put_graft(&c, topic));
    subscribe(topic);
    send_control(&c);
    net_run(&A.net, 10);
    CHECK(pxi_gossip_stats(A.g).grafts_in <= PXI_LIMIT_GOSSIP_CONTROL);
    CHECK(score() < -80);
    pxi_buf_deinit(&c);
    stop();
}

TEST(a_second_stream_takes_the_place_of_the_first)
{
    start((struct pxi_gossip_options){0});
    subscribe(topic);
    struct net_conn *c = NULL;
    for (struct net_conn *x = A.net.conns; x; x = x->next_all)
        if (x->c.host == A.net.host[1])
            c = x;
    struct pxi_stream *first = A.out;
    open_stream(c);
    CHECK(first != A.out);
    net_run(&A.net, 10);
    CHECK_EQ(A.closed, 1);
    publish(1, 10, 0);
    net_run(&A.net, 10);
    CHECK_EQ(A.delivered, 1);
    stop();
}

TEST_MAIN()
