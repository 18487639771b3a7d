/* One or two tokens, types of super-blocks: see quant_few512.h. */
#include "kernel/x86/quant_few512.h"

PXI_FEW512(mins, PXI_Q_MINS)
PXI_FEW512(halves, PXI_Q_HALVES)
PXI_FEW512(both, PXI_Q_HALVES | PXI_Q_MINS)

PXI_FEW512_TYPE(q2_k, both)
PXI_FEW512_TYPE(q3_k, halves)
PXI_FEW512_TYPE(q4_k, mins)
PXI_FEW512_TYPE(q5_k, mins)
PXI_ROWS512_TYPE(q6_k, halves, SIZE_MAX, PXI_ROW_BLOCKS)
