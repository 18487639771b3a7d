#include "reduce/vectors.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

struct pxi_vectors {
    struct pxi_vectors_options o;
    uint32_t bias;
    int bits;
    struct pxi_robust *robust;
    uint16_t *came; /* lanes of each worker in each version */
    float *rows;    /* one a worker, and the result */
    float *last;    /* the last result of each chunk */
};

struct pxi_vectors *pxi_vectors_new(const struct pxi_vectors_options *o)
{
    struct pxi_vectors *v = pxi_calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->o = *o;
    v->bias = pxi_gradient_bias(o->format, o->fan_in);
    v->bits = (int)pxi_gradient_bits(o->format, o->fan_in);
    v->robust = pxi_robust_new(o->fan_in);
    v->came = pxi_calloc(2 * (size_t)o->slots * o->fan_in, o->values * sizeof *v->came);
    v->rows = pxi_calloc(o->fan_in + 1u, o->values * sizeof *v->rows);
    v->last = pxi_calloc(o->chunks, o->values * sizeof *v->last);
    if (v->robust && v->came && v->rows && v->last)
        return v;
    pxi_vectors_free(v);
    return NULL;
}

void pxi_vectors_free(struct pxi_vectors *v)
{
    if (!v)
        return;
    pxi_robust_free(v->robust);
    pxi_free(v->came);
    pxi_free(v->rows);
    pxi_free(v->last);
    pxi_free(v);
}

static uint16_t *place_of(const struct pxi_vectors *v, uint32_t seq, unsigned worker)
{
    size_t place = seq & (2 * v->o.slots - 1);
    return v->came + (place * v->o.fan_in + worker) * v->o.values;
}

bool pxi_vectors_keep(struct pxi_vectors *v, const struct px_gradient_head *h,
                      const uint16_t *lanes)
{
    if (h->worker >= v->o.fan_in)
        return false;
    memcpy(place_of(v, h->seq, h->worker), lanes, h->count * sizeof *lanes);
    return true;
}

/* The rule's vector, in units of the exponent; how many workers it is made of. */
static unsigned run(struct pxi_vectors *v, const struct px_gradient_head *h, uint64_t in,
                    float *out)
{
    const float *rows[PX_GRADIENT_WORKERS];
    float *last = v->last + h->where * v->o.values, unit = ldexpf(1, h->exponent - v->bits);
    unsigned n = 0;
    for (unsigned i = 0; i < v->o.fan_in; i++) {
        float *row = v->rows + (size_t)n * v->o.values;
        const uint16_t *from = place_of(v, h->seq, i);
        if (!(in >> i & 1))
            continue;
        for (unsigned j = 0; j < h->count; j++)
            row[j] = (float)((int)from[j] - (int)v->bias);
        rows[n++] = row;
    }
    for (unsigned j = 0; j < h->count; j++)
        last[j] /= unit;
    struct pxi_robust_in what = {.v = rows, .n = n, .d = h->count, .f = v->o.liars, .last = last};
    if (!n || pxi_robust_run(v->robust, v->o.rule, &what, out) != PX_ERR_OK)
        return 0;
    for (unsigned j = 0; j < h->count; j++)
        last[j] = out[j] * unit;
    return n;
}

void pxi_vectors_finish(struct pxi_vectors *v, const struct px_gradient_head *h, uint64_t in,
                        uint16_t *lanes)
{
    float *out = v->rows + (size_t)v->o.fan_in * v->o.values;
    unsigned n = run(v, h, in, out);
    float most = (float)(2 * v->bias - 1) * (float)n;
    for (unsigned j = 0; n && j < h->count; j++) {
        float sum = rintf((out[j] + (float)v->bias) * (float)n);
        lanes[j] = (uint16_t)(sum > most ? most : sum > 0 ? sum : 0); /* NaN: 0 */
    }
}
