/*
 * Names on real threads: questions go to a name server of our own on loopback, from the workers of
 * libuv, while the loop goes on; and the worker that asks routers, whose answer is made up here.
 */
#include "base/limits.h"
#include "base/rng.h"
#include "io/dns.h"
#include "io/portmap.h"
#include "io/portmap_impl.h"
#include "io/tcp.h"
#include "net/dns.h"
#include "px_test.h"

static struct pxi_loop *loop;

/* ------------------------------------------------------------- a name server */

static struct {
    uv_udp_t udp;
    uint8_t in[600];
    uint16_t port;
    unsigned asked;
    bool silent;
    /* Puts the texts of a name. */
    void (*answer)(struct pxi_dns_writer *w, const struct pxi_dns_record *q);
} server;

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    *b = uv_buf_init((char *)server.in, sizeof server.in);
}

static void on_question(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
                        unsigned flags)
{
    struct pxi_dns_reader r;
    struct pxi_dns_record q;
    struct pxi_dns_writer w;
    if (n <= 0 || !from)
        return;
    CHECK(pxi_dns_open(&r, px_view_of(server.in, (size_t)n)));
    CHECK_EQ(pxi_dns_question(&r, &q), 1);
    CHECK_EQ(q.type, PXI_DNS_TXT);
    server.asked++;
    if (server.silent)
        return;
    pxi_dns_begin(&w, true);
    pxi_dns_put_question(&w, &q.name, q.type);
    server.answer(&w, &q);
    memcpy(w.b, server.in, 2);
    uv_buf_t out = uv_buf_init((char *)w.b, (unsigned)w.n);
    uv_udp_try_send(u, &out, 1, from);
}

static void put(struct pxi_dns_writer *w, const struct pxi_dns_record *q, const char *addr)
{
    char text[256];
    snprintf(text, sizeof text, "?dnsaddr=%s", addr);
    text[0] = (char)(strlen(text) - 1); /* a string begins with its length */
    pxi_dns_put_record(w, &q->name, PXI_DNS_TXT, PXI_DNS_IN, 60);
    pxi_dns_put(w, text, strlen(text));
    CHECK(pxi_dns_end_record(w, false));
}

static void server_open(void)
{
    struct sockaddr_in at;
    int n = sizeof at;
    memset(&server, 0, sizeof server);
    uv_ip4_addr("127.0.0.1", 0, &at);
    uv_udp_init(pxi_loop_uv(loop), &server.udp);
    CHECK_EQ(uv_udp_bind(&server.udp, (struct sockaddr *)&at, 0), 0);
    CHECK_EQ(uv_udp_getsockname(&server.udp, (struct sockaddr *)&at, &n), 0);
    server.port = ntohs(at.sin_port);
    uv_udp_recv_start(&server.udp, on_alloc, on_question);
}

/* ------------------------------------------------------------------ two hosts */

struct node {
    struct pxi_key *key;
    struct pxi_host *host;
    struct pxi_upgrader up;
    struct pxi_tcp *tcp;
    struct pxi_dns_io *dns;
};
static struct node a, b;
static char there[PXI_MADDR_TEXT + 128],
    elsewhere[PXI_MADDR_TEXT + 128]; /* b's address; the same with another peer at its end */

static void node_open(struct node *n, uint8_t i)
{
    uint8_t seed[32] = {i};
    *n = (struct node){.key = pxi_key_from_seed(seed)};
    struct pxi_host_options o = {.key = n->key,
                                 .timers = pxi_loop_timers(loop),
                                 .random = pxi_random_system(),
                                 .wall_s = pxi_clock_wall_s};
    n->host = pxi_host_new(&o);
    n->up = (struct pxi_upgrader){.host = n->host, .security = {PXI_SECURITY_NOISE}};
    n->tcp = pxi_tcp_new(loop, &n->up);
    n->dns = pxi_dns_io_new(loop, n->host);
    CHECK(n->key && n->host && n->tcp && n->dns);
}

