/* plexus data stats */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"

enum { PACKINGS = 4, VOCAB = 1 << 24, REMEMBERED = 1 << 23 };

/* Rows of one packing. */
struct rows {
    uint64_t rows, tokens;
};

struct stats {
    uint64_t samples, tokens, documents, damaged, empty;
    struct data_kind *kinds;
    uint64_t lengths[DATA_LENGTHS];
    uint64_t *counts; /* of samples with so many tokens */
    uint32_t shortest, longest;
    uint8_t *used; /* a bit for each token below VOCAB */
    uint64_t distinct;
    int32_t smallest, largest;
    uint64_t *seen; /* hashes of samples; NULL: too many to remember */
    size_t seen_mask;
    uint64_t duplicates;
    struct rows rows[PACKINGS];
};

/* ---------------------------------------------------------------- one sample */

/* A hash of tokens, the same whatever the file is. Good enough to count, not against malice. */
static uint64_t hash_of(const int32_t *tokens, size_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (uint32_t)tokens[i]) * 0x9fb21c651e98df25u;
        h ^= h >> 29;
    }
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

static void remember(struct stats *s, uint64_t hash)
{
    hash += !hash; /* 0 is a free place */
    size_t at = hash & s->seen_mask;
    while (s->seen[at] && s->seen[at] != hash)
        at = (at + 1) & s->seen_mask;
    s->duplicates += s->seen[at] == hash;
    s->seen[at] = hash;
}

static void add_tokens(struct stats *s, const int32_t *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t t = tokens[i];
        s->smallest = t < s->smallest ? t : s->smallest;
        s->largest = t > s->largest ? t : s->largest;
        if (t < 0 || t >= VOCAB)
            continue;
        s->distinct += !(s->used[t / 8] >> (t % 8) & 1);
        s->used[t / 8] |= (uint8_t)(1u << (t % 8));
    }
    if (s->seen)
        remember(s, hash_of(tokens, n));
}

static void add_sample(struct stats *s, const px_sample *x, int32_t *tokens)
{
    data_kinds_add(s->kinds, x);
    if (!x->tokens) {
        s->empty++;
        return;
    }
    s->samples++;
    s->tokens += x->tokens;
    s->documents += !x->continues;
    s->lengths[data_length_of(x->tokens)]++;
    s->counts[x->tokens]++;
    s->shortest = x->tokens < s->shortest ? x->tokens : s->shortest;
    s->longest = x->tokens > s->longest ? x->tokens : s->longest;
    add_tokens(s, tokens, px_sample_tokens(x, 0, tokens, x->tokens));
}

/* All samples. 0 or an exit code. */
static int look(struct cli *c, const px_data *data, const px_data_info *info, struct stats *s)
{
    struct progress p;
    px_diag d = {0};
    px_err err = PX_ERR_OK;
    size_t places = 1024;
    int32_t *tokens = must(calloc((size_t)info->longest + 1, sizeof *tokens));
    while (places < 2 * info->samples && places < 2 * (size_t)REMEMBERED)
        places *= 2;
    s->kinds = data_kinds_new();
    s->counts = must(calloc((size_t)info->longest + 1, sizeof *s->counts));
    s->used = must(calloc(VOCAB / 8, 1));
    s->seen = info->samples <= REMEMBERED ? must(calloc(places, sizeof *s->seen)) : NULL;
    s->seen_mask = places - 1;
    s->shortest = UINT32_MAX;
    s->smallest = INT32_MAX;
    s->largest = INT32_MIN;
    progress_begin(&p, c, "looking", "samples", info->samples);
    for (uint64_t i = 0; i < info->samples && !interrupted(); i++) {
        px_sample x;
        err = px_data_sample(data, i, &x);
        if (!err && x.tokens <= info->longest)
            add_sample(s, &x, tokens);
        else if (!err || err == PX_ERR_CORRUPT)
            s->damaged++;
        else
            break;
        if (!err)
            px_data_give_back(data, &x);
        err = PX_ERR_OK;
        if (i % 65536 == 0)
            progress_set(&p, i);
    }
    progress_end(&p);
    free(tokens);
    err = interrupted() ? PX_ERR_INTERRUPTED : err;
    px_data_why(data, &d);
    return err ? fail(err, c->arg[0], &d) : 0;
}

