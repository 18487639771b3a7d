/* The GGUF writer and the reader of split models: what is written reads back as it was. */
#include "gguf_file.h"
#include "plexus/file.h"
#include "px_test.h"

#include <dirent.h>

static px_gguf *parse(px_view file)
{
    px_gguf *g = NULL;
    px_diag diag = {0};
    px_err err = px_gguf_parse(file, &g, &diag);
    if (err)
        PX_FAIL("%s at %llu: %s: expected %s, found %s", px_err_name(err),
                (unsigned long long)diag.offset, diag.field, diag.expected, diag.found);
    return g;
}

static int to_buf(void *ctx, const void *p, size_t n)
{
    return !pxi_buf_add(ctx, p, n);
}

static void copy_tables(px_gguf_writer *w, const px_gguf *g)
{
    for (uint64_t i = 0; i < px_gguf_kv_count(g); i++)
        CHECK_EQ(px_gguf_put_kv(w, px_gguf_kv_at(g, i)), PX_ERR_OK);
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        CHECK_EQ(px_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->dims), PX_ERR_OK);
    }
}

/* Read, write, and compare every byte; `step` bytes of data a call. */
static void round_trip(px_view file, size_t step)
{
    px_gguf *g = parse(file);
    px_gguf_writer *w = px_gguf_writer_new((uint32_t)px_gguf_alignment(g));
    struct pxi_buf out = {.max = SIZE_MAX};
    copy_tables(w, g);
    CHECK_EQ(px_gguf_write_header(w, to_buf, &out), PX_ERR_OK);
    CHECK_EQ(out.n, px_gguf_data_offset(g));
    for (uint64_t i = 0; i < px_gguf_tensor_count(g); i++) {
        px_view data = px_gguf_tensor_at(g, i)->data;
        for (size_t at = 0; at < data.n; at += step)
            CHECK(!px_gguf_write_data(w, data.p + at, data.n - at < step ? data.n - at : step));
    }
    CHECK_EQ(px_gguf_write_finish(w), PX_ERR_OK);
    uint32_t v3 = 3;
    CHECK(out.n >= file.n && memcmp(out.p, "GGUF", 4) == 0 && memcmp(out.p + 4, &v3, 4) == 0);
    CHECK(memcmp(out.p + 8, file.p + 8, file.n - 8) == 0);
    px_gguf_free(parse(px_view_of(out.p, out.n)));
    px_gguf_writer_free(w);
    px_gguf_free(g);
    pxi_buf_deinit(&out);
}

TEST(a_built_file_survives_the_round_trip)
{
    struct pxi_buf b = {0};
    gf_valid(&b);
    round_trip(px_view_of(b.p, b.n), 1);
    round_trip(px_view_of(b.p, b.n), 7);
    round_trip(px_view_of(b.p, b.n), SIZE_MAX);
    pxi_buf_deinit(&b);
}

TEST(reference_models_survive_the_round_trip)
{
    const char *dir = PX_SHARED("data/models");
    char path[1200];
    unsigned n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len < 6 || strcmp(e->d_name + len - 5, ".gguf"))
            continue;
        px_file *f;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK_EQ(px_file_open(path, &f, NULL), PX_ERR_OK);
        round_trip(px_file_bytes(f), 1000003);
        px_file_close(f);
        n++;
    }
    closedir(d);
    CHECK(n > 0);
}

