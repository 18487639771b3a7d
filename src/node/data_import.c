/* Training data of other tools, from their files and folders. */
#include "node/data_import.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "data/import_arrow.h"
#include "data/import_shards.h"
#include "io/unpack.h"
#include "plexus/file.h"

enum format { MEGATRON, LLMC, DATATROVE, MDS, LITDATA, ARROW, FORMATS };
static const char *const names[FORMATS] = {"megatron", "llmc",    "datatrove",
                                           "mds",      "litdata", "arrow"};

enum { PATH = 4096, TELL = 1 << 20 };

struct pxi_data_import {
    enum format format;
    px_file *file, *index;
    char path[PATH]; /* of the file, or of the folder with a "/" */
    struct pxi_import tokens;
    struct pxi_shards shards;
    struct pxi_json files; /* of a folder of arrow: in its list */
    struct pxi_import_column column;
    int32_t eot;
    uint64_t bytes;
    struct pxi_import_type type; /* of a token; 0 bytes: it differs, or is not known */
    /* while it reads */
    const struct pxi_data_import_to *to;
    px_diag *d;
    int32_t *gathered;
    size_t count, cap;
    uint64_t done, told, *left_out;
};

const char *pxi_data_import_name(unsigned i)
{
    return i < FORMATS ? names[i] : NULL;
}

/* ---------------------------------------------------------------- documents */

static px_err tell(struct pxi_data_import *m, uint64_t bytes)
{
    m->done += bytes;
    if (m->done - m->told < TELL)
        return PX_ERR_OK;
    m->told = m->done;
    uint64_t done = m->done < m->bytes ? m->done : m->bytes;
    return m->to->told && m->to->told(m->to->ctx, done, m->bytes) ? PX_ERR_INTERRUPTED : PX_ERR_OK;
}

static px_err room(struct pxi_data_import *m, size_t n)
{
    if (n <= m->cap)
        return PX_ERR_OK;
    size_t cap = m->cap * 2 > n ? m->cap * 2 : n;
    int32_t *more = pxi_realloc(m->gathered, cap, sizeof *more);
    if (!more)
        return PX_ERR_NOMEM;
    m->gathered = more;
    m->cap = cap;
    return PX_ERR_OK;
}

/* Parts of a document, until it is whole. */
static px_err gather(void *ctx, const int32_t *tokens, size_t n, bool more)
{
    struct pxi_data_import *m = ctx;
    px_err err = tell(m, n * (m->type.bytes ? m->type.bytes : 4));
    if (!err && !more && !m->count) { /* whole as it is */
        *m->left_out += !n;
        return n ? m->to->tokens(m->to->ctx, tokens, n) : PX_ERR_OK;
    }
    if (!err && m->count + n > PXI_LIMIT_DATA_DOCUMENT)
        return pxi_import_wrong(m->d, PX_ERR_LIMIT, 0, "document", "fewer tokens", m->count + n);
    if (!err)
        err = room(m, m->count + n);
    if (err)
        return err;
    if (n)
        memcpy(m->gathered + m->count, tokens, n * sizeof *tokens);
    m->count += n;
    if (more)
        return PX_ERR_OK;
    n = m->count;
    m->count = 0;
    *m->left_out += !n;
    return n ? m->to->tokens(m->to->ctx, m->gathered, n) : PX_ERR_OK;
}

static px_err put_text(void *ctx, px_view text)
{
    struct pxi_data_import *m = ctx;
    px_err err = tell(m, text.n);
    return err ? err : m->to->text(m->to->ctx, text);
}

static px_err unpack(void *ctx, const char *codec, px_view in, uint8_t *out, size_t n, px_diag *d)
{
    return pxi_unpack(codec, in, out, n, d);
}

/* ------------------------------------------------------------------ opening */

