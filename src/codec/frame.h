/*
 * From a captured frame to the payload of a UDP datagram in it: Ethernet with VLAN tags, the forms
 * of tcpdump -i any, IPv4 and IPv6 with its headers of extension.
 */
#ifndef PXI_CODEC_FRAME_H
#define PXI_CODEC_FRAME_H

#include "codec/pcap.h"

/* Why a frame is not looked at further. */
enum pxi_frame_skip {
    PXI_FRAME_LINK,     /* a link type that is not read */
    PXI_FRAME_CUT,      /* not all of it was captured */
    PXI_FRAME_FRAGMENT, /* part of a datagram */
    PXI_FRAME_LENGTH,   /* lengths that contradict each other */
    PXI_FRAME_OTHER,    /* no packet of plexus, or not at the port that was asked for */
    PXI_FRAME_SKIPS,
};

#define PXI_FRAME_SKIP_NAMES                                                                       \
    {                                                                                              \
        "link", "cut", "fragment", "length", "other"                                               \
    }

struct pxi_frame {
    unsigned ip;       /* 4 or 6; 0: the packets of plexus have nothing before them */
    px_view src, dst;  /* addresses, 4 or 16 bytes */
    uint16_t ports[2]; /* source, destination */
    px_view payload;   /* what was captured of it */
    bool whole;        /* which is all of it */
};

/* False, with the reason at *skip, for a frame without the beginning of a datagram. */
bool pxi_frame_read(const struct pxi_pcap_record *r, struct pxi_frame *out,
                    enum pxi_frame_skip *skip);

#endif
