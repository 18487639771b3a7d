#include "infer/coding.h"

/* Below 2 ms nobody reads as fast as it comes, and links are not measured so well. */
static const double SHARE = 0.2, LEAST_S = 0.002;

static double share_of(const struct pxi_plan_times *t)
{
    return t->token_s > 0 ? t->wires_s / t->token_s : 0;
}

static bool fast_enough(const struct pxi_plan_times *t)
{
    return t->wires_s <= LEAST_S || share_of(t) <= SHARE;
}

px_err pxi_choose_coded(const struct pxi_plan_model *m, const struct pxi_candidate *c,
                        unsigned count, uint32_t cols, uint8_t dtype, struct pxi_choice *out,
                        struct pxi_coding *coding)
{
    *coding = (struct pxi_coding){.dtype = dtype, .chosen = dtype != 0};
    for (uint8_t d = dtype ? dtype : PXI_STAGE_F32; d <= PXI_STAGE_Q8; d++) {
        px_err err = pxi_choose(m, c, count, pxi_stage_row_bytes(d, cols), out);
        if (err != PX_ERR_OK)
            return err;
        coding->dtype = d;
        coding->share = share_of(&out->times);
        if (d == PXI_STAGE_F32)
            coding->share_f32 = coding->share;
        if (dtype || fast_enough(&out->times))
            break;
    }
    return PX_ERR_OK;
}

const char *pxi_coding_why(const struct pxi_coding *c)
{
    static const char *const why[] = {[PXI_STAGE_F32] = "the links are fast enough",
                                      [PXI_STAGE_F16] = "the links are too slow for f32",
                                      [PXI_STAGE_Q8] = "the links are too slow for f16"};
    return c->chosen                                               ? "chosen"
           : c->dtype >= PXI_STAGE_F32 && c->dtype <= PXI_STAGE_Q8 ? why[c->dtype]
                                                                   : "none";
}
