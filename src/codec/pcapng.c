/* Files of pcapng (draft-ietf-opsawg-pcapng): sections of blocks, in either byte order. Blocks that
 * hold no packet are passed over. */
#include "base/diag.h"
#include "codec/pcap.h"

enum {
    BYTE_ORDER_MAGIC = 0x1A2B3C4D,
    BLOCK = 12,   /* bytes of a block around its body */
    SECTION = 28, /* of the shortest section header */
    INTERFACE = 1,
    PACKET = 2, /* obsolete, but there are files with it */
    SIMPLE = 3,
    ENHANCED = 6,
    OPTION_END = 0,
    OPTION_RESOLUTION = 9,
    OPTION_OFFSET = 14,
};

struct block {
    uint32_t type;
    size_t at; /* of its first byte */
    px_view body;
};

static px_err wrong(px_diag *d, uint64_t at, const char *expected, uint64_t found)
{
    return pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%llu", (unsigned long long)found);
}

/* A section settles the byte order of what follows; interfaces are described anew. */
static px_err begin_section(struct pxi_pcap *p, px_diag *d)
{
    const uint8_t *b = p->in.p + p->at;
    size_t left = p->in.n - p->at;
    pxi_diag_field(d, "section");
    if (left < SECTION)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, p->at, "a section of 28 bytes", "%zu", left);
    for (unsigned big = 0; big < 2; big++) {
        p->big = big;
        if (pxi_pcap_number(p, b + 8, 4) == BYTE_ORDER_MAGIC)
            break;
        if (big)
            return wrong(d, p->at + 8, "the byte order 1A2B3C4D", pxi_pcap_number(p, b + 8, 4));
    }
    unsigned major = (unsigned)pxi_pcap_number(p, b + 12, 2);
    if (major != 1)
        return pxi_diag_set(d, PX_ERR_VERSION, p->at + 12, "version 1", "%u", major);
    p->interfaces = 0;
    return PX_ERR_OK;
}

/* The block at p->at, which moves behind it. */
static px_err next_block(struct pxi_pcap *p, struct block *out, px_diag *d)
{
    const uint8_t *b = p->in.p + p->at;
    size_t left = p->in.n - p->at;
    pxi_diag_field(d, "block");
    if (left < BLOCK)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, p->at, "a block of 12 bytes", "%zu", left);
    out->type = (uint32_t)pxi_pcap_number(p, b, 4);
    if (out->type == PXI_PCAPNG_SECTION) { /* the same in either order */
        px_err err = begin_section(p, d);
        if (err)
            return err;
    }
    uint64_t n = pxi_pcap_number(p, b + 4, 4);
    pxi_diag_field(d, "block.length");
    if (n < (out->type == PXI_PCAPNG_SECTION ? SECTION : BLOCK) || n % 4)
        return wrong(d, p->at + 4, "a multiple of 4 that holds the block", n);
    if (n > left)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, p->at + 4, "bytes that follow", "%zu of %llu",
                            left, (unsigned long long)n);
    uint64_t again = pxi_pcap_number(p, b + n - 4, 4);
    if (again != n)
        return wrong(d, p->at + n - 4, "the length of the block once more", again);
    out->at = p->at;
    out->body = px_view_of(b + 8, (size_t)n - BLOCK);
    p->at += (size_t)n;
    return PX_ERR_OK;
}

/* The options of an interface that say what its times are. */
static px_err read_options(const struct pxi_pcap *p, px_view options, uint64_t at,
                           struct pxi_pcap_interface *i, px_diag *d)
{
    size_t o = 0;
    pxi_diag_field(d, "interface.options");
    while (options.n - o >= 4) {
        const uint8_t *b = options.p + o;
        unsigned code = (unsigned)pxi_pcap_number(p, b, 2);
        size_t n = (size_t)pxi_pcap_number(p, b + 2, 2), all = 4 + (n + 3) / 4 * 4;
        if (code == OPTION_END)
            break;
        if (all > options.n - o)
            return wrong(d, at + o + 2, "a length within the block", n);
        if (code == OPTION_RESOLUTION && n == 1)
            i->resolution = b[4];
        if (code == OPTION_OFFSET && n == 8)
            i->offset_s = (int64_t)pxi_pcap_number(p, b + 4, 8);
        o += all;
    }
    return PX_ERR_OK;
}

