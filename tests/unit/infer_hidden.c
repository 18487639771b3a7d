/*
 * Hidden states in f16 and q8: what coding costs, what is refused, and that a replay sends the same
 * bytes.
 */
#include <float.h>

#include "infer/hidden.h"
#include "infer_world.h"
#include "node/engine.h"

enum { N = 150 }; /* two blocks and a rest */

static void code(uint8_t dtype, const float *in, uint32_t n, float *out, struct pxi_hidden_loss *l)
{
    uint8_t coded[4 * N];
    CHECK(pxi_stage_row_bytes(dtype, n) <= sizeof coded);
    pxi_hidden_encode(dtype, in, n, coded);
    CHECK(pxi_hidden_decode(dtype, coded, n, out));
    pxi_hidden_measure(l, dtype, in, n, coded);
}

TEST(sizes_and_names)
{
    CHECK_EQ(pxi_stage_row_bytes(PXI_STAGE_NONE, 100), 0);
    CHECK_EQ(pxi_stage_row_bytes(PXI_STAGE_F32, 2048), 8192);
    CHECK_EQ(pxi_stage_row_bytes(PXI_STAGE_F16, 2048), 4096);
    CHECK_EQ(pxi_stage_row_bytes(PXI_STAGE_Q8, 2048), 2048 + 4 * 32);
    CHECK_EQ(pxi_stage_row_bytes(PXI_STAGE_Q8, 65), 65 + 8);
    for (uint8_t i = PXI_STAGE_F32; i <= PXI_STAGE_Q8; i++)
        CHECK_EQ(pxi_hidden_named(pxi_hidden_name(i)), i);
    CHECK_EQ(pxi_hidden_named("none"), 0);
    CHECK_EQ(pxi_hidden_named(""), 0);
}

TEST(errors_are_as_small_as_the_width_allows)
{
    struct pxi_rng rng = {px_seed};
    float in[N], out[N];
    struct pxi_hidden_loss l16 = {0}, l8 = {0}, l32 = {0};
    for (int round = 0; round < 200; round++) {
        float scale = ldexpf(1, round % 60 - 30 < -10 ? -10 : round % 60 - 30);
        for (uint32_t i = 0; i < N; i++)
            in[i] = scale * ((float)(pxi_rng_u64(&rng) >> 40) / 8388608.0f - 1);
        uint32_t n = 1 + (uint32_t)(pxi_rng_u64(&rng) % N);
        code(PXI_STAGE_F32, in, n, out, &l32);
        CHECK(memcmp(in, out, n * sizeof *in) == 0);
        code(PXI_STAGE_Q8, in, n, out, &l8);
        for (uint32_t b = 0; b < n; b += PXI_HIDDEN_BLOCK) {
            float most = 0;
            for (uint32_t i = b; i < n && i < b + PXI_HIDDEN_BLOCK; i++)
                most = fmaxf(most, fabsf(in[i]));
            for (uint32_t i = b; i < n && i < b + PXI_HIDDEN_BLOCK; i++)
                CHECK(fabsf(in[i] - out[i]) <= most / 127 * 0.501f);
        }
        if (scale > 1000)
            continue;
        code(PXI_STAGE_F16, in, n, out, &l16);
        for (uint32_t i = 0; i < n; i++)
            CHECK(fabsf(in[i] - out[i]) <= fabsf(in[i]) / 2048 + 3e-8f);
    }
    CHECK_EQ(l32.worst, 0);
    CHECK(pxi_hidden_rms(&l16) > 0 && pxi_hidden_rms(&l16) < 0.0005f);
    CHECK(pxi_hidden_rms(&l8) > 0.001f && pxi_hidden_rms(&l8) < 0.01f);
    CHECK(l8.worst > 0.003f && l8.worst < 0.004f);
    CHECK(l16.worst > 0 && l16.worst < 0.0005f);
}

