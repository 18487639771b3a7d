/* What the last stage chooses; on the thread of the worker, or while that has nothing of the run.
 */
#include "infer/run.h"

/* The next token of the text: after a row whose logits nobody wanted it was said, not sampled. */
static void remember(struct pxi_run *r, uint32_t token, bool drawn)
{
    if (drawn)
        px_sampler_replay(r->sampler, (int32_t)token);
    else
        px_sampler_accept(r->sampler, (int32_t)token);
    r->chosen[r->sampled++] = token | (drawn ? PXI_STAGE_WANT : 0);
}

void pxi_run_rewind(struct pxi_run *r, uint32_t n)
{
    pxi_sampler_reset(r->sampler);
    for (r->sampled = 0; r->sampled < n;)
        remember(r, r->chosen[r->sampled] & PXI_STAGE_TOKEN,
                 r->chosen[r->sampled] & PXI_STAGE_WANT);
}

void pxi_run_choose(struct pxi_run *r, uint32_t position, const struct pxi_step *step,
                    unsigned flags, const float *logits)
{
    bool known = position < r->sampled;
    bool same = known && (r->chosen[position] & PXI_STAGE_TOKEN) == (uint32_t)step->token;
    if (r->good != position || ((flags & PXI_ROW_DRAFT) && !same))
        return;
    if (known && !same)
        pxi_run_rewind(r, position); /* the client goes on in another way */
    if (!same)
        remember(r, (uint32_t)step->token, r->drawn && position >= r->prompt);
    r->good++;
    r->drawn = flags & PXI_ROW_WANT;
    if (!step->want || r->sampled != r->good)
        return;
    r->chosen[r->sampled++] = (uint32_t)px_sampler_next(r->sampler, logits) | PXI_STAGE_WANT;
}