static px_err add_interface(struct pxi_pcap *p, const struct block *b, px_diag *d)
{
    pxi_diag_field(d, "interface %u", p->interfaces);
    if (b->body.n < 8)
        return wrong(d, b->at + 4, "an interface of 8 bytes", b->body.n);
    if (p->interfaces == PXI_LIMIT_CAPTURE_INTERFACES)
        return pxi_diag_set(d, PX_ERR_LIMIT, b->at, "at most 256 interfaces a section", "more");
    struct pxi_pcap_interface *i = &p->interface[p->interfaces++];
    *i = (struct pxi_pcap_interface){.link = (uint32_t)pxi_pcap_number(p, b->body.p, 2),
                                     .snap = (uint32_t)pxi_pcap_number(p, b->body.p + 4, 4),
                                     .resolution = 6};
    return read_options(p, px_view_of(b->body.p + 8, b->body.n - 8), b->at + 16, i, d);
}

/* Ticks of an interface as nanoseconds since 1970; what does not fit in them wraps. */
static int64_t nanoseconds(const struct pxi_pcap_interface *i, uint64_t ticks)
{
    unsigned power = i->resolution & 127;
    uint64_t ns = ticks;
    if (i->resolution & 128) {
        uint64_t s = power < 64 ? ticks >> power : 0;
        uint64_t part = power < 64 ? ticks - (s << power) : 0;
        ns = s * 1000000000 + (uint64_t)((unsigned __int128)part * 1000000000 >> power);
    } else if (power <= 9) {
        for (; power < 9; power++)
            ns *= 10;
    } else {
        for (; power > 9 && ns; power--)
            ns /= 10;
    }
    return (int64_t)(ns + (uint64_t)i->offset_s * 1000000000);
}

/* Where in the body of a block the bytes of its packet are. */
struct packet {
    uint64_t interface, ticks, captured, length;
    size_t from;
    bool timed;
};

static struct packet packet_of(const struct pxi_pcap *p, const struct block *b)
{
    const uint8_t *q = b->body.p;
    struct packet k = {.from = b->type == SIMPLE ? 4 : 20};
    if (b->body.n < k.from) {
        k.captured = UINT64_MAX;
        return k;
    }
    if (b->type == SIMPLE) {
        uint32_t snap = p->interfaces ? p->interface[0].snap : 0;
        k.length = pxi_pcap_number(p, q, 4);
        k.captured = snap && snap < k.length ? snap : k.length;
        return k;
    }
    k.timed = true;
    k.interface = pxi_pcap_number(p, q, b->type == PACKET ? 2 : 4);
    k.ticks = pxi_pcap_number(p, q + 4, 4) << 32 | pxi_pcap_number(p, q + 8, 4);
    k.captured = pxi_pcap_number(p, q + 12, 4);
    k.length = pxi_pcap_number(p, q + 16, 4);
    return k;
}

static px_err read_packet(struct pxi_pcap *p, const struct block *b, struct pxi_pcap_record *out,
                          px_diag *d)
{
    struct packet k = packet_of(p, b);
    pxi_diag_field(d, "record %llu", (unsigned long long)p->records + 1);
    if (k.captured > b->body.n - (b->body.n < k.from ? b->body.n : k.from))
        return wrong(d, b->at + 8, "a packet within its block", k.captured);
    if (k.captured > PXI_LIMIT_CAPTURE_RECORD)
        return wrong(d, b->at + 8, "at most 262144 bytes", k.captured);
    if (k.interface >= p->interfaces)
        return wrong(d, b->at + 8, "an interface that the section describes", k.interface);
    const struct pxi_pcap_interface *i = &p->interface[k.interface];
    *out = (struct pxi_pcap_record){.number = ++p->records,
                                    .at = b->at + 8 + k.from,
                                    .time_ns = k.timed ? nanoseconds(i, k.ticks) : 0,
                                    .length = (uint32_t)k.length,
                                    .link = i->link,
                                    .bytes = px_view_of(b->body.p + k.from, (size_t)k.captured)};
    return PX_ERR_OK;
}

px_err pxi_pcapng_open(struct pxi_pcap *p, px_diag *d)
{
    return begin_section(p, d);
}

bool pxi_pcapng_next(struct pxi_pcap *p, struct pxi_pcap_record *out, px_err *err, px_diag *d)
{
    while (!*err && p->at < p->in.n) {
        struct block b = {0};
        *err = next_block(p, &b, d);
        if (*err)
            break;
        if (b.type == INTERFACE)
            *err = add_interface(p, &b, d);
        if (b.type == PACKET || b.type == SIMPLE || b.type == ENHANCED) {
            *err = read_packet(p, &b, out, d);
            return !*err;
        }
    }
    return false;
}
