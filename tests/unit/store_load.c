/* From shards to a stage: what a slice loads, that slices give the bits of the whole file also when
 * the model has tensors that every stage needs, and what is refused when shards or manifests lie.
 */
#include "base/limits.h"
#include "infer/session.h"
#include "model_shapes.h"
#include "store_dir.h"

enum { TOKENS = 12 };

/* Llama 3 scales its rotation by a tensor of no block. */
static const struct model_shape llama3 = {.arch = "llama",
                                          .embd = 64,
                                          .ffn = 96,
                                          .heads = 4,
                                          .kv_heads = 2,
                                          .head_dim = 16,
                                          .blocks = 4,
                                          .vocab = MODEL_VOCAB,
                                          .type = PX_DTYPE_Q8_0,
                                          .down_type = PX_DTYPE_Q8_0,
                                          .output_type = PX_DTYPE_F16,
                                          .tied = 1,
                                          .rope_freqs = 1};

static struct dir d;
static struct pxi_key *key;
static struct pxi_store_model *model;
static px_gguf *whole;

static void setup(const struct model_shape *shape)
{
    d = (struct dir){0};
    dir_open(&d, NULL, 0);
    key = test_key(3);
    CHECK_EQ(px_gguf_parse(model_file(shape), &whole, NULL), PX_ERR_OK);
    model = dir_push(&d, whole, key, "llama3", false);
}

static void teardown(void)
{
    dir_close(&d);
    dir_remove(&d);
    pxi_key_free(key);
    px_gguf_free(whole);
}

/* The slice as a stage opens it. */
static px_err open_slice(struct pxi_store_model *m, const struct pxi_slice *s, px_model **out,
                         px_diag *diag)
{
    char **paths;
    uint32_t count, missing;
    struct pxi_parts_check c = {&m->m, {s->first, s->last, s->embed, s->output}, 0};
    *diag = (px_diag){0};
    px_err err = pxi_store_slice(d.store, m, &c.want, &paths, &count, &missing);
    if (err != PX_ERR_OK)
        return err;
    err = pxi_model_open_parts(paths, count, pxi_manifest_check_part, &c, s, out, diag);
    pxi_store_paths_free(paths, count);
    return err;
}

/* Hidden states, or at the end the logits, of the tokens after one slice. */
static void step(struct pxi_session *s, const float *in, float *out, size_t width)
{
    size_t embd = s->model->config.embd;
    for (uint32_t i = 0; i < TOKENS; i++) {
        struct pxi_step step = {(int32_t)(i * 7 % MODEL_VOCAB), 1, 1, in ? in + i * embd : NULL};
        CHECK_EQ(pxi_session_step(s, &step, 1), PX_ERR_OK);
        memcpy(out + i * width, width == embd ? pxi_session_hidden(s, 0) : pxi_session_logits(s, 0),
               width * sizeof *out);
    }
}

/* The logits of the model cut into `stages` slices, each opened from its shards alone. */
static void through(unsigned stages, float *logits)
{
    static float hidden[2][TOKENS * 64];
    struct pxi_session_options o = {.positions = 64, .sequences = 2, .batch = 1};
    struct pxi_kernels kernels;
    uint32_t blocks = (uint32_t)model->m.blocks;
    pxi_kernels_init(&kernels, pxi_cpu_mask(NULL));
    for (unsigned i = 0; i < stages; i++) {
        struct pxi_slice s = {blocks * i / stages, blocks * (i + 1) / stages, i == 0,
                              i + 1 == stages};
        struct pxi_session session;
        px_model *m;
        px_diag diag;
        px_err err = open_slice(model, &s, &m, &diag);
        if (err != PX_ERR_OK)
            PX_FAIL("[%u, %u): %s: %s: %s", s.first, s.last, px_err_text(err), diag.field,
                    diag.found);
        CHECK(m->model.rope_freqs);
        CHECK_EQ(pxi_session_init(&session, &m->model, &kernels, NULL, &o), PX_ERR_OK);
        step(&session, i ? hidden[(i - 1) % 2] : NULL, s.output ? logits : hidden[i % 2],
             s.output ? MODEL_VOCAB : 64);
        pxi_session_deinit(&session);
        px_model_close(m);
    }
}