TEST(every_put_reads_back)
{
    px_gguf_writer *w = px_gguf_writer_new(64);
    struct pxi_buf out = {.max = SIZE_MAX};
    px_view strs[] = {px_view_str("x"), px_view_str(""), px_view_str("yy")}, s;
    int32_t ints[] = {-1, 2};
    float floats[] = {0.5f, -1e30f}, f = 0;
    uint64_t u = 0, pos = 0, dims[] = {5};
    int flag = 0;
    CHECK(!px_gguf_put_u32(w, "u", 4000000000u) && !px_gguf_put_f32(w, "f", 2.5f));
    CHECK(!px_gguf_put_bool(w, "b", 7) && !px_gguf_put_str(w, "s", px_view_str("text")));
    CHECK(!px_gguf_put_strs(w, "ss", strs, 3) && !px_gguf_put_i32s(w, "is", ints, 2));
    CHECK(!px_gguf_put_f32s(w, "fs", floats, 2));
    CHECK(!px_gguf_put_tensor(w, px_view_str("t"), PX_DTYPE_I8, 1, dims));
    CHECK(!px_gguf_write_header(w, to_buf, &out) && !px_gguf_write_data(w, "12345", 5));
    CHECK(!px_gguf_write_finish(w) && out.n % 64 == 0);
    px_gguf *g = parse(px_view_of(out.p, out.n));
    CHECK_EQ(px_gguf_alignment(g), 64);
    CHECK(!px_gguf_get_u64(g, "u", &u, NULL) && u == 4000000000u);
    CHECK(!px_gguf_get_f32(g, "f", &f, NULL) && f == 2.5f);
    CHECK(!px_gguf_get_bool(g, "b", &flag, NULL) && flag == 1);
    CHECK(!px_gguf_get_str(g, "s", &s, NULL) && px_view_is(s, "text"));
    const px_gguf_kv *kv = px_gguf_kv_find(g, "ss");
    CHECK(px_gguf_array_next_str(kv, &pos, &s) && px_gguf_array_next_str(kv, &pos, &s));
    CHECK(px_gguf_array_next_str(kv, &pos, &s) && px_view_is(s, "yy"));
    CHECK_EQ(px_gguf_array_i64(px_gguf_kv_find(g, "is"), 0), -1);
    CHECK(px_gguf_array_f64(px_gguf_kv_find(g, "fs"), 1) == (double)-1e30f);
    CHECK(memcmp(px_gguf_tensor_at(g, 0)->data.p, "12345", 5) == 0);
    px_gguf_free(g);
    px_gguf_writer_free(w);
    pxi_buf_deinit(&out);
}

TEST(the_writer_refuses_what_no_reader_takes)
{
    px_gguf_writer *w = px_gguf_writer_new(0);
    struct pxi_buf out = {.max = SIZE_MAX};
    uint64_t dims[] = {31, 2}, good[] = {32};
    px_view t = px_view_str("t");
    CHECK(px_gguf_writer_new(7) == NULL && px_gguf_writer_new(1 << 20) == NULL);
    CHECK_EQ(px_gguf_put_u32(w, "k", 1), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_f32(w, "k", 1), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_u32(w, "", 1), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_u32(w, "general.alignment", 64), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_tensor(w, t, PX_DTYPE_Q8_0, 2, dims), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_tensor(w, t, 4, 1, good), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_tensor(w, t, PX_DTYPE_Q8_0, 5, dims), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_tensor(w, px_view_str(""), PX_DTYPE_Q8_0, 1, good), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_tensor(w, t, PX_DTYPE_Q8_0, 1, good), PX_ERR_OK);
    CHECK_EQ(px_gguf_put_tensor(w, t, PX_DTYPE_Q8_0, 1, good), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_write_data(w, "x", 1), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_write_header(w, to_buf, &out), PX_ERR_OK);
    CHECK_EQ(px_gguf_write_header(w, to_buf, &out), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_put_u32(w, "late", 1), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_write_data(w, out.p, 33), PX_ERR_OK);
    CHECK_EQ(px_gguf_write_finish(w), PX_ERR_INVALID);
    CHECK_EQ(px_gguf_write_data(w, out.p, 2), PX_ERR_INVALID);
    px_gguf_writer_free(w);
    pxi_buf_deinit(&out);
}

static int no_room(void *ctx, const void *p, size_t n)
{
    size_t *left = ctx;
    if (n > *left)
        return 1;
    *left -= n;
    return 0;
}

TEST(a_callback_that_refuses_stops_the_writer)
{
    px_gguf_writer *w = px_gguf_writer_new(0);
    size_t room = 30;
    CHECK_EQ(px_gguf_put_u32(w, "k", 1), PX_ERR_OK);
    CHECK_EQ(px_gguf_write_header(w, no_room, &room), PX_ERR_IO);
    CHECK_EQ(px_gguf_write_data(w, "x", 1), PX_ERR_IO);
    CHECK_EQ(px_gguf_write_finish(w), PX_ERR_IO);
    px_gguf_writer_free(w);
}

