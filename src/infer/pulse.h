/*
 * Whether a peer that answers probes lives: how long it may be silent follows from how evenly it
 * answered so far, as the time-outs of TCP do: one probe may get lost in the mean time between two
 * answers, and four deviations are allowed on top, within bounds (stage.silence_*).
 * A calm peer is missed soon, one under load or on a busy link is given more time. When we look too
 * late ourselves, the time that we were away counts for nobody. Pure.
 */
#ifndef PXI_INFER_PULSE_H
#define PXI_INFER_PULSE_H

#include <stdbool.h>
#include <stdint.h>

struct pxi_pulse {
    uint64_t heard_ns, due_ns; /* when it spoke last; when we meant to look again */
    uint64_t mean_ns, dev_ns;  /* of the times between two answers */
    bool spoke;
};

/* Begin to listen. */
void pxi_pulse_begin(struct pxi_pulse *p, uint64_t now_ns);
/* Bytes came. */
void pxi_pulse_heard(struct pxi_pulse *p, uint64_t now_ns);
/* So long it may be silent. */
uint64_t pxi_pulse_patience_ns(const struct pxi_pulse *p);
/* Look: 0: it was silent for too long; or after how many ns to look again. */
uint64_t pxi_pulse_look(struct pxi_pulse *p, uint64_t now_ns);

#endif
