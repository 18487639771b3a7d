/* plexus data convert, inspect, verify, order */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data.h"
#include "session.h"

enum { DEGRADED = 8 };

int data_progress(void *ctx, uint64_t done, uint64_t all)
{
    struct progress *p = ctx;
    p->total = all;
    progress_set(p, done);
    return interrupted();
}

static const char *unless_auto(const struct cli *c, int id)
{
    const char *text = opt_text(c, id);
    return strcmp(text, "auto") == 0 ? NULL : text;
}

/* ------------------------------------------------------------------ convert */

static int say_converted(struct cli *c, const px_data_convert_report *r, const char *out,
                         double took)
{
    struct stat st = {0};
    stat(out, &st);
    int rc = r->malformed || r->dropped || r->left_out ? DEGRADED : 0;
    if (r->malformed)
        fail(PX_ERR_CORRUPT, c->arg[0], &r->first);
    if (opt_on(c, OPT_JSON)) {
        json_t *doc = doc_new(c);
        json_object_set_new(doc, "from", json_text(r->from));
        json_object_set_new(doc, "to", json_text(r->to));
        json_object_set_new(doc, "documents", json_u64(r->documents));
        json_object_set_new(doc, "samples", json_u64(r->samples));
        json_object_set_new(doc, "tokens", json_u64(r->tokens));
        json_object_set_new(doc, "bytes_in", json_u64(r->bytes_in));
        json_object_set_new(doc, "bytes_out", json_u64((uint64_t)st.st_size));
        json_object_set_new(doc, "malformed", json_u64(r->malformed));
        json_object_set_new(doc, "first_malformed",
                            r->malformed ? json_u64(r->first_malformed) : json_null());
        json_object_set_new(doc, "dropped", json_u64(r->dropped));
        json_object_set_new(doc, "left_out", json_u64(r->left_out));
        json_object_set_new(doc, "resumed", json_u64(r->resumed));
        json_object_set_new(doc, "seconds", json_real(took));
        return doc_print(doc, rc);
    }
    printf("%s to %s: %llu documents, %llu tokens, %llu bytes, in %.1f s\n", r->from, r->to,
           (unsigned long long)r->documents, (unsigned long long)r->tokens,
           (unsigned long long)st.st_size, took);
    if (r->malformed)
        printf("%llu malformed lines were left out, the first is line %llu\n",
               (unsigned long long)r->malformed, (unsigned long long)r->first_malformed);
    if (r->dropped)
        printf("%llu spans that are no packets were dropped: a store keeps them\n",
               (unsigned long long)r->dropped);
    if (r->left_out)
        printf("%llu samples without tokens were left out\n", (unsigned long long)r->left_out);
    return rc;
}

int verb_data_convert(struct cli *c)
{
    struct session s = {0};
    px_data_convert_report report;
    struct progress p;
    px_diag d = {0};
    const char *model = opt_text(c, OPT_DATA_TOKENIZER), *bad = opt_text(c, OPT_DATA_BAD);
    if (!bad) {
        size_t n = strlen(c->arg[1]) + 5;
        char *name = keep(malloc(n));
        snprintf(name, n, "%s.bad", c->arg[1]);
        bad = name;
    }
    const char *eot = opt_text(c, OPT_DATA_EOT), *width = opt_text(c, OPT_DATA_TOKEN_BYTES);
    char *end = NULL;
    long token = eot ? strtol(eot, &end, 10) : 0;
    if (eot && (!*eot || *end || token < 0 || token > INT32_MAX))
        return usage("such as --eot 50256", "--eot: expected a token, found '%s'", eot);
    int rc = model ? session_open_words(c, model, &s) : 0;
    if (rc)
        return rc;
    px_data_convert_options o = {.size = sizeof o,
                                 .from = unless_auto(c, OPT_DATA_FROM),
                                 .to = unless_auto(c, OPT_DATA_TO),
                                 .tokenizer = s.tok,
                                 .max_tokens = (uint32_t)opt_uint(c, OPT_DATA_MAX_TOKENS),
                                 .has_eot = eot != NULL,
                                 .eot = (int32_t)token,
                                 .column = opt_text(c, OPT_DATA_COLUMN),
                                 .token_bytes = strcmp(width, "auto") == 0 ? 0 : width[0] - '0',
                                 .bad = bad,
                                 .threads = (unsigned)opt_uint(c, OPT_THREADS),
                                 .commit_bytes = opt_uint(c, OPT_DATA_COMMIT),
                                 .progress = data_progress,
                                 .ctx = &p};
    double from = now_s();
    interrupt_poll(1);
    progress_begin(&p, c, "converting", "bytes", 0);
    px_err err = px_data_convert(c->arg[0], c->arg[1], &o, &report, &d);
    progress_end(&p);
    if (report.resumed)
        note(c, "went on behind line %llu", (unsigned long long)report.resumed);
    if (err && report.committed)
        note(c, "the same command goes on behind line %llu", (unsigned long long)report.committed);
    rc = err ? fail(err, c->arg[0], &d) : say_converted(c, &report, c->arg[1], now_s() - from);
    if (model)
        session_close(&s);
    return rc;
}

