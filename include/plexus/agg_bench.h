/*
 * What a packet of gradients costs the host that adds it, on several ways into it, and how often it
 * wakes user space: measured on a virtual wire of its own (docs/internals/reduce.md).
 */
#ifndef PLEXUS_AGG_BENCH_H
#define PLEXUS_AGG_BENCH_H

#include "plexus/err.h"

PX_BEGIN_DECLS

/* What is done with a packet. */
typedef enum px_agg_kind {
    PX_AGG_DROP,     /* XDP_DROP, nothing else */
    PX_AGG_PARSE,    /* plexus reads the head, knows the job and drops it: of another epoch */
    PX_AGG_SWITCH,   /* plexus adds it in the kernel, which sends the sums to all */
    PX_AGG_SERVER,   /* the same, but user space is handed the sums, and compares them */
    PX_AGG_RECVMMSG, /* the stack, recvmmsg of 64, sums by the best kernels of this processor */
    PX_AGG_AF_XDP,   /* AF_XDP in copy mode, the same sums */
    PX_AGG_GRO,      /* the stack joins packets (UDP GRO), the same sums */
} px_agg_kind;

/* One way to measure. */
typedef struct px_agg_way {
    px_agg_kind kind;
    int tagged;       /* the keyed tag is looked at */
    int socket;       /* packets come from a socket in trains (UDP GSO), not as live frames */
    int in_step;      /* workers send a sequence number one after the other, not out of step */
    unsigned fan_in;  /* workers, 1 to 64 */
    unsigned values;  /* of a packet, a multiple of 16, at most 688 */
    unsigned packets; /* about so many, at most 60000 */
} px_agg_way;

/* What it cost. Times are processor time in ns a packet. */
typedef struct px_agg_cost {
    size_t size;      /* sizeof(px_agg_cost) */
    uint64_t packets; /* that were taken; answers: sums that left */
    uint64_t answers;
    double kernel_ns; /* of the thread that takes the packets of the device, XDP included */
    double user_ns;   /* of this process */
    double sender_ns; /* of the sender; from a socket it does what the thread of the device would */
    uint64_t wakeups; /* user space woken for packets, counted where it wakes */
    uint64_t wrong;   /* sums that differ from what user space adds (PX_AGG_SERVER) */
    char rung[16];    /* "native", "generic", or "" */
} px_agg_cost;

typedef struct px_agg_bench px_agg_bench;

/*
 * Make a wire: two network namespaces with a device each, this thread in one of them until
 * px_agg_bench_close. PX_ERR_PERMISSION, PX_ERR_UNSUPPORTED: the diagnosis says what is missing.
 */
PX_API PX_NODISCARD px_err px_agg_bench_open(px_agg_bench **out, px_diag *diag);
PX_API void px_agg_bench_close(px_agg_bench *b);

/* Measure once. Runs that lost a packet are repeated; PX_ERR_FAILED when that does not help. */
PX_API PX_NODISCARD px_err px_agg_bench_run(px_agg_bench *b, const px_agg_way *way,
                                            px_agg_cost *out, px_diag *diag);

PX_END_DECLS

#endif
