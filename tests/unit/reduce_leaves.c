/*
 * What a leaf may say to the one above it, and what it believes from there: packets that are
 * forged, doubled, of another leaf or epoch, that claim workers or values which cannot be. Whatever
 * comes, nothing is added that was not said, and honest sums go on.
 */
#include "base/mem.h"
#include "crypto/tag.h"
#include "px_test.h"
#include "reduce/group.h"
#include "reduce/hub.h"

enum { SLOTS = 4, VALUES = 32, TOTAL = 5, EACH = 2, MOST = PX_GRADIENT_HEAD + 4 * VALUES };
enum { BIAS = 32768 / TOTAL, HUB = 64, NONE = -1 };
#define NOW UINT64_C(1000000000)

struct packet {
    struct px_gradient_head h;
    uint16_t lane; /* of all values */
    unsigned from; /* whose key it has */
    size_t n;      /* bytes; 0: as many as it has */
};

static struct {
    struct pxi_kernels kernels;
    struct pxi_hub *hub;
    uint8_t *arena;
} t;

static const uint8_t secret[PXI_GROUP_SECRET] = {4};

/* The one above two leaves of 2 and 3 workers, or the first of them. */
static void open_hub(bool leaf)
{
    static const uint8_t each[] = {EACH, TOTAL - EACH};
    struct pxi_hub_options o = {.job = 7,
                                .epoch = 1,
                                .slots = SLOTS,
                                .values = VALUES,
                                .chunks = 8,
                                .deadline_ns = NOW,
                                .world = 2,
                                .leaf = leaf,
                                .total = leaf ? TOTAL : 0,
                                .leaves = leaf ? NULL : each,
                                .secret = secret,
                                .kernels = &t.kernels};
    pxi_kernels_init(&t.kernels, pxi_cpu_detect());
    t.arena = pxi_calloc_aligned(pxi_hub_arena(&o), 64);
    o.arena = t.arena;
    t.hub = pxi_hub_new(&o);
    CHECK(t.hub != NULL);
}

static void close_hub(void)
{
    pxi_hub_free(t.hub);
    pxi_free_aligned(t.arena);
}

/* Exponents alone, or, with an exponent, a chunk of values: of sequence `seq`. */
static struct packet of(uint8_t kind, unsigned worker, uint32_t seq, int exponent)
{
    bool values = exponent != NONE;
    bool leaf = kind == PX_GRADIENT_PARTIAL;
    uint64_t chunk = values ? seq - SLOTS : UINT32_MAX, who = worker ? 7 : 3;
    struct packet p = {.h = {.kind = kind,
                             .job = 7,
                             .epoch = 1,
                             .worker = (uint8_t)worker,
                             .slot = seq % SLOTS,
                             .flags = seq / SLOTS & 1,
                             .seq = seq,
                             .count = values ? VALUES : 0,
                             .exponent = values ? (int8_t)exponent : PX_GRADIENT_ZERO,
                             .next = 3,
                             .where = chunk | (leaf ? who << 32 : 0)},
                       .lane = 1,
                       .from = leaf ? PXI_GROUP_LEAVES + worker : worker};
    if (kind == PX_GRADIENT_RESULT || kind == PX_GRADIENT_LATE) {
        p.h.worker = 255;
        p.h.where = 0x1f;
        p.from = HUB;
    }
    return p;
}

/* It comes from a peer of the hub. */
static void say(unsigned peer, struct packet p)
{
    uint8_t bytes[2 * MOST] = {0}, key[PXI_GROUP_SECRET];
    struct pxi_tag_key k;
    size_t n = p.n ? p.n : PX_GRADIENT_HEAD + 2 * (size_t)p.h.count;
    CHECK(n <= sizeof bytes);
    for (size_t i = PX_GRADIENT_HEAD; i + 1 < n; i += 2)
        memcpy(bytes + i, &p.lane, 2);
    pxi_gradient_write(&p.h, bytes);
    pxi_group_secret(secret, p.from, HUB, key);
    pxi_tag_key_init(&k, key);
    pxi_tag_put(&k, t.kernels.tag_nh, bytes, n);
    pxi_hub_take(t.hub, peer, px_view_of(bytes, n), NOW);
}

