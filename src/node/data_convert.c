/* One format of training data as another. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "io/disk.h"
#include "io/team.h"
#include "node/data.h"
#include "node/data_export.h"
#include "node/data_import.h"
#include "node/data_lines.h"
#include "node/data_marks.h"
#include "text/tokenizer.h"

enum { MAX_TOKENS = 512, PACKET_TOKENS = PXI_NDP_MOST / 4, OUT_BYTES = 1 << 20 };
enum { COMMIT_BYTES = 32 << 20, COMMIT_PART = 32 }; /* of IN; at least so large a part of it */

/* FOREIGN: what node/data_import.h reads, which has names of its own. */
enum format { FROM_FILE, NDP, NDP3, JSONL, TEXT, MEGATRON, LLMC, FORMATS, FOREIGN };
static const char *const names[FORMATS] = {NULL,   "ndp",      "ndp3", "jsonl",
                                           "text", "megatron", "llmc"};

struct convert {
    px_data_convert_options o;
    px_data_convert_report *report;
    px_diag *d;
    enum format from, to;
    struct pxi_data_bytes in;
    px_view bytes;
    struct pxi_data_import *import; /* else: another tool's */
    struct pxi_kernels kernels;
    struct pxi_ndp_sums sums;
    px_data_writer *store; /* to a store */
    struct pxi_data_export *export;
    char *temporary; /* else a file */
    struct pxi_file *file;
    uint64_t at; /* bytes written */
    struct pxi_buf out;
    struct pxi_file *bad;
    uint64_t bad_at;
    int32_t *tokens;
    size_t token_cap;
    struct pxi_encoder *encoder;
    /* of what can be gone on with: */
    struct pxi_data_marks *marks;
    struct pxi_data_mark mark; /* the last; sequence 0: none */
    char *part;
    size_t dropped; /* pages of IN before here were given back */
};

/* ------------------------------------------------------------------- output */

static px_err flush_out(struct convert *c)
{
    px_err err =
        c->out.n ? pxi_disk_write(c->file, c->at, px_view_of(c->out.p, c->out.n)) : PX_ERR_OK;
    c->at += c->out.n;
    c->out.n = 0;
    return err;
}

static px_err put(void *ctx, px_view bytes)
{
    struct convert *c = ctx;
    px_err err = c->out.n + bytes.n > OUT_BYTES ? flush_out(c) : PX_ERR_OK;
    if (!err && !pxi_buf_add(&c->out, bytes.p, bytes.n))
        err = PX_ERR_NOMEM;
    return err;
}

static px_err put_packet(struct convert *c, const int32_t *tokens, size_t n)
{
    uint8_t packet[PXI_NDP_PACKET_BYTES + 4 * PACKET_TOKENS + PXI_NDP_TAIL];
    struct pxi_ndp_packet head = {.src = c->o.src, .dst = c->o.dst, .typ = PXI_NDP_TYP_TOKEN_IDS};
    for (size_t i = 0; i < n; i++)
        pxi_ndp_put_be(packet + PXI_NDP_PACKET_BYTES + 4 * i, 4, (uint32_t)tokens[i]);
    pxi_ndp_write(&c->sums, (struct pxi_ndp_variant){0}, head,
                  px_view_of(packet + PXI_NDP_PACKET_BYTES, 4 * n), packet);
    return put(c, px_view_of(packet, pxi_ndp_bytes(4 * n)));
}

static px_err put_json(struct convert *c, const int32_t *tokens, size_t n)
{
    px_err err = put(c, px_view_str("{\"tokens\":["));
    for (size_t i = 0; !err && i < n; i++) {
        uint8_t text[12], *end = text + sizeof text, *p = end;
        uint32_t v = (uint32_t)tokens[i];
        do
            *--p = (uint8_t)('0' + v % 10);
        while (v /= 10);
        if (i)
            *--p = ',';
        err = put(c, px_view_of(p, (size_t)(end - p)));
    }
    return err ? err : put(c, px_view_str("]}\n"));
}

