/*
 * Whether a peer that answers probes lives: how long it may be silent follows from how evenly it
 * answered so far, as the time-outs of TCP do: two probes, what its answers take beyond their
 * shortest way, and four deviations of that, within bounds (stage.silence_*), and the way on top. A
 * calm peer is missed soon, one under load is given more time. When we look too late ourselves, the
 * time that we were away counts for nobody. Pure.
 */
#ifndef PXI_INFER_PULSE_H
#define PXI_INFER_PULSE_H

#include <stdbool.h>
#include <stdint.h>

struct pxi_pulse {
    uint64_t due_ns;                  /* when we meant to look again */
    uint64_t present_ns;              /* silence counts from then on, when we were away before */
    uint64_t asked_ns;                /* when the probe left whose answer is timed; 0: none */
    uint32_t open, ahead;             /* probes that are not answered; before that one */
    uint64_t probed_ns;               /* the last one */
    uint64_t way_ns, mean_ns, dev_ns; /* the shortest answer; all of them */
    bool answered;                    /* one came */
};

/* Begin to listen. */
void pxi_pulse_begin(struct pxi_pulse *p, uint64_t now_ns);
/* An answer came. */
void pxi_pulse_answered(struct pxi_pulse *p, uint64_t now_ns);
/* So long it may be silent. */
uint64_t pxi_pulse_patience_ns(const struct pxi_pulse *p);
/* Look; bytes came last at heard_ns. 0: it was silent for too long; or after how many ns to look
 * again. *probe: send one now. */
uint64_t pxi_pulse_look(struct pxi_pulse *p, uint64_t heard_ns, uint64_t now_ns, bool *probe);

#endif
