/* Samples in a folder of shards. */
#include "data/import_shards.h"

#include "base/cursor.h"
#include "base/diag.h"
#include "base/math.h"
#include "codec/ndp.gen.h"

static px_err refused(px_diag *d, const char *field, const char *wanted, px_view found)
{
    char text[64];
    pxi_escape(text, sizeof text, found.p, found.n);
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, PX_ERR_UNSUPPORTED, 0, wanted, "%s", text);
}

/* -------------------------------------------------------------------- index */

/* Types of numbers by their index in litdata (constants.py): of torch, of numpy. */
static bool litdata_type(px_view format, struct pxi_import_type *out)
{
    static const struct pxi_import_type numpy[] = {{1, true},  {2, true},  {4, true},  {8, true},
                                                   {1, false}, {2, false}, {4, false}, {8, false}};
    static const struct pxi_import_type torch[] = {
        [11] = {1, false}, [12] = {1, true}, [13] = {2, true}, [14] = {2, true}, [15] = {4, true},
        [16] = {4, true},  [17] = {8, true}, [18] = {8, true}, [20] = {2, false}};
    static const char tensor[] = "no_header_tensor:", array[] = "no_header_numpy:";
    bool is_tensor = format.n > strlen(tensor) && memcmp(format.p, tensor, strlen(tensor)) == 0;
    size_t at = is_tensor ? strlen(tensor) : strlen(array), n = 0;
    if (!is_tensor && (format.n <= at || memcmp(format.p, array, at) != 0))
        return false;
    for (; at < format.n && n < 100; at++) {
        if (format.p[at] < '0' || format.p[at] > '9')
            return false;
        n = n * 10 + (size_t)(format.p[at] - '0');
    }
    size_t known = is_tensor ? sizeof torch / sizeof *torch : sizeof numpy / sizeof *numpy;
    if (n >= known)
        return false;
    *out = is_tensor ? torch[n] : numpy[n];
    return out->bytes > 0;
}

/* "config" of litdata. */
static px_err read_config(struct pxi_json *j, struct pxi_shards *s, px_diag *d)
{
    px_view key, text, format = {NULL, 0};
    bool end, over = false;
    px_err err = pxi_walk_object(j);
    while (!err && !(err = pxi_walk_key(j, &key, &end)) && !end) {
        bool packed = pxi_json_text_is(key, "compression");
        if (packed || pxi_json_text_is(key, "data_format")) {
            err = packed ? pxi_walk_text(j, &text, NULL) : pxi_walk_array(j);
            if (!err && packed && text.n)
                err = refused(d, "compression", "chunks that are not compressed", text);
            unsigned n = 0;
            while (!err && !packed && !(err = pxi_walk_text(j, &text, &over)) && !over)
                format = n++ ? px_view_str("several") : text;
        } else if (pxi_json_text_is(key, "encryption")) {
            enum pxi_json_event e;
            err = pxi_json_next(j, &e);
            if (!err && e != PXI_JSON_NULL)
                err =
                    refused(d, "encryption", "chunks that are not encrypted", px_view_str("some"));
        } else {
            err = pxi_walk_skip(j);
        }
    }
    if (!err && !litdata_type(format, &s->type))
        err = refused(d, "data_format", "no_header_tensor or no_header_numpy of integers", format);
    return err;
}

