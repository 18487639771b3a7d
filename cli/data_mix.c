/* plexus data mix */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data.h"

enum { DECIMALS = 9, SHOWN = 64 };

struct source {
    char *path;
    uint64_t weight; /* times 10^DECIMALS, or its samples */
    px_data *data;
    px_data_info info;
};

struct mixture {
    struct source *sources;
    unsigned count;
    px_mix *mix;
    uint64_t draws;   /* that are shown, or written */
    uint32_t longest; /* sample */
};

/* -------------------------------------------------------------------- sources */

/* "0.7" times 10^DECIMALS; 0: it is no such number. */
static uint64_t weight_of(const char *text)
{
    uint64_t w = 0;
    unsigned digits = 0, decimals = 0;
    int point = 0;
    for (; *text; text++) {
        if (*text == '.' && !point) {
            point = 1;
            continue;
        }
        if (*text < '0' || *text > '9' || ++digits > DECIMALS || (point && ++decimals > DECIMALS))
            return 0;
        w = w * 10 + (uint64_t)(*text - '0');
    }
    for (; digits && decimals < DECIMALS; decimals++)
        w *= 10;
    return w;
}

/* Where the weight begins; NULL: there is none, as in "http://host:80/a.ndp3". */
static const char *colon_of(const char *text)
{
    const char *colon = strrchr(text, ':');
    return colon && !strchr(colon, '/') ? colon : NULL;
}

/* "PATH:WEIGHT", or all without a weight. */
static int read_source(struct cli *c, unsigned i, struct source *s)
{
    const char *text = c->arg[i], *colon = colon_of(text);
    int first = colon_of(c->arg[0]) != NULL;
    s->weight = colon ? weight_of(colon + 1) : 0;
    if ((colon != NULL) != first || (colon && !s->weight))
        return usage("such as a.ndp3:0.7 b.ndp3:0.3, or all without a weight",
                     "'%s': expected FILE:WEIGHT", text);
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    s->path = keep(malloc(n + 1));
    memcpy(s->path, text, n);
    s->path[n] = 0;
    int rc = data_open(c, s->path, NULL, &s->data);
    if (rc)
        return rc;
    px_data_get_info(s->data, &s->info);
    if (!s->info.samples) {
        px_diag d = {.field = "samples", .expected = "one at least", .found = "none"};
        return fail(PX_ERR_NOT_FOUND, s->path, &d);
    }
    s->weight = colon ? s->weight : s->info.samples;
    return 0;
}

static int zero(const uint8_t hash[32])
{
    static const uint8_t none[32];
    return memcmp(hash, none, sizeof none) == 0;
}

/* Numbers of one tokenizer mean nothing to another. */
static int same_tokenizer(const struct mixture *m)
{
    const struct source *first = NULL;
    for (unsigned i = 0; i < m->count; i++) {
        const struct source *s = &m->sources[i];
        if (zero(s->info.tokenizer))
            continue;
        if (first && memcmp(first->info.tokenizer, s->info.tokenizer, 32) != 0) {
            px_diag d = {.field = "tokenizer", .found = "another"};
            snprintf(d.expected, sizeof d.expected, "that of %.70s", first->path);
            return fail(PX_ERR_INVALID, s->path, &d);
        }
        first = s;
    }
    return 0;
}

/* The number of draws after which source i is through for the first time. */
static uint64_t through(const struct mixture *m, unsigned i)
{
    uint64_t low = 0, high = 1, want = m->sources[i].info.samples;
    while (high < 1ull << 62 && px_mix_count(m->mix, i, high) < want)
        low = high, high *= 2;
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        if (px_mix_count(m->mix, i, mid) >= want)
            high = mid;
        else
            low = mid;
    }
    return high;
}

static int open_mixture(struct cli *c, struct mixture *m)
{
    px_mix_source *in = keep(calloc((size_t)c->args, sizeof *in));
    m->sources = keep(calloc((size_t)c->args, sizeof *m->sources));
    for (; m->count < (unsigned)c->args; m->count++) {
        struct source *s = &m->sources[m->count];
        int rc = read_source(c, m->count, s);
        if (rc)
            return rc;
        in[m->count] = (px_mix_source){s->weight, s->info.samples, !opt_on(c, OPT_DATA_AGAIN)};
        m->longest = s->info.longest > m->longest ? s->info.longest : m->longest;
    }
    int rc = same_tokenizer(m);
    px_err err = rc ? PX_ERR_OK : px_mix_new(in, m->count, &m->mix);
    if (rc || err)
        return rc ? rc : fail(err, NULL, NULL);
    m->draws = opt_uint(c, OPT_DATA_SAMPLES);
    uint64_t most = px_mix_draws(m->mix);
    if (most == UINT64_MAX && !m->draws) { /* it has no end: until all were through once */
        most = 0;
        for (unsigned i = 0; i < m->count; i++)
            most = through(m, i) > most ? through(m, i) : most;
    }
    m->draws = m->draws && m->draws < most ? m->draws : most;
    return 0;
}

