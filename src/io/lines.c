#include "io/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/queue.h"

struct pxi_lines {
    uv_poll_t poll;
    struct pxi_loop *loop;
    const struct pxi_lines_events *on;
    void *user;
    struct pxi_buf in;
    struct pxi_queue out;
    struct pxi_task pump; /* reads what cannot be polled: regular files */
    int rfd, wfd, events; /* what is polled for */
    bool owned, polled, closed, ended;
};

static void on_poll(uv_poll_t *p, int status, int events);

static void watch(struct pxi_lines *l)
{
    if (!l->polled || l->closed)
        return;
    int events = (l->ended ? 0 : UV_READABLE) | (l->out.n ? UV_WRITABLE : 0);
    if (events == l->events)
        return; /* starting again what runs takes two calls of the kernel */
    l->events = events;
    if (events)
        uv_poll_start(&l->poll, events, on_poll);
    else
        uv_poll_stop(&l->poll);
}

static void end(struct pxi_lines *l)
{
    if (l->ended || l->closed)
        return;
    l->ended = true;
    watch(l);
    if (l->on->ended)
        l->on->ended(l);
}

/* Give complete lines up, keep the rest. */
static void split(struct pxi_lines *l)
{
    size_t at = 0;
    while (!l->closed) {
        uint8_t *nl = memchr(l->in.p + at, '\n', l->in.n - at);
        if (!nl)
            break;
        *nl = 0;
        size_t n = (size_t)(nl - (l->in.p + at));
        l->on->line(l, (char *)l->in.p + at, n);
        at += n + 1;
    }
    if (l->closed)
        return;
    memmove(l->in.p, l->in.p + at, l->in.n - at);
    l->in.n -= at;
}

static void read_some(struct pxi_lines *l)
{
    uint8_t *buffer = pxi_loop_in(l->loop);
    ssize_t n = read(l->rfd, buffer, 65536);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && pxi_buf_add(&l->in, buffer, (size_t)n)) {
        split(l);
        return;
    }
    end(l);
}

static void write_some(struct pxi_lines *l)
{
    while (l->out.n) {
        px_view v = pxi_queue_peek(&l->out, 0);
        ssize_t n = write(l->wfd, v.p, v.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            pxi_queue_clear(&l->out);
            end(l);
            return;
        }
        pxi_queue_drop(&l->out, (size_t)n);
    }
    watch(l);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct pxi_lines *l = PXI_OF(p, struct pxi_lines, poll);
    pxi_loop_now(l->loop);
    if (status < 0)
        end(l);
    if ((events & UV_WRITABLE) && !l->closed)
        write_some(l);
    if ((events & UV_READABLE) && !l->closed && !l->ended)
        read_some(l);
}

static void run_pump(struct pxi_task *t)
{
    struct pxi_lines *l = PXI_OF(t, struct pxi_lines, pump);
    read_some(l);
    if (!l->closed && !l->ended)
        pxi_loop_soon(l->loop, t);
}

struct pxi_lines *pxi_lines_open(struct pxi_loop *loop, int in, int out, bool owned,
                                 const struct pxi_lines_events *on, void *user)
{
    struct pxi_lines *l = pxi_calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->loop = loop;
    l->on = on;
    l->user = user;
    l->rfd = in;
    l->wfd = out;
    l->owned = owned;
    l->in.max = PXI_LINES_MAX;
    l->out.max = 16 * PXI_LINES_MAX;
    l->pump.run = run_pump;
    l->polled = uv_poll_init(pxi_loop_uv(loop), &l->poll, in) == 0;
    if (l->polled)
        watch(l);
    else
        pxi_loop_soon(loop, &l->pump);
    return l;
}

void *pxi_lines_user(struct pxi_lines *l)
{
    return l->user;
}

void pxi_lines_set_user(struct pxi_lines *l, void *user)
{
    l->user = user;
}

void pxi_lines_send(struct pxi_lines *l, const char *text, size_t n)
{
    if (l->closed || l->out.n + n + 1 > l->out.max)
        return;
    pxi_queue_put(&l->out, text, n);
    pxi_queue_put(&l->out, "\n", 1);
    write_some(l);
}

static void on_closed(uv_handle_t *h)
{
    struct pxi_lines *l = PXI_OF(h, struct pxi_lines, poll);
    if (l->owned) {
        close(l->rfd);
        if (l->wfd != l->rfd)
            close(l->wfd);
    }
    pxi_free(l);
}

void pxi_lines_close(struct pxi_lines *l)
{
    if (!l || l->closed)
        return;
    l->closed = true;
    pxi_loop_forget(&l->pump);
    pxi_buf_deinit(&l->in);
    pxi_queue_clear(&l->out);
    if (l->polled) {
        uv_poll_stop(&l->poll);
        uv_close((uv_handle_t *)&l->poll, on_closed);
    } else {
        pxi_free(l);
    }
}
