/* Workers of one process on loopback: the public interface, the threads and the socket. */
#include <pthread.h>
#include <stdbool.h>

#include "plexus/reduce.h"
#include "px_test.h"

enum { MOST = 8, ROUNDS = 3 };

struct worker {
    px_reduce *r;
    unsigned rank, world;
    size_t n;
    float *x;
    px_reduce_report report;
    px_err err;
};

static float value(unsigned rank, unsigned round, size_t i)
{
    return (float)((rank * 31 + round * 17 + i * 7) % 201) / 100.0f - 1.0f;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < w->n; i++)
            w->x[i] = value(w->rank, round, i);
        w->report.size = sizeof w->report;
        w->err = px_reduce_sum(w->r, w->x, NULL, w->n, 0, &w->report);
        if (w->err)
            break;
    }
    return NULL;
}

static void run(unsigned world, size_t n, px_reduce_format format, double bound)
{
    static const uint8_t secret[32] = {1, 2, 3};
    char text[MOST][64];
    const char *addresses[MOST];
    struct worker w[MOST] = {0};
    pthread_t threads[MOST];
    px_diag d = {0};
    unsigned port = 20000 + (unsigned)getpid() % 20000;
    for (unsigned i = 0; i < world; i++) {
        snprintf(text[i], sizeof text[i], "/ip4/127.0.0.1/udp/%u", port + i);
        addresses[i] = text[i];
    }
    for (unsigned i = 0; i < world; i++) {
        px_reduce_options o = {.size = sizeof o,
                               .rank = i,
                               .world = world,
                               .addresses = addresses,
                               .secret = secret,
                               .job = 3,
                               .format = format,
                               .longest = n};
        w[i] = (struct worker){.rank = i, .world = world, .n = n, .x = calloc(n, sizeof(float))};
        px_err e = px_reduce_open(&o, &w[i].r, &d);
        if (e)
            PX_FAIL("%s: %s %s %s", px_err_name(e), d.field, d.expected, d.found);
    }
    for (unsigned i = 0; i < world; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &w[i]) == 0);
    for (unsigned i = 0; i < world; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < n; i++) {
        double want = 0;
        for (unsigned k = 0; k < world; k++)
            want += value(k, ROUNDS - 1, i);
        if (fabs(w[0].x[i] - want) > bound)
            PX_FAIL("value %zu is %g, not %g", i, w[0].x[i], want);
    }
    for (unsigned i = 0; i < world; i++) {
        CHECK_EQ(w[i].err, PX_ERR_OK);
        CHECK_EQ(w[i].report.least, world);
        CHECK_EQ(w[i].report.lost, 0);
        CHECK(w[i].report.pages != NULL);
        CHECK(memcmp(w[i].x, w[0].x, n * sizeof(float)) == 0);
        px_reduce_close(w[i].r);
    }
    for (unsigned i = 0; i < world; i++)
        free(w[i].x);
}

TEST(two_sum)
{
    run(2, 300000, PX_REDUCE_I16, 1e-3);
}

TEST(five_sum_with_8_bits)
{
    run(5, 50001, PX_REDUCE_I8, 0.15);
}

TEST(one_is_alone)
{
    run(1, 1000, PX_REDUCE_I16, 1e-3);
}

/* A value that is not finite makes NaN of its chunk, and of no other. */
TEST(what_is_not_finite_is_told)
{
    static const uint8_t secret[32] = {9};
    const char *addresses[] = {"/ip4/127.0.0.1/udp/0"};
    px_reduce_options o = {.size = sizeof o,
                           .world = 1,
                           .addresses = addresses,
                           .secret = secret,
                           .job = 1,
                           .values = 64};
    px_reduce_report report = {.size = sizeof report};
    px_reduce *r;
    px_diag d = {0};
    float x[100] = {0};
    CHECK(px_reduce_open(&o, &r, &d) == PX_ERR_OK);
    x[0] = 1;
    x[99] = INFINITY;
    CHECK(px_reduce_sum(r, x, NULL, 100, 0, &report) == PX_ERR_OK);
    CHECK_EQ(report.not_finite, 64);
    CHECK(x[0] == 1 && x[63] == 0 && isnan(x[64]) && isnan(x[99]));
    x[64] = -1e38f;
    for (size_t i = 65; i < 100; i++)
        x[i] = 0;
    CHECK(px_reduce_sum(r, x, NULL, 100, 0, &report) == PX_ERR_OK);
    CHECK_EQ(report.not_finite, 64);
    memset(x, 0, sizeof x);
    x[99] = 1;
    CHECK(px_reduce_sum(r, x, NULL, 100, 0, &report) == PX_ERR_OK);
    CHECK_EQ(report.not_finite, 0);
    CHECK(x[99] == 1);
    CHECK_EQ(report.operation, 3);
    px_reduce_close(r);
    o.world = 65;
    CHECK(px_reduce_open(&o, &r, &d) == PX_ERR_INVALID);
}

