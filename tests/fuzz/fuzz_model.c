/*
 * Any bytes as a model file: opened, and when it opens, a few tokens of two sequences go through
 * it. What the file claims must never decide how much memory or time is taken.
 */
#include <stdlib.h>

#include "model/check.h"
#include "plexus/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const px_model *m)
{
    px_context_options o = {.size = sizeof o,
                            .positions = 8,
                            .sequences = 2,
                            .batch = 8,
                            .threads = 1,
                            .kv_type = (px_kv_type)(px_model_info_get(m)->embd / 8 % 3)};
    px_context *c;
    uint32_t vocab = px_model_info_get(m)->vocab;
    px_batch_token batch[6];
    if (px_context_bytes(m, &o) > (uint64_t)64 << 20)
        return;
    if (px_context_new(m, &o, &c, NULL) != PX_ERR_OK)
        abort();
    for (uint32_t i = 0; i < 6; i++)
        batch[i] = (px_batch_token){(int32_t)(i * 7919 % vocab), i / 4, i % 2};
    if (px_context_eval(c, batch, 6) != PX_ERR_OK || !px_context_logits(c, 2) ||
        px_context_logits(c, 3) || px_context_length(c, 0) != 4)
        abort();
    px_context_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_diag diag = {0};
    px_model *m = NULL;
    uint8_t *copy = aligned_alloc(64, (size + 64) / 64 * 64); /* tensors must be aligned */
    memcpy(copy, data, size);
    px_err err = px_model_open_memory(px_view_of(copy, size), &m, &diag);
    if ((err == PX_ERR_OK) != (m != NULL))
        abort();
    if (err == PX_ERR_OK)
        use(m);
    else if (err != PX_ERR_NOMEM && (!diag.field[0] || !diag.expected[0]))
        abort();
    if (pxi_model_check(px_view_of(copy, size), NULL) != err)
        abort();
    px_model_close(m);
    free(copy);
    return 0;
}
