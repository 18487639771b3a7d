/*
 * The GGUF writer: metadata and tensor headers are collected in two buffers, the data then pass
 * through. After a failure (no memory, a callback that refuses) every later call repeats it.
 */
#include "base/limits.h"
#include "base/map.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/gguf.h"

struct px_gguf_writer {
    uint32_t alignment;
    px_err failed;
    struct pxi_buf kvs, tensors; /* encoded rows */
    struct pxi_buf sizes;        /* u64 bytes of each tensor */
    struct pxi_arena names;      /* owns the keys of both maps */
    struct pxi_map keys, tensor_names;
    uint64_t n_kv, n_tensors, next_offset;
    px_write_fn *fn; /* set once the header is out */
    void *ctx;
    uint64_t tensor, done; /* the tensor being written, and its bytes so far */
};

px_gguf_writer *px_gguf_writer_new(uint32_t alignment)
{
    if (!alignment)
        alignment = PXI_GGUF_ALIGN_DEFAULT;
    if (alignment < PXI_GGUF_ALIGN_MIN || alignment > PXI_GGUF_ALIGN_MAX ||
        (alignment & (alignment - 1)))
        return NULL;
    px_gguf_writer *w = pxi_calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->alignment = alignment;
    w->kvs.max = w->tensors.max = w->sizes.max = SIZE_MAX / 2;
    pxi_arena_init(&w->names, 0);
    return w;
}

void px_gguf_writer_free(px_gguf_writer *w)
{
    if (!w)
        return;
    pxi_buf_deinit(&w->kvs);
    pxi_buf_deinit(&w->tensors);
    pxi_buf_deinit(&w->sizes);
    pxi_map_deinit(&w->keys);
    pxi_map_deinit(&w->tensor_names);
    pxi_arena_deinit(&w->names);
    pxi_free(w);
}

static void add(px_gguf_writer *w, struct pxi_buf *b, const void *p, size_t n)
{
    if (!w->failed && !pxi_buf_add(b, p, n))
        w->failed = PX_ERR_NOMEM;
}

static void add_le(px_gguf_writer *w, struct pxi_buf *b, uint64_t v, unsigned bytes)
{
    uint8_t le[8];
    for (unsigned i = 0; i < bytes; i++)
        le[i] = (uint8_t)(v >> 8 * i);
    add(w, b, le, bytes);
}

static void add_text(px_gguf_writer *w, struct pxi_buf *b, px_view v)
{
    add_le(w, b, v.n, 8);
    add(w, b, v.p, v.n);
}

/* Remember a name that must be new, of 1 to max bytes and without NUL. */
static px_err claim(px_gguf_writer *w, struct pxi_map *map, px_view name, size_t max, uint64_t row)
{
    if (w->failed)
        return w->failed;
    if (w->fn || name.n < 1 || name.n > max || memchr(name.p, 0, name.n) || row >= UINT32_MAX ||
        pxi_map_get(map, name) >= 0)
        return PX_ERR_INVALID;
    uint8_t *copy = pxi_arena_alloc(&w->names, name.n, 1);
    if (copy)
        memcpy(copy, name.p, name.n);
    if (!copy || pxi_map_put(map, px_view_of(copy, name.n), (uint32_t)row) < 0)
        w->failed = PX_ERR_NOMEM;
    return w->failed;
}

static px_err begin_kv(px_gguf_writer *w, px_view key, uint32_t type)
{
    px_err err = claim(w, &w->keys, key, PXI_LIMIT_GGUF_KEY_BYTES, w->n_kv);
    if (err)
        return err;
    add_text(w, &w->kvs, key);
    add_le(w, &w->kvs, type, 4);
    w->n_kv++;
    return w->failed;
}

static px_err put_scalar(px_gguf_writer *w, const char *key, uint32_t type, uint64_t bits)
{
    px_err err = begin_kv(w, px_view_str(key), type);
    if (!err)
        add_le(w, &w->kvs, bits, pxi_gguf_scalar_bytes(type));
    return err ? err : w->failed;
}

static int is_alignment(px_view key)
{
    return px_view_is(key, "general.alignment");
}

