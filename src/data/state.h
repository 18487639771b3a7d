/* Where a loader is, in 64 bytes: whose plan, and the place in it. */
#ifndef PXI_DATA_STATE_H
#define PXI_DATA_STATE_H

#include "data/plan.h"

struct pxi_data_state {
    uint64_t seed;
    struct pxi_place at;
    uint8_t name[16]; /* of the plan */
};

void pxi_data_state_write(const struct pxi_ndp_sums *sums, const struct pxi_data_state *s,
                          uint8_t out[PX_LOADER_STATE]);
/* False: not a state, or of another version. */
bool pxi_data_state_read(const struct pxi_ndp_sums *sums, const uint8_t in[PX_LOADER_STATE],
                         struct pxi_data_state *out);

#endif
