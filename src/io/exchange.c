#include "io/exchange.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { ROUNDS = 8, SKIPS = 16 }; /* receives before something is sent; see receive() */

struct pxi_exchange {
    struct pxi_paths *paths;
    const struct pxi_exchange_ops *ops;
    void *ctx;
    struct pxi_udp_addr *peers;
    unsigned n;
    unsigned skip;
    int wake; /* eventfd */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    px_err (*begin)(void *ctx, void *arg);
    bool (*done)(void *ctx);
    void *arg;
    px_err err;
    bool running, ending;
    struct pxi_exchange_counts shown;
    uint64_t wakeups, bytes; /* the thread's own */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- receiving */

static void take(struct pxi_exchange *x, enum pxi_path_kind kind, const struct pxi_path_in *in,
                 uint64_t now)
{
    size_t step = in->step ? in->step : in->bytes.n;
    for (size_t at = 0; at < in->bytes.n; at += step) {
        size_t n = in->bytes.n - at < step ? in->bytes.n - at : step;
        px_view v = px_view_of(in->bytes.p + at, n);
        if (!pxi_paths_take(x->paths, kind, in->from, v, now))
            x->ops->take(x->ctx, in->from, v, now);
    }
}

/* Read what a path has, but not for ever. */
static bool receive_from(struct pxi_exchange *x, struct pxi_path *p)
{
    struct pxi_path_in in[PXI_PATH_READ];
    bool any = false;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = p->ops->receive(p, in);
        uint64_t now = n ? now_ns() : 0;
        for (unsigned i = 0; i < n; i++)
            take(x, p->kind, &in[i], now);
        if (n && p->ops->give_back)
            p->ops->give_back(p);
        any |= n > 0;
        if (p->drained)
            break;
    }
    return any;
}

/* UDP costs a system call to ask. While others bring what comes, it is asked now and then, and when
 * it woke us. */
static bool receive(struct pxi_exchange *x)
{
    bool any = false;
    for (unsigned k = PXI_PATH_KINDS; k-- > 0;) {
        struct pxi_path *p = pxi_paths_get(x->paths, k);
        if (!p || (k == PXI_PATH_UDP && any && x->skip && x->skip--))
            continue;
        bool got = receive_from(x, p);
        any |= got;
        if (k == PXI_PATH_UDP)
            x->skip = got ? 0 : SKIPS;
    }
    return any;
}

/* ------------------------------------------------------------------ sending */

static void wait_writable(const struct pxi_path *p)
{
    struct pollfd fd = {.fd = p->fd, .events = POLLOUT};
    poll(&fd, 1, 10);
}

static void flush(struct pxi_path *p, unsigned to, const px_view *frames, unsigned n)
{
    unsigned done = 0;
    while (done < n) {
        unsigned k = p->ops->send(p, to, frames + done, n - done);
        done += k;
        if (k == 0)
            wait_writable(p);
    }
}

/* Whether a frame can go with those before it. */
static bool joins(const struct pxi_path *p, const px_view *frames, unsigned n, size_t bytes,
                  px_view v)
{
    return !n || (n < p->parts && bytes + v.n <= p->bytes && (!p->equal || v.n <= frames[0].n));
}

/* One train for a peer. False: it had nothing. */
static bool send_train(struct pxi_exchange *x, unsigned to, px_view *kept, uint64_t now)
{
    px_view frames[PXI_PATH_PARTS];
    struct pxi_path *p = pxi_paths_via(x->paths, to);
    unsigned n = 0;
    size_t bytes = 0;
    for (;;) {
        px_view v = kept->n ? *kept : x->ops->pull(x->ctx, to, now);
        *kept = px_view_of(NULL, 0);
        if (!v.n)
            break;
        if (!joins(p, frames, n, bytes, v)) {
            *kept = v;
            break;
        }
        frames[n++] = v;
        bytes += v.n;
        if (p->equal && v.n < frames[0].n)
            break;
    }
    if (n)
        flush(p, to, frames, n);
    x->bytes += bytes;
    return n > 0;
}

