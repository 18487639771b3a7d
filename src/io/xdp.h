/*
 * The kernel half of the aggregator (bpf/reduce.bpf.c): load it, attach it to a network device,
 * tell it the jobs, read what it counts. Whatever happens to the process, the program goes with its
 * last file descriptor: nothing is pinned.
 */
#ifndef PXI_IO_XDP_H
#define PXI_IO_XDP_H

#include <stdbool.h>

#include "bpf/reduce.h"
#include "crypto/tag.h"
#include "plexus/err.h"

enum pxi_xdp_rung {
    PXI_XDP_LOADED,  /* attached nowhere: for tests and measurements */
    PXI_XDP_NATIVE,  /* in the driver */
    PXI_XDP_GENERIC, /* in the stack, where the driver has no XDP */
};

struct pxi_xdp_options {
    const char *device; /* NULL: attach nowhere */
    bool generic;       /* do not try the driver */
    uint32_t address;   /* ours, network order; 0: any */
    uint16_t port;      /* host order */
    uint16_t values;    /* of a chunk, at most, a multiple of 16 */
    uint32_t jobs;      /* leases: jobs at a time, at most PXI_BPF_JOBS; 0: 1 */
    uint32_t slots;     /* of a job, at most: a power of two */
    uint32_t chunks;    /* whose last sums are kept of a job, at most */
    bool steered;       /* a slot's packets come to one CPU, though the device has several queues:
                         * no slot needs to be locked */
    bool untagged;      /* for measurements: tags are not looked at, */
    bool endless;       /* and a packet can be added again and again */
};

/* A shard of a job; the fields of pxi_slots_options mean the same. */
struct pxi_xdp_job {
    uint32_t job;
    uint16_t epoch;
    uint8_t shard, format;
    uint32_t base, slots;
    uint16_t values;
    uint8_t fan_in;
    uint64_t members;
    unsigned quorum;
    uint64_t deadline_ns;
    uint32_t chunks;
    enum pxi_bpf_mode mode;
    uint32_t group_address; /* to which sums go in mode switch, network order */
    uint16_t group_port;    /* host order */
    uint8_t group_mac[6];
    const uint8_t (
        *secrets)[PXI_TAG_SECRET]; /* of the PX_GRADIENT_WORKERS workers, and the job's */
    const uint32_t *addresses;     /* of the workers, network order, 0: any; NULL: all 0 */
};

struct pxi_xdp;

/*
 * Load and attach. Errors are said in one line in the diagnosis: PX_ERR_UNSUPPORTED when this build
 * or this kernel has no BPF, PX_ERR_PERMISSION without the right to (CAP_BPF, CAP_PERFMON,
 * CAP_NET_ADMIN).
 */
px_err pxi_xdp_open(const struct pxi_xdp_options *o, struct pxi_xdp **out, px_diag *diag);
void pxi_xdp_close(struct pxi_xdp *x);

enum pxi_xdp_rung pxi_xdp_rung(const struct pxi_xdp *x);
/* The rung and why, in one line; the program's file descriptor, ours. */
const char *pxi_xdp_said(const struct pxi_xdp *x);
int pxi_xdp_program(const struct pxi_xdp *x);

/* Lease slots to a job; PX_ERR_LIMIT: no lease is left, PX_ERR_INVALID: it cannot be. */
px_err pxi_xdp_begin(struct pxi_xdp *x, const struct pxi_xdp_job *job, px_diag *diag);
/* Its slots are free again; PX_ERR_NOT_FOUND. */
px_err pxi_xdp_end(struct pxi_xdp *x, uint32_t job, uint8_t shard);

/* As pxi_slots_members and pxi_slots_deadline. */
px_err pxi_xdp_members(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint16_t epoch,
                       uint64_t members);
px_err pxi_xdp_deadline(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint64_t deadline_ns);
/* For tests: what time it is for this job; 0: what the clock says. */
px_err pxi_xdp_clock(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint64_t now_ns);

/* The counters of all CPUs together. */
void pxi_xdp_counts(const struct pxi_xdp *x, struct pxi_bpf_counts *out);

/* The descriptor of the map that they are in, a value of struct pxi_bpf_counts a CPU. */
int pxi_xdp_counter(const struct pxi_xdp *x);

/* Packets that the device has received since it was attached. */
uint64_t pxi_xdp_received(const struct pxi_xdp *x);

/* Mode server: take finished slots until none is left, after at most wait_ms for the first. The
 * version is borrowed and stays as it is until workers move on. How many there were, or -1. */
typedef void pxi_xdp_done_fn(void *ctx, const struct pxi_bpf_done *done,
                             const struct pxi_bpf_version *version);
int pxi_xdp_take(struct pxi_xdp *x, int wait_ms, pxi_xdp_done_fn *fn, void *ctx);
/* The descriptor that is readable when there are some. */
int pxi_xdp_wakes(const struct pxi_xdp *x);

/* Run a frame through the program `repeat` times without a device: the verdict (XDP_PASS, ..), the
 * frame as it is then in out (*out_n bytes, room for them when called), nanoseconds a run at
 * *ns. -1: the kernel refuses. */
int pxi_xdp_run(struct pxi_xdp *x, const uint8_t *frame, size_t n, uint8_t *out, size_t *out_n,
                unsigned repeat, uint32_t *ns);

#endif
