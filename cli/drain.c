/* plexus drain, plexus stop: a node that goes hands over first. */
#include "home.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 200, QUIT_MS = 10000 };

static uint64_t number(json_t *doc, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(doc, name));
}

static int no_node(void)
{
    return fail_text(PX_ERR_UNREACHABLE, NULL, "start one with plexus up",
                     "no node runs in this home");
}

/* The last line of the drain; progress is told on a terminal. */
static json_t *follow(const struct cli *c, px_control *k, uint64_t timeout_ms, int *rc)
{
    double end = now_s() + (double)timeout_ms / 1e3 + 5;
    px_err err = PX_ERR_TIMEOUT;
    while (now_s() < end && (err == PX_ERR_TIMEOUT || err == PX_ERR_OK)) {
        char *line = NULL;
        err = px_control_next(k, LOOK_MS, &line);
        if (err == PX_ERR_INTERRUPTED)
            err = PX_ERR_TIMEOUT;
        json_t *doc = err == PX_ERR_OK ? json_loads(line, 0, NULL) : NULL;
        px_node_text_free(line);
        if (doc && json_object_get(doc, "ok"))
            return doc;
        if (doc && term_err())
            note(c, "%llu sessions of others and %llu answers of our own are here still",
                 (unsigned long long)number(doc, "sessions"),
                 (unsigned long long)number(doc, "answers"));
        json_decref(doc);
    }
    *rc = fail(err, "the node's control socket", NULL);
    return NULL;
}

json_t *node_drain(const struct cli *c, int off, int absent_ok, int *rc)
{
    uint64_t timeout = opt_uint(c, OPT_TIMEOUT);
    json_t *in = json_object();
    px_control *k = NULL;
    json_object_set_new(in, "id", json_integer(1));
    json_object_set_new(in, "op", json_text("drain"));
    json_object_set_new(in, "off", json_boolean(off));
    json_object_set_new(in, "timeout", json_u64(timeout));
    char *line = must(json_dumps(in, JSON_COMPACT));
    json_decref(in);
    px_err err = px_control_open(node_socket(), line, &k);
    free(line);
    *rc = 0;
    if (err == PX_ERR_UNREACHABLE) {
        *rc = absent_ok ? 0 : no_node();
        return NULL;
    }
    if (err != PX_ERR_OK) {
        *rc = fail(err, "the node's control socket", NULL);
        return NULL;
    }
    json_t *reply = follow(c, k, timeout, rc);
    px_control_close(k);
    return reply;
}

int node_quit(const struct cli *c)
{
    char *text = NULL;
    (void)c;
    px_err err = px_control_ask(node_socket(), "{\"id\":1,\"op\":\"quit\"}", QUIT_MS, &text);
    px_node_text_free(text);
    if (err == PX_ERR_UNREACHABLE)
        return no_node();
    double end = now_s() + QUIT_MS / 1e3;
    while (err != PX_ERR_UNREACHABLE && now_s() < end) {
        struct timespec t = {0, 5000000};
        nanosleep(&t, NULL);
        err = px_control_ask(node_socket(), "{\"id\":1,\"op\":\"addrs\"}", 1000, &text);
        px_node_text_free(text);
    }
    return err == PX_ERR_UNREACHABLE
               ? 0
               : fail_text(PX_ERR_TIMEOUT, NULL, "end it with a signal", "the node does not end");
}

int verb_drain(struct cli *c)
{
    static const char *const fields[] = {"draining", "left", "sessions", "answers", "ms", NULL};
    int rc, off = opt_on(c, OPT_OFF);
    json_t *reply = node_drain(c, off, 0, &rc);
    if (!reply)
        return rc;
    uint64_t left = number(reply, "left");
    if (opt_on(c, OPT_JSON))
        rc = node_print(c, json_incref(reply), fields);
    if (left)
        rc = fail_text(PX_ERR_TIMEOUT, NULL, "they are served on; ask again, or plexus stop --now",
                       "%llu sessions could not go elsewhere in %llu ms", (unsigned long long)left,
                       (unsigned long long)opt_uint(c, OPT_TIMEOUT));
    else if (!opt_on(c, OPT_JSON))
        note(c, off ? "this node takes work again"
                    : "nothing is left here and nothing new is taken: plexus stop loses nothing");
    json_decref(reply);
    return rc;
}

int verb_stop(struct cli *c)
{
    int rc = 0, now = opt_on(c, OPT_NOW);
    double start = now_s();
    json_t *reply = now ? NULL : node_drain(c, 0, 0, &rc);
    uint64_t left = number(reply, "left");
    if (rc == 0 && left)
        note(c, "%llu sessions could not go elsewhere in %llu ms: they lose this node",
             (unsigned long long)left, (unsigned long long)opt_uint(c, OPT_TIMEOUT));
    json_decref(reply);
    if (rc == 0)
        rc = node_quit(c);
    if (rc)
        return rc;
    if (opt_on(c, OPT_JSON)) {
        json_t *doc = doc_new(c);
        json_object_set_new(doc, "stopped", json_true());
        json_object_set_new(doc, "left", json_u64(left));
        json_object_set_new(doc, "ms", json_number((now_s() - start) * 1e3));
        return doc_print(doc, 0);
    }
    note(c, "the node has ended");
    return 0;
}