/* A document, in as many samples as it takes. */
static px_err put_document(struct convert *c, const int32_t *tokens, size_t n)
{
    px_err err = PX_ERR_OK;
    c->report->documents++;
    c->report->tokens += n;
    if (c->to == JSONL)
        return put_json(c, tokens, n);
    if (c->export)
        return pxi_data_export_put(c->export, tokens, n, c->d);
    for (size_t at = 0; !err && at < n; at += c->o.max_tokens) {
        size_t some = n - at < c->o.max_tokens ? n - at : c->o.max_tokens;
        err = c->to == NDP ? put_packet(c, tokens + at, some)
                           : px_data_write(c->store, c->o.src, c->o.dst, tokens + at, some, at > 0);
        c->report->samples++;
    }
    return err;
}

/* -------------------------------------------------------------------- input */

static px_err room(struct convert *c, size_t n)
{
    if (n <= c->token_cap)
        return PX_ERR_OK;
    int32_t *more = pxi_realloc(c->tokens, n, sizeof *more);
    if (!more)
        return PX_ERR_NOMEM;
    c->tokens = more;
    c->token_cap = n;
    return PX_ERR_OK;
}

static px_err put_text(struct convert *c, px_view text)
{
    const int32_t *ids;
    size_t n;
    if (!c->encoder && !(c->encoder = pxi_encoder_new(c->o.tokenizer, 1)))
        return PX_ERR_NOMEM;
    px_err err = pxi_encoder_run(c->encoder, text, PX_ENCODE_SPECIAL, &ids, &n);
    return err ? err : put_document(c, ids, n);
}

static px_err put_bad(struct convert *c, px_view line)
{
    if (!c->o.bad)
        return PX_ERR_OK;
    int flags = O_RDWR | O_CREAT | (c->bad_at ? 0 : O_TRUNC);
    px_err err = c->bad ? PX_ERR_OK : pxi_disk_open(AT_FDCWD, c->o.bad, flags, 0666, &c->bad);
    if (!err)
        err = pxi_disk_write(c->bad, c->bad_at, line);
    if (!err)
        err = pxi_disk_write(c->bad, c->bad_at + line.n, px_view_str("\n"));
    c->bad_at += line.n + 1;
    return err;
}

static px_err tell(struct convert *c, uint64_t done)
{
    return c->o.progress && c->o.progress(c->o.ctx, done, c->bytes.n) ? PX_ERR_INTERRUPTED
                                                                      : PX_ERR_OK;
}

/* All that was written counts, and what of IN it was made of. */
static px_err commit(struct convert *c, uint64_t at, uint64_t lines, bool done)
{
    const px_data_convert_report *r = c->report;
    px_err err = c->file ? flush_out(c) : PX_ERR_OK;
    if (!err && c->file)
        err = pxi_disk_sync(c->file);
    if (!err && c->bad)
        err = pxi_disk_sync(c->bad);
    struct pxi_data_mark m = {.sequence = c->mark.sequence + 1,
                              .done = done,
                              .at = at,
                              .lines = lines,
                              .out_bytes = c->at,
                              .bad_bytes = c->bad_at,
                              .documents = r->documents,
                              .samples = r->samples,
                              .tokens = r->tokens,
                              .malformed = r->malformed,
                              .first_malformed = r->first_malformed,
                              .first_at = c->mark.first_at};
    if (!err)
        err = pxi_data_marks_add(c->marks, &m);
    if (!err && c->store) /* before this the mark is one of a commit that never was */
        err = px_data_commit(c->store);
    if (!err)
        c->mark = m;
    return err;
}

