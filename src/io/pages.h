/* Address space from the system, for heaps that fold (base/fold.h). */
#ifndef PXI_IO_PAGES_H
#define PXI_IO_PAGES_H

#include "base/fold.h"

extern const struct pxi_pages pxi_pages_system;

#endif
