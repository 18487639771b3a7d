/*
 * Which tokenizer.ggml.pre means which stages. A name that is not here is refused: a wrong
 * pre-tokenizer makes a model quietly worse.
 */
#include "text/scan.h"

#define GPT2                                                                                       \
    {                                                                                              \
        pxi_match_gpt2                                                                             \
    }
#define LLAMA3                                                                                     \
    {                                                                                              \
        pxi_match_llama3                                                                           \
    }
#define QWEN2                                                                                      \
    {                                                                                              \
        pxi_match_qwen2                                                                            \
    }
#define DIGIT_FIRST                                                                                \
    {                                                                                              \
        pxi_match_digit, pxi_match_gpt2                                                            \
    }
#define GPT4O                                                                                      \
    {                                                                                              \
        pxi_match_gpt4o                                                                            \
    }
#define DEEPSEEK3                                                                                  \
    {                                                                                              \
        pxi_match_digits3, pxi_match_cjk_kana, pxi_match_deepseek3                                 \
    }

static const struct pxi_pre families[] = {
    /* What the field's converters meant before they wrote a name. */
    {"default",
     0,
     0,
     {pxi_match_punct_default, pxi_match_gpt2, pxi_match_digits, pxi_match_ascii3}},
    {"gpt-2", 0, 0, GPT2},
    {"phi-2", 0, 0, GPT2},
    {"mpt", 0, 0, GPT2},
    {"olmo", 0, 0, GPT2},
    {"jais", 0, 0, GPT2},
    {"trillion", 0, 0, GPT2},
    {"granite-docling", 0, 0, GPT2},
    {"gigachat", 0, 0, GPT2},
    {"exaone4", 0, 0, GPT2},
    {"mellum", 0, 0, GPT2},
    {"a.x-4.0", 0, 0, GPT2},
    {"llama-bpe", 1, 1, LLAMA3},
    {"llama3", 1, 1, LLAMA3},
    {"llama-v3", 1, 1, LLAMA3},
    {"falcon3", 1, 1, LLAMA3},
    {"falcon-h1", 1, 1, LLAMA3},
    {"pixtral", 1, 1, LLAMA3},
    {"midm-2.0", 1, 1, LLAMA3},
    {"lfm2", 1, 1, LLAMA3},
    {"smaug-bpe", 0, 0, LLAMA3},
    {"dbrx", 0, 0, LLAMA3},
    {"glm4", 0, 0, LLAMA3},
    {"chatglm-bpe", 0, 0, LLAMA3},
    {"qwen2", 0, 0, QWEN2},
    {"deepseek-r1-qwen", 0, 0, QWEN2},
    {"stablelm2", 0, 0, QWEN2},
    {"hunyuan", 0, 0, QWEN2},
    {"megrez", 0, 0, QWEN2},
    {"kormo", 0, 0, QWEN2},
    {"solar-open", 0, 0, QWEN2},
    {"grok-2", 0, 0, QWEN2},
    {"qwen35", 0, 0, {pxi_match_qwen35}},
    {"starcoder", 0, 0, DIGIT_FIRST},
    {"refact", 0, 0, DIGIT_FIRST},
    {"command-r", 0, 0, DIGIT_FIRST},
    {"smollm", 0, 0, DIGIT_FIRST},
    {"codeshell", 0, 0, DIGIT_FIRST},
    {"exaone", 0, 0, DIGIT_FIRST},
    {"minerva-7b", 0, 0, DIGIT_FIRST},
    {"mellum2", 0, 0, DIGIT_FIRST},
    {"falcon", 0, 0, {pxi_match_punct_falcon, pxi_match_gpt2, pxi_match_ascii3}},
    {"deepseek-llm",
     0,
     0,
     {pxi_match_newline, pxi_match_llm_letters, pxi_match_llm_punct, pxi_match_space_end,
      pxi_match_cjk, pxi_match_digits}},
    {"deepseek-coder",
     0,
     0,
     {pxi_match_newline, pxi_match_coder_letters, pxi_match_coder_punct, pxi_match_cjk,
      pxi_match_digit}},
    {"deepseek-v3", 0, 0, DEEPSEEK3},
    {"hunyuan-dense", 0, 0, DEEPSEEK3},
    {"joyai-llm", 0, 0, DEEPSEEK3},
    {"gpt-4o", 0, 0, GPT4O},
    {"llama4", 0, 0, GPT4O},
    {"kanana2", 0, 0, GPT4O},
    {"minimax-m2", 0, 0, GPT4O},
    {"tekken", 1, 1, {pxi_match_tekken}},
};

const struct pxi_pre *pxi_pre_find(px_view name)
{
    for (unsigned i = 0; i < sizeof families / sizeof *families; i++)
        if (px_view_is(name, families[i].name))
            return &families[i];
    return NULL;
}
