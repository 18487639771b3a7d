/* Listening and dialling over TCP. */
#include "io/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "io/socket.h"
#include "io/tcp_impl.h"
#include "net/websocket.h"

enum { ACCEPTS = 64, BACKLOG = 1024 };
#define ACCEPT_REST (100 * PXI_MS)

struct listener {
    struct pxi_list place;
    struct pxi_tcp *tcp;
    uv_poll_t poll;
    struct pxi_endpoint at;
    struct pxi_timer rest; /* no descriptors: accept again when it is over */
    int fd;
    bool dead;
};

/* A connection on its way up: connecting, then upgrading. Also of accepted ones. */
struct attempt {
    struct pxi_list place; /* in tcp->dials */
    struct pxi_tcp *tcp;
    struct pxi_dial *dial; /* NULL: accepted */
    struct pxi_endpoint remote;
    struct pxi_upgrade *upgrade;
    uv_poll_t poll; /* of fd, while connecting; it closes fd */
    struct pxi_task failed;
    px_err err;
    int fd;
    bool polling, websocket;
};

/* --------------------------------------------------------------- upgrading */

/* The descriptor outlives its handle: the handle takes its number out of the loop when it closes,
 * which must not be the number of another socket by then. */
static void attempt_gone(uv_handle_t *h)
{
    struct attempt *a = PXI_OF(h, struct attempt, poll);
    close(a->fd);
    pxi_free(a);
}

static void attempt_free(struct attempt *a)
{
    pxi_list_remove(&a->place);
    pxi_loop_forget(&a->failed);
    if (a->polling) { /* the descriptor keeps its number until the handle has let go of it */
        uv_poll_stop(&a->poll);
        uv_close((uv_handle_t *)&a->poll, attempt_gone);
        return;
    }
    if (a->fd >= 0)
        close(a->fd);
    pxi_free(a);
}

/* The upgrade ended: tell the dial, or bring an accepted connection to the host. */
static void upgraded(void *ctx, struct pxi_conn *c, px_err err)
{
    struct attempt *a = ctx;
    struct pxi_dial *d = a->dial;
    struct pxi_host *h = a->tcp->upgrader->host;
    attempt_free(a);
    if (d) {
        d->transport_data = NULL;
        pxi_dial_done(d, c, err);
    } else if (c) {
        err = pxi_host_add_conn(h, c);
        if (err != PX_ERR_OK)
            c->ops->close(c, err);
    }
}

/* What a client says in the Host header: "192.0.2.1:4001", "[2001:db8::1]:4001". */
static const char *host_header(const struct pxi_endpoint *e, char *out, size_t cap)
{
    char ip[INET6_ADDRSTRLEN] = "";
    bool six = e->family == 6;
    inet_ntop(six ? AF_INET6 : AF_INET, e->ip, ip, sizeof ip);
    snprintf(out, cap, six ? "[%s]:%u" : "%s:%u", ip, e->port);
    return out;
}

static void deaf(struct pxi_link *l, px_err why) {}

/* The socket of an attempt is connected: websocket if asked for, then the upgrade. */
static void begin_upgrade(struct attempt *a, int fd)
{
    struct pxi_upgrade_options o = {
        .upgrader = a->tcp->upgrader,
        .outbound = a->dial && !a->dial->simultaneous_server,
        .done = upgraded,
        .ctx = a,
    };
    if (a->dial)
        o.peer = a->dial->peer;
    struct pxi_endpoint local = pxi_socket_local(fd);
    local.via = a->remote.via = a->websocket ? PXI_VIA_WS : PXI_VIA_TCP;
    o.local = pxi_endpoint_maddr(&local);
    o.remote = pxi_endpoint_maddr(&a->remote);
    struct pxi_socket *s = pxi_socket_new(a->tcp, fd);
    if (!s) {
        close(fd);
        upgraded(a, NULL, PX_ERR_NOMEM);
        return;
    }
    struct pxi_link *link = &s->link;
    if (a->websocket) {
        char host[INET6_ADDRSTRLEN + 16];
        struct pxi_websocket_options wo = {
            .timers = pxi_loop_timers(a->tcp->loop),
            .random = pxi_host_random(o.upgrader->host),
            .faults = pxi_host_faults(o.upgrader->host),
            .server = !o.outbound,
            .host = host_header(&a->remote, host, sizeof host),
        };
        link = pxi_websocket_new(&wo, link);
    }
    if (link)
        a->upgrade = pxi_upgrade_start(&o, link);
    if (a->upgrade) {
        pxi_socket_begin(s);
    } else {
        static const struct pxi_link_events nobody = {.lost = deaf};
        if (link)
            link->on = &nobody; /* a WebSocket goes when it hears that its socket went */
        pxi_socket_lost(s);
        upgraded(a, NULL, PX_ERR_NOMEM);
    }
}

/* --------------------------------------------------------------- accepting */