static px_err put_part(struct convert *c, const struct pxi_data_part *p, uint64_t lines)
{
    const int32_t *tokens = p->tokens;
    px_err err = PX_ERR_OK;
    if (p->err) {
        *c->d = p->d;
        return p->err;
    }
    for (size_t i = 0; !err && i < p->document_count; i++) {
        err = put_document(c, tokens, p->documents[i]);
        tokens += p->documents[i];
    }
    for (size_t i = 0; !err && i < p->bad_count; i++) {
        if (!c->report->malformed++) {
            c->report->first_malformed = lines + p->bad[i].number;
            c->report->first = p->first;
            pxi_diag_field(&c->report->first, "line %llu",
                           (unsigned long long)c->report->first_malformed);
            c->mark.first_at = (uint64_t)(p->bad[i].line.p - c->bytes.p);
        }
        err = put_bad(c, p->bad[i].line);
    }
    return err;
}

/* Pages of IN that were read need no memory any more. */
static void drop_pages(struct convert *c, uint64_t at)
{
    enum { STEP = 8 << 20 };
    size_t to = (size_t)at & ~(size_t)(STEP - 1);
    if (to <= c->dropped)
        return;
    madvise((void *)(uintptr_t)(c->bytes.p + c->dropped), to - c->dropped, MADV_DONTNEED);
    c->dropped = to;
}

/* Is it time? The same for any number of threads, and for those who went on. */
static bool is_due(const struct convert *c, uint64_t at)
{
    uint64_t least = c->o.commit_bytes ? c->o.commit_bytes : COMMIT_BYTES;
    uint64_t since = at - c->mark.at;
    return c->marks && since >= least && since >= at / COMMIT_PART && at < c->bytes.n;
}

static px_err read_lines(struct convert *c)
{
    struct pxi_data_lines *l;
    const struct pxi_data_part *p;
    uint64_t at = c->mark.at, lines = c->mark.lines;
    px_err err = c->mark.done ? PX_ERR_OK : tell(c, at);
    if (err || c->mark.done)
        return err;
    unsigned threads = c->o.threads ? c->o.threads : pxi_team_processors();
    err = pxi_data_lines_open(c->bytes, at, c->o.tokenizer, threads, &l);
    while (!err && !(err = pxi_data_lines_next(l, &p)) && p) {
        err = put_part(c, p, lines);
        at = p->to;
        lines += p->lines;
        pxi_data_lines_give(l, p);
        if (!err && is_due(c, at))
            err = commit(c, at, lines, false);
        if (!err)
            err = tell(c, at);
        drop_pages(c, at);
    }
    pxi_data_lines_close(l);
    return !err && c->marks ? commit(c, at, lines, true) : err;
}

/* ---------------------------------------------------------------- going on */

/* A hash of all that the bytes of OUT depend on; with `when`, of the time of IN, too. */
static px_err hash_job(const struct convert *c, uint64_t when, uint8_t out[32])
{
    enum { ENDS = 1 << 16 };
    const px_tokenizer *t = c->o.tokenizer;
    struct pxi_buf b = {.max = 1 << 20};
    uint64_t numbers[] = {(uint64_t)c->to, c->bytes.n,       c->o.max_tokens,   c->o.src,
                          c->o.dst,        c->o.token_bytes, c->o.commit_bytes, when};
    size_t ends = c->bytes.n < ENDS ? c->bytes.n : ENDS;
    px_view parts[2] = {px_view_of(c->bytes.p, ends),
                        px_view_of(c->bytes.p + c->bytes.n - ends, ends)};
    uint8_t hash[32];
    bool ok =
        pxi_buf_add(&b, "plexus data convert 1", 21) && pxi_buf_add(&b, numbers, sizeof numbers);
    for (unsigned i = 0; ok && i < 2; i++) {
        pxi_blake3(parts[i], hash);
        ok = pxi_buf_add(&b, hash, sizeof hash);
    }
    for (unsigned i = 0; ok && t && i < t->source_count; i++) {
        pxi_blake3(t->sources[i], hash);
        ok = pxi_buf_add(&b, hash, sizeof hash);
    }
    if (ok)
        pxi_blake3(px_view_of(b.p, b.n), out);
    pxi_buf_deinit(&b);
    return ok ? PX_ERR_OK : PX_ERR_NOMEM;
}

