/* Indexes in JSON. */
#include "data/import_json.h"

#include "base/diag.h"

static px_err expected(struct pxi_json *j, const char *what)
{
    return pxi_diag_set(j->diag, PX_ERR_CORRUPT, j->origin + j->start, what, "something else");
}

static px_err begins(struct pxi_json *j, enum pxi_json_event want, const char *what)
{
    enum pxi_json_event e;
    px_err err = pxi_json_next(j, &e);
    return err || e == want ? err : expected(j, what);
}

px_err pxi_walk_object(struct pxi_json *j)
{
    return begins(j, PXI_JSON_OBJECT, "an object");
}

px_err pxi_walk_array(struct pxi_json *j)
{
    return begins(j, PXI_JSON_ARRAY, "an array");
}

px_err pxi_walk_key(struct pxi_json *j, px_view *key, bool *end)
{
    enum pxi_json_event e;
    px_err err = pxi_json_next(j, &e); /* in an object there is nothing else */
    *end = !err && e == PXI_JSON_OBJECT_END;
    *key = j->text;
    return err;
}

px_err pxi_walk_next(struct pxi_json *j, bool *end)
{
    enum pxi_json_event e;
    px_err err = pxi_json_next(j, &e);
    *end = !err && e == PXI_JSON_ARRAY_END;
    return err || *end || e == PXI_JSON_OBJECT ? err : expected(j, "an object");
}

px_err pxi_walk_text(struct pxi_json *j, px_view *text, bool *end)
{
    enum pxi_json_event e;
    px_err err = pxi_json_next(j, &e);
    bool over = !err && end && e == PXI_JSON_ARRAY_END;
    if (end)
        *end = over;
    *text = px_view_of(NULL, 0);
    if (err || over || e == PXI_JSON_NULL)
        return err;
    *text = j->text;
    return e == PXI_JSON_STRING ? PX_ERR_OK : expected(j, "a string");
}

static bool digits(px_view text, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned x = (unsigned)text.p[i] - '0';
        if (x > 9 || *n > (UINT64_MAX - x) / 10)
            return false;
        *n = *n * 10 + x;
    }
    return text.n > 0;
}

px_err pxi_walk_number(struct pxi_json *j, uint64_t *n, bool *end)
{
    enum pxi_json_event e;
    px_err err = pxi_json_next(j, &e);
    bool over = !err && end && e == PXI_JSON_ARRAY_END;
    if (end)
        *end = over;
    *n = 0;
    if (err || over || e == PXI_JSON_NULL)
        return err;
    return e == PXI_JSON_NUMBER && digits(j->text, n) ? PX_ERR_OK
                                                      : expected(j, "a number of digits");
}

px_err pxi_walk_skip(struct pxi_json *j)
{
    unsigned depth = j->depth;
    enum pxi_json_event e;
    px_err err;
    do
        err = pxi_json_next(j, &e);
    while (!err && (j->depth > depth || e == PXI_JSON_KEY));
    return err;
}

bool pxi_walk_path(px_view text, char *out, size_t cap)
{
    if (!text.n || text.n >= cap)
        return false;
    size_t n = pxi_json_unescape(text, (uint8_t *)out), part = 0;
    out[n] = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && out[i] == 0)
            return false;
        if (i < n && out[i] != '/')
            continue;
        size_t len = i - part; /* empty ones are of absolute paths and of "//" */
        if (!len || (len == 1 && out[part] == '.') ||
            (len == 2 && out[part] == '.' && out[part + 1] == '.'))
            return false;
        part = i + 1;
    }
    return true;
}
