/* BLAKE3 in four lanes, which every processor has, in eight by AVX2 and in sixteen by AVX-512; the
 * choice at run time. */
#include "crypto/blake3.h"

#include "crypto/lanes_have.h"

#if PXI_HAVE_LANES

static const uint8_t schedule[7][16] = PXI_BLAKE3_SCHEDULE;

#define LANES         4
#define LANES_NAME(x) x##_4
#define LANES_TARGET
#include "crypto/blake3_lanes.h"
#undef LANES
#undef LANES_NAME
#undef LANES_TARGET

#if PXI_HAVE_EIGHT
#define LANES         8
#define LANES_NAME(x) x##_8
#define LANES_TARGET  __attribute__((target("avx2")))
#include "crypto/blake3_lanes.h"

static size_t many_8_and_4(const uint8_t *in, size_t count, size_t bytes, uint64_t counter,
                           int chunks, uint8_t *out)
{
    size_t done = many_8(in, count, bytes, counter, chunks, out);
    return done + many_4(in + done * bytes, count - done, bytes, counter + done, chunks,
                         out + done * PXI_DIGEST);
}
#undef LANES
#undef LANES_NAME
#undef LANES_TARGET

#define LANES         16
#define LANES_NAME(x) x##_16
#define LANES_TARGET  __attribute__((target("avx512f,avx512vl,avx512bw,prefer-vector-width=512")))
#include "crypto/blake3_lanes.h"

static size_t many_16_and_8(const uint8_t *in, size_t count, size_t bytes, uint64_t counter,
                            int chunks, uint8_t *out)
{
    size_t done = many_16(in, count, bytes, counter, chunks, out);
    return done + many_8_and_4(in + done * bytes, count - done, bytes, counter + done, chunks,
                               out + done * PXI_DIGEST);
}
#endif

#endif

pxi_blake3_many *pxi_blake3_form(unsigned i)
{
#if PXI_HAVE_EIGHT
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx2") && i-- == 0)
        return many_16_and_8;
    if (__builtin_cpu_supports("avx2") && i-- == 0)
        return many_8_and_4;
#endif
#if PXI_HAVE_LANES
    if (i-- == 0)
        return many_4;
#endif
    return NULL;
}
