/*
 * How hidden states travel, as a plan decides it. f32 gives the bits of one machine, so it is left
 * only where the links are too slow for it, and then for no more than is needed: while hidden
 * states take the links for more than a fifth of a token's time, and for more than 2 ms of it, the
 * next code that is smaller is looked at: f16, then q8. Pure.
 */
#ifndef PXI_INFER_CODING_H
#define PXI_INFER_CODING_H

#include "infer/candidate.h"
#include "infer/hidden.h"

struct pxi_coding {
    uint8_t dtype; /* of codec/stage.h */
    bool chosen;   /* by whoever asked, not by the plan */
    /* Of a token's time, what the links are taken: in f32, and as it is now. */
    double share_f32, share;
};

/* As pxi_choose, for rows of so many values. dtype 0: as the links allow. */
px_err pxi_choose_coded(const struct pxi_plan_model *m, const struct pxi_candidate *c,
                        unsigned count, uint32_t cols, uint8_t dtype, struct pxi_choice *out,
                        struct pxi_coding *coding);

/* A few words: why it is this code. */
const char *pxi_coding_why(const struct pxi_coding *c);

#endif
