/* The aggregator in the kernel, by BPF_PROG_TEST_RUN: what it does with fixtures, and whether it
 * decides as src/reduce/slots.c on the same packets. */
#include <arpa/inet.h>
#include <linux/bpf.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/xdp.h"
#include "px_test.h"
#include "reduce/slots.h"

enum { PORT = 9999, FRAME = 4096, BEFORE = 42, HEAD = BEFORE + PX_GRADIENT_HEAD, JOB = 7 };

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1}, group_mac[6] = {1, 0, 0x5e, 1, 2, 3};

struct world {
    struct pxi_xdp *xdp;
    struct pxi_slots *slots;
    struct pxi_sentry *sentry; /* of slots; NULL: none */
    enum px_sentry_rule rule;
    struct pxi_kernels kernels;
    struct pxi_rng rng;
    struct pxi_tag_key keys[PXI_BPF_MEMBERS];
    uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];
    uint32_t addresses[PX_GRADIENT_WORKERS];
    struct pxi_slots_options o;
    uint64_t now;
};

static void make_keys(struct world *w)
{
    for (unsigned i = 0; i < PXI_BPF_MEMBERS; i++) {
        for (unsigned j = 0; j < PXI_TAG_SECRET; j++)
            w->secrets[i][j] = (uint8_t)pxi_rng_u64(&w->rng);
        pxi_tag_key_init(&w->keys[i], w->secrets[i]);
        if (i < PX_GRADIENT_WORKERS)
            w->addresses[i] = htonl(0x0a000002 + i);
    }
}

/* A Sentry with the options of slots, if there is to be one. */
static void start_sentry(struct world *w, struct pxi_sentry_options s)
{
    w->rule = s.rule;
    if (s.rule == PX_SENTRY_NONE)
        return;
    s.format = w->o.format;
    s.fan_in = w->o.fan_in;
    s.values = w->o.values;
    s.slots = w->o.slots;
    s.chunks = w->o.chunks;
    w->o.sentry = w->sentry = pxi_sentry_new(&s);
    CHECK(w->sentry != NULL);
}

/* Both aggregators, with the same job and the same Sentry. */
static void start_judged(struct world *w, unsigned n, uint8_t format, enum pxi_bpf_mode mode,
                         struct pxi_sentry_options sentry)
{
    px_diag diag = {0};
    memset(w, 0, sizeof *w);
    w->rng.state = px_seed;
    make_keys(w);
    pxi_kernels_init(&w->kernels, PXI_CPU_SCALAR);
    w->o = (struct pxi_slots_options){.job = JOB,
                                      .epoch = 1,
                                      .format = format,
                                      .slots = 4,
                                      .values = 256,
                                      .fan_in = (uint8_t)n,
                                      .members = n == 64 ? ~0ull : (1ull << n) - 1,
                                      .quorum = n / 2 + n % 2, /* two halves that disagree end */
                                      .deadline_ns = UINT64_MAX,
                                      .chunks = 12,
                                      .keep_missed = true,
                                      .kernels = &w->kernels};
    w->o.frames = pxi_calloc_aligned(2 * w->o.slots * pxi_slots_stride(w->o.values), 64);
    w->now = 1000000000;
    struct pxi_xdp_options o = {.address = htonl(0x0a000001),
                                .port = PORT,
                                .values = 256,
                                .jobs = 2,
                                .slots = 8,
                                .chunks = 16,
                                .sentry = sentry.rule,
                                .k = sentry.k,
                                .clip = sentry.clip};
    struct pxi_xdp_job j = {.job = JOB,
                            .epoch = 1,
                            .format = format,
                            .slots = 4,
                            .values = 256,
                            .fan_in = (uint8_t)n,
                            .members = w->o.members,
                            .quorum = w->o.quorum,
                            .deadline_ns = UINT64_MAX,
                            .chunks = 12,
                            .mode = mode,
                            .group_address = htonl(0xef010203),
                            .group_port = 9998,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])w->secrets,
                            .addresses = w->addresses};
    memcpy(j.group_mac, group_mac, 6);
    px_err err = pxi_xdp_open(&o, &w->xdp, &diag);
    if (err == PX_ERR_PERMISSION || err == PX_ERR_UNSUPPORTED)
        PX_SKIP("%s: %s (%s)", diag.field, diag.found, diag.expected);
    if (err)
        PX_FAIL("%s: %s", diag.field, diag.found);
    CHECK_EQ(pxi_xdp_begin(w->xdp, &j, &diag), PX_ERR_OK);
    start_sentry(w, sentry);
    w->slots = pxi_slots_new(&w->o);
    CHECK(w->slots != NULL);
}

static void start(struct world *w, unsigned n, uint8_t format, enum pxi_bpf_mode mode)
{
    start_judged(w, n, format, mode, (struct pxi_sentry_options){.rule = PX_SENTRY_NONE});
}

