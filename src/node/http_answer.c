/* Answers that grow: from the events of a generator to pieces of a reply. */
#include <stdio.h>

#include "base/math.h"
#include "node/call.h"
#include "node/http_impl.h"

enum { TEXT_MAX = 64 << 20 };

const char *pxi_answer_model(const struct pxi_answer *a)
{
    return a->generator->info(a->generator)->name;
}

static void answer_free(struct pxi_answer *a)
{
    pxi_list_remove(&a->link);
    pxi_texter_deinit(&a->texter);
    for (unsigned i = 0; i < a->stop_count; i++)
        pxi_free(a->stops[i]);
    pxi_free(a->stops);
    pxi_buf_deinit(&a->text);
    json_decref(a->marks);
    json_decref(a->rows);
    json_decref(a->input);
    pxi_free(a);
}

static void stop_generation(struct pxi_answer *a)
{
    if (a->generation)
        a->generator->cancel(a->generator, a->generation);
    a->generation = NULL;
}

/* The client went away. */
static void on_closed(struct pxi_http_exchange *x)
{
    struct pxi_answer *a = x->user;
    stop_generation(a);
    a->api->counts.success[2]++;
    answer_free(a);
}

void pxi_answers_drop(struct pxi_api *api, struct pxi_generator *g)
{
    for (struct pxi_list *l = api->answers.next, *next; l != &api->answers; l = next) {
        struct pxi_answer *a = PXI_OF(l, struct pxi_answer, link);
        next = l->next;
        if (g && a->generator != g)
            continue;
        stop_generation(a);
        pxi_stream_drop(a->x);
        answer_free(a);
    }
}

/* ------------------------------------------------------------------------------- ends */

/* The client cannot be told any more. */
static void lose(struct pxi_answer *a)
{
    stop_generation(a);
    a->api->counts.success[2]++;
    pxi_stream_drop(a->x);
    answer_free(a);
}

static struct pxi_ask ask_of(const struct pxi_answer *a)
{
    return (struct pxi_ask){.api = a->api, .x = a->x, .ollama = a->ollama};
}

static void fail(struct pxi_answer *a, px_err err, const char *why)
{
    struct pxi_ask q = ask_of(a);
    const char *text = why ? why : px_err_text(err);
    unsigned status = pxi_reply_status(err);
    stop_generation(a);
    a->api->counts.failed++;
    if (!a->sent)
        pxi_reply_error(&q, status, px_err_code(err), NULL, "%s", text);
    else {
        a->x->keep = false;
        if (pxi_stream_doc(a->x, a->style->sse,
                           pxi_error_json(a->ollama, status, px_err_code(err), NULL, text)))
            pxi_stream_finish(a->x);
        else
            pxi_stream_drop(a->x);
    }
    answer_free(a);
}

static void tell_end(struct pxi_answer *a)
{
    struct pxi_api *api = a->api;
    double s = (double)(api->o.timers->now_ns - a->begun_ns) / 1e9;
    api->counts.success[a->finish == PXI_FINISH_LENGTH]++;
    api->counts.prompt_tokens += a->prompt_tokens;
    api->counts.cached_tokens += a->cached_tokens;
    api->counts.made_tokens += a->made_tokens;
    pxi_times_add(&api->whole, s);
    pxi_api_event(api, "answer",
                  json_pack("{s:s, s:s, s:i, s:i, s:f}", "id", a->id, "model", pxi_answer_model(a),
                            "prompt_tokens", (int)a->prompt_tokens, "tokens", (int)a->made_tokens,
                            "seconds", s));
}

static void finish(struct pxi_answer *a)
{
    struct pxi_ask q = ask_of(a);
    a->generation = NULL;
    tell_end(a);
    if (!a->stream)
        pxi_reply_json(&q, 200, a->style->whole(a));
    else if (a->style->end(a))
        pxi_stream_finish(a->x);
    else
        pxi_stream_drop(a->x);
    answer_free(a);
}

