/* What peers tell of themselves becomes a plan: distances that others know, machines of one room
 * that all help, chains that are loaded already; records that lie are refused. */
#include "infer/candidate.h"

#include <string.h>

#include "base/rng.h"
#include "px_test.h"

enum { N = 4 };

static const struct pxi_plan_model model = {
    .blocks = 12, .block_bytes = 10000000, .block_memory = 10000000};

static struct pxi_peer peer_of(uint8_t i)
{
    struct pxi_peer p = {.n = 38, .b = {0, 36, 8, 1, 18, 32, i}};
    return p;
}

static void make(struct pxi_candidate c[N])
{
    for (unsigned i = 0; i < N; i++)
        c[i] = (struct pxi_candidate){.peer = peer_of((uint8_t)i),
                                      .memory = 1 << 30,
                                      .rate = 10000000000,
                                      .rtt_ns = i ? 1000000 : 0,
                                      .self = i == 0};
}

static unsigned check_complete(const struct pxi_choice *ch)
{
    uint32_t at = 0;
    for (unsigned i = 0; i < ch->times.stages; i++) {
        const struct pxi_plan_peer *p = &ch->peers[ch->order[i]];
        CHECK_EQ(p->place, i);
        CHECK_EQ(p->first, at);
        at = p->last;
    }
    CHECK_EQ(at, model.blocks);
    return ch->times.stages;
}

TEST(machines_that_are_near_all_help)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    make(c);
    CHECK_EQ(pxi_choose(&model, c, N, 8192, &ch), PX_ERR_OK);
    CHECK_EQ(check_complete(&ch), 4);
    CHECK_EQ(ch.order[0], 0); /* the client itself saves a hop */
    c[3].rtt_ns = 200000000;  /* another continent */
    CHECK_EQ(pxi_choose(&model, c, N, 8192, &ch), PX_ERR_OK);
    CHECK_EQ(check_complete(&ch), 3);
    CHECK_EQ(ch.peers[3].place, PXI_PLAN_NONE);
    CHECK(ch.peers[3].with_s > ch.times.token_s);
    c[2].rate = 1000000000; /* a tenth of the others */
    CHECK_EQ(pxi_choose(&model, c, N, 8192, &ch), PX_ERR_OK);
    CHECK_EQ(check_complete(&ch), 2);
    for (unsigned i = 0; i < N; i++)
        c[i].memory = 35000000; /* now all of them are needed */
    CHECK_EQ(pxi_choose(&model, c, N, 8192, &ch), PX_ERR_OK);
    CHECK_EQ(check_complete(&ch), 4);
    c[1].memory = 0;
    CHECK_EQ(pxi_choose(&model, c, N, 8192, &ch), PX_ERR_NOMEM);
}

/* Peers 1 and 3 say that they are next to each other, 2 is far from both. */
TEST(distances_that_others_know)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    struct pxi_plan_model m = model;
    make(c);
    m.stages_min = 4;
    m.flights = 1;
    for (unsigned i = 1; i < N; i++)
        c[i].rtt_ns = 40000000;
    c[1].links[0] = (struct pxi_candidate_link){peer_of(3), 100000};
    c[1].link_count = 1;
    c[3].links[0] = (struct pxi_candidate_link){peer_of(2), 90000000};
    c[3].link_count = 1;
    CHECK_EQ(pxi_choose(&m, c, N, 8192, &ch), PX_ERR_OK);
    unsigned a = ch.peers[1].place, b = ch.peers[3].place;
    CHECK_EQ(a < b ? b - a : a - b, 1);
    CHECK(ch.times.hops_s < 0.0611); /* 20 + 0.05 + 20 + 20, not 20 + 45 + ... */
}

TEST(a_slow_link_is_counted)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    struct pxi_plan_model m = model;
    make(c);
    m.stages_min = 2;
    for (unsigned i = 1; i < N; i++)
        c[i].rate_link = i == 2 ? 1000000 : 100000000;
    CHECK_EQ(pxi_choose(&m, c, N, 8192, &ch), PX_ERR_OK);
    CHECK_EQ(ch.peers[2].place, PXI_PLAN_NONE);
}

static void serve(struct pxi_candidate *c, uint32_t first, uint32_t last)
{
    c->slices[c->slice_count++] =
        (struct pxi_candidate_slice){first, last, first == 0, last == model.blocks};
}

TEST(a_chain_that_is_loaded_is_used_again)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    struct pxi_plan_model m = model;
    make(c);
    m.stages_min = 3;
    serve(&c[1], 0, 4);
    serve(&c[2], 4, 8);
    serve(&c[3], 8, 12);
    serve(&c[3], 5, 12);
    CHECK_EQ(pxi_choose(&m, c, N, 8192, &ch), PX_ERR_OK);
    CHECK(ch.reused);
    CHECK_EQ(check_complete(&ch), 3);
    CHECK_EQ(ch.peers[1].last, 4);
    CHECK_EQ(ch.peers[2].last, 8);
    CHECK_EQ(ch.peers[0].place, PXI_PLAN_NONE);
    /* Not one that lacks a part, is much slower, or has too few stages. */
    c[2].slice_count = 0;
    CHECK_EQ(pxi_choose(&m, c, N, 8192, &ch), PX_ERR_OK);
    CHECK(!ch.reused);
    serve(&c[2], 4, 8);
    c[2].rate = 500000000;
    CHECK_EQ(pxi_choose(&m, c, N, 8192, &ch), PX_ERR_OK);
    CHECK(!ch.reused);
}

