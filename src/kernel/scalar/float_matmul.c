/* Scalar matrix products with F32, F16 and BF16 weights, and their dequantisers: the specification.
 */
#include "kernel/half.h"
#include "kernel/sets.h"
#include "plexus/tensor.h"

#include <math.h>

static void row_f32(float *dst, const void *src, size_t n)
{
    memcpy(dst, src, 4 * n);
}

static void row_f16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_f16_to_f32(pxi_load_u16(p + 2 * i));
}

static void row_bf16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = pxi_bf16_to_f32(pxi_load_u16(p + 2 * i));
}

/* The lane sums of kernel.h; a row that ends within 16 columns goes on with zeros. */
static float dot(const float *w, const float *x, size_t k)
{
    float lane[16] = {0};
    for (size_t i = 0; i < k; i++)
        lane[i % 16] = fmaf(w[i], x[i], lane[i % 16]);
    for (size_t i = k; i % 16; i++)
        lane[i % 16] += 0.0f; /* fma(0, 0, lane): minus zero becomes zero */
    for (size_t half = 8; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* A row is widened into the scratch. */
static void matmul(const struct pxi_matmul *m, void (*widen)(float *, const void *, size_t))
{
    float *w = m->scratch;
    for (size_t r = m->row_first; r < m->row_last; r++) {
        widen(w, (const uint8_t *)m->w + r * m->row_bytes, m->k);
        for (size_t t = 0; t < m->tokens; t++)
            m->y[t * m->y_stride + r] = dot(w, m->x + t * m->k, m->k);
    }
}

static void matmul_f32(const struct pxi_matmul *m)
{
    matmul(m, row_f32);
}
static void matmul_f16(const struct pxi_matmul *m)
{
    matmul(m, row_f16);
}
static void matmul_bf16(const struct pxi_matmul *m)
{
    matmul(m, row_bf16);
}

void pxi_scalar_float_matmul(struct pxi_kernels *k)
{
    k->matmul[PX_DTYPE_F32] = matmul_f32;
    k->matmul[PX_DTYPE_F16] = matmul_f16;
    k->matmul[PX_DTYPE_BF16] = matmul_bf16;
    k->dequant[PX_DTYPE_F32] = row_f32;
    k->dequant[PX_DTYPE_F16] = row_f16;
    k->dequant[PX_DTYPE_BF16] = row_bf16;
}
