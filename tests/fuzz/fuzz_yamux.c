/*
 * Frames into a live session whose streams have owners of moods: they take, keep, write, end and
 * reset as the input says, and the remote reads or does not. The first byte is the seed of moods.
 */
#include "base/limits.h"
#include "base/rng.h"
#include "net/limits.h"
#include "net/yamux_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static struct pxi_rng mood;
static struct pxi_timers timers;
static bool over;

static void wake(void *below)
{
    (void)below;
}

static void session_over(void *below)
{
    (void)below;
    over = true;
}

static const struct pxi_yamux_below below = {wake, session_over};

static void open_one(struct pxi_conn *c);

static void act(struct pxi_stream *s)
{
    static const uint8_t block[5000];
    switch (pxi_rng_below(&mood, 10)) {
    case 0: pxi_stream_reset(s); break;
    case 1: pxi_stream_end(s); break;
    case 2: pxi_stream_resume(s); break;
    case 3: open_one(s->conn); break;
    case 4:
        if (pxi_rng_below(&mood, 30) == 0)
            s->conn->ops->close(s->conn, PX_ERR_OK);
        break;
    case 5: pxi_stream_lend(s, px_view_of(block, pxi_rng_below(&mood, sizeof block))); break;
    case 6: pxi_stream_recall(s); break;
    default: pxi_stream_write(s, px_view_of(block, pxi_rng_below(&mood, sizeof block))); break;
    }
}

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    size_t n = pxi_rng_below(&mood, 2) ? bytes.n : (size_t)pxi_rng_below(&mood, bytes.n + 1);
    act(s);
    return n;
}

static const struct pxi_stream_events events = {act, on_data, act, act, NULL};

static void open_one(struct pxi_conn *c)
{
    struct pxi_stream *s = c->ops->open(c);
    if (s)
        pxi_stream_own(s, &events, NULL);
}

/* In place of those of net/conn.c: every stream belongs to the owner of moods at once. */
void pxi_conn_init(struct pxi_conn *c, const struct pxi_conn_ops *ops, bool outbound)
{
    c->ops = ops;
    c->outbound = outbound;
    pxi_list_init(&c->streams);
}

void pxi_conn_on_stream(struct pxi_conn *c, struct pxi_stream *s)
{
    (void)c;
    if (pxi_rng_below(&mood, 10) == 0)
        pxi_stream_reset(s);
    else
        pxi_stream_own(s, &events, NULL);
}

void pxi_conn_on_closed(struct pxi_conn *c, px_err why)
{
    (void)why;
    MUST(pxi_list_empty(&c->streams) && c->stream_count == 0);
}

static void drain(struct pxi_yamux *y)
{
    static uint8_t out[65536 + 1024];
    for (unsigned i = 0; i < 20; i++) {
        size_t cap = 1024 + (size_t)pxi_rng_below(&mood, sizeof out - 1024), n;
        struct pxi_gaps gaps = {0};
        n = pxi_yamux_fill(y, out, cap, pxi_rng_below(&mood, 2) ? &gaps : NULL);
        MUST(n <= cap && gaps.n <= PXI_GAPS);
        for (unsigned k = 0; k < gaps.n; k++)
            MUST(gaps.of[k].to >= out && gaps.of[k].to + gaps.of[k].from.n <= out + n);
        if (!n)
            return;
    }
}

static void check(const struct pxi_yamux *y)
{
    MUST(y->held <= PXI_LIMIT_NET_STREAMS_PEER && y->streams <= y->held);
    MUST(y->kept_bytes <= PXI_LIMIT_YAMUX_KEPT && y->out_bytes <= PXI_LIMIT_YAMUX_QUEUED);
    MUST(y->ctrl.n <= y->ctrl.max && y->unacked_in <= PXI_LIMIT_YAMUX_BACKLOG);
    if (!y->streams)
        MUST(!y->kept_bytes && !y->out_bytes && !y->grown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct pxi_random random = pxi_random_seeded(7);
    struct pxi_faults faults = {0};
    struct pxi_yamux_options o = {&below, NULL, &timers, &random, &faults, data[1] & 1};
    bool reads = data[1] & 2;
    mood.state = data[0];
    over = false;
    struct pxi_yamux *y = pxi_yamux_new(&o);
    MUST(y != NULL);
    if (data[1] & 4)
        open_one(pxi_yamux_conn(y));
    for (size_t at = 2; at < size && !over;) {
        size_t n = 1 + (size_t)pxi_rng_below(&mood, pxi_rng_below(&mood, 4) ? 40 : 4000);
        n = n < size - at ? n : size - at;
        pxi_yamux_push(y, data + at, n);
        at += n;
        if (reads)
            drain(y);
        check(y);
        if (pxi_rng_below(&mood, 3) == 0)
            pxi_timers_run(&timers, timers.now_ns + pxi_rng_below(&mood, 2 * PXI_SECOND));
    }
    check(y);
    MUST(faults.n[PXI_FAULT_YAMUX] <= 1);
    pxi_yamux_free(y);
    MUST(pxi_timers_next(&timers) == PXI_NEVER);
    return 0;
}
