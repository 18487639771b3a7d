/* Models by name. */
#include <string.h>

#include "node/http_impl.h"

/* ollama's clients say name:latest. */
static bool is(const struct pxi_generator_info *i, const char *name)
{
    size_t n = strlen(i->name);
    return strcmp(i->name, name) == 0 ||
           (strncmp(i->name, name, n) == 0 && strcmp(name + n, ":latest") == 0);
}

uint32_t pxi_api_running_here(const struct pxi_api *a)
{
    uint32_t n = 0;
    for (unsigned i = 0; a && i < a->model_count; i++) {
        struct pxi_generator_stats s = a->models[i]->stats(a->models[i]);
        if (strcmp(a->models[i]->info(a->models[i])->backend, "local") == 0)
            n += s.running + s.waiting;
    }
    return n;
}

struct pxi_generator *pxi_model_find(struct pxi_ask *q, const char *name)
{
    struct pxi_api *a = q->api;
    for (unsigned i = 0; i < a->model_count; i++)
        if (!name || is(a->models[i]->info(a->models[i]), name))
            return a->models[i];
    if (!a->model_count)
        pxi_reply_error(q, 503, "no_model", "model", "no model is served; give one with --model");
    else
        pxi_reply_error(q, 404, "model_not_found", "model", "the model '%s' is not served here",
                        name);
    return NULL;
}
