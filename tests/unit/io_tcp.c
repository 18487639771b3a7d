/* TCP between two hosts of one process, over the loopback of this machine. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "crypto/cert.h"
#include "io/tcp.h"
#include "net/host_impl.h"
#include "net/ping.h"
#include "px_test.h"

struct node {
    struct pxi_key *key;
    struct pxi_host *host;
    struct pxi_upgrader up;
    struct pxi_tcp *tcp;
};

static struct pxi_loop *loop;
static struct node a, b;

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
    CHECK(n->key && n->host && n->tcp);
    CHECK_EQ(pxi_ping_serve(n->host), PX_ERR_OK);
}

static void node_close(struct node *n)
{
    pxi_host_close(n->host);
    pxi_tcp_free(n->tcp);
    pxi_host_free(n->host);
    pxi_key_free(n->key);
}

static void listen_at(struct node *n, const char *text)
{
    struct pxi_maddr m;
    px_diag d = {0};
    CHECK_EQ(pxi_maddr_parse(px_view_str(text), &m, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_tcp_listen(n->tcp, pxi_maddr_view(&m), &d), PX_ERR_OK);
    CHECK(pxi_host_addr(n->host, 0).n > 0);
}

static void setup(const char *text)
{
    CHECK_EQ(pxi_loop_open(&loop), PX_ERR_OK);
    node_open(&a, 1);
    node_open(&b, 2);
    listen_at(&b, text);
}

static void teardown(void)
{
    node_close(&a);
    node_close(&b);
    pxi_loop_close(loop);
}

static bool wait_for(bool (*ready)(void), uint64_t ms)
{
    uint64_t end = pxi_clock_ns() + ms * PXI_MS;
    while (!ready() && pxi_clock_ns() < end)
        uv_run(pxi_loop_uv(loop), UV_RUN_NOWAIT);
    return ready();
}

static struct pxi_conn *conn;
static px_err why;
static unsigned done;

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    conn = c;
    why = err;
    done++;
}
static bool is_done(void)
{
    return done > 0;
}

static struct pxi_reach reach;

static void dial_at(px_view addr, struct pxi_peer p)
{
    done = 0;
    reach = (struct pxi_reach){.peer = p, .done = reached};
    pxi_loop_now(loop);
    pxi_reach_start(&reach, a.host, &addr, 1);
}

static void dial_b(void)
{
    dial_at(pxi_host_addr(b.host, 0), *pxi_host_self(b.host));
    CHECK(wait_for(is_done, 20000));
}

static unsigned pongs;
static px_err pong_err;
static void pong(void *ctx, uint64_t rtt, px_err err)
{
    pongs++;
    pong_err = err;
}
static bool ponged(void)
{
    return pongs > 0;
}

static void ping_once(void)
{
    pongs = 0;
    pxi_loop_now(loop);
    struct pxi_ping *p = pxi_ping_open(conn, pong, NULL);
    CHECK(p);
    pxi_ping_send(p, 20 * PXI_SECOND);
    CHECK(wait_for(ponged, 20000));
    CHECK_EQ(pong_err, PX_ERR_OK);
    pxi_ping_close(p);
}

TEST(connect_and_ping)
{
    static const char *const at[] = {"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"};
    for (unsigned i = 0; i < 2; i++) {
        setup(at[i]);
        dial_b();
        CHECK(conn);
        ping_once();
        teardown(); /* with the connection open */
    }
}

/* What a message each way asks the kernel for, both ends together: a send, a receive and a wait at
 * each, no alarm though each ping has a deadline. */
TEST(calls_of_a_round_trip)
{
    enum { PINGS = 100 };
    setup("/ip4/127.0.0.1/tcp/0");
    dial_b();
    pongs = 0;
    pxi_loop_now(loop);
    struct pxi_ping *p = pxi_ping_open(conn, pong, NULL);
    CHECK(p);
    for (unsigned i = 0; i < 10; i++) { /* streams are agreed on, the others' protocols known */
        pxi_ping_send(p, 20 * PXI_SECOND);
        CHECK(wait_for(ponged, 20000));
        pongs = 0;
    }
    struct pxi_loop_counts before = *pxi_loop_counts(loop);
    for (unsigned i = 0; i < PINGS; i++) {
        pxi_ping_send(p, 20 * PXI_SECOND);
        while (!pongs)
            pxi_loop_once(loop);
        pongs = 0;
    }
    struct pxi_loop_counts *after = pxi_loop_counts(loop);
    CHECK_EQ(after->sends - before.sends, 2 * PINGS);
    CHECK_EQ(after->receives - before.receives, 2 * PINGS);
    CHECK(after->rounds - before.rounds <= 2 * PINGS + 5);
    CHECK(after->alarms - before.alarms <= 5);
    pxi_ping_close(p);
    teardown();
}

