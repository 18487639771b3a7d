/*
 * The path through verbs on devices that are there: run in the machine that tools/check_rdma.sh
 * boots, where 10.0.0.1 to 10.0.0.3 are addresses of three devices of soft RoCE, v0 to v2. The same
 * bits as by UDP, nothing copied, and what happens when the path is cut, the device removed, or a
 * worker killed.
 */
#include <stdbool.h>
#include <sys/prctl.h>
#include <time.h>

#include "plexus/reduce.h"
#include "px_test.h"

enum { WORLD = 3, N = 24000, TOLD = 8, NOBODY = WORLD, PATIENT_MS = 60000, SILENT_MS = 4000 };

/* What workers tell, and are told. */
struct board {
    struct {
        volatile uint32_t sums, verbs, changes; /* sums; sums in a row by verbs; paths replaced */
        volatile uint64_t digest, copied, packets, wakeups; /* digest: of TOLD sums */
        volatile double longest;                            /* seconds of a sum */
        char why[256];
    } of[WORLD];
    volatile uint32_t end;      /* the last sum; 0: not yet */
    volatile uint32_t pause_us; /* between sums */
};

struct job {
    struct board *board;
    unsigned world;
    const char *path;
    unsigned silence_ms;
    unsigned victim; /* who is killed; NOBODY */
    pid_t pids[WORLD];
};

static float value(unsigned rank, unsigned round, size_t i)
{
    return (float)((rank * 31 + round * 17 + i * 7) % 65) / 32.0f - 1.0f;
}

/* Values are multiples of a step that the format has, so sums are exact: of all, or of all but one
 * where one may be missing. */
static bool is_right(const struct job *j, const float *x, unsigned round, bool all)
{
    for (size_t i = 0; i < N; i++) {
        float sum = 0, without = 0;
        for (unsigned k = 0; k < j->world; k++) {
            sum += value(k, round, i);
            without += k == j->victim ? 0 : value(k, round, i);
        }
        if (x[i] != sum && (all || x[i] != without))
            return false;
    }
    return true;
}

