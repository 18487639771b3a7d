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

/* Read up to a newline, within the time. */
static px_err receive(int fd, uint64_t until_ns, struct pxi_buf *b)
{
    char part[16384];
    for (;;) {
        uint64_t now = pxi_clock_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= until_ns)
            return PX_ERR_TIMEOUT;
        if (poll(&p, 1, (int)((until_ns - now) / PXI_MS % 3600000 + 1)) <= 0)
            continue;
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return PX_ERR_RESET;
        const char *nl = memchr(part, '\n', (size_t)n);
        if (!pxi_buf_add(b, part, nl ? (size_t)(nl - part) : (size_t)n))
            return PX_ERR_LIMIT;
        if (nl)
            return pxi_buf_add(b, "", 1) ? PX_ERR_OK : PX_ERR_LIMIT;
    }
}

px_err pxi_lines_ask(const char *path, const char *line, uint64_t timeout_ms, char **reply)
{
    struct sockaddr_un a;
    struct pxi_buf b = {.max = 16 * PXI_LINES_MAX};
    *reply = NULL;
    int fd = address(path, &a) ? connected(&a) : -1;
    if (fd < 0)
        return errno == EACCES ? PX_ERR_PERMISSION : PX_ERR_UNREACHABLE;
    px_err err = PX_ERR_RESET;
    if (send_all(fd, line, strlen(line)) && send_all(fd, "\n", 1))
        err = receive(fd, pxi_clock_ns() + timeout_ms * PXI_MS, &b);
    close(fd);
    if (err != PX_ERR_OK)
        pxi_buf_deinit(&b);
    *reply = (char *)b.p;
    return err;
}