/* A peer's disk: blocks [first, last), and the ends of the model with them. */
static void hold(struct pxi_candidate *c, uint32_t first, uint32_t last)
{
    if (first == 0)
        pxi_held_add(&c->held, PXI_HELD_EMBED);
    if (last == model.blocks)
        pxi_held_add(&c->held, PXI_HELD_OUTPUT);
    for (uint32_t b = first; b < last; b++)
        pxi_held_add(&c->held, PXI_HELD_BLOCKS + b);
}

/* Who computes which blocks, as one number. */
static uint64_t cuts(const struct pxi_choice *ch, const struct pxi_candidate *c)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < ch->times.stages; i++)
        x = x * 1000 + c[ch->order[i]].peer.b[6] * 100u + ch->peers[ch->order[i]].last;
    return x;
}

/* What a plan lets peers fetch is on their disks at the next start: the rates that are measured
 * then are others, and so is the order in which peers are known. */
TEST(what_lies_on_the_disks_stays_where_it_is)
{
    struct pxi_rng r = {px_seed};
    unsigned moved = 0, would = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct pxi_candidate c[N], again[N];
        struct pxi_choice first, ch, without;
        make(c);
        hold(&c[0], 0, model.blocks); /* where it was pushed */
        c[0].memory = round % 2 ? 1 << 30 : 0;
        CHECK_EQ(pxi_choose(&model, c, N, 8192, &first), PX_ERR_OK);
        CHECK(!first.reused && !first.kept);
        for (unsigned i = 0; i < N; i++)
            if (i && first.peers[i].place != PXI_PLAN_NONE)
                hold(&c[i], first.peers[i].first, first.peers[i].last);
        CHECK_EQ(pxi_choose(&model, c, N, 8192, &ch), PX_ERR_OK);
        CHECK(ch.kept);
        CHECK_EQ(cuts(&ch, c), cuts(&first, c));
        unsigned turn = (unsigned)pxi_rng_below(&r, N - 1);
        for (unsigned i = 0; i < N; i++) {
            again[i] = c[i ? 1 + (i - 1 + turn) % (N - 1) : 0];
            again[i].rate = again[i].rate / 100 * (92 + pxi_rng_below(&r, 17));
            again[i].rtt_ns = i ? 500000 + pxi_rng_below(&r, 3000000) : 0;
        }
        CHECK_EQ(pxi_choose(&model, again, N, 8192, &ch), PX_ERR_OK);
        moved += cuts(&ch, again) != cuts(&first, c);
        for (unsigned i = 0; i < N; i++)
            again[i].held = (struct pxi_held){{0}};
        CHECK_EQ(pxi_choose(&model, again, N, 8192, &without), PX_ERR_OK);
        would += cuts(&without, again) != cuts(&first, c);
        CHECK(!without.kept);
        CHECK(ch.times.cost_s * 0.8 <= without.times.cost_s);
    }
    CHECK_EQ(moved, 0);
    if (would < 30)
        PX_FAIL("%u of 60 plans would have moved blocks", would);
}

/* But it moves when that is worth it, when somebody new can help, or when room is lacking. */
TEST(what_is_worth_it_moves)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    make(c);
    hold(&c[1], 0, 6);
    hold(&c[2], 6, 12);
    CHECK_EQ(pxi_choose(&model, c, 3, 8192, &ch), PX_ERR_OK); /* the client helps too */
    CHECK(!ch.kept);
    CHECK_EQ(ch.times.stages, 3);
    c[0].memory = 0;
    CHECK_EQ(pxi_choose(&model, c, 3, 8192, &ch), PX_ERR_OK);
    CHECK(ch.kept);
    CHECK_EQ(ch.peers[1].last, 6);
    CHECK_EQ(pxi_choose(&model, c, 4, 8192, &ch), PX_ERR_OK);
    CHECK_EQ(check_complete(&ch), 3);
    c[2].rate /= 3; /* the other shall take more */
    CHECK_EQ(pxi_choose(&model, c, 3, 8192, &ch), PX_ERR_OK);
    CHECK(!ch.kept);
    CHECK(ch.peers[1].last > 7);
    c[2].rate *= 3;
    c[1].memory = 45000000; /* four blocks */
    CHECK_EQ(pxi_choose(&model, c, 3, 8192, &ch), PX_ERR_OK);
    CHECK(!ch.kept);
    CHECK(check_complete(&ch) && ch.peers[1].last - ch.peers[1].first <= 4);
}