/* ------------------------------------------------------------------ inspect */

int data_open(struct cli *c, const char *path, const char *crc, px_data **out)
{
    struct progress p;
    px_diag d = {0};
    px_data_options o = {.size = sizeof o,
                         .crc = crc,
                         .progress = data_progress,
                         .ctx = &p,
                         .cache_bytes = opt_uint(c, OPT_DATA_CACHE) << 20,
                         .timeout_ms = (uint32_t)opt_uint(c, OPT_DATA_TIMEOUT)};
    interrupt_poll(1);
    progress_begin(&p, c, "reading", "bytes", 0);
    px_err err = px_data_open(path, &o, out, &d);
    progress_end(&p);
    return err ? fail(err, path, &d) : 0;
}

struct data_kind *data_kinds_new(void)
{
    return must(calloc(1u << 24, sizeof(struct data_kind)));
}

void data_kinds_add(struct data_kind *kinds, const px_sample *s)
{
    struct data_kind *k = &kinds[(unsigned)s->src << 16 | (unsigned)s->dst << 8 | s->typ];
    k->samples++;
    k->tokens += s->tokens;
}

unsigned data_length_of(uint32_t tokens)
{
    unsigned b = 0;
    while (b + 1 < DATA_LENGTHS && tokens >> (b + 1))
        b++;
    return b;
}

struct seen {
    struct data_kind *kinds;
    uint64_t lengths[DATA_LENGTHS], damaged;
};

/* What was done to bring a file that lies elsewhere. */
static json_t *traffic_json(const px_data_traffic *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "hits", json_u64(t->hits));
    json_object_set_new(o, "misses", json_u64(t->misses));
    json_object_set_new(o, "ahead", json_u64(t->ahead));
    json_object_set_new(o, "evicted", json_u64(t->evicted));
    json_object_set_new(o, "bytes", json_u64(t->bytes));
    json_object_set_new(o, "here", json_u64(t->here));
    json_object_set_new(o, "requests", json_u64(t->requests));
    json_object_set_new(o, "retries", json_u64(t->retries));
    json_object_set_new(o, "wrong", json_u64(t->wrong));
    json_object_set_new(o, "damaged", json_u64(t->damaged));
    return o;
}

static void set_traffic(json_t *doc, const px_data *data)
{
    px_data_traffic t;
    px_data_get_traffic(data, &t);
    json_object_set_new(doc, "elsewhere", t.elsewhere ? traffic_json(&t) : json_null());
}

static void show_traffic(const px_data *data)
{
    px_data_traffic t;
    px_data_get_traffic(data, &t);
    if (t.elsewhere)
        printf("fetched %llu bytes in %llu requests, %llu again; %llu blocks came damaged\n",
               (unsigned long long)t.bytes, (unsigned long long)t.requests,
               (unsigned long long)t.retries, (unsigned long long)t.wrong);
    if (t.damaged)
        printf("%llu blocks are damaged where they lie, the first at offset %llu\n",
               (unsigned long long)t.damaged, (unsigned long long)t.first_damaged);
}

