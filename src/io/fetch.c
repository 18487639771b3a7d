/* Connections to a web server, and the thread that drives them. */
#include "io/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/secure.h"

enum { TIMEOUT_MS = 10000, READS = 16 };

struct line {
    struct pxi_range range;
    struct pxi_fetch_job *job;
    int fd;                 /* -1: none */
    struct pxi_secure *tls; /* of https */
    bool shaking;           /* its handshake is under way */
    short waits;            /* for these events of the socket, 0: those of the machine */
    bool connecting;        /* a name's addresses are tried one after the other */
    struct addrinfo *next;  /* the one after this */
};

struct pxi_fetch {
    struct pxi_range_file file;
    const struct pxi_fetch_ops *ops;
    void *ctx;
    struct line lines[PXI_FETCH_CONNECTIONS];
    struct addrinfo *addresses; /* of the target, when it had moved so often */
    unsigned moves;
    int wake;
    bool running;
    _Atomic bool stop;
    pthread_t thread;
};

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void hang_up(struct line *l)
{
    int fd = l->fd;
    pxi_secure_free(l->tls);
    l->tls = NULL;
    l->shaking = false;
    l->waits = 0;
    l->fd = -1; /* first: a fork in between leaks a number, it does not close that of others */
    if (fd >= 0)
        close(fd);
    l->connecting = false;
}

static void lost(struct line *l, px_err err, const char *why)
{
    hang_up(l);
    pxi_range_closed(&l->range, err, why, now());
}

/* ------------------------------------------------------------------ dialling */

/* The addresses of the target; false: it has none. */
static bool look_up(struct pxi_fetch *f, char *why, size_t cap)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];
    if (f->addresses && f->moves == f->file.moves)
        return true;
    if (f->addresses)
        freeaddrinfo(f->addresses);
    f->addresses = NULL;
    snprintf(port, sizeof port, "%u", f->file.target.port);
    int rc = getaddrinfo(f->file.target.host, port, &hint, &f->addresses);
    f->moves = f->file.moves;
    snprintf(why, cap, "%s", rc ? gai_strerror(rc) : "");
    return rc == 0;
}

/* Goes on with a handshake. */
static void shake(struct line *l)
{
    ssize_t rc = pxi_secure_shake(l->tls, &l->waits);
    if (rc == PXI_SECURE_WAIT)
        return;
    l->waits = 0;
    if (rc == 1) {
        l->shaking = false;
        pxi_range_opened(&l->range, now());
    } else if (rc == PXI_SECURE_STRANGER) {
        pxi_range_stranger(&l->range, PX_ERR_IDENTITY, "a certificate of the host",
                           pxi_secure_why(l->tls));
    } else {
        char why[96];
        snprintf(why, sizeof why, "%s", pxi_secure_why(l->tls));
        lost(l, PX_ERR_RESET, why);
    }
}

static void connected(struct line *l)
{
    int on = 1;
    const struct pxi_url *target = &l->range.file->target;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    l->connecting = false;
    if (!target->tls) {
        pxi_range_opened(&l->range, now());
        return;
    }
    l->tls = pxi_secure_new(l->fd, target->host);
    l->shaking = l->tls != NULL;
    if (l->tls)
        shake(l);
    else
        pxi_range_stranger(&l->range, PX_ERR_UNSUPPORTED, "http, or a build with libssl", "https");
}

/* Try addresses until one is being connected to; errno of the last, 0 when it goes on. */
static int try_next(struct line *l)
{
    int error = ECONNREFUSED;
    for (struct addrinfo *a = l->next; a; a = a->ai_next) {
        hang_up(l);
        l->next = a->ai_next;
        l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (l->fd >= 0 && connect(l->fd, a->ai_addr, a->ai_addrlen) == 0) {
            connected(l);
            return 0;
        }
        if (l->fd >= 0 && errno == EINPROGRESS) {
            l->connecting = true;
            return 0;
        }
        error = errno;
    }
    return error;
}

static void dial(struct pxi_fetch *f, struct line *l)
{
    char why[96];
    hang_up(l);
    if (!look_up(f, why, sizeof why)) {
        lost(l, PX_ERR_UNREACHABLE, why);
        return;
    }
    l->next = f->addresses;
    int error = try_next(l);
    if (error)
        lost(l, PX_ERR_UNREACHABLE, strerror(error));
}

