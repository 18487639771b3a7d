/* Tokenised data of other tools. */
#include "data/import.h"

#include <stdio.h>

#include "base/cursor.h"
#include "base/diag.h"
#include "base/limits.h"
#include "codec/ndp.gen.h"

enum { HEAD_LLMC = 1024, PIECE = 4096, DENSEST = 32768 };

px_err pxi_import_wrong(px_diag *d, px_err err, uint64_t at, const char *field,
                        const char *expected, uint64_t found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, err, at, expected, "%llu", (unsigned long long)found);
}

px_err pxi_import_unpacks(uint64_t packed, uint64_t n, uint64_t at, px_diag *d)
{
    if (n > PXI_LIMIT_DATA_UNPACKED)
        return pxi_import_wrong(d, PX_ERR_LIMIT, at, "unpacked", "at most data.unpacked", n);
    if (n / DENSEST > packed)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, at, "unpacked", "what so few bytes can hold", n);
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------- tokens */

bool pxi_import_type(px_view name, struct pxi_import_type *out)
{
    static const struct {
        const char *name;
        struct pxi_import_type type;
    } types[] = {{"uint8", {1, false}},  {"int8", {1, true}},    {"uint16", {2, false}},
                 {"int16", {2, true}},   {"uint32", {4, false}}, {"int32", {4, true}},
                 {"uint64", {8, false}}, {"int64", {8, true}}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (px_view_is(name, types[i].name)) {
            *out = types[i].type;
            return true;
        }
    return false;
}

/* Those there are, as far as there is room. */
static void say_columns(const px_view *names, unsigned n, px_diag *d)
{
    char list[sizeof d->expected] = "one of: ";
    size_t at = strlen(list);
    for (unsigned i = 0; i < n && at + 8 < sizeof list; i++) {
        pxi_escape(list + at, sizeof list - at, names[i].p, names[i].n);
        at += strlen(list + at);
        if (i + 1 < n && at + 2 < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, ", ");
    }
    pxi_diag_field(d, "column");
    (void)pxi_diag_set(d, PX_ERR_NOT_FOUND, 0, list, "none of that name");
}

unsigned pxi_import_choose(const struct pxi_import_column *c, const px_view *names, unsigned n,
                           px_diag *d)
{
    static const char *const usual[] = {"input_ids", "tokens", "text"};
    for (unsigned i = 0; c->name.n && i < n; i++)
        if (px_view_equal(names[i], c->name))
            return i;
    for (unsigned k = 0; !c->name.n && k < sizeof usual / sizeof *usual; k++)
        for (unsigned i = 0; i < n; i++)
            if (px_view_is(names[i], usual[k]))
                return i;
    if (!c->name.n && n == 1)
        return 0;
    say_columns(names, n, d);
    return n;
}

/* One token; `bytes` is a constant where it matters. False: int32 does not hold it. */
static inline bool take(const uint8_t *p, unsigned bytes, bool is_signed, int32_t *out)
{
    uint64_t x = pxi_ndp_le(p, bytes);
    unsigned unused = 64 - 8 * bytes;
    int64_t v = is_signed ? (int64_t)(x << unused) >> unused : (int64_t)x;
    *out = (int32_t)v;
    return is_signed ? v >= INT32_MIN && v <= INT32_MAX : x <= INT32_MAX;
}

/* Tokens of one type; false when int32 does not hold them all, *n is then where the first is. */
static bool convert(struct pxi_import_type t, const uint8_t *p, size_t *n, int32_t *out)
{
    bool good = true;
    size_t i = 0;
    if (t.bytes == 2 && !t.is_signed)
        for (; i < *n; i++)
            good &= take(p + 2 * i, 2, false, &out[i]);
    else if (t.bytes == 4)
        for (; i < *n; i++)
            good &= take(p + 4 * i, 4, t.is_signed, &out[i]);
    else
        for (; i < *n; i++)
            good &= take(p + t.bytes * i, t.bytes, t.is_signed, &out[i]);
    for (i = 0; !good && i < *n; i++)
        if (!take(p + t.bytes * i, t.bytes, t.is_signed, &out[i]))
            *n = i;
    return good;
}

px_err pxi_import_run(const struct pxi_import_sink *sink, struct pxi_import_type type,
                      px_view bytes, uint64_t at, bool more, px_diag *d)
{
    int32_t tokens[PIECE];
    size_t left = bytes.n / type.bytes, done = 0;
    px_err err = PX_ERR_OK;
    do {
        size_t n = left < PIECE ? left : PIECE;
        const uint8_t *p = bytes.p + done * type.bytes;
        if (!convert(type, p, &n, tokens))
            return pxi_import_wrong(d, PX_ERR_LIMIT, at + (done + n) * type.bytes, "token",
                                    "at most 2147483647",
                                    pxi_ndp_le(p + n * type.bytes, type.bytes));
        left -= n;
        done += n;
        err = sink->tokens(sink->ctx, tokens, n, left || more);
    } while (!err && left);
    return err;
}

/* ----------------------------------------------------------------- megatron */

/* Bytes of a token of Megatron's dtypes, 0 for what is no integer. */
static uint8_t megatron_bytes(unsigned dtype, bool *is_signed)
{
    static const uint8_t bytes[] = {0, 1, 1, 2, 4, 8, 0, 0, 2};
    *is_signed = dtype >= 2 && dtype <= 5;
    return dtype < sizeof bytes ? bytes[dtype] : 0;
}

static px_err open_megatron(struct pxi_import *m, px_diag *d)
{
    static const uint8_t magic[9] = {'M', 'M', 'I', 'D', 'I', 'D', 'X', 0, 0};
    struct pxi_cursor c = pxi_cursor_of(m->index);
    px_view name = pxi_cursor_take(&c, sizeof magic);
    if (c.failed || memcmp(name.p, magic, sizeof magic) != 0)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, 0, "idx", "MMIDIDX and two zeros", m->index.n);
    uint64_t version = pxi_cursor_u64(&c), dtype = pxi_cursor_u8(&c);
    m->sequences = pxi_cursor_u64(&c);
    uint64_t ends = pxi_cursor_u64(&c);
    if (c.failed)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, m->index.n, "idx", "34 bytes of head",
                                m->index.n);
    if (version != 1)
        return pxi_import_wrong(d, PX_ERR_VERSION, 9, "idx version", "1", version);
    m->type.bytes = megatron_bytes((unsigned)dtype, &m->type.is_signed);
    if (!m->type.bytes)
        return pxi_import_wrong(d, PX_ERR_UNSUPPORTED, 17, "idx dtype", "an integer: 1 to 5, or 8",
                                dtype);
    m->lengths_at = c.at;
    pxi_cursor_take(&c, m->sequences <= m->index.n ? m->sequences * 4 : UINT64_MAX);
    m->offsets_at = c.at;
    pxi_cursor_take(&c, m->sequences <= m->index.n ? m->sequences * 8 : UINT64_MAX);
    m->documents_at = c.at;
    pxi_cursor_take(&c, ends <= m->index.n ? ends * 8 : UINT64_MAX);
    if (c.failed)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, m->index.n, "idx", "its arrays", m->index.n);
    m->documents = ends ? ends - 1 : 0;
    m->all = m->tokens.n / m->type.bytes;
    return PX_ERR_OK;
}

