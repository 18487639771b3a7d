/* plexus run MODEL [PROMPT...] */
#include "session.h"

#include <stdlib.h>
#include <string.h>

static void write_text(void *arg, int32_t token, const char *text, size_t n)
{
    (void)arg;
    (void)token;
    put_text(text, n);
    fflush(stdout);
}

static void write_line(void *arg, int32_t token, const char *text, size_t n)
{
    (void)arg;
    if (token == PX_TOKEN_NONE && !n)
        return;
    json_t *o = json_object();
    json_object_set_new(o, "event", json_text("token"));
    json_object_set_new(o, "id", token == PX_TOKEN_NONE ? json_null() : json_integer(token));
    json_object_set_new(o, "text", json_bytes(text, n));
    line_print(o);
}

/* One question through the chat template. */
static int encode_chat(struct session *s, const struct text *prompt, struct ids *ids)
{
    const char *system = opt_text(s->c, OPT_SYSTEM);
    px_message m[2] = {{"system", system}, {"user", prompt->p}};
    px_template *t = NULL;
    struct text rendered = {0};
    int rc = chat_open(s, opt_text(s->c, OPT_CHAT_TEMPLATE), &t);
    if (rc == 0)
        rc = chat_render(s, t, system ? m : m + 1, system ? 2 : 1, &rendered);
    if (rc == 0)
        rc = chat_encode(s, px_view_of(rendered.p, rendered.n), ids);
    px_template_text_free(rendered.p);
    px_template_free(t);
    return rc;
}

static int encode(struct session *s, const struct text *prompt, struct ids *ids)
{
    const struct cli *c = s->c;
    if (opt_text(c, OPT_CHAT_TEMPLATE) && !opt_on(c, OPT_RAW))
        return encode_chat(s, prompt, ids);
    unsigned flags = PX_ENCODE_CONTROL | (opt_on(c, OPT_NO_BOS) ? 0u : PX_ENCODE_SPECIAL);
    int rc = session_encode(s, px_view_of(prompt->p, prompt->n), flags, ids);
    if (rc == 0 && ids->n && px_tokenizer_add_eos(s->tok) && !opt_on(c, OPT_NO_BOS) &&
        ids->p[ids->n - 1] == px_tokenizer_eos(s->tok))
        ids->n--; /* the text goes on here */
    if (rc == 0 && ids->n == 0 && px_tokenizer_bos(s->tok) != PX_TOKEN_NONE)
        ids_add(ids, px_tokenizer_bos(s->tok));
    if (rc == 0 && ids->n == 0)
        rc = usage("give some text to go on from", "the prompt is empty");
    return rc;
}

static void add_counts(const struct session *s, json_t *doc)
{
    const char *hidden = s->swarm ? swarm_hidden(s) : NULL;
    struct swarm_counts n = {0};
    if (s->swarm)
        n = swarm_counts(s);
    json_object_set_new(doc, "hidden", hidden ? json_text(hidden) : json_null());
    json_object_set_new(doc, "loss",
                        s->swarm ? json_pack("{s:f, s:f}", "rms", n.rms, "max", n.worst)
                                 : json_null());
    json_object_set_new(doc, "trips", s->swarm ? json_integer(n.trips) : json_null());
    json_object_set_new(doc, "drafted", s->swarm ? json_integer(n.drafted) : json_null());
    json_object_set_new(doc, "accepted", s->swarm ? json_integer(n.accepted) : json_null());
}

/* One line of what the way through the stages gave and cost. */
static void note_counts(const struct session *s, const struct generation *g)
{
    struct swarm_counts n = swarm_counts(s);
    if (n.drafted && n.trips)
        note(s->c, "%.1f tokens a trip; %lld of %lld drafted tokens came true",
             (double)g->tokens.n / (double)n.trips, (long long)n.accepted, (long long)n.drafted);
    if (n.worst > 0)
        note(s->c, "hidden states in %s: error %.3f %% (rms), %.3f %% at worst", swarm_hidden(s),
             100 * n.rms, 100 * n.worst);
}

