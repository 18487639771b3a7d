/* Opening models: files, parts of split models, the embedded one; then tables, tensors, tokenizer.
 */
#include "node/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/gguf.h"

static px_err describe(px_model *m)
{
    const struct pxi_config *c = &m->model.config;
    px_view name = {0}, template = {0};
    int named = px_gguf_get_str(m->gguf, "general.name", &name, NULL) == PX_ERR_OK;
    int chats = px_gguf_get_str(m->gguf, "tokenizer.chat_template", &template, NULL) == PX_ERR_OK;
    m->name = pxi_strdup_view(named ? name : px_view_str(""));
    m->chat_template = chats ? pxi_strdup_view(template) : NULL;
    if (!m->name || (chats && !m->chat_template))
        return PX_ERR_NOMEM;
    m->info = (px_model_info){.arch = c->arch->name,
                              .name = m->name,
                              .blocks = c->blocks,
                              .embd = c->embd,
                              .ffn = c->ffn,
                              .heads = c->heads,
                              .kv_heads = c->kv_heads,
                              .head_dim = c->key_dim,
                              .vocab = c->vocab,
                              .context_train = c->context_train,
                              .parameters = m->model.parameters,
                              .weight_bytes = m->model.weight_bytes,
                              .chat_template = m->chat_template};
    return PX_ERR_OK;
}

/* Everything after the container has been parsed. */
static px_err finish(px_model *m, px_diag *diag)
{
    px_err err = pxi_model_init(&m->model, m->gguf, diag);
    if (err == PX_ERR_OK)
        err = px_tokenizer_new(m->gguf, &m->tokenizer, diag);
    return err == PX_ERR_OK ? describe(m) : err;
}

/* Hand out m, or close it and return err. */
static px_err result(px_model *m, px_err err, px_model **out)
{
    *out = m;
    if (err != PX_ERR_OK) {
        px_model_close(m);
        *out = NULL;
    }
    return err;
}

px_err px_model_open_memory(px_view file, px_model **out, px_diag *diag)
{
    px_model *m = *out = pxi_calloc(1, sizeof *m);
    if (!m)
        return PX_ERR_NOMEM;
    px_err err = px_gguf_parse(file, &m->gguf, diag);
    return result(m, err == PX_ERR_OK ? finish(m, diag) : err, out);
}

px_err pxi_model_open_slice(px_view file, const struct pxi_slice *s, px_model **out, px_diag *diag)
{
    px_model *m = *out = pxi_calloc(1, sizeof *m);
    if (!m)
        return PX_ERR_NOMEM;
    px_err err = px_gguf_parse(file, &m->gguf, diag);
    if (err == PX_ERR_OK)
        err = pxi_model_init_slice(&m->model, m->gguf, s, diag);
    return result(m, err == PX_ERR_OK ? describe(m) : err, out);
}

px_err pxi_model_open_parts(char *const *paths, uint32_t n, pxi_gguf_part_fn *check, void *ctx,
                            const struct pxi_slice *s, px_model **out, px_diag *diag)
{
    px_model *m = *out = pxi_calloc(1, sizeof *m);
    px_view *views = pxi_calloc(n, sizeof *views);
    px_err err = m && views ? PX_ERR_OK : PX_ERR_NOMEM;
    if (err == PX_ERR_OK && !(m->files = pxi_calloc(n, sizeof *m->files)))
        err = PX_ERR_NOMEM;
    for (uint32_t i = 0; i < n && err == PX_ERR_OK; i++) {
        err = px_file_open(paths[i], &m->files[i], diag);
        if (err != PX_ERR_OK)
            break;
        m->n_files = i + 1;
        views[i] = px_file_bytes(m->files[i]);
    }
    if (err == PX_ERR_OK)
        err = pxi_gguf_parse_some(views, n, check, ctx, &m->gguf, diag);
    pxi_free(views);
    if (err == PX_ERR_OK)
        err = pxi_model_init_slice(&m->model, m->gguf, s, diag);
    return result(m, err == PX_ERR_OK ? describe(m) : err, out);
}

static px_err open_parts(px_model *m, char *path, size_t stem, uint32_t parts, px_diag *diag)
{
    px_view *views = pxi_calloc(parts, sizeof *views);
    px_err err = views ? PX_ERR_OK : PX_ERR_NOMEM;
    for (uint32_t i = 0; i < parts && err == PX_ERR_OK; i++) {
        snprintf(path + stem, sizeof "-00001-of-00001.gguf", "-%05u-of-%05u.gguf", (i + 1) % 100000,
                 parts % 100000);
        err = px_file_open(path, &m->files[i], diag);
        if (err != PX_ERR_OK)
            break;
        m->n_files = i + 1;
        views[i] = px_file_bytes(m->files[i]);
    }
    if (err == PX_ERR_OK)
        err = px_gguf_parse_split(views, parts, &m->gguf, diag);
    pxi_free(views);
    return err;
}

