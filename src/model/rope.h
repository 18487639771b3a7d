/* Rotary position embedding: the speeds of a model, and the angles of a position. */
#ifndef PXI_MODEL_ROPE_H
#define PXI_MODEL_ROPE_H

#include "model/weights.h"

/* Fill rope_dim / 2 speeds (radians a position). */
void pxi_rope_speeds(double *speed, const struct pxi_model *m);

/* Cosine and sine of each of n speeds at a position: cs[2 i], cs[2 i + 1]. */
void pxi_rope_angles(float *cs, const double *speed, uint32_t n, uint32_t position);

#endif
