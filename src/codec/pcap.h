/*
 * Captured packets: files of pcap (both byte orders, micro- and nanoseconds) and pcapng, read
 * record by record from a run of bytes; and the head and records of pcap, written. Nothing is
 * allocated.
 */
#ifndef PXI_CODEC_PCAP_H
#define PXI_CODEC_PCAP_H

#include <stdbool.h>

#include "base/limits.h"
#include "plexus/err.h"
#include "plexus/view.h"

/* What a record begins with: the link types of https://www.tcpdump.org/linktypes.html that
 * codec/frame.h reads. */
enum pxi_link {
    PXI_LINK_NULL = 0, /* a family in the byte order of the machine, then IP */
    PXI_LINK_ETHERNET = 1,
    PXI_LINK_RAW = 101,
    PXI_LINK_LOOP = 108,  /* as NULL, big-endian */
    PXI_LINK_SLL = 113,   /* tcpdump -i any */
    PXI_LINK_USER0 = 147, /* packets of plexus and nothing before them */
    PXI_LINK_IPV4 = 228,
    PXI_LINK_IPV6 = 229,
    PXI_LINK_SLL2 = 276,
};

struct pxi_pcap_record {
    uint64_t number; /* 1 for the first */
    uint64_t at;     /* of its bytes in the file */
    int64_t time_ns; /* since 1970 */
    uint32_t length; /* as it was sent; bytes.n of it were captured */
    unsigned link;
    px_view bytes;
};

/* An interface that a section of pcapng describes. */
struct pxi_pcap_interface {
    uint32_t link, snap;
    uint8_t resolution; /* a power of ten, or with the top bit set of two, in a second */
    int64_t offset_s;
};

struct pxi_pcap {
    px_view in;
    size_t at;
    uint64_t records;
    bool ng, big, nano; /* pcapng; big-endian; pcap of nanoseconds */
    uint32_t link;      /* of pcap */
    unsigned interfaces;
    struct pxi_pcap_interface interface[PXI_LIMIT_CAPTURE_INTERFACES];
};

/* `in` is borrowed. PX_ERR_TRUNCATED, _CORRUPT, _VERSION, with the diagnosis. */
px_err pxi_pcap_open(struct pxi_pcap *p, px_view in, px_diag *d);

/* The next record. False at the end, with PX_ERR_OK at *err, and where the file is damaged: no
 * record can be found after that. */
bool pxi_pcap_next(struct pxi_pcap *p, struct pxi_pcap_record *out, px_err *err, px_diag *d);

enum { PXI_PCAP_HEAD = 24, PXI_PCAP_RECORD = 16 };

/* Write the head of a pcap file of this link type, and the head of a record of n bytes. */
void pxi_pcap_head(uint8_t out[PXI_PCAP_HEAD], enum pxi_link link);
void pxi_pcap_record_head(uint8_t out[PXI_PCAP_RECORD], uint64_t time_us, uint32_t n);

/* pcapng.c: the two functions above for that form, whose first four bytes are `magic`. */
px_err pxi_pcapng_open(struct pxi_pcap *p, px_diag *d);
bool pxi_pcapng_next(struct pxi_pcap *p, struct pxi_pcap_record *out, px_err *err, px_diag *d);
enum { PXI_PCAPNG_SECTION = 0x0A0D0D0A };

/* An unsigned integer of n bytes in the order of the file. */
static inline uint64_t pxi_pcap_number(const struct pxi_pcap *p, const uint8_t *b, unsigned n)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++)
        x |= (uint64_t)b[i] << 8 * (p->big ? n - 1 - i : i);
    return x;
}

#endif
