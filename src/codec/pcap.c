/* Files of pcap, and the choice between them and pcapng. */
#include "codec/pcap.h"

#include "base/diag.h"

enum { MICRO = 0xA1B2C3D4, NANO = 0xA1B23C4D };

static uint32_t number32(const uint8_t *b, bool big)
{
    struct pxi_pcap order = {.big = big};
    return (uint32_t)pxi_pcap_number(&order, b, 4);
}

static px_err open_pcap(struct pxi_pcap *p, px_diag *d)
{
    const uint8_t *b = p->in.p;
    pxi_diag_field(d, "pcap");
    if (p->in.n < PXI_PCAP_HEAD)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, p->in.n, "a head of 24 bytes", "%zu", p->in.n);
    unsigned major = (unsigned)pxi_pcap_number(p, b + 4, 2);
    unsigned minor = (unsigned)pxi_pcap_number(p, b + 6, 2);
    pxi_diag_field(d, "pcap.version");
    if (major != 2 || minor < 3 || minor > 4)
        return pxi_diag_set(d, PX_ERR_VERSION, 4, "version 2.4", "%u.%u", major, minor);
    p->link = number32(b + 20, p->big) & 0xFFFF; /* above it: the bytes of a frame's check */
    p->at = PXI_PCAP_HEAD;
    return PX_ERR_OK;
}

px_err pxi_pcap_open(struct pxi_pcap *p, px_view in, px_diag *d)
{
    *p = (struct pxi_pcap){.in = in};
    pxi_diag_field(d, "capture");
    if (in.n < 4)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, in.n, "a file of pcap or pcapng", "%zu bytes",
                            in.n);
    if (number32(in.p, false) == PXI_PCAPNG_SECTION) {
        p->ng = true;
        return pxi_pcapng_open(p, d);
    }
    for (unsigned big = 0; big < 2; big++) {
        uint32_t magic = number32(in.p, big);
        if (magic != MICRO && magic != NANO)
            continue;
        p->big = big;
        p->nano = magic == NANO;
        return open_pcap(p, d);
    }
    return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "a file of pcap or pcapng",
                        "bytes %02x %02x %02x %02x", in.p[0], in.p[1], in.p[2], in.p[3]);
}

static bool next_pcap(struct pxi_pcap *p, struct pxi_pcap_record *out, px_err *err, px_diag *d)
{
    const uint8_t *b = p->in.p + p->at;
    size_t left = p->in.n - p->at;
    if (!left)
        return false;
    pxi_diag_field(d, "record %llu", (unsigned long long)p->records + 1);
    if (left < PXI_PCAP_RECORD) {
        *err = pxi_diag_set(d, PX_ERR_TRUNCATED, p->at, "a head of 16 bytes", "%zu", left);
        return false;
    }
    uint64_t s = pxi_pcap_number(p, b, 4), part = pxi_pcap_number(p, b + 4, 4);
    uint64_t n = pxi_pcap_number(p, b + 8, 4), length = pxi_pcap_number(p, b + 12, 4);
    if (n > PXI_LIMIT_CAPTURE_RECORD) {
        *err = pxi_diag_set(d, PX_ERR_CORRUPT, p->at + 8, "at most 262144 bytes", "%llu",
                            (unsigned long long)n);
        return false;
    }
    if (n > left - PXI_PCAP_RECORD) {
        *err = pxi_diag_set(d, PX_ERR_TRUNCATED, p->at + 8, "bytes that follow", "%llu of %llu",
                            (unsigned long long)(left - PXI_PCAP_RECORD), (unsigned long long)n);
        return false;
    }
    *out =
        (struct pxi_pcap_record){.number = ++p->records,
                                 .at = p->at + PXI_PCAP_RECORD,
                                 .time_ns = (int64_t)(s * 1000000000 + part * (p->nano ? 1 : 1000)),
                                 .length = (uint32_t)length,
                                 .link = p->link,
                                 .bytes = px_view_of(b + PXI_PCAP_RECORD, (size_t)n)};
    p->at += PXI_PCAP_RECORD + (size_t)n;
    return true;
}

bool pxi_pcap_next(struct pxi_pcap *p, struct pxi_pcap_record *out, px_err *err, px_diag *d)
{
    *err = PX_ERR_OK;
    return p->ng ? pxi_pcapng_next(p, out, err, d) : next_pcap(p, out, err, d);
}

/* ------------------------------------------------------------------ writing */

static void put32(uint8_t *out, uint32_t x)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(x >> 8 * i);
}

void pxi_pcap_head(uint8_t out[PXI_PCAP_HEAD], enum pxi_link link)
{
    memset(out, 0, PXI_PCAP_HEAD);
    put32(out, MICRO);
    put32(out + 4, 2 | 4 << 16);
    put32(out + 16, PXI_LIMIT_CAPTURE_RECORD);
    put32(out + 20, link);
}

void pxi_pcap_record_head(uint8_t out[PXI_PCAP_RECORD], uint64_t time_us, uint32_t n)
{
    put32(out, (uint32_t)(time_us / 1000000));
    put32(out + 4, (uint32_t)(time_us % 1000000));
    put32(out + 8, n);
    put32(out + 12, n);
}
