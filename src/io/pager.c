/* Blocks of a file that lies elsewhere: which are here, which are wanted, which go. */
#include "io/pager.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/diag.h"
#include "io/fetch.h"

enum { FETCHES = 3, PAGE = 4096 };
#define CACHE (1ull << 30)

enum state { FAILED, QUEUED, COMING, HERE, RIGHT };

struct slot {
    struct slot *chain;   /* of its bucket */
    struct pxi_list link; /* in `used`, `urgent` or `later`, or in none */
    uint64_t at;
    uint32_t n, pins;
    enum state state;
    uint8_t fetched; /* how often it came */
    bool unused;     /* came ahead, and nobody held it yet */
    px_err err;      /* FAILED */
};

struct pxi_pager {
    struct pxi_far far; /* first */
    struct pxi_fetch *fetch;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct pxi_far_cut cut;
    uint8_t *window;
    uint64_t bytes, cache;
    bool all; /* the whole file is here, and stays */
    struct slot **buckets;
    uint64_t mask;
    struct pxi_list used, urgent, later; /* not held, oldest first; to be fetched */
    uint64_t unused;                     /* bytes that were asked for ahead and not held yet */
    struct pxi_fetch_job jobs[PXI_FETCH_CONNECTIONS], first;
    bool busy[PXI_FETCH_CONNECTIONS], first_wanted, first_done;
    px_err err; /* for good */
    px_diag diag;
    struct pxi_pager_counts counts;
    struct pxi_list link; /* in the list of all, for forks */
};

static struct pxi_pager *of(struct pxi_far *f)
{
    return (struct pxi_pager *)(void *)f;
}

/* ------------------------------------------------------------------ slots */

static struct slot **bucket(struct pxi_pager *p, uint64_t at)
{
    return &p->buckets[(at * 0x9e3779b97f4a7c15u >> 20) & p->mask];
}

static struct slot *find(struct pxi_pager *p, uint64_t at)
{
    struct slot *s = *bucket(p, at);
    while (s && s->at != at)
        s = s->chain;
    return s;
}

static void forget(struct pxi_pager *p, struct slot *s)
{
    struct slot **at = bucket(p, s->at);
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
    pxi_list_remove(&s->link);
    p->counts.here -= s->n;
    p->unused -= s->unused ? s->n : 0;
    pxi_free(s);
}

/* Gives the pages back that lie in the block alone. */
static void evict(struct pxi_pager *p, struct slot *s)
{
    uint64_t from = (s->at + PAGE - 1) / PAGE * PAGE, to = (s->at + s->n) / PAGE * PAGE;
    if (s->at + s->n == p->bytes)
        to = (p->bytes + PAGE - 1) / PAGE * PAGE;
    if (to > from)
        madvise(p->window + from, (size_t)(to - from), MADV_DONTNEED);
    p->counts.evicted++;
    forget(p, s);
}

static void make_room(struct pxi_pager *p)
{
    while (p->counts.here > p->cache && !pxi_list_empty(&p->used))
        evict(p, PXI_OF(p->used.next, struct slot, link));
}

/* The slot of a block, which is new and FAILED when it has none yet; NULL: no memory. */
static struct slot *slot_of(struct pxi_pager *p, const struct pxi_far_block *b)
{
    struct slot *s = find(p, b->at), **head = bucket(p, b->at);
    if (s || !(s = pxi_calloc(1, sizeof *s)))
        return s;
    pxi_list_init(&s->link);
    s->at = b->at;
    s->n = b->n;
    s->chain = *head;
    *head = s;
    p->counts.here += s->n;
    return s;
}

static void queue(struct slot *s, struct pxi_list *list)
{
    s->state = QUEUED;
    s->err = PX_ERR_OK;
    pxi_list_remove(&s->link);
    pxi_list_add(list, &s->link);
}

/* Somebody wants it now. */
static void want(struct pxi_pager *p, struct slot *s)
{
    if (s->state <= QUEUED)
        queue(s, &p->urgent);
    if (s->unused)
        p->unused -= s->n;
    s->unused = false;
}

static void unpin(struct pxi_pager *p, struct slot *s)
{
    if (--s->pins)
        return;
    if (s->state >= HERE)
        pxi_list_add(&p->used, &s->link);
    else if (s->state == FAILED)
        forget(p, s);
}

