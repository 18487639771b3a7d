/* Workers of one process on loopback: the public interface, the threads and the socket. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "plexus/reduce.h"
#include "px_test.h"

/* PATIENT: a thread that gets no processor for long is not a straggler to be given up. */
enum { MOST = 8, ROUNDS = 3, PATIENT = 100000 };

struct worker {
    px_reduce *r;
    unsigned rank, world, rounds;
    size_t n;
    float *x;
    px_reduce_report report;
    px_err err;
};

struct job {
    unsigned world;
    size_t n;
    px_reduce_format format;
    double bound;
    unsigned rekey;
    struct worker w[MOST];
};

static float value(unsigned rank, unsigned round, size_t i)
{
    return (float)((rank * 31 + round * 17 + i * 7) % 201) / 100.0f - 1.0f;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (unsigned round = 0; round < w->rounds; round++) {
        for (size_t i = 0; i < w->n; i++)
            w->x[i] = value(w->rank, round, i);
        w->report.size = sizeof w->report;
        w->err = px_reduce_sum(w->r, w->x, NULL, w->n, 0, &w->report);
        if (w->err)
            break;
    }
    return NULL;
}

static void job_open(struct job *j, const char *path)
{
    static const uint8_t secret[32] = {1, 2, 3};
    char text[MOST][64];
    const char *addresses[MOST];
    px_diag d = {0};
    static unsigned port = 20000; /* jobs of a process one after the other: never the same */
    for (unsigned i = 0; i < j->world; i++) {
        px_own_address(text[i], sizeof text[i], port++);
        addresses[i] = text[i];
    }
    for (unsigned i = 0; i < j->world; i++) {
        struct worker *w = &j->w[i];
        px_reduce_options o = {.size = sizeof o,
                               .rank = i,
                               .world = j->world,
                               .addresses = addresses,
                               .secret = secret,
                               .job = 3,
                               .format = j->format,
                               .path = path,
                               .deadline_ms = PATIENT,
                               .slack_ms = PATIENT,
                               .silence_ms = PATIENT,
                               .rekey = j->rekey,
                               .longest = j->n};
        *w = (struct worker){
            .rank = i, .world = j->world, .n = j->n, .x = calloc(j->n, sizeof(float))};
        px_err e = px_reduce_open(&o, &w->r, &d);
        if (e)
            PX_FAIL("%s: %s %s %s", px_err_name(e), d.field, d.expected, d.found);
    }
}

/* Some rounds of all, and what they must give. */
static void job_run(struct job *j, unsigned rounds)
{
    pthread_t threads[MOST];
    struct worker *w = j->w;
    for (unsigned i = 0; i < j->world; i++) {
        w[i].rounds = rounds;
        CHECK(pthread_create(&threads[i], NULL, work, &w[i]) == 0);
    }
    for (unsigned i = 0; i < j->world; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < j->n; i++) {
        double want = 0;
        for (unsigned k = 0; k < j->world; k++)
            want += value(k, rounds - 1, i);
        if (fabs(w[0].x[i] - want) > j->bound)
            PX_FAIL("value %zu is %g, not %g", i, w[0].x[i], want);
    }
    for (unsigned i = 0; i < j->world; i++) {
        CHECK_EQ(w[i].err, PX_ERR_OK);
        CHECK_EQ(w[i].report.least, j->world);
        CHECK_EQ(w[i].report.lost, 0);
        CHECK(w[i].report.pages != NULL);
        CHECK(memcmp(w[i].x, w[0].x, j->n * sizeof(float)) == 0);
    }
}

static void job_close(struct job *j)
{
    for (unsigned i = 0; i < j->world; i++) {
        px_reduce_close(j->w[i].r);
        free(j->w[i].x);
    }
}

static void run(unsigned world, size_t n, px_reduce_format format, double bound)
{
    struct job j = {.world = world, .n = n, .format = format, .bound = bound};
    job_open(&j, NULL);
    job_run(&j, ROUNDS);
    job_close(&j);
}

TEST(two_sum)
{
    run(2, 300000, PX_REDUCE_I16, 1e-3);
}

TEST(five_sum_with_8_bits)
{
    run(5, 50001, PX_REDUCE_I8, 0.15);
}

static bool all_take(const struct job *j, const char *path)
{
    bool all = true;
    for (unsigned i = 0; i < j->world; i++)
        all &= strcmp(j->w[i].report.path, path) == 0;
    return all;
}

