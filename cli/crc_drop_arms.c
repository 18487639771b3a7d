/* The arms of bench crc-drop: for each run its loader's options and damage, checked by running it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crc_drop.h"

const char *const crc_drop_arms[ARMS] = {"none",    "drop",    "fixed",  "flips",   "unchecked",
                                         "shorter", "dropout", "masked", "unmasked"};
static const double rates[CRC_DROP_RATES] = {0.02, 0.05, 0.10, 0.20};
static const double dropout = 0.05;
enum { DRAWS = 64 };

enum crc_drop_arm crc_drop_control(enum crc_drop_arm arm)
{
    return arm == ARM_MASKED || arm == ARM_UNMASKED ? ARM_MASKED : ARM_NONE;
}

/* A bit of a sample. */
struct flip {
    uint64_t row, bit;
};

struct run {
    enum crc_drop_arm arm;
    unsigned regime, seed, draw; /* draw: of the damage, see try_run */
    double p;
    struct flip *flips;
    size_t flip_count, flip_cap;
    /* seen by running its loader */
    uint64_t labels, least, most; /* of all steps; of the steps with fewest and most */
    uint64_t digest;
    px_loader_counts counts;
};

struct arms {
    const struct crc_drop *e;
    struct crc_drop_data data;
    json_t *runs;
    uint64_t count, unequal;
    struct run first;              /* of those that are unequal */
    unsigned draw[CRC_DROP_RATES]; /* of the flips of this seed, which arms share */
};

/* -------------------------------------------------------------------- damage */

/* splitmix64: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double next_unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

static void add_flip(struct run *r, uint64_t row, uint64_t bit)
{
    if (r->flip_count == r->flip_cap) {
        r->flip_cap = r->flip_cap ? 2 * r->flip_cap : 64;
        r->flips = must(realloc(r->flips, r->flip_cap * sizeof *r->flips));
    }
    r->flips[r->flip_count++] = (struct flip){row, bit};
}

/* A bit in each of just p of all rows: those that are left of a draw without putting back. */
static void damage_fixed(struct run *r, uint64_t rows, uint64_t bits, uint64_t state)
{
    uint64_t want = (uint64_t)llround(r->p * (double)rows);
    for (uint64_t i = 0; i < rows && want; i++)
        if (next_unit(&state) * (double)(rows - i) < (double)want) {
            add_flip(r, i, next_random(&state) % bits);
            want--;
        }
}

/* Every bit with the same chance, such that p of the rows have at least one that is flipped. */
static void damage_bits(struct run *r, uint64_t rows, uint64_t bits, uint64_t state)
{
    double keeps = log1p(-r->p) / (double)bits; /* log of the chance that a bit stays */
    double at = -1, all = (double)rows * (double)bits;
    while ((at += 1 + floor(log1p(-next_unit(&state)) / keeps)) < all)
        add_flip(r, (uint64_t)at / bits, (uint64_t)at % bits);
}

static void damage(struct arms *a, struct run *r, unsigned token_bytes)
{
    uint64_t rows = a->data.rows[r->regime], bits = 8 * token_bytes * (a->e->row + 1);
    uint64_t state =
        (uint64_t)r->seed << 32 | (uint64_t)llround(r->p * 1000) << 16 | r->draw << 8 | r->regime;
    if (r->arm == ARM_FIXED)
        damage_fixed(r, rows, bits, ~state);
    if (r->arm == ARM_FLIPS || r->arm == ARM_UNCHECKED)
        damage_bits(r, rows, bits, state);
}

/* Flip the bits in memory, which is private to this process. Flips of a row follow each other. */
static px_err apply(const struct run *r, const px_data *data)
{
    px_sample s = {0};
    for (size_t i = 0; i < r->flip_count; i++) {
        if (!i || r->flips[i].row != r->flips[i - 1].row) {
            px_err err = px_data_sample(data, r->flips[i].row, &s);
            if (err)
                return err;
        }
        ((uint8_t *)s.bytes.p)[r->flips[i].bit / 8] ^= (uint8_t)(1 << r->flips[i].bit % 8);
    }
    return PX_ERR_OK;
}

