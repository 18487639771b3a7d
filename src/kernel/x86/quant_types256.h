/*
 * Quantised products for AVX2: of many tokens (quant_many256.c) for every type, of few
 * (quant_few256.c) for some; there k is not 0.
 */
#ifndef PXI_KERNEL_QUANT_TYPES256_H
#define PXI_KERNEL_QUANT_TYPES256_H

#include "kernel/kernel.h"
#include "kernel/quant.h"

/* Of the table of types: id, bytes of 8 blocks, flags. */
enum {
#define X(name, id, super, bytes, flags)                                                           \
    PXI_ID256_##name = id, PXI_BYTES256_##name = (bytes)*8 / (super), PXI_FLAGS256_##name = (flags),
    PXI_QTYPE_TABLE(X)
#undef X
};

#define X(name, ...) void pxi_many256_##name(const struct pxi_matmul *m);
PXI_QTYPE_TABLE(X)
#undef X

#define PXI_FEW256_TOKENS 2

#define PXI_FEW256_TYPES(X) X(q4_0) X(q8_0) X(q4_k) X(q6_k)

#define X(name) void pxi_few256_##name(const struct pxi_matmul *m);
PXI_FEW256_TYPES(X)
#undef X

#endif
