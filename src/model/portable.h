/*
 * Elementary functions of double precision written with + - * / only, so that they give the same
 * bits on every machine and with every C library. Accurate to about 1e-15, far below what a float
 * can hold; used where speed does not matter (rotation angles, sampling, likelihoods).
 */
#ifndef PXI_MODEL_PORTABLE_H
#define PXI_MODEL_PORTABLE_H

/* Sine and cosine of x. An |x| above 2^40, or no number at all, counts as 0. */
void pxi_f64_sincos(double x, double *sine, double *cosine);

/* 2^x; 0 below -1000, infinity above 1000. */
double pxi_f64_exp2(double x);

/* e^x, with the bounds of pxi_f64_exp2. */
double pxi_f64_exp(double x);

/* Logarithms of x > 0 (normal); 0 for anything else. */
double pxi_f64_log2(double x);
double pxi_f64_log(double x);

#endif
