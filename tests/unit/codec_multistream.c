/* Lines of multistream-select: what is one, what is not, and what is not all there yet. */
#include "codec/multistream.h"

#include "px_test.h"

static px_diag diag;
static px_view text;

static int next(const char *s, size_t n)
{
    return pxi_multistream_next(px_view_of(s, n), &text, &diag);
}
#define NEXT(s) next(s, sizeof(s) - 1)

TEST(reads_lines)
{
    static const char two[] = "\x13/multistream/1.0.0\n\x07/noise\n";
    CHECK_EQ(NEXT(two), 20);
    CHECK(px_view_is(text, PXI_MULTISTREAM_HEADER));
    CHECK_EQ(next(two + 20, sizeof two - 21), 8);
    CHECK(px_view_is(text, "/noise"));
    for (size_t n = 0; n < 20; n++)
        CHECK_EQ(next(two, n), 0);
    CHECK_EQ(NEXT("\x03na\n"), 4);
    CHECK_EQ(NEXT("\x01\n"), 2); /* an empty name is nobody's, but a line */
    CHECK_EQ(text.n, 0);
}

TEST(refuses)
{
    CHECK_EQ(NEXT("\x00"), -1);
    CHECK_EQ(NEXT("\x80\x00"), -1);
    CHECK_EQ(NEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), -1);
    CHECK_EQ(NEXT("\x81\x08"), -1); /* 1025: before the bytes are there */
    CHECK_STR(diag.field, "length");
    CHECK_EQ(NEXT("\x80\x08"), 0); /* 1024 */
    CHECK_EQ(NEXT("\x02no"), -1);
    CHECK_STR(diag.field, "newline");
    CHECK_EQ(NEXT("\x04na\n\n"), -1);
    CHECK_STR(diag.field, "text");
    CHECK_EQ(diag.offset, 3);
    CHECK_EQ(NEXT("\x04\xff\xfe\xfd\n"), -1);
    CHECK_EQ(NEXT("\x03"
                  "a\0\n"),
             -1);
}

TEST(writes)
{
    struct pxi_buf out = {.max = 40};
    CHECK(pxi_multistream_add(&out, px_view_str(PXI_MULTISTREAM_HEADER)));
    CHECK(pxi_multistream_add(&out, px_view_str("/noise")));
    CHECK(px_view_is(px_view_of(out.p, out.n), "\x13/multistream/1.0.0\n\x07/noise\n"));
    CHECK(!pxi_multistream_add(&out, px_view_str("/too-long-now")));
    CHECK_EQ(out.n, 28);
    pxi_buf_deinit(&out);
}

TEST_MAIN()
