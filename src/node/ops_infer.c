/* Operations on models over several peers: generate, plan, stages. */
#include <stdlib.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "infer/hidden.h"
#include "node/call.h"
#include "node/pipeline.h"

/* ------------------------------------------------------------------------ generate, plan */

static json_t *stages_of(const struct pxi_swarm_job *j)
{
    struct pxi_swarm_stage s;
    json_t *list = json_array();
    for (unsigned i = 0; pxi_swarm_stage_at(j, i, &s); i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:I, s:I, s:I, s:I, s:f}", "peer",
                                        pxi_json_peer(&s.peer), "first", (json_int_t)s.first,
                                        "last", (json_int_t)s.last, "memory", (json_int_t)s.memory,
                                        "rate", (json_int_t)s.rate, "seconds", s.seconds));
    return list;
}

/* ------------------------------------------------------------------------ why it is so */

static json_t *slices_of(const struct pxi_candidate *c)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < c->slice_count; i++)
        json_array_append_new(list, json_pack("{s:I, s:I}", "first", (json_int_t)c->slices[i].first,
                                              "last", (json_int_t)c->slices[i].last));
    return list;
}

static json_t *spares_of(const struct pxi_plan_peer *p)
{
    json_t *list = json_array();
    for (unsigned i = 0; p && i < 32; i++)
        if (p->spare >> i & 1)
            json_array_append_new(list, json_integer(i));
    return list;
}

/* Blocks of the model on its disk. */
static json_int_t held_of(const struct pxi_swarm_job *j, const struct pxi_candidate *c)
{
    json_int_t n = 0;
    for (uint32_t b = 0; b < pxi_swarm_blocks(j); b++)
        n += pxi_held_has(&c->held, PXI_HELD_BLOCKS + b);
    return n;
}