/* ----------------------------------------------------------------- its loader */

static int is_short(const struct run *r)
{
    return r->arm == ARM_MASKED || r->arm == ARM_UNMASKED;
}

static px_loader_options options(const struct arms *a, const struct run *r,
                                 const px_loader_source *source)
{
    int drops = r->arm == ARM_DROP || r->arm == ARM_SHORTER;
    return (px_loader_options){.size = sizeof(px_loader_options),
                               .sources = source,
                               .source_count = 1,
                               .batch = (uint32_t)(a->e->batch * (is_short(r) ? 2 : 1)),
                               .row_tokens = (uint32_t)a->e->row,
                               .labels = PX_LABELS_NEXT,
                               .seed = r->seed,
                               .damage = r->arm == ARM_SHORTER ? PX_DAMAGE_DROP : PX_DAMAGE_REFILL,
                               .unchecked = r->arm == ARM_UNCHECKED,
                               .drop_rate = drops ? r->p : 0};
}

/* FNV-1a over the samples that rows begin with. */
static uint64_t digested(uint64_t digest, uint64_t number)
{
    for (unsigned i = 0; i < 8; i++)
        digest = (digest ^ (number >> 8 * i & 255)) * 0x100000001b3u;
    return digest;
}

static void count_batch(const px_batch *b, struct run *r)
{
    const int32_t *labels = b->labels;
    uint64_t n = 0;
    for (size_t i = 0; i < (size_t)b->rows * b->row_tokens; i++)
        n += labels[i] != PX_LABEL_IGNORED;
    for (uint32_t i = 0; i < b->rows; i++)
        r->digest = digested(r->digest, b->numbers[i]);
    r->labels += n;
    r->least = n < r->least ? n : r->least;
    r->most = n > r->most ? n : r->most;
}

static px_err run_loader(const struct arms *a, struct run *r, px_data *data, px_diag *d)
{
    px_loader_source source = {.data = data};
    px_loader_options o = options(a, r, &source);
    px_loader *loader;
    r->least = UINT64_MAX;
    r->digest = 0xcbf29ce484222325u;
    px_err err = px_loader_new(&o, &loader, d);
    if (err)
        return err;
    for (uint64_t i = 0; !err && i < a->e->steps; i++) {
        const px_batch *b;
        err = px_loader_next(loader, &b, d);
        if (!err && b) {
            count_batch(b, r);
            px_loader_give_back(loader, b);
        }
    }
    px_loader_get_counts(loader, &r->counts);
    px_loader_free(loader);
    return err;
}

/* -------------------------------------------------------------------- arms.json */

static const char *file_of(const struct arms *a, const struct run *r)
{
    const char *path = is_short(r) ? crc_drop_path(a->e, "short.ndp3", CRC_DROP_REGIMES)
                                   : crc_drop_path(a->e, "train", r->regime);
    return path + strlen(a->e->dir) + 1;
}

static json_t *loader_json(const px_loader_options *o)
{
    return json_pack("{s:I,s:I,s:s,s:I,s:f,s:s,s:b}", "batch", (json_int_t)o->batch, "row_tokens",
                     (json_int_t)o->row_tokens, "labels", "next", "seed", (json_int_t)o->seed,
                     "drop_rate", o->drop_rate, "damage",
                     o->damage == PX_DAMAGE_DROP ? "drop" : "refill", "check", !o->unchecked);
}

static json_t *flips_json(const struct run *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->flip_count; i++)
        json_array_append_new(
            list, json_pack("[I,I]", (json_int_t)r->flips[i].row, (json_int_t)r->flips[i].bit));
    return list;
}

