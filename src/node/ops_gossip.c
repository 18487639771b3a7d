/* Operations on publish and subscribe. */
#include "base/mem.h"
#include "node/call.h"
#include "node/pubsub.h"

enum { PEERS = 256 };

/* The router and the topic of a command; false after the call was failed. */
static bool topic_of(struct pxi_call *c, px_view *topic)
{
    const char *text = pxi_call_text(c, "topic");
    if (!c->node->pubsub) {
        pxi_call_fail(c, PX_ERR_UNSUPPORTED, "gossipsub is off: start with --gossipsub");
        return false;
    }
    if (!text) {
        pxi_call_fail(c, PX_ERR_INVALID, "a topic is needed");
        return false;
    }
    *topic = px_view_str(text);
    return true;
}

static struct pxi_gossip *router(struct pxi_call *c)
{
    return pxi_pubsub_router(c->node->pubsub);
}

static void finish(struct pxi_call *c, px_err err)
{
    if (err == PX_ERR_OK)
        pxi_call_ok(c, NULL);
    else
        pxi_call_fail(c, err, NULL);
}

static void op_sub(struct pxi_call *c)
{
    px_view topic;
    if (topic_of(c, &topic))
        finish(c, pxi_gossip_join(router(c), topic));
}

static void op_unsub(struct pxi_call *c)
{
    px_view topic;
    if (topic_of(c, &topic))
        finish(c, pxi_gossip_leave(router(c), topic));
}

static json_t *peer_list(const struct pxi_peer *p, unsigned n)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < n && i < PEERS; i++)
        json_array_append_new(list, pxi_json_peer(&p[i]));
    return list;
}

static bool subscribed(struct pxi_call *c, json_t *out)
{
    struct pxi_peer p[PEERS];
    unsigned n = pxi_gossip_peers(router(c), px_view_str(pxi_call_text(c, "topic")), p, PEERS);
    json_object_set_new(out, "subscribers", peer_list(p, n));
    return n >= pxi_call_uint(c, "count", 1);
}

static bool meshed(struct pxi_call *c, json_t *out)
{
    struct pxi_peer p[PEERS];
    unsigned n = pxi_gossip_mesh(router(c), px_view_str(pxi_call_text(c, "topic")), p, PEERS);
    json_object_set_new(out, "mesh", peer_list(p, n));
    return n >= pxi_call_uint(c, "count", 1);
}

static bool received(struct pxi_call *c, json_t *out)
{
    px_view topic = px_view_str(pxi_call_text(c, "topic"));
    const struct pxi_pubsub_message *m;
    if (!pxi_pubsub_get(c->node->pubsub, topic, (unsigned)pxi_call_uint(c, "count", 1) - 1))
        return false;
    json_t *list = json_array();
    for (unsigned i = 0; (m = pxi_pubsub_get(c->node->pubsub, topic, i)); i++) {
        px_view data = px_view_of(m->bytes + m->topic_n, m->data_n);
        json_t *from = m->from.n ? pxi_json_peer(&m->from) : json_null();
        json_array_append_new(list, json_pack("{s:o, s:o, s:I}", "from", from, "data",
                                              pxi_json_text(data), "bytes", (json_int_t)data.n));
    }
    json_object_set_new(out, "messages", list);
    return true;
}

static void wait_for(struct pxi_call *c, bool (*ready)(struct pxi_call *c, json_t *out))
{
    px_view topic;
    if (topic_of(c, &topic))
        pxi_call_wait(c, 15000, ready);
}

static void op_wait_subscriber(struct pxi_call *c)
{
    wait_for(c, subscribed);
}
static void op_wait_mesh(struct pxi_call *c)
{
    wait_for(c, meshed);
}
static void op_wait_msg(struct pxi_call *c)
{
    wait_for(c, received);
}

static void op_pub(struct pxi_call *c)
{
    px_view topic, data = {0};
    struct pxi_peer to[PEERS];
    unsigned count = 0;
    if (!topic_of(c, &topic))
        return;
    const char *text = pxi_call_text(c, "data");
    size_t bytes = (size_t)pxi_call_uint(c, "bytes", 0);
    uint8_t *random = !text && bytes && bytes <= 1 << 24 ? pxi_calloc(bytes, 1) : NULL;
    if (random)
        pxi_random_fill(pxi_host_random(c->node->host), random, bytes);
    data = text ? px_view_str(text) : px_view_of(random, random ? bytes : 0);
    px_err err = pxi_gossip_publish(router(c), topic, data, to, PEERS, &count);
    pxi_free(random);
    if (err == PX_ERR_OK)
        pxi_call_ok(c, json_pack("{s:o}", "recipients", peer_list(to, count)));
    else
        pxi_call_fail(c, err, NULL);
}

const struct pxi_op pxi_ops_gossip[] = {
    {"sub", op_sub},
    {"unsub", op_unsub},
    {"pub", op_pub},
    {"wait-subscriber", op_wait_subscriber},
    {"wait-mesh", op_wait_mesh},
    {"wait-msg", op_wait_msg},
    {NULL, NULL},
};
