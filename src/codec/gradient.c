#include "codec/gradient.h"

#include <string.h>

_Static_assert(sizeof(struct px_gradient_head) == PX_GRADIENT_HEAD, "the head has no padding");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packets are read as they lie");

size_t pxi_gradient_bytes(unsigned format, size_t count)
{
    return format == PX_GRADIENT_I16  ? 2 * count
           : format == PX_GRADIENT_I8 ? count
           : format == PX_GRADIENT_I4 ? count / 2
                                      : 4 * count;
}

size_t pxi_gradient_result_bytes(unsigned format, size_t count)
{
    return pxi_gradient_bytes(format == PX_GRADIENT_I4 ? PX_GRADIENT_I8 : format, count);
}

size_t pxi_gradient_lane_bytes(unsigned format, size_t count)
{
    return (format == PX_GRADIENT_I32 ? 4 : 2) * count;
}

size_t pxi_gradient_half(size_t values)
{
    return (values / 2 + PXI_GRADIENT_STEP - 1) & ~(size_t)(PXI_GRADIENT_STEP - 1);
}

size_t pxi_gradient_most(size_t values)
{
    return 4 * pxi_gradient_half(values);
}

uint32_t pxi_gradient_bias(unsigned format, unsigned fan_in)
{
    return format == PX_GRADIENT_I16  ? 32768u / fan_in
           : format == PX_GRADIENT_I8 ? 128
           : format == PX_GRADIENT_I4 ? 8
                                      : 0x80000000u / (fan_in < 2 ? 2 : fan_in);
}

static unsigned log2_up(unsigned n)
{
    return n < 2 ? 0 : 32 - (unsigned)__builtin_clz(n - 1);
}

unsigned pxi_gradient_shift(unsigned format, unsigned fan_in)
{
    unsigned log2 = log2_up(fan_in);
    return format == PX_GRADIENT_I8 ? log2 : format == PX_GRADIENT_I4 && log2 > 4 ? log2 - 4 : 0;
}

unsigned pxi_gradient_bits(unsigned format, unsigned fan_in)
{
    return 31 - (unsigned)__builtin_clz(pxi_gradient_bias(format, fan_in));
}

/* Lanes of 16 or 32 bits in a word: what is at the limit or above gets its top bit. */
bool pxi_gradient_bounded(unsigned format, unsigned fan_in, px_view values)
{
    unsigned bits = format == PX_GRADIENT_I32 ? 32 : 16;
    uint64_t limit = 2 * (uint64_t)pxi_gradient_bias(format, fan_in), top = UINT64_C(1)
                                                                            << (bits - 1);
    uint64_t ones = bits == 16 ? UINT64_C(0x0001000100010001) : UINT64_C(0x0000000100000001);
    uint64_t room = (top - limit) * ones, beyond = 0, word;
    if (format == PX_GRADIENT_I8 || format == PX_GRADIENT_I4 || limit > top)
        return true; /* every value is one */
    for (size_t i = 0; i + 8 <= values.n; i += 8) {
        memcpy(&word, values.p + i, sizeof word);
        beyond |= word | (word + room);
    }
    return !(beyond & (top * ones));
}

/* The largest lane of 16 or 32 bits. */
static uint16_t largest16(const uint8_t *p, size_t n)
{
    uint16_t most = 0, lane;
    for (size_t i = 0; i < n; i++) {
        memcpy(&lane, p + 2 * i, sizeof lane);
        most = lane > most ? lane : most;
    }
    return most;
}

static uint32_t largest32(const uint8_t *p, size_t n)
{
    uint32_t most = 0, lane;
    for (size_t i = 0; i < n; i++) {
        memcpy(&lane, p + 4 * i, sizeof lane);
        most = lane > most ? lane : most;
    }
    return most;
}

bool pxi_gradient_lanes_bounded(unsigned format, unsigned fan_in, unsigned workers, px_view lanes)
{
    uint64_t limit = 2 * (uint64_t)pxi_gradient_bias(format, fan_in) * workers;
    uint32_t most = format == PX_GRADIENT_I32 ? largest32(lanes.p, lanes.n / 4)
                                              : largest16(lanes.p, lanes.n / 2);
    return !lanes.n || most < limit;
}

static bool possible(const struct px_gradient_head *h)
{
    return h->magic == PX_GRADIENT_MAGIC && h->version == PX_GRADIENT_LAYOUT &&
           h->format <= PX_GRADIENT_I32 && h->count % PXI_GRADIENT_STEP == 0 &&
           (h->kind != PX_GRADIENT_LATE || h->count == 0);
}

/* Bytes of the values of a packet. */
static size_t bytes_of(const struct px_gradient_head *h)
{
    return h->kind == PX_GRADIENT_CONTRIBUTION ? pxi_gradient_bytes(h->format, h->count)
           : h->kind == PX_GRADIENT_PARTIAL    ? pxi_gradient_lane_bytes(h->format, h->count)
                                               : pxi_gradient_result_bytes(h->format, h->count);
}

/* A packet of the kinds from `first` to `last`. */
static bool read_kinds(px_view datagram, unsigned first, unsigned last,
                       struct px_gradient_head *out, px_view *values, enum px_gradient_drop *drop)
{
    *drop = PX_GRADIENT_DROP_LENGTH;
    if (datagram.n < PX_GRADIENT_HEAD)
        return false;
    memcpy(out, datagram.p, sizeof *out);
    *values = px_view_of(datagram.p + PX_GRADIENT_HEAD, datagram.n - PX_GRADIENT_HEAD);
    *drop = PX_GRADIENT_DROP_LAYOUT;
    if (!possible(out) || out->kind < first || out->kind > last)
        return false;
    *drop = PX_GRADIENT_DROP_LENGTH;
    return out->count <= PXI_GRADIENT_VALUES && values->n == bytes_of(out);
}

bool pxi_gradient_read(px_view datagram, struct px_gradient_head *out, px_view *values,
                       enum px_gradient_drop *drop)
{
    return read_kinds(datagram, PX_GRADIENT_CONTRIBUTION, PX_GRADIENT_LATE, out, values, drop);
}

bool pxi_gradient_read_member(px_view datagram, struct px_gradient_head *out, px_view *values,
                              enum px_gradient_drop *drop)
{
    return read_kinds(datagram, PX_GRADIENT_VIEW, PX_GRADIENT_ECHO, out, values, drop);
}

bool pxi_gradient_read_partial(px_view datagram, struct px_gradient_head *out, px_view *lanes,
                               enum px_gradient_drop *drop)
{
    return read_kinds(datagram, PX_GRADIENT_PARTIAL, PX_GRADIENT_PARTIAL, out, lanes, drop);
}

void pxi_gradient_write(const struct px_gradient_head *h, uint8_t *out)
{
    struct px_gradient_head head = *h;
    head.magic = PX_GRADIENT_MAGIC;
    head.version = PX_GRADIENT_LAYOUT;
    memcpy(out, &head, sizeof head);
}
