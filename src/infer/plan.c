#include "infer/plan.h"

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"

static const double NEVER = 1e300;

/* Rate to count with: unknown ones as the slowest that is known. */
static double rate_of(const struct pxi_plan_peer *peers, unsigned count, unsigned i)
{
    uint64_t least = 0;
    for (unsigned k = 0; k < count; k++)
        if (peers[k].rate && (!least || peers[k].rate < least))
            least = peers[k].rate;
    return (double)(peers[i].rate ? peers[i].rate : pxi_max(least, 1));
}

/* Seconds of one token in n blocks of a peer; NEVER when they do not fit its memory. */
static double stage(const struct pxi_plan_model *m, const struct pxi_plan_peer *p, double rate,
                    uint32_t n, bool first, bool last)
{
    uint64_t fixed = (first ? m->embed_memory : 0) + (last ? m->output_bytes : 0);
    if (p->memory < fixed || (p->memory - fixed) / pxi_max(m->block_memory, 1) < n)
        return NEVER;
    return ((double)n * (double)m->block_bytes + (last ? (double)m->output_bytes : 0)) / rate;
}

/* Tables of the search: of peers from i on, with blocks from b on. */
struct tables {
    double *time;   /* of the slowest of them, at best */
    uint32_t *take; /* blocks that peer i takes then */
};

/* Exactly `count` stages. Dynamic programming from the last peer to the first. */
static double search(const struct pxi_plan_model *m, const struct pxi_plan_peer *peers,
                     unsigned count, unsigned all, const struct tables *t)
{
    size_t width = (size_t)m->blocks + 1;
    for (unsigned i = count; i-- > 0;) {
        bool first = i == 0, last = i + 1 == count;
        double rate = rate_of(peers, all, i);
        for (uint32_t b = 0; b < m->blocks; b++) {
            double best = NEVER;
            for (uint32_t n = last ? m->blocks - b : 1; n <= m->blocks - b; n++) {
                double s = stage(m, &peers[i], rate, n, first, last);
                double rest = last ? 0 : t->time[(i + 1) * width + b + n];
                if (s >= best)
                    break; /* more blocks take longer still */
                s = s > rest ? s : rest;
                if (s < best) {
                    best = s;
                    t->take[i * width + b] = n;
                }
            }
            t->time[i * width + b] = best;
        }
        t->time[i * width + m->blocks] = NEVER; /* a stage without a block is none */
    }
    return t->time[0];
}

static void adopt(const struct pxi_plan_model *m, struct pxi_plan_peer *peers, unsigned count,
                  unsigned all, const struct tables *t)
{
    uint32_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t n = t->take[i * ((size_t)m->blocks + 1) + at];
        peers[i].first = at;
        peers[i].last = at += n;
        peers[i].seconds = stage(m, &peers[i], rate_of(peers, all, i), n, i == 0, i + 1 == count);
    }
}

px_err pxi_plan(const struct pxi_plan_model *m, struct pxi_plan_peer *peers, unsigned count)
{
    unsigned most = (unsigned)pxi_min(pxi_min(count, PXI_LIMIT_PLAN_PEERS), m->blocks);
    size_t cells = ((size_t)most + 1) * ((size_t)m->blocks + 1);
    struct tables t = {pxi_calloc(cells, sizeof *t.time), pxi_calloc(cells, sizeof *t.take)};
    double shortest = NEVER;
    px_err err = t.time && t.take ? PX_ERR_OK : PX_ERR_NOMEM;
    for (unsigned i = 0; i < count; i++)
        peers[i].first = peers[i].last = 0, peers[i].seconds = 0;
    for (unsigned n = (unsigned)pxi_max(pxi_min(m->stages_min, most), 1);
         n <= most && err == PX_ERR_OK; n++) {
        double s = search(m, peers, n, count, &t);
        if (s >= NEVER || s > shortest * 0.98) /* one more hop must be worth something */
            continue;
        shortest = s;
        for (unsigned i = n; i < count; i++)
            peers[i].first = peers[i].last = 0, peers[i].seconds = 0;
        adopt(m, peers, n, count, &t);
    }
    pxi_free(t.time);
    pxi_free(t.take);
    return err == PX_ERR_OK && shortest >= NEVER ? PX_ERR_NOMEM : err;
}
