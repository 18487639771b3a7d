/* Packets of training data: their CRCs, and the search for the next one after damage. */
#include "codec/ndp.h"

enum {
    DETECT_PACKETS = 64,
    DETECT_BYTES = 4 << 20, /* of checksums for each of the fifteen variants */
    CREDIT = 1 << 20,
    CREDIT_A_BYTE = 64,
};

static const struct {
    uint16_t init, end;
    bool reflected;
} crcs[PXI_NDP_CRCS] = {
    [PXI_NDP_CRC_CCITT_FALSE] = {0xFFFF, 0, false}, [PXI_NDP_CRC_XMODEM] = {0, 0, false},
    [PXI_NDP_CRC_AUG] = {0x1D0F, 0, false},         [PXI_NDP_CRC_KERMIT] = {0, 0, true},
    [PXI_NDP_CRC_X25] = {0xFFFF, 0xFFFF, true},
};

uint16_t pxi_ndp_packet_crc(const struct pxi_ndp_sums *sums, struct pxi_ndp_variant v,
                            px_view head_and_payload)
{
    size_t skip = v.cover == PXI_NDP_COVER_PAYLOAD ? PXI_NDP_PACKET_BYTES
                  : v.cover == PXI_NDP_COVER_BODY  ? 1
                                                   : 0;
    const uint8_t *p = head_and_payload.p + skip;
    size_t n = head_and_payload.n - skip;
    uint16_t crc = crcs[v.crc].reflected ? sums->crc16_reflected(crcs[v.crc].init, p, n)
                                         : sums->crc16(crcs[v.crc].init, p, n);
    return crc ^ crcs[v.crc].end;
}

/* Bytes of the packet whose head begins at `at`, 0 when none can. */
static size_t packet_at(px_view in, size_t at)
{
    size_t left = at < in.n ? in.n - at : 0;
    if (left < pxi_ndp_bytes(0) || in.p[at] != PXI_NDP_SYNC)
        return 0;
    size_t n = pxi_ndp_bytes(pxi_ndp_packet_read(in.p + at).length);
    return n <= left ? n : 0;
}

static bool verifies(const struct pxi_ndp_sums *sums, struct pxi_ndp_variant v, px_view packet)
{
    px_view covered = px_view_of(packet.p, packet.n - PXI_NDP_TAIL);
    return pxi_ndp_packet_crc(sums, v, covered) == pxi_ndp_be(packet.p + covered.n, PXI_NDP_TAIL);
}

/* Where the next packet could begin at or after `at`: its own bytes fit, and another one, or the
 * end, follows. in.n when there is none. */
static size_t candidate(px_view in, size_t at)
{
    for (; at < in.n; at++) {
        const uint8_t *p = memchr(in.p + at, PXI_NDP_SYNC, in.n - at);
        if (!p)
            break;
        at = (size_t)(p - in.p);
        size_t n = packet_at(in, at);
        if (n && (at + n == in.n || in.p[at + n] == PXI_NDP_SYNC))
            return at;
    }
    return in.n;
}

unsigned pxi_ndp_detect(const struct pxi_ndp_sums *sums, px_view in, struct pxi_ndp_variant *v,
                        unsigned *checked)
{
    unsigned right[PXI_NDP_CRCS][PXI_NDP_COVERS] = {{0}}, n = 0;
    uint64_t spent = 0;
    for (size_t at = candidate(in, 0); at < in.n && n < DETECT_PACKETS && spent < DETECT_BYTES;) {
        px_view packet = px_view_of(in.p + at, packet_at(in, at));
        bool any = false;
        for (unsigned k = 0; k < PXI_NDP_CRCS * PXI_NDP_COVERS; k++) {
            struct pxi_ndp_variant one = {(uint8_t)(k / PXI_NDP_COVERS),
                                          (uint8_t)(k % PXI_NDP_COVERS)};
            bool ok = verifies(sums, one, packet);
            right[one.crc][one.cover] += ok;
            any |= ok;
        }
        spent += packet.n;
        n += any;
        at = candidate(in, any ? at + packet.n : at + 1);
    }
    unsigned best = 0;
    *v = (struct pxi_ndp_variant){0};
    for (unsigned k = 0; k < PXI_NDP_CRCS * PXI_NDP_COVERS; k++)
        if (right[k / PXI_NDP_COVERS][k % PXI_NDP_COVERS] > best) {
            best = right[k / PXI_NDP_COVERS][k % PXI_NDP_COVERS];
            *v = (struct pxi_ndp_variant){(uint8_t)(k / PXI_NDP_COVERS),
                                          (uint8_t)(k % PXI_NDP_COVERS)};
        }
    *checked = n;
    return best;
}

