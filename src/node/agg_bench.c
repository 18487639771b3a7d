/* What a packet costs on each way into an aggregator: runs on a virtual wire. */
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/rng.h"
#include "codec/gradient.h"
#include "io/wire_take.h"
#include "io/xdp.h"
#include "kernel/kernel.h"
#include "plexus/agg_bench.h"

enum {
    JOB = 7,
    SLOTS = 128,
    CHUNKS = 4096,
    VALUES = 688,
    TRIES = 5,
    LANES = 4096, /* room for the sums of a slot in user space */
    IDLE = 50,    /* tenths of a second without a packet, then it is lost */
};

struct px_agg_bench {
    struct pxi_wire *wire;
    struct pxi_kernels kernels;
    uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];
    struct pxi_tag_key keys[PXI_BPF_MEMBERS];
    uint8_t *lanes; /* of user space, LANES a slot */
    uint8_t sum[LANES] __attribute__((aligned(64)));
    cpu_set_t before;
    /* Of the run: */
    const px_agg_way *way;
    unsigned steps; /* packets of a worker */
    uint64_t taken, wakeups, wrong;
};

static uint64_t clock_of(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* -------------------------------------------------------------- packets */

static size_t datagram_bytes(const struct px_agg_bench *b, unsigned count)
{
    return PX_GRADIENT_HEAD + pxi_gradient_bytes(PX_GRADIENT_I16, count);
}

/* Values below twice the bias, the same for all workers, and their sum. */
static void make_values(struct px_agg_bench *b)
{
    struct pxi_rng r = {.state = 1};
    uint32_t limit = 2 * pxi_gradient_bias(PX_GRADIENT_I16, b->way->fan_in);
    uint8_t *v = pxi_wire_values(b->wire);
    for (unsigned i = 0; i < b->way->values; i++) {
        uint16_t one = (uint16_t)pxi_rng_below(&r, limit);
        memcpy(v + 2 * i, &one, sizeof one);
    }
    memset(b->sum, 0, sizeof b->sum);
    for (unsigned w = 0; w < b->way->fan_in; w++)
        b->kernels.grad_add[PX_GRADIENT_I16](b->sum, v, b->way->values);
}

/* A worker that gets its sums in batches sends as many packets, and waits for the next ones. */
static struct px_gradient_head head_of(const struct px_agg_bench *b, unsigned worker, uint32_t seq)
{
    bool waits = seq % PXI_BPF_BATCH == PXI_BPF_BATCH - 1 || seq + 1 == SLOTS + b->steps;
    return (struct px_gradient_head){
        .kind = PX_GRADIENT_CONTRIBUTION,
        .job = JOB,
        .epoch = b->way->kind == PX_AGG_PARSE,
        .worker = (uint8_t)worker,
        .slot = (uint16_t)(seq % SLOTS),
        .flags = (uint8_t)((seq / SLOTS & 1) | (waits ? PX_GRADIENT_WAITS : 0)),
        .seq = seq,
        .count = (uint16_t)(seq < SLOTS ? 0 : b->way->values),
        .where = seq < SLOTS ? UINT32_MAX : seq % CHUNKS,
    };
}

/* The sum of UDP, which trains need: the kernel joins no packets without. */
static void put_sum(uint8_t *f, const uint8_t *values, size_t n)
{
    uint64_t sum = IPPROTO_UDP + n;
    for (size_t i = 26; i < PXI_WIRE_HEAD; i += 2)
        sum += (uint64_t)f[i] << 8 | f[i + 1];
    for (size_t i = 0; i + PX_GRADIENT_HEAD + 8 < n; i += 2)
        sum += (uint64_t)values[i] << 8 | values[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    sum = sum == 0xffff ? sum : ~sum & 0xffff;
    f[40] = (uint8_t)(sum >> 8);
    f[41] = (uint8_t)sum;
}

static void put_packet(struct px_agg_bench *b, unsigned at, unsigned worker, unsigned step,
                       const struct pxi_tag_sum *nh)
{
    struct pxi_wire_packet *p = pxi_wire_packets(b->wire) + at;
    struct px_gradient_head h = head_of(b, worker, SLOTS + step);
    size_t n = datagram_bytes(b, h.count);
    pxi_wire_wrap(b->wire, p->head, worker, n);
    pxi_gradient_write(&h, p->head + PXI_WIRE_BEFORE);
    uint64_t tag = pxi_tag_finish(&b->keys[worker], p->head + PXI_WIRE_BEFORE, nh);
    memcpy(p->head + PXI_WIRE_BEFORE + PXI_TAG_AT, &tag, sizeof tag);
    if (b->way->kind == PX_AGG_GRO && !b->way->socket)
        put_sum(p->head, pxi_wire_values(b->wire), n + 8);
    p->worker = worker;
}

/* Workers one slot behind the other, in step, or in trains. */
static unsigned order(struct px_agg_bench *b, const struct pxi_tag_sum *nh)
{
    unsigned at = 0, n = b->way->fan_in;
    if (b->way->socket) {
        for (unsigned i = 0; i < b->steps; i += PXI_WIRE_TRAIN)
            for (unsigned w = 0; w < n; w++)
                for (unsigned s = i; s < i + PXI_WIRE_TRAIN && s < b->steps; s++)
                    put_packet(b, at++, w, s, &nh[w]);
        return at;
    }
    unsigned late = b->way->in_step ? 0 : 1;
    for (unsigned i = 0; i < b->steps + (n - 1) * late; i++)
        for (unsigned w = 0; w < n; w++)
            if (i >= w * late && i - w * late < b->steps)
                put_packet(b, at++, w, i - w * late, &nh[w]);
    return at;
}

static void make_packets(struct px_agg_bench *b)
{
    struct pxi_tag_sum nh[PX_GRADIENT_WORKERS] = {{{0}}};
    struct pxi_wire_run *run = pxi_wire_run(b->wire);
    unsigned n = b->way->fan_in;
    b->steps = b->way->packets / n;
    make_values(b);
    run->words = (uint32_t)(datagram_bytes(b, b->way->values) - PX_GRADIENT_HEAD) / 8;
    run->still = b->way->kind == PX_AGG_DROP || b->way->kind == PX_AGG_PARSE;
    for (unsigned w = 0; w < n; w++)
        b->kernels.tag_nh(&nh[w], b->keys[w].nh, pxi_wire_values(b->wire), run->words);
    run->packets = order(b, nh);
}

/* ------------------------------------------------------------- user space */

static void on_datagram(void *ctx, const uint8_t *p, size_t n)
{
    struct px_agg_bench *b = ctx;
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    if (!pxi_gradient_read(px_view_of(p, n), &h, &values, &why) || h.worker >= b->way->fan_in)
        return;
    if (b->way->tagged && !pxi_tag_right(&b->keys[h.worker], b->kernels.tag_nh, p, n))
        return;
    b->kernels.grad_add[PX_GRADIENT_I16](b->lanes + (size_t)LANES * (h.seq % (2 * SLOTS)), values.p,
                                         h.count);
    b->taken++;
}

static void answered(struct px_agg_bench *b, uint64_t n)
{
    __atomic_store_n(&pxi_wire_run(b->wire)->answered, n, __ATOMIC_RELEASE);
}

/* Take all packets of the run; false when some do not come. */
static bool take_all(struct px_agg_bench *b, struct pxi_taker *t)
{
    unsigned idle = 0;
    while (b->taken < pxi_wire_run(b->wire)->packets && idle < IDLE) {
        int n = pxi_taker_take(t, on_datagram, b);
        if (n < 0)
            return false;
        answered(b, b->taken);
        idle = n ? 0 : idle + 1;
    }
    return b->taken == pxi_wire_run(b->wire)->packets;
}

static enum pxi_take_way taker_of(px_agg_kind kind)
{
    return kind == PX_AGG_RECVMMSG ? PXI_TAKE_MANY
           : kind == PX_AGG_AF_XDP ? PXI_TAKE_FRAMES
                                   : PXI_TAKE_TRAINS;
}

/* ---------------------------------------------------------------- the kernel */

static px_err open_kernel(struct px_agg_bench *b, struct pxi_xdp **out, px_diag *diag)
{
    unsigned n = b->way->fan_in;
    struct pxi_xdp_options o = {.device = pxi_wire_device(b->wire),
                                .address = pxi_wire_address(),
                                .port = PXI_WIRE_PORT,
                                .values = VALUES,
                                .slots = SLOTS,
                                .chunks = CHUNKS,
                                .untagged = !b->way->tagged};
    struct pxi_xdp_job j = {.job = JOB,
                            .slots = SLOTS,
                            .values = (uint16_t)b->way->values,
                            .fan_in = (uint8_t)n,
                            .members = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1,
                            .quorum = n,
                            .deadline_ns = UINT64_MAX,
                            .chunks = CHUNKS,
                            .mode = b->way->kind == PX_AGG_SERVER ? PXI_BPF_SERVER : PXI_BPF_SWITCH,
                            .group_address = pxi_wire_peer(),
                            .group_port = PXI_WIRE_PORT,
                            .group_mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])b->secrets};
    px_err err = pxi_xdp_open(&o, out, diag);
    return err ? err : pxi_xdp_begin(*out, &j, diag);
}

