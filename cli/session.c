/* Opening a model, evaluating a prompt, and the loop that generates text. */
#include "node.h"
#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { CHUNK = 512, TOKEN_TEXT = 65536, CID_LEAST = 50 };

int has_option(const struct cli *c, int id)
{
    for (unsigned i = 0; i < c->verb->opt_count; i++)
        if (c->verb->opts[i].id == id)
            return 1;
    return 0;
}

uint64_t random_seed(void)
{
    uint64_t s = 0;
    if (getrandom(&s, sizeof s, 0) != (ssize_t)sizeof s)
        s = (uint64_t)(now_s() * 1e9);
    return s >> 11; /* exact in a JSON number */
}

void ids_add(struct ids *a, int32_t id)
{
    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 256;
        a->p = must(realloc(a->p, a->cap * sizeof *a->p));
    }
    a->p[a->n++] = id;
}

const char *stopped_name(enum stopped s)
{
    static const char *const names[] = {"length", "end", "stop", "context", "interrupted"};
    return names[s];
}

int session_fail(struct session *s, px_err e)
{
    return fail(e, s->path, NULL);
}

/* No such file: perhaps a model of the store; or, when others compute, what is needed of it. */
static px_err open_stored(const char *name, struct session *s, px_diag *d, int words)
{
    char *root = data_path("store"), *path = NULL;
    px_err e = !root   ? PX_ERR_NOT_FOUND
               : words ? px_store_words_path(root, name, &path)
                       : px_store_model_path(root, name, &path);
    free(root);
    if (e == PX_ERR_OK)
        e = words ? px_model_open_words(path, &s->model, d) : px_model_open(path, &s->model, d);
    px_node_text_free(path);
    return e == PX_ERR_OK || s->model ? e : PX_ERR_NOT_FOUND;
}

/* A model whose weights are elsewhere: its words are here, or the node fetches them. */
static px_err open_words(struct cli *c, const char *name, struct session *s, px_diag *d, int *rc)
{
    size_t cid = strspn(name, "abcdefghijklmnopqrstuvwxyz234567");
    px_err e = open_stored(name, s, d, 1);
    if (e != PX_ERR_NOT_FOUND || cid < CID_LEAST || name[cid])
        return e;
    *rc = store_pull_words(c, name);
    return *rc ? e : open_stored(name, s, d, 1);
}

int session_open(struct cli *c, const char *path, struct session *s)
{
    px_diag d = {0};
    double start = now_s();
    *s = (struct session){.c = c, .path = path};
    px_err e = px_model_open(path, &s->model, &d);
    int rc = 0;
    if (e == PX_ERR_NOT_FOUND)
        e = open_stored(path, s, &d, 0);
    if (e == PX_ERR_NOT_FOUND && has_option(c, OPT_SWARM) && opt_on(c, OPT_SWARM))
        e = open_words(c, path, s, &d, &rc);
    if (e)
        return rc ? rc : fail(e, path, &d);
    s->tok = px_model_tokenizer(s->model);
    s->load_s = now_s() - start;
    return 0;
}

int session_open_words(struct cli *c, const char *path, struct session *s)
{
    px_diag d = {0};
    px_file *f;
    if (px_file_open(path, &f, NULL) != PX_ERR_OK)
        return session_open(c, path, s); /* "tiny", of the store, or it says what is wrong */
    px_view bytes = px_file_bytes(f);
    if (bytes.n >= 4 && memcmp(bytes.p, "GGUF", 4) == 0) {
        px_file_close(f);
        return session_open(c, path, s);
    }
    *s = (struct session){.c = c, .path = path, .words_file = f};
    px_err e = px_tokenizer_parse(bytes, &s->words, &d);
    s->tok = s->words;
    return e ? fail(e, path, &d) : 0;
}

px_kv_type session_kv_type(const struct cli *c)
{
    const char *t = opt_text(c, OPT_KV_TYPE);
    return strcmp(t, "f32") == 0 ? PX_KV_F32 : strcmp(t, "i8") == 0 ? PX_KV_I8 : PX_KV_F16;
}

