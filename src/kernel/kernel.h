/*
 * The numeric kernels of inference: one table of pointers, filled with the scalar versions and then
 * overwritten by each instruction set in turn. src/kernel/scalar/ is the specification: every other
 * version gives the same bits for the same input (tests/kernel/checkkernel.c compares with memcmp).
 *
 * Canonical arithmetic (docs/internals/kernel.md has the reasons):
 *  - All code is compiled with -ffp-contract=off; a multiply-add is fused exactly where this file
 *    says fma. Rounding is to nearest even. Denormals are kept.
 *  - matmul, float weights: lane sums of fma(w[k], x[k], lane), rows filled up with zeros to a
 *    multiple of 16.
 *  - matmul, quantised weights: the activations are quantised to int8 in blocks of 32 (act_quant).
 *    For block b in order, with idot the exact integer dot product of the quantised values
 *    (weight offset already removed):
 *        32-element scale:   t = dw[b] * (float)idot;                       y = fma(t, dx[b], y)
 *        16-element scales:  t = dw[2b] * (float)idot0;
 *                            t = fma(dw[2b+1], (float)idot1, t);            y = fma(t, dx[b], y)
 *        types with a min:   then, for every 32 or 16 elements in order,
 *                            y = fma(-mw[.], xs[.], y), xs = dx[b] * (float)(sum of x over them)
 *    dw and mw are f32: the f16 super-block scale times the integer sub-block scale, exact.
 *  - Floats are finite on input (softmax excepted) and aligned to 4 bytes; packed weights may begin
 *    at any byte. Where an operation makes a NaN its bits are not promised.
 *  - lane sums (float matmul, rms_norm, softmax): 16 virtual lanes, element i in lane i % 16, in
 *    order; then the tree lane[i] += lane[i + 8], + 4, + 2, + 1.
 */
#ifndef PXI_KERNEL_KERNEL_H
#define PXI_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instruction sets, as bits of a mask. An ISA file may only be called when its bits are all set. */
enum pxi_cpu {
    PXI_CPU_SCALAR = 1u << 0,
    PXI_CPU_AVX2 = 1u << 1,        /* AVX2 + FMA + F16C */
    PXI_CPU_AVX512 = 1u << 2,      /* F + BW + DQ + VL */
    PXI_CPU_AVX512_VNNI = 1u << 3, /* vpdpbusd on 512 bits */
    PXI_CPU_AVX512_BF16 = 1u << 4, /* vdpbf16ps; used only by the opt-in bf16 set */
    PXI_CPU_NEON = 1u << 5,        /* AArch64 Advanced SIMD */
    PXI_CPU_DOTPROD = 1u << 6,     /* AArch64 sdot */
    PXI_CPU_CLMUL = 1u << 7,       /* PCLMULQDQ and SSE4.2 */
    PXI_CPU_VCLMUL = 1u << 8,      /* VPCLMULQDQ, on 512 bits too where there is AVX-512 */
    PXI_CPU_PMULL = 1u << 9,       /* AArch64 pmull of 64 bits and crc32c */
};

/* What the running processor has (PXI_CPU_SCALAR always set). */
uint32_t pxi_cpu_detect(void);

/*
 * Mask for a name of PLEXUS_CPU: "scalar", "avx2", "clmul", "vclmul", "avx512", "avx512vnni",
 * "bf16", "neon", "pmull", "dotprod", "auto" or NULL. Each name includes what it builds on; those
 * from avx512 and dotprod on have the carry-less products that the processor has. 0 when the name
 * is unknown.
 */
uint32_t pxi_cpu_mask(const char *name);

/* Rows that matmul works on together; row ranges given to it begin at multiples of this. */
#define PXI_ROW_GROUP 16

/*
 * Quantised activations of `tokens` rows of k floats, token-major, in blocks of 32 (k % 32 == 0):
 * q[t * k + i], d[t * (k / 32) + b], sum[t * (k / 16) + h] = sum of q over the h-th 16 elements.
 */
struct pxi_act {
    const int8_t *q;
    const float *d;
    const int32_t *sum;
};

/*
 * y[t * y_stride + r] = dot(weight row r, activation row t), for r in [row_first, row_last) and t
 * in [0, tokens). `w` is row 0 of the matrix in the layout of the GGUF type, never repacked on the
 * heap. For quantised types `act` is used, for F32, F16 and BF16 `x` (token-major floats, stride
 * k). row_first is a multiple of PXI_ROW_GROUP; row_last is too, or is the number of rows.
 */