/* The exponents of the first window, without the wire. */
static void prime(struct px_agg_bench *b, struct pxi_xdp *x)
{
    uint8_t f[PXI_WIRE_HEAD];
    for (uint32_t seq = 0; seq < SLOTS; seq++)
        for (unsigned w = 0; w < b->way->fan_in; w++) {
            struct px_gradient_head h = head_of(b, w, seq);
            h.epoch = 0;
            pxi_wire_wrap(b->wire, f, w, PX_GRADIENT_HEAD);
            pxi_gradient_write(&h, f + PXI_WIRE_BEFORE);
            pxi_tag_put(&b->keys[w], b->kernels.tag_nh, f + PXI_WIRE_BEFORE, PX_GRADIENT_HEAD);
            pxi_xdp_run(x, f, sizeof f, NULL, NULL, 1, NULL);
        }
}

static void on_done(void *ctx, const struct pxi_bpf_done *d, const struct pxi_bpf_version *v)
{
    struct px_agg_bench *b = ctx;
    b->taken++;
    bool same = v->count == b->way->values && !memcmp(v->lanes, b->sum, 2 * (size_t)v->count);
    /* A slot that went on meanwhile is not looked at. */
    b->wrong += !same && __atomic_load_n(&v->seq, __ATOMIC_ACQUIRE) == d->seq;
}