/* Each peer that was thought of: what it has, and why it got its blocks or none. */
static json_t *peers_of(const struct pxi_swarm_job *j)
{
    struct pxi_swarm_peer p;
    json_t *list = json_array();
    for (unsigned i = 0; pxi_swarm_peer_at(j, i, &p); i++) {
        const struct pxi_candidate *c = p.candidate;
        const struct pxi_plan_peer *plan = p.plan;
        bool serves = plan && plan->place != PXI_PLAN_NONE;
        json_t *row = json_pack("{s:o, s:b, s:s, s:I, s:I, s:f, s:I, s:o, s:o}", "peer",
                                pxi_json_peer(&c->peer), "connected", p.connected, "why",
                                plan ? pxi_plan_why_name(plan->why) : "no answer", "memory",
                                (json_int_t)c->memory, "rate", (json_int_t)c->rate, "rtt_ms",
                                (double)c->rtt_ns / 1e6, "link_rate", (json_int_t)c->rate_link,
                                "loaded", slices_of(c), "spare", spares_of(plan));
        json_object_set_new(row, "held", json_integer(held_of(j, c)));
        json_object_set_new(row, "place",
                            serves ? json_integer((json_int_t)plan->place) : json_null());
        json_object_set_new(row, "with_ms", json_real(plan ? plan->with_s * 1e3 : 0));
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *times_of(const struct pxi_swarm_job *j)
{
    const struct pxi_choice *ch = pxi_swarm_choice(j);
    const struct pxi_plan_times *t = &ch->times;
    return json_pack("{s:f, s:f, s:f, s:b, s:b}", "token_ms", t->token_s * 1e3, "hops_ms",
                     t->hops_s * 1e3, "slowest_ms", t->slowest_s * 1e3, "reused", (int)ch->reused,
                     "kept", (int)ch->kept);
}

/* How hidden states travel, why, and what that loses by all that was measured. */
static json_t *hidden_of(const struct pxi_swarm_job *j)
{
    const struct pxi_coding *c = pxi_swarm_coding(j);
    return json_pack("{s:s, s:s, s:b, s:f, s:f, s:f}", "codec", pxi_hidden_name(c->dtype), "why",
                     pxi_coding_why(c), "auto", !c->chosen, "share_f32", c->share_f32, "share",
                     c->share, "loss_rms", (double)pxi_hidden_expected(c->dtype));
}

struct answer {
    struct pxi_swarm_job *job;
    int32_t *tokens; /* of the prompt */
    uint64_t made, first_ns, began_ns;
    uint32_t epoch, lost;
    json_t *plan, *hidden, *peers, *times; /* the last two: when only a plan is asked for */
};

static json_t *figures(struct pxi_call *c)
{
    struct answer *a = c->state;
    uint64_t now = pxi_loop_now(c->node->loop);
    json_t *out =
        json_pack("{s:O, s:I, s:I, s:I, s:f, s:f}", "stages", a->plan, "made", (json_int_t)a->made,
                  "epochs", (json_int_t)a->epoch, "lost", (json_int_t)a->lost, "firstMs",
                  a->made ? (double)(a->first_ns - a->began_ns) / 1e6 : 0.0, "decodeMs",
                  a->made ? (double)(now - a->first_ns) / 1e6 : 0.0);
    json_object_set(out, "hidden", a->hidden);
    if (a->peers)
        json_object_set(out, "peers", a->peers);
    if (a->times)
        json_object_set(out, "times", a->times);
    return out;
}

static void answer_drop(struct pxi_call *c)
{
    struct answer *a = c->state;
    pxi_swarm_cancel(a->job);
    json_decref(a->plan);
    json_decref(a->hidden);
    json_decref(a->peers);
    json_decref(a->times);
    pxi_free(a->tokens);
    pxi_free(a);
}

/* Coding costs something and drafts are counted only when there are some. */
static json_t *token_of(int32_t token, const struct pxi_chain_counts *n)
{
    json_t *out = json_pack("{s:i, s:I}", "token", (int)token, "trips", (json_int_t)n->trips);
    if (n->drafted) {
        json_object_set_new(out, "drafted", json_integer((json_int_t)n->drafted));
        json_object_set_new(out, "accepted", json_integer((json_int_t)n->accepted));
    }
    if (n->worst > 0) {
        json_object_set_new(out, "rms", json_real((double)n->rms));
        json_object_set_new(out, "worst", json_real((double)n->worst));
    }
    return out;
}

static void on_planned(void *ctx, struct pxi_swarm_job *j)
{
    struct pxi_call *c = ctx;
    struct answer *a = c->state;
    json_decref(a->plan);
    json_decref(a->hidden);
    a->plan = stages_of(j);
    a->hidden = hidden_of(j);
    a->epoch = pxi_swarm_epoch(j);
    a->lost = pxi_swarm_lost(j);
    if (!a->tokens) {
        json_decref(a->peers);
        json_decref(a->times);
        a->peers = peers_of(j);
        a->times = times_of(j);
    }
    if (a->tokens)
        pxi_call_progress(c,
                          json_pack("{s:O, s:O, s:I, s:I}", "stages", a->plan, "hidden", a->hidden,
                                    "epoch", (json_int_t)a->epoch, "lost", (json_int_t)a->lost));
}

static void on_token(void *ctx, int32_t token)
{
    struct pxi_call *c = ctx;
    struct answer *a = c->state;
    if (!a->made++)
        a->first_ns = pxi_loop_now(c->node->loop);
    struct pxi_chain_counts n = pxi_swarm_counts(a->job);
    if (c->channel)
        pxi_call_progress(c, token_of(token, &n));
    else
        pxi_call_end(c); /* whoever asked has gone */
}

static void on_over(void *ctx, px_err err, const char *why)
{
    struct pxi_call *c = ctx;
    struct answer *a = c->state;
    a->job = NULL; /* it frees itself */
    if (err != PX_ERR_OK) {
        pxi_call_fail(c, err, why);
        return;
    }
    pxi_call_ok(c, figures(c));
}

static double real(const struct pxi_call *c, const char *name)
{
    return json_number_value(json_object_get(c->in, name));
}

/* "bias": [[token, "number"], ...], as text because JSON has no infinities. NULL: none. */
static px_logit_bias *biases(const struct pxi_call *c, size_t *n)
{
    json_t *list = json_object_get(c->in, "bias");
    *n = pxi_min(json_array_size(list), PXI_LIMIT_STAGE_BIAS);
    px_logit_bias *rows = *n ? pxi_calloc(*n, sizeof *rows) : NULL;
    for (size_t i = 0; rows && i < *n; i++) {
        json_t *row = json_array_get(list, i);
        const char *text = json_string_value(json_array_get(row, 1));
        rows[i] = (px_logit_bias){(int32_t)json_integer_value(json_array_get(row, 0)),
                                  text ? strtof(text, NULL) : 0};
    }
    *n = rows ? *n : 0;
    return rows;
}

static px_sampler_options sampling(const struct pxi_call *c)
{
    return (px_sampler_options){
        .size = sizeof(px_sampler_options),
        .temperature = (float)real(c, "temp"),
        .top_k = (uint32_t)pxi_call_uint(c, "top_k", 0),
        .top_p = (float)real(c, "top_p"),
        .min_p = (float)real(c, "min_p"),
        .repeat_penalty = (float)real(c, "repeat_penalty"),
        .presence_penalty = (float)real(c, "presence_penalty"),
        .frequency_penalty = (float)real(c, "frequency_penalty"),
        .penalty_window = (uint32_t)pxi_call_uint(c, "window", 0),
        /* as text: JSON numbers lose bits of it */
        .seed = pxi_call_text(c, "seed") ? strtoull(pxi_call_text(c, "seed"), NULL, 10) : 0};
}

/* An answer of a kept session is complete: {"op":"more"} may go on. */
static void on_turn(void *ctx)
{
    struct pxi_call *c = ctx;
    json_t *out = figures(c);
    json_object_set_new(out, "turn", json_true());
    pxi_call_progress(c, out);
}

/* The ids in a list; NULL when there are none. */
static int32_t *ids_of(json_t *list, size_t *n)
{
    *n = json_array_size(list);
    int32_t *ids = *n && *n <= PXI_LIMIT_CONTEXT_POSITIONS ? pxi_calloc(*n, sizeof *ids) : NULL;
    for (size_t i = 0; ids && i < *n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}

static void begin(struct pxi_call *c, bool generate)
{
    static const struct pxi_swarm_events events = {on_planned, on_token, on_turn, on_over};
    size_t end_count;
    if (!pxi_call_text(c, "model")) {
        pxi_call_fail(c, PX_ERR_INVALID, "model: a name is missing");
        return;
    }
    struct answer *a = c->node->pipeline ? pxi_calloc(1, sizeof *a) : NULL;
    if (!a) {
        pxi_call_fail(c, c->node->pipeline ? PX_ERR_NOMEM : PX_ERR_UNSUPPORTED,
                      c->node->pipeline ? NULL : "this node computes nothing");
        return;
    }
    c->state = a;
    c->drop = answer_drop;
    a->began_ns = c->started_ns;
    struct pxi_swarm_options o = {
        .model = pxi_call_text(c, "model"),
        .max_tokens = generate ? (uint32_t)pxi_min(pxi_call_uint(c, "max", 128), UINT32_MAX) : 0,
        .positions = (uint32_t)pxi_min(pxi_call_uint(c, "positions", 0), UINT32_MAX),
        .stages_min = (unsigned)pxi_min(pxi_call_uint(c, "stages", 0), PXI_LIMIT_PLAN_PEERS),
        .stages_max = (unsigned)pxi_min(pxi_call_uint(c, "stages_max", 0), PXI_LIMIT_PLAN_PEERS),
        .no_spares = pxi_call_true(c, "no_spares"),
        .sampling = sampling(c),
        .draft = pxi_call_text(c, "draft") ? pxi_call_text(c, "draft") : "off",
        .dtype = pxi_call_text(c, "hidden") ? pxi_hidden_named(pxi_call_text(c, "hidden")) : 0,
        .draft_max = (uint32_t)pxi_min(pxi_call_uint(c, "draft_max", 16), PXI_LIMIT_STAGE_DRAFT),
        .draft_blocks = (uint32_t)pxi_min(pxi_call_uint(c, "draft_blocks", 0), UINT32_MAX),
        .on = &events,
        .ctx = c};
    if (generate &&
        !(o.tokens = a->tokens = ids_of(json_object_get(c->in, "tokens"), &o.token_count))) {
        pxi_call_fail(c, PX_ERR_INVALID, "tokens: a list of token ids is missing");
        return;
    }
    int32_t *ends = ids_of(json_object_get(c->in, "ends"), &end_count);
    o.ends = ends;
    o.end_count = (unsigned)end_count;
    o.keep = c->ends_with_channel = generate && pxi_call_true(c, "keep");
    px_logit_bias *bias = biases(c, &o.sampling.bias_count);
    o.sampling.bias = bias;
    a->job = pxi_swarm_start(c->node->pipeline, &o);
    pxi_free(bias);
    pxi_free(ends);
    if (!a->job)
        pxi_call_fail(c, PX_ERR_NOMEM, NULL);
}

static void op_generate(struct pxi_call *c)
{
    begin(c, true);
}

static void op_plan(struct pxi_call *c)
{
    begin(c, false);
}

/* The next turn of the session that the call "session" of this channel keeps: "tokens" after the
 * first "from", and an answer, whose tokens that call tells. */
static void op_more(struct pxi_call *c)
{
    px_err err = PX_ERR_NOT_FOUND;
    size_t n;
    int32_t *ids = ids_of(json_object_get(c->in, "tokens"), &n);
    for (struct pxi_list *l = c->node->calls.next; ids && l != &c->node->calls; l = l->next) {
        struct pxi_call *k = PXI_OF(l, struct pxi_call, link);
        struct answer *a = k->state;
        if (k == c || k->channel != c->channel || !k->ends_with_channel ||
            !json_equal(json_object_get(k->in, "id"), json_object_get(c->in, "session")))
            continue;
        err = pxi_swarm_go_on(a->job, (uint32_t)pxi_min(pxi_call_uint(c, "from", 0), UINT32_MAX),
                              ids, n, (uint32_t)pxi_min(pxi_call_uint(c, "max", 128), UINT32_MAX));
        if (err == PX_ERR_OK) {
            a->began_ns = c->started_ns;
            a->made = 0;
        }
        break;
    }
    pxi_free(ids);
    if (err == PX_ERR_OK)
        pxi_call_ok(c, NULL);
    else
        pxi_call_fail(c, err, NULL);
}

/* ------------------------------------------------------------------------------ stages */

static void op_stages(struct pxi_call *c)
{
    struct pxi_stage_status s;
    json_t *list = json_array();
    struct pxi_stages *stages = c->node->pipeline ? pxi_pipeline_stages(c->node->pipeline) : NULL;
    for (unsigned i = 0; stages && pxi_stages_status(stages, i, &s); i++)
        json_array_append_new(
            list,
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I}", "model", s.model,
                      "first", (json_int_t)s.slice.first, "last", (json_int_t)s.slice.last,
                      "sessions", (json_int_t)s.sessions, "slots", (json_int_t)s.slots, "tokens",
                      (json_int_t)s.tokens, "compute_ms", (double)s.compute_ns / 1e6, "taken",
                      (json_int_t)s.taken, "copied", (json_int_t)s.copied, "given",
                      (json_int_t)s.given, "given_copied", (json_int_t)s.given_copied));
    pxi_call_ok(c, json_pack("{s:o}", "stages", list));
}

const struct pxi_op pxi_ops_infer[] = {
    {"generate", op_generate}, {"more", op_more}, {"plan", op_plan},
    {"stages", op_stages},     {NULL, NULL},
};
