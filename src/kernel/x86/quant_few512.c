/* One or two tokens, types of single blocks: see quant_few512.h. */
#include "kernel/x86/quant_few512.h"

PXI_FEW512(plain, 0)
PXI_FEW512(mins, PXI_Q_MINS)

PXI_ROWS512_TYPE(q4_0, plain, 2048, PXI_ROW_NIBBLES)
PXI_FEW512_TYPE(q4_1, mins)
PXI_FEW512_TYPE(q5_0, plain)
PXI_FEW512_TYPE(q5_1, mins)
PXI_ROWS512_TYPE(q8_0, plain, SIZE_MAX, PXI_ROW_BLOCKS)
PXI_FEW512_TYPE(iq4_nl, plain)
PXI_FEW512_TYPE(mxfp4, plain)