static void pin(struct slot *s)
{
    if (!s->pins++ && s->state >= HERE)
        pxi_list_remove(&s->link);
}

/* ------------------------------------------------------------------ fetching, on the thread */

/* A queued block and its queued neighbours behind it. */
static void join(struct pxi_pager *p, struct slot *s, struct pxi_fetch_job *j)
{
    *j = (struct pxi_fetch_job){.at = s->at, .to = p->window + s->at};
    while (s && s->state == QUEUED && j->n + s->n <= PXI_PAGER_JOIN) {
        j->n += s->n;
        s->state = COMING;
        pxi_list_remove(&s->link);
        s = find(p, s->at + s->n);
    }
}

static struct pxi_fetch_job *next_job(void *ctx)
{
    struct pxi_pager *p = ctx;
    struct pxi_fetch_job *j = NULL;
    pthread_mutex_lock(&p->lock);
    struct pxi_list *from = pxi_list_empty(&p->urgent) ? &p->later : &p->urgent;
    if (p->first_wanted) {
        p->first_wanted = false;
        j = &p->first;
    } else if (!pxi_list_empty(from)) {
        unsigned i = 0;
        while (p->busy[i]) /* there are as many jobs as connections */
            i++;
        p->busy[i] = true;
        j = &p->jobs[i];
        join(p, PXI_OF(from->next, struct slot, link), j);
    }
    pthread_mutex_unlock(&p->lock);
    return j;
}

/* A block came, or did not. */
static void arrived(struct pxi_pager *p, struct slot *s, const struct pxi_fetch_job *j)
{
    s->err = j->err;
    s->state = j->err ? FAILED : HERE;
    s->fetched += !j->err;
    if (!s->pins && j->err)
        forget(p, s);
    else if (!s->pins)
        pxi_list_add(&p->used, &s->link);
}

static void job_done(void *ctx, struct pxi_fetch_job *j, const struct pxi_range_file *file)
{
    struct pxi_pager *p = ctx;
    pthread_mutex_lock(&p->lock);
    if (j == &p->first) {
        p->first_done = true;
    } else {
        for (uint64_t at = j->at; at < j->at + j->n;) {
            struct slot *s = find(p, at);
            at += s->n;
            arrived(p, s, j);
        }
        p->busy[j - p->jobs] = false;
        make_room(p);
    }
    if (j->err)
        p->diag = j->diag;
    if (j->err == PX_ERR_CHANGED)
        p->err = j->err;
    p->counts.bytes += j->got;
    p->counts.requests = file->requests;
    p->counts.retries = file->retries;
    pthread_cond_broadcast(&p->change);
    pthread_mutex_unlock(&p->lock);
}

static const struct pxi_fetch_ops fetch_ops = {next_job, job_done};

/* ------------------------------------------------------------------ holding. Locked */

/* Waits until a held block came. */
static px_err come(struct pxi_pager *p, struct slot *s)
{
    while (s->state < HERE && !p->err && !(s->state == FAILED && s->err))
        pthread_cond_wait(&p->change, &p->lock);
    return s->state >= HERE ? PX_ERR_OK : p->err ? p->err : s->err;
}

/* Both came, and do not fit to each other: once more, or it is so at its origin. */
static void wrong(struct pxi_pager *p, struct slot *s, struct slot *proof)
{
    p->counts.wrong++;
    if (s->fetched < FETCHES) {
        queue(s, &p->urgent);
        queue(proof, &p->urgent);
        return;
    }
    if (!p->counts.damaged++)
        p->counts.first_damaged = s->at;
    s->state = RIGHT;
}

static px_err check(struct pxi_pager *p, struct slot *s, const struct pxi_far_block *b)
{
    struct pxi_far_block of_proof;
    px_err err = come(p, s);
    if (!b->proof_n) {
        if (!err)
            s->state = RIGHT;
        return err;
    }
    p->cut.block(p->cut.ctx, b->proof_at, &of_proof);
    struct slot *proof = slot_of(p, &of_proof);
    if (!proof)
        return PX_ERR_NOMEM;
    pin(proof);
    while (!err && s->state != RIGHT) {
        want(p, proof);
        err = pxi_fetch_wake(p->fetch);
        if (!err)
            err = come(p, proof);
        if (!err)
            err = come(p, s);
        if (err || s->state != HERE || proof->state < HERE)
            continue;
        if (p->cut.right(p->cut.ctx, b, p->window))
            s->state = RIGHT;
        else
            wrong(p, s, proof);
    }
    unpin(p, proof);
    return err;
}