static px_err look(const px_data *data, uint64_t samples, struct seen *s)
{
    for (uint64_t i = 0; i < samples; i++) {
        px_sample x;
        px_err err = px_data_sample(data, i, &x);
        if (err && err != PX_ERR_CORRUPT)
            return err;
        if (err) {
            s->damaged++;
            continue;
        }
        data_kinds_add(s->kinds, &x);
        s->lengths[data_length_of(x.tokens)]++;
        px_data_give_back(data, &x);
    }
    return PX_ERR_OK;
}

static json_t *code_json(unsigned code, const char *name)
{
    return name ? json_text(name) : json_u64(code);
}

json_t *data_kinds_json(const struct data_kind *kinds)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < 1u << 24; i++) {
        if (!kinds[i].samples)
            continue;
        json_t *o = json_object();
        unsigned src = i >> 16, dst = i >> 8 & 255, typ = i & 255;
        json_object_set_new(o, "src", code_json(src, px_data_src_name(src)));
        json_object_set_new(o, "dst", code_json(dst, px_data_dst_name(dst)));
        json_object_set_new(o, "typ", code_json(typ, px_data_typ_name(typ)));
        json_object_set_new(o, "samples", json_u64(kinds[i].samples));
        json_object_set_new(o, "tokens", json_u64(kinds[i].tokens));
        json_array_append_new(list, o);
    }
    return list;
}

json_t *data_lengths_json(const uint64_t *lengths)
{
    json_t *list = json_array();
    unsigned last = DATA_LENGTHS;
    while (last && !lengths[last - 1])
        last--;
    for (unsigned k = 0; k < last; k++)
        json_array_append_new(list, json_u64(lengths[k]));
    return list;
}

static void show_code(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_string(v))
        printf("  %-12s", json_string_value(v));
    else
        printf("  %-12lld", (long long)json_integer_value(v));
}

void data_kinds_show(const json_t *list)
{
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *o = json_array_get(list, k);
        show_code(o, "src");
        show_code(o, "dst");
        show_code(o, "typ");
        printf("  %10lld samples  %12lld tokens\n",
               (long long)json_integer_value(json_object_get(o, "samples")),
               (long long)json_integer_value(json_object_get(o, "tokens")));
    }
}

void data_lengths_show(const uint64_t *lengths)
{
    uint64_t all = 0;
    for (unsigned k = 0; k < DATA_LENGTHS; k++)
        all += lengths[k];
    for (unsigned k = 0; k < DATA_LENGTHS; k++) {
        if (!lengths[k])
            continue;
        printf("  below %8u tokens  %10llu ", 2u << k, (unsigned long long)lengths[k]);
        for (uint64_t n = lengths[k] * 40 / all; n; n--)
            fputs("█", stdout);
        putchar('\n');
    }
}

static json_t *inspect_doc(struct cli *c, const px_data_info *i, const struct seen *s)
{
    json_t *doc = doc_new(c), *dropped = json_object();
    char cid[80];
    for (unsigned k = 0; px_data_drop_name(k); k++)
        json_object_set_new(dropped, px_data_drop_name(k), json_u64(i->dropped[k]));
    json_object_set_new(doc, "format", json_text(i->store ? "ndp3" : "ndp"));
    json_object_set_new(doc, "bytes", json_u64(i->bytes));
    json_object_set_new(doc, "samples", json_u64(i->samples));
    json_object_set_new(doc, "tokens", json_u64(i->tokens));
    json_object_set_new(doc, "longest", json_u64(i->longest));
    json_object_set_new(doc, "token_bytes", json_u64(i->token_bytes));
    json_object_set_new(doc, "crc", json_text(i->crc));
    json_object_set_new(doc, "cover", json_text(i->cover));
    json_object_set_new(doc, "dropped", dropped);
    json_object_set_new(doc, "dropped_bytes", json_u64(i->dropped_bytes));
    json_object_set_new(doc, "segments", json_u64(i->segments));
    json_object_set_new(doc, "generation", json_u64(i->generation));
    json_object_set_new(doc, "cid",
                        i->store ? json_text(px_data_cid(i, cid, sizeof cid)) : json_null());
    json_object_set_new(doc, "kinds", data_kinds_json(s->kinds));
    json_object_set_new(doc, "lengths", data_lengths_json(s->lengths));
    return doc;
}