static json_t *run_json(const struct arms *a, const struct run *r, const px_loader_options *o)
{
    char hex[24];
    json_t *j = json_object();
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)r->digest);
    json_object_set_new(j, "regime", json_integer(crc_drop_epochs[r->regime]));
    json_object_set_new(j, "arm", json_text(crc_drop_arms[r->arm]));
    json_object_set_new(j, "p", json_number(r->p));
    json_object_set_new(j, "seed", json_integer(r->seed));
    json_object_set_new(j, "file", json_text(file_of(a, r)));
    json_object_set_new(j, "loader", loader_json(o));
    json_object_set_new(j, "flips", flips_json(r));
    json_object_set_new(j, "dropout", json_number(r->arm == ARM_DROPOUT ? dropout : 0));
    json_object_set_new(j, "pads_in_loss", json_boolean(r->arm == ARM_UNMASKED));
    json_object_set_new(j, "labels", json_u64(r->labels));
    json_object_set_new(j, "digest", json_text(hex));
    json_object_set_new(j, "damaged", json_u64(r->counts.damaged));
    json_object_set_new(j, "dropped", json_u64(r->counts.dropped));
    json_object_set_new(j, "refilled", json_u64(r->counts.refilled));
    return j;
}

static int is_equal(const struct arms *a, const struct run *r)
{
    uint64_t want = a->e->batch * a->e->row;
    return r->most <= want && (r->arm == ARM_SHORTER || r->least == want);
}

static px_err try_run(struct arms *a, struct run *r, const char *path, px_diag *d)
{
    px_data_options open = {.size = sizeof open, .writable = 1};
    px_data *data;
    px_data_info info;
    px_err err = px_data_open(path, &open, &data, d);
    if (err)
        return err;
    px_data_get_info(data, &info);
    damage(a, r, info.token_bytes);
    err = apply(r, data);
    if (!err)
        err = run_loader(a, r, data, d);
    px_data_close(data);
    return err;
}

/* Of a place whose samples are damaged, one after the other as often as a loader draws, nothing is
 * learned: then a step would have fewer labels, and the damage is drawn anew. */
static int add_run(struct arms *a, enum crc_drop_arm arm, unsigned regime, unsigned rate,
                   unsigned seed)
{
    struct run r = {.arm = arm,
                    .regime = regime,
                    .p = rate < CRC_DROP_RATES ? rates[rate] : 0,
                    .seed = seed,
                    .draw = arm == ARM_UNCHECKED ? a->draw[rate] : 0};
    const struct run again = r;
    const char *path = is_short(&r) ? crc_drop_path(a->e, "short.ndp3", CRC_DROP_REGIMES)
                                    : crc_drop_path(a->e, "train", regime);
    px_diag d = {0};
    px_err err = try_run(a, &r, path, &d);
    while (!err && !is_equal(a, &r) && (arm == ARM_FIXED || arm == ARM_FLIPS) &&
           r.draw + 1 < DRAWS) {
        unsigned draw = r.draw + 1;
        free(r.flips);
        r = again;
        r.draw = draw;
        err = try_run(a, &r, path, &d);
    }
    if (arm == ARM_FLIPS)
        a->draw[rate] = r.draw;
    if (!err && !is_equal(a, &r))
        a->first = a->unequal++ ? a->first : r;
    px_loader_options o = options(a, &r, NULL);
    json_array_append_new(a->runs, run_json(a, &r, &o));
    a->count++;
    free(r.flips);
    return err ? fail(err, path, &d) : 0;
}

