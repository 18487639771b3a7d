/* The pieces of plexus bench infer: our measurement, the peers', and the table. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "bench_series.h"
#include "session.h"

enum { BENCH_ROUNDS = 1000, BENCH_PEERS = 8, BENCH_SEQUENCES = 8 };

struct bench_model {
    const char *label; /* "q4_0" of a generated model, or "" */
    const char *path;
    uint64_t file_bytes, read_bytes; /* read_bytes: weights that one decoded token reads */
    struct series prefill, decode, bandwidth;
    struct series together[BENCH_SEQUENCES]; /* decode of several sequences, all of them */
    struct series peer_prefill[BENCH_PEERS], peer_decode[BENCH_PEERS];
    uint64_t rss_bytes;
    unsigned threads;
};

struct bench {
    struct cli *c;
    size_t prompt, gen;
    uint64_t threads;
    unsigned rounds, sequences[BENCH_SEQUENCES], sequence_count;
    const char **peers;
    unsigned peer_count;
};

/* One round of our own figures into m; 0 or an exit code. */
int bench_round(const struct bench *b, struct session *s, struct bench_model *m);

/* Prefill and decode of it only. */
int bench_speed(const struct bench *b, struct session *s, struct bench_model *m);

/* One run of a peer; 0, or -1 with a reason. */
int peer_round(const struct bench *b, const struct bench_model *m, const char *peer,
               double *prefill, double *decode, char *why, size_t cap);

/* Rows name, value, unit, peer, peer_value, ratio. */
json_t *bench_rows(const struct bench *b, const struct bench_model *m, unsigned n);
/* Add a row; peer NULL: nothing to compare with. */
void bench_row(json_t *rows, const char *name, double value, const char *unit, const char *peer,
               double peer_value);
void bench_table(json_t *rows, const char *const *peers, unsigned count, unsigned rounds);

#endif