static void let_go_locked(struct pxi_pager *p, uint64_t at, uint64_t end)
{
    while (at < end) {
        struct pxi_far_block b;
        p->cut.block(p->cut.ctx, at, &b);
        struct slot *s = find(p, b.at);
        unpin(p, s);
        at = b.at + b.n;
    }
    make_room(p);
}

/* Pin and want every block; where it got to. */
static uint64_t pin_all(struct pxi_pager *p, uint64_t at, uint64_t end, px_err *err)
{
    bool wake = false;
    while (at < end) {
        struct pxi_far_block b, proof;
        p->cut.block(p->cut.ctx, at, &b);
        struct slot *s = slot_of(p, &b);
        if (!s) {
            *err = PX_ERR_NOMEM;
            break;
        }
        pin(s);
        p->counts.hits += s->state >= HERE;
        p->counts.misses += s->state < HERE;
        wake |= s->state <= QUEUED;
        want(p, s);
        if (b.proof_n && s->state != RIGHT) {
            p->cut.block(p->cut.ctx, b.proof_at, &proof);
            struct slot *t = slot_of(p, &proof);
            if (t && t->state <= QUEUED)
                queue(t, &p->urgent);
        }
        at = b.at + b.n;
    }
    if (wake && !*err)
        *err = pxi_fetch_wake(p->fetch);
    return at;
}

/* More than the cache has room for is not held at once. */
static px_err too_much(struct pxi_pager *p, uint64_t n)
{
    pxi_diag_field(&p->diag, "cache");
    return pxi_diag_set(&p->diag, PX_ERR_LIMIT, 0, "a cache for all that is read at once",
                        "%llu bytes, and a cache of %llu", (unsigned long long)n,
                        (unsigned long long)p->cache);
}

static px_err hold(struct pxi_far *f, uint64_t at, uint64_t n)
{
    struct pxi_pager *p = of(f);
    uint64_t end = at + n;
    if (p->all || !n)
        return PX_ERR_OK;
    pthread_mutex_lock(&p->lock);
    px_err err = n > p->cache ? too_much(p, n) : p->err;
    uint64_t got = err ? at : pin_all(p, at, end, &err);
    make_room(p);
    for (uint64_t i = at; !err && i < end;) {
        struct pxi_far_block b;
        p->cut.block(p->cut.ctx, i, &b);
        struct slot *s = find(p, b.at);
        if (s->state != RIGHT)
            err = check(p, s, &b);
        i = b.at + b.n;
    }
    if (err)
        let_go_locked(p, at, got < end ? got : end);
    pthread_mutex_unlock(&p->lock);
    return err;
}

static void let_go(struct pxi_far *f, uint64_t at, uint64_t n)
{
    struct pxi_pager *p = of(f);
    if (p->all || !n)
        return;
    pthread_mutex_lock(&p->lock);
    let_go_locked(p, at, at + n);
    pthread_mutex_unlock(&p->lock);
}

/* One block ahead; whether it is here. */
static bool ahead_block(struct pxi_pager *p, const struct pxi_far_block *b, bool *queued)
{
    struct slot *s = find(p, b->at);
    if (s)
        return s->state >= HERE;
    if (p->unused + b->n > p->cache / 2 || !(s = slot_of(p, b)))
        return false;
    s->unused = true;
    p->unused += s->n;
    p->counts.ahead++;
    queue(s, &p->later);
    *queued = true;
    return false;
}

static bool ahead(struct pxi_far *f, uint64_t at, uint64_t n)
{
    struct pxi_pager *p = of(f);
    bool here = true, queued = false;
    if (p->all)
        return true;
    pthread_mutex_lock(&p->lock);
    for (uint64_t end = at + n; at < end && !p->err;) {
        struct pxi_far_block b, proof;
        p->cut.block(p->cut.ctx, at, &b);
        here &= ahead_block(p, &b, &queued);
        if (b.proof_n) {
            p->cut.block(p->cut.ctx, b.proof_at, &proof);
            ahead_block(p, &proof, &queued);
        }
        at = b.at + b.n;
    }
    if (queued) {
        make_room(p);
        pxi_fetch_wake(p->fetch);
    }
    pthread_mutex_unlock(&p->lock);
    return here;
}

