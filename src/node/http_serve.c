/* A node's HTTP API: where it listens, who may ask, and reports of the node in JSON. */
#include "node/http_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "io/secret.h"
#include "net/fault.h"
#include "node/call.h"
#include "node/pipeline.h"

enum { TOKEN_BYTES = 32, TOKEN_FILE_MAX = 1024, ADDRESS = 64 };

struct pxi_http_serve {
    px_node *node;
    struct pxi_api *api;
    struct pxi_http *http;
    struct pxi_watch watch;
    char url[ADDRESS + 32];
    char token[TOKEN_FILE_MAX];
    uint64_t born_ns;
};

static const char *unready(void *ctx)
{
    const struct pxi_http_serve *s = ctx;
    struct pxi_pipeline *p = s->node->pipeline;
    return p && pxi_pipeline_draining(p) ? "this node drains" : NULL;
}

/* ---------------------------------------------------------------------------- reports */

static void keep_reply(void *ctx, const char *text)
{
    json_t **out = ctx;
    json_decref(*out);
    *out = json_loads(text, 0, NULL);
}

/* The reply of an operation that replies at once; NULL when it failed. */
static json_t *ask(px_node *n, const char *op)
{
    json_t *doc = NULL;
    if (px_node_do(n, op, keep_reply, &doc) != PX_ERR_OK || !doc)
        return NULL;
    if (!json_is_true(json_object_get(doc, "ok"))) {
        json_decref(doc);
        return NULL;
    }
    json_object_del(doc, "ok");
    json_object_del(doc, "op");
    json_object_del(doc, "id");
    return doc;
}

/* Us and our peers, and how far they are. */
static json_t *topology(px_node *n)
{
    json_t *peers = ask(n, "{\"op\":\"peers\",\"id\":0}"), *nodes = json_array(),
           *links = json_array(), *self = pxi_json_peer(pxi_host_self(n->host)), *p;
    size_t i;
    json_array_append_new(nodes,
                          json_pack("{s:O, s:b, s:s}", "peer", self, "self", 1, "state", "good"));
    json_array_foreach(json_object_get(peers, "peers"), i, p)
    {
        json_array_append_new(nodes,
                              json_pack("{s:O, s:b, s:O?}", "peer", json_object_get(p, "peer"),
                                        "self", 0, "state", json_object_get(p, "state")));
        json_array_append_new(links, json_pack("{s:O, s:O, s:O?}", "from", self, "to",
                                               json_object_get(p, "peer"), "rtt_ms",
                                               json_object_get(p, "rtt_ms")));
    }
    json_decref(peers);
    json_decref(self);
    return json_pack("{s:o, s:o}", "nodes", nodes, "links", links);
}

static json_t *status(struct pxi_http_serve *s)
{
    px_node *n = s->node;
    struct pxi_http_use u = pxi_http_use(s->http);
    json_t *doc = ask(n, "{\"op\":\"net\",\"id\":0}");
    json_t *http = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "url", s->url, "connections",
                             (json_int_t)u.connections, "accepted", (json_int_t)u.accepted,
                             "requests", (json_int_t)u.requests, "refused", (json_int_t)u.refused,
                             "dropped", (json_int_t)u.dropped);
    doc = doc ? doc : json_object();
    json_object_set_new(doc, "http", http);
    json_object_set_new(doc, "uptime_s", json_real((double)(pxi_clock_ns() - s->born_ns) / 1e9));
    return doc;
}

static json_t *report(void *ctx, const char *what)
{
    struct pxi_http_serve *s = ctx;
    if (strcmp(what, "status") == 0)
        return status(s);
    if (strcmp(what, "peers") == 0)
        return ask(s->node, "{\"op\":\"peers\",\"id\":0}");
    if (strcmp(what, "topology") == 0)
        return topology(s->node);
    return ask(s->node, "{\"op\":\"stages\",\"id\":0}");
}

static void peer_metrics(px_node *n, struct pxi_buf *out)
{
    json_t *peers = ask(n, "{\"op\":\"peers\",\"id\":0}"), *p;
    char labels[256];
    size_t i;
    for (int which = 0; which < 2; which++) {
        bool first = true;
        json_array_foreach(json_object_get(peers, "peers"), i, p)
        {
            const char *id = json_string_value(json_object_get(p, "peer"));
            const char *state = json_string_value(json_object_get(p, "state"));
            const json_t *rtt = json_object_get(p, "rtt_ms");
            if (!id || (which == 0 && !json_is_number(rtt)))
                continue;
            if (which == 0)
                snprintf(labels, sizeof labels, "peer=\"%s\"", id);
            else
                snprintf(labels, sizeof labels, "peer=\"%s\",state=\"%s\"", id, state ? state : "");
            pxi_metric_add(out, which ? "plexus_peer_state" : "plexus_peer_rtt_seconds", "gauge",
                           !first  ? NULL
                           : which ? "1 for the state that the peer is in"
                                   : "Smoothed round trip time",
                           labels, which ? 1 : json_number_value(rtt) / 1e3);
            first = false;
        }
    }
    json_decref(peers);
}

