/* Pre-tokenizers against the published expressions, and Unicode below them. */
#include "base/rng.h"
#include "text/scan.h"

#include "px_test.h"
#include "vectors/pretokenize.h"

enum { TEXTS = sizeof vector_texts / sizeof *vector_texts };

TEST(pieces_are_those_of_the_expressions)
{
    for (unsigned set = 0; set < sizeof vector_sets / sizeof *vector_sets; set++) {
        const struct pxi_pre *pre = pxi_pre_find(px_view_str(vector_sets[set].pre));
        const unsigned char *lengths = vector_sets[set].lengths;
        CHECK(pre != NULL);
        for (unsigned i = 0; i < TEXTS; i++, lengths++) {
            struct pxi_pieces walk;
            px_view piece;
            pxi_pieces_init(&walk, pre, px_view_of(vector_texts[i].text, vector_texts[i].n));
            for (unsigned k = 0; pxi_pieces_next(&walk, &piece); k++, lengths++)
                if (piece.n != *lengths)
                    PX_FAIL("%s, text %u, piece %u: %zu bytes, expected %u", vector_sets[set].pre,
                            i, k, piece.n, *lengths);
            CHECK_EQ(*lengths, 0);
        }
    }
}

TEST(names_of_one_family_share_its_stages)
{
    static const char *const pairs[][2] = {
        {"llama-bpe", "smaug-bpe"}, {"qwen2", "stablelm2"},      {"starcoder", "smollm"},
        {"starcoder", "command-r"}, {"starcoder", "refact"},     {"starcoder", "codeshell"},
        {"gpt-4o", "llama4"},       {"llama-bpe", "llama3"},     {"gpt-2", "phi-2"},
        {"qwen2", "megrez"},        {"deepseek-v3", "joyai-llm"}};
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct pxi_pre *a = pxi_pre_find(px_view_str(pairs[i][0]));
        const struct pxi_pre *b = pxi_pre_find(px_view_str(pairs[i][1]));
        CHECK(a && b && !memcmp(a->stages, b->stages, sizeof a->stages));
    }
    CHECK(!pxi_pre_find(px_view_str("qwen")) && !pxi_pre_find(px_view_str("")));
}

/* Pieces are never empty, follow each other and end with the text. */
static void check_cover(const char *pre, px_view text)
{
    struct pxi_pieces walk;
    px_view piece;
    const uint8_t *at = text.p;
    pxi_pieces_init(&walk, pxi_pre_find(px_view_str(pre)), text);
    while (pxi_pieces_next(&walk, &piece)) {
        CHECK(piece.p == at && piece.n > 0);
        at += piece.n;
    }
    CHECK(at == text.p + text.n);
}

TEST(any_bytes_are_covered_without_reading_past_them)
{
    static const char units[] = " \'\xe3\x80\x80\xf0\x9f"
                                "a1\n";
    struct pxi_rng rng = {px_seed};
    for (unsigned set = 0; set < sizeof vector_sets / sizeof *vector_sets; set++)
        for (unsigned round = 0; round < 200; round++) {
            size_t n = 1 + pxi_rng_below(&rng, 60);
            uint8_t *text = px_guarded(n, 0);
            for (size_t i = 0; i < n; i++)
                text[i] = round & 1 ? (uint8_t)pxi_rng_u64(&rng)
                                    : (uint8_t)units[pxi_rng_below(&rng, sizeof units - 1)];
            check_cover(vector_sets[set].pre, px_view_of(text, n));
        }
}

