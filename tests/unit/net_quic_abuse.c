/*
 * A QUIC peer that made an honest handshake and then keeps no rule: it acknowledges nothing, or
 * what was never sent, and asks for answers without end. What waits for it stays bounded, and
 * others are served.
 */
#include "quic_forge.h"

#include <malloc.h>

#include "base/limits.h"
#include "net/ping.h"

enum { SMALL = 256 << 10 }; /* what any flood may leave */

static struct sim sim;
static struct pxi_conn *victim; /* the connection to the attacker */
static unsigned closed;
static px_err why;

static void on_gone(struct pxi_watch *w, struct pxi_conn *c)
{
    if (c == victim) {
        closed++;
        victim = NULL;
    }
}
static struct pxi_watch watch;

/* ----------------------------------------------- a server that writes without end */

static uint64_t written;
static void give(struct pxi_stream *s)
{
    static const uint8_t block[16384];
    size_t n;
    while ((n = pxi_stream_write(s, px_view_of(block, sizeof block))))
        written += n;
}
static void give_over(struct pxi_stream *s, px_err e)
{
    why = e;
}
static void give_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events on = {.writable = give, .closed = give_over};
    pxi_stream_own(s, &on, NULL);
    give(s);
}

static size_t heap(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* Hosts 0 (the attacker's), 1 (the victim) and 2 (honest, connected to 1). */
static size_t begin(void)
{
    static const char *const gifts[] = {"/test/gifts/1"};
    static const struct pxi_stream_events quiet = {0};
    sim_init(&sim, px_seed);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(pxi_ping_serve(sim_add(&sim, NULL)->host), PX_ERR_OK);
    forge_watch(&sim);
    written = closed = 0;
    CHECK_EQ(pxi_host_handle(sim.h[1].host, gifts[0], 0, give_accept, NULL), PX_ERR_OK);
    sim_connect(&sim, &sim.h[2], &sim.h[1]);
    struct pxi_conn *c = sim_connect(&sim, &sim.h[0], &sim.h[1]);
    CHECK(pxi_host_open(c, gifts, 1, &quiet, NULL));
    sim_run(&sim, 2 * PXI_MS, NULL);
    victim = pxi_host_conn(sim.h[1].host, pxi_host_self(sim.h[0].host), false);
    CHECK(victim);
    watch = (struct pxi_watch){.disconnected = on_gone};
    pxi_host_watch(sim.h[1].host, &watch);
    forge_take();
    sim_run(&sim, PXI_MS, NULL);
    return heap();
}

static void pong(void *ctx, uint64_t rtt_ns, px_err err)
{
    *(bool *)ctx = err == PX_ERR_OK;
}

static void others_are_served(void)
{
    bool done = false;
    struct pxi_conn *c = pxi_host_conn(sim.h[2].host, pxi_host_self(sim.h[1].host), false);
    CHECK(c);
    struct pxi_ping *p = pxi_ping_open(c, pong, &done);
    CHECK(p);
    pxi_ping_send(p, PXI_SECOND);
    CHECK(sim_run(&sim, PXI_SECOND, &done));
    pxi_ping_close(p);
}

static void finish(void)
{
    pxi_host_unwatch(&watch);
    sim_free(&sim);
    forge_end();
}

static uint64_t faults(void)
{
    return pxi_host_faults(sim.h[1].host)->n[PXI_FAULT_QUIC];
}

/* ------------------------------------------------------------------- cases */

/* A peer that is there, by its pings, and acknowledges nothing of what it asked for. */
TEST(withheld_acknowledgements_end_the_connection)
{
    size_t before = begin();
    size_t most = 0;
    unsigned s = 0;
    uint64_t sent = sim.h[1].sent_bytes;
    for (; s < 120 && victim; s++) {
        FORGE_FRAME(0x10, 1ull << 40); /* MAX_DATA, so that no window is in the way */
        FORGE_FRAME(0x11, 0, 1ull << 40);
        forge_byte(0x01); /* PING */
        forge_send();
        sim_run(&sim, PXI_SECOND, NULL);
        most = heap() > most ? heap() : most;
    }
    printf("# ended after %u s with %s; %llu bytes written, %llu sent, heap grew by %zd\n", s,
           px_err_name(why), (unsigned long long)written,
           (unsigned long long)(sim.h[1].sent_bytes - sent), (ssize_t)(most - before));
    CHECK(written <= PXI_LIMIT_NET_STREAM_QUEUE);
    CHECK((ssize_t)(most - before) <= PXI_LIMIT_NET_STREAM_QUEUE + SMALL);
    CHECK_EQ(closed, 1);
    CHECK_EQ(why, PX_ERR_TIMEOUT);
    CHECK(s > 20 && s <= 60);
    CHECK(sim.h[1].sent_bytes - sent <= 200000);
    others_are_served();
    finish();
}

/* An acknowledgement of the first packet number that was not sent yet, and of a far one. */
TEST(acknowledging_what_was_never_sent_ends_the_connection)
{
    for (unsigned far = 0; far < 2; far++) {
        begin();
        CHECK_EQ(faults(), 0);
        FORGE_FRAME(0x02, far ? 1ull << 40 : sim.h[1].sent, 0, 0, 0); /* no packet has it */
        forge_send();
        sim_run(&sim, 10 * PXI_MS, NULL);
        CHECK_EQ(closed, 1);
        CHECK_EQ(why, PX_ERR_PROTOCOL);
        CHECK_EQ(faults(), 1);
        others_are_served();
        finish();
    }
}

/* One kind of frame, as many as fit, in packet after packet; nothing is acknowledged. */
static void flood(const char *what, void (*frame)(uint64_t i), size_t size, unsigned packets,
                  size_t bound)
{
    size_t before = begin(), most = 0;
    uint64_t i = 0, sent = sim.h[1].sent_bytes;
    for (unsigned p = 0; p < packets && victim; p++) {
        while (forge.n + size <= FORGE_ROOM)
            frame(i++);
        forge_send();
        if (!victim)
            break; /* and what it held is gone */
        most = heap() > most ? heap() : most;
        if (p % 20 == 0)
            sim_run(&sim, PXI_MS, NULL);
    }
    printf("# %s: %llu frames, heap grew by %zd at most, %llu bytes sent, %s\n", what,
           (unsigned long long)i, (ssize_t)(most - before),
           (unsigned long long)(sim.h[1].sent_bytes - sent), victim ? "up" : px_err_name(why));
    CHECK((ssize_t)(most - before) <= (ssize_t)bound);
    CHECK(victim || why == PX_ERR_PROTOCOL);
    others_are_served();
    finish();
}

static void path_challenge(uint64_t i)
{
    forge_byte(0x1a);
    forge_bytes(&i, 8);
}

TEST(path_challenges)
{
    flood("PATH_CHALLENGE", path_challenge, 9, 5000, SMALL);
}

static void new_cid(uint64_t i)
{
    uint8_t token[16] = {0};
    memcpy(token, &i, 8);
    i += 100;                /* the honest client named some of its own */
    FORGE_FRAME(0x18, i, i); /* retires all that came before */
    forge_byte(8);
    forge_bytes(&i, 8);
    forge_bytes(token, sizeof token);
}

TEST(new_connection_ids_that_retire_each_other)
{
    flood("NEW_CONNECTION_ID", new_cid, 1 + 8 + 8 + 1 + 8 + 16, 5000, SMALL);
}

/* Each of ours, as soon as it was told: new ones are told only while packets may be sent. */
TEST(retired_connection_ids)
{
    size_t before = begin(), most = 0;
    unsigned i = 0;
    while (i < 10000 && victim) {
        FORGE_FRAME(0x19, ++i); /* all but the first, which is in use */
        forge_send();
        sim_run(&sim, PXI_MS, NULL);
        most = victim && heap() > most ? heap() : most;
    }
    printf("# %u retired, heap grew by %zd at most\n", i, (ssize_t)(most - before));
    CHECK((ssize_t)(most - before) <= SMALL);
    CHECK(victim || why == PX_ERR_PROTOCOL);
    others_are_served();
    finish();
}

static void crypto(uint64_t i)
{
    FORGE_FRAME(0x06, 4096 + 2 * i, 1);
    forge_byte(0);
}

TEST(handshake_bytes_with_gaps)
{
    flood("CRYPTO", crypto, 12, 1000, SMALL);
}

static void reset_stream(uint64_t i)
{
    FORGE_FRAME(0x04, 4 * (i + 1), 7, 0);
}

TEST(streams_that_are_reset_at_once)
{
    flood("RESET_STREAM", reset_stream, 11, 1000, 2 << 20);
}

static void stop_sending(uint64_t i)
{
    FORGE_FRAME(0x05, 4 * (i % PXI_LIMIT_QUIC_STREAMS), 7);
}

TEST(streams_that_are_stopped)
{
    flood("STOP_SENDING", stop_sending, 10, 1000, 2 << 20);
}

/* Every second byte of a stream: a hole each. */
static void stream_gap(uint64_t i)
{
    FORGE_FRAME(0x0e, 4, 100 + 2 * i, 1);
    forge_byte(0);
}

TEST(streams_full_of_holes)
{
    flood("STREAM", stream_gap, 1 + 1 + 4 + 1 + 1, 20000, 16 << 20);
}

/* A byte here and there, as far as the windows reach: no more is held than they allow, and what the
 * streams themselves need. */
static void stream_far(uint64_t i)
{
    FORGE_FRAME(0x0e, 4 * (1 + i % 300), 8192 * (1 + i / 300), 1);
    forge_byte(0);
}

TEST(streams_of_far_bytes)
{
    flood("far STREAM", stream_far, 1 + 2 + 4 + 1 + 1, 20000, PXI_LIMIT_QUIC_WINDOW + (8 << 20));
}

/* A peer that stops reading what has no end: the writer is told, and does not write for ever. */
TEST(stopped_reading_ends_a_writer_without_end)
{
    begin();
    why = PX_ERR_OK;
    FORGE_FRAME(0x05, 0, 7);
    forge_send();
    sim_run(&sim, 100 * PXI_MS, NULL);
    CHECK_EQ(why, PX_ERR_RESET);
    CHECK(victim);
    CHECK(written <= 3 * PXI_LIMIT_NET_STREAM_QUEUE);
    others_are_served();
    finish();
}

TEST_MAIN()
