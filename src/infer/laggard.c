#include "infer/laggard.h"

enum { LOOKS = 3 };

bool pxi_laggard_look(const struct pxi_heartbeat *b, const struct pxi_peer *p, unsigned *looks)
{
    *looks = pxi_heartbeat_state(b, p, NULL) == PXI_PEER_SLOW ? *looks + 1 : 0;
    return *looks >= LOOKS;
}

bool pxi_laggard_heir(const struct pxi_heartbeat *b, const struct pxi_peer *p)
{
    return pxi_heartbeat_state(b, p, NULL) == PXI_PEER_GOOD;
}
