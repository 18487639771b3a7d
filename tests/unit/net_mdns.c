/* mDNS: names and messages, hostile ones too; two machines on a link find each other. */
#include "net/mdns.h"

#include "base/limits.h"
#include "host_net.h"
#include "net/dns.h"

/* ---------------------------------------------------------------- messages */

TEST(names)
{
    struct pxi_dns_name a = pxi_dns_name_of(px_view_str("_P2P._udp.Local"));
    struct pxi_dns_name b = pxi_dns_name_of(px_view_str("_p2p._udp.local"));
    CHECK(a.n && pxi_dns_name_equal(&a, &b));
    struct pxi_dns_name c = pxi_dns_name_under(px_view_str("me"), &b);
    CHECK(pxi_dns_name_is_under(&c, &b) && !pxi_dns_name_is_under(&b, &c));
    struct pxi_dns_name d = pxi_dns_name_under(px_view_str("you"), &c);
    CHECK(!pxi_dns_name_is_under(&d, &b));
    CHECK_EQ(pxi_dns_name_of(px_view_str("a..b")).n, 0);
    CHECK_EQ(pxi_dns_name_of(px_view_str("")).n, 0);
    char label[70];
    memset(label, 'x', sizeof label);
    CHECK_EQ(pxi_dns_name_under(px_view_of(label, 64), &b).n, 0);
    for (int i = 0; i < 10; i++) /* names end at 255 bytes */
        b = b.n ? pxi_dns_name_under(px_view_of(label, 63), &b) : b;
    CHECK_EQ(b.n, 0);
}

static size_t compose(struct pxi_dns_writer *w, const struct pxi_dns_name *service)
{
    struct pxi_dns_name me = pxi_dns_name_under(px_view_str("me"), service);
    pxi_dns_begin(w, true);
    pxi_dns_put_record(w, service, PXI_DNS_PTR, PXI_DNS_IN, 120);
    pxi_dns_put_name(w, &me);
    CHECK(pxi_dns_end_record(w, false));
    pxi_dns_put_record(w, &me, PXI_DNS_TXT, PXI_DNS_IN | PXI_DNS_FLUSH, 60);
    pxi_dns_put(w, "\x03one\x00\x05three", 11);
    CHECK(pxi_dns_end_record(w, true));
    return w->n;
}

TEST(round_trip_and_every_cut)
{
    struct pxi_dns_name service = pxi_dns_name_of(px_view_str("_p2p._udp.local")), target;
    struct pxi_dns_writer w;
    struct pxi_dns_reader r;
    struct pxi_dns_record rec;
    size_t n = compose(&w, &service), at = 0;
    px_view s;
    CHECK(pxi_dns_open(&r, px_view_of(w.b, n)) && r.response);
    CHECK_EQ(pxi_dns_question(&r, &rec), 0);
    CHECK_EQ(pxi_dns_record(&r, &rec), 1);
    CHECK(rec.answer && rec.type == PXI_DNS_PTR && pxi_dns_target(&r, &rec, &target));
    CHECK(pxi_dns_name_is_under(&target, &service));
    CHECK_EQ(pxi_dns_record(&r, &rec), 1);
    CHECK(!rec.answer && rec.type == PXI_DNS_TXT && rec.ttl_s == 60);
    CHECK(pxi_dns_string(rec.data, &at, &s) && px_view_is(s, "one"));
    CHECK(pxi_dns_string(rec.data, &at, &s) && s.n == 0);
    CHECK(pxi_dns_string(rec.data, &at, &s) && px_view_is(s, "three"));
    CHECK(!pxi_dns_string(rec.data, &at, &s));
    CHECK_EQ(pxi_dns_record(&r, &rec), 0);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *p = px_guarded(cut, 0);
        int got = -1;
        memcpy(p, w.b, cut);
        if (pxi_dns_open(&r, px_view_of(p, cut)))
            while ((got = pxi_dns_record(&r, &rec)) == 1)
                ;
        CHECK_EQ(got, -1);
    }
}

TEST(a_record_that_does_not_fit_is_left_out)
{
    static uint8_t much[PXI_DNS_MESSAGE];
    struct pxi_dns_name service = pxi_dns_name_of(px_view_str("_p2p._udp.local"));
    struct pxi_dns_writer w;
    struct pxi_dns_reader r;
    struct pxi_dns_record rec;
    size_t n = compose(&w, &service);
    pxi_dns_put_record(&w, &service, PXI_DNS_TXT, PXI_DNS_IN, 1);
    pxi_dns_put(&w, much, sizeof much);
    CHECK(!pxi_dns_end_record(&w, true));
    CHECK_EQ(w.n, n);
    CHECK(pxi_dns_open(&r, px_view_of(w.b, w.n)));
    CHECK_EQ(r.records, 2);
    CHECK_EQ(pxi_dns_record(&r, &rec), 1);
}

