/* plexus run --swarm: tokens from the peers of the running node, over its control socket. */
#include "node.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATIENCE_MS = 60000, LOOK_MS = 200, ENDS_MAX = 16, CONTEXT_MOST = 4096 };

struct swarm_answer {
    px_control *control;
    json_t *stages, *hidden;
    int64_t epochs, lost;
    struct swarm_counts counts;
    int over;
};

json_t *ends_of(const struct session *s)
{
    json_t *list = json_array();
    uint32_t vocab = px_model_info_get(s->model)->vocab;
    for (uint32_t t = 0; t < vocab && json_array_size(list) < ENDS_MAX; t++)
        if (px_tokenizer_is_end(s->tok, (int32_t)t))
            json_array_append_new(list, json_integer(t));
    return list;
}

static json_t *question(struct session *s, const struct ids *prompt, uint64_t max, int keep)
{
    const struct cli *c = s->c;
    char seed[24];
    uint64_t ctx = opt_uint(c, OPT_CTX), most = px_model_info_get(s->model)->context_train;
    if (keep && !ctx)
        ctx = most < CONTEXT_MOST ? most : CONTEXT_MOST;
    s->seed = opt_text(c, OPT_SEED) ? opt_uint(c, OPT_SEED) : random_seed();
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    json_t *q = json_object();
    json_object_set_new(q, "id", json_integer(1));
    json_object_set_new(q, "op", json_text("generate"));
    json_object_set_new(q, "model", json_text(s->path));
    json_object_set_new(q, "tokens", json_ids(prompt->p, prompt->n));
    json_object_set_new(q, "max", json_u64(max));
    json_object_set_new(q, "keep", json_boolean(keep));
    if (!has_option(c, OPT_IGNORE_EOS) || !opt_on(c, OPT_IGNORE_EOS))
        json_object_set_new(q, "ends", ends_of(s));
    json_object_set_new(q, "positions", json_u64(ctx));
    json_object_set_new(q, "stages", json_u64(opt_uint(c, OPT_STAGES)));
    json_object_set_new(q, "temp", json_real(opt_float(c, OPT_TEMP)));
    json_object_set_new(q, "top_k", json_u64(opt_uint(c, OPT_TOP_K)));
    json_object_set_new(q, "top_p", json_real(opt_float(c, OPT_TOP_P)));
    json_object_set_new(q, "min_p", json_real(opt_float(c, OPT_MIN_P)));
    json_object_set_new(q, "repeat_penalty", json_real(opt_float(c, OPT_REPEAT_PENALTY)));
    json_object_set_new(q, "presence_penalty", json_real(opt_float(c, OPT_PRESENCE_PENALTY)));
    json_object_set_new(q, "frequency_penalty", json_real(opt_float(c, OPT_FREQUENCY_PENALTY)));
    json_object_set_new(q, "seed", json_text(seed));
    if (opt_text(c, OPT_HIDDEN))
        json_object_set_new(q, "hidden", json_text(opt_text(c, OPT_HIDDEN)));
    if (opt_text(c, OPT_DRAFT))
        json_object_set_new(q, "draft", json_text(opt_text(c, OPT_DRAFT)));
    json_object_set_new(q, "draft_max", json_u64(opt_uint(c, OPT_DRAFT_MAX)));
    json_object_set_new(q, "draft_blocks", json_u64(opt_uint(c, OPT_DRAFT_BLOCKS)));
    return q;
}

/* As text: JSON has no infinities. */
static int biases_of(const struct session *s, json_t *out)
{
    const struct value *v = &s->c->v[OPT_BIAS];
    px_logit_bias *rows = must(calloc(v->n + 1, sizeof *rows));
    int rc = read_biases(v, rows);
    for (unsigned i = 0; rc == 0 && i < v->n; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.9g", (double)rows[i].bias);
        json_array_append_new(out, json_pack("[i, s]", rows[i].token, text));
    }
    free(rows);
    return rc;
}

