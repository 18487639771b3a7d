/* The table of routes, and the way of a request through it. */
#include <string.h>

#include "base/mem.h"
#include "node/http_impl.h"

const struct pxi_route pxi_routes[] = {
    {PXI_HTTP_GET, "/health", pxi_health, true},
    {PXI_HTTP_GET, "/livez", pxi_livez, true},
    {PXI_HTTP_GET, "/readyz", pxi_readyz, true},
    {PXI_HTTP_GET, "/metrics", pxi_metrics, false},
    {PXI_HTTP_GET, "/v1/models", pxi_openai_models, false},
    {PXI_HTTP_GET, "/v1/models/*", pxi_openai_model, false},
    {PXI_HTTP_POST, "/v1/chat/completions", pxi_openai_chat, false},
    {PXI_HTTP_POST, "/v1/completions", pxi_openai_completions, false},
    {PXI_HTTP_POST, "/v1/embeddings", pxi_openai_embeddings, false},
    {PXI_HTTP_GET, "/api/version", pxi_ollama_version, false},
    {PXI_HTTP_GET, "/api/tags", pxi_ollama_tags, false},
    {PXI_HTTP_GET, "/api/ps", pxi_ollama_ps, false},
    {PXI_HTTP_POST, "/api/show", pxi_ollama_show, false},
    {PXI_HTTP_POST, "/api/chat", pxi_ollama_chat, false},
    {PXI_HTTP_POST, "/api/generate", pxi_ollama_generate, false},
    {PXI_HTTP_POST, "/api/embed", pxi_ollama_embed, false},
    {PXI_HTTP_POST, "/tokenize", pxi_tokenize_route, false},
    {PXI_HTTP_POST, "/detokenize", pxi_detokenize_route, false},
    {PXI_HTTP_GET, "/px/v1/status", pxi_px_report, false},
    {PXI_HTTP_GET, "/px/v1/peers", pxi_px_report, false},
    {PXI_HTTP_GET, "/px/v1/topology", pxi_px_report, false},
    {PXI_HTTP_GET, "/px/v1/plan", pxi_px_report, false},
    {PXI_HTTP_GET, "/px/v1/events", pxi_px_events, false},
    {PXI_HTTP_GET, NULL, NULL, false},
};

static bool matches(const struct pxi_route *r, px_view path)
{
    size_t n = strlen(r->path);
    if (r->path[n - 1] == '*')
        return path.n >= n && memcmp(path.p, r->path, n - 1) == 0;
    return path.n == n && memcmp(path.p, r->path, n) == 0;
}

/* The route of a request; *path_known: another method has it. HEAD goes where GET goes. */
static const struct pxi_route *route_of(const struct pxi_http_request *r, bool *path_known)
{
    enum pxi_http_method m = r->method == PXI_HTTP_HEAD ? PXI_HTTP_GET : r->method;
    *path_known = false;
    for (const struct pxi_route *t = pxi_routes; t->path; t++)
        if (matches(t, r->path)) {
            if (t->method == m)
                return t;
            *path_known = true;
        }
    return NULL;
}

static struct pxi_ask ask_of(struct pxi_api *a, struct pxi_http_exchange *x,
                             const struct pxi_http_request *r)
{
    return (struct pxi_ask){
        .api = a, .x = x, .r = r, .ollama = r->path.n > 5 && memcmp(r->path.p, "/api/", 5) == 0};
}

static const char *refusal(unsigned status)
{
    switch (status) {
    case 400: return "the length of the body is not clear";
    case 405: return "this method is not served";
    case 411: return "the body needs a content-length";
    case 413: return "the body is larger than 8 MiB";
    case 431: return "the header is larger than 16 KiB";
    default: return "too many bodies are being read";
    }
}

static bool on_head(void *ctx, struct pxi_http_exchange *x, const struct pxi_http_request *r)
{
    struct pxi_ask q = ask_of(ctx, x, r);
    bool known;
    const char *why;
    const struct pxi_route *t = route_of(r, &known);
    if (r->refuse) {
        pxi_reply_error(&q, r->refuse, NULL, NULL, "%s", refusal(r->refuse));
        return false;
    }
    unsigned status = pxi_guard(q.api, r, t && t->open, &why);
    if (status == 0 && !t) {
        status = known ? 405 : 404;
        why = known ? "another method is served at this path" : "no such route";
    }
    if (status == 0)
        return true;
    pxi_reply_error(&q, status, NULL, NULL, "%s", why);
    return false;
}

static void on_request(void *ctx, struct pxi_http_exchange *x, const struct pxi_http_request *r)
{
    struct pxi_ask q = ask_of(ctx, x, r);
    bool known;
    const struct pxi_route *t = route_of(r, &known);
    if (r->method != PXI_HTTP_POST || pxi_body_read(&q))
        t->run(&q);
    json_decref(q.body);
}

const struct pxi_http_owner pxi_api_owner = {on_head, on_request};

/* ---------------------------------------------------------------------------- the API */

struct pxi_api *pxi_api_new(const struct pxi_api_options *o)
{
    struct pxi_api *a = pxi_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->o = *o;
    pxi_list_init(&a->answers);
    pxi_list_init(&a->watchers);
    a->beat.fire = pxi_watchers_beat;
    if (o->token) {
        a->token = pxi_strdup_view(px_view_str(o->token));
        if (!a->token) {
            pxi_free(a);
            return NULL;
        }
    }
    return a;
}

void pxi_api_free(struct pxi_api *a)
{
    if (!a)
        return;
    pxi_answers_drop(a, NULL);
    pxi_watchers_drop(a);
    pxi_timer_disarm(a->o.timers, &a->beat);
    for (unsigned i = 0; i < a->model_count; i++)
        a->models[i]->close(a->models[i]);
    for (size_t i = 0; i < PXI_LIMIT_HTTP_EVENTS; i++)
        pxi_free(a->past[i].text);
    pxi_free(a->token);
    pxi_free(a);
}

bool pxi_api_add(struct pxi_api *a, struct pxi_generator *g)
{
    if (a->model_count == PXI_API_MODELS)
        return false;
    a->models[a->model_count++] = g;
    pxi_api_event(a, "model", json_pack("{s:s, s:s}", "name", g->info(g)->name, "state", "ready"));
    return true;
}

void pxi_api_remove(struct pxi_api *a, struct pxi_generator *g)
{
    unsigned n = 0;
    pxi_answers_drop(a, g);
    for (unsigned i = 0; i < a->model_count; i++)
        if (a->models[i] != g)
            a->models[n++] = a->models[i];
    a->model_count = n;
    pxi_api_event(a, "model", json_pack("{s:s, s:s}", "name", g->info(g)->name, "state", "gone"));
    g->close(g);
}