/* name-00001-of-00003.gguf: the length of "name", or 0 when path is not so spelled. */
static size_t stem_of(const char *path, uint32_t *parts)
{
    unsigned no, count;
    int used = 0;
    size_t n = strlen(path), tail = sizeof "-00001-of-00001.gguf" - 1;
    if (n <= tail || sscanf(path + n - tail, "-%5u-of-%5u.gguf%n", &no, &count, &used) != 2 ||
        (size_t)used != tail || count < 2 || no < 1 || no > count || count > PXI_LIMIT_GGUF_PARTS)
        return 0;
    *parts = count;
    return n - tail;
}

static px_err open_files(px_model *m, const char *path, px_diag *diag)
{
    uint32_t parts = 1;
    size_t stem = stem_of(path, &parts);
    m->files = pxi_calloc(parts, sizeof *m->files);
    if (!m->files)
        return PX_ERR_NOMEM;
    if (stem) {
        char *name = pxi_strdup_view(px_view_str(path));
        px_err err = name ? open_parts(m, name, stem, parts, diag) : PX_ERR_NOMEM;
        pxi_free(name);
        return err;
    }
    px_err err = px_file_open(path, &m->files[0], diag);
    if (err != PX_ERR_OK)
        return err;
    m->n_files = 1;
    return px_gguf_parse(px_file_bytes(m->files[0]), &m->gguf, diag);
}

/* A part under a name of its own would lack the tensors of the others: say so. */
static px_err refuse_lone_part(const px_model *m, px_diag *diag)
{
    uint64_t count = 1;
    const px_gguf_kv *kv = px_gguf_kv_find(m->gguf, "split.count");
    if (m->n_files > 1 || !kv || px_gguf_get_u64(m->gguf, "split.count", &count, NULL) || count < 2)
        return PX_ERR_OK;
    pxi_diag_field(diag, "split.count");
    return pxi_diag_set(diag, PX_ERR_NOT_FOUND, kv->offset,
                        "all parts side by side, named NAME-00001-of-0000N.gguf", "%llu parts",
                        (unsigned long long)count);
}

px_err pxi_engine_open_files(px_model *m, const char *path, px_diag *diag)
{
    px_err err = open_files(m, path, diag);
    return err == PX_ERR_OK ? refuse_lone_part(m, diag) : err;
}

px_err px_model_open(const char *path, px_model **out, px_diag *diag)
{
    *out = NULL;
    if (!path)
        return PX_ERR_INVALID;
    if (strcmp(path, "tiny") == 0)
        return px_model_open_memory(pxi_tiny_model(), out, diag);
    px_model *m = pxi_calloc(1, sizeof *m);
    if (!m)
        return PX_ERR_NOMEM;
    px_err err = pxi_engine_open_files(m, path, diag);
    return result(m, err == PX_ERR_OK ? finish(m, diag) : err, out);
}

px_err px_model_open_words(const char *path, px_model **out, px_diag *diag)
{
    static const struct pxi_slice none;
    px_model *m = *out = path ? pxi_calloc(1, sizeof *m) : NULL;
    if (!m)
        return path ? PX_ERR_NOMEM : PX_ERR_INVALID;
    m->files = pxi_calloc(1, sizeof *m->files);
    px_err err = m->files ? px_file_open(path, &m->files[0], diag) : PX_ERR_NOMEM;
    if (err == PX_ERR_OK) {
        m->n_files = 1;
        px_view file = px_file_bytes(m->files[0]);
        err = pxi_gguf_parse_some(&file, 1, NULL, NULL, &m->gguf, diag);
    }
    if (err == PX_ERR_OK)
        err = pxi_config_read_slice(&m->model.config, m->gguf, &none, diag);
    if (err == PX_ERR_OK)
        err = px_tokenizer_new(m->gguf, &m->tokenizer, diag);
    return result(m, err == PX_ERR_OK ? describe(m) : err, out);
}

void px_model_close(px_model *m)
{
    if (!m)
        return;
    px_tokenizer_free(m->tokenizer);
    pxi_model_deinit(&m->model);
    px_gguf_free(m->gguf);
    for (uint32_t i = 0; i < m->n_files; i++)
        px_file_close(m->files[i]);
    pxi_free(m->files);
    pxi_free(m->name);
    pxi_free(m->chat_template);
    pxi_free(m);
}

const px_model_info *px_model_info_get(const px_model *m)
{
    return &m->info;
}
const px_gguf *px_model_gguf(const px_model *m)
{
    return m->gguf;
}
const px_tokenizer *px_model_tokenizer(const px_model *m)
{
    return m->tokenizer;
}