/* The least number of tokens that `share` of the samples do not exceed. */
static uint32_t quantile(const struct stats *s, double share)
{
    uint64_t below = 0;
    uint32_t n = 0;
    while (n < s->longest && (double)(below += s->counts[n]) < share * (double)s->samples)
        n++;
    return n;
}

/* ---------------------------------------------------------------------- rows */

/* An epoch of rows, as a loader makes them. */
static int count_rows(px_data *data, uint32_t row_tokens, px_packing packing, struct rows *out)
{
    px_loader_source source = {.data = data};
    px_loader_options o = {.size = sizeof o,
                           .sources = &source,
                           .source_count = 1,
                           .batch = 64,
                           .row_tokens = row_tokens,
                           .packing = packing,
                           .epochs = 1,
                           .ahead = 1,
                           .unchecked = 1};
    px_loader *l;
    const px_batch *b = NULL;
    px_diag d = {0};
    px_err err = px_loader_new(&o, &l, &d);
    if (err)
        return err == PX_ERR_NOT_FOUND ? 0 : fail(err, NULL, &d);
    while (!interrupted() && !(err = px_loader_next(l, &b, &d)) && b) {
        out->rows += b->rows;
        out->tokens += b->tokens;
        px_loader_give_back(l, b);
    }
    px_loader_free(l);
    err = interrupted() ? PX_ERR_INTERRUPTED : err;
    return err ? fail(err, NULL, &d) : 0;
}

/* Share of the rows that is filled up; tokens that are in no row. */
static double padding(const struct rows *r, uint64_t row_tokens)
{
    double all = (double)r->rows * (double)row_tokens;
    return r->rows ? 1 - (double)r->tokens / all : 0;
}

static uint64_t cut_off(const struct stats *s, const struct rows *r)
{
    return s->tokens > r->tokens ? s->tokens - r->tokens : 0;
}

/* ------------------------------------------------------------------- printing */

static json_t *packings_json(const struct stats *s, uint64_t row_tokens)
{
    json_t *all = json_object();
    for (unsigned i = 0; i < PACKINGS; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "rows", json_u64(s->rows[i].rows));
        json_object_set_new(o, "padding", json_number(padding(&s->rows[i], row_tokens)));
        json_object_set_new(o, "cut", json_u64(cut_off(s, &s->rows[i])));
        json_object_set_new(all, data_packing_name(i), o);
    }
    return all;
}

static json_t *stats_doc(struct cli *c, const px_data_info *info, const struct stats *s)
{
    json_t *doc = doc_new(c), *vocab = json_object();
    json_object_set_new(doc, "samples", json_u64(s->samples));
    json_object_set_new(doc, "documents", json_u64(s->documents));
    json_object_set_new(doc, "tokens", json_u64(s->tokens));
    json_object_set_new(doc, "damaged", json_u64(s->damaged));
    json_object_set_new(doc, "empty", json_u64(s->empty));
    json_object_set_new(doc, "duplicates", s->seen ? json_u64(s->duplicates) : json_null());
    json_object_set_new(doc, "shortest", json_u64(s->samples ? s->shortest : 0));
    json_object_set_new(doc, "median", json_u64(quantile(s, 0.5)));
    json_object_set_new(doc, "p90", json_u64(quantile(s, 0.9)));
    json_object_set_new(doc, "p99", json_u64(quantile(s, 0.99)));
    json_object_set_new(doc, "longest", json_u64(s->longest));
    json_object_set_new(doc, "lengths", data_lengths_json(s->lengths));
    json_object_set_new(doc, "kinds", data_kinds_json(s->kinds));
    json_object_set_new(vocab, "size", info->vocab ? json_u64(info->vocab) : json_null());
    json_object_set_new(vocab, "used", json_u64(s->distinct));
    json_object_set_new(vocab, "smallest", s->samples ? json_integer(s->smallest) : json_null());
    json_object_set_new(vocab, "largest", s->samples ? json_integer(s->largest) : json_null());
    json_object_set_new(doc, "vocabulary", vocab);
    json_object_set_new(doc, "row_tokens", json_u64(opt_uint(c, OPT_DATA_ROW_TOKENS)));
    json_object_set_new(doc, "packings", packings_json(s, opt_uint(c, OPT_DATA_ROW_TOKENS)));
    return doc;
}

