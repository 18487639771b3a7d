/*
 * Any bytes as a gradient packet: what is read is what a packet can say, its head is written as it
 * was, and its values go through every kernel of its format to the same bits. The first byte is the
 * fan-in.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/gradient.h"
#include "crypto/tag.h"
#include "kernel/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LANES = 4 * PXI_GRADIENT_VALUES };

static struct pxi_kernels scalar, best;

static void need(bool good)
{
    if (!good)
        abort();
}

/* Added twice, folded, unpacked: the same with every set of instructions. */
static void add(const struct px_gradient_head *h, px_view values, unsigned fan_in)
{
    static uint8_t sums[2][LANES] __attribute__((aligned(64)));
    static float out[2][PXI_GRADIENT_VALUES] __attribute__((aligned(64)));
    const struct pxi_kernels *sets[2] = {&scalar, &best};
    unsigned shift = pxi_gradient_shift(h->format, fan_in);
    struct pxi_grad g = {
        .bias = pxi_gradient_bias(h->format, fan_in), .unscale = 0.5f, .scale = 2, .shift = shift};
    g.zero = 2 * g.bias;
    for (unsigned i = 0; i < 2; i++) {
        memset(sums[i], 0, sizeof sums[i]);
        sets[i]->grad_add[h->format](sums[i], values.p, h->count);
        sets[i]->grad_add[h->format](sums[i], values.p, h->count);
        if (h->format == PX_GRADIENT_I8 || h->format == PX_GRADIENT_I4)
            sets[i]->grad_fold(sums[i], (uint16_t *)(void *)sums[i], h->count, shift);
        sets[i]->grad_dequant[h->format](out[i], sums[i], h->count, &g);
    }
    need(memcmp(sums[0], sums[1], pxi_gradient_result_bytes(h->format, h->count)) == 0);
    need(memcmp(out[0], out[1], h->count * sizeof(float)) == 0);
}

/* No value reaches the lane beside it when all are bounded. */
static void bounds(const struct px_gradient_head *h, px_view values, unsigned fan_in)
{
    uint64_t limit = 2 * (uint64_t)pxi_gradient_bias(h->format, fan_in);
    bool within = true;
    for (size_t i = 0; i < h->count; i++) {
        uint16_t v16 = 0;
        uint32_t v32 = 0;
        if (h->format == PX_GRADIENT_I16)
            memcpy(&v16, values.p + 2 * i, 2);
        else if (h->format == PX_GRADIENT_I32)
            memcpy(&v32, values.p + 4 * i, 4);
        within &= v16 < limit && v32 < limit;
    }
    need(pxi_gradient_bounded(h->format, fan_in, values) == within ||
         (h->format == PX_GRADIENT_I16 && fan_in == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why = PX_GRADIENT_DROPS;
    uint8_t head[PX_GRADIENT_HEAD];
    if (!scalar.grad_add[0]) {
        pxi_kernels_init(&scalar, PXI_CPU_SCALAR);
        pxi_kernels_init(&best, pxi_cpu_detect());
    }
    if (size < 1)
        return 0;
    unsigned fan_in = 1 + data[0] % PX_GRADIENT_WORKERS;
    if (!pxi_gradient_read(px_view_of(data + 1, size - 1), &h, &values, &why)) {
        need(why < PX_GRADIENT_DROPS);
        return 0;
    }
    need(h.count % PXI_GRADIENT_STEP == 0 && h.count <= PXI_GRADIENT_VALUES);
    need(values.n == size - 1 - PX_GRADIENT_HEAD && values.p == data + 1 + PX_GRADIENT_HEAD);
    pxi_gradient_write(&h, head);
    need(memcmp(head, data + 1, sizeof head) == 0);
    if (h.kind != PX_GRADIENT_CONTRIBUTION)
        return 0;
    bounds(&h, values, fan_in);
    add(&h, values, fan_in);
    return 0;
}
