/* Messages behind a varint: whole, in pieces, too long, malformed. */
#include "base/rng.h"
#include "codec/varint.h"
#include "net/frame.h"
#include "px_test.h"

static size_t put(uint8_t *out, size_t n, uint8_t fill)
{
    size_t at = (size_t)pxi_varint_put(out, n);
    memset(out + at, fill, n);
    return at + n;
}

/* Ten messages of odd sizes, cut at random: each comes out once, in order. */
static void pieces(uint64_t seed, size_t most)
{
    static const size_t sizes[] = {0, 1, 127, 128, 300, 5, 4000, 0, 2, 1000};
    static uint8_t wire[8192];
    struct pxi_rng rng = {seed};
    size_t n = 0, got = 0;
    for (unsigned i = 0; i < 10; i++)
        n += put(wire + n, sizes[i], (uint8_t)(i + 1));
    struct pxi_frame f = {.max = 4000};
    for (size_t at = 0; at < n;) {
        size_t k = 1 + pxi_rng_below(&rng, most);
        k = k < n - at ? k : n - at;
        uint8_t *copy = px_guarded(k, 0); /* what is past the piece must not be read */
        memcpy(copy, wire + at, k);
        px_view in = px_view_of(copy, k), m;
        px_err err;
        while ((err = pxi_frame_next(&f, &in, &m)) == PX_ERR_OK) {
            CHECK_EQ(m.n, sizes[got]);
            for (size_t i = 0; i < m.n; i++)
                CHECK_EQ(m.p[i], got + 1);
            got++;
        }
        CHECK_EQ(err, PX_ERR_TRUNCATED);
        CHECK_EQ(in.n, 0);
        at += k;
    }
    CHECK_EQ(got, 10);
    CHECK(!pxi_frame_partial(&f));
    pxi_frame_deinit(&f);
}

TEST(byte_by_byte)
{
    pieces(1, 1);
}

TEST(random_pieces)
{
    for (unsigned i = 0; i < 50; i++)
        pieces(px_seed + i, 1 + i * 40);
}

TEST(a_claim_beyond_the_maximum_is_refused_at_once)
{
    uint8_t wire[16];
    struct pxi_frame f = {.max = 100};
    for (unsigned cut = 0; cut < 2; cut++) {
        size_t n = (size_t)pxi_varint_put(wire, cut ? UINT64_MAX >> 2 : 101);
        px_view in = px_view_of(wire, n), m;
        CHECK_EQ(pxi_frame_next(&f, &in, &m), PX_ERR_LIMIT);
        struct pxi_frame g = {.max = 100};
        px_err err = PX_ERR_TRUNCATED;
        for (size_t i = 0; i < n && err == PX_ERR_TRUNCATED; i++) {
            px_view one = px_view_of(wire + i, 1);
            err = pxi_frame_next(&g, &one, &m);
        }
        CHECK_EQ(err, PX_ERR_LIMIT);
        CHECK(g.part.cap <= 256);
        pxi_frame_deinit(&g);
    }
    pxi_frame_deinit(&f);
}

TEST(malformed_lengths)
{
    static const uint8_t endless[12] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
    static const uint8_t padded[] = {0x81, 0x00, 7};
    px_view m, in = px_view_of(endless, sizeof endless);
    struct pxi_frame f = {.max = 100}, g = {.max = 100}, h = {.max = 100};
    CHECK_EQ(pxi_frame_next(&f, &in, &m), PX_ERR_CORRUPT);
    in = px_view_of(padded, sizeof padded);
    CHECK_EQ(pxi_frame_next(&g, &in, &m), PX_ERR_CORRUPT);
    px_err err = PX_ERR_TRUNCATED;
    for (size_t i = 0; i < sizeof endless && err == PX_ERR_TRUNCATED; i++) {
        in = px_view_of(endless + i, 1);
        err = pxi_frame_next(&h, &in, &m);
    }
    CHECK_EQ(err, PX_ERR_CORRUPT);
    pxi_frame_deinit(&f);
    pxi_frame_deinit(&g);
    pxi_frame_deinit(&h);
}

TEST(memory_follows_the_bytes_not_the_claim)
{
    struct pxi_frame f = {.max = 1u << 30};
    uint8_t wire[16];
    size_t n = (size_t)pxi_varint_put(wire, 1u << 30);
    px_view m, in = px_view_of(wire, n + 3);
    CHECK_EQ(pxi_frame_next(&f, &in, &m), PX_ERR_TRUNCATED);
    CHECK(pxi_frame_partial(&f));
    CHECK(f.part.cap < 4096);
    pxi_frame_deinit(&f);
    CHECK(!pxi_frame_partial(&f));
}

TEST(memory_may_fail)
{
    uint8_t wire[300];
    size_t n = put(wire, 200, 1);
    struct pxi_frame f = {.max = 1000};
    px_view m, in = px_view_of(wire, n - 1);
    pxi_mem_fail_after(1);
    CHECK_EQ(pxi_frame_next(&f, &in, &m), PX_ERR_NOMEM);
    pxi_mem_fail_after(0);
    pxi_frame_deinit(&f);
}

TEST_MAIN()
