/* Three ways in which user space takes the datagrams of a wire (io/wire.h): many with one call, in
 * trains that the kernel joins again (GRO), and by AF_XDP, copied by the kernel into our frames. */
#ifndef PXI_IO_WIRE_TAKE_H
#define PXI_IO_WIRE_TAKE_H

#include "io/wire.h"

enum pxi_take_way { PXI_TAKE_MANY, PXI_TAKE_TRAINS, PXI_TAKE_FRAMES };

struct pxi_taker;

px_err pxi_taker_open(struct pxi_wire *w, enum pxi_take_way way, struct pxi_taker **out,
                      px_diag *diag);
void pxi_taker_close(struct pxi_taker *t);

/* Take what is there, after at most a tenth of a second for the first; how many, or -1. A datagram
 * is borrowed for the call. */
typedef void pxi_take_fn(void *ctx, const uint8_t *datagram, size_t n);
int pxi_taker_take(struct pxi_taker *t, pxi_take_fn *fn, void *ctx);

/* How often it went to the kernel to wait or to ask. */
uint64_t pxi_taker_calls(const struct pxi_taker *t);

#endif