static int begin(struct session *s, const struct ids *prompt, uint64_t max, int keep)
{
    json_t *bias = json_array();
    int rc = biases_of(s, bias);
    if (rc) {
        json_decref(bias);
        return rc;
    }
    s->swarm = must(calloc(1, sizeof *s->swarm));
    json_t *q = question(s, prompt, max, keep);
    json_object_set_new(q, "bias", bias);
    char *line = must(json_dumps(q, JSON_COMPACT));
    json_decref(q);
    px_err err = px_control_open(node_socket(), line, &s->swarm->control);
    free(line);
    s->prefilled += prompt->n;
    if (err == PX_ERR_UNREACHABLE)
        return fail_text(err, NULL, "start one with plexus up", "no node runs in this home");
    return err ? fail(err, "the node's control socket", NULL) : 0;
}

int swarm_begin(struct session *s, const struct ids *prompt, uint64_t max)
{
    return begin(s, prompt, max, 0);
}

int swarm_model(struct session *s)
{
    static char cid[128];
    struct stat st;
    if (strcmp(s->path, "tiny") == 0 || stat(s->path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0; /* the node knows it by this name, or says that it does not */
    int rc = store_push_file(s->c, s->path, cid, sizeof cid);
    s->path = rc == 0 ? cid : s->path;
    return rc;
}

/* How hidden states travel, as the plan says: a line when it chose that something is lost. */
static void take_hidden(struct session *s, json_t *hidden)
{
    struct swarm_answer *a = s->swarm;
    double share = 100 * json_number_value(json_object_get(hidden, "share_f32"));
    double loss = 100 * json_number_value(json_object_get(hidden, "loss_rms"));
    if (!a->hidden && loss > 0 && json_is_true(json_object_get(hidden, "auto")))
        note(s->c,
             "hidden states travel in %s (error about %.3f %%), as f32 would take the links for "
             "%.0f %% of a token: words may differ from those of one machine; --hidden f32 keeps "
             "them",
             json_string_value(json_object_get(hidden, "codec")), loss, share);
    json_decref(a->hidden);
    a->hidden = json_incref(hidden);
}

/* One reply: 1 when it brought a token. */
static int take(struct session *s, json_t *r, int32_t *token, int *rc)
{
    struct swarm_answer *a = s->swarm;
    json_t *t = json_object_get(r, "token"), *ok = json_object_get(r, "ok");
    int turn = json_is_true(json_object_get(r, "turn"));
    json_t *stages = json_object_get(r, "stages"), *hidden = json_object_get(r, "hidden");
    if (json_is_object(hidden))
        take_hidden(s, hidden);
    if (stages) {
        json_decref(a->stages);
        a->stages = json_incref(stages);
        if (!ok && !turn && opt_on(s->c, OPT_JSON_LINES))
            line_print(json_pack("{s:s, s:O, s:O*, s:O}", "event", "stages", "stages", stages,
                                 "hidden", hidden, "epoch", json_object_get(r, "epoch")));
    }
    if (json_object_get(r, "epoch")) {
        int64_t epoch = json_integer_value(json_object_get(r, "epoch"));
        int64_t lost = json_integer_value(json_object_get(r, "lost"));
        if (epoch > 1 && epoch != a->epochs)
            note(s->c, "a peer %s: another one took over its blocks",
                 lost != a->lost ? "was lost" : "drains");
        a->epochs = epoch;
        a->lost = lost;
    }
    if (t) {
        *token = (int32_t)json_integer_value(t);
        a->counts = (struct swarm_counts){json_integer_value(json_object_get(r, "trips")),
                                          json_integer_value(json_object_get(r, "drafted")),
                                          json_integer_value(json_object_get(r, "accepted")),
                                          json_number_value(json_object_get(r, "rms")),
                                          json_number_value(json_object_get(r, "worst"))};
    }
    a->over = ok != NULL;
    if (ok && !json_is_true(ok)) {
        const char *why = json_string_value(json_object_get(r, "error"));
        *rc = fail_text(node_err(json_string_value(json_object_get(r, "code"))), NULL, NULL, "%s",
                        why ? why : "failed");
    }
    return t || ok || turn;
}

/* The next line of the node; NULL when Ctrl-C came, or after the error was told. */
static json_t *next_line(struct swarm_answer *a, int *rc)
{
    uint64_t waited = 0;
    while (!interrupted()) {
        char *line = NULL;
        px_err err = px_control_next(a->control, LOOK_MS, &line);
        if (err == PX_ERR_INTERRUPTED ||
            (err == PX_ERR_TIMEOUT && (waited += LOOK_MS) < PATIENCE_MS))
            continue;
        json_t *r = err ? NULL : json_loads(line, 0, NULL);
        px_node_text_free(line);
        if (!r)
            *rc = fail(err ? err : PX_ERR_PROTOCOL, "the node's control socket", NULL);
        return r;
    }
    return NULL;
}

int swarm_next(struct session *s, int32_t *token)
{
    struct swarm_answer *a = s->swarm;
    int rc = 0, got = 0;
    *token = PX_TOKEN_NONE;
    while (!a->over && !got && rc == 0) {
        json_t *r = next_line(a, &rc);
        if (!r)
            break;
        got = take(s, r, token, &rc);
        json_decref(r);
    }
    return rc;
}

/* Ask for the next turn of the session that is kept; 0: it goes on. */
static int go_on(struct session *s, const struct ids *ids, size_t from, uint64_t max)
{
    int rc = 0, done = 0;
    json_t *q = json_object();
    json_object_set_new(q, "id", json_integer(2));
    json_object_set_new(q, "op", json_text("more"));
    json_object_set_new(q, "session", json_integer(1));
    json_object_set_new(q, "from", json_u64(from));
    json_object_set_new(q, "tokens", json_ids(ids->p + from, ids->n - from));
    json_object_set_new(q, "max", json_u64(max));
    char *line = must(json_dumps(q, JSON_COMPACT));
    json_decref(q);
    rc = px_control_say(s->swarm->control, line) != PX_ERR_OK;
    free(line);
    while (!rc && !done) { /* before the reply comes what was told at the end of the last turn */
        json_t *r = next_line(s->swarm, &rc);
        const char *op = json_string_value(json_object_get(r, "op"));
        done = op && strcmp(op, "more") == 0;
        rc = rc || !r || (done && !json_is_true(json_object_get(r, "ok")));
        json_decref(r);
    }
    return rc;
}

int swarm_turn(struct session *s, const struct ids *held, const struct ids *ids, uint64_t max)
{
    size_t same = 0;
    while (same < held->n && same < ids->n && held->p[same] == ids->p[same])
        same++;
    if (s->swarm && !s->swarm->over && same && same == held->n && same < ids->n &&
        go_on(s, ids, same, max) == 0) {
        s->prefilled += ids->n - same;
        return 0;
    }
    swarm_end(s); /* said otherwise than the stages hold: all is read again */
    return begin(s, ids, max, 1);
}

void swarm_end(struct session *s)
{
    if (!s->swarm)
        return;
    px_control_close(s->swarm->control);
    json_decref(s->swarm->stages);
    json_decref(s->swarm->hidden);
    free(s->swarm);
    s->swarm = NULL;
}

json_t *swarm_stages(const struct session *s)
{
    return s->swarm->stages;
}

int64_t swarm_epochs(const struct session *s)
{
    return s->swarm->epochs;
}

int64_t swarm_lost(const struct session *s)
{
    return s->swarm->lost;
}

const char *swarm_hidden(const struct session *s)
{
    return json_string_value(json_object_get(s->swarm->hidden, "codec"));
}

struct swarm_counts swarm_counts(const struct session *s)
{
    return s->swarm->counts;
}