static void accept_one(struct listener *l, int fd)
{
    struct attempt *a = pxi_calloc(1, sizeof *a);
    if (!a) {
        close(fd);
        return;
    }
    a->tcp = l->tcp;
    a->fd = -1;
    a->remote = pxi_socket_remote(fd);
    a->websocket = l->at.via == PXI_VIA_WS;
    pxi_list_add(&l->tcp->dials, &a->place);
    begin_upgrade(a, fd);
}

static void on_accept(uv_poll_t *p, int status, int events);

static void rest_over(struct pxi_timer *t, uint64_t now_ns)
{
    uv_poll_start(&PXI_OF(t, struct listener, rest)->poll, UV_READABLE, on_accept);
}

/* The process has no descriptor left: the backlog waits a while, instead of waking us for ever. */
static void rest(struct listener *l)
{
    uv_poll_stop(&l->poll);
    pxi_timer_after(pxi_loop_timers(l->tcp->loop), &l->rest, ACCEPT_REST);
}

static void on_accept(uv_poll_t *p, int status, int events)
{
    struct listener *l = PXI_OF(p, struct listener, poll);
    pxi_loop_now(l->tcp->loop);
    for (int i = 0; i < ACCEPTS && !l->dead; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(l, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(l);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return; /* nothing more */
        }
    }
}

/* ---------------------------------------------------------------- listening */

static void announce(void *ctx, const struct pxi_endpoint *e)
{
    struct pxi_tcp *t = ctx;
    struct pxi_maddr a = pxi_endpoint_maddr(e);
    px_err err = pxi_host_addr_add(t->upgrader->host, pxi_maddr_view(&a), PXI_ADDR_LISTEN);
    (void)err;
}

static int bound_socket(const struct sockaddr_storage *sa, socklen_t len)
{
    int one = 1, fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (sa->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)sa, len)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Listen on a socket, which is closed on failure. */
static px_err listener_new(struct pxi_tcp *t, int fd, bool websocket)
{
    struct listener *l = pxi_calloc(1, sizeof *l);
    if (!l || uv_poll_init(pxi_loop_uv(t->loop), &l->poll, fd)) {
        pxi_free(l);
        close(fd);
        return PX_ERR_NOMEM;
    }
    l->tcp = t;
    l->fd = fd;
    l->at = pxi_socket_local(fd);
    l->at.via = websocket ? PXI_VIA_WS : PXI_VIA_TCP;
    l->rest.fire = rest_over;
    pxi_list_add(&t->listeners, &l->place);
    uv_poll_start(&l->poll, UV_READABLE, on_accept);
    pxi_endpoint_expand(&l->at, announce, t);
    return PX_ERR_OK;
}

/* SO_REUSEPORT, which dials need, would let two nodes listen at one port unnoticed: look first. */
static bool port_taken(const struct sockaddr_storage *sa, socklen_t len)
{
    int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (sa->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    bool taken = bind(fd, (const struct sockaddr *)sa, len) || listen(fd, 1);
    close(fd);
    return taken && errno == EADDRINUSE;
}

px_err pxi_tcp_listen(struct pxi_tcp *t, px_view maddr, px_diag *d)
{
    struct pxi_endpoint e;
    struct sockaddr_storage sa;
    px_err err = pxi_endpoint_of(maddr, &e);
    socklen_t len = err == PX_ERR_OK ? pxi_sockaddr_of(&e, &sa) : 0;
    pxi_diag_field(d, "listen");
    if (!len)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "/ip4 or /ip6 with /tcp", "another address");
    if (e.port && port_taken(&sa, len))
        return pxi_diag_set(d, PX_ERR_IO, 0, "a free port", "port %u is in use", e.port);
    int fd = bound_socket(&sa, len);
    if (fd < 0 || listen(fd, BACKLOG)) {
        err = pxi_diag_set(d, errno == EACCES ? PX_ERR_PERMISSION : PX_ERR_IO, 0,
                           "an address of this machine", "error %d of the system", errno);
        if (fd >= 0)
            close(fd);
        return err;
    }
    return listener_new(t, fd, e.via == PXI_VIA_WS);
}

px_err pxi_tcp_adopt(struct pxi_tcp *t, int fd)
{
    return listener_new(t, fd, false);
}

static void listener_gone(uv_handle_t *h)
{
    struct listener *l = PXI_OF(h, struct listener, poll);
    close(l->fd);
    pxi_free(l);
}

/* ------------------------------------------------------------------ dialling */

static void dial_failed(struct pxi_task *task)
{
    struct attempt *a = PXI_OF(task, struct attempt, failed);
    upgraded(a, NULL, a->err);
}

static void fail_soon(struct attempt *a, px_err err)
{
    a->err = err;
    pxi_loop_soon(a->tcp->loop, &a->failed);
}

