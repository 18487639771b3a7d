/* Workers of one process on loopback: the public interface, the threads and the socket. */
#include <pthread.h>

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

TEST(what_is_not_finite_is_refused)
{
    static const uint8_t secret[32] = {9};
    const char *addresses[] = {"/ip4/127.0.0.1/udp/0"};
    px_reduce_options o = {
        .size = sizeof o, .world = 1, .addresses = addresses, .secret = secret, .job = 1};
    px_reduce *r;
    px_diag d = {0};
    float x[100] = {0};
    CHECK(px_reduce_open(&o, &r, &d) == PX_ERR_OK);
    x[99] = INFINITY;
    CHECK(px_reduce_sum(r, x, NULL, 100, 0, NULL) == PX_ERR_INVALID);
    x[99] = 1;
    CHECK(px_reduce_sum(r, x, NULL, 100, 0, NULL) == PX_ERR_OK);
    px_reduce_close(r);
    o.world = 65;
    CHECK(px_reduce_open(&o, &r, &d) == PX_ERR_INVALID);
}

/* Three processes, one of which dies in the midst: the others are told who. */
TEST(the_dead_are_named)
{
    static const uint8_t secret[32] = {7};
    enum { WORLD = 3, N = 400000 };
    const char *addresses[WORLD];
    char text[WORLD][64];
    pid_t pids[WORLD];
    for (unsigned i = 0; i < WORLD; i++) {
        snprintf(text[i], sizeof text[i], "/ip4/127.0.0.1/udp/%u",
                 20000 + ((unsigned)getpid() + 7777 + i) % 20000);
        addresses[i] = text[i];
    }
    for (unsigned i = 0; i < WORLD; i++) {
        pids[i] = fork();
        if (pids[i])
            continue;
        px_reduce_options o = {
            .size = sizeof o, .rank = i, .world = WORLD, .addresses = addresses, .secret = secret};
        px_reduce_report report = {.size = sizeof report};
        px_diag d = {0};
        px_reduce *r;
        static float x[N];
        if (px_reduce_open(&o, &r, &d) != PX_ERR_OK)
            _exit(9);
        for (unsigned round = 0; round < 1000; round++) {
            if (i == 1 && round == 3)
                kill(getpid(), SIGKILL);
            px_err err = px_reduce_sum(r, x, NULL, N, 0, &report);
            if (err)
                _exit(err == PX_ERR_TIMEOUT && report.gone == 1 ? 42 : 8);
        }
        _exit(7);
    }
    for (unsigned i = 0; i < WORLD; i++) {
        int status;
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        if (i != 1)
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    }
}

TEST_MAIN()
