/* Encoding with small vocabularies: merges, special tokens, flags, and vocabularies that are wrong.
 */
#include "base/rng.h"
#include "text_vocab.h"

#include "px_test.h"

static struct vocab v;

static void encode(const char *text, unsigned flags, int32_t *out, size_t want)
{
    size_t n;
    CHECK_EQ(px_tokenize(v.tokenizer, px_view_str(text), flags, out, 64, &n), PX_ERR_OK);
    if (n != want) {
        for (size_t i = 0; i < n && i < 64; i++)
            printf("# %d\n", out[i]);
        PX_FAIL("\"%s\" became %zu tokens, expected %zu", text, n, want);
    }
}

/* Check the spellings of the tokens of a text, separated by '/'. */
static void check(const char *text, unsigned flags, const char *expected)
{
    int32_t ids[64];
    char got[512] = "";
    size_t n, at = 0;
    CHECK_EQ(px_tokenize(v.tokenizer, px_view_str(text), flags, ids, 64, &n), PX_ERR_OK);
    CHECK(n <= 64);
    for (size_t i = 0; i < n; i++) {
        px_view s = px_tokenizer_text(v.tokenizer, ids[i]);
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%.*s", i ? "/" : "", (int)s.n,
                               (const char *)s.p);
    }
    CHECK_STR(got, expected);
}

TEST(llama_merges_by_score_and_falls_back_to_bytes)
{
    vocab_llama(&v);
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("", 0, "");
    check("hello", 0, "▁hello");
    check("abc", 0, "▁/abc");
    check("  ab", 0, "▁▁/▁/ab"); /* of equals the leftmost */
    check("é", 0, "▁/é");
    check("z\n", 0, "▁/<0x7A>/<0x0A>");
    check("\xff", 0, "▁/<0xFF>");
    check("<0x41>", 0, "▁/<0x3C>/<0x30>/<0x78>/<0x34>/<0x31>/<0x3E>");
    vocab_close(&v);
}

TEST(llama_special_tokens)
{
    vocab_llama(&v);
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("ab", PX_ENCODE_SPECIAL, "<s>/▁/ab"); /* bos is added unless the file says no */
    check("", PX_ENCODE_SPECIAL, "<s>");
    check("<s>ab", PX_ENCODE_CONTROL, "<s>/▁/ab");
    check("ab<tool>ab", 0, "▁/ab/<tool>/▁/ab");
    check("<s>", 0, "▁/<0x3C>/<0x73>/<0x3E>");
    CHECK_EQ(px_tokenizer_bos(v.tokenizer), 1); /* found by spelling */
    CHECK_EQ(px_tokenizer_eos(v.tokenizer), 2);
    CHECK(px_tokenizer_add_bos(v.tokenizer) && !px_tokenizer_add_eos(v.tokenizer));
    CHECK(px_tokenizer_is_end(v.tokenizer, 2) && !px_tokenizer_is_end(v.tokenizer, 1));
    CHECK(px_tokenizer_is_control(v.tokenizer, 1) && !px_tokenizer_is_control(v.tokenizer, 300));
    vocab_close(&v);
}

TEST(llama_user_tokens_of_spelt_spaces_are_words)
{
    int32_t ids[8];
    char back[16];
    size_t n, bytes;
    vocab_llama(&v);
    v.types[v.count - 7] = 4; /* "▁▁" */
    CHECK_STR(v.tokens[v.count - 7], "▁▁");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("  ab ab", 0, "▁▁/▁/ab/▁/ab");
    CHECK_EQ(px_tokenize(v.tokenizer, px_view_str("  ab ab"), 0, ids, 8, &n), PX_ERR_OK);
    CHECK_EQ(px_detokenize(v.tokenizer, ids, n, 0, back, 16, &bytes), PX_ERR_OK);
    CHECK(bytes == 7 && !memcmp(back, "  ab ab", 7));
    vocab_close(&v);
}

TEST(llama_flags_of_the_file)
{
    vocab_llama(&v);
    v.space_prefix = 0;
    v.add_bos = 0;
    v.add_eos = 1;
    v.squeeze = 1;
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("  hello   hello  ", PX_ENCODE_SPECIAL, "hel/lo/▁hello/</s>");
    check("   ", 0, "");
    vocab_close(&v);
}

