/* Lookups in a parsed GGUF and typed reads of its metadata. */
#include "codec/gguf.h"

#include "base/cursor.h"
#include "base/diag.h"
#include "base/math.h"
#include "base/mem.h"

static const struct {
    const char *name;
    unsigned bytes;
} types[] = {
    [PX_GGUF_U8] = {"u8", 1},       [PX_GGUF_I8] = {"i8", 1},     [PX_GGUF_U16] = {"u16", 2},
    [PX_GGUF_I16] = {"i16", 2},     [PX_GGUF_U32] = {"u32", 4},   [PX_GGUF_I32] = {"i32", 4},
    [PX_GGUF_F32] = {"f32", 4},     [PX_GGUF_BOOL] = {"bool", 1}, [PX_GGUF_STRING] = {"string", 0},
    [PX_GGUF_ARRAY] = {"array", 0}, [PX_GGUF_U64] = {"u64", 8},   [PX_GGUF_I64] = {"i64", 8},
    [PX_GGUF_F64] = {"f64", 8},
};

unsigned pxi_gguf_scalar_bytes(uint32_t type)
{
    return type <= PX_GGUF_F64 ? types[type].bytes : 0;
}
const char *pxi_gguf_type_name(uint32_t type)
{
    return type <= PX_GGUF_F64 ? types[type].name : "?";
}

static int starts(px_view v, const char *prefix)
{
    size_t n = strlen(prefix);
    return v.n >= n && memcmp(v.p, prefix, n) == 0;
}

/* N of "blk.N.", written without leading zeros so that a block has one name; -1 if malformed. */
static int64_t block_of(px_view name)
{
    int64_t n = 0;
    size_t i = 4;
    for (; i < name.n && name.p[i] >= '0' && name.p[i] <= '9'; i++) {
        n = n * 10 + (name.p[i] - '0');
        if (n > UINT32_MAX || (i > 4 && name.p[4] == '0'))
            return -1;
    }
    return i > 4 && i < name.n && name.p[i] == '.' ? n : -1;
}

void pxi_gguf_set_role(px_gguf_tensor *t)
{
    int64_t block = starts(t->name, "blk.") ? block_of(t->name) : -1;
    t->block = block < 0 ? 0 : (uint32_t)block;
    if (block >= 0)
        t->role = PX_ROLE_BLOCK;
    else if (starts(t->name, "token_embd."))
        t->role = PX_ROLE_EMBED;
    else if (starts(t->name, "output"))
        t->role = PX_ROLE_OUTPUT;
    else
        t->role = PX_ROLE_OTHER;
}

const char *pxi_gguf_set_bytes(px_gguf_tensor *t)
{
    for (int i = 0; i < 4; i++)
        if (t->dims[i] < 1 || t->dims[i] > INT64_MAX)
            return "dimensions of 1 to 2^63-1";
    if (t->dims[0] % px_dtype_block(t->type))
        return "a row of whole blocks";
    t->bytes = px_dtype_row_bytes(t->type, t->dims[0]);
    uint64_t elements = t->dims[0];
    int fits = t->bytes != 0;
    for (int i = 1; i < 4; i++)
        fits = fits && pxi_mul_u64(elements, t->dims[i], &elements) &&
               pxi_mul_u64(t->bytes, t->dims[i], &t->bytes);
    return fits && elements <= INT64_MAX && t->bytes <= INT64_MAX ? NULL : "a size of 63 bits";
}

void px_gguf_free(px_gguf *g)
{
    if (!g)
        return;
    pxi_names_deinit(&g->kv_names);
    pxi_names_deinit(&g->tensor_names);
    pxi_free(g->kv);
    pxi_free(g->tensors);
    pxi_free(g);
}

uint32_t px_gguf_version(const px_gguf *g)
{
    return g->version;
}
uint64_t px_gguf_alignment(const px_gguf *g)
{
    return g->alignment;
}
uint64_t px_gguf_data_offset(const px_gguf *g)
{
    return g->data_offset;
}
uint64_t px_gguf_kv_count(const px_gguf *g)
{
    return g->n_kv;
}
uint64_t px_gguf_tensor_count(const px_gguf *g)
{
    return g->n_tensors;
}
const px_gguf_kv *px_gguf_kv_at(const px_gguf *g, uint64_t i)
{
    return &g->kv[i];
}
const px_gguf_tensor *px_gguf_tensor_at(const px_gguf *g, uint64_t i)
{
    return &g->tensors[i];
}

const px_gguf_kv *px_gguf_kv_find(const px_gguf *g, const char *key)
{
    int64_t i = pxi_names_find(&g->kv_names, px_view_str(key));
    return i < 0 ? NULL : &g->kv[i];
}

const px_gguf_tensor *px_gguf_tensor_find(const px_gguf *g, const char *name)
{
    int64_t i = pxi_names_find(&g->tensor_names, px_view_str(name));
    return i < 0 ? NULL : &g->tensors[i];
}

/* An entry has the wrong type, or a value out of range: say so. */
static px_err misfit(const px_gguf_kv *kv, const char *expected, px_diag *diag)
{
    char key[64];
    pxi_escape(key, sizeof key, kv->key.p, kv->key.n);
    pxi_diag_field(diag, "metadata %s", key);
    if (kv->type == PX_GGUF_ARRAY)
        return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset, expected, "array of %s",
                            pxi_gguf_type_name(kv->elem_type));
    return pxi_diag_set(diag, PX_ERR_CORRUPT, kv->offset, expected, "%s",
                        pxi_gguf_type_name(kv->type));
}

