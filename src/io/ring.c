/* Slots, and the threads that fill them. */
#include "io/ring.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"

enum state { FREE, PLANNED, FILLING, FULL, TAKEN };

struct cell {
    void *slot;
    enum state state;
    uint64_t ticket;
};

struct pxi_ring {
    const struct pxi_ring_ops *ops;
    void *ctx;
    struct cell *cells;
    unsigned count, cap;
    unsigned threads, started;
    pthread_t *thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done; /* a slot is free; a slot is full */
    uint64_t next, taken;      /* tickets */
    bool over, stop;           /* no more work; threads are to end */
    pid_t pid;                 /* whose threads they are */
    volatile uint8_t *here;    /* a page that a fork leaves empty; NULL: pid tells */
};

/* Is this a child of the process whose threads they are? Asked with every batch, so without a
 * system call where the kernel can empty a page (Linux 4.14). */
static bool is_child(const struct pxi_ring *r)
{
    return r->here ? !*r->here : r->pid != getpid();
}

static void mark_here(struct pxi_ring *r)
{
    r->pid = getpid();
    if (r->here)
        *r->here = 1;
}

static void map_here(struct pxi_ring *r)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED && madvise(p, page, MADV_WIPEONFORK) == 0)
        r->here = p;
    else if (p != MAP_FAILED)
        munmap(p, page);
}

static struct cell *find(struct pxi_ring *r, enum state state, uint64_t ticket)
{
    for (unsigned i = 0; i < r->count; i++)
        if (r->cells[i].state == state && (state == FREE || r->cells[i].ticket == ticket))
            return &r->cells[i];
    return NULL;
}

/* Gives a free cell its work; false: none is free, or there is no work. */
static bool plan(struct pxi_ring *r)
{
    struct cell *c = r->over ? NULL : find(r, FREE, 0);
    if (!c)
        return false;
    if (!r->ops->plan(r->ctx, c->slot)) {
        r->over = true;
        pthread_cond_broadcast(&r->work);
        pthread_cond_broadcast(&r->done);
        return false;
    }
    c->state = PLANNED;
    c->ticket = r->next++;
    return true;
}

/* The first of those that are planned. */
static struct cell *first_planned(struct pxi_ring *r)
{
    struct cell *first = NULL;
    for (unsigned i = 0; i < r->count; i++) {
        struct cell *c = &r->cells[i];
        if (c->state == PLANNED && (!first || c->ticket < first->ticket))
            first = c;
    }
    return first;
}

/* In the order of their tickets. */
static void look_ahead(struct pxi_ring *r)
{
    for (uint64_t t = r->taken; t < r->next; t++) {
        struct cell *c = find(r, PLANNED, t);
        if (c)
            r->ops->ahead(r->ctx, c->slot);
    }
}

/* A cell with work, which is FILLING then; NULL: none is free, or there is no work. */
static struct cell *begin(struct pxi_ring *r)
{
    struct cell *c = first_planned(r);
    if (!c || r->ops->ahead)
        while (plan(r) && r->ops->ahead)
            ;
    if (r->ops->ahead)
        look_ahead(r);
    c = first_planned(r);
    if (c)
        c->state = FILLING;
    return c;
}

/* What was begun. The lock is left meanwhile, and cells may move. */
static void finish(struct pxi_ring *r, const struct cell *c)
{
    void *slot = c->slot;
    uint64_t ticket = c->ticket;
    pthread_mutex_unlock(&r->lock);
    r->ops->fill(r->ctx, slot);
    pthread_mutex_lock(&r->lock);
    find(r, FILLING, ticket)->state = FULL;
}

