/* The store without a node: one command on the folder, in the thread of the caller. */
#include "plexus/store.h"

#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/mem.h"
#include "io/files.h"
#include "node/call.h"
#include "node/engine.h"
#include "node/stored.h"

struct alone {
    struct pxi_files *files;
    struct pxi_store *store;
    struct pxi_key *key;
    json_t *in;
    const char *op;
    void (*reply)(void *ctx, const char *text);
    void *ctx;
    uint64_t told; /* bytes at the last progress */
};

static void tell(struct alone *a, json_t *doc)
{
    json_object_set_new(doc, "op", json_string(a->op));
    char *text = pxi_json_dump(doc);
    if (text)
        a->reply(a->ctx, text);
    pxi_free(text);
    json_decref(doc);
}

static void tell_error(struct alone *a, px_err err, const char *why)
{
    tell(a, json_pack("{s:b, s:s, s:s, s:i}", "ok", 0, "error", why ? why : px_err_text(err),
                      "code", px_err_code(err), "exit", px_err_exit(err)));
}

static void on_progress(struct pxi_push *p)
{
    struct alone *a = p->user;
    uint64_t done = p->done;
    if (done - a->told < 16 << 20)
        return;
    a->told = done;
    tell(a, json_pack("{s:b, s:I, s:I}", "progress", 1, "bytes", (json_int_t)p->cut.bytes,
                      "bytes_here", (json_int_t)done));
}

/* Cut, write and name; *m is the model. */
static px_err push(struct alone *a, const px_model *source, struct pxi_store_model **m, px_diag *d)
{
    const char *name = json_string_value(json_object_get(a->in, "name"));
    struct pxi_push p = {.store = a->store,
                         .key = a->key,
                         .name = px_view_str(name ? name : ""),
                         .sha256 = json_is_true(json_object_get(a->in, "sha256")),
                         .progress = on_progress,
                         .user = a};
    px_err err = pxi_push_begin(&p, px_model_gguf(source));
    if (err != PX_ERR_OK && p.cut.missing) {
        pxi_diag_field(d, "tensors");
        pxi_diag_set(d, err = PX_ERR_INVALID, 0, p.cut.missing, "none");
    }
    if (err == PX_ERR_OK) {
        pxi_push_run(&p);
        for (uint32_t i = 0; i < source->n_files; i++)
            if (px_file_changed(source->files[i]) && p.err == PX_ERR_OK)
                p.err = PX_ERR_CHANGED;
        err = pxi_push_end(&p, m, d);
    }
    pxi_push_deinit(&p);
    if (err == PX_ERR_OK && json_is_true(json_object_get(a->in, "pin")))
        err = pxi_store_pin(a->store, *m, true);
    return err;
}

static void do_push(struct alone *a)
{
    const char *path = json_string_value(json_object_get(a->in, "path"));
    px_model *source = NULL;
    struct pxi_store_model *m = NULL;
    px_diag d = {0};
    char why[320];
    px_err err = path ? pxi_push_open(path, &source, &d) : PX_ERR_INVALID;
    if (err == PX_ERR_OK)
        err = push(a, source, &m, &d);
    px_model_close(source);
    if (err != PX_ERR_OK) {
        pxi_store_sweep(a->store);
        snprintf(why, sizeof why, "%s: expected %s, found %s", d.field, d.expected, d.found);
        tell_error(a, err, d.expected[0] ? why : NULL);
        return;
    }
    json_t *out = pxi_json_model(a->store, m, false);
    json_object_set_new(out, "ok", json_true());
    json_object_set_new(out, "state", json_string("done"));
    tell(a, out);
}

static void run(struct alone *a)
{
    px_err err;
    const char *why;
    if (strcmp(a->op, "store-push") == 0) {
        do_push(a);
        return;
    }
    json_t *out = pxi_store_op(a->store, a->op, a->in, &err, &why);
    if (!out) {
        tell_error(a, err, why);
        return;
    }
    json_object_set_new(out, "ok", json_true());
    tell(a, out);
}

static bool known(const char *op)
{
    static const char *const ops[] = {"store-list", "store-show", "store-pin", "store-rm",
                                      "store-push"};
    for (size_t i = 0; op && i < sizeof ops / sizeof *ops; i++)
        if (strcmp(op, ops[i]) == 0)
            return true;
    return false;
}

px_err px_store_do(const px_store_options *o, const char *command,
                   void (*reply)(void *ctx, const char *text), void *ctx)
{
    struct alone a = {.reply = reply, .ctx = ctx, .in = json_loads(command, 0, NULL)};
    px_node_options key = {.key_file = o->key_file};
    a.op = json_string_value(json_object_get(a.in, "op"));
    px_err err = known(a.op) ? PX_ERR_OK : PX_ERR_INVALID;
    bool readonly =
        err == PX_ERR_OK && (!strcmp(a.op, "store-list") || !strcmp(a.op, "store-show"));
    if (err == PX_ERR_OK)
        err = pxi_files_open(o->root, readonly, NULL, NULL, &a.files);
    if (err == PX_ERR_OK)
        err = pxi_store_open(a.files, readonly, o->quota, &a.store);
    if (err == PX_ERR_OK && strcmp(a.op, "store-push") == 0)
        err = pxi_identity_load(&key, &a.key, NULL);
    if (err == PX_ERR_OK)
        run(&a);
    pxi_store_close(a.store);
    pxi_files_close(a.files);
    pxi_key_free(a.key);
    json_decref(a.in);
    return err;
}

/* The path of the shard that holds metadata and tokenizer. */
static px_err words_path(struct pxi_store *s, struct pxi_store_model *m, char **path)
{
    static const struct pxi_want none;
    char **paths;
    uint32_t count, missing;
    px_err err = pxi_store_slice(s, m, &none, &paths, &count, &missing);
    if (err != PX_ERR_OK)
        return err;
    *path = count ? pxi_strdup_view(px_view_str(paths[0])) : NULL;
    pxi_store_paths_free(paths, count);
    return *path ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err find_path(const char *root, const char *model, char **path,
                        px_err (*of)(struct pxi_store *, struct pxi_store_model *, char **))
{
    struct pxi_files *files = NULL;
    struct pxi_store *s = NULL;
    struct pxi_store_model *m;
    *path = NULL;
    px_err err = pxi_files_open(root, true, NULL, NULL, &files);
    if (err == PX_ERR_OK)
        err = pxi_store_open(files, true, 0, &s);
    if (err == PX_ERR_OK)
        err = pxi_store_find(s, model, &m);
    if (err == PX_ERR_OK)
        err = of(s, m, path);
    pxi_store_close(s);
    pxi_files_close(files);
    return err;
}

px_err px_store_model_path(const char *root, const char *model, char **path)
{
    return find_path(root, model, path, pxi_store_view);
}

px_err px_store_words_path(const char *root, const char *model, char **path)
{
    return find_path(root, model, path, words_path);
}