static bool send_all(struct pxi_exchange *x)
{
    bool any = false, more = true;
    px_view kept[PXI_PATH_PEERS] = {{0}};
    uint64_t now = now_ns();
    x->ops->turn(x->ctx, now);
    while (more) {
        more = false;
        for (unsigned i = 0; i < x->n; i++)
            more |= send_train(x, i, &kept[i], now);
        any |= more;
    }
    return any;
}

/* --------------------------------------------------------------- the thread */

/* Arm every path; false: one of them has something already. */
static bool arm(struct pxi_exchange *x)
{
    bool quiet = true;
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        struct pxi_path *p = pxi_paths_get(x->paths, k);
        if (p && p->ops->sleep)
            quiet &= p->ops->sleep(p);
    }
    return quiet;
}

static void disarm(struct pxi_exchange *x)
{
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        struct pxi_path *p = pxi_paths_get(x->paths, k);
        if (p && p->ops->awake)
            p->ops->awake(p);
    }
}

/* Wait for the first of all paths, the callers and the time. True: a path wants its turn. */
static bool wait_for(struct pxi_exchange *x, const struct timespec *most)
{
    struct pollfd p[PXI_PATH_KINDS + 1] = {{.fd = x->wake, .events = POLLIN}};
    nfds_t n = 1;
    uint64_t count;
    bool turn = false;
    for (unsigned k = 0; k < PXI_PATH_KINDS; k++) {
        struct pxi_path *path = pxi_paths_get(x->paths, k);
        if (path && path->fd >= 0)
            p[n++] = (struct pollfd){.fd = path->fd, .events = POLLIN};
    }
    ppoll(p, n, most, NULL);
    x->wakeups++;
    if (p[0].revents && read(x->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        x->wakeups++;
    for (nfds_t i = 1; i < n; i++)
        turn |= p[i].revents != 0;
    x->skip = turn ? 0 : x->skip;
    return turn;
}

/* True: a path wants its turn. */
static bool sleep_until(struct pxi_exchange *x, uint64_t deadline)
{
    struct timespec t = {.tv_sec = 1};
    uint64_t now = now_ns();
    bool turn = false;
    if (deadline <= now)
        return false;
    if (deadline - now < 1000000000u)
        t = (struct timespec){.tv_nsec = (long)(deadline - now)};
    if (arm(x))
        turn = wait_for(x, &t);
    disarm(x);
    return turn;
}

/* What all paths have counted. */
static struct pxi_exchange_counts count(const struct pxi_exchange *x)
{
    struct pxi_exchange_counts c = {.wakeups = x->wakeups, .bytes = x->bytes};
    for (unsigned i = 0; i < PXI_PATH_KINDS; i++) {
        struct pxi_path *p = pxi_paths_get(x->paths, i);
        if (!p)
            continue;
        const struct pxi_path_counts *k = &p->counts;
        c.sent += k->sent;
        c.received += k->received;
        c.strangers += k->strangers;
        c.sends += k->sends;
        c.receives += k->receives;
        c.wakes += k->wakes;
        c.copied += k->copied;
    }
    return c;
}

/* What the callers want. An operation begins when the paths are known, or when that takes too long.
 * False: the end. */
static bool serve(struct pxi_exchange *x, uint64_t now)
{
    pthread_mutex_lock(&x->lock);
    bool goes_on = !x->ending;
    x->shown = count(x);
    if (x->begin && pxi_paths_settled(x->paths, now)) {
        x->err = x->begin(x->ctx, x->arg);
        x->begin = NULL;
        x->running = x->err == PX_ERR_OK;
        if (x->err)
            pthread_cond_broadcast(&x->changed);
    }
    pthread_mutex_unlock(&x->lock);
    return goes_on;
}

static void settle(struct pxi_exchange *x)
{
    if (!x->running || !x->done(x->ctx))
        return;
    pthread_mutex_lock(&x->lock);
    x->running = false;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static uint64_t next_turn(struct pxi_exchange *x)
{
    uint64_t a = x->ops->deadline(x->ctx), b = pxi_paths_deadline(x->paths);
    return a < b ? a : b;
}

static void *work(void *arg)
{
    struct pxi_exchange *x = arg;
    bool turn = false;
    for (uint64_t now = now_ns(); serve(x, now); now = now_ns()) {
        pxi_paths_look(x->paths, now);
        bool got = receive(x), sent = send_all(x);
        pxi_paths_turn(x->paths, now, turn);
        settle(x);
        turn = !got && !sent && sleep_until(x, next_turn(x));
    }
    return NULL;
}

static px_err start(struct pxi_exchange *x, const struct pxi_paths_options *o)
{
    struct pxi_paths_options mine = *o;
    x->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (x->wake < 0)
        return PX_ERR_IO;
    mine.path.peers = x->peers;
    mine.path.bell = x->wake;
    px_err err = pxi_paths_open(&mine, &x->paths);
    if (err)
        return err;
    return pthread_create(&x->thread, NULL, work, x) == 0 ? PX_ERR_OK : PX_ERR_IO;
}

/* All but the thread. */
static void clear(struct pxi_exchange *x)
{
    pxi_paths_close(x->paths);
    if (x->wake >= 0)
        close(x->wake);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    pxi_free(x->peers);
    pxi_free(x);
}

px_err pxi_exchange_open(const struct pxi_paths_options *o, const struct pxi_exchange_ops *ops,
                         void *ctx, struct pxi_exchange **out)
{
    unsigned n = o->path.n;
    struct pxi_exchange *x = n <= PXI_PATH_PEERS ? pxi_calloc(1, sizeof *x) : NULL;
    *out = NULL;
    if (!x)
        return PX_ERR_NOMEM;
    x->ops = ops;
    x->ctx = ctx;
    x->n = n;
    x->wake = -1;
    x->peers = pxi_calloc(n, sizeof *x->peers);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    px_err err = x->peers ? PX_ERR_OK : PX_ERR_NOMEM;
    if (!err) {
        memcpy(x->peers, o->path.peers, n * sizeof *x->peers);
        err = start(x, o);
    }
    if (err)
        clear(x);
    else
        *out = x;
    return err;
}

static void nudge(struct pxi_exchange *x)
{
    uint64_t one = 1;
    ssize_t n = write(x->wake, &one, sizeof one);
    (void)n; /* it cannot be full: one nudge a command */
}

px_err pxi_exchange_join(struct pxi_exchange *x, const char *group)
{
    return pxi_path_udp_join(pxi_paths_get(x->paths, PXI_PATH_UDP), group);
}

void pxi_exchange_linger(struct pxi_exchange *x, unsigned quiet_ms, unsigned most_ms)
{
    enum { STEP_MS = 20 };
    struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    uint64_t before = pxi_exchange_counts(x).received;
    for (unsigned ms = 0, quiet = 0; ms < most_ms && quiet < quiet_ms; ms += STEP_MS) {
        nanosleep(&step, NULL);
        uint64_t now = pxi_exchange_counts(x).received;
        quiet = now == before ? quiet + STEP_MS : 0;
        before = now;
    }
}

void pxi_exchange_close(struct pxi_exchange *x)
{
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    x->ending = true;
    pthread_mutex_unlock(&x->lock);
    nudge(x);
    pthread_join(x->thread, NULL);
    clear(x);
}

px_err pxi_exchange_run(struct pxi_exchange *x, px_err (*begin)(void *ctx, void *arg),
                        bool (*done)(void *ctx), void *arg)
{
    pthread_mutex_lock(&x->lock);
    x->begin = begin;
    x->done = done;
    x->arg = arg;
    nudge(x);
    while (x->begin || x->running)
        pthread_cond_wait(&x->changed, &x->lock);
    px_err err = x->err;
    pthread_mutex_unlock(&x->lock);
    return err;
}

struct pxi_exchange_counts pxi_exchange_counts(struct pxi_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    struct pxi_exchange_counts c = x->shown;
    pthread_mutex_unlock(&x->lock);
    return c;
}

struct pxi_paths_report pxi_exchange_paths(struct pxi_exchange *x)
{
    struct pxi_paths_report r;
    pxi_paths_tell(x->paths, &r);
    return r;
}

struct pxi_udp_addr pxi_exchange_local(const struct pxi_exchange *x)
{
    return pxi_path_udp_local(pxi_paths_get(x->paths, PXI_PATH_UDP));
}
