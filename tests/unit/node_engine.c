/* Opening models from the file system: what is refused and why, split files, files that shrink. */
#include "model_shapes.h"
#include "plexus/file.h"
#include "plexus/model.h"

static const struct model_shape *const shape = &model_shapes[LLAMA_THREE_BLOCKS];

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[4][160];
    static unsigned turn;
    char *p = path[turn++ % 4];
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/plexus-engine-XXXXXX");
        CHECK(mkdtemp(dir) != NULL);
    }
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void remove_dir(void)
{
    static const char *const names[] = {"m.gguf", "s-00001-of-00002.gguf", "s-00002-of-00002.gguf",
                                        "lone.gguf", "empty"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_dir(names[i]));
    rmdir(dir);
}

static const char *write_file(const char *name, px_view v)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(v.p, 1, v.n, f) == v.n && fclose(f) == 0);
    return path;
}

static px_err try_open(const char *path, px_diag *d)
{
    px_model *m;
    px_err e = px_model_open(path, &m, d);
    CHECK((e == PX_ERR_OK) == (m != NULL));
    px_model_close(m);
    return e;
}

TEST(what_is_no_model_is_refused_by_name)
{
    px_diag d = {0};
    CHECK_EQ(try_open(in_dir("absent.gguf"), &d), PX_ERR_NOT_FOUND);
    CHECK_EQ(try_open("/tmp", &d), PX_ERR_NOT_A_FILE);
    CHECK_EQ(try_open(write_file("empty", px_view_of("", 0)), &d), PX_ERR_TRUNCATED);
    CHECK(try_open(write_file("m.gguf", px_view_str("hello, I am no model")), &d) != PX_ERR_OK);
    CHECK(d.expected[0] != 0);
    remove_dir();
}

TEST(a_file_and_its_bytes_are_the_same_model)
{
    px_model *a, *b;
    char x[PX_DIGEST_HEX], y[PX_DIGEST_HEX];
    px_view file = model_file(shape);
    CHECK_EQ(px_model_open(write_file("m.gguf", file), &a, NULL), PX_ERR_OK);
    CHECK_EQ(px_model_open_memory(file, &b, NULL), PX_ERR_OK);
    CHECK_EQ(px_model_digest(a, NULL, x, NULL), PX_ERR_OK);
    CHECK_EQ(px_model_digest(b, NULL, y, NULL), PX_ERR_OK);
    CHECK_STR(x, y);
    const px_model_info *i = px_model_info_get(a);
    CHECK_STR(i->arch, "llama");
    CHECK_EQ(i->blocks, 3);
    CHECK_EQ(i->head_dim, 16);
    CHECK_EQ(i->vocab, 300);
    CHECK(i->chat_template == NULL);
    CHECK(i->parameters > 64 * 300 * 2);
    px_model_close(a);
    px_model_close(b);
    remove_dir();
}

/* Part `no` of 2: the first has the metadata and a third of the tensors. */
static px_view split_part(const px_gguf *g, uint32_t no)
{
    struct pxi_buf out = {.max = (size_t)1 << 28};
    px_gguf_writer *w = px_gguf_writer_new(0);
    uint64_t n = px_gguf_tensor_count(g), first = no ? n / 3 : 0, last = no ? n : n / 3;
    for (uint64_t i = 0; no == 0 && i < px_gguf_kv_count(g); i++)
        CHECK_EQ(px_gguf_put_kv(w, px_gguf_kv_at(g, i)), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_u32(w, "split.no", no), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_u32(w, "split.count", 2), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_u32(w, "split.tensors.count", (uint32_t)n), PX_ERR_OK);
    for (uint64_t i = first; i < last; i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        CHECK_EQ(px_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->dims), PX_ERR_OK);
    }
    CHECK_EQ(px_gguf_write_header(w, model_sink, &out), PX_ERR_OK);
    for (uint64_t i = first; i < last; i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        CHECK_EQ(px_gguf_write_data(w, t->data.p, t->data.n), PX_ERR_OK);
    }
    CHECK_EQ(px_gguf_write_finish(w), PX_ERR_OK);
    px_gguf_writer_free(w);
    model_kept[model_kept_count++] = out.p;
    return px_view_of(out.p, out.n);
}

