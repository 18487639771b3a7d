/* Varints of the multiformats. */
#include "codec/varint.h"

size_t pxi_varint_put(uint8_t out[PXI_VARINT_MAX], uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

size_t pxi_varint_size(uint64_t v)
{
    unsigned bits = v ? 64 - (unsigned)__builtin_clzll(v) : 1;
    return (bits + 6) / 7;
}

int pxi_varint_get(px_view in, uint64_t *v)
{
    enum { LONGEST = 9 };
    uint64_t x = 0;
    for (unsigned i = 0; i < LONGEST && i < in.n; i++) {
        x |= (uint64_t)(in.p[i] & 0x7f) << (7 * i);
        if (in.p[i] & 0x80)
            continue;
        if (i && in.p[i] == 0)
            return -1;
        *v = x;
        return (int)i + 1;
    }
    return in.n < LONGEST ? 0 : -1;
}
