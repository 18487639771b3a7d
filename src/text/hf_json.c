/* Values of a tokenizer.json. */
#include "text/hf.h"

#include <stdlib.h>

#include "base/diag.h"

px_err pxi_hf_fault(struct pxi_hf *h, struct pxi_hf_value v, px_err err, const char *expected,
                    px_view found)
{
    char text[64];
    pxi_escape(text, sizeof text, found.p, found.n);
    pxi_diag_field(h->d, "%s", v.name ? v.name : "the file");
    uint64_t offset = v.raw.p ? (uint64_t)(v.raw.p - h->file.p) : 0;
    return pxi_diag_set(h->d, err, offset, expected, "%s", text);
}

static px_err wrong_type(struct pxi_hf *h, struct pxi_hf_value v, const char *expected)
{
    return pxi_hf_fault(h, v, PX_ERR_CORRUPT, expected, v.raw);
}

static bool is_none(struct pxi_hf_value v)
{
    return v.kind == PXI_JSON_END || v.kind == PXI_JSON_NULL;
}

px_err pxi_hf_walk(struct pxi_hf *h, struct pxi_hf_value v, struct pxi_hf_walk *w)
{
    enum pxi_json_event e;
    *w = (struct pxi_hf_walk){.value.name = v.name};
    px_view raw = is_none(v) ? px_view_str("[]") : v.raw;
    uint64_t origin = is_none(v) ? 0 : (uint64_t)(raw.p - h->file.p);
    pxi_diag_field(h->d, "%s", v.name ? v.name : "the file");
    pxi_json_init(&w->j, raw, h->d, origin);
    px_err err = pxi_json_next(&w->j, &e);
    if (err)
        return err;
    w->object = e == PXI_JSON_OBJECT;
    return w->object || e == PXI_JSON_ARRAY ? PX_ERR_OK : wrong_type(h, v, "an array or an object");
}

px_err pxi_hf_next(struct pxi_hf *h, struct pxi_hf_walk *w, bool *more)
{
    enum pxi_json_event e;
    *more = false;
    pxi_diag_field(h->d, "%s", w->value.name ? w->value.name : "the file");
    px_err err = pxi_json_next(&w->j, &e);
    if (err || e == PXI_JSON_ARRAY_END || e == PXI_JSON_OBJECT_END) {
        if (!err && !w->j.depth) /* nothing may follow the outermost */
            err = pxi_json_next(&w->j, &e);
        return err;
    }
    if (e == PXI_JSON_KEY) {
        w->key = w->j.text;
        if ((err = pxi_json_next(&w->j, &e)))
            return err;
    }
    size_t from = w->j.start;
    w->value.kind = e;
    unsigned level = w->j.depth - (e == PXI_JSON_OBJECT || e == PXI_JSON_ARRAY);
    while (!err && w->j.depth > level)
        err = pxi_json_next(&w->j, &e);
    w->value.raw = px_view_of(w->j.in.p + from, w->j.at - from);
    *more = !err;
    return err;
}

px_err pxi_hf_members(struct pxi_hf *h, struct pxi_hf_value object, const char *const *keys,
                      unsigned n, struct pxi_hf_value *out)
{
    struct pxi_hf_walk w;
    bool more;
    for (unsigned i = 0; i < n; i++)
        out[i] = (struct pxi_hf_value){.kind = PXI_JSON_END, .name = keys[i]};
    px_err err = pxi_hf_walk(h, object, &w);
    if (!err && !w.object && !is_none(object))
        return wrong_type(h, object, "an object");
    while (!err && !(err = pxi_hf_next(h, &w, &more)) && more)
        for (unsigned i = 0; i < n; i++) {
            if (!pxi_json_text_is(w.key, keys[i]))
                continue;
            if (out[i].kind != PXI_JSON_END)
                return pxi_hf_fault(h, out[i], PX_ERR_CORRUPT, "each key once", w.key);
            out[i].kind = w.value.kind;
            out[i].raw = w.value.raw;
        }
    return err;
}

px_err pxi_hf_text(struct pxi_hf *h, px_view escaped, px_view *out)
{
    *out = escaped;
    if (!escaped.n || !memchr(escaped.p, '\\', escaped.n))
        return PX_ERR_OK;
    uint8_t *p = pxi_arena_alloc(&h->t->arena, escaped.n, 1);
    if (!p)
        return PX_ERR_NOMEM;
    *out = px_view_of(p, pxi_json_unescape(escaped, p));
    return PX_ERR_OK;
}

px_err pxi_hf_string(struct pxi_hf *h, struct pxi_hf_value v, const char *otherwise, px_view *out)
{
    if (is_none(v)) {
        *out = otherwise ? px_view_str(otherwise) : px_view_of(NULL, 0);
        return PX_ERR_OK;
    }
    if (v.kind != PXI_JSON_STRING)
        return wrong_type(h, v, "a string");
    return pxi_hf_text(h, px_view_of(v.raw.p + 1, v.raw.n - 2), out);
}

px_err pxi_hf_bool(struct pxi_hf *h, struct pxi_hf_value v, bool otherwise, bool *out)
{
    *out = is_none(v) ? otherwise : v.kind == PXI_JSON_TRUE;
    return is_none(v) || v.kind == PXI_JSON_TRUE || v.kind == PXI_JSON_FALSE
               ? PX_ERR_OK
               : wrong_type(h, v, "true or false");
}

px_err pxi_hf_id(struct pxi_hf *h, struct pxi_hf_value v, int32_t *out)
{
    *out = PX_TOKEN_NONE;
    if (is_none(v))
        return PX_ERR_OK;
    uint32_t id = 0;
    bool ok = v.kind == PXI_JSON_NUMBER && v.raw.n < 10;
    for (size_t i = 0; ok && i < v.raw.n; i++) {
        ok = v.raw.p[i] >= '0' && v.raw.p[i] <= '9';
        id = id * 10 + v.raw.p[i] - '0';
    }
    if (!ok || id >= PXI_LIMIT_TOKENIZER_TOKENS)
        return wrong_type(h, v, "the number of a token, below 16777216");
    *out = (int32_t)id;
    return PX_ERR_OK;
}

px_err pxi_hf_number(struct pxi_hf *h, struct pxi_hf_value v, double *out)
{
    char text[64];
    if (v.kind != PXI_JSON_NUMBER || v.raw.n >= sizeof text)
        return wrong_type(h, v, "a number");
    memcpy(text, v.raw.p, v.raw.n);
    text[v.raw.n] = 0;
    *out = strtod(text, NULL);
    return PX_ERR_OK;
}
