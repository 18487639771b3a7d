/* A column of an Arrow file. */
#include "data/import_arrow.h"

#include "base/cursor.h"
#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/flat.h"
#include "codec/ndp.gen.h"

enum { COLUMNS = 1024, DEPTH = 64, V5 = 4, BLOCK = 24, END = 10, MAGIC = 6 };
enum { SCHEMA = 1, BATCH = 3 }; /* headers of messages */

/* Types of columns, as Schema.fbs numbers them. */
enum {
    NUL = 1,
    INT,
    FLOATING,
    BINARY,
    UTF8,
    BOOL,
    DECIMAL,
    DATE,
    TIME,
    TIMESTAMP,
    INTERVAL,
    LIST,
    STRUCT,
    UNION,
    FIXED_BINARY,
    FIXED_LIST,
    MAP,
    DURATION,
    LARGE_BINARY,
    LARGE_UTF8,
    LARGE_LIST,
    RUN_END,
    BINARY_VIEW,
    UTF8_VIEW,
    LIST_VIEW,
    LARGE_LIST_VIEW,
    TYPES
};

/* Buffers of a column of a type, without those of its children. */
static const uint8_t buffers_of[TYPES] = {[NUL] = 0,          [INT] = 2,
                                          [FLOATING] = 2,     [BINARY] = 3,
                                          [UTF8] = 3,         [BOOL] = 2,
                                          [DECIMAL] = 2,      [DATE] = 2,
                                          [TIME] = 2,         [TIMESTAMP] = 2,
                                          [INTERVAL] = 2,     [LIST] = 2,
                                          [STRUCT] = 1,       [UNION] = 1,
                                          [FIXED_BINARY] = 2, [FIXED_LIST] = 1,
                                          [MAP] = 2,          [DURATION] = 2,
                                          [LARGE_BINARY] = 3, [LARGE_UTF8] = 3,
                                          [LARGE_LIST] = 2,   [RUN_END] = 0,
                                          [BINARY_VIEW] = 2,  [UTF8_VIEW] = 2,
                                          [LIST_VIEW] = 3,    [LARGE_LIST_VIEW] = 3};

/* Fields of the tables. */
enum { MESSAGE_VERSION, MESSAGE_TYPE, MESSAGE_HEADER, MESSAGE_BODY };
enum { SCHEMA_ENDIAN, SCHEMA_FIELDS };
enum { FIELD_NAME, FIELD_TYPE = 2, FIELD_TYPE_TABLE, FIELD_DICTIONARY, FIELD_CHILDREN };
enum { BATCH_ROWS, BATCH_NODES, BATCH_BUFFERS, BATCH_COMPRESSION, BATCH_VIEWS };
enum { FOOTER_SCHEMA = 1, FOOTER_BATCHES = 3 };

static px_err broken(px_diag *d, uint64_t at)
{
    pxi_diag_field(d, "metadata");
    return pxi_diag_set(d, PX_ERR_CORRUPT, at, "offsets within the metadata", "others");
}

/* ----------------------------------------------------------------- messages */

struct message {
    struct pxi_flat flat;
    struct pxi_flat_table header;
    unsigned type, version;
    px_view body;
    size_t body_at, next;
    bool end;
};

/* The message at a place of the file; `end`: there is none any more. */
static px_err read_message(px_view file, size_t at, struct message *m, px_diag *d)
{
    struct pxi_cursor c = pxi_cursor_of(file);
    *m = (struct message){.end = true};
    pxi_cursor_take(&c, at);
    if (!c.failed && !pxi_cursor_left(&c))
        return PX_ERR_OK;
    uint32_t bytes = pxi_cursor_u32(&c);
    if (bytes == UINT32_MAX)
        bytes = pxi_cursor_u32(&c);
    if (!c.failed && !bytes)
        return PX_ERR_OK;
    size_t meta_at = c.at;
    m->end = false;
    m->flat.bytes = pxi_cursor_take(&c, bytes);
    if (c.failed)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, at, "message", "its metadata", bytes);
    struct pxi_flat_table t = pxi_flat_root(&m->flat);
    m->version = (unsigned)pxi_flat_number(&t, MESSAGE_VERSION, 2, 0);
    m->type = (unsigned)pxi_flat_number(&t, MESSAGE_TYPE, 1, 0);
    m->header = pxi_flat_table(&t, MESSAGE_HEADER);
    uint64_t body = pxi_flat_number(&t, MESSAGE_BODY, 8, 0);
    if (m->flat.failed)
        return broken(d, meta_at);
    m->body_at = c.at;
    m->body = pxi_cursor_take(&c, body);
    if (c.failed)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, at, "message", "its body", body);
    m->next = c.at;
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------- schema */

