/*
 * The GGUF reader. Every count is compared with the bytes that remain before anything is allocated,
 * every sum and product is checked, and the first fault ends the parse with one diagnosis.
 */
#include "base/cursor.h"
#include "base/diag.h"
#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "codec/gguf.h"

typedef unsigned long long ull; /* what %llu takes */

struct parser {
    struct pxi_cursor c;
    px_gguf *g;
    px_diag *diag;
    const char *table; /* "kv" or "tensor"; NULL in the file header */
    uint64_t index;
};

enum {
    KV_MIN_BYTES = 8 + 1 + 4 + 1,         /* key of one byte, type, a u8 */
    TENSOR_MIN_BYTES = 8 + 1 + 4 + 4 + 8, /* name of one byte, n_dims, type, offset */
};

/* Name the field at fault; returns the diagnosis to fill. */
static px_diag *at(struct parser *p, const char *member)
{
    if (p->table)
        pxi_diag_field(p->diag, "%s[%llu].%s", p->table, (ull)p->index, member);
    else
        pxi_diag_field(p->diag, "%s", member);
    return p->diag;
}

static px_err cut(struct parser *p, const char *member)
{
    return pxi_diag_set(at(p, member), PX_ERR_TRUNCATED, p->c.at, "more bytes",
                        "end of data, %llu bytes left", (ull)pxi_cursor_left(&p->c));
}

static px_err out_of_memory(struct parser *p, const char *member)
{
    return pxi_diag_set(at(p, member), PX_ERR_NOMEM, p->c.at, "enough memory", "none");
}

/* A string with its length. */
static px_err read_text(struct parser *p, const char *member, px_view *out)
{
    uint64_t start = p->c.at, n = pxi_cursor_u64(&p->c);
    if (p->c.failed)
        return cut(p, member);
    *out = pxi_cursor_take(&p->c, n);
    if (p->c.failed)
        return pxi_diag_set(at(p, member), PX_ERR_TRUNCATED, start,
                            "a length within the bytes left", "length %llu, %llu bytes left",
                            (ull)n, (ull)pxi_cursor_left(&p->c));
    return PX_ERR_OK;
}

/* A key or tensor name: 1 to max bytes without NUL, so that every reader sees the same name. */
static px_err read_name(struct parser *p, const char *member, uint64_t max, px_view *out)
{
    uint64_t start = p->c.at;
    px_err err = read_text(p, member, out);
    if (err)
        return err;
    const char *expected = max == PXI_LIMIT_GGUF_NAME_BYTES ? "1 to 64 bytes" : "1 to 65535 bytes";
    if (out->n < 1 || out->n > max)
        return pxi_diag_set(at(p, member), PX_ERR_CORRUPT, start, expected, "%llu bytes",
                            (ull)out->n);
    if (memchr(out->p, 0, out->n))
        return pxi_diag_set(at(p, member), PX_ERR_CORRUPT, start, "no NUL byte", "a NUL byte");
    return PX_ERR_OK;
}

static px_err check_bools(struct parser *p, const px_gguf_kv *kv)
{
    for (size_t i = 0; i < kv->value.n; i++)
        if (kv->value.p[i] > 1)
            return pxi_diag_set(at(p, "value"), PX_ERR_CORRUPT, kv->offset + i, "bool 0 or 1", "%u",
                                kv->value.p[i]);
    return PX_ERR_OK;
}

/* Walk an array of strings once; nothing is stored for each. */
static px_err walk_strings(struct parser *p, px_gguf_kv *kv)
{
    uint64_t start = p->c.at;
    for (uint64_t i = 0; i < kv->count; i++) {
        uint64_t at_i = p->c.at;
        pxi_cursor_take(&p->c, pxi_cursor_u64(&p->c));
        if (p->c.failed)
            return pxi_diag_set(at(p, "value"), PX_ERR_TRUNCATED, at_i,
                                "array of strings within the file",
                                "string %llu of %llu past the end", (ull)i, (ull)kv->count);
    }
    kv->value = px_view_of(p->c.base + start, p->c.at - start);
    return PX_ERR_OK;
}

