/* plexus inspect FILE: metadata, tensors by role and block, and what it takes to run the model. */
#include "inspect.h"

#include <stdlib.h>
#include <string.h>

/* Open the embedded model, a file, or all files of a split model. */
static int open_parts(struct inspect *in, const char *path, px_diag *d)
{
    uint64_t parts = 0, at = 0;
    size_t n = strlen(path);
    px_err e = px_file_open(path, &in->file[0], d);
    in->files = e == PX_ERR_OK;
    if (e)
        return fail(e, path, d);
    px_view first = px_file_bytes(in->file[0]);
    e = px_gguf_parse(first, &in->own, d);
    if (e)
        return fail(e, path, d);
    px_gguf_get_u64(in->own, "split.count", &parts, NULL);
    px_gguf_get_u64(in->own, "split.no", &at, NULL);
    if (parts < 2 || parts > INSPECT_PARTS || n < 20 || strcmp(path + n - 5, ".gguf") != 0)
        return 0;
    px_view views[INSPECT_PARTS];
    px_file_close(in->file[0]);
    for (in->files = 0; in->files < parts; in->files++) {
        char name[4096];
        snprintf(name, sizeof name, "%.*s%05u-of-%05u.gguf", (int)n - 19, path, in->files + 1,
                 (unsigned)parts);
        e = px_file_open(name, &in->file[in->files], d);
        if (e)
            return fail(e, name, d);
        views[in->files] = px_file_bytes(in->file[in->files]);
    }
    px_gguf_free(in->own);
    e = px_gguf_parse_split(views, (uint32_t)parts, &in->own, d);
    return e ? fail(e, path, d) : 0;
}

static int open_any(struct inspect *in, const char *path)
{
    px_diag d = {0};
    if (strcmp(path, "tiny") != 0) {
        int rc = open_parts(in, path, &d);
        in->g = in->own;
        for (unsigned i = 0; i < in->files; i++)
            in->file_bytes += px_file_bytes(in->file[i]).n;
        return rc;
    }
    px_err e = px_model_open(path, &in->model, &d);
    if (e)
        return fail(e, path, &d);
    in->g = px_model_gguf(in->model);
    for (uint64_t i = 0; i < px_gguf_tensor_count(in->g); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(in->g, i);
        uint64_t end = t->offset + t->bytes;
        in->file_bytes = end > in->file_bytes ? end : in->file_bytes;
    }
    return 0;
}

static uint64_t number(const struct inspect *in, const char *key)
{
    char full[256];
    uint64_t v = 0;
    snprintf(full, sizeof full, "%.*s.%s", (int)in->arch.n, (const char *)in->arch.p, key);
    px_gguf_get_u64(in->g, full, &v, NULL);
    return v;
}

static void count_types(struct inspect *in)
{
    in->types_runnable = 1;
    for (uint64_t i = 0; i < px_gguf_tensor_count(in->g); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(in->g, i);
        struct type_sum *s = &in->types[t->type < PX_DTYPE_LIMIT ? t->type : 0];
        uint64_t n = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
        s->tensors++;
        s->bytes += t->bytes;
        in->weight_bytes += t->bytes;
        in->parameters += n;
        in->types_runnable &= px_dtype_runnable(t->type);
    }
}

static void read_shape(struct inspect *in)
{
    px_gguf_get_str(in->g, "general.architecture", &in->arch, NULL);
    px_gguf_get_str(in->g, "general.name", &in->name, NULL);
    for (unsigned i = 0; px_arch_name(i); i++)
        in->arch_supported |= px_view_is(in->arch, px_arch_name(i));
    in->blocks = number(in, "block_count");
    in->embd = number(in, "embedding_length");
    in->ffn = number(in, "feed_forward_length");
    in->heads = number(in, "attention.head_count");
    in->kv_heads = number(in, "attention.head_count_kv");
    in->context = number(in, "context_length");
    in->head_dim = number(in, "attention.key_length");
    if (!in->kv_heads)
        in->kv_heads = in->heads;
    if (!in->head_dim && in->heads)
        in->head_dim = in->embd / in->heads;
    const px_gguf_kv *tokens = px_gguf_kv_find(in->g, "tokenizer.ggml.tokens");
    in->vocab = tokens ? tokens->count : 0;
    in->positions = in->context && in->context < 4096 ? in->context : 4096;
    double kv = 4.0 * (double)in->blocks * (double)in->kv_heads * (double)in->head_dim *
                (double)in->positions; /* f16 keys and values */
    in->kv_bytes = kv < 1e18 ? (uint64_t)kv : 0;
}

int verb_inspect(struct cli *c)
{
    static struct inspect in;
    in.all = opt_on(c, OPT_ALL);
    in.path = c->arg[0];
    int rc = open_any(&in, in.path);
    if (rc == 0) {
        read_shape(&in);
        count_types(&in);
        in.runs = in.arch_supported && in.types_runnable && in.blocks > 0;
        rc = opt_on(c, OPT_JSON) ? doc_print(inspect_json(c, &in), 0) : inspect_text(&in);
    }
    for (unsigned i = 0; i < in.files; i++)
        if (rc == 0 && px_file_changed(in.file[i]))
            rc = fail(PX_ERR_CHANGED, in.path, NULL);
    px_gguf_free(in.own);
    for (unsigned i = 0; i < in.files; i++)
        px_file_close(in.file[i]);
    px_model_close(in.model);
    return rc;
}