/* ----------------------------------------------------------------------------- events */

static json_t *mark(struct pxi_answer *a, int32_t token, float logprob)
{
    const px_tokenizer *t = a->generator->info(a->generator)->tokenizer;
    char raw[256];
    size_t n = 0;
    json_t *m = json_object(), *bytes = json_array();
    if (px_detokenize(t, &token, 1, 1, raw, sizeof raw, &n) != PX_ERR_OK || n > sizeof raw)
        n = 0;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((uint8_t)raw[i]));
    json_object_set_new(m, "token", pxi_json_text(px_view_of(raw, n)));
    json_object_set_new(m, "logprob", json_real(logprob > -9999 ? logprob : -9999));
    json_object_set_new(m, "bytes", bytes);
    return m;
}

static void add_mark(struct pxi_answer *a, const struct pxi_generate_event *e)
{
    if (!a->logprobs)
        return;
    json_t *m = mark(a, e->token, e->logprob), *top = json_array();
    for (uint32_t i = 0; i < e->top_count; i++)
        json_array_append_new(top, mark(a, e->top[i].token, e->top[i].logprob));
    json_object_set_new(m, "top_logprobs", top);
    if (!a->marks)
        a->marks = json_array();
    json_array_append_new(a->marks, m);
}

/* Text that is certain. False after the answer ended badly. */
static bool give(struct pxi_answer *a, px_view text)
{
    if (!a->stream) {
        if (pxi_buf_add(&a->text, text.p, text.n))
            return true;
        fail(a, PX_ERR_NOMEM, NULL);
        return false;
    }
    if (!text.n && !a->marks)
        return true;
    if (a->style->piece(a, text))
        return true;
    lose(a);
    return false;
}

static void on_started(struct pxi_answer *a, const struct pxi_generate_event *e)
{
    a->cached_tokens = e->cached_tokens;
    a->prompt_tokens = e->prompt_tokens;
    if (!a->stream)
        return;
    a->sent = true;
    a->api->counts.requests[2]++;
    if (!pxi_stream_begin(a->x, a->style->type) || !a->style->begin(a))
        lose(a);
}

static void on_token(struct pxi_answer *a, const struct pxi_generate_event *e)
{
    px_view text;
    if (!a->made_tokens++)
        pxi_times_add(&a->api->first_token, (double)(a->api->o.timers->now_ns - a->begun_ns) / 1e9);
    px_err err = pxi_texter_add(&a->texter, e->token, &text);
    if (err != PX_ERR_OK) {
        fail(a, err, NULL);
        return;
    }
    add_mark(a, e);
    struct pxi_api *api = a->api;
    bool told = give(a, text);
    if (e->born_ns && api->o.clock_ns)
        pxi_times_add(&api->delay, (double)(api->o.clock_ns() - e->born_ns) / 1e9);
    if (!told || !a->texter.stopped)
        return;
    stop_generation(a);
    a->finish = PXI_FINISH_STOP;
    finish(a);
}

static void on_done(struct pxi_answer *a, const struct pxi_generate_event *e)
{
    px_view text;
    a->generation = NULL;
    a->prompt_tokens = e->prompt_tokens;
    a->made_tokens = e->made_tokens;
    a->prompt_ns = e->prompt_ns;
    a->decode_ns = e->decode_ns;
    a->finish = e->reason == PXI_GENERATE_LENGTH ? PXI_FINISH_LENGTH : PXI_FINISH_STOP;
    if (pxi_texter_end(&a->texter, &text) == PX_ERR_OK && give(a, text))
        finish(a);
}

static void on_event(void *ctx, const struct pxi_generate_event *e)
{
    struct pxi_answer *a = ctx;
    switch (e->kind) {
    case PXI_GENERATE_STARTED: on_started(a, e); break;
    case PXI_GENERATE_TOKEN: on_token(a, e); break;
    case PXI_GENERATE_DONE: on_done(a, e); break;
    case PXI_GENERATE_FAILED:
        a->generation = NULL;
        fail(a, e->err, e->why);
        break;
    default: break;
    }
}