static json_t *document(const struct session *s, json_t *doc, const struct ids *prompt,
                        const struct generation *g)
{
    json_object_set_new(doc, "model", json_text(s->path));
    json_object_set_new(doc, "text", json_bytes(g->text.p ? g->text.p : "", g->text.n));
    json_object_set_new(doc, "prompt_tokens", json_ids(prompt->p, prompt->n));
    json_object_set_new(doc, "tokens", json_ids(g->tokens.p, g->tokens.n));
    json_object_set_new(doc, "stopped", json_text(stopped_name(g->stopped)));
    json_object_set_new(doc, "seed", json_u64(s->seed));
    if (s->ctx)
        json_object_set_new(doc, "threads", json_integer(px_context_threads(s->ctx)));
    json_object_set_new(doc, "stages", s->swarm ? json_incref(swarm_stages(s)) : json_null());
    json_object_set_new(doc, "epochs", s->swarm ? json_integer(swarm_epochs(s)) : json_null());
    json_object_set_new(doc, "lost", s->swarm ? json_integer(swarm_lost(s)) : json_null());
    add_counts(s, doc);
    json_object_set_new(doc, "timings", timings_json(s));
    return doc;
}

static void show_end(const struct session *s, const struct ids *prompt, const struct generation *g)
{
    const struct cli *c = s->c;
    if (opt_on(c, OPT_JSON)) {
        doc_print(document(s, doc_new(c), prompt, g), 0);
    } else if (opt_on(c, OPT_JSON_LINES)) {
        json_t *o = json_object();
        json_object_set_new(o, "event", json_text("done"));
        line_print(document(s, o, prompt, g));
    } else {
        if (!g->text.n || g->text.p[g->text.n - 1] != '\n')
            fputc('\n', stdout);
        fflush(stdout);
        if (term_err() && term_out())
            note(c, "%zu tokens, %.0f a second; prompt %zu tokens; ended by %s; seed %llu",
                 g->tokens.n, s->decode_s > 0 ? (double)g->tokens.n / s->decode_s : 0, prompt->n,
                 stopped_name(g->stopped), (unsigned long long)s->seed);
        if (s->swarm && term_err() && term_out())
            note_counts(s, g);
    }
}

static int speak(struct session *s, const struct text *prompt)
{
    struct cli *c = s->c;
    struct ids ids = {0};
    struct generation g = {.max = opt_uint(c, OPT_MAX_TOKENS),
                           .stops = c->v[OPT_STOP].list,
                           .stop_count = c->v[OPT_STOP].n,
                           .ignore_end = opt_on(c, OPT_IGNORE_EOS)};
    g.emit = opt_on(c, OPT_JSON) ? NULL : opt_on(c, OPT_JSON_LINES) ? write_line : write_text;
    int rc = encode(s, prompt, &ids);
    int swarm = opt_on(c, OPT_SWARM);
    if (rc == 0 && !swarm)
        rc = session_context(s, 1, opt_uint(c, OPT_CTX));
    if (rc == 0 && !swarm)
        rc = session_sampler(s);
    if (rc == 0 && !opt_on(c, OPT_JSON) && !opt_on(c, OPT_JSON_LINES) && term_out() &&
        !opt_text(c, OPT_CHAT_TEMPLATE)) {
        fputs(ink(1), stdout);
        put_text(prompt->p, prompt->n);
        fputs(ink(0), stdout);
        fflush(stdout);
    }
    if (rc == 0 && swarm)
        rc = swarm_model(s);
    if (rc == 0)
        rc = swarm ? swarm_begin(s, &ids, g.max) : session_prefill(s, ids.p, ids.n);
    if (rc == 0)
        rc = session_generate(s, &g);
    if (rc == 0) {
        show_end(s, &ids, &g);
        rc = g.stopped == STOP_INTERRUPTED ? px_err_exit(PX_ERR_INTERRUPTED) : 0;
    }
    free(ids.p);
    generation_free(&g);
    return rc;
}

int verb_run(struct cli *c)
{
    struct session s;
    struct text prompt = {0};
    int rc = text_read(c, -1, 1, "PROMPT", &prompt);
    if (rc)
        return rc;
    if (c->args == 1) /* from a pipe: the last line feed is the shell's */
        while (prompt.n && prompt.p[prompt.n - 1] == '\n')
            prompt.p[--prompt.n] = 0;
    rc = session_open(c, c->arg[0], &s);
    interrupt_poll(1);
    if (rc == 0)
        rc = speak(&s, &prompt);
    session_close(&s);
    free(prompt.p);
    return rc;
}