int session_context(struct session *s, uint32_t sequences, uint64_t positions)
{
    const struct cli *c = s->c;
    px_diag d = {0};
    double start = now_s();
    px_context_options o = {.size = sizeof o, .sequences = sequences, .batch = CHUNK};
    o.positions = positions > UINT32_MAX ? UINT32_MAX : (uint32_t)positions;
    o.threads = (uint32_t)opt_uint(c, OPT_THREADS);
    o.cpu = has_option(c, OPT_CPU) ? opt_text(c, OPT_CPU) : NULL;
    o.kv_type = has_option(c, OPT_KV_TYPE) ? session_kv_type(c) : PX_KV_F16;
    px_err e = px_context_new(s->model, &o, &s->ctx, &d);
    s->load_s += now_s() - start;
    return e ? fail(e, s->path, &d) : 0;
}

int read_biases(const struct value *v, px_logit_bias *out)
{
    for (unsigned i = 0; i < v->n; i++) {
        char *end, *stop;
        long token = strtol(v->list[i], &end, 10);
        double b = *end == '=' ? strtod(end + 1, &stop) : NAN;
        if (end == v->list[i] || *end != '=' || stop == end + 1 || *stop || isnan(b))
            return usage("write --bias 42=-1.5 or --bias 42=-inf", "--bias %s", v->list[i]);
        out[i] = (px_logit_bias){(int32_t)token, (float)b};
    }
    return 0;
}

int session_sampler(struct session *s)
{
    const struct cli *c = s->c;
    const struct value *bias = &c->v[OPT_BIAS];
    px_logit_bias *rows = must(calloc(bias->n + 1, sizeof *rows));
    int rc = read_biases(bias, rows);
    s->seed = opt_text(c, OPT_SEED) ? opt_uint(c, OPT_SEED) : random_seed();
    px_sampler_options o = {
        .size = sizeof o,
        .temperature = (float)opt_float(c, OPT_TEMP),
        .seed = s->seed,
        .bias = rows,
        .bias_count = bias->n,
    };
    if (has_option(c, OPT_TOP_K)) {
        o.top_k = (uint32_t)opt_uint(c, OPT_TOP_K);
        o.top_p = (float)opt_float(c, OPT_TOP_P);
        o.min_p = (float)opt_float(c, OPT_MIN_P);
        o.repeat_penalty = (float)opt_float(c, OPT_REPEAT_PENALTY);
        o.presence_penalty = (float)opt_float(c, OPT_PRESENCE_PENALTY);
        o.frequency_penalty = (float)opt_float(c, OPT_FREQUENCY_PENALTY);
    }
    if (rc == 0) {
        px_err e = px_sampler_new(&o, px_model_info_get(s->model)->vocab, &s->sampler);
        rc = e ? fail(e, "sampler options", NULL) : 0;
    }
    free(rows);
    return rc;
}

int session_encode(struct session *s, px_view text, unsigned flags, struct ids *out)
{
    size_t n = 0, cap = text.n / 3 + 16;
    for (;;) {
        out->p = must(realloc(out->p, cap * sizeof *out->p));
        px_err e = px_tokenize(s->tok, text, flags, out->p, cap, &n);
        if (e)
            return fail(e, "the prompt", NULL);
        out->cap = cap;
        out->n = n;
        if (n <= cap)
            return 0;
        cap = n;
    }
}

int session_prefill(struct session *s, const int32_t *ids, size_t n)
{
    px_batch_token batch[CHUNK];
    struct progress p;
    double start = now_s();
    progress_begin(&p, s->c, "reading the prompt", "tokens", n);
    for (size_t i = 0; i < n;) {
        size_t m = n - i < CHUNK ? n - i : CHUNK;
        for (size_t k = 0; k < m; k++)
            batch[k] = (px_batch_token){ids[i + k], 0, i + k + 1 == n};
        px_err e = interrupted() ? PX_ERR_INTERRUPTED : px_context_eval(s->ctx, batch, m);
        if (e) {
            progress_end(&p);
            return session_fail(s, e);
        }
        i += m;
        progress_set(&p, i);
    }
    progress_end(&p);
    s->prefill_s += now_s() - start;
    s->prefilled += n;
    for (size_t i = 0; i < n && s->sampler; i++)
        px_sampler_accept(s->sampler, ids[i]);
    return 0;
}

/* Text that is not written yet, because it may be the beginning of a stop string. */
struct pending {
    char *p;
    size_t n, cap;
};

static void append(char **p, size_t *n, const char *from, size_t more)
{
    *p = must(realloc(*p, *n + more + 1));
    memcpy(*p + *n, from, more);
    *n += more;
    (*p)[*n] = 0;
}

