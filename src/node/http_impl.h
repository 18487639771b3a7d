/* What the files of the HTTP API share. */
#ifndef PXI_NODE_HTTP_IMPL_H
#define PXI_NODE_HTTP_IMPL_H

#include "base/list.h"
#include "node/generate_text.h"
#include "node/http.h"

enum { PXI_API_MODELS = 16, PXI_API_STATUSES = 6 };

/* Counters of /metrics. */
struct pxi_api_counts {
    uint64_t requests[PXI_API_STATUSES]; /* by the first digit of the status */
    uint64_t success[3];                 /* answers by reason: stop, length, cancelled */
    uint64_t failed, prompt_tokens, cached_tokens, made_tokens, sse_events, watchers_dropped;
};

/* Times with the bounds of vLLM, so that existing boards work. */
enum { PXI_TIMES = 22 };
struct pxi_times {
    uint64_t n[PXI_TIMES + 1];
    double sum;
    uint64_t count;
};
void pxi_times_add(struct pxi_times *t, double seconds);

/* Events that watchers may still ask for. */
struct pxi_api_past {
    uint64_t id;
    char *text; /* a whole SSE event */
    size_t n;
};

struct pxi_api {
    struct pxi_api_options o;
    char *token;
    struct pxi_generator *models[PXI_API_MODELS];
    unsigned model_count;
    struct pxi_list answers, watchers;
    unsigned watcher_count;
    struct pxi_api_past past[PXI_LIMIT_HTTP_EVENTS];
    uint64_t events; /* told so far: the id of the last one */
    struct pxi_timer beat;
    struct pxi_api_counts counts;
    struct pxi_times first_token, whole;
};

/* A request that is being looked at. */
struct pxi_ask {
    struct pxi_api *api;
    struct pxi_http_exchange *x;
    const struct pxi_http_request *r;
    bool ollama;  /* errors in the shape of ollama */
    json_t *body; /* of POST routes, an object */
};

/* ------------------------------------------------------------ http_guard.c: who may ask */

/* 0, or the status that refuses the request, with the reason in *why. */
unsigned pxi_guard(const struct pxi_api *a, const struct pxi_http_request *r, bool open_route,
                   const char **why);
/* Is this the value of a Host header that no other site can have made up? */
bool pxi_guard_host(const struct pxi_api *a, px_view host);

/* -------------------------------------------------------------- http_reply.c: replies */

