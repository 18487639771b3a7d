/* Facts about the machine, and its read bandwidth. */
#include "machine.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

const char *machine_line(const char *path, const char *key, char *out, size_t cap)
{
    char line[2048];
    FILE *f = fopen(path, "r");
    out[0] = 0;
    while (f && fgets(line, sizeof line, f)) {
        size_t n = strlen(key);
        if (strncmp(line, key, n) != 0)
            continue;
        const char *p = line + n + strspn(line + n, " \t:");
        snprintf(out, cap, "%.*s", (int)strcspn(p, "\n"), p);
        break;
    }
    if (f)
        fclose(f);
    return out;
}

double machine_memory(const char *key)
{
    char text[64];
    return strtod(machine_line("/proc/meminfo", key, text, sizeof text), NULL) * 1024;
}

void machine_peak_reset(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f); /* "reset the peak": see proc(5) */
        fclose(f);
    }
}

uint64_t machine_peak_bytes(void)
{
    char text[64];
    struct rusage use;
    double kb = strtod(machine_line("/proc/self/status", "VmHWM", text, sizeof text), NULL);
    getrusage(RUSAGE_SELF, &use);
    return (kb > 0 ? (uint64_t)kb : (uint64_t)use.ru_maxrss) * 1024;
}

int machine_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

json_t *machine_json(void)
{
    char text[256];
    struct utsname u;
    json_t *o = json_object();
    uname(&u);
    machine_line("/proc/cpuinfo", "model name", text, sizeof text);
    json_object_set_new(o, "cpu", json_text(text));
    px_cpu_describe(text, sizeof text);
    json_object_set_new(o, "isa", json_text(text));
    json_object_set_new(o, "processors", json_integer(machine_processors()));
    json_object_set_new(o, "memory_bytes", json_number(machine_memory("MemTotal")));
    json_object_set_new(o, "kernel", json_text(u.release));
    return o;
}

enum { PASSES = 5 };
static const size_t stream_bytes = 512u << 20;

struct reader {
    const uint64_t *p;
    size_t words;
    uint64_t sum;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 32 <= r->words; i += 32)
        for (size_t k = 0; k < 32; k += 4) {
            a += r->p[i + k];
            b += r->p[i + k + 1];
            c += r->p[i + k + 2];
            d += r->p[i + k + 3];
        }
    r->sum = a + b + c + d;
    return NULL;
}

static double one_pass(const uint64_t *p, unsigned threads, uint64_t *sum)
{
    struct reader r[64];
    pthread_t id[64];
    size_t words = stream_bytes / sizeof *p / threads;
    double start = now_s();
    for (unsigned i = 0; i < threads; i++)
        r[i] = (struct reader){p + i * words, words, 0};
    for (unsigned i = 1; i < threads; i++)
        if (pthread_create(&id[i], NULL, read_all, &r[i]) != 0)
            return 0;
    read_all(&r[0]);
    for (unsigned i = 1; i < threads; i++)
        pthread_join(id[i], NULL);
    for (unsigned i = 0; i < threads; i++)
        *sum += r[i].sum;
    return (double)stream_bytes / (now_s() - start) / 1e9;
}

/* In the child: the best of a few passes, after one that makes the pages. */
static double measure(unsigned threads)
{
    uint64_t sum = 0;
    double best = 0;
    void *p = mmap(NULL, stream_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 0;
    madvise(p, stream_bytes, MADV_HUGEPAGE);
    memset(p, 1, stream_bytes);
    for (int i = 0; i < PASSES; i++) {
        double v = one_pass(p, threads, &sum);
        best = v > best ? v : best;
    }
    return sum ? best : 0;
}

double machine_read_bandwidth(unsigned threads)
{
    int fd[2];
    double v = 0;
    threads = threads < 1 ? 1 : threads > 64 ? 64 : threads;
    if (machine_memory("MemAvailable") < 1.5 * (double)stream_bytes || pipe(fd) != 0)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        v = measure(threads);
        _exit(write(fd[1], &v, sizeof v) == (ssize_t)sizeof v ? 0 : 1);
    }
    close(fd[1]);
    if (child < 0 || read(fd[0], &v, sizeof v) != (ssize_t)sizeof v)
        v = 0;
    close(fd[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    return v;
}