static px_err read_array(struct parser *p, px_gguf_kv *kv)
{
    uint64_t start = p->c.at, bytes;
    uint32_t type = pxi_cursor_u32(&p->c);
    kv->count = pxi_cursor_u64(&p->c);
    kv->offset = p->c.at;
    if (p->c.failed)
        return cut(p, "value");
    unsigned size = type == PX_GGUF_STRING ? 8 : pxi_gguf_scalar_bytes(type);
    if (!size)
        return pxi_diag_set(at(p, "value"), PX_ERR_CORRUPT, start,
                            "element type 0 to 12, arrays not nested", "type %u", type);
    kv->elem_type = (px_gguf_type)type;
    if (!pxi_mul_u64(kv->count, size, &bytes) || bytes > pxi_cursor_left(&p->c))
        return pxi_diag_set(at(p, "value"), PX_ERR_TRUNCATED, start + 4,
                            "a count within the bytes left", "%llu elements, %llu bytes left",
                            (ull)kv->count, (ull)pxi_cursor_left(&p->c));
    if (type == PX_GGUF_STRING)
        return walk_strings(p, kv);
    kv->value = pxi_cursor_take(&p->c, bytes);
    return type == PX_GGUF_BOOL ? check_bools(p, kv) : PX_ERR_OK;
}

static px_err read_kv(struct parser *p, px_gguf_kv *kv)
{
    px_err err = read_name(p, "key", PXI_LIMIT_GGUF_KEY_BYTES, &kv->key);
    if (err)
        return err;
    uint64_t start = p->c.at;
    uint32_t type = pxi_cursor_u32(&p->c);
    if (p->c.failed)
        return cut(p, "type");
    if (type > PX_GGUF_F64)
        return pxi_diag_set(at(p, "type"), PX_ERR_CORRUPT, start, "0 to 12", "%u", type);
    kv->type = kv->elem_type = (px_gguf_type)type;
    kv->count = 1;
    if (type == PX_GGUF_ARRAY)
        return read_array(p, kv);
    kv->offset = p->c.at;
    if (type == PX_GGUF_STRING)
        return read_text(p, "value", &kv->value);
    kv->value = pxi_cursor_take(&p->c, pxi_gguf_scalar_bytes(type));
    if (p->c.failed)
        return cut(p, "value");
    return type == PX_GGUF_BOOL ? check_bools(p, kv) : PX_ERR_OK;
}

static px_err read_dims(struct parser *p, px_gguf_tensor *t)
{
    uint64_t start = p->c.at;
    t->n_dims = pxi_cursor_u32(&p->c);
    if (p->c.failed)
        return cut(p, "n_dims");
    if (t->n_dims > PXI_LIMIT_GGUF_DIMS)
        return pxi_diag_set(at(p, "n_dims"), PX_ERR_CORRUPT, start, "0 to 4", "%u", t->n_dims);
    for (uint32_t i = 0; i < 4; i++)
        t->dims[i] = i < t->n_dims ? pxi_cursor_u64(&p->c) : 1;
    return p->c.failed ? cut(p, "dims") : PX_ERR_OK;
}

/* offset stays relative to the data section until place_tensors knows where that begins. */
static px_err read_tensor(struct parser *p, px_gguf_tensor *t)
{
    px_err err = read_name(p, "name", PXI_LIMIT_GGUF_NAME_BYTES, &t->name);
    uint64_t dims_at = p->c.at + 4;
    if (!err)
        err = read_dims(p, t);
    if (err)
        return err;
    uint64_t type_at = p->c.at;
    t->type = pxi_cursor_u32(&p->c);
    if (p->c.failed)
        return cut(p, "type");
    if (!px_dtype_name(t->type))
        return pxi_diag_set(at(p, "type"), PX_ERR_CORRUPT, type_at, "a known tensor type", "%u",
                            t->type);
    const char *expected = pxi_gguf_set_bytes(t);
    if (expected)
        return pxi_diag_set(at(p, "dims"), PX_ERR_CORRUPT, dims_at, expected,
                            "%llu x %llu x %llu x %llu of %s", (ull)t->dims[0], (ull)t->dims[1],
                            (ull)t->dims[2], (ull)t->dims[3], px_dtype_name(t->type));
    t->offset = pxi_cursor_u64(&p->c);
    if (p->c.failed)
        return cut(p, "offset");
    pxi_gguf_set_role(t);
    return PX_ERR_OK;
}

