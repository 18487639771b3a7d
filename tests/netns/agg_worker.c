/*
 * A worker for agg.py: sums arrays through an aggregator, and checks every sum.
 *
 *     agg_worker RANK WORLD AGGREGATOR PORT GROUP OWN SECRET VALUES ROUNDS LOSS DUP DAMAGE
 *
 * GROUP "-": sums come to OWN itself. It loses, doubles and damages so many per cent of what it
 * sends. Prints "ok DIGEST SENT AGAIN", or "short": somebody was left out of a sum.
 */
#include <arpa/inet.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/rng.h"
#include "crypto/tag.h"
#include "io/loop.h"
#include "reduce/group.h"
#include "reduce/rank.h"

enum { SLOTS = 64, VALUES = 256, STRIDE = 2048, AGGREGATOR = 64 };

static struct pxi_kernels kernels;

struct worker {
    unsigned rank, world, loss, dup, damage;
    int fd;
    struct sockaddr_in to;
    struct pxi_rank *machine;
    struct pxi_tag_key key, sums;
    struct pxi_rng rng;
    uint64_t sent;
};

static void fail(const char *what)
{
    fprintf(stderr, "agg_worker: %s\n", what);
    exit(1);
}

static void open_socket(struct worker *w, char **argv)
{
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)strtoul(argv[4], NULL, 10))};
    struct ip_mreq join = {.imr_multiaddr.s_addr = inet_addr(argv[5]),
                           .imr_interface.s_addr = inet_addr(argv[6])};
    bool alone = strcmp(argv[5], "-") == 0;
    int room = 4 << 20;
    w->to = own;
    w->to.sin_addr.s_addr = inet_addr(argv[3]);
    own.sin_addr.s_addr = alone ? join.imr_interface.s_addr : 0;
    w->fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&own, sizeof own) ||
        (!alone && setsockopt(w->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join)))
        fail("no socket, or not in the group");
}

static void send_frames(struct worker *w)
{
    static uint8_t out[STRIDE];
    px_view v;
    while ((v = pxi_rank_poll(w->machine, pxi_clock_ns())).n) {
        unsigned copies = pxi_rng_below(&w->rng, 100) < w->loss  ? 0
                          : pxi_rng_below(&w->rng, 100) < w->dup ? 2
                                                                 : 1;
        pxi_tag_put(&w->key, kernels.tag_nh, (uint8_t *)(uintptr_t)v.p, v.n);
        memcpy(out, v.p, v.n);
        if (pxi_rng_below(&w->rng, 100) < w->damage)
            out[pxi_rng_below(&w->rng, v.n)] ^= (uint8_t)(1u << pxi_rng_below(&w->rng, 8));
        for (unsigned i = 0; i < copies; i++)
            sendto(w->fd, out, v.n, 0, (struct sockaddr *)&w->to, sizeof w->to);
        w->sent++;
    }
}

static void receive(struct worker *w)
{
    static uint8_t in[65536];
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    ssize_t n;
    poll(&p, 1, 1);
    while ((n = recv(w->fd, in, sizeof in, MSG_DONTWAIT)) > 0)
        if (pxi_gradient_read(px_view_of(in, (size_t)n), &h, &values, &why) &&
            pxi_tag_right(&w->sums, kernels.tag_nh, in, (size_t)n))
            pxi_rank_take(w->machine, &h, values, pxi_clock_ns());
}

static float value(unsigned rank, unsigned round, size_t i)
{
    struct pxi_rng r = {rank * 7919u + round * 104729u + i * 31u};
    return (float)((int)pxi_rng_below(&r, 129) - 64) / 64.0f;
}

/* Values are multiples of a step that the format has, so sums are exact. */
static void round_of(struct worker *w, unsigned round, size_t n, uint64_t *digest)
{
    float *x = pxi_calloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = value(w->rank, round, i);
    struct pxi_rank_op op = {.x = x, .n = n};
    if (pxi_rank_begin(w->machine, &op))
        fail("no operation");
    uint64_t end_ns = pxi_clock_ns() + 30000000000u;
    while (!pxi_rank_done(w->machine)) {
        send_frames(w);
        receive(w);
        if (pxi_clock_ns() > end_ns)
            fail("no sum in 30 s");
    }
    /* A machine that stalls for longer than a deadline leaves somebody out: that is no fault. */
    if (pxi_rank_least(w->machine) < w->world) {
        printf("short\n");
        exit(0);
    }
    for (size_t i = 0; i < n; i++) {
        float want = 0;
        for (unsigned k = 0; k < w->world; k++)
            want += value(k, round, i);
        if (x[i] != want)
            fail("a sum is wrong");
        *digest = (*digest ^ (uint32_t)(int32_t)(x[i] * 64)) * UINT64_C(0x100000001b3);
    }
    pxi_free(x);
}

static void make_machine(struct worker *w, const char *hex)
{
    static uint8_t frames[SLOTS * STRIDE] __attribute__((aligned(64)));
    uint8_t secret[32], out[32];
    for (unsigned i = 0, v; i < 32; i++)
        secret[i] = sscanf(hex + 2 * i, "%2x", &v) == 1 ? (uint8_t)v : 0;
    pxi_group_secret(secret, w->rank, AGGREGATOR, out);
    pxi_tag_key_init(&w->key, out);
    pxi_group_secret(secret, AGGREGATOR, AGGREGATOR, out);
    pxi_tag_key_init(&w->sums, out);
    pxi_kernels_init(&kernels, pxi_cpu_detect());
    struct pxi_rank_options o = {.job = 1,
                                 .epoch = 1,
                                 .slots = SLOTS,
                                 .values = VALUES,
                                 .fan_in = (uint8_t)w->world,
                                 .worker = (uint8_t)w->rank,
                                 .frames = frames,
                                 .stride = STRIDE,
                                 .rto_min_ns = 2000000,
                                 .rto_max_ns = 200000000,
                                 .kernels = &kernels};
    w->machine = pxi_rank_new(&o);
    if (!w->machine)
        fail("no memory");
}

int main(int argc, char **argv)
{
    struct worker w = {0};
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    if (argc != 13)
        fail("twelve arguments");
    w.rank = (unsigned)strtoul(argv[1], NULL, 10);
    w.world = (unsigned)strtoul(argv[2], NULL, 10);
    w.loss = (unsigned)strtoul(argv[10], NULL, 10);
    w.dup = (unsigned)strtoul(argv[11], NULL, 10);
    w.damage = (unsigned)strtoul(argv[12], NULL, 10);
    w.rng.state = w.rank + 1;
    open_socket(&w, argv);
    make_machine(&w, argv[7]);
    for (unsigned round = 0; round < strtoul(argv[9], NULL, 10); round++)
        round_of(&w, round, strtoul(argv[8], NULL, 10), &digest);
    printf("ok %016llx %llu %llu\n", (unsigned long long)digest, (unsigned long long)w.sent,
           (unsigned long long)pxi_rank_counts(w.machine)->again);
    return 0;
}
