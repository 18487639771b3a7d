/* Detokenizing: exact bytes, and the stream that never hands out a part of a character. */
#include "base/rng.h"
#include "text/utf8.h"
#include "text_vocab.h"

#include "px_test.h"

static struct vocab v;

/* Everything that a stream says about tokens, as a string. */
static const char *stream(const int32_t *ids, size_t count, int show_control)
{
    static char out[1024];
    px_detok d = {.show_control = (uint8_t)show_control};
    size_t at = 0, n;
    for (size_t i = 0; i < count; i++, at += n)
        CHECK_EQ(px_detok_next(v.tokenizer, &d, ids[i], out + at, sizeof out - at, &n), PX_ERR_OK);
    at += px_detok_end(&d, out + at, sizeof out - at);
    out[at] = 0;
    return out;
}

#define STREAM(...)                                                                                \
    stream((int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), 0)

TEST(a_character_comes_when_it_is_whole)
{
    char out[16];
    px_detok d = {0};
    size_t n;
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    static const uint8_t robot[] = {0xf0, 0x9f, 0xa4, 0x96};
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(px_detok_next(v.tokenizer, &d, robot[i], out, sizeof out, &n), PX_ERR_OK);
        CHECK_EQ(n, i == 3 ? 4 : 0);
    }
    CHECK(!memcmp(out, robot, 4));
    vocab_close(&v);
}

TEST(what_cannot_become_utf8_is_replaced)
{
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    CHECK_STR(STREAM(0x80, 'x'), "\xef\xbf\xbdx");
    CHECK_STR(STREAM(0xe3, 0x80, 'x'), "\xef\xbf\xbdx");
    CHECK_STR(STREAM(0xe3, 0xe3, 0x80, 0x80), "\xef\xbf\xbd\xe3\x80\x80");
    CHECK_STR(STREAM(0xf0, 0x9f, 0xa4), "\xef\xbf\xbd"); /* px_detok_end */
    CHECK_STR(STREAM(0xc0, 0xaf), "\xef\xbf\xbd\xef\xbf\xbd");
    CHECK_STR(STREAM(0xed, 0xa0), "\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    CHECK_STR(STREAM(259, 260, 265), "hello hello\xc3\xa9");
    CHECK_STR(STREAM(-5, 'a', 1 << 30), "a"); /* no tokens: skipped */
    vocab_close(&v);
}

TEST(control_tokens_show_on_request_only)
{
    static const int32_t ids[] = {'a', 266, 'b', 268};
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    CHECK_STR(stream(ids, 4, 0), "ab<think>");
    CHECK_STR(stream(ids, 4, 1), "a<|im_end|>b<think>");
    vocab_close(&v);
}

TEST(the_space_of_the_encoder_is_taken_back)
{
    int32_t hello, space, two;
    vocab_llama(&v);
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    hello = px_tokenizer_find(v.tokenizer, px_view_str("▁hello"));
    space = px_tokenizer_find(v.tokenizer, px_view_str("▁"));
    two = px_tokenizer_find(v.tokenizer, px_view_str("▁▁"));
    CHECK_STR(STREAM(hello, hello), "hello hello");
    CHECK_STR(STREAM(1, hello, hello), "hello hello"); /* also behind the bos */
    CHECK_STR(STREAM(space, hello), " hello");
    CHECK_STR(STREAM(two), " ");
    CHECK_STR(STREAM(3 + 0x20, hello), "  hello"); /* a byte is a byte */
    CHECK_STR(STREAM(3 + 0xc3, 3 + 0xa9), "\xc3\xa9");
    vocab_close(&v);
    vocab_llama(&v);
    v.space_prefix = 0;
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    CHECK_STR(STREAM(hello, hello), " hello hello");
    vocab_close(&v);
}

TEST(too_little_room_consumes_nothing)
{
    char out[8];
    px_detok d = {0}, before;
    size_t n;
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    CHECK_EQ(px_detok_next(v.tokenizer, &d, 0xe3, out, 8, &n), PX_ERR_OK);
    before = d;
    memset(out, '#', 8);
    CHECK_EQ(px_detok_next(v.tokenizer, &d, 259, out, 4, &n), PX_ERR_LIMIT);
    CHECK(!memcmp(&d, &before, sizeof d) && out[4] == '#');
    CHECK_EQ(n, 8); /* the room that is needed */
    CHECK_EQ(px_detok_next(v.tokenizer, &d, 259, out, 8, &n), PX_ERR_OK);
    CHECK(n == 8 && !memcmp(out, "\xef\xbf\xbdhello", 8));
    CHECK_EQ(px_detok_end(&d, out, 8), 0);
    vocab_close(&v);
}

TEST(detokenize_gives_exact_bytes_and_counts_them)
{
    static const int32_t ids[] = {0xff, 0x00, 259};
    char out[4] = "####";
    size_t n;
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    CHECK_EQ(px_detokenize(v.tokenizer, ids, 3, 0, out, 3, &n), PX_ERR_OK);
    CHECK(n == 7 && !memcmp(out, "\xff\0h#", 4));
    CHECK_EQ(px_detokenize(v.tokenizer, ids, 0, 0, NULL, 0, &n), PX_ERR_OK);
    CHECK_EQ(n, 0);
    vocab_close(&v);
}

/* A stream says the same as the bytes of all tokens made valid at once, and only valid UTF-8. */
TEST(a_stream_is_valid_utf8_for_any_tokens)
{
    struct pxi_rng rng = {px_seed};
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    for (unsigned round = 0; round < 2000; round++) {
        int32_t ids[40];
        px_detok d = {0};
        for (unsigned i = 0; i < 40; i++)
            ids[i] = (int32_t)pxi_rng_below(&rng, round & 1 ? 270 : 64) + (round & 1 ? 0 : 0xb8);
        for (unsigned i = 0; i < 40; i++) {
            char out[64];
            size_t n, at = 0;
            CHECK_EQ(px_detok_next(v.tokenizer, &d, ids[i], out, 64, &n), PX_ERR_OK);
            while (at < n) {
                uint32_t cp;
                at += pxi_utf8_next((uint8_t *)out + at, n - at, &cp);
                CHECK(cp != PXI_UTF8_BAD && at <= n);
            }
        }
        CHECK(d.pending_n <= 3);
    }
    vocab_close(&v);
}

TEST(stop_strings_are_cut_and_their_beginnings_held_back)
{
    static const char *const stops[] = {"", "END", "E.", "abab"};
    unsigned which;
    CHECK_EQ(px_stop_cut("some text", 9, stops, 4, &which), 9);
    CHECK_EQ(which, 4);
    CHECK_EQ(px_stop_cut("some E", 6, stops, 4, &which), 5);
    CHECK_EQ(which, 4);
    CHECK_EQ(px_stop_cut("some END, E.", 12, stops, 4, &which), 5);
    CHECK_EQ(which, 1);
    CHECK_EQ(px_stop_cut("E. END", 6, stops, 4, &which), 0);
    CHECK_EQ(which, 2);
    CHECK_EQ(px_stop_cut("xaba", 4, stops, 4, &which), 1);
    CHECK_EQ(px_stop_cut("", 0, stops, 4, &which), 0);
    CHECK_EQ(px_stop_cut("END", 3, NULL, 0, &which), 3);
    CHECK_EQ(which, 0);
}

TEST_MAIN()