/* ----------------------------------------------------- llm.c and datatrove */

static px_err open_llmc(struct pxi_import *m, px_diag *d)
{
    if (m->tokens.n < HEAD_LLMC)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, m->tokens.n, "head", "1024 bytes",
                                m->tokens.n);
    uint32_t magic = (uint32_t)pxi_ndp_le(m->tokens.p, 4);
    uint32_t version = (uint32_t)pxi_ndp_le(m->tokens.p + 4, 4);
    if (magic != 20240520 && magic != 20240801)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, 0, "magic", "20240520 or 20240801", magic);
    if (version != (magic == 20240520 ? 1 : 7))
        return pxi_import_wrong(d, PX_ERR_VERSION, 4, "version", "1, or 7 with 20240801", version);
    m->type.bytes = magic == 20240520 ? 2 : 4;
    m->all = pxi_ndp_le(m->tokens.p + 8, 4);
    uint64_t there = (m->tokens.n - HEAD_LLMC) / m->type.bytes;
    if (m->all > there)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, m->tokens.n, "tokens",
                                "as many as the head says", there);
    m->tokens = px_view_of(m->tokens.p + HEAD_LLMC, m->all * m->type.bytes);
    m->documents = 1;
    return PX_ERR_OK;
}

static px_err open_datatrove(struct pxi_import *m, px_diag *d)
{
    m->documents = m->index.n / 8;
    if (m->index.n % 8 || !m->documents)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, 0, "index", "8 bytes a document", m->index.n);
    m->all = pxi_ndp_le(m->index.p + 8 * (m->documents - 1), 8);
    if (m->all && m->tokens.n / 4 == m->all && m->tokens.n % 4 == 0)
        m->type.bytes = 4;
    else if (m->all && m->tokens.n / 2 == m->all && m->tokens.n % 2 == 0)
        m->type.bytes = 2;
    else
        return pxi_import_wrong(d, PX_ERR_CORRUPT, 8 * (m->documents - 1), "index",
                                "the tokens of the file, of 2 or 4 bytes", m->all);
    return PX_ERR_OK;
}

