/*
 * Slices of a model one after the other give the bits of the whole model, wherever it is cut and
 * however the tokens are batched; a slice misses no tensor of another slice.
 */
#include "infer/session.h"
#include "model_shapes.h"

enum { TOKENS = 40, BATCH = 16 };

struct part {
    struct pxi_model model;
    struct pxi_session session;
};

static struct pxi_kernels kernels;

static void part_open(struct part *p, const px_gguf *g, struct pxi_slice s)
{
    struct pxi_session_options o = {.positions = 64, .sequences = 2, .batch = BATCH};
    px_diag d = {0};
    px_err e = pxi_model_init_slice(&p->model, g, &s, &d);
    if (e != PX_ERR_OK)
        PX_FAIL("[%u, %u): %s: %s: %s", s.first, s.last, px_err_text(e), d.field, d.found);
    CHECK_EQ(pxi_session_init(&p->session, &p->model, &kernels, NULL, &o), PX_ERR_OK);
}

static void part_close(struct part *p)
{
    pxi_session_deinit(&p->session);
    pxi_model_deinit(&p->model);
}

/* Logits of every token, computed by the parts in turn, `chunk` tokens at a time. */
static float *through(struct part *parts, unsigned n, uint32_t chunk)
{
    const struct pxi_config *c = &parts[0].model.config;
    size_t vocab = c->vocab, embd = c->embd;
    float *all = calloc(TOKENS * vocab, sizeof *all), *hidden = calloc(BATCH * embd, sizeof *all);
    for (uint32_t at = 0; at < TOKENS; at += chunk) {
        struct pxi_step steps[BATCH] = {{0}};
        uint32_t m = chunk < TOKENS - at ? chunk : TOKENS - at;
        for (uint32_t i = 0; i < m; i++)
            steps[i] = (struct pxi_step){(int32_t)((at + i) * 7 % MODEL_VOCAB), 1, 1, NULL};
        for (unsigned p = 0; p < n; p++) {
            CHECK_EQ(pxi_session_step(&parts[p].session, steps, m), PX_ERR_OK);
            for (uint32_t i = 0; i < m; i++) {
                const float *x = pxi_session_hidden(&parts[p].session, i);
                steps[i].hidden = memcpy(hidden + i * embd, x, embd * sizeof *x);
            }
        }
        for (uint32_t i = 0; i < m; i++)
            memcpy(all + (at + i) * vocab, pxi_session_logits(&parts[n - 1].session, i),
                   vocab * sizeof *all);
    }
    free(hidden);
    return all;
}

static void cut_at(const px_gguf *g, const float *expected, uint32_t blocks, uint32_t cut,
                   uint32_t chunk)
{
    struct part parts[2];
    part_open(&parts[0], g, (struct pxi_slice){0, cut, true, false});
    part_open(&parts[1], g, (struct pxi_slice){cut, blocks, false, true});
    float *found = through(parts, 2, chunk);
    if (memcmp(expected, found, TOKENS * parts[1].model.config.vocab * sizeof *found) != 0)
        PX_FAIL("cut at %u, %u tokens at a time: other bits", cut, chunk);
    free(found);
    part_close(&parts[0]);
    part_close(&parts[1]);
}

TEST(slices_give_the_bits_of_the_whole)
{
    pxi_kernels_init(&kernels, pxi_cpu_mask(NULL));
    for (unsigned i = 0; i < MODEL_SHAPES; i++) {
        px_gguf *g;
        CHECK_EQ(px_gguf_parse(model_file(&model_shapes[i]), &g, NULL), PX_ERR_OK);
        uint32_t blocks = (uint32_t)model_shapes[i].blocks;
        struct part whole;
        part_open(&whole, g, (struct pxi_slice){0, blocks, true, true});
        float *expected = through(&whole, 1, BATCH);
        for (uint32_t cut = 1; cut < blocks; cut++) {
            cut_at(g, expected, blocks, cut, BATCH);
            cut_at(g, expected, blocks, cut, 1);
        }
        free(expected);
        part_close(&whole);
        px_gguf_free(g);
    }
}

TEST(a_slice_refuses_what_it_cannot_do)
{
    px_gguf *g;
    struct pxi_model m;
    px_diag d;
    struct part p;
    CHECK_EQ(px_gguf_parse(model_file(&model_shapes[LLAMA_THREE_BLOCKS]), &g, NULL), PX_ERR_OK);
    struct pxi_slice bad[] = {{0, 0, true, true}, {2, 1, false, false}, {0, 4, true, true}};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(pxi_model_init_slice(&m, g, &bad[i], &d), PX_ERR_INVALID);
        CHECK_STR(d.field, "slice");
    }
    pxi_kernels_init(&kernels, pxi_cpu_mask(NULL));
    part_open(&p, g, (struct pxi_slice){1, 2, false, false});
    struct pxi_step bare = {.token = 1}, far = {.token = MODEL_VOCAB};
    CHECK_EQ(pxi_session_step(&p.session, &bare, 1), PX_ERR_INVALID); /* no hidden state */
    CHECK_EQ(pxi_session_step(&p.session, &far, 1), PX_ERR_INVALID);
    CHECK_EQ(pxi_session_step(&p.session, &bare, 0), PX_ERR_INVALID);
    part_close(&p);
    px_gguf_free(g);
}

TEST_MAIN()
