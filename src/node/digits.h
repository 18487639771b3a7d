/*
 * A task to train: pictures of digits, drawn from a font of 5 x 7 points,
 * turned, sheared, scaled, shifted and noisy, and a network of 100-32-10 that tells them apart.
 */
#ifndef PXI_NODE_DIGITS_H
#define PXI_NODE_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PXI_DIGITS_PIXELS = 100,
    PXI_DIGITS_HIDDEN = 32,
    PXI_DIGITS_CLASSES = 10,
    PXI_DIGITS_PARAMETERS = PXI_DIGITS_PIXELS * PXI_DIGITS_HIDDEN + PXI_DIGITS_HIDDEN +
                            PXI_DIGITS_HIDDEN * PXI_DIGITS_CLASSES + PXI_DIGITS_CLASSES,
    PXI_DIGITS_BATCH = 64, /* most of a gradient */
};

struct pxi_digits {
    unsigned n;
    float (*x)[PXI_DIGITS_PIXELS];
    uint8_t *label;
};

/* n pictures, as many of each digit as of the others; false: no memory. */
bool pxi_digits_draw(struct pxi_digits *d, unsigned n, uint64_t seed);
void pxi_digits_free(struct pxi_digits *d);

/* Parameters to begin with. */
void pxi_digits_begin(float *w, uint64_t seed);

/* The gradient of the mean loss of `batch` pictures; `wrong`: of labels that are 9 less theirs. */
void pxi_digits_gradient(const float *w, const struct pxi_digits *d, const uint32_t *pick,
                         unsigned batch, int wrong, float *g);

/* Mean loss of the first n pictures, 1e9 at most; what is not finite is that. */
double pxi_digits_loss(const float *w, const struct pxi_digits *d, unsigned n);

/* Per cent that it tells right. */
double pxi_digits_accuracy(const float *w, const struct pxi_digits *d);

#endif
