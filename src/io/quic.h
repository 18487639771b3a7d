/*
 * QUIC on real sockets: joins UDP sockets and QUIC endpoints for one host on one loop. Listening
 * sockets dial too; what they cannot reach gets an ephemeral one.
 */
#ifndef PXI_IO_QUIC_H
#define PXI_IO_QUIC_H

#include "io/loop.h"
#include "net/quic_transport.h"

struct pxi_quic_io;

/* The transport of a host: adds itself to it. The shaker, with our certificate, is
 * borrowed. NULL: no memory. */
struct pxi_quic_io *pxi_quic_io_new(struct pxi_loop *l, struct pxi_host *h,
                                    struct pxi_shaker *shaker);
/* Close every connection, say so to the peers, close the sockets. The loop must run once more
 * after it. NULL is allowed. */
void pxi_quic_io_free(struct pxi_quic_io *io);

/* Listen at /ip4|ip6/../udp/PORT/quic-v1; port 0 picks one. Adds our addresses to the host. */
px_err pxi_quic_io_listen(struct pxi_quic_io *io, px_view maddr, px_diag *d);

/* The same with a UDP socket that is bound already (non-blocking); it is taken over. */
px_err pxi_quic_io_adopt(struct pxi_quic_io *io, int fd);

/* Open the way through a NAT: n random bytes to this address from where we listen (DCUtR). */
void pxi_quic_io_poke(struct pxi_quic_io *io, const struct pxi_endpoint *to, size_t n);

/* Whether every socket that listens sends and receives trains of datagrams in one call. */
bool pxi_quic_io_offloads(const struct pxi_quic_io *io);

/* The i-th endpoint, for counters; NULL past the end. */
struct pxi_quic *pxi_quic_io_endpoint(struct pxi_quic_io *io, unsigned i);

#endif