TEST(split_models_open_by_any_part)
{
    px_model *whole, *m;
    px_diag d = {0};
    char x[PX_DIGEST_HEX], y[PX_DIGEST_HEX];
    CHECK_EQ(px_model_open_memory(model_file(shape), &whole, NULL), PX_ERR_OK);
    px_view first = split_part(px_model_gguf(whole), 0);
    write_file("s-00001-of-00002.gguf", first);
    CHECK_EQ(try_open(in_dir("s-00001-of-00002.gguf"), &d), PX_ERR_NOT_FOUND);
    write_file("s-00002-of-00002.gguf", split_part(px_model_gguf(whole), 1));
    CHECK_EQ(px_model_digest(whole, NULL, x, NULL), PX_ERR_OK);
    for (int part = 1; part <= 2; part++) {
        const char *name = part == 1 ? "s-00001-of-00002.gguf" : "s-00002-of-00002.gguf";
        CHECK_EQ(px_model_open(in_dir(name), &m, &d), PX_ERR_OK);
        CHECK_EQ(px_model_digest(m, NULL, y, NULL), PX_ERR_OK);
        CHECK_STR(x, y);
        px_model_close(m);
    }
    CHECK_EQ(try_open(write_file("lone.gguf", first), &d), PX_ERR_NOT_FOUND);
    CHECK_STR(d.field, "split.count");
    px_model_close(whole);
    remove_dir();
}

TEST(a_file_that_shrinks_is_told_and_nothing_is_appended)
{
    px_model *m;
    px_context *c;
    px_context_options o = {.size = sizeof o, .threads = 2};
    px_batch_token t = {5, 0, 1};
    const char *path = write_file("m.gguf", model_file(shape));
    CHECK_EQ(px_file_guard(), PX_ERR_OK);
    CHECK_EQ(px_model_open(path, &m, NULL), PX_ERR_OK);
    CHECK_EQ(px_context_new(m, &o, &c, NULL), PX_ERR_OK);
    CHECK_EQ(px_context_eval(c, &t, 1), PX_ERR_OK);
    CHECK(truncate(path, 4096) == 0);
    CHECK_EQ(px_context_eval(c, &t, 1), PX_ERR_CHANGED);
    CHECK_EQ(px_context_length(c, 0), 1);
    CHECK(px_context_logits(c, 0) == NULL);
    px_context_free(c);
    px_model_close(m);
    remove_dir();
}

TEST(architectures_are_listed)
{
    unsigned n = 0;
    while (px_arch_name(n))
        n++;
    CHECK_EQ(n, 3);
    CHECK_STR(px_arch_name(0), "llama");
}

/* Each change makes the model wrong in one way that the diagnosis must name. */
TEST(inconsistent_shapes_are_refused)
{
    struct model_shape s = *shape;
    px_model *m;
    px_diag d = {0};
    s.type = PX_DTYPE_F16; /* rows of any length */
    s.heads = 3;           /* kv_heads no longer divide */
    CHECK_EQ(px_model_open_memory(model_file(&s), &m, &d), PX_ERR_CORRUPT);
    CHECK_STR(d.field, "metadata llama.attention.head_count_kv");
    s = *shape;
    s.head_dim = 15;
    s.type = PX_DTYPE_F16; /* rows of any length */
    CHECK_EQ(px_model_open_memory(model_file(&s), &m, &d), PX_ERR_CORRUPT);
    CHECK_STR(d.field, "metadata llama.rope.dimension_count");
    s = *shape;
    s.arch = "qwen2"; /* without its biases */
    CHECK_EQ(px_model_open_memory(model_file(&s), &m, &d), PX_ERR_CORRUPT);
    CHECK_STR(d.field, "blk.0.attn_q.bias");
    s.arch = "qwen3";
    s.bias = 1; /* with biases that it does not know */
    CHECK_EQ(px_model_open_memory(model_file(&s), &m, &d), PX_ERR_ARCH);
    s.arch = "gpt9";
    CHECK_EQ(px_model_open_memory(model_file(&s), &m, &d), PX_ERR_ARCH);
    CHECK_STR(d.found, "gpt9");
}

TEST_MAIN()