static void show_inspected(json_t *doc, const px_data_info *i, const struct seen *s)
{
    char cid[80];
    printf("%s, %llu bytes: %llu samples, %llu tokens (%u bytes each), the longest has %u\n",
           i->store ? "store NDP3" : "packets", (unsigned long long)i->bytes,
           (unsigned long long)i->samples, (unsigned long long)i->tokens, i->token_bytes,
           i->longest);
    if (i->store)
        printf("%u segments, commit %llu, %s\n", i->segments, (unsigned long long)i->generation,
               px_data_cid(i, cid, sizeof cid));
    else
        printf("CRC-16 %s of %s; %u of the first %u packets agree\n", i->crc, i->cover, i->agreed,
               i->checked);
    for (unsigned k = 0; px_data_drop_name(k); k++)
        if (i->dropped[k])
            printf("dropped: %llu spans (%s)\n", (unsigned long long)i->dropped[k],
                   px_data_drop_name(k));
    if (s->damaged)
        printf("damaged: %llu samples\n", (unsigned long long)s->damaged);
    data_kinds_show(json_object_get(doc, "kinds"));
    data_lengths_show(s->lengths);
}

int verb_data_inspect(struct cli *c)
{
    px_data *data;
    px_data_info info;
    struct seen s = {.kinds = data_kinds_new()};
    int rc = data_open(c, c->arg[0], unless_auto(c, OPT_DATA_CRC), &data);
    if (rc == 0) {
        px_diag d = {0};
        px_data_get_info(data, &info);
        px_err err = look(data, info.samples, &s);
        if (err) {
            px_data_why(data, &d);
            px_data_close(data);
            free(s.kinds);
            return fail(err, c->arg[0], &d);
        }
        json_t *doc = inspect_doc(c, &info, &s);
        set_traffic(doc, data);
        if (!opt_on(c, OPT_JSON))
            show_inspected(doc, &info, &s);
        if (!opt_on(c, OPT_JSON))
            show_traffic(data);
        if (opt_on(c, OPT_JSON))
            rc = doc_print(doc, 0);
        else
            json_decref(doc);
        px_data_close(data);
    }
    free(s.kinds);
    return rc;
}

/* ------------------------------------------------------------------- verify */

int verb_data_verify(struct cli *c)
{
    px_data *data;
    px_data_info info;
    struct progress p;
    px_diag d = {0};
    double from = now_s();
    int rc = data_open(c, c->arg[0], unless_auto(c, OPT_DATA_CRC), &data);
    if (rc)
        return rc;
    px_data_get_info(data, &info);
    progress_begin(&p, c, "verifying", "bytes", info.bytes);
    px_err err = px_data_verify(data, data_progress, &p, &d);
    progress_end(&p);
    rc = err ? fail(err, c->arg[0], &d) : 0;
    if (!opt_on(c, OPT_JSON)) {
        if (!err)
            printf("%llu samples in %llu bytes are as they were written\n",
                   (unsigned long long)info.samples, (unsigned long long)info.bytes);
        show_traffic(data);
        px_data_close(data);
        return rc;
    }
    json_t *doc = doc_new(c);
    set_traffic(doc, data);
    px_data_close(data);
    json_object_set_new(doc, "valid", json_boolean(!err));
    json_object_set_new(doc, "bytes", json_u64(info.bytes));
    json_object_set_new(doc, "samples", json_u64(info.samples));
    json_object_set_new(doc, "error", error_json(err, &d));
    json_object_set_new(doc, "seconds", json_real(now_s() - from));
    return doc_print(doc, rc);
}

/* -------------------------------------------------------------------- order */

const char *data_packing_name(unsigned i)
{
    static const char *const names[] = {"pad", "chunk", "first-fit", "best-fit"};
    return i <= PX_PACK_BEST_FIT ? names[i] : NULL;
}

static px_packing packing_of(const char *name)
{
    unsigned i = 0;
    while (i < PX_PACK_BEST_FIT && strcmp(data_packing_name(i), name) != 0)
        i++;
    return (px_packing)i;
}

struct order {
    px_loader **ranks;
    unsigned count;
    uint64_t rows, most, digest;
};