struct pxi_matmul {
    const void *w;
    size_t row_bytes, k;
    size_t row_first, row_last;
    size_t tokens;
    const float *x;
    struct pxi_act act;
    float *y;
    size_t y_stride;
    void *scratch; /* pxi_matmul_scratch(k) bytes, aligned to 64, private to the calling thread */
};

/* Bytes of scratch for matrices of k columns. */
size_t pxi_matmul_scratch(size_t k);

typedef void pxi_matmul_fn(const struct pxi_matmul *m);

/*
 * The fixed point of a chunk of gradients. scale and unscale of quant and undo are powers of two,
 * so that nothing but q is rounded and a product with unscale may be fused with what follows.
 */
struct pxi_grad {
    float scale, unscale, top;
    uint32_t bias, zero, seed; /* bias: at most 2^15, 2^7, 2^3, 2^30; seed 0: round to nearest */
    unsigned shift;
};

struct pxi_tag_sum;

/* Row (for every kernel): see gen/kernel.def for the list that checkkernel and the docs use. */
struct pxi_kernels {
    /* Indexed by GGUF type id; NULL where the type is not runnable. */
    pxi_matmul_fn *matmul[64];
    /* dst[0..n) = the n elements of a packed row (n a multiple of the block). */
    void (*dequant[64])(float *dst, const void *src, size_t n);

    /* Quantise one row of k floats (k % 32 == 0): d = amax / 127, q = round-to-even(x *
     * (127/amax)), all zero when amax < 2^-100 (127 / amax must be finite); finite x is the
     * caller's duty. */
    void (*act_quant)(int8_t *q, float *d, int32_t *sum, const float *x, size_t k);

