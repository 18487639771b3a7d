/* A load of requests over kept connections, one in flight on each; and the bare server that sets
 * the mark. */
#include "bench_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef PXI_NET
#include <uv.h>
#endif

#include "cli.h"

enum { CONNS = 256, TIMES = 1 << 20 };

int http_connect(uint16_t port, int small)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, size = 4096;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && small)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

struct load {
    int epoll, fd[CONNS];
    double sent[CONNS];
    const char *request;
    size_t length, replies;
    float *times; /* seconds of each reply */
};

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static int ask(struct load *l, unsigned i)
{
    l->sent[i] = now_s();
    return send(l->fd[i], l->request, l->length, MSG_NOSIGNAL) == (ssize_t)l->length;
}

/* Replies are small and come whole. */
static int hear(struct load *l, unsigned i)
{
    char in[4096];
    if (recv(l->fd[i], in, sizeof in, 0) <= 0)
        return 0;
    if (l->replies < TIMES)
        l->times[l->replies] = (float)(now_s() - l->sent[i]);
    l->replies++;
    return ask(l, i);
}

static int run(struct load *l, unsigned conns, double seconds)
{
    struct epoll_event ev[64];
    double end = now_s() + seconds;
    for (unsigned i = 0; i < conns; i++) {
        struct epoll_event one = {.events = EPOLLIN, .data.u32 = i};
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->fd[i], &one) != 0 || !ask(l, i))
            return 0;
    }
    while (now_s() < end) {
        int n = epoll_wait(l->epoll, ev, 64, 1000);
        if (n <= 0)
            return 0;
        for (int k = 0; k < n; k++)
            if (!hear(l, ev[k].data.u32))
                return 0;
    }
    return 1;
}

double load_http(uint16_t port, const char *request, unsigned conns, double seconds, double *p99_ms)
{
    static struct load l;
    int ok = 1;
    l = (struct load){.epoll = epoll_create1(EPOLL_CLOEXEC), .request = request};
    l.length = strlen(request);
    l.times = must(malloc(TIMES * sizeof *l.times));
    for (unsigned i = 0; i < conns; i++)
        ok &= (l.fd[i] = http_connect(port, 0)) >= 0;
    double start = now_s();
    ok = ok && run(&l, conns, seconds);
    double took = now_s() - start;
    for (unsigned i = 0; i < conns; i++)
        close(l.fd[i]);
    close(l.epoll);
    size_t n = l.replies < TIMES ? l.replies : TIMES;
    qsort(l.times, n, sizeof *l.times, by_value);
    *p99_ms = n ? (double)l.times[n * 99 / 100] * 1e3 : 0;
    free(l.times);
    return ok ? (double)l.replies / took : 0;
}

/* ------------------------------------------------------------------------- the floor */

#ifdef PXI_NET
static char reply[] = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n"
                      "connection: keep-alive\r\n\r\n{\"status\":\"ok\"}";

static void give_buffer(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    static char in[65536];
    (void)h;
    (void)n;
    *b = uv_buf_init(in, sizeof in);
}

static void drop(uv_handle_t *h)
{
    free(h);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    uv_buf_t out = uv_buf_init(reply, sizeof reply - 1);
    (void)b;
    if (n < 0 || (n > 0 && uv_try_write(s, &out, 1) != (int)out.len))
        uv_close((uv_handle_t *)s, drop);
}

static void on_client(uv_stream_t *server, int status)
{
    uv_tcp_t *c = must(calloc(1, sizeof *c));
    (void)status;
    uv_tcp_init(server->loop, c);
    if (uv_accept(server, (uv_stream_t *)c) == 0) {
        uv_tcp_nodelay(c, 1);
        uv_read_start((uv_stream_t *)c, give_buffer, on_read);
    } else
        uv_close((uv_handle_t *)c, drop);
}

void floor_serve(int out)
{
    static uv_loop_t loop;
    static uv_tcp_t server;
    struct sockaddr_in a = {.sin_family = AF_INET};
    int n = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    uv_loop_init(&loop);
    uv_tcp_init(&loop, &server);
    uv_tcp_bind(&server, (struct sockaddr *)&a, 0);
    uv_listen((uv_stream_t *)&server, 512, on_client);
    uv_tcp_getsockname(&server, (struct sockaddr *)&a, &n);
    uint16_t port = ntohs(a.sin_port);
    if (write(out, &port, sizeof port) == sizeof port)
        uv_run(&loop, UV_RUN_DEFAULT);
}
#else
void floor_serve(int out)
{
    (void)out;
}
#endif
