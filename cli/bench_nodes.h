/* Nodes of plexus bench pipeline: `plexus up` in the hosts of a lab, and answers that they give. */
#ifndef CLI_BENCH_NODES_H
#define CLI_BENCH_NODES_H

#include <stdio.h>

#include "bench.h"
#include "bench_lab.h"

struct lab_node {
    pid_t pid; /* 0: not up */
    FILE *out;
    json_t *ready; /* its first line */
};

struct nodes {
    struct lab *lab;
    char home[64]; /* a folder with one for each node */
    unsigned threads;
    struct lab_node of[LAB_HOSTS];
    char why[256]; /* of the last failure */
};

/* 0, or -1 with why. Each node computes on `threads` processors of its own as far as there are. */
int nodes_open(struct nodes *n, struct lab *l, unsigned threads);
void nodes_close(struct nodes *n); /* with everything that they stored */
int node_up(struct nodes *n, unsigned i);
void node_down(struct nodes *n, unsigned i, int sig);
/* Connect every pair of the first `count`. */
int nodes_meet(struct nodes *n, unsigned count);
const char *node_peer(const struct nodes *n, unsigned i);
/* The node of this peer id, or LAB_HOSTS. */
unsigned node_of(const struct nodes *n, const char *peer);
/* A command and its reply, which the caller frees; `in` is taken. NULL with why. */
json_t *nodes_ask(struct nodes *n, unsigned i, const char *op, json_t *in);
/* Push a file into the store of node i: its CID (kept), or NULL with why. */
const char *nodes_push(struct nodes *n, unsigned i, const char *path);
/* Pull it into the store of node i; the seconds it took, or -1 with why. */
double nodes_pull(struct nodes *n, unsigned i, const char *cid);

/* An answer that a node has the others compute. */
struct answer {
    px_control *control;
    json_t *stages;                  /* who computes; of the newest chain */
    double began_s, first_s, last_s; /* when tokens were heard */
    double lost_s;                   /* when the first loss of a peer was mended; 0: none */
    double first_ms, decode_ms;      /* as the node measured */
    unsigned made;
    int64_t epochs;
    struct series gaps; /* seconds between tokens */
    int over;
};

struct question {
    const char *model;
    size_t prompt, gen;
    unsigned stages, positions, draft_blocks;
    unsigned stages_max;    /* 0: any number */
    int no_spares;          /* nobody loads what he does not compute */
    uint32_t vocab, salt;   /* prompts of different salt differ */
    const char *draft;      /* NULL: plain passes */
    const char *hidden;     /* how hidden states are coded; NULL: f32 */
    const struct ids *text; /* the prompt; NULL: one that means nothing */
};

/* 0, or -1 with n->why. */
int answer_begin(struct nodes *n, unsigned i, const struct question *q, struct answer *a);
/* Wait for the next line: 1 it was a token, 0 something else or the end, -1 failed. */
int answer_step(struct nodes *n, struct answer *a);
int answer_finish(struct nodes *n, struct answer *a); /* all the rest; 0 or -1 */
void answer_free(struct answer *a);
/* Begin and finish. */
int answer_whole(struct nodes *n, unsigned i, const struct question *q, struct answer *a);

#endif
