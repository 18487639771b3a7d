/*
 * Quantised weights: every block type element by element against a second, independent reading of
 * its layout; products against double arithmetic; and every instruction set against scalar, bit for
 * bit.
 */
#include "kernel/kernel.h"
#include "kernel/quant.h"
#include "plexus/tensor.h"
#include "px_test.h"

static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) * (uint64_t)below >> 31);
}

static double half(const uint8_t *p)
{
    int h = p[0] | p[1] << 8, e = h >> 10 & 31, m = h & 1023;
    double v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return h & 0x8000 ? -v : v;
}

/* Bit `bit` of the little-endian number at p. */
static int bit_of(const uint8_t *p, int bit)
{
    return p[bit / 8] >> (bit % 8) & 1;
}
static int nibble_of(const uint8_t *p, int i)
{
    return i < 16 ? p[i] & 15 : p[i - 16] >> 4;
}

static double value_k4(const uint8_t *p, int i, int five)
{
    int group = i / 32, at = i / 64 * 32 + i % 32, sc, mn;
    int q = (p + (five ? 48 : 16))[at] >> (group & 1 ? 4 : 0) & 15;
    const uint8_t *s = p + 4;
    if (five)
        q += 16 * bit_of(p + 16 + i % 32, group);
    if (group < 4) {
        sc = s[group] % 64;
        mn = s[group + 4] % 64;
    } else {
        sc = s[group + 4] % 16 + s[group - 4] / 64 * 16;
        mn = s[group + 4] / 16 + s[group] / 64 * 16;
    }
    return half(p) * sc * q - half(p + 2) * mn;
}

static double value_q3(const uint8_t *p, int i)
{
    int g = i / 16, s;
    int q = p[32 + i / 128 * 32 + i % 32] / (1 << (i % 128 / 32 * 2)) % 4;
    const uint8_t *sc = p + 96;
    q -= bit_of(p + i % 32, i / 32) ? 0 : 4;
    s = (g < 8 ? sc[g] % 16 : sc[g - 8] / 16) + sc[8 + g % 4] / (1 << (g / 4 * 2)) % 4 * 16;
    return half(p + 108) * (s - 32) * q;
}

static double value_q6(const uint8_t *p, int i)
{
    int in = i % 128, low = p[i / 128 * 64 + in % 64] / (in < 64 ? 1 : 16) % 16;
    int high = p[128 + i / 128 * 32 + in % 32] / (1 << (in / 32 * 2)) % 4;
    return half(p + 208) * (int8_t)p[192 + i / 16] * (low + 16 * high - 32);
}

static double value_mxfp4(const uint8_t *p, int i)
{
    static const double codes[8] = {0, .5, 1, 1.5, 2, 3, 4, 6};
    int q = nibble_of(p + 1, i);
    return ldexp(q & 8 ? -codes[q & 7] : codes[q & 7], p[0] - 127);
}

/* Element i of the stored block at p. */
static double value(uint32_t type, const uint8_t *p, int i)
{
    static const int iq4[16] = {PXI_IQ4_NL_CODES};
    switch (type) {
    case PX_DTYPE_Q4_0: return half(p) * (nibble_of(p + 2, i) - 8);
    case PX_DTYPE_Q4_1: return half(p) * nibble_of(p + 4, i) + half(p + 2);
    case PX_DTYPE_Q5_0: return half(p) * (nibble_of(p + 6, i) + 16 * bit_of(p + 2, i) - 16);
    case PX_DTYPE_Q5_1:
        return half(p) * (nibble_of(p + 8, i) + 16 * bit_of(p + 4, i)) + half(p + 2);
    case PX_DTYPE_Q8_0: return half(p) * (int8_t)p[2 + i];
    case PX_DTYPE_Q2_K: {
        int q = p[16 + i / 128 * 32 + i % 32] / (1 << (i % 128 / 32 * 2)) % 4;
        return half(p + 80) * (p[i / 16] % 16) * q - half(p + 82) * (p[i / 16] / 16);
    }
    case PX_DTYPE_Q3_K: return value_q3(p, i);
    case PX_DTYPE_Q4_K: return value_k4(p, i, 0);
    case PX_DTYPE_Q5_K: return value_k4(p, i, 1);
    case PX_DTYPE_Q6_K: return value_q6(p, i);
    case PX_DTYPE_IQ4_NL: return half(p) * iq4[nibble_of(p + 2, i)];
    default: return value_mxfp4(p, i);
    }
}

