/*
 * The forward pass against recorded outputs of other programs: greedy tokens, logits. The files are
 * reference data beside the checkout; without them every case is skipped.
 */
#include <jansson.h>

#include "infer/session.h"
#include "plexus/file.h"
#include "plexus/model.h"
#include "px_test.h"

struct rig {
    px_file *file;
    px_gguf *gguf;
    struct pxi_model model;
    struct pxi_kernels kernels;
    struct pxi_session session;
};

static void rig_open(struct rig *r, const char *path, px_kv_type kv)
{
    struct pxi_session_options o = {.positions = 512, .sequences = 1, .batch = 64, .kv_type = kv};
    px_diag d = {0};
    px_err e;
    if ((e = px_file_open(path, &r->file, &d)) ||
        (e = px_gguf_parse(px_file_bytes(r->file), &r->gguf, &d)) ||
        (e = pxi_model_init(&r->model, r->gguf, &d)))
        PX_FAIL("%s: %s: %s: expected %s, found %s", path, px_err_text(e), d.field, d.expected,
                d.found);
    pxi_kernels_init(&r->kernels, pxi_cpu_mask(NULL));
    CHECK_EQ(pxi_session_init(&r->session, &r->model, &r->kernels, NULL, &o), PX_ERR_OK);
}

static void rig_close(struct rig *r)
{
    pxi_session_deinit(&r->session);
    pxi_model_deinit(&r->model);
    px_gguf_free(r->gguf);
    px_file_close(r->file);
}

static const float *feed(struct rig *r, json_t *ids)
{
    size_t n = json_array_size(ids);
    px_batch_token *batch = calloc(n, sizeof *batch);
    for (size_t i = 0; i < n; i++)
        batch[i] =
            (px_batch_token){(int32_t)json_integer_value(json_array_get(ids, i)), 0, i + 1 == n};
    CHECK_EQ(pxi_session_eval(&r->session, batch, n), PX_ERR_OK);
    free(batch);
    return pxi_session_logits(&r->session, 0);
}

static int32_t best(const float *logits, uint32_t n)
{
    int32_t b = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[b])
            b = (int32_t)i;
    return b;
}

/* Greedy tokens equal up to the first step whose recorded margin is below `margin`. */
static size_t check_prompt(struct rig *r, json_t *prompt, double margin)
{
    json_t *greedy = json_object_get(prompt, "greedy"),
           *margins = json_object_get(prompt, "margins");
    pxi_kv_truncate(&r->session.kv, 0, 0);
    const float *logits = feed(r, json_object_get(prompt, "prompt_ids"));
    size_t i;
    for (i = 0; i < json_array_size(greedy); i++) {
        if (json_real_value(json_array_get(margins, i)) < margin)
            break;
        int32_t token = best(logits, r->model.config.vocab);
        if (token != json_integer_value(json_array_get(greedy, i)))
            PX_FAIL("step %zu: token %d, expected %d", i, token,
                    (int)json_integer_value(json_array_get(greedy, i)));
        px_batch_token next = {token, 0, 1};
        CHECK_EQ(pxi_session_eval(&r->session, &next, 1), PX_ERR_OK);
        logits = pxi_session_logits(&r->session, 0);
    }
    return i;
}

static json_t *references; /* the list in use; each case drops it at its end */

static json_t *reference(const char *list, const char *name)
{
    char path[256];
    json_error_t err;
    snprintf(path, sizeof path, "data/models/%s", list);
    json_t *all = references = json_load_file(PX_SHARED(path), JSON_ALLOW_NUL, &err);
    CHECK(all != NULL);
    size_t i;
    json_t *e;
    json_array_foreach(
        all, i, e) if (!strcmp(json_string_value(json_object_get(e, "file")), name)) return e;
    PX_FAIL("%s has no entry %s", list, name);
}

static void check_greedy(const char *list, const char *name, double margin, size_t at_least)
{
    struct rig r = {0};
    char path[256];
    json_t *prompts = json_object_get(reference(list, name), "prompts"), *p;
    size_t i, steps = 0;
    snprintf(path, sizeof path, "data/models/%s", name);
    rig_open(&r, PX_SHARED(path), PX_KV_F32);
    json_array_foreach(prompts, i, p) steps += check_prompt(&r, p, margin);
    printf("# %s: %zu steps equal\n", name, steps);
    CHECK(steps >= at_least);
    rig_close(&r);
    json_decref(references);
}

TEST(greedy_stories_f32)
{
    check_greedy("ref-stories260K.json", "stories260K.f32.gguf", 0.002, 190);
}
TEST(greedy_stories_f16)
{
    check_greedy("ref-stories260K.json", "stories260K.f16.gguf", 0.002, 190);
}
TEST(greedy_stories_q8_0)
{
    check_greedy("ref-stories260K.json", "stories260K.Q8_0.gguf", 0.05, 1);
}
TEST(greedy_stories_q4_0)
{
    check_greedy("ref-stories260K.json", "stories260K.Q4_0.gguf", 0.05, 1);
}
TEST(greedy_techdocs_f16)
{
    check_greedy("ref-techdocs.json", "techdocs-llama.f16.gguf", 0.002, 1);
}
TEST(greedy_techdocs_q8_0)
{
    check_greedy("ref-techdocs.json", "techdocs-llama.Q8_0.gguf", 0.05, 1);
}
TEST(greedy_techdocs_q4_0)
{
    check_greedy("ref-techdocs.json", "techdocs-llama.Q4_0.gguf", 0.05, 1);
}
TEST(greedy_techdocs_q4_k_m)
{
    check_greedy("ref-techdocs.json", "techdocs-llama.Q4_K_M.gguf", 0.05, 1);
}
TEST(greedy_tiny_llama3)
{
    check_greedy("ref-tiny-arch.json", "tiny-llama3.f32.gguf", 0.005, 40);
}
TEST(greedy_tiny_qwen2)
{
    check_greedy("ref-tiny-arch.json", "tiny-qwen2.f32.gguf", 0.005, 20);
}
TEST(greedy_tiny_qwen3)
{
    check_greedy("ref-tiny-arch.json", "tiny-qwen3.f32.gguf", 0.005, 5);
}

