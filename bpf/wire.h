/* What bpf/wire.bpf.c shares with who loads it, src/io/wire.c: the wire of a measurement. */
#ifndef PXI_BPF_WIRE_H
#define PXI_BPF_WIRE_H

#include <stdint.h>

enum {
    PXI_WIRE_BEFORE = 42,                 /* Ethernet, IPv4, UDP */
    PXI_WIRE_HEAD = PXI_WIRE_BEFORE + 40, /* and the head of a gradient packet */
    PXI_WIRE_WORDS = 384,                 /* of values behind it, at most */
    PXI_WIRE_PACKETS = 1 << 16,           /* of a run, at most */
    PXI_WIRE_WORKERS = 64,
    PXI_WIRE_AHEAD = 192, /* packets on their way: a veth holds 256 */
};

/* A packet of a run: what stands before its values. */
struct pxi_wire_packet {
    uint32_t worker; /* whose values follow */
    uint8_t head[PXI_WIRE_HEAD];
    uint8_t unused[2];
};

/* Both halves change it while a run lasts. */
struct pxi_wire_run {
    uint32_t device; /* where packets are sent */
    uint32_t packets, words;
    uint32_t still;   /* values are left out: nobody reads them */
    uint32_t counted; /* the aggregator's own counter, less `before`, says what was taken */
    uint64_t before;
    uint64_t sent, waited; /* waited: frames that could not go yet */
    uint64_t answered;     /* packets that were taken, by user space or px_wire_drop */
    uint64_t heard;        /* sums that came back */
};

#endif
