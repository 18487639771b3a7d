/* Schedules of sources, for those who want to see them. */
#include "base/mem.h"
#include "data/mix.h"
#include "plexus/data.h"

struct px_mix {
    struct pxi_mix *m;
};

px_err px_mix_new(const px_mix_source *sources, unsigned count, px_mix **out)
{
    struct pxi_mix_source in[PXI_MIX_SOURCES];
    *out = NULL;
    if (!count || count > PXI_MIX_SOURCES)
        return PX_ERR_INVALID;
    for (unsigned i = 0; i < count; i++)
        in[i] =
            (struct pxi_mix_source){sources[i].weight, sources[i].samples, sources[i].once != 0};
    struct px_mix *m = pxi_calloc(1, sizeof *m);
    px_err err = m ? pxi_mix_new(in, count, &m->m) : PX_ERR_NOMEM;
    if (err)
        pxi_free(m);
    else
        *out = m;
    return err;
}

void px_mix_free(px_mix *m)
{
    if (!m)
        return;
    pxi_mix_free(m->m);
    pxi_free(m);
}

uint64_t px_mix_draws(const px_mix *m)
{
    return pxi_mix_draws(m->m);
}

unsigned px_mix_at(const px_mix *m, uint64_t draw, uint64_t *nth)
{
    return pxi_mix_at(m->m, draw, nth);
}

uint64_t px_mix_count(const px_mix *m, unsigned source, uint64_t draws)
{
    return pxi_mix_count(m->m, source, draws);
}

uint64_t px_mix_weight(const px_mix *m, unsigned source, uint64_t *sum, int *rounded)
{
    bool r;
    uint64_t w = pxi_mix_weight(m->m, source, sum, &r);
    *rounded = r;
    return w;
}
