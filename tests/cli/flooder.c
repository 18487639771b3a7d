/*
 * A hostile peer as a process of its own, for test_flood.py: flooder MODE ADDRESS connects a few
 * times and then, until it is killed,
 *   streams  opens streams as fast as it may, of every protocol and of none, and keeps them;
 *   unread   writes pings into every stream that it gets, and reads no answer;
 *   silent   takes the other's question of identify and never answers.
 * It tells once a second what it did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/shake.h"
#include "io/quic.h"
#include "io/tcp.h"
#include "net/limits.h"

enum { CONNS = 8, A_TICK = 64, PINGS = 64 };
enum mode { STREAMS, UNREAD, SILENT };

static enum mode mode;
static struct pxi_loop *loop;
static struct pxi_host *host;
static struct pxi_reach reaches[CONNS];
static struct pxi_maddr target;
static struct pxi_timer ticks, seconds;
static uint64_t opened, refused, written, asked;

static const char *const protocols[] = {"/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0",
                                        "/ipfs/lan/kad/1.0.0", "/nobody/speaks/this"};

/* ------------------------------------------------------------- our streams */

static size_t on_data(struct pxi_stream *s, px_view b)
{
    return mode == UNREAD ? 0 : b.n;
}

static void on_writable(struct pxi_stream *s)
{
    static const uint8_t pings[32 * PINGS];
    size_t n;
    while (mode == UNREAD && (n = pxi_stream_write(s, px_view_of(pings, sizeof pings))))
        written += n;
}

static void on_ended(struct pxi_stream *s)
{
    pxi_stream_end(s);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    refused++;
}

static const struct pxi_stream_events mine = {
    .data = on_data, .writable = on_writable, .ended = on_ended, .closed = on_closed};

/* What the other asks: taken, and never answered. */
static void on_asked(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events deaf = {0};
    asked++;
    pxi_stream_own(s, &deaf, NULL);
}

/* ------------------------------------------------------------------ turns */

static void flood(struct pxi_conn *c)
{
    for (unsigned i = 0; i < A_TICK; i++) {
        unsigned which = mode == UNREAD ? 0 : (unsigned)(opened % 5);
        struct pxi_stream *s = pxi_host_open(c, &protocols[which], 1, &mine, NULL);
        if (!s)
            return;
        opened++;
        on_writable(s);
    }
}

static void on_tick(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_list *conns = pxi_host_conns(host);
    for (struct pxi_list *l = conns->next, *next; l != conns; l = next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        next = l->next;
        if (mode != SILENT && !c->closing)
            flood(c);
    }
    pxi_timer_after(pxi_loop_timers(loop), t, 2 * PXI_MS);
}

static void on_second(struct pxi_timer *t, uint64_t now_ns)
{
    printf("{\"conns\":%u,\"opened\":%llu,\"refused\":%llu,\"written\":%llu,\"asked\":%llu}\n",
           pxi_host_conn_count(host), (unsigned long long)opened, (unsigned long long)refused,
           (unsigned long long)written, (unsigned long long)asked);
    fflush(stdout);
    pxi_timer_after(pxi_loop_timers(loop), t, PXI_SECOND);
}

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    if (!c)
        fprintf(stderr, "no connection: %s\n", px_err_name(err));
}

static void reach(struct pxi_reach *r)
{
    px_view to = pxi_maddr_view(&target);
    struct pxi_peer who = r->peer;
    *r = (struct pxi_reach){.peer = who, .force_new = true, .done = reached};
    pxi_reach_start(r, host, &to, 1);
}

/* Whoever is hung up on comes back. */
static void on_lost(struct pxi_watch *w, struct pxi_conn *c)
{
    for (unsigned i = 0; i < CONNS; i++)
        if (!reaches[i].dialing) {
            pxi_reach_cancel(&reaches[i]);
            reach(&reaches[i]);
            return;
        }
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"streams", "unread", "silent"};
    static struct pxi_watch watch = {.disconnected = on_lost};
    static struct pxi_upgrader up;
    struct pxi_net_limits limits = pxi_net_limits_default();
    struct pxi_cert *cert = NULL;
    struct pxi_shaker *shaker = NULL;
    struct pxi_key *key = pxi_key_new(PXI_KEY_ED25519, pxi_random_system());
    struct pxi_maddr_part id;
    if (argc != 3 || !key || pxi_loop_open(&loop) != PX_ERR_OK ||
        pxi_cert_new(key, pxi_random_system(), pxi_clock_wall_s(), &cert) != PX_ERR_OK ||
        pxi_maddr_parse(px_view_str(argv[2]), &target, NULL) != PX_ERR_OK ||
        !pxi_maddr_find(pxi_maddr_view(&target), PXI_MA_P2P, &id))
        return 2;
    for (mode = STREAMS; mode <= SILENT && strcmp(argv[1], modes[mode]) != 0;)
        mode++;
    limits.conns_peer = limits.streams_peer = limits.streams_protocol_peer = 1 << 20;
    limits.streams_protocol = 1 << 20;
    struct pxi_host_options o = {.key = key,
                                 .timers = pxi_loop_timers(loop),
                                 .random = pxi_random_system(),
                                 .limits = &limits,
                                 .wall_s = pxi_clock_wall_s};
    host = pxi_host_new(&o);
    struct pxi_shaker_options so = {.cert = cert, .random = pxi_random_system()};
    if (pxi_shaker_new(&so, &shaker) != PX_ERR_OK)
        return 2;
    up = (struct pxi_upgrader){.host = host, .security = {PXI_SECURITY_NOISE}};
    if (!host || !pxi_tcp_new(loop, &up) || !pxi_quic_io_new(loop, host, shaker))
        return 2;
    pxi_host_handle(host, protocols[1], 0, on_asked, NULL);
    pxi_host_watch(host, &watch);
    ticks.fire = on_tick;
    seconds.fire = on_second;
    pxi_loop_now(loop);
    pxi_timer_after(pxi_loop_timers(loop), &ticks, 0);
    pxi_timer_after(pxi_loop_timers(loop), &seconds, PXI_SECOND);
    for (unsigned i = 0; i < CONNS; i++) {
        pxi_peer_from_bytes(id.value, &reaches[i].peer, NULL);
        reach(&reaches[i]);
    }
    pxi_loop_run(loop);
    return 0;
}
