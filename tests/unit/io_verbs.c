/* The path through verbs without a device: what is said and taken instead; and with a stub of
 * libibverbs (tests/verbs_stub.c): two ends of one process, a peer that lies, a device that goes.
 */
#include <dlfcn.h>
#include <infiniband/verbs.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/path.h"
#include "io/path_verbs.h"
#include "io/paths.h"
#include "px_test.h"

enum { FRAME = 1440, USED = 64 * 2048, DEPTH = 512, SENDS = 1024, OFFER = 40 };

/* What the stub shows. */
static uint8_t *stub_ip;
static int *stub_left;
static unsigned *stub_fail;
static bool *stub_silent;
static void (*stub_say)(struct ibv_context *c, struct ibv_async_event e);
static bool (*stub_inject)(unsigned qpn, const void *p, size_t n);

static void *shown(void *h, const char *name)
{
    void *p = dlsym(h, name);
    CHECK(p != NULL);
    return p;
}

/* It has the name of the library, so that it is taken for it. */
static void load_stub(void)
{
    const char *stub = getenv("PLEXUS_STUB_VERBS");
    void *h = stub ? dlopen(stub, RTLD_NOW | RTLD_GLOBAL) : NULL;
    if (!h)
        PX_SKIP("no stub of libibverbs");
    stub_ip = shown(h, "stub_ip");
    stub_left = shown(h, "stub_left");
    stub_fail = shown(h, "stub_fail");
    stub_silent = shown(h, "stub_silent");
    *(void **)&stub_say = shown(h, "stub_say");
    *(void **)&stub_inject = shown(h, "stub_inject");
    px_own_ip(stub_ip);
}

struct end {
    struct pxi_frames frames;
    struct pxi_udp_addr peers[2];
    struct pxi_path *path;
};

static px_err try_open(struct end *e, unsigned rank, char *why, size_t cap)
{
    for (unsigned i = 0; i < 2; i++) {
        e->peers[i] = (struct pxi_udp_addr){.family = 4, .port = (uint16_t)(20000 + i)};
        px_own_ip(e->peers[i].ip);
    }
    struct pxi_path_options o = {.rank = rank,
                                 .n = 2,
                                 .peers = e->peers,
                                 .local = e->peers[rank],
                                 .frame = FRAME,
                                 .frames = &e->frames,
                                 .room = USED,
                                 .bell = -1};
    return pxi_path_verbs_open(&o, &e->path, why, cap);
}

static void end_open(struct end *e, unsigned rank)
{
    char why[80];
    CHECK(pxi_frames_map(&e->frames, USED + pxi_path_verbs_room(2, FRAME)) == 0);
    CHECK(try_open(e, rank, why, sizeof why) == PX_ERR_OK);
}

static void end_close(struct end *e)
{
    e->path->ops->close(e->path);
    pxi_frames_unmap(&e->frames);
}

static void offer_to(struct end *from, unsigned rank, struct end *to)
{
    uint8_t offer[PXI_PATH_OFFER];
    size_t n = from->path->ops->offer(from->path, !rank, offer);
    CHECK_EQ(n, OFFER);
    to->path->ops->meet(to->path, rank, px_view_of(offer, n));
}

static unsigned take_all(struct end *e)
{
    struct pxi_path_in in[PXI_PATH_READ];
    unsigned n, all = 0;
    do {
        n = e->path->ops->receive(e->path, in);
        e->path->ops->give_back(e->path);
        all += n;
    } while (n || !e->path->drained);
    return all;
}

static void meet(struct end *a, struct end *b)
{
    for (unsigned i = 0; i < 3; i++) {
        offer_to(a, 0, b);
        offer_to(b, 1, a);
    }
    CHECK_EQ(take_all(a) + take_all(b) + take_all(a), 0); /* they knock */
    CHECK_EQ(a->path->peers, 2);
    CHECK_EQ(b->path->peers, 1);
}

static unsigned send_one(struct end *e, unsigned to, const void *p, size_t n)
{
    px_view v = px_view_of(p, n);
    return e->path->ops->send(e->path, to, &v, 1);
}