/* A connection is there, or was refused. */
static void dialled(struct line *l)
{
    int error = 0;
    socklen_t n = sizeof error;
    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (!error) {
        connected(l);
        return;
    }
    int last = l->next ? try_next(l) : error;
    if (last)
        lost(l, PX_ERR_UNREACHABLE, strerror(last));
}

/* ------------------------------------------------------------------ bytes */

/* What a call of the system returned, in the words of io/secure.h. */
static ssize_t told(ssize_t rc)
{
    return rc >= 0 ? rc : errno == EAGAIN || errno == EINTR ? PXI_SECURE_WAIT : PXI_SECURE_FAILED;
}

static void send_some(struct line *l)
{
    px_view out = pxi_range_out(&l->range);
    char why[96] = "";
    ssize_t n = 0;
    l->waits = 0;
    if (out.n && l->tls)
        n = pxi_secure_write(l->tls, out.p, out.n, &l->waits);
    else if (out.n)
        n = told(send(l->fd, out.p, out.n, MSG_NOSIGNAL));
    if (n > 0)
        pxi_range_sent(&l->range, (size_t)n, now());
    else if (n != PXI_SECURE_WAIT) {
        snprintf(why, sizeof why, "%s", l->tls ? pxi_secure_why(l->tls) : strerror(errno));
        lost(l, PX_ERR_RESET, why);
    }
}

static void read_some(struct line *l)
{
    /* What TLS has decrypted does not show at the socket: it is read to its end. */
    for (unsigned i = 0; (l->tls || i < READS) && l->range.open; i++) {
        size_t room;
        uint8_t byte, *to = pxi_range_in(&l->range, &room);
        ssize_t n = l->tls ? pxi_secure_read(l->tls, to ? to : &byte, to ? room : 1, &l->waits)
                           : told(recv(l->fd, to ? to : &byte, to ? room : 1, 0));
        if (n == PXI_SECURE_WAIT)
            return;
        l->waits = 0;
        if (n <= 0 || !to) { /* the end; or bytes that nobody asked for */
            lost(l, PX_ERR_RESET, n < 0 && !l->tls ? strerror(errno) : "the end of the connection");
            return;
        }
        pxi_range_got(&l->range, (size_t)n, now());
        if (l->range.state == PXI_RANGE_DONE)
            return;
    }
}

static void ready(struct line *l)
{
    if (l->connecting)
        dialled(l);
    else if (l->shaking)
        shake(l);
    else if (l->range.state == PXI_RANGE_ASK)
        send_some(l);
    else
        read_some(l);
}

/* ------------------------------------------------------------------ the thread */

/* Takes lines on: over jobs are told of, idle lines get new ones, those that must dial do. */
static void settle(struct pxi_fetch *f, struct line *l)
{
    for (;;) {
        if (l->range.state == PXI_RANGE_DIAL && l->fd >= 0 && !l->connecting && !l->shaking)
            hang_up(l);
        if (!l->range.open && l->range.state != PXI_RANGE_DIAL)
            hang_up(l);
        if (l->range.state == PXI_RANGE_DIAL && l->fd < 0)
            dial(f, l);
        if (l->range.state != PXI_RANGE_DONE && l->range.state != PXI_RANGE_IDLE)
            return;
        if (l->job) {
            l->job->err = l->range.err;
            l->job->diag = l->range.diag;
            l->job->got = l->range.got;
            f->ops->done(f->ctx, l->job, &f->file);
        }
        l->job = f->ops->next(f->ctx);
        if (!l->job)
            return;
        pxi_range_begin(&l->range, l->job->at, l->job->n, l->job->to, now());
    }
}

static int wait_ms(const struct pxi_fetch *f)
{
    uint64_t first = UINT64_MAX, at = now();
    for (unsigned i = 0; i < PXI_FETCH_CONNECTIONS; i++) {
        const struct pxi_range *r = &f->lines[i].range;
        if (r->state != PXI_RANGE_IDLE && r->state != PXI_RANGE_DONE && r->deadline_ns < first)
            first = r->deadline_ns;
        if ((r->state == PXI_RANGE_HEAD_ || r->state == PXI_RANGE_BODY) && r->limit_ns < first)
            first = r->limit_ns;
    }
    if (first == UINT64_MAX)
        return -1;
    return first > at ? (int)((first - at) / 1000000) + 1 : 0;
}

