/*
 * A UDP socket for QUIC: batches of equal datagrams leave in one call (generic segmentation
 * offload), trains of them arrive in one buffer (generic receive offload), and each carries its
 * addresses and its ECN bits. What the kernel lacks is found out at run time and done without.
 */
#ifndef PXI_IO_UDP_H
#define PXI_IO_UDP_H

#include "net/quic.h"
#include "plexus/err.h"

enum { PXI_UDP_READ = 4 }; /* buffers of PXI_UDP_BATCH bytes that one receive fills */

struct pxi_udp {
    struct pxi_udp_addr local; /* as bound, with the port that the kernel chose */
    int fd;
    bool any; /* bound to the wildcard: senders name the local ip */
    bool gso, gro;
    uint64_t sends, receives, lost; /* system calls; datagrams that the kernel refused */
};

/* Open and bind. PX_ERR_IO with errno set, PX_ERR_PERMISSION. */
px_err pxi_udp_open(struct pxi_udp *u, const struct pxi_udp_addr *at);
/* Take over a socket that is bound already (non-blocking, close-on-exec); an error leaves it. */
px_err pxi_udp_adopt(struct pxi_udp *u, int fd);
void pxi_udp_close(struct pxi_udp *u);

/* Send a batch; returns how many of its bytes are dealt with (sent, or refused like a lost
 * datagram). Fewer than all: wait until the socket is writable. */
size_t pxi_udp_send(struct pxi_udp *u, const struct pxi_udp_out *o);

/* Send n datagrams of `segment` bytes, the last of which may be shorter, each from a part of its
 * own, at most PXI_UDP_SEGMENTS and together less than 64 KiB. How many are dealt with, as above.
 */
unsigned pxi_udp_send_parts(struct pxi_udp *u, const struct pxi_udp_addr *to, const px_view *parts,
                            unsigned n, size_t segment);

/* Receive into PXI_UDP_READ * PXI_UDP_BATCH bytes; fills at most PXI_UDP_READ places of in, returns
 * how many. 0: nothing there. */
unsigned pxi_udp_receive(struct pxi_udp *u, uint8_t *buf, struct pxi_udp_in *in);

#endif