struct type {
    uint32_t id, super, bytes, flags;
};

static const struct type types[] = {
#define X(name, id, super, bytes, flags) {id, super, bytes, flags},
    PXI_QTYPE_TABLE(X)
#undef X
};
#define TYPES (sizeof types / sizeof types[0])

/* Where the f16 numbers of a type are, -1 for none: random bytes there must be finite. */
static void half_places(uint32_t id, int at[2])
{
    at[0] = id == PX_DTYPE_Q2_K    ? 80
            : id == PX_DTYPE_Q3_K  ? 108
            : id == PX_DTYPE_Q6_K  ? 208
            : id == PX_DTYPE_MXFP4 ? -1
                                   : 0;
    at[1] =
        id == PX_DTYPE_Q2_K ? 82
        : id == PX_DTYPE_Q4_1 || id == PX_DTYPE_Q5_1 || id == PX_DTYPE_Q4_K || id == PX_DTYPE_Q5_K
            ? 2
            : -1;
}

static void fill_weights(uint8_t *w, size_t blocks, const struct type *t)
{
    int at[2];
    half_places(t->id, at);
    for (size_t i = 0; i < blocks * t->bytes; i++)
        w[i] = (uint8_t)draw(256);
    for (size_t b = 0; b < blocks; b++) {
        for (int j = 0; j < 2; j++)
            if (at[j] >= 0) /* any sign, exponents 0 (denormal) to 15 */
                w[b * t->bytes + (size_t)at[j] + 1] &= 0xbf;
        if (t->id == PX_DTYPE_MXFP4)
            w[b * t->bytes] = (uint8_t)(117 + draw(20));
    }
}

TEST(half_is_exact_for_every_input)
{
    for (uint32_t h = 0; h < 65536; h++) {
        uint8_t b[2] = {(uint8_t)h, (uint8_t)(h >> 8)};
        float f = pxi_load_half(b);
        if ((h & 0x7c00) == 0x7c00)
            CHECK(h & 0x3ff ? f != f : f == (h & 0x8000 ? -INFINITY : INFINITY));
        else
            CHECK((double)f == half(b) && !signbit(f) == !(h & 0x8000));
    }
}

TEST(types_agree_with_the_table_of_dtypes)
{
    for (size_t i = 0; i < TYPES; i++) {
        CHECK_EQ(px_dtype_block(types[i].id), types[i].super * 32);
        CHECK_EQ(px_dtype_block_bytes(types[i].id), types[i].bytes);
        CHECK(px_dtype_runnable(types[i].id));
    }
}

TEST(dequant_reads_every_layout)
{
    struct pxi_kernels k;
    pxi_kernels_init(&k, PXI_CPU_SCALAR);
    for (size_t i = 0; i < TYPES; i++) {
        const struct type *t = &types[i];
        size_t blocks = 40, n = t->super * 32;
        uint8_t *w = px_guarded(blocks * t->bytes, 0);
        float *y = (float *)px_guarded(blocks * n * 4, 0);
        fill_weights(w, blocks, t);
        k.dequant[t->id](y, w, blocks * n);
        for (size_t e = 0; e < blocks * n; e++) {
            double want = value(t->id, w + e / n * t->bytes, (int)(e % n));
            if ((float)want != y[e])
                PX_FAIL("type %u element %zu: %g, expected %g", t->id, e, (double)y[e], want);
        }
    }
}

TEST(mxfp4_scale_is_right_at_both_ends)
{
    for (int e = 0; e < 256; e++)
        CHECK((double)pxi_e8m0_half((uint8_t)e) == ldexp(1, e - 128));
}

