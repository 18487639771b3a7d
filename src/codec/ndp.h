/*
 * Packets of training data (docs/formats/ndp.md): read from a run of bytes, with whatever lies
 * between them, and written. Nothing is lost silently: every byte of the input belongs to a packet
 * or to a dropped span with a reason.
 */
#ifndef PXI_CODEC_NDP_H
#define PXI_CODEC_NDP_H

#include <stdbool.h>

#include "codec/ndp.gen.h"
#include "plexus/view.h"

enum { PXI_NDP_SYNC = 0xAA, PXI_NDP_TAIL = 2, PXI_NDP_MOST = 65535 };

/* The checksums of kernel/kernel.h, which those who have a table of kernels hand in. */
struct pxi_ndp_sums {
    uint16_t (*crc16)(uint16_t crc, const void *p, size_t n);
    uint16_t (*crc16_reflected)(uint16_t crc, const void *p, size_t n);
    uint32_t (*crc32c)(uint32_t crc, const void *p, size_t n);
};

/* How the packets of a file are checked; all zero: as plexus writes them. */
struct pxi_ndp_variant {
    uint8_t crc;   /* enum pxi_ndp_crc */
    uint8_t cover; /* enum pxi_ndp_cover */
};

/* CRC of a packet, of which head and payload are given. */
uint16_t pxi_ndp_packet_crc(const struct pxi_ndp_sums *sums, struct pxi_ndp_variant v,
                            px_view head_and_payload);

/*
 * Which variant most packets at the beginning of `in` agree with: how many of *checked did is
 * returned, 0 and the variant of plexus when none did. Costs at most some 64 MiB of checksums.
 */
unsigned pxi_ndp_detect(const struct pxi_ndp_sums *sums, px_view in, struct pxi_ndp_variant *v,
                        unsigned *checked);

/* A packet, or a dropped span of bytes. */
struct pxi_ndp_piece {
    bool packet;
    enum pxi_ndp_drop drop; /* when it is no packet */
    uint64_t at;            /* where it begins */
    px_view bytes;          /* all of it */
    struct pxi_ndp_packet head;
    px_view payload; /* when it is a packet */
};

struct pxi_ndp_reader {
    const struct pxi_ndp_sums *sums;
    struct pxi_ndp_variant variant;
    px_view in;
    size_t at;
    uint64_t credit; /* bytes of checksums that looking for the next packet may still cost */
    uint64_t packets, dropped[PXI_NDP_DROPS];
};

/* Begin at the first byte of `in`, which is borrowed. */
void pxi_ndp_reader_init(struct pxi_ndp_reader *r, const struct pxi_ndp_sums *sums,
                         struct pxi_ndp_variant v, px_view in);

/*
 * The next piece; false at the end. After a wrong CRC the length of the packet is believed when a
 * packet follows there; else the search goes on behind its first byte. What the search costs is
 * bounded by 64 bytes of checksums for each byte passed: in bytes made to be expensive, a packet
 * may be passed, too.
 */
bool pxi_ndp_next(struct pxi_ndp_reader *r, struct pxi_ndp_piece *out);

/* Bytes of a packet with so large a payload. */
static inline size_t pxi_ndp_bytes(size_t payload)
{
    return PXI_NDP_PACKET_BYTES + payload + PXI_NDP_TAIL;
}

/* Write a packet with this payload of at most PXI_NDP_MOST bytes at `out`. head.length and .sync
 * are filled in. `payload` may be where it goes in `out`. */
void pxi_ndp_write(const struct pxi_ndp_sums *sums, struct pxi_ndp_variant v,
                   struct pxi_ndp_packet head, px_view payload, uint8_t *out);

#endif
