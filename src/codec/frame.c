/* Frames: link, network, UDP. */
#include "codec/frame.h"

enum {
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86DD,
    TYPE_VLAN = 0x8100,
    TYPE_VLAN_OUTER = 0x88A8,
    TYPE_VLAN_OLD = 0x9100,
    VLANS = 4, /* tags that are looked behind */
    UDP = 17,
    HOP_BY_HOP = 0,
    ROUTING = 43,
    FRAGMENT = 44,
    DESTINATION = 60,
    EXTENSIONS = 8, /* headers of IPv6 that are looked behind */
};

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* What remains of a frame, and of it after what was left out by the capture. */
struct rest {
    px_view bytes;
    size_t length; /* >= bytes.n: as it was sent */
};

static bool no(enum pxi_frame_skip *skip, enum pxi_frame_skip why)
{
    *skip = why;
    return false;
}

/* Step over n bytes. */
static bool step(struct rest *r, size_t n, enum pxi_frame_skip *skip)
{
    if (n > r->bytes.n)
        return no(skip, n > r->length ? PXI_FRAME_LENGTH : PXI_FRAME_CUT);
    r->bytes = px_view_of(r->bytes.p + n, r->bytes.n - n);
    r->length -= n;
    return true;
}

/* What comes later, such as the padding of short frames, does not belong to it. */
static bool shorten(struct rest *r, size_t n, enum pxi_frame_skip *skip)
{
    if (n > r->length)
        return no(skip, PXI_FRAME_LENGTH);
    r->length = n;
    if (r->bytes.n > n)
        r->bytes.n = n;
    return true;
}

static bool read_udp(struct rest *r, struct pxi_frame *out, enum pxi_frame_skip *skip)
{
    const uint8_t *p = r->bytes.p;
    if (!step(r, 8, skip))
        return false;
    size_t n = be16(p + 4);
    out->ports[0] = (uint16_t)be16(p);
    out->ports[1] = (uint16_t)be16(p + 2);
    if (n < 8 || !shorten(r, n - 8, skip))
        return no(skip, PXI_FRAME_LENGTH);
    out->payload = r->bytes;
    out->whole = r->bytes.n == r->length;
    return true;
}

static bool read_ipv4(struct rest *r, struct pxi_frame *out, enum pxi_frame_skip *skip)
{
    struct rest ip = *r;
    const uint8_t *p = r->bytes.p;
    if (!step(r, 20, skip))
        return false;
    size_t head = (size_t)(p[0] & 15) * 4, all = be16(p + 2);
    if (p[0] >> 4 != 4 || head < 20)
        return no(skip, PXI_FRAME_LENGTH);
    if (!all) /* not filled in yet when it was captured: the device cuts what is sent */
        all = ip.length;
    if (all < head || !shorten(&ip, all, skip))
        return no(skip, PXI_FRAME_LENGTH);
    out->ip = 4;
    out->src = px_view_of(p + 12, 4);
    out->dst = px_view_of(p + 16, 4);
    if (!step(&ip, head, skip))
        return false;
    if (p[9] != UDP)
        return no(skip, PXI_FRAME_OTHER);
    if (be16(p + 6) & 0x3FFF) /* more to come, or not the first */
        return no(skip, PXI_FRAME_FRAGMENT);
    *r = ip;
    return read_udp(r, out, skip);
}

static bool read_ipv6(struct rest *r, struct pxi_frame *out, enum pxi_frame_skip *skip)
{
    const uint8_t *p = r->bytes.p;
    if (!step(r, 40, skip))
        return false;
    if (p[0] >> 4 != 6 || !shorten(r, be16(p + 4), skip))
        return no(skip, PXI_FRAME_LENGTH);
    out->ip = 6;
    out->src = px_view_of(p + 8, 16);
    out->dst = px_view_of(p + 24, 16);
    unsigned next = p[6];
    for (unsigned i = 0; next != UDP && i < EXTENSIONS; i++) {
        const uint8_t *x = r->bytes.p;
        if (next != HOP_BY_HOP && next != ROUTING && next != FRAGMENT && next != DESTINATION)
            break;
        if (!step(r, 8, skip))
            return false;
        if (next == FRAGMENT && be16(x + 2) & 0xFFF9)
            return no(skip, PXI_FRAME_FRAGMENT);
        if (next != FRAGMENT && !step(r, (size_t)x[1] * 8, skip))
            return false;
        next = x[0];
    }
    return next == UDP ? read_udp(r, out, skip) : no(skip, PXI_FRAME_OTHER);
}

static bool read_network(unsigned type, struct rest *r, struct pxi_frame *out,
                         enum pxi_frame_skip *skip)
{
    for (unsigned i = 0; i < VLANS; i++) {
        if (type != TYPE_VLAN && type != TYPE_VLAN_OUTER && type != TYPE_VLAN_OLD)
            break;
        const uint8_t *p = r->bytes.p;
        if (!step(r, 4, skip))
            return false;
        type = be16(p + 2);
    }
    return type == TYPE_IPV4   ? read_ipv4(r, out, skip)
           : type == TYPE_IPV6 ? read_ipv6(r, out, skip)
                               : no(skip, PXI_FRAME_OTHER);
}

/* IP by the version in its first byte. */
static bool read_ip(struct rest *r, struct pxi_frame *out, enum pxi_frame_skip *skip)
{
    if (!r->bytes.n)
        return no(skip, r->length ? PXI_FRAME_CUT : PXI_FRAME_LENGTH);
    unsigned version = r->bytes.p[0] >> 4;
    return version == 4   ? read_ipv4(r, out, skip)
           : version == 6 ? read_ipv6(r, out, skip)
                          : no(skip, PXI_FRAME_OTHER);
}

bool pxi_frame_read(const struct pxi_pcap_record *r, struct pxi_frame *out,
                    enum pxi_frame_skip *skip)
{
    struct rest rest = {r->bytes, r->length < r->bytes.n ? r->bytes.n : r->length};
    const uint8_t *p = r->bytes.p;
    *out = (struct pxi_frame){0};
    switch (r->link) {
    case PXI_LINK_USER0:
        out->payload = r->bytes;
        out->whole = rest.length == r->bytes.n;
        return true;
    case PXI_LINK_ETHERNET:
        return step(&rest, 14, skip) && read_network(be16(p + 12), &rest, out, skip);
    case PXI_LINK_SLL: return step(&rest, 16, skip) && read_network(be16(p + 14), &rest, out, skip);
    case PXI_LINK_SLL2: return step(&rest, 20, skip) && read_network(be16(p), &rest, out, skip);
    case PXI_LINK_NULL:
    case PXI_LINK_LOOP: return step(&rest, 4, skip) && read_ip(&rest, out, skip);
    case PXI_LINK_RAW:
    case PXI_LINK_IPV4:
    case PXI_LINK_IPV6: return read_ip(&rest, out, skip);
    default: return no(skip, PXI_FRAME_LINK);
    }
}
