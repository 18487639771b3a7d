/* Token numbers for AVX-512. */
#include "kernel/lanes/tokens.h"

void pxi_avx512_tokens(struct pxi_kernels *k)
{
    fill_tokens(k);
}