/* ------------------------------------------------ processes that are killed */

enum { WORLD = 3, LONG = 40000, BEHIND = 20, AHEAD = 4000 };

/* What processes tell each other. */
struct board {
    volatile uint32_t sums[WORLD], last;  /* sums of each; the number of the last one */
    volatile uint32_t joined, first;      /* sums of who came back, and its first */
    volatile uint64_t digests[WORLD + 1][AHEAD]; /* of each sum; the last: of who came back */
    volatile int status[WORLD + 1];       /* an error, or what else is wrong */
};

static struct board *make_board(void)
{
    struct board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(b != MAP_FAILED);
    return b;
}

static uint64_t digest(const float *x, size_t n)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 1099511628211u;
    }
    return h;
}

/* Sum until the board says which is the last. Every value is 1, 2 or 4 by rank. */
static void live(struct board *b, const char **addresses, unsigned rank, bool again)
{
    static const uint8_t secret[32] = {7};
    static float x[LONG];
    px_reduce_options o = {.size = sizeof o,
                           .rank = rank,
                           .world = WORLD,
                           .addresses = addresses,
                           .secret = secret,
                           .job = 4,
                           .longest = LONG};
    px_reduce_report report = {.size = sizeof report};
    px_diag d = {0};
    px_reduce *r;
    unsigned row = again ? WORLD : rank;
    if (px_reduce_open(&o, &r, &d) != PX_ERR_OK)
        _exit(9);
    for (uint32_t n = 0; n < AHEAD && (!b->last || report.operation < b->last);) {
        for (size_t i = 0; i < LONG; i++)
            x[i] = (float)(1u << rank);
        px_err err = px_reduce_sum(r, x, NULL, LONG, 0, &report);
        if (err == PX_ERR_TIMEOUT && report.gone == (int)rank)
            continue; /* a machine that stalled: they went on without us */
        if (err || report.lost || report.operation >= AHEAD) {
            b->status[row] = err ? (int)err : 1000;
            _exit(8);
        }
        b->digests[row][report.operation] = digest(x, LONG);
        n = report.operation;
        if (again) {
            b->first = b->first ? b->first : n;
            b->joined++;
        } else {
            b->sums[rank] = n;
        }
        usleep(2000);
    }
    px_reduce_close(r);
    _exit(0);
}

static pid_t spawn(struct board *b, const char **addresses, unsigned rank, bool again)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        live(b, addresses, rank, again);
    return pid;
}

static bool waits_for(volatile uint32_t *at, uint32_t least)
{
    for (unsigned i = 0; i < 9000 && *at < least; i++)
        usleep(10000);
    return *at >= least;
}

/* A worker, which adds a shard as all do, is killed: the others go on; it comes back. */
static void kill_one(unsigned victim, bool comes_back)
{
    struct board *b = make_board();
    const char *addresses[WORLD];
    char text[WORLD][64];
    pid_t pids[WORLD + 1];
    unsigned a = (victim + 1) % WORLD, c = (victim + 2) % WORLD;
    int status;
    for (unsigned i = 0; i < WORLD; i++) {
        snprintf(text[i], sizeof text[i], "/ip4/127.0.0.1/udp/%u",
                 20000 + ((unsigned)getpid() * 7 + 7777 + i) % 20000);
        addresses[i] = text[i];
    }
    for (unsigned i = 0; i < WORLD; i++)
        pids[i] = spawn(b, addresses, i, false);
    CHECK(waits_for(&b->sums[victim], BEHIND));
    kill(pids[victim], SIGKILL);
    CHECK(waitpid(pids[victim], &status, 0) == pids[victim]);
    uint32_t at = b->sums[victim];
    CHECK(waits_for(&b->sums[a], at + 5) && waits_for(&b->sums[c], at + 5));
    if (comes_back) {
        pids[victim] = spawn(b, addresses, victim, true);
        CHECK(waits_for(&b->joined, 5));
        CHECK(b->first > at);
    }
    b->last = b->sums[a] + 100;
    for (unsigned i = 0; i < WORLD; i++) {
        if (i == victim && !comes_back)
            continue;
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            PX_FAIL("rank %u ends with %d, %d", i, status, b->status[i == victim ? WORLD : i]);
    }
    uint32_t both = 0;
    for (uint32_t op = 1; op < AHEAD; op++) {
        uint64_t x = b->digests[a][op], y = b->digests[c][op], z = b->digests[WORLD][op];
        CHECK(!x || !y || x == y);
        CHECK(!x || !z || x == z);
        both += x && y;
    }
    CHECK(both >= BEHIND);
}

TEST(a_killed_worker_is_replaced)
{
    kill_one(1, false);
}

TEST(and_comes_back)
{
    kill_one(0, true);
}

TEST_MAIN()
