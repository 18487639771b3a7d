/*
 * What the two halves of the aggregator share: the values of its maps. bpf/reduce.bpf.c is the
 * kernel half, src/io/xdp.c loads it, tells it the jobs and reads what it counts.
 */
#ifndef PXI_BPF_REDUCE_H
#define PXI_BPF_REDUCE_H

#include "bpf/gradient.gen.h"
#include "bpf/sentry.h"
#include "bpf/tag.h"

#define PXI_BPF_SLACK_NS  500000000ull   /* that a deadline gives at least, by default */
#define PXI_BPF_FORGET_NS 10000000000ull /* after which a long wait counts half */

enum {
    PXI_BPF_JOBS = 64,    /* places for jobs, a power of two */
    PXI_BPF_PROBES = 4,   /* places from its own at which a job may lie */
    PXI_BPF_MEMBERS = 65, /* tag keys of a job: its workers, and its own for results */
    PXI_BPF_BATCH = 32,   /* finished slots a forced wake-up, in mode server */
    PXI_BPF_TIMES = 128,  /* of the histogram: quarters of powers of two of nanoseconds */
    PXI_BPF_SPINS = 64,   /* looks at a slot that another CPU has */
    PXI_BPF_SAMPLE = 64,  /* one packet of so many is timed */
};

/* Chosen when it is loaded, and constant for the verifier. */
struct pxi_bpf_chosen {
    uint32_t address; /* ours, network order; 0: any */
    uint16_t port;    /* network order */
    uint8_t shared;   /* a slot's packets may come on several CPUs */
    uint8_t untagged; /* for measurements: tags are not looked at, */
    uint8_t endless;  /* and who was added is forgotten, so that a packet can be added again */
    uint8_t sentry;   /* px_sentry_rule, of all jobs; its k, in quarters; whether welford shrinks */
    uint8_t k, clip;
    uint32_t lane_words; /* 64-bit words of lanes of a slot */
};

/* How a sum reaches the workers. */
enum pxi_bpf_mode {
    PXI_BPF_SWITCH, /* the kernel sends it to the group's address: user space sleeps */
    PXI_BPF_SERVER, /* user space is told and sends it; repetitions the kernel still sends itself */
};

/* A job. Its slots, kept sums and workers are ranges of maps that all jobs share. */
struct pxi_bpf_job {
    uint32_t job;
    uint8_t shard, live, mode, format;
    uint16_t epoch, values, half;           /* half: values of a chunk of 32 bits */
    uint8_t fan_in, quorum, shift8, shift4; /* shifts: of i8 and i4 when they are folded */
    uint32_t base, slots, chunks;
    uint32_t first_version, first_kept, first_worker;
    uint16_t bias; /* of its format, and how many bits that is; for the Sentry */
    uint8_t bits, lease;
    uint32_t group_address; /* network order, as the next; of sums that go to all */
    uint16_t group_port;
    uint8_t group_mac[6];
    uint32_t open, pending; /* slots that wait for somebody; finished ones nobody was woken for */
    uint32_t judged, waits; /* by the Sentry, if there is one; somebody has said that it waits */
    uint64_t members, deadline_ns, slack_ns;
    uint64_t met, absent, spread_ns, spread_at_ns; /* as in slots.c */
    uint64_t now_ns;           /* for tests: what time it is; 0: what the clock says */
    uint64_t room[2], tops[2]; /* of i16, i32: a lane, or a lane + room, has one of the top bits
                                * when it is no value; room 0: the limit is a power of two */
};

struct pxi_bpf_worker {
    uint32_t address; /* network order; 0: any */
    uint32_t unused;
    uint64_t first[4]; /* of its pads: the first word of its heads is the same in all */
    struct pxi_tag_key key;
};

/* One of the two sums of a slot; 16-bit lanes follow, as many as the job has values. */
struct pxi_bpf_version {
    uint32_t seq, where;
    uint8_t open, done, format, flags;
    uint16_t count;
    int8_t exponent, next;
    uint64_t seen, added, refused, first_ns;
    uint8_t seen_n, refused_n, unused[10];
    uint32_t lock;
    uint64_t lanes[];
};

/* The last sum of a chunk; its bytes follow. */
struct pxi_bpf_kept {
    struct px_gradient_head head;
    uint64_t there, unused[2];
    uint64_t lanes[];
};

/* Counted a CPU. */
struct pxi_bpf_counts {
    uint64_t packets, added, finished, closed, again, outvoted; /* as pxi_slots_counts */
    uint64_t answered[2];                                       /* sent to a sender; to all */
    uint64_t wakeups;                                           /* of user space that were forced */
    uint64_t clipped; /* by the Sentry; what it dropped is in drops */
    uint64_t busy;    /* not taken: another CPU had the slot */
    uint64_t stuck;   /* answers for which the frame had no room, or the ring */
    uint64_t untold;  /* events for which the ring had none */
    uint64_t drops[PX_GRADIENT_DROPS];
    uint64_t times[PXI_BPF_TIMES];
};

/* The Sentry's: of a version, what is noted while it is open, then the reference; of a chunk, what
 * is remembered, then the last aggregate, and both as many lanes as a version. */
struct pxi_bpf_noted {
    struct px_sentry_slot slot;
    uint64_t lanes[];
};

struct pxi_bpf_centre {
    struct px_sentry_chunk chunk;
    uint64_t lanes[];
};

/* Of a job, and of a worker of it under welford. */
struct pxi_bpf_sentry {
    struct px_sentry_worker workers[PX_GRADIENT_WORKERS];
    struct px_sentry_level levels[PX_SENTRY_CELLS];
};

struct pxi_bpf_past {
    struct px_sentry_cell cells[PX_SENTRY_CELLS];
};

/* A finished slot, to user space. */
struct pxi_bpf_done {
    uint32_t job, version; /* where it lies in the map of slots */
    uint32_t seq;
    uint32_t shard;
};

/* Whether somebody looks at events. */
struct pxi_bpf_watch {
    uint32_t on, unused;
};

enum pxi_bpf_event_kind {
    PXI_BPF_DROPPED,  /* detail: enum px_gradient_drop */
    PXI_BPF_FINISHED, /* detail: 1: at its deadline */
    PXI_BPF_VERDICT,  /* detail: enum px_sentry_verdict */
};

/* Something that happened to a packet, or to the slot that it was for. */
struct pxi_bpf_event {
    uint64_t at_ns;  /* of the monotonic clock */
    uint64_t added;  /* finished: who is in the sum */
    uint32_t source; /* of the packet, network order */
    uint32_t job, seq;
    uint8_t kind, detail, shard, worker;
};

#endif