    /* y[i] = (x[i] * (1 / sqrt(mean of squares + eps))) * w[i]; squares by fma into lane sums.
     * y may be x. w may be NULL (then no multiply by w). */
    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);

    /* y[i] += x[i] */
    void (*add)(float *y, const float *x, size_t n);

    /* y[i] = silu(g[i]) * u[i], silu(g) = g / (1 + exp(-g)), exp of kernel/exp.h. y may be g or u.
     */
    void (*silu_mul)(float *y, const float *g, const float *u, size_t n);

    /* In place on n pairs: (a, b) -> (fma(a, c, -(b * s)), fma(a, s, b * c)), cs holds c, s pairs.
     * adjacent: pairs (2i, 2i + 1); half: pairs (i, i + n). */
    void (*rope_adjacent)(float *x, const float *cs, size_t n);
    void (*rope_half)(float *x, const float *cs, size_t n);

    /* x[i] = exp(x[i] * scale - max) / sum, n >= 1; max over x[i] * scale, sum by lanes. Elements
     * may be minus infinity as long as one is finite. */
    void (*softmax)(float *x, size_t n, float scale);

    /* f32 -> f16 with round to nearest even, and back. */
    void (*f32_to_f16)(uint16_t *dst, const float *src, size_t n);
    void (*f16_to_f32)(float *dst, const uint16_t *src, size_t n);
    void (*f32_to_bf16)(uint16_t *dst, const float *src, size_t n);
    void (*bf16_to_f32)(float *dst, const uint16_t *src, size_t n);

    /*
     * Attention over a KV cache. K is kept in panels of 16 positions, [d][16] elements a panel;
     * V as rows of d elements. Suffix: element type of the cache.
     *
     * qk: s[j * s_stride + 16 * p + l] = dot(q row j, position l of panel p), fma over d in order,
     * for nq rows of q (stride q_stride) and `panels` panels (each panel_stride elements apart).
     * Caches are aligned to their elements, no more; a panel's padding lanes are read, not checked.
     * pv: o[j * o_stride + i] = sum over positions t in order of fma(p[j * p_stride + t], v[t][i],
     * o) from zero, V rows v_stride elements apart.
     */
    void (*qk_f32)(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                   const float *k, size_t panel_stride, size_t panels, size_t d);
    void (*qk_f16)(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                   const uint16_t *k, size_t panel_stride, size_t panels, size_t d);
    void (*pv_f32)(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                   const float *v, size_t v_stride, size_t positions, size_t d);
    void (*pv_f16)(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                   const uint16_t *v, size_t v_stride, size_t positions, size_t d);
    /* 8-bit cache: one f32 scale for each position; value = q * scale, rounded to f32 first.
     * K panel p: int8 [d][16] with scales ks[ks_stride * p + lane]; V row t: int8 with the scale
     * vs[vs_stride * t]. */
    void (*qk_i8)(float *s, size_t s_stride, const float *q, size_t q_stride, size_t nq,
                  const int8_t *k, size_t panel_stride, const float *ks, size_t ks_stride,
                  size_t panels, size_t d);
    void (*pv_i8)(float *o, size_t o_stride, const float *p, size_t p_stride, size_t nq,
                  const int8_t *v, size_t v_stride, const float *vs, size_t vs_stride,
                  size_t positions, size_t d);

    /*
     * Gradients as fixed point; indexed by format of docs/formats/gradient.md, i16, i8, i4, i32.
     * n is a multiple of 16; r (what was left of earlier rounds) may be NULL; v = x + r.
     *
     * max: the largest |v| as the bits of a float; those of infinity or more where one is not
     * finite.
     * quant: t = v * scale, with a seed + pxi_grad_noise(seed, i), is clamped to [-bias, bias - 1]
     * (towards 0 where a float cannot hold these) and rounded to the nearest even integer; q = that
     * + bias; r = v - that * unscale. True: some |v * scale| was top or more.
     * add: sum[i] += q[i]; sums have 16 bits, those of i32 32.
     * undo: r[i] += (float)(q[i] - bias) * unscale: what was packed is back in what is left.
     * fold: q[i] = (sum[i] + half) >> shift, half = 2^(shift - 1), or 0 without a shift; q may be
     * sum.
     * dequant: y[i] = (float)((q[i] << shift) - zero) * unscale, for results of a format (i4: as
     * i8, and there zero is at most 2^24).
     */
    uint32_t (*grad_max)(const float *x, const float *r, size_t n);
    bool (*grad_quant[4])(void *q, float *r, const float *x, size_t n, const struct pxi_grad *g);
    void (*grad_undo[4])(float *r, const void *q, size_t n, const struct pxi_grad *g);
    void (*grad_add[4])(void *sum, const void *q, size_t n);
    void (*grad_fold)(uint8_t *q, const uint16_t *sum, size_t n, unsigned shift);
    void (*grad_dequant[4])(float *y, const void *q, size_t n, const struct pxi_grad *g);

    /* The sums of a tag (bpf/tag.h): adds those of n words of 64 bits that begin at any byte; keys
     * are there for whole groups. */
    void (*tag_nh)(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n);

    /*
     * Checks of stored data: n bytes at any address, `crc` that of what lies before them, so that
     * pieces give what the whole does.
     * crc16: polynomial 0x1021, most significant bit first. The caller begins with 0xffff
     * (CCITT-FALSE, which NDP writes), 0 (XMODEM) or 0x1d0f (AUG); nothing is done at the end.
     * crc16_reflected: the same polynomial, least significant bit first, for files of others:
     * KERMIT begins with 0; X-25 begins with 0xffff and inverts the result.
     * crc32c: Castagnoli (RFC 3720, appendix B.4), begins with 0. Inverting is done inside.
     */
    uint16_t (*crc16)(uint16_t crc, const void *p, size_t n);
    uint16_t (*crc16_reflected)(uint16_t crc, const void *p, size_t n);
    uint32_t (*crc32c)(uint32_t crc, const void *p, size_t n);

    /*
     * Token numbers: n of them, from any address, to arrays aligned to their elements that do not
     * overlap the source. be32 is a big-endian int32, u16 and i32 are little-endian; signs are
     * kept.
     * Those with a crc return, as crc16 does, that of the 4 n bytes read, in one pass over memory;
     * i64x2 writes the same numbers to ids and labels.
     */
    uint16_t (*crc16_be32_i32)(uint16_t crc, int32_t *dst, const void *src, size_t n);
    uint16_t (*crc16_be32_i64)(uint16_t crc, int64_t *dst, const void *src, size_t n);
    uint16_t (*crc16_be32_i64x2)(uint16_t crc, int64_t *ids, int64_t *labels, const void *src,
                                 size_t n);
    void (*be32_i32)(int32_t *dst, const void *src, size_t n);
    void (*be32_i64)(int64_t *dst, const void *src, size_t n);
    void (*u16_i32)(int32_t *dst, const void *src, size_t n);
    void (*u16_i64)(int64_t *dst, const void *src, size_t n);
    void (*i32_i64)(int64_t *dst, const void *src, size_t n);
};

/* Fill the table for a mask (bits the processor lacks must not be in it). */
void pxi_kernels_init(struct pxi_kernels *k, uint32_t mask);

#endif
