/* ollama's routes. Streams are lines of JSON; durations are nanoseconds. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "node/call.h"
#include "node/http_impl.h"
#include "plexus/version.h"

static json_t *date(uint64_t s)
{
    time_t t = (time_t)s;
    struct tm tm;
    char text[40];
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

/* ---------------------------------------------------------------------------- answers */

static json_t *line(struct pxi_answer *a, px_view text, bool done)
{
    json_t *doc = json_object(), *t = pxi_json_text(text);
    json_object_set_new(doc, "model", json_string(pxi_answer_model(a)));
    json_object_set_new(doc, "created_at", date(a->api->o.wall_s()));
    if (a->chat)
        json_object_set_new(doc, "message",
                            json_pack("{s:s, s:o}", "role", "assistant", "content", t));
    else
        json_object_set_new(doc, "response", t);
    json_object_set_new(doc, "done", json_boolean(done));
    if (!done)
        return doc;
    json_object_set_new(doc, "done_reason",
                        json_string(a->finish == PXI_FINISH_LENGTH ? "length" : "stop"));
    json_object_set_new(doc, "total_duration",
                        json_integer((json_int_t)(a->api->o.timers->now_ns - a->begun_ns)));
    json_object_set_new(doc, "load_duration", json_integer(0));
    json_object_set_new(doc, "prompt_eval_count", json_integer(a->prompt_tokens));
    json_object_set_new(doc, "prompt_eval_duration", json_integer((json_int_t)a->prompt_ns));
    json_object_set_new(doc, "eval_count", json_integer(a->made_tokens));
    json_object_set_new(doc, "eval_duration", json_integer((json_int_t)a->decode_ns));
    return doc;
}

static bool begin(struct pxi_answer *a)
{
    return true;
}

static bool piece(struct pxi_answer *a, px_view text)
{
    return pxi_stream_doc(a->x, false, line(a, text, false));
}

static bool end(struct pxi_answer *a)
{
    return pxi_stream_doc(a->x, false, line(a, px_view_str(""), true));
}

static json_t *whole(struct pxi_answer *a)
{
    return line(a, px_view_of(a->text.p, a->text.n), true);
}

static const struct pxi_style style = {"application/x-ndjson", false, begin, piece, end, whole};

/* --------------------------------------------------------------------------- requests */

static void read_format(struct pxi_fields *f, struct pxi_generate_request *r)
{
    const json_t *v = json_object_get(f->in, "format");
    const char *text = json_string_value(v);
    if (!v || json_is_null(v) || (text && !*text))
        return;
    if (text && strcmp(text, "json") == 0)
        r->json = true;
    else
        pxi_fields_fault(f, "format", "format may be json; schemas are not served");
}

/* With the defaults of ollama. */
static void read_options(struct pxi_fields *f, struct pxi_generate_request *r,
                         struct pxi_answer_options *o)
{
    px_sampler_options *s = &r->sampler;
    const json_t *options = json_object_get(f->in, "options");
    struct pxi_fields in = {.q = f->q, .in = options};
    uint64_t chance = pxi_random_u64(f->q->api->o.random) >> 11;
    if (options && !json_is_null(options) && !json_is_object(options))
        pxi_fields_fault(f, "options", "options must be an object");
    s->size = sizeof *s;
    s->temperature = (float)pxi_field_number(&in, "temperature", 0.8, 0, 100);
    s->top_k = (uint32_t)pxi_field_int(&in, "top_k", 40, 0, INT32_MAX);
    s->top_p = (float)pxi_field_number(&in, "top_p", 0.9, 0, 1);
    s->min_p = (float)pxi_field_number(&in, "min_p", 0, 0, 1);
    s->repeat_penalty = (float)pxi_field_number(&in, "repeat_penalty", 1.1, 0, 10);
    s->presence_penalty = (float)pxi_field_number(&in, "presence_penalty", 0, -2, 2);
    s->frequency_penalty = (float)pxi_field_number(&in, "frequency_penalty", 0, -2, 2);
    s->penalty_window = (uint32_t)pxi_field_int(&in, "repeat_last_n", 0, 0, 65536);
    s->seed = (uint64_t)pxi_field_int(&in, "seed", (int64_t)chance, INT64_MIN, INT64_MAX);
    int64_t most = pxi_field_int(&in, "num_predict", 0, -2, INT32_MAX);
    r->max_tokens = most > 0 ? (uint32_t)most : 0;
    o->style = &style;
    o->stops = json_object_get(options, "stop");
    o->stream = pxi_field_bool(f, "stream", true);
    if (in.bad)
        pxi_fields_fault(f, in.param, "%s", in.message);
    read_format(f, r);
}

