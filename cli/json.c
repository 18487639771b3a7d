/* Building and printing the --json documents. */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *doc_new(const struct cli *c)
{
    char schema[64];
    int n = (int)strcspn(c->verb->name, " ");
    snprintf(schema, sizeof schema, "plexus.%.*s/1", n, c->verb->name);
    json_t *doc = must(json_object());
    json_object_set_new(doc, "schema", json_string(schema));
    return doc;
}

int doc_print(json_t *doc, int rc)
{
    size_t flags = JSON_REAL_PRECISION(9) | (term_out() ? JSON_INDENT(2) : 0);
    json_dumpf(doc, stdout, flags);
    fputc('\n', stdout);
    json_decref(doc);
    return rc;
}

void line_print(json_t *doc)
{
    json_dumpf(doc, stdout, JSON_REAL_PRECISION(9) | JSON_COMPACT);
    fputc('\n', stdout);
    fflush(stdout);
    json_decref(doc);
}

/* Bytes of the well-formed UTF-8 character at p, or 0; *skip: bytes to replace when malformed. */
static size_t character(const unsigned char *p, size_t n)
{
    unsigned char c = p[0], low = 0x80, high = 0xbf;
    size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c >= 0x80 && (c < 0xc2 || c > 0xf4))
        return 0;
    low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
    high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
    if (len > n || (len > 1 && (p[1] < low || p[1] > high)))
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

json_t *json_bytes(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    char *out = must(malloc(n * 3 + 1));
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        size_t len = character(p + i, n - i);
        memcpy(out + o, len ? (const char *)p + i : "\xef\xbf\xbd", len ? len : 3);
        o += len ? len : 3;
        i += len ? len : 1;
    }
    json_t *s = json_stringn(out, o);
    free(out);
    return s;
}

json_t *json_text(const char *s)
{
    return s ? json_bytes(s, strlen(s)) : json_null();
}

json_t *json_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *json_ids(const int32_t *ids, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_integer(ids[i]));
    return a;
}

json_t *json_u64(uint64_t v)
{
    return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

json_t *error_json(px_err e, const px_diag *d)
{
    if (e == PX_ERR_OK)
        return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "code", json_text(px_err_code(e)));
    json_object_set_new(o, "text", json_text(px_err_text(e)));
    json_object_set_new(o, "offset", json_u64(d->offset));
    json_object_set_new(o, "field", json_text(d->field));
    json_object_set_new(o, "expected", json_text(d->expected));
    json_object_set_new(o, "found", json_text(d->found));
    return o;
}
