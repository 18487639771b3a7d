/* Shared memory as a path: two ends of one process, an end that dies, an end that lies. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/path.h"
#include "io/path_meet.h"
#include "io/paths.h"
#include "px_test.h"

enum { FRAME = 1440, USED = 64 * 2048, RING = 4096, MOST = 64 };

struct end {
    struct pxi_frames frames;
    struct pxi_path *path;
    int bell;
};

static void end_open(struct end *e, unsigned rank)
{
    CHECK(pxi_frames_map(&e->frames, USED + pxi_path_shm_room(2, FRAME)) == 0);
    e->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct pxi_path_options o = {
        .rank = rank, .n = 2, .frame = FRAME, .frames = &e->frames, .room = USED, .bell = e->bell};
    char why[80];
    CHECK(pxi_path_shm_open(&o, &e->path, why, sizeof why) == PX_ERR_OK);
}

static void end_close(struct end *e)
{
    e->path->ops->close(e->path);
    close(e->bell);
    pxi_frames_unmap(&e->frames);
}

static void offer_to(struct end *from, unsigned rank, struct end *to)
{
    uint8_t offer[PXI_PATH_OFFER];
    size_t n = from->path->ops->offer(from->path, !rank, offer);
    CHECK(n > 0);
    to->path->ops->meet(to->path, rank, px_view_of(offer, n));
}

static void turn(struct end *e)
{
    e->path->ops->turn(e->path, 0);
}

/* The higher rank learns the name first: it only waits. */
static void meet(struct end *a, struct end *b)
{
    offer_to(a, 0, b);
    offer_to(b, 1, a);
    for (unsigned i = 0; i < 1000 && !(a->path->peers && b->path->peers); i++) {
        turn(b);
        turn(a);
        usleep(100);
    }
    CHECK_EQ(a->path->peers, 2);
    CHECK_EQ(b->path->peers, 1);
}