static struct pxi_generator *model_of(struct pxi_fields *f)
{
    const char *name = pxi_field_text(f, "model");
    if (!name)
        name = pxi_field_text(f, "name");
    if (!name)
        pxi_fields_fault(f, "model", "model is required");
    return pxi_fields_ok(f) ? pxi_model_find(f->q, name) : NULL;
}

/* A request without a prompt only loads the model, which is loaded. */
static void loaded(struct pxi_ask *q, struct pxi_generator *g, bool chat)
{
    json_t *doc = json_pack("{s:s, s:o, s:b, s:s}", "model", g->info(g)->name, "created_at",
                            date(q->api->o.wall_s()), "done", 1, "done_reason", "load");
    if (chat)
        json_object_set_new(doc, "message",
                            json_pack("{s:s, s:s}", "role", "assistant", "content", ""));
    else
        json_object_set_new(doc, "response", json_string(""));
    pxi_reply_json(q, 200, doc);
}

void pxi_ollama_chat(struct pxi_ask *q)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    struct pxi_generate_request r = {0};
    struct pxi_answer_options o = {.chat = true};
    struct pxi_chat chat = {0};
    read_options(&f, &r, &o);
    struct pxi_generator *g = model_of(&f);
    const json_t *messages = json_object_get(q->body, "messages");
    if (g && (!messages || (json_is_array(messages) && !json_array_size(messages))))
        loaded(q, g, true);
    else if (g && pxi_chat_read(q, g->info(g), &chat)) {
        r.prompt = pxi_chat_prompt(&chat);
        pxi_answer_start(q, g, &r, &o);
    }
    pxi_chat_deinit(&chat);
}

/* A prompt is a message of the user, unless it is raw or the model has no template. */
static bool read_prompt(struct pxi_ask *q, struct pxi_fields *f, struct pxi_generator *g,
                        struct pxi_chat *chat, struct pxi_prompt *p)
{
    const char *prompt = json_string_value(json_object_get(q->body, "prompt"));
    const char *system = json_string_value(json_object_get(q->body, "system"));
    if (pxi_field_bool(f, "raw", false) || !g->info(g)->chat) {
        p->text = px_view_str(prompt);
        return pxi_fields_ok(f);
    }
    json_t *messages = json_array();
    if (system && *system)
        json_array_append_new(messages,
                              json_pack("{s:s, s:s}", "role", "system", "content", system));
    json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", prompt));
    json_object_set_new(q->body, "messages", messages);
    if (!pxi_fields_ok(f) || !pxi_chat_read(q, g->info(g), chat))
        return false;
    *p = pxi_chat_prompt(chat);
    return true;
}

void pxi_ollama_generate(struct pxi_ask *q)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    struct pxi_generate_request r = {0};
    struct pxi_answer_options o = {0};
    struct pxi_chat chat = {0};
    read_options(&f, &r, &o);
    const char *prompt = pxi_field_text(&f, "prompt"), *suffix = pxi_field_text(&f, "suffix");
    if (suffix && *suffix)
        pxi_fields_fault(&f, "suffix", "suffix is not served");
    if (json_array_size(json_object_get(q->body, "images")))
        pxi_fields_fault(&f, "images", "images are not understood");
    struct pxi_generator *g = model_of(&f);
    if (g && (!prompt || !*prompt))
        loaded(q, g, false);
    else if (g && read_prompt(q, &f, g, &chat, &r.prompt))
        pxi_answer_start(q, g, &r, &o);
    pxi_chat_deinit(&chat);
}

static json_t *embed_whole(struct pxi_answer *a)
{
    return json_pack("{s:s, s:O, s:I, s:i, s:i}", "model", pxi_answer_model(a), "embeddings",
                     a->rows, "total_duration",
                     (json_int_t)(a->api->o.timers->now_ns - a->begun_ns), "load_duration", 0,
                     "prompt_eval_count", (int)a->prompt_tokens);
}