px_err pxi_shards_open(px_view index, const struct pxi_import_column *column,
                       struct pxi_shards *out, px_diag *d)
{
    struct pxi_json j;
    px_view key;
    bool end, mds = false, chunks = false, config = false;
    uint64_t version = 2;
    *out = (struct pxi_shards){.column = *column};
    pxi_diag_field(d, "index.json");
    pxi_json_init(&j, index, d, 0);
    px_err err = pxi_walk_object(&j);
    while (!err && !(err = pxi_walk_key(&j, &key, &end)) && !end) {
        bool list = pxi_json_text_is(key, "chunks"), shards = pxi_json_text_is(key, "shards");
        if (list || shards) {
            struct pxi_json before = j;
            err = pxi_walk_array(&j);
            out->json = j;
            j = before;
            mds |= shards;
            chunks |= list;
            if (!err)
                err = pxi_walk_skip(&j);
        } else if (pxi_json_text_is(key, "version")) {
            err = pxi_walk_number(&j, &version, NULL);
        } else if (pxi_json_text_is(key, "config")) {
            config = true;
            err = read_config(&j, out, d);
        } else {
            err = pxi_walk_skip(&j);
        }
    }
    enum pxi_json_event e;
    if (!err)
        err = pxi_json_next(&j, &e); /* nothing behind it */
    if (!err && version != 2)
        err = pxi_import_wrong(d, PX_ERR_VERSION, 0, "index.json version", "2", version);
    if (!err && mds == (chunks && config)) {
        pxi_diag_field(d, "index.json");
        err = pxi_diag_set(d, PX_ERR_CORRUPT, 0, "either shards, or chunks and config", "%s",
                           mds ? "both" : "neither");
    }
    out->mds = mds;
    return err;
}

/* ------------------------------------------------------------------- shards */

/* {"basename": ..., "bytes": ...}, or null. */
static px_err read_file(struct pxi_json *j, struct pxi_shard_file *out)
{
    enum pxi_json_event e;
    px_view key;
    bool end;
    px_err err = pxi_json_next(j, &e);
    if (err || e == PXI_JSON_NULL)
        return err;
    if (e != PXI_JSON_OBJECT)
        return pxi_diag_set(j->diag, PX_ERR_CORRUPT, j->start, "a file, or null", "something else");
    while (!(err = pxi_walk_key(j, &key, &end)) && !end) {
        if (pxi_json_text_is(key, "basename"))
            err = pxi_walk_text(j, &out->name, NULL);
        else if (pxi_json_text_is(key, "bytes"))
            err = pxi_walk_number(j, &out->bytes, NULL);
        else
            err = pxi_walk_skip(j);
        if (err)
            break;
    }
    return err;
}

struct columns {
    px_view names[PXI_SHARD_COLUMNS], encodings[PXI_SHARD_COLUMNS];
    unsigned counts[3]; /* names, encodings, sizes */
};

/* One of the three lists: which, or 3. */
static unsigned list_of(px_view key)
{
    static const char *const lists[] = {"column_names", "column_encodings", "column_sizes"};
    unsigned i = 0;
    while (i < 3 && !pxi_json_text_is(key, lists[i]))
        i++;
    return i;
}

static px_err read_list(struct pxi_json *j, unsigned which, struct columns *c, uint32_t *sizes)
{
    bool end = false;
    unsigned n = 0;
    px_err err = pxi_walk_array(j);
    while (!err && !end) {
        px_view text = {NULL, 0};
        uint64_t size = 0;
        err = which < 2 ? pxi_walk_text(j, &text, &end) : pxi_walk_number(j, &size, &end);
        if (err || end)
            break;
        if (n == PXI_SHARD_COLUMNS || size > UINT32_MAX)
            return pxi_import_wrong(j->diag, PX_ERR_LIMIT, j->start, "columns",
                                    "256 of them, below 4 GiB", n == PXI_SHARD_COLUMNS ? n : size);
        if (which < 2)
            (which ? c->encodings : c->names)[n] = text;
        else
            sizes[n] = (uint32_t)size;
        n++;
    }
    c->counts[which] = n;
    return err;
}

/* What "ndarray:uint16:8,8" and the like say. False: no integers. */
static bool read_array(px_view e, struct pxi_shard *s)
{
    size_t at = strlen("ndarray");
    s->array = true;
    if (e.n == at)
        return true;
    if (e.p[at++] != ':')
        return false;
    const uint8_t *colon = memchr(e.p + at, ':', e.n - at);
    s->shaped = colon != NULL;
    s->typed = true;
    return pxi_import_type(px_view_of(e.p + at, colon ? (size_t)(colon - e.p) - at : e.n - at),
                           &s->type);
}

