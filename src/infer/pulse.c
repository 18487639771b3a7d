#include "infer/pulse.h"

#include "base/limits.h"
#include "base/math.h"
#include "base/timer.h"

static const uint64_t PROBE = PXI_LIMIT_STAGE_PROBE_MS * PXI_MS,
                      LEAST = PXI_LIMIT_STAGE_SILENCE_LEAST_MS * PXI_MS,
                      MOST = PXI_LIMIT_STAGE_SILENCE_MS * PXI_MS;

void pxi_pulse_begin(struct pxi_pulse *p, uint64_t now_ns)
{
    *p = (struct pxi_pulse){
        .heard_ns = now_ns, .due_ns = now_ns + PROBE, .mean_ns = PROBE, .dev_ns = PROBE / 4};
}

/* What comes in pieces is one answer: times far below the one between two probes say nothing. */
void pxi_pulse_heard(struct pxi_pulse *p, uint64_t now_ns)
{
    uint64_t gap = now_ns > p->heard_ns ? pxi_min(now_ns - p->heard_ns, MOST) : 0;
    p->heard_ns = now_ns;
    if (!p->spoke) { /* the first answer: its way is no gap */
        p->spoke = true;
        return;
    }
    if (gap < PROBE / 2)
        return;
    uint64_t off = gap > p->mean_ns ? gap - p->mean_ns : p->mean_ns - gap;
    p->dev_ns = p->dev_ns - p->dev_ns / 4 + off / 4;
    p->mean_ns = p->mean_ns - p->mean_ns / 8 + gap / 8;
}

uint64_t pxi_pulse_patience_ns(const struct pxi_pulse *p)
{
    uint64_t x = p->spoke ? p->mean_ns + PROBE + 4 * p->dev_ns : MOST;
    return x < LEAST ? LEAST : pxi_min(x, MOST);
}

uint64_t pxi_pulse_look(struct pxi_pulse *p, uint64_t now_ns)
{
    uint64_t late = now_ns > p->due_ns ? now_ns - p->due_ns : 0;
    uint64_t patience = pxi_pulse_patience_ns(p);
    p->heard_ns = pxi_min(p->heard_ns + late, now_ns);
    uint64_t silent = now_ns - p->heard_ns;
    if (silent >= patience)
        return 0;
    uint64_t wait = pxi_min(PROBE, patience - silent);
    p->due_ns = now_ns + wait;
    return wait;
}
