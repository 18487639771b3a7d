/* Tells which instruction sets the processor has and which version of each kernel was chosen. */
#include "plexus/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "node/kernels.h"
#include "plexus/tensor.h"

static const struct {
    uint32_t cpu;
    const char *name;
} sets[] = {
    {PXI_CPU_SCALAR, "scalar"},    {PXI_CPU_AVX2, "avx2"},     {PXI_CPU_CLMUL, "clmul"},
    {PXI_CPU_VCLMUL, "vclmul"},    {PXI_CPU_AVX512, "avx512"}, {PXI_CPU_AVX512_VNNI, "avx512vnni"},
    {PXI_CPU_AVX512_BF16, "bf16"}, {PXI_CPU_NEON, "neon"},     {PXI_CPU_PMULL, "pmull"},
    {PXI_CPU_DOTPROD, "dotprod"},
};
enum { SETS = sizeof sets / sizeof *sets };

static const struct {
    size_t offset; /* in struct pxi_kernels */
    const char *name;
} rows[] = {
#define PX_KERNEL(member, name, family) {offsetof(struct pxi_kernels, member), name},
#include "../../gen/kernel.def"
#undef PX_KERNEL
};

static const void *pointer_at(const struct pxi_kernels *k, size_t offset)
{
    const void *p;
    memcpy(&p, (const char *)k + offset, sizeof p);
    return p;
}

void px_cpu_describe(char *out, size_t cap)
{
    uint32_t here = pxi_cpu_detect();
    size_t n = 0;
    for (int i = 0; i < SETS; i++) {
        size_t len = strlen(sets[i].name);
        if (!(here & sets[i].cpu) || n + len + 2 > cap)
            continue;
        if (n)
            out[n++] = ' ';
        memcpy(out + n, sets[i].name, len);
        n += len;
    }
    if (cap)
        out[n] = 0;
}

/* Fill the table set by set: the last set that changed the pointer is the one it came from. */
static const char *chosen(size_t offset, uint32_t mask)
{
    struct pxi_kernels k;
    const char *isa = NULL;
    const void *before = NULL;
    uint32_t upto = 0;
    for (int i = 0; i < SETS; i++) {
        if (!(mask & sets[i].cpu))
            continue;
        upto |= sets[i].cpu;
        pxi_kernels_init(&k, upto);
        const void *now = pointer_at(&k, offset);
        if (now != before)
            isa = sets[i].name;
        before = now;
    }
    return isa;
}

px_err px_kernel_at(const char *cpu, unsigned i, px_kernel_row *out)
{
    uint32_t mask = pxi_cpu_mask(cpu ? cpu : getenv("PLEXUS_CPU"));
    if (!mask || (mask & ~pxi_cpu_detect()))
        return PX_ERR_INVALID;
    if (i >= sizeof rows / sizeof *rows)
        return PX_ERR_NOT_FOUND;
    const char *isa = chosen(rows[i].offset, mask);
    if (!isa)
        return PX_ERR_FAILED;
    *out = (px_kernel_row){rows[i].name, isa};
    return PX_ERR_OK;
}

px_err pxi_kernels_choose(struct pxi_kernels *kn, const char *cpu, px_diag *diag)
{
    const char *name = cpu ? cpu : getenv("PLEXUS_CPU");
    uint32_t mask = pxi_cpu_mask(name);
    if (!mask || (mask & ~pxi_cpu_detect())) {
        pxi_diag_field(diag, "cpu");
        return pxi_diag_set(diag, PX_ERR_INVALID, 0,
                            mask ? "instructions that this processor has" : "a known kernel mask",
                            "%s", name ? name : "");
    }
    pxi_kernels_init(kn, mask);
    return PX_ERR_OK;
}
