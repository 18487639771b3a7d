/* The check of MessagePack: one loop over the values, and for each open array or map the number of
 * values that it still waits for. */
#include "codec/msgpack.h"

#include "base/cursor.h"
#include "base/diag.h"
#include "base/limits.h"
#include "codec/utf8.h"

enum kind { SCALAR, STRING, BINARY, ARRAY, MAP, RESERVED };

struct value {
    enum kind kind;
    uint64_t n; /* bytes that follow, or elements */
};

/* Big-endian length of `bytes` bytes. */
static uint64_t read_be(struct pxi_cursor *c, unsigned bytes)
{
    px_view v = pxi_cursor_take(c, bytes);
    uint64_t n = 0;
    for (size_t i = 0; i < v.n; i++)
        n = n << 8 | v.p[i];
    return n;
}

/* What the bytes 0xc0 to 0xdf announce: the width of the length behind them, and what is fixed. */
static struct value read_marked(struct pxi_cursor *c, uint8_t b)
{
    static const struct {
        uint8_t kind, width, more;
    } marks[32] = {
        {SCALAR, 0, 0},  {RESERVED, 0, 0}, {SCALAR, 0, 0}, {SCALAR, 0, 0}, /* nil, -, false, true */
        {BINARY, 1, 0},  {BINARY, 2, 0},   {BINARY, 4, 0},                 /* bin */
        {BINARY, 1, 1},  {BINARY, 2, 1},   {BINARY, 4, 1},                 /* ext: and its type */
        {SCALAR, 0, 4},  {SCALAR, 0, 8},                                   /* float */
        {SCALAR, 0, 1},  {SCALAR, 0, 2},   {SCALAR, 0, 4}, {SCALAR, 0, 8}, /* uint */
        {SCALAR, 0, 1},  {SCALAR, 0, 2},   {SCALAR, 0, 4}, {SCALAR, 0, 8}, /* int */
        {BINARY, 0, 2},  {BINARY, 0, 3},   {BINARY, 0, 5}, {BINARY, 0, 9}, /* fixext 1 to 8 */
        {BINARY, 0, 17}, {STRING, 1, 0},   {STRING, 2, 0}, {STRING, 4, 0}, /* fixext 16, str */
        {ARRAY, 2, 0},   {ARRAY, 4, 0},    {MAP, 2, 0},    {MAP, 4, 0},
    };
    unsigned i = b - 0xc0u;
    return (struct value){(enum kind)marks[i].kind, read_be(c, marks[i].width) + marks[i].more};
}

static struct value read_head(struct pxi_cursor *c)
{
    uint8_t b = pxi_cursor_u8(c);
    if (b < 0x80 || b >= 0xe0)
        return (struct value){SCALAR, 0};
    if (b < 0x90)
        return (struct value){MAP, b & 15u};
    if (b < 0xa0)
        return (struct value){ARRAY, b & 15u};
    if (b < 0xc0)
        return (struct value){STRING, b & 31u};
    return read_marked(c, b);
}

static px_err wrong(px_diag *d, px_err err, size_t at, const char *field, const char *expected,
                    uint64_t found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, err, at, expected, "%llu", (unsigned long long)found);
}

static px_err check_body(px_view body, size_t at, px_diag *d)
{
    for (size_t i = 0, n; i < body.n; i += n) {
        n = pxi_utf8_length(body.p + i, body.n - i);
        if (!n)
            return wrong(d, PX_ERR_CORRUPT, at + i, "string", "UTF-8", body.p[i]);
    }
    return PX_ERR_OK;
}

/* Read one value without its elements, whose number goes to *elements. */
static px_err check_value(struct pxi_cursor *c, uint64_t *elements, px_diag *d)
{
    size_t start = c->at;
    struct value v = read_head(c);
    *elements = 0;
    if (c->failed)
        return wrong(d, PX_ERR_TRUNCATED, start, "value", "its type and length",
                     pxi_cursor_left(c));
    if (v.kind == RESERVED)
        return wrong(d, PX_ERR_CORRUPT, start, "value", "a type, not 0xc1", 0xc1);
    if (v.kind == ARRAY || v.kind == MAP) {
        *elements = v.kind == MAP ? 2 * v.n : v.n;
        if (*elements > pxi_cursor_left(c))
            return wrong(d, PX_ERR_TRUNCATED, start, v.kind == MAP ? "map" : "array",
                         "elements that are there", v.n);
        return PX_ERR_OK;
    }
    size_t at = c->at;
    px_view body = pxi_cursor_take(c, v.n);
    if (c->failed)
        return wrong(d, PX_ERR_TRUNCATED, start, "value", "bytes that are there", v.n);
    return v.kind == STRING ? check_body(body, at, d) : PX_ERR_OK;
}

px_err pxi_msgpack_check(px_view in, px_diag *d)
{
    uint32_t open[PXI_LIMIT_MSGPACK_DEPTH + 1] = {1}; /* values still to come, level by level */
    unsigned depth = 0;
    struct pxi_cursor c = pxi_cursor_of(in);
    if (in.n > UINT32_MAX)
        return wrong(d, PX_ERR_LIMIT, 0, "value", "less than 4 GiB", in.n);
    for (;;) {
        while (depth && open[depth] == 0)
            depth--;
        if (depth == 0 && open[0] == 0)
            break;
        size_t at = c.at;
        uint64_t elements;
        px_err err = check_value(&c, &elements, d);
        if (err != PX_ERR_OK)
            return err;
        open[depth]--;
        if (!elements)
            continue;
        if (depth == PXI_LIMIT_MSGPACK_DEPTH)
            return wrong(d, PX_ERR_LIMIT, at, "depth", "at most msgpack.depth levels", depth + 1);
        open[++depth] = (uint32_t)elements;
    }
    if (c.at != in.n)
        return wrong(d, PX_ERR_CORRUPT, c.at, "value", "the end behind the one value",
                     pxi_cursor_left(&c));
    return PX_ERR_OK;
}
