/*
 * A worker for test_job.py: joins a job by the node of a home and sums arrays in it.
 *
 *     reduce_worker SOCKET JOB ADDRESS HOST VALUES ROUNDS JOIN_MS [REKEY]
 *
 * HOST "-": the node itself offers the job. Prints "in RANK WORLD" and at the end
 * "ok DIGEST REKEYS", or "fail NAME WHAT".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plexus/reduce.h"

static int failed(px_err err, const px_diag *d)
{
    printf("fail %s %s: %s\n", px_err_name(err), d->field, d->found);
    return 1;
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
static int round_of(px_reduce *r, unsigned round, float *x, size_t n, unsigned long long *digest,
                    unsigned *rekeys)
{
    px_reduce_report report = {.size = sizeof report};
    for (size_t i = 0; i < n; i++)
        x[i] = value(px_reduce_rank(r), round, i);
    px_err err = px_reduce_sum(r, x, NULL, n, 0, &report);
    for (size_t i = 0; i < n && !err; i++) {
        err = x[i] == sum_of(r, round, i) ? PX_ERR_OK : PX_ERR_CORRUPT;
        *digest = (*digest ^ (unsigned)(int)(x[i] * 32)) * 0x100000001b3ULL;
    }
    *rekeys = report.rekeys;
    return err ? failed(err, &(px_diag){.field = "sum"}) : 0;
}

int main(int argc, char **argv)
{
    px_diag d = {0};
    px_reduce *r;
    unsigned long long digest = 0xcbf29ce484222325ULL;
    unsigned rekeys = 0;
    if (argc < 8)
        return 2;
    size_t n = strtoul(argv[5], NULL, 10);
    px_reduce_options o = {.size = sizeof o,
                           .name = argv[2],
                           .node = argv[1],
                           .address = argv[3],
                           .host = strcmp(argv[4], "-") ? argv[4] : NULL,
                           .longest = n,
                           .slack_ms = 2000,
                           .join_ms = (unsigned)strtoul(argv[7], NULL, 10),
                           .rekey = argc > 8 ? (unsigned)strtoul(argv[8], NULL, 10) : 0};
    px_err err = px_reduce_open(&o, &r, &d);
    if (err)
        return failed(err, &d);
    printf("in %u %u\n", px_reduce_rank(r), px_reduce_world(r));
    fflush(stdout);
    float *x = calloc(n, sizeof *x);
    int rc = x ? 0 : 1;
    for (unsigned i = 0; i < strtoul(argv[6], NULL, 10) && !rc; i++)
        rc = round_of(r, i, x, n, &digest, &rekeys);
    if (!rc)
        printf("ok %016llx %u\n", digest, rekeys);
    free(x);
    px_reduce_close(r);
    return rc;
}
