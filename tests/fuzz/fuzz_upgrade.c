/*
 * Bytes into an upgrade of either role, with Noise, TLS or both: whatever comes, `done` comes once,
 * without a connection, and everything is given back.
 */
#include <stdlib.h>

#include "net/limits.h"
#include "net_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static struct node nodes[4];

static void ignore(struct pxi_link *l)
{
    (void)l;
}

static bool closed;

static void close_lower(struct pxi_link *l)
{
    (void)l;
    MUST(!closed);
    closed = true;
}

static void want(struct pxi_link *l, bool more)
{
    (void)l;
    (void)more;
}

static const struct pxi_link_ops ops = {ignore, close_lower, want};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum pxi_security kinds[4][2] = {{PXI_SECURITY_NOISE, PXI_SECURITY_NONE},
                                                  {PXI_SECURITY_TLS, PXI_SECURITY_NONE},
                                                  {PXI_SECURITY_NOISE, PXI_SECURITY_TLS},
                                                  {PXI_SECURITY_TLS, PXI_SECURITY_NOISE}};
    static uint8_t out[70000];
    if (size < 2)
        return 0;
    struct node *n = &nodes[data[0] >> 1 & 3];
    if (!n->host)
        MUST(node_open(n, 1, kinds[n - nodes][0], kinds[n - nodes][1]));
    struct pxi_link low = {.ops = &ops};
    size_t step = data[1] + 1u;
    closed = false;
    MUST(node_upgrade(n, &low, data[0] & 1, NULL));
    uint8_t *copy = malloc(size);
    MUST(copy != NULL);
    memcpy(copy, data, size);
    for (size_t at = 2; at < size && !closed; at += step) {
        low.on->pull(&low, out, sizeof out);
        low.on->push(&low, copy + at, step < size - at ? step : size - at);
        if (data[0] & 0x10)
            net_run(1);
    }
    free(copy);
    if (!closed && data[0] & 0x20)
        low.on->lost(&low, PX_ERR_RESET);
    net_run(20 * PXI_SECOND);
    MUST(n->done == 1 && !n->conn && n->err != PX_ERR_OK);
    MUST(pxi_timers_next(&net_timers) == PXI_NEVER);
    MUST(pxi_limiter_use(pxi_host_limiter(n->host)).conns_in == 0);
    return 0;
}
