/* The HTTP API of up and serve. */
#include "serve.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "session.h"

static px_node *running;

static void on_signal(int number)
{
    (void)number;
    px_node_stop(running);
}

void signals_catch(px_node *n)
{
    struct sigaction a = {.sa_handler = on_signal};
    running = n;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

void signals_ignore(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
}

void api_options(const struct cli *c, px_node_options *o)
{
    static char *token; /* kept to the end */
    if (strcmp(opt_text(c, OPT_API), "off") == 0)
        return;
    o->http = opt_text(c, OPT_API);
    o->http_any_port = !opt_given(c, OPT_API);
    o->http_token = opt_given(c, OPT_API_TOKEN);
    o->http_token_file = opt_text(c, OPT_API_TOKEN);
    if (!o->http_token_file)
        o->http_token_file = token = state_path("api.token");
    o->http_hosts = c->v[OPT_API_HOST].list;
    o->http_host_count = c->v[OPT_API_HOST].n;
}

/* The name of a file without folders and ending. */
static const char *model_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = keep(strdup(slash ? slash + 1 : path));
    size_t n = strlen(name);
    if (n > 5 && strcmp(name + n - 5, ".gguf") == 0)
        name[n - 5] = 0;
    return name;
}

int api_serve(const struct cli *c, px_node *n, const char *path, px_model **m)
{
    px_diag d = {0};
    struct stat st;
    px_err e = px_model_open(path, m, &d);
    if (e)
        return fail(e, path, &d);
    if (has_option(c, OPT_SWARM) && opt_on(c, OPT_SWARM)) {
        e = px_node_serve_swarm(n, *m, path, &d);
        return e ? fail(e, path, &d) : 0;
    }
    px_context_options o = {.size = sizeof o};
    o.sequences = (uint32_t)opt_uint(c, OPT_PARALLEL);
    o.positions = (uint32_t)opt_uint(c, OPT_CTX);
    o.threads = (uint32_t)opt_uint(c, OPT_THREADS);
    o.cpu = has_option(c, OPT_CPU) ? opt_text(c, OPT_CPU) : NULL;
    o.kv_type = has_option(c, OPT_KV_TYPE) ? session_kv_type(c) : PX_KV_F16;
    uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    e = px_node_serve(n, *m, model_name(path), &o, bytes, &d);
    return e ? fail(e, path, &d) : 0;
}

void api_show(const struct cli *c, const px_node *n, const px_node_options *o)
{
    const char *url = px_node_http(n);
    if (!url)
        return;
    printf("serving %s\n", url);
    if (o->http_token || (strncmp(url, "http://127.", 11) != 0 && strncmp(url, "http://[::1]", 12)))
        note(c, "the API asks for the token in %s", o->http_token_file);
}

void show_notes(const struct cli *c, px_node *n)
{
    char *ready = px_node_ready(n);
    json_t *doc = json_loads(ready ? ready : "{}", 0, NULL), *text;
    size_t i;
    json_array_foreach(json_object_get(doc, "notes"), i, text)
        note(c, "%s", json_string_value(text));
    json_decref(doc);
    px_node_text_free(ready);
}
