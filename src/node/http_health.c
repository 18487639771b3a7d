/* Health and metrics. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/http_impl.h"
#include "plexus/version.h"

enum { METRICS_MAX = 1 << 20 };

static const char *unready(const struct pxi_ask *q)
{
    const struct pxi_api_source *s = &q->api->o.source;
    const char *why = s->unready ? s->unready(s->ctx) : NULL;
    return why ? why : q->api->model_count ? NULL : "no model is served";
}

/* llama-server's: the server answers. */
void pxi_health(struct pxi_ask *q)
{
    pxi_reply(q, 200, "application/json", px_view_str("{\"status\":\"ok\"}"));
}

void pxi_livez(struct pxi_ask *q)
{
    pxi_reply(q, 200, "text/plain", px_view_str("ok\n"));
}

void pxi_readyz(struct pxi_ask *q)
{
    const char *why = unready(q);
    char text[128];
    snprintf(text, sizeof text, "%s\n", why ? why : "ok");
    pxi_reply(q, why ? 503 : 200, "text/plain", px_view_str(text));
}

/* ---------------------------------------------------------------------------- metrics */

static const double bounds[PXI_TIMES] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                         0.25,  0.5,   0.75, 1,    2.5,  5,    7.5,  10,
                                         20,    40,    80,   160,  640,  2560};

void pxi_times_add(struct pxi_times *t, double seconds)
{
    unsigned i = 0;
    while (i < PXI_TIMES && seconds > bounds[i])
        i++;
    t->n[i]++;
    t->count++;
    t->sum += seconds;
}

void pxi_metric_add(struct pxi_buf *out, const char *name, const char *type, const char *help,
                    const char *labels, double value)
{
    char line[512];
    int n = 0;
    if (help)
        n = snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    if (n > 0 && n < (int)sizeof line)
        pxi_buf_add(out, line, (size_t)n);
    n = snprintf(line, sizeof line, "%s%s%s%s %.17g\n", name, labels ? "{" : "",
                 labels ? labels : "", labels ? "}" : "", value);
    if (n > 0 && n < (int)sizeof line)
        pxi_buf_add(out, line, (size_t)n);
}

static void times(struct pxi_buf *out, const char *name, const char *help, const char *model,
                  const struct pxi_times *t)
{
    char full[96], labels[320];
    uint64_t sum = 0;
    int n =
        snprintf(labels, sizeof labels, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    pxi_buf_add(out, labels, (size_t)n);
    snprintf(full, sizeof full, "%s_bucket", name);
    for (unsigned i = 0; i <= PXI_TIMES; i++) {
        sum += t->n[i];
        if (i < PXI_TIMES)
            snprintf(labels, sizeof labels, "%s,le=\"%g\"", model, bounds[i]);
        else
            snprintf(labels, sizeof labels, "%s,le=\"+Inf\"", model);
        pxi_metric_add(out, full, NULL, NULL, labels, (double)sum);
    }
    snprintf(full, sizeof full, "%s_sum", name);
    pxi_metric_add(out, full, NULL, NULL, model, t->sum);
    snprintf(full, sizeof full, "%s_count", name);
    pxi_metric_add(out, full, NULL, NULL, model, (double)t->count);
}

/* model_name="..." with what a label must escape. */
static void model_label(const struct pxi_api *a, char out[256])
{
    const char *name = a->model_count ? a->models[0]->info(a->models[0])->name : "";
    size_t n = (size_t)snprintf(out, 256, "model_name=\"");
    for (; *name && n < 250; name++) {
        if (*name == '"' || *name == '\\')
            out[n++] = '\\';
        if (*name != '\n')
            out[n++] = *name;
    }
    out[n++] = '"';
    out[n] = 0;
}

static void of_requests(struct pxi_buf *out, const struct pxi_api *a)
{
    const struct pxi_api_counts *c = &a->counts;
    char labels[32];
    for (unsigned i = 2; i < PXI_API_STATUSES; i++) {
        snprintf(labels, sizeof labels, "status=\"%uxx\"", i);
        pxi_metric_add(out, "plexus_http_requests_total", "counter",
                       i == 2 ? "Replies of the HTTP API by class of status" : NULL, labels,
                       (double)c->requests[i]);
    }
    pxi_metric_add(out, "plexus_http_watchers", "gauge", "Clients that watch events", NULL,
                   a->watcher_count);
    pxi_metric_add(out, "plexus_http_watchers_dropped_total", "counter",
                   "Watchers dropped because they did not read", NULL, (double)c->watchers_dropped);
    pxi_metric_add(out, "plexus_http_events_total", "counter", "Server-sent events", NULL,
                   (double)c->sse_events);
}

static void of_answers(struct pxi_buf *out, const struct pxi_api *a, const char *model)
{
    static const char *const reasons[] = {"stop", "length", "abort"};
    const struct pxi_api_counts *c = &a->counts;
    char labels[320];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(labels, sizeof labels, "%s,finished_reason=\"%s\"", model, reasons[i]);
        pxi_metric_add(out, "vllm:request_success_total", "counter",
                       i ? NULL : "Answers by the reason of their end", labels,
                       (double)c->success[i]);
    }
    pxi_metric_add(out, "plexus_answers_failed_total", "counter", "Answers that failed", model,
                   (double)c->failed);
    times(out, "vllm:time_to_first_token_seconds", "Time to the first token", model,
          &a->first_token);
    times(out, "vllm:e2e_request_latency_seconds", "Time of a whole answer", model, &a->whole);
}