TEST(what_is_not_finite_becomes_finite)
{
    float in[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 0, 1, 1e-42f}, out[8];
    struct pxi_hidden_loss l = {0};
    for (uint8_t t = PXI_STAGE_F16; t <= PXI_STAGE_Q8; t++) {
        code(t, in, 8, out, &l);
        CHECK_EQ(out[0], 0);
        CHECK(out[1] == out[3] && out[2] == -out[1] && out[4] == out[2]);
        CHECK(out[1] >= 65504 && out[1] <= FLT_MAX);
        CHECK_EQ(out[5], 0);
    }
    float small[] = {1e-42f, -1e-42f, 0}; /* no scale is small enough */
    code(PXI_STAGE_Q8, small, 3, out, &l);
    CHECK(out[0] == 0 && out[1] == 0 && out[2] == 0);
}

TEST(an_evil_encoder_is_refused)
{
    static const uint32_t scales[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xbf800000, 0x7f7fffff};
    float out[N];
    uint8_t q8[N + 12] = {0}, f16[2 * N] = {0};
    CHECK(pxi_hidden_decode(PXI_STAGE_Q8, q8, N, out));
    CHECK(pxi_hidden_decode(PXI_STAGE_F16, f16, N, out));
    for (unsigned i = 0; i < sizeof scales / sizeof *scales; i++)
        for (unsigned b = 0; b < 3; b++) {
            memset(q8, 0x80, sizeof q8);
            memset(q8, 0, 12);
            CHECK(pxi_hidden_decode(PXI_STAGE_Q8, q8, N, out));
            for (unsigned k = 0; k < 4; k++)
                q8[4 * b + k] = (uint8_t)(scales[i] >> (8 * k));
            CHECK(!pxi_hidden_decode(PXI_STAGE_Q8, q8, N, out));
        }
    f16[2 * N - 1] = 0x7c;
    CHECK(!pxi_hidden_decode(PXI_STAGE_F16, f16, N, out));
    f16[2 * N - 1] = 0xfe;
    CHECK(!pxi_hidden_decode(PXI_STAGE_F16, f16, N, out));
}

TEST(headers_say_what_comes)
{
    for (uint8_t t = 0; t < 6; t++) {
        struct pxi_stage_head h = {.kind = PXI_STAGE_INPUT,
                                   .dtype = t,
                                   .rows = 3,
                                   .cols = t ? 70 : 0,
                                   .session = 5,
                                   .epoch = 1},
                              back;
        uint8_t wire[PXI_STAGE_HEAD];
        h.bytes = (uint32_t)(3 * (4 + pxi_stage_row_bytes(t, 70)));
        pxi_stage_head_write(&h, wire);
        px_err err = pxi_stage_head_read(wire, &back, NULL);
        CHECK_EQ(err, t <= PXI_STAGE_Q8 ? PX_ERR_OK : PX_ERR_CORRUPT);
        for (int d = -1; d <= 1; d += 2) {
            h.bytes = (uint32_t)((int)(3 * (4 + pxi_stage_row_bytes(t, 70))) + d);
            pxi_stage_head_write(&h, wire);
            CHECK_EQ(pxi_stage_head_read(wire, &back, NULL), PX_ERR_CORRUPT);
        }
    }
}

/* ------------------------------------------------------------------------- in a chain */

/* An answer with coded hidden states; the stage `lost` (or none) is replaced after a while. */
static void answer(uint8_t dtype, unsigned lost, int32_t *out, struct pxi_chain_counts *counts)
{
    struct world w;
    struct talk t;
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, true);
    w.dtype = dtype;
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 1);
    if (lost < STAGES)
        load(&w, 4, lost, 1);
    talk_begin(&w, &t, 0, false, hosts);
    if (lost < STAGES) {
        net_run(&w.net, 210);
        net_freeze(&w.net, hosts[lost]);
        net_kill(&w.net, hosts[lost]);
        net_run(&w.net, 1100);
        CHECK_EQ(t.broken, 1);
        hosts[lost] = 4;
        CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK);
    }
    net_run(&w.net, 5000);
    CHECK_EQ(t.n, PROMPT + ANSWER);
    memcpy(out, t.tokens, sizeof t.tokens);
    *counts = pxi_chain_counts(t.chain);
    pxi_chain_free(t.chain);
    world_deinit(&w);
}