static px_err read_encoding(const struct pxi_shards *all, px_view e, struct pxi_shard *s,
                            px_diag *d)
{
    const struct pxi_import_column *c = &all->column;
    s->text = pxi_json_text_is(e, "str");
    if (s->text)
        return PX_ERR_OK;
    if (pxi_json_text_is(e, "bytes")) {
        s->type = c->typed ? c->type : (struct pxi_import_type){8, true};
        s->typed = s->shaped = true;
        return PX_ERR_OK;
    }
    if (e.n < 7 || memcmp(e.p, "ndarray", 7) != 0 || !read_array(e, s))
        return refused(d, "column", "str, bytes, or ndarray of integers", e);
    return PX_ERR_OK;
}

static px_err finish_mds(const struct pxi_shards *all, const struct columns *c, px_view format,
                         uint64_t version, struct pxi_shard *out, px_diag *d)
{
    if (!pxi_json_text_is(format, "mds"))
        return refused(d, "format", "mds", format);
    if (version != 2)
        return pxi_import_wrong(d, PX_ERR_VERSION, 0, "version", "2", version);
    if (!c->counts[0] || c->counts[0] != c->counts[1] || c->counts[0] != c->counts[2])
        return pxi_import_wrong(d, PX_ERR_CORRUPT, 0, "columns",
                                "as many encodings and sizes as names", c->counts[0]);
    out->columns = c->counts[0];
    out->column = pxi_import_choose(&all->column, c->names, out->columns, d);
    if (out->column == out->columns)
        return PX_ERR_NOT_FOUND;
    return read_encoding(all, c->encodings[out->column], out, d);
}

static px_err next_mds(struct pxi_shards *s, struct pxi_shard *out, px_diag *d)
{
    struct columns c = {0};
    px_view key, format = {NULL, 0};
    uint64_t version = 0;
    bool end;
    px_err err = PX_ERR_OK;
    while (!err && !(err = pxi_walk_key(&s->json, &key, &end)) && !end) {
        unsigned list = list_of(key);
        if (list < 3)
            err = read_list(&s->json, list, &c, out->sizes);
        else if (pxi_json_text_is(key, "raw_data"))
            err = read_file(&s->json, &out->raw);
        else if (pxi_json_text_is(key, "zip_data"))
            err = read_file(&s->json, &out->packed);
        else if (pxi_json_text_is(key, "samples"))
            err = pxi_walk_number(&s->json, &out->samples, NULL);
        else if (pxi_json_text_is(key, "version"))
            err = pxi_walk_number(&s->json, &version, NULL);
        else if (pxi_json_text_is(key, "format"))
            err = pxi_walk_text(&s->json, &format, NULL);
        else if (pxi_json_text_is(key, "compression"))
            err = pxi_walk_text(&s->json, &out->codec, NULL);
        else
            err = pxi_walk_skip(&s->json);
    }
    return err ? err : finish_mds(s, &c, format, version, out, d);
}

static px_err next_litdata(struct pxi_shards *s, struct pxi_shard *out)
{
    px_view key;
    bool end;
    px_err err = PX_ERR_OK;
    out->type = s->type;
    out->typed = out->shaped = true;
    while (!err && !(err = pxi_walk_key(&s->json, &key, &end)) && !end) {
        if (pxi_json_text_is(key, "filename"))
            err = pxi_walk_text(&s->json, &out->raw.name, NULL);
        else if (pxi_json_text_is(key, "chunk_size"))
            err = pxi_walk_number(&s->json, &out->samples, NULL);
        else
            err = pxi_walk_skip(&s->json);
    }
    return err;
}

px_err pxi_shards_next(struct pxi_shards *s, struct pxi_shard *out, bool *end, px_diag *d)
{
    *out = (struct pxi_shard){0};
    s->json.diag = d;
    pxi_diag_field(d, "index.json");
    px_err err = pxi_walk_next(&s->json, end);
    if (err || *end)
        return err;
    err = s->mds ? next_mds(s, out, d) : next_litdata(s, out);
    if (!err && !out->raw.name.n && !out->packed.name.n) {
        pxi_diag_field(d, "index.json");
        err = pxi_diag_set(d, PX_ERR_CORRUPT, s->json.start, "the name of a file", "none");
    }
    return err;
}

/* ------------------------------------------------------------------ samples */