/* Disks hold rows that overlap: the cut is where one of them begins or ends. */
TEST(rows_on_disks_may_overlap)
{
    struct pxi_candidate c[N];
    struct pxi_choice ch;
    make(c);
    c[0].memory = 0;
    hold(&c[1], 0, 7);
    hold(&c[2], 6, 12);
    hold(&c[2], 3, 4); /* a lonely one */
    CHECK_EQ(pxi_choose(&model, c, 3, 8192, &ch), PX_ERR_OK);
    CHECK(ch.kept);
    CHECK_EQ(ch.peers[1].last, 6);
    c[2].rate = 8000000000;
    CHECK_EQ(pxi_choose(&model, c, 3, 8192, &ch), PX_ERR_OK);
    CHECK(ch.kept);
    CHECK_EQ(ch.peers[1].last, 7);
    /* Everybody has all of it: the best plan fetches nothing. */
    for (unsigned i = 0; i < N; i++)
        hold(&c[i], 0, 12);
    CHECK_EQ(pxi_choose(&model, c, N, 8192, &ch), PX_ERR_OK);
    CHECK(ch.kept);
    CHECK_EQ(check_complete(&ch), 3);
}

TEST(what_comes_from_the_wire_is_clamped)
{
    struct pxi_candidate c = {0};
    struct pxi_peer p = peer_of(1);
    struct pxi_msg_link links[20];
    struct pxi_msg_served served[6];
    for (unsigned i = 0; i < 20; i++)
        links[i] = (struct pxi_msg_link){i % 2 ? px_view_str("no peer") : px_view_of(p.b, p.n),
                                         UINT64_MAX};
    struct pxi_pb_list l = {links, 20}, s = {served, 6};
    pxi_candidate_links(&c, &l);
    CHECK_EQ(c.link_count, 10);
    CHECK_EQ(c.links[0].rtt_ns, 10000000000);
    px_view id = px_view_str("m");
    for (unsigned i = 0; i < 6; i++)
        served[i] = (struct pxi_msg_served){id, 0, 4, 1, 0, 100, 8, 0};
    served[0].model = px_view_str("n");
    served[1].positions = 99;
    served[2].sessions = 8;
    served[3].last = UINT64_MAX;
    served[4].first = 4;
    pxi_candidate_slices(&c, &s, id, 100);
    CHECK_EQ(c.slice_count, 1);
    uint8_t bits[200];
    memset(bits, 0xff, sizeof bits);
    pxi_candidate_held(&c, px_view_of(bits, sizeof bits));
    CHECK(pxi_held_has(&c.held, 511) && !pxi_held_has(&c.held, 512));
    pxi_held_add(&c.held, UINT32_MAX);
    pxi_candidate_held(&c, px_view_of(bits, 1));
    CHECK(pxi_held_has(&c.held, 7) && !pxi_held_has(&c.held, 8));
    pxi_candidate_held(&c, px_view_of(NULL, 0));
    CHECK(!pxi_held_has(&c.held, 0));
}

TEST(records_are_read_as_they_were_written)
{
    struct pxi_peer p = peer_of(9);
    px_view addrs[2] = {px_view_str("abc"), px_view_str("defg")};
    struct pxi_msg_served served[2] = {{px_view_str("tiny-1"), 0, 2, 1, 0, 512, 8, 0},
                                       {px_view_str("tiny-1"), 2, 5, 0, 1, 512, 8, 1}};
    struct pxi_msg_link links[1] = {{px_view_of(p.b, p.n), 1234}};
    struct pxi_msg_capability m = {.memory = 77,
                                   .rate = 99,
                                   .served = {served, 2},
                                   .links = {links, 1},
                                   .addrs = {addrs, 2}},
                              r;
    struct pxi_buf out = {.max = 4096};
    struct pxi_arena a;
    pxi_arena_init(&a, 1 << 16);
    CHECK_EQ(pxi_capability_encode(&m, &out), PX_ERR_OK);
    CHECK_EQ(pxi_capability_decode(px_view_of(out.p, out.n), &a, &r), PX_ERR_OK);
    CHECK_EQ(r.memory, 77);
    CHECK_EQ(r.served.n, 2);
    CHECK_EQ(((struct pxi_msg_served *)r.served.p)[1].last, 5);
    CHECK_EQ(r.addrs.n, 2);
    for (size_t i = 0; i < out.n; i++) /* cut anywhere: an error or less, never more */
        (void)pxi_capability_decode(px_view_of(out.p, i), &a, &r);
    served[1].last = 2;
    out.n = 0;
    CHECK_EQ(pxi_capability_encode(&m, &out), PX_ERR_OK);
    CHECK_EQ(pxi_capability_decode(px_view_of(out.p, out.n), &a, &r), PX_ERR_CORRUPT);
    CHECK_EQ(pxi_capability_decode(px_view_str("\x08\x02"), &a, &r), PX_ERR_VERSION);
    pxi_arena_deinit(&a);
    pxi_buf_deinit(&out);
}

TEST_MAIN()
