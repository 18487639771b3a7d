/*
 * Evaluation on random models in memory and on the embedded one: the same bits however the work is
 * cut, contexts that are truncated, copied and full, no allocation in steady state.
 */
#include "model_shapes.h"
#include "plexus/model.h"

enum { TOKENS = 70, SEQUENCES = 4, VOCAB = MODEL_VOCAB };

static px_model *open_shape(enum model_name i)
{
    px_model *m = NULL;
    px_diag d = {0};
    px_err e = px_model_open_memory(model_file(&model_shapes[i]), &m, &d);
    if (e != PX_ERR_OK)
        PX_FAIL("shape %d: %s: %s: expected %s, found %s", i, px_err_text(e), d.field, d.expected,
                d.found);
    return m;
}

static int32_t token_at(uint32_t seq, uint32_t i, uint32_t vocab)
{
    struct pxi_rng r = {seq * 1000 + i};
    return (int32_t)pxi_rng_below(&r, vocab);
}

struct way {
    uint32_t threads, batch, chunk, beside;
    const char *cpu;
};

static px_context *context(const px_model *m, const struct way *w, px_kv_type kv)
{
    px_context *c = NULL;
    px_context_options o = {.size = sizeof o,
                            .positions = 128,
                            .sequences = SEQUENCES,
                            .batch = w->batch,
                            .threads = w->threads,
                            .kv_type = kv,
                            .cpu = w->cpu};
    CHECK_EQ(px_context_new(m, &o, &c, NULL), PX_ERR_OK);
    return c;
}

/* Logits of all positions of sequence 0, evaluated that way; other sequences run beside it. */
static float *evaluate(const px_model *m, const struct way *w, px_kv_type kv)
{
    uint32_t vocab = px_model_info_get(m)->vocab;
    px_context *c = context(m, w, kv);
    float *all = calloc((size_t)TOKENS * vocab, sizeof *all);
    px_batch_token batch[TOKENS * SEQUENCES];
    for (uint32_t at = 0; at < TOKENS; at += w->chunk) {
        uint32_t n = w->chunk < TOKENS - at ? w->chunk : TOKENS - at;
        size_t count = 0;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t s = 0; s <= w->beside; s++)
                batch[count++] =
                    (px_batch_token){token_at(s, at + i, vocab), (s + 1) % SEQUENCES, s == 0};
        CHECK_EQ(px_context_eval(c, batch, count), PX_ERR_OK);
        for (uint32_t i = 0; i < n; i++)
            memcpy(all + (size_t)(at + i) * vocab, px_context_logits(c, i), vocab * sizeof *all);
        CHECK(px_context_logits(c, n) == NULL);
    }
    CHECK_EQ(px_context_length(c, 1), TOKENS);
    px_context_free(c);
    return all;
}

/* ThreadSanitizer makes every access ten times slower: then each kind of work once is enough. */
static int light(void)
{
    return getenv("PX_TEST_LIGHT") != NULL;
}

static void same_bits(const px_model *m, px_kv_type kv)
{
    static const struct way ways[] = {
        {1, 512, 1, 0, "scalar"},  {1, 512, TOKENS, 0, NULL}, {1, 512, 1, 0, NULL},
        {2, 512, TOKENS, 0, NULL}, {3, 512, TOKENS, 3, NULL}, {2, 16, TOKENS, 0, NULL},
        {2, 512, 7, 3, NULL},      {3, 512, 1, 0, NULL},      {2, 512, 1, 3, NULL},
        {2, 512, 2, 1, "scalar"},  {3, 33, 33, 1, NULL},      {2, 512, 17, 0, NULL},
    };
    size_t bytes = (size_t)TOKENS * px_model_info_get(m)->vocab * sizeof(float);
    float *expected = evaluate(m, &ways[light() ? 1 : 0], kv);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        CHECK(isfinite(expected[i]));
    for (size_t i = 1; i < sizeof ways / sizeof *ways; i++) {
        if (light() && (ways[i].threads == 1 || i % 3))
            continue;
        float *found = evaluate(m, &ways[i], kv);
        if (memcmp(expected, found, bytes) != 0)
            PX_FAIL("way %zu gives other bits", i);
        free(found);
    }
    free(expected);
}