static bool ends(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

static px_err too_long(const char *path, px_diag *d)
{
    pxi_diag_field(d, "path");
    return pxi_diag_set(d, PX_ERR_LIMIT, 0, "a shorter path", "%zu bytes", strlen(path));
}

/* The index beside a file of tokens: another ending, or one more. */
static px_err open_index(struct pxi_data_import *m, const char *ending, bool more, px_diag *d)
{
    char path[PATH];
    const char *dot = strrchr(m->path, '.'), *slash = strrchr(m->path, '/');
    size_t n = strlen(m->path);
    if (!more && dot && (!slash || dot > slash))
        n = (size_t)(dot - m->path);
    if (n + strlen(ending) >= sizeof path)
        return too_long(m->path, d);
    snprintf(path, sizeof path, "%.*s%s", (int)n, m->path, ending);
    return px_file_open(path, &m->index, d);
}

static px_err open_tokens(struct pxi_data_import *m, px_diag *d)
{
    static const enum pxi_import_kind kinds[] = {PXI_IMPORT_MEGATRON, PXI_IMPORT_LLMC,
                                                 PXI_IMPORT_DATATROVE};
    px_err err = px_file_open(m->path, &m->file, d);
    if (!err && m->format != LLMC)
        err = m->format == MEGATRON ? open_index(m, ".idx", false, d)
                                    : open_index(m, ".index", true, d);
    if (err)
        return err;
    px_view index = m->index ? px_file_bytes(m->index) : px_view_of(NULL, 0);
    err = pxi_import_open(kinds[m->format], px_file_bytes(m->file), index, &m->tokens, d);
    m->bytes = px_file_bytes(m->file).n + index.n;
    m->type = m->tokens.type;
    return err;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Opens the index of a folder, or of the folder that it is in; m->path becomes that of the folder.
 */
static px_err open_folder(struct pxi_data_import *m, const char *index, px_diag *d)
{
    size_t n = strlen(m->path);
    bool folder = is_folder(m->path);
    if (folder && n && m->path[n - 1] != '/')
        m->path[n++] = '/';
    if (!folder) /* the index itself */
        n = strrchr(m->path, '/') ? (size_t)(strrchr(m->path, '/') - m->path) + 1 : 0;
    if (n + 16 > sizeof m->path)
        return too_long(m->path, d);
    if (folder)
        memcpy(m->path + n, index, strlen(index) + 1);
    px_err err = px_file_open(m->path, &m->index, d);
    m->path[n] = 0;
    return err;
}

/* A file that an index names. */
static px_err open_below(const struct pxi_data_import *m, px_view name, px_file **out, px_diag *d)
{
    char path[PATH];
    size_t n = strlen(m->path);
    *out = NULL;
    memcpy(path, m->path, n);
    if (!pxi_walk_path(name, path + n, sizeof path - n)) {
        pxi_diag_field(d, "name in the index");
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "a path below the folder", "another");
    }
    return px_file_open(path, out, d);
}

/* The file of a shard: as it is, else packed (*packed). */
static px_err open_shard(const struct pxi_data_import *m, const struct pxi_shard *s, px_file **out,
                         bool *packed, px_diag *d)
{
    px_err err = PX_ERR_NOT_FOUND;
    *out = NULL;
    for (unsigned i = 0; i < 2 && err == PX_ERR_NOT_FOUND; i++) {
        const struct pxi_shard_file *f = i ? &s->packed : &s->raw;
        if (!f->name.n)
            continue;
        *packed = i;
        err = open_below(m, f->name, out, d);
        if (!err && f->bytes && px_file_bytes(*out).n != f->bytes) {
            uint64_t found = px_file_bytes(*out).n;
            px_file_close(*out);
            *out = NULL;
            err = pxi_import_wrong(d, PX_ERR_TRUNCATED, found, "shard",
                                   "as many bytes as index.json says", found);
        }
    }
    return err;
}

static px_err open_shards(struct pxi_data_import *m, px_diag *d)
{
    px_err err = open_folder(m, "index.json", d);
    if (!err)
        err = pxi_shards_open(px_file_bytes(m->index), &m->column, &m->shards, d);
    if (!err && m->shards.mds != (m->format == MDS))
        err = pxi_import_wrong(d, PX_ERR_CORRUPT, 0, "index.json", "one of the format named",
                               m->shards.mds);
    struct pxi_shards s = m->shards;
    struct pxi_shard shard;
    bool end = false;
    while (!err && !(err = pxi_shards_next(&s, &shard, &end, d)) && !end) {
        m->bytes += shard.raw.bytes ? shard.raw.bytes : shard.packed.bytes;
        m->type = shard.typed && !shard.text ? shard.type : (struct pxi_import_type){0};
    }
    return err;
}

/* One file, and with `sink` what is in it. */
static px_err use_arrow(struct pxi_data_import *m, px_file *f, const struct pxi_import_sink *sink,
                        px_diag *d)
{
    struct pxi_arrow a;
    px_err err = pxi_arrow_open(px_file_bytes(f), &m->column, &a, d);
    if (!err && sink)
        return pxi_arrow_read(&a, sink, m->left_out, d);
    m->bytes += px_file_bytes(f).n;
    m->type = a.type;
    return err;
}

/* The file, or all of a folder. */
static px_err each_arrow(struct pxi_data_import *m, const struct pxi_import_sink *sink, px_diag *d)
{
    if (!m->index)
        return use_arrow(m, m->file, sink, d);
    struct pxi_json j = m->files;
    px_view name;
    bool end = false;
    px_err err = PX_ERR_OK;
    while (!err && !(err = pxi_arrow_files_next(&j, &name, &end, d)) && !end) {
        px_file *f;
        err = open_below(m, name, &f, d);
        if (!err)
            err = use_arrow(m, f, sink, d);
        px_file_close(f);
    }
    return err;
}

static px_err open_arrow(struct pxi_data_import *m, px_diag *d)
{
    px_err err;
    if (is_folder(m->path) || ends(m->path, "state.json")) {
        err = open_folder(m, "state.json", d);
        if (!err)
            err = pxi_arrow_files_open(px_file_bytes(m->index), &m->files, d);
    } else {
        err = px_file_open(m->path, &m->file, d);
    }
    return err ? err : each_arrow(m, NULL, d);
}

/* "NAME", or "NAME:TYPE". */
static struct pxi_import_column column_of(const char *text)
{
    struct pxi_import_column c = {0};
    if (!text)
        return c;
    const char *colon = strrchr(text, ':');
    c.name = px_view_str(text);
    if (colon && pxi_import_type(px_view_str(colon + 1), &c.type)) {
        c.typed = true;
        c.name.n = (size_t)(colon - text);
    }
    return c;
}

px_err pxi_data_import_open(const char *path, const char *format, const px_data_convert_options *o,
                            struct pxi_data_import **out, px_diag *d)
{
    struct pxi_data_import *m = *out = NULL;
    if (strlen(path) + 16 > PATH)
        return too_long(path, d);
    m = pxi_calloc(1, sizeof *m);
    if (!m)
        return PX_ERR_NOMEM;
    while (m->format < FORMATS && strcmp(names[m->format], format) != 0)
        m->format++;
    snprintf(m->path, sizeof m->path, "%s", path);
    m->column = column_of(o->column);
    m->eot = o->has_eot ? o->eot : -1;
    px_err err = m->format == ARROW ? open_arrow(m, d)
                 : m->format >= MDS ? open_shards(m, d)
                                    : open_tokens(m, d);
    if (err)
        pxi_data_import_close(m);
    else
        *out = m;
    return err;
}

void pxi_data_import_close(struct pxi_data_import *m)
{
    if (!m)
        return;
    px_file_close(m->file);
    px_file_close(m->index);
    pxi_free(m->gathered);
    pxi_free(m);
}

uint64_t pxi_data_import_bytes(const struct pxi_data_import *m)
{
    return m->bytes;
}

unsigned pxi_data_import_token_bytes(const struct pxi_data_import *m)
{
    if (!m->type.bytes)
        return 0;
    return m->type.bytes <= 2 && !m->type.is_signed ? 2 : 4;
}

/* ------------------------------------------------------------------ finding */

/* The first bytes of a file, as many as there are. */
static size_t begin_of(const char *path, uint8_t *out, size_t cap)
{
    px_file *f;
    px_diag d;
    if (px_file_open(path, &f, &d) != PX_ERR_OK)
        return 0;
    px_view v = px_file_bytes(f);
    size_t n = v.n < cap ? v.n : cap;
    memcpy(out, v.p, n);
    px_file_close(f);
    return n;
}

/* Of which of the two an index is; MDS also, when it is none. */
static enum format shards_of(const char *path)
{
    static const px_data_convert_options none;
    struct pxi_data_import *m;
    px_diag d;
    px_err err = pxi_data_import_open(path, names[LITDATA], &none, &m, &d);
    pxi_data_import_close(m);
    return err == PX_ERR_OK || err == PX_ERR_UNSUPPORTED ? LITDATA : MDS;
}

const char *pxi_data_import_find(const char *path)
{
    static const uint8_t small[4] = {0x88, 0xd8, 0x34, 0x01}, large[4] = {0xa1, 0xd9, 0x34, 0x01};
    uint8_t head[8] = {0};
    char state[PATH];
    snprintf(state, sizeof state, "%.4000s/state.json", path);
    if (ends(path, "state.json") || begin_of(state, head, 1))
        return names[ARROW];
    if (is_folder(path) || ends(path, "index.json"))
        return names[shards_of(path)];
    size_t n = begin_of(path, head, sizeof head);
    if (ends(path, ".arrow") || (n == 8 && memcmp(head, "ARROW1", 6) == 0))
        return names[ARROW];
    if (n == 8 && (memcmp(head, small, 4) == 0 || memcmp(head, large, 4) == 0))
        return names[LLMC];
    if (ends(path, ".ds"))
        return names[DATATROVE];
    char idx[PATH];
    size_t stem = strlen(path);
    if (!ends(path, ".bin") || stem >= sizeof idx)
        return NULL;
    snprintf(idx, sizeof idx, "%.*s.idx", (int)stem - 4, path);
    return begin_of(idx, head, sizeof head) == 8 && memcmp(head, "MMIDIDX", 8) == 0
               ? names[MEGATRON]
               : NULL;
}

/* ------------------------------------------------------------------ reading */

/* The bytes of a shard that is packed; the caller frees them. */
static px_err unpack_shard(const struct pxi_shard *s, px_view packed, uint8_t **out, px_diag *d)
{
    char codec[32];
    size_t n = s->codec.n;
    const uint8_t *colon = n ? memchr(s->codec.p, ':', n) : NULL;
    n = colon ? (size_t)(colon - s->codec.p) : n; /* "zstd:7" */
    pxi_escape(codec, sizeof codec, s->codec.p, n);
    *out = NULL;
    px_err err = pxi_import_unpacks(packed.n, s->raw.bytes, 0, d);
    if (err)
        return err;
    if (!(*out = pxi_realloc(NULL, (size_t)s->raw.bytes + 1, 1)))
        return PX_ERR_NOMEM;
    return pxi_unpack(codec, packed, *out, (size_t)s->raw.bytes, d);
}

static px_err read_shard(const struct pxi_data_import *m, const struct pxi_shard *s,
                         const struct pxi_import_sink *sink, px_diag *d)
{
    px_file *f;
    uint8_t *own = NULL;
    bool packed = false;
    px_err err = open_shard(m, s, &f, &packed, d);
    if (err)
        return err;
    px_view bytes = px_file_bytes(f);
    if (packed) {
        err = unpack_shard(s, bytes, &own, d);
        bytes = px_view_of(own, (size_t)s->raw.bytes);
    }
    if (!err)
        err = pxi_shard_read(s, bytes, sink, m->left_out, d);
    pxi_free(own);
    px_file_close(f);
    return err;
}

px_err pxi_data_import_read(struct pxi_data_import *m, const struct pxi_data_import_to *to,
                            uint64_t *left_out, px_diag *d)
{
    struct pxi_import_sink sink = {gather, to->text ? put_text : NULL, unpack, m};
    m->to = to;
    m->d = d;
    m->left_out = left_out;
    m->count = 0;
    m->done = m->told = 0;
    if (m->format == ARROW)
        return each_arrow(m, &sink, d);
    if (m->format < MDS)
        return pxi_import_read(&m->tokens, m->eot, &sink, d);
    struct pxi_shards s = m->shards;
    struct pxi_shard shard;
    bool end = false;
    px_err err = PX_ERR_OK;
    while (!err && !(err = pxi_shards_next(&s, &shard, &end, d)) && !end)
        err = read_shard(m, &shard, &sink, d);
    return err;
}
