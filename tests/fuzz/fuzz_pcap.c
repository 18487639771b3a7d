/*
 * Any bytes as a capture, pcap or pcapng, and what is in its records. The first byte says how
 * packets are looked for.
 */
#include <stdlib.h>

#include "codec/capture.h"
#include "data/check.h"
#include "kernel/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pxi_ndp_sums sums;

static void need(bool good)
{
    if (!good)
        abort();
}

static void within(px_view part, px_view whole)
{
    need(!part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

/* Records follow each other and lie in the file. */
static void records(px_view in)
{
    static struct pxi_pcap p;
    struct pxi_pcap_record r;
    px_diag d = {0};
    px_err err = pxi_pcap_open(&p, in, &d);
    uint64_t last = 0, number = 0;
    while (!err && pxi_pcap_next(&p, &r, &err, &d)) {
        within(r.bytes, in);
        need(r.at >= last && r.at + r.bytes.n <= in.n && r.number == ++number);
        last = r.at + r.bytes.n;
    }
    need(!err || (d.field[0] && d.expected[0] && d.offset <= in.n));
}

static void packets(px_view in, uint8_t how)
{
    static struct pxi_capture c;
    struct pxi_capture_packet p;
    px_diag d;
    uint64_t record = 0;
    size_t seen = 0, all = 0;
    c = (struct pxi_capture){.sums = &sums,
                             .variant = {how / 16 % PXI_NDP_CRCS, how / 16 % PXI_NDP_COVERS},
                             .kind = how % PXI_CAPTURE_KINDS,
                             .port = how & 8 ? 7000 : 0};
    px_err err = pxi_capture_open(&c, in, &d);
    while (!err && pxi_capture_next(&c, &p, &err, &d)) {
        within(p.bytes, in);
        within(p.payload, p.bytes);
        need(p.kind == PXI_CAPTURE_NDP || p.kind == PXI_CAPTURE_GRADIENT);
        if (p.record.number != record) {
            need(seen == all && p.part == 0);
            record = p.record.number;
            all = p.frame.payload.n;
            seen = 0;
        }
        seen += p.bytes.n;
        need(p.bytes.n && seen <= all);
        need(p.good ||
             p.drop < (p.kind == PXI_CAPTURE_NDP ? PXI_NDP_DROPS : PX_GRADIENT_DROP_LENGTH + 1));
    }
    need(seen == all); /* every byte of a payload is somebody's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sums.crc16) {
        struct pxi_kernels k;
        pxi_kernels_init(&k, pxi_cpu_detect());
        sums = pxi_data_sums(&k);
    }
    if (!size)
        return 0;
    records(px_view_of(data + 1, size - 1));
    packets(px_view_of(data + 1, size - 1), data[0]);
    return 0;
}
