/* What the processor can do. */
#include "kernel/kernel.h"

uint32_t pxi_cpu_detect(void)
{
    return PXI_CPU_SCALAR;
}