TEST(activations_are_rounded_to_even_and_summed)
{
    struct pxi_kernels k;
    float x[64] = {0}, d[2];
    int8_t q[64];
    int32_t sum[4];
    pxi_kernels_init(&k, PXI_CPU_SCALAR);
    x[0] = -254;
    x[1] = 1; /* 0.5 -> 0 */
    x[2] = 3; /* 1.5 -> 2 */
    x[3] = 5; /* 2.5 -> 2 */
    x[16] = 254;
    x[40] = 0x1p-120f;
    k.act_quant(q, d, sum, x, 64);
    CHECK(q[0] == -127 && q[1] == 0 && q[2] == 2 && q[3] == 2 && q[16] == 127);
    CHECK(d[0] == 2.0f && sum[0] == -123 && sum[1] == 127);
    CHECK(d[1] == 0 && q[40] == 0 && sum[2] == 0 && sum[3] == 0);
}

/* One random product: weights, quantised activations, and room for the answer, all guarded. */
struct product {
    const struct type *type;
    size_t k, rows, tokens;
    uint8_t *w;
    struct pxi_matmul m;
};

static void product_make(struct product *p, const struct pxi_kernels *k, int side)
{
    const struct type *t = p->type;
    size_t blocks = p->k / 32 / t->super * p->rows, n = p->tokens * p->k;
    float *x = (float *)px_guarded(n * 4, 0);
    int8_t *q = (int8_t *)px_guarded(n, side);
    float *d = (float *)px_guarded(n / 8, side);
    int32_t *sum = (int32_t *)px_guarded(n / 4, side);
    p->w = px_guarded(blocks * t->bytes, side);
    fill_weights(p->w, blocks, t);
    for (size_t i = 0; i < n; i++)
        x[i] = draw(8) ? (float)((int)draw(2001) - 1000) / 1000 : draw(2) ? 1.0f : -1.0f;
    for (size_t i = 0; i < p->tokens; i++)
        k->act_quant(q + i * p->k, d + i * p->k / 32, sum + i * p->k / 16, x + i * p->k, p->k);
    p->m = (struct pxi_matmul){.w = p->w,
                               .row_bytes = p->k / 32 / t->super * t->bytes,
                               .k = p->k,
                               .row_last = p->rows,
                               .tokens = p->tokens,
                               .act = {q, d, sum}};
}

static float *product_run(struct product *p, const struct pxi_kernels *k, size_t stride, int side)
{
    size_t scratch = (pxi_matmul_scratch(p->k) + 63) / 64 * 64;
    struct pxi_matmul m = p->m;
    m.y_stride = stride;
    m.y = (float *)px_guarded(((p->tokens - 1) * stride + p->rows) * 4, side);
    m.scratch = px_guarded(scratch, 0);
    size_t half_way = p->rows / 2 / PXI_ROW_GROUP * PXI_ROW_GROUP;
    m.row_last = half_way; /* in two calls, as threads would */
    k->matmul[p->type->id](&m);
    m.row_first = half_way;
    m.row_last = p->rows;
    k->matmul[p->type->id](&m);
    return m.y;
}

TEST(products_agree_with_double_arithmetic)
{
    struct pxi_kernels k;
    pxi_kernels_init(&k, PXI_CPU_SCALAR);
    state = px_seed;
    for (size_t i = 0; i < TYPES * 4; i++) {
        struct product p = {&types[i / 4], 256 * (1 + draw(4)), 1 + draw(40), 1 + draw(5)};
        size_t n = p.type->super * 32;
        product_make(&p, &k, 0);
        float *y = product_run(&p, &k, p.rows + 3, 0);
        for (size_t r = 0; r < p.rows; r++)
            for (size_t t = 0; t < p.tokens; t++) {
                double sum = 0, size = 0;
                for (size_t e = 0; e < p.k; e++) {
                    size_t at = t * p.k + e;
                    double w = value(p.type->id, p.w + r * p.m.row_bytes + e / n * p.type->bytes,
                                     (int)(e % n));
                    double v = w * p.m.act.q[at] * (double)p.m.act.d[at / 32];
                    sum += v;
                    size += fabs(v);
                }
                if (!(fabs(sum - (double)y[t * (p.rows + 3) + r]) <= size * 2e-6))
                    PX_FAIL("type %u k %zu row %zu token %zu: %g, expected %g", p.type->id, p.k, r,
                            t, (double)y[t * (p.rows + 3) + r], sum);
            }
    }
}