void pxi_ndp_reader_init(struct pxi_ndp_reader *r, const struct pxi_ndp_sums *sums,
                         struct pxi_ndp_variant v, px_view in)
{
    *r = (struct pxi_ndp_reader){.sums = sums, .variant = v, .in = in, .credit = CREDIT};
}

/* Whether a packet lies at `at`. Costs credit: without any, none does. */
static bool right_at(struct pxi_ndp_reader *r, size_t at)
{
    size_t n = packet_at(r->in, at);
    if (!n || n > r->credit)
        return false;
    if (verifies(r->sums, r->variant, px_view_of(r->in.p + at, n)))
        return true;
    r->credit -= n;
    return false;
}

/* Where the next packet begins after what is wrong at r->at, and what was wrong. */
static size_t search(struct pxi_ndp_reader *r, enum pxi_ndp_drop *drop)
{
    size_t n = packet_at(r->in, r->at);
    *drop = n ? PXI_NDP_DROP_CRC : PXI_NDP_DROP_SYNC;
    if (n && (r->at + n == r->in.n || right_at(r, r->at + n)))
        return r->at + n;
    size_t at = candidate(r->in, r->at + 1);
    while (at < r->in.n && !right_at(r, at)) {
        size_t next = candidate(r->in, at + 1);
        r->credit += (next - at) * CREDIT_A_BYTE;
        at = next;
    }
    size_t left = r->in.n - r->at;
    bool head = left < PXI_NDP_PACKET_BYTES ||
                left < pxi_ndp_bytes(pxi_ndp_packet_read(r->in.p + r->at).length);
    if (!n && at == r->in.n && r->in.p[r->at] == PXI_NDP_SYNC && head)
        *drop = PXI_NDP_DROP_CUT;
    return at;
}

bool pxi_ndp_next(struct pxi_ndp_reader *r, struct pxi_ndp_piece *out)
{
    if (r->at == r->in.n)
        return false;
    size_t n = packet_at(r->in, r->at);
    *out = (struct pxi_ndp_piece){.at = r->at};
    out->packet = n && verifies(r->sums, r->variant, px_view_of(r->in.p + r->at, n));
    size_t end = out->packet ? r->at + n : search(r, &out->drop);
    out->bytes = px_view_of(r->in.p + r->at, end - r->at);
    if (out->packet) {
        out->head = pxi_ndp_packet_read(out->bytes.p);
        out->payload = px_view_of(out->bytes.p + PXI_NDP_PACKET_BYTES, out->head.length);
        r->packets++;
    } else {
        r->dropped[out->drop]++;
    }
    r->at = end;
    return true;
}

void pxi_ndp_write(const struct pxi_ndp_sums *sums, struct pxi_ndp_variant v,
                   struct pxi_ndp_packet head, px_view payload, uint8_t *out)
{
    head.sync = PXI_NDP_SYNC;
    head.length = (uint16_t)payload.n;
    if (payload.n)
        memmove(out + PXI_NDP_PACKET_BYTES, payload.p, payload.n);
    pxi_ndp_packet_write(&head, out);
    px_view covered = px_view_of(out, PXI_NDP_PACKET_BYTES + payload.n);
    pxi_ndp_put_be(out + covered.n, PXI_NDP_TAIL, pxi_ndp_packet_crc(sums, v, covered));
}