/* What the hub has for a peer: nothing, or this kind, with its right tag. */
static px_view heard(unsigned peer, unsigned kind, unsigned key_of)
{
    struct px_gradient_head h;
    uint8_t key[PXI_GROUP_SECRET];
    struct pxi_tag_key k;
    px_view v = pxi_hub_pull(t.hub, peer);
    if (!kind) {
        CHECK_EQ(v.n, 0);
        return v;
    }
    CHECK(v.n >= sizeof h);
    memcpy(&h, v.p, sizeof h);
    CHECK_EQ(h.kind, kind);
    pxi_group_secret(secret, key_of, HUB, key);
    pxi_tag_key_init(&k, key);
    CHECK(pxi_tag_right(&k, t.kernels.tag_nh, v.p, v.n));
    return v;
}

static uint16_t lane_of(px_view v)
{
    uint16_t lane;
    memcpy(&lane, v.p + PX_GRADIENT_HEAD, sizeof lane);
    return lane;
}

static uint64_t dropped(enum px_gradient_drop why)
{
    return pxi_hub_slots(t.hub)->drops[why];
}

static uint64_t bad(enum px_gradient_drop why)
{
    return pxi_hub_counts(t.hub)->bad[why];
}

/* The one above, with the first place of the window agreed on. */
static void open_above(void)
{
    open_hub(false);
    for (unsigned leaf = 0; leaf < 2; leaf++)
        say(leaf, of(PX_GRADIENT_PARTIAL, leaf, 0, NONE));
    for (unsigned leaf = 0; leaf < 2; leaf++)
        heard(leaf, PX_GRADIENT_RESULT, HUB);
}

/* Both leaves say a chunk, with lanes of 1: the sum is 2, of all workers. */
static void finish_above(void)
{
    struct px_gradient_head h;
    for (unsigned leaf = 0; leaf < 2; leaf++)
        say(leaf, of(PX_GRADIENT_PARTIAL, leaf, SLOTS, 3));
    px_view v = heard(0, PX_GRADIENT_RESULT, HUB);
    memcpy(&h, v.p, sizeof h);
    CHECK_EQ(h.where, 0x1f);
    CHECK_EQ(lane_of(v), 2);
    CHECK_EQ(lane_of(heard(1, PX_GRADIENT_RESULT, HUB)), 2);
    heard(0, 0, 0);
    CHECK_EQ(pxi_hub_slots(t.hub)->finished, 2);
    CHECK_EQ(pxi_hub_slots(t.hub)->closed, 0);
    close_hub();
}

TEST(who_says_it_is_another_leaf)
{
    open_above();
    struct packet p = of(PX_GRADIENT_PARTIAL, 1, SLOTS, 3);
    say(0, p); /* the number of another, from its own address, */
    CHECK_EQ(bad(PX_GRADIENT_DROP_SOURCE), 1);
    p.from = PXI_GROUP_LEAVES;
    say(1, p); /* or with the key of another, or of a worker */
    p.from = 1;
    say(1, p);
    CHECK_EQ(bad(PX_GRADIENT_DROP_TAG), 2);
    p.h.worker = 200;
    say(1, p);
    CHECK_EQ(bad(PX_GRADIENT_DROP_SOURCE), 2);
    say(2, of(PX_GRADIENT_PARTIAL, 1, SLOTS, 3)); /* from nobody */
    CHECK_EQ(bad(PX_GRADIENT_DROP_SOURCE), 3);
    say(1, of(PX_GRADIENT_CONTRIBUTION, 1, SLOTS, 3)); /* as a worker */
    say(1, of(PX_GRADIENT_RESULT, 1, SLOTS, 3));
    CHECK_EQ(bad(PX_GRADIENT_DROP_LAYOUT), 2);
    finish_above();
}