/* How many nodes and buffers of a batch columns take. */
struct count {
    unsigned version;
    uint32_t left; /* columns that may still come */
    uint32_t nodes, buffers, views;
    unsigned unknown; /* a type whose buffers are not known */
};

static void count_column(struct count *c, const struct pxi_flat_table *field, unsigned depth)
{
    unsigned type = (unsigned)pxi_flat_number(field, FIELD_TYPE, 1, 0);
    struct pxi_flat_table dictionary = pxi_flat_table(field, FIELD_DICTIONARY);
    struct pxi_flat_vector children = pxi_flat_vector(field, FIELD_CHILDREN, 4);
    if (!c->left || depth >= DEPTH) {
        c->left = 0;
        return;
    }
    c->left--;
    c->nodes++;
    if (dictionary.at) { /* its numbers are here, its values elsewhere */
        c->buffers += 2;
        return;
    }
    if (type < NUL || type >= TYPES) {
        c->unknown = type ? type : TYPES;
        c->left = 0;
        return;
    }
    c->buffers += buffers_of[type];
    c->views += type == BINARY_VIEW || type == UTF8_VIEW;
    if (type == UNION) {
        struct pxi_flat_table t = pxi_flat_table(field, FIELD_TYPE_TABLE);
        c->buffers += (pxi_flat_number(&t, 0, 2, 0) == 1) + (c->version < V5);
    }
    for (uint32_t i = 0; i < children.n && c->left && !field->f->failed; i++) {
        struct pxi_flat_table child = pxi_flat_element(&children, i);
        count_column(c, &child, depth + 1);
    }
}

static px_err not_read(unsigned type, px_diag *d)
{
    pxi_diag_field(d, "column");
    return pxi_diag_set(d, PX_ERR_UNSUPPORTED, 0, "lists of integers, or text: Utf8", "type %u",
                        type);
}

/* What the chosen column is. */
static px_err read_type(const struct pxi_flat_table *field, struct pxi_arrow *a, px_diag *d)
{
    unsigned type = (unsigned)pxi_flat_number(field, FIELD_TYPE, 1, 0);
    struct pxi_flat_table own = pxi_flat_table(field, FIELD_TYPE_TABLE);
    struct pxi_flat_vector children = pxi_flat_vector(field, FIELD_CHILDREN, 4);
    if (pxi_flat_table(field, FIELD_DICTIONARY).at)
        return not_read(type, d);
    a->kind = type == UTF8         ? PXI_ARROW_TEXT
              : type == LARGE_UTF8 ? PXI_ARROW_LARGE_TEXT
              : type == LIST       ? PXI_ARROW_LIST
              : type == LARGE_LIST ? PXI_ARROW_LARGE_LIST
                                   : PXI_ARROW_FIXED_LIST;
    if (type == UTF8 || type == LARGE_UTF8)
        return PX_ERR_OK;
    if ((a->kind == PXI_ARROW_FIXED_LIST && type != FIXED_LIST) || children.n != 1)
        return not_read(type, d);
    struct pxi_flat_table child = pxi_flat_element(&children, 0);
    struct pxi_flat_table integer = pxi_flat_table(&child, FIELD_TYPE_TABLE);
    unsigned inner = (unsigned)pxi_flat_number(&child, FIELD_TYPE, 1, 0);
    uint64_t bits = pxi_flat_number(&integer, 0, 4, 0);
    if (inner != INT || pxi_flat_table(&child, FIELD_DICTIONARY).at ||
        (bits != 8 && bits != 16 && bits != 32 && bits != 64))
        return not_read(inner, d);
    a->type = (struct pxi_import_type){(uint8_t)(bits / 8), pxi_flat_number(&integer, 1, 1, 0) & 1};
    a->each = type == FIXED_LIST ? pxi_flat_number(&own, 0, 4, 0) : 0;
    return a->each > INT32_MAX ? broken(d, 0) : PX_ERR_OK;
}