TEST(llama_without_types_knows_its_bytes)
{
    vocab_llama(&v);
    v.type_count = 0;
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("a\n", 0, "▁/a/<0x0A>");
    vocab_close(&v);
}

TEST(gpt2_merges_by_rank_within_pieces)
{
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("hello hello", 0, "hello/Ġhello");
    check("  hello", 0, "Ġ/Ġhello");
    check("abc", 0, "ab/c"); /* the lower rank, not the left neighbour, decides */
    check("bcab", 0, "bc/ab");
    check("1234", 0, "123/4");
    check("é\n", 0, "Ã©/Ċ");
    check("\xff\xad", 0, "ÿ/Ń");
    vocab_close(&v);
    vocab_gpt2(&v, "starcoder");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("123", 0, "1/2/3");
    vocab_close(&v);
}

TEST(gpt2_special_tokens)
{
    vocab_gpt2(&v, "qwen2");
    v.eos = 266;
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("hello<|im_end|>ab", PX_ENCODE_CONTROL, "hello/<|im_end|>/ab");
    check("<|im_end|>", 0, "</|/i/m/_/e/n/d/|/>");
    check("ab<think>ab", 0, "ab/<think>/ab");
    check("<think>>", 0, "<think>>"); /* the longest */
    check("<think", 0, "</t/h/i/n/k");
    check("ab", PX_ENCODE_SPECIAL, "ab"); /* no bos unless the file says so */
    CHECK(px_tokenizer_is_end(v.tokenizer, 266) && !px_tokenizer_is_end(v.tokenizer, 267));
    CHECK_EQ(px_tokenizer_bos(v.tokenizer), PX_TOKEN_NONE);
    CHECK_EQ(px_tokenizer_find(v.tokenizer, px_view_str("Ġhello")), 260);
    CHECK_EQ(px_tokenizer_find(v.tokenizer, px_view_str("hellohello")), PX_TOKEN_NONE);
    CHECK_EQ(px_tokenizer_text(v.tokenizer, -1).n, 0);
    CHECK_EQ(px_tokenizer_text(v.tokenizer, 1 << 30).n, 0);
    CHECK(!px_tokenizer_is_end(v.tokenizer, -1) && !px_tokenizer_is_control(v.tokenizer, 9999));
    vocab_close(&v);
}

TEST(whole_words_go_before_merges_where_the_family_says_so)
{
    vocab_gpt2(&v, "llama-bpe");
    vocab_add(&v, "ola", 1, 0); /* no merge makes it */
    v.score_count = 0;
    v.bos = 267;
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("ola", PX_ENCODE_SPECIAL, "<|im_start|>/ola");
    check("olab", 0, "o/l/ab");
    vocab_close(&v);
}

TEST(a_missing_pre_tokenizer_means_default)
{
    vocab_gpt2(&v, NULL);
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("1234 hello.", 0, "123/4/Ġhello/.");
    vocab_close(&v);
}

TEST(capacity_is_respected_and_the_total_told)
{
    int32_t ids[4] = {-7, -7, -7, -7};
    size_t n;
    vocab_gpt2(&v, "gpt-2");
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    CHECK_EQ(px_tokenize(v.tokenizer, px_view_str("xyz"), 0, ids, 2, &n), PX_ERR_OK);
    CHECK(n == 3 && ids[0] == 'x' && ids[1] == 'y' && ids[2] == -7);
    CHECK_EQ(px_tokenize(v.tokenizer, px_view_str("xyz"), 0, NULL, 0, &n), PX_ERR_OK);
    CHECK_EQ(n, 3);
    CHECK_EQ(px_tokenize(v.tokenizer, px_view_of("", (size_t)1 << 31), 0, NULL, 0, &n),
             PX_ERR_LIMIT);
    vocab_close(&v);
}