static unsigned send_one(struct end *e, unsigned to, const void *p, size_t n)
{
    px_view v = px_view_of(p, n);
    return e->path->ops->send(e->path, to, &v, 1);
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

TEST(frames_are_read_where_they_lie)
{
    struct end a, b;
    struct pxi_path_in in[PXI_PATH_READ];
    uint64_t count;
    unsigned before = descriptors();
    end_open(&a, 0);
    end_open(&b, 1);
    meet(&a, &b);
    memcpy(a.frames.p + 2048, "a frame", 8);
    CHECK_EQ(send_one(&a, 1, a.frames.p + 2048, 100), 1);
    CHECK_EQ(b.path->ops->receive(b.path, in), 1);
    CHECK(in[0].from == 0 && in[0].bytes.n == 100 && in[0].torn);
    CHECK(strcmp((const char *)in[0].bytes.p, "a frame") == 0);
    /* The very same memory: what its owner writes is seen. */
    memcpy(a.frames.p + 2048, "changed", 8);
    CHECK(strcmp((const char *)in[0].bytes.p, "changed") == 0);
    b.path->ops->give_back(b.path);
    CHECK_EQ(b.path->ops->receive(b.path, in), 0);
    CHECK_EQ(a.path->counts.copied, 0);
    CHECK_EQ(a.path->counts.sends, 0);
    /* What lies elsewhere is copied, and counted. */
    CHECK_EQ(send_one(&a, 1, "elsewhere", 10), 1);
    CHECK_EQ(b.path->ops->receive(b.path, in), 1);
    CHECK(strcmp((const char *)in[0].bytes.p, "elsewhere") == 0);
    b.path->ops->give_back(b.path);
    CHECK_EQ(a.path->counts.copied, 10);
    /* One who sleeps is woken once. */
    CHECK(b.path->ops->sleep(b.path));
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(send_one(&a, 1, a.frames.p + 2048, 64), 1);
    CHECK(read(b.bell, &count, sizeof count) == sizeof count && count == 1);
    CHECK_EQ(a.path->counts.wakes, 1);
    b.path->ops->awake(b.path);
    CHECK(!b.path->ops->sleep(b.path));
    b.path->ops->awake(b.path);
    end_close(&a);
    turn(&b);
    CHECK_EQ(b.path->peers, 0);
    end_close(&b);
    CHECK_EQ(descriptors(), before);
}

TEST(a_full_ring_loses)
{
    struct end a, b;
    struct pxi_path_in in[PXI_PATH_READ];
    end_open(&a, 0);
    end_open(&b, 1);
    meet(&a, &b);
    for (unsigned i = 0; i < RING + 10; i++)
        CHECK_EQ(send_one(&a, 1, a.frames.p + i % 64 * 2048, 64 + i % 8), 1);
    CHECK_EQ(a.path->counts.lost, 10);
    unsigned got = 0, n;
    while ((n = b.path->ops->receive(b.path, in))) {
        for (unsigned i = 0; i < n; i++, got++)
            CHECK_EQ(in[i].bytes.n, 64 + got % 8);
        b.path->ops->give_back(b.path);
    }
    CHECK_EQ(got, RING);
    CHECK_EQ(send_one(&a, 1, a.frames.p, 64), 1);
    CHECK_EQ(a.path->counts.lost, 10);
    end_close(&a);
    end_close(&b);
}

/* All that the other side can write: any bytes in its own memory. */
TEST(hostile_memory_is_refused)
{
    struct pxi_rng rng = {px_seed};
    struct pxi_path_in in[PXI_PATH_READ];
    uint64_t sum = 0, refused = 0;
    for (unsigned round = 0; round < 60; round++) {
        struct end a, b;
        end_open(&a, 0);
        end_open(&b, 1);
        meet(&a, &b);
        uint32_t *p = (uint32_t *)(void *)(a.frames.p + USED);
        size_t words = (a.frames.bytes - USED) / 4;
        for (unsigned turns = 0; turns < 20; turns++) {
            for (size_t i = 0; i < words; i += 1 + pxi_rng_below(&rng, 64))
                p[i] = (uint32_t)pxi_rng_u64(&rng);
            /* Sometimes a head that can be, so that places are read. */
            if (round % 2)
                for (size_t i = 0; i < words; i += 16)
                    p[i] = (uint32_t)pxi_rng_below(&rng, RING);
            unsigned n = b.path->ops->receive(b.path, in);
            for (unsigned i = 0; i < n; i++)
                for (size_t k = 0; k < in[i].bytes.n; k++)
                    sum += in[i].bytes.p[k];
            b.path->ops->give_back(b.path);
            send_one(&b, 0, b.frames.p, 64);
            b.path->ops->sleep(b.path);
            b.path->ops->awake(b.path);
        }
        refused += b.path->counts.refused;
        end_close(&a);
        end_close(&b);
    }
    CHECK(refused > 0 && sum != 1);
}

/* Callers who are of our user, and say anything. */
TEST(hostile_callers_are_refused)
{
    struct end a, b;
    uint8_t offer[PXI_PATH_OFFER], said[96];
    struct pxi_rng rng = {px_seed};
    end_open(&b, 1);
    unsigned before = descriptors();
    CHECK(b.path->ops->offer(b.path, 0, offer) == PXI_MEET_NAME);
    for (unsigned i = 0; i < 200; i++) {
        int fd = pxi_meet_call(offer), fds[] = {b.frames.fd, b.bell};
        CHECK(fd >= 0);
        for (unsigned k = 0; k < sizeof said; k++)
            said[k] = (uint8_t)pxi_rng_u64(&rng);
        memcpy(said, "pxsh", 4);
        memset(said + 4, 0, 4);
        pxi_meet_say(fd, said, i % 4 ? 64 + i % 2 * 16 : sizeof said, fds, 1 + i % 2);
        turn(&b);
        turn(&b);
        close(fd);
        turn(&b);
    }
    CHECK_EQ(b.path->peers, 0);
    CHECK(b.path->counts.refused > 0);
    CHECK_EQ(descriptors(), before);
    /* And it still meets whom it should. */
    end_open(&a, 0);
    meet(&a, &b);
    end_close(&a);
    end_close(&b);
}

/* Memory that could shrink under us is not taken. */
TEST(memory_without_seals_is_refused)
{
    struct end a, b;
    end_open(&a, 0);
    end_open(&b, 1);
    int real = a.frames.fd, fake = memfd_create("fake", MFD_CLOEXEC);
    CHECK(ftruncate(fake, (off_t)a.frames.bytes) == 0);
    a.frames.fd = fake;
    offer_to(&a, 0, &b);
    offer_to(&b, 1, &a);
    for (unsigned i = 0; i < 10; i++) {
        turn(&b);
        turn(&a);
    }
    CHECK_EQ(b.path->peers, 0);
    a.frames.fd = real;
    close(fake);
    meet(&a, &b);
    end_close(&a);
    end_close(&b);
}

static unsigned files(void)
{
    char path[128];
    unsigned n = 0;
    snprintf(path, sizeof path, "/tmp/plexus-paths-%u", (unsigned)geteuid());
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

TEST(the_killed_are_missed_and_swept)
{
    struct end b;
    int pipes[2];
    uint8_t offer[PXI_PATH_OFFER];
    unsetenv("XDG_RUNTIME_DIR");
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pipes) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct end a;
        end_open(&a, 0);
        a.path->ops->offer(a.path, 1, offer);
        CHECK(write(pipes[1], offer, PXI_MEET_NAME) == PXI_MEET_NAME);
        CHECK(read(pipes[1], offer, PXI_MEET_NAME) == PXI_MEET_NAME);
        a.path->ops->meet(a.path, 1, px_view_of(offer, PXI_MEET_NAME));
        for (;;) {
            turn(&a);
            usleep(1000);
        }
    }
    end_open(&b, 1);
    CHECK(read(pipes[0], offer, PXI_MEET_NAME) == PXI_MEET_NAME);
    b.path->ops->meet(b.path, 0, px_view_of(offer, PXI_MEET_NAME));
    b.path->ops->offer(b.path, 0, offer);
    CHECK(write(pipes[0], offer, PXI_MEET_NAME) == PXI_MEET_NAME);
    for (unsigned i = 0; i < 20000 && !b.path->peers; i++) {
        turn(&b);
        usleep(500);
    }
    CHECK_EQ(b.path->peers, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    turn(&b);
    CHECK_EQ(b.path->peers, 0);
    unsigned left = files();
    end_close(&b);
    CHECK(left >= 2);
    /* Who comes next removes what was left; others of this user may come and go. */
    end_open(&b, 1);
    CHECK(files() < left || left > 2);
    end_close(&b);
}

/* ------------------------------------------------------------------- words */

struct member {
    struct pxi_frames frames;
    struct pxi_paths *paths;
    struct pxi_udp_addr peers[2];
    int bell;
};

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void member_open(struct member *m, unsigned rank, const uint8_t *secret)
{
    for (unsigned i = 0; i < 2; i++) {
        m->peers[i] = (struct pxi_udp_addr){.family = 4, .port = (uint16_t)(20000 + i)};
        px_own_ip(m->peers[i].ip);
    }
    CHECK(pxi_frames_map(&m->frames, USED + pxi_paths_room(2, FRAME)) == 0);
    m->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct pxi_paths_options o = {.path = {.rank = rank,
                                           .n = 2,
                                           .peers = m->peers,
                                           .local = m->peers[rank],
                                           .frame = FRAME,
                                           .frames = &m->frames,
                                           .room = USED,
                                           .bell = m->bell},
                                  .secret = secret,
                                  .wish = 1u << PXI_PATH_SHM};
    CHECK(pxi_paths_open(&o, &m->paths) == PX_ERR_OK);
}

static void member_close(struct member *m)
{
    pxi_paths_close(m->paths);
    close(m->bell);
    pxi_frames_unmap(&m->frames);
}

/* What came by UDP, changed by `with`, or as it is. */
static void member_turn(struct member *m, struct pxi_rng *with)
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
                uint8_t *copy = malloc(bytes); /* of its size, for sanitizers */
                memcpy(copy, in[i].bytes.p + at, bytes);
                if (with && pxi_rng_below(with, 4) == 0)
                    bytes = pxi_rng_below(with, bytes);
                else if (with)
                    copy[2 + pxi_rng_below(with, bytes - 2)] ^=
                        (uint8_t)(1 + pxi_rng_below(with, 255));
                pxi_paths_take(m->paths, k, in[i].from, px_view_of(copy, bytes), now());
                free(copy);
            }
        }
        if (n && p->ops->give_back)
            p->ops->give_back(p);
    }
    pxi_paths_turn(m->paths, now(), true);
}