static bool is_readable(struct end *e)
{
    return e->path->fd >= 0 && !e->path->ops->sleep(e->path);
}

/* ------------------------------------------------------- without a device */

TEST(no_device_no_path)
{
    struct end e;
    char why[80] = "";
    const struct pxi_verbs *v = pxi_verbs_load();
    if (v && v->devices)
        PX_SKIP("this machine has devices");
    CHECK_EQ(pxi_path_verbs_room(2, FRAME), 0);
    CHECK(pxi_frames_map(&e.frames, USED) == 0);
    CHECK(try_open(&e, 0, why, sizeof why) == PX_ERR_UNSUPPORTED && !e.path);
    CHECK_STR(why, v ? "libibverbs.so.1 knows no device" : "no libibverbs.so.1");
    pxi_frames_unmap(&e.frames);
}

/* Who asks for it is told why, and gets UDP; who does not hears nothing. */
TEST(udp_takes_its_place)
{
    static const uint8_t secret[PXI_PATHS_SECRET] = {4};
    const struct pxi_verbs *v = pxi_verbs_load();
    if (v && v->devices)
        PX_SKIP("this machine has devices");
    for (unsigned asked = 0; asked < 2; asked++) {
        struct pxi_frames frames;
        struct pxi_udp_addr peers[2] = {{.family = 4}, {.family = 4, .port = 20001}};
        struct pxi_paths *ps;
        struct pxi_paths_report report;
        px_own_ip(peers[0].ip);
        px_own_ip(peers[1].ip);
        CHECK(pxi_frames_map(&frames, USED + pxi_paths_room(2, FRAME)) == 0);
        struct pxi_paths_options o = {.path = {.n = 2,
                                               .peers = peers,
                                               .local = peers[0],
                                               .frame = FRAME,
                                               .frames = &frames,
                                               .room = USED,
                                               .bell = -1},
                                      .secret = secret,
                                      .wish = asked ? 1u << PXI_PATH_VERBS : 0};
        CHECK(pxi_paths_open(&o, &ps) == PX_ERR_OK);
        pxi_paths_tell(ps, &report);
        CHECK(!report.open[PXI_PATH_VERBS] && report.open[PXI_PATH_UDP]);
        CHECK_STR(report.chosen, "udp");
        CHECK((strstr(report.why, "no verbs: ") != NULL) == asked);
        pxi_paths_close(ps);
        pxi_frames_unmap(&frames);
    }
}

/* ------------------------------------------------------------- datagrams */

TEST(frames_go_from_the_arena_and_come_into_it)
{
    struct end a, b;
    struct pxi_path_in in[PXI_PATH_READ];
    load_stub();
    end_open(&a, 0);
    end_open(&b, 1);
    CHECK_STR(a.path->said, "stub0, RoCE v2, RC, MTU 1024");
    offer_to(&a, 0, &b);
    offer_to(&b, 1, &a);
    CHECK_EQ(a.path->peers | b.path->peers, 0); /* agreed, and nothing was heard yet */
    meet(&a, &b);
    memcpy(a.frames.p + 2048, "a frame", 8);
    CHECK_EQ(send_one(&a, 1, a.frames.p + 2048, FRAME), 1);
    CHECK_EQ(b.path->ops->receive(b.path, in), 1);
    CHECK(in[0].from == 0 && in[0].bytes.n == FRAME && !in[0].step && !in[0].torn);
    CHECK(strcmp((const char *)in[0].bytes.p, "a frame") == 0);
    CHECK(in[0].bytes.p >= b.frames.p + USED && in[0].bytes.p < b.frames.p + b.frames.bytes);
    b.path->ops->give_back(b.path);
    CHECK_EQ(a.path->counts.copied, 0);
    CHECK_EQ(send_one(&a, 1, "elsewhere", 10), 1);
    CHECK_EQ(a.path->counts.copied, 10);
    CHECK_EQ(b.path->ops->receive(b.path, in), 1);
    CHECK(strcmp((const char *)in[0].bytes.p, "elsewhere") == 0);
    b.path->ops->give_back(b.path);
    /* One who sleeps is woken. */
    CHECK(b.path->ops->sleep(b.path));
    b.path->ops->awake(b.path);
    CHECK_EQ(send_one(&a, 1, a.frames.p, 64), 1);
    CHECK(is_readable(&b));
    b.path->ops->awake(b.path);
    CHECK_EQ(take_all(&b), 1);
    end_close(&a);
    end_close(&b);
    CHECK_EQ(*stub_left, 0);
}

