/*
 * Bytes into a WebSocket of either role, before or after its upgrade, in pieces; or, when the first
 * byte says so, into the two ends of a private swarm's link.
 */
#include <stdlib.h>

#include "net/pnet.h"
#include "net/websocket.h"
#include "net/websocket_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static struct pxi_timers timers;
static bool lower_closed, upper_lost;
static size_t pushed, pulls;

static void wake(struct pxi_link *l)
{
    (void)l;
}

static void close_lower(struct pxi_link *l)
{
    (void)l;
    MUST(!lower_closed);
    lower_closed = true;
}

static void want(struct pxi_link *l, bool more)
{
    (void)l;
    (void)more;
}

static const struct pxi_link_ops lower_ops = {wake, close_lower, want};

static void on_push(struct pxi_link *l, uint8_t *bytes, size_t n)
{
    (void)l;
    MUST(!upper_lost && n > 0);
    bytes[0] ^= 1;
    pushed += n;
}

static size_t on_pull(struct pxi_link *l, uint8_t *out, size_t cap)
{
    static const size_t sizes[] = {5, 200, 0, 0};
    size_t n = pulls == 9 ? 70000 : sizes[pulls & 3];
    pulls++;
    (void)l;
    MUST(!upper_lost);
    n = n < cap ? n : cap;
    memset(out, 'u', n);
    return n;
}

static void on_lost(struct pxi_link *l, px_err why)
{
    (void)l;
    (void)why;
    MUST(!upper_lost);
    upper_lost = true;
}

static const struct pxi_link_events upper = {on_push, on_pull, on_lost};

static void feed(struct pxi_link *low, uint8_t *bytes, size_t n, size_t step, size_t *total)
{
    static uint8_t out[80000];
    for (size_t at = 0; at < n && !lower_closed;) {
        size_t part = step < n - at ? step : n - at;
        low->on->push(low, bytes + at, part);
        *total += part;
        at += part;
        if (lower_closed)
            break;
        size_t got = low->on->pull(low, out, sizeof out);
        MUST(got <= sizeof out);
        pxi_timers_run(&timers, timers.now_ns + 1);
    }
}

static struct pxi_link *make(unsigned kind, struct pxi_link *low, struct pxi_random *random,
                             struct pxi_faults *faults)
{
    static const uint8_t key[PXI_PNET_KEY] = {9};
    if (kind == 2)
        return pxi_pnet_new(low, key, random);
    struct pxi_websocket_options o = {&timers, random, faults, kind == 0, "h"};
    return pxi_websocket_new(&o, low);
}

/* The head that makes the upgrade succeed. */
static size_t good_head(unsigned kind, struct pxi_random random, uint8_t out[512])
{
    struct pxi_buf b = {.max = 512};
    uint8_t bytes[16];
    char key[PXI_WS_KEY + 1];
    pxi_random_fill(&random, bytes, sizeof bytes); /* as the client did */
    pxi_ws_key(bytes, key);
    px_err err = kind == 0 ? pxi_ws_request("h", key, &b) : pxi_ws_response(key, &b);
    MUST(err == PX_ERR_OK);
    size_t n = b.n;
    memcpy(out, b.p, n);
    pxi_buf_deinit(&b);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned kind = data[0] % 3;
    size_t total = 0, step = data[1] % 64 + 1u;
    struct pxi_random random = pxi_random_seeded(5), again = random;
    struct pxi_faults faults = {0};
    struct pxi_link low = {.ops = &lower_ops};
    lower_closed = upper_lost = false;
    pushed = pulls = 0;
    struct pxi_link *l = make(kind, &low, &random, &faults);
    MUST(l != NULL);
    l->on = &upper;
    if (kind < 2 && data[0] & 0x80) {
        uint8_t head[512];
        feed(&low, head, good_head(kind, again, head), 512, &total);
        MUST(!upper_lost);
    }
    uint8_t *copy = malloc(size);
    MUST(copy != NULL);
    memcpy(copy, data, size);
    feed(&low, copy + 2, size - 2, step, &total);
    free(copy);
    MUST(pushed <= total && faults.n[PXI_FAULT_WEBSOCKET] <= 1);
    if (!lower_closed && !upper_lost && data[0] & 0x40)
        l->ops->close(l);
    else if (!lower_closed)
        low.on->lost(&low, PX_ERR_RESET);
    pxi_timers_run(&timers, timers.now_ns + 5 * PXI_SECOND);
    MUST(pxi_timers_next(&timers) == PXI_NEVER);
    return 0;
}
