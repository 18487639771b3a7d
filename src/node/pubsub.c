#include "node/pubsub.h"

#include "base/limits.h"
#include "base/mem.h"

struct pxi_pubsub {
    struct pxi_gossip *router;
    struct pxi_list messages;
    unsigned count;
    size_t bytes;
};

static void forget_oldest(struct pxi_pubsub *p)
{
    struct pxi_pubsub_message *m = PXI_OF(p->messages.next, struct pxi_pubsub_message, link);
    pxi_list_remove(&m->link);
    p->bytes -= m->topic_n + m->data_n;
    p->count--;
    pxi_free(m);
}

static void on_message(void *ctx, const struct pxi_gossip_message *in)
{
    struct pxi_pubsub *p = ctx;
    struct pxi_pubsub_message *m = pxi_calloc(1, sizeof *m + in->topic.n + in->data.n);
    if (!m)
        return;
    m->from = in->from;
    m->topic_n = in->topic.n;
    m->data_n = in->data.n;
    memcpy(m->bytes, in->topic.p, in->topic.n);
    if (in->data.n)
        memcpy(m->bytes + in->topic.n, in->data.p, in->data.n);
    pxi_list_add(&p->messages, &m->link);
    p->count++;
    p->bytes += m->topic_n + m->data_n;
    while (p->count > PXI_LIMIT_PUBSUB_INBOX || p->bytes > PXI_LIMIT_PUBSUB_INBOX_BYTES)
        forget_oldest(p);
}

struct pxi_pubsub *pxi_pubsub_new(struct pxi_host *h, bool unsigned_only)
{
    struct pxi_pubsub *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    struct pxi_gossip_options o = {
        .policy = unsigned_only ? PXI_GOSSIP_STRICT_NO_SIGN : PXI_GOSSIP_STRICT_SIGN,
        .ctx = p,
        .message = on_message,
    };
    pxi_list_init(&p->messages);
    p->router = pxi_gossip_new(h, &o);
    if (!p->router) {
        pxi_free(p);
        return NULL;
    }
    return p;
}

void pxi_pubsub_free(struct pxi_pubsub *p)
{
    if (!p)
        return;
    pxi_gossip_free(p->router);
    while (p->count)
        forget_oldest(p);
    pxi_free(p);
}

struct pxi_gossip *pxi_pubsub_router(struct pxi_pubsub *p)
{
    return p->router;
}

const struct pxi_pubsub_message *pxi_pubsub_get(const struct pxi_pubsub *p, px_view topic,
                                                unsigned i)
{
    for (struct pxi_list *l = p->messages.next; l != &p->messages; l = l->next) {
        struct pxi_pubsub_message *m = PXI_OF(l, struct pxi_pubsub_message, link);
        if (px_view_equal(px_view_of(m->bytes, m->topic_n), topic) && i-- == 0)
            return m;
    }
    return NULL;
}
