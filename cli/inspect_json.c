/* The --json document of plexus inspect. */
#include "inspect.h"

#include <string.h>

enum { FEW = 16, FIRST = 8 }; /* arrays longer than FEW show their FIRST elements and the count */

const char *role_name(px_role role)
{
    static const char *const names[] = {"other", "embed", "block", "output"};
    return names[role];
}

static json_t *tensor(const px_gguf_tensor *t)
{
    json_t *o = json_object(), *shape = json_array();
    for (uint32_t i = 0; i < t->n_dims; i++)
        json_array_append_new(shape, json_u64(t->dims[i]));
    json_object_set_new(o, "name", json_bytes(t->name.p, t->name.n));
    json_object_set_new(o, "type", json_text(px_dtype_name(t->type)));
    json_object_set_new(o, "shape", shape);
    json_object_set_new(o, "offset", json_u64(t->offset));
    json_object_set_new(o, "bytes", json_u64(t->bytes));
    json_object_set_new(o, "role", json_text(role_name(t->role)));
    json_object_set_new(o, "block",
                        t->role == PX_ROLE_BLOCK ? json_integer(t->block) : json_null());
    return o;
}

static json_t *element(const px_gguf_kv *kv, uint64_t i)
{
    switch (kv->elem_type) {
    case PX_GGUF_F32:
    case PX_GGUF_F64: return json_number(px_gguf_array_f64(kv, i));
    case PX_GGUF_BOOL: return json_boolean(px_gguf_array_i64(kv, i));
    case PX_GGUF_ARRAY: return json_null();
    default: return json_integer(px_gguf_array_i64(kv, i));
    }
}

static json_t *elements(const px_gguf_kv *kv, uint64_t n)
{
    json_t *a = json_array();
    uint64_t pos = 0;
    px_view s;
    for (uint64_t i = 0; i < n; i++) {
        if (kv->elem_type != PX_GGUF_STRING)
            json_array_append_new(a, element(kv, i));
        else if (px_gguf_array_next_str(kv, &pos, &s))
            json_array_append_new(a, json_bytes(s.p, s.n));
    }
    return a;
}

static json_t *array(const px_gguf_kv *kv, int all)
{
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    if (all || kv->count <= FEW)
        return elements(kv, kv->count);
    json_t *o = json_object();
    json_object_set_new(o, "type", json_text(names[kv->elem_type]));
    json_object_set_new(o, "count", json_u64(kv->count));
    json_object_set_new(o, "first", elements(kv, FIRST));
    return o;
}

static json_t *scalar(const px_gguf *g, const px_gguf_kv *kv)
{
    px_gguf_kv one = *kv;
    (void)g;
    if (kv->type == PX_GGUF_STRING)
        return json_bytes(kv->value.p, kv->value.n);
    if (kv->type == PX_GGUF_U64) {
        uint64_t v;
        memcpy(&v, kv->value.p, sizeof v);
        return v > INT64_MAX ? json_real((double)v) : json_u64(v);
    }
    one.count = 1;
    return element(&one, 0);
}

static json_t *metadata(const struct inspect *in)
{
    json_t *o = json_object();
    for (uint64_t i = 0; i < px_gguf_kv_count(in->g); i++) {
        const px_gguf_kv *kv = px_gguf_kv_at(in->g, i);
        json_t *key = json_bytes(kv->key.p, kv->key.n);
        json_t *v = kv->type == PX_GGUF_ARRAY ? array(kv, in->all) : scalar(in->g, kv);
        json_object_set_new(o, json_string_value(key), v);
        json_decref(key);
    }
    return o;
}

static json_t *types(const struct inspect *in)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < PX_DTYPE_LIMIT; i++) {
        if (!in->types[i].tensors)
            continue;
        json_t *o = json_object();
        json_object_set_new(o, "type", json_text(px_dtype_name(i)));
        json_object_set_new(o, "tensors", json_u64(in->types[i].tensors));
        json_object_set_new(o, "bytes", json_u64(in->types[i].bytes));
        json_object_set_new(o, "runnable", json_boolean(px_dtype_runnable(i)));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *run(const struct inspect *in)
{
    json_t *o = json_object();
    json_object_set_new(o, "arch_supported", json_boolean(in->arch_supported));
    json_object_set_new(o, "types_runnable", json_boolean(in->types_runnable));
    json_object_set_new(o, "runs", json_boolean(in->runs));
    json_object_set_new(o, "weight_bytes", json_u64(in->weight_bytes));
    json_object_set_new(o, "kv_bytes", json_u64(in->kv_bytes));
    json_object_set_new(o, "context", json_u64(in->positions));
    return o;
}

json_t *inspect_json(const struct cli *c, const struct inspect *in)
{
    json_t *doc = doc_new(c), *tensors = json_array();
    for (uint64_t i = 0; i < px_gguf_tensor_count(in->g); i++)
        json_array_append_new(tensors, tensor(px_gguf_tensor_at(in->g, i)));
    json_object_set_new(doc, "format", json_text("gguf"));
    json_object_set_new(doc, "version", json_integer(px_gguf_version(in->g)));
    json_object_set_new(doc, "arch", in->arch.p ? json_bytes(in->arch.p, in->arch.n) : json_null());
    json_object_set_new(doc, "name", in->name.p ? json_bytes(in->name.p, in->name.n) : json_null());
    json_object_set_new(doc, "file_bytes", json_u64(in->file_bytes));
    json_object_set_new(doc, "data_offset", json_u64(px_gguf_data_offset(in->g)));
    json_object_set_new(doc, "alignment", json_u64(px_gguf_alignment(in->g)));
    json_object_set_new(doc, "parameters", json_u64(in->parameters));
    json_object_set_new(doc, "types", types(in));
    json_object_set_new(doc, "run", run(in));
    json_object_set_new(doc, "metadata", metadata(in));
    json_object_set_new(doc, "tensors", tensors);
    return doc;
}