static void node_close(struct node *n)
{
    pxi_host_close(n->host);
    pxi_dns_io_free(n->dns);
    pxi_tcp_free(n->tcp);
    pxi_host_free(n->host);
    pxi_key_free(n->key);
}

static void setup(void)
{
    struct pxi_maddr m;
    char text[PXI_MADDR_TEXT], id[PXI_PEER_TEXT];
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    server_open();
    node_open(&a, 1);
    node_open(&b, 2);
    CHECK_EQ(pxi_maddr_parse(px_view_str("/ip4/127.0.0.1/tcp/0"), &m, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_tcp_listen(b.tcp, pxi_maddr_view(&m), NULL), PX_ERR_OK);
    pxi_maddr_text(pxi_host_addr(b.host, 0), text);
    pxi_peer_text(pxi_host_self(b.host), id);
    snprintf(there, sizeof there, "%s/p2p/%s", text, id);
    pxi_peer_text(pxi_host_self(a.host), id);
    snprintf(elsewhere, sizeof elsewhere, "%s/p2p/%s", text, id);
    pxi_dns_io_server(a.dns, htonl(INADDR_LOOPBACK), server.port);
}

static void teardown(void)
{
    node_close(&a);
    node_close(&b);
    uv_close((uv_handle_t *)&server.udp, NULL);
    pxi_loop_close(loop);
}

static struct pxi_conn *conn;
static px_err why;
static unsigned done;
static struct pxi_reach reach;

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    conn = c;
    why = err;
    done++;
}

static void dial(const char *text)
{
    struct pxi_maddr m;
    CHECK_EQ(pxi_maddr_parse(px_view_str(text), &m, NULL), PX_ERR_OK);
    px_view v = pxi_maddr_view(&m);
    done = 0;
    reach = (struct pxi_reach){.peer = *pxi_host_self(b.host), .done = reached};
    pxi_loop_now(loop);
    pxi_reach_start(&reach, a.host, &v, 1);
}

static void turn(uint64_t ms)
{
    uint64_t end = pxi_clock_ns() + ms * PXI_MS;
    while (!done && pxi_clock_ns() < end)
        uv_run(pxi_loop_uv(loop), UV_RUN_NOWAIT);
}

static void dial_and_wait(const char *text)
{
    dial(text);
    turn(20000);
    CHECK_EQ(done, 1);
}

/* ---------------------------------------------------------------------- cases */

/* One name leads to another's peer, to nothing, and to a second name; that leads to the peer. */
static void through_two(struct pxi_dns_writer *w, const struct pxi_dns_record *q)
{
    char nested[200], id[PXI_PEER_TEXT];
    if (server.asked == 1) {
        pxi_peer_text(pxi_host_self(b.host), id);
        snprintf(nested, sizeof nested, "/dnsaddr/two.test/p2p/%s", id);
        put(w, q, elsewhere);
        put(w, q, "/ip4/127.0.0.1/tcp");
        put(w, q, nested);
        return;
    }
    put(w, q, there);
}

TEST(names_stand_for_addresses)
{
    setup();
    server.answer = through_two;
    dial_and_wait("/dnsaddr/one.test");
    CHECK(conn);
    CHECK_EQ(server.asked, 2);
    teardown();
}

static void itself(struct pxi_dns_writer *w, const struct pxi_dns_record *q)
{
    char nested[200], id[PXI_PEER_TEXT];
    pxi_peer_text(pxi_host_self(b.host), id);
    for (unsigned i = 0; i < 8; i++) { /* each leads to eight new ones, without end */
        snprintf(nested, sizeof nested, "/dnsaddr/n%u-%u.test/p2p/%s", server.asked, i, id);
        put(w, q, nested);
    }
}

TEST(names_that_lead_to_names_without_end)
{
    setup();
    server.answer = itself;
    dial_and_wait("/dnsaddr/one.test");
    CHECK_EQ(why, PX_ERR_UNREACHABLE);
    printf("# %u questions\n", server.asked);
    CHECK(server.asked >= 4 && server.asked <= 32);
    teardown();
}