static void check_identity(const uint8_t *text, size_t n)
{
    static int32_t ids[8192];
    static char back[8192];
    size_t count, bytes;
    CHECK_EQ(px_tokenize(v.tokenizer, px_view_of(text, n), 0, ids, 8192, &count), PX_ERR_OK);
    CHECK_EQ(px_detokenize(v.tokenizer, ids, count, 0, back, sizeof back, &bytes), PX_ERR_OK);
    CHECK(bytes == n && !memcmp(back, text, n));
}

TEST(there_and_back_is_the_identity_for_any_bytes)
{
    static const char *const units[] = {"hello", " ",   "<think>", "<tool>", "é",       "\n",
                                        "12",    "abc", "<s>",     "▂",      "\xe2\x96"};
    struct pxi_rng rng = {px_seed};
    uint8_t text[256];
    for (unsigned family = 0; family < 3; family++) {
        if (family)
            vocab_gpt2(&v, family == 1 ? "llama-bpe" : "deepseek-llm");
        else
            vocab_llama(&v);
        CHECK_EQ(vocab_open(&v), PX_ERR_OK);
        for (unsigned round = 0; round < 500; round++) {
            size_t n = 0, want = pxi_rng_below(&rng, 200);
            while (n < want) {
                const char *unit = units[pxi_rng_below(&rng, sizeof units / sizeof *units)];
                if (round & 1)
                    text[n++] = (uint8_t)pxi_rng_u64(&rng);
                else
                    n += (size_t)snprintf((char *)text + n, sizeof text - n, "%s", unit);
            }
            check_identity(text, n);
        }
        vocab_close(&v);
    }
}

/* What takes quadratic time here ends in the alarm of the harness. */
TEST(a_megabyte_without_a_space_is_no_trouble)
{
    size_t n = (size_t)1 << 20, count;
    uint8_t *text = malloc(n);
    int32_t *ids = malloc((n + 2) * sizeof *ids);
    for (unsigned family = 0; family < 2; family++) {
        if (family)
            vocab_gpt2(&v, "gpt-2");
        else
            vocab_llama(&v);
        CHECK_EQ(vocab_open(&v), PX_ERR_OK);
        for (size_t i = 0; i < n; i++)
            text[i] = "ab"[i & 1];
        CHECK_EQ(px_tokenize(v.tokenizer, px_view_of(text, n), 0, ids, n + 2, &count), PX_ERR_OK);
        CHECK_EQ(count, n / 2 + !family);
        memset(text, 'l', n);
        CHECK_EQ(px_tokenize(v.tokenizer, px_view_of(text, n), 0, ids, n + 2, &count), PX_ERR_OK);
        CHECK_EQ(count, n / 2 + !family);
        vocab_close(&v);
    }
    free(text);
    free(ids);
}

/* The vocabulary in v must be refused with that error and that field. */
static void refuse(px_err err, const char *field)
{
    CHECK_EQ(vocab_open(&v), err);
    CHECK(v.tokenizer == NULL);
    CHECK_STR(v.diag.field, field);
    CHECK(v.diag.expected[0] && v.diag.found[0]);
    vocab_close(&v);
}

TEST(unknown_families_are_refused_by_name)
{
    vocab_gpt2(&v, "nonsense-v9");
    refuse(PX_ERR_TOKENIZER, "tokenizer.ggml.pre");
    CHECK_STR(v.diag.found, "nonsense-v9");
    vocab_gpt2(&v, "gpt-2");
    v.model = "t5";
    refuse(PX_ERR_TOKENIZER, "tokenizer.ggml.model");
    CHECK_STR(v.diag.found, "t5");
    v.model = NULL;
    vocab_llama(&v);
    v.model = NULL;
    refuse(PX_ERR_NOT_FOUND, "tokenizer.ggml.model");
}

TEST(broken_arrays_are_refused)
{
    vocab_llama(&v);
    v.type_count--;
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.token_type");
    vocab_llama(&v);
    v.score_count = 3;
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.scores");
    vocab_llama(&v);
    v.score_count = 0;
    refuse(PX_ERR_NOT_FOUND, "tokenizer.ggml.scores");
    vocab_llama(&v);
    v.scores[7] = NAN;
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.scores[7]");
    vocab_llama(&v);
    v.types[5] = 7;
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.token_type[5]");
    vocab_llama(&v);
    v.types[5] = -1;
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.token_type[5]");
    vocab_llama(&v);
    v.count = v.type_count = v.score_count = 0;
    refuse(PX_ERR_NOT_FOUND, "tokenizer.ggml.tokens");
}