#define SAME_BITS(name, shape)                                                                     \
    TEST(same_bits_##name)                                                                         \
    {                                                                                              \
        if (light() && (shape) != LLAMA_TIED && (shape) != QWEN3_K_QUANTS)                         \
            PX_SKIP("other weights, the same threads");                                            \
        px_model *m = open_shape(shape);                                                           \
        same_bits(m, PX_KV_F16);                                                                   \
        if (!light()) {                                                                            \
            same_bits(m, PX_KV_F32);                                                               \
            same_bits(m, PX_KV_I8);                                                                \
        }                                                                                          \
        px_model_close(m);                                                                         \
    }
SAME_BITS(llama_tied, LLAMA_TIED)
SAME_BITS(llama_odd, LLAMA_ODD)
SAME_BITS(llama_three_blocks, LLAMA_THREE_BLOCKS)
SAME_BITS(qwen2_biased, QWEN2_BIASED)
SAME_BITS(qwen3_k_quants, QWEN3_K_QUANTS)

TEST(same_bits_embedded_model)
{
    if (light())
        PX_SKIP("slow under this sanitizer");
    px_model *m;
    CHECK_EQ(px_model_open("tiny", &m, NULL), PX_ERR_OK);
    same_bits(m, PX_KV_F16);
    px_model_close(m);
}

TEST(digest_is_one_number)
{
    if (light())
        PX_SKIP("slow under this sanitizer");
    px_model *m;
    char a[PX_DIGEST_HEX], b[PX_DIGEST_HEX];
    px_digest_options ways[] = {{.threads = 2},
                                {.chunk = 1, .threads = 1},
                                {.chunk = 7, .beside = 3},
                                {.beside = 64},
                                {.cpu = "scalar"}};
    CHECK_EQ(px_model_open("tiny", &m, NULL), PX_ERR_OK);
    CHECK_EQ(px_model_digest(m, NULL, a, NULL), PX_ERR_OK);
    CHECK_EQ(strlen(a), PX_DIGEST_HEX - 1);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        ways[i].size = sizeof ways[i];
        CHECK_EQ(px_model_digest(m, &ways[i], b, NULL), PX_ERR_OK);
        CHECK_STR(b, a);
    }
    static const char *const masks[] = {"scalar",  "avx2",  "avx512", "avx512vnni", "neon",
                                        "dotprod", "clmul", "vclmul", "pmull"};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        px_err e = px_model_digest(m, &(px_digest_options){.cpu = masks[i]}, b, NULL);
        if (e == PX_ERR_INVALID) /* not this processor's */
            continue;
        CHECK_EQ(e, PX_ERR_OK);
        CHECK_STR(b, a);
    }
    px_model *other = open_shape(LLAMA_TIED);
    CHECK_EQ(px_model_digest(other, NULL, b, NULL), PX_ERR_OK);
    CHECK(strcmp(a, b) != 0);
    px_model_close(other);
    px_model_close(m);
}

static void feed(px_context *c, uint32_t seq, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        px_batch_token t = {token_at(0, from + i, VOCAB), seq, 1};
        CHECK_EQ(px_context_eval(c, &t, 1), PX_ERR_OK);
    }
}

static void truncate_and_copy(px_kv_type kv)
{
    struct way w = {.threads = 2, .batch = 512};
    float expected[VOCAB];
    px_model *m = open_shape(LLAMA_TIED);
    px_context *c = context(m, &w, kv);
    feed(c, 0, 0, 37);
    memcpy(expected, px_context_logits(c, 0), sizeof expected);
    feed(c, 0, 90, 5); /* another continuation, then back */
    px_context_truncate(c, 0, 30);
    CHECK_EQ(px_context_length(c, 0), 30);
    feed(c, 0, 30, 7);
    CHECK(memcmp(expected, px_context_logits(c, 0), sizeof expected) == 0);
    feed(c, 2, 50, 40); /* what the copy overwrites */
    CHECK_EQ(px_context_copy(c, 2, 0, 33), PX_ERR_OK);
    CHECK_EQ(px_context_length(c, 2), 33);
    px_context_truncate(c, 0, 0);
    feed(c, 0, 60, 50);
    feed(c, 2, 33, 4);
    CHECK(memcmp(expected, px_context_logits(c, 0), sizeof expected) == 0);
    CHECK_EQ(px_context_copy(c, 1, 2, 38), PX_ERR_INVALID);
    CHECK_EQ(px_context_copy(c, SEQUENCES, 2, 1), PX_ERR_INVALID);
    px_context_free(c);
    px_model_close(m);
}

TEST(truncate_and_copy_f16)
{
    truncate_and_copy(PX_KV_F16);
}
TEST(truncate_and_copy_i8)
{
    truncate_and_copy(PX_KV_I8);
}