static px_err read_schema(const struct pxi_flat_table *schema, unsigned version,
                          const struct pxi_import_column *column, struct pxi_arrow *a, px_diag *d)
{
    px_view names[COLUMNS];
    struct pxi_flat *f = schema->f;
    struct pxi_flat_vector fields = pxi_flat_vector(schema, SCHEMA_FIELDS, 4);
    struct count c = {.version = version, .left = PXI_LIMIT_DATA_COLUMNS};
    if (pxi_flat_number(schema, SCHEMA_ENDIAN, 2, 0) != 0)
        return pxi_import_wrong(d, PX_ERR_UNSUPPORTED, 0, "schema", "little-endian numbers", 1);
    if (fields.n > COLUMNS)
        return pxi_import_wrong(d, PX_ERR_LIMIT, 0, "schema", "at most 1024 columns", fields.n);
    for (uint32_t i = 0; i < fields.n; i++) {
        struct pxi_flat_table field = pxi_flat_element(&fields, i);
        names[i] = pxi_flat_string(&field, FIELD_NAME);
    }
    if (f->failed)
        return broken(d, 0);
    unsigned chosen = pxi_import_choose(column, names, fields.n, d);
    if (chosen == fields.n)
        return PX_ERR_NOT_FOUND;
    for (uint32_t i = 0; i < chosen && c.left; i++) {
        struct pxi_flat_table field = pxi_flat_element(&fields, i);
        count_column(&c, &field, 0);
    }
    a->node = c.nodes;
    a->buffer = c.buffers;
    a->views = c.views;
    struct pxi_flat_table field = pxi_flat_element(&fields, chosen);
    px_err err = c.unknown ? not_read(c.unknown, d)
                 : !c.left ? pxi_import_wrong(d, PX_ERR_LIMIT, 0, "schema",
                                              "fewer columns, nested less deep", c.nodes)
                           : read_type(&field, a, d);
    return f->failed ? broken(d, 0) : err;
}

/* The metadata at the end of a file. */
static px_err find_footer(struct pxi_arrow *a, px_diag *d)
{
    px_view f = a->file;
    if (f.n < END + 8 || memcmp(f.p + f.n - MAGIC, "ARROW1", MAGIC) != 0)
        return pxi_import_wrong(d, PX_ERR_TRUNCATED, f.n, "footer", "ARROW1 at the end", f.n);
    uint64_t bytes = pxi_ndp_le(f.p + f.n - END, 4);
    if (bytes > f.n - END - 8)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, f.n - END, "footer", "less than the file",
                                bytes);
    a->footer = px_view_of(f.p + f.n - END - bytes, (size_t)bytes);
    return PX_ERR_OK;
}

px_err pxi_arrow_open(px_view file, const struct pxi_import_column *column, struct pxi_arrow *out,
                      px_diag *d)
{
    struct message m;
    *out = (struct pxi_arrow){.file = file};
    out->stream = file.n < MAGIC || memcmp(file.p, "ARROW1", MAGIC) != 0;
    if (!out->stream) {
        px_err err = find_footer(out, d);
        if (err)
            return err;
        struct pxi_flat flat = {.bytes = out->footer};
        struct pxi_flat_table footer = pxi_flat_root(&flat);
        struct pxi_flat_table schema = pxi_flat_table(&footer, FOOTER_SCHEMA);
        unsigned version = (unsigned)pxi_flat_number(&footer, 0, 2, 0);
        return flat.failed ? broken(d, file.n - END)
                           : read_schema(&schema, version, column, out, d);
    }
    px_err err = read_message(file, 0, &m, d);
    if (err)
        return err;
    if (m.end || m.type != SCHEMA)
        return pxi_import_wrong(d, PX_ERR_CORRUPT, 0, "message", "a schema first", m.type);
    out->first = m.next;
    return read_schema(&m.header, m.version, column, out, d);
}

/* ------------------------------------------------------------------ batches */

