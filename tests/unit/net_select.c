#include "net/select.h"

#include "base/rng.h"
#include "px_test.h"

static const char *const SERVED[] = {"/b/1", "/noise", "slashless", NULL};

static const char *serves(void *ctx, px_view name)
{
    (*(unsigned *)ctx)++;
    for (unsigned i = 0; SERVED[i]; i++)
        if (px_view_is(name, SERVED[i]))
            return SERVED[i];
    return NULL;
}

/* A responder fed with bytes in pieces of `step` (0: at once). */
struct answer {
    px_err err;
    const char *agreed;
    size_t taken;
    unsigned asked;
    struct pxi_buf out;
};

static struct answer respond(const void *bytes, size_t n, size_t step)
{
    struct answer a = {.out.max = 65536};
    struct pxi_select s;
    pxi_select_open_in(&s, serves, &a.asked);
    for (size_t at = 0; at < n && !s.done;) {
        size_t part = step && step < n - at ? step : n - at;
        size_t took = pxi_select_push(&s, px_view_of((const uint8_t *)bytes + at, part), &a.out);
        CHECK(took == part || s.done);
        at += took;
        a.taken = at;
    }
    a.err = s.done ? s.err : PX_ERR_TRUNCATED;
    a.agreed = s.agreed;
    pxi_select_close(&s);
    return a;
}

#define HEAD "\x13/multistream/1.0.0\n"

TEST(normal_opening)
{
    static const char in[] = HEAD "\x07/noise\npayload";
    for (size_t step = 0; step < 30; step++) {
        struct answer a = respond(in, sizeof in - 1, step);
        CHECK_EQ(a.err, PX_ERR_OK);
        CHECK_STR(a.agreed, "/noise");
        CHECK_EQ(a.taken, sizeof in - 1 - 7);
        CHECK(px_view_is(px_view_of(a.out.p, a.out.n), HEAD "\x07/noise\n"));
        pxi_buf_deinit(&a.out);
    }
}

TEST(refusals_then_agreement)
{
    static const char in[] = HEAD "\x05/a/1\n"
                                  "\x03ls\n"
                                  "\x0aslashless\n";
    struct answer a = respond(in, sizeof in - 1, 1);
    CHECK_EQ(a.err, PX_ERR_OK);
    CHECK_STR(a.agreed, "slashless");
    CHECK(px_view_is(px_view_of(a.out.p, a.out.n), HEAD "\x03na\n\x03na\n\x0aslashless\n"));
    pxi_buf_deinit(&a.out);
}

TEST(malformed)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
#define ROW(s) {s, sizeof s - 1}
        ROW("\x13/multistream/9.0.0\n"),
        ROW(HEAD "\x00"),
        ROW(HEAD "\x01\n"),
        ROW("\x07/noise\n"),
        ROW("\x13/multistream/1.0.0X"),
        ROW("\x14/multistream/1.0.0\n\n"),
        ROW(HEAD "\x04\xff\xfe\xfd\n"),
        ROW(HEAD "\x04/\x01z\n"),
        ROW("\x80\x80\x04"),
        ROW("\xff\xff\xff"),
        ROW(HEAD "\x85\x00/abc\n"),
        ROW(HEAD "\x81\x08"),
        ROW(HEAD "\x06/no\nx\n"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t step = 0; step < 8; step++) {
            struct answer a = respond(bad[i].bytes, bad[i].n, step);
            if (a.err != PX_ERR_PROTOCOL)
                PX_FAIL("row %zu in pieces of %zu: %s", i, step, px_err_name(a.err));
            pxi_buf_deinit(&a.out);
        }
}

TEST(garbage_is_not_waited_for)
{
    struct answer a = respond("\x13/mulX", 6, 1);
    CHECK_EQ(a.err, PX_ERR_PROTOCOL);
    a = respond("\x7f", 1, 0);
    CHECK_EQ(a.err, PX_ERR_PROTOCOL);
}

TEST(proposals_without_end)
{
    static const char *const flood[] = {"\x03na\n", "\x03ls\n", "\x05/a/1\n"};
    for (unsigned f = 0; f < 3; f++) {
        struct pxi_buf in = {.max = 65536};
        CHECK(pxi_buf_add(&in, HEAD, sizeof HEAD - 1));
        for (unsigned i = 0; i < 5000; i++)
            CHECK(pxi_buf_add(&in, flood[f], strlen(flood[f])));
        struct answer a = respond(in.p, in.n, 100);
        CHECK_EQ(a.err, PX_ERR_LIMIT);
        CHECK_EQ(a.asked, PXI_LIMIT_NET_NEGOTIATE_TRIES);
        CHECK(a.out.n <= 20 + 4 * PXI_LIMIT_NET_NEGOTIATE_TRIES);
        pxi_buf_deinit(&a.out);
        pxi_buf_deinit(&in);
    }
}