static const struct pxi_style embed_style = {.whole = embed_whole};

void pxi_ollama_embed(struct pxi_ask *q)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    json_t *input = json_object_get(q->body, "input");
    input = json_is_string(input) ? json_pack("[O]", input) : json_incref(input);
    if (!json_array_size(input) || json_array_size(input) > PXI_LIMIT_HTTP_INPUTS)
        pxi_fields_fault(&f, "input", "input must be 1 to %d texts", PXI_LIMIT_HTTP_INPUTS);
    struct pxi_generator *g = model_of(&f);
    if (g && !g->info(g)->embeds)
        pxi_reply_error(q, 501, NULL, "model", "this model gives no embeddings here");
    else if (g) {
        pxi_answer_embed(q, g, input, false, &embed_style);
        return;
    }
    json_decref(input);
}

/* ----------------------------------------------------------------------------- models */

static const char *type_name(const px_model_info *m, char out[16])
{
    double billions = (double)m->parameters / 1e9;
    if (billions >= 1)
        snprintf(out, 16, "%.1fB", billions);
    else
        snprintf(out, 16, "%.1fM", (double)m->parameters / 1e6);
    return out;
}

static json_t *details(const struct pxi_generator_info *i)
{
    char size[16];
    return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s}", "parent_model", "", "format", "gguf",
                     "family", i->model->arch, "families", i->model->arch, "parameter_size",
                     type_name(i->model, size), "quantization_level", "");
}

static json_t *model_row(const struct pxi_generator_info *i)
{
    return json_pack("{s:s, s:s, s:o, s:I, s:s, s:o}", "name", i->name, "model", i->name,
                     "modified_at", date(i->created_s), "size",
                     (json_int_t)(i->file_bytes ? i->file_bytes : i->model->weight_bytes), "digest",
                     "", "details", details(i));
}

static json_t *model_rows(const struct pxi_ask *q, bool running)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < q->api->model_count; i++) {
        json_t *row = model_row(q->api->models[i]->info(q->api->models[i]));
        if (running) {
            json_object_set_new(row, "expires_at", json_string("0001-01-01T00:00:00Z"));
            json_object_set_new(row, "size_vram", json_integer(0));
        }
        json_array_append_new(list, row);
    }
    return list;
}

void pxi_ollama_tags(struct pxi_ask *q)
{
    pxi_reply_json(q, 200, json_pack("{s:o}", "models", model_rows(q, false)));
}

void pxi_ollama_ps(struct pxi_ask *q)
{
    pxi_reply_json(q, 200, json_pack("{s:o}", "models", model_rows(q, true)));
}

void pxi_ollama_version(struct pxi_ask *q)
{
    pxi_reply_json(q, 200, json_pack("{s:s}", "version", px_version()));
}

void pxi_ollama_show(struct pxi_ask *q)
{
    struct pxi_fields f = {.q = q, .in = q->body};
    struct pxi_generator *g = model_of(&f);
    if (!g)
        return;
    const struct pxi_generator_info *i = g->info(g);
    const px_model_info *m = i->model;
    char key[64];
    json_t *info = json_pack("{s:s, s:I}", "general.architecture", m->arch,
                             "general.parameter_count", (json_int_t)m->parameters);
    const struct {
        const char *name;
        uint32_t value;
    } rows[] = {{"block_count", m->blocks},         {"context_length", m->context_train},
                {"embedding_length", m->embd},      {"feed_forward_length", m->ffn},
                {"attention.head_count", m->heads}, {"attention.head_count_kv", m->kv_heads}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        snprintf(key, sizeof key, "%s.%s", m->arch, rows[k].name);
        json_object_set_new(info, key, json_integer(rows[k].value));
    }
    json_t *able = json_pack("[s]", "completion");
    if (i->embeds)
        json_array_append_new(able, json_string("embedding"));
    pxi_reply_json(q, 200,
                   json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "modelfile", "", "parameters",
                             "", "template", m->chat_template ? m->chat_template : "",
                             "modified_at", date(i->created_s), "details", details(i), "model_info",
                             info, "capabilities", able));
}