static short wanted(const struct line *l)
{
    if (l->waits)
        return l->waits;
    return l->connecting || l->range.state == PXI_RANGE_ASK ? POLLOUT : POLLIN;
}

static void *drive(void *arg)
{
    struct pxi_fetch *f = arg;
    struct pollfd p[PXI_FETCH_CONNECTIONS + 1];
    while (!atomic_load(&f->stop)) {
        /* Those that are connected first: fewer connections do the same. */
        for (unsigned pass = 0; pass < 2; pass++)
            for (unsigned i = 0; i < PXI_FETCH_CONNECTIONS; i++)
                if ((f->lines[i].fd >= 0) == (pass == 0))
                    settle(f, &f->lines[i]);
        p[0] = (struct pollfd){.fd = f->wake, .events = POLLIN};
        for (unsigned i = 0; i < PXI_FETCH_CONNECTIONS; i++)
            p[i + 1] = (struct pollfd){.fd = f->lines[i].fd, .events = wanted(&f->lines[i])};
        if (poll(p, PXI_FETCH_CONNECTIONS + 1, wait_ms(f)) < 0)
            continue;
        uint64_t count;
        if (p[0].revents && read(f->wake, &count, sizeof count) < 0)
            continue;
        for (unsigned i = 0; i < PXI_FETCH_CONNECTIONS; i++) {
            struct line *l = &f->lines[i];
            if (p[i + 1].revents && l->fd >= 0)
                ready(l);
            pxi_range_tick(&l->range, now());
        }
    }
    return NULL;
}

/* A thread without signals: those are the program's. */
static px_err start(struct pxi_fetch *f)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    f->running = pthread_create(&f->thread, NULL, drive, f) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return f->running ? PX_ERR_OK : PX_ERR_IO;
}

static void reset_lines(struct pxi_fetch *f)
{
    for (unsigned i = 0; i < PXI_FETCH_CONNECTIONS; i++) {
        pxi_range_init(&f->lines[i].range, &f->file);
        f->lines[i].fd = -1;
        f->lines[i].job = NULL;
        f->lines[i].connecting = false;
    }
}

px_err pxi_fetch_open(const struct pxi_url *url, uint32_t timeout_ms,
                      const struct pxi_fetch_ops *ops, void *ctx, struct pxi_fetch **out)
{
    *out = NULL;
    struct pxi_fetch *f = pxi_calloc(1, sizeof *f);
    if (!f)
        return PX_ERR_NOMEM;
    f->file.origin = f->file.target = *url;
    f->file.timeout_ns = (timeout_ms ? timeout_ms : TIMEOUT_MS) * 1000000ull;
    f->ops = ops;
    f->ctx = ctx;
    reset_lines(f);
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (f->wake < 0) {
        pxi_free(f);
        return PX_ERR_IO;
    }
    *out = f;
    return PX_ERR_OK;
}

const struct pxi_range_file *pxi_fetch_file(const struct pxi_fetch *f)
{
    return &f->file;
}

px_err pxi_fetch_wake(struct pxi_fetch *f)
{
    uint64_t one = 1;
    px_err err = f->running ? PX_ERR_OK : start(f);
    if (!err && write(f->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        err = PX_ERR_IO;
    return err;
}

void pxi_fetch_forked(struct pxi_fetch *f)
{
    for (unsigned i = 0; i < PXI_FETCH_CONNECTIONS; i++) {
        f->lines[i].tls = NULL; /* half changed, perhaps: left to the parent */
        hang_up(&f->lines[i]);
    }
    reset_lines(f);
    close(f->wake);
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    f->addresses = NULL; /* half looked up, perhaps: left to the parent */
    f->file.target = f->file.origin;
    f->file.moves++;
    f->running = false;
}

void pxi_fetch_close(struct pxi_fetch *f)
{
    if (!f)
        return;
    atomic_store(&f->stop, true);
    if (f->running && pxi_fetch_wake(f) == PX_ERR_OK)
        pthread_join(f->thread, NULL);
    for (unsigned i = 0; i < PXI_FETCH_CONNECTIONS; i++)
        hang_up(&f->lines[i]);
    if (f->addresses)
        freeaddrinfo(f->addresses);
    close(f->wake);
    pxi_free(f);
}
