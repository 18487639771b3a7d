/* Local sockets of the control channel: the server, and the client that asks one thing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/lines.h"

struct pxi_lines_server {
    uv_poll_t poll;
    struct pxi_loop *loop;
    void (*accept)(void *ctx, int fd);
    void *ctx;
    int fd;
    char path[sizeof((struct sockaddr_un){0}).sun_path];
};

static bool address(const char *path, struct sockaddr_un *out)
{
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    size_t n = strlen(path);
    if (n >= sizeof out->sun_path)
        return false;
    memcpy(out->sun_path, path, n);
    return true;
}

static int connected(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void on_client(uv_poll_t *p, int status, int events)
{
    struct pxi_lines_server *s = PXI_OF(p, struct pxi_lines_server, poll);
    pxi_loop_now(s->loop);
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        s->accept(s->ctx, fd);
}

px_err pxi_lines_adopt(struct pxi_loop *l, int fd, void (*accept)(void *ctx, int fd), void *ctx,
                       struct pxi_lines_server **out)
{
    struct pxi_lines_server *s = pxi_calloc(1, sizeof *s);
    *out = s;
    if (!s || uv_poll_init(pxi_loop_uv(l), &s->poll, fd)) {
        pxi_free(s);
        close(fd);
        *out = NULL;
        return PX_ERR_IO;
    }
    s->loop = l;
    s->accept = accept;
    s->ctx = ctx;
    s->fd = fd;
    uv_poll_start(&s->poll, UV_READABLE, on_client);
    return PX_ERR_OK;
}

px_err pxi_lines_listen(struct pxi_loop *l, const char *path, void (*accept)(void *ctx, int fd),
                        void *ctx, struct pxi_lines_server **out)
{
    struct sockaddr_un a;
    *out = NULL;
    if (!address(path, &a))
        return PX_ERR_INVALID;
    int fd = connected(&a);
    if (fd >= 0) {
        close(fd);
        return PX_ERR_PERMISSION; /* a living node has it */
    }
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 16) == 0;
    umask(old);
    if (!ok) {
        if (fd >= 0)
            close(fd);
        return PX_ERR_IO;
    }
    px_err err = pxi_lines_adopt(l, fd, accept, ctx, out);
    if (err == PX_ERR_OK)
        memcpy((*out)->path, a.sun_path, sizeof a.sun_path);
    return err;
}

static void on_closed(uv_handle_t *h)
{
    struct pxi_lines_server *s = PXI_OF(h, struct pxi_lines_server, poll);
    close(s->fd);
    pxi_free(s);
}

void pxi_lines_server_close(struct pxi_lines_server *s)
{
    if (!s)
        return;
    if (s->path[0])
        unlink(s->path);
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

struct pxi_lines_client {
    int fd;
    struct pxi_buf in;
};

px_err pxi_lines_dial(const char *path, const char *line, struct pxi_lines_client **out)
{
    struct sockaddr_un a;
    *out = NULL;
    int fd = address(path, &a) ? connected(&a) : -1;
    if (fd < 0)
        return errno == EACCES ? PX_ERR_PERMISSION : PX_ERR_UNREACHABLE;
    struct pxi_lines_client *c = pxi_calloc(1, sizeof *c);
    if (c && send_all(fd, line, strlen(line)) && send_all(fd, "\n", 1)) {
        *c = (struct pxi_lines_client){.fd = fd, .in.max = 16 * (size_t)PXI_LINES_MAX};
        *out = c;
        return PX_ERR_OK;
    }
    close(fd);
    px_err err = c ? PX_ERR_RESET : PX_ERR_NOMEM;
    pxi_free(c);
    return err;
}

px_err pxi_lines_say(struct pxi_lines_client *c, const char *line)
{
    return send_all(c->fd, line, strlen(line)) && send_all(c->fd, "\n", 1) ? PX_ERR_OK
                                                                           : PX_ERR_RESET;
}

/* Take the first whole line out of what came; NULL: there is none. */
static px_err take_line(struct pxi_lines_client *c, char **line)
{
    const char *nl = c->in.n ? memchr(c->in.p, '\n', c->in.n) : NULL;
    if (!nl)
        return PX_ERR_TRUNCATED;
    size_t n = (size_t)(nl - (const char *)c->in.p);
    *line = pxi_strdup_view(px_view_of(c->in.p, n));
    c->in.n -= n + 1;
    memmove(c->in.p, nl + 1, c->in.n);
    return *line ? PX_ERR_OK : PX_ERR_NOMEM;
}

px_err pxi_lines_next(struct pxi_lines_client *c, uint64_t timeout_ms, char **line)
{
    char part[16384];
    uint64_t until_ns = pxi_clock_ns() + timeout_ms * PXI_MS;
    px_err err;
    *line = NULL;
    while ((err = take_line(c, line)) == PX_ERR_TRUNCATED) {
        uint64_t now = pxi_clock_ns();
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int ms = now < until_ns ? (int)((until_ns - now) / PXI_MS % 3600000 + 1) : 0;
        if (poll(&p, 1, ms) < 0)
            return PX_ERR_INTERRUPTED;
        if (!p.revents && !ms)
            return PX_ERR_TIMEOUT;
        if (!p.revents)
            continue;
        ssize_t n = recv(c->fd, part, sizeof part, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PX_ERR_RESET;
        if (!pxi_buf_add(&c->in, part, (size_t)n))
            return PX_ERR_LIMIT;
    }
    return err;
}

int pxi_lines_descriptor(const struct pxi_lines_client *c)
{
    return c->fd;
}

void pxi_lines_hangup(struct pxi_lines_client *c)
{
    if (!c)
        return;
    close(c->fd);
    pxi_buf_deinit(&c->in);
    pxi_free(c);
}

px_err pxi_lines_ask(const char *path, const char *line, uint64_t timeout_ms, char **reply)
{
    struct pxi_lines_client *c;
    *reply = NULL;
    px_err err = pxi_lines_dial(path, line, &c);
    if (err == PX_ERR_OK)
        err = pxi_lines_next(c, timeout_ms, reply);
    pxi_lines_hangup(c);
    return err;
}