/* A batch that is being read. */
struct batch {
    const struct pxi_arrow *a;
    const struct pxi_import_sink *sink;
    px_diag *d;
    px_view body;
    size_t at;
    const char *codec; /* NULL: not compressed */
    struct pxi_flat_vector nodes, buffers;
    uint32_t first; /* buffer */
    uint64_t rows;
    uint8_t *own[4]; /* unpacked */
    unsigned owned;
};

static px_err unpack(struct batch *b, px_view packed, px_view *out)
{
    uint64_t n = packed.n < 8 ? 0 : pxi_ndp_le(packed.p, 8);
    if (packed.n < 8)
        return pxi_import_wrong(b->d, PX_ERR_TRUNCATED, b->at, "buffer", "its size", packed.n);
    packed = px_view_of(packed.p + 8, packed.n - 8);
    *out = packed;
    if (n == UINT64_MAX)
        return PX_ERR_OK;
    px_err err = pxi_import_unpacks(packed.n, n, b->at, b->d);
    if (err)
        return err;
    uint8_t *to = pxi_realloc(NULL, (size_t)n + 1, 1);
    if (!to)
        return PX_ERR_NOMEM;
    b->own[b->owned++] = to;
    *out = px_view_of(to, (size_t)n);
    if (!b->sink->unpack)
        return pxi_import_wrong(b->d, PX_ERR_UNSUPPORTED, b->at, "buffer", "no compression", n);
    return b->sink->unpack(b->sink->ctx, b->codec, packed, to, (size_t)n, b->d);
}

/* Buffer i of the column. */
static px_err get_buffer(struct batch *b, uint32_t i, px_view *out)
{
    uint64_t k = (uint64_t)b->first + i;
    if (k >= b->buffers.n)
        return pxi_import_wrong(b->d, PX_ERR_CORRUPT, b->at, "batch", "the buffers of the column",
                                b->buffers.n);
    uint64_t at = pxi_flat_at(&b->buffers, (uint32_t)k, 16, 0, 8);
    uint64_t n = pxi_flat_at(&b->buffers, (uint32_t)k, 16, 8, 8);
    if (at > b->body.n || n > b->body.n - at)
        return pxi_import_wrong(b->d, PX_ERR_CORRUPT, b->at, "buffer", "a place in the body", at);
    *out = px_view_of(b->body.p + at, (size_t)n);
    return n && b->codec ? unpack(b, *out, out) : PX_ERR_OK;
}

static px_err get_node(struct batch *b, uint32_t i, uint64_t *rows, uint64_t *nulls)
{
    uint64_t k = (uint64_t)b->a->node + i;
    if (k >= b->nodes.n)
        return pxi_import_wrong(b->d, PX_ERR_CORRUPT, b->at, "batch", "the nodes of the column",
                                b->nodes.n);
    *rows = pxi_flat_at(&b->nodes, (uint32_t)k, 16, 0, 8);
    *nulls = pxi_flat_at(&b->nodes, (uint32_t)k, 16, 8, 8);
    return PX_ERR_OK;
}

/* The parts of a column in a batch. */
struct parts {
    px_view valid;   /* bits, lowest first; empty: all are */
    px_view offsets; /* of 4 or 8 bytes; empty: of fixed size */
    unsigned width;  /* of an offset */
    px_view values;
    unsigned unit; /* bytes of a value */
};