TEST(a_llama_3_gives_the_same_bits_cut_anywhere)
{
    static float one[TOKENS * MODEL_VOCAB], many[TOKENS * MODEL_VOCAB];
    setup(&llama3);
    CHECK_EQ(model->m.shards[0].tensors, 1);
    CHECK_EQ(model->m.shards[model->m.count - 1].tensors, 1);
    through(1, one);
    for (unsigned stages = 2; stages <= 4; stages++) {
        through(stages, many);
        CHECK(memcmp(one, many, sizeof one) == 0);
    }
    struct pxi_want middle = {1, 2, false, false};
    CHECK_EQ(pxi_store_state_of(d.store, model, &middle).shards, 2); /* meta, and the block */
    teardown();
}

/* ------------------------------------------------------------------ lies */

static px_err lie(dir_lie *tell, struct pxi_store_model **out)
{
    return dir_add_lie(&d, model, key, tell, out);
}

static void swap_cids(struct pxi_msg_shard *s, unsigned i, unsigned k)
{
    struct pxi_msg_shard t = s[i];
    s[i].cid = s[k].cid;
    s[i].bytes = s[k].bytes;
    s[k].cid = t.cid;
    s[k].bytes = t.bytes;
}

LIE(blocks_exchanged, swap_cids(s, 2, 3))
LIE(ends_exchanged, swap_cids(s, 1, m->shards.n - 1))
LIE(one_tensor_more, s[2].tensors++)
LIE(one_tensor_less, s[3].tensors--)
LIE(meta_is_bare, s[0].tensors = 0)
LIE(other_width, m->embd = 128)
LIE(other_heads, m->heads = UINT32_MAX)
LIE(other_kv_heads, m->kv_heads = 4)
LIE(longer_context, m->context = UINT32_MAX)
LIE(other_words, m->vocab++)
LIE(other_kind, m->architecture = px_view_str("qwen2"))
LIE(not_tied, m->tied = false)

TEST(a_manifest_that_lies_is_not_opened)
{
    static const struct {
        dir_lie *tell;
        const char *field;
    } lies[] = {{blocks_exchanged, "shard[2].split.no"},
                {ends_exchanged, "shard[1].split.no"},
                {one_tensor_more, "shard[0].split.tensors.count"},
                {one_tensor_less, "shard[0].split.tensors.count"},
                {meta_is_bare, "shard[0].tensors"},
                {other_width, "manifest.embd"},
                {other_heads, "manifest.heads"},
                {other_kv_heads, "manifest.kv_heads"},
                {longer_context, "manifest.context"},
                {other_words, "manifest.vocab"},
                {other_kind, "manifest.architecture"}};
    setup(&llama3);
    struct pxi_slice all = {0, 4, true, true}, last = {3, 4, false, true};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct pxi_store_model *m;
        px_model *opened;
        px_diag diag;
        CHECK_EQ(lie(lies[i].tell, &m), PX_ERR_OK);
        px_err err = open_slice(m, &all, &opened, &diag);
        if (err != PX_ERR_CORRUPT || !opened == 0)
            PX_FAIL("lie %zu: %s at %s", i, px_err_name(err), diag.field);
        if (strncmp(diag.field, lies[i].field, strlen(lies[i].field)) != 0)
            PX_FAIL("lie %zu is found in %s, not in %s", i, diag.field, lies[i].field);
        CHECK(diag.expected[0] && diag.found[0]);
    }
    /* A model that is said to have an output of its own lacks it. */
    struct pxi_store_model *m;
    px_model *opened;
    px_diag diag;
    CHECK_EQ(lie(not_tied, &m), PX_ERR_OK);
    CHECK(open_slice(m, &last, &opened, &diag) != PX_ERR_OK);
    CHECK_EQ(open_slice(model, &last, &opened, &diag), PX_ERR_OK);
    px_model_close(opened);
    teardown();
}