static const struct pxi_far_ops far_ops = {hold, let_go, ahead};

/* ------------------------------------------------------------------ forks */

static struct pxi_list everyone = {&everyone, &everyone};
static pthread_mutex_t everyone_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&everyone_lock);
    for (struct pxi_list *l = everyone.next; l != &everyone; l = l->next)
        pthread_mutex_lock(&PXI_OF(l, struct pxi_pager, link)->lock);
}

static void after_fork(void)
{
    for (struct pxi_list *l = everyone.next; l != &everyone; l = l->next)
        pthread_mutex_unlock(&PXI_OF(l, struct pxi_pager, link)->lock);
    pthread_mutex_unlock(&everyone_lock);
}

/* What was under way comes to the parent; here it is asked for again. */
static void reset_slots(struct pxi_pager *p)
{
    for (uint64_t i = 0; i <= p->mask; i++)
        for (struct slot *s = p->buckets[i], *next; s; s = next) {
            next = s->chain;
            if (s->state >= HERE)
                continue;
            pxi_list_remove(&s->link);
            s->state = FAILED;
            s->err = PX_ERR_RESET;
            if (!s->pins)
                forget(p, s);
        }
    memset(p->busy, 0, sizeof p->busy);
}

static void in_child(void)
{
    for (struct pxi_list *l = everyone.next; l != &everyone; l = l->next) {
        struct pxi_pager *p = PXI_OF(l, struct pxi_pager, link);
        pthread_cond_init(&p->change, NULL);
        pxi_fetch_forked(p->fetch);
        reset_slots(p);
    }
    after_fork();
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, in_child);
}

/* ------------------------------------------------------------------ opening */

static void plain_block(const void *ctx, uint64_t at, struct pxi_far_block *out)
{
    const struct pxi_pager *p = ctx;
    uint64_t from = at / PXI_PAGER_BLOCK * PXI_PAGER_BLOCK, left = p->bytes - from;
    *out = (struct pxi_far_block){.at = from,
                                  .n = left < PXI_PAGER_BLOCK ? (uint32_t)left : PXI_PAGER_BLOCK};
}

static bool plain_right(const void *ctx, const struct pxi_far_block *b, const uint8_t *file)
{
    (void)ctx, (void)b, (void)file;
    return true;
}

/* Fetch a range by itself, before there are blocks. */
static px_err fetch_first(struct pxi_pager *p, uint64_t n, uint8_t *to)
{
    p->first = (struct pxi_fetch_job){.n = n, .to = to};
    pthread_mutex_lock(&p->lock);
    p->first_wanted = true;
    p->first_done = false;
    px_err err = pxi_fetch_wake(p->fetch);
    while (!err && !p->first_done)
        pthread_cond_wait(&p->change, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return err ? err : p->first.err;
}

static px_err map_window(struct pxi_pager *p, px_diag *d)
{
    p->window = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p->window == MAP_FAILED) {
        p->window = NULL;
        pxi_diag_field(d, "size");
        return pxi_diag_set(d, PX_ERR_NOMEM, 0, "as many addresses as the file has bytes",
                            "too few for %llu", (unsigned long long)p->bytes);
    }
    madvise(p->window, p->bytes, MADV_NOHUGEPAGE); /* a block would take a page of 2 MiB */
    return PX_ERR_OK;
}

/* The server has no ranges: all of it at once, if there is room. */
static px_err bring_all(struct pxi_pager *p, px_diag *d)
{
    pxi_diag_field(d, "size");
    if (p->bytes > p->cache)
        return pxi_diag_set(d, PX_ERR_LIMIT, 0,
                            "a server with ranges, or a file that fits the cache", "%llu bytes",
                            (unsigned long long)p->bytes);
    px_err err = map_window(p, d);
    if (!err)
        err = fetch_first(p, p->bytes, p->window);
    p->all = !err;
    p->counts.here = p->bytes;
    return err;
}