static void show_vocabulary(const px_data_info *info, const struct stats *s)
{
    if (info->vocab)
        printf("vocabulary: %" PRIu64 " of %u tokens are used (%.1f %%), from %d to %d\n",
               s->distinct, info->vocab, 100.0 * (double)s->distinct / info->vocab, s->smallest,
               s->largest);
    else
        printf("vocabulary: %" PRIu64 " tokens are used, from %d to %d\n", s->distinct, s->smallest,
               s->largest);
}

static void show_stats(const json_t *doc, const px_data_info *info, const struct stats *s,
                       uint64_t row_tokens)
{
    printf("%" PRIu64 " samples of %" PRIu64 " documents, %" PRIu64 " tokens\n", s->samples,
           s->documents, s->tokens);
    if (s->damaged || s->empty)
        printf("not counted: %" PRIu64 " damaged samples, %" PRIu64 " without tokens\n", s->damaged,
               s->empty);
    data_kinds_show(json_object_get(doc, "kinds"));
    if (!s->samples)
        return;
    printf("a sample has %u to %u tokens; half have at most %u, 90 %% %u, 99 %% %u\n", s->shortest,
           s->longest, quantile(s, 0.5), quantile(s, 0.9), quantile(s, 0.99));
    data_lengths_show(s->lengths);
    show_vocabulary(info, s);
    if (s->seen)
        printf("duplicates: %" PRIu64 " with the tokens of a sample before them\n", s->duplicates);
    else
        printf("duplicates: not looked for in more than %d samples\n", REMEMBERED);
    printf("rows of %" PRIu64 " tokens       rows   filled up   tokens cut off\n", row_tokens);
    for (unsigned i = 0; i < PACKINGS; i++)
        printf("  %-12s %14" PRIu64 "     %5.1f %%   %14" PRIu64 "\n", data_packing_name(i),
               s->rows[i].rows, 100 * padding(&s->rows[i], row_tokens), cut_off(s, &s->rows[i]));
}

int verb_data_stats(struct cli *c)
{
    struct stats s = {0};
    px_data *data;
    px_data_info info;
    uint32_t row_tokens = (uint32_t)opt_uint(c, OPT_DATA_ROW_TOKENS);
    int rc = data_open(c, c->arg[0], NULL, &data);
    if (rc)
        return rc;
    px_data_get_info(data, &info);
    rc = look(c, data, &info, &s);
    for (unsigned i = 0; rc == 0 && s.samples && i < PACKINGS; i++)
        rc = count_rows(data, row_tokens, (px_packing)i, &s.rows[i]);
    if (rc == 0) {
        json_t *doc = stats_doc(c, &info, &s);
        if (!opt_on(c, OPT_JSON))
            show_stats(doc, &info, &s, row_tokens);
        if (opt_on(c, OPT_JSON))
            rc = doc_print(doc, 0);
        else
            json_decref(doc);
    }
    px_data_close(data);
    free(s.kinds);
    free(s.counts);
    free(s.used);
    free(s.seen);
    return rc;
}
