#include "net/natpmp.h"

enum { DAY_S = 86400, ANSWER = 128 };

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

size_t pxi_natpmp_request(uint8_t out[PXI_NATPMP_REQUEST], enum pxi_natpmp_op op, uint16_t inside,
                          uint16_t outside, uint32_t lifetime_s)
{
    memset(out, 0, PXI_NATPMP_REQUEST);
    out[1] = (uint8_t)op;
    if (op == PXI_NATPMP_ADDRESS)
        return 2;
    put16(out + 4, inside);
    put16(out + 6, outside);
    put16(out + 8, (uint16_t)(lifetime_s >> 16));
    put16(out + 10, (uint16_t)lifetime_s);
    return PXI_NATPMP_REQUEST;
}

px_err pxi_natpmp_read(px_view in, struct pxi_natpmp_answer *out)
{
    memset(out, 0, sizeof *out);
    if (in.n < 8 || in.p[0] != 0 || in.p[1] < ANSWER || in.p[1] > ANSWER + PXI_NATPMP_TCP)
        return PX_ERR_CORRUPT;
    out->op = (enum pxi_natpmp_op)(in.p[1] - ANSWER);
    out->result = get16(in.p + 2);
    out->epoch_s = get32(in.p + 4);
    if (out->result)
        return PX_ERR_OK;
    if (in.n < (out->op == PXI_NATPMP_ADDRESS ? 12u : PXI_NATPMP_RESPONSE))
        return PX_ERR_CORRUPT;
    if (out->op == PXI_NATPMP_ADDRESS) {
        memcpy(out->ip, in.p + 8, 4);
        return PX_ERR_OK;
    }
    out->inside = get16(in.p + 8);
    out->outside = get16(in.p + 10);
    out->lifetime_s = get32(in.p + 12);
    if (out->lifetime_s > DAY_S)
        out->lifetime_s = DAY_S;
    return PX_ERR_OK;
}
