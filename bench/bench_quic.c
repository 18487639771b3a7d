/*
 * QUIC over loopback between two processes: bytes a second each way, handshakes a second, the time
 * of a request on a warm connection and of the first one after a handshake.
 *
 *     bench_quic [MEGABYTES [HANDSHAKES [IP]]]
 *
 * On 127.0.0.1 datagrams are large; on another address of this machine they have the usual size.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "crypto/shake.h"
#include "io/loop.h"
#include "io/quic.h"
#include "net/host.h"

enum { REQUESTS = 2000, FIRSTS = 50 };
static const char *const perf[] = {"/perf/1.0.0"};

struct peer {
    struct pxi_loop *loop;
    struct pxi_host *host;
    struct pxi_key *key;
    struct pxi_cert *cert;
    struct pxi_shaker *shaker;
    struct pxi_quic_io *io;
};

static void open_peer(struct peer *p, uint8_t seed)
{
    uint8_t bytes[32] = {seed};
    p->key = pxi_key_from_seed(bytes);
    if (pxi_loop_open(&p->loop) ||
        pxi_cert_new(p->key, pxi_random_system(), pxi_clock_wall_s(), &p->cert))
        exit(1);
    struct pxi_host_options o = {.key = p->key,
                                 .timers = pxi_loop_timers(p->loop),
                                 .random = pxi_random_system(),
                                 .wall_s = pxi_clock_wall_s};
    p->host = pxi_host_new(&o);
    struct pxi_shaker_options so = {.cert = p->cert, .random = pxi_random_system()};
    if (pxi_shaker_new(&so, &p->shaker))
        exit(1);
    p->io = p->host ? pxi_quic_io_new(p->loop, p->host, p->shaker) : NULL;
    if (!p->io)
        exit(1);
}

/* ------------------------------------------------------------------ server */

static uint8_t zeros[65536];

struct serve {
    uint64_t want;
    unsigned head;
};

static void serve_more(struct pxi_stream *s)
{
    struct serve *v = s->user;
    while (v->want) {
        size_t n = v->want < sizeof zeros ? v->want : sizeof zeros;
        size_t w = pxi_stream_write(s, px_view_of(zeros, n));
        v->want -= w;
        if (w < n)
            return;
    }
    pxi_stream_end(s);
}

static size_t serve_data(struct pxi_stream *s, px_view b)
{
    struct serve *v = s->user;
    for (size_t i = 0; i < b.n && v->head < 8; i++, v->head++)
        v->want = v->want << 8 | b.p[i];
    return b.n;
}

static void serve_closed(struct pxi_stream *s, px_err why)
{
    free(s->user);
}

static const struct pxi_stream_events serve_on = {
    .data = serve_data, .ended = serve_more, .writable = serve_more, .closed = serve_closed};

static void accept_perf(void *ctx, struct pxi_stream *s)
{
    pxi_stream_own(s, &serve_on, calloc(1, sizeof(struct serve)));
}

static void server(int out, const char *ip)
{
    struct peer p = {0};
    char text[100];
    struct pxi_maddr at;
    open_peer(&p, 2);
    snprintf(text, sizeof text, "/ip4/%s/udp/0/quic-v1", ip);
    if (pxi_maddr_parse(px_view_str(text), &at, NULL) ||
        pxi_host_handle(p.host, perf[0], 0, accept_perf, NULL) ||
        pxi_quic_io_listen(p.io, pxi_maddr_view(&at), NULL))
        exit(1);
    px_view a = pxi_host_addr(p.host, 0);
    struct pxi_maddr m = {.n = (uint16_t)a.n};
    memcpy(m.b, a.p, a.n);
    if (write(out, &m, sizeof m) != sizeof m)
        exit(1);
    pxi_loop_run(p.loop);
}

/* ------------------------------------------------------------------ client */

struct job {
    struct pxi_stream *stream;
    uint64_t up, down, got;
    bool done, head_sent;
    px_err err;
};

static void job_more(struct pxi_stream *s)
{
    struct job *j = s->user;
    while (j->up) {
        size_t n = j->up < sizeof zeros ? j->up : sizeof zeros;
        size_t w = pxi_stream_write(s, px_view_of(zeros, n));
        j->up -= w;
        if (w < n)
            return;
    }
    pxi_stream_end(s);
}

static size_t job_data(struct pxi_stream *s, px_view b)
{
    ((struct job *)s->user)->got += b.n;
    return b.n;
}

static void job_ended(struct pxi_stream *s)
{
    ((struct job *)s->user)->done = true;
}

static void job_closed(struct pxi_stream *s, px_err why)
{
    struct job *j = s->user;
    if (!j)
        return;
    j->done = true;
    j->err = why;
}

static const struct pxi_stream_events job_on = {
    .data = job_data, .ended = job_ended, .writable = job_more, .closed = job_closed};