/* FNV-1a of 64 bits. */
static uint64_t digested(uint64_t digest, const char *line)
{
    for (; *line; line++)
        digest = (digest ^ (uint8_t)*line) * 0x100000001b3u;
    return digest;
}

/* A batch of every rank, one behind the other, up to the rows asked for; not 0 ends it. */
static int order_step(struct cli *c, struct order *o)
{
    uint64_t before = o->rows;
    for (unsigned r = 0; r < o->count && o->rows < o->most; r++) {
        const px_batch *b;
        px_diag d = {0};
        px_err err = px_loader_next(o->ranks[r], &b, &d);
        if (err)
            return fail(err, NULL, &d);
        uint64_t n = !b ? 0 : b->rows < o->most - o->rows ? b->rows : o->most - o->rows;
        for (uint64_t i = 0; i < n; i++) {
            char line[48];
            snprintf(line, sizeof line, "%u %llu\n", (unsigned)(b->numbers[i] >> 56),
                     (unsigned long long)(b->numbers[i] & ((1ull << 56) - 1)));
            o->digest = digested(o->digest, line);
            if (!opt_on(c, OPT_JSON))
                fputs(line, stdout);
        }
        o->rows += n;
        if (b)
            px_loader_give_back(o->ranks[r], b);
    }
    return o->rows == before || o->rows == o->most ? -1 : 0;
}

/* What --batch says is of all ranks: each takes its share or, where there is none, row by row. */
static int order_open(struct cli *c, const px_loader_source *sources, struct order *o)
{
    uint64_t batch = opt_uint(c, OPT_DATA_BATCH), ranks = opt_uint(c, OPT_DATA_RANKS);
    px_loader_options lo = {.size = sizeof lo,
                            .sources = sources,
                            .source_count = (unsigned)c->args,
                            .batch = (uint32_t)(batch % ranks ? 1 : batch / ranks),
                            .row_tokens = (uint32_t)opt_uint(c, OPT_DATA_ROW_TOKENS),
                            .packing = packing_of(opt_text(c, OPT_DATA_PACKING)),
                            .seed = opt_uint(c, OPT_SEED),
                            .epochs = opt_uint(c, OPT_DATA_STEPS) ? 0 : 1,
                            .world = (uint32_t)ranks,
                            .ahead = 1,
                            .unchecked = 1};
    o->ranks = keep(calloc(lo.world, sizeof(px_loader *)));
    for (; lo.rank < lo.world; lo.rank++) {
        px_diag d = {0};
        px_err err = px_loader_new(&lo, &o->ranks[o->count], &d);
        if (err)
            return fail(err, NULL, &d);
        o->count++;
    }
    return 0;
}

static int order_all(struct cli *c, const px_loader_source *sources, struct order *o)
{
    uint64_t steps = opt_uint(c, OPT_DATA_STEPS), batch = opt_uint(c, OPT_DATA_BATCH);
    int rc = order_open(c, sources, o);
    o->most = !steps || steps > UINT64_MAX / batch ? UINT64_MAX : steps * batch;
    interrupt_poll(1);
    while (rc == 0 && !interrupted())
        rc = order_step(c, o);
    rc = rc < 0 ? 0 : rc;
    for (unsigned i = 0; i < o->count; i++)
        px_loader_free(o->ranks[i]);
    if (rc || !opt_on(c, OPT_JSON))
        return rc;
    char hex[24];
    json_t *doc = doc_new(c);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)o->digest);
    json_object_set_new(doc, "rows", json_u64(o->rows));
    json_object_set_new(doc, "digest", json_text(hex));
    return doc_print(doc, 0);
}

int verb_data_order(struct cli *c)
{
    struct order o = {.digest = 0xcbf29ce484222325u};
    px_loader_source *sources = keep(calloc((size_t)c->args, sizeof *sources));
    int rc = 0, n = 0;
    for (; rc == 0 && n < c->args; n++)
        rc = data_open(c, c->arg[n], NULL, &sources[n].data);
    if (rc == 0)
        rc = order_all(c, sources, &o);
    while (n--)
        px_data_close(sources[n].data);
    return rc;
}
