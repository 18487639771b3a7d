/* The models that tests of the engine run on: every architecture, each shape awkward in its way. */
#ifndef PX_TEST_MODEL_SHAPES_H
#define PX_TEST_MODEL_SHAPES_H

#include "model_file.h"

enum { MODEL_VOCAB = 300 };

enum model_name {
    LLAMA_TIED,         /* the output is the embedding; mixed types */
    LLAMA_ODD,          /* widths that no vector divides, scaled rope */
    LLAMA_THREE_BLOCKS, /* everything of its own, to be cut into parts */
    QWEN2_BIASED,
    QWEN3_K_QUANTS,
    MODEL_SHAPES
};

static const struct model_shape model_shapes[MODEL_SHAPES] = {
    [LLAMA_TIED] = {.arch = "llama",
                    .embd = 64,
                    .ffn = 172,
                    .heads = 8,
                    .kv_heads = 4,
                    .head_dim = 8,
                    .blocks = 2,
                    .vocab = MODEL_VOCAB,
                    .type = PX_DTYPE_Q8_0,
                    .down_type = PX_DTYPE_F16,
                    .output_type = PX_DTYPE_Q8_0,
                    .tied = 1},
    [LLAMA_ODD] = {.arch = "llama",
                   .embd = 96,
                   .ffn = 100,
                   .heads = 3,
                   .kv_heads = 1,
                   .head_dim = 20,
                   .blocks = 2,
                   .vocab = MODEL_VOCAB,
                   .type = PX_DTYPE_F32,
                   .down_type = PX_DTYPE_F32,
                   .output_type = PX_DTYPE_F32,
                   .rope_freqs = 1},
    [LLAMA_THREE_BLOCKS] = {.arch = "llama",
                            .embd = 64,
                            .ffn = 96,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_dim = 16,
                            .blocks = 3,
                            .vocab = MODEL_VOCAB,
                            .type = PX_DTYPE_Q8_0,
                            .down_type = PX_DTYPE_Q8_0,
                            .output_type = PX_DTYPE_F16},
    [QWEN2_BIASED] = {.arch = "qwen2",
                      .embd = 320,
                      .ffn = 288,
                      .heads = 4,
                      .kv_heads = 2,
                      .head_dim = 80,
                      .blocks = 2,
                      .vocab = MODEL_VOCAB,
                      .type = PX_DTYPE_Q4_0,
                      .down_type = PX_DTYPE_Q5_0,
                      .output_type = PX_DTYPE_F16,
                      .bias = 1},
    [QWEN3_K_QUANTS] = {.arch = "qwen3",
                        .embd = 512,
                        .ffn = 768,
                        .heads = 8,
                        .kv_heads = 2,
                        .head_dim = 32,
                        .blocks = 2,
                        .vocab = MODEL_VOCAB,
                        .type = PX_DTYPE_Q4_K,
                        .down_type = PX_DTYPE_Q6_K,
                        .output_type = PX_DTYPE_BF16},
};

#endif