TEST(many_go_round_and_round)
{
    struct end a, b;
    struct pxi_path_in in[PXI_PATH_READ];
    px_view v[PXI_PATH_PARTS];
    unsigned sent = 0, got = 0;
    load_stub();
    end_open(&a, 0);
    end_open(&b, 1);
    meet(&a, &b);
    for (unsigned round = 0; round < 500; round++) {
        unsigned parts = 1 + round % PXI_PATH_PARTS;
        for (unsigned i = 0; i < parts; i++, sent++) {
            uint8_t *at = a.frames.p + (size_t)(sent % 64) * 2048;
            memcpy(at, &sent, sizeof sent);
            v[i] = px_view_of(at, 64 + sent % 512);
        }
        CHECK_EQ(a.path->ops->send(a.path, 1, v, parts), parts);
        for (unsigned n; (n = b.path->ops->receive(b.path, in)) > 0;) {
            for (unsigned i = 0; i < n; i++, got++)
                CHECK(in[i].bytes.n == 64 + got % 512 &&
                      memcmp(in[i].bytes.p, &got, sizeof got) == 0);
            b.path->ops->give_back(b.path);
        }
    }
    CHECK_EQ(got, sent);
    CHECK_EQ(a.path->counts.lost, 0);
    end_close(&a);
    end_close(&b);
    CHECK_EQ(*stub_left, 0);
}

/* The other has receives for so many; as many again wait, and the rest is lost. */
TEST(a_full_queue_loses)
{
    struct end a, b;
    load_stub();
    end_open(&a, 0);
    end_open(&b, 1);
    meet(&a, &b);
    for (unsigned i = 0; i < DEPTH + SENDS + 10; i++)
        CHECK_EQ(send_one(&a, 1, a.frames.p, 64), 1);
    CHECK_EQ(a.path->counts.lost, 10);
    CHECK_EQ(take_all(&b), DEPTH + SENDS);
    CHECK_EQ(send_one(&a, 1, a.frames.p, 64), 1);
    CHECK_EQ(take_all(&b), 1);
    CHECK_EQ(a.path->counts.lost, 10);
    end_close(&a);
    end_close(&b);
}

/* --------------------------------------------------------------- meeting */

/* Offers that come late, twice, or of queue pairs that are gone. */
TEST(both_come_to_the_same_pair)
{
    enum { KEPT = 16 };
    struct pxi_rng rng = {px_seed};
    struct end e[2];
    uint8_t kept[2][KEPT][PXI_PATH_OFFER];
    load_stub();
    end_open(&e[0], 0);
    end_open(&e[1], 1);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned k = 0; k < KEPT; k++) {
            unsigned who = (unsigned)pxi_rng_below(&rng, 2);
            if (pxi_rng_below(&rng, 4) == 0)
                e[who].path->ops->leave(e[who].path, !who);
            CHECK_EQ(e[who].path->ops->offer(e[who].path, !who, kept[who][k]), OFFER);
            e[!who].path->ops->offer(e[!who].path, who, kept[!who][k]);
            unsigned old = (unsigned)pxi_rng_below(&rng, k + 1);
            e[!who].path->ops->meet(e[!who].path, who, px_view_of(kept[who][old], OFFER));
        }
        meet(&e[0], &e[1]);
        CHECK_EQ(send_one(&e[0], 1, e[0].frames.p, 64), 1);
        CHECK_EQ(send_one(&e[1], 0, e[1].frames.p, 64), 1);
        CHECK(take_all(&e[0]) == 1 && take_all(&e[1]) == 1);
    }
    end_close(&e[0]);
    end_close(&e[1]);
    CHECK_EQ(*stub_left, 0);
}