static void on_prime(void *ctx, const struct pxi_bpf_done *d, const struct pxi_bpf_version *v) {}

static void woken(struct px_agg_bench *b, struct pxi_xdp *x)
{
    b->wakeups++;
    pxi_xdp_take(x, 0, on_done, b);
}

/* Sleep until the sender is done, or sums are there, as an aggregator's process does. */
static int64_t reader(struct px_agg_bench *b, struct pxi_xdp *x)
{
    struct pollfd p[2] = {{.fd = pxi_xdp_wakes(x), .events = POLLIN},
                          {.fd = pxi_wire_tells(b->wire), .events = POLLIN}};
    int64_t ns = PXI_WIRE_NOT_YET;
    bool server = b->way->kind == PX_AGG_SERVER;
    unsigned idle = 0;
    while ((ns == PXI_WIRE_NOT_YET || (server && b->taken < b->steps)) && idle < IDLE) {
        int n = poll(p, ns == PXI_WIRE_NOT_YET ? 2 : 1, 100);
        if (n > 0 && p[0].revents)
            woken(b, x);
        if (n > 0 && ns == PXI_WIRE_NOT_YET && p[1].revents)
            ns = pxi_wire_wait(b->wire, 0);
        idle = n > 0 ? 0 : idle + 1;
    }
    return ns;
}