/* ----------------------------------------------------------------------------- starting */

static bool copy_stops(struct pxi_answer *a, struct pxi_ask *q, const json_t *stops)
{
    size_t n = json_is_array(stops) ? json_array_size(stops) : json_is_string(stops) ? 1 : 0;
    struct pxi_fields f = {.q = q};
    if (!stops || json_is_null(stops))
        return true;
    a->stops = pxi_calloc(n + 1, sizeof *a->stops);
    if (!a->stops) {
        pxi_reply_error(q, 503, NULL, NULL, "out of memory");
        return false;
    }
    if (!n && !json_is_array(stops))
        pxi_fields_fault(&f, "stop", "stop must be a text or a list of texts");
    if (n > PXI_LIMIT_HTTP_STOPS)
        pxi_fields_fault(&f, "stop", "at most %d stop strings", PXI_LIMIT_HTTP_STOPS);
    for (size_t i = 0; i < n && !f.bad; i++) {
        const json_t *s = json_is_array(stops) ? json_array_get(stops, i) : stops;
        size_t length = json_string_length(s);
        if (!json_is_string(s) || length > PXI_LIMIT_HTTP_STOP_BYTES ||
            strlen(json_string_value(s)) != length)
            pxi_fields_fault(&f, "stop", "stop strings are texts of at most %d bytes",
                             PXI_LIMIT_HTTP_STOP_BYTES);
        else if (length)
            a->stops[a->stop_count] = pxi_strdup_view(px_view_str(json_string_value(s)));
        a->stop_count += a->stops[a->stop_count] != NULL;
    }
    return pxi_fields_ok(&f);
}

static struct pxi_answer *answer_new(struct pxi_ask *q, struct pxi_generator *g,
                                     const struct pxi_style *style)
{
    struct pxi_answer *a = pxi_calloc(1, sizeof *a);
    if (!a) {
        pxi_reply_error(q, 503, NULL, NULL, "out of memory");
        return NULL;
    }
    a->api = q->api;
    a->x = q->x;
    a->generator = g;
    a->style = style;
    a->ollama = q->ollama;
    a->text.max = TEXT_MAX;
    a->created_s = q->api->o.wall_s();
    a->begun_ns = q->api->o.timers->now_ns;
    pxi_list_add(&q->api->answers, &a->link);
    return a;
}

static void run(struct pxi_answer *a, struct pxi_ask *q, const struct pxi_generate_request *r,
                pxi_generate_fn *event)
{
    px_err err = a->generator->start(a->generator, r, event, a, &a->generation);
    if (err != PX_ERR_OK) {
        pxi_reply_error(q, pxi_reply_status(err), px_err_code(err), NULL, "%s",
                        err == PX_ERR_LIMIT ? "too many requests wait for this model"
                                            : px_err_text(err));
        answer_free(a);
        return;
    }
    a->x->user = a;
    a->x->closed = on_closed;
}

/* What this back end cannot do is said before it is asked. */
static bool able(struct pxi_ask *q, const struct pxi_generator_info *i,
                 const struct pxi_generate_request *r)
{
    const char *what = r->json && !i->json           ? (q->ollama ? "format" : "response_format")
                       : r->logprobs && !i->logprobs ? "logprobs"
                                                     : NULL;
    if (what)
        pxi_reply_error(q, 400, "unsupported_value", what,
                        "%s is not served for this model: its back end is %s, where only tokens "
                        "come back",
                        what, i->backend);
    return !what;
}