TEST(nobody_listens_there)
{
    setup("/ip4/127.0.0.1/tcp/0");
    struct pxi_maddr m;
    CHECK_EQ(pxi_maddr_parse(px_view_str("/ip4/127.0.0.1/tcp/1"), &m, NULL), PX_ERR_OK);
    dial_at(pxi_maddr_view(&m), *pxi_host_self(b.host));
    CHECK(wait_for(is_done, 20000));
    CHECK_EQ(why, PX_ERR_UNREACHABLE);
    dial_at(pxi_host_addr(b.host, 0), *pxi_host_self(b.host)); /* given up on its way */
    pxi_reach_cancel(&reach);
    dial_at(pxi_host_addr(b.host, 0), *pxi_host_self(b.host)); /* under way at the end */
    teardown();
    CHECK_EQ(done, 1);
}

TEST(another_peer_answers)
{
    setup("/ip4/127.0.0.1/tcp/0");
    struct pxi_peer other = *pxi_host_self(b.host);
    other.b[other.n - 1] ^= 1;
    dial_at(pxi_host_addr(b.host, 0), other);
    CHECK(wait_for(is_done, 20000));
    CHECK_EQ(why, PX_ERR_IDENTITY);
    teardown();
}

TEST(a_port_in_use)
{
    setup("/ip4/127.0.0.1/tcp/0");
    px_diag d = {0};
    CHECK_EQ(pxi_tcp_listen(a.tcp, pxi_host_addr(b.host, 0), &d), PX_ERR_IO);
    teardown();
}

static int raw(void)
{
    struct pxi_endpoint e;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(pxi_endpoint_of(pxi_host_addr(b.host, 0), &e), PX_ERR_OK);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(e.port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool counted(void)
{
    return pxi_limiter_use(b.host->limiter).conns_transient > 0;
}
static bool none_left(void)
{
    return pxi_limiter_use(b.host->limiter).conns_transient == 0;
}

TEST(junk_is_counted_and_hung_up_on)
{
    static const char *const junk[] = {"GET / HTTP/1.1\r\n\r\n",
                                       "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                       "\x13/multistream/1.0.0\n\x07/noise\n\xff\xff junk junk"};
    setup("/ip4/127.0.0.1/tcp/0");
    for (unsigned i = 0; i < 3; i++) {
        int fd = raw();
        CHECK(fd >= 0);
        CHECK(wait_for(counted, 5000));
        CHECK(write(fd, junk[i], strlen(junk[i])) > 0);
        CHECK(wait_for(none_left, i == 2 ? 15000 : 5000));
        close(fd);
    }
    dial_b();
    CHECK(conn);
    teardown();
}

TEST(the_end_while_handshakes_hang)
{
    setup("/ip4/127.0.0.1/tcp/0");
    int fd[8];
    for (unsigned i = 0; i < 8; i++)
        CHECK((fd[i] = raw()) >= 0);
    CHECK(wait_for(counted, 5000));
    CHECK_EQ(write(fd[0], "\x13/multistream/1.0.0\n", 20), 20);
    wait_for(is_done, 50);
    teardown();
    for (unsigned i = 0; i < 8; i++)
        close(fd[i]);
}

/* Without descriptors the backlog waits, the processor too, and all goes on afterwards. */
TEST(no_descriptors_left)
{
    struct rlimit old, low;
    setup("/ip4/127.0.0.1/tcp/0");
    dial_b();
    int fd = raw(), spare = dup(fd);
    CHECK(fd >= 0 && spare >= 0);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)spare; /* no descriptor beyond what there is */
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    uint64_t end = pxi_clock_ns() + 500 * PXI_MS;
    while (pxi_clock_ns() < end)
        pxi_loop_once(loop);
    getrusage(RUSAGE_SELF, &after);
    long us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
              (after.ru_utime.tv_usec - before.ru_utime.tv_usec);
    CHECK(us < 250000);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    CHECK(wait_for(counted, 5000));
    ping_once();
    close(fd);
    close(spare);
    teardown();
}

TEST(memory_may_fail_anywhere)
{
    for (unsigned n = 1; n < 140; n += 3) {
        setup("/ip4/127.0.0.1/tcp/0/ws");
        struct pxi_maddr m = {.n = (uint16_t)pxi_host_addr(b.host, 0).n};
        memcpy(m.b, pxi_host_addr(b.host, 0).p, m.n);
        dial_at(pxi_maddr_view(&m), *pxi_host_self(b.host));
        pxi_mem_fail_after(n);
        wait_for(is_done, 60);
        pxi_mem_fail_after(0);
        teardown();
    }
}

TEST_MAIN()