/* Make room for row i of `count`: doubling, so that a false count costs no memory. */
static void *grow(void *rows, uint64_t i, uint64_t count, size_t size)
{
    if (i & (i - 1) || (i && i < 64))
        return rows;
    uint64_t cap = i < 64 ? 64 : i * 2;
    return pxi_realloc(rows, (size_t)(cap < count ? cap : count), size);
}

static px_err read_table_kv(struct parser *p, uint64_t count)
{
    px_gguf *g = p->g;
    size_t dup = 0;
    p->table = "kv";
    for (p->index = 0; p->index < count; p->index++) {
        void *rows = grow(g->kv, p->index, count, sizeof *g->kv);
        if (!rows)
            return out_of_memory(p, "key");
        g->kv = rows;
        px_err err = read_kv(p, &g->kv[p->index]);
        if (err)
            return err;
    }
    g->n_kv = count;
    px_err err = pxi_names_init(&g->kv_names, g->kv, (size_t)count, sizeof *g->kv, &dup);
    p->index = dup;
    if (err == PX_ERR_NOMEM)
        return out_of_memory(p, "key");
    return err ? pxi_diag_set(at(p, "key"), err, (uint64_t)(g->kv[dup].key.p - p->c.base),
                              err == PX_ERR_LIMIT ? "keys that hash apart" : "a new key", "%.*s",
                              (int)pxi_min(g->kv[dup].key.n, 80), g->kv[dup].key.p)
               : PX_ERR_OK;
}

static px_err read_table_tensors(struct parser *p, uint64_t count)
{
    px_gguf *g = p->g;
    size_t dup = 0;
    p->table = "tensor";
    for (p->index = 0; p->index < count; p->index++) {
        void *rows = grow(g->tensors, p->index, count, sizeof *g->tensors);
        if (!rows)
            return out_of_memory(p, "name");
        g->tensors = rows;
        px_err err = read_tensor(p, &g->tensors[p->index]);
        if (err)
            return err;
    }
    g->n_tensors = count;
    px_err err =
        pxi_names_init(&g->tensor_names, g->tensors, (size_t)count, sizeof *g->tensors, &dup);
    p->index = dup;
    if (err == PX_ERR_NOMEM)
        return out_of_memory(p, "name");
    return err ? pxi_diag_set(at(p, "name"), err, (uint64_t)(g->tensors[dup].name.p - p->c.base),
                              err == PX_ERR_LIMIT ? "names that hash apart" : "a new name", "%.*s",
                              (int)g->tensors[dup].name.n, g->tensors[dup].name.p)
               : PX_ERR_OK;
}

static px_err read_alignment(struct parser *p)
{
    const px_gguf_kv *kv = px_gguf_kv_find(p->g, "general.alignment");
    static const char expected[] = "u32, a power of two from 8 to 65536";
    p->g->alignment = PXI_GGUF_ALIGN_DEFAULT;
    if (!kv)
        return PX_ERR_OK;
    p->table = "kv";
    p->index = (uint64_t)(kv - p->g->kv);
    if (kv->type != PX_GGUF_U32)
        return pxi_diag_set(at(p, "type"), PX_ERR_CORRUPT, kv->offset, expected, "%s",
                            pxi_gguf_type_name(kv->type));
    struct pxi_cursor c = pxi_cursor_of(kv->value);
    uint32_t a = pxi_cursor_u32(&c);
    if (a < PXI_GGUF_ALIGN_MIN || a > PXI_GGUF_ALIGN_MAX || (a & (a - 1)))
        return pxi_diag_set(at(p, "value"), PX_ERR_CORRUPT, kv->offset, expected, "%u", a);
    p->g->alignment = a;
    return PX_ERR_OK;
}