/* Pointers to themselves, to each other, forwards, and long chains of them. */
TEST(compression)
{
    static const struct {
        uint8_t b[24];
        int want;
    } names[] = {
        {{0xc0, 12, 0, 12, 0, 1}, -1},           /* itself */
        {{0xc0, 14, 0xc0, 12, 0, 12, 0, 1}, -1}, /* forwards */
        {{1, 'a', 0xc0, 12, 0, 12, 0, 1}, -1},   /* its own beginning */
        {{0xc0, 5, 0, 12, 0, 1}, 1},             /* the zeros of the header: the root */
        {{0xc0}, -1},                            /* half a pointer */
        {{0x40, 'a', 0, 0, 12, 0, 1}, -1},       /* an unknown kind of label */
        {{63, 'a', 0, 0, 12, 0, 1}, -1},         /* a label beyond the end */
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint8_t m[36] = {0, 0, 0, 0, 0, 1};
        struct pxi_dns_reader r;
        struct pxi_dns_record q;
        size_t n = i == 4 ? 13 : sizeof m;
        memcpy(m + 12, names[i].b, sizeof names[i].b);
        CHECK(pxi_dns_open(&r, px_view_of(m, n)));
        CHECK_EQ(pxi_dns_question(&r, &q), names[i].want);
    }
    /* each question points at the one before: an end, for pointers go back and names are short */
    uint8_t chain[12 + 6 * 2000] = {0, 0, 0, 0, 0x07, 0xd0};
    struct pxi_dns_reader r;
    struct pxi_dns_record q;
    unsigned good = 0;
    for (unsigned i = 0; i < 2000; i++) {
        unsigned at = 12 + 6 * i, to = i ? at - 6 : 11;
        chain[at] = (uint8_t)(0xc0 | to >> 8);
        chain[at + 1] = (uint8_t)to;
    }
    CHECK(pxi_dns_open(&r, px_view_of(chain, sizeof chain)));
    while (pxi_dns_question(&r, &q) == 1)
        good++;
    CHECK(good > 0);
}

/* ----------------------------------------------------------------- machines */

enum { LINK = 7 };

struct node {
    struct pxi_mdns *m;
    struct pxi_watch watch;
    struct net *net;
    unsigned found, sent, self;
    uint8_t last[PXI_DNS_MESSAGE];
    size_t last_n;
};

static struct node node[4];
static unsigned node_count;

static void on_discovered(struct pxi_watch *w, const struct pxi_peer *p)
{
    struct node *n = PXI_OF(w, struct node, watch);
    CHECK(!pxi_peer_equal(p, pxi_host_self(n->net->host[n->self])));
    n->found++;
}

static struct pxi_endpoint source(uint8_t last)
{
    return (struct pxi_endpoint){.family = 4, .ip = {10, 1, 2, last}, .port = PXI_MDNS_PORT};
}

/* Everybody on the link hears it, the sender too. */
static void send_all(void *ctx, unsigned link, px_view d)
{
    struct node *n = ctx;
    uint8_t copy[PXI_DNS_MESSAGE];
    CHECK_EQ(link, LINK);
    n->sent++;
    n->last_n = d.n;
    memcpy(n->last, d.p, d.n);
    memcpy(copy, d.p, d.n);
    struct pxi_endpoint from = source((uint8_t)(n->self + 1));
    for (unsigned i = 0; i < node_count; i++)
        if (node[i].m)
            pxi_mdns_input(node[i].m, LINK, &from, px_view_of(copy, d.n));
}

static void listen_at(struct net *net, unsigned i, const char *text)
{
    struct pxi_maddr a;
    CHECK_EQ(pxi_maddr_parse(px_view_str(text), &a, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_host_addr_add(net->host[i], pxi_maddr_view(&a), PXI_ADDR_LISTEN), PX_ERR_OK);
}

static void start_nodes(struct net *net, unsigned count, px_view fingerprint)
{
    net_init(net, count);
    node_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct pxi_mdns_options o = {.host = net->host[i],
                                     .fingerprint = fingerprint,
                                     .interval_ms = 1000,
                                     .ctx = &node[i],
                                     .send = send_all};
        struct pxi_mdns_prefix p[2] = {{4, 24, {10, 1, 2, (uint8_t)(i + 1)}},
                                       {6, 64, {0xfd, [15] = (uint8_t)(i + 1)}}};
        node[i] = (struct node){.net = net, .self = i, .watch.discovered = on_discovered};
        listen_at(net, i, "/ip4/0.0.0.0/tcp/4001");
        pxi_host_watch(net->host[i], &node[i].watch);
        node[i].m = pxi_mdns_new(&o);
        CHECK(node[i].m);
        CHECK_EQ(pxi_mdns_link(node[i].m, LINK, p, 2), PX_ERR_OK);
    }
}