TEST(two_leaves_with_one_number)
{
    open_above();
    struct packet p = of(PX_GRADIENT_PARTIAL, 1, SLOTS, 3);
    say(1, p);
    p.lane = 500; /* another process, which has the same key and address */
    say(1, p);
    p.h.where = 1ull << 32; /* or other workers */
    say(1, p);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_DUPLICATE), 2);
    heard(1, 0, 0);
    finish_above(); /* it says the first again, once more too often */
}

TEST(a_leaf_that_lies_about_its_workers)
{
    open_above();
    struct packet p = of(PX_GRADIENT_PARTIAL, 0, SLOTS, 3);
    p.h.where = 7ull << 32; /* it has two */
    say(0, p);
    p.h.where = 0; /* values of nobody */
    say(0, p);
    p.h.where = 1ull << 63;
    say(0, p);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_WORKER), 3);
    p.h.where = 1ull << 32; /* more than one can say, */
    p.lane = 2 * BIAS;
    say(0, p);
    p.h.where = 3ull << 32; /* or two */
    p.lane = 4 * BIAS;
    say(0, p);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_VALUE), 2);
    CHECK_EQ(pxi_hub_slots(t.hub)->added, 2);
    finish_above();
}

TEST(the_largest_lanes_do_not_run_over)
{
    open_above();
    struct packet p = of(PX_GRADIENT_PARTIAL, 0, SLOTS, 3),
                  q = of(PX_GRADIENT_PARTIAL, 1, SLOTS, 3);
    p.lane = 4 * BIAS - 1;
    q.lane = 6 * BIAS - 1;
    say(0, p);
    say(1, q);
    px_view v = heard(0, PX_GRADIENT_RESULT, HUB);
    for (unsigned i = 0; i < VALUES; i++) {
        uint16_t lane;
        memcpy(&lane, v.p + PX_GRADIENT_HEAD + 2 * i, 2);
        CHECK_EQ(lane, 10 * BIAS - 2);
    }
    close_hub();
}

TEST(what_a_leaf_cannot_say)
{
    open_above();
    struct packet p = of(PX_GRADIENT_PARTIAL, 1, SLOTS, 3), q;
    q = p;
    q.h.epoch = 2;
    say(1, q);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_EPOCH), 1);
    q = p;
    q.h.job = 8;
    say(1, q);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_JOB), 1);
    q = p;
    q.h.exponent = 5;
    say(1, q);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_EXPONENT), 1);
    q = p;
    q.h.format = PX_GRADIENT_I8; /* of which lanes have 16 bits, too */
    say(1, q);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_LAYOUT), 1);
    q = p;
    q.h.seq = 4 * SLOTS;
    say(1, q);
    q = p;
    q.h.slot = 1;
    say(1, q);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_SLOT), 2);
    q = p;
    q.h.count = VALUES + 16;
    say(1, q);
    CHECK_EQ(dropped(PX_GRADIENT_DROP_LENGTH), 1);
    for (size_t n = 1; n < MOST; n++) {
        q = p;
        q.n = n;
        if (n != PX_GRADIENT_HEAD + 2 * VALUES && n > PX_GRADIENT_HEAD)
            say(1, q);
    }
    CHECK_EQ(bad(PX_GRADIENT_DROP_LENGTH), MOST - PX_GRADIENT_HEAD - 2);
    for (size_t n = 0; n < PX_GRADIENT_HEAD; n++)
        pxi_hub_take(t.hub, 1, px_view_of(secret, n < sizeof secret ? n : sizeof secret), NOW);
    finish_above();
}

/* The first leaf, whose workers have said a chunk that it has sent up. */
static px_view open_leaf(void)
{
    open_hub(true);
    for (unsigned i = 0; i < EACH; i++)
        say(i, of(PX_GRADIENT_CONTRIBUTION, i, 0, NONE));
    heard(EACH, PX_GRADIENT_PARTIAL, PXI_GROUP_LEAVES);
    say(EACH, of(PX_GRADIENT_RESULT, 0, 0, NONE));
    for (unsigned i = 0; i < EACH; i++)
        heard(i, PX_GRADIENT_RESULT, HUB);
    for (unsigned i = 0; i < EACH; i++)
        say(i, of(PX_GRADIENT_CONTRIBUTION, i, SLOTS, 3));
    px_view up = heard(EACH, PX_GRADIENT_PARTIAL, PXI_GROUP_LEAVES);
    CHECK_EQ(lane_of(up), 2);
    heard(0, 0, 0);
    return up;
}