TEST(a_full_context_appends_nothing)
{
    struct way w = {.threads = 1, .batch = 16};
    px_model *m = open_shape(LLAMA_TIED);
    px_context *c = context(m, &w, PX_KV_F16);
    px_batch_token batch[129];
    for (int i = 0; i < 129; i++)
        batch[i] = (px_batch_token){i % VOCAB, 1, 0};
    CHECK_EQ(px_context_eval(c, batch, 129), PX_ERR_CONTEXT_FULL);
    CHECK_EQ(px_context_length(c, 1), 0);
    CHECK_EQ(px_context_eval(c, batch, 128), PX_ERR_OK);
    CHECK_EQ(px_context_eval(c, batch, 1), PX_ERR_CONTEXT_FULL);
    CHECK_EQ(px_context_length(c, 1), 128);
    batch[0].seq = SEQUENCES;
    CHECK_EQ(px_context_eval(c, batch, 1), PX_ERR_INVALID);
    batch[0] = (px_batch_token){VOCAB, 0, 0};
    CHECK_EQ(px_context_eval(c, batch, 1), PX_ERR_INVALID);
    batch[0].token = -1;
    CHECK_EQ(px_context_eval(c, batch, 1), PX_ERR_INVALID);
    CHECK_EQ(px_context_eval(c, batch, 0), PX_ERR_OK);
    px_context_free(c);
    px_model_close(m);
}

TEST(steady_state_allocates_nothing)
{
    struct way w = {.threads = 2, .batch = 64};
    px_model *m = open_shape(LLAMA_TIED);
    px_context *c = context(m, &w, PX_KV_F16);
    uint64_t before = pxi_mem_count();
    feed(c, 0, 0, 100);
    px_batch_token batch[TOKENS];
    for (int i = 0; i < TOKENS; i++)
        batch[i] = (px_batch_token){i, 1, i == TOKENS - 1};
    CHECK_EQ(px_context_eval(c, batch, TOKENS), PX_ERR_OK);
    CHECK_EQ(pxi_mem_count(), before);
    px_context_free(c);
    px_model_close(m);
}

TEST(memory_is_predicted)
{
    px_model *m = open_shape(LLAMA_TIED);
    px_context_options o = {.size = sizeof o, .positions = 128, .threads = 1};
    uint64_t f16 = px_context_bytes(m, &o), heads = 2 * 4, dim = 8;
    o.kv_type = PX_KV_F32;
    CHECK_EQ(px_context_bytes(m, &o) - f16, heads * 128 * 2 * dim * 2);
    o.positions = UINT32_MAX;
    CHECK(px_context_bytes(m, &o) == UINT64_MAX);
    px_context *c;
    CHECK_EQ(px_context_new(m, &o, &c, NULL), PX_ERR_INVALID);
    px_model_close(m);
}

TEST(survives_every_failed_allocation)
{
    if (light())
        PX_SKIP("slow under this sanitizer");
    px_view file = model_file(&model_shapes[LLAMA_TIED]);
    px_err e = PX_ERR_NOMEM;
    for (uint64_t n = 1; e == PX_ERR_NOMEM; n++) {
        px_model *m = NULL;
        px_context *c = NULL;
        px_context_options o = {.size = sizeof o, .threads = 2};
        CHECK(n < 500);
        pxi_mem_fail_after(n);
        e = px_model_open_memory(file, &m, NULL);
        if (e == PX_ERR_OK)
            e = px_context_new(m, &o, &c, NULL);
        pxi_mem_fail_after(0);
        px_context_free(c);
        px_model_close(m);
    }
    CHECK_EQ(e, PX_ERR_OK);
}

TEST(unknown_kernels_are_refused)
{
    px_diag d = {0};
    px_context *c;
    px_context_options o = {.size = sizeof o, .cpu = "abacus"};
    px_model *m = open_shape(LLAMA_TIED);
    CHECK_EQ(px_context_new(m, &o, &c, &d), PX_ERR_INVALID);
    CHECK_STR(d.field, "cpu");
    CHECK_STR(d.found, "abacus");
    px_model_close(m);
}

TEST(embedded_model_predicts_better_than_chance)
{
    if (light())
        PX_SKIP("slow under this sanitizer");
    px_model *m;
    px_perplexity p;
    CHECK_EQ(px_model_open("tiny", &m, NULL), PX_ERR_OK);
    px_view text = px_view_str("Once upon a time there was a little cat who lived in a house.");
    CHECK_EQ(px_model_perplexity(m, text, NULL, &p, NULL), PX_ERR_OK);
    printf("# perplexity %.2f of %u tokens\n", p.perplexity, px_model_info_get(m)->vocab);
    CHECK(p.perplexity < px_model_info_get(m)->vocab / 4.0);
    CHECK(fabs(p.perplexity - exp(p.nll)) < 1e-6 * p.perplexity);
    px_model_close(m);
}

TEST_MAIN()