static double run_job(struct peer *p, struct pxi_conn *c, uint64_t up, uint64_t down)
{
    struct job j = {.up = up, .down = down};
    uint8_t head[8];
    uint64_t begin = pxi_clock_ns();
    for (int i = 0; i < 8; i++)
        head[i] = (uint8_t)(down >> (56 - 8 * i));
    struct pxi_stream *s = pxi_host_open(c, perf, 1, &job_on, &j);
    if (!s)
        exit(1);
    pxi_stream_write(s, px_view_of(head, sizeof head));
    job_more(s);
    while (!j.done)
        pxi_loop_once(p->loop);
    if (j.err || j.got != down) {
        printf("failed: %s, %llu of %llu\n", px_err_name(j.err), (unsigned long long)j.got,
               (unsigned long long)down);
        exit(1);
    }
    uint64_t took = pxi_clock_ns() - begin;
    s->user = NULL;
    return (double)took / 1e9;
}

struct dialled {
    struct pxi_reach r;
    struct pxi_conn *c;
    bool done;
};

static void on_reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    struct dialled *d = PXI_OF(r, struct dialled, r);
    d->c = c;
    d->done = true;
    if (!c)
        printf("no connection: %s\n", px_err_name(err));
}

static struct pxi_conn *connect_to(struct peer *p, px_view addr)
{
    struct dialled d = {.r = {.done = on_reached, .force_new = true}};
    pxi_reach_start(&d.r, p->host, &addr, 1);
    while (!d.done)
        pxi_loop_once(p->loop);
    if (!d.c)
        exit(1);
    return d.c;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
    return v[n / 2];
}

static void settle(struct peer *p, unsigned ms)
{
    uint64_t end = pxi_clock_ns() + ms * PXI_MS;
    while (pxi_clock_ns() < end) {
        uv_run(pxi_loop_uv(p->loop), UV_RUN_NOWAIT);
        usleep(500);
    }
}

/* Seconds of processor that this process and the server have used. */
static double cpu_of(pid_t pid)
{
    clockid_t id;
    struct timespec t = {0};
    if (clock_getcpuclockid(pid, &id) == 0)
        clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The wall clock tells little on a busy machine; what each side needs of a processor tells more. */
static void bulk(struct peer *p, struct pxi_conn *c, pid_t server_pid, uint64_t up, uint64_t down)
{
    double mb = (double)(up + down) / 1e6, near = cpu_of(0), far = cpu_of(server_pid);
    uint64_t before = pxi_mem_count();
    double took = run_job(p, c, up, down);
    printf("%-4s %5.0f MB/s; of a processor: client %5.0f MB/s, server %5.0f MB/s; "
           "%llu allocations here\n",
           up ? "up" : "down", mb / took, mb / (cpu_of(0) - near), mb / (cpu_of(server_pid) - far),
           (unsigned long long)(pxi_mem_count() - before));
}

static void measure(struct peer *p, px_view addr, uint64_t bytes, unsigned handshakes, pid_t pid)
{
    static double times[REQUESTS];
    struct pxi_conn *c = connect_to(p, addr);
    for (int i = 0; i < 3; i++) {
        bulk(p, c, pid, bytes, 0);
        bulk(p, c, pid, 0, bytes);
    }
    for (int i = 0; i < REQUESTS; i++)
        times[i] = run_job(p, c, 100, 32);
    printf("request and response, %d in turn: median %.3f ms\n", REQUESTS,
           median(times, REQUESTS) * 1e3);
    c->ops->close(c, PX_ERR_OK);
    settle(p, 20);
    for (int i = 0; i < FIRSTS; i++) {
        c = connect_to(p, addr);
        times[i] = run_job(p, c, 100, 32);
        c->ops->close(c, PX_ERR_OK);
        settle(p, 5);
    }
    double middle = median(times, FIRSTS);
    printf("first request after a handshake: median %.3f ms, worst of %d %.3f ms\n", middle * 1e3,
           FIRSTS, times[FIRSTS - 1] * 1e3);
    double took = 0;
    for (unsigned i = 0; i < handshakes; i++) {
        uint64_t begin = pxi_clock_ns();
        c = connect_to(p, addr);
        took += (double)(pxi_clock_ns() - begin) / 1e9;
        c->ops->close(c, PX_ERR_OK);
        pxi_loop_once(p->loop);
    }
    printf("handshakes in turn: %.0f a second\n", handshakes / took);
}

int main(int argc, char **argv)
{
    uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 400) * 1000000;
    unsigned handshakes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 300;
    int fd[2];
    struct pxi_maddr to;
    if (pipe(fd))
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        server(fd[1], argc > 3 ? argv[3] : "127.0.0.1");
    struct peer p = {0};
    open_peer(&p, 1);
    if (read(fd[0], &to, sizeof to) != sizeof to)
        return 1;
    measure(&p, pxi_maddr_view(&to), bytes, handshakes, pid);
    pxi_quic_io_free(p.io);
    pxi_host_free(p.host);
    pxi_loop_close(p.loop);
    pxi_shaker_free(p.shaker);
    pxi_cert_free(p.cert);
    pxi_key_free(p.key);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return 0;
}
