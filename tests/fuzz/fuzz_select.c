/*
 * Any bytes into a multistream-select machine of either role, in pieces that the input chooses.
 * Pieces must not change the outcome, and the answers stay bounded.
 */
#include "net/select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static const char *const NAMES[] = {"/noise", "/tls/1.0.0", "x"};

static const char *serves(void *ctx, px_view name)
{
    (void)ctx;
    for (unsigned i = 0; i < 3; i++)
        if (px_view_is(name, NAMES[i]))
            return NAMES[i];
    return NULL;
}

struct outcome {
    bool done;
    px_err err;
    const char *agreed;
    size_t taken;
    struct pxi_buf out;
};

static struct outcome play(bool outbound, px_view in, size_t step)
{
    struct outcome o = {.out.max = 1 << 16};
    struct pxi_select s;
    if (outbound)
        MUST(pxi_select_open_out(&s, NAMES, 3, &o.out) == PX_ERR_OK);
    else
        pxi_select_open_in(&s, serves, NULL);
    while (o.taken < in.n && !s.done) {
        size_t left = in.n - o.taken, n = step < left ? step : left;
        size_t took = pxi_select_push(&s, px_view_of(in.p + o.taken, n), &o.out);
        MUST(took == n || s.done);
        o.taken += took;
    }
    o.done = s.done;
    o.err = s.err;
    o.agreed = s.agreed;
    pxi_select_close(&s);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    px_view in = px_view_of(data + 2, size - 2);
    struct outcome a = play(data[0] & 1, in, in.n ? in.n : 1);
    struct outcome b = play(data[0] & 1, in, data[1] % 40 + 1);
    MUST(a.done == b.done && a.err == b.err && a.agreed == b.agreed);
    MUST(!a.agreed || a.taken == b.taken);
    MUST(a.out.n == b.out.n && (!a.out.n || !memcmp(a.out.p, b.out.p, a.out.n)));
    MUST(a.out.n <= 64 + 4 * PXI_LIMIT_NET_NEGOTIATE_TRIES);
    pxi_buf_deinit(&a.out);
    pxi_buf_deinit(&b.out);
    return 0;
}
