/*
 * Worker threads that meet at barriers: a short spin, because a transformer block meets seven times
 * in a few hundred microseconds, then a futex, because the processors may be shared.
 */
#include "io/team.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"

enum { SPINS = 4000, THREADS_MAX = PXI_LIMIT_CONTEXT_THREADS };

/* A word on which threads wait until it differs from what they saw. */
struct gate {
    _Alignas(64) _Atomic uint32_t value;
    _Atomic uint32_t sleepers;
};

struct member {
    struct team *team;
    pthread_t thread;
    unsigned rank;
};

struct team {
    struct pxi_team base;
    struct gate job, phase;
    _Alignas(64) _Atomic uint32_t arrived;
    pxi_team_fn *fn;
    void *arg;
    bool stop;
    struct member members[];
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void gate_wait(struct gate *g, uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&g->value, memory_order_acquire) != seen)
            return;
        relax();
    }
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->value) == seen)
        syscall(SYS_futex, &g->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&g->sleepers, 1);
}

static void gate_open(struct gate *g)
{
    atomic_fetch_add(&g->value, 1);
    if (atomic_load(&g->sleepers))
        syscall(SYS_futex, &g->value, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void barrier(struct pxi_team *base, unsigned rank)
{
    struct team *t = (struct team *)base;
    uint32_t phase = atomic_load_explicit(&t->phase.value, memory_order_relaxed);
    (void)rank;
    if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) + 1 == t->base.size) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        gate_open(&t->phase);
    } else {
        gate_wait(&t->phase, phase);
    }
}

static void *worker(void *arg)
{
    struct member *m = arg;
    struct team *t = m->team;
    for (uint32_t seen = 0;; seen++) {
        gate_wait(&t->job, seen);
        if (t->stop)
            return NULL;
        t->fn(t->arg, m->rank, t->base.size);
        barrier(&t->base, m->rank);
    }
}

static void run(struct pxi_team *base, pxi_team_fn *fn, void *arg)
{
    struct team *t = (struct team *)base;
    t->fn = fn;
    t->arg = arg;
    gate_open(&t->job);
    fn(arg, 0, t->base.size);
    barrier(base, 0);
}

unsigned pxi_team_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

struct pxi_team *pxi_team_new(unsigned threads)
{
    unsigned n = threads ? threads : pxi_team_processors();
    if (n > THREADS_MAX)
        return NULL;
    struct team *t = pxi_calloc_aligned(sizeof *t + n * sizeof t->members[0], 64);
    if (!t)
        return NULL;
    t->base = (struct pxi_team){1, run, barrier};
    for (unsigned i = 1; i < n; i++) {
        t->members[i] = (struct member){.team = t, .rank = i};
        if (pthread_create(&t->members[i].thread, NULL, worker, &t->members[i]) != 0) {
            pxi_team_free(&t->base);
            return NULL;
        }
        t->base.size = i + 1; /* workers read it only after the first job is opened */
    }
    return &t->base;
}

void pxi_team_free(struct pxi_team *team)
{
    struct team *t = (struct team *)team;
    if (!t)
        return;
    t->stop = true;
    gate_open(&t->job);
    for (unsigned i = 1; i < t->base.size; i++)
        pthread_join(t->members[i].thread, NULL);
    pxi_free_aligned(t);
}