/* -------------------------------------------------------------------- writing */

/* What all sources agree on, else what says nothing. */
static px_data_writer_options writer_options(const struct mixture *m)
{
    const px_data_info *a = &m->sources[0].info;
    px_data_writer_options o = {.size = sizeof o,
                                .token_bytes = a->token_bytes,
                                .vocab = a->vocab,
                                .bos = a->store ? a->bos : -1,
                                .eos = a->store ? a->eos : -1,
                                .pad = a->store ? a->pad : -1};
    memcpy(o.tokenizer, a->tokenizer, sizeof o.tokenizer);
    for (unsigned i = 1; i < m->count; i++) {
        const px_data_info *b = &m->sources[i].info;
        o.token_bytes = b->token_bytes > o.token_bytes ? b->token_bytes : o.token_bytes;
        o.vocab = !o.vocab || !b->vocab ? 0 : b->vocab > o.vocab ? b->vocab : o.vocab;
        o.bos = b->store && b->bos == o.bos ? o.bos : -1;
        o.eos = b->store && b->eos == o.eos ? o.eos : -1;
        o.pad = b->store && b->pad == o.pad ? o.pad : -1;
        if (memcmp(o.tokenizer, b->tokenizer, sizeof o.tokenizer) != 0)
            memset(o.tokenizer, 0, sizeof o.tokenizer);
    }
    return o;
}

struct writing {
    px_data_writer *w;
    int32_t *tokens;
    uint64_t written, last; /* as in px_batch.numbers */
};

static int write_sample(const struct mixture *m, struct writing *w, uint64_t number)
{
    px_sample x;
    const struct source *s = &m->sources[number >> 56];
    uint64_t i = number & ((1ull << 56) - 1);
    px_diag d = {.expected = "a sample with its checksum", .found = "a damaged one"};
    snprintf(d.field, sizeof d.field, "sample %" PRIu64, i);
    px_err err = px_data_sample(s->data, i, &x);
    if (err && err != PX_ERR_CORRUPT)
        px_data_why(s->data, &d);
    if (err)
        return fail(err, s->path, &d);
    size_t n = px_sample_tokens(&x, 0, w->tokens, m->longest);
    /* Only behind its own beginning a sample goes on. */
    int goes_on = x.continues && w->written && w->last + 1 == number;
    err = px_data_write(w->w, x.src, x.dst, w->tokens, n, goes_on);
    px_data_give_back(s->data, &x);
    w->last = number;
    w->written++;
    return err ? fail(err, s->path, NULL) : 0;
}

/* The order is that of a loader of these sources with this seed. */
static px_err open_loader(struct cli *c, const struct mixture *m, px_loader **out, px_diag *d)
{
    px_loader_source *sources = keep(calloc(m->count, sizeof *sources));
    for (unsigned i = 0; i < m->count; i++)
        sources[i] = (px_loader_source){m->sources[i].data, m->sources[i].weight,
                                        !opt_on(c, OPT_DATA_AGAIN)};
    px_loader_options o = {.size = sizeof o,
                           .sources = sources,
                           .source_count = m->count,
                           .batch = 64,
                           .row_tokens = 1,
                           .seed = opt_uint(c, OPT_SEED),
                           .ahead = 1,
                           .unchecked = 1};
    return px_loader_new(&o, out, d);
}

static int write_all(struct cli *c, const struct mixture *m, struct writing *w)
{
    px_loader *l;
    const px_batch *b = NULL;
    struct progress p;
    px_diag d = {0};
    int rc = 0;
    px_err err = open_loader(c, m, &l, &d);
    if (err)
        return fail(err, NULL, &d);
    interrupt_poll(1);
    progress_begin(&p, c, "mixing", "samples", m->draws);
    while (rc == 0 && !err && w->written < m->draws && !interrupted()) {
        err = px_loader_next(l, &b, &d);
        if (err || !b || !b->rows)
            break;
        for (uint32_t i = 0; rc == 0 && i < b->rows && w->written < m->draws; i++)
            rc = write_sample(m, w, b->numbers[i]);
        px_loader_give_back(l, b);
        progress_set(&p, w->written);
    }
    progress_end(&p);
    px_loader_free(l);
    err = interrupted() ? PX_ERR_INTERRUPTED : err;
    return rc || !err ? rc : fail(err, NULL, &d);
}

static int write_store(struct cli *c, const struct mixture *m, const char *out, uint64_t *written)
{
    struct writing w = {.tokens = must(calloc((size_t)m->longest + 1, sizeof *w.tokens))};
    px_data_writer_options o = writer_options(m);
    px_diag d = {0};
    px_err err = px_data_writer_new(out, &o, &w.w, &d);
    int rc = err ? fail(err, out, &d) : write_all(c, m, &w);
    if (rc == 0 && (err = px_data_commit(w.w)))
        rc = fail(err, out, NULL);
    px_data_writer_free(w.w);
    free(w.tokens);
    *written = w.written;
    return rc;
}

