/* What the processor can do, and the masks that PLEXUS_CPU names. */
#include "kernel/kernel.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* State that the system saves for us: AVX needs bits 1-2 of XCR0, AVX-512 bits 5-7 too. */
static uint64_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static int has(uint32_t reg, uint32_t bits)
{
    return (reg & bits) == bits;
}

uint32_t pxi_cpu_detect(void)
{
    uint32_t a, b, c, d, a7, b7, c7, d7, mask = PXI_CPU_SCALAR;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return mask;
    if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7) || !has(b7, bit_AVX2) || (xcr0() & 6) != 6)
        return mask;
    mask |= PXI_CPU_AVX2;
    if (has(c, bit_PCLMUL | bit_SSE4_2))
        mask |= PXI_CPU_CLMUL;
    if ((mask & PXI_CPU_CLMUL) && has(c7, bit_VPCLMULQDQ))
        mask |= PXI_CPU_VCLMUL;
    if (!has(b7, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) ||
        (xcr0() & 0xe6) != 0xe6)
        return mask;
    mask |= PXI_CPU_AVX512;
    if (has(c7, 1u << 11))
        mask |= PXI_CPU_AVX512_VNNI;
    if (a7 >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, 1u << 5))
        mask |= PXI_CPU_AVX512_BF16;
    return mask;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t pxi_cpu_detect(void)
{
    unsigned long caps = getauxval(AT_HWCAP);
    uint32_t mask = PXI_CPU_SCALAR;
    if (caps & HWCAP_ASIMD)
        mask |= PXI_CPU_NEON;
    if ((caps & HWCAP_ASIMD) && (caps & HWCAP_ASIMDDP))
        mask |= PXI_CPU_DOTPROD;
    if ((caps & HWCAP_ASIMD) && (caps & HWCAP_PMULL) && (caps & HWCAP_CRC32))
        mask |= PXI_CPU_PMULL;
    return mask;
}

#else

uint32_t pxi_cpu_detect(void)
{
    return PXI_CPU_SCALAR;
}

#endif

uint32_t pxi_cpu_mask(const char *name)
{
    enum {
        avx2 = PXI_CPU_SCALAR | PXI_CPU_AVX2,
        clmul = avx2 | PXI_CPU_CLMUL,
        avx512 = avx2 | PXI_CPU_AVX512,
        vnni = avx512 | PXI_CPU_AVX512_VNNI,
        neon = PXI_CPU_SCALAR | PXI_CPU_NEON,
        products = PXI_CPU_CLMUL | PXI_CPU_VCLMUL | PXI_CPU_PMULL,
    };
    const uint32_t too = pxi_cpu_detect() & products;
    const struct {
        const char *name;
        uint32_t mask;
    } names[] = {
        {"scalar", PXI_CPU_SCALAR},
        {"avx2", avx2},
        {"clmul", clmul},
        {"vclmul", clmul | PXI_CPU_VCLMUL},
        {"avx512", avx512 | too},
        {"avx512vnni", vnni | too},
        {"bf16", vnni | PXI_CPU_AVX512_BF16 | too},
        {"neon", neon},
        {"pmull", neon | PXI_CPU_PMULL},
        {"dotprod", neon | PXI_CPU_DOTPROD | too},
    };
    /* The bf16 set gives other bits: only its name chooses it. */
    if (!name || !*name || !strcmp(name, "auto"))
        return pxi_cpu_detect() & ~(uint32_t)PXI_CPU_AVX512_BF16;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i].name))
            return names[i].mask;
    return 0;
}
