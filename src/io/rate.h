/* How fast the line behind an address of this machine is, as its driver says. */
#ifndef PXI_IO_RATE_H
#define PXI_IO_RATE_H

#include <stdint.h>

#include "plexus/view.h"

/* Bytes a second, one way, of the device that has the ip (4 or 16 bytes); 0: the driver does not
 * say, or no device has it. */
uint64_t pxi_line_rate(px_view ip);

#endif