/* Until all have chosen it: a busy machine may need more than a round. */
static void run_until(struct job *j, const char *path)
{
    for (unsigned i = 0; i < 300 && !all_take(j, path); i++) {
        job_run(j, ROUNDS);
        if (!all_take(j, path))
            usleep(50000);
    }
    if (!all_take(j, path))
        PX_FAIL("it is %s: %s", j->w[0].report.path, j->w[0].report.why);
}

TEST(paths_have_the_same_bits)
{
    enum { N = 200003 };
    static const char *const paths[] = {"udp", "shm", "auto"};
    float *x = NULL;
    for (unsigned p = 0; p < 3; p++) {
        struct job j = {.world = 3, .n = N, .bound = 1e-3};
        job_open(&j, paths[p]);
        job_run(&j, ROUNDS);
        if (p < 2) /* auto may choose either */
            run_until(&j, paths[p]);
        if (!x)
            x = memcpy(malloc(N * sizeof *x), j.w[0].x, N * sizeof *x);
        CHECK(memcmp(x, j.w[0].x, N * sizeof *x) == 0);
        job_close(&j);
    }
    free(x);
}

/* Counted, on each path: nothing is copied but by packing and unpacking, nothing allocated. */
TEST(a_round_costs)
{
    static const char *const paths[] = {"udp", "shm"};
    for (unsigned p = 0; p < 2; p++) {
        struct job j = {.world = 2, .n = 688 * 1000, .bound = 1e-3};
        job_open(&j, paths[p]);
        job_run(&j, 1);
        run_until(&j, paths[p]);
        px_reduce_report before = j.w[0].report;
        uint64_t allocated = pxi_mem_count();
        job_run(&j, ROUNDS);
        CHECK_EQ(pxi_mem_count() - allocated, 0);
        const px_reduce_report *after = &j.w[0].report;
        uint64_t again = after->again - before.again + after->late - before.late;
        if (!again) /* else sums that are kept were sent once more */
            CHECK_EQ(after->copied - before.copied, 0);
        CHECK(after->packets - before.packets >= (uint64_t)ROUNDS * 1000);
        printf("# %s: %u packets, %u system calls, %u wake-ups, %u of the other\n", paths[p],
               (unsigned)(after->packets - before.packets),
               (unsigned)(after->syscalls - before.syscalls),
               (unsigned)(after->wakeups - before.wakeups),
               (unsigned)(after->wakes - before.wakes));
        job_close(&j);
    }
}

static _Atomic bool cuts;
static _Atomic unsigned cut;

/* End the sockets between members, again and again, as when a process dies. */
static void *sabotage(void *arg)
{
    while (cuts) {
        for (int fd = 0; fd < 256; fd++) {
            struct sockaddr_un a;
            socklen_t n = sizeof a;
            int type = 0;
            if (getpeername(fd, (struct sockaddr *)&a, &n) != 0 || a.sun_family != AF_UNIX ||
                getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) != 0 ||
                type != SOCK_SEQPACKET)
                continue;
            cut += shutdown(fd, SHUT_RDWR) == 0;
        }
        usleep(20000);
    }
    return NULL;
}

/* Shared memory is taken away under load: UDP takes its place, no sum is wrong, nobody is missing,
 * and it comes back. */
TEST(a_lost_path_is_replaced)
{
    struct job j = {.world = 3, .n = 400000, .bound = 1e-3};
    pthread_t saboteur;
    unsigned changes = 0;
    job_open(&j, "shm"); /* which of them is cheaper is not what is tested */
    job_run(&j, 1);
    run_until(&j, "shm");
    cuts = true;
    CHECK(pthread_create(&saboteur, NULL, sabotage, NULL) == 0);
    for (unsigned i = 0; i < 300 && !(cut > 20 && changes > 3); i++) {
        job_run(&j, ROUNDS);
        changes = j.w[0].report.path_changes + j.w[1].report.path_changes;
    }
    cuts = false;
    pthread_join(saboteur, NULL);
    CHECK(changes > 3);
    run_until(&j, "shm");
    printf("# %u cuts, %u changes\n", cut, changes);
    job_close(&j);
}