static char *beside(const char *out, const char *ending)
{
    size_t n = strlen(out) + strlen(ending) + 1;
    char *path = pxi_calloc(1, n);
    if (path)
        snprintf(path, n, "%s%s", out, ending);
    return path;
}

/* Do the files hold what the mark says? Then they are cut to it. */
static bool fits(struct convert *c, const struct pxi_data_mark *m)
{
    if (c->file && pxi_disk_bytes(c->file) < m->out_bytes)
        return false;
    if (c->o.bad && m->bad_bytes) {
        if (pxi_disk_open(AT_FDCWD, c->o.bad, O_RDWR, 0, &c->bad) != PX_ERR_OK)
            return false;
        if (pxi_disk_bytes(c->bad) < m->bad_bytes ||
            pxi_disk_resize(c->bad, m->bad_bytes) != PX_ERR_OK) {
            pxi_disk_close(c->bad);
            c->bad = NULL;
            return false;
        }
    }
    return true;
}

/* From a mark on: the report as it was, and what was wrong with the first malformed line. */
static void go_on(struct convert *c, const struct pxi_data_mark *m)
{
    px_data_convert_report *r = c->report;
    c->mark = *m;
    c->at = m->out_bytes;
    c->bad_at = m->bad_bytes;
    r->documents = m->documents;
    r->samples = m->samples;
    r->tokens = m->tokens;
    r->malformed = m->malformed;
    r->first_malformed = m->first_malformed;
    r->resumed = m->lines;
    if (m->malformed && m->first_at < c->bytes.n) {
        const uint8_t *p = c->bytes.p + m->first_at;
        size_t n = c->bytes.n - (size_t)m->first_at;
        const uint8_t *nl = memchr(p, '\n', n);
        struct pxi_jsonl row;
        if (pxi_jsonl_read(px_view_of(p, nl ? (size_t)(nl - p) : n), m->first_malformed,
                           m->first_at, &row, &r->first) == PX_ERR_OK)
            pxi_diag_set(&r->first, PX_ERR_OK, m->first_at, "", "a line that has changed since");
    }
}

static px_data_writer_options store_options(const struct convert *c);

/* A store that is gone on with, or a new one. */
static px_err open_store(struct convert *c, const uint8_t job[32])
{
    px_data_writer_options o = store_options(c);
    struct pxi_data_mark m = {0};
    px_err err = pxi_data_writer_at(c->part, &o, job, false, &c->store, c->d);
    uint64_t commits = err ? 0 : pxi_writer_generation(pxi_data_writer_inner(c->store));
    if (err || !commits)
        return err;
    if (pxi_data_marks_find(c->marks, commits, &m) && fits(c, &m)) {
        go_on(c, &m);
        return PX_ERR_OK;
    }
    px_data_writer_free(c->store);
    return pxi_data_writer_at(c->part, &o, job, true, &c->store, c->d);
}

static px_err open_file(struct convert *c)
{
    struct pxi_data_mark m;
    px_err err = pxi_disk_open(AT_FDCWD, c->part, O_RDWR | O_CREAT, 0666, &c->file);
    pxi_diag_field(c->d, "%.90s", c->part);
    if (err)
        return pxi_diag_set(c->d, err, 0, "a file that can be written", "%s", px_err_text(err));
    if (pxi_data_marks_find(c->marks, 0, &m) && fits(c, &m))
        go_on(c, &m);
    return pxi_disk_resize(c->file, c->at);
}