px_err px_gguf_put_u32(px_gguf_writer *w, const char *key, uint32_t v)
{
    if (is_alignment(px_view_str(key)) && v != w->alignment)
        return PX_ERR_INVALID;
    return put_scalar(w, key, PX_GGUF_U32, v);
}

static uint32_t bits_of(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

/* The alignment has another type than any of these; see px_gguf_put_u32. */
static px_err refuse_alignment(const char *key)
{
    return is_alignment(px_view_str(key)) ? PX_ERR_INVALID : PX_ERR_OK;
}

px_err px_gguf_put_f32(px_gguf_writer *w, const char *key, float v)
{
    px_err err = refuse_alignment(key);
    return err ? err : put_scalar(w, key, PX_GGUF_F32, bits_of(v));
}

px_err px_gguf_put_bool(px_gguf_writer *w, const char *key, int v)
{
    px_err err = refuse_alignment(key);
    return err ? err : put_scalar(w, key, PX_GGUF_BOOL, v != 0);
}

px_err px_gguf_put_str(px_gguf_writer *w, const char *key, px_view v)
{
    px_err err = refuse_alignment(key);
    if (!err)
        err = begin_kv(w, px_view_str(key), PX_GGUF_STRING);
    if (!err)
        add_text(w, &w->kvs, v);
    return err ? err : w->failed;
}

static px_err begin_array(px_gguf_writer *w, const char *key, uint32_t type, uint64_t n)
{
    px_err err = refuse_alignment(key);
    if (!err)
        err = begin_kv(w, px_view_str(key), PX_GGUF_ARRAY);
    if (err)
        return err;
    add_le(w, &w->kvs, type, 4);
    add_le(w, &w->kvs, n, 8);
    return w->failed;
}

px_err px_gguf_put_strs(px_gguf_writer *w, const char *key, const px_view *v, uint64_t n)
{
    px_err err = begin_array(w, key, PX_GGUF_STRING, n);
    for (uint64_t i = 0; !err && i < n; i++) {
        add_text(w, &w->kvs, v[i]);
        err = w->failed;
    }
    return err;
}

px_err px_gguf_put_i32s(px_gguf_writer *w, const char *key, const int32_t *v, uint64_t n)
{
    px_err err = begin_array(w, key, PX_GGUF_I32, n);
    for (uint64_t i = 0; !err && i < n; i++) {
        add_le(w, &w->kvs, (uint32_t)v[i], 4);
        err = w->failed;
    }
    return err;
}

px_err px_gguf_put_f32s(px_gguf_writer *w, const char *key, const float *v, uint64_t n)
{
    px_err err = begin_array(w, key, PX_GGUF_F32, n);
    for (uint64_t i = 0; !err && i < n; i++) {
        add_le(w, &w->kvs, bits_of(v[i]), 4);
        err = w->failed;
    }
    return err;
}

/* The bytes of an array entry are as many as its count says. */
static int array_is_whole(const px_gguf_kv *kv)
{
    uint64_t n = 0, pos = 0, bytes;
    px_view s;
    if (kv->elem_type != PX_GGUF_STRING)
        return pxi_gguf_scalar_bytes(kv->elem_type) &&
               pxi_mul_u64(kv->count, pxi_gguf_scalar_bytes(kv->elem_type), &bytes) &&
               bytes == kv->value.n;
    while (px_gguf_array_next_str(kv, &pos, &s))
        n++;
    return n == kv->count && pos == kv->value.n;
}

px_err px_gguf_put_kv(px_gguf_writer *w, const px_gguf_kv *kv)
{
    unsigned scalar = pxi_gguf_scalar_bytes(kv->type);
    int array = kv->type == PX_GGUF_ARRAY;
    if ((scalar && kv->value.n != scalar) || (array && !array_is_whole(kv)) ||
        (!scalar && !array && kv->type != PX_GGUF_STRING))
        return PX_ERR_INVALID;
    if (is_alignment(kv->key) &&
        (kv->type != PX_GGUF_U32 || (uint64_t)px_gguf_array_i64(kv, 0) != w->alignment))
        return PX_ERR_INVALID;
    px_err err = begin_kv(w, kv->key, kv->type);
    if (err)
        return err;
    if (array) {
        add_le(w, &w->kvs, kv->elem_type, 4);
        add_le(w, &w->kvs, kv->count, 8);
    } else if (!scalar) {
        add_le(w, &w->kvs, kv->value.n, 8);
    }
    add(w, &w->kvs, kv->value.p, kv->value.n);
    return w->failed;
}

px_err px_gguf_put_tensor(px_gguf_writer *w, px_view name, uint32_t type, uint32_t n_dims,
                          const uint64_t *dims)
{
    px_gguf_tensor t = {.type = type, .dims = {1, 1, 1, 1}};
    uint64_t end;
    if (n_dims > 4 || !px_dtype_name(type))
        return PX_ERR_INVALID;
    for (uint32_t i = 0; i < n_dims; i++)
        t.dims[i] = dims[i];
    if (pxi_gguf_set_bytes(&t) || !pxi_add_u64(w->next_offset, t.bytes, &end) ||
        !pxi_align_u64(end, w->alignment, &end))
        return PX_ERR_INVALID;
    px_err err = claim(w, &w->tensor_names, name, PXI_LIMIT_GGUF_NAME_BYTES, w->n_tensors);
    if (err)
        return err;
    add_text(w, &w->tensors, name);
    add_le(w, &w->tensors, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++)
        add_le(w, &w->tensors, dims[i], 8);
    add_le(w, &w->tensors, type, 4);
    add_le(w, &w->tensors, w->next_offset, 8);
    add(w, &w->sizes, &t.bytes, sizeof t.bytes);
    w->next_offset = end;
    w->n_tensors++;
    return w->failed;
}

static px_err emit(px_gguf_writer *w, const void *p, size_t n)
{
    if (!w->failed && n && w->fn(w->ctx, p, n))
        w->failed = PX_ERR_IO;
    return w->failed;
}

static px_err emit_padding(px_gguf_writer *w, uint64_t written)
{
    static const uint8_t zeros[256];
    uint64_t left = -written & (w->alignment - 1);
    for (; left && !w->failed; left -= pxi_min(left, sizeof zeros))
        emit(w, zeros, pxi_min(left, sizeof zeros));
    return w->failed;
}

px_err px_gguf_write_header(px_gguf_writer *w, px_write_fn *fn, void *ctx)
{
    struct pxi_buf head = {.max = 64};
    if (w->failed || w->fn)
        return w->failed ? w->failed : PX_ERR_INVALID;
    if (w->alignment != PXI_GGUF_ALIGN_DEFAULT &&
        pxi_map_get(&w->keys, px_view_str("general.alignment")) < 0)
        px_gguf_put_u32(w, "general.alignment", w->alignment);
    add(w, &head, "GGUF\3\0\0\0", 8);
    add_le(w, &head, w->n_tensors, 8);
    add_le(w, &head, w->n_kv, 8);
    w->fn = fn;
    w->ctx = ctx;
    emit(w, head.p, head.n);
    emit(w, w->kvs.p, w->kvs.n);
    emit(w, w->tensors.p, w->tensors.n);
    emit_padding(w, head.n + w->kvs.n + w->tensors.n);
    pxi_buf_deinit(&head);
    return w->failed;
}

static uint64_t size_at(const px_gguf_writer *w, uint64_t i)
{
    uint64_t n;
    memcpy(&n, w->sizes.p + i * sizeof n, sizeof n);
    return n;
}

px_err px_gguf_write_data(px_gguf_writer *w, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    if (w->failed || !w->fn)
        return w->failed ? w->failed : PX_ERR_INVALID;
    while (n && !w->failed) {
        if (w->tensor == w->n_tensors)
            return PX_ERR_INVALID;
        uint64_t size = size_at(w, w->tensor);
        size_t part = (size_t)(n < size - w->done ? n : size - w->done);
        emit(w, p, part);
        w->done += part;
        p += part;
        n -= part;
        if (w->done == size) {
            emit_padding(w, size);
            w->tensor++;
            w->done = 0;
        }
    }
    return w->failed;
}

px_err px_gguf_write_finish(px_gguf_writer *w)
{
    if (w->failed)
        return w->failed;
    return w->fn && w->tensor == w->n_tensors ? PX_ERR_OK : PX_ERR_INVALID;
}