TEST(who_says_it_is_the_one_above)
{
    px_view up = open_leaf();
    struct px_gradient_head h;
    memcpy(&h, up.p, sizeof h);
    CHECK_EQ(h.where, 3ull << 32);
    struct packet p = of(PX_GRADIENT_RESULT, 0, SLOTS, 3), q;
    q = p;
    q.from = PXI_GROUP_LEAVES;
    say(EACH, q);
    CHECK_EQ(bad(PX_GRADIENT_DROP_TAG), 1);
    say(EACH, of(PX_GRADIENT_CONTRIBUTION, 0, SLOTS, 3));
    CHECK_EQ(bad(PX_GRADIENT_DROP_SOURCE), 1);
    say(0, p); /* a worker that plays it */
    CHECK_EQ(bad(PX_GRADIENT_DROP_SOURCE), 2);
    say(EACH, of(PX_GRADIENT_PARTIAL, 0, SLOTS, 3));
    CHECK_EQ(bad(PX_GRADIENT_DROP_LAYOUT), 1);
    q = p;
    q.h.epoch = 2;
    say(EACH, q);
    q = p;
    q.h.job = 8;
    say(EACH, q);
    q = p;
    q.h.slot = 2;
    say(EACH, q);
    q = p;
    q.h.exponent = 4; /* another chunk's, with our workers in it */
    say(EACH, q);
    q = p;
    q.h.count = VALUES + 16;
    say(EACH, q);
    q = p;
    q.h.format = PX_GRADIENT_I8;
    q.n = PX_GRADIENT_HEAD + VALUES;
    say(EACH, q);
    q = of(PX_GRADIENT_LATE, 0, SLOTS, NONE);
    q.h.seq = 1; /* of what nobody asked */
    q.h.slot = 1;
    say(EACH, q);
    for (unsigned i = 0; i < EACH; i++)
        heard(i, 0, 0);
    p.lane = 77;
    say(EACH, p);
    for (unsigned i = 0; i < EACH; i++)
        CHECK_EQ(lane_of(heard(i, PX_GRADIENT_RESULT, HUB)), 77);
    p.lane = 78; /* there is only one */
    say(EACH, p);
    heard(0, 0, 0);
    say(1, of(PX_GRADIENT_CONTRIBUTION, 1, SLOTS, 3));
    CHECK_EQ(lane_of(heard(1, PX_GRADIENT_RESULT, HUB)), 77);
    close_hub();
}

/* Told that a sum is gone, a leaf hands that down, asks for the next without values, and takes up
 * what it is told then. */
TEST(a_sum_that_is_gone)
{
    open_leaf();
    say(EACH, of(PX_GRADIENT_LATE, 0, SLOTS, NONE));
    for (unsigned i = 0; i < EACH; i++)
        heard(i, PX_GRADIENT_LATE, HUB);
    say(0, of(PX_GRADIENT_CONTRIBUTION, 0, SLOTS, 3)); /* who did not hear it */
    heard(0, PX_GRADIENT_LATE, HUB);
    struct packet ask = of(PX_GRADIENT_CONTRIBUTION, 0, 2 * SLOTS, 3);
    ask.h.count = 0;
    say(0, ask);
    struct px_gradient_head h;
    px_view up = heard(EACH, PX_GRADIENT_PARTIAL, PXI_GROUP_LEAVES);
    memcpy(&h, up.p, sizeof h);
    CHECK_EQ(up.n, PX_GRADIENT_HEAD);
    CHECK_EQ(h.where, SLOTS); /* the chunk, and nobody's values */
    struct packet p = of(PX_GRADIENT_RESULT, 0, 2 * SLOTS, 3);
    p.h.where = 0x1c; /* of the other leaf */
    p.lane = 9;
    say(EACH, p);
    for (unsigned i = 0; i < EACH; i++)
        CHECK_EQ(lane_of(heard(i, PX_GRADIENT_RESULT, HUB)), 9);
    for (unsigned i = 0; i < EACH; i++)
        say(i, of(PX_GRADIENT_CONTRIBUTION, i, 3 * SLOTS, 3));
    CHECK_EQ(lane_of(heard(EACH, PX_GRADIENT_PARTIAL, PXI_GROUP_LEAVES)), 2);
    close_hub();
}

