/*
 * A small TAP harness. Each case runs in a forked child with a limit of time, so a crash or a hang
 * fails that case only. Cases register where they are written:
 *
 *     TEST(name) { CHECK(1 + 1 == 2); }
 *     TEST_MAIN()
 *
 * Options of every test program: --list, --filter TEXT, --seed N, --no-fork.
 * PX_SKIP("reason") ends a case as skipped. PX_SHARED("path") names a file of ../shared, or skips.
 */
#ifndef PX_TEST_H
#define PX_TEST_H

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct px_case {
    const char *name;
    void (*fn)(void);
};

static struct px_case px_cases[512];
static unsigned px_case_count;
static uint64_t px_seed = 1;

#define TEST(name)                                                                                 \
    static void test_##name(void);                                                                 \
    __attribute__((constructor)) static void reg_##name(void)                                      \
    {                                                                                              \
        px_cases[px_case_count++] = (struct px_case){#name, test_##name};                          \
    }                                                                                              \
    static void test_##name(void)

#define PX_FAIL(...)                                                                               \
    do {                                                                                           \
        printf("# %s:%d: ", __FILE__, __LINE__);                                                   \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        fflush(stdout);                                                                            \
        _exit(1);                                                                                  \
    } while (0)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            PX_FAIL("not true: %s", #cond);                                                        \
    } while (0)

#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long va_ = (long long)(a), vb_ = (long long)(b);                                      \
        if (va_ != vb_)                                                                            \
            PX_FAIL("%s is %lld, %s is %lld", #a, va_, #b, vb_);                                   \
    } while (0)

#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *va_ = (a), *vb_ = (b);                                                         \
        if (strcmp(va_, vb_) != 0)                                                                 \
            PX_FAIL("%s is \"%s\", expected \"%s\"", #a, va_, vb_);                                \
    } while (0)

#define PX_SKIP(...)                                                                               \
    do {                                                                                           \
        printf("# SKIP ");                                                                         \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        fflush(stdout);                                                                            \
        _exit(77);                                                                                 \
    } while (0)

/* Path of a file in the reference data beside the checkout; the case is skipped when absent. */
static inline const char *px_shared(const char *path)
{
    static char full[1024];
    const char *dir = getenv("PLEXUS_SHARED");
    struct stat st;
    snprintf(full, sizeof full, "%s/%s", dir ? dir : "../shared", path);
    if (stat(full, &st) != 0)
        PX_SKIP("reference data %s not present", path);
    return full;
}
#define PX_SHARED(path) px_shared(path)

/* A loopback address of this process alone, so that tests that run beside it do not have its ports.
 */
static inline void px_own_ip(uint8_t ip[4])
{
    unsigned pid = (unsigned)getpid();
    ip[0] = 127;
    ip[1] = (uint8_t)(1 + pid / 65536);
    ip[2] = (uint8_t)(pid / 256);
    ip[3] = (uint8_t)pid;
}

/* /ip4/that address/udp/port */
static inline void px_own_address(char *out, size_t size, unsigned port)
{
    uint8_t ip[4];
    px_own_ip(ip);
    snprintf(out, size, "/ip4/%u.%u.%u.%u/udp/%u", ip[0], ip[1], ip[2], ip[3], port);
}

/* n bytes whose last byte touches an unreadable page (before = 0) or whose first does (1). */
static inline uint8_t *px_guarded(size_t n, int before)
{
    size_t page = 4096, body = (n + page - 1) / page * page + page;
    uint8_t *m = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED || mprotect(m + page, body, PROT_READ | PROT_WRITE) != 0)
        PX_FAIL("mmap of a guarded buffer failed");
    return before ? m + page : m + page + body - n;
}

/* For one busy thread 120 s, or PX_TEST_SECONDS: twice that of processor time, and four times that
 * on the clock, which a case does not reach because the machine is busy with other things. */
static void px_limit_time(void)
{
    const char *limit = getenv("PX_TEST_SECONDS");
    unsigned seconds = limit ? (unsigned)strtoul(limit, NULL, 10) : 120;
    struct itimerval used = {.it_value.tv_sec = 2 * seconds};
    setitimer(ITIMER_PROF, &used, NULL);
    alarm(4 * seconds);
}

static int px_run_case(const struct px_case *c, int do_fork)
{
    int status = 0;
    fflush(stdout);
    if (!do_fork) {
        c->fn();
        return 0;
    }
    pid_t pid = fork();
    if (pid == 0) {
        px_limit_time();
        c->fn();
        fflush(stdout);
        exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("# killed by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static inline int px_test_main(int argc, char **argv)
{
    const char *filter = NULL;
    int list = 0, do_fork = 1, failed = 0;
    unsigned n = 0, run = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--list"))
            list = 1;
        else if (!strcmp(argv[i], "--no-fork"))
            do_fork = 0;
        else if (!strcmp(argv[i], "--filter") && i + 1 < argc)
            filter = argv[++i];
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            px_seed = strtoull(argv[++i], NULL, 0);
    }
    for (unsigned i = 0; i < px_case_count; i++)
        run += !filter || strstr(px_cases[i].name, filter);
    if (!list)
        printf("TAP version 13\n1..%u\n# seed %llu\n", run, (unsigned long long)px_seed);
    for (unsigned i = 0; i < px_case_count; i++) {
        if (filter && !strstr(px_cases[i].name, filter))
            continue;
        if (list) {
            printf("%s\n", px_cases[i].name);
            continue;
        }
        int rc = px_run_case(&px_cases[i], do_fork);
        failed += rc != 0 && rc != 77;
        printf("%s %u - %s%s\n", rc == 0 || rc == 77 ? "ok" : "not ok", ++n, px_cases[i].name,
               rc == 77 ? " # SKIP see the reason above" : "");
    }
    if (!list && !run)
        printf("# no test matched\n");
    return list ? 0 : failed != 0 || run == 0;
}

#define TEST_MAIN()                                                                                \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return px_test_main(argc, argv);                                                           \
    }

#endif