/* All change their key before the same sum, again and again, and nothing is lost. */
TEST(keys_are_changed_before_numbers_run_out)
{
    static const char *const paths[] = {"udp", "auto"};
    for (unsigned p = 0; p < 2; p++) {
        struct job j = {.world = 3, .n = 100003, .bound = 1e-3, .rekey = 300};
        job_open(&j, paths[p]);
        for (unsigned i = 0; i < 5; i++)
            job_run(&j, ROUNDS);
        for (unsigned i = 0; i < j.world; i++)
            CHECK_EQ(j.w[i].report.rekeys, j.w[0].report.rekeys);
        CHECK(j.w[0].report.rekeys >= 4);
        CHECK(j.w[0].report.packets >= 15 * 100003 / 688 * 2 / 3);
        printf("# %u keys, %u packets\n", j.w[0].report.rekeys + 1,
               (unsigned)j.w[0].report.packets);
        job_close(&j);
    }
}

/* bf16 sums as floats of the same values do, rounded. */
static void *work_bf16(void *arg)
{
    struct worker *w = arg;
    uint16_t *x = calloc(w->n, sizeof *x);
    for (size_t i = 0; i < w->n; i++) {
        uint32_t bits;
        w->x[i] = value(w->rank, 0, i);
        memcpy(&bits, &w->x[i], 4);
        bits &= 0xffff0000;
        x[i] = (uint16_t)(bits >> 16);
        memcpy(&w->x[i], &bits, 4);
    }
    w->report.size = sizeof w->report;
    w->err = px_reduce_sum(w->r, w->x, NULL, w->n, 1, &w->report);
    if (!w->err)
        w->err = px_reduce_sum_bf16(w->r, x, NULL, w->n, 1, &w->report);
    for (size_t i = 0; i < w->n && !w->err; i++) {
        float got;
        uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&got, &bits, 4);
        if (fabsf(got - w->x[i]) > fabsf(w->x[i]) / 256)
            w->err = PX_ERR_CORRUPT;
    }
    free(x);
    return NULL;
}