/* ---------------------------------------------------------------------- runs */

struct meter {
    uint64_t kernel_ns, user_ns;
};

/* The thread of the device sleeps when it is read, so what it says is exact; reading it is nobody's
 * work. */
static struct meter begin(const struct px_agg_bench *b)
{
    uint64_t kernel_ns = pxi_wire_taker_ns(b->wire);
    return (struct meter){kernel_ns, clock_of(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct meter end(const struct px_agg_bench *b)
{
    struct meter m = {.user_ns = clock_of(CLOCK_PROCESS_CPUTIME_ID)};
    struct timespec t = {.tv_nsec = 3000000};
    nanosleep(&t, NULL);
    m.kernel_ns = pxi_wire_taker_ns(b->wire);
    return m;
}

static void fill(struct px_agg_bench *b, struct meter from, struct meter to, int64_t sender,
                 uint64_t packets, px_agg_cost *out)
{
    double n = packets ? (double)packets : 1;
    out->packets = packets;
    out->kernel_ns = (double)(to.kernel_ns - from.kernel_ns) / n;
    out->user_ns = (double)(to.user_ns - from.user_ns) / n;
    out->sender_ns = (double)sender / n;
    out->wakeups = b->wakeups;
    out->wrong = b->wrong;
}

/* PX_ERR_FAILED: packets were lost. */
static px_err run_drop(struct px_agg_bench *b, px_agg_cost *out, px_diag *diag)
{
    int64_t ns = PXI_WIRE_NOT_YET;
    px_err err = pxi_wire_put(b->wire, PXI_WIRE_DROP, -1, diag);
    if (err)
        return err;
    struct meter from = begin(b);
    err = pxi_wire_start(b->wire, PXI_WIRE_FRAMES);
    while (!err && ns == PXI_WIRE_NOT_YET)
        ns = pxi_wire_wait(b->wire, 1000);
    fill(b, from, end(b), ns, pxi_wire_run(b->wire)->answered, out);
    pxi_wire_clear(b->wire);
    return err || ns < 0 ? PX_ERR_FAILED : PX_ERR_OK;
}

static px_err run_user(struct px_agg_bench *b, px_agg_cost *out, px_diag *diag)
{
    struct pxi_taker *t;
    px_err err = pxi_taker_open(b->wire, taker_of(b->way->kind), &t, diag);
    if (err)
        return err;
    struct meter from = begin(b);
    err = pxi_wire_start(b->wire, b->way->socket ? PXI_WIRE_SOCKET : PXI_WIRE_FRAMES);
    bool all = !err && take_all(b, t);
    struct meter to = end(b);
    int64_t ns = pxi_wire_wait(b->wire, 30000);
    b->wakeups = pxi_taker_calls(t);
    fill(b, from, to, ns, b->taken, out);
    pxi_taker_close(t);
    return err || !all || ns < 0 ? PX_ERR_FAILED : PX_ERR_OK;
}

static px_err run_kernel(struct px_agg_bench *b, px_agg_cost *out, px_diag *diag)
{
    static const char *const rungs[] = {"loaded", "native", "generic"};
    struct pxi_bpf_counts before, after;
    struct pxi_xdp *x = NULL;
    px_err err = open_kernel(b, &x, diag);
    if (err) {
        pxi_xdp_close(x);
        return err;
    }
    prime(b, x);
    pxi_xdp_take(x, 0, on_prime, b);
    pxi_xdp_counts(x, &before);
    struct meter from = begin(b);
    err = pxi_wire_count(b->wire, pxi_xdp_counter(x), before.packets);
    if (!err)
        err = pxi_wire_start(b->wire, PXI_WIRE_FRAMES);
    int64_t ns = err ? PXI_WIRE_STUCK : reader(b, x);
    struct meter to = end(b);
    pxi_xdp_counts(x, &after);
    fill(b, from, to, ns, after.packets - before.packets, out);
    out->answers = after.finished - before.finished;
    snprintf(out->rung, sizeof out->rung, "%s", rungs[pxi_xdp_rung(x)]);
    bool all = out->packets == pxi_wire_run(b->wire)->packets;
    if (b->way->kind != PX_AGG_PARSE)
        all = all && out->answers == b->steps && after.added - before.added == out->packets;
    if (b->way->kind == PX_AGG_SWITCH)
        all = all && pxi_wire_run(b->wire)->heard == b->steps;
    pxi_xdp_close(x);
    return ns < 0 || !all ? PX_ERR_FAILED : PX_ERR_OK;
}

static px_err run_once(struct px_agg_bench *b, px_agg_cost *out, px_diag *diag)
{
    *out = (px_agg_cost){.size = sizeof *out};
    pxi_wire_count(b->wire, -1, 0);
    b->taken = b->wakeups = b->wrong = 0;
    switch (b->way->kind) {
    case PX_AGG_DROP: return run_drop(b, out, diag);
    case PX_AGG_PARSE:
    case PX_AGG_SWITCH:
    case PX_AGG_SERVER: return run_kernel(b, out, diag);
    default: return run_user(b, out, diag);
    }
}

static bool sane(const px_agg_way *w)
{
    return w->fan_in >= 1 && w->fan_in <= PX_GRADIENT_WORKERS && w->values &&
           w->values % PXI_GRADIENT_STEP == 0 && w->values <= VALUES && w->packets >= w->fan_in &&
           w->packets <= 60000 && (!w->socket || w->kind == PX_AGG_GRO);
}

px_err px_agg_bench_run(px_agg_bench *b, const px_agg_way *way, px_agg_cost *out, px_diag *diag)
{
    px_err err = PX_ERR_FAILED;
    if (!sane(way))
        return PX_ERR_INVALID;
    b->way = way;
    make_packets(b);
    for (unsigned i = 0; i < TRIES && err == PX_ERR_FAILED; i++)
        err = run_once(b, out, diag);
    if (err == PX_ERR_FAILED) {
        pxi_diag_field(diag, "wire");
        pxi_diag_set(diag, err, 0, "every packet of a run", "%llu of %u",
                     (unsigned long long)out->packets, pxi_wire_run(b->wire)->packets);
    }
    return err;
}

/* ---------------------------------------------------------------------- open */

px_err px_agg_bench_open(px_agg_bench **out, px_diag *diag)
{
    struct px_agg_bench *b = pxi_calloc_aligned(sizeof *b, 64);
    struct pxi_rng r = {.state = 7};
    cpu_set_t one;
    *out = NULL;
    if (!b || !(b->lanes = pxi_calloc_aligned((size_t)LANES * 2 * SLOTS, 64))) {
        pxi_free_aligned(b);
        return PX_ERR_NOMEM;
    }
    pxi_kernels_init(&b->kernels, pxi_cpu_detect());
    for (unsigned i = 0; i < PXI_BPF_MEMBERS; i++) {
        for (unsigned j = 0; j < PXI_TAG_SECRET; j++)
            b->secrets[i][j] = (uint8_t)pxi_rng_u64(&r);
        pxi_tag_key_init(&b->keys[i], b->secrets[i]);
    }
    sched_getaffinity(0, sizeof b->before, &b->before);
    px_err err = pxi_wire_open(&b->wire, diag);
    if (err) {
        px_agg_bench_close(b);
        return err;
    }
    CPU_ZERO(&one);
    CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) > 1, &one);
    sched_setaffinity(0, sizeof one, &one);
    *out = b;
    return PX_ERR_OK;
}

void px_agg_bench_close(px_agg_bench *b)
{
    if (!b)
        return;
    sched_setaffinity(0, sizeof b->before, &b->before);
    pxi_wire_close(b->wire);
    pxi_free_aligned(b->lanes);
    pxi_free_aligned(b);
}
