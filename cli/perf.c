/* plexus perf: the command line of libp2p's performance tests. */
#include "node.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct perf {
    struct cli *c;
    px_node *node;
    double began_s, dial_s;
    int rc;
};

static px_node *serving;

static void on_signal(int number)
{
    (void)number;
    px_node_stop(serving);
}

/* HOST:PORT of the option as a multiaddr; a multiaddr stays as it is. Kept. */
static const char *address(const struct cli *c)
{
    const char *text = opt_text(c, OPT_SERVER_ADDRESS);
    if (!text || text[0] == '/')
        return text;
    const char *colon = strrchr(text, ':');
    if (!colon)
        return NULL;
    int quic = strcmp(opt_text(c, OPT_TRANSPORT), "quic-v1") == 0;
    int v6 = memchr(text, ':', (size_t)(colon - text)) != NULL;
    size_t host = (size_t)(colon - text);
    if (v6 && text[0] == '[')
        text++, host -= 2;
    size_t n = strlen(text) + 64;
    char *out = keep(malloc(n));
    snprintf(out, n, "/ip%d/%.*s/%s/%s%s", v6 ? 6 : 4, (int)host, text, quic ? "udp" : "tcp",
             colon + 1, quic ? "/quic-v1" : "");
    return out;
}

static void line(struct perf *p, const char *type, json_t *reply)
{
    json_t *doc = json_object();
    if (opt_on(p->c, OPT_JSON) && strcmp(type, "final") == 0)
        json_object_set_new(doc, "schema", json_text("plexus.perf/1"));
    json_object_set_new(doc, "type", json_text(type));
    json_object_set_new(doc, "timeSeconds", json_number(now_s() - p->began_s));
    json_object_set_new(doc, "uploadBytes", json_incref(json_object_get(reply, "up")));
    json_object_set_new(doc, "downloadBytes", json_incref(json_object_get(reply, "down")));
    line_print(doc);
    fflush(stdout);
}

static void failed(struct perf *p, json_t *reply)
{
    const char *why = json_string_value(json_object_get(reply, "error"));
    p->rc = fail_text(node_err(json_string_value(json_object_get(reply, "code"))), address(p->c),
                      NULL, "%s", why ? why : "failed");
    px_node_stop(p->node);
}

static void on_perf(void *ctx, const char *text)
{
    struct perf *p = ctx;
    json_t *reply = json_loads(text, 0, NULL);
    if (json_is_true(json_object_get(reply, "progress"))) {
        if (!opt_on(p->c, OPT_JSON))
            line(p, "intermediary", reply);
    } else if (json_is_true(json_object_get(reply, "ok"))) {
        line(p, "final", reply);
        px_node_stop(p->node);
    } else {
        failed(p, reply);
    }
    json_decref(reply);
}

static void ask(struct perf *p, json_t *in, void (*fn)(void *ctx, const char *text))
{
    char *text = must(json_dumps(in, JSON_COMPACT));
    json_decref(in);
    if (px_node_do(p->node, text, fn, p) != PX_ERR_OK)
        px_node_stop(p->node);
    free(text);
}

static void on_dial(void *ctx, const char *text)
{
    struct perf *p = ctx;
    json_t *reply = json_loads(text, 0, NULL);
    if (json_is_true(json_object_get(reply, "ok"))) {
        json_t *in = json_object();
        json_object_set_new(in, "op", json_text("perf"));
        json_object_set(in, "peer", json_object_get(reply, "peer"));
        json_object_set_new(in, "up", json_u64(opt_uint(p->c, OPT_UPLOAD_BYTES)));
        json_object_set_new(in, "down", json_u64(opt_uint(p->c, OPT_DOWNLOAD_BYTES)));
        json_object_set_new(in, "interval", json_integer(1000));
        ask(p, in, on_perf);
    } else {
        failed(p, reply);
    }
    json_decref(reply);
}

static void serve(struct perf *p)
{
    struct sigaction a = {.sa_handler = on_signal};
    serving = p->node;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    char *ready = px_node_ready(p->node);
    printf("%s\n", ready ? ready : "{}");
    fflush(stdout);
    px_node_text_free(ready);
}

int verb_perf(struct cli *c)
{
    struct perf p = {.c = c, .began_s = now_s()};
    px_diag d = {0};
    px_node_options o = node_options(c);
    const char *addr = address(c);
    int server = opt_on(c, OPT_RUN_SERVER);
    if (!addr)
        return usage("plexus help perf", "--server-address is needed: a multiaddr or HOST:PORT");
    o.interop = 1;
    o.listen = &addr;
    o.listen_count = server ? 1 : 0;
    px_err err = px_node_open(&o, &p.node, &d);
    if (err != PX_ERR_OK)
        return fail(err, NULL, &d);
    if (server) {
        serve(&p);
    } else {
        json_t *in = json_object();
        json_object_set_new(in, "op", json_text("dial"));
        json_object_set_new(in, "addr", json_text(addr));
        ask(&p, in, on_dial);
    }
    px_node_run(p.node);
    signal(SIGINT, SIG_IGN); /* from here on a signal finds no node to stop */
    signal(SIGTERM, SIG_IGN);
    px_node_close(p.node);
    return p.rc;
}