static int is_signed(px_gguf_type t)
{
    return t == PX_GGUF_I8 || t == PX_GGUF_I16 || t == PX_GGUF_I32 || t == PX_GGUF_I64;
}

static int is_integer(px_gguf_type t)
{
    return is_signed(t) || t == PX_GGUF_U8 || t == PX_GGUF_U16 || t == PX_GGUF_U32 ||
           t == PX_GGUF_U64;
}

/* The i-th little-endian value of `type` (bool and integers), sign-extended. */
static uint64_t raw_at(px_view v, px_gguf_type type, uint64_t i)
{
    unsigned n = pxi_gguf_scalar_bytes(type), bits = 8 * n;
    struct pxi_cursor c = pxi_cursor_of(v);
    pxi_cursor_take(&c, i * n);
    uint64_t x = pxi_cursor_le(&c, n);
    if (is_signed(type) && bits < 64 && x >> (bits - 1))
        x |= ~(uint64_t)0 << bits;
    return x;
}

static double float_at(px_view v, px_gguf_type type, uint64_t i)
{
    uint64_t bits = raw_at(v, type, i);
    uint32_t low = (uint32_t)bits;
    double d;
    float f;
    memcpy(&d, &bits, sizeof d);
    memcpy(&f, &low, sizeof f);
    return type == PX_GGUF_F32 ? (double)f : d;
}

px_err px_gguf_get_u64(const px_gguf *g, const char *key, uint64_t *out, px_diag *diag)
{
    const px_gguf_kv *kv = px_gguf_kv_find(g, key);
    if (!kv)
        return PX_ERR_NOT_FOUND;
    if (!is_integer(kv->type))
        return misfit(kv, "an integer", diag);
    uint64_t x = raw_at(kv->value, kv->type, 0);
    if (is_signed(kv->type) && x >> 63) {
        px_err err = misfit(kv, "a non-negative integer", diag);
        return pxi_diag_set(diag, err, kv->offset, "a non-negative integer", "%lld", (long long)x);
    }
    *out = x;
    return PX_ERR_OK;
}

px_err px_gguf_get_f32(const px_gguf *g, const char *key, float *out, px_diag *diag)
{
    const px_gguf_kv *kv = px_gguf_kv_find(g, key);
    if (!kv)
        return PX_ERR_NOT_FOUND;
    if (kv->type != PX_GGUF_F32 && kv->type != PX_GGUF_F64)
        return misfit(kv, "a float", diag);
    *out = (float)float_at(kv->value, kv->type, 0);
    return PX_ERR_OK;
}

px_err px_gguf_get_bool(const px_gguf *g, const char *key, int *out, px_diag *diag)
{
    const px_gguf_kv *kv = px_gguf_kv_find(g, key);
    if (!kv)
        return PX_ERR_NOT_FOUND;
    if (kv->type != PX_GGUF_BOOL)
        return misfit(kv, "a bool", diag);
    *out = raw_at(kv->value, PX_GGUF_BOOL, 0) != 0;
    return PX_ERR_OK;
}

px_err px_gguf_get_str(const px_gguf *g, const char *key, px_view *out, px_diag *diag)
{
    const px_gguf_kv *kv = px_gguf_kv_find(g, key);
    if (!kv)
        return PX_ERR_NOT_FOUND;
    if (kv->type != PX_GGUF_STRING)
        return misfit(kv, "a string", diag);
    *out = kv->value;
    return PX_ERR_OK;
}

int64_t px_gguf_array_i64(const px_gguf_kv *kv, uint64_t i)
{
    px_gguf_type t = kv->elem_type;
    if (t == PX_GGUF_F32 || t == PX_GGUF_F64) {
        double d = float_at(kv->value, t, i);
        return d >= 0x1p63 ? INT64_MAX : d > -0x1p63 ? (int64_t)d : d == d ? INT64_MIN : 0;
    }
    if (!is_integer(t) && t != PX_GGUF_BOOL)
        return 0;
    uint64_t x = raw_at(kv->value, t, i);
    return t == PX_GGUF_U64 && x > INT64_MAX ? INT64_MAX : (int64_t)x;
}

double px_gguf_array_f64(const px_gguf_kv *kv, uint64_t i)
{
    px_gguf_type t = kv->elem_type;
    if (t == PX_GGUF_F32 || t == PX_GGUF_F64)
        return float_at(kv->value, t, i);
    if (t == PX_GGUF_U64)
        return (double)raw_at(kv->value, t, i);
    return (double)px_gguf_array_i64(kv, i);
}

int px_gguf_array_next_str(const px_gguf_kv *kv, uint64_t *pos, px_view *out)
{
    struct pxi_cursor c = pxi_cursor_of(kv->value);
    if (kv->type != PX_GGUF_ARRAY || kv->elem_type != PX_GGUF_STRING || *pos >= kv->value.n)
        return 0;
    pxi_cursor_take(&c, *pos);
    *out = pxi_cursor_take(&c, pxi_cursor_u64(&c));
    *pos = c.at;
    return !c.failed;
}