TEST(every_allocation_of_the_writer_may_fail)
{
    struct pxi_buf b = {0};
    gf_valid(&b);
    px_gguf *g = parse(px_view_of(b.p, b.n));
    px_err err = PX_ERR_NOMEM;
    unsigned n = 0;
    while (err == PX_ERR_NOMEM) {
        struct pxi_buf out = {.max = SIZE_MAX};
        out.p = pxi_calloc(1, out.cap = 4096);
        pxi_mem_fail_after(++n);
        px_gguf_writer *w = px_gguf_writer_new(0);
        for (uint64_t i = 0; w && i < px_gguf_kv_count(g); i++)
            err = px_gguf_put_kv(w, px_gguf_kv_at(g, i));
        for (uint64_t i = 0; w && i < px_gguf_tensor_count(g); i++) {
            const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
            err = px_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->dims);
        }
        if (w)
            err = px_gguf_write_header(w, to_buf, &out);
        px_gguf_writer_free(w);
        pxi_buf_deinit(&out);
    }
    pxi_mem_fail_after(0);
    CHECK(err == PX_ERR_OK && n > 8);
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

/* Part `no` of a split model: one tensor named `name` whose single byte is `no`. */
static px_view part(struct pxi_buf *b, uint32_t no, uint32_t count, uint32_t tensors,
                    const char *name)
{
    px_gguf_writer *w = px_gguf_writer_new(0);
    uint64_t dims[] = {1};
    uint8_t byte = (uint8_t)no;
    b->max = SIZE_MAX;
    CHECK(!px_gguf_put_u32(w, "split.no", no) && !px_gguf_put_u32(w, "split.count", count));
    CHECK(!px_gguf_put_u32(w, "split.tensors.count", tensors));
    CHECK(!px_gguf_put_tensor(w, px_view_str(name), PX_DTYPE_I8, 1, dims));
    CHECK(!px_gguf_write_header(w, to_buf, b) && !px_gguf_write_data(w, &byte, 1));
    px_gguf_writer_free(w);
    return px_view_of(b->p, b->n);
}

TEST(split_models_read_as_one)
{
    struct pxi_buf b[3] = {0};
    px_view files[3] = {part(&b[0], 0, 3, 3, "x"), part(&b[1], 1, 3, 3, "y"),
                        part(&b[2], 2, 3, 3, "z")};
    px_gguf *g;
    CHECK_EQ(px_gguf_parse_split(files, 3, &g, NULL), PX_ERR_OK);
    CHECK_EQ(px_gguf_tensor_count(g), 3);
    CHECK_EQ(px_gguf_tensor_find(g, "z")->data.p[0], 2);
    CHECK_EQ(px_gguf_tensor_find(g, "x")->data.p[0], 0);
    CHECK(px_gguf_tensor_find(g, "w") == NULL);
    px_gguf_free(g);
    CHECK_EQ(px_gguf_parse_split(files, 1, &g, NULL), PX_ERR_OK);
    px_gguf_free(g);
    CHECK_EQ(px_gguf_parse_split(files, 0, &g, NULL), PX_ERR_INVALID);
    for (int i = 0; i < 3; i++)
        pxi_buf_deinit(&b[i]);
}

static void refuse_split(px_view a, px_view b, const char *field)
{
    px_view files[] = {a, b};
    px_diag diag = {0};
    px_gguf *g;
    CHECK_EQ(px_gguf_parse_split(files, 2, &g, &diag), PX_ERR_CORRUPT);
    CHECK(g == NULL);
    CHECK_STR(diag.field, field);
}

TEST(split_parts_must_agree)
{
    struct pxi_buf b[5] = {0}, plain = {0};
    px_view first = part(&b[0], 0, 2, 2, "x"), second = part(&b[1], 1, 2, 2, "y");
    refuse_split(second, first, "part[0].metadata split.no");
    refuse_split(first, part(&b[2], 1, 3, 2, "y"), "part[1].metadata split.count");
    refuse_split(first, part(&b[3], 1, 2, 9, "y"), "part[1].metadata split.tensors.count");
    refuse_split(first, part(&b[4], 1, 2, 2, "x"), "part[1].tensor[0].name");
    gf_valid(&plain);
    refuse_split(px_view_of(plain.p, plain.n), second, "part[0].metadata split.no");
    plain.p[0] = 'g';
    refuse_split(first, px_view_of(plain.p, plain.n), "part[1].magic");
    pxi_buf_deinit(&plain);
    for (int i = 0; i < 5; i++)
        pxi_buf_deinit(&b[i]);
}

TEST_MAIN()
