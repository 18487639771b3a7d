/*
 * A part of a tree for tree.py, on the loopback of its namespace: 3 leaves of 2 workers.
 *
 *     tree_node PORT above | leaf NUMBER | worker RANK
 *
 * Those from PORT on are the one above, leaves, workers. A worker sums an array for each line that
 * it reads, and prints "sum LEAST DIGEST" or "error NAME"; aggregators say "ready" and stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plexus/hub.h"
#include "plexus/reduce.h"

enum { LEAVES = 3, EACH = 2, WORLD = LEAVES * EACH, N = 20000, VALUES = 256, WINDOW = 64 };
/* Nobody who only waits for a processor is given up. */
enum { DEADLINE_MS = 12000, SILENCE_MS = 30000 };

static char text[1 + LEAVES + WORLD][64];
static const char *at[1 + LEAVES + WORLD];
static const uint8_t secret[32] = "a tree in a test has no secrets";

static int fail(const px_diag *d)
{
    fprintf(stderr, "tree_node: %s: %s, found %s\n", d->field, d->expected, d->found);
    return 1;
}

/* Until it is killed, or nobody is there to do it. */
static int add(int leaf)
{
    static const unsigned each[LEAVES] = {EACH, EACH, EACH};
    px_hub_options o = {.size = sizeof o,
                        .address = at[leaf + 1],
                        .workers = leaf < 0 ? at + 1 : at + 1 + LEAVES + leaf * EACH,
                        .world = leaf < 0 ? LEAVES : EACH,
                        .leaves = leaf < 0 ? each : NULL,
                        .secret = secret,
                        .job = 1,
                        .values = VALUES,
                        .window = WINDOW,
                        .deadline_ms = DEADLINE_MS,
                        .slack_ms = DEADLINE_MS,
                        .longest = N};
    px_diag d = {0};
    px_hub *h;
    if (leaf >= 0) {
        o.above = at[0];
        o.leaf = (unsigned)leaf;
        o.first = (unsigned)leaf * EACH;
        o.total = WORLD;
    }
    if (px_hub_open(&o, &h, &d) != PX_ERR_OK)
        return fail(&d);
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    px_hub_close(h);
    return 0;
}

static float value(unsigned rank, unsigned round, size_t i)
{
    return (float)((i * 31 + rank * 17 + round * 7) % 129) / 64 - 1;
}

/* 0: near what those who are in it sum to, or nobody knows who they are. */
static int is_wrong(const float *x, unsigned least, unsigned round)
{
    for (size_t i = 0; i < N && least == WORLD; i++) {
        float want = 0;
        for (unsigned k = 0; k < WORLD; k++)
            want += value(k, round, i);
        if (x[i] - want > 0.02f || want - x[i] > 0.02f)
            return 1;
    }
    return 0;
}

static int work(unsigned rank)
{
    static float x[N];
    char line[16];
    px_diag d = {0};
    px_reduce *r;
    px_reduce_report report = {.size = sizeof report};
    px_reduce_options o = {.size = sizeof o,
                           .rank = rank,
                           .world = WORLD,
                           .addresses = at + 1 + LEAVES,
                           .aggregator = at[1 + rank / EACH],
                           .secret = secret,
                           .job = 1,
                           .values = VALUES,
                           .window = WINDOW,
                           .silence_ms = SILENCE_MS,
                           .path = "udp",
                           .longest = N};
    if (px_reduce_open(&o, &r, &d) != PX_ERR_OK)
        return fail(&d);
    printf("ready\n");
    fflush(stdout);
    for (unsigned round = 0; fgets(line, sizeof line, stdin); round++) {
        uint64_t digest = UINT64_C(0xcbf29ce484222325);
        for (size_t i = 0; i < N; i++)
            x[i] = value(rank, round, i);
        px_err err = px_reduce_sum(r, x, NULL, N, 0, &report);
        for (size_t i = 0; i < N; i++)
            digest = (digest ^ (uint64_t)(int64_t)(x[i] * 65536)) * UINT64_C(0x100000001b3);
        if (err)
            printf("error %s\n", px_err_name(err));
        else if (report.lost || is_wrong(x, report.least, round))
            printf("wrong\n");
        else
            printf("sum %u %016llx\n", report.least, (unsigned long long)digest);
        fflush(stdout);
        if (err)
            break;
    }
    px_reduce_close(r);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned port = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    for (unsigned i = 0; i < 1 + LEAVES + WORLD; i++) {
        snprintf(text[i], sizeof text[i], "/ip4/127.0.0.1/udp/%u", port + i);
        at[i] = text[i];
    }
    unsigned long which = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    if (argc == 3 && strcmp(argv[2], "above") == 0)
        return add(-1);
    if (argc == 4 && strcmp(argv[2], "leaf") == 0 && which < LEAVES)
        return add((int)which);
    if (argc == 4 && strcmp(argv[2], "worker") == 0 && which < WORLD)
        return work((unsigned)which);
    fprintf(stderr, "tree_node PORT above | leaf NUMBER | worker RANK\n");
    return 2;
}
