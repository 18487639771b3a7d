/*
 * Any bytes as JSON and as training lines. The verdict on JSON must be that of jansson, an
 * independent reader, wherever the two mean to accept the same language.
 */
#include <jansson.h>

#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static void compare(px_view in, px_err ours)
{
    json_error_t error;
    json_t *v = json_loadb((const char *)in.p, in.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    enum json_error_code code = v ? json_error_unknown : json_error_code(&error);
    json_decref(v);
    if (v && !memchr(in.p, 0, in.n)) /* jansson takes a NUL after the value for the end */
        MUST(ours == PX_ERR_OK || ours == PX_ERR_LIMIT);
    if (!v) /* jansson refuses numbers that no C type holds */
        MUST(ours != PX_ERR_OK || code == json_error_numeric_overflow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_diag diag;
    px_view in = px_view_of(data, size);
    px_err err = pxi_json_check(in, &diag);
    MUST(err == PX_ERR_OK || diag.offset <= size);
    if (size)
        compare(in, err);
    err = pxi_jsonl_check(in, &diag);
    MUST(err == PX_ERR_OK || diag.offset <= size);
    return 0;
}