static px_err meet(struct pxi_pager *p, px_diag *d)
{
    uint8_t *begin = pxi_calloc(1, PXI_PAGER_BLOCK);
    struct pxi_far_block b;
    if (!begin)
        return PX_ERR_NOMEM;
    px_err err = fetch_first(p, PXI_PAGER_BLOCK, begin);
    const struct pxi_range_file *f = pxi_fetch_file(p->fetch);
    if (err) {
        *d = p->diag;
    } else if ((p->bytes = f->bytes) >= 1ull << 47) {
        err = pxi_diag_set(d, PX_ERR_LIMIT, 0, "a file below 2^47 bytes", "a larger one");
    } else if (f->whole) {
        err = bring_all(p, d);
        if (err && err == p->first.err)
            *d = p->diag;
    } else if (!(err = map_window(p, d))) {
        plain_block(p, 0, &b);
        struct slot *s = slot_of(p, &b);
        memcpy(p->window, begin, p->first.got);
        if (s && p->first.got == s->n) {
            s->state = HERE;
            pxi_list_add(&p->used, &s->link);
        } else {
            err = s ? PX_ERR_PROTOCOL : PX_ERR_NOMEM;
        }
    }
    pxi_free(begin);
    return err;
}

px_err pxi_pager_open(const struct pxi_url *url, const struct pxi_pager_options *o,
                      struct pxi_pager **out, px_diag *d)
{
    px_diag none;
    struct pxi_pager *p = pxi_calloc(1, sizeof *p);
    *out = NULL;
    d = d ? d : &none;
    if (!p)
        return PX_ERR_NOMEM;
    p->far.ops = &far_ops;
    p->cache = o->cache_bytes ? o->cache_bytes : CACHE;
    p->cut = (struct pxi_far_cut){plain_block, plain_right, p};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->change, NULL);
    pxi_list_init(&p->used);
    pxi_list_init(&p->urgent);
    pxi_list_init(&p->later);
    for (p->mask = 1023; p->mask < p->cache / PXI_PAGER_BLOCK && p->mask < 1 << 24;)
        p->mask = p->mask * 2 + 1;
    p->buckets = pxi_calloc(p->mask + 1, sizeof *p->buckets);
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&everyone_lock);
    px_err err =
        p->buckets ? pxi_fetch_open(url, o->timeout_ms, &fetch_ops, p, &p->fetch) : PX_ERR_NOMEM;
    pxi_list_init(&p->link);
    if (!err)
        pxi_list_add(&everyone, &p->link);
    pthread_mutex_unlock(&everyone_lock);
    if (!err)
        err = meet(p, d);
    if (err)
        pxi_pager_close(p);
    else
        *out = p;
    return err;
}

static void drop_slots(struct pxi_pager *p)
{
    for (uint64_t i = 0; p->buckets && i <= p->mask; i++)
        while (p->buckets[i])
            forget(p, p->buckets[i]);
}

void pxi_pager_close(struct pxi_pager *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&everyone_lock);
    pxi_list_remove(&p->link);
    pthread_mutex_unlock(&everyone_lock);
    pxi_fetch_close(p->fetch);
    drop_slots(p);
    if (p->window)
        munmap(p->window, p->bytes);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->change);
    pxi_free(p->buckets);
    pxi_free(p);
}

struct pxi_far *pxi_pager_far(struct pxi_pager *p)
{
    return &p->far;
}

px_view pxi_pager_window(const struct pxi_pager *p)
{
    return px_view_of(p->window, p->bytes);
}

uint64_t pxi_pager_cache(const struct pxi_pager *p)
{
    return p->cache;
}

void pxi_pager_cut(struct pxi_pager *p, const struct pxi_far_cut *cut)
{
    pthread_mutex_lock(&p->lock);
    while (!pxi_list_empty(&p->used))
        forget(p, PXI_OF(p->used.next, struct slot, link));
    p->cut = *cut;
    pthread_mutex_unlock(&p->lock);
}

void pxi_pager_counts(struct pxi_pager *p, struct pxi_pager_counts *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->counts;
    pthread_mutex_unlock(&p->lock);
}

void pxi_pager_why(struct pxi_pager *p, px_diag *d)
{
    pthread_mutex_lock(&p->lock);
    if (d && p->diag.expected[0])
        *d = p->diag;
    pthread_mutex_unlock(&p->lock);
}
