/*
 * Any bytes into the live machines of relays, hole punching and AutoNAT, in any pieces. The first
 * byte chooses the machine, the second the size of the pieces; the rest goes over a stream to it.
 * Whatever comes, the machines end with nothing held.
 */
#include "net/autonat.h"
#include "net/autonat2.h"
#include "relay_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static struct relay_node a, b; /* a is the fuzzer, b the machine */
static struct pxi_autonat *v1;
static struct pxi_autonat2 *v2;
static px_view rest;
static size_t piece;
static bool gone;

static size_t swallow(struct pxi_stream *s, px_view bytes)
{
    return bytes.n;
}

static void over(struct pxi_stream *s, px_err why)
{
    gone = true;
}

static const struct pxi_stream_events events = {.data = swallow, .closed = over};

static void pour(struct pxi_stream *s)
{
    gone = false;
    while (rest.n && !gone) {
        size_t n = rest.n < piece ? rest.n : piece;
        pxi_stream_write(s, px_view_of(rest.p, n));
        rest = px_view_of(rest.p + n, rest.n - n);
        world_run(50 * PXI_MS);
    }
    if (!gone)
        pxi_stream_end(s);
    world_run(3 * PXI_SECOND);
    if (!gone)
        pxi_stream_reset(s);
}

/* a opens a stream to b's server. */
static void attack(const char *protocol, bool limited)
{
    static const char *id;
    id = protocol;
    struct pxi_conn *c = pxi_host_conn(a.v->host, world_id(b.v), true);
    struct pxi_conn *there = pxi_host_conn(b.v->host, world_id(a.v), true);
    c->limited = there->limited = limited;
    struct pxi_stream *s = pxi_host_open(c, &id, 1, &events, NULL);
    MUST(s != NULL);
    pour(s);
}

/* b asks, and a answers with the bytes, all at once. */
static void answer(void *ctx, struct pxi_stream *s)
{
    pxi_stream_own(s, &events, NULL);
    pxi_stream_write(s, rest);
    pxi_stream_end(s);
}

static void begin(void)
{
    (void)px_test_main; /* of the harness that the world is written for */
    px_seed = 1;
    world_begin();
    relay_node_begin(&a, NAT_NONE);
    relay_node_begin(&b, NAT_NONE);
    MUST(world_connect(b.v, a.v) != NULL);
}

static void end(void)
{
    pxi_autonat_free(v1);
    pxi_autonat2_free(v2);
    v1 = NULL;
    v2 = NULL;
    relay_node_end(&a);
    relay_node_end(&b);
    world_end();
}

static void servers(unsigned which)
{
    struct pxi_autonat_options o1 = {.server = true};
    struct pxi_autonat2_options o2 = {.server = true, .client = true};
    v1 = pxi_autonat_new(b.v->host, &o1);
    v2 = pxi_autonat2_new(b.v->host, &o2);
    b.hop = pxi_relay_hop_new(b.v->host, NULL);
    b.dcutr = pxi_dcutr_new(b.v->host, NULL);
    if (which == 1) {
        a.hop = pxi_relay_hop_new(a.v->host, NULL);
        MUST(relay_reserve(&b, &a));
    }
    static const char *const protocols[] = {PXI_RELAY_HOP,        PXI_RELAY_STOP,
                                            PXI_DCUTR_PROTOCOL,   PXI_AUTONAT_PROTOCOL,
                                            PXI_AUTONAT2_REQUEST, PXI_AUTONAT2_BACK};
    attack(protocols[which], which == 2);
    world_run(60 * PXI_SECOND);
    struct pxi_relay_use u = pxi_relay_hop_use(b.hop);
    MUST(u.requests == 0 && u.circuits == 0);
    MUST(pxi_dcutr_use(b.dcutr).active == 0);
}

static void askers(unsigned which)
{
    struct pxi_autonat_options o1 = {.client = true};
    struct pxi_autonat2_options o2 = {.client = true};
    static const char *const protocols[] = {PXI_AUTONAT_PROTOCOL, PXI_AUTONAT2_REQUEST,
                                            PXI_RELAY_HOP};
    pxi_host_handle(a.v->host, protocols[which], 0, answer, NULL);
    world_run(PXI_SECOND);
    v1 = pxi_autonat_new(b.v->host, &o1);
    v2 = pxi_autonat2_new(b.v->host, &o2);
    if (which == 2)
        relay_reserve(&b, &a);
    world_run(20 * PXI_SECOND);
    MUST(pxi_autonat_verdict(v1) == PXI_REACH_UNKNOWN); /* one peer decides nothing */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    rest = px_view_of(data + 2, size - 2);
    piece = 1 + data[1] * 4u;
    begin();
    if (data[0] % 9 < 6)
        servers(data[0] % 9);
    else
        askers(data[0] % 9 - 6);
    end();
    return 0;
}