static void emit(struct generation *g, int32_t token, const char *text, size_t n)
{
    append(&g->text.p, &g->text.n, text, n);
    if (g->emit)
        g->emit(g->arg, token, text, n);
}

/* One more token's text; 1 when a stop string is complete. */
static int add_text(struct generation *g, struct pending *w, int32_t token, const char *text,
                    size_t n)
{
    append(&w->p, &w->n, text, n);
    unsigned which;
    size_t out = px_stop_cut(w->p, w->n, g->stops, g->stop_count, &which);
    int done = which < g->stop_count;
    emit(g, token, w->p, out);
    w->n = done ? 0 : w->n - out;
    memmove(w->p, w->p + out, w->n);
    return done;
}

/* The next token. */
static int choose(struct session *s, struct generation *g, int32_t *token)
{
    if (!s->swarm) {
        *token = px_sampler_next(s->sampler, px_context_logits(s->ctx, 0));
        return 0;
    }
    int rc = swarm_next(s, token);
    if (rc == 0 && *token == PX_TOKEN_NONE)
        g->stopped = interrupted() ? STOP_INTERRUPTED : STOP_CONTEXT;
    return rc;
}

/* Evaluate the chosen token so that the next can be chosen. */
static int advance(struct session *s, struct generation *g, int32_t token)
{
    if (s->swarm)
        return 0;
    px_batch_token one = {token, 0, 1};
    px_err e = px_context_eval(s->ctx, &one, 1);
    if (e == PX_ERR_CONTEXT_FULL)
        g->stopped = STOP_CONTEXT;
    else if (e)
        return session_fail(s, e);
    return 0;
}

int session_generate(struct session *s, struct generation *g)
{
    static char text[TOKEN_TEXT];
    px_detok d = {.started = 1};
    struct pending w = {0};
    double start = now_s();
    int rc = 0, going = 1;
    g->stopped = STOP_LENGTH;
    while (rc == 0 && going && g->tokens.n < g->max) {
        size_t n = 0;
        int32_t t;
        rc = choose(s, g, &t);
        if (rc || g->stopped != STOP_LENGTH)
            break;
        if (!g->tokens.n)
            s->first_s = now_s() - start;
        ids_add(&g->tokens, t);
        s->decoded++;
        if (!g->ignore_end && px_tokenizer_is_end(s->tok, t)) {
            g->stopped = STOP_END;
            break;
        }
        if (px_detok_next(s->tok, &d, t, text, sizeof text, &n) == PX_ERR_OK &&
            add_text(g, &w, t, text, n)) {
            g->stopped = STOP_TEXT;
            break;
        }
        if (interrupted())
            g->stopped = STOP_INTERRUPTED;
        else if (g->tokens.n < g->max)
            rc = advance(s, g, t);
        going = g->stopped == STOP_LENGTH;
    }
    s->decode_s += now_s() - start;
    if (g->stopped != STOP_TEXT) {
        size_t n = px_detok_end(&d, text, sizeof text);
        emit(g, PX_TOKEN_NONE, w.p ? w.p : "", w.n);
        emit(g, PX_TOKEN_NONE, text, n);
    }
    free(w.p);
    return rc;
}

void generation_free(struct generation *g)
{
    free(g->tokens.p);
    free(g->text.p);
}

void session_close(struct session *s)
{
    swarm_end(s);
    px_sampler_free(s->sampler);
    px_context_free(s->ctx);
    px_model_close(s->model);
    px_tokenizer_free(s->words);
    px_file_close(s->words_file);
}

json_t *timings_json(const struct session *s)
{
    json_t *t = json_object();
    json_object_set_new(t, "load_ms", json_number(s->load_s * 1e3));
    json_object_set_new(t, "prefill_ms", json_number(s->prefill_s * 1e3));
    json_object_set_new(t, "decode_ms", json_number(s->decode_s * 1e3));
    json_object_set_new(t, "first_token_ms",
                        json_number((s->load_s + s->prefill_s + s->first_s) * 1e3));
    json_object_set_new(t, "prefill_tps",
                        json_number(s->prefill_s > 0 ? (double)s->prefilled / s->prefill_s : 0));
    json_object_set_new(t, "decode_tps",
                        json_number(s->decode_s > 0 ? (double)s->decoded / s->decode_s : 0));
    return t;
}
