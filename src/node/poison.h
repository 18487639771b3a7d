/* The pieces of a training with liars (plexus/poison.h): attacks, and the packets. */
#ifndef PXI_NODE_POISON_H
#define PXI_NODE_POISON_H

#include "base/rng.h"
#include "node/digits.h"
#include "reduce/robust.h"
#include "reduce/slots.h"

enum { PXI_POISON_WORKERS = 64, PXI_POISON_BATCH = 16, PXI_POISON_CHUNK = 256 };

/* What a rule adds with: packets and slots, as the kernel does, or whole vectors. */
struct pxi_poison_rule {
    const char *name;
    enum px_sentry_rule sentry;
    bool slots;
    const struct pxi_robust_rule *robust;
};

/* What is asked of a training. */
struct pxi_poison_run {
    unsigned n, f, rounds;
    uint64_t seed;
    unsigned attack; /* index into pxi_poison_attacks */
    bool skewed;     /* workers have pictures of few digits */
    bool kernel;     /* packets go to the kernel's aggregator, of rules for packets */
    bool exact;      /* floats all the way, where the rule takes whole vectors */
    struct pxi_poison_rule rule;
};

/* What attackers know: the vectors of the honest, and the last result. */
struct pxi_poison_view {
    const struct pxi_poison_run *run;
    float *const *v; /* n vectors; those of attackers are what they would send if honest */
    const float *last;
    unsigned round;
    struct pxi_rng *rng;
    float *mean, *deviation; /* of the honest; for attacks that ask for them */
    /* What the rule makes of it if all attackers send this: how far that is from the mean along
     * it. NULL: the rule goes through packets. */
    double (*gain)(void *of, const float *sent);
    void *of;
    unsigned held; /* what an attack keeps from round to round */
};

struct px_poison_data {
    uint64_t seed;
    struct pxi_digits train, test, root;
};

enum pxi_poison_wire { PXI_POISON_WIRE_VALUES, PXI_POISON_WIRE_NAN, PXI_POISON_WIRE_EXPONENT };

struct pxi_poison_attack {
    const char *name, *text;
    bool alike, knows;         /* all attackers send the same; mean and deviation are needed */
    bool labels;               /* attackers train on wrong labels */
    enum pxi_poison_wire wire; /* what else is done to the packets */
    void (*make)(struct pxi_poison_view *a, float *out);
};

extern const struct pxi_poison_attack pxi_poison_attacks[];
extern const unsigned pxi_poison_attack_count;
/* Workers, packets and slots in one process. The run outlives it. PX_ERR_NOMEM; with run->kernel
 * as pxi_agg_run_new. */
struct pxi_poison_slots;
px_err pxi_poison_slots_new(const struct pxi_poison_run *run, struct pxi_poison_slots **out,
                            px_diag *diag);
void pxi_poison_slots_free(struct pxi_poison_slots *s);
/* Reduce v (n vectors, untouched) to the mean of what is added. False: an honest worker's is not
 * finite, so the training is ruined. */
bool pxi_poison_slots_reduce(struct pxi_poison_slots *s, float *const *v, float *out);

#endif