TEST(bf16_is_summed_too)
{
    struct job j = {.world = 3, .n = 100003, .bound = 1e-3};
    pthread_t threads[MOST];
    job_open(&j, NULL);
    for (unsigned i = 0; i < j.world; i++)
        CHECK(pthread_create(&threads[i], NULL, work_bf16, &j.w[i]) == 0);
    for (unsigned i = 0; i < j.world; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < j.world; i++) {
        CHECK_EQ(j.w[i].err, PX_ERR_OK);
        CHECK(j.w[i].report.kept > 0);
    }
    job_close(&j);
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

enum { WORLD = 3, LONG = 40000, BEHIND = 20, AHEAD = 4000, STALLED = 1000, WRONG };

/* What processes tell each other. */
struct board {
    volatile uint32_t sums[WORLD], last;         /* sums of each; the number of the last one */
    volatile uint32_t joined, first;             /* sums of who came back, and its first */
    volatile uint64_t digests[WORLD + 1][AHEAD]; /* of each sum; the last: of who came back */
    volatile int status[WORLD + 1];              /* an error, or what else is wrong */
};

static struct board *make_board(void)
{
    struct board *b =
        mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
            b->status[row] = err ? (int)err : report.lost ? STALLED : WRONG;
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

static bool has_stalled(const struct board *b)
{
    for (unsigned i = 0; i <= WORLD; i++)
        if (b->status[i] == STALLED)
            return true;
    return false;
}

static bool waits_for(const struct board *b, const volatile uint32_t *at, uint32_t least)
{
    for (unsigned i = 0; i < 6000 && *at < least && !has_stalled(b); i++)
        usleep(10000);
    return *at >= least;
}

/* Ends all. Fails, unless the machine stalled. */
static bool given_up(const struct board *b, const pid_t *pids)
{
    for (unsigned i = 0; i < WORLD; i++)
        kill(pids[i], SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    if (!has_stalled(b))
        PX_FAIL("at %u %u %u, joined %u, status %d %d %d %d", b->sums[0], b->sums[1], b->sums[2],
                b->joined, b->status[0], b->status[1], b->status[2], b->status[WORLD]);
    printf("# one lost sums, the machine stalled: once more\n");
    return false;
}

/* A worker, which adds a shard as all do, is killed: the others go on; it comes back. False: the
 * machine stalled for longer than a deadline, so that one of the living lost sums. */
static bool try_to_kill(unsigned victim, bool comes_back)
{
    struct board *b = make_board();
    const char *addresses[WORLD];
    char text[WORLD][64];
    pid_t pids[WORLD + 1];
    unsigned a = (victim + 1) % WORLD, c = (victim + 2) % WORLD;
    int status;
    for (unsigned i = 0; i < WORLD; i++) {
        px_own_address(text[i], sizeof text[i], 21000 + i);
        addresses[i] = text[i];
    }
    for (unsigned i = 0; i < WORLD; i++)
        pids[i] = spawn(b, addresses, i, false);
    if (!waits_for(b, &b->sums[victim], BEHIND))
        return given_up(b, pids);
    kill(pids[victim], SIGKILL);
    CHECK(waitpid(pids[victim], &status, 0) == pids[victim]);
    uint32_t at = b->sums[victim];
    if (!waits_for(b, &b->sums[a], at + 5) || !waits_for(b, &b->sums[c], at + 5))
        return given_up(b, pids);
    if (comes_back) {
        pids[victim] = spawn(b, addresses, victim, true);
        if (!waits_for(b, &b->joined, 5))
            return given_up(b, pids);
        CHECK(b->first > at);
    }
    b->last = b->sums[a] + 100;
    for (unsigned i = 0; i < WORLD; i++) {
        if (i == victim && !comes_back)
            continue;
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        if (has_stalled(b))
            return given_up(b, pids);
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
    return true;
}

static void kill_one(unsigned victim, bool comes_back)
{
    for (unsigned tries = 0; tries < 5; tries++)
        if (try_to_kill(victim, comes_back))
            return;
    PX_FAIL("the machine stalls again and again");
}

TEST(a_killed_worker_is_replaced)
{
    kill_one(1, false);
}

TEST(and_comes_back)
{
    kill_one(0, true);
}

/* One of three is stopped in the midst for longer than a deadline: the others go on, and when it
 * goes on too it has the same sums. */
static void stopped_worker(unsigned i, const char *const *addresses, int pipe)
{
    static const uint8_t secret[32] = {8};
    enum { N = 2000000 };
    px_reduce_options o = {.size = sizeof o,
                           .rank = i,
                           .world = 3,
                           .addresses = addresses,
                           .secret = secret,
                           .silence_ms = PATIENT,
                           .longest = N};
    px_reduce_report report = {.size = sizeof report};
    px_diag d = {0};
    px_reduce *r;
    static float x[N];
    unsigned round;
    if (px_reduce_open(&o, &r, &d) != PX_ERR_OK)
        _exit(9);
    while (read(pipe, &round, sizeof round) == sizeof round) {
        uint64_t said = 14695981039346656037u;
        for (size_t k = 0; k < N; k++)
            x[k] = value(i, round, k);
        if (px_reduce_sum(r, x, NULL, N, 0, &report) != PX_ERR_OK || report.lost)
            _exit(8);
        for (size_t k = 0; k < N; k++) {
            uint32_t bits;
            memcpy(&bits, &x[k], sizeof bits);
            said = (said ^ bits) * 1099511628211u;
        }
        if (write(pipe, &said, sizeof said) != sizeof said)
            _exit(7);
    }
    px_reduce_close(r);
    _exit(0);
}

TEST(the_stopped_come_back)
{
    const char *addresses[WORLD];
    char text[WORLD][64];
    int pipes[WORLD][2];
    pid_t pids[WORLD];
    for (unsigned i = 0; i < WORLD; i++) {
        px_own_address(text[i], sizeof text[i], 22000 + i);
        addresses[i] = text[i];
    }
    for (unsigned i = 0; i < WORLD; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pipes[i]) == 0);
        pids[i] = fork();
        if (pids[i] == 0) {
            for (unsigned k = 0; k <= i; k++)
                close(pipes[k][0]);
            stopped_worker(i, addresses, pipes[i][1]);
        }
        close(pipes[i][1]);
    }
    for (unsigned round = 0; round < 6; round++) {
        uint64_t said[WORLD];
        for (unsigned i = 0; i < WORLD; i++)
            CHECK(write(pipes[i][0], &round, sizeof round) == sizeof round);
        usleep(5000 + 7000 * round);
        if (round % 2)
            kill(pids[2], SIGSTOP);
        usleep(round % 2 ? 1200000 : 0);
        kill(pids[2], SIGCONT);
        for (unsigned i = 0; i < WORLD; i++)
            CHECK(read(pipes[i][0], &said[i], sizeof said[i]) == sizeof said[i]);
        CHECK(said[0] == said[1] && said[0] == said[2]);
    }
    for (unsigned i = 0; i < WORLD; i++) {
        int status;
        close(pipes[i][0]);
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

TEST_MAIN()