static uint8_t frames[2 * SLOTS * 512] __attribute__((aligned(64)));

/* A leaf alone, of the first workers of ten. */
static struct pxi_slots_options leaf_of(uint64_t members)
{
    pxi_kernels_init(&t.kernels, pxi_cpu_detect());
    CHECK(pxi_slots_stride(VALUES) <= sizeof frames / (2 * SLOTS));
    return (struct pxi_slots_options){.job = 7,
                                      .epoch = 1,
                                      .slots = SLOTS,
                                      .values = VALUES,
                                      .fan_in = 2 * TOTAL,
                                      .members = members,
                                      .quorum = 1,
                                      .deadline_ns = 4 * NOW,
                                      .chunks = 8,
                                      .frames = frames,
                                      .leaf = true,
                                      .kernels = &t.kernels};
}

static enum pxi_slots_to give(struct pxi_slots *s, uint8_t kind, unsigned worker, uint32_t seq,
                              uint64_t now_ns, struct pxi_slots_answer *a)
{
    static const uint8_t values[2 * VALUES] = {1};
    bool bare = seq < SLOTS || kind == PX_GRADIENT_LATE;
    struct packet p = of(kind, worker, seq, bare ? NONE : 3);
    px_view v = bare ? px_view_of(NULL, 0) : px_view_of(values, sizeof values);
    return kind == PX_GRADIENT_CONTRIBUTION ? pxi_slots_take(s, &p.h, v, now_ns, a)
                                            : pxi_slots_above(s, &p.h, v, a);
}

/* Workers that a partial names. */
static uint64_t who_in(const struct pxi_slots_answer *a)
{
    struct px_gradient_head h;
    memcpy(&h, a->bytes, sizeof h);
    CHECK_EQ(h.kind, PX_GRADIENT_PARTIAL);
    return h.where >> 32;
}

TEST(fewer_than_half_wait_for_the_longest_deadline)
{
    struct pxi_slots_options o = leaf_of(15);
    struct pxi_slots *s = pxi_slots_new(&o);
    struct pxi_slots_answer a;
    uint64_t now = NOW, ms = 1000000;
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, i, 0, now, &a),
                 i < 3 ? PXI_SLOTS_NOBODY : PXI_SLOTS_ABOVE);
    give(s, PX_GRADIENT_RESULT, 0, 0, now, &a);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 2, SLOTS, now, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 2, SLOTS, now + 3999 * ms, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 2, SLOTS, now + 4000 * ms, &a), PXI_SLOTS_ABOVE);
    CHECK_EQ(who_in(&a), 4);
    now += 4000 * ms;
    give(s, PX_GRADIENT_CONTRIBUTION, 2, SLOTS, now + ms, &a); /* again: not before 2 ms, */
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 2, SLOTS, now + ms, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 0, SLOTS, now + 2 * ms, &a), PXI_SLOTS_ABOVE);
    CHECK_EQ(who_in(&a), 4); /* and nobody is added any more */
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 2, SLOTS, now + 5 * ms, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 2, SLOTS, now + 6 * ms, &a), PXI_SLOTS_ABOVE);
    give(s, PX_GRADIENT_RESULT, 0, SLOTS, now, &a);
    /* The others are there before it: waited for again. Then three of four: 0.5 s. */
    now += 100 * ms;
    for (unsigned i = 0; i < 4; i++)
        give(s, PX_GRADIENT_CONTRIBUTION, (i + 3) % 4, 2 * SLOTS, now, &a);
    CHECK_EQ(who_in(&a), 15);
    give(s, PX_GRADIENT_RESULT, 0, 2 * SLOTS, now, &a);
    for (unsigned i = 0; i < 3; i++)
        give(s, PX_GRADIENT_CONTRIBUTION, i, 3 * SLOTS, now, &a);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 0, 3 * SLOTS, now + 499 * ms, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 0, 3 * SLOTS, now + 500 * ms, &a), PXI_SLOTS_ABOVE);
    CHECK_EQ(who_in(&a), 7);
    pxi_slots_free(s);
}

