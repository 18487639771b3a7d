/*
 * A worker's side of one shard of a job, without I/O: gradients in, packets out; packets in, sums
 * out. One operation at a time: all workers begin the same ones in the same order.
 *
 * A chunk is packed straight into the frame in which it leaves, and stays there until its sum has
 * come; a sum is unpacked straight from the packet that brings it to where the gradient was.
 * docs/internals/reduce.md has the sequence of a round and what happens to what is lost.
 */
#ifndef PXI_REDUCE_RANK_H
#define PXI_REDUCE_RANK_H

#include "codec/gradient.h"
#include "kernel/kernel.h"
#include "plexus/err.h"

struct pxi_rank_options {
    uint32_t job, base, slots; /* as pxi_slots_options, and so are the next */
    uint16_t epoch, values;
    uint8_t shard, format, fan_in;
    uint8_t worker;                    /* who we are, below 64 */
    uint8_t *frames;                   /* `slots` frames, `stride` bytes apart; outlive it */
    size_t stride;                     /* PX_GRADIENT_HEAD + pxi_gradient_most(values) at least */
    uint64_t rto_min_ns, rto_max_ns;   /* bounds of the time after which a packet is sent again */
    bool stochastic;                   /* round stochastically */
    const struct pxi_kernels *kernels; /* outlives it */
};

struct pxi_rank_counts {
    uint64_t sent, again, results, repeated; /* packets; repeated: sums that had come before */
    uint64_t late;                           /* chunks that were closed without us */
    uint64_t wide;                           /* chunks that saturated and went once more */
    uint64_t refused;                        /* packets that are no answer to ours */
    uint64_t kept;                           /* bytes of sums that were copied aside for echoes */
};

/* What an operation does. */
struct pxi_rank_op {
    void *x;         /* n values, floats or bf16: a gradient, then the sum, or the mean */
    float *residual; /* n values that earlier rounds owe, or NULL: nothing is owed */
    size_t n;
    uint32_t where; /* number of its first chunk in the shard */
    bool mean;      /* divide every sum by the number of those who are in it */
    bool bf16; /* x has uint16_t, widened and rounded a chunk at a time; residuals are floats */
};

struct pxi_rank;

/* NULL: no memory, or options that cannot be. */
struct pxi_rank *pxi_rank_new(const struct pxi_rank_options *o);
void pxi_rank_free(struct pxi_rank *w);

/* Begin; PX_ERR_INVALID: an operation runs, or it is too long. x and residual are ours until it is
 * done. A chunk in which somebody has a value that is not finite, or 2^126 and above, becomes NaN
 * on all workers, and nothing of it is owed. */
px_err pxi_rank_begin(struct pxi_rank *w, const struct pxi_rank_op *op);
bool pxi_rank_done(const struct pxi_rank *w);
/* Of the last operation: the smallest number of workers in a sum. */
unsigned pxi_rank_least(const struct pxi_rank *w);
/* Of the last operation: bit set of workers that are in every sum; what a Sentry refused counts. */
uint64_t pxi_rank_everywhere(const struct pxi_rank *w);
/* Of the last operation: chunks whose sum was no longer kept when we asked; they are as they were.
 */
uint32_t pxi_rank_lost(const struct pxi_rank *w);
/* Of the last operation: chunks of which somebody had values that are not finite. */
uint32_t pxi_rank_not_finite(const struct pxi_rank *w);
/* Sequence numbers that are used up, of 2^31. */
uint32_t pxi_rank_used(const struct pxi_rank *w);
/* Give up the operation; what it has not summed is as it was, or in the residual. */
void pxi_rank_abort(struct pxi_rank *w);

/* When the aggregator last said anything; 0: never. */
uint64_t pxi_rank_heard_ns(const struct pxi_rank *w);

/* The next frame to send, with everything but its tag; empty: none now. The frame stays as it is
 * until its sum has come. */
px_view pxi_rank_poll(struct pxi_rank *w, uint64_t now_ns);
/* When to poll again though nothing came; UINT64_MAX: nothing waits. */
uint64_t pxi_rank_deadline(const struct pxi_rank *w);

/* Take a packet of pxi_gradient_read whose tag was right. False: it is not an answer to ours. */
bool pxi_rank_take(struct pxi_rank *w, const struct px_gradient_head *h, px_view values,
                   uint64_t now_ns);

/* Others belong to the job: what is on its way is sent anew under this epoch. */
void pxi_rank_epoch(struct pxi_rank *w, uint16_t epoch);
/* What waits is sent again now. */
void pxi_rank_hurry(struct pxi_rank *w);

/* For the case that another takes the shard over: keep the last result of every place. */
void pxi_rank_keep(struct pxi_rank *w, bool keep);
/* The last result of a place of the window as an echo at `out` (as large as a frame), whole but for
 * its tag: its bytes. */
size_t pxi_rank_echo(struct pxi_rank *w, uint32_t place, uint8_t *out);

/* The sequence of the next packet that is made; the next, and the operation that runs, if one does
 * and has made none, begins there. */
uint32_t pxi_rank_next(const struct pxi_rank *w);
void pxi_rank_seek(struct pxi_rank *w, uint32_t seq);

const struct pxi_rank_counts *pxi_rank_counts(const struct pxi_rank *w);

#endif
