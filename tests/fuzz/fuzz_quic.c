/*
 * Datagrams into a QUIC endpoint. The first byte says whom they go to: a server that has never
 * heard of anybody (even), or one end of a live connection (odd), whose own packets the input may
 * cut, change, repeat and delay, so that bytes under valid keys arrive in odd ways too. Then
 * records: a command byte, and for datagrams a length of two bytes and the bytes.
 */
#include "quic_pair.h"

#include "net/ping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p;
    size_t n;
};

static int (*const unused)(int, char **) __attribute__((unused)) = px_test_main;
static struct sim sim;
static struct input *script;

static uint8_t byte(struct input *in)
{
    if (!in->n)
        return 0;
    in->n--;
    return *in->p++;
}

/* What happens to each datagram of a live pair: a byte of the input decides. */
static bool meddle(struct sim *s, struct sim_packet *p)
{
    uint8_t what = byte(script);
    switch (what & 7) {
    case 1: return false;
    case 2: p->bytes[byte(script) % p->n] ^= byte(script) | 1; return true;
    case 3: p->n = 1 + p->n * byte(script) / 256; return true;
    case 4: p->from.port ^= byte(script); return true;
    case 5: p->bytes[0] = byte(script); return true;
    default: return true;
    }
}

static void push(struct sim_host *h, struct input *in, bool large)
{
    uint8_t copy[2048] = {0};
    size_t n = byte(in);
    n |= (size_t)byte(in) << 8;
    n = n < in->n ? n : in->n;
    n = n < sizeof copy ? n : sizeof copy;
    memcpy(copy, in->p, n);
    in->p += n;
    in->n -= n;
    struct pxi_udp_in d = {copy, large && n < 1200 ? 1200 : n, 0, h->addr, sim.h[0].addr, 0};
    pxi_quic_push(h->q, &d);
}

static void pong(void *ctx, uint64_t rtt_ns, px_err err) {}

static void play(struct input *in, bool live)
{
    struct sim_reach r = {0};
    if (live) {
        sim.filter = meddle;
        sim_dial(&r, &sim.h[0], &sim.h[1], pxi_host_self(sim.h[1].host));
    }
    for (unsigned i = 0; i < 40 && in->n; i++) {
        uint8_t what = byte(in);
        if (what & 1)
            push(&sim.h[what >> 1 & 1], in, what & 4);
        else
            sim_run(&sim, (1ull << (what >> 3)) * 1000, NULL);
        struct pxi_conn *c = pxi_host_conn(sim.h[0].host, pxi_host_self(sim.h[1].host), false);
        struct pxi_ping *ping = live && c && (what & 2) ? pxi_ping_open(c, pong, NULL) : NULL;
        if (ping)
            pxi_ping_send(ping, PXI_SECOND);
    }
    sim.filter = NULL;
    sim_run(&sim, 60 * PXI_SECOND, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    if (!size)
        return 0;
    script = &in;
    uint8_t mode = byte(&in);
    sim_init(&sim, 1);
    sim_add(&sim, NULL);
    sim_add(&sim, NULL);
    pxi_ping_serve(sim.h[1].host);
    play(&in, mode & 1);
    sim_free(&sim);
    return 0;
}
