/*
 * Any bytes from a peer into a live router: the first byte chooses the signature policy and whether
 * bytes arrive in pieces; then steps: a pause, an RPC with a right length, or raw bytes. A second,
 * honest router is there to forward to, and messages of its own are under way.
 */
#include "net/gossip.h"

#include "host_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const protocol[] = {"/meshsub/1.2.0"};
static const struct pxi_stream_events nothing;

static void step(struct net *n, struct pxi_stream *s, const uint8_t **p, const uint8_t *end)
{
    unsigned op = *(*p)++;
    if (op % 4 == 0) {
        net_run(n, op * 16);
        return;
    }
    size_t len = (op >> 2) * (op % 4 == 2 ? 16 : 1);
    uint8_t head[2] = {(uint8_t)(len | (len > 0x7f ? 0x80 : 0)), (uint8_t)(len >> 7)};
    if (len > (size_t)(end - *p))
        len = (size_t)(end - *p);
    if (op % 4 != 3)
        pxi_stream_write(s, px_view_of(head, head[1] ? 2 : 1));
    pxi_stream_write(s, px_view_of(*p, len));
    *p += len;
}

static enum pxi_gossip_verdict judge(void *ctx, const struct pxi_gossip_message *m)
{
    return m->data.n ? (enum pxi_gossip_verdict)(m->data.p[0] % 3) : PXI_GOSSIP_ACCEPT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct net n;
    const uint8_t *p = data, *end = data + size;
    if (!size)
        return 0;
    struct pxi_gossip_score score = pxi_gossip_score_default();
    score.px_threshold = 0;
    struct pxi_gossip_options o = {.score = &score,
                                   .peer_exchange = *p & 8,
                                   .policy =
                                       *p & 1 ? PXI_GOSSIP_STRICT_SIGN : PXI_GOSSIP_STRICT_NO_SIGN,
                                   .idontwant_size = 16,
                                   .max_size = 4096,
                                   .no_flood_publish = *p & 2};
    net_init(&n, 3);
    n.pieces = *p++ & 4;
    struct pxi_gossip *g = pxi_gossip_new(n.host[0], &o), *honest = pxi_gossip_new(n.host[1], &o);
    CHECK(g && honest);
    CHECK_EQ(pxi_gossip_join(g, px_view_str("t")), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_join(honest, px_view_str("t")), PX_ERR_OK);
    CHECK_EQ(pxi_gossip_validate(g, px_view_str("t"), judge, NULL), PX_ERR_OK);
    net_connect(&n, 0, 1);
    struct net_conn *c = net_connect(&n, 2, 0);
    net_run(&n, 1100);
    struct pxi_stream *s = pxi_host_open(&c->c, protocol, 1, &nothing, NULL);
    CHECK(s);
    pxi_gossip_publish(honest, px_view_str("t"), px_view_str("a message"), NULL, 0, NULL);
    while (p < end && !s->gone)
        step(&n, s, &p, end);
    net_run(&n, 1500);
    CHECK(pxi_gossip_mesh(g, px_view_str("t"), NULL, 0) <= 2);
    pxi_gossip_free(g);
    pxi_gossip_free(honest);
    net_deinit(&n);
    return 0;
}
