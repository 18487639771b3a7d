#include "infer/pulse.h"

#include "base/limits.h"
#include "base/math.h"
#include "base/timer.h"

static const uint64_t PROBE = PXI_LIMIT_STAGE_PROBE_MS * PXI_MS,
                      LEAST = PXI_LIMIT_STAGE_SILENCE_LEAST_MS * PXI_MS,
                      MOST = PXI_LIMIT_STAGE_SILENCE_MS * PXI_MS;

void pxi_pulse_begin(struct pxi_pulse *p, uint64_t now_ns)
{
    *p = (struct pxi_pulse){.due_ns = now_ns + PROBE, .present_ns = now_ns};
}

void pxi_pulse_answered(struct pxi_pulse *p, uint64_t now_ns)
{
    if (!p->open) /* unasked */
        return;
    p->open--;
    if (p->ahead && p->ahead--)
        return; /* probes are answered in their order */
    if (!p->asked_ns || now_ns < p->asked_ns)
        return;
    uint64_t took = pxi_min(now_ns - p->asked_ns, MOST);
    p->asked_ns = 0;
    if (!p->answered) {
        p->answered = true;
        p->way_ns = p->mean_ns = took;
        p->dev_ns = PROBE / 4;
        return;
    }
    uint64_t off = took > p->mean_ns ? took - p->mean_ns : p->mean_ns - took;
    p->dev_ns = p->dev_ns - p->dev_ns / 4 + off / 4;
    p->mean_ns = p->mean_ns - p->mean_ns / 8 + took / 8;
    p->way_ns = pxi_min(p->way_ns, took);
}

uint64_t pxi_pulse_patience_ns(const struct pxi_pulse *p)
{
    if (!p->answered)
        return MOST;
    uint64_t wait = p->mean_ns > p->way_ns ? p->mean_ns - p->way_ns : 0;
    uint64_t x = 2 * PROBE + wait + 4 * p->dev_ns;
    return p->way_ns + (x < LEAST ? LEAST : pxi_min(x, MOST));
}

uint64_t pxi_pulse_look(struct pxi_pulse *p, uint64_t heard_ns, uint64_t now_ns, bool *probe)
{
    uint64_t late = now_ns > p->due_ns ? now_ns - p->due_ns : 0;
    uint64_t since = pxi_max(heard_ns, p->present_ns);
    if (late)
        since = p->present_ns = pxi_min(since + late, now_ns);
    uint64_t silent = now_ns - pxi_min(since, now_ns), patience = pxi_pulse_patience_ns(p);
    *probe = silent >= PROBE && now_ns - p->probed_ns >= PROBE;
    if (silent >= patience)
        return 0;
    if (*probe) {
        p->probed_ns = now_ns;
        p->ahead = p->asked_ns ? p->ahead : p->open;
        p->asked_ns = p->asked_ns ? p->asked_ns : now_ns;
        p->open++;
    }
    uint64_t wait = pxi_min(silent < PROBE ? PROBE - silent : PROBE, patience - silent);
    p->due_ns = now_ns + wait;
    return wait;
}