TEST(broken_spellings_are_refused)
{
    static const char *const bytes[] = {"<0x-1>", "<0xG0>", "<0x 1>", "<0x1>", "<0x100>", ""};
    for (unsigned i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        vocab_llama(&v);
        memcpy(v.tokens[4], bytes[i], strlen(bytes[i]) + 1);
        refuse(PX_ERR_CORRUPT, "tokenizer.ggml.tokens[4]");
    }
    vocab_gpt2(&v, "gpt-2");
    memcpy(v.tokens[9], v.tokens[8], sizeof v.tokens[8]);
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.tokens[9]");
    for (unsigned i = 0; i < 3; i++) {
        static const char *const merges[] = {"ab", " ab", "ab "};
        vocab_gpt2(&v, "gpt-2");
        v.merges[2] = merges[i];
        refuse(PX_ERR_CORRUPT, "tokenizer.ggml.merges[2]");
    }
    vocab_gpt2(&v, "gpt-2");
    v.merge_count = 0;
    refuse(PX_ERR_NOT_FOUND, "tokenizer.ggml.merges");
}

TEST(ids_out_of_range_are_refused)
{
    vocab_gpt2(&v, "gpt-2");
    v.bos = v.count;
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.bos_token_id");
    vocab_gpt2(&v, "gpt-2");
    v.eot = 0xfffffffe;
    refuse(PX_ERR_CORRUPT, "tokenizer.ggml.eot_token_id");
    vocab_gpt2(&v, "gpt-2");
    v.eos = 0xffffffff; /* how some files write "none" */
    v.add_eos = 1;
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    CHECK_EQ(px_tokenizer_eos(v.tokenizer), PX_TOKEN_NONE);
    CHECK(!px_tokenizer_add_eos(v.tokenizer));
    vocab_close(&v);
}

TEST(odd_but_honest_vocabularies_work)
{
    int32_t ids[8];
    vocab_gpt2(&v, "gpt-2");
    v.tokens[7][0] = v.tokens[8][0] = 0; /* holes in the numbering */
    v.merges[9] = "no such";             /* a merge of no tokens */
    v.merges[8] = v.merges[7];           /* the same merge again */
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("123\x07x", 0, "12/3/x"); /* no token for the byte, none for what is unknown */
    encode("\x07", 0, ids, 0);
    vocab_close(&v);
    vocab_gpt2(&v, "gpt-2");
    v.tokens[7][0] = 0;
    v.unknown = 65;
    CHECK_EQ(vocab_open(&v), PX_ERR_OK);
    check("\x07x", 0, "A/x");
    vocab_close(&v);
}

TEST(every_failing_allocation_is_an_error)
{
    for (unsigned family = 0; family < 2; family++) {
        px_err err = PX_ERR_NOMEM;
        for (unsigned k = 1; err; k++) {
            if (family)
                vocab_gpt2(&v, "llama-bpe");
            else
                vocab_llama(&v);
            vocab_write(&v);
            CHECK_EQ(px_gguf_parse(px_view_of(v.file.p, v.file.n), &v.gguf, NULL), PX_ERR_OK);
            pxi_mem_fail_after(k);
            err = px_tokenizer_new(v.gguf, &v.tokenizer, NULL);
            pxi_mem_fail_after(0);
            CHECK(err == PX_ERR_OK || (err == PX_ERR_NOMEM && !v.tokenizer && k < 100));
            for (unsigned j = 1; !err && j < 4; j++) {
                size_t n;
                pxi_mem_fail_after(j);
                CHECK_EQ(px_tokenize(v.tokenizer, px_view_str("ab cd"), 0, NULL, 0, &n),
                         PX_ERR_NOMEM);
                pxi_mem_fail_after(0);
            }
            vocab_close(&v);
        }
    }
}

TEST_MAIN()