static void end(struct world *w)
{
    pxi_xdp_close(w->xdp);
    pxi_slots_free(w->slots);
    pxi_sentry_free(w->sentry);
    pxi_free_aligned(w->o.frames);
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* A frame of a worker: all before the head. */
static void wrap(const struct world *w, uint8_t *f, unsigned worker, size_t datagram)
{
    memset(f, 0, BEFORE);
    memcpy(f, own_mac, 6);
    memcpy(f + 6, own_mac, 6);
    f[11] = (uint8_t)(16 + worker);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, 28 + datagram);
    f[22] = 60;
    f[23] = 17;
    memcpy(f + 26, &w->addresses[worker & 63], 4);
    uint32_t own = htonl(0x0a000001);
    memcpy(f + 30, &own, 4);
    put16(f + 34, 5000 + worker);
    put16(f + 36, PORT);
    put16(f + 38, 8 + datagram);
}

/* A contribution with its tag; returns the bytes of the frame. */
static size_t frame_of(const struct world *w, uint8_t *f, const struct px_gradient_head *h,
                       const uint8_t *values)
{
    size_t n = pxi_gradient_bytes(h->format, h->count);
    wrap(w, f, h->worker, PX_GRADIENT_HEAD + n);
    pxi_gradient_write(h, f + BEFORE);
    memcpy(f + HEAD, values, n);
    pxi_tag_put(&w->keys[h->worker & 63], w->kernels.tag_nh, f + BEFORE, PX_GRADIENT_HEAD + n);
    return HEAD + n;
}

static struct px_gradient_head some_head(const struct world *w, unsigned worker, uint32_t seq,
                                         uint16_t count)
{
    return (struct px_gradient_head){.kind = PX_GRADIENT_CONTRIBUTION,
                                     .job = JOB,
                                     .epoch = w->o.epoch,
                                     .worker = (uint8_t)worker,
                                     .slot = (uint16_t)(seq & (w->o.slots - 1)),
                                     .format = w->o.format,
                                     .flags = seq / w->o.slots & 1,
                                     .seq = seq,
                                     .count = count,
                                     .next = -3,
                                     .exponent = -3,
                                     .where = count ? seq % w->o.chunks : UINT32_MAX};
}

static unsigned checksum(const uint8_t *p)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (unsigned)p[i] << 8 | p[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* What an answer must be, down to its addresses. */
static void check_answer(const struct world *w, const uint8_t *in, const uint8_t *f, size_t n,
                         enum pxi_slots_to to, const struct pxi_slots_answer *a)
{
    CHECK(n == BEFORE + a->n);
    CHECK(pxi_tag_right(&w->keys[PXI_BPF_MEMBERS - 1], w->kernels.tag_nh, f + BEFORE, n - BEFORE));
    CHECK(memcmp(a->bytes, f + BEFORE, PXI_TAG_AT) == 0);
    CHECK(memcmp(a->bytes + PX_GRADIENT_HEAD, f + HEAD, n - HEAD) == 0);
    CHECK(memcmp(f, to == PXI_SLOTS_ALL ? group_mac : in + 6, 6) == 0);
    CHECK(memcmp(f + 6, in, 6) == 0);
    uint32_t group = htonl(0xef010203);
    CHECK(memcmp(f + 30, to == PXI_SLOTS_ALL ? (const uint8_t *)&group : in + 26, 4) == 0);
    CHECK(memcmp(f + 26, in + 30, 4) == 0);
    CHECK_EQ(checksum(f + 14), 0xffff);
    CHECK_EQ((f[16] << 8 | f[17]), n - 14);
    CHECK_EQ((f[38] << 8 | f[39]), n - 34);
    CHECK_EQ((f[34] << 8 | f[35]), PORT);
    CHECK_EQ((f[36] << 8 | f[37]), to == PXI_SLOTS_ALL ? 9998 : in[34] << 8 | in[35]);
}

/* Finished slots of mode server. */
struct handed {
    unsigned n;
    uint32_t seq;
    uint8_t lanes[2 * 256];
    uint16_t count;
    uint64_t added;
};

static void on_done(void *ctx, const struct pxi_bpf_done *d, const struct pxi_bpf_version *v)
{
    struct handed *h = ctx;
    h->n++;
    h->seq = d->seq;
    h->count = v->count;
    h->added = v->added;
    memcpy(h->lanes, v->lanes, sizeof h->lanes);
}

/* The same frame to both; what slots decides must be what the kernel does. */
static enum pxi_slots_to both(struct world *w, const uint8_t *f, size_t n,
                              struct pxi_slots_answer *a)
{
    uint8_t out[FRAME];
    size_t out_n = sizeof out;
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    CHECK(pxi_gradient_read(px_view_of(f + BEFORE, n - BEFORE), &h, &values, &why));
    enum pxi_slots_to to = pxi_slots_take(w->slots, &h, values, w->now, a);
    pxi_xdp_clock(w->xdp, JOB, 0, w->now);
    int verdict = pxi_xdp_run(w->xdp, f, n, out, &out_n, 1, NULL);
    CHECK_EQ(verdict, to == PXI_SLOTS_NOBODY ? XDP_DROP : XDP_TX);
    if (to != PXI_SLOTS_NOBODY)
        check_answer(w, f, out, out_n, to, a);
    return to;
}

static void same_counts(const struct world *w)
{
    static const char *const names[] = PX_GRADIENT_DROP_NAMES;
    const struct pxi_slots_counts *a = pxi_slots_counts(w->slots);
    struct pxi_bpf_counts b;
    pxi_xdp_counts(w->xdp, &b);
    CHECK_EQ(a->packets, b.packets);
    CHECK_EQ(a->added, b.added);
    CHECK_EQ(a->finished, b.finished);
    CHECK_EQ(a->closed, b.closed);
    CHECK_EQ(a->again, b.again);
    CHECK_EQ(a->outvoted, b.outvoted);
    CHECK_EQ(a->clipped, b.clipped);
    CHECK_EQ(b.stuck, 0);
    for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++)
        if (a->drops[i] != b.drops[i])
            PX_FAIL("dropped for %s: %llu by slots, %llu by the kernel", names[i],
                    (unsigned long long)a->drops[i], (unsigned long long)b.drops[i]);
}