void pxi_answer_start(struct pxi_ask *q, struct pxi_generator *g,
                      const struct pxi_generate_request *r, const struct pxi_answer_options *o)
{
    struct pxi_answer *a = able(q, g->info(g), r) ? answer_new(q, g, o->style) : NULL;
    if (!a)
        return;
    a->chat = o->chat;
    a->stream = o->stream;
    a->usage = o->usage;
    a->logprobs = r->logprobs;
    a->top = r->top_logprobs;
    snprintf(a->id, sizeof a->id, "%s-%016llx", o->chat ? "chatcmpl" : "cmpl",
             (unsigned long long)pxi_random_u64(q->api->o.random));
    if (!copy_stops(a, q, o->stops)) {
        answer_free(a);
        return;
    }
    px_err err = pxi_texter_init(&a->texter, g->info(g)->tokenizer, a->stops, a->stop_count);
    if (err != PX_ERR_OK) {
        pxi_reply_error(q, 503, NULL, NULL, "out of memory");
        answer_free(a);
        return;
    }
    run(a, q, r, on_event);
}

/* -------------------------------------------------------------------------- embeddings */

static void embed_next(struct pxi_answer *a, struct pxi_ask *q);

static json_t *vector(const struct pxi_answer *a, const float *v, uint32_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!a->base64) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < n; i++)
            json_array_append_new(list, json_real(v[i]));
        return list;
    }
    const uint8_t *p = (const uint8_t *)v;
    size_t bytes = (size_t)n * sizeof *v, at = 0;
    char *out = pxi_calloc(1, bytes / 3 * 4 + 8);
    for (size_t i = 0; out && i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t w = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        out[at++] = digits[w >> 18];
        out[at++] = digits[w >> 12 & 63];
        out[at++] = left > 1 ? digits[w >> 6 & 63] : '=';
        out[at++] = left > 2 ? digits[w & 63] : '=';
    }
    json_t *text = out ? json_stringn(out, at) : NULL;
    pxi_free(out);
    return text;
}

static void on_embed(void *ctx, const struct pxi_generate_event *e)
{
    struct pxi_answer *a = ctx;
    struct pxi_ask q = ask_of(a);
    if (e->kind == PXI_GENERATE_EMBEDDING)
        json_array_append_new(a->rows, vector(a, e->embedding, e->embedding_count));
    else if (e->kind == PXI_GENERATE_DONE) {
        a->generation = NULL;
        a->prompt_tokens += e->prompt_tokens;
        a->prompt_ns += e->prompt_ns;
        embed_next(a, &q);
    } else if (e->kind == PXI_GENERATE_FAILED) {
        a->generation = NULL;
        fail(a, e->err, e->why);
    }
}

static void embed_next(struct pxi_answer *a, struct pxi_ask *q)
{
    struct pxi_generate_request r = {.embed = true, .sampler = {.size = sizeof r.sampler}};
    if (a->next == json_array_size(a->input)) {
        finish(a);
        return;
    }
    json_t *one = json_array_get(a->input, a->next++);
    int32_t *ids = json_is_array(one) ? pxi_ids_read(one, &r.prompt.count) : NULL;
    r.prompt.ids = ids;
    if (json_is_string(one))
        r.prompt.text = px_view_of(json_string_value(one), json_string_length(one));
    if (ids || json_is_string(one))
        run(a, q, &r, on_embed);
    else {
        pxi_reply_error(q, 400, "invalid_value", "input", "input must be texts or token ids");
        answer_free(a);
    }
    pxi_free(ids);
}

void pxi_answer_embed(struct pxi_ask *q, struct pxi_generator *g, json_t *input, bool base64,
                      const struct pxi_style *style)
{
    struct pxi_answer *a = answer_new(q, g, style);
    if (!a) {
        json_decref(input);
        return;
    }
    a->input = input;
    a->rows = json_array();
    a->base64 = base64;
    snprintf(a->id, sizeof a->id, "embd-%016llx",
             (unsigned long long)pxi_random_u64(q->api->o.random));
    embed_next(a, q);
}
