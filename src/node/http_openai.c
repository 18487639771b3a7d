/* OpenAI's routes: requests to generations, and answers in their shapes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "node/call.h"
#include "node/http_impl.h"

/* ---------------------------------------------------------------------------- answers */

static json_t *usage_of(const struct pxi_answer *a)
{
    return json_pack("{s:i, s:i, s:i, s:{s:i}}", "prompt_tokens", (int)a->prompt_tokens,
                     "completion_tokens", (int)a->made_tokens, "total_tokens",
                     (int)(a->prompt_tokens + a->made_tokens), "prompt_tokens_details",
                     "cached_tokens", (int)a->cached_tokens);
}

static json_t *frame(const struct pxi_answer *a, const char *object)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", a->id, "object", object, "created",
                     (json_int_t)a->created_s, "model", pxi_answer_model(a), "system_fingerprint",
                     "plexus");
}

/* The shape of completions, made of that of chat. */
static json_t *old_logprobs(const struct pxi_answer *a, const json_t *marks)
{
    json_t *tokens = json_array(), *values = json_array(), *tops = json_array(), *at = json_array();
    json_t *m, *t;
    size_t i, k, offset = a->marked;
    json_array_foreach(marks, i, m)
    {
        json_t *top = json_object();
        json_array_foreach(json_object_get(m, "top_logprobs"), k, t) json_object_set(
            top, json_string_value(json_object_get(t, "token")), json_object_get(t, "logprob"));
        json_array_append(tokens, json_object_get(m, "token"));
        json_array_append(values, json_object_get(m, "logprob"));
        json_array_append_new(tops, top);
        json_array_append_new(at, json_integer((json_int_t)offset));
        offset += json_string_length(json_object_get(m, "token"));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", values,
                     "top_logprobs", tops, "text_offset", at);
}

/* What was marked since the last piece. */
static json_t *logprobs_of(struct pxi_answer *a, px_view text)
{
    json_t *marks = a->marks, *out;
    if (!a->logprobs)
        return json_null();
    a->marks = NULL;
    if (a->chat)
        return json_pack("{s:o}", "content", marks ? marks : json_array());
    out = old_logprobs(a, marks);
    a->marked += text.n;
    json_decref(marks);
    return out;
}

static const char *finish_name(const struct pxi_answer *a)
{
    return a->finish == PXI_FINISH_LENGTH ? "length" : "stop";
}

/* A piece of a stream; reason NULL: it goes on. */
static bool piece_of(struct pxi_answer *a, json_t *delta, px_view text, const char *reason)
{
    json_t *doc = frame(a, a->chat ? "chat.completion.chunk" : "text_completion");
    json_t *choice = json_pack("{s:i, s:o, s:o}", "index", 0, "logprobs", logprobs_of(a, text),
                               "finish_reason", reason ? json_string(reason) : json_null());
    if (a->chat)
        json_object_set_new(choice, "delta", delta);
    else
        json_object_set_new(choice, "text", delta);
    json_object_set_new(doc, "choices", json_pack("[o]", choice));
    if (a->usage)
        json_object_set_new(doc, "usage", json_null());
    a->api->counts.sse_events++;
    return pxi_stream_doc(a->x, true, doc);
}

static bool begin(struct pxi_answer *a)
{
    if (!a->chat)
        return true;
    return piece_of(a, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), px_view_str(""),
                    NULL);
}

static bool piece(struct pxi_answer *a, px_view text)
{
    json_t *t = pxi_json_text(text);
    return piece_of(a, a->chat ? json_pack("{s:o}", "content", t) : t, text, NULL);
}

static bool end(struct pxi_answer *a)
{
    bool ok =
        piece_of(a, a->chat ? json_object() : json_string(""), px_view_str(""), finish_name(a));
    if (ok && a->usage) {
        json_t *doc = frame(a, a->chat ? "chat.completion.chunk" : "text_completion");
        json_object_set_new(doc, "choices", json_array());
        json_object_set_new(doc, "usage", usage_of(a));
        ok = pxi_stream_doc(a->x, true, doc);
    }
    return ok && pxi_stream_piece(a->x, px_view_str("data: [DONE]\n\n"));
}