static void on_connected(uv_poll_t *p, int status, int events)
{
    struct attempt *a = PXI_OF(p, struct attempt, poll);
    int error = 0;
    socklen_t n = sizeof error;
    pxi_loop_now(a->tcp->loop);
    uv_poll_stop(p);
    getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (status < 0 || error) {
        fail_soon(a, PX_ERR_UNREACHABLE);
        return;
    }
    /* The socket passes to a handle of its own while this one still holds a->fd: use a copy. */
    int fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        fail_soon(a, PX_ERR_IO);
    else
        begin_upgrade(a, fd);
}

/* A socket that leaves from the listening port when the target is beyond this machine, unless a
 * fresh port is wanted. */
static int dial_socket(struct pxi_tcp *t, const struct pxi_endpoint *e, bool fresh)
{
    bool beyond = !fresh && pxi_ip_kind_of(e) != PXI_IP_LOOPBACK;
    struct pxi_endpoint source = beyond ? pxi_socket_source(e) : *e;
    if (beyond)
        for (struct pxi_list *i = t->listeners.next; i != &t->listeners; i = i->next) {
            struct listener *l = PXI_OF(i, struct listener, place);
            struct sockaddr_storage sa;
            if (!pxi_endpoint_sends(&l->at, &source))
                continue;
            int fd = bound_socket(&sa, pxi_sockaddr_of(&l->at, &sa));
            if (fd >= 0)
                return fd;
        }
    int family = e->family == 6 ? AF_INET6 : AF_INET;
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int connect_socket(struct pxi_tcp *t, const struct pxi_endpoint *e, bool fresh)
{
    struct sockaddr_storage sa;
    socklen_t len = pxi_sockaddr_of(e, &sa);
    int fd = dial_socket(t, e, fresh);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS) {
        bool again = errno == EADDRNOTAVAIL || errno == EADDRINUSE; /* that pair is in use */
        close(fd);
        fd = again ? socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
        if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) && errno != EINPROGRESS) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

static bool can_dial(struct pxi_transport *t, const struct pxi_endpoint *e)
{
    return (e->via == PXI_VIA_TCP || e->via == PXI_VIA_WS) && e->family && !e->relayed && e->port;
}

static void dial(struct pxi_transport *transport, struct pxi_dial *d)
{
    struct pxi_tcp *t = PXI_OF(transport, struct pxi_tcp, transport);
    struct attempt *a = pxi_calloc(1, sizeof *a);
    if (!a)
        return; /* the dial times out */
    a->tcp = t;
    a->dial = d;
    a->failed.run = dial_failed;
    d->transport_data = a;
    pxi_list_add(&t->dials, &a->place);
    px_err err = pxi_endpoint_of(pxi_maddr_view(&d->addr), &a->remote);
    a->websocket = a->remote.via == PXI_VIA_WS;
    a->fd = err == PX_ERR_OK ? connect_socket(t, &a->remote, d->fresh_port) : -1;
    if (a->fd < 0 || uv_poll_init(pxi_loop_uv(t->loop), &a->poll, a->fd)) {
        fail_soon(a, PX_ERR_UNREACHABLE);
        return;
    }
    a->polling = true;
    uv_poll_start(&a->poll, UV_WRITABLE, on_connected);
}

static void cancel(struct pxi_transport *transport, struct pxi_dial *d)
{
    struct attempt *a = d->transport_data;
    if (!a)
        return;
    d->transport_data = NULL;
    if (a->upgrade)
        pxi_upgrade_cancel(a->upgrade);
    attempt_free(a);
}

struct pxi_tcp *pxi_tcp_new(struct pxi_loop *l, struct pxi_upgrader *u)
{
    struct pxi_tcp *t = pxi_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->transport =
        (struct pxi_transport){.name = "tcp", .can_dial = can_dial, .dial = dial, .cancel = cancel};
    t->loop = l;
    t->upgrader = u;
    pxi_list_init(&t->listeners);
    pxi_list_init(&t->dials);
    pxi_list_init(&t->sockets);
    pxi_host_transport(u->host, &t->transport);
    return t;
}

void pxi_tcp_free(struct pxi_tcp *t)
{
    if (!t)
        return;
    while (!pxi_list_empty(&t->listeners)) {
        struct listener *l = PXI_OF(t->listeners.next, struct listener, place);
        pxi_list_remove(&l->place);
        l->dead = true;
        pxi_timer_disarm(pxi_loop_timers(t->loop), &l->rest);
        uv_poll_stop(&l->poll);
        uv_close((uv_handle_t *)&l->poll, listener_gone);
    }
    while (!pxi_list_empty(&t->dials)) {
        struct attempt *a = PXI_OF(t->dials.next, struct attempt, place);
        if (a->upgrade)
            pxi_upgrade_cancel(a->upgrade);
        attempt_free(a);
    }
    while (!pxi_list_empty(&t->sockets))
        pxi_socket_lost(PXI_OF(t->sockets.next, struct pxi_socket, place));
    pxi_free(t);
}