/* Random values, all within the bias, or whatever. */
static void some_values(struct world *w, uint8_t *v, unsigned format, size_t count, bool wild)
{
    size_t n = pxi_gradient_bytes(format, count);
    uint64_t limit = 2 * (uint64_t)pxi_gradient_bias(format, w->o.fan_in);
    for (size_t i = 0; i < n; i += 4) {
        uint32_t r = (uint32_t)pxi_rng_u64(&w->rng);
        if (!wild && format == PX_GRADIENT_I16)
            r = (r & 0xffff) * (uint32_t)limit >> 16 | (r >> 16) * (uint32_t)limit >> 16 << 16;
        else if (!wild && format == PX_GRADIENT_I32)
            r = (uint32_t)(r * limit >> 32);
        memcpy(v + i, &r, 4);
    }
}

/* Slots with their exponents agreed on: two rounds begin with packets that have no values. */
static void prime(struct world *w)
{
    uint8_t f[FRAME];
    struct pxi_slots_answer a;
    for (uint32_t seq = 0; seq < w->o.slots; seq++)
        for (unsigned i = 0; i < w->o.fan_in; i++) {
            struct px_gradient_head h = some_head(w, i, seq, 0);
            size_t n = frame_of(w, f, &h, f);
            CHECK_EQ(both(w, f, n, &a), i + 1 == w->o.fan_in ? PXI_SLOTS_ALL : PXI_SLOTS_NOBODY);
        }
}

TEST(sums_go_to_all)
{
    static const uint8_t formats[] = {PX_GRADIENT_I16, PX_GRADIENT_I8, PX_GRADIENT_I4};
    static struct world w;
    uint8_t f[FRAME], v[FRAME];
    struct pxi_slots_answer a;
    for (unsigned k = 0; k < 3; k++) {
        start(&w, 5, formats[k], PXI_BPF_SWITCH);
        prime(&w);
        for (unsigned i = 0; i < 5; i++) {
            struct px_gradient_head h = some_head(&w, i, 4, 256);
            some_values(&w, v, h.format, h.count, false);
            size_t n = frame_of(&w, f, &h, v);
            CHECK_EQ(both(&w, f, n, &a), i == 4 ? PXI_SLOTS_ALL : PXI_SLOTS_NOBODY);
            /* The same once more: the sum again, or nothing. */
            CHECK_EQ(both(&w, f, n, &a), i == 4 ? PXI_SLOTS_SENDER : PXI_SLOTS_NOBODY);
        }
        same_counts(&w);
        end(&w);
    }
}

/* What is done with one frame: it passes as it is, or is dropped for one reason. */
static void expect(struct world *w, const char *what, const uint8_t *f, size_t n, int verdict,
                   int reason)
{
    struct pxi_bpf_counts before, after;
    uint8_t out[FRAME + 64];
    size_t out_n = sizeof out;
    pxi_xdp_counts(w->xdp, &before);
    int got = pxi_xdp_run(w->xdp, f, n, out, &out_n, 1, NULL);
    pxi_xdp_counts(w->xdp, &after);
    if (got != verdict)
        PX_FAIL("%s: verdict %d, not %d", what, got, verdict);
    if (verdict == XDP_PASS && (out_n != n || memcmp(f, out, n) || after.packets != before.packets))
        PX_FAIL("%s: changed or counted", what);
    if (reason >= 0 && after.drops[reason] != before.drops[reason] + 1)
        PX_FAIL("%s: not counted as drop %d", what, reason);
    if (after.added != before.added)
        PX_FAIL("%s: added", what);
}

