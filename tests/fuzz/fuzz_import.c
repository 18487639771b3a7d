/* Any bytes as tokens of other tools: the first byte says of which, the next two where the index
 * ends and the tokens begin. Every document that is given lies within the tokens. */
#include <stdlib.h>

#include "data/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static px_err take(void *ctx, const int32_t *tokens, size_t n, bool more)
{
    uint64_t *left = ctx;
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += tokens[i];
    (void)sum;
    /* Overlapping documents may repeat tokens for ever. */
    if (*left < n + 1)
        return PX_ERR_LIMIT;
    *left -= n + 1;
    return PX_ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pxi_import m;
    uint64_t left = 1 << 20;
    struct pxi_import_sink sink = {.tokens = take, .ctx = &left};
    px_diag d;
    if (size < 3)
        return 0;
    size_t n = size - 3, index = (size_t)(data[1] | data[2] << 8) % (n + 1);
    px_view tokens = px_view_of(data + 3 + index, n - index), head = px_view_of(data + 3, index);
    if (pxi_import_open(data[0] % 3, tokens, head, &m, &d) == PX_ERR_OK)
        (void)pxi_import_read(&m, data[0] & 4 ? 7 : -1, &sink, &d);
    return 0;
}