/* Every set that this processor has, worst first. */
static const uint32_t sets[] = {
    PXI_CPU_SCALAR | PXI_CPU_AVX2,
    PXI_CPU_SCALAR | PXI_CPU_AVX2 | PXI_CPU_AVX512,
    PXI_CPU_SCALAR | PXI_CPU_AVX2 | PXI_CPU_AVX512 | PXI_CPU_AVX512_VNNI,
    PXI_CPU_SCALAR | PXI_CPU_NEON,
    PXI_CPU_SCALAR | PXI_CPU_NEON | PXI_CPU_DOTPROD,
};

static void compare_sets(struct product *p, int side)
{
    struct pxi_kernels scalar, k;
    size_t stride = p->rows + draw(5);
    pxi_kernels_init(&scalar, PXI_CPU_SCALAR);
    product_make(p, &scalar, side);
    float *want = product_run(p, &scalar, stride, side);
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
        if ((sets[s] & pxi_cpu_detect()) != sets[s])
            continue;
        pxi_kernels_init(&k, sets[s]);
        float *got = product_run(p, &k, stride, side);
        for (size_t i = 0; i < (p->tokens - 1) * stride + p->rows; i++)
            if (memcmp(&want[i], &got[i], 4) != 0)
                PX_FAIL("set %#x type %u k %zu rows %zu tokens %zu: y[%zu] is %a, scalar %a",
                        sets[s], p->type->id, p->k, p->rows, p->tokens, i, (double)got[i],
                        (double)want[i]);
    }
}

TEST(every_set_quantises_activations_alike)
{
    state = px_seed;
    for (size_t k = 32; k <= 32 * 70; k += 32)
        for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
            struct pxi_kernels scalar, set;
            if ((sets[s] & pxi_cpu_detect()) != sets[s])
                continue;
            pxi_kernels_init(&scalar, PXI_CPU_SCALAR);
            pxi_kernels_init(&set, sets[s]);
            float *x = (float *)px_guarded(k * 4, (int)draw(2));
            for (size_t i = 0; i < k; i++) /* from below the smallest block to huge, halves too */
                x[i] = draw(4) ? ldexpf((float)((int)draw(511) - 255), (int)(i / 32 * 3) - 120) : 0;
            uint8_t *a = px_guarded(k + k / 8 + k / 4, 0), *b = px_guarded(k + k / 8 + k / 4, 0);
            scalar.act_quant((int8_t *)a, (float *)(a + k), (int32_t *)(a + k + k / 8), x, k);
            set.act_quant((int8_t *)b, (float *)(b + k), (int32_t *)(b + k + k / 8), x, k);
            CHECK(memcmp(a, b, k + k / 8 + k / 4) == 0);
        }
}

TEST(every_set_gives_the_same_bits)
{
    state = px_seed;
    for (size_t i = 0; i < TYPES * 24; i++) {
        struct product p = {&types[i / 24]};
        p.k = 32 * p.type->super * (1 + draw(p.type->super == 1 ? 24 : 4));
        p.rows = 1 + draw(70);
        p.tokens = 1 + draw(20);
        compare_sets(&p, (int)draw(2));
    }
}

TEST(every_set_gives_the_same_bits_on_long_rows_and_many_tokens)
{
    state = px_seed + 1;
    for (size_t i = 0; i < TYPES; i++) {
        struct product p = {&types[i], 5632, 33, 3}, r = {&types[i], 256, 80, 130};
        compare_sets(&p, 0);
        compare_sets(&r, 0);
    }
}

TEST_MAIN()