/* Members change: what a leaf says then is of the new epoch, and older answers are none. */
TEST(epochs)
{
    struct pxi_slots_options o = leaf_of(3);
    struct pxi_slots *s = pxi_slots_new(&o);
    struct pxi_slots_answer a;
    struct px_gradient_head h;
    for (unsigned i = 0; i < 2; i++)
        give(s, PX_GRADIENT_CONTRIBUTION, i, 0, NOW, &a);
    pxi_slots_members(s, 2, 3, 0, 1, 0);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 0, 0, 2 * NOW, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(give(s, PX_GRADIENT_RESULT, 0, 0, 2 * NOW, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(give(s, PX_GRADIENT_LATE, 0, 0, 2 * NOW, &a), PXI_SLOTS_NOBODY);
    CHECK_EQ(pxi_slots_counts(s)->drops[PX_GRADIENT_DROP_EPOCH], 1);
    struct packet p = of(PX_GRADIENT_CONTRIBUTION, 0, 0, NONE);
    p.h.epoch = 2;
    CHECK_EQ(pxi_slots_take(s, &p.h, px_view_of(NULL, 0), 2 * NOW, &a), PXI_SLOTS_ABOVE);
    memcpy(&h, a.bytes, sizeof h);
    CHECK_EQ(h.epoch, 2);
    pxi_slots_free(s);
}

/* What a leaf has summed is not what a chunk sums to: when the result is gone, it keeps nothing. */
TEST(a_partial_is_never_kept)
{
    struct pxi_slots_options o = leaf_of(3);
    struct pxi_slots_answer a;
    struct px_gradient_head h;
    o.keep_missed = true;
    struct pxi_slots *s = pxi_slots_new(&o);
    for (uint32_t seq = 0; seq <= SLOTS; seq += SLOTS) {
        give(s, PX_GRADIENT_CONTRIBUTION, 0, seq, NOW, &a);
        CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 1, seq, NOW, &a), PXI_SLOTS_ABOVE);
        CHECK_EQ(give(s, seq ? PX_GRADIENT_LATE : PX_GRADIENT_RESULT, 0, seq, NOW, &a),
                 PXI_SLOTS_ALL);
    }
    struct packet ask = of(PX_GRADIENT_CONTRIBUTION, 0, 2 * SLOTS, 3);
    ask.h.count = 0;
    CHECK_EQ(pxi_slots_take(s, &ask.h, px_view_of(NULL, 0), NOW, &a), PXI_SLOTS_ABOVE);
    struct packet back = of(PX_GRADIENT_RESULT, 0, 2 * SLOTS, 3);
    uint8_t values[2 * VALUES] = {9};
    back.h.where = 0x1c; /* of others, and so the one before is looked for, too */
    CHECK_EQ(pxi_slots_above(s, &back.h, px_view_of(values, sizeof values), &a), PXI_SLOTS_ALL);
    /* The slot goes on; who asks for the sum that is gone is told so. */
    give(s, PX_GRADIENT_CONTRIBUTION, 0, 3 * SLOTS, NOW, &a);
    CHECK_EQ(give(s, PX_GRADIENT_CONTRIBUTION, 1, SLOTS, NOW, &a), PXI_SLOTS_SENDER);
    memcpy(&h, a.bytes, sizeof h);
    CHECK_EQ(h.kind, PX_GRADIENT_LATE);
    pxi_slots_free(s);
    o.first = 64; /* ranks that there are not */
    CHECK(!pxi_slots_new(&o));
    o.first = 1; /* members before the first */
    CHECK(!pxi_slots_new(&o));
}

TEST_MAIN()
