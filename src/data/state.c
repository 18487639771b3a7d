/* States of loaders. */
#include "data/state.h"

static const uint8_t magic[8] = {'N', 'D', 'P', 'c', 1, 0, 0, 0}; /* the fifth byte: version */

void pxi_data_state_write(const struct pxi_ndp_sums *sums, const struct pxi_data_state *s,
                          uint8_t out[PX_LOADER_STATE])
{
    memset(out, 0, PX_LOADER_STATE);
    memcpy(out, magic, sizeof magic);
    pxi_ndp_put_le(out + 8, 8, s->seed);
    pxi_ndp_put_le(out + 16, 8, s->at.position);
    pxi_ndp_put_le(out + 24, 8, s->at.row);
    memcpy(out + 32, s->name, sizeof s->name);
    pxi_ndp_put_le(out + PX_LOADER_STATE - 4, 4, sums->crc32c(0, out, PX_LOADER_STATE - 4));
}

bool pxi_data_state_read(const struct pxi_ndp_sums *sums, const uint8_t in[PX_LOADER_STATE],
                         struct pxi_data_state *out)
{
    if (memcmp(in, magic, sizeof magic) != 0 ||
        pxi_ndp_le(in + PX_LOADER_STATE - 4, 4) != sums->crc32c(0, in, PX_LOADER_STATE - 4))
        return false;
    out->seed = pxi_ndp_le(in + 8, 8);
    out->at.position = pxi_ndp_le(in + 16, 8);
    out->at.row = pxi_ndp_le(in + 24, 8);
    memcpy(out->name, in + 32, sizeof out->name);
    return true;
}
