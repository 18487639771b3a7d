/* The parts of plexus bench pipeline; each adds its rows. */
#ifndef CLI_BENCH_PIPELINE_H
#define CLI_BENCH_PIPELINE_H

#include "bench_nodes.h"

struct pipeline {
    struct cli *c;
    json_t *rows;
    const char *model, *peers; /* the peers' folder, or NULL */
    size_t prompt, gen;
    unsigned rounds, threads, positions, delay_ms;
    px_model_info info;
    struct session local; /* the model in this process */
    struct bench_model alone;
    double token_s; /* of one token in this process, the median; 0: not measured yet */
    int shaped;     /* this process may build a lab */
    struct progress progress;
    uint64_t done;
};

/* One round in this process: into p->alone. 0 or an exit code. */
int pipeline_alone(struct pipeline *p);
/* Two processes at once, each computing all of the model: what two machines could do at best. */
int pipeline_apart(struct pipeline *p, struct series *prefill, struct series *decode);
/* A lab with shaped lines (delay_ms 0) or delaying ones, or none of either when it may not be. */
void pipeline_lab(const struct pipeline *p, struct lab *l, unsigned hosts, unsigned delay_ms);
/* Nodes up in every host of the lab, all connected, the model in the first one's store. */
const char *pipeline_nodes(struct pipeline *p, struct nodes *n, struct lab *l);
int pipeline_failed(const struct nodes *n);
/* Every stage has its shards: an answer of two tokens fetches those that are missing. */
int pipeline_warm(struct pipeline *p, struct nodes *n, const char *model, unsigned stages);
struct question pipeline_question(const struct pipeline *p, const char *model, size_t prompt,
                                  size_t gen, unsigned stages);
void pipeline_step(struct pipeline *p);

/* The parts: 0 or an exit code. */
int pipeline_line(struct pipeline *p);   /* two stages over one line, beside one process */
int pipeline_start(struct pipeline *p);  /* nodes that have their shards */
int pipeline_hop(struct pipeline *p);    /* what a hop adds */
int pipeline_delay(struct pipeline *p);  /* three stages over lines that delay */
int pipeline_faults(struct pipeline *p); /* a stage is killed, or frozen, and who takes over */
int pipeline_store(struct pipeline *p);  /* shards from store to store */

/* bench_rpc.c: the same over llama.cpp's RPC. */
struct rpc_figures {
    struct series prefill, decode, decode_alone, token_bytes, start_bytes;
};
/* One round with two workers in hosts 1 and 2. 0, or -1 with why. */
int rpc_round(const struct pipeline *p, const struct lab *l, struct rpc_figures *f, char *why,
              size_t cap);

#endif
