/*
 * The short expressions that cut a text before or after the main one: digits, punctuation, CJK, and
 * the parts of which the first DeepSeek families consist.
 */
#include "text/scan.h"

struct range {
    uint32_t first, last;
};

static int in_ranges(uint32_t cp, const struct range *r, unsigned n)
{
    unsigned lo = 0, hi = n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (cp > r[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && cp >= r[lo].first;
}

/* End of the run of characters within ranges; `at` when there is none. */
static size_t run_of(const struct pxi_scan *s, size_t at, const struct range *r, unsigned n)
{
    for (struct pxi_char c; (c = pxi_scan_at(s, at)).n && in_ranges(c.cp, r, n);)
        at += c.n;
    return at;
}

#define RUN_OF(s, at, r) run_of(s, at, r, sizeof(r) / sizeof *(r))

static size_t some(size_t start, size_t end)
{
    return end > start ? end : 0;
}

/* Where the thing after an optional whitespace starts. */
static size_t skip_one_space(const struct pxi_scan *s, size_t at)
{
    return pxi_scan_run(s, at, PXI_UC_SPACE, 1);
}

/* \p{N} */
size_t pxi_match_digit(const struct pxi_scan *s, size_t at)
{
    return some(at, pxi_scan_run(s, at, PXI_UC_NUMBER, 1));
}

/* \p{N}{1,3} */
size_t pxi_match_digits3(const struct pxi_scan *s, size_t at)
{
    return some(at, pxi_scan_run(s, at, PXI_UC_NUMBER, 3));
}

/* \p{N}+ */
size_t pxi_match_digits(const struct pxi_scan *s, size_t at)
{
    return some(at, pxi_scan_run(s, at, PXI_UC_NUMBER, SIZE_MAX));
}

/* [0-9][0-9][0-9] */
size_t pxi_match_ascii3(const struct pxi_scan *s, size_t at)
{
    for (size_t i = at; i < at + 3; i++)
        if (i >= s->end || s->p[i] < '0' || s->p[i] > '9')
            return 0;
    return at + 3;
}

/* [\p{P}...]+ with the symbols of `more`. */
static size_t match_punct(const struct pxi_scan *s, size_t at, const char *more)
{
    size_t start = at;
    for (struct pxi_char c; (c = pxi_scan_at(s, at)).n; at += c.n)
        if (!(c.flags & PXI_UC_PUNCT) && (c.n > 1 || !c.cp || !strchr(more, (int)c.cp)))
            break;
    return some(start, at);
}

/* [\p{P}\$\+<=>\^~\|]+ */
size_t pxi_match_punct_default(const struct pxi_scan *s, size_t at)
{
    return match_punct(s, at, "$+<=>^~|");
}

/* [\p{P}\$\+<=>\^~\|`]+ */
size_t pxi_match_punct_falcon(const struct pxi_scan *s, size_t at)
{
    return match_punct(s, at, "$+<=>^~|`");
}

/* [\r\n] */
size_t pxi_match_newline(const struct pxi_scan *s, size_t at)
{
    return pxi_is_newline(s->p[at]) ? at + 1 : 0;
}

/* \s?\p{L}+ */
size_t pxi_match_coder_letters(const struct pxi_scan *s, size_t at)
{
    size_t start = skip_one_space(s, at);
    return some(start, pxi_scan_run(s, start, PXI_UC_L, SIZE_MAX));
}

/* \s?\p{P}+ */
size_t pxi_match_coder_punct(const struct pxi_scan *s, size_t at)
{
    size_t start = skip_one_space(s, at);
    return some(start, pxi_scan_run(s, start, PXI_UC_PUNCT, SIZE_MAX));
}

/* [一-龥ࠀ-一가-퟿]+, which is what the first DeepSeek tokenizers took for CJK. */
size_t pxi_match_cjk(const struct pxi_scan *s, size_t at)
{
    static const struct range cjk[] = {{0x800, 0x9fa5}, {0xac00, 0xd7ff}};
    return some(at, RUN_OF(s, at, cjk));
}

/* [一-龥぀-ゟ゠-ヿ]+ */
size_t pxi_match_cjk_kana(const struct pxi_scan *s, size_t at)
{
    static const struct range cjk[] = {{0x3040, 0x30ff}, {0x4e00, 0x9fa5}};
    return some(at, RUN_OF(s, at, cjk));
}

/* \s?[the letters that the expression of deepseek-llm spells out]+ */
size_t pxi_match_llm_letters(const struct pxi_scan *s, size_t at)
{
    static const struct range letters[] = {
        {0x41, 0x5a},       {0x61, 0x7a},       {0xb5, 0xb5},       {0xc0, 0xd6},
        {0xd8, 0xf6},       {0xf8, 0x1ba},      {0x1bc, 0x1bf},     {0x1c4, 0x293},
        {0x295, 0x2af},     {0x370, 0x373},     {0x376, 0x376},     {0x377, 0x377},
        {0x37b, 0x37d},     {0x37f, 0x37f},     {0x386, 0x386},     {0x388, 0x38a},
        {0x38c, 0x38c},     {0x38e, 0x3a1},     {0x3a3, 0x3f5},     {0x3f7, 0x481},
        {0x48a, 0x52f},     {0x531, 0x556},     {0x10a0, 0x10c5},   {0x13a0, 0x13f5},
        {0x13f8, 0x13fd},   {0x1c90, 0x1cba},   {0x1cbd, 0x1cbf},   {0x1d00, 0x1d2b},
        {0x1d6b, 0x1d77},   {0x1d79, 0x1d9a},   {0x1e00, 0x1f15},   {0x1f18, 0x1f1d},
        {0x1f20, 0x1f45},   {0x1f48, 0x1f4d},   {0x1f50, 0x1f57},   {0x1f59, 0x1f59},
        {0x1f5b, 0x1f5b},   {0x1f5d, 0x1f5d},   {0x1f5f, 0x1f7d},   {0x1f80, 0x1fb4},
        {0x1fb6, 0x1fbc},   {0x1fbe, 0x1fbe},   {0x1fc2, 0x1fc4},   {0x1fc6, 0x1fcc},
        {0x1fd0, 0x1fd3},   {0x1fd6, 0x1fdb},   {0x1fe0, 0x1fec},   {0x1ff2, 0x1ff4},
        {0x1ff6, 0x1ffc},   {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210a, 0x2113},
        {0x2115, 0x2115},   {0x2119, 0x211d},   {0x2124, 0x2124},   {0x2126, 0x2126},
        {0x2128, 0x2128},   {0x212a, 0x212d},   {0x212f, 0x2134},   {0x2139, 0x2139},
        {0x213c, 0x213f},   {0x2145, 0x2149},   {0x214e, 0x214e},   {0x2183, 0x2183},
        {0x2184, 0x2184},   {0x2c00, 0x2c7b},   {0x2c7e, 0x2ce4},   {0x2ceb, 0x2cee},
        {0x2cf2, 0x2cf2},   {0x2cf3, 0x2cf3},   {0xa640, 0xa66d},   {0xa680, 0xa69b},
        {0xa722, 0xa76f},   {0xa771, 0xa787},   {0xa78b, 0xa78e},   {0xab70, 0xabbf},
        {0xfb00, 0xfb06},   {0xfb13, 0xfb17},   {0xff21, 0xff3a},   {0xff41, 0xff5a},
        {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb}, {0x10c80, 0x10cb2},
        {0x10cc0, 0x10cf2}, {0x118a0, 0x118df}, {0x1e900, 0x1e943},
    };
    size_t start = skip_one_space(s, at);
    return some(start, RUN_OF(s, start, letters));
}

/* \s?[!-/:-~！-／：-～‘-‟　-。]+ */
size_t pxi_match_llm_punct(const struct pxi_scan *s, size_t at)
{
    static const struct range punct[] = {{0x21, 0x2f},     {0x3a, 0x7e},     {0x2018, 0x201f},
                                         {0x3000, 0x3002}, {0xff01, 0xff0f}, {0xff1a, 0xff5e}};
    size_t start = skip_one_space(s, at);
    size_t end = some(start, RUN_OF(s, start, punct));
    return end ? end : some(at, RUN_OF(s, at, punct)); /* U+3000 is a space and in the set */
}
