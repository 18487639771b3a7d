/* JSON lines as tokens, by threads that fill parts ahead of who writes them. */
#include "node/data_lines.h"

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/json.h"
#include "io/ring.h"
#include "text/tokenizer.h"

enum { PART_BYTES = 256 << 10, SPARE_PARTS = 3 };

struct part {
    struct pxi_data_part p; /* first: what is handed out */
    struct pxi_encoder *encoder;
    uint8_t *text;
    int32_t *tokens;
    size_t *documents;
    struct pxi_data_bad *bad;
    size_t text_cap, token_cap, token_count, document_cap, bad_cap;
};

struct pxi_data_lines {
    px_view file;
    uint64_t at; /* where the next part begins */
    const px_tokenizer *tokenizer;
    struct part *parts;
    unsigned count;
    struct pxi_ring *ring;
};

/* Room for n elements in an array that grows; NULL: no memory, and it stays as it is. */
static void *roomy(void *p, size_t *cap, size_t n, size_t size)
{
    if (p && n <= *cap)
        return p;
    size_t more = n + n / 2 + 16;
    void *q = pxi_realloc(p, more, size);
    if (q)
        *cap = more;
    return q;
}

static bool token_room(struct part *s, size_t more)
{
    int32_t *p = roomy(s->tokens, &s->token_cap, s->token_count + more, sizeof *p);
    s->tokens = p ? p : s->tokens;
    return p != NULL;
}

static px_err add_document(struct part *s, size_t tokens)
{
    size_t *p = roomy(s->documents, &s->document_cap, s->p.document_count + 1, sizeof *p);
    if (!p)
        return PX_ERR_NOMEM;
    s->documents = p;
    p[s->p.document_count++] = tokens;
    s->token_count += tokens;
    return PX_ERR_OK;
}

static px_err add_bad(struct part *s, px_view line, const px_diag *why)
{
    struct pxi_data_bad *p = roomy(s->bad, &s->bad_cap, s->p.bad_count + 1, sizeof *p);
    if (!p)
        return PX_ERR_NOMEM;
    s->bad = p;
    if (!s->p.bad_count)
        s->p.first = *why;
    p[s->p.bad_count++] = (struct pxi_data_bad){line, s->p.lines};
    return PX_ERR_OK;
}

static px_err add_text(struct pxi_data_lines *l, struct part *s, px_view escaped)
{
    const int32_t *ids;
    size_t n;
    if (!l->tokenizer) {
        pxi_diag_field(&s->p.d, "tokenizer");
        return pxi_diag_set(&s->p.d, PX_ERR_INVALID, 0, "a tokenizer for lines with text", "none");
    }
    if (!s->encoder && !(s->encoder = pxi_encoder_new(l->tokenizer, 1)))
        return PX_ERR_NOMEM;
    px_view text = escaped;
    if (escaped.n && memchr(escaped.p, '\\', escaped.n)) {
        uint8_t *p = roomy(s->text, &s->text_cap, escaped.n, 1);
        if (!p)
            return PX_ERR_NOMEM;
        s->text = p;
        text = px_view_of(p, pxi_json_unescape(escaped, p));
    }
    px_err err = pxi_encoder_run(s->encoder, text, PX_ENCODE_SPECIAL, &ids, &n);
    if (err)
        return err;
    if (!token_room(s, n))
        return PX_ERR_NOMEM;
    if (n)
        memcpy(s->tokens + s->token_count, ids, n * sizeof *ids);
    return add_document(s, n);
}

static px_err add_line(struct pxi_data_lines *l, struct part *s, px_view line, uint64_t offset)
{
    struct pxi_jsonl row;
    px_diag why = {0};
    px_err err = pxi_jsonl_read(line, s->p.lines, offset, &row, &why);
    if (err)
        return err == PX_ERR_NOMEM ? err : add_bad(s, line, &why);
    if (row.blank)
        return PX_ERR_OK;
    if (!row.has_tokens)
        return add_text(l, s, row.text);
    if (!token_room(s, row.token_count))
        return PX_ERR_NOMEM;
    pxi_jsonl_tokens(&row, s->tokens + s->token_count);
    return add_document(s, row.token_count);
}

