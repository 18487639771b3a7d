/* plexus push|pull|list|show|pin|rm: the store of models, by the running node or without one. */
#include "home.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ASK_MS = 20000 };

/* What is told while a command runs without a node. */
struct alone {
    struct progress bar;
    json_t *last;
    int begun;
    const struct cli *c;
};

static void on_reply(void *ctx, const char *text)
{
    struct alone *a = ctx;
    json_t *doc = json_loads(text, 0, NULL);
    if (!json_is_true(json_object_get(doc, "progress"))) {
        json_decref(a->last);
        a->last = doc;
        return;
    }
    if (!a->begun++)
        progress_begin(&a->bar, a->c, "push", "bytes",
                       (uint64_t)json_integer_value(json_object_get(doc, "bytes")));
    progress_set(&a->bar, (uint64_t)json_integer_value(json_object_get(doc, "bytes_here")));
    json_decref(doc);
}

/* The folder of the store in this home. Kept. */
static const char *store_dir(void)
{
    static char *path;
    return path ? path : (path = data_path("store"));
}

static json_t *without_node(const struct cli *c, const char *line, px_err *err)
{
    struct alone a = {.c = c};
    char *key = state_path("identity.key");
    px_store_options o = {.size = sizeof o, .root = store_dir(), .key_file = key};
    if (verb_opt_find(c->verb, "store-quota"))
        o.quota = opt_uint(c, OPT_STORE_QUOTA);
    *err = o.root ? px_store_do(&o, line, on_reply, &a) : PX_ERR_NOT_FOUND;
    if (a.begun)
        progress_end(&a.bar);
    free(key);
    return a.last;
}

/* Tell what went wrong; the exit code. */
static int explain(const char *what, px_err err, json_t *reply)
{
    const char *why = json_string_value(json_object_get(reply, "error"));
    const char *code = json_string_value(json_object_get(reply, "code"));
    if (why)
        return fail_text(node_err(code), what, NULL, "%s", why);
    if (err == PX_ERR_REFUSED)
        return fail_text(err, NULL, "wait for it, or start a node with plexus up",
                         "another process uses the store");
    return fail(err != PX_ERR_OK ? err : PX_ERR_PROTOCOL, what, NULL);
}

/* Ask the node, or do it here when none runs and `alone` allows it. The reply, or NULL after the
 * error was told. `in` is stolen. */
static json_t *ask(const struct cli *c, const char *op, json_t *in, int alone, int *rc)
{
    char *text = NULL;
    json_t *reply = NULL;
    json_object_set_new(in, "id", json_integer(1));
    json_object_set_new(in, "op", json_string(op));
    char *line = must(json_dumps(in, JSON_COMPACT));
    px_err err = px_control_ask(node_socket(), line, ASK_MS, &text);
    if (err == PX_ERR_OK)
        reply = json_loads(text, 0, NULL);
    else if (err == PX_ERR_UNREACHABLE && alone)
        reply = without_node(c, line, &err);
    px_node_text_free(text);
    free(line);
    *rc = 0;
    if (!json_is_true(json_object_get(reply, "ok"))) {
        if (err == PX_ERR_UNREACHABLE && !alone)
            *rc = fail_text(err, NULL, "start one with plexus up", "no node runs in this home");
        else
            *rc = explain(c->args ? c->arg[0] : "store", err, reply);
        json_decref(reply);
        reply = NULL;
    }
    json_decref(in);
    return reply;
}

static json_t *model_of(const char *name)
{
    json_t *in = json_object();
    json_object_set_new(in, "cid", json_text(name));
    return in;
}

static const char *text_of(json_t *doc, const char *name)
{
    const char *s = json_string_value(json_object_get(doc, name));
    return s ? s : "";
}

static uint64_t number_of(json_t *doc, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(doc, name));
}

/* ------------------------------------------------------------------ push and pull */

static json_t *ask_job(const struct cli *c, const char *op, uint64_t id, int *rc)
{
    json_t *in = json_object();
    json_object_set_new(in, "job", json_integer((json_int_t)id));
    return ask(c, op, in, 0, rc);
}