static uint64_t digest_of(uint64_t digest, const float *x)
{
    for (size_t i = 0; i < N; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        digest = (digest ^ bits) * 1099511628211u;
    }
    return digest;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(struct board *b, unsigned rank, const px_reduce_report *r)
{
    bool verbs = strcmp(r->path, "verbs") == 0;
    b->of[rank].verbs = verbs ? b->of[rank].verbs + 1 : 0;
    b->of[rank].changes = r->path_changes;
    b->of[rank].copied = r->copied;
    b->of[rank].packets = r->packets;
    b->of[rank].wakeups = r->wakeups;
    snprintf(b->of[rank].why, sizeof b->of[rank].why, "%s: %s", r->path, r->why);
}

static void work(const struct job *j, unsigned rank, const char *const *addresses, unsigned number)
{
    static const uint8_t secret[32] = {1, 2, 3};
    static float x[N];
    struct board *b = j->board;
    px_reduce_options o = {.size = sizeof o,
                           .rank = rank,
                           .world = j->world,
                           .addresses = addresses,
                           .secret = secret,
                           .job = number,
                           .longest = N,
                           .deadline_ms = PATIENT_MS,
                           .slack_ms = PATIENT_MS,
                           .silence_ms = j->silence_ms,
                           .path = j->path};
    px_reduce_report report = {.size = sizeof report};
    px_diag d = {0};
    px_reduce *r;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (px_reduce_open(&o, &r, &d) != PX_ERR_OK)
        _exit(2);
    for (uint32_t round = 0; !b->end || round < b->end; round++) {
        for (size_t i = 0; i < N; i++)
            x[i] = value(rank, round, i);
        double at = seconds();
        if (px_reduce_sum(r, x, NULL, N, 0, &report) != PX_ERR_OK || report.lost)
            _exit(3);
        at = seconds() - at;
        b->of[rank].longest = at > b->of[rank].longest ? at : b->of[rank].longest;
        tell(b, rank, &report);
        bool all = report.least == j->world;
        if ((j->victim == NOBODY && !all) || !is_right(j, x, round, all))
            _exit(4);
        if (round < TOLD)
            b->of[rank].digest = digest_of(b->of[rank].digest, x);
        b->of[rank].sums = round + 1;
        usleep(b->pause_us);
    }
    px_reduce_close(r);
    _exit(0);
}

static void job_open(struct job *j)
{
    static unsigned port = 20000;
    static char text[WORLD][64];
    static const char *addresses[WORLD];
    j->board =
        mmap(NULL, sizeof *j->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < j->world; i++) {
        snprintf(text[i], sizeof text[i], "/ip4/10.0.0.%u/udp/%u", i + 1, port++);
        addresses[i] = text[i];
    }
    fflush(stdout);
    for (unsigned i = 0; i < j->world; i++) {
        j->pids[i] = fork();
        if (j->pids[i] == 0)
            work(j, i, addresses, port);
    }
}

/* Until all who live have reached a number, for a minute at most. */
static void wait_for(const struct job *j, const char *what, const volatile uint32_t *first,
                     uint32_t least)
{
    size_t step = sizeof j->board->of[0];
    for (unsigned k = 0; k < j->world; k++) {
        const volatile uint32_t *at =
            (const volatile uint32_t *)(const volatile void *)((const volatile char *)first +
                                                               k * step);
        for (unsigned i = 0; i < 6000 && *at < least && j->pids[k]; i++)
            usleep(10000);
        if (*at < least && j->pids[k])
            PX_FAIL("worker %u waits in vain for %u %s, and has %u; %s", k, least, what, *at,
                    j->board->of[k].why);
    }
}

#define WAIT_FOR(j, what, least) wait_for(j, #what, &(j)->board->of[0].what, least)

static void run(const char *command)
{
    if (system(command) != 0)
        PX_FAIL("%s", command);
}

/* All do some sums more, and end well. */
static void job_end(struct job *j)
{
    uint32_t most = 0;
    for (unsigned i = 0; i < j->world; i++)
        most = j->board->of[i].sums > most ? j->board->of[i].sums : most;
    j->board->end = most + 4 > TOLD ? most + 4 : TOLD;
    for (unsigned i = 0; i < j->world; i++) {
        int status;
        if (!j->pids[i])
            continue;
        CHECK(waitpid(j->pids[i], &status, 0) == j->pids[i]);
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            PX_FAIL("worker %u ends with %d", i, status);
    }
    printf("# %s, %.0f s after the start\n", j->board->of[0].why, seconds());
}

/* ------------------------------------------------------------------- cases */

static void same_bits(unsigned world)
{
    static const char *const paths[] = {"udp", "verbs"};
    uint64_t digest = 0;
    for (unsigned k = 0; k < 2; k++) {
        struct job j = {
            .world = world, .path = paths[k], .silence_ms = PATIENT_MS, .victim = NOBODY};
        job_open(&j);
        if (k)
            WAIT_FOR(&j, verbs, 3);
        job_end(&j);
        for (unsigned i = 0; i < world; i++) {
            digest = digest ? digest : j.board->of[i].digest;
            CHECK(j.board->of[i].digest == digest);
            /* Pings of members that wait long do not lie in the arena; values do. */
            CHECK(j.board->of[i].copied < sizeof(uint16_t) * N / world);
        }
        printf("# %s: %llu packets, %llu wakeups\n", paths[k],
               (unsigned long long)j.board->of[0].packets,
               (unsigned long long)j.board->of[0].wakeups);
    }
}

TEST(two_workers_have_the_bits_of_udp_and_copy_nothing)
{
    same_bits(2);
}

TEST(three_workers_too)
{
    same_bits(3);
}

/* A job that sums by verbs. */
static struct job start(unsigned world, unsigned victim)
{
    struct job j = {.world = world,
                    .path = "verbs",
                    .silence_ms = victim == NOBODY ? PATIENT_MS : SILENT_MS,
                    .victim = victim};
    job_open(&j);
    WAIT_FOR(&j, verbs, 3);
    for (unsigned i = 0; i < world; i++)
        j.board->of[i].longest = 0;
    return j;
}

/* In a machine that is emulated: an order of magnitude. */
static void say(const struct job *j, const char *what, double since)
{
    printf("# %s after %.2f s; the longest sum took %.2f s\n", what, seconds() - since,
           j->board->of[0].longest);
}

/* Packets of RoCE vanish under load, and others do not. */
TEST(a_path_that_is_cut_is_replaced_and_taken_again)
{
    struct job j = start(2, NOBODY);
    double at = seconds();
    run("/sbin/tc qdisc add dev v1 ingress && /sbin/tc filter add dev v1 ingress protocol ip u32 "
        "match ip dport 4791 0xffff action drop");
    WAIT_FOR(&j, changes, 1);
    say(&j, "replaced by UDP", at);
    at = seconds();
    run("/sbin/tc qdisc del dev v1 ingress");
    WAIT_FOR(&j, verbs, 3);
    say(&j, "by verbs again", at);
    job_end(&j);
}

TEST(a_killed_worker_is_replaced)
{
    struct job j = start(3, 2);
    kill(j.pids[2], SIGKILL);
    CHECK(waitpid(j.pids[2], NULL, 0) == j.pids[2]);
    j.pids[2] = 0;
    uint32_t before = j.board->of[0].sums;
    WAIT_FOR(&j, sums, before + 8);
    job_end(&j);
}

/* The last one: it does not come back. Between sums the kernel gets time for it; meanwhile they go
 * on by the device. */
TEST(a_device_that_is_removed_is_replaced)
{
    struct job j = start(2, NOBODY);
    j.board->pause_us = 20000;
    double at = seconds();
    pid_t pid = fork();
    if (pid == 0)
        _exit(system("rdma link delete rx1") != 0);
    WAIT_FOR(&j, changes, 1);
    say(&j, "replaced by UDP", at);
    uint32_t before = j.board->of[0].sums;
    WAIT_FOR(&j, sums, before + 5);
    job_end(&j);
    CHECK(waitpid(pid, NULL, 0) == pid);
}

TEST_MAIN()