/* Tensors lie one after the other in the order of the table, each padded to the alignment. */
static px_err place_tensors(struct parser *p)
{
    px_gguf *g = p->g;
    uint64_t next = 0, size = p->c.end;
    if (!pxi_align_u64(p->c.at, g->alignment, &g->data_offset))
        return cut(p, "data");
    p->table = "tensor";
    for (uint64_t i = p->index = 0; i < g->n_tensors; p->index = ++i) {
        px_gguf_tensor *t = &g->tensors[i];
        uint64_t end, begin;
        uint64_t field_at = (uint64_t)(t->name.p - p->c.base) + t->name.n + 8 + 8 * t->n_dims;
        if (t->offset != next)
            return pxi_diag_set(at(p, "offset"), PX_ERR_CORRUPT, field_at,
                                "the padded end of the tensor before", "%llu instead of %llu",
                                (ull)t->offset, (ull)next);
        if (!pxi_add_u64(g->data_offset, t->offset, &begin) ||
            !pxi_add_u64(begin, t->bytes, &end) || end > size)
            return pxi_diag_set(at(p, "data"), PX_ERR_TRUNCATED, size, "all bytes of the tensor",
                                "%llu bytes at offset %llu of a file of %llu", (ull)t->bytes,
                                (ull)g->data_offset + t->offset, (ull)size);
        if (!pxi_align_u64(t->offset + t->bytes, g->alignment, &next))
            return pxi_diag_set(at(p, "data"), PX_ERR_CORRUPT, begin, "a sum of 64 bits", "more");
        t->offset = begin;
        t->data = px_view_of(p->c.base + begin, (size_t)t->bytes);
    }
    return PX_ERR_OK;
}

/* A count of rows of at least min_bytes each, which must fit the rest of the file. */
static px_err check_count(struct parser *p, const char *field, uint64_t offset, uint64_t n,
                          uint64_t min_bytes, uint64_t limit)
{
    uint64_t left = pxi_cursor_left(&p->c);
    if (n > left / min_bytes)
        return pxi_diag_set(at(p, field), PX_ERR_TRUNCATED, offset,
                            "a count that the bytes left can hold", "%llu, %llu bytes left", (ull)n,
                            (ull)left);
    if (n > limit)
        return pxi_diag_set(at(p, field), PX_ERR_LIMIT, offset, "a count within plexus limits",
                            "%llu, limit %llu", (ull)n, (ull)limit);
    return PX_ERR_OK;
}

static px_err read_version(struct parser *p)
{
    uint64_t start = p->c.at;
    p->g->version = pxi_cursor_u32(&p->c);
    if (p->c.failed)
        return cut(p, "version");
    if (p->g->version == 0x02000000 || p->g->version == 0x03000000)
        return pxi_diag_set(at(p, "version"), PX_ERR_VERSION, start, "a little-endian file",
                            "a big-endian file");
    if (p->g->version != 2 && p->g->version != 3)
        return pxi_diag_set(at(p, "version"), PX_ERR_VERSION, start, "2 or 3", "%u", p->g->version);
    return PX_ERR_OK;
}

static px_err read_file(struct parser *p)
{
    px_view magic = pxi_cursor_take(&p->c, 4);
    if (p->c.failed)
        return cut(p, "magic");
    if (!px_view_is(magic, "GGUF"))
        return pxi_diag_set(at(p, "magic"), PX_ERR_CORRUPT, 0, "GGUF", "%02x %02x %02x %02x",
                            magic.p[0], magic.p[1], magic.p[2], magic.p[3]);
    px_err err = read_version(p);
    if (err)
        return err;
    uint64_t n_tensors = pxi_cursor_u64(&p->c), n_kv = pxi_cursor_u64(&p->c);
    if (p->c.failed)
        return cut(p, p->c.at < 16 ? "n_tensors" : "n_kv");
    err = check_count(p, "n_tensors", 8, n_tensors, TENSOR_MIN_BYTES, PXI_LIMIT_GGUF_TENSORS);
    if (!err)
        err = check_count(p, "n_kv", 16, n_kv, KV_MIN_BYTES, PXI_LIMIT_GGUF_KV);
    if (!err)
        err = read_table_kv(p, n_kv);
    if (!err)
        err = read_alignment(p);
    if (!err)
        err = read_table_tensors(p, n_tensors);
    return err ? err : place_tensors(p);
}

px_err px_gguf_parse(px_view file, px_gguf **out, px_diag *diag)
{
    struct parser p = {pxi_cursor_of(file), pxi_calloc(1, sizeof *p.g), diag, NULL, 0};
    *out = NULL;
    if (!p.g)
        return out_of_memory(&p, "header");
    px_err err = read_file(&p);
    if (err)
        px_gguf_free(p.g);
    else
        *out = p.g;
    return err;
}
