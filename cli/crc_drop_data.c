/* The data of bench crc-drop: documents held out, the rest cut into rows, three sizes of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crc_drop.h"

enum { HELD_OUT = 10 }; /* every tenth document */

const unsigned crc_drop_epochs[CRC_DROP_REGIMES] = {0, 4, 16};

struct tokens {
    int32_t *p;
    size_t n, cap;
};

static void add(struct tokens *t, const px_sample *s)
{
    if (t->n + s->tokens > t->cap) {
        t->cap = 2 * (t->n + s->tokens);
        t->p = must(realloc(t->p, t->cap * sizeof *t->p));
    }
    t->n += px_sample_tokens(s, 0, t->p + t->n, s->tokens);
}

char *crc_drop_path(const struct crc_drop *e, const char *name, unsigned regime)
{
    size_t n = strlen(e->dir) + strlen(name) + 32;
    char *out = keep(malloc(n));
    if (regime < CRC_DROP_REGIMES)
        snprintf(out, n, "%s/%s-%u.ndp3", e->dir, name, crc_drop_epochs[regime]);
    else
        snprintf(out, n, "%s/%s", e->dir, name);
    return out;
}

/* Whole documents to one side or the other. */
static int split(const struct crc_drop *e, struct tokens *train, struct tokens *heldout,
                 uint32_t *vocab)
{
    px_data *data;
    px_data_info info;
    px_diag d = {0};
    px_err err = px_data_open(e->in, NULL, &data, &d);
    if (err)
        return fail(err, e->in, &d);
    px_data_get_info(data, &info);
    uint64_t document = 0;
    for (uint64_t i = 0; !err && i < info.samples; i++) {
        px_sample s;
        err = px_data_sample(data, i, &s);
        if (err || !s.tokens)
            continue;
        document += !s.continues;
        add(document % HELD_OUT ? train : heldout, &s);
    }
    px_data_close(data);
    *vocab = info.vocab;
    for (size_t i = 0; i < train->n + heldout->n; i++) {
        int32_t t = i < train->n ? train->p[i] : heldout->p[i - train->n];
        if (t >= 0 && (uint32_t)t >= *vocab)
            *vocab = (uint32_t)t + 1;
    }
    return err ? fail_text(err, e->in, "plexus data verify names it", "a sample is damaged") : 0;
}

static int write_rows(const struct crc_drop *e, const char *path, const struct tokens *t,
                      uint64_t rows, size_t row, uint32_t vocab)
{
    px_data_writer_options o = {.size = sizeof o, .vocab = vocab, .bos = -1, .eos = -1, .pad = -1};
    px_data_writer *w;
    px_diag d = {0};
    px_err err = px_data_writer_new(path, &o, &w, &d);
    if (err)
        return fail(err, path, &d);
    for (uint64_t i = 0; !err && i < rows; i++)
        err = px_data_write(w, 1, 1, t->p + i * row, row, 0);
    if (!err)
        err = px_data_commit(w);
    px_data_writer_free(w);
    note(e->c, "%s: %llu rows of %zu tokens", path, (unsigned long long)rows, row);
    return err ? fail(err, path, NULL) : 0;
}

static int enough(const struct crc_drop *e, const struct tokens *train,
                  const struct tokens *heldout, const struct crc_drop_data *data)
{
    uint64_t row = e->row + 1, need = data->rows[0] * row;
    uint64_t half = data->short_rows * (e->row / 2 + 1);
    need = need > half ? need : half;
    if (train->n >= need && heldout->n >= row)
        return 0;
    return fail_text(PX_ERR_LIMIT, e->in, "take more text, or fewer --steps",
                     "%llu tokens are needed after every tenth document was held out (%llu of "
                     "them), there are %llu (%llu)",
                     (unsigned long long)need, (unsigned long long)row,
                     (unsigned long long)train->n, (unsigned long long)heldout->n);
}

int crc_drop_write(const struct crc_drop *e, struct crc_drop_data *out)
{
    struct tokens train = {0}, heldout = {0};
    uint64_t slots = e->steps * e->batch;
    int rc = split(e, &train, &heldout, &out->vocab);
    for (unsigned k = 0; k < CRC_DROP_REGIMES; k++)
        out->rows[k] = crc_drop_epochs[k] ? (slots + crc_drop_epochs[k] - 1) / crc_drop_epochs[k]
                                          : slots + slots / 9 + 1; /* nine tenths of an epoch */
    out->short_rows = 2 * slots;                                   /* in less than an epoch, too */
    if (rc == 0)
        rc = enough(e, &train, &heldout, out);
    if (rc == 0 && mkdir(e->dir, 0777) != 0 && errno != EEXIST)
        rc = fail_text(PX_ERR_IO, e->dir, NULL, "cannot be made: %s", strerror(errno));
    for (unsigned k = 0; rc == 0 && k < CRC_DROP_REGIMES; k++)
        rc = write_rows(e, crc_drop_path(e, "train", k), &train, out->rows[k], e->row + 1,
                        out->vocab);
    out->heldout_rows = heldout.n / (e->row + 1);
    if (rc == 0)
        rc = write_rows(e, crc_drop_path(e, "heldout.ndp3", CRC_DROP_REGIMES), &heldout,
                        out->heldout_rows, e->row + 1, out->vocab);
    if (rc == 0)
        rc = write_rows(e, crc_drop_path(e, "short.ndp3", CRC_DROP_REGIMES), &train,
                        out->short_rows, e->row / 2 + 1, out->vocab);
    free(train.p);
    free(heldout.p);
    return rc;
}