TEST(who_is_gone_is_noticed)
{
    struct end a, b;
    load_stub();
    end_open(&a, 0);
    end_open(&b, 1);
    meet(&a, &b);
    end_close(&b);
    CHECK_EQ(send_one(&a, 1, a.frames.p, 64), 1);
    a.path->ops->turn(a.path, 0);
    CHECK(!a.path->peers && !a.path->lost);
    CHECK_EQ(send_one(&a, 1, a.frames.p, 64), 1); /* like one lost */
    CHECK_EQ(a.path->counts.lost, 1);
    end_open(&b, 1);
    meet(&a, &b);
    end_close(&b);
    end_close(&a);
    CHECK_EQ(*stub_left, 0);
}

TEST(hostile_offers_are_refused)
{
    struct pxi_rng rng = {px_seed};
    struct end a, b;
    uint8_t offer[PXI_PATH_OFFER], bad[PXI_PATH_OFFER];
    load_stub();
    end_open(&a, 0);
    end_open(&b, 1);
    CHECK_EQ(b.path->ops->offer(b.path, 0, offer), OFFER);
    for (unsigned i = 0; i < OFFER; i++) {
        a.path->ops->meet(a.path, 1, px_view_of(offer, i));
        CHECK_EQ(a.path->counts.refused, i + 1u);
    }
    /* Of another layout, MTU, number, size of frames, address. */
    static const struct {
        unsigned at, with;
    } changes[] = {{0, 9}, {1, 0}, {1, 9}, {7, 1}, {11, 1}, {20, 9}, {24, 1}, {39, 99}};
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint64_t before = a.path->counts.refused;
        memcpy(bad, offer, OFFER);
        bad[changes[i].at] ^= (uint8_t)changes[i].with;
        a.path->ops->meet(a.path, 1, px_view_of(bad, OFFER));
        if (changes[i].at != 1 || changes[i].with == 9)
            CHECK_EQ(a.path->counts.refused, before + 1);
    }
    /* Any bytes, and one that begins anew without end: it runs out of lives. */
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(bad, offer, OFFER);
        for (unsigned k = 0; k < 3 && i % 2; k++)
            bad[pxi_rng_below(&rng, OFFER)] ^= (uint8_t)pxi_rng_u64(&rng);
        bad[12] = (uint8_t)(i * 2 + 1);
        bad[13] = (uint8_t)(i >> 7);
        a.path->ops->meet(a.path, 1, px_view_of(bad, OFFER));
        send_one(&a, 1, a.frames.p, 64);
        a.path->ops->turn(a.path, 0);
    }
    CHECK_EQ(a.path->ops->offer(a.path, 1, offer), 0);
    CHECK(!a.path->lost);
    end_close(&a);
    end_close(&b);
    CHECK_EQ(*stub_left, 0);
}

static unsigned number_of_b(const struct end *b)
{
    return ((const struct pxi_verbs_path *)b->path)->peers[0].qp->qp_num;
}

/* The connection of a peer carries what the path never sends. */
TEST(hostile_messages_are_refused)
{
    static uint8_t text[2 * FRAME];
    struct end a, b;
    load_stub();
    end_open(&a, 0);
    end_open(&b, 1);
    meet(&a, &b);
    unsigned of_b = number_of_b(&b);
    CHECK(stub_inject(of_b, text, 1));
    CHECK(stub_inject(of_b, text, FRAME));
    CHECK_EQ(take_all(&b), 2);
    CHECK(stub_inject(of_b, text, FRAME + 1) == (FRAME % 64 != 0)); /* the place is longer */
    CHECK_EQ(take_all(&b), 0);
    CHECK(b.path->counts.refused == 1 && !b.path->peers && !b.path->lost);
    meet(&a, &b);
    CHECK(!stub_inject(number_of_b(&b), text, 2 * FRAME));
    CHECK_EQ(take_all(&b), 0);
    CHECK(b.path->counts.refused == 2 && !b.path->peers && !b.path->lost);
    end_close(&a);
    end_close(&b);
    CHECK_EQ(*stub_left, 0);
}

