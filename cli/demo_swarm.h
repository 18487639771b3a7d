/* An act of the demo: three nodes share a model, one of them is killed, the words go on. */
#ifndef CLI_DEMO_SWARM_H
#define CLI_DEMO_SWARM_H

#include "session.h"

struct swarm_act {
    /* asked */
    struct ids prompt;
    size_t max, kill_at; /* tokens; which of them a peer does not survive */
    double temp;
    uint64_t seed;
    json_t *ends; /* borrowed: tokens that end a text */
    void (*stages)(void *arg, json_t *list);
    void (*token)(void *arg, int32_t token);
    void (*killed)(void *arg, const char *peer, long long first, long long last);
    void *arg;
    /* told */
    char cid[128];
    long long shards;
    double ready_ms, gap_ms; /* the nodes know each other; the longest wait between two words */
    struct ids tokens;
    json_t *plan; /* the last one */
    int lost;
};

/* Start the nodes (processes with homes of their own, on loopback), cut the model inside into
 * shards, speak over all three, kill one of them, and take everything away again.
 * PX_ERR_UNSUPPORTED: a build without the network. `why` says what failed. */
px_err demo_swarm(struct swarm_act *s, const char **why);

#endif