/* Follow a job of the node to its end; its last report, or NULL after the error was told. */
static json_t *follow(const struct cli *c, json_t *job, const char *what, int *rc)
{
    struct progress bar;
    int begun = 0;
    uint64_t id = number_of(job, "job"), wait_ms = 2;
    interrupt_poll(1);
    while (job && strcmp(text_of(job, "state"), "running") == 0) {
        struct timespec t = {0, (long)wait_ms * 1000000};
        uint64_t total = number_of(job, "bytes");
        if (total && !begun++)
            progress_begin(&bar, c, what, "bytes", total);
        if (begun)
            progress_set(&bar, number_of(job, "bytes_here"));
        nanosleep(&t, NULL);
        wait_ms = wait_ms < 100 ? wait_ms * 2 : 100;
        json_decref(job);
        job = ask_job(c, interrupted() ? "store-stop" : "store-job", id, rc);
    }
    if (begun)
        progress_end(&bar);
    if (job && strcmp(text_of(job, "state"), "failed") == 0) {
        *rc = explain(c->arg[0], PX_ERR_FAILED, job);
        json_decref(job);
        return NULL;
    }
    return job;
}

static int print_end(const struct cli *c, json_t *job, double took_s, const char *done)
{
    static const char *const fields[] = {"cid", "name", "bytes", "bytes_got", "shards", "ms", NULL};
    char bytes[32], rate[32];
    if (opt_on(c, OPT_JSON)) {
        if (!json_object_get(job, "ms"))
            json_object_set_new(job, "ms", json_real(took_s * 1e3));
        if (!json_object_get(job, "bytes_got"))
            json_object_set_new(job, "bytes_got", json_integer(0));
        return node_print(c, job, fields);
    }
    human_bytes(bytes, (double)number_of(job, "bytes"));
    human_bytes(rate, (double)number_of(job, "bytes") / (took_s > 1e-3 ? took_s : 1e-3));
    printf("%s\n", text_of(job, "cid"));
    note(c, "%s %s in %.1f s (%s/s)", done, bytes, took_s, rate);
    json_decref(job);
    return 0;
}

int store_push_file(const struct cli *c, const char *path, char *cid, size_t cap)
{
    int rc = 0;
    char *full = realpath(path, NULL);
    const char *file = full ? full : path;
    if (!pushed_find(file, cid, cap)) {
        json_t *in = json_object();
        json_object_set_new(in, "path", json_text(file));
        json_t *job = follow(c, ask(c, "store-push", in, 0, &rc), "push", &rc);
        snprintf(cid, cap, "%s", text_of(job, "cid"));
        json_decref(job);
        if (rc == 0)
            pushed_note(file, cid);
    }
    free(full);
    return rc;
}

int store_pull_words(const struct cli *c, const char *cid)
{
    int rc = 0;
    json_t *in = model_of(cid);
    json_object_set_new(in, "first", json_integer(0));
    json_object_set_new(in, "last", json_integer(0)); /* no block, no end: what every part needs */
    json_decref(follow(c, ask(c, "store-pull", in, 0, &rc), "pull", &rc));
    return rc;
}

int verb_push(struct cli *c)
{
    int rc;
    double start = now_s();
    char *full = strcmp(c->arg[0], "tiny") == 0 ? NULL : realpath(c->arg[0], NULL);
    json_t *in = json_object();
    json_object_set_new(in, "path", json_text(full ? full : c->arg[0]));
    if (opt_text(c, OPT_NAME))
        json_object_set_new(in, "name", json_text(opt_text(c, OPT_NAME)));
    json_object_set_new(in, "pin", json_boolean(!opt_on(c, OPT_NO_PIN)));
    json_object_set_new(in, "sha256", json_boolean(opt_on(c, OPT_SHA256)));
    free(full);
    json_t *job = follow(c, ask(c, "store-push", in, 1, &rc), "push", &rc);
    return job ? print_end(c, job, now_s() - start, "stored") : rc;
}

/* FIRST-LAST, both counted from 0 and both meant; 0 when it is so written. */
static int put_blocks(json_t *in, const char *text)
{
    char *end;
    unsigned long first = strtoul(text, &end, 10), last;
    if (end == text || *end != '-')
        return -1;
    const char *second = end + 1;
    last = strtoul(second, &end, 10);
    if (end == second || *end || last < first || last > 1u << 20)
        return -1;
    json_object_set_new(in, "first", json_integer((json_int_t)first));
    json_object_set_new(in, "last", json_integer((json_int_t)last + 1));
    return 0;
}

int verb_pull(struct cli *c)
{
    int rc;
    double start = now_s();
    json_t *in = model_of(c->arg[0]);
    const char *blocks = opt_text(c, OPT_BLOCKS);
    if (blocks && put_blocks(in, blocks) != 0) {
        json_decref(in);
        return usage("plexus help pull", "--blocks %s: FIRST-LAST is needed", blocks);
    }
    json_object_set_new(in, "pin", json_boolean(opt_on(c, OPT_PIN)));
    json_t *job = follow(c, ask(c, "store-pull", in, 0, &rc), "pull", &rc);
    return job ? print_end(c, job, now_s() - start, "here:") : rc;
}

