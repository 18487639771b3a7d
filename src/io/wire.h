/*
 * A wire for measurements: a device of an own network namespace, and a process at its other end
 * that sends gradient packets, either as frames that come from no socket (live frames of
 * BPF_PROG_TEST_RUN, as from a network card: no socket buffer) or through a UDP socket in trains
 * (GSO). It waits until
 * packets before were taken, so that none is lost.
 * Nothing is left when the two processes are gone.
 */
#ifndef PXI_IO_WIRE_H
#define PXI_IO_WIRE_H

#include <stdbool.h>
#include <sys/types.h>

#include "bpf/wire.h"
#include "plexus/err.h"

enum { PXI_WIRE_PORT = 9999, PXI_WIRE_TRAIN = 32 }; /* datagrams that a socket sends together */

enum { PXI_WIRE_NOT_YET = -1, PXI_WIRE_STUCK = -2 };
enum pxi_wire_source { PXI_WIRE_FRAMES, PXI_WIRE_SOCKET };
enum pxi_wire_program { PXI_WIRE_DROP, PXI_WIRE_TO_SOCKET };

struct pxi_wire;

/*
 * Make it; this thread is in the namespace of the device until it is closed. PX_ERR_PERMISSION
 * without the right to, PX_ERR_UNSUPPORTED where the kernel has no such frames.
 */
px_err pxi_wire_open(struct pxi_wire **out, px_diag *diag);
void pxi_wire_close(struct pxi_wire *w);

const char *pxi_wire_device(const struct pxi_wire *w);
/* IPv4 addresses of the device and of all workers, network order. */
uint32_t pxi_wire_address(void);
uint32_t pxi_wire_peer(void);

/* What a run sends; these are shared with the kernel. */
struct pxi_wire_run *pxi_wire_run(struct pxi_wire *w);
struct pxi_wire_packet *pxi_wire_packets(struct pxi_wire *w);
uint8_t *pxi_wire_values(const struct pxi_wire *w); /* of all packets: 8 x PXI_WIRE_WORDS bytes */

/* Before the head of a packet of ours: Ethernet, IPv4, UDP from the worker's port; n: bytes of the
 * datagram. The sum of UDP stays 0, which is none. */
void pxi_wire_wrap(const struct pxi_wire *w, uint8_t *frame, unsigned worker, size_t n);

/* What says how many packets were taken: this map of an aggregator's counters, which had `before`
 * packets; or, -1, run->answered, which the program of PXI_WIRE_DROP and user space write. */
px_err pxi_wire_count(struct pxi_wire *w, int counters, uint64_t before);

/* Send run->packets, each with run->words words of values behind its head. */
px_err pxi_wire_start(struct pxi_wire *w, enum pxi_wire_source source);
/* 0 or more: it is done, and this is the processor time of the sender in ns; PXI_WIRE_NOT_YET after
 * so long, PXI_WIRE_STUCK: it could not. */
int64_t pxi_wire_wait(struct pxi_wire *w, int ms);
/* The descriptor that is readable then. */
int pxi_wire_tells(const struct pxi_wire *w);

/* Processor time of the thread that takes the device's packets, in ns. */
uint64_t pxi_wire_taker_ns(const struct pxi_wire *w);

/* Put a program on the device, which must have none; to_socket: with this AF_XDP socket (else -1).
 * pxi_wire_clear takes it away. */
px_err pxi_wire_put(struct pxi_wire *w, enum pxi_wire_program p, int socket, px_diag *diag);
void pxi_wire_clear(struct pxi_wire *w);

#endif
