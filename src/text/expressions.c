/*
 * The regular expressions that files of tokenizers have, and the scanner that was written for each.
 * There is no engine: a new expression needs a new scanner, checked by
 * tools/pretokenize_vectors.py.
 */
#include "text/hf.h"

#define LETTER      "\\p{L}"
#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACE       "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define MODERN(digits)                                                                             \
    CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits                                     \
                "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACE
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(tail, digits)                                                                        \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER    \
    "*" tail "|\\p{N}" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACE

static const struct {
    const char *text;
    pxi_match_fn *match;
} expressions[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     pxi_match_gpt2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     pxi_match_gpt2},
    {MODERN("{1,3}"), pxi_match_llama3},
    {MODERN(""), pxi_match_qwen2},
    {CONTRACTION
     "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACE,
     pxi_match_qwen35},
    {CASED(CONTRACTION "?", "{1,3}"), pxi_match_gpt4o},
    {CASED("", ""), pxi_match_tekken},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
     "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE,
     pxi_match_deepseek3},
    {"\\p{N}{1,3}", pxi_match_digits3},
    {"\\p{N}", pxi_match_digit},
    {"\\p{N}+", pxi_match_digits},
    {"[0-9][0-9][0-9]", pxi_match_ascii3},
    {"[\\r\\n]", pxi_match_newline},
    {"\\s?\\p{L}+", pxi_match_coder_letters},
    {"\\s?\\p{P}+", pxi_match_coder_punct},
    {"\\s+$", pxi_match_space_end},
    {"[一-龥぀-ゟ゠-ヿ]+", pxi_match_cjk_kana},
    {"[一-龥ࠀ-一가-퟿]+", pxi_match_cjk},
    {"\\s?[!-/:-~！-／：-～‘-‟　-。]+", pxi_match_llm_punct},
};

pxi_match_fn *pxi_expression_find(px_view expression)
{
    for (unsigned i = 0; i < sizeof expressions / sizeof *expressions; i++)
        if (px_view_is(expression, expressions[i].text))
            return expressions[i].match;
    return NULL;
}