/* ------------------------------------------------------------------ list and show */

static void print_model(json_t *m)
{
    char size[32], part[48] = "";
    uint64_t here = number_of(m, "shards_here"), all = number_of(m, "shards");
    human_bytes(size, (double)number_of(m, "bytes"));
    if (here < all)
        snprintf(part, sizeof part, "%llu/%llu", (unsigned long long)here, (unsigned long long)all);
    printf("%.24s  %-6s %-8s %10s %-8s %s ", text_of(m, "cid"), text_of(m, "architecture"),
           text_of(m, "type"), size, part,
           json_is_true(json_object_get(m, "pinned")) ? "pinned" : "      ");
    put_text(text_of(m, "name"), strlen(text_of(m, "name")));
    printf("\n");
}

int verb_list(struct cli *c)
{
    static const char *const fields[] = {"models", "used_bytes", "quota_bytes",
                                         "blobs",  "root",       NULL};
    int rc;
    size_t i;
    char used[32], quota[32];
    json_t *reply = ask(c, "store-list", json_object(), 1, &rc), *m;
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    json_array_foreach(json_object_get(reply, "models"), i, m) print_model(m);
    human_bytes(used, (double)number_of(reply, "used_bytes"));
    human_bytes(quota, (double)number_of(reply, "quota_bytes"));
    if (number_of(reply, "quota_bytes"))
        note(c, "%s of %s used", used, quota);
    else
        note(c, "%s used", used);
    json_decref(reply);
    return 0;
}

static void print_shard(json_t *s)
{
    char size[32], block[32] = "";
    human_bytes(size, (double)number_of(s, "bytes"));
    if (json_is_integer(json_object_get(s, "block")))
        snprintf(block, sizeof block, "%llu", (unsigned long long)number_of(s, "block"));
    printf("  %-10s %5s %10s  %s  %s\n", text_of(s, "role"), block, size, text_of(s, "cid"),
           json_is_true(json_object_get(s, "here")) ? "here" : "missing");
}

int verb_show(struct cli *c)
{
    static const char *const fields[] = {
        "cid",        "name",   "architecture", "type",    "blocks",     "embd",       "ffn",
        "heads",      "vocab",  "kv_heads",     "context", "parameters", "tied",       "bytes",
        "bytes_here", "shards", "shards_here",  "pinned",  "signer",     "shard_list", NULL};
    int rc;
    size_t i;
    json_t *reply = ask(c, "store-show", model_of(c->arg[0]), 1, &rc), *s;
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    printf("%s\n", text_of(reply, "cid"));
    printf("  name       ");
    put_text(text_of(reply, "name"), strlen(text_of(reply, "name")));
    printf("\n  kind       %s, %s, %llu blocks of %llu\n", text_of(reply, "architecture"),
           text_of(reply, "type"), (unsigned long long)number_of(reply, "blocks"),
           (unsigned long long)number_of(reply, "embd"));
    printf("  signed by  %s\n", text_of(reply, "signer"));
    printf("  pinned     %s\n", json_is_true(json_object_get(reply, "pinned")) ? "yes" : "no");
    json_array_foreach(json_object_get(reply, "shard_list"), i, s) print_shard(s);
    json_decref(reply);
    return 0;
}

/* ------------------------------------------------------------------ pin and rm */

int verb_pin(struct cli *c)
{
    static const char *const fields[] = {"cid", "name", "pinned", NULL};
    int rc;
    json_t *in = model_of(c->arg[0]);
    json_object_set_new(in, "off", json_boolean(opt_on(c, OPT_OFF)));
    json_t *reply = ask(c, "store-pin", in, 1, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    note(c, "%s: %s", text_of(reply, "cid"), opt_on(c, OPT_OFF) ? "no longer pinned" : "pinned");
    json_decref(reply);
    return 0;
}

int verb_rm(struct cli *c)
{
    static const char *const fields[] = {"cid", "freed_bytes", NULL};
    int rc;
    char freed[32];
    json_t *reply = ask(c, "store-rm", model_of(c->arg[0]), 1, &rc);
    if (!reply)
        return rc;
    if (opt_on(c, OPT_JSON))
        return node_print(c, reply, fields);
    human_bytes(freed, (double)number_of(reply, "freed_bytes"));
    note(c, "%s removed, %s freed", text_of(reply, "cid"), freed);
    json_decref(reply);
    return 0;
}