/* Logits at the last position of each prompt: raw floats, prompts in order. */
static void check_logits(const char *arch)
{
    struct rig r = {0};
    char path[256], name[64];
    double worst = 0;
    snprintf(name, sizeof name, "tiny-%s.f32.gguf", arch);
    json_t *prompts = json_object_get(reference("ref-tiny-arch.json", name), "prompts"), *p;
    snprintf(path, sizeof path, "data/models/%s", name);
    rig_open(&r, PX_SHARED(path), PX_KV_F32);
    snprintf(path, sizeof path, "data/models/tiny-%s.logits.f32", arch);
    FILE *f = fopen(PX_SHARED(path), "rb");
    CHECK(f != NULL);
    size_t i;
    json_array_foreach(prompts, i, p)
    {
        float expected[512];
        CHECK_EQ(fread(expected, sizeof expected, 1, f), 1);
        CHECK_EQ(r.model.config.vocab, 512);
        pxi_kv_truncate(&r.session.kv, 0, 0);
        const float *logits = feed(&r, json_object_get(p, "prompt_ids"));
        for (int j = 0; j < 512; j++)
            worst = fmax(worst, fabs((double)logits[j] - (double)expected[j]));
    }
    fclose(f);
    printf("# %s: largest difference %.3g\n", name, worst);
    CHECK(worst <= 2e-4);
    rig_close(&r);
    json_decref(references);
}

TEST(logits_llama3)
{
    check_logits("llama3");
}
TEST(logits_qwen2)
{
    check_logits("qwen2");
}
TEST(logits_qwen3)
{
    check_logits("qwen3");
}

/* Likelihood of a text against the exact value (float64 on dequantised weights), nats a token. */
static void check_nll(const char *name, const char *text, uint64_t predictions, double exact,
                      double tolerance)
{
    char path[256];
    px_model *m;
    px_file *f;
    px_diag d = {0};
    px_perplexity p;
    px_perplexity_options o = {.size = sizeof o, .window = 256, .kv_type = PX_KV_F32};
    snprintf(path, sizeof path, "data/models/%s", name);
    CHECK_EQ(px_model_open(PX_SHARED(path), &m, &d), PX_ERR_OK);
    snprintf(path, sizeof path, "data/models/%s", text);
    CHECK_EQ(px_file_open(PX_SHARED(path), &f, &d), PX_ERR_OK);
    CHECK_EQ(px_model_perplexity(m, px_file_bytes(f), &o, &p, &d), PX_ERR_OK);
    printf("# %s: nll %.7f, exact %.6f, difference %.2e\n", name, p.nll, exact, p.nll - exact);
    CHECK_EQ(p.predictions, predictions);
    CHECK(fabs(p.nll - exact) <= tolerance);
    px_file_close(f);
    px_model_close(m);
}

/* The exact values have six digits: half a unit of the last is theirs. */
#define NLL(test, name, text, predictions, exact, tolerance)                                       \
    TEST(nll_##test)                                                                               \
    {                                                                                              \
        check_nll(name, text, predictions, exact, tolerance);                                      \
    }

NLL(stories_f32, "stories260K.f32.gguf", "ppl_a.txt", 541, 1.929181, 2e-6)
NLL(stories_f16, "stories260K.f16.gguf", "ppl_a.txt", 541, 1.929201, 1e-4)
NLL(stories_q8_0, "stories260K.Q8_0.gguf", "ppl_a.txt", 541, 1.931537, 1.5e-3)
NLL(stories_q5_0, "stories260K.Q5_0.gguf", "ppl_a.txt", 541, 1.940180, 3e-3)
NLL(stories_q4_0, "stories260K.Q4_0.gguf", "ppl_a.txt", 541, 1.971403, 3e-3)
NLL(stories_q4_k_m, "stories260K.Q4_K_M.gguf", "ppl_a.txt", 541, 1.940064, 3e-3)
NLL(techdocs_f16, "techdocs-llama.f16.gguf", "td_a.txt", 386, 4.175074, 1e-4)
NLL(techdocs_q8_0, "techdocs-llama.Q8_0.gguf", "td_a.txt", 386, 4.174642, 1.5e-3)
NLL(techdocs_q4_0, "techdocs-llama.Q4_0.gguf", "td_a.txt", 386, 4.182090, 3e-3)
NLL(techdocs_q4_k_m, "techdocs-llama.Q4_K_M.gguf", "td_a.txt", 386, 4.173935, 3e-3)

TEST_MAIN()
