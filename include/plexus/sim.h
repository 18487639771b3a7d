/*
 * Simulation: thousands of peers in one process and in virtual time, every one running the code of
 * production above the connections. Two runs with the same options give the same digest.
 */
#ifndef PLEXUS_SIM_H
#define PLEXUS_SIM_H

#include "plexus/err.h"

PX_BEGIN_DECLS

/* All-zero fields take the defaults. */
typedef struct px_sim_options {
    size_t size;      /* of this structure */
    const char *name; /* "dht"; px_sim_name lists the scenarios */
    uint32_t nodes;   /* 1000 */
    uint32_t lookups; /* 300 of each kind */
    uint64_t seed;
    double churn; /* share of the peers that die after they have joined, 0 to 0.9 */
    /* Shares of attackers (0 to 0.9) of the attack table; none: no table. */
    const double *sybils;
    unsigned sybil_count;
    uint32_t attacked; /* honest peers of each row of the attack table: 400 */
} px_sim_options;

/* Called now and then; `total` may grow. Not 0: stop with PX_ERR_INTERRUPTED. */
typedef int px_sim_progress(void *ctx, const char *what, uint64_t done, uint64_t total);

/* One figure. */
typedef struct px_sim_figure {
    const char *name; /* "get.success" */
    double value;
    const char *unit; /* "share", "ms", "bytes", ..., "" */
    int stable;       /* the same for the same seed (part of the digest), or of this machine */
} px_sim_figure;

/* One row of the attack table. */
typedef struct px_sim_attack {
    const char *placement; /* "random", "targeted" (at the keys), "eclipse" (at who looks) */
    const char *networks;  /* "few" or "many": where the attackers' addresses lie */
    const char *defence;   /* "off", "on": disjoint paths and limits for peers of one network */
    double share;          /* attackers for each honest peer */
    double get, find;      /* share of gets and provider searches that succeeded */
    double messages;       /* requests a get */
} px_sim_attack;

typedef struct px_sim_result px_sim_result;

/* Name of the i-th scenario, NULL past the end. */
PX_API const char *px_sim_name(unsigned i);

/* Run a scenario. The result is freed by the caller, also when it says that something failed.
 * PX_ERR_INVALID: unknown name or a value out of its range. */
PX_API PX_NODISCARD px_err px_sim_run(const px_sim_options *o, px_sim_progress *progress, void *ctx,
                                      px_sim_result **out);
PX_API void px_sim_free(px_sim_result *r);

/* 1 when every target was met. */
PX_API int px_sim_ok(const px_sim_result *r);
/* 32 hexadecimal digits over everything that happened. Borrowed. */
PX_API const char *px_sim_digest(const px_sim_result *r);
/* The i-th figure, attack row, or failure (a sentence); NULL past the end. Borrowed. */
PX_API const px_sim_figure *px_sim_figure_at(const px_sim_result *r, unsigned i);
PX_API const px_sim_attack *px_sim_attack_at(const px_sim_result *r, unsigned i);
PX_API const char *px_sim_failure_at(const px_sim_result *r, unsigned i);

PX_END_DECLS

#endif