px_err pxi_import_open(enum pxi_import_kind kind, px_view tokens, px_view index,
                       struct pxi_import *out, px_diag *d)
{
    *out = (struct pxi_import){.kind = kind, .tokens = tokens, .index = index};
    return kind == PXI_IMPORT_MEGATRON ? open_megatron(out, d)
           : kind == PXI_IMPORT_LLMC   ? open_llmc(out, d)
                                       : open_datatrove(out, d);
}

/* ------------------------------------------------------------------ reading */

struct reading {
    const struct pxi_import *m;
    const struct pxi_import_sink *sink;
    px_diag *d;
};

/* n tokens from a byte of the file on; `more`: the document goes on behind them. */
static px_err put_run(const struct reading *r, uint64_t byte, uint64_t n, bool more)
{
    const struct pxi_import *m = r->m;
    if (byte > m->tokens.n || n > (m->tokens.n - byte) / m->type.bytes)
        return pxi_import_wrong(r->d, PX_ERR_CORRUPT, byte, "document", "a place within the tokens",
                                n);
    return pxi_import_run(r->sink, m->type, px_view_of(m->tokens.p + byte, n * m->type.bytes), byte,
                          more, r->d);
}

/* The sequences first .. end - 1 are one document. */
static px_err put_sequences(const struct reading *r, uint64_t first, uint64_t end)
{
    px_err err = PX_ERR_OK;
    for (uint64_t i = first; !err && i < end; i++) {
        uint64_t n = pxi_ndp_le(r->m->index.p + r->m->lengths_at + 4 * i, 4);
        uint64_t at = pxi_ndp_le(r->m->index.p + r->m->offsets_at + 8 * i, 8);
        if (n > INT32_MAX)
            return pxi_import_wrong(r->d, PX_ERR_CORRUPT, r->m->lengths_at + 4 * i, "idx length",
                                    "0 or more", n);
        err = put_run(r, at, n, i + 1 < end);
    }
    return err;
}

static px_err read_megatron(const struct reading *r)
{
    uint64_t from = 0;
    px_err err = PX_ERR_OK;
    for (uint64_t k = 0; !err && k <= r->m->documents && r->m->documents; k++) {
        uint64_t at = pxi_ndp_le(r->m->index.p + r->m->documents_at + 8 * k, 8);
        if (at < from || at > r->m->sequences)
            return pxi_import_wrong(r->d, PX_ERR_CORRUPT, r->m->documents_at + 8 * k,
                                    "idx document", "sequences in their order", at);
        if (k)
            err = put_sequences(r, from, at);
        from = at;
    }
    return err;
}

static px_err read_datatrove(const struct reading *r)
{
    uint64_t from = 0;
    px_err err = PX_ERR_OK;
    for (uint64_t k = 0; !err && k < r->m->documents; k++) {
        uint64_t end = pxi_ndp_le(r->m->index.p + 8 * k, 8);
        if (end < from || end > r->m->all)
            return pxi_import_wrong(r->d, PX_ERR_CORRUPT, 8 * k, "index", "ends in their order",
                                    end);
        err = put_run(r, from * r->m->type.bytes, end - from, false);
        from = end;
    }
    return err;
}

static px_err read_llmc(const struct reading *r, int32_t eot)
{
    uint64_t from = 0, unit = r->m->type.bytes;
    px_err err = PX_ERR_OK;
    for (uint64_t i = 0; !err && eot >= 0 && i < r->m->all; i++)
        if (pxi_ndp_le(r->m->tokens.p + i * unit, (unsigned)unit) == (uint64_t)eot && i > from) {
            /* llm.c puts the token before each document. */
            err = put_run(r, from * unit, i - from, false);
            from = i;
        }
    return err || from == r->m->all ? err : put_run(r, from * unit, r->m->all - from, false);
}

px_err pxi_import_read(const struct pxi_import *m, int32_t eot, const struct pxi_import_sink *sink,
                       px_diag *d)
{
    struct reading r = {m, sink, d};
    return m->kind == PXI_IMPORT_MEGATRON ? read_megatron(&r)
           : m->kind == PXI_IMPORT_LLMC   ? read_llmc(&r, eot)
                                          : read_datatrove(&r);
}
