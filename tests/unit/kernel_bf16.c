/* The opt-in bf16 set: near enough to the scalar products, and for a token the same in any batch.
 */
#include "px_test.h"

#include "base/rng.h"
#include "kernel/kernel.h"
#include "plexus/tensor.h"

static struct pxi_rng rng;

struct product {
    uint32_t type;
    size_t k, rows, tokens;
    uint8_t *w;
    float *x;
};

static const struct pxi_kernels *set_of(uint32_t mask)
{
    static struct pxi_kernels k[2];
    struct pxi_kernels *own = &k[mask != PXI_CPU_SCALAR];
    pxi_kernels_init(own, mask);
    return own;
}

static const struct pxi_kernels *bf16_set(void)
{
    uint32_t mask = pxi_cpu_mask("bf16");
    if ((mask & pxi_cpu_detect()) != mask)
        PX_SKIP("this processor has no AVX512_BF16");
    return set_of(mask);
}

/* A weight of a few bits, so that F16 and BF16 both hold it. */
static void weight(uint8_t *to, uint32_t type)
{
    float v = (float)((int)pxi_rng_below(&rng, 255) - 127) / 64;
    uint32_t bits;
    memcpy(&bits, &v, 4);
    uint16_t h = (uint16_t)(bits >> 16);
    if (type == PX_DTYPE_F16) {
        const struct pxi_kernels *scalar = set_of(PXI_CPU_SCALAR);
        scalar->f32_to_f16(&h, &v, 1);
    }
    memcpy(to, &h, 2);
}

static void make(struct product *p)
{
    p->w = px_guarded(p->rows * p->k * 2, (int)pxi_rng_below(&rng, 2));
    p->x = (float *)px_guarded(p->tokens * p->k * 4, (int)pxi_rng_below(&rng, 2));
    for (size_t i = 0; i < p->rows * p->k; i++)
        weight(p->w + 2 * i, p->type);
    for (size_t i = 0; i < p->tokens * p->k; i++)
        p->x[i] = (float)((int)pxi_rng_below(&rng, 20001) - 10000) / 10000;
}

static float *run(const struct product *p, const struct pxi_kernels *k, size_t token, size_t tokens)
{
    size_t scratch = (pxi_matmul_scratch(p->k) + 63) / 64 * 64;
    struct pxi_matmul m = {.w = p->w,
                           .row_bytes = p->k * 2,
                           .k = p->k,
                           .row_last = p->rows,
                           .tokens = tokens,
                           .x = p->x + token * p->k,
                           .y_stride = p->rows,
                           .scratch = px_guarded(scratch, 0)};
    m.y = (float *)px_guarded(tokens * p->rows * 4, (int)pxi_rng_below(&rng, 2));
    k->matmul[p->type](&m);
    return m.y;
}

static float element(const struct product *p, size_t at)
{
    float v;
    set_of(PXI_CPU_SCALAR)->dequant[p->type](&v, p->w + 2 * at, 1);
    return v;
}

/* Both factors are rounded to 8 bits, each by at most 2^-9 of it; f32 sums add far less. */
static void compare(const struct product *p, const float *got)
{
    const float *want = run(p, set_of(PXI_CPU_SCALAR), 0, p->tokens);
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t r = 0; r < p->rows; r++) {
            double size = 0;
            for (size_t i = 0; i < p->k; i++)
                size += fabs((double)element(p, r * p->k + i) * (double)p->x[t * p->k + i]);
            double off = fabs((double)got[t * p->rows + r] - (double)want[t * p->rows + r]);
            if (!(off <= size * 0x1.2p-8 + 1e-30))
                PX_FAIL("type %u k %zu rows %zu tokens %zu: y[%zu][%zu] is off by %g of %g",
                        p->type, p->k, p->rows, p->tokens, t, r, off, size);
        }
}

static void one(struct product p)
{
    const struct pxi_kernels *k = bf16_set();
    make(&p);
    float *all = run(&p, k, 0, p.tokens);
    compare(&p, all);
    for (size_t t = 0; t < p.tokens; t++) {
        float *alone = run(&p, k, t, 1);
        if (memcmp(alone, all + t * p.rows, p.rows * 4) != 0)
            PX_FAIL("type %u k %zu rows %zu: token %zu of %zu alone has other bits", p.type, p.k,
                    p.rows, t, p.tokens);
    }
}

TEST(small_products_of_every_width)
{
    rng.state = px_seed;
    for (size_t tokens = 1; tokens <= 26; tokens++)
        for (uint32_t type = PX_DTYPE_F16; type <= PX_DTYPE_BF16;
             type += PX_DTYPE_BF16 - PX_DTYPE_F16)
            one((struct product){type, 1 + pxi_rng_below(&rng, 130), 1 + pxi_rng_below(&rng, 37),
                                 tokens});
}

TEST(every_short_row)
{
    rng.state = px_seed + 1;
    for (size_t k = 1; k <= 130; k++)
        one((struct product){k % 2 ? PX_DTYPE_F16 : PX_DTYPE_BF16, k, 5, 1 + k % 9});
}

TEST(rows_of_several_segments_and_panels)
{
    rng.state = px_seed + 2;
    one((struct product){PX_DTYPE_F16, 4500, 70, 30});
    one((struct product){PX_DTYPE_BF16, 2048, 66, 25});
    one((struct product){PX_DTYPE_F16, 9000, 9, 3});
}

TEST(the_set_is_chosen_by_name_only)
{
    const struct pxi_kernels *k = bf16_set();
    struct pxi_kernels own;
    pxi_kernels_init(&own, pxi_cpu_mask("auto"));
    CHECK(own.matmul[PX_DTYPE_F16] != k->matmul[PX_DTYPE_F16]);
    CHECK(own.matmul[PX_DTYPE_Q8_0] == k->matmul[PX_DTYPE_Q8_0]);
}

TEST_MAIN()
