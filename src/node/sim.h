/* What the scenarios of the simulator share: the result, and a world of simulated peers. */
#ifndef PXI_NODE_SIM_H
#define PXI_NODE_SIM_H

#include "net/identify.h"
#include "net/kad.h"
#include "net/simlink.h"
#include "plexus/sim.h"

enum { SIM_FIGURES = 64, SIM_ATTACKS = 64, SIM_FAILURES = 32 };

struct px_sim_result {
    char digest[33];
    uint64_t hash[2];
    px_sim_figure figure[SIM_FIGURES];
    px_sim_attack attack[SIM_ATTACKS];
    char *failure[SIM_FAILURES];
    unsigned figures, attacks, failures;
};

/* ------------------------------------------------------------- sim.c */

struct sim_run {
    const px_sim_options *o;
    px_sim_progress *progress;
    void *ctx;
    px_sim_result *r;
    uint64_t done, total;
    bool stopped;
};

/* Mix what happened into the digest. */
void pxi_sim_note(px_sim_result *r, uint64_t what);
/* A figure; name and unit are static. Stable ones go into the digest. */
void pxi_sim_figure(px_sim_result *r, const char *name, double value, const char *unit,
                    bool stable);
void pxi_sim_fail(px_sim_result *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One more unit of work is done; false when the caller wants to stop. */
bool pxi_sim_advance(struct sim_run *run, const char *what, uint64_t by);

/* ------------------------------------------------------- sim_world.c */

struct sim_world;

struct sim_node {
    struct sim_world *world;
    struct pxi_key *key;
    struct pxi_host *host; /* NULL: dead */
    struct pxi_identify *identify;
    struct pxi_kad *kad;
    struct pxi_simport *port;
    struct pxi_kad_key at; /* place in the key space */
    struct pxi_maddr addr;
    struct pxi_timer timer; /* joining */
    unsigned tries;
    bool joined, evil;
};

struct sim_world {
    struct pxi_timers timers;
    struct pxi_random random;
    struct pxi_rng rng;
    struct pxi_simnet *net;
    struct pxi_kad_options kad;
    struct sim_node *node;
    unsigned n, cap, joined;
    unsigned peers_max; /* that a host remembers; for hosts added from now on */
};

/* A world of up to `cap` peers; NULL: no memory. */
struct sim_world *pxi_sim_world_new(unsigned cap, uint64_t seed, const struct pxi_kad_options *kad);
void pxi_sim_world_free(struct sim_world *w);
/* A peer with a key of this seed at an address of this network (16 bits; 0: any). NULL: no memory.
 */
struct sim_node *pxi_sim_add(struct sim_world *w, const uint8_t seed[32], unsigned network,
                             const struct pxi_kad_options *kad);
/* It joins through a peer that has joined already, `after_ns` from now. */
void pxi_sim_join(struct sim_node *v, uint64_t after_ns);
/* It vanishes. */
void pxi_sim_kill(struct sim_node *v);
/* Advance virtual time; false when the caller stopped. */
bool pxi_sim_pass(struct sim_run *run, struct sim_world *w, uint64_t ns);
/* A living honest peer at random. */
struct sim_node *pxi_sim_any(struct sim_world *w);
void pxi_sim_seed(struct sim_world *w, uint8_t seed[32]);
/* The living peer nearest to a key, honest or not, but for one. */
const struct sim_node *pxi_sim_nearest(const struct sim_world *w, const struct pxi_kad_key *key,
                                       const struct sim_node *but);

/* ------------------------------------------------------ scenarios */

px_err pxi_sim_dht(struct sim_run *run);
px_err pxi_sim_attacks(struct sim_run *run);

#endif