static int add_seed(struct arms *a, unsigned regime, unsigned seed)
{
    static const enum crc_drop_arm rated[] = {ARM_DROP, ARM_FIXED, ARM_FLIPS, ARM_UNCHECKED,
                                              ARM_SHORTER};
    int rc = add_run(a, ARM_NONE, regime, CRC_DROP_RATES, seed);
    for (unsigned k = 0; rc == 0 && k < sizeof rated / sizeof *rated; k++)
        for (unsigned i = 0; rc == 0 && i < CRC_DROP_RATES; i++)
            rc = add_run(a, rated[k], regime, i, seed);
    if (rc == 0)
        rc = add_run(a, ARM_DROPOUT, regime, CRC_DROP_RATES, seed);
    for (unsigned arm = ARM_MASKED; rc == 0 && regime == 0 && arm <= ARM_UNMASKED; arm++)
        rc = add_run(a, (enum crc_drop_arm)arm, regime, CRC_DROP_RATES, seed);
    return rc;
}

static int write_arms(const struct arms *a)
{
    const char *path = crc_drop_path(a->e, "arms.json", CRC_DROP_REGIMES);
    json_t *doc =
        json_pack("{s:s,s:I,s:I,s:I,s:I,s:s,s:I,s:f,s:O}", "schema", "plexus.crc-drop/1", "steps",
                  (json_int_t)a->e->steps, "batch", (json_int_t)a->e->batch, "row_tokens",
                  (json_int_t)a->e->row, "vocab", (json_int_t)a->data.vocab, "heldout",
                  "heldout.ndp3", "labels_a_step", (json_int_t)(a->e->batch * a->e->row),
                  "bound_percent", CRC_DROP_BOUND, "runs", a->runs);
    int rc = json_dump_file(doc, path, JSON_COMPACT) == 0
                 ? 0
                 : fail_text(PX_ERR_IO, path, NULL, "cannot be written");
    json_decref(doc);
    return rc;
}

/* Few rows of which many are damaged may not be enough to refill from. */
static int say_unequal(const struct arms *a)
{
    const struct run *r = &a->first;
    return fail_text(PX_ERR_FAILED, a->e->dir, "take more text and --steps",
                     "%llu runs have steps with other labels, the first is %s, p %g, %u epochs, "
                     "seed %u: %llu to %llu labels a step, not %llu",
                     (unsigned long long)a->unequal, crc_drop_arms[r->arm], r->p,
                     crc_drop_epochs[r->regime], r->seed, (unsigned long long)r->least,
                     (unsigned long long)r->most, (unsigned long long)(a->e->batch * a->e->row));
}

int crc_drop_prepare(const struct crc_drop *e)
{
    struct arms a = {.e = e, .runs = json_array()};
    struct progress p;
    int rc = crc_drop_write(e, &a.data);
    interrupt_poll(1);
    progress_begin(&p, e->c, "counting labels", "runs",
                   (uint64_t)e->seeds * (CRC_DROP_REGIMES * 22 + 2));
    for (unsigned k = 0; k < CRC_DROP_REGIMES; k++)
        for (unsigned seed = 1; rc == 0 && seed <= e->seeds; seed++) {
            rc = interrupted() ? px_err_exit(PX_ERR_INTERRUPTED) : add_seed(&a, k, seed);
            progress_set(&p, a.count);
        }
    progress_end(&p);
    if (rc == 0 && a.unequal)
        rc = say_unequal(&a);
    if (rc == 0)
        rc = write_arms(&a);
    if (rc == 0 && opt_on(e->c, OPT_JSON)) {
        json_t *doc = doc_new(e->c);
        json_object_set_new(doc, "runs", json_u64(a.count));
        json_object_set_new(doc, "labels_a_step", json_u64(e->batch * e->row));
        json_object_set_new(doc, "heldout_rows", json_u64(a.data.heldout_rows));
        json_object_set_new(doc, "vocab", json_u64(a.data.vocab));
        json_object_set_new(doc, "rows", json_null());
        json_object_set_new(doc, "bound_percent", json_number(CRC_DROP_BOUND));
        rc = doc_print(doc, 0);
    } else if (rc == 0)
        printf("%llu runs in %s/arms.json: %llu labels in every step of every arm that refills\n",
               (unsigned long long)a.count, e->dir, (unsigned long long)(e->batch * e->row));
    json_decref(a.runs);
    return rc;
}
