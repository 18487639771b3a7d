/*
 * Any bytes as lines of multistream-select, as frames of yamux, and as varints:
 * what is accepted is written back the same, and no scanner steps past the end.
 */
#include "codec/check_net.h"
#include "codec/multistream.h"
#include "codec/varint.h"
#include "codec/yamux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static void line(px_view in)
{
    px_view text;
    px_diag diag;
    int n = pxi_multistream_next(in, &text, &diag);
    MUST(n <= (int)in.n);
    if (n <= 0)
        return;
    struct pxi_buf out = {.max = 4096};
    MUST(pxi_multistream_add(&out, text));
    MUST(px_view_equal(px_view_of(out.p, out.n), px_view_of(in.p, (size_t)n)));
    pxi_buf_deinit(&out);
    for (int cut = 0; cut < n; cut++) /* a part of a good line is never refused */
        MUST(pxi_multistream_next(px_view_of(in.p, (size_t)cut), &text, &diag) == 0);
}

static void header(px_view in)
{
    struct pxi_yamux_header h;
    uint8_t out[PXI_YAMUX_HEADER];
    if (in.n < PXI_YAMUX_HEADER || pxi_yamux_get(in.p, &h, NULL) != PX_ERR_OK)
        return;
    pxi_yamux_put(out, &h);
    MUST(memcmp(out, in.p, sizeof out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_view in = px_view_of(data, size);
    px_diag diag = {.offset = 0};
    uint8_t out[PXI_VARINT_MAX];
    uint64_t v;
    line(in);
    header(in);
    int n = pxi_varint_get(in, &v);
    if (n > 0)
        MUST(pxi_varint_put(out, v) == (size_t)n && memcmp(out, data, (size_t)n) == 0);
    if (pxi_check_multistream(in, &diag) != PX_ERR_OK)
        MUST(diag.offset <= size && diag.field[0]);
    if (pxi_check_yamux(in, &diag) != PX_ERR_OK)
        MUST(diag.offset <= size && diag.field[0]);
    return 0;
}