TEST(what_is_not_ours_passes)
{
    static struct world w;
    uint8_t f[FRAME], g[FRAME], v[512] = {0};
    start(&w, 4, PX_GRADIENT_I16, PXI_BPF_SWITCH);
    struct px_gradient_head h = some_head(&w, 1, 4, 256);
    size_t n = frame_of(&w, f, &h, v);
#define CHANGED(what, ...)                                                                         \
    do {                                                                                           \
        memcpy(g, f, sizeof g);                                                                    \
        size_t m = n;                                                                              \
        __VA_ARGS__;                                                                               \
        expect(&w, what, g, m, XDP_PASS, -1);                                                      \
    } while (0)
    CHANGED("port", g[37]++);
    CHANGED("magic", g[42]++);
    CHANGED("address", g[33]++);
    CHANGED("arp", put16(g + 12, 0x0806));
    CHANGED("ipv6", put16(g + 12, 0x86dd));
    CHANGED("tcp", g[23] = 6);
    CHANGED("first fragment", g[20] = 0x20);
    CHANGED("later fragment", g[21] = 1);
    CHANGED("options", g[14] = 0x46);
    CHANGED("version 6 in the header", g[14] = 0x65);
    CHANGED("longer than the frame", put16(g + 16, n); put16(g + 38, n - 20));
    CHANGED("lengths that disagree", put16(g + 38, 100));
    CHANGED("no datagram", put16(g + 16, 28); put16(g + 38, 8));
    CHANGED("length below the header's", put16(g + 16, 20); put16(g + 38, 0));
    CHANGED("a result", g[BEFORE + 3] = PX_GRADIENT_RESULT);
    CHANGED("a late answer", g[BEFORE + 3] = PX_GRADIENT_LATE);
    CHANGED("vlan", memmove(g + 16, g + 12, n - 12); put16(g + 12, 0x8100); put16(g + 14, 5);
            m += 4);
    CHANGED("double vlan", memmove(g + 20, g + 12, n - 12); put16(g + 12, 0x88a8); put16(g + 14, 5);
            put16(g + 16, 0x8100); put16(g + 18, 6); m += 8);
    for (size_t cut = 14; cut < n; cut++) {
        memcpy(g, f, n);
        expect(&w, "runt", g, cut, XDP_PASS, -1);
    }
    for (unsigned i = 0; i < 2000; i++) {
        size_t m = 14 + pxi_rng_below(&w.rng, 300);
        for (size_t j = 0; j < m; j++)
            g[j] = (uint8_t)pxi_rng_u64(&w.rng);
        expect(&w, "noise", g, m, XDP_PASS, -1);
    }
    end(&w);
}

/* A job whose slots have their exponents, and a good packet of worker 1 for sequence 4. */
static size_t begun(struct world *w, struct px_gradient_head *h, uint8_t *f, uint8_t *v)
{
    start(w, 4, PX_GRADIENT_I16, PXI_BPF_SWITCH);
    prime(w);
    *h = some_head(w, 1, 4, 256);
    some_values(w, v, 0, 256, false);
    return frame_of(w, f, h, v);
}

/* The slot is as the good packets left it: the others' finish it. */
static void ends_well(struct world *w, uint8_t *v)
{
    uint8_t f[FRAME];
    struct pxi_slots_answer a;
    for (unsigned i = 0; i < 4; i++) {
        struct px_gradient_head h = some_head(w, i, 4, 256);
        size_t n = frame_of(w, f, &h, v);
        if (i != 1)
            CHECK_EQ(both(w, f, n, &a), i == 3 ? PXI_SLOTS_ALL : PXI_SLOTS_NOBODY);
    }
    end(w);
}