/* OUT of JSON lines: OUT.part, and OUT.resume with how far it came. */
static px_err open_part(struct convert *c, const char *in, const char *out)
{
    uint8_t job[32], id[32];
    struct stat st;
    uint64_t when = stat(in, &st) == 0
                        ? (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec
                        : 0;
    char *path = beside(out, ".resume");
    c->part = beside(out, ".part");
    px_err err = path && c->part ? hash_job(c, when, job) : PX_ERR_NOMEM;
    if (!err)
        err = hash_job(c, 0, id); /* the same for another copy of IN */
    if (!err)
        err = pxi_data_marks_open(path, job, &c->sums, &c->marks, c->d);
    pxi_free(path);
    if (err)
        return err;
    return c->to == NDP3 ? open_store(c, id) : open_file(c);
}

/* Foreign bytes of a store, which only packets hold. */
static px_err count_foreign(struct convert *c, const struct pxi_source *s)
{
    px_err err = PX_ERR_OK;
    for (uint32_t k = 0; !err && k < pxi_source_info(s)->segments; k++) {
        const struct pxi_source_segment *g = pxi_source_segment(s, k);
        px_view part = px_view_of(g->bytes.p + g->layout.at[PXI_NDP_PART_FOREIGN],
                                  g->layout.bytes[PXI_NDP_PART_FOREIGN]);
        struct pxi_ndp_foreign f;
        px_view bytes;
        bool bad;
        if ((err = pxi_source_hold_bytes(s, part.p, part.n)))
            return err;
        for (size_t at = 0; pxi_ndp_foreign_next(part, &at, &f, &bytes, &bad);)
            c->report->dropped++;
        pxi_source_let_go_bytes(s, part.p, part.n);
    }
    return err;
}

/* The tokens of a sample behind those that were gathered; *item is it. */
static px_err gather_sample(struct convert *c, const struct pxi_source *s, uint64_t i, size_t n,
                            const struct pxi_item *item)
{
    px_sample view = {.bytes = item->bytes,
                      .tokens = item->tokens,
                      .token_bytes = item->form == PXI_FORM_U16 ? 2 : 4,
                      .big_endian = item->form == PXI_FORM_BE32};
    px_err err = room(c, n + item->tokens);
    if (!err)
        err = pxi_source_hold_bytes(s, item->bytes.p, item->bytes.n);
    if (err)
        return err;
    pxi_diag_field(c->d, "sample %llu", (unsigned long long)i);
    if (!pxi_source_right(s, item))
        err = pxi_diag_set(c->d, PX_ERR_CORRUPT, 0, "a sample with its checksum", "a damaged one");
    else if (item->tokens)
        px_sample_tokens(&view, 0, c->tokens + n, item->tokens);
    pxi_source_let_go_bytes(s, item->bytes.p, item->bytes.n);
    return err;
}

/* Samples of a source to documents: those that continue belong together. */
static px_err read_samples(struct convert *c, const struct pxi_source *s)
{
    px_err err = count_foreign(c, s);
    size_t n = 0;
    uint32_t segment = UINT32_MAX;
    for (uint64_t i = 0; !err && i < pxi_source_info(s)->samples; i++) {
        struct pxi_item item;
        bool there = pxi_source_item(s, i, &item);
        pxi_diag_field(c->d, "sample %llu", (unsigned long long)i);
        if (!there)
            return item.err ? item.err
                            : pxi_diag_set(c->d, PX_ERR_CORRUPT, 0, "a sample with its checksum",
                                           "a damaged one");
        if (segment != item.segment)
            pxi_source_ahead_segment(s, (segment = item.segment) + 1);
        if (n && !(item.flags & PXI_NDP_FLAG_CONTINUES)) {
            err = put_document(c, c->tokens, n);
            n = 0;
        }
        c->report->left_out += item.form == PXI_FORM_RAW;
        if (!err)
            err = gather_sample(c, s, i, n, &item);
        n += item.tokens;
    }
    return err || !n ? err : put_document(c, c->tokens, n);
}

/* ------------------------------------------------------------- packets, stores */

static bool told(void *ctx, uint64_t done, uint64_t all)
{
    struct convert *c = ctx;
    return c->o.progress && c->o.progress(c->o.ctx, done, all);
}

static px_err packets_to_store(struct convert *c)
{
    unsigned checked;
    struct pxi_ndp_variant v;
    pxi_ndp_detect(&c->sums, c->bytes, &v, &checked);
    px_err err = pxi_data_writer_variant(c->store, v);
    if (!err)
        err = pxi_packets_read(&c->sums, v, c->bytes, pxi_data_writer_inner(c->store), told, c);
    const struct pxi_ndp_directory *t = pxi_writer_totals(pxi_data_writer_inner(c->store));
    c->report->samples = c->report->documents = t->samples;
    c->report->tokens = t->tokens;
    return err;
}

static px_err take_tokens(void *ctx, const int32_t *tokens, size_t n)
{
    return put_document(ctx, tokens, n);
}

static px_err take_text(void *ctx, px_view text)
{
    return put_text(ctx, text);
}

static px_err read_foreign(struct convert *c)
{
    struct pxi_data_import_to to = {take_tokens, c->o.tokenizer ? take_text : NULL, told, c};
    return pxi_data_import_read(c->import, &to, &c->report->left_out, c->d);
}

static px_err read_source(struct convert *c)
{
    struct pxi_source_options o = {.sums = &c->sums, .far = c->in.far};
    struct pxi_source *s;
    px_err err = pxi_source_open(&o, c->bytes, &s, c->d);
    if (err)
        return err;
    pxi_data_bytes_settle(&c->in, s, &c->sums);
    for (unsigned k = 0; k < PXI_NDP_DROPS; k++)
        c->report->dropped += pxi_source_info(s)->dropped[k];
    if (c->to == NDP) {
        err = pxi_packets_write(&c->sums, s, put, c, told, c, c->d);
        c->report->samples = c->report->documents = pxi_source_info(s)->samples;
        c->report->tokens = pxi_source_info(s)->tokens;
    } else {
        if (c->export)
            err = pxi_data_export_expect(c->export, pxi_source_info(s)->tokens,
                                         pxi_source_info(s)->vocab, c->d);
        if (!err)
            err = read_samples(c, s);
    }
    pxi_source_close(s);
    return err;
}

/* ---------------------------------------------------------------- formats */

static enum format named(const char *name)
{
    for (unsigned i = NDP; i < FORMATS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return FROM_FILE;
}

static bool ends(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

static enum format by_name(const char *path)
{
    return ends(path, ".qubgpu") || ends(path, ".ndp") ? NDP
           : ends(path, ".ndp3")                       ? NDP3
           : ends(path, ".jsonl")                      ? JSONL
           : ends(path, ".txt")                        ? TEXT
                                                       : FROM_FILE;
}

/* The format of IN, which is opened. */
static px_err settle_in(struct convert *c, const char *in)
{
    const char *foreign = c->o.from ? NULL : pxi_data_import_find(in), *name;
    for (unsigned i = 0; c->o.from && (name = pxi_data_import_name(i)); i++)
        if (strcmp(name, c->o.from) == 0)
            foreign = name;
    if (foreign) {
        px_err err = pxi_data_import_open(in, foreign, &c->o, &c->import, c->d);
        c->from = FOREIGN;
        c->report->from = foreign;
        c->report->bytes_in = err ? 0 : pxi_data_import_bytes(c->import);
        return err;
    }
    const px_data_options o = {.progress = c->o.progress, .ctx = c->o.ctx};
    px_err err = pxi_data_bytes_open(&c->in, in, &o, &c->sums, c->d);
    if (err)
        return err;
    c->bytes = c->in.view;
    bool store = c->bytes.n >= 4 && memcmp(c->bytes.p, "NDP3", 4) == 0;
    bool packets = c->bytes.n && c->bytes.p[0] == PXI_NDP_SYNC;
    c->from = c->o.from ? named(c->o.from) : store ? NDP3 : packets ? NDP : by_name(in);
    pxi_diag_field(c->d, "from");
    if (c->from == FROM_FILE)
        return pxi_diag_set(c->d, PX_ERR_INVALID, 0, "a format that plexus help data convert names",
                            "%s", c->o.from ? c->o.from : "a file that tells no format");
    c->report->from = names[c->from];
    c->report->bytes_in = c->bytes.n;
    return PX_ERR_OK;
}

static px_err settle(struct convert *c, const char *in, const char *out)
{
    c->to = c->o.to ? named(c->o.to) : by_name(out);
    pxi_diag_field(c->d, "to");
    if (c->to == FROM_FILE || c->to == TEXT)
        return pxi_diag_set(c->d, PX_ERR_INVALID, 0, "ndp, ndp3, jsonl, megatron or llmc", "%s",
                            c->o.to ? c->o.to : "a name that tells no format");
    c->report->to = names[c->to];
    px_err err = settle_in(c, in);
    if (err)
        return err;
    pxi_diag_field(c->d, "tokenizer");
    if (c->from == TEXT && !c->o.tokenizer)
        return pxi_diag_set(c->d, PX_ERR_INVALID, 0, "a tokenizer for text", "none");
    uint32_t most = c->to == NDP ? PACKET_TOKENS : PXI_NDP_SAMPLE_MOST / 4 - 1;
    pxi_diag_field(c->d, "max_tokens");
    if (c->o.max_tokens > most)
        return pxi_diag_set(c->d, PX_ERR_INVALID, 0, "what a sample of the format holds", "%u",
                            c->o.max_tokens);
    return PX_ERR_OK;
}

/* Bytes of a token in OUT: as asked for, as the tokenizer needs, as in IN; 0: that says nothing. */
static unsigned token_bytes(const struct convert *c)
{
    unsigned there = c->import ? pxi_data_import_token_bytes(c->import) : 0;
    bool u16 = c->from == NDP3 && pxi_data_store_u16(c->bytes);
    if (c->o.token_bytes || there || u16)
        return c->o.token_bytes ? c->o.token_bytes : u16 ? 2 : there;
    if (!c->o.tokenizer || c->from == NDP || c->from == NDP3)
        return 0;
    return px_tokenizer_size(c->o.tokenizer) <= 65536 ? 2 : 4;
}

static px_err open_export(struct convert *c, const char *out)
{
    /* llm.c reads tokens of two bytes as a rule; those of a file of its own that has four stay so.
     */
    unsigned bytes = token_bytes(c);
    bool wide = c->to == MEGATRON || c->o.token_bytes || strcmp(c->report->from, "llmc") == 0;
    struct pxi_data_export_options o = {.megatron = c->to == MEGATRON,
                                        .token_bytes = bytes == 2 || !wide ? 2 : 4,
                                        .has_eot = c->o.has_eot,
                                        .eot = c->o.eot};
    px_err err = pxi_data_export_open(out, &o, &c->export, c->d);
    if (!err && c->o.tokenizer && c->from != NDP && c->from != NDP3)
        err = pxi_data_export_expect(c->export, 0, px_tokenizer_size(c->o.tokenizer), c->d);
    return err;
}

static px_data_writer_options store_options(const struct convert *c)
{
    const px_tokenizer *t = c->from == JSONL || c->from == TEXT ? c->o.tokenizer : NULL;
    return (px_data_writer_options){.size = sizeof(px_data_writer_options),
                                    .token_bytes = token_bytes(c),
                                    .vocab = t ? px_tokenizer_size(t) : 0,
                                    .bos = t ? px_tokenizer_bos(t) : -1,
                                    .eos = t ? px_tokenizer_eos(t) : -1,
                                    .pad = -1};
}

static px_err open_out(struct convert *c, const char *in, const char *out)
{
    if (c->from == JSONL && c->to != MEGATRON && c->to != LLMC)
        return open_part(c, in, out);
    if (c->to == MEGATRON || c->to == LLMC)
        return open_export(c, out);
    if (c->to == NDP3) {
        px_data_writer_options o = store_options(c);
        return px_data_writer_new(out, &o, &c->store, c->d);
    }
    size_t n = strlen(out) + 32;
    if (!(c->temporary = pxi_calloc(1, n)))
        return PX_ERR_NOMEM;
    snprintf(c->temporary, n, "%s.%ld.part", out, (long)getpid());
    px_err err =
        pxi_disk_open(AT_FDCWD, c->temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666, &c->file);
    pxi_diag_field(c->d, "%.90s", out);
    return err ? pxi_diag_set(c->d, err, 0, "a file that can be written", "%s", px_err_text(err))
               : PX_ERR_OK;
}

static px_err finish(struct convert *c, const char *out)
{
    if (c->marks) { /* all was committed */
        px_err err = rename(c->part, out) == 0 ? PX_ERR_OK : pxi_disk_error();
        pxi_data_marks_close(c->marks, !err);
        c->marks = NULL;
        return err;
    }
    if (c->store)
        return px_data_commit(c->store);
    if (c->export)
        return pxi_data_export_finish(c->export);
    px_err err = flush_out(c);
    if (!err)
        err = pxi_disk_sync(c->file);
    if (!err && rename(c->temporary, out) != 0)
        err = pxi_disk_error();
    if (!err) {
        pxi_free(c->temporary);
        c->temporary = NULL;
    }
    return err;
}

static px_err run(struct convert *c)
{
    switch (c->from) {
    case FOREIGN: return read_foreign(c);
    case JSONL: return read_lines(c);
    case TEXT: return put_text(c, c->bytes);
    case NDP:
        if (c->to == NDP3)
            return packets_to_store(c);
        /* fall through */
    default: return read_source(c);
    }
}

static void close_all(struct convert *c)
{
    bool keep = c->mark.sequence != 0; /* there is something to go on with */
    c->report->committed = c->marks && keep ? c->mark.lines : 0;
    if (c->marks && !keep)
        unlink(c->part);
    pxi_data_marks_close(c->marks, !keep);
    pxi_encoder_free(c->encoder);
    px_data_writer_free(c->store);
    pxi_disk_close(c->file);
    pxi_disk_close(c->bad);
    if (c->temporary)
        unlink(c->temporary);
    pxi_data_bytes_close(&c->in);
    pxi_data_import_close(c->import);
    pxi_data_export_close(c->export);
    pxi_buf_deinit(&c->out);
    pxi_free(c->temporary);
    pxi_free(c->tokens);
    pxi_free(c->part);
    pxi_free(c);
}

px_err px_data_convert(const char *in, const char *out, const px_data_convert_options *options,
                       px_data_convert_report *report, px_diag *diag)
{
    struct convert *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return PX_ERR_NOMEM;
    *report = (px_data_convert_report){0};
    pxi_data_options(&c->o, sizeof c->o, options);
    c->o.max_tokens = c->o.max_tokens ? c->o.max_tokens : MAX_TOKENS;
    c->o.src = c->o.src ? c->o.src : PXI_NDP_SRC_TEXT_CORPUS;
    c->o.dst = c->o.dst ? c->o.dst : PXI_NDP_DST_EMBEDDING;
    c->report = report;
    c->d = diag;
    c->out.max = 4 * OUT_BYTES;
    px_err err = pxi_kernels_choose(&c->kernels, NULL, diag);
    if (!err) {
        c->sums = pxi_data_sums(&c->kernels);
        err = settle(c, in, out);
    }
    if (!err)
        err = open_out(c, in, out);
    if (!err)
        err = run(c);
    if (!err)
        err = finish(c, out);
    if (err && c->in.far)
        err = pxi_data_bytes_failed(&c->in, err, diag);
    close_all(c);
    return err;
}