/* ---------------------------------------------------------------- devices */

static struct ibv_context *context(struct end *e)
{
    return ((struct pxi_verbs_path *)e->path)->device.context;
}

TEST(a_device_that_goes_is_lost)
{
    static const struct {
        enum ibv_event_type type;
        bool lost;
    } says[] = {{IBV_EVENT_DEVICE_FATAL, true}, {IBV_EVENT_PORT_ERR, true},
                {IBV_EVENT_CQ_ERR, true},       {IBV_EVENT_PORT_ACTIVE, false},
                {IBV_EVENT_GID_CHANGE, false},  {IBV_EVENT_SM_CHANGE, false}};
    load_stub();
    for (unsigned i = 0; i < sizeof says / sizeof *says; i++) {
        struct end e;
        end_open(&e, 0);
        stub_say(context(&e),
                 (struct ibv_async_event){.event_type = says[i].type, .element.port_num = 1});
        e.path->ops->turn(e.path, 0);
        CHECK_EQ(e.path->lost, says[i].lost);
        end_close(&e);
    }
    struct end e;
    end_open(&e, 0);
    stub_ip[3]++;
    stub_say(context(&e), (struct ibv_async_event){.event_type = IBV_EVENT_GID_CHANGE});
    e.path->ops->turn(e.path, 0);
    CHECK(e.path->lost);
    end_close(&e);
    CHECK_EQ(*stub_left, 0);
}

TEST(an_address_that_no_device_has)
{
    struct end e;
    char why[80] = "";
    load_stub();
    stub_ip[3]++;
    CHECK(pxi_frames_map(&e.frames, USED + pxi_path_verbs_room(2, FRAME)) == 0);
    CHECK(try_open(&e, 0, why, sizeof why) == PX_ERR_UNSUPPORTED && !e.path);
    CHECK_STR(why, "none of 1 devices has our address for RoCE v2");
    pxi_frames_unmap(&e.frames);
    CHECK_EQ(*stub_left, 0);
}

/* Every call fails once. */
TEST(what_fails_leaves_nothing_behind)
{
    load_stub();
    CHECK(pxi_path_verbs_room(2, FRAME) > 0);
    for (unsigned k = 1; k < 2400; k += k < 64 ? 1 : 37) {
        struct end e[2];
        char why[80];
        bool open = true;
        for (unsigned i = 0; i < 2; i++)
            CHECK(pxi_frames_map(&e[i].frames, USED + pxi_path_verbs_room(2, FRAME)) == 0);
        *stub_fail = k;
        for (unsigned i = 0; i < 2; i++)
            open &= try_open(&e[i], i, why, sizeof why) == PX_ERR_OK;
        for (unsigned i = 0; open && i < 8; i++) {
            uint8_t offer[PXI_PATH_OFFER];
            unsigned who = i % 2;
            size_t n = e[who].path->ops->offer(e[who].path, !who, offer);
            e[!who].path->ops->meet(e[!who].path, who, px_view_of(offer, n));
            send_one(&e[who], !who, e[who].frames.p, 64);
            take_all(&e[!who]);
        }
        *stub_fail = 0;
        for (unsigned i = 0; i < 2; i++) {
            if (e[i].path)
                e[i].path->ops->close(e[i].path);
            pxi_frames_unmap(&e[i].frames);
        }
        CHECK_EQ(*stub_left, 0);
    }
}

TEST(no_memory_no_path)
{
    struct end e;
    char why[80];
    load_stub();
    CHECK(pxi_frames_map(&e.frames, USED + pxi_path_verbs_room(2, FRAME)) == 0);
    pxi_mem_fail_after(1);
    CHECK(try_open(&e, 0, why, sizeof why) == PX_ERR_NOMEM && !e.path);
    pxi_mem_fail_after(0);
    pxi_frames_unmap(&e.frames);
    CHECK_EQ(*stub_left, 0);
}

/* ------------------------------------------------------------- all together */

