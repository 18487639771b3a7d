/* Counters of what peers get wrong, one for each row of gen/fault.def. */
#ifndef PXI_NET_FAULT_H
#define PXI_NET_FAULT_H

#include <stdint.h>

enum pxi_fault {
#define PX_FAULT(id, name, text) PXI_FAULT_##id,
#include "../../gen/fault.def"
#undef PX_FAULT
    PXI_FAULTS
};

struct pxi_faults {
    uint64_t n[PXI_FAULTS];
};

#endif
