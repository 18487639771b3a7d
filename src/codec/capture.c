/* From records of a capture to packets of plexus. */
#include "codec/capture.h"

px_err pxi_capture_open(struct pxi_capture *c, px_view file, px_diag *d)
{
    return pxi_pcap_open(&c->pcap, file, d);
}

/* ------------------------------------------------- which kind a payload holds */

/* Bytes of the packet at the beginning, 0 when none can begin there. */
static size_t ndp_bytes(px_view in)
{
    if (in.n < pxi_ndp_bytes(0) || in.p[0] != PXI_NDP_SYNC)
        return 0;
    size_t n = pxi_ndp_bytes(pxi_ndp_packet_read(in.p).length);
    return n <= in.n ? n : 0;
}

static px_view behind(px_view in, size_t n)
{
    return px_view_of(in.p + n, in.n - n);
}

static uint16_t crc_of(const struct pxi_capture *c, px_view packet)
{
    return pxi_ndp_packet_crc(c->sums, c->variant, px_view_of(packet.p, packet.n - PXI_NDP_TAIL));
}

static uint16_t crc_in(px_view packet)
{
    return (uint16_t)pxi_ndp_be(packet.p + packet.n - PXI_NDP_TAIL, PXI_NDP_TAIL);
}

/* Packets up to the end, or a first one whose CRC is right. */
static bool like_ndp(const struct pxi_capture *c, px_view in)
{
    size_t first = ndp_bytes(in), n = first;
    px_view rest = in;
    while (n && rest.n > n) {
        rest = behind(rest, n);
        n = ndp_bytes(rest);
    }
    px_view packet = px_view_of(in.p, first);
    return n || (first && crc_of(c, packet) == crc_in(packet));
}

static bool like_gradient(px_view in)
{
    struct px_gradient_head h;
    if (in.n < PX_GRADIENT_HEAD)
        return false;
    memcpy(&h, in.p, sizeof h);
    return h.magic == PX_GRADIENT_MAGIC && h.version == PX_GRADIENT_LAYOUT;
}

static enum pxi_capture_kind kind_of(const struct pxi_capture *c, const struct pxi_frame *f)
{
    return c->kind                     ? c->kind
           : like_gradient(f->payload) ? PXI_CAPTURE_GRADIENT
           : !f->ip                    ? PXI_CAPTURE_NDP
           : like_ndp(c, f->payload)   ? PXI_CAPTURE_NDP
                                       : PXI_CAPTURE_AUTO;
}

/* ------------------------------------------------------------------ packets */

static bool gradient_good(px_view in, px_view *values, unsigned *drop)
{
    struct px_gradient_head h;
    enum px_gradient_drop why[3];
    bool good = pxi_gradient_read(in, &h, values, &why[0]) ||
                pxi_gradient_read_member(in, &h, values, &why[1]) ||
                pxi_gradient_read_partial(in, &h, values, &why[2]);
    if (good)
        return true;
    /* Each of the three finds the kinds of the others impossible. */
    *drop = PX_GRADIENT_DROP_LAYOUT;
    for (unsigned i = 0; i < 3; i++)
        if (why[i] == PX_GRADIENT_DROP_LENGTH)
            *drop = PX_GRADIENT_DROP_LENGTH;
    return false;
}

static void take_gradient(struct pxi_capture *c, struct pxi_capture_packet *p)
{
    p->bytes = c->rest;
    p->good = gradient_good(p->bytes, &p->payload, &p->drop);
    if (!p->good) {
        p->payload = px_view_of(NULL, 0);
        c->gradient_dropped[p->drop]++;
    }
    c->rest.n = 0;
}

/* A packet whose CRC is wrong may have a wrong length: what follows it then begins no packet, and
 * all the rest is dropped with one reason. */
static void take_ndp(struct pxi_capture *c, struct pxi_capture_packet *p)
{
    size_t n = ndp_bytes(c->rest);
    bool cut = !n && (!c->rest.n || c->rest.p[0] == PXI_NDP_SYNC);
    p->bytes = n ? px_view_of(c->rest.p, n) : c->rest;
    p->drop = n ? PXI_NDP_DROP_CRC : cut ? PXI_NDP_DROP_CUT : PXI_NDP_DROP_SYNC;
    p->payload = px_view_of(NULL, 0);
    p->crc = p->right = 0;
    if (n) {
        p->payload =
            px_view_of(p->bytes.p + PXI_NDP_PACKET_BYTES, n - PXI_NDP_PACKET_BYTES - PXI_NDP_TAIL);
        p->crc = crc_in(p->bytes);
        p->right = crc_of(c, p->bytes);
    }
    p->good = n && p->crc == p->right;
    if (!p->good)
        c->ndp_dropped[p->drop]++;
    c->rest = behind(c->rest, p->bytes.n);
}

/* The next record that has packets; false at the end. */
static bool next_record(struct pxi_capture *c, px_err *err, px_diag *d)
{
    struct pxi_capture_packet *p = &c->packet;
    enum pxi_frame_skip why = PXI_FRAME_OTHER;
    while (pxi_pcap_next(&c->pcap, &p->record, err, d)) {
        bool udp = pxi_frame_read(&p->record, &p->frame, &why);
        bool port =
            !c->port ||
            (udp && (!p->frame.ip || p->frame.ports[0] == c->port || p->frame.ports[1] == c->port));
        p->kind = udp && port && p->frame.payload.n ? kind_of(c, &p->frame) : PXI_CAPTURE_AUTO;
        if (udp && p->kind == PXI_CAPTURE_AUTO)
            why = p->frame.whole ? PXI_FRAME_OTHER : PXI_FRAME_CUT;
        if (p->kind != PXI_CAPTURE_AUTO) {
            p->part = 0;
            c->rest = p->frame.payload;
            return true;
        }
        c->skipped[why]++;
    }
    return false;
}

bool pxi_capture_next(struct pxi_capture *c, struct pxi_capture_packet *out, px_err *err,
                      px_diag *d)
{
    struct pxi_capture_packet *p = &c->packet;
    *err = PX_ERR_OK;
    if (c->rest.n)
        p->part++;
    else if (!next_record(c, err, d))
        return false;
    if (p->kind == PXI_CAPTURE_GRADIENT)
        take_gradient(c, p);
    else
        take_ndp(c, p);
    if (p->good) {
        c->packets[p->kind]++;
        c->bytes[p->kind] += p->bytes.n;
    }
    *out = *p;
    return true;
}
