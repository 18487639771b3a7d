/* What bpf/faults.bpf.c does to datagrams, shared with who loads it. */
#ifndef PX_BPF_FAULTS_H
#define PX_BPF_FAULTS_H

#include <stdint.h>

/* Of 10,000 datagrams each; drawn from the seed and the datagram's number. */
struct px_faults_plan {
    uint32_t seed, lose, twice, flip;
};

struct px_faults_done {
    uint64_t seen, lost, doubled, flipped;
};

#endif
