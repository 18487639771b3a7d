#include "node.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Does the verb have this option? */
static int has(const struct cli *c, const char *name)
{
    return verb_opt_find(c->verb, name) != NULL;
}

static const char *text(const struct cli *c, const char *name, int id)
{
    return has(c, name) ? opt_text(c, id) : NULL;
}

static int on(const struct cli *c, const char *name, int id)
{
    return has(c, name) && opt_on(c, id);
}

static void list(const struct cli *c, const char *name, int id, const char *const **out,
                 unsigned *count)
{
    if (!has(c, name))
        return;
    *out = c->v[id].list;
    *count = c->v[id].n;
}

px_node_options node_options(const struct cli *c)
{
    px_node_options o = {
        .size = sizeof o,
        .key_seed = text(c, "seed", OPT_KEY_SEED),
        .key_type = text(c, "key-type", OPT_KEY_TYPE),
        .key_file = text(c, "key", OPT_KEY),
        .security = text(c, "security", OPT_SECURITY),
        .psk_file = text(c, "psk", OPT_PSK),
        .dht = text(c, "dht", OPT_DHT),
        .relay = text(c, "relay", OPT_RELAY),
        .gossipsub = on(c, "gossipsub", OPT_GOSSIPSUB),
        .gossipsub_nosign = on(c, "gossipsub-nosign", OPT_GOSSIPSUB_NOSIGN),
        .dcutr = on(c, "dcutr", OPT_DCUTR),
        .autonat = on(c, "autonat", OPT_AUTONAT),
        .mdns = on(c, "mdns", OPT_MDNS),
    };
    list(c, "listen", OPT_LISTEN, &o.listen, &o.listen_count);
    list(c, "announce", OPT_ANNOUNCE, &o.announce, &o.announce_count);
    list(c, "bootstrap", OPT_BOOTSTRAP, &o.bootstrap, &o.bootstrap_count);
    list(c, "allow", OPT_ALLOW, &o.allow, &o.allow_count);
    if (has(c, "mdns-interval"))
        o.mdns_interval_ms = (uint32_t)opt_uint(c, OPT_MDNS_INTERVAL);
    if (has(c, "spin-us"))
        o.spin_us = opt_uint(c, OPT_SPIN_US) ? (int32_t)opt_uint(c, OPT_SPIN_US) : -1;
    return o;
}

void files_raise(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

const char *node_socket(void)
{
    static char *path; /* kept to the end */
    return path ? path : (path = state_path("control.sock"));
}

json_t *node_ask(const struct cli *c, const char *op, json_t *in, int *rc)
{
    return node_ask_hint(c, op, in, rc, NULL);
}

int node_order(struct cli *c, const char *op, const char *field)
{
    int rc;
    json_t *in = json_object();
    json_object_set_new(in, field, json_text(c->arg[0]));
    json_t *reply = node_ask(c, op, in, &rc);
    if (!reply)
        return rc;
    json_decref(reply);
    if (!opt_on(c, OPT_JSON))
        return 0;
    json_t *doc = doc_new(c);
    json_object_set_new(doc, field, json_text(c->arg[0]));
    return doc_print(doc, 0);
}

json_t *node_ask_hint(const struct cli *c, const char *op, json_t *in, int *rc, const char *hint)
{
    char *text = NULL;
    uint64_t timeout = has(c, "timeout") ? opt_uint(c, OPT_TIMEOUT) : 20000;
    json_object_set_new(in, "id", json_integer(1));
    json_object_set_new(in, "op", json_string(op));
    json_object_set_new(in, "timeout", json_integer((json_int_t)timeout));
    char *line = must(json_dumps(in, JSON_COMPACT));
    json_decref(in);
    px_err err = px_control_ask(node_socket(), line, timeout + 2000, &text);
    free(line);
    json_t *reply = err == PX_ERR_OK ? json_loads(text, 0, NULL) : NULL;
    px_node_text_free(text);
    *rc = 0;
    if (err == PX_ERR_UNREACHABLE) {
        *rc = fail_text(err, NULL, "start one with plexus up", "no node runs in this home");
    } else if (err != PX_ERR_OK || !reply) {
        *rc = fail(err != PX_ERR_OK ? err : PX_ERR_PROTOCOL, "the node's control socket", NULL);
    } else if (!json_is_true(json_object_get(reply, "ok"))) {
        const char *why = json_string_value(json_object_get(reply, "error"));
        px_err code = node_err(json_string_value(json_object_get(reply, "code")));
        *rc =
            fail_text(code, NULL, code == PX_ERR_REFUSED ? hint : NULL, "%s", why ? why : "failed");
        json_decref(reply);
        reply = NULL;
    }
    return reply;
}

px_err node_err(const char *code)
{
    int found = 1;
    for (unsigned i = 0; found; i++) {
        px_err e = px_err_at(i, &found);
        if (found && code && strcmp(px_err_code(e), code) == 0)
            return e;
    }
    return PX_ERR_FAILED;
}

int node_print(const struct cli *c, json_t *reply, const char *const *fields)
{
    json_t *doc = doc_new(c);
    for (; *fields; fields++) {
        json_t *v = json_object_get(reply, *fields);
        json_object_set(doc, *fields, v ? v : json_null());
    }
    json_decref(reply);
    return doc_print(doc, 0);
}

int node_is_addr(const char *text)
{
    return text[0] == '/';
}

void node_ready(const struct cli *c, const char *ready)
{
    json_t *doc = json_loads(ready ? ready : "{}", 0, NULL);
    if (opt_on(c, OPT_JSON))
        json_object_update_missing_new(doc, doc_new(c));
    line_print(doc);
    fflush(stdout);
}
