/* plexus eval perplexity and plexus eval logits */
#include "session.h"

#include <stdlib.h>

struct meter { /* progress of a perplexity */
    struct progress p;
    int begun;
    const struct cli *c;
};

static int on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct meter *m = arg;
    if (!m->begun)
        progress_begin(&m->p, m->c, "perplexity", "tokens", total);
    m->begun = 1;
    progress_set(&m->p, done);
    return interrupted();
}

static int show_perplexity(const struct cli *c, const px_perplexity *r, double seconds)
{
    if (!opt_on(c, OPT_JSON)) {
        printf("perplexity   %.5f\nnll          %.6f\ntokens       %llu\npredictions  %llu\n",
               r->perplexity, r->nll, (unsigned long long)r->tokens,
               (unsigned long long)r->predictions);
        return 0;
    }
    json_t *doc = doc_new(c);
    json_object_set_new(doc, "what", json_text("perplexity"));
    json_object_set_new(doc, "perplexity", json_number(r->perplexity));
    json_object_set_new(doc, "nll", json_number(r->nll));
    json_object_set_new(doc, "tokens", json_u64(r->tokens));
    json_object_set_new(doc, "predictions", json_u64(r->predictions));
    json_object_set_new(doc, "tps", json_number(seconds > 0 ? (double)r->tokens / seconds : 0));
    return doc_print(doc, 0);
}

static int measure(struct session *s, px_view text)
{
    const struct cli *c = s->c;
    struct meter m = {.c = c};
    px_perplexity r = {0};
    px_diag d = {0};
    double start = now_s();
    px_perplexity_options o = {.size = sizeof o,
                               .window = (uint32_t)opt_uint(c, OPT_CTX),
                               .threads = (uint32_t)opt_uint(c, OPT_THREADS),
                               .kv_type = session_kv_type(c),
                               .cpu = opt_text(c, OPT_CPU),
                               .progress = on_progress,
                               .progress_arg = &m};
    px_err e = px_model_perplexity(s->model, text, &o, &r, &d);
    if (m.begun)
        progress_end(&m.p);
    return e ? fail(e, s->path, &d) : show_perplexity(c, &r, now_s() - start);
}

int verb_eval_perplexity(struct cli *c)
{
    struct session s;
    struct text in = {0};
    int rc = opt_uint(c, OPT_CTX) == 1 ? usage("two at least", "--ctx 1")
                                       : text_read(c, OPT_FILE, 1, "--file", &in);
    if (rc)
        return rc;
    rc = session_open(c, c->arg[0], &s);
    interrupt_poll(1);
    if (rc == 0)
        rc = measure(&s, px_view_of(in.p, in.n));
    session_close(&s);
    free(in.p);
    return rc;
}

struct ranked {
    int32_t id;
    float logit;
};

static int by_logit(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int show_top(struct session *s, const struct ids *ids)
{
    uint32_t vocab = px_model_info_get(s->model)->vocab;
    uint64_t top = opt_uint(s->c, OPT_TOP) < vocab ? opt_uint(s->c, OPT_TOP) : vocab;
    const float *logits = px_context_logits(s->ctx, 0);
    struct ranked *r = must(malloc(vocab * sizeof *r));
    json_t *rows = json_array();
    for (uint32_t i = 0; i < vocab; i++)
        r[i] = (struct ranked){(int32_t)i, logits[i]};
    qsort(r, vocab, sizeof *r, by_logit);
    for (uint64_t i = 0; i < top; i++) {
        px_view v = px_tokenizer_text(s->tok, r[i].id);
        json_t *o = json_object();
        json_object_set_new(o, "id", json_integer(r[i].id));
        json_object_set_new(o, "logit", json_number((double)r[i].logit));
        json_object_set_new(o, "text", json_bytes(v.p, v.n));
        json_array_append_new(rows, o);
        if (opt_on(s->c, OPT_JSON))
            continue;
        printf("%7d  %14.9g  ", r[i].id, (double)r[i].logit);
        put_safe(stdout, v.p, v.n, 0);
        fputc('\n', stdout);
    }
    free(r);
    if (!opt_on(s->c, OPT_JSON)) {
        json_decref(rows);
        return 0;
    }
    json_t *doc = doc_new(s->c);
    json_object_set_new(doc, "what", json_text("logits"));
    json_object_set_new(doc, "prompt_tokens", json_ids(ids->p, ids->n));
    json_object_set_new(doc, "top", rows);
    return doc_print(doc, 0);
}

int verb_eval_logits(struct cli *c)
{
    struct session s;
    struct text in = {0};
    struct ids ids = {0};
    const char *prompt = opt_text(c, OPT_PROMPT);
    unsigned flags = PX_ENCODE_CONTROL | (opt_on(c, OPT_NO_BOS) ? 0u : PX_ENCODE_SPECIAL);
    int rc = prompt ? 0 : text_read(c, OPT_FILE, 1, "--prompt", &in);
    if (rc)
        return rc;
    px_view text = prompt ? px_view_str(prompt) : px_view_of(in.p, in.n);
    rc = session_open(c, c->arg[0], &s);
    interrupt_poll(1);
    if (rc == 0)
        rc = session_encode(&s, text, flags, &ids);
    if (rc == 0 && ids.n == 0)
        rc = usage("give some text", "the prompt is empty");
    if (rc == 0)
        rc = session_context(&s, 1, ids.n);
    if (rc == 0)
        rc = session_prefill(&s, ids.p, ids.n);
    if (rc == 0)
        rc = show_top(&s, &ids);
    session_close(&s);
    free(in.p);
    free(ids.p);
    return rc;
}