/* Where the wanted column of a sample lies. */
static bool find_column(const struct pxi_shard *s, px_view sample, px_view *out)
{
    uint64_t at = 0, own = 0, from = 0, n = 0;
    *out = sample;
    if (!s->columns)
        return true;
    for (unsigned i = 0; i < s->columns; i++)
        own += s->sizes[i] ? 0 : 4;
    from = own;
    if (own > sample.n)
        return false;
    for (unsigned i = 0; i <= s->column; i++) {
        from += n;
        n = s->sizes[i] ? s->sizes[i] : pxi_ndp_le(sample.p + at, 4);
        at += s->sizes[i] ? 0 : 4;
    }
    if (from > sample.n || n > sample.n - from)
        return false;
    *out = px_view_of(sample.p + from, (size_t)n);
    return true;
}

/* Takes the head of an array of numpy off: its type, its shape. False: it is none of integers, or
 * not of as many values as follow. */
static bool open_array(const struct pxi_shard *s, px_view *v, struct pxi_import_type *type)
{
    struct pxi_cursor c = pxi_cursor_of(*v);
    uint64_t values = 1;
    *type = s->type;
    if (!s->typed) {
        unsigned code = pxi_cursor_u8(&c); /* bits, and 1 for signed, 2 for floating point */
        if ((code & 7) > 1 || (code != 8 && code != 9 && (code & ~1u) != 16 && (code & ~1u) != 32 &&
                               (code & ~1u) != 64))
            return false;
        *type = (struct pxi_import_type){(uint8_t)(code / 8), code & 1};
    }
    if (!s->shaped) {
        unsigned code = pxi_cursor_u8(&c); /* dimensions, and how large each is */
        for (unsigned i = 0; i < code >> 2; i++) {
            uint64_t n = pxi_cursor_le(&c, 1u << (code & 3));
            if (c.failed || !pxi_mul_u64(values, n, &values))
                return false;
        }
    }
    *v = px_view_of(c.base + c.at, pxi_cursor_left(&c));
    return !c.failed && v->n % type->bytes == 0 && (s->shaped || values == v->n / type->bytes);
}

/* Sample i, of which these are the bytes from `at` on. */
static px_err put_sample(const struct pxi_shard *s, px_view sample, uint64_t at,
                         const struct pxi_import_sink *sink, uint64_t *empty, px_diag *d)
{
    struct pxi_import_type type = s->type;
    px_view v;
    if (!find_column(s, sample, &v))
        return pxi_import_wrong(d, PX_ERR_CORRUPT, at, "sample", "columns within it", sample.n);
    if (s->text && !sink->text) {
        pxi_diag_field(d, "tokenizer");
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a tokenizer for columns of text", "none");
    }
    if (s->text && v.n)
        return sink->text(sink->ctx, v);
    if (s->array && !open_array(s, &v, &type))
        return pxi_import_wrong(d, PX_ERR_CORRUPT, at, "sample", "an array of integers", sample.n);
    if (!s->text && v.n % type.bytes)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, at, "sample",
                                "whole tokens: --column NAME:TYPE says how they are stored", v.n);
    *empty += !v.n;
    return v.n ? pxi_import_run(sink, type, v, at, false, d) : PX_ERR_OK;
}

px_err pxi_shard_read(const struct pxi_shard *s, px_view bytes, const struct pxi_import_sink *sink,
                      uint64_t *empty, px_diag *d)
{
    struct pxi_cursor c = pxi_cursor_of(bytes);
    uint64_t n = pxi_cursor_u32(&c);
    px_view offsets = pxi_cursor_take(&c, 4 * (n + 1));
    if (c.failed)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, bytes.n, "shard", "its offsets", n);
    if (n != s->samples)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, 0, "shard", "as many samples as the index says",
                                n);
    px_err err = PX_ERR_OK;
    for (uint64_t i = 0; !err && i < n; i++) {
        uint64_t at = pxi_ndp_le(offsets.p + 4 * i, 4), end = pxi_ndp_le(offsets.p + 4 * i + 4, 4);
        if (at > end || end > bytes.n)
            return pxi_import_wrong(d, PX_ERR_CORRUPT, 4 + 4 * i, "shard",
                                    "a sample within its bytes", at);
        err = put_sample(s, px_view_of(bytes.p + at, (size_t)(end - at)), at, sink, empty, d);
    }
    return err;
}
