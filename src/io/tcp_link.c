/* A TCP socket as a link: bytes read are pushed up at once, bytes to send are pulled when the event
 * in hand is over. An idle socket owns no buffer. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/tcp_impl.h"

enum { READS = 4, WRITES = 8 }; /* buffers a socket moves before others get their turn */
#define LINGER (2 * PXI_SECOND)

static void on_poll(uv_poll_t *p, int status, int events);

static void on_handle_closed(uv_handle_t *h)
{
    struct pxi_socket *s = PXI_OF(h, struct pxi_socket, poll);
    close(s->fd);
    pxi_free(s);
}

void pxi_socket_drop(struct pxi_socket *s)
{
    if (s->dead)
        return;
    s->dead = true;
    pxi_list_remove(&s->place);
    pxi_loop_forget(&s->flush);
    pxi_timer_disarm(pxi_loop_timers(s->tcp->loop), &s->linger);
    pxi_queue_clear(&s->unsent);
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_handle_closed);
}

static void lost(struct pxi_socket *s, px_err why)
{
    const struct pxi_link_events *on = s->closing ? NULL : s->link.on;
    s->closing = true;
    if (on)
        on->lost(&s->link, why);
    pxi_socket_drop(s);
}

void pxi_socket_lost(struct pxi_socket *s)
{
    lost(s, PX_ERR_RESET);
}

static void listen_for(struct pxi_socket *s)
{
    int events = (s->reading || s->closing ? UV_READABLE : 0) | (s->unsent.n ? UV_WRITABLE : 0);
    if (s->dead || events == s->events)
        return; /* starting again what runs takes two calls of the kernel */
    s->events = events;
    if (events)
        uv_poll_start(&s->poll, events, on_poll);
    else
        uv_poll_stop(&s->poll);
}

static void linger_over(struct pxi_timer *t, uint64_t now_ns)
{
    pxi_socket_drop(PXI_OF(t, struct pxi_socket, linger));
}

/* Send; what the kernel does not take is kept. false when the socket broke. */
static bool send_some(struct pxi_socket *s, const uint8_t *p, size_t n)
{
    while (n) {
        pxi_loop_counts(s->tcp->loop)->sends++;
        ssize_t sent = send(s->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            return pxi_queue_put(&s->unsent, p, n) == n;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool send_kept(struct pxi_socket *s)
{
    while (s->unsent.n) {
        px_view v = pxi_queue_peek(&s->unsent, 0);
        pxi_loop_counts(s->tcp->loop)->sends++;
        ssize_t sent = send(s->fd, v.p, v.n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        pxi_queue_drop(&s->unsent, (size_t)sent);
    }
    return true;
}

static void flush(struct pxi_socket *s)
{
    uint8_t *out = pxi_loop_out(s->tcp->loop);
    if (!send_kept(s)) {
        lost(s, PX_ERR_RESET);
        return;
    }
    for (int i = 0; i < WRITES && !s->unsent.n && !s->closing; i++) {
        size_t n = s->link.on->pull(&s->link, out, PXI_LOOP_BUFFER);
        if (s->dead)
            return;
        if (!n)
            break;
        if (!send_some(s, out, n)) {
            lost(s, PX_ERR_RESET);
            return;
        }
        if (i == WRITES - 1)
            pxi_loop_soon(s->tcp->loop, &s->flush);
    }
    if (s->closing && !s->unsent.n)
        shutdown(s->fd, SHUT_WR);
    listen_for(s);
}

static void run_flush(struct pxi_task *t)
{
    struct pxi_socket *s = PXI_OF(t, struct pxi_socket, flush);
    if (!s->dead)
        flush(s);
}

static void read_some(struct pxi_socket *s)
{
    uint8_t *in = pxi_loop_in(s->tcp->loop);
    for (int i = 0; i < READS && !s->dead && (s->reading || s->closing); i++) {
        pxi_loop_counts(s->tcp->loop)->receives++;
        ssize_t n = recv(s->fd, in, PXI_LOOP_BUFFER, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            lost(s, PX_ERR_RESET);
            return;
        }
        if (!s->closing)
            s->link.on->push(&s->link, in, (size_t)n);
        if (n < PXI_LOOP_BUFFER)
            return; /* the next read would only say EAGAIN */
    }
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct pxi_socket *s = PXI_OF(p, struct pxi_socket, poll);
    pxi_loop_now(s->tcp->loop);
    if (status < 0) {
        lost(s, PX_ERR_RESET);
        return;
    }
    if (events & UV_READABLE)
        read_some(s);
    if ((events & UV_WRITABLE) && !s->dead)
        flush(s);
}

/* --------------------------------------------------- what the upper side asks for */

static void op_wake(struct pxi_link *l)
{
    struct pxi_socket *s = PXI_OF(l, struct pxi_socket, link);
    if (!s->dead)
        pxi_loop_soon(s->tcp->loop, &s->flush);
}

static void op_close(struct pxi_link *l)
{
    struct pxi_socket *s = PXI_OF(l, struct pxi_socket, link);
    if (s->dead || s->closing)
        return;
    s->closing = true; /* send what was pulled, then read to the end, so that no reset eats it */
    pxi_timer_after(pxi_loop_timers(s->tcp->loop), &s->linger, LINGER);
    pxi_loop_soon(s->tcp->loop, &s->flush);
}

static void op_want(struct pxi_link *l, bool more)
{
    struct pxi_socket *s = PXI_OF(l, struct pxi_socket, link);
    s->reading = more;
    listen_for(s);
}

/* BBR spreads a burst over a third of a round trip when bursts are all that is sent. */
static void op_prompt(struct pxi_link *l)
{
    static const char *const unpaced[] = {"cubic", "reno"};
    struct pxi_socket *s = PXI_OF(l, struct pxi_socket, link);
    char now[16] = "";
    socklen_t n = sizeof now - 1;
    if (s->dead || getsockopt(s->fd, IPPROTO_TCP, TCP_CONGESTION, now, &n) != 0 ||
        strncmp(now, "bbr", 3) != 0)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (setsockopt(s->fd, IPPROTO_TCP, TCP_CONGESTION, unpaced[i],
                       (socklen_t)strlen(unpaced[i])) == 0)
            return;
}

static const struct pxi_link_ops ops = {op_wake, op_close, op_want, op_prompt};

struct pxi_socket *pxi_socket_new(struct pxi_tcp *t, int fd)
{
    struct pxi_socket *s = pxi_calloc(1, sizeof *s);
    int one = 1;
    if (!s)
        return NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->link.ops = &ops;
    s->tcp = t;
    s->fd = fd;
    s->unsent.max = PXI_LOOP_BUFFER;
    s->flush.run = run_flush;
    s->linger.fire = linger_over;
    if (uv_poll_init(pxi_loop_uv(t->loop), &s->poll, fd)) {
        pxi_free(s);
        return NULL;
    }
    pxi_list_add(&t->sockets, &s->place);
    return s;
}

void pxi_socket_begin(struct pxi_socket *s)
{
    s->reading = true;
    listen_for(s);
    pxi_loop_soon(s->tcp->loop, &s->flush);
}