/* What takes quadratic time here ends in the alarm of the harness. */
TEST(a_megabyte_of_one_thing_is_no_trouble)
{
    static const char *const units[] = {" ",
                                        "a",
                                        "\n",
                                        "\xe6\x97\xa5",
                                        "'",
                                        "A",
                                        "1",
                                        "! ",
                                        "\xcc\x81",
                                        ("\xc2\xaa"
                                         "AA"),
                                        " \xe6\x97\xa5",
                                        "\x01"};
    size_t n = (size_t)1 << 20;
    uint8_t *text = malloc(n + 8);
    for (unsigned u = 0; u < sizeof units / sizeof *units; u++) {
        size_t unit = strlen(units[u]);
        for (size_t i = 0; i < n; i++)
            text[i] = (uint8_t)units[u][i % unit];
        memcpy(text + n, "\xe6\x97\xa5", 3); /* so that runs of spaces do not end the text */
        for (unsigned set = 0; set < sizeof vector_sets / sizeof *vector_sets; set++)
            check_cover(vector_sets[set].pre, px_view_of(text, n + 3));
    }
    free(text);
}

TEST(unicode_flags)
{
    CHECK_EQ(pxi_unicode_flags('A'), PXI_UC_UPPER);
    CHECK_EQ(pxi_unicode_flags('z'), PXI_UC_LOWER);
    CHECK_EQ(pxi_unicode_flags(0x1c5), PXI_UC_UPPER);  /* Lt */
    CHECK_EQ(pxi_unicode_flags(0x2b0), PXI_UC_LETTER); /* Lm */
    CHECK_EQ(pxi_unicode_flags(0x65e5), PXI_UC_LETTER);
    CHECK_EQ(pxi_unicode_flags(0x301), PXI_UC_MARK);
    CHECK_EQ(pxi_unicode_flags(0x661), PXI_UC_NUMBER);
    CHECK_EQ(pxi_unicode_flags(0x2019), PXI_UC_PUNCT);
    CHECK_EQ(pxi_unicode_flags(0x1f916), PXI_UC_SYMBOL);
    CHECK_EQ(pxi_unicode_flags(0x3000), PXI_UC_SPACE);
    CHECK_EQ(pxi_unicode_flags(0x85), PXI_UC_SPACE);
    CHECK_EQ(pxi_unicode_flags(0x1c), 0);
    CHECK_EQ(pxi_unicode_flags(0x10ffff), 0);
    CHECK_EQ(pxi_unicode_flags(0x110000), 0);
    CHECK_EQ(pxi_unicode_flags(0x1d400), PXI_UC_UPPER);
    CHECK_EQ(pxi_unicode_flags(0x2ffff), 0);
    CHECK(pxi_unicode_version[0] >= '1' && pxi_unicode_version[1] >= '4');
}

TEST(utf8_takes_what_is_valid_and_nothing_else)
{
    static const struct {
        const char *bytes;
        unsigned n;
        uint32_t cp;
    } rows[] = {{"\x7f", 1, 0x7f},
                {"\xc2\x80", 2, 0x80},
                {"\xc1\xbf", 1, PXI_UTF8_BAD},
                {"\xdf\xbf", 2, 0x7ff},
                {"\xe0\xa0\x80", 3, 0x800},
                {"\xe0\x9f\xbf", 1, PXI_UTF8_BAD},
                {"\xed\x9f\xbf", 3, 0xd7ff},
                {"\xed\xa0\x80", 1, PXI_UTF8_BAD},
                {"\xf0\x90\x80\x80", 4, 0x10000},
                {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
                {"\xf4\x90\x80\x80", 1, PXI_UTF8_BAD},
                {"\xf0\x8f\xbf\xbf", 1, PXI_UTF8_BAD},
                {"\x80", 1, PXI_UTF8_BAD},
                {"\xff", 1, PXI_UTF8_BAD},
                {"\xe3\x80", 1, PXI_UTF8_BAD}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t cp;
        CHECK_EQ(pxi_utf8_next((const uint8_t *)rows[i].bytes, strlen(rows[i].bytes), &cp),
                 rows[i].n);
        CHECK_EQ(cp, rows[i].cp);
    }
    for (uint32_t cp = 0, back; cp < 0x110000; cp += cp == 0xd7ff ? 0x801 : 1) {
        uint8_t out[4];
        unsigned n = pxi_utf8_put(out, cp);
        CHECK(pxi_utf8_next(out, n, &back) == n && back == cp);
    }
}

TEST_MAIN()