TEST(coded_answers_are_the_same_after_a_loss)
{
    for (uint8_t dtype = PXI_STAGE_F16; dtype <= PXI_STAGE_Q8; dtype++) {
        int32_t whole[POSITIONS], other[POSITIONS];
        struct pxi_chain_counts c;
        answer(dtype, STAGES, whole, &c);
        CHECK(c.rms > 0 && c.worst > 0);
        CHECK(c.rms < (dtype == PXI_STAGE_F16 ? 0.0005f : 0.01f));
        CHECK(c.worst < (dtype == PXI_STAGE_F16 ? 0.0005f : 0.004f));
        for (unsigned lost = 0; lost < STAGES; lost++) {
            answer(dtype, lost, other, &c);
            for (uint32_t i = 0; i < PROMPT + ANSWER; i++)
                CHECK_EQ(other[i], whole[i]);
        }
    }
}

TEST(f32_loses_nothing)
{
    int32_t out[POSITIONS];
    struct pxi_chain_counts c;
    answer(PXI_STAGE_F32, STAGES, out, &c);
    CHECK(c.rms == 0 && c.worst == 0);
}

/* ---------------------------------------------------------------- the model that is carried */

enum { WORDS = 160 };

static int32_t likeliest(const float *logits, uint32_t vocab)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < vocab; i++)
        best = logits[i] > logits[best] ? i : best;
    return (int32_t)best;
}

/* What the model would say after each token of `text` when its blocks lie in three slices; a
 * negative token of the text is replaced by what was said. */
static void said(const px_gguf *g, const struct pxi_kernels *kn, uint8_t dtype, int32_t *text,
                 int32_t *out)
{
    struct pxi_model m[STAGES];
    struct pxi_session s[STAGES];
    struct pxi_session_options o = {.positions = WORDS, .sequences = 1, .batch = 1};
    float hidden[1024];
    uint8_t coded[4 * 1024];
    for (unsigned i = 0; i < STAGES; i++) {
        struct pxi_slice slice = {2 * i, 2 * i + 2, i == 0, i == STAGES - 1};
        CHECK_EQ(pxi_model_init_slice(&m[i], g, &slice, NULL), PX_ERR_OK);
        CHECK_EQ(pxi_session_init(&s[i], &m[i], kn, NULL, &o), PX_ERR_OK);
    }
    uint32_t n = m[0].config.embd;
    CHECK(n <= 1024);
    for (uint32_t t = 0; t < WORDS; t++) {
        if (text[t] < 0)
            text[t] = out[t - 1];
        for (unsigned i = 0; i < STAGES; i++) {
            struct pxi_step step = {text[t], 0, i == STAGES - 1, i ? hidden : NULL};
            CHECK_EQ(pxi_session_step(&s[i], &step, 1), PX_ERR_OK);
            if (i == STAGES - 1)
                break;
            pxi_hidden_encode(dtype, pxi_session_hidden(&s[i], 0), n, coded);
            CHECK(pxi_hidden_decode(dtype, coded, n, hidden));
        }
        out[t] = likeliest(pxi_session_logits(&s[STAGES - 1], 0), m[0].config.vocab);
    }
    for (unsigned i = 0; i < STAGES; i++) {
        pxi_session_deinit(&s[i]);
        pxi_model_deinit(&m[i]);
    }
}

TEST(coded_hidden_states_nearly_always_choose_the_same_token)
{
    struct pxi_kernels kn;
    px_gguf *g;
    int32_t text[WORDS], plain[WORDS], coded[WORDS];
    pxi_kernels_init(&kn, pxi_cpu_mask(NULL));
    CHECK_EQ(px_gguf_parse(pxi_tiny_model(), &g, NULL), PX_ERR_OK);
    for (uint32_t i = 0; i < WORDS; i++)
        text[i] = i < 5 ? (int32_t[]){1532, 462, 533, 258, 424}[i] : -1; /* Once upon a time */
    said(g, &kn, PXI_STAGE_F32, text, plain);
    for (uint8_t dtype = PXI_STAGE_F16; dtype <= PXI_STAGE_Q8; dtype++) {
        uint32_t same = 0;
        said(g, &kn, dtype, text, coded);
        for (uint32_t i = 0; i < WORDS; i++)
            same += plain[i] == coded[i];
        printf("# %s: %u of %u tokens agree\n", pxi_hidden_name(dtype), same, (unsigned)WORDS);
        CHECK(same * 100 >= WORDS * (dtype == PXI_STAGE_F16 ? 99u : 95u));
    }
    px_gguf_free(g);
}

TEST_MAIN()