/* The next lines, of PART_BYTES or as long as one of them is. */
static bool plan(void *ctx, void *slot)
{
    struct pxi_data_lines *l = ctx;
    struct part *s = slot;
    uint64_t left = l->file.n - l->at, n = left < PART_BYTES ? left : PART_BYTES;
    if (!left)
        return false;
    if (n < left) {
        const uint8_t *from = l->file.p + l->at;
        const uint8_t *end = memrchr(from, '\n', (size_t)n);
        if (!end)
            end = memchr(from + n, '\n', (size_t)(left - n));
        n = end ? (uint64_t)(end - from) + 1 : left;
    }
    s->p = (struct pxi_data_part){.from = l->at, .to = l->at + n};
    l->at += n;
    return true;
}

static void fill(void *ctx, void *slot)
{
    struct pxi_data_lines *l = ctx;
    struct part *s = slot;
    uint64_t at = s->p.from;
    px_err err = PX_ERR_OK;
    s->token_count = 0;
    while (!err && at < s->p.to) {
        const uint8_t *p = l->file.p + at, *nl = memchr(p, '\n', (size_t)(s->p.to - at));
        px_view line = px_view_of(p, nl ? (size_t)(nl - p) : (size_t)(s->p.to - at));
        s->p.lines++;
        err = add_line(l, s, line, at);
        at += line.n + 1;
    }
    s->p.err = err;
    s->p.tokens = s->tokens;
    s->p.documents = s->documents;
    s->p.bad = s->bad;
}

static void forked(void *ctx)
{
    (void)ctx; /* a conversion ends in the process in which it began */
}

static void *more(void *ctx)
{
    (void)ctx; /* one part is out at a time */
    return NULL;
}

px_err pxi_data_lines_open(px_view file, uint64_t at, const px_tokenizer *tokenizer,
                           unsigned threads, struct pxi_data_lines **out)
{
    static const struct pxi_ring_ops ops = {
        .plan = plan, .fill = fill, .forked = forked, .more = more};
    void *slots[PXI_LIMIT_DATA_THREADS + SPARE_PARTS];
    struct pxi_data_lines *l = *out = pxi_calloc(1, sizeof *l);
    if (!l)
        return PX_ERR_NOMEM;
    *l = (struct pxi_data_lines){.file = file, .at = at, .tokenizer = tokenizer};
    threads = threads < 2 ? 0 : threads;
    threads = threads < PXI_LIMIT_DATA_THREADS ? threads : PXI_LIMIT_DATA_THREADS;
    l->count = threads + SPARE_PARTS;
    l->parts = pxi_calloc(l->count, sizeof *l->parts);
    for (unsigned i = 0; l->parts && i < l->count; i++)
        slots[i] = &l->parts[i];
    px_err err = l->parts ? pxi_ring_open(threads, slots, threads ? l->count : 1, &ops, l, &l->ring)
                          : PX_ERR_NOMEM;
    if (err) {
        pxi_data_lines_close(l);
        *out = NULL;
    }
    return err;
}

px_err pxi_data_lines_next(struct pxi_data_lines *l, const struct pxi_data_part **out)
{
    void *slot = NULL;
    bool waited;
    px_err err = pxi_ring_take(l->ring, &slot, &waited);
    *out = slot;
    return err;
}

void pxi_data_lines_give(struct pxi_data_lines *l, const struct pxi_data_part *part)
{
    for (unsigned i = 0; i < l->count; i++)
        if (part == &l->parts[i].p)
            pxi_ring_give(l->ring, &l->parts[i]);
}

void pxi_data_lines_close(struct pxi_data_lines *l)
{
    if (!l)
        return;
    if (l->ring)
        pxi_ring_close(l->ring);
    for (unsigned i = 0; l->parts && i < l->count; i++) {
        struct part *s = &l->parts[i];
        pxi_encoder_free(s->encoder);
        pxi_free(s->text);
        pxi_free(s->tokens);
        pxi_free(s->documents);
        pxi_free(s->bad);
    }
    pxi_free(l->parts);
    pxi_free(l);
}
