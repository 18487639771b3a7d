/* What the sampler (plexus/sampler.h) has for src only. */
#ifndef PXI_MODEL_SAMPLER_H
#define PXI_MODEL_SAMPLER_H

#include "plexus/sampler.h"

/* As it was when it was new: no token seen, no number drawn. */
void pxi_sampler_reset(px_sampler *s);

#endif
