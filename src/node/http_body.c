/* Bodies of requests: JSON of bounded depth, and fields within their ranges. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/diag.h"
#include "codec/json.h"
#include "node/http_impl.h"

/* Strict JSON, no deeper than the limit. */
static px_err check(px_view in, px_diag *d)
{
    struct pxi_json j;
    enum pxi_json_event e;
    px_err err;
    pxi_json_init(&j, in, d, 0);
    while ((err = pxi_json_next(&j, &e)) == PX_ERR_OK && e != PXI_JSON_END)
        if (j.depth > PXI_LIMIT_HTTP_JSON_DEPTH)
            return pxi_diag_set(d, PX_ERR_LIMIT, j.start, "at most 64 levels", "more");
    return err;
}

bool pxi_body_read(struct pxi_ask *q)
{
    px_view in = q->r->body;
    px_diag d = {0};
    json_error_t e;
    px_err err = check(in, &d);
    if (err != PX_ERR_OK) {
        pxi_reply_error(q, 400, "invalid_json", NULL,
                        "the body is not acceptable JSON: at byte %llu, %s wanted, %s found",
                        (unsigned long long)d.offset, d.expected, d.found);
        return false;
    }
    q->body = json_loadb((const char *)in.p, in.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (json_is_object(q->body))
        return true;
    pxi_reply_error(q, 400, "invalid_json", NULL, "the body must be a JSON object%s%s",
                    q->body ? "" : ": ", q->body ? "" : e.text);
    return false;
}

void pxi_fields_fault(struct pxi_fields *f, const char *name, const char *fmt, ...)
{
    va_list ap;
    if (f->bad)
        return;
    f->bad = true;
    snprintf(f->param, sizeof f->param, "%s", name);
    va_start(ap, fmt);
    vsnprintf(f->message, sizeof f->message, fmt, ap);
    va_end(ap);
}

/* The field, or NULL when it is absent or null. */
static const json_t *field(struct pxi_fields *f, const char *name)
{
    const json_t *v = json_object_get(f->in, name);
    return json_is_null(v) ? NULL : v;
}

double pxi_field_number(struct pxi_fields *f, const char *name, double def, double min, double max)
{
    const json_t *v = field(f, name);
    double x = v ? json_number_value(v) : def;
    if (!v)
        return def;
    if (!json_is_number(v) || !(x >= min && x <= max)) {
        pxi_fields_fault(f, name, "%s must be a number from %g to %g", name, min, max);
        return def;
    }
    return x;
}

int64_t pxi_field_int(struct pxi_fields *f, const char *name, int64_t def, int64_t min, int64_t max)
{
    const json_t *v = field(f, name);
    double x = v ? json_number_value(v) : 0;
    if (!v)
        return def;
    bool whole = json_is_integer(v) || (json_is_real(v) && fabs(x) < 9e15 && x == floor(x));
    int64_t i = json_is_integer(v) ? json_integer_value(v) : whole ? (int64_t)x : 0;
    if (!whole || i < min || i > max) {
        pxi_fields_fault(f, name, "%s must be an integer from %lld to %lld", name, (long long)min,
                         (long long)max);
        return def;
    }
    return i;
}

bool pxi_field_bool(struct pxi_fields *f, const char *name, bool def)
{
    const json_t *v = field(f, name);
    if (!v)
        return def;
    if (!json_is_boolean(v))
        pxi_fields_fault(f, name, "%s must be true or false", name);
    return json_is_true(v);
}

const char *pxi_field_text(struct pxi_fields *f, const char *name)
{
    const json_t *v = field(f, name);
    const char *text = v ? json_string_value(v) : NULL;
    if (v && (!text || strlen(text) != json_string_length(v))) {
        pxi_fields_fault(f, name, "%s must be a text", name);
        return NULL;
    }
    return text;
}

bool pxi_fields_ok(struct pxi_fields *f)
{
    if (f->bad)
        pxi_reply_error(f->q, 400, "invalid_value", f->param, "%s", f->message);
    return !f->bad;
}
