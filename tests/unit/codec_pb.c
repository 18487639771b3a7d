/* The decoder and encoder of protocol buffers, on a small table of every kind of field. */
#include "codec/pb.h"

#include "codec/varint.h"
#include "px_test.h"

struct inner {
    uint64_t n;
    struct pxi_pb_list texts;
};

struct outer {
    uint64_t number, flag, fixed;
    px_view bytes, text;
    bool has_bytes;
    struct inner *one;
    struct pxi_pb_list many, numbers, blobs;
};

static const struct pxi_pb_field inner_fields[] = {
    {.name = "n", .number = 1, .kind = PXI_PB_UINT, .always = true},
    {.name = "texts",
     .number = 2,
     .kind = PXI_PB_STRING,
     .repeated = true,
     .offset = offsetof(struct inner, texts),
     .max = 3},
};
static const struct pxi_pb_message inner_table = {"inner", inner_fields, 2, sizeof(struct inner)};

#define ROW(member, num, k, ...)                                                                   \
    {                                                                                              \
        .name = #member, .number = num, .kind = k, .offset = offsetof(struct outer, member),       \
        __VA_ARGS__                                                                                \
    }
static const struct pxi_pb_field outer_fields[] = {
    ROW(number, 1, PXI_PB_UINT, .max = 0),
    ROW(flag, 2, PXI_PB_BOOL, .max = 0),
    ROW(fixed, 3, PXI_PB_FIXED64, .max = 0),
    ROW(bytes, 4, PXI_PB_BYTES, .max = 8, .has = offsetof(struct outer, has_bytes)),
    ROW(text, 5, PXI_PB_STRING, .max = 0),
    ROW(one, 6, PXI_PB_MESSAGE, .sub = &inner_table),
    ROW(many, 7, PXI_PB_MESSAGE, .sub = &inner_table, .repeated = true, .max = 4),
    ROW(numbers, 20, PXI_PB_UINT, .repeated = true),
    ROW(blobs, 5000, PXI_PB_BYTES, .repeated = true),
};
static const struct pxi_pb_message outer_table = {"outer", outer_fields, 9, sizeof(struct outer)};

static struct pxi_arena arena;
static px_diag diag;
static struct outer msg;

static px_err decode(const void *p, size_t n)
{
    pxi_arena_deinit(&arena);
    pxi_arena_init(&arena, 1 << 20);
    return pxi_pb_decode(&outer_table, px_view_of(p, n), &arena, &msg, &diag);
}
#define DECODE(s) decode(s, sizeof(s) - 1)

static void refused(const void *p, size_t n, px_err err, uint64_t offset, const char *field)
{
    CHECK_STR(px_err_name(decode(p, n)), px_err_name(err));
    CHECK_EQ(diag.offset, offset);
    CHECK_STR(diag.field, field);
    CHECK_EQ(pxi_pb_decode(&outer_table, px_view_of(p, n), &arena, &msg, NULL), err);
}
#define REFUSED(s, err, at, field) refused(s, sizeof(s) - 1, err, at, field)

static const char full[] = "\x08\x96\x01"                         /* number 150 */
                           "\x10\x01"                             /* flag */
                           "\x19\x01\x02\x03\x04\x05\x06\x07\x08" /* fixed */
                           "\x22\x02hi"                           /* bytes */
                           "\x2a\x03\xe2\x82\xac"                 /* text */
                           "\x32\x07\x08\x05\x12\x03"
                           "abc"                                /* one */
                           "\x3a\x02\x08\x00\x3a\x02\x08\x09"   /* many */
                           "\xa0\x01\x01\xa0\x01\xac\x02"       /* numbers */
                           "\xc2\xb8\x02\x00\xc2\xb8\x02\x01x"; /* blobs */

TEST(every_kind)
{
    CHECK_EQ(DECODE(full), PX_ERR_OK);
    CHECK_EQ(msg.number, 150);
    CHECK_EQ(msg.flag, 1);
    CHECK(msg.fixed == 0x0807060504030201u);
    CHECK(px_view_is(msg.bytes, "hi") && msg.has_bytes && px_view_is(msg.text, "\xe2\x82\xac"));
    CHECK(msg.one && msg.one->n == 5 && msg.one->texts.n == 1);
    CHECK(px_view_is(((px_view *)msg.one->texts.p)[0], "abc"));
    CHECK(msg.many.n == 2 && ((struct inner *)msg.many.p)[1].n == 9);
    CHECK(msg.numbers.n == 2 && ((uint64_t *)msg.numbers.p)[1] == 300);
    CHECK(msg.blobs.n == 2 && ((px_view *)msg.blobs.p)[1].n == 1);
    struct pxi_buf out = {.max = 1000};
    CHECK_EQ(pxi_pb_encode(&outer_table, &msg, &out), PX_ERR_OK);
    CHECK_EQ(out.n, sizeof full - 1);
    CHECK(memcmp(out.p, full, out.n) == 0);
    CHECK_EQ(pxi_pb_size(&outer_table, &msg), out.n);
    pxi_buf_deinit(&out);
    pxi_arena_deinit(&arena);
}

TEST(framed_and_bounded)
{
    CHECK_EQ(DECODE(full), PX_ERR_OK);
    struct pxi_buf out = {.max = sizeof full};
    CHECK_EQ(pxi_pb_encode_framed(&outer_table, &msg, &out), PX_ERR_OK);
    CHECK_EQ(out.p[0], sizeof full - 1);
    CHECK_EQ(pxi_pb_encode_framed(&outer_table, &msg, &out), PX_ERR_LIMIT);
    CHECK_EQ(out.n, sizeof full);
    pxi_buf_deinit(&out);
    pxi_mem_fail_after(1);
    CHECK_EQ(pxi_pb_encode(&outer_table, &msg, &out), PX_ERR_NOMEM);
    CHECK_EQ(out.n, 0);
}

