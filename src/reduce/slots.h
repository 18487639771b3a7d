/*
 * The aggregator of one shard of a job, without I/O: contributions in, sums out. The kernel half
 * (bpf/reduce.bpf.c) does the same on the same packets; tests hold the two against each other.
 * docs/internals/reduce.md has the state machine.
 *
 * Whose packet it is has been proven before (address, tag): this judges only what it says.
 *
 * An aggregator can be a worker of another: a leaf adds its own workers and says their sum, in
 * lanes as they are, to the one above it, whose results it hands down (PXI_SLOTS_ABOVE,
 * pxi_slots_above). It sends again when its workers do, and needs no clock either.
 */
#ifndef PXI_REDUCE_SLOTS_H
#define PXI_REDUCE_SLOTS_H

#include "codec/gradient.h"
#include "kernel/kernel.h"
#include "reduce/sentry.h"

struct pxi_slots_options {
    uint32_t job;
    uint16_t epoch;
    uint8_t shard, format; /* i16, i8 or i4; chunks that saturated come as i32 */
    uint32_t base;         /* sequence of the first chunk, a multiple of 2 x slots */
    uint32_t slots;        /* a power of two, at most PXI_LIMIT_REDUCE_SLOTS */
    uint16_t values;       /* of a chunk, a multiple of 16 */
    uint8_t fan_in;        /* workers that the bias has room for, at most 64 */
    uint64_t members;      /* bit set of the workers that take part, fan_in of them at most */
    unsigned quorum;       /* contributions with which a slot may be closed at its deadline */
    uint64_t deadline_ns;  /* the longest for a slot, from its first contribution */
    uint64_t slack_ns;     /* what it gives beyond the time of full slots; 0: 0.5 s */
    uint32_t chunks;       /* of the shard: their last sums are kept for those who come late */
    bool keep_missed;      /* only from when on somebody is missing: full sums cost no copy */
    uint64_t takes_over;   /* members that tell with echoes how far the shard is; 0: it is new */
    uint8_t *frames; /* 2 x slots frames of pxi_slots_stride bytes, aligned to 64; outlive it */
    const struct pxi_kernels *kernels; /* outlives it */
    struct pxi_sentry *sentry; /* with the same format, fan-in, slots and chunks; outlives it; NULL:
                                  everything is added; always that in a tree */
    /* A leaf: its number above, below 64, and the rank of its first worker: its members are at most
     * PXI_SLOTS_LEAF ranks from there on. fan_in is that of the whole job. With less than half of
     * them a slot is closed only at the longest deadline, whatever the quorum. */
    bool leaf;
    uint8_t number, first;
    /* The one above: its members are leaves, and this is how many workers each has, in the order of
     * ranks; copied. The quorum counts workers. NULL: its members are workers. */
    const uint8_t *leaves;
};

enum { PXI_SLOTS_LEAF = 32 };

/* Bytes of the frame of a version: room for the head before the values, which are aligned. */
size_t pxi_slots_stride(uint16_t values);

struct pxi_slots_counts {
    uint64_t packets, added, finished; /* finished: slots, of which */
    uint64_t closed;                   /* at their deadline, without all */
    uint64_t clipped;         /* contributions that the Sentry clamped; those dropped: in drops */
    uint64_t again, outvoted; /* sums sent once more; slots begun anew against their first */
    uint64_t drops[PX_GRADIENT_DROPS];
};

struct pxi_slots;

/* NULL: no memory, or options that cannot be. */
struct pxi_slots *pxi_slots_new(const struct pxi_slots_options *o);
void pxi_slots_free(struct pxi_slots *s);

/* Go on from where the kernel half was: a version of its job (bpf/reduce.h), for each of them,
 * before the first packet. False: it cannot be one. */
struct pxi_bpf_job;
struct pxi_bpf_version;
bool pxi_slots_resume(struct pxi_slots *s, const struct pxi_bpf_job *j,
                      const struct pxi_bpf_version *v);
/* The other way: it goes on from here. v: 2 x slots versions, in the order of the sequence from the
 * job's base on, that have room for the values. Deadlines begin anew now. */
void pxi_slots_save(const struct pxi_slots *s, struct pxi_bpf_job *j,
                    struct pxi_bpf_version *const *v, uint64_t now_ns);

/* Whom an answer is for. ABOVE: the aggregator above this leaf. */
enum pxi_slots_to { PXI_SLOTS_NOBODY, PXI_SLOTS_SENDER, PXI_SLOTS_ALL, PXI_SLOTS_ABOVE };

/* An answer, whole but for its tag, where the sum was made. It stays until the slot's version goes
 * on, or, when that has happened, until 32 more such answers were made. */
struct pxi_slots_answer {
    uint8_t *bytes;
    size_t n;
};

/*
 * Take a packet of pxi_gradient_read. A slot is finished by the last of its members, or, past its
 * deadline, by any packet for it when a quorum is there; its sum then goes to all. Those whom a
 * slot was closed without are not waited for until they are in time again.
 */
enum pxi_slots_to pxi_slots_take(struct pxi_slots *s, const struct px_gradient_head *h,
                                 px_view values, uint64_t now_ns, struct pxi_slots_answer *out);

/* A leaf takes what the one above it answers, as pxi_gradient_read gave it. */
enum pxi_slots_to pxi_slots_above(struct pxi_slots *s, const struct px_gradient_head *h,
                                  px_view values, struct pxi_slots_answer *out);

/*
 * Take an echo of pxi_gradient_read_member: what a worker knows of the last result of a place. When
 * all that have to have told of all places, the shard goes on behind the latest of each: who waits
 * for that gets it. Until then nothing is taken.
 */
void pxi_slots_echo(struct pxi_slots *s, const struct px_gradient_head *h, px_view values);
bool pxi_slots_ready(const struct pxi_slots *s);

/* Others belong to the job from now on: packets of older epochs are dropped, slots go on. Those who
 * are new, `later`, are not waited for until they are there. quorum: as in the options. Deadlines
 * begin anew now, when now_ns is not 0: others may have waited for those who are gone. */
void pxi_slots_members(struct pxi_slots *s, uint16_t epoch, uint64_t members, uint64_t later,
                       unsigned quorum, uint64_t now_ns);
/* Members that are not waited for until they are there. */
void pxi_slots_later(struct pxi_slots *s, uint64_t later);
void pxi_slots_deadline(struct pxi_slots *s, uint64_t deadline_ns);

const struct pxi_slots_counts *pxi_slots_counts(const struct pxi_slots *s);

#endif
