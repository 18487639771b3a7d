/*
 * A worker for test_job.py and agg_names.py: joins a job by the node of a home and sums arrays in
 * it.
 *
 *     reduce_worker SOCKET JOB ADDRESS HOST VALUES ROUNDS JOIN_MS [REKEY [AGAIN [PAUSE_MS]]]
 *
 * HOST "-": the node itself offers the job. Prints "in RANK WORLD" and at the end
 * "ok DIGEST REKEYS", or "fail NAME WHAT". With AGAIN it opens the job anew whenever it is lost,
 * which it tells ("lost NAME"), goes on from the round that all have, tells every tenth round ("at
 * ROUND"), the rule and when a sum lacked somebody or came too late ("rule NAME", "short"); 2: sums
 * are not looked at. PAUSE_MS: before the fourth round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plexus/reduce.h"

struct work {
    px_reduce_options o;
    px_reduce *r;
    float *x;
    size_t n;
    unsigned round, rounds, again, pause_ms, rekeys;
    unsigned long long digest;
};

static int failed(px_err err, const px_diag *d)
{
    printf("fail %s %s: %s\n", px_err_name(err), d->field, d->found);
    return 1;
}

static void say(const char *what, const char *more)
{
    printf("%s %s\n", what, more);
    fflush(stdout);
}

static float value(unsigned rank, unsigned round, size_t i)
{
    return (float)((rank * 31 + round * 17 + i * 7) % 65) / 32.0f - 1.0f;
}

static float sum_of(const px_reduce *r, unsigned round, size_t i)
{
    float sum = 0;
    for (unsigned k = 0; k < px_reduce_world(r); k++)
        sum += value(k, round, i);
    return sum;
}

/* Values are multiples of a step that the format has, so sums are exact. */
static px_err check(struct work *w, const px_reduce_report *report)
{
    px_err err = PX_ERR_OK;
    if (w->again && (report->least < px_reduce_world(w->r) || report->lost)) {
        say("short", "");
        return err;
    }
    for (size_t i = 0; i < w->n && !err; i++) {
        err = w->x[i] == sum_of(w->r, w->round, i) || w->again == 2 ? PX_ERR_OK : PX_ERR_CORRUPT;
        w->digest = (w->digest ^ (unsigned)(int)(w->x[i] * 32)) * 0x100000001b3ULL;
    }
    return err;
}

static px_err round_of(struct work *w)
{
    char text[32];
    px_reduce_report report = {.size = sizeof report};
    if (w->round == 3)
        usleep(w->pause_ms * 1000);
    for (size_t i = 0; i < w->n; i++)
        w->x[i] = value(px_reduce_rank(w->r), w->round, i);
    px_err err = px_reduce_sum(w->r, w->x, NULL, w->n, 0, &report);
    if (!err)
        err = check(w, &report);
    w->rekeys = report.rekeys;
    if (!err && w->again && w->round % 10 == 0) {
        snprintf(text, sizeof text, "%u", w->round);
        say("at", text);
        say("rule", report.rule);
    }
    return err;
}

/* Who has lost the job may be a round behind others: all go on with the first that somebody lacks.
 */
static px_err agree(struct work *w)
{
    float rounds[64] = {0};
    unsigned world = px_reduce_world(w->r);
    rounds[px_reduce_rank(w->r)] = (float)w->round;
    px_err err = px_reduce_sum(w->r, rounds, NULL, world, 0, NULL);
    for (unsigned i = 0; i < world && !err; i++)
        w->round = (unsigned)rounds[i] < w->round ? (unsigned)rounds[i] : w->round;
    return err;
}

/* Open, and sum until the end or until the job is lost. */
static px_err company(struct work *w, px_diag *d)
{
    px_err err = px_reduce_open(&w->o, &w->r, d);
    if (err)
        return err;
    printf("in %u %u\n", px_reduce_rank(w->r), px_reduce_world(w->r));
    fflush(stdout);
    if (w->again == 1)
        err = agree(w);
    for (; w->round < w->rounds && !err; w->round += !err)
        err = round_of(w);
    px_reduce_close(w->r);
    return err;
}

int main(int argc, char **argv)
{
    px_diag d = {0};
    if (argc < 8)
        return 2;
    struct work w = {.n = strtoul(argv[5], NULL, 10),
                     .rounds = (unsigned)strtoul(argv[6], NULL, 10),
                     .again = argc > 9 ? (unsigned)strtoul(argv[9], NULL, 10) : 0,
                     .pause_ms = argc > 10 ? (unsigned)strtoul(argv[10], NULL, 10) : 0,
                     .digest = 0xcbf29ce484222325ULL};
    w.o = (px_reduce_options){.size = sizeof w.o,
                              .name = argv[2],
                              .node = argv[1],
                              .address = argv[3],
                              .host = strcmp(argv[4], "-") ? argv[4] : NULL,
                              .longest = w.n,
                              .slack_ms = 2000,
                              .silence_ms = w.again ? 60000 : 0,
                              .join_ms = (unsigned)strtoul(argv[7], NULL, 10),
                              .rekey = argc > 8 ? (unsigned)strtoul(argv[8], NULL, 10) : 0};
    if (!(w.x = calloc(w.n, sizeof *w.x)))
        return 1;
    px_err err = company(&w, &d);
    while (w.again && (err == PX_ERR_RESET || err == PX_ERR_TIMEOUT)) {
        say("lost", px_err_name(err));
        err = company(&w, &d);
    }
    free(w.x);
    if (err)
        return failed(err, &d);
    printf("ok %016llx %u\n", w.digest, w.rekeys);
    return 0;
}
