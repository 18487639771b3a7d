/* Which kernels this process uses. */
#ifndef PXI_NODE_KERNELS_H
#define PXI_NODE_KERNELS_H

#include "kernel/kernel.h"
#include "plexus/err.h"

/* Those that `cpu` names, or PLEXUS_CPU where it is NULL, or all that the processor has.
 * PX_ERR_INVALID with the diagnosis: an unknown name, or instructions that are not here. */
px_err pxi_kernels_choose(struct pxi_kernels *kn, const char *cpu, px_diag *diag);

#endif
