/*
 * How hidden states are coded between stages (dtype of codec/stage.h). f32 is the floats as they
 * are: any split of a model gives the bits of one machine. The others lose something, the same on
 * every machine, and say how much.
 *
 * f16: round to nearest even; what is too large becomes the largest finite one, NaN zero.
 * q8: blocks of PXI_HIDDEN_BLOCK values: an f32 scale (largest magnitude / 127), then a signed byte
 * each. The scales of a row come first, then its bytes. A block of zeros, or of magnitudes too
 * small for a scale, is zeros; NaN is zero, what is larger than half of the largest float counts as
 * that.
 */
#ifndef PXI_INFER_HIDDEN_H
#define PXI_INFER_HIDDEN_H

#include "codec/stage.h"

/* What coding cost, over all values that were measured. */
struct pxi_hidden_loss {
    double error2, value2; /* sums of squares */
    float worst;           /* the largest error of a row, of its largest magnitude */
    uint32_t rows;
};

/* One row of n floats to pxi_stage_row_bytes(dtype, n) bytes. */
void pxi_hidden_encode(uint8_t dtype, const float *in, uint32_t n, uint8_t *out);
/* And back. False when a number in it is not finite: what an encoder never makes. f32 is taken as
 * it is and always true. */
bool pxi_hidden_decode(uint8_t dtype, const uint8_t *in, uint32_t n, float *out);
/* Add what became of a row. */
void pxi_hidden_measure(struct pxi_hidden_loss *l, uint8_t dtype, const float *in, uint32_t n,
                        const uint8_t *coded);
/* The root of the mean square of the errors, of that of the values. */
float pxi_hidden_rms(const struct pxi_hidden_loss *l);

/* The same as it was measured with models of language: what a plan expects of a code. */
float pxi_hidden_expected(uint8_t dtype);

/* "f32", "f16", "q8"; 0 for any other name. */
uint8_t pxi_hidden_named(const char *name);
const char *pxi_hidden_name(uint8_t dtype);

#endif