static void loop_metrics(px_node *n, struct pxi_buf *out)
{
    static const char *const hows[] = {"slept", "hit", "missed"};
    const struct pxi_spin_counts c = pxi_loop_counts(n->loop)->spin;
    const uint64_t values[] = {c.waits - c.spins, c.hits, c.misses};
    char labels[32];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(labels, sizeof labels, "how=\"%s\"", hows[i]);
        pxi_metric_add(out, "plexus_loop_waits_total", "counter",
                       i ? NULL
                         : "Waits of the event loop: asleep, or looking for events (--spin-us)",
                       labels, (double)values[i]);
    }
}

static void metrics(void *ctx, struct pxi_buf *out)
{
    struct pxi_http_serve *s = ctx;
    struct pxi_http_use u = pxi_http_use(s->http);
    struct pxi_faults *f = pxi_host_faults(s->node->host);
    static const char *const names[] = {
#define PX_FAULT(id, name, text) name,
#include "../../gen/fault.def"
#undef PX_FAULT
    };
    char labels[64];
    pxi_metric_add(out, "plexus_http_connections", "gauge", "Open connections of the HTTP API",
                   NULL, (double)u.connections);
    pxi_metric_add(out, "plexus_http_dropped_total", "counter",
                   "Connections cut because the client was too slow", NULL, (double)u.dropped);
    for (unsigned i = 0; i < PXI_FAULTS; i++) {
        snprintf(labels, sizeof labels, "kind=\"%s\"", names[i]);
        pxi_metric_add(out, "plexus_faults_total", "counter",
                       i ? NULL : "What peers did wrong, by kind", labels, (double)f->n[i]);
    }
    loop_metrics(s->node, out);
    peer_metrics(s->node, out);
}

/* ----------------------------------------------------------------------------- events */

static void tell(struct pxi_watch *w, const char *type, const struct pxi_peer *p)
{
    struct pxi_http_serve *s = PXI_OF(w, struct pxi_http_serve, watch);
    pxi_api_event(s->api, type, json_pack("{s:o}", "peer", pxi_json_peer(p)));
}

static void connected(struct pxi_watch *w, struct pxi_conn *c)
{
    tell(w, "connected", &c->peer);
}

static void disconnected(struct pxi_watch *w, struct pxi_conn *c)
{
    tell(w, "disconnected", &c->peer);
}

/* ---------------------------------------------------------------------------- opening */

