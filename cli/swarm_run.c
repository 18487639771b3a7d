/* plexus run --swarm: tokens from the peers of the running node, over its control socket. */
#include "node.h"
#include "session.h"

#include <stdlib.h>

enum { PATIENCE_MS = 60000, LOOK_MS = 200 };

struct swarm_answer {
    px_control *control;
    json_t *stages;
    int64_t epochs, lost, trips, drafted, accepted;
    int over;
};

static json_t *question(struct session *s, const struct ids *prompt, uint64_t max)
{
    const struct cli *c = s->c;
    char seed[24];
    s->seed = opt_text(c, OPT_SEED) ? opt_uint(c, OPT_SEED) : random_seed();
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    json_t *q = json_object();
    json_object_set_new(q, "id", json_integer(1));
    json_object_set_new(q, "op", json_text("generate"));
    json_object_set_new(q, "model", json_text(s->path));
    json_object_set_new(q, "tokens", json_ids(prompt->p, prompt->n));
    json_object_set_new(q, "max", json_u64(max));
    json_object_set_new(q, "positions", json_u64(opt_uint(c, OPT_CTX)));
    json_object_set_new(q, "stages", json_u64(opt_uint(c, OPT_STAGES)));
    json_object_set_new(q, "temp", json_real(opt_float(c, OPT_TEMP)));
    json_object_set_new(q, "top_k", json_u64(opt_uint(c, OPT_TOP_K)));
    json_object_set_new(q, "top_p", json_real(opt_float(c, OPT_TOP_P)));
    json_object_set_new(q, "min_p", json_real(opt_float(c, OPT_MIN_P)));
    json_object_set_new(q, "repeat_penalty", json_real(opt_float(c, OPT_REPEAT_PENALTY)));
    json_object_set_new(q, "presence_penalty", json_real(opt_float(c, OPT_PRESENCE_PENALTY)));
    json_object_set_new(q, "frequency_penalty", json_real(opt_float(c, OPT_FREQUENCY_PENALTY)));
    json_object_set_new(q, "seed", json_text(seed));
    if (opt_text(c, OPT_DRAFT))
        json_object_set_new(q, "draft", json_text(opt_text(c, OPT_DRAFT)));
    json_object_set_new(q, "draft_max", json_u64(opt_uint(c, OPT_DRAFT_MAX)));
    json_object_set_new(q, "draft_blocks", json_u64(opt_uint(c, OPT_DRAFT_BLOCKS)));
    return q;
}

int swarm_begin(struct session *s, const struct ids *prompt, uint64_t max)
{
    if (s->c->v[OPT_BIAS].n)
        return usage("leave out --bias", "--swarm carries no biases");
    s->swarm = must(calloc(1, sizeof *s->swarm));
    json_t *q = question(s, prompt, max);
    char *line = must(json_dumps(q, JSON_COMPACT));
    json_decref(q);
    px_err err = px_control_open(node_socket(), line, &s->swarm->control);
    free(line);
    s->prefilled = prompt->n;
    if (err == PX_ERR_UNREACHABLE)
        return fail_text(err, NULL, "start one with plexus up", "no node runs in this home");
    return err ? fail(err, "the node's control socket", NULL) : 0;
}

/* One reply: 1 when it brought a token. */
static int take(struct session *s, json_t *r, int32_t *token, int *rc)
{
    struct swarm_answer *a = s->swarm;
    json_t *t = json_object_get(r, "token"), *ok = json_object_get(r, "ok");
    json_t *stages = json_object_get(r, "stages");
    if (stages) {
        json_decref(a->stages);
        a->stages = json_incref(stages);
        if (!ok && opt_on(s->c, OPT_JSON_LINES))
            line_print(json_pack("{s:s, s:O, s:O}", "event", "stages", "stages", stages, "epoch",
                                 json_object_get(r, "epoch")));
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
        a->trips = json_integer_value(json_object_get(r, "trips"));
        a->drafted = json_integer_value(json_object_get(r, "drafted"));
        a->accepted = json_integer_value(json_object_get(r, "accepted"));
    }
    a->over = ok != NULL;
    if (ok && !json_is_true(ok)) {
        const char *why = json_string_value(json_object_get(r, "error"));
        *rc = fail_text(node_err(json_string_value(json_object_get(r, "code"))), NULL, NULL, "%s",
                        why ? why : "failed");
    }
    return t || ok;
}

int swarm_next(struct session *s, int32_t *token)
{
    struct swarm_answer *a = s->swarm;
    uint64_t waited = 0;
    int rc = 0, got = 0;
    *token = PX_TOKEN_NONE;
    while (!a->over && !got && !interrupted()) {
        char *line = NULL;
        px_err err = px_control_next(a->control, LOOK_MS, &line);
        if (err == PX_ERR_INTERRUPTED ||
            (err == PX_ERR_TIMEOUT && (waited += LOOK_MS) < PATIENCE_MS))
            continue;
        if (err)
            return fail(err, "the node's control socket", NULL);
        json_t *r = json_loads(line, 0, NULL);
        px_node_text_free(line);
        got = r && take(s, r, token, &rc);
        json_decref(r);
    }
    return rc;
}

void swarm_end(struct session *s)
{
    if (!s->swarm)
        return;
    px_control_close(s->swarm->control);
    json_decref(s->swarm->stages);
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

void swarm_drafts(const struct session *s, int64_t *trips, int64_t *drafted, int64_t *accepted)
{
    *trips = s->swarm->trips;
    *drafted = s->swarm->drafted;
    *accepted = s->swarm->accepted;
}
