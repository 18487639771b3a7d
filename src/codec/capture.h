/*
 * The packets of plexus in a capture: those of training data (docs/formats/ndp.md), a datagram or a
 * bare record holding whole ones back to back, and those of gradients (docs/formats/gradient.md),
 * one a datagram. Every byte of a payload that is theirs belongs to a packet or to a dropped span.
 */
#ifndef PXI_CODEC_CAPTURE_H
#define PXI_CODEC_CAPTURE_H

#include "codec/frame.h"
#include "codec/gradient.h"
#include "codec/ndp.h"

enum pxi_capture_kind {
    PXI_CAPTURE_AUTO,
    PXI_CAPTURE_NDP,
    PXI_CAPTURE_GRADIENT,
    PXI_CAPTURE_KINDS
};

struct pxi_capture_packet {
    struct pxi_pcap_record record;
    struct pxi_frame frame;
    enum pxi_capture_kind kind;
    unsigned part; /* of the payload, from 0 */
    bool good;
    unsigned drop; /* enum pxi_ndp_drop or px_gradient_drop */
    px_view bytes;
    px_view payload;     /* of a good packet, or one whose CRC alone is wrong */
    uint16_t crc, right; /* of training data: the one that is there, and the one that should be */
};

struct pxi_capture {
    const struct pxi_ndp_sums *sums;
    struct pxi_ndp_variant variant;
    enum pxi_capture_kind kind; /* AUTO: payloads tell what they are */
    uint16_t port;              /* payloads to or from others are skipped; 0: any */
    struct pxi_pcap pcap;
    struct pxi_capture_packet packet; /* the one under way */
    px_view rest;                     /* of its payload */
    uint64_t skipped[PXI_FRAME_SKIPS];
    uint64_t packets[PXI_CAPTURE_KINDS], bytes[PXI_CAPTURE_KINDS]; /* good ones */
    uint64_t ndp_dropped[PXI_NDP_DROPS], gradient_dropped[PX_GRADIENT_DROPS];
};

/* sums, variant, kind and port are set by the caller; as pxi_pcap_open. */
px_err pxi_capture_open(struct pxi_capture *c, px_view file, px_diag *d);
/* The next packet or dropped span; as pxi_pcap_next. */
bool pxi_capture_next(struct pxi_capture *c, struct pxi_capture_packet *out, px_err *err,
                      px_diag *d);

#endif