LIE(larger_block, (s[3].bytes += PXI_GROUP, m->bytes += PXI_GROUP))

TEST(a_manifest_that_lies_about_a_size_finds_no_shard)
{
    struct pxi_store_model *m;
    px_model *opened;
    px_diag diag;
    setup(&llama3);
    struct pxi_slice first = {0, 1, true, false}, second = {1, 2, false, false};
    CHECK_EQ(lie(larger_block, &m), PX_ERR_OK);
    CHECK_EQ(open_slice(m, &second, &opened, &diag), PX_ERR_NOT_FOUND);
    CHECK_EQ(open_slice(m, &first, &opened, &diag), PX_ERR_OK);
    px_model_close(opened);
    teardown();
}

/* ------------------------------------------------------------------ shards that lie */

/* A shard of block 0 with two tensors in 64 bytes; what the table says of the second is forged. */
static struct pxi_buf forged(const char *first, const char *second, uint64_t at, uint64_t cols)
{
    static const char stand_in[] = "zzzzzzzzzzzzzzzzzzzzzzzz";
    struct pxi_buf b = {.max = 1 << 20};
    uint64_t dims[1] = {8};
    size_t n = strlen(second);
    px_gguf_writer *w = px_gguf_writer_new(32);
    CHECK_EQ(px_gguf_put_u32(w, "split.no", 2), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_u32(w, "split.count", 7), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_u32(w, "split.tensors.count", 39), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_tensor(w, px_view_str(first), 0, 1, dims), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_tensor(w, px_view_of((const uint8_t *)stand_in, n), 0, 1, dims),
             PX_ERR_OK);
    CHECK_EQ(px_gguf_write_header(w, model_sink, &b), PX_ERR_OK);
    px_gguf_writer_free(w);
    size_t row = b.n - n;
    while (memcmp(b.p + row, stand_in, n) != 0)
        row--;
    memcpy(b.p + row, second, n);
    for (unsigned i = 0; i < 8; i++) {
        b.p[row + n + 4 + i] = (uint8_t)(cols >> 8 * i);       /* behind the number of dimensions */
        b.p[row + n + 4 + 8 + 4 + i] = (uint8_t)(at >> 8 * i); /* behind the type */
    }
    uint8_t data[64] = {0};
    CHECK(pxi_buf_add(&b, data, sizeof data));
    return b;
}

TEST(a_shard_whose_table_is_wrong_is_refused)
{
    static const struct {
        const char *first, *second;
        uint64_t at, cols;
        bool good;
    } cases[] = {{"blk.0.a", "blk.0.b", 32, 8, true},
                 {"blk.0.a", "blk.0.b", 64, 8, false}, /* past the end */
                 {"blk.0.a", "blk.0.b", 32, 9, false}, /* over the end */
                 {"blk.0.a", "blk.0.b", UINT64_MAX - 31, 8, false},
                 {"blk.0.a", "blk.0.b", 0, 8, false}, /* on top of the other */
                 {"blk.0.a", "blk.0.b", 32, 1ull << 62, false},
                 {"blk.0.a", "blk.0.a", 32, 8, false},  /* twice */
                 {"blk.0.a", "blk.1.b", 32, 8, false},  /* of another block */
                 {"blk.0.a", "output.b", 32, 8, false}, /* of another role */
                 {"blk.0.a", "rope_freqs.weight", 32, 8, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pxi_buf b = forged(cases[i].first, cases[i].second, cases[i].at, cases[i].cols);
        px_gguf *g = NULL;
        px_diag diag = {0};
        px_err err = px_gguf_parse(px_view_of(b.p, b.n), &g, &diag);
        if (err == PX_ERR_OK)
            err = pxi_shard_check(g, 2, 7, PXI_SHARD_BLOCK, 0, 2, &diag);
        if ((err == PX_ERR_OK) != cases[i].good)
            PX_FAIL("case %zu: %s at %s", i, px_err_name(err), diag.field);
        CHECK(cases[i].good || (diag.field[0] && diag.expected[0]));
        px_gguf_free(g);
        pxi_buf_deinit(&b);
    }
}

TEST_MAIN()