static void *filler(void *arg)
{
    struct pxi_ring *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stop && (!r->over || first_planned(r))) {
        struct cell *c = begin(r);
        if (c) {
            finish(r, c);
            pthread_cond_signal(&r->done);
        } else if (!r->over) {
            pthread_cond_wait(&r->work, &r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Threads without signals: those are the program's. */
static px_err start(struct pxi_ring *r)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (r->started < r->threads && pthread_create(&r->thread[r->started], NULL, filler, r) == 0)
        r->started++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r->started || !r->threads ? PX_ERR_OK : PX_ERR_IO;
}

static void reset_locks(struct pxi_ring *r)
{
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->done, NULL);
}

/* In a child: what the parent's threads were doing is done here, by the parent's tickets. */
static void adopt(struct pxi_ring *r)
{
    reset_locks(r);
    r->started = 0;
    mark_here(r);
    r->ops->forked(r->ctx);
    for (unsigned i = 0; i < r->count; i++)
        if (r->cells[i].state == FILLING) {
            r->ops->fill(r->ctx, r->cells[i].slot);
            r->cells[i].state = FULL;
        }
}

px_err pxi_ring_open(unsigned threads, void *const *slots, unsigned count,
                     const struct pxi_ring_ops *ops, void *ctx, struct pxi_ring **out)
{
    struct pxi_ring *r = *out = pxi_calloc(1, sizeof *r);
    if (!r)
        return PX_ERR_NOMEM;
    r->cells = pxi_calloc(count, sizeof *r->cells);
    r->thread = pxi_calloc(threads ? threads : 1, sizeof *r->thread);
    if (!r->cells || !r->thread) {
        pxi_free(r->cells);
        pxi_free(r->thread);
        pxi_free(r);
        *out = NULL;
        return PX_ERR_NOMEM;
    }
    for (unsigned i = 0; i < count; i++)
        r->cells[i].slot = slots[i];
    r->count = r->cap = count;
    r->ops = ops;
    r->ctx = ctx;
    r->threads = threads;
    map_here(r);
    mark_here(r);
    reset_locks(r);
    return PX_ERR_OK;
}

/* Waits until no thread works. */
static void halt(struct pxi_ring *r)
{
    if (is_child(r))
        adopt(r);
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
    while (r->started)
        pthread_join(r->thread[--r->started], NULL);
    r->stop = false;
}

void pxi_ring_close(struct pxi_ring *r)
{
    if (!r)
        return;
    halt(r);
    if (r->here)
        munmap((void *)(uintptr_t)r->here, (size_t)sysconf(_SC_PAGESIZE));
    pxi_free(r->cells);
    pxi_free(r->thread);
    pxi_free(r);
}

void pxi_ring_restart(struct pxi_ring *r)
{
    halt(r);
    for (unsigned i = 0; i < r->count; i++)
        if (r->cells[i].state != TAKEN)
            r->cells[i].state = FREE;
    r->next = r->taken = 0;
    r->over = false;
}

/* Whoever takes slots keeps them all: one more. */
static px_err grow(struct pxi_ring *r)
{
    if (r->count == PXI_LIMIT_DATA_SLOTS)
        return PX_ERR_LIMIT;
    if (r->count == r->cap) {
        struct cell *more = pxi_realloc(r->cells, (size_t)r->cap * 2, sizeof *more);
        if (!more)
            return PX_ERR_NOMEM;
        r->cells = more;
        r->cap *= 2;
    }
    void *slot = r->ops->more(r->ctx);
    if (!slot)
        return PX_ERR_NOMEM;
    r->cells[r->count++] = (struct cell){.slot = slot};
    return PX_ERR_OK;
}

/* The slot of the next ticket. Who would wait for it does what the threads have not begun, so that
 * nobody sleeps beside work. Locked. */
static px_err next_cell(struct pxi_ring *r, struct cell **out, bool *waited)
{
    while (!(*out = find(r, FULL, r->taken))) {
        if (r->over && r->taken == r->next)
            return PX_ERR_OK;
        *waited = true;
        if (r->taken == r->next && !find(r, FREE, 0)) {
            px_err err = grow(r);
            if (err)
                return err;
        }
        struct cell *c = begin(r);
        if (c)
            finish(r, c);
        else if (find(r, FILLING, r->taken))
            pthread_cond_wait(&r->done, &r->lock);
    }
    return PX_ERR_OK;
}

px_err pxi_ring_take(struct pxi_ring *r, void **slot, bool *waited)
{
    struct cell *c = NULL;
    px_err err = PX_ERR_OK;
    *slot = NULL;
    *waited = false;
    if (is_child(r))
        adopt(r);
    pthread_mutex_lock(&r->lock);
    if (r->threads && !r->started)
        err = start(r);
    if (!err)
        err = next_cell(r, &c, waited);
    if (c) {
        c->state = TAKEN;
        r->taken++;
        *slot = c->slot;
    }
    pthread_mutex_unlock(&r->lock);
    return err;
}

/* Threads are woken for half of the slots that can be had, not for each. */
void pxi_ring_give(struct pxi_ring *r, void *slot)
{
    unsigned taken = 0, free = 0;
    if (is_child(r))
        adopt(r);
    pthread_mutex_lock(&r->lock);
    for (unsigned i = 0; i < r->count; i++) {
        struct cell *c = &r->cells[i];
        if (c->slot == slot && c->state == TAKEN)
            c->state = FREE;
        taken += c->state == TAKEN;
        free += c->state == FREE;
    }
    if (r->threads && 2 * free >= r->count - taken)
        pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->lock);
}