TEST(any_order_and_unknown_fields)
{
    static const char mixed[] = "\x2a\x01z\x78\x05\x7a\x03???\x79"
                                "12345678\x7d"
                                "1234\x08\x01\x08\x02\x22\x00";
    CHECK_EQ(DECODE(mixed), PX_ERR_OK);
    CHECK_EQ(msg.number, 2); /* the last one wins */
    CHECK(msg.has_bytes && msg.bytes.n == 0 && px_view_is(msg.text, "z"));
    CHECK_EQ(decode(NULL, 0), PX_ERR_OK);
    CHECK(!msg.has_bytes && !msg.one && !msg.many.p);
}

TEST(empty_but_present)
{
    struct outer o = {.has_bytes = true, .one = &(struct inner){0}};
    struct pxi_buf out = {.max = 100};
    CHECK_EQ(pxi_pb_encode(&outer_table, &o, &out), PX_ERR_OK);
    CHECK(px_view_equal(px_view_of(out.p, out.n), px_view_of("\x22\x00\x32\x02\x08\x00", 6)));
    pxi_buf_deinit(&out);
}

TEST(malformed)
{
    REFUSED("\x08", PX_ERR_TRUNCATED, 1, "outer.number");
    REFUSED("\x80", PX_ERR_TRUNCATED, 0, "outer");
    REFUSED("\x00\x01", PX_ERR_CORRUPT, 0, "outer");             /* field 0 */
    REFUSED("\x0b\x0c", PX_ERR_CORRUPT, 0, "outer.number");      /* a group */
    REFUSED("\x7b\x7c", PX_ERR_CORRUPT, 0, "outer");             /* an unknown group */
    REFUSED("\x7f", PX_ERR_CORRUPT, 0, "outer");                 /* wire type 7 */
    REFUSED("\x0a\x01x", PX_ERR_CORRUPT, 0, "outer.number");     /* wrong wire type */
    REFUSED("\x19\x01\x02", PX_ERR_TRUNCATED, 1, "outer.fixed"); /* cut */
    REFUSED("\x7d\x01\x02", PX_ERR_TRUNCATED, 1, "outer");       /* cut fixed32 */
    REFUSED("\x22\x05hi", PX_ERR_TRUNCATED, 1, "outer.bytes");   /* runs past the end */
    REFUSED("\x22\x09"
            "123456789",
            PX_ERR_LIMIT, 0, "outer.bytes");                      /* too long */
    REFUSED("\x2a\x02\xff\xfe", PX_ERR_CORRUPT, 0, "outer.text"); /* not UTF-8 */
    REFUSED("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", PX_ERR_CORRUPT, 1, "outer.number");
    REFUSED("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", PX_ERR_CORRUPT, 1, "outer.number");
    REFUSED("\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", PX_ERR_TRUNCATED, 1, "outer.bytes");
    REFUSED("\x3a\x02\x08\x01\x3a\x02\x12\x07", PX_ERR_TRUNCATED, 7, "outer.many[1].texts[0]");
    REFUSED("\x32\x08\x12\x00\x12\x00\x12\x00\x12\x00", PX_ERR_LIMIT, 8, "outer.one.texts[3]");
    REFUSED("\x3a\x00\x3a\x00\x3a\x00\x3a\x00\x3a\x00", PX_ERR_LIMIT, 8, "outer.many[4]");
    REFUSED("\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", PX_ERR_CORRUPT, 0, "outer");
    CHECK_EQ(DECODE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), PX_ERR_OK);
    CHECK(msg.number == UINT64_MAX);
    CHECK_EQ(DECODE("\x08\x81\x80\x00"), PX_ERR_OK); /* protobuf allows longer forms */
    CHECK_EQ(msg.number, 1);
}

TEST(every_cut)
{
    for (size_t n = 0; n < sizeof full - 1; n++) {
        uint8_t *p = px_guarded(n, 0);
        memcpy(p, full, n);
        px_err err = decode(p, n);
        CHECK(err == PX_ERR_OK || (err == PX_ERR_TRUNCATED && diag.offset <= n));
        pxi_arena_deinit(&arena);
    }
}

TEST(failing_memory)
{
    for (unsigned k = 1; k < 8; k++) {
        pxi_mem_fail_after(k);
        px_err err = DECODE(full);
        CHECK(err == PX_ERR_OK || err == PX_ERR_NOMEM);
        pxi_mem_fail_after(0);
        pxi_arena_deinit(&arena);
    }
    pxi_arena_deinit(&arena);
    pxi_arena_init(&arena, 64);
    CHECK_EQ(pxi_pb_decode(&outer_table, px_view_of(full, sizeof full - 1), &arena, &msg, &diag),
             PX_ERR_NOMEM);
}

/* A table that contains itself: only the limit ends it. */
static struct pxi_pb_field self_field = {.name = "self", .number = 1, .kind = PXI_PB_MESSAGE};
static const struct pxi_pb_message self_table = {"self", &self_field, 1, sizeof(void *)};

TEST(depth)
{
    char in[64];
    void *top;
    self_field.sub = &self_table;
    size_t n = 0;
    for (unsigned i = 0; i < 20; i++) {
        in[n++] = 0x0a;
        in[n++] = (char)(38 - 2 * i);
    }
    pxi_arena_deinit(&arena);
    pxi_arena_init(&arena, 0);
    CHECK_EQ(pxi_pb_decode(&self_table, px_view_of(in, n), &arena, &top, &diag), PX_ERR_LIMIT);
}

TEST_MAIN()
