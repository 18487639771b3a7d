/* The GGUF reader: what a valid file says, and what makes a file invalid. */
#include "base/map.h"
#include "gguf_file.h"
#include "px_test.h"

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

/* The bytes must be refused with err and a field; frees the bytes. */
static void refuse(struct pxi_buf *b, px_err err, const char *field)
{
    px_gguf *g = NULL;
    px_diag diag = {0};
    CHECK_EQ(px_gguf_parse(px_view_of(b->p, b->n), &g, &diag), err);
    CHECK(g == NULL);
    CHECK_STR(diag.field, field);
    CHECK(diag.expected[0] && diag.found[0]);
    CHECK(diag.offset <= b->n);
    pxi_buf_deinit(b);
}

TEST(scalars_of_every_type)
{
    struct pxi_buf b = {0};
    uint64_t u = 0;
    float f = 0;
    int flag = 0;
    px_view s;
    gf_valid(&b);
    px_gguf *g = parse(px_view_of(b.p, b.n));
    CHECK_EQ(px_gguf_version(g), 3);
    CHECK_EQ(px_gguf_alignment(g), 32);
    CHECK_EQ(px_gguf_kv_count(g), 15);
    CHECK(!px_gguf_get_str(g, "general.architecture", &s, NULL) && px_view_is(s, "llama"));
    CHECK(!px_gguf_get_u64(g, "t.u8", &u, NULL) && u == 200);
    CHECK(!px_gguf_get_u64(g, "t.u16", &u, NULL) && u == 60000);
    CHECK(!px_gguf_get_u64(g, "t.i16", &u, NULL) && u == 300);
    CHECK(!px_gguf_get_u64(g, "t.u64", &u, NULL) && u == UINT64_MAX);
    CHECK(!px_gguf_get_u64(g, "t.i64", &u, NULL) && u == 5);
    CHECK(!px_gguf_get_f32(g, "t.f32", &f, NULL) && f == 1.5f);
    CHECK(!px_gguf_get_f32(g, "t.f64", &f, NULL) && f == -2.5f);
    CHECK(!px_gguf_get_bool(g, "t.bool", &flag, NULL) && flag == 1);
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

TEST(a_read_of_another_type_says_what_is_wrong)
{
    struct pxi_buf b = {0};
    uint64_t u = 77;
    float f;
    int flag;
    px_view s;
    px_diag diag;
    gf_valid(&b);
    px_gguf *g = parse(px_view_of(b.p, b.n));
    CHECK_EQ(px_gguf_get_u64(g, "absent", &u, &diag), PX_ERR_NOT_FOUND);
    CHECK_EQ(px_gguf_get_f32(g, "absent", &f, &diag), PX_ERR_NOT_FOUND);
    CHECK_EQ(px_gguf_get_bool(g, "absent", &flag, &diag), PX_ERR_NOT_FOUND);
    CHECK_EQ(px_gguf_get_str(g, "absent", &s, &diag), PX_ERR_NOT_FOUND);
    CHECK_EQ(px_gguf_get_u64(g, "t.i8", &u, &diag), PX_ERR_CORRUPT);
    CHECK_STR(diag.field, "metadata t.i8");
    CHECK_STR(diag.found, "-3");
    CHECK_EQ(px_gguf_get_u64(g, "t.f32", &u, &diag), PX_ERR_CORRUPT);
    CHECK_STR(diag.found, "f32");
    CHECK_EQ(px_gguf_get_u64(g, "t.i16s", &u, &diag), PX_ERR_CORRUPT);
    CHECK_STR(diag.found, "array of i16");
    CHECK_EQ(u, 77);
    CHECK_EQ(px_gguf_get_f32(g, "t.u8", &f, NULL), PX_ERR_CORRUPT);
    CHECK_EQ(px_gguf_get_bool(g, "t.u8", &flag, NULL), PX_ERR_CORRUPT);
    CHECK_EQ(px_gguf_get_str(g, "t.u8", &s, NULL), PX_ERR_CORRUPT);
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

TEST(arrays)
{
    struct pxi_buf b = {0};
    uint64_t pos = 0;
    px_view s;
    gf_valid(&b);
    px_gguf *g = parse(px_view_of(b.p, b.n));
    const px_gguf_kv *kv = px_gguf_kv_find(g, "t.strs");
    CHECK_EQ(kv->count, 3);
    CHECK(px_gguf_array_next_str(kv, &pos, &s) && px_view_is(s, "a"));
    CHECK(px_gguf_array_next_str(kv, &pos, &s) && s.n == 0);
    CHECK(px_gguf_array_next_str(kv, &pos, &s) && px_view_is(s, "ccc"));
    CHECK(!px_gguf_array_next_str(kv, &pos, &s));
    CHECK_EQ(px_gguf_array_i64(kv, 0), 0);
    kv = px_gguf_kv_find(g, "t.i16s");
    CHECK_EQ(px_gguf_array_i64(kv, 0), -1);
    CHECK(px_gguf_array_f64(kv, 1) == 7.0);
    CHECK_EQ(px_gguf_array_i64(px_gguf_kv_find(g, "t.bools"), 1), 1);
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

TEST(array_elements_convert_and_saturate)
{
    struct pxi_buf b = {0};
    gf_header(&b, 3, 0, 3);
    gf_array(&b, "f", PX_GGUF_F64, 4), gf_int(&b, 0xc004000000000000u, 8); /* -2.5 */
    gf_int(&b, 0x7ff0000000000000u, 8), gf_int(&b, 0xfff0000000000000u, 8);
    gf_int(&b, 0x7ff8000000000000u, 8);
    gf_array(&b, "u", PX_GGUF_U64, 1), gf_int(&b, UINT64_MAX, 8);
    gf_array(&b, "s", PX_GGUF_F32, 1), gf_int(&b, 0x3fc00000, 4); /* 1.5 */
    px_gguf *g = parse(px_view_of(b.p, b.n));
    const px_gguf_kv *f = px_gguf_kv_find(g, "f"), *u = px_gguf_kv_find(g, "u");
    CHECK_EQ(px_gguf_array_i64(f, 0), -2);
    CHECK_EQ(px_gguf_array_i64(f, 1), INT64_MAX);
    CHECK_EQ(px_gguf_array_i64(f, 2), INT64_MIN);
    CHECK_EQ(px_gguf_array_i64(f, 3), 0);
    CHECK_EQ(px_gguf_array_i64(u, 0), INT64_MAX);
    CHECK(px_gguf_array_f64(u, 0) == 0x1p64);
    CHECK(px_gguf_array_f64(px_gguf_kv_find(g, "s"), 0) == 1.5);
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

TEST(tensors_roles_and_places)
{
    struct pxi_buf b = {0};
    gf_valid(&b);
    px_gguf *g = parse(px_view_of(b.p, b.n));
    CHECK_EQ(px_gguf_tensor_count(g), 4);
    const px_gguf_tensor *t = px_gguf_tensor_at(g, 0);
    CHECK(t->role == PX_ROLE_EMBED && t->n_dims == 2 && t->dims[0] == 4 && t->dims[3] == 1);
    CHECK_EQ(t->offset, px_gguf_data_offset(g));
    t = px_gguf_tensor_find(g, "blk.12.attn_q.weight");
    CHECK(t->role == PX_ROLE_BLOCK && t->block == 12 && t->bytes == 68 && t->data.p[0] == 32);
    CHECK_EQ(px_gguf_tensor_find(g, "output_norm.weight")->role, PX_ROLE_OUTPUT);
    t = px_gguf_tensor_find(g, "other");
    CHECK(t->role == PX_ROLE_OTHER && t->data.n == 5 && t->data.p + 5 == b.p + b.n);
    CHECK(px_gguf_tensor_find(g, "blk.1.attn_q.weight") == NULL);
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

TEST(block_numbers_have_one_spelling)
{
    static const struct {
        const char *name;
        px_role role;
        uint32_t block;
    } rows[] = {
        {"blk.0.x", PX_ROLE_BLOCK, 0},
        {"blk.4294967295.x", PX_ROLE_BLOCK, UINT32_MAX},
        {"blk.4294967296.x", PX_ROLE_OTHER, 0},
        {"blk.01.x", PX_ROLE_OTHER, 0},
        {"blk.", PX_ROLE_OTHER, 0},
        {"blk.7", PX_ROLE_OTHER, 0},
        {"blk..x", PX_ROLE_OTHER, 0},
        {"rope_freqs.weight", PX_ROLE_OTHER, 0},
        {"output.weight", PX_ROLE_OUTPUT, 0},
        {"token_embd", PX_ROLE_OTHER, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pxi_buf b = {0};
        gf_header(&b, 2, 1, 0);
        gf_tensor(&b, rows[i].name, PX_DTYPE_I8, 1, 1, 0);
        gf_pad(&b, 32);
        gf_int(&b, 1, 1);
        px_gguf *g = parse(px_view_of(b.p, b.n));
        CHECK_EQ(px_gguf_tensor_at(g, 0)->role, rows[i].role);
        CHECK_EQ(px_gguf_tensor_at(g, 0)->block, rows[i].block);
        px_gguf_free(g);
        pxi_buf_deinit(&b);
    }
}

TEST(every_truncation_is_refused)
{
    struct pxi_buf b = {0};
    gf_valid(&b);
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *copy = px_guarded(n ? n : 1, 0) + (n ? 0 : 1);
        px_gguf *g = NULL;
        px_diag diag = {0};
        memcpy(copy, b.p, n);
        CHECK_EQ(px_gguf_parse(px_view_of(copy, n), &g, &diag), PX_ERR_TRUNCATED);
        CHECK(diag.field[0] && diag.offset <= n);
    }
    pxi_buf_deinit(&b);
}

TEST(every_flipped_bit_is_survived)
{
    struct pxi_buf b = {0};
    gf_valid(&b);
    uint8_t *copy = px_guarded(b.n, 0);
    unsigned refused = 0;
    memcpy(copy, b.p, b.n);
    for (size_t bit = 0; bit < b.n * 8; bit++) {
        px_gguf *g = NULL;
        uint64_t sum = 0, pos = 0;
        px_view s;
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused += px_gguf_parse(px_view_of(copy, b.n), &g, NULL) != PX_ERR_OK;
        for (uint64_t i = 0; g && i < px_gguf_kv_count(g); i++)
            for (pos = 0; px_gguf_array_next_str(px_gguf_kv_at(g, i), &pos, &s);)
                sum += s.n ? s.p[s.n - 1] : 0;
        for (uint64_t i = 0; g && i < px_gguf_tensor_count(g); i++)
            sum += px_gguf_tensor_at(g, i)->data.p[px_gguf_tensor_at(g, i)->bytes - 1];
        CHECK(sum < UINT64_MAX);
        px_gguf_free(g);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK(refused > 0);
    pxi_buf_deinit(&b);
}

TEST(magic_and_version)
{
    struct pxi_buf a = {0}, b = {0}, c = {0};
    gf_bytes(&a, "GGML\3\0\0\0", 8);
    refuse(&a, PX_ERR_CORRUPT, "magic");
    gf_header(&b, 4, 0, 0);
    refuse(&b, PX_ERR_VERSION, "version");
    gf_header(&c, 0x03000000, 0, 0);
    refuse(&c, PX_ERR_VERSION, "version");
}

TEST(counts_are_bounded_by_the_bytes)
{
    struct pxi_buf a = {0}, b = {0}, c = {0};
    gf_header(&a, 3, 0, UINT64_MAX);
    refuse(&a, PX_ERR_TRUNCATED, "n_kv");
    gf_header(&b, 3, 1, 0);
    refuse(&b, PX_ERR_TRUNCATED, "n_tensors");
    gf_header(&c, 3, 0, 1);
    gf_array(&c, "k", PX_GGUF_F32, (uint64_t)1 << 62);
    refuse(&c, PX_ERR_TRUNCATED, "kv[0].value");
}

TEST(names_and_duplicates)
{
    struct pxi_buf a = {0}, b = {0}, c = {0}, d = {0};
    gf_header(&a, 3, 0, 2);
    gf_key(&a, "k", PX_GGUF_U8), gf_int(&a, 1, 1);
    gf_key(&a, "k", PX_GGUF_U8), gf_int(&a, 1, 1);
    refuse(&a, PX_ERR_CORRUPT, "kv[1].key");
    gf_header(&b, 3, 0, 1);
    gf_key(&b, "", PX_GGUF_U8), gf_int(&b, 1, 2);
    refuse(&b, PX_ERR_CORRUPT, "kv[0].key");
    gf_header(&c, 3, 2, 0);
    gf_tensor(&c, "t", PX_DTYPE_I8, 1, 1, 0);
    gf_tensor(&c, "t", PX_DTYPE_I8, 1, 1, 32);
    gf_pad(&c, 32);
    gf_int(&c, 0, 8), gf_pad(&c, 64);
    refuse(&c, PX_ERR_CORRUPT, "tensor[1].name");
    gf_header(&d, 3, 1, 0);
    gf_tensor(&d, "01234567890123456789012345678901234567890123456789012345678901234", 0, 1, 1, 0);
    refuse(&d, PX_ERR_CORRUPT, "tensor[0].name");
}

TEST(value_types)
{
    struct pxi_buf a = {0}, b = {0}, c = {0};
    gf_header(&a, 3, 0, 1);
    gf_key(&a, "k", 13), gf_int(&a, 1, 8);
    refuse(&a, PX_ERR_CORRUPT, "kv[0].type");
    gf_header(&b, 3, 0, 1);
    gf_array(&b, "k", PX_GGUF_ARRAY, 1), gf_int(&b, 0, 4), gf_int(&b, 0, 8);
    refuse(&b, PX_ERR_CORRUPT, "kv[0].value");
    gf_header(&c, 3, 0, 1);
    gf_key(&c, "k", PX_GGUF_BOOL), gf_int(&c, 2, 1);
    refuse(&c, PX_ERR_CORRUPT, "kv[0].value");
}

TEST(alignment_is_a_small_power_of_two)
{
    static const uint32_t bad[] = {0, 1, 4, 12, 24, 131072, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pxi_buf b = {0};
        gf_header(&b, 3, 0, 1);
        gf_key(&b, "general.alignment", PX_GGUF_U32), gf_int(&b, bad[i], 4);
        refuse(&b, PX_ERR_CORRUPT, "kv[0].value");
    }
    struct pxi_buf b = {0};
    gf_header(&b, 3, 0, 1);
    gf_key(&b, "general.alignment", PX_GGUF_I32), gf_int(&b, 32, 4);
    refuse(&b, PX_ERR_CORRUPT, "kv[0].type");
}

static void tensor_of(struct pxi_buf *b, uint32_t type, uint64_t d0, uint64_t d1, uint64_t offset)
{
    gf_header(b, 3, 1, 0);
    gf_tensor(b, "t", type, d0, d1, offset);
    gf_pad(b, 32);
    for (int i = 0; i < 16; i++)
        gf_int(b, 0, 8);
}

TEST(shapes)
{
    static const struct {
        uint32_t type;
        uint64_t d0, d1;
        px_err err;
        const char *field;
    } rows[] = {
        {PX_DTYPE_F32, 0, 1, PX_ERR_CORRUPT, "tensor[0].dims"},
        {PX_DTYPE_F32, (uint64_t)1 << 63, 1, PX_ERR_CORRUPT, "tensor[0].dims"},
        {PX_DTYPE_I8, (uint64_t)1 << 32, (uint64_t)1 << 32, PX_ERR_CORRUPT, "tensor[0].dims"},
        {PX_DTYPE_Q8_0, (uint64_t)1 << 32, (uint64_t)1 << 32, PX_ERR_CORRUPT, "tensor[0].dims"},
        {PX_DTYPE_I64, (uint64_t)1 << 61, 1, PX_ERR_CORRUPT, "tensor[0].dims"},
        {PX_DTYPE_Q8_0, 31, 1, PX_ERR_CORRUPT, "tensor[0].dims"},
        {PX_DTYPE_F32, 100, 1, PX_ERR_TRUNCATED, "tensor[0].data"},
        {4, 32, 1, PX_ERR_CORRUPT, "tensor[0].type"},
        {31, 32, 1, PX_ERR_CORRUPT, "tensor[0].type"},
        {UINT32_MAX, 32, 1, PX_ERR_CORRUPT, "tensor[0].type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pxi_buf b = {0};
        tensor_of(&b, rows[i].type, rows[i].d0, rows[i].d1, 0);
        refuse(&b, rows[i].err, rows[i].field);
    }
}

TEST(offsets_are_the_padded_running_sum)
{
    static const uint64_t bad[] = {1, 32, (uint64_t)1 << 63, UINT64_MAX - 31};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pxi_buf b = {0};
        tensor_of(&b, PX_DTYPE_I8, 8, 1, bad[i]);
        refuse(&b, PX_ERR_CORRUPT, "tensor[0].offset");
    }
}

/* A hundred thousand names must take linear time; a quadratic search would hit the alarm. */
TEST(many_names)
{
    struct pxi_buf b = {0};
    char key[16];
    gf_header(&b, 3, 0, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "k%u", i);
        gf_key(&b, key, PX_GGUF_U8), gf_int(&b, i & 255, 1);
    }
    px_gguf *g = parse(px_view_of(b.p, b.n));
    uint64_t u = 0;
    CHECK(!px_gguf_get_u64(g, "k99999", &u, NULL) && u == (99999 & 255));
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

/* 600 keys that all hash to slot 0 of the 2048 that the reader takes for 600 names. */
TEST(keys_that_collide_on_purpose_are_refused)
{
    struct pxi_buf b = {0};
    px_gguf *g;
    px_diag diag;
    char key[16];
    gf_header(&b, 3, 0, 600);
    for (unsigned i = 0, n = 0; n < 600; i++) {
        int len = snprintf(key, sizeof key, "%x", i);
        if (pxi_hash64(key, (size_t)len, 2047) & 2047)
            continue;
        gf_key(&b, key, PX_GGUF_U8), gf_int(&b, 1, 1);
        n++;
    }
    CHECK_EQ(px_gguf_parse(px_view_of(b.p, b.n), &g, &diag), PX_ERR_LIMIT);
    CHECK_STR(diag.expected, "keys that hash apart");
    pxi_buf_deinit(&b);
}

TEST(every_allocation_may_fail)
{
    struct pxi_buf b = {0};
    px_gguf *g = NULL;
    px_err err = PX_ERR_NOMEM;
    unsigned n = 0;
    gf_valid(&b);
    while (err == PX_ERR_NOMEM) {
        px_diag diag = {0};
        pxi_mem_fail_after(++n);
        err = px_gguf_parse(px_view_of(b.p, b.n), &g, &diag);
        CHECK(err == PX_ERR_OK || err == PX_ERR_NOMEM);
        CHECK(err == PX_ERR_OK || g == NULL);
    }
    pxi_mem_fail_after(0);
    CHECK(n > 4);
    px_gguf_free(g);
    pxi_buf_deinit(&b);
}

TEST_MAIN()