static void stop_nodes(struct net *net)
{
    for (unsigned i = 0; i < node_count; i++) {
        pxi_mdns_free(node[i].m);
        node[i].m = NULL;
    }
    net_deinit(net);
}

TEST(machines_find_each_other)
{
    struct net net;
    px_view a[8];
    char text[PXI_MADDR_TEXT];
    start_nodes(&net, 3, px_view_of(NULL, 0));
    listen_at(&net, 1, "/ip4/127.0.0.1/tcp/4001");        /* stays here */
    listen_at(&net, 1, "/ip4/192.168.9.9/udp/5/quic-v1"); /* another link */
    listen_at(&net, 1, "/ip4/10.1.2.2/udp/4001/quic-v1");
    listen_at(&net, 1, "/ip6/fd00::2/tcp/4001");
    net_run(&net, 1500);
    for (unsigned i = 0; i < 3; i++)
        CHECK(node[i].found >= 2);
    CHECK_EQ(pxi_peer_addrs(net.host[0], pxi_host_self(net.host[1]), a, 8), 3);
    unsigned seen = 0;
    for (unsigned i = 0; i < 3; i++) {
        pxi_maddr_text(a[i], text);
        seen |= strcmp(text, "/ip4/10.1.2.2/tcp/4001") == 0 ? 1 : 0;
        seen |= strcmp(text, "/ip4/10.1.2.2/udp/4001/quic-v1") == 0 ? 2 : 0;
        seen |= strcmp(text, "/ip6/fd00::2/tcp/4001") == 0 ? 4 : 0;
    }
    CHECK_EQ(seen, 7);
    CHECK_EQ(pxi_mdns_stats(node[0].m).malformed, 0);
    uint64_t before = pxi_mdns_stats(node[0].m).queries;
    net_run(&net, 120000); /* intervals grow to 16 s */
    CHECK(pxi_mdns_stats(node[0].m).queries - before < 20);
    stop_nodes(&net);
}

TEST(private_networks_do_not_see_the_public_one)
{
    struct net net;
    start_nodes(&net, 2, px_view_of("\x01\xab", 2));
    struct pxi_mdns_options o = {.host = net.host[0], .send = send_all};
    px_view too_long = px_view_of("0123456789012345678901234567890123456789", 40);
    net_run(&net, 2000);
    CHECK(node[0].found && node[1].found);
    struct pxi_dns_reader r;
    struct pxi_dns_record rec;
    struct pxi_dns_name service = pxi_dns_name_of(px_view_str("_p2p-01ab._udp.local"));
    bool saw = false;
    CHECK(pxi_dns_open(&r, px_view_of(node[1].last, node[1].last_n)));
    while (pxi_dns_question(&r, &rec) == 1 || pxi_dns_record(&r, &rec) == 1)
        saw |= pxi_dns_name_equal(&rec.name, &service);
    CHECK(saw);
    o.fingerprint = too_long;
    CHECK(!pxi_mdns_new(&o));
    stop_nodes(&net);
}

static void question(struct pxi_dns_writer *w, const char *name, uint16_t type)
{
    struct pxi_dns_name n = pxi_dns_name_of(px_view_str(name));
    pxi_dns_begin(w, false);
    pxi_dns_put_question(w, &n, type);
}