static px_err get_parts(struct batch *b, struct parts *p)
{
    const struct pxi_arrow *a = b->a;
    bool text = a->kind >= PXI_ARROW_TEXT, fixed = a->kind == PXI_ARROW_FIXED_LIST;
    uint64_t rows = 0, nulls = 0, values = 0, gaps = 0;
    *p = (struct parts){.unit = text ? 1 : a->type.bytes};
    p->width = a->kind == PXI_ARROW_LARGE_LIST || a->kind == PXI_ARROW_LARGE_TEXT ? 8 : 4;
    px_err err = get_node(b, 0, &rows, &nulls);
    if (!err && !text)
        err = get_node(b, 1, &values, &gaps);
    if (!err && rows != b->rows)
        err = pxi_import_wrong(b->d, PX_ERR_CORRUPT, b->at, "batch", "as many rows in the column",
                               rows);
    if (!err && gaps)
        err = pxi_import_wrong(b->d, PX_ERR_UNSUPPORTED, b->at, "column", "lists without nulls",
                               gaps);
    if (!err && nulls)
        err = get_buffer(b, 0, &p->valid);
    if (!err && !fixed)
        err = get_buffer(b, 1, &p->offsets);
    if (!err)
        err = get_buffer(b, text ? 2 : fixed ? 2 : 3, &p->values);
    if (err)
        return err;
    bool few =
        (nulls && p->valid.n < rows / 8 + (rows % 8 != 0)) ||
        (rows && !fixed && (p->offsets.n / p->width < 2 || p->offsets.n / p->width - 1 < rows)) ||
        (fixed && a->each && p->values.n / p->unit / a->each < rows);
    return few ? pxi_import_wrong(b->d, PX_ERR_CORRUPT, b->at, "buffer", "an entry for each row",
                                  rows)
               : PX_ERR_OK;
}

/* Row i: where its values begin and end, in values. */
static bool place(const struct batch *b, const struct parts *p, uint64_t i, uint64_t *from,
                  uint64_t *to)
{
    if (b->a->kind == PXI_ARROW_FIXED_LIST) {
        *from = i * b->a->each;
        *to = *from + b->a->each;
    } else {
        *from = pxi_ndp_le(p->offsets.p + i * p->width, p->width);
        *to = pxi_ndp_le(p->offsets.p + (i + 1) * p->width, p->width);
    }
    return *from <= *to && *to <= p->values.n / p->unit;
}

static px_err put_rows(const struct batch *b, const struct parts *p, uint64_t *empty)
{
    px_err err = PX_ERR_OK;
    bool text = b->a->kind >= PXI_ARROW_TEXT;
    if (b->a->kind == PXI_ARROW_FIXED_LIST && !b->a->each) {
        *empty += b->rows;
        return PX_ERR_OK;
    }
    for (uint64_t i = 0; !err && i < b->rows; i++) {
        uint64_t from, to;
        bool null = p->valid.n && !(p->valid.p[i / 8] >> (i % 8) & 1);
        if (!null && !place(b, p, i, &from, &to))
            return pxi_import_wrong(b->d, PX_ERR_CORRUPT, b->at, "row", "values in their buffer",
                                    i);
        if (null || from == to) {
            ++*empty;
            continue;
        }
        px_view v = px_view_of(p->values.p + from * p->unit, (size_t)(to - from) * p->unit);
        err = text ? b->sink->text(b->sink->ctx, v)
                   : pxi_import_run(b->sink, b->a->type, v, b->at, false, b->d);
    }
    return err;
}

static px_err read_batch(const struct pxi_arrow *a, const struct message *m,
                         const struct pxi_import_sink *sink, uint64_t *empty, px_diag *d)
{
    static const char *const codecs[] = {"lz4", "zstd"};
    struct batch b = {.a = a, .sink = sink, .d = d, .body = m->body, .at = m->body_at};
    struct pxi_flat_table packed = pxi_flat_table(&m->header, BATCH_COMPRESSION);
    struct pxi_flat_vector views = pxi_flat_vector(&m->header, BATCH_VIEWS, 8);
    struct parts p;
    uint64_t codec = pxi_flat_number(&packed, 0, 1, 0), first = a->buffer;
    b.nodes = pxi_flat_vector(&m->header, BATCH_NODES, 16);
    b.buffers = pxi_flat_vector(&m->header, BATCH_BUFFERS, 16);
    b.rows = pxi_flat_number(&m->header, BATCH_ROWS, 8, 0);
    bool good = views.n >= a->views;
    for (uint32_t i = 0; good && i < a->views; i++) {
        uint64_t n = pxi_flat_at(&views, i, 8, 0, 8);
        good = n <= b.buffers.n && (first += n) <= b.buffers.n;
    }
    if (m->flat.failed || !good)
        return broken(d, m->body_at);
    if (packed.at && codec > 1)
        return pxi_import_wrong(d, PX_ERR_UNSUPPORTED, m->body_at, "compression", "lz4 or zstd",
                                codec);
    b.codec = packed.at ? codecs[codec] : NULL;
    b.first = (uint32_t)first;
    px_err err = get_parts(&b, &p);
    if (!err)
        err = put_rows(&b, &p, empty);
    while (b.owned)
        pxi_free(b.own[--b.owned]);
    return err;
}