void pxi_reply(struct pxi_ask *q, unsigned status, const char *type, px_view body);
void pxi_reply_json(struct pxi_ask *q, unsigned status, json_t *doc); /* doc is stolen */
/* An error in the shape of the route's family. code and param may be NULL. */
void pxi_reply_error(struct pxi_ask *q, unsigned status, const char *code, const char *param,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The status for an error of the library. */
unsigned pxi_reply_status(px_err err);
/* The document of an error. */
json_t *pxi_error_json(bool ollama, unsigned status, const char *code, const char *param,
                       const char *message);
/* A reply whose length is not known: begin, pieces, end. False: the client cannot be told; drop. */
bool pxi_stream_begin(struct pxi_http_exchange *x, const char *type);
bool pxi_stream_piece(struct pxi_http_exchange *x, px_view bytes);
void pxi_stream_finish(struct pxi_http_exchange *x);
void pxi_stream_drop(struct pxi_http_exchange *x);
/* A piece that is one event: "data: DOC\n\n" for SSE, or "DOC\n". doc is stolen. */
bool pxi_stream_doc(struct pxi_http_exchange *x, bool sse, json_t *doc);

/* --------------------------------------------------------------- http_body.c: requests */

/* Read the body into q->body: JSON, an object, of bounded depth. False: it was answered. */
bool pxi_body_read(struct pxi_ask *q);

/* Fields with a range. The first fault is kept, and answered by pxi_fields_ok. */
struct pxi_fields {
    struct pxi_ask *q;
    const json_t *in;
    bool bad;
    char param[64], message[192];
};
void pxi_fields_fault(struct pxi_fields *f, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
double pxi_field_number(struct pxi_fields *f, const char *name, double def, double min, double max);
/* Integers only; def may be outside of the range. */
int64_t pxi_field_int(struct pxi_fields *f, const char *name, int64_t def, int64_t min,
                      int64_t max);
bool pxi_field_bool(struct pxi_fields *f, const char *name, bool def);
/* NULL when absent. */
const char *pxi_field_text(struct pxi_fields *f, const char *name);
/* False after the fault was answered with 400. */
bool pxi_fields_ok(struct pxi_fields *f);

/* ------------------------------------------------------------- http_route.c: the table */

struct pxi_route {
    enum pxi_http_method method;
    const char *path; /* a final * matches the rest */
    void (*run)(struct pxi_ask *q);
    bool open; /* no token is asked for */
};
extern const struct pxi_route pxi_routes[];

void pxi_openai_models(struct pxi_ask *q);
void pxi_openai_model(struct pxi_ask *q);
void pxi_openai_chat(struct pxi_ask *q);
void pxi_openai_completions(struct pxi_ask *q);
void pxi_openai_embeddings(struct pxi_ask *q);
void pxi_ollama_tags(struct pxi_ask *q);
void pxi_ollama_show(struct pxi_ask *q);
void pxi_ollama_chat(struct pxi_ask *q);
void pxi_ollama_generate(struct pxi_ask *q);
void pxi_ollama_embed(struct pxi_ask *q);
void pxi_ollama_ps(struct pxi_ask *q);
void pxi_ollama_version(struct pxi_ask *q);
void pxi_health(struct pxi_ask *q);
void pxi_livez(struct pxi_ask *q);
void pxi_readyz(struct pxi_ask *q);
void pxi_metrics(struct pxi_ask *q);
void pxi_tokenize_route(struct pxi_ask *q);
void pxi_detokenize_route(struct pxi_ask *q);
void pxi_px_report(struct pxi_ask *q);
void pxi_px_events(struct pxi_ask *q);

/* ----------------------------------------------------------------- http_model.c: models */

/* The model of this name, or the first one when name is NULL. NULL after it was answered. */
struct pxi_generator *pxi_model_find(struct pxi_ask *q, const char *name);

/* ---------------------------------------------------------------- http_answer.c: answers */

enum pxi_finish { PXI_FINISH_STOP, PXI_FINISH_LENGTH };

struct pxi_answer;

/* How a family speaks of an answer. */
struct pxi_style {
    const char *type; /* of a stream */
    bool sse;
    /* Pieces of a stream; false: the client cannot be told. */
    bool (*begin)(struct pxi_answer *a);
    bool (*piece)(struct pxi_answer *a, px_view text);
    bool (*end)(struct pxi_answer *a);
    /* The whole answer at once. */
    json_t *(*whole)(struct pxi_answer *a);
};

/* An answer that grows. */
struct pxi_answer {
    struct pxi_list link;
    struct pxi_api *api;
    struct pxi_http_exchange *x;
    struct pxi_generator *generator;
    struct pxi_generation *generation; /* NULL once it is over */
    const struct pxi_style *style;
    struct pxi_texter texter;
    char **stops;
    unsigned stop_count;
    bool chat, stream, usage, raw_ids, logprobs, ollama, sent;
    uint32_t top;
    char id[40];
    uint64_t created_s, begun_ns;
    struct pxi_buf text;
    json_t *marks; /* logprobs that are not given out yet */
    size_t marked; /* bytes of text before them */
    json_t *rows;  /* of embeddings */
    json_t *input; /* of embeddings: what is left to do */
    size_t next;
    bool base64;
    enum pxi_finish finish;
    uint32_t prompt_tokens, cached_tokens, made_tokens;
    uint64_t prompt_ns, decode_ns;
};

/* What an answer is asked to be; the rest is in the generate request. */
struct pxi_answer_options {
    const struct pxi_style *style;
    bool chat, stream, usage;
    const json_t *stops; /* a text or a list of texts, or NULL */
};

/* Begin to answer; the exchange is answered now or later, by errors too. */
void pxi_answer_start(struct pxi_ask *q, struct pxi_generator *g,
                      const struct pxi_generate_request *r, const struct pxi_answer_options *o);
/* Embeddings of the inputs (a list; stolen), one after the other. */
void pxi_answer_embed(struct pxi_ask *q, struct pxi_generator *g, json_t *input, bool base64,
                      const struct pxi_style *style);
/* Every answer of a model, or of all (NULL), ends without a word. */
void pxi_answers_drop(struct pxi_api *a, struct pxi_generator *g);
const char *pxi_answer_model(const struct pxi_answer *a);

/* --------------------------------------------------------------- http_prompt.c: prompts */

/* The conversation of "messages" (and "tools") as variables of a template, or as plain text for a
 * model without one. Zeroed; freed with pxi_chat_deinit. False: it was answered. */
struct pxi_chat {
    char *json, *text;
};
bool pxi_chat_read(struct pxi_ask *q, const struct pxi_generator_info *info, struct pxi_chat *out);
struct pxi_prompt pxi_chat_prompt(const struct pxi_chat *c);
void pxi_chat_deinit(struct pxi_chat *c);
/* Token ids of an array; NULL when it holds anything else. Freed with pxi_free. */
int32_t *pxi_ids_read(const json_t *list, size_t *n);

/* ------------------------------------------------------------------ http_px.c: watchers */

void pxi_watchers_drop(struct pxi_api *a);
void pxi_watchers_beat(struct pxi_timer *t, uint64_t now_ns);

#endif
