/* Tokens of real vocabularies against reference vectors, which lie beside the checkout. */
#include <jansson.h>

#include "base/mem.h"
#include "base/rng.h"
#include "plexus/tokenizer.h"

#include "px_test.h"

struct model {
    struct pxi_buf file;
    px_gguf *gguf;
    px_tokenizer *t;
};

static void slurp(struct pxi_buf *b, FILE *f)
{
    static uint8_t chunk[1 << 16];
    size_t n;
    b->max = SIZE_MAX;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        CHECK(pxi_buf_add(b, chunk, n));
}

/* Open data/models/<name>, or unpack data/models/vocab/<name>.xz. */
static void model_open(struct model *m, const char *name, int packed)
{
    char path[256], command[1200];
    px_diag d;
    *m = (struct model){0};
    snprintf(path, sizeof path, packed ? "data/models/vocab/%s.xz" : "data/models/%s", name);
    const char *full = PX_SHARED(path);
    snprintf(command, sizeof command, "xz -dc '%s'", full);
    if (packed && system("command -v xz >/dev/null") != 0)
        PX_SKIP("xz is not installed");
    FILE *f = packed ? popen(command, "r") : fopen(full, "rb");
    CHECK(f != NULL);
    slurp(&m->file, f);
    packed ? pclose(f) : fclose(f);
    CHECK_EQ(px_gguf_parse(px_view_of(m->file.p, m->file.n), &m->gguf, &d), PX_ERR_OK);
    if (px_tokenizer_new(m->gguf, &m->t, &d) != PX_ERR_OK)
        PX_FAIL("%s: %s: expected %s, found %s", name, d.field, d.expected, d.found);
}

static void model_close(struct model *m)
{
    px_tokenizer_free(m->t);
    px_gguf_free(m->gguf);
    pxi_buf_deinit(&m->file);
}

/* Encode, compare with count ids, and decode back. */
static void check(const struct model *m, px_view text, unsigned flags, const int32_t *expected,
                  size_t count)
{
    static int32_t ids[1 << 16];
    static char back[1 << 18];
    size_t n, bytes;
    CHECK_EQ(px_tokenize(m->t, text, flags, ids, 1 << 16, &n), PX_ERR_OK);
    if (expected && (n != count || memcmp(ids, expected, n * sizeof *ids) != 0))
        PX_FAIL("\"%.*s\": %zu tokens, expected %zu", (int)text.n, (const char *)text.p, n, count);
    CHECK_EQ(px_detokenize(m->t, ids, n, 0, back, sizeof back, &bytes), PX_ERR_OK);
    CHECK(bytes == text.n && !memcmp(back, text.p, bytes));
}

static json_t *load_json(const char *path)
{
    json_error_t e;
    json_t *root = json_load_file(PX_SHARED(path), JSON_ALLOW_NUL, &e);
    if (!root)
        PX_FAIL("%s: %s", path, e.text);
    return root;
}

