/* Headers of yamux frames. */
#include "codec/yamux.h"

#include "base/diag.h"

static uint32_t be(const uint8_t *p, unsigned bytes)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void put_be(uint8_t *p, unsigned bytes, uint32_t v)
{
    for (unsigned i = bytes; i > 0; i--, v >>= 8)
        p[i - 1] = (uint8_t)v;
}

void pxi_yamux_put(uint8_t out[PXI_YAMUX_HEADER], const struct pxi_yamux_header *h)
{
    out[0] = 0;
    out[1] = h->type;
    put_be(out + 2, 2, h->flags);
    put_be(out + 4, 4, h->stream);
    put_be(out + 8, 4, h->length);
}

static px_err wrong(px_diag *d, px_err err, unsigned at, const char *field, const char *expected,
                    uint32_t found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, err, at, expected, "%u", found);
}

/* Reasons of yamux, and codes of libp2p and of applications (error-codes specification). */
static bool reason_ok(uint32_t reason)
{
    return reason <= PXI_YAMUX_INTERNAL || (reason >= 0x1000 && reason <= INT32_MAX);
}

px_err pxi_yamux_get(const uint8_t in[PXI_YAMUX_HEADER], struct pxi_yamux_header *h, px_diag *d)
{
    enum { FLAGS = PXI_YAMUX_SYN | PXI_YAMUX_ACK | PXI_YAMUX_FIN | PXI_YAMUX_RST };
    *h = (struct pxi_yamux_header){in[1], (uint16_t)be(in + 2, 2), be(in + 4, 4), be(in + 8, 4)};
    if (in[0] != 0)
        return wrong(d, PX_ERR_VERSION, 0, "version", "0", in[0]);
    if (h->type > PXI_YAMUX_GO_AWAY)
        return wrong(d, PX_ERR_CORRUPT, 1, "type", "0 to 3", h->type);
    if (h->flags & ~FLAGS)
        return wrong(d, PX_ERR_CORRUPT, 2, "flags", "SYN 1, ACK 2, FIN 4, RST 8", h->flags);
    bool session = h->type == PXI_YAMUX_PING || h->type == PXI_YAMUX_GO_AWAY;
    if (session && h->stream != 0)
        return wrong(d, PX_ERR_CORRUPT, 4, "stream", "0, the session", h->stream);
    if (!session && h->stream == 0)
        return wrong(d, PX_ERR_CORRUPT, 4, "stream", "a stream, not 0", 0);
    if (h->type == PXI_YAMUX_GO_AWAY && !reason_ok(h->length))
        return wrong(d, PX_ERR_CORRUPT, 8, "reason", "0 to 2, or a libp2p error code", h->length);
    return PX_ERR_OK;
}
