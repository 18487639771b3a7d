/*
 * What an upgraded connection costs: two hosts in one process and one thread, a link in memory, so
 * every byte is copied, sealed, moved, opened and handed over on the same core.
 *
 *     bench_wire [MEGABYTES]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "net_pair.h"

#define SINK "/sink/1.0.0"

struct source {
    uint64_t total, sent, got;
    size_t chunk;
    bool ended;
};

static uint8_t block[1 << 20];

static double seconds(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t sink_data(struct pxi_stream *s, px_view bytes)
{
    ((struct source *)s->user)->got += bytes.n;
    return bytes.n;
}

static void sink_ended(struct pxi_stream *s)
{
    ((struct source *)s->user)->ended = true;
    pxi_stream_end(s);
}

static const struct pxi_stream_events sink_events = {.data = sink_data, .ended = sink_ended};

static void sink_accept(void *ctx, struct pxi_stream *s)
{
    pxi_stream_own(s, &sink_events, ctx);
}

static void source_write(struct pxi_stream *s)
{
    struct source *c = s->user;
    while (c->sent < c->total) {
        size_t n = c->total - c->sent < c->chunk ? (size_t)(c->total - c->sent) : c->chunk;
        size_t took = pxi_stream_write(s, px_view_of(block, n));
        c->sent += took;
        if (took < n)
            return;
    }
    pxi_stream_end(s);
}

static const struct pxi_stream_events source_events = {.writable = source_write};

static void steps_until(const bool *flag)
{
    while (!*flag && pxi_timers_next(&net_timers) != PXI_NEVER)
        pxi_timers_run(&net_timers, pxi_timers_next(&net_timers));
}

static void bulk(const char *name, enum pxi_security security, uint64_t bytes, size_t chunk)
{
    static const char *const protocols[] = {SINK};
    struct node a, b;
    struct source c = {.total = bytes, .chunk = chunk};
    if (!node_open(&a, 1, security, PXI_SECURITY_NONE) ||
        !node_open(&b, 2, security, PXI_SECURITY_NONE) ||
        pxi_host_handle(b.host, SINK, 0, sink_accept, &c) != PX_ERR_OK ||
        !nodes_join(&a, &b, (struct pxi_memlink_options){0}))
        exit(1);
    net_run(PXI_MS);
    if (!a.conn || !b.conn)
        exit(1);
    struct pxi_stream *s = pxi_host_open(a.conn, protocols, 1, &source_events, &c);
    uint64_t allocated = pxi_mem_count();
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (s)
        source_write(s);
    steps_until(&c.ended);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%-6s writes of %7zu bytes: %6.0f MB/s of wall time, %6.0f MB/s of processor time, "
           "%llu allocations\n",
           name, chunk, (double)c.got / 1e6 / wall, (double)c.got / 1e6 / cpu,
           (unsigned long long)(pxi_mem_count() - allocated));
    node_close(&a);
    node_close(&b);
}

static void handshakes(const char *name, enum pxi_security security, unsigned count)
{
    struct node a, b;
    if (!node_open(&a, 1, security, PXI_SECURITY_NONE) ||
        !node_open(&b, 2, security, PXI_SECURITY_NONE))
        exit(1);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < count; i++) {
        if (!nodes_join(&a, &b, (struct pxi_memlink_options){0}))
            exit(1);
        net_run(PXI_MS);
        if (!a.conn || !b.conn)
            exit(1);
        a.conn->ops->close(a.conn, PX_ERR_OK);
        net_run(2 * PXI_SECOND);
    }
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%-6s %u connections: %.0f a second of processor time (both ends)\n", name, count,
           count / cpu);
    node_close(&a);
    node_close(&b);
}

int main(int argc, char **argv)
{
    uint64_t mb = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    handshakes("noise", PXI_SECURITY_NOISE, 1000);
    handshakes("tls", PXI_SECURITY_TLS, 1000);
    for (size_t chunk = 1 << 20; chunk >= 1024; chunk >>= 5) {
        bulk("noise", PXI_SECURITY_NOISE, mb * 1000000, chunk);
        bulk("tls", PXI_SECURITY_TLS, mb * 1000000, chunk);
    }
    return 0;
}