static void another(struct pxi_dns_writer *w, const struct pxi_dns_record *q)
{
    char nested[200], id[PXI_PEER_TEXT];
    pxi_peer_text(pxi_host_self(b.host), id);
    snprintf(nested, sizeof nested, "/dnsaddr/n%u.test/p2p/%s", server.asked, id);
    put(w, q, nested);
}

TEST(names_are_followed_so_deep)
{
    setup();
    server.answer = another;
    dial_and_wait("/dnsaddr/one.test");
    CHECK_EQ(why, PX_ERR_UNREACHABLE);
    CHECK_EQ(server.asked, PXI_LIMIT_DNSADDR_DEPTH);
    teardown();
}

static void junk(struct pxi_dns_writer *w, const struct pxi_dns_record *q)
{
    put(w, q, there);
    w->n -= 5;
}

TEST(answers_that_are_none)
{
    setup();
    server.answer = junk;
    dial_and_wait("/dnsaddr/one.test");
    CHECK_EQ(why, PX_ERR_UNREACHABLE);
    teardown();
}

/* Whoever waits gives up, and the host ends, while threads still ask. */
TEST(the_end_while_threads_ask)
{
    for (unsigned i = 0; i < 3; i++) {
        setup();
        server.answer = through_two;
        server.silent = true;
        dial("/dnsaddr/one.test");
        turn(i * 20);
        CHECK_EQ(done, 0);
        if (i == 1)
            pxi_reach_cancel(&reach);
        teardown();
        CHECK_EQ(done, i != 1);
    }
}

TEST(names_of_hosts)
{
    char text[200];
    struct pxi_endpoint e;
    setup();
    CHECK_EQ(pxi_endpoint_of(pxi_host_addr(b.host, 0), &e), PX_ERR_OK);
    snprintf(text, sizeof text, "/dns4/localhost/tcp/%u", e.port);
    dial_and_wait(text);
    CHECK(conn);
    CHECK_EQ(server.asked, 0);
    dial(text); /* and the end while it asks */
    teardown();
}

/* --------------------------------------------------------- the worker of routers */

/* In the place of the one that asks the gateway of this machine. */
void pxi_portmap_ask(struct pxi_portmap_job *job)
{
    for (unsigned i = 0; i < job->n; i++) {
        job->want[i].outside = job->want[i].inside;
        memcpy(job->want[i].outside.ip, (uint8_t[]){198, 51, 100, 7}, 4);
    }
    uv_sleep(30);
}

TEST(routers_are_asked_by_a_worker)
{
    struct pxi_endpoint e = {.family = 4, .ip = {10, 1, 2, 3}, .port = 4001, .via = PXI_VIA_TCP};
    for (unsigned early = 0; early < 2; early++) {
        setup();
        struct pxi_maddr m = pxi_endpoint_maddr(&e);
        CHECK_EQ(pxi_host_addr_add(a.host, pxi_maddr_view(&m), PXI_ADDR_LISTEN), PX_ERR_OK);
        pxi_loop_now(loop);
        struct pxi_portmap *p = pxi_portmap_new(loop, a.host);
        CHECK(p);
        done = 0;
        turn(early ? 1015 : 1100); /* it asks after a second; early: its owner ends before it */
        px_view got = pxi_portmap_addr(p, 0);
        for (unsigned i = 0; i < 200 && !early && !got.n; i++) { /* the worker had no processor */
            turn(100);
            got = pxi_portmap_addr(p, 0);
        }
        struct pxi_endpoint out;
        if (!early) {
            CHECK_EQ(pxi_endpoint_of(got, &out), PX_ERR_OK);
            CHECK_EQ(out.ip[3], 7);
        }
        pxi_portmap_free(p);
        teardown();
    }
}

TEST_MAIN()
