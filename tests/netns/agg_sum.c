/*
 * A worker for agg_again.py: px_reduce through an aggregator that has the job's key (plexus agg
 * attach --secret), every sum checked.
 *
 *     agg_sum RANK WORLD AGGREGATOR PORT GROUP OWN SECRET VALUES ROUNDS
 *
 * GROUP "-": sums come to OWN itself. Tells every tenth round ("at ROUND") and prints "ok DIGEST"
 * at the end, or "fail NAME WHAT".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plexus/reduce.h"

enum { PATIENT_MS = 120000 }; /* longer than a machine can stall */

static int failed(const char *what, px_err err)
{
    printf("fail %s %s\n", px_err_name(err), what);
    return 1;
}

/* A multiple of a step that the format has: sums are exact. */
static float value(unsigned rank, unsigned round, size_t i)
{
    return (float)((rank * 31 + round * 17 + i * 7) % 65) / 32.0f - 1.0f;
}

static int check(const float *x, unsigned world, unsigned round, size_t n,
                 unsigned long long *digest)
{
    for (size_t i = 0; i < n; i++) {
        float want = 0;
        for (unsigned k = 0; k < world; k++)
            want += value(k, round, i);
        if (x[i] != want)
            return failed("a sum is wrong", PX_ERR_CORRUPT);
        *digest = (*digest ^ (unsigned)(int)(x[i] * 32)) * 0x100000001b3ULL;
    }
    return 0;
}

static int work(px_reduce *r, float *x, size_t n, unsigned rounds)
{
    unsigned long long digest = 0xcbf29ce484222325ULL;
    unsigned rank = px_reduce_rank(r), world = px_reduce_world(r);
    for (unsigned round = 0; round < rounds; round++) {
        px_reduce_report report = {.size = sizeof report};
        for (size_t i = 0; i < n; i++)
            x[i] = value(rank, round, i);
        px_err err = px_reduce_sum(r, x, NULL, n, 0, &report);
        if (err)
            return failed("no sum", err);
        if (report.least < world || report.lost)
            return failed("somebody was left out", PX_ERR_TIMEOUT);
        if (check(x, world, round, n, &digest))
            return 1;
        if (round % 10 == 0)
            printf("at %u\n", round);
        fflush(stdout);
    }
    printf("ok %016llx\n", digest);
    return 0;
}

int main(int argc, char **argv)
{
    char own[80], aggregator[80];
    const char *addresses[64] = {0};
    unsigned char secret[32];
    px_diag d = {0};
    px_reduce *r;
    if (argc != 10 || strlen(argv[7]) != 64)
        return 2;
    for (unsigned i = 0, v; i < 32; i++)
        secret[i] = sscanf(argv[7] + 2 * i, "%2x", &v) == 1 ? (unsigned char)v : 0;
    snprintf(own, sizeof own, "/ip4/%s/udp/%s", argv[6], argv[4]);
    snprintf(aggregator, sizeof aggregator, "/ip4/%s/udp/%s", argv[3], argv[4]);
    px_reduce_options o = {.size = sizeof o,
                           .rank = (unsigned)strtoul(argv[1], NULL, 10),
                           .world = (unsigned)strtoul(argv[2], NULL, 10),
                           .addresses = addresses,
                           .aggregator = aggregator,
                           .group = strcmp(argv[5], "-") ? argv[5] : NULL,
                           .secret = secret,
                           .job = 1,
                           .values = 256,
                           .window = 64,
                           .silence_ms = PATIENT_MS,
                           .longest = strtoul(argv[8], NULL, 10)};
    if (o.rank >= 64)
        return 2;
    addresses[o.rank] = own;
    px_err err = px_reduce_open(&o, &r, &d);
    if (err)
        return failed(d.found, err);
    float *x = calloc(o.longest, sizeof *x);
    int rc = x ? work(r, x, o.longest, (unsigned)strtoul(argv[9], NULL, 10)) : 1;
    px_reduce_close(r);
    free(x);
    return rc;
}