/* A packet of worker 2 with a change to its head, tagged; and one changed behind the tag's back. */
#define BAD(reason, ...)                                                                           \
    do {                                                                                           \
        struct px_gradient_head bad = h;                                                           \
        bad.worker = 2;                                                                            \
        __VA_ARGS__;                                                                               \
        size_t m = frame_of(&w, g, &bad, v);                                                       \
        expect(&w, #__VA_ARGS__, g, m, XDP_DROP, PX_GRADIENT_DROP_##reason);                       \
    } while (0)
#define RAW(reason, ...)                                                                           \
    do {                                                                                           \
        struct px_gradient_head bad = h;                                                           \
        bad.worker = 2;                                                                            \
        size_t m = frame_of(&w, g, &bad, v);                                                       \
        __VA_ARGS__;                                                                               \
        expect(&w, #__VA_ARGS__, g, m, XDP_DROP, PX_GRADIENT_DROP_##reason);                       \
    } while (0)

TEST(bad_heads_are_dropped_by_reason)
{
    static struct world w;
    struct px_gradient_head h;
    uint8_t f[FRAME], g[FRAME], v[1024] = {0}; /* as far as any head here says */
    struct pxi_slots_answer a;
    size_t n = begun(&w, &h, f, v);
    BAD(EXPONENT, bad.exponent = 3);
    CHECK_EQ(both(&w, f, n, &a), PXI_SLOTS_NOBODY); /* the good one */
    BAD(JOB, bad.job++);
    BAD(JOB, bad.shard++);
    BAD(EPOCH, bad.epoch++);
    BAD(WORKER, bad.worker = 5);
    BAD(SLOT, bad.slot++);
    BAD(SLOT, bad.slot = 65535);
    BAD(SLOT, bad.flags ^= PX_GRADIENT_VERSION);
    BAD(SLOT, bad.seq += 16); /* of the future */
    BAD(SLOT, bad.seq -= 16); /* before the job's first */
    BAD(LENGTH, bad.format = PX_GRADIENT_I32; bad.count = 144);
    BAD(LAYOUT, bad.format = PX_GRADIENT_I8);
    BAD(SLOT, bad.count = 128); /* disagrees with the first of its slot */
    BAD(DUPLICATE, bad.worker = 1);
    ends_well(&w, v);
}

TEST(bad_bytes_are_dropped_by_reason)
{
    static struct world w;
    struct px_gradient_head h;
    uint8_t f[FRAME], g[FRAME], v[512];
    struct pxi_slots_answer a;
    size_t n = begun(&w, &h, f, v);
    CHECK_EQ(both(&w, f, n, &a), PXI_SLOTS_NOBODY);
    RAW(LAYOUT, g[BEFORE + 2] = 9);
    RAW(LAYOUT, g[BEFORE + 3] = 0);
    RAW(LAYOUT, g[BEFORE + 14] = 7);
    RAW(LAYOUT, g[BEFORE + 20] = 1);
    RAW(LENGTH, g[BEFORE + 21] = 6); /* more than any packet */
    RAW(LENGTH, g[BEFORE + 21] = 0xff);
    RAW(LENGTH, g[BEFORE + 20] = 16; g[BEFORE + 21] = 0);
    RAW(LENGTH, m -= 8; put16(g + 16, m - 14); put16(g + 38, m - 34));
    RAW(LENGTH, m = BEFORE + 8; put16(g + 16, 36); put16(g + 38, 16));
    RAW(WORKER, g[BEFORE + 11] = 64);
    RAW(WORKER, g[BEFORE + 11] = 255);
    RAW(SOURCE, g[29] = 77);
    RAW(SOURCE, g[BEFORE + 11] = 3); /* another's number */
    RAW(TAG, g[BEFORE + 32] ^= 1);
    RAW(TAG, g[BEFORE + 39] ^= 128);
    RAW(TAG, g[HEAD + 100] ^= 1);
    RAW(TAG, g[BEFORE + 23] ^= 1); /* next */
    RAW(TAG, g[BEFORE + 15] ^= PX_GRADIENT_AGAIN);
    memset(v, 0x80, sizeof v);
    for (unsigned i = 0; i < 512; i += 2)
        v[i] = 0; /* INT16_MIN everywhere */
    BAD(VALUE, bad.worker = 2);
    memset(v, 0, sizeof v);
    v[511] = 0x40; /* one value of twice the bias */
    BAD(VALUE, bad.worker = 2);
    v[511] = 0x3f;
    ends_well(&w, v);
}

/* Every bit of a frame that is ours: flipped, it is not added. */
TEST(no_bit_can_be_flipped)
{
    static struct world w;
    uint8_t f[FRAME], v[512];
    struct pxi_bpf_counts c;
    start(&w, 4, PX_GRADIENT_I16, PXI_BPF_SWITCH);
    prime(&w);
    struct px_gradient_head h = some_head(&w, 1, 4, 64);
    some_values(&w, v, 0, 64, false);
    size_t n = frame_of(&w, f, &h, v);
    pxi_xdp_counts(w.xdp, &c);
    uint64_t added = c.added;
    for (size_t bit = 8 * BEFORE; bit < 8 * n; bit++) {
        f[bit / 8] ^= (uint8_t)(1u << bit % 8);
        pxi_xdp_run(w.xdp, f, n, NULL, NULL, 1, NULL);
        f[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    pxi_xdp_counts(w.xdp, &c);
    CHECK_EQ(c.added, added);
    end(&w);
}

/* In mode server user space is handed what is finished, and woken when somebody waits for it. */
TEST(a_server_is_told)
{
    static struct world w;
    uint8_t f[FRAME];
    struct handed got = {0};
    struct pxi_bpf_counts c;
    start(&w, 2, PX_GRADIENT_I16, PXI_BPF_SERVER);
    for (uint32_t seq = 0; seq < 4; seq++)
        for (unsigned i = 0; i < 2; i++) {
            struct px_gradient_head h = some_head(&w, i, seq, 0);
            h.flags |= seq == 3 ? PX_GRADIENT_WAITS : 0;
            size_t n = frame_of(&w, f, &h, f);
            pxi_xdp_counts(w.xdp, &c);
            CHECK_EQ(c.wakeups, 0);
            CHECK_EQ(pxi_xdp_run(w.xdp, f, n, NULL, NULL, 1, NULL), XDP_DROP);
        }
    pxi_xdp_counts(w.xdp, &c);
    CHECK_EQ(c.wakeups, 1);
    CHECK_EQ(pxi_xdp_take(w.xdp, 1000, on_done, &got), 4);
    CHECK_EQ(got.n, 4);
    CHECK_EQ(got.seq, 3);
    CHECK_EQ(got.added, 3);
    end(&w);
}

/* One that sends again waits, too; and who has said so is not waited for by slots that are open. */
TEST(a_server_is_told_of_repetitions)
{
    static struct world w;
    uint8_t f[FRAME];
    struct pxi_bpf_counts c;
    static const struct {
        uint8_t worker, seq, flags, wakeups;
    } packets[] = {
        {0, 0, 0, 0}, {0, 1, PX_GRADIENT_WAITS, 0},
        {1, 1, 0, 0}, /* finished, but 0 is open */
        {1, 0, 0, 1}, {0, 2, 0, 1},
        {1, 2, 0, 1}, /* nobody waits */
        {0, 3, 0, 1}, {1, 3, PX_GRADIENT_AGAIN, 2},
    };
    start(&w, 2, PX_GRADIENT_I16, PXI_BPF_SERVER);
    for (unsigned i = 0; i < sizeof packets / sizeof *packets; i++) {
        struct px_gradient_head h = some_head(&w, packets[i].worker, packets[i].seq, 0);
        h.flags |= packets[i].flags;
        size_t n = frame_of(&w, f, &h, f);
        CHECK_EQ(pxi_xdp_run(w.xdp, f, n, NULL, NULL, 1, NULL), XDP_DROP);
        pxi_xdp_counts(w.xdp, &c);
        CHECK_EQ(c.wakeups, packets[i].wakeups);
    }
    end(&w);
}

TEST(jobs_lease_slots)
{
    static struct world w;
    px_diag diag;
    start(&w, 2, PX_GRADIENT_I16, PXI_BPF_SWITCH);
    struct pxi_xdp_job j = {.job = 99,
                            .slots = 8,
                            .values = 256,
                            .fan_in = 2,
                            .members = 3,
                            .quorum = 2,
                            .chunks = 16,
                            .secrets = (const uint8_t(*)[PXI_TAG_SECRET])w.secrets};
    CHECK_EQ(pxi_xdp_begin(w.xdp, &j, &diag), PX_ERR_OK);
    CHECK_EQ(pxi_xdp_begin(w.xdp, &j, &diag), PX_ERR_INVALID); /* there is one of that number */
    j.job = 100;
    CHECK_EQ(pxi_xdp_begin(w.xdp, &j, &diag), PX_ERR_LIMIT);
    CHECK_EQ(pxi_xdp_end(w.xdp, 99, 0), PX_ERR_OK);
    CHECK_EQ(pxi_xdp_end(w.xdp, 99, 0), PX_ERR_NOT_FOUND);
    CHECK_EQ(pxi_xdp_begin(w.xdp, &j, &diag), PX_ERR_OK);
    j.job = 101;
    j.slots = 16;
    CHECK_EQ(pxi_xdp_begin(w.xdp, &j, &diag), PX_ERR_INVALID);
    prime(&w); /* the first one is as it was */
    end(&w);
}

/* Where a worker is: what it sends next in each slot. */
struct walk {
    uint32_t next[PX_GRADIENT_WORKERS][4];
    int8_t agreed[4]; /* exponent of what comes next */
    unsigned packet;
};

/* What a worker under a Sentry sends: near what all send, or, of one in four in turns, a lie. */
static void judged_values(struct world *w, const struct walk *k, const struct px_gradient_head *h,
                          uint8_t *v)
{
    struct pxi_rng *r = &w->rng;
    uint32_t bias = pxi_gradient_bias(h->format, w->o.fan_in), part;
    unsigned phase = k->packet / 4096, lie = (h->worker + phase) % 4 ? 0 : 1 + phase % 5;
    int size = lie == 1 ? (int)bias : 2;
    for (unsigned i = 0; i < h->count; i++) {
        int noise = (int)pxi_rng_below(r, bias / 8 + 2) - (int)bias / 16;
        int at = (int)((i * 37 + (uint32_t)h->where * 11) % (bias / 2)) - (int)bias / 4;
        int value = lie == 1   ? -size
                    : lie == 2 ? -3 * at
                    : lie == 3 ? at + 6 * noise
                    : lie == 4 ? 0
                    : lie == 5 ? (i % 2 ? at : (int)bias * 2) /* none that the format has */
                               : at + noise;
        value = lie != 5 && value >= (int)bias ? (int)bias - 1 : value < -(int)bias ? 0 : value;
        part = (uint32_t)(value + (int)bias);
        if (h->format == PX_GRADIENT_I16)
            memcpy(v + 2 * (size_t)i, &part, 2);
        else if (h->format == PX_GRADIENT_I8)
            v[i] = (uint8_t)part;
        else if (h->format == PX_GRADIENT_I4)
            v[i / 2] = (uint8_t)(i % 2 ? v[i / 2] | part << 4 : part & 15);
        else
            memcpy(v + 4 * (size_t)i, &part, 4);
    }
}

/* What it says of the next exponent: mostly what all do, in some times that there are only zeros.
 */
static int8_t judged_next(struct world *w, const struct walk *k)
{
    if (k->packet / 4096 % 6 == 5 && pxi_rng_below(&w->rng, 4))
        return PX_GRADIENT_ZERO;
    if (pxi_rng_below(&w->rng, w->rule == PX_SENTRY_CLIP1 ? 8 : 400))
        return -3;
    return (int8_t)((int)pxi_rng_below(&w->rng, 12) - 6);
}

/* Mostly what an honest worker would send now; anything else now and then. */
static size_t some_frame(struct world *w, struct walk *k, uint8_t *f)
{
    struct pxi_rng *r = &w->rng;
    uint8_t v[FRAME];
    unsigned worker = (unsigned)pxi_rng_below(r, w->o.fan_in), slot = (unsigned)pxi_rng_below(r, 4);
    uint32_t seq = k->next[worker][slot];
    if (pxi_rng_below(r, 100) < 8)
        seq += 4 * ((uint32_t)pxi_rng_below(r, 7) - 3);
    uint32_t mix = (seq * 2654435761u) >> 16;
    struct px_gradient_head h = some_head(w, worker, seq, (uint16_t)(16 * (1 + mix % 16)));
    if (mix % (w->sentry ? 29 : 5) == 0)
        h.format = PX_GRADIENT_I32;
    if (h.format == PX_GRADIENT_I32)
        h.count = (uint16_t)(16 * (1 + mix % 8));
    h.exponent = k->agreed[slot];
    h.next = w->sentry ? judged_next(w, k) : (int8_t)(pxi_rng_below(r, 12) - 6);
    if (seq < 4 || pxi_rng_below(r, 100) < 4) {
        h.count = 0;
        h.where = pxi_rng_below(r, 2) ? UINT32_MAX : h.where;
    }
    h.flags |= (uint8_t)(pxi_rng_below(r, 20) ? 0 : PX_GRADIENT_SATURATED);
    h.flags |= (uint8_t)(pxi_rng_below(r, 20) ? 0 : PX_GRADIENT_AGAIN);
    switch (pxi_rng_below(r, 300)) { /* one field is something else */
    case 0: h.exponent++; break;
    case 1: h.where = pxi_rng_u64(r); break;
    case 2: h.where = pxi_rng_below(r, 20); break;
    case 3: h.count = (uint16_t)(16 * pxi_rng_below(r, 20)); break;
    case 4: h.format = (uint8_t)pxi_rng_below(r, 4); break;
    case 5: h.seq = (uint32_t)pxi_rng_u64(r); break;
    case 6: h.slot = (uint16_t)pxi_rng_below(r, 5); break;
    case 7: h.flags = (uint8_t)pxi_rng_u64(r); break;
    case 8: h.epoch = (uint16_t)pxi_rng_below(r, 3); break;
    case 9: h.job += (uint32_t)pxi_rng_below(r, 2); break;
    case 10: h.worker = (uint8_t)pxi_rng_below(r, 64); break;
    case 11: h.shard = 1; break;
    default: break;
    }
    bool wild = pxi_rng_below(r, 100) == 0;
    if (w->sentry && !wild)
        judged_values(w, k, &h, v);
    else
        some_values(w, v, h.format, h.count, wild);
    k->packet++;
    return frame_of(w, f, &h, v);
}

/* What the workers hear of an answer; one may miss it, and asks again until it hears. */
static void heard(struct world *w, struct walk *k, unsigned sender, enum pxi_slots_to to,
                  const struct pxi_slots_answer *a)
{
    struct px_gradient_head h;
    memcpy(&h, a->bytes, sizeof h);
    unsigned slot = h.slot & 3;
    if (to == PXI_SLOTS_ALL)
        k->agreed[slot] = h.next;
    for (unsigned i = 0; i < w->o.fan_in; i++)
        if ((to == PXI_SLOTS_ALL || i == sender) && k->next[i][slot] == h.seq &&
            pxi_rng_below(&w->rng, 20))
            k->next[i][slot] = h.seq + 4;
}

/* The program goes and comes back: its state through user space, both ways. */
static void change_hands(struct world *w)
{
    struct pxi_bpf_job *j = pxi_xdp_job(w->xdp, JOB, 0);
    struct pxi_bpf_version *v[8];
    CHECK(j && j->slots == 4);
    for (uint32_t i = 0; i < 8; i++)
        v[i] = pxi_xdp_version(w->xdp, j->first_version + i);
    pxi_slots_save(w->slots, j, v, w->now);
    for (uint32_t i = 0; i < 8; i++)
        CHECK(pxi_slots_resume(w->slots, j, v[i]));
}

/* Deadlines come and go, and so do members. */
static void turn(struct world *w)
{
    struct pxi_rng *r = &w->rng;
    w->now += pxi_rng_below(r, 100) ? pxi_rng_below(r, 100000) : pxi_rng_below(r, 100000000);
    if (pxi_rng_below(r, 50) == 0) {
        uint64_t deadline = pxi_rng_below(r, 3) ? UINT64_MAX : pxi_rng_below(r, 3) * 1000000;
        pxi_slots_deadline(w->slots, deadline);
        CHECK_EQ(pxi_xdp_deadline(w->xdp, JOB, 0, deadline), PX_ERR_OK);
    }
    if (pxi_rng_below(r, 5000) == 0) {
        uint64_t all = w->o.fan_in == 64 ? ~0ull : (1ull << w->o.fan_in) - 1;
        uint64_t members = all & ~(1ull << pxi_rng_below(r, w->o.fan_in + 2u) % 64);
        members = members ? members : all;
        w->o.epoch++;
        pxi_slots_members(w->slots, w->o.epoch, members, 0, w->o.quorum, 0);
        CHECK_EQ(pxi_xdp_members(w->xdp, JOB, 0, w->o.epoch, members), PX_ERR_OK);
    }
    if (pxi_rng_below(r, 2000) == 0)
        change_hands(w);
}

/* Both Sentries know the same of everybody. */
static void same_workers(const struct world *w)
{
    const struct px_sentry_worker *b = pxi_xdp_judged(w->xdp, JOB, 0);
    CHECK(b != NULL);
    for (unsigned i = 0; i < PX_GRADIENT_WORKERS; i++) {
        const struct px_sentry_worker *a = pxi_sentry_worker(w->sentry, i);
        CHECK_EQ(a->judged, b[i].judged);
        CHECK_EQ(a->clipped, b[i].clipped);
        CHECK_EQ(a->dropped, b[i].dropped);
        CHECK_EQ(a->verdicts, b[i].verdicts);
        CHECK_EQ(a->score, b[i].score);
        CHECK_EQ(a->quarantined, b[i].quarantined);
    }
}

static void pardon_some(struct world *w)
{
    unsigned who = (unsigned)pxi_rng_below(&w->rng, w->o.fan_in);
    same_workers(w);
    if (pxi_rng_below(&w->rng, w->rule == PX_SENTRY_CLIP1 ? 10 : 2))
        return;
    pxi_sentry_pardon(w->sentry, who);
    CHECK_EQ(pxi_xdp_pardon(w->xdp, JOB, 0, who), PX_ERR_OK);
}

/* Every verdict was met. */
static void say_judged(const struct world *w)
{
    struct px_sentry_worker all = {0};
    unsigned quarantined = 0;
    same_workers(w);
    for (unsigned i = 0; i < w->o.fan_in; i++) {
        const struct px_sentry_worker *a = pxi_sentry_worker(w->sentry, i);
        all.judged += a->judged;
        all.clipped += a->clipped;
        all.dropped += a->dropped;
        all.verdicts += a->verdicts;
        quarantined += a->quarantined;
    }
    printf("#   judged %llu, clipped %llu, dropped %llu, %llu verdicts, %u in quarantine\n",
           (unsigned long long)all.judged, (unsigned long long)all.clipped,
           (unsigned long long)all.dropped, (unsigned long long)all.verdicts, quarantined);
    CHECK(all.judged > all.dropped && all.dropped > 100 && all.verdicts > 10);
    CHECK(w->rule != PX_SENTRY_CLIP1 || all.clipped > 100);
}

static void differ_judged(unsigned n, uint8_t format, unsigned packets,
                          struct pxi_sentry_options sentry)
{
    static struct world w;
    struct walk k = {0};
    uint8_t f[FRAME];
    struct pxi_slots_answer a;
    unsigned answers[3] = {0};
    start_judged(&w, n, format, PXI_BPF_SWITCH, sentry);
    for (unsigned i = 0; i < n; i++)
        for (uint32_t s = 0; s < 4; s++)
            k.next[i][s] = s;
    for (unsigned i = 0; i < packets; i++) {
        turn(&w);
        size_t bytes = some_frame(&w, &k, f);
        enum pxi_slots_to to = both(&w, f, bytes, &a);
        answers[to]++;
        if (to != PXI_SLOTS_NOBODY)
            heard(&w, &k, f[BEFORE + 11], to, &a);
        if (w.sentry && i % 1000 == 0)
            pardon_some(&w);
    }
    same_counts(&w);
    const struct pxi_slots_counts *c = pxi_slots_counts(w.slots);
    printf("# fan-in %u: %u packets, %llu added, %llu finished, %u answers to senders\n", n,
           packets, (unsigned long long)c->added, (unsigned long long)c->finished, answers[1]);
    CHECK(c->added > packets / (w.sentry ? 50 : 10) && c->finished > 100 && answers[1] > 100);
    CHECK(n == 1 || c->closed > 10);
    if (w.sentry)
        say_judged(&w);
    end(&w);
}

static void differ(unsigned n, uint8_t format, unsigned packets)
{
    differ_judged(n, format, packets, (struct pxi_sentry_options){.rule = PX_SENTRY_NONE});
}

/* A million packets in all. */

TEST(one_worker_as_slots)
{
    differ(1, PX_GRADIENT_I16, 80000);
}

TEST(three_workers_as_slots)
{
    differ(3, PX_GRADIENT_I16, 200000);
}

TEST(four_workers_8_bits_as_slots)
{
    differ(4, PX_GRADIENT_I8, 120000);
}

TEST(seven_workers_4_bits_as_slots)
{
    differ(7, PX_GRADIENT_I4, 100000);
}

TEST(all_workers_as_slots)
{
    differ(64, PX_GRADIENT_I16, 100000);
}

TEST(clip1_as_slots)
{
    differ_judged(5, PX_GRADIENT_I16, 120000, (struct pxi_sentry_options){.rule = PX_SENTRY_CLIP1});
    differ_judged(64, PX_GRADIENT_I16, 60000,
                  (struct pxi_sentry_options){.rule = PX_SENTRY_CLIP1, .k = 3});
}

TEST(clip1_of_few_bits_as_slots)
{
    differ_judged(8, PX_GRADIENT_I8, 40000,
                  (struct pxi_sentry_options){.rule = PX_SENTRY_CLIP1, .k = 4});
    differ_judged(9, PX_GRADIENT_I4, 40000,
                  (struct pxi_sentry_options){.rule = PX_SENTRY_CLIP1, .k = 6});
}

TEST(welford_as_slots)
{
    differ_judged(6, PX_GRADIENT_I16, 60000,
                  (struct pxi_sentry_options){.rule = PX_SENTRY_WELFORD});
    differ_judged(7, PX_GRADIENT_I16, 40000,
                  (struct pxi_sentry_options){.rule = PX_SENTRY_WELFORD, .k = 8, .clip = true});
    differ_judged(4, PX_GRADIENT_I8, 20000,
                  (struct pxi_sentry_options){.rule = PX_SENTRY_WELFORD, .clip = true});
    differ_judged(4, PX_GRADIENT_I4, 20000,
                  (struct pxi_sentry_options){.rule = PX_SENTRY_WELFORD, .clip = true});
}

TEST_MAIN()