/* "HOST:PORT", "[V6]:PORT" or a port; the host is an address or localhost. */
static bool split(const char *text, char host[ADDRESS], uint16_t *port)
{
    const char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : text;
    size_t n = colon ? (size_t)(colon - text) : 0;
    char *end;
    unsigned long p = strtoul(digits, &end, 10);
    if (!*digits || *end || *digits == '-' || *digits == '+' || p > 65535 || n >= ADDRESS)
        return false;
    *port = (uint16_t)p;
    if (n > 2 && text[0] == '[' && text[n - 1] == ']')
        snprintf(host, ADDRESS, "%.*s", (int)n - 2, text + 1);
    else
        snprintf(host, ADDRESS, "%.*s", (int)n, text);
    if (!n || strcmp(host, "localhost") == 0)
        snprintf(host, ADDRESS, "127.0.0.1");
    return true;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static px_err token_make(const char *path, char out[TOKEN_FILE_MAX])
{
    uint8_t raw[TOKEN_BYTES];
    pxi_random_fill(pxi_random_system(), raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
    char line[2 * TOKEN_BYTES + 2];
    int n = snprintf(line, sizeof line, "%s\n", out);
    return pxi_secret_write(path, px_view_of(line, (size_t)n));
}

/* The token of the file, which is made when missing. */
static px_err token_load(const char *path, char out[TOKEN_FILE_MAX], px_diag *d)
{
    struct pxi_buf text = {.max = TOKEN_FILE_MAX - 1};
    px_err err = pxi_secret_read(path, &text);
    pxi_diag_field(d, "API token");
    if (err == PX_ERR_NOT_FOUND)
        err = token_make(path, out);
    else if (err == PX_ERR_OK) {
        while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
            text.n--;
        snprintf(out, TOKEN_FILE_MAX, "%.*s", (int)text.n, (const char *)text.p);
        if (strlen(out) < 16)
            err =
                pxi_diag_set(d, PX_ERR_INVALID, 0, "a token of at least 16 characters", "%s", path);
    } else
        err = pxi_diag_set(d, err, 0, "a file that only you can read", "%s", path);
    pxi_buf_deinit(&text);
    return err;
}

static px_err listen_at(struct pxi_http_serve *s, const px_node_options *o, const char *host,
                        uint16_t port, px_diag *d)
{
    px_err err = pxi_http_open(s->node->loop, host, port, &pxi_api_owner, s->api, &s->http);
    if (err == PX_ERR_REFUSED && o->http_any_port) {
        char text[96];
        snprintf(text, sizeof text, "port %u is taken: the HTTP API has another one", port);
        pxi_node_note(s->node, text);
        err = pxi_http_open(s->node->loop, host, 0, &pxi_api_owner, s->api, &s->http);
    }
    pxi_diag_field(d, "api");
    if (err == PX_ERR_REFUSED)
        return pxi_diag_set(d, PX_ERR_PERMISSION, 0, "a port that is free", "%s", o->http);
    if (err != PX_ERR_OK)
        return pxi_diag_set(d, err, 0, "an address of this machine", "%s", o->http);
    bool v6 = strchr(host, ':') != NULL;
    snprintf(s->url, sizeof s->url, "http://%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "",
             pxi_http_port(s->http));
    return PX_ERR_OK;
}

static px_err open_api(struct pxi_http_serve *s, const px_node_options *o, px_diag *d)
{
    char host[ADDRESS];
    uint16_t port;
    px_err err = PX_ERR_OK;
    if (!split(o->http, host, &port)) {
        pxi_diag_field(d, "api");
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "ADDRESS:PORT", "%s", o->http);
    }
    bool needed = !is_loopback(host);
    if (o->http_token_file && (needed || o->http_token))
        err = token_load(o->http_token_file, s->token, d);
    else if (needed)
        err =
            pxi_diag_set(d, PX_ERR_INVALID, 0, "a token for an address that others reach", "none");
    if (err != PX_ERR_OK)
        return err;
    struct pxi_api_options ao = {
        .timers = pxi_loop_timers(s->node->loop),
        .random = pxi_random_system(),
        .wall_s = pxi_clock_wall_s,
        .clock_ns = pxi_clock_ns,
        .token = s->token[0] ? s->token : NULL,
        .hosts = o->http_hosts,
        .host_count = o->http_host_count,
        .source = {.report = report, .metrics = metrics, .unready = unready, .ctx = s},
    };
    s->api = pxi_api_new(&ao);
    return s->api ? listen_at(s, o, host, port, d) : PX_ERR_NOMEM;
}

px_err pxi_http_serve_open(px_node *n, const px_node_options *o, px_diag *d)
{
    if (!o->http)
        return PX_ERR_OK;
    struct pxi_http_serve *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return PX_ERR_NOMEM;
    s->node = n;
    s->born_ns = pxi_clock_ns();
    s->watch.connected = connected;
    s->watch.disconnected = disconnected;
    px_err err = open_api(s, o, d);
    if (err != PX_ERR_OK) {
        pxi_api_free(s->api);
        pxi_free(s);
        return err;
    }
    pxi_host_watch(n->host, &s->watch);
    n->http = s;
    return PX_ERR_OK;
}

void pxi_http_serve_close(struct pxi_http_serve *s)
{
    if (!s)
        return;
    pxi_host_unwatch(&s->watch);
    pxi_http_close(s->http);
    pxi_api_free(s->api);
    pxi_free(s);
}

const char *pxi_http_serve_url(const struct pxi_http_serve *s)
{
    return s ? s->url : NULL;
}

struct pxi_api *pxi_http_serve_api(const struct pxi_http_serve *s)
{
    return s ? s->api : NULL;
}

const char *px_node_http(const px_node *n)
{
    return pxi_http_serve_url(n->http);
}

px_err px_node_serve_swarm(px_node *n, const px_model *m, const char *name, px_diag *diag)
{
    struct pxi_generator *g;
    if (!n->http || !n->pipeline)
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a node with an HTTP API that computes",
                            "none");
    px_err err = pxi_generator_swarm(n, m, name, &g);
    if (err == PX_ERR_OK && !pxi_api_add(n->http->api, g)) {
        g->close(g);
        err = PX_ERR_LIMIT;
    }
    return err;
}

px_err px_node_serve(px_node *n, const px_model *m, const char *name,
                     const px_context_options *context, uint64_t file_bytes, px_diag *diag)
{
    struct pxi_generator *g;
    struct pxi_local_options o = {.name = name, .file_bytes = file_bytes};
    if (context)
        memcpy(&o.context, context,
               context->size < sizeof o.context ? context->size : sizeof o.context);
    if (!n->http)
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "a node with an HTTP API", "none");
    px_err err = pxi_generator_local(n->loop, m, &o, &g, diag);
    if (err == PX_ERR_OK && !pxi_api_add(n->http->api, g)) {
        g->close(g);
        err = PX_ERR_LIMIT;
    }
    return err;
}
