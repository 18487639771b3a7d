/* Lines of training text: one JSON object a line, of which two keys mean something to us. */
#include "base/diag.h"
#include "codec/json.h"

#define TOKEN_MAX 2147483647

struct line {
    struct pxi_json j;
    unsigned long long number; /* from 1 */
    struct pxi_jsonl row;
};

static px_err wrong(struct line *l, const char *expected, const char *found)
{
    pxi_diag_field(l->j.diag, "line %llu", l->number);
    return pxi_diag_set(l->j.diag, PX_ERR_CORRUPT, l->j.origin + l->j.start, expected, "%s", found);
}

/* Read events until the value that `e` begins is complete. */
static px_err skip_value(struct line *l, enum pxi_json_event e)
{
    unsigned level = l->j.depth - (e == PXI_JSON_OBJECT || e == PXI_JSON_ARRAY);
    px_err err = PX_ERR_OK;
    while (!err && l->j.depth > level)
        err = pxi_json_next(&l->j, &e);
    return err;
}

/* An integer from 0 to TOKEN_MAX in plain digits. */
static bool is_token(px_view text)
{
    int64_t v = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || v > TOKEN_MAX)
            return false;
        v = v * 10 + (text.p[i] - '0');
    }
    return v <= TOKEN_MAX;
}

static px_err read_tokens(struct line *l)
{
    enum pxi_json_event e;
    size_t from = l->j.start;
    px_err err;
    while (!(err = pxi_json_next(&l->j, &e)) && e != PXI_JSON_ARRAY_END) {
        if (e != PXI_JSON_NUMBER || !is_token(l->j.text))
            return wrong(l, "tokens: integers from 0 to 2147483647", "something else");
        l->row.token_count++;
    }
    l->row.tokens = px_view_of(l->j.in.p + from, l->j.at - from);
    return err;
}

static px_err read_member(struct line *l, px_view key)
{
    bool text = pxi_json_text_is(key, "text"), tokens = pxi_json_text_is(key, "tokens");
    enum pxi_json_event e;
    if ((text && l->row.has_text) || (tokens && l->row.has_tokens))
        return wrong(l, "text and tokens once each", "the same key again");
    px_err err = pxi_json_next(&l->j, &e);
    if (err)
        return err;
    if (text && e != PXI_JSON_STRING)
        return wrong(l, "text: a string", "another type");
    if (tokens && e != PXI_JSON_ARRAY)
        return wrong(l, "tokens: an array", "another type");
    if (text)
        l->row.text = l->j.text;
    l->row.has_text |= text;
    l->row.has_tokens |= tokens;
    return tokens ? read_tokens(l) : skip_value(l, e);
}

static px_err read_object(struct line *l)
{
    enum pxi_json_event e;
    px_err err = pxi_json_next(&l->j, &e);
    if (err)
        return err;
    if (e != PXI_JSON_OBJECT)
        return wrong(l, "an object", "another value");
    while (!(err = pxi_json_next(&l->j, &e)) && e == PXI_JSON_KEY)
        if ((err = read_member(l, l->j.text)))
            return err;
    if (!err)
        err = pxi_json_next(&l->j, &e);
    if (!err && !l->row.has_text && !l->row.has_tokens)
        return wrong(l, "a key text or tokens", "neither");
    return err;
}

static bool is_blank(px_view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] != ' ' && v.p[i] != '\t' && v.p[i] != '\r')
            return false;
    return true;
}

px_err pxi_jsonl_read(px_view line, unsigned long long number, uint64_t origin,
                      struct pxi_jsonl *out, px_diag *diag)
{
    struct line l = {.number = number};
    pxi_diag_field(diag, "line %llu", number);
    pxi_json_init(&l.j, line, diag, origin);
    px_err err = is_blank(line) ? PX_ERR_OK : read_object(&l);
    *out = l.row;
    out->blank = !err && !l.row.has_text && !l.row.has_tokens;
    return err;
}

void pxi_jsonl_tokens(const struct pxi_jsonl *l, int32_t *out)
{
    const uint8_t *p = l->tokens.p, *end = p + l->tokens.n;
    for (size_t i = 0; i < l->token_count; i++) {
        int64_t v = 0;
        while (p < end && (*p < '0' || *p > '9'))
            p++;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            v = v * 10 + (*p - '0');
        out[i] = (int32_t)v;
    }
}

px_err pxi_jsonl_check(px_view in, px_diag *diag)
{
    size_t at = 0;
    for (unsigned long long number = 1; at < in.n; number++) {
        const uint8_t *p = in.p + at, *nl = memchr(p, '\n', in.n - at);
        size_t n = nl ? (size_t)(nl - p) : in.n - at;
        struct pxi_jsonl row;
        px_err err = pxi_jsonl_read(px_view_of(p, n), number, at, &row, diag);
        if (err)
            return err == PX_ERR_TRUNCATED && nl ? PX_ERR_CORRUPT : err;
        at += n + 1;
    }
    return PX_ERR_OK;
}
