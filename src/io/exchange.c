#include "io/exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { BATCH_BYTES = 65000, ROUNDS = 8 }; /* of one send; receives before something is sent */

struct pxi_exchange {
    struct pxi_udp udp;
    const struct pxi_exchange_ops *ops;
    void *ctx;
    struct pxi_udp_addr *peers;
    unsigned n;
    uint8_t *buf;
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
    struct pxi_exchange_counts counts; /* the thread's own */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- receiving */

static bool same(const struct pxi_udp_addr *a, const struct pxi_udp_addr *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

static void take(struct pxi_exchange *x, const struct pxi_udp_in *in, uint64_t now)
{
    unsigned from = 0;
    while (from < x->n && !same(&x->peers[from], &in->remote))
        from++;
    size_t step = in->segment ? in->segment : in->n;
    for (size_t at = 0; at < in->n; at += step) {
        size_t n = in->n - at < step ? in->n - at : step;
        if (from == x->n) {
            x->counts.strangers++;
            continue;
        }
        x->counts.received++;
        x->ops->take(x->ctx, from, px_view_of(in->bytes + at, n), now);
    }
}

/* Read what is there, but not for ever. */
static bool receive(struct pxi_exchange *x)
{
    struct pxi_udp_in in[PXI_UDP_READ];
    bool any = false;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = pxi_udp_receive(&x->udp, x->buf, in);
        uint64_t now = n ? now_ns() : 0;
        for (unsigned i = 0; i < n; i++)
            take(x, &in[i], now);
        any |= n > 0;
        if (n < PXI_UDP_READ)
            break;
    }
    return any;
}

/* ------------------------------------------------------------------ sending */

static void wait_writable(struct pxi_exchange *x)
{
    struct pollfd p = {.fd = x->udp.fd, .events = POLLOUT};
    poll(&p, 1, 10);
}

static void flush(struct pxi_exchange *x, unsigned to, const px_view *parts, unsigned n)
{
    unsigned done = 0;
    while (done < n) {
        unsigned k = pxi_udp_send_parts(&x->udp, &x->peers[to], parts + done, n - done, parts[0].n);
        done += k;
        if (k == 0)
            wait_writable(x);
    }
    x->counts.sent += n;
}

/* One train for a peer. False: it had nothing. */
static bool send_train(struct pxi_exchange *x, unsigned to, px_view *kept, uint64_t now)
{
    px_view parts[PXI_UDP_SEGMENTS];
    unsigned n = 0;
    size_t bytes = 0;
    for (;;) {
        px_view v = kept->n ? *kept : x->ops->pull(x->ctx, to, now);
        *kept = px_view_of(NULL, 0);
        if (!v.n)
            break;
        if (n && (v.n > parts[0].n || n == PXI_UDP_SEGMENTS || bytes + v.n > BATCH_BYTES)) {
            *kept = v;
            break;
        }
        parts[n++] = v;
        bytes += v.n;
        if (v.n < parts[0].n)
            break;
    }
    if (n)
        flush(x, to, parts, n);
    return n > 0;
}

static bool send_all(struct pxi_exchange *x)
{
    bool any = false, more = true;
    px_view kept[64] = {{0}};
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

static void sleep_until(struct pxi_exchange *x, uint64_t deadline)
{
    struct pollfd p[] = {{.fd = x->udp.fd, .events = POLLIN}, {.fd = x->wake, .events = POLLIN}};
    struct timespec t = {.tv_sec = 1};
    uint64_t now = now_ns(), count;
    if (deadline <= now)
        return;
    if (deadline - now < 1000000000u)
        t = (struct timespec){.tv_nsec = (long)(deadline - now)};
    ppoll(p, 2, &t, NULL);
    x->counts.wakeups++;
    if (p[1].revents && read(x->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        x->counts.wakeups++;
}

/* What the callers want. False: the end. */
static bool serve(struct pxi_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool goes_on = !x->ending;
    x->shown = x->counts;
    x->shown.sends = x->udp.sends;
    x->shown.receives = x->udp.receives;
    if (x->begin) {
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

static void *work(void *arg)
{
    struct pxi_exchange *x = arg;
    while (serve(x)) {
        bool got = receive(x), sent = send_all(x);
        settle(x);
        if (!got && !sent)
            sleep_until(x, x->ops->deadline(x->ctx));
    }
    return NULL;
}

static px_err start(struct pxi_exchange *x, const struct pxi_udp_addr *at)
{
    px_err err = pxi_udp_open(&x->udp, at);
    if (err)
        return err;
    x->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (x->wake >= 0 && pthread_create(&x->thread, NULL, work, x) == 0)
        return PX_ERR_OK;
    pxi_udp_close(&x->udp);
    if (x->wake >= 0)
        close(x->wake);
    return PX_ERR_IO;
}

px_err pxi_exchange_open(const struct pxi_udp_addr *at, const struct pxi_udp_addr *peers,
                         unsigned n, const struct pxi_exchange_ops *ops, void *ctx,
                         struct pxi_exchange **out)
{
    struct pxi_exchange *x = n <= 64 ? pxi_calloc(1, sizeof *x) : NULL;
    *out = NULL;
    if (!x)
        return PX_ERR_NOMEM;
    x->ops = ops;
    x->ctx = ctx;
    x->n = n;
    x->peers = pxi_calloc(n, sizeof *x->peers);
    x->buf = pxi_calloc_aligned((size_t)PXI_UDP_READ * PXI_UDP_BATCH, 64);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    px_err err = x->peers && x->buf ? PX_ERR_OK : PX_ERR_NOMEM;
    if (!err) {
        memcpy(x->peers, peers, n * sizeof *peers);
        err = start(x, at);
    }
    if (!err) {
        *out = x;
        return err;
    }
    pxi_free(x->peers);
    pxi_free_aligned(x->buf);
    pxi_free(x);
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
    struct ip_mreq join = {0};
    if (inet_pton(AF_INET, group, &join.imr_multiaddr) != 1)
        return PX_ERR_INVALID;
    memcpy(&join.imr_interface, x->udp.local.ip, x->udp.any ? 0 : 4);
    return setsockopt(x->udp.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) == 0
               ? PX_ERR_OK
               : PX_ERR_IO;
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
    pxi_udp_close(&x->udp);
    close(x->wake);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    pxi_free(x->peers);
    pxi_free_aligned(x->buf);
    pxi_free(x);
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

struct pxi_udp_addr pxi_exchange_local(const struct pxi_exchange *x)
{
    return x->udp.local;
}
