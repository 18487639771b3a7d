/*
 * What poison does to training: workers tell drawn digits apart together, some of them lie, and a
 * rule adds what they send. Two trainings with the same fields give the same accuracy.
 */
#ifndef PLEXUS_POISON_H
#define PLEXUS_POISON_H

#include <stdint.h>

#include "plexus/hub.h"

PX_BEGIN_DECLS

typedef struct px_poison_training {
    size_t size;        /* of this structure */
    const char *rule;   /* "clip1"; px_poison_rule lists them */
    const char *attack; /* "none"; px_poison_attack lists them */
    unsigned workers;   /* 4 to 64 */
    unsigned liars;     /* fewer than half of them; rules are told how many there are */
    unsigned rounds;    /* steps of the training */
    int skewed;         /* each worker has pictures of few digits */
    int kernel;         /* packets go through the program of the kernel's aggregator, attached
                         * nowhere; rules "mean", "clip1" and "welford" */
    int exact;          /* floats all the way instead of 16 bits, for rules on whole vectors */
} px_poison_training;

/* Pictures to train with and to test with, and a few trusted ones; shared by all trainings of a
 * seed, also at the same time. NULL: no memory. */
typedef struct px_poison_data px_poison_data;
PX_API px_poison_data *px_poison_data_new(uint64_t seed);
PX_API void px_poison_data_free(px_poison_data *d);

/* Name of the i-th rule or attack, NULL past the end. */
PX_API const char *px_poison_rule(unsigned i);
PX_API const char *px_poison_attack(unsigned i);

/* Train; *accuracy is the per cent of the test pictures that are told right. PX_ERR_INVALID:
 * unknown names or numbers out of their range. With kernel also PX_ERR_UNSUPPORTED and
 * PX_ERR_PERMISSION, where it refuses. */
PX_API PX_NODISCARD px_err px_poison_train(const px_poison_training *t, const px_poison_data *d,
                                           double *accuracy);

/* How a live training stands. */
typedef struct px_poison_look {
    unsigned round;        /* rounds that are over */
    double loss, accuracy; /* of the test pictures; the mean loss at most 1e9; per cent */
    px_hub_report hub;     /* of the aggregator */
} px_poison_look;

typedef struct px_poison_live_options {
    size_t size;            /* sizeof(px_poison_live_options) */
    const char *rule;       /* of px_hub_rule */
    unsigned workers;       /* 4 to 64 */
    unsigned liars;         /* the last of them, fewer than half */
    double times;           /* what liars send: so many times what they found */
    int kernel;             /* as in px_hub_options */
    unsigned rounds, every; /* every: rounds between two looks */
    void (*look)(void *ctx, const px_poison_look *look); /* on another thread */
    void *ctx;
} px_poison_live_options;

/*
 * Train over sockets: each worker a thread that computes gradients and calls px_reduce_sum, through
 * an aggregator of px_hub on loopback. *last is the look at the end. Errors as px_hub_open and
 * px_reduce_sum; PX_ERR_UNSUPPORTED: a build without the network.
 */
PX_API PX_NODISCARD px_err px_poison_live(const px_poison_live_options *o, const px_poison_data *d,
                                          px_poison_look *last, px_diag *diag);

PX_END_DECLS

#endif
