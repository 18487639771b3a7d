/* States of loaders. */
#include "data/state.h"

_Static_assert((int)PXI_NDP_STATE_BYTES == (int)PX_LOADER_STATE,
               "the table has the size of the header");
enum { COVERED = PX_LOADER_STATE - 4 };

static const uint8_t magic[8] = {'N', 'D', 'P', 'c', 1, 0, 0, 0}; /* the fifth byte: version */

void pxi_data_state_write(const struct pxi_ndp_sums *sums, const struct pxi_data_state *s,
                          uint8_t out[PX_LOADER_STATE])
{
    struct pxi_ndp_state state = {.seed = s->seed, .position = s->at.position, .row = s->at.row};
    memcpy(state.magic, magic, sizeof magic);
    memcpy(state.name, s->name, sizeof s->name);
    pxi_ndp_state_write(&state, out);
    state.crc = sums->crc32c(0, out, COVERED);
    pxi_ndp_state_write(&state, out);
}

bool pxi_data_state_read(const struct pxi_ndp_sums *sums, const uint8_t in[PX_LOADER_STATE],
                         struct pxi_data_state *out)
{
    struct pxi_ndp_state state = pxi_ndp_state_read(in);
    if (memcmp(state.magic, magic, sizeof magic) != 0 || state.crc != sums->crc32c(0, in, COVERED))
        return false;
    *out = (struct pxi_data_state){.seed = state.seed, .at = {state.position, state.row}};
    memcpy(out->name, state.name, sizeof out->name);
    return true;
}