static json_t *whole(struct pxi_answer *a)
{
    json_t *doc = frame(a, a->chat ? "chat.completion" : "text_completion");
    px_view text = px_view_of(a->text.p, a->text.n);
    json_t *choice = json_pack("{s:i, s:o, s:s}", "index", 0, "logprobs", logprobs_of(a, text),
                               "finish_reason", finish_name(a)),
           *t = pxi_json_text(text);
    if (a->chat)
        json_object_set_new(
            choice, "message",
            json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", t, "refusal"));
    else
        json_object_set_new(choice, "text", t);
    json_object_set_new(doc, "choices", json_pack("[o]", choice));
    json_object_set_new(doc, "usage", usage_of(a));
    return doc;
}

static const struct pxi_style style = {"text/event-stream", true, begin, piece, end, whole};

/* --------------------------------------------------------------------------- requests */

static void read_bias(struct pxi_fields *f, px_sampler_options *s, px_logit_bias *rows)
{
    const json_t *map = json_object_get(f->in, "logit_bias");
    const char *key;
    json_t *v;
    if (!map || json_is_null(map))
        return;
    if (!json_is_object(map) || json_object_size(map) > PXI_LIMIT_HTTP_BIAS) {
        pxi_fields_fault(f, "logit_bias", "logit_bias maps at most %d token ids to numbers",
                         PXI_LIMIT_HTTP_BIAS);
        return;
    }
    s->bias = rows;
    json_object_foreach((json_t *)map, key, v)
    {
        char *stop;
        long id = strtol(key, &stop, 10);
        double b = json_number_value(v);
        if (!*key || *stop || id < 0 || id > INT32_MAX || !json_is_number(v) || b < -100 || b > 100)
            pxi_fields_fault(f, "logit_bias", "logit_bias maps token ids to numbers in -100..100");
        else
            rows[s->bias_count++] = (px_logit_bias){(int32_t)id, b <= -100 ? -INFINITY : (float)b};
    }
}

static void read_format(struct pxi_fields *f, struct pxi_generate_request *r)
{
    const json_t *format = json_object_get(f->in, "response_format");
    const char *type = json_string_value(json_object_get(format, "type"));
    if (!format || json_is_null(format))
        return;
    if (type && strcmp(type, "json_object") == 0)
        r->json = true;
    else if (!type || strcmp(type, "text") != 0)
        pxi_fields_fault(f, "response_format",
                         "response_format may be text or json_object; schemas are not served");
}

static void read_sampling(struct pxi_fields *f, struct pxi_generate_request *r, px_logit_bias *rows)
{
    px_sampler_options *s = &r->sampler;
    uint64_t chance = pxi_random_u64(f->q->api->o.random) >> 11;
    s->size = sizeof *s;
    s->temperature = (float)pxi_field_number(f, "temperature", 1, 0, 2);
    s->top_p = (float)pxi_field_number(f, "top_p", 1, 0, 1);
    s->top_k = (uint32_t)pxi_field_int(f, "top_k", 0, 0, INT32_MAX);
    s->min_p = (float)pxi_field_number(f, "min_p", 0, 0, 1);
    s->repeat_penalty = (float)pxi_field_number(f, "repeat_penalty", 0, 0, 10);
    s->presence_penalty = (float)pxi_field_number(f, "presence_penalty", 0, -2, 2);
    s->frequency_penalty = (float)pxi_field_number(f, "frequency_penalty", 0, -2, 2);
    s->seed = (uint64_t)pxi_field_int(f, "seed", (int64_t)chance, INT64_MIN, INT64_MAX);
    r->max_tokens = (uint32_t)pxi_field_int(f, "max_tokens", 0, 1, INT32_MAX);
    r->max_tokens =
        (uint32_t)pxi_field_int(f, "max_completion_tokens", r->max_tokens, 1, INT32_MAX);
    r->ignore_end = pxi_field_bool(f, "ignore_eos", false);
    pxi_field_int(f, "n", 1, 1, 1);
    pxi_field_int(f, "best_of", 1, 1, 1);
    read_bias(f, s, rows);
    read_format(f, r);
}

static void read_answer(struct pxi_fields *f, struct pxi_answer_options *o)
{
    const json_t *stream = json_object_get(f->in, "stream_options");
    struct pxi_fields inner = {.q = f->q, .in = stream};
    o->style = &style;
    o->stream = pxi_field_bool(f, "stream", false);
    o->stops = json_object_get(f->in, "stop");
    if (stream && !json_is_null(stream) && !json_is_object(stream))
        pxi_fields_fault(f, "stream_options", "stream_options must be an object");
    o->usage = json_is_object(stream) && pxi_field_bool(&inner, "include_usage", false);
    if (inner.bad)
        pxi_fields_fault(f, "stream_options", "%s", inner.message);
}

void pxi_openai_chat(struct pxi_ask *q)
{
    px_logit_bias rows[PXI_LIMIT_HTTP_BIAS];
    struct pxi_fields f = {.q = q, .in = q->body};
    struct pxi_generate_request r = {0};
    struct pxi_answer_options o = {.chat = true};
    struct pxi_chat chat = {0};
    read_sampling(&f, &r, rows);
    read_answer(&f, &o);
    r.logprobs = pxi_field_bool(&f, "logprobs", false);
    r.top_logprobs = (uint32_t)pxi_field_int(&f, "top_logprobs", 0, 0, PXI_LIMIT_HTTP_LOGPROBS);
    if (r.top_logprobs && !r.logprobs)
        pxi_fields_fault(&f, "top_logprobs", "top_logprobs needs logprobs");
    const char *name = pxi_field_text(&f, "model");
    struct pxi_generator *g = pxi_fields_ok(&f) ? pxi_model_find(q, name) : NULL;
    if (g && pxi_chat_read(q, g->info(g), &chat)) {
        r.prompt = pxi_chat_prompt(&chat);
        pxi_answer_start(q, g, &r, &o);
    }
    pxi_chat_deinit(&chat);
}

/* One text, or the ids of one; a list of one of them is the same. *ids is to be freed. */
static void read_prompt(struct pxi_fields *f, struct pxi_prompt *p, int32_t **ids)
{
    const json_t *v = json_object_get(f->in, "prompt"), *first = json_array_get(v, 0);
    if (json_is_array(v) && json_array_size(v) == 1 && !json_is_integer(first))
        v = first;
    if (json_is_string(v))
        p->text = px_view_of(json_string_value(v), json_string_length(v));
    else if (json_is_array(v) && (*ids = pxi_ids_read(v, &p->count)))
        p->ids = *ids;
    else
        pxi_fields_fault(f, "prompt", "prompt must be one text, or one list of token ids");
}

void pxi_openai_completions(struct pxi_ask *q)
{
    px_logit_bias rows[PXI_LIMIT_HTTP_BIAS];
    struct pxi_fields f = {.q = q, .in = q->body};
    struct pxi_generate_request r = {0};
    struct pxi_answer_options o = {0};
    int32_t *ids = NULL;
    read_sampling(&f, &r, rows);
    read_answer(&f, &o);
    read_prompt(&f, &r.prompt, &ids);
    r.top_logprobs = (uint32_t)pxi_field_int(&f, "logprobs", 0, 0, PXI_LIMIT_HTTP_LOGPROBS);
    r.logprobs = json_is_integer(json_object_get(q->body, "logprobs"));
    if (pxi_field_bool(&f, "echo", false))
        pxi_fields_fault(&f, "echo", "echo is not served");
    if (pxi_field_text(&f, "suffix"))
        pxi_fields_fault(&f, "suffix", "suffix is not served");
    if (!r.max_tokens)
        r.max_tokens = 16; /* as OpenAI has it */
    const char *name = pxi_field_text(&f, "model");
    struct pxi_generator *g = pxi_fields_ok(&f) ? pxi_model_find(q, name) : NULL;
    if (g)
        pxi_answer_start(q, g, &r, &o);
    pxi_free(ids);
}

/* ------------------------------------------------------------------------- embeddings */

static json_t *embed_whole(struct pxi_answer *a)
{
    json_t *rows = json_array(), *v;
    size_t i;
    json_array_foreach(a->rows, i, v) json_array_append_new(
        rows, json_pack("{s:s, s:i, s:O}", "object", "embedding", "index", (int)i, "embedding", v));
    return json_pack("{s:s, s:o, s:s, s:{s:i, s:i}}", "object", "list", "data", rows, "model",
                     pxi_answer_model(a), "usage", "prompt_tokens", (int)a->prompt_tokens,
                     "total_tokens", (int)a->prompt_tokens);
}

static const struct pxi_style embed_style = {.whole = embed_whole};

void pxi_openai_embeddings(struct pxi_ask *q)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    json_t *input = json_object_get(q->body, "input");
    const char *format = pxi_field_text(&f, "encoding_format"), *name = pxi_field_text(&f, "model");
    bool base64 = format && strcmp(format, "base64") == 0;
    if (format && !base64 && strcmp(format, "float") != 0)
        pxi_fields_fault(&f, "encoding_format", "encoding_format may be float or base64");
    if (json_is_string(input) || json_is_integer(json_array_get(input, 0)))
        input = json_pack("[O]", input);
    else
        input = json_incref(input);
    if (!json_array_size(input) || json_array_size(input) > PXI_LIMIT_HTTP_INPUTS)
        pxi_fields_fault(&f, "input", "input must be 1 to %d texts or lists of token ids",
                         PXI_LIMIT_HTTP_INPUTS);
    struct pxi_generator *g = pxi_fields_ok(&f) ? pxi_model_find(q, name) : NULL;
    if (g && !g->info(g)->embeds)
        pxi_reply_error(q, 501, NULL, "model", "this model gives no embeddings here");
    else if (g) {
        pxi_answer_embed(q, g, input, base64, &embed_style);
        return;
    }
    json_decref(input);
}

/* ----------------------------------------------------------------------------- models */

static json_t *model_row(const struct pxi_generator_info *i)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:i}", "id", i->name, "object", "model", "created",
                     (json_int_t)i->created_s, "owned_by", "plexus", "context_length",
                     (int)i->positions);
}

void pxi_openai_models(struct pxi_ask *q)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < q->api->model_count; i++)
        json_array_append_new(list, model_row(q->api->models[i]->info(q->api->models[i])));
    pxi_reply_json(q, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

void pxi_openai_model(struct pxi_ask *q)
{
    const size_t skip = sizeof "/v1/models/" - 1;
    char name[256];
    size_t n = q->r->path.n - skip;
    if (n >= sizeof name)
        n = sizeof name - 1;
    memcpy(name, q->r->path.p + skip, n);
    name[n] = 0;
    struct pxi_generator *g = pxi_model_find(q, name);
    if (g)
        pxi_reply_json(q, 200, model_row(g->info(g)));
}
