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
    const struct pxi_xdp_joiner *joiner; /* for devices that have a program, or NULL */
    const char *helper; /* socket of who has the rights when we have not (io/xdpd.h), or NULL */
    enum px_sentry_rule sentry; /* of jobs, which then have a fan-in of 4 at least; its k, */
    unsigned k;    /* deviations or scales, in quarters, to PX_SENTRY_K_MAX; 0: the rule's */
    bool clip;     /* welford: shrink what is too large instead of dropping it */
    bool untagged; /* for measurements: tags are not looked at, */
    bool endless;  /* and a packet can be added again and again */
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
    uint64_t deadline_ns, slack_ns;
    uint32_t chunks;
    bool unjudged; /* by the Sentry, if there is one */
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
/* Whether the helper attached it; whether it still is attached: its device or the helper may go. */
bool pxi_xdp_helped(const struct pxi_xdp *x);
bool pxi_xdp_attached(struct pxi_xdp *x);

/*
 * Attach once more, after it went. pxi_xdp_relink: the same program, its jobs are at work again
 * when the call returns; with our own rights, PX_ERR_PERMISSION when it was the helper's.
 * pxi_xdp_fetch has the helper load and attach another one, without jobs, and may be called on any
 * thread; pxi_xdp_move brings the jobs there and lets go of the one before. What was fetched and is
 * not moved to is given to pxi_xdp_drop (NULL is allowed). Errors as pxi_xdp_open.
 */
struct pxi_xdp_loaded;
px_err pxi_xdp_relink(struct pxi_xdp *x, px_diag *diag);
px_err pxi_xdp_fetch(const struct pxi_xdp *x, struct pxi_xdp_loaded **out, px_diag *diag);
px_err pxi_xdp_move(struct pxi_xdp *x, struct pxi_xdp_loaded *to, px_diag *diag);
void pxi_xdp_drop(struct pxi_xdp_loaded *l);

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

/* What the Sentry knows of the workers of a job, PX_GRADIENT_WORKERS of them, as the kernel has it;
 * NULL: there is no such job, or no Sentry. */
const struct px_sentry_worker *pxi_xdp_judged(const struct pxi_xdp *x, uint32_t job, uint8_t shard);
/* As pxi_sentry_pardon; PX_ERR_NOT_FOUND. */
px_err pxi_xdp_pardon(struct pxi_xdp *x, uint32_t job, uint8_t shard, unsigned worker);

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
/* The descriptor that is readable when the kernel wanted user space to wake up. */
int pxi_xdp_wakes(const struct pxi_xdp *x);

/* A job that has a lease; NULL: none. A version by where it lies in the map of slots; NULL: past
 * the end. Bytes of the lanes of each. Borrowed, and the kernel goes on writing there. */
struct pxi_bpf_job *pxi_xdp_job(const struct pxi_xdp *x, uint32_t job, uint8_t shard);
struct pxi_bpf_version *pxi_xdp_version(const struct pxi_xdp *x, uint32_t at);
size_t pxi_xdp_room(const struct pxi_xdp *x);

/* Have the kernel tell what happens, or not. Nobody is woken: look for it now and then; what finds
 * no room is counted (untold). */
void pxi_xdp_watch(struct pxi_xdp *x, bool on);
/* What was told since; how many events. */
typedef void pxi_xdp_event_fn(void *ctx, const struct pxi_bpf_event *e);
int pxi_xdp_events(struct pxi_xdp *x, pxi_xdp_event_fn *fn, void *ctx);

/* Take what aggregators that were killed have left in libxdp's dispatcher on a device out of it. */
px_err pxi_xdp_sweep(const char *device, unsigned *swept, px_diag *diag);

/* Run a frame through the program `repeat` times without a device: the verdict (XDP_PASS, ..), the
 * frame as it is then in out (*out_n bytes, room for them when called), nanoseconds a run at
 * *ns. -1: the kernel refuses. */
int pxi_xdp_run(struct pxi_xdp *x, const uint8_t *frame, size_t n, uint8_t *out, size_t *out_n,
                unsigned repeat, uint32_t *ns);

#endif
