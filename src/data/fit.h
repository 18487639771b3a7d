/*
 * Bin packing: whole samples into rows of so many tokens. First fit takes them as they come, each
 * into the first row that has room; best fit takes the longest first, each into the row that it
 * fills best. O(n log n) and O(n + row) time (Johnson, "Near-optimal bin packing algorithms",
 * 1973).
 */
#ifndef PXI_DATA_FIT_H
#define PXI_DATA_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "plexus/err.h"

/*
 * Row of each of n samples of 1 to `room` tokens: bin[i]; *bins is how many there are.
 * PX_ERR_NOMEM.
 */
px_err pxi_fit(const uint32_t *tokens, uint32_t n, uint32_t room, bool best, uint32_t *bin,
               uint32_t *bins);

#endif
