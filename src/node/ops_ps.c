/* The operation "ps": what this node serves, and what the peers that it is connected to say that
 * they serve. */
#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/messages.h"
#include "infer/hidden.h"
#include "node/call.h"
#include "node/pipeline.h"
#include "swarm/heartbeat.h"

enum { PEERS_MAX = 64, ASK_MS = 1000 };

struct question {
    struct pxi_asking ask;
    struct pxi_call *call;
    struct pxi_peer peer;
};

struct survey {
    json_t *stages, *peers;
    unsigned waiting, count;
    struct question questions[PEERS_MAX];
};

static json_t *rtt_of(px_node *n, const struct pxi_peer *p, enum pxi_peer_state *state)
{
    uint64_t rtt_ns = 0;
    *state = n->heartbeat ? pxi_heartbeat_state(n->heartbeat, p, &rtt_ns) : PXI_PEER_NEW;
    return rtt_ns ? json_real((double)rtt_ns / 1e6) : json_null();
}

static json_t *stage_row(px_node *n, const struct pxi_peer *p, const struct pxi_msg_offer_stage *s,
                         bool self, bool draining)
{
    enum pxi_peer_state health;
    json_t *rtt = rtt_of(n, p, &health), *row = json_object();
    const char *state = draining                           ? "draining"
                        : !self && health == PXI_PEER_SLOW ? "slow"
                        : s->sessions                      ? "busy"
                                                           : "ready";
    json_object_set_new(row, "peer", pxi_json_peer(p));
    json_object_set_new(row, "self", json_boolean(self));
    json_object_set_new(row, "model", pxi_json_text(s->model));
    json_object_set_new(row, "first", json_integer((json_int_t)s->first));
    json_object_set_new(row, "last", json_integer((json_int_t)s->last));
    json_object_set_new(row, "blocks", json_integer((json_int_t)s->blocks));
    json_object_set_new(row, "state", json_string(state));
    json_object_set_new(row, "sessions", json_integer((json_int_t)s->sessions));
    json_object_set_new(row, "slots", json_integer((json_int_t)s->slots));
    json_object_set_new(row, "mem_bytes", json_integer((json_int_t)s->bytes));
    json_object_set_new(row, "tps", json_real((double)s->tps_milli / 1e3));
    json_object_set_new(row, "tokens", json_integer((json_int_t)s->tokens));
    json_object_set_new(row, "hidden",
                        s->sessions && s->hidden
                            ? json_string(pxi_hidden_name((uint8_t)pxi_min(s->hidden, UINT8_MAX)))
                            : json_null());
    json_object_set_new(row, "compute_ms", json_real((double)s->compute_us / 1e3));
    json_object_set_new(row, "rtt_ms", self ? json_null() : json_incref(rtt));
    json_decref(rtt);
    return row;
}

static json_t *peer_row(px_node *n, const struct pxi_peer *p, bool self, const char *state,
                        uint64_t memory, uint64_t rate)
{
    enum pxi_peer_state health;
    json_t *rtt = rtt_of(n, p, &health);
    return json_pack("{s:o, s:b, s:s, s:I, s:I, s:o}", "peer", pxi_json_peer(p), "self", self,
                     "state", state ? state : pxi_peer_state_name(health), "memory",
                     (json_int_t)memory, "rate", (json_int_t)rate, "rtt_ms", rtt);
}

static void survey_drop(struct pxi_call *c)
{
    struct survey *s = c->state;
    for (unsigned i = 0; i < s->count; i++)
        pxi_asking_cancel(&s->questions[i].ask);
    json_decref(s->stages);
    json_decref(s->peers);
    pxi_free(s);
}

static void finish(struct pxi_call *c)
{
    struct survey *s = c->state;
    pxi_call_ok(c, json_pack("{s:O, s:O}", "stages", s->stages, "peers", s->peers));
}

static void answered(struct pxi_asking *a, px_err err, const struct pxi_msg_offer_reply *r)
{
    struct question *q = PXI_OF(a, struct question, ask);
    struct survey *s = q->call->state;
    px_node *n = q->call->node;
    for (size_t i = 0; err == PX_ERR_OK && i < r->stages.n; i++)
        json_array_append_new(
            s->stages, stage_row(n, &q->peer, PXI_PB_AT(r->stages, struct pxi_msg_offer_stage, i),
                                 false, r->draining));
    const char *state = err == PX_ERR_TIMEOUT ? "silent"
                        : err != PX_ERR_OK    ? "serves nothing"
                        : r->draining         ? "draining"
                                              : NULL;
    json_array_append_new(s->peers,
                          peer_row(n, &q->peer, false, state, r ? r->memory : 0, r ? r->rate : 0));
    if (--s->waiting == 0)
        finish(q->call);
}

static void own(struct pxi_call *c, struct survey *s)
{
    struct pxi_pipeline *p = c->node->pipeline;
    const struct pxi_peer *self = pxi_host_self(c->node->host);
    struct pxi_msg_offer_stage stage;
    bool draining = p && pxi_pipeline_draining(p);
    for (unsigned i = 0; p && pxi_pipeline_slice(p, i, &stage); i++)
        json_array_append_new(s->stages, stage_row(c->node, self, &stage, true, draining));
    json_array_append_new(s->peers,
                          peer_row(c->node, self, true, draining ? "draining" : "good",
                                   p ? pxi_pipeline_memory(p) : 0, p ? pxi_pipeline_rate(p) : 0));
}

/* Everybody who is connected, once. */
static void gather(struct pxi_call *c, struct survey *s)
{
    struct pxi_list *conns = pxi_host_conns(c->node->host);
    for (struct pxi_list *l = conns->next; l != conns && s->count < PEERS_MAX; l = l->next) {
        const struct pxi_conn *conn = PXI_OF(l, struct pxi_conn, link);
        bool known = conn->closing;
        for (unsigned i = 0; i < s->count && !known; i++)
            known = pxi_peer_equal(&s->questions[i].peer, &conn->peer);
        if (!known)
            s->questions[s->count++] =
                (struct question){.ask.done = answered, .call = c, .peer = conn->peer};
    }
}

static void op_ps(struct pxi_call *c)
{
    struct pxi_msg_offer m = {.kind = PXI_OFFER_STATUS};
    struct survey *s = pxi_calloc(1, sizeof *s);
    if (!s) {
        pxi_call_fail(c, PX_ERR_NOMEM, NULL);
        return;
    }
    c->state = s;
    c->drop = survey_drop;
    s->stages = json_array();
    s->peers = json_array();
    own(c, s);
    if (c->node->pipeline)
        gather(c, s);
    s->waiting = s->count + 1;
    for (unsigned i = 0; i < s->count; i++)
        pxi_offer_ask(pxi_pipeline_offers(c->node->pipeline), &s->questions[i].ask,
                      &s->questions[i].peer, &m, ASK_MS * PXI_MS);
    if (--s->waiting == 0)
        finish(c);
}

const struct pxi_op pxi_ops_ps[] = {
    {"ps", op_ps},
    {NULL, NULL},
};