static size_t ids_of(const json_t *array, int32_t *out, size_t cap)
{
    size_t n = json_array_size(array);
    CHECK(n <= cap);
    for (size_t i = 0; i < n; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return n;
}

static void check_case(const struct model *m, const json_t *c)
{
    int32_t ids[512];
    uint8_t text[512];
    const char *hex = json_string_value(json_object_get(c, "hex"));
    size_t n = strlen(hex) / 2, count = ids_of(json_object_get(c, "ids"), ids, 512);
    CHECK(n <= sizeof text);
    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        text[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    check(m, px_view_of(text, n), 0, ids, count);
}

TEST(adversarial_vectors_are_equal)
{
    json_t *root = load_json("data/models/tokenizer-vectors.json"), *set, *c;
    size_t i, k;
    json_array_foreach(root, i, set)
    {
        struct model m;
        model_open(&m, json_string_value(json_object_get(set, "vocab")), 1);
        json_array_foreach(json_object_get(set, "cases"), k, c) check_case(&m, c);
        model_close(&m);
    }
    CHECK(i == 4);
    json_decref(root);
}

/* The next text of an .inp file: up to a separator line, or the end. */
static int next_text(px_view *rest, px_view *text)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    if (!rest->p)
        return 0;
    const uint8_t *end = memmem(rest->p, rest->n, separator, sizeof separator - 1);
    *text = px_view_of(rest->p, end ? (size_t)(end - rest->p) : rest->n);
    size_t used = text->n + sizeof separator - 1;
    *rest = end ? px_view_of(rest->p + used, rest->n - used) : px_view_of(NULL, 0);
    return 1;
}

static void check_inp(const char *name)
{
    char path[256];
    struct model m;
    struct pxi_buf inp = {0};
    px_view text;
    unsigned texts = 0;
    model_open(&m, name, 1);
    snprintf(path, sizeof path, "data/models/vocab/%s.inp", name);
    FILE *f = fopen(PX_SHARED(path), "rb");
    slurp(&inp, f);
    fclose(f);
    snprintf(path, sizeof path, "data/models/vocab/%s.out", name);
    f = fopen(PX_SHARED(path), "rb");
    px_view rest = px_view_of(inp.p, inp.n);
    for (char line[8192]; next_text(&rest, &text) && fgets(line, sizeof line, f); texts++) {
        int32_t ids[1024];
        size_t n = 0;
        for (char *at = line, *end; n < 1024; at = end, n++) {
            ids[n] = (int32_t)strtol(at, &end, 10);
            if (end == at)
                break;
        }
        check(&m, text, 0, ids, n);
    }
    CHECK(texts > 40);
    fclose(f);
    pxi_buf_deinit(&inp);
    model_close(&m);
}

TEST(gpt2_vectors_are_equal)
{
    check_inp("ggml-vocab-gpt-2.gguf");
}
TEST(llama3_vectors_are_equal)
{
    check_inp("ggml-vocab-llama-bpe.gguf");
}
TEST(llama_vectors_are_equal)
{
    check_inp("ggml-vocab-llama-spm.gguf");
}
TEST(qwen2_vectors_are_equal)
{
    check_inp("ggml-vocab-qwen2.gguf");
}

static void check_prompts(const char *path)
{
    json_t *root = load_json(path), *file, *p;
    size_t i, k;
    json_array_foreach(root, i, file)
    {
        struct model m;
        int32_t ids[1024];
        model_open(&m, json_string_value(json_object_get(file, "file")), 0);
        json_array_foreach(json_object_get(file, "prompts"), k, p)
        {
            px_view text = px_view_str(json_string_value(json_object_get(p, "prompt")));
            size_t n = ids_of(json_object_get(p, "prompt_ids"), ids, 1024);
            check(&m, text, PX_ENCODE_SPECIAL, ids, n);
        }
        model_close(&m);
    }
    CHECK(i > 0);
    json_decref(root);
}

TEST(prompts_of_stories_are_equal)
{
    check_prompts("data/models/ref-stories260K.json");
}
TEST(prompts_of_techdocs_are_equal)
{
    check_prompts("data/models/ref-techdocs.json");
}
TEST(prompts_of_tiny_models_are_equal)
{
    check_prompts("data/models/ref-tiny-arch.json");
}

TEST(random_bytes_come_back_from_real_vocabularies)
{
    static const char *const names[] = {"ggml-vocab-gpt-2.gguf", "ggml-vocab-llama-bpe.gguf",
                                        "ggml-vocab-qwen2.gguf", "ggml-vocab-llama-spm.gguf"};
    struct pxi_rng rng = {px_seed};
    for (unsigned i = 0; i < 4; i++) {
        struct model m;
        model_open(&m, names[i], 1);
        for (unsigned round = 0; round < 50; round++) {
            uint8_t text[2048];
            size_t n = pxi_rng_below(&rng, sizeof text);
            for (size_t k = 0; k < n; k++)
                text[k] = (uint8_t)pxi_rng_u64(&rng);
            check(&m, px_view_of(text, n), 0, NULL, 0);
        }
        model_close(&m);
    }
}

TEST_MAIN()
