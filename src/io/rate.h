/* How fast the line behind an address of this machine is, as its driver says, and what a packet
 * costs its processors. */
#ifndef PXI_IO_RATE_H
#define PXI_IO_RATE_H

#include <stdint.h>

#include "plexus/view.h"

/* Bytes a second, one way, of the device that has the ip (4 or 16 bytes); 0: the driver does not
 * say, or no device has it. */
uint64_t pxi_line_rate(px_view ip);

/* Processor time to send and receive a UDP datagram of so many bytes, in trains where they are,
 * from the ip to itself: measured now, in about a millisecond. 0: it cannot be. */
unsigned pxi_packet_ns(px_view ip, size_t bytes);

#endif
