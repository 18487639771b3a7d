/* Any bytes as one MessagePack value: a yes stays a yes alone, and is a no with a byte behind it or
 * with its last byte cut off. */
#include "codec/msgpack.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_diag diag = {.offset = 0};
    px_err err = pxi_msgpack_check(px_view_of(data, size), &diag);
    if (err != PX_ERR_OK) {
        MUST(diag.offset <= size && diag.field[0]);
        return 0;
    }
    MUST(pxi_msgpack_check(px_view_of(data, size - 1), NULL) != PX_ERR_OK);
    uint8_t *more = pxi_calloc(size + 1, 1);
    MUST(more);
    memcpy(more, data, size);
    MUST(pxi_msgpack_check(px_view_of(more, size + 1), NULL) != PX_ERR_OK);
    pxi_free(more);
    return 0;
}