/* Both ends, in random pieces; payload follows the agreement at once. */
static void pair(struct pxi_rng *r, const char *const *names, unsigned count, const char *want)
{
    struct pxi_buf to_in = {.max = 65536}, to_out = {.max = 65536};
    CHECK(pxi_buf_add(&to_out, "x", 1)); /* it has a place from the start */
    to_out.n = 0;
    struct pxi_select a, b;
    unsigned asked = 0;
    size_t at_in = 0, at_out = 0;
    CHECK_EQ(pxi_select_open_out(&a, names, count, &to_in), PX_ERR_OK);
    pxi_select_open_in(&b, serves, &asked);
    while ((at_in < to_in.n && !b.done) || (at_out < to_out.n && !a.done)) {
        size_t n = (size_t)pxi_rng_below(r, to_in.n - at_in + 1);
        at_in += pxi_select_push(&b, px_view_of(to_in.p + at_in, n), &to_out);
        n = (size_t)pxi_rng_below(r, to_out.n - at_out + 1);
        at_out += pxi_select_push(&a, px_view_of(to_out.p + at_out, n), &to_in);
    }
    CHECK(a.done);
    CHECK_EQ(a.err, want ? PX_ERR_OK : PX_ERR_NO_PROTOCOL);
    CHECK(want ? !strcmp(a.agreed, want) && !strcmp(b.agreed, want) : !b.done);
    CHECK(at_in == to_in.n && at_out == to_out.n);
    pxi_select_close(&a);
    pxi_select_close(&b);
    pxi_buf_deinit(&to_in);
    pxi_buf_deinit(&to_out);
}

TEST(pairs)
{
    struct pxi_rng r = {px_seed};
    static const char *const none[] = {"/x", "/y", "/z"}, *const last[] = {"/x", "/y", "/noise"},
                             *const one[] = {"slashless"};
    for (unsigned i = 0; i < 500; i++) {
        pair(&r, none, 3, NULL);
        pair(&r, last, 3, "/noise");
        pair(&r, one, 1, "slashless");
    }
}

TEST(long_names_and_strange_answers)
{
    static char longest[PXI_LIMIT_NET_PROTOCOL_BYTES], longer[PXI_LIMIT_NET_PROTOCOL_BYTES + 1];
    memset(longest, 'x', sizeof longest - 1);
    memset(longer, 'x', sizeof longer - 1);
    const char *names[] = {longest}, *bad[] = {longer}, *empty[] = {""};
    struct pxi_buf out = {.max = PXI_SELECT_OUT};
    struct pxi_select s;
    CHECK_EQ(pxi_select_open_out(&s, bad, 1, &out), PX_ERR_INVALID);
    CHECK_EQ(pxi_select_open_out(&s, empty, 1, &out), PX_ERR_INVALID);
    CHECK_EQ(pxi_select_open_out(&s, names, 0, &out), PX_ERR_INVALID);
    CHECK_EQ(pxi_select_open_out(&s, names, 1, &out), PX_ERR_OK);
    struct answer a = respond(out.p, out.n, 7);
    CHECK_EQ(a.err, PX_ERR_TRUNCATED);
    CHECK_EQ(a.asked, 1);
    pxi_select_push(&s, px_view_str(HEAD "\x03no\n"), &out);
    CHECK_EQ(s.err, PX_ERR_PROTOCOL);
    CHECK_EQ(pxi_select_push(&s, px_view_str("more"), &out), 0);
    pxi_buf_deinit(&a.out);
    pxi_buf_deinit(&out);
}

TEST(memory_runs_out)
{
    static const char in[] = HEAD "\x07/noise\n";
    unsigned asked = 0;
    for (uint64_t k = 1; k < 6; k++) {
        struct pxi_select s;
        struct pxi_buf out = {.max = 4096};
        pxi_select_open_in(&s, serves, &asked);
        pxi_mem_fail_after(k);
        for (size_t i = 0; i < sizeof in - 1; i++)
            pxi_select_push(&s, px_view_of(in + i, 1), &out);
        pxi_mem_fail_after(0);
        CHECK(s.done);
        CHECK(s.err == PX_ERR_OK || s.err == PX_ERR_NOMEM);
        pxi_select_close(&s);
        pxi_buf_deinit(&out);
    }
}

TEST_MAIN()