struct member {
    struct pxi_frames frames;
    struct pxi_paths *paths;
    struct pxi_udp_addr peers[2];
};

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void member_open(struct member *m, unsigned rank)
{
    static const uint8_t secret[PXI_PATHS_SECRET] = {4};
    for (unsigned i = 0; i < 2; i++) {
        m->peers[i] = (struct pxi_udp_addr){.family = 4, .port = (uint16_t)(20000 + i)};
        px_own_ip(m->peers[i].ip);
    }
    CHECK(pxi_frames_map(&m->frames, USED + pxi_paths_room(2, FRAME)) == 0);
    struct pxi_paths_options o = {.path = {.rank = rank,
                                           .n = 2,
                                           .peers = m->peers,
                                           .local = m->peers[rank],
                                           .frame = FRAME,
                                           .frames = &m->frames,
                                           .room = USED,
                                           .bell = -1},
                                  .secret = secret,
                                  .wish = 1u << PXI_PATH_VERBS};
    CHECK(pxi_paths_open(&o, &m->paths) == PX_ERR_OK);
}

static void member_turn(struct member *m)
{
    struct pxi_path_in in[PXI_PATH_READ];
    pxi_paths_look(m->paths, now());
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        struct pxi_path *p = pxi_paths_get(m->paths, k);
        unsigned n = p ? p->ops->receive(p, in) : 0;
        for (unsigned i = 0; i < n; i++) {
            size_t step = in[i].step ? in[i].step : in[i].bytes.n;
            for (size_t at = 0; at < in[i].bytes.n; at += step) {
                size_t left = in[i].bytes.n - at, bytes = left < step ? left : step;
                pxi_paths_take(m->paths, k, in[i].from, px_view_of(in[i].bytes.p + at, bytes),
                               now());
            }
        }
        if (n && p->ops->give_back)
            p->ops->give_back(p);
    }
    pxi_paths_turn(m->paths, now(), true);
}

static void say(struct member m[2], unsigned from)
{
    px_view v = px_view_of(m[from].frames.p, 64);
    struct pxi_path *p = pxi_paths_via(m[from].paths, !from);
    p->ops->send(p, !from, &v, 1);
}

/* Until frames for each other take a path, for a minute at most. Both go on to speak. */
static bool take(struct member m[2], enum pxi_path_kind kind)
{
    for (unsigned i = 0; i < 60000; i++, usleep(1000)) {
        member_turn(&m[0]);
        member_turn(&m[1]);
        say(m, 0);
        say(m, 1);
        if (pxi_paths_via(m[0].paths, 1)->kind == kind &&
            pxi_paths_via(m[1].paths, 0)->kind == kind)
            return true;
    }
    return false;
}

/* silent: the device of one side goes, and the other's does not notice. */
static void lose(bool silent)
{
    struct pxi_paths_report report;
    struct member m[2];
    load_stub();
    *stub_silent = silent;
    member_open(&m[0], 0);
    member_open(&m[1], 1);
    CHECK(take(m, PXI_PATH_VERBS));
    /* One side forgets: both agree anew. */
    struct pxi_path *p = pxi_paths_get(m[0].paths, PXI_PATH_VERBS);
    p->ops->leave(p, 1);
    CHECK_EQ(pxi_paths_via(m[0].paths, 1)->kind, PXI_PATH_UDP);
    CHECK(take(m, PXI_PATH_VERBS));
    stub_say(((struct pxi_verbs_path *)p)->device.context,
             (struct ibv_async_event){.event_type = IBV_EVENT_DEVICE_FATAL});
    CHECK(take(m, PXI_PATH_UDP));
    pxi_paths_tell(m[0].paths, &report);
    CHECK(report.changes >= 1 && strstr(report.why, "the device is gone"));
    pxi_paths_close(m[0].paths);
    pxi_paths_close(m[1].paths);
    pxi_frames_unmap(&m[0].frames);
    pxi_frames_unmap(&m[1].frames);
    CHECK_EQ(*stub_left, 0);
}

TEST(members_meet_lose_it_and_take_udp)
{
    lose(false);
}

TEST(a_loss_of_the_other_side_is_noticed)
{
    lose(true);
}

TEST_MAIN()
