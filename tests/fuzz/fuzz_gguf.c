/*
 * Any bytes as a GGUF: the parser must say yes or no, and everything that an accepted file offers
 * must be readable; what was read must survive the writer and read back the same.
 */
#include "base/mem.h"
#include "plexus/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static volatile uint64_t sink;

static void touch(px_view v)
{
    for (size_t i = 0; i < v.n; i++)
        sink += v.p[i];
}

static void read_kv(const px_gguf *g, const px_gguf_kv *kv)
{
    uint64_t pos = 0, u;
    px_view s;
    float f;
    int b;
    char key[128];
    touch(kv->key);
    touch(kv->value);
    for (uint64_t i = 0; kv->type == PX_GGUF_ARRAY && i < kv->count; i++)
        sink += (uint64_t)px_gguf_array_i64(kv, i) + (px_gguf_array_f64(kv, i) > 0);
    uint64_t n = 0;
    while (px_gguf_array_next_str(kv, &pos, &s)) {
        touch(s);
        n++;
    }
    MUST(kv->type != PX_GGUF_ARRAY || kv->elem_type != PX_GGUF_STRING || n == kv->count);
    if (kv->key.n >= sizeof key)
        return;
    memcpy(key, kv->key.p, kv->key.n);
    key[kv->key.n] = 0;
    MUST(px_gguf_kv_find(g, key) == kv);
    px_diag diag;
    MUST(px_gguf_get_u64(g, key, &u, &diag) != PX_ERR_NOT_FOUND);
    MUST(px_gguf_get_f32(g, key, &f, &diag) != PX_ERR_NOT_FOUND);
    MUST(px_gguf_get_bool(g, key, &b, &diag) != PX_ERR_NOT_FOUND);
    MUST(px_gguf_get_str(g, key, &s, &diag) != PX_ERR_NOT_FOUND);
}

static int to_buf(void *ctx, const void *p, size_t n)
{
    return !pxi_buf_add(ctx, p, n);
}

static void write_back(const px_gguf *g)
{
    px_gguf_writer *w = px_gguf_writer_new((uint32_t)px_gguf_alignment(g));
    struct pxi_buf out = {.max = (size_t)1 << 26};
    px_gguf *again;
    MUST(w);
    for (uint64_t i = 0; i < px_gguf_kv_count(g); i++)
        MUST(px_gguf_put_kv(w, px_gguf_kv_at(g, i)) == PX_ERR_OK);
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        MUST(px_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->dims) == PX_ERR_OK);
    }
    MUST(px_gguf_write_header(w, to_buf, &out) == PX_ERR_OK);
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++) {
        px_view data = px_gguf_tensor_at(g, i)->data;
        MUST(px_gguf_write_data(w, data.p, data.n) == PX_ERR_OK);
    }
    MUST(px_gguf_write_finish(w) == PX_ERR_OK);
    MUST(px_gguf_parse(px_view_of(out.p, out.n), &again, NULL) == PX_ERR_OK);
    MUST(px_gguf_kv_count(again) == px_gguf_kv_count(g));
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++)
        MUST(px_view_equal(px_gguf_tensor_at(again, i)->data, px_gguf_tensor_at(g, i)->data));
    px_gguf_free(again);
    px_gguf_writer_free(w);
    pxi_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_gguf *g, *split;
    px_diag diag;
    px_view file = px_view_of(data, size);
    if (px_gguf_parse(file, &g, &diag) != PX_ERR_OK) {
        MUST(g == NULL && diag.offset <= size);
        return 0;
    }
    for (uint64_t i = 0; i < px_gguf_kv_count(g); i++)
        read_kv(g, px_gguf_kv_at(g, i));
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++)
        touch(px_gguf_tensor_at(g, i)->data);
    write_back(g);
    px_gguf_free(g);
    px_view both[] = {file, file};
    if (px_gguf_parse_split(both, 2, &split, &diag) == PX_ERR_OK)
        px_gguf_free(split);
    return 0;
}