/* The batches of a stream. */
static px_err read_stream(const struct pxi_arrow *a, const struct pxi_import_sink *sink,
                          uint64_t *empty, px_diag *d)
{
    struct message m = {.next = a->first};
    px_err err = PX_ERR_OK;
    while (!err && !(err = read_message(a->file, m.next, &m, d)) && !m.end) {
        if (m.type == SCHEMA)
            return pxi_import_wrong(d, PX_ERR_UNSUPPORTED, m.body_at, "message", "one schema", 2);
        if (m.type == BATCH)
            err = read_batch(a, &m, sink, empty, d);
    }
    return err;
}

/* Those that the footer of a file lists. */
static px_err read_file(const struct pxi_arrow *a, const struct pxi_import_sink *sink,
                        uint64_t *empty, px_diag *d)
{
    struct pxi_flat flat = {.bytes = a->footer};
    struct pxi_flat_table footer = pxi_flat_root(&flat);
    struct pxi_flat_vector blocks = pxi_flat_vector(&footer, FOOTER_BATCHES, BLOCK);
    size_t end = 8;
    px_err err = PX_ERR_OK;
    for (uint32_t i = 0; !err && i < blocks.n; i++) {
        struct message m;
        uint64_t at = pxi_flat_at(&blocks, i, BLOCK, 0, 8);
        if (at < end || at > a->file.n)
            return pxi_import_wrong(d, PX_ERR_CORRUPT, a->file.n - END, "footer",
                                    "batches in their order", at);
        err = read_message(a->file, (size_t)at, &m, d);
        if (!err && (m.end || m.type != BATCH))
            return pxi_import_wrong(d, PX_ERR_CORRUPT, at, "message", "a batch", m.type);
        if (!err)
            err = read_batch(a, &m, sink, empty, d);
        end = m.next;
    }
    return err ? err : flat.failed ? broken(d, a->file.n - END) : PX_ERR_OK;
}

px_err pxi_arrow_read(const struct pxi_arrow *a, const struct pxi_import_sink *sink,
                      uint64_t *empty, px_diag *d)
{
    if (a->kind >= PXI_ARROW_TEXT && !sink->text) {
        pxi_diag_field(d, "tokenizer");
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a tokenizer for columns of text", "none");
    }
    return a->stream ? read_stream(a, sink, empty, d) : read_file(a, sink, empty, d);
}

/* ------------------------------------------------------------------- folders */

px_err pxi_arrow_files_open(px_view state, struct pxi_json *out, px_diag *d)
{
    struct pxi_json j;
    px_view key;
    bool end = false, found = false;
    pxi_diag_field(d, "state.json");
    pxi_json_init(&j, state, d, 0);
    px_err err = pxi_walk_object(&j);
    while (!err && !(err = pxi_walk_key(&j, &key, &end)) && !end) {
        struct pxi_json before = j;
        if (pxi_json_text_is(key, "_data_files")) {
            found = true;
            err = pxi_walk_array(&j);
            *out = j;
            j = before;
        }
        if (!err)
            err = pxi_walk_skip(&j);
    }
    enum pxi_json_event e;
    if (!err)
        err = pxi_json_next(&j, &e); /* nothing behind it */
    if (!err && !found)
        err = pxi_diag_set(d, PX_ERR_CORRUPT, 0, "_data_files", "none");
    return err;
}

px_err pxi_arrow_files_next(struct pxi_json *j, px_view *name, bool *end, px_diag *d)
{
    px_view key;
    bool over = false;
    j->diag = d;
    pxi_diag_field(d, "state.json");
    *name = px_view_of(NULL, 0);
    px_err err = pxi_walk_next(j, end);
    if (err || *end)
        return err;
    while (!(err = pxi_walk_key(j, &key, &over)) && !over) {
        err = pxi_json_text_is(key, "filename") ? pxi_walk_text(j, name, NULL) : pxi_walk_skip(j);
        if (err)
            break;
    }
    return err;
}
