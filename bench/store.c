/*
 * What a store of 10^9 samples costs before the first batch: opening it, beginning anywhere in it,
 * memory. Each run is a process of its own; medians as JSON. Used by plexus bench data.
 *
 *     bench_store FOLDER [RUNS]
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "data/check.h"
#include "kernel/kernel.h"
#include "large_store.h"
#include "plexus/data.h"

enum { OPEN, LOADER, RESUME, FIRST, RSS, OPEN_CPU, FIGURES, RUNS = 101 };

static double ms_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double now_ms(void)
{
    return ms_of(CLOCK_MONOTONIC);
}

/* Resident bytes of this process, shared pages of files included. */
static double resident(void)
{
    unsigned long all = 0, here = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lu %lu", &all, &here) != 2)
        here = 0;
    if (f)
        fclose(f);
    return (double)here * (double)sysconf(_SC_PAGESIZE);
}

static int loader(px_data *d, px_loader **out)
{
    px_diag diag = {0};
    px_loader_source s = {.data = d};
    px_loader_options o = {.size = sizeof o,
                           .sources = &s,
                           .source_count = 1,
                           .batch = 8,
                           .row_tokens = LARGE_TOKENS,
                           .unchecked = 1}; /* most samples are holes */
    return px_loader_new(&o, out, &diag) == PX_ERR_OK;
}

/* Open, make a loader, go to the middle of the epoch, give a batch. */
static int run(const char *path, const uint8_t state[PX_LOADER_STATE], double out[FIGURES])
{
    px_diag diag = {0};
    px_data *d;
    px_loader *l;
    const px_batch *b;
    double before = resident(), used = ms_of(CLOCK_PROCESS_CPUTIME_ID), t[5] = {now_ms()};
    if (px_data_open(path, NULL, &d, &diag) != PX_ERR_OK)
        return 0;
    t[1] = now_ms();
    out[OPEN_CPU] = ms_of(CLOCK_PROCESS_CPUTIME_ID) - used;
    if (!loader(d, &l))
        return 0;
    t[2] = now_ms();
    if (px_loader_resume(l, state, &diag) != PX_ERR_OK)
        return 0;
    t[3] = now_ms();
    if (px_loader_next(l, &b, &diag) != PX_ERR_OK || !b)
        return 0;
    t[4] = now_ms();
    for (unsigned i = 0; i < 4; i++)
        out[OPEN + i] = t[i + 1] - t[i];
    out[RSS] = resident() - before;
    return 1;
}

/* Where a loader is in the middle of an epoch. */
static int middle(const char *path, uint8_t state[PX_LOADER_STATE])
{
    px_diag diag = {0};
    px_data *d;
    px_loader *l;
    if (px_data_open(path, NULL, &d, &diag) != PX_ERR_OK || !loader(d, &l))
        return 0;
    int ok = px_loader_skip(l, large_samples / 2 + 3) == PX_ERR_OK;
    px_loader_state(l, state);
    px_loader_free(l);
    px_data_close(d);
    return ok;
}

/* The same in a child. */
static int run_apart(const char *path, const uint8_t state[PX_LOADER_STATE], double out[FIGURES])
{
    int fd[2], status = 0;
    if (pipe(fd) != 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0) {
        double figures[FIGURES];
        int ok = run(path, state, figures) &&
                 write(fd[1], figures, sizeof figures) == (ssize_t)sizeof figures;
        _exit(!ok);
    }
    close(fd[1]);
    int ok = pid > 0 && read(fd[0], out, FIGURES * sizeof *out) == FIGURES * (ssize_t)sizeof *out;
    close(fd[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && ok;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int measure(const char *path, unsigned runs)
{
    static const char *const names[FIGURES] = {"open_ms",        "loader_ms", "resume_ms",
                                               "first_batch_ms", "rss_bytes", "open_cpu_ms"};
    static double v[FIGURES][RUNS];
    uint8_t state[PX_LOADER_STATE];
    struct stat st;
    if (!middle(path, state) || stat(path, &st) != 0)
        return 0;
    for (unsigned i = 0; i < runs; i++) {
        double one[FIGURES];
        if (!run_apart(path, state, one))
            return 0;
        for (unsigned k = 0; k < FIGURES; k++)
            v[k][i] = one[k];
    }
    printf("{\"samples\": %llu, \"segments\": %u, \"file_bytes\": %lld, \"disk_bytes\": %lld",
           (unsigned long long)large_samples, large_segments(), (long long)st.st_size,
           (long long)st.st_blocks * 512);
    for (unsigned k = 0; k < FIGURES; k++) {
        qsort(v[k], runs, sizeof *v[k], by_value);
        printf(", \"%s\": %.6g", names[k], v[k][runs / 2]);
    }
    printf("}\n");
    return 1;
}

int main(int argc, char **argv)
{
    char path[4096];
    struct pxi_kernels k;
    unsigned runs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 11;
    if (argc < 2 || !runs || runs > RUNS) {
        fprintf(stderr, "usage: bench_store FOLDER [RUNS up to %d]\n", RUNS);
        return 2;
    }
    snprintf(path, sizeof path, "%s/large.ndp3", argv[1]);
    pxi_kernels_init(&k, pxi_cpu_detect());
    struct pxi_ndp_sums sums = pxi_data_sums(&k);
    int ok = large_store_write(path, &sums) && measure(path, runs);
    unlink(path);
    if (!ok)
        fprintf(stderr, "bench_store: no store of 10^9 samples can be made or read there\n");
    return !ok;
}
