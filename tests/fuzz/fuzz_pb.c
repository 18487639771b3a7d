/*
 * Any bytes as one of the messages of libp2p (the first byte says which): what decodes must encode,
 * and what was encoded must decode to the same again.
 */
#include "codec/check_net.h"
#include "codec/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

enum { ARENA = 4 << 20, TABLES = 21, STRUCT_MAX = 512 };

static void round_trip(const struct pxi_pb_message *m, const void *msg)
{
    _Alignas(16) uint8_t back[STRUCT_MAX];
    struct pxi_buf a = {.max = 1 << 20}, b = {.max = 1 << 20};
    struct pxi_arena arena;
    px_diag diag;
    pxi_arena_init(&arena, 0);
    MUST(pxi_pb_encode(m, msg, &a) == PX_ERR_OK);
    MUST(pxi_pb_size(m, msg) == a.n);
    MUST(pxi_pb_decode(m, px_view_of(a.p, a.n), &arena, back, &diag) == PX_ERR_OK);
    MUST(pxi_pb_encode(m, back, &b) == PX_ERR_OK);
    MUST(px_view_equal(px_view_of(a.p, a.n), px_view_of(b.p, b.n)));
    pxi_buf_deinit(&a);
    pxi_buf_deinit(&b);
    pxi_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _Alignas(16) uint8_t msg[STRUCT_MAX];
    struct pxi_arena arena;
    px_diag diag = {.offset = 0};
    if (size < 1)
        return 0;
    const struct pxi_pb_message *m = pxi_pb_table(data[0] % TABLES);
    px_view in = px_view_of(data + 1, size - 1);
    MUST(m->size <= sizeof msg);
    pxi_arena_init(&arena, ARENA);
    if (pxi_pb_decode(m, in, &arena, msg, &diag) == PX_ERR_OK)
        round_trip(m, msg);
    else
        MUST(diag.offset <= in.n && diag.field[0]);
    pxi_arena_deinit(&arena);
    (void)pxi_check_kad(in, &diag);
    (void)pxi_check_noise_payload(in, &diag);
    return 0;
}
