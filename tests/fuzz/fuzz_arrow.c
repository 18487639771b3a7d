/* Any bytes as an Arrow file, whose compressed buffers unpack to something of the size that they
 * say. What is handed out lies within the bytes, or the buffers. */
#include <stdlib.h>

#include "data/import_arrow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static px_err take(void *ctx, const int32_t *tokens, size_t n, bool more)
{
    uint64_t *left = ctx;
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += tokens[i];
    *left -= *left ? 1 : 0; /* rows may overlap, and repeat values for ever */
    return *left > n && sum != INT64_MAX ? PX_ERR_OK : PX_ERR_LIMIT;
}

static px_err take_text(void *ctx, px_view text)
{
    uint64_t *left = ctx, sum = 0;
    for (size_t i = 0; i < text.n; i++)
        sum += text.p[i];
    *left -= *left ? 1 : 0;
    return *left > text.n && sum != UINT64_MAX ? PX_ERR_OK : PX_ERR_LIMIT;
}

static px_err unpack(void *ctx, const char *codec, px_view in, uint8_t *out, size_t n, px_diag *d)
{
    if (n > 1 << 16)
        return PX_ERR_LIMIT;
    for (size_t i = 0; i < n; i++)
        out[i] = in.n ? in.p[i % in.n] : 0;
    return PX_ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"", "input_ids", "text", "meta"};
    uint64_t left = 1 << 16, empty = 0;
    struct pxi_import_sink sink = {take, take_text, unpack, &left};
    struct pxi_arrow a;
    px_diag d;
    if (!size)
        return 0;
    struct pxi_import_column c = {.name = px_view_str(names[data[size - 1] % 4])};
    if (pxi_arrow_open(px_view_of(data, size), &c, &a, &d) == PX_ERR_OK)
        (void)pxi_arrow_read(&a, &sink, &empty, &d);
    return 0;
}
