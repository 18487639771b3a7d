/* plexus up: a node in the foreground. */
#include "node.h"

#include <signal.h>
#include <string.h>

static px_node *running;

static void on_signal(int number)
{
    (void)number;
    px_node_stop(running);
}

/* SIGINT and SIGTERM end the node in order. */
static void catch_signals(px_node *n)
{
    struct sigaction a = {.sa_handler = on_signal};
    running = n;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

/* From here on a signal finds no node to stop. */
static void ignore_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
}

/* What is missing on this machine, and what serves instead: one line each on standard error. */
static void show_notes(const struct cli *c, const char *ready)
{
    json_t *doc = json_loads(ready ? ready : "{}", 0, NULL), *text;
    size_t i;
    json_array_foreach(json_object_get(doc, "notes"), i, text)
        note(c, "%s", json_string_value(text));
    json_decref(doc);
}

static void show_ready(const struct cli *c, const char *ready)
{
    json_t *doc = json_loads(ready ? ready : "{}", 0, NULL), *a;
    size_t i;
    printf("peer %s\n", json_string_value(json_object_get(doc, "peer")));
    json_array_foreach(json_object_get(doc, "addrs"), i, a)
        printf("listening at %s\n", json_string_value(a));
    printf("ready; Ctrl-C ends it\n");
    fflush(stdout);
    json_decref(doc);
}

int verb_up(struct cli *c)
{
    px_node *n = NULL;
    px_diag d = {0};
    px_node_options o = node_options(c);
    o.mdns = !opt_on(c, OPT_NO_MDNS);
    o.dht_protocol = opt_text(c, OPT_DHT_PROTOCOL);
    o.lan = !o.listen_count;
    o.public_ = opt_on(c, OPT_PUBLIC);
    o.port = (uint16_t)opt_uint(c, OPT_PORT);
    o.portmap = opt_on(c, OPT_PORTMAP);
    o.slow_ms = (uint32_t)opt_uint(c, OPT_SLOW_MS);
    o.heartbeat = 1;
    o.serve = 1;
    o.activated = 1;
    o.control = node_socket();
    static char *key; /* kept to the end */
    if (!o.key_file)
        o.key_file = key = state_path("identity.key");
    files_raise();
    px_err err = px_node_open(&o, &n, &d);
    if (err != PX_ERR_OK)
        return fail(err, NULL, &d);
    catch_signals(n);
    char *ready = px_node_ready(n);
    if (opt_on(c, OPT_JSON) || opt_on(c, OPT_JSON_LINES))
        node_ready(c, ready);
    else
        show_ready(c, ready);
    show_notes(c, ready);
    px_node_text_free(ready);
    px_node_run(n);
    ignore_signals();
    px_node_close(n);
    return 0;
}
