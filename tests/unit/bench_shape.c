/* The generator of models for speed work: every type parses, and the bytes depend on names alone.
 */
#include "shape.h"

#include "plexus/file.h"
#include "plexus/gguf.h"
#include "px_test.h"

static const char *const types[] = {"f32", "f16", "q8_0", "q4_0", "q4_k_m"};

/* Writes the tiny shape to a file of its own and maps it. */
static px_file *make(const char *type, unsigned threads)
{
    char path[] = "/tmp/px-shape-XXXXXX", why[200] = "";
    int fd = mkstemp(path);
    px_file *f = NULL;
    CHECK(fd >= 0);
    close(fd);
    if (px_shape_write("tiny-256", type, path, threads, why, sizeof why) != 0)
        PX_FAIL("%s", why);
    CHECK_EQ(px_file_open(path, &f, NULL), PX_ERR_OK);
    unlink(path);
    return f;
}

TEST(every_type_parses)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        px_file *f = make(types[i], 1);
        px_gguf *g;
        uint64_t u;
        CHECK_EQ(px_gguf_parse(px_file_bytes(f), &g, NULL), PX_ERR_OK);
        CHECK_EQ(px_gguf_tensor_count(g), 3 * 9 + 3);
        CHECK(!px_gguf_get_u64(g, "llama.block_count", &u, NULL) && u == 3);
        CHECK_EQ(px_gguf_kv_find(g, "tokenizer.ggml.tokens")->count, 700);
        px_gguf_free(g);
        px_file_close(f);
    }
}

TEST(threads_do_not_change_the_bytes)
{
    px_file *a = make("q4_k_m", 1), *b = make("q4_k_m", 3);
    CHECK(px_view_equal(px_file_bytes(a), px_file_bytes(b)));
    px_file_close(a);
    px_file_close(b);
}

TEST(the_mix_gives_some_blocks_more_bits)
{
    px_file *f = make("q4_k_m", 1);
    px_gguf *g;
    CHECK_EQ(px_gguf_parse(px_file_bytes(f), &g, NULL), PX_ERR_OK);
    CHECK_EQ(px_gguf_tensor_find(g, "output.weight")->type, PX_DTYPE_Q6_K);
    CHECK_EQ(px_gguf_tensor_find(g, "token_embd.weight")->type, PX_DTYPE_Q4_K);
    CHECK_EQ(px_gguf_tensor_find(g, "blk.0.attn_v.weight")->type, PX_DTYPE_Q4_K);
    CHECK_EQ(px_gguf_tensor_find(g, "blk.2.attn_v.weight")->type, PX_DTYPE_Q6_K);
    CHECK_EQ(px_gguf_tensor_find(g, "blk.2.attn_q.weight")->type, PX_DTYPE_Q4_K);
    CHECK_EQ(px_gguf_tensor_find(g, "blk.1.attn_norm.weight")->type, PX_DTYPE_F32);
    px_gguf_free(g);
    px_file_close(f);
}

/* All pieces of a vocabulary differ, and every byte has its token. */
TEST(tokens_are_all_different)
{
    px_file *f = make("q8_0", 1);
    px_gguf *g;
    static px_view tokens[700];
    uint64_t pos = 0;
    CHECK_EQ(px_gguf_parse(px_file_bytes(f), &g, NULL), PX_ERR_OK);
    const px_gguf_kv *kv = px_gguf_kv_find(g, "tokenizer.ggml.tokens");
    for (int i = 0; i < 700; i++) {
        CHECK(px_gguf_array_next_str(kv, &pos, &tokens[i]) && tokens[i].n > 0);
        for (int k = 0; k < i; k++)
            CHECK(!px_view_equal(tokens[i], tokens[k]));
    }
    CHECK(px_view_is(tokens[3 + 0xa0], "<0xA0>") && px_view_is(tokens[260], "a"));
    CHECK(px_view_is(tokens[260 + 26], "\xe2\x96\x81"
                                       "a") &&
          px_view_is(tokens[312], "aa"));
    px_gguf_free(g);
    px_file_close(f);
}

TEST(unknown_names_are_refused)
{
    char why[100];
    CHECK(px_shape_write("llama-9t", "f16", "/tmp/px-none", 1, why, sizeof why) != 0);
    CHECK_STR(why, "llama-9t: no such shape");
    CHECK(px_shape_write("tiny-256", "q9", "/tmp/px-none", 1, why, sizeof why) != 0);
    CHECK(px_shape_write("tiny-256", "f16", "/nonexistent/x", 1, why, sizeof why) != 0);
}

TEST_MAIN()