TEST(one_answer_a_second_whoever_asks)
{
    struct net net;
    struct pxi_dns_writer w;
    struct pxi_endpoint from = source(99);
    start_nodes(&net, 1, px_view_of(NULL, 0));
    net_run(&net, 5000);
    uint64_t before = pxi_mdns_stats(node[0].m).answers;
    question(&w, "_p2p._udp.local", PXI_DNS_PTR);
    for (unsigned k = 0; k < 500; k++) { /* 50 a second for 10 s */
        pxi_mdns_input(node[0].m, LINK, &from, px_view_of(w.b, w.n));
        net_run(&net, 20);
    }
    uint64_t answers = pxi_mdns_stats(node[0].m).answers - before;
    CHECK(answers >= 8 && answers <= 11);
    /* a storm is not even read */
    for (unsigned k = 0; k < 10000; k++)
        pxi_mdns_input(node[0].m, LINK, &from, px_view_of(w.b, w.n));
    CHECK(pxi_mdns_stats(node[0].m).limited > 9000);
    net_run(&net, 3000);
    question(&w, "_services._dns-sd._udp.local", PXI_DNS_PTR);
    before = pxi_mdns_stats(node[0].m).answers;
    pxi_mdns_input(node[0].m, LINK, &from, px_view_of(w.b, w.n));
    net_run(&net, 300);
    CHECK_EQ(pxi_mdns_stats(node[0].m).answers - before, 1);
    question(&w, "_http._tcp.local", PXI_DNS_PTR);
    before = pxi_mdns_stats(node[0].m).answers;
    pxi_mdns_input(node[0].m, LINK, &from, px_view_of(w.b, w.n));
    net_run(&net, 300);
    CHECK_EQ(pxi_mdns_stats(node[0].m).answers - before, 0);
    stop_nodes(&net);
}

TEST(off_link_and_wrong_ports)
{
    struct net net;
    start_nodes(&net, 2, px_view_of(NULL, 0));
    net_run(&net, 1500);
    struct pxi_endpoint far = {.family = 4, .ip = {10, 1, 3, 1}, .port = PXI_MDNS_PORT};
    struct pxi_endpoint port = source(50);
    px_view answer = px_view_of(node[1].last, node[1].last_n);
    uint64_t off = pxi_mdns_stats(node[0].m).off_link;
    unsigned found = node[0].found;
    pxi_mdns_input(node[0].m, LINK, &far, answer);
    pxi_mdns_input(node[0].m, LINK + 1, &port, answer);
    CHECK_EQ(pxi_mdns_stats(node[0].m).off_link - off, 2);
    port.port = 4000;
    pxi_mdns_input(node[0].m, LINK, &port, answer);
    CHECK_EQ(node[0].found, found);
    CHECK_EQ(pxi_mdns_link(node[0].m, LINK, NULL, 0), PX_ERR_OK); /* the link goes down */
    port.port = PXI_MDNS_PORT;
    pxi_mdns_input(node[0].m, LINK, &port, answer);
    CHECK_EQ(node[0].found, found);
    stop_nodes(&net);
}

/* A response that names what it should not: dropped address by address. */
TEST(what_answers_may_not_say)
{
    static const char id[] = "/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
    static const char *const bad[] = {
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/8.8.8.8/tcp/1",
        "/ip4/10.1.3.1/tcp/1",
        "/ip6/fe80::1/tcp/1",
        "/dns4/example.org/tcp/1",
        "/ip4/10.1.2.9/tcp/0",
        "/ip4/10.1.2.9/tcp/1/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5/p2p-circuit",
        "not an address"};
    struct net net;
    struct pxi_dns_writer w;
    struct pxi_dns_name service = pxi_dns_name_of(px_view_str("_p2p._udp.local"));
    struct pxi_dns_name who = pxi_dns_name_under(px_view_str("somebody"), &service);
    struct pxi_endpoint from = source(9);
    struct pxi_peer peer;
    px_view a[4];
    start_nodes(&net, 1, px_view_of(NULL, 0));
    net_run(&net, 100);
    for (unsigned i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        char text[300];
        bool good = i == sizeof bad / sizeof bad[0];
        snprintf(text + 1, sizeof text - 1, "dnsaddr=%s%s", good ? "/ip4/10.1.2.9/tcp/1" : bad[i],
                 id);
        text[0] = (char)strlen(text + 1);
        pxi_dns_begin(&w, true);
        pxi_dns_put_record(&w, &who, PXI_DNS_TXT, PXI_DNS_IN, UINT32_MAX);
        pxi_dns_put(&w, text, strlen(text + 1) + 1);
        CHECK(pxi_dns_end_record(&w, true));
        pxi_mdns_input(node[0].m, LINK, &from, px_view_of(w.b, w.n));
        CHECK_EQ(node[0].found, good ? 1 : 0);
    }
    CHECK_EQ(pxi_peer_parse(px_view_str(id + 5), &peer, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_peer_addrs(net.host[0], &peer, a, 4), 1);
    net_run(&net, 3700 * 1000ull); /* the TTL is clamped to an hour */
    CHECK_EQ(pxi_peer_addrs(net.host[0], &peer, a, 4), 0);
    stop_nodes(&net);
}

TEST_MAIN()
