/*
 * Gradient packets (docs/formats/gradient.md): checked on the way in, written on the way out. The
 * layout and its numbers are in bpf/gradient.gen.h, which the kernel half shares.
 */
#ifndef PXI_CODEC_GRADIENT_H
#define PXI_CODEC_GRADIENT_H

#include <stdbool.h>

#include "bpf/gradient.gen.h"
#include "plexus/view.h"

enum { PXI_GRADIENT_VALUES = 1536, PXI_GRADIENT_STEP = 16 }; /* most values, and their multiple */
enum { PXI_GRADIENT_NOT_FINITE = 127 }; /* exponent of a chunk with such a value */

/* Bytes of `count` values as a worker sends them, and as they come back. */
size_t pxi_gradient_bytes(unsigned format, size_t count);
size_t pxi_gradient_result_bytes(unsigned format, size_t count);

/* And in the lanes in which they are added. */
size_t pxi_gradient_lane_bytes(unsigned format, size_t count);

/* Values of a part of a chunk that goes once more with 32 bits: half of it, rounded up. */
size_t pxi_gradient_half(size_t values);
/* Bytes of the values of any packet of a job with so many values a chunk. */
size_t pxi_gradient_most(size_t values);

/* What a worker's value is offset by, and how far a result is shifted to fit (8 and 4 bits). */
uint32_t pxi_gradient_bias(unsigned format, unsigned fan_in);
unsigned pxi_gradient_shift(unsigned format, unsigned fan_in);
/* Values lie in [-2^bits, 2^bits]: a value of 2^exponent becomes 2^bits. */
unsigned pxi_gradient_bits(unsigned format, unsigned fan_in);

/*
 * Read a datagram: its head to *out, its values (borrowed, no alignment) to *values. False, with
 * the reason at *drop, for what has another layout or another length than it says.
 */
bool pxi_gradient_read(px_view datagram, struct px_gradient_head *out, px_view *values,
                       enum px_gradient_drop *drop);

/* As pxi_gradient_read, for the kinds that only members of a job exchange: view and echo. */
bool pxi_gradient_read_member(px_view datagram, struct px_gradient_head *out, px_view *values,
                              enum px_gradient_drop *drop);

/* As pxi_gradient_read, for what a leaf says to the aggregator above it. */
bool pxi_gradient_read_partial(px_view datagram, struct px_gradient_head *out, px_view *lanes,
                               enum px_gradient_drop *drop);

/* Whether all values of a contribution are below twice the bias, so that no sum of fan_in of them
 * overflows. */
bool pxi_gradient_bounded(unsigned format, unsigned fan_in, px_view values);
/* Whether lanes can be the sum of contributions of so many workers. */
bool pxi_gradient_lanes_bounded(unsigned format, unsigned fan_in, unsigned workers, px_view lanes);

/* Write the PX_GRADIENT_HEAD bytes of a head at `out`; magic and version are filled in. */
void pxi_gradient_write(const struct px_gradient_head *h, uint8_t *out);

#endif