static bool met(struct member *a, struct member *b)
{
    return pxi_paths_get(a->paths, PXI_PATH_SHM)->peers &&
           pxi_paths_get(b->paths, PXI_PATH_SHM)->peers;
}

TEST(only_proven_words_are_heard)
{
    static const uint8_t secret[PXI_PATHS_SECRET] = {4}, other[PXI_PATHS_SECRET] = {5};
    struct pxi_rng rng = {px_seed};
    struct member a, b;
    member_open(&a, 0, secret);
    member_open(&b, 1, other);
    for (unsigned i = 0; i < 50; i++, usleep(2000)) {
        member_turn(&a, NULL);
        member_turn(&b, NULL);
    }
    CHECK(!met(&a, &b)); /* two jobs */
    member_close(&b);
    member_open(&b, 1, secret);
    for (unsigned i = 0; i < 500; i++, usleep(200)) {
        member_turn(&a, &rng);
        member_turn(&b, &rng);
    }
    CHECK(!met(&a, &b)); /* every one was damaged */
    for (unsigned i = 0; i < 20000 && !met(&a, &b); i++, usleep(500)) {
        member_turn(&a, NULL);
        member_turn(&b, NULL);
    }
    CHECK(met(&a, &b));
    /* And from now on damage is of no more harm than loss. */
    for (unsigned i = 0; i < 300; i++) {
        member_turn(&a, i % 2 ? &rng : NULL);
        member_turn(&b, i % 3 ? &rng : NULL);
    }
    member_close(&a);
    member_close(&b);
}

TEST(no_memory_no_path)
{
    for (unsigned k = 1; k < 8; k++) {
        struct pxi_frames frames;
        struct pxi_path *p = NULL;
        CHECK(pxi_frames_map(&frames, USED + pxi_path_shm_room(2, FRAME)) == 0);
        struct pxi_path_options o = {.n = 2, .frame = FRAME, .frames = &frames, .room = USED};
        pxi_mem_fail_after(k);
        char why[80];
        px_err err = pxi_path_shm_open(&o, &p, why, sizeof why);
        pxi_mem_fail_after(0);
        CHECK(err == PX_ERR_OK || err == PX_ERR_NOMEM);
        if (!err)
            p->ops->close(p);
        pxi_frames_unmap(&frames);
    }
}

TEST_MAIN()