/* ------------------------------------------------------------------- printing */

static json_t *source_json(const struct mixture *m, unsigned i, uint64_t batch)
{
    json_t *o = json_object();
    const struct source *s = &m->sources[i];
    uint64_t sum, n = px_mix_count(m->mix, i, m->draws), after = through(m, i);
    int rounded;
    json_object_set_new(o, "file", json_text(s->path));
    json_object_set_new(o, "samples", json_u64(s->info.samples));
    json_object_set_new(o, "weight", json_u64(px_mix_weight(m->mix, i, &sum, &rounded)));
    json_object_set_new(o, "drawn", json_u64(n));
    json_object_set_new(o, "share", json_number(m->draws ? (double)n / (double)m->draws : 0));
    json_object_set_new(o, "passes", json_number((double)n / (double)s->info.samples));
    json_object_set_new(o, "through_after", json_u64(after));
    json_object_set_new(o, "through_step", json_u64((after + batch - 1) / batch));
    return o;
}

static int print_json(struct cli *c, const struct mixture *m, const char *out, uint64_t written)
{
    json_t *doc = doc_new(c), *sources = json_array(), *order = json_array();
    uint64_t sum = 0, nth;
    int rounded = 0;
    for (unsigned i = 0; i < m->count; i++)
        json_array_append_new(sources, source_json(m, i, opt_uint(c, OPT_DATA_BATCH)));
    (void)px_mix_weight(m->mix, 0, &sum, &rounded);
    for (uint64_t p = 0; p < m->draws && p < SHOWN; p++)
        json_array_append_new(order, json_integer(px_mix_at(m->mix, p, &nth)));
    json_object_set_new(doc, "samples", json_u64(m->draws));
    json_object_set_new(doc, "period", json_u64(sum));
    json_object_set_new(doc, "rounded", json_boolean(rounded));
    json_object_set_new(doc, "batch", json_u64(opt_uint(c, OPT_DATA_BATCH)));
    json_object_set_new(doc, "sources", sources);
    json_object_set_new(doc, "order", order);
    json_object_set_new(doc, "out", json_text(out));
    json_object_set_new(doc, "written", json_u64(written));
    return doc_print(doc, 0);
}

static void print_text(struct cli *c, const struct mixture *m, const char *out, uint64_t written)
{
    uint64_t sum, nth, batch = opt_uint(c, OPT_DATA_BATCH);
    int rounded = 0;
    printf("%" PRIu64 " samples of %u sources\n", m->draws, m->count);
    printf("         weight       samples         drawn     share  passes  through after (step)\n");
    for (unsigned i = 0; i < m->count; i++) {
        const struct source *s = &m->sources[i];
        uint64_t w = px_mix_weight(m->mix, i, &sum, &rounded), after = through(m, i);
        uint64_t n = px_mix_count(m->mix, i, m->draws);
        printf("%3u %7" PRIu64 "/%-7" PRIu64 "%10" PRIu64 "%14" PRIu64 "%8.3f %%%8.2f%14" PRIu64
               " (%" PRIu64 ")  %s\n",
               i, w, sum, s->info.samples, n, m->draws ? 100.0 * (double)n / (double)m->draws : 0.0,
               (double)n / (double)s->info.samples, after, (after + batch - 1) / batch, s->path);
    }
    if (rounded)
        puts("the weights are rounded to a period that fits a table");
    fputs("the first draws are from", stdout);
    for (uint64_t p = 0; p < m->draws && p < SHOWN; p++)
        printf(" %u", px_mix_at(m->mix, p, &nth));
    puts(m->draws > SHOWN ? " ..." : "");
    if (out)
        printf("%s: %" PRIu64 " samples\n", out, written);
}

int verb_data_mix(struct cli *c)
{
    struct mixture m = {0};
    const char *out = opt_text(c, OPT_DATA_OUT);
    uint64_t written = 0;
    size_t n = out ? strlen(out) : 0;
    if (out && (n < 5 || strcmp(out + n - 5, ".ndp3") != 0))
        return usage("such as -o mixed.ndp3", "--out: expected a store, found '%s'", out);
    int rc = open_mixture(c, &m);
    if (rc == 0 && out)
        rc = write_store(c, &m, out, &written);
    if (rc == 0 && opt_on(c, OPT_JSON))
        rc = print_json(c, &m, out, written);
    else if (rc == 0)
        print_text(c, &m, out, written);
    px_mix_free(m.mix);
    for (unsigned i = 0; i < (unsigned)c->args && m.sources; i++)
        px_data_close(m.sources[i].data);
    return rc;
}
