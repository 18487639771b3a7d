/* Rotation angles in double precision, from our own functions: the same bits everywhere. */
#include "model/rope.h"

#include "model/portable.h"

void pxi_rope_speeds(double *speed, const struct pxi_model *m)
{
    const struct pxi_config *c = &m->config;
    double log_base = pxi_f64_log2(c->rope_base);
    for (uint32_t i = 0; i < c->rope_dim / 2; i++) {
        double exponent = -2.0 * (double)i / (double)c->rope_dim;
        speed[i] = pxi_f64_exp2(exponent * log_base) / c->rope_scale;
        if (m->rope_freqs)
            speed[i] /= (double)m->rope_freqs[i];
    }
}

void pxi_rope_angles(float *cs, const double *speed, uint32_t n, uint32_t position)
{
    for (uint32_t i = 0; i < n; i++) {
        double sine, cosine;
        pxi_f64_sincos(speed[i] * (double)position, &sine, &cosine);
        cs[2 * i] = (float)cosine;
        cs[2 * i + 1] = (float)sine;
    }
}