static struct pxi_generator_stats all_stats(const struct pxi_api *a)
{
    struct pxi_generator_stats all = {0};
    for (unsigned i = 0; i < a->model_count; i++) {
        struct pxi_generator_stats s = a->models[i]->stats(a->models[i]);
        all.running += s.running;
        all.waiting += s.waiting;
        all.slots += s.slots;
        all.prompt_tokens += s.prompt_tokens;
        all.cached_tokens += s.cached_tokens;
        all.made_tokens += s.made_tokens;
        all.steps += s.steps;
        all.step_tokens += s.step_tokens;
        all.positions_used += s.positions_used;
        all.positions_all += s.positions_all;
    }
    return all;
}

static void of_models(struct pxi_buf *out, const struct pxi_api *a, const char *model)
{
    struct pxi_generator_stats s = all_stats(a);
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        {"vllm:num_requests_running", "gauge", "Answers that grow", s.running},
        {"vllm:num_requests_waiting", "gauge", "Requests that wait", s.waiting},
        {"vllm:kv_cache_usage_perc", "gauge", "Part of the KV cache that is used, 0 to 1",
         s.positions_all ? (double)s.positions_used / s.positions_all : 0},
        {"vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up in the cache",
         (double)(s.prompt_tokens + s.cached_tokens)},
        {"vllm:prefix_cache_hits_total", "counter", "Prompt tokens found in the cache",
         (double)s.cached_tokens},
        {"vllm:prompt_tokens_total", "counter", "Prompt tokens evaluated", (double)s.prompt_tokens},
        {"vllm:generation_tokens_total", "counter", "Tokens generated", (double)s.made_tokens},
        {"plexus_batch_steps_total", "counter", "Evaluations", (double)s.steps},
        {"plexus_batch_tokens_total", "counter", "Tokens of all evaluations",
         (double)s.step_tokens},
        {"plexus_slots", "gauge", "Answers that may grow at a time", s.slots},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        pxi_metric_add(out, rows[i].name, rows[i].type, rows[i].help, model, rows[i].value);
}

void pxi_metrics(struct pxi_ask *q)
{
    struct pxi_buf out = {.max = METRICS_MAX};
    char model[256], build[160];
    const struct pxi_api *a = q->api;
    model_label(a, model);
    snprintf(build, sizeof build, "version=\"%s\"", px_version());
    pxi_metric_add(&out, "plexus_build_info", "gauge", "The version, as a label", build, 1);
    of_requests(&out, a);
    of_models(&out, a, model);
    of_answers(&out, a, model);
    if (a->o.source.metrics)
        a->o.source.metrics(a->o.source.ctx, &out);
    pxi_reply(q, 200, "text/plain; version=0.0.4; charset=utf-8", px_view_of(out.p, out.n));
    pxi_buf_deinit(&out);
}
