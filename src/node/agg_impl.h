/* What the files of the kernel aggregator's holder share (src/node/agg*.c). */
#ifndef PXI_NODE_AGG_IMPL_H
#define PXI_NODE_AGG_IMPL_H

#include <jansson.h>
#include <pthread.h>

#include "io/lines.h"
#include "io/sums.h"
#include "kernel/kernel.h"
#include "plexus/agg.h"

enum { PXI_AGG_CLIENTS = 8, PXI_AGG_NAMES = 16, PXI_AGG_EPOCH = 1 /* in which px_reduce begins */ };

struct pxi_agg_client {
    struct pxi_lines *lines; /* NULL: a free place */
    bool traces;             /* it wants events */
};

/* Of attaching once more (agg_again.c). */
struct pxi_agg_again {
    uint64_t at_ns, step_ns; /* when it is tried next */
    unsigned times;          /* that it was done */
    char why[224];           /* it was not, the last time; or empty */
    pthread_t thread;        /* that asks the helper, */
    bool asks, answered;     /* if it does */
    struct pxi_xdp_loaded *loaded;
    px_diag diag;
};

struct pxi_agg {
    px_agg_options o;
    struct pxi_xdp *xdp;
    struct pxi_sums *sums;           /* NULL: the kernel sends them */
    struct pxi_agg_sockets *sockets; /* instead of the program, once it is gone */
    struct pxi_agg_jobs *jobs;       /* by name, or NULL */
    bool given_up;                   /* it is gone, and sockets cannot */
    struct pxi_agg_again again;
    struct pxi_bpf_counts past; /* of sockets that were */
    const char *sentry_why;     /* that rule */
    struct pxi_kernels kernels;
    struct pxi_loop *loop;
    struct pxi_lines_server *server;
    struct pxi_agg_client clients[PXI_AGG_CLIENTS];
    uv_timer_t look, trace;
    uv_poll_t wakes;
    uv_poll_cb wake; /* of these */
    const volatile int *stop;
    uint64_t mismatches, since_ns;
    unsigned packet_ns; /* in the program, as measured before it was attached; 0: not known */
    uint64_t trace_ns, told, untold, untold_before; /* of this second */
    bool tracing;
};

/* The answer to "stat", a line of JSON to be freed with free. */
char *pxi_agg_stat(const struct pxi_agg *a);

/* A client wants events from now on; look whether anybody still does. */
void pxi_agg_trace(struct pxi_agg *a, struct pxi_agg_client *c);
void pxi_agg_trace_init(struct pxi_agg *a);

/* Go on with a socket from where the program was; false: there is no job, or one with a Sentry, or
 * no port. Stop it before the loop closes, free it after. */
struct pxi_agg_sockets;
bool pxi_agg_sockets_open(struct pxi_agg *a);
void pxi_agg_sockets_stop(struct pxi_agg_sockets *s);
void pxi_agg_sockets_free(struct pxi_agg_sockets *s);
/* Bring what they have into the maps. The program does not run. */
void pxi_agg_sockets_save(const struct pxi_agg_sockets *s);
/* It does again: they stop, and are freed by the loop. */
void pxi_agg_sockets_retire(struct pxi_agg_sockets *s);
/* Add what it has counted. */
void pxi_agg_sockets_count(const struct pxi_agg_sockets *s, struct pxi_bpf_counts *c);

/* The program is not attached: attach it again, at times. True: it is. */
bool pxi_agg_again(struct pxi_agg *a);
void pxi_agg_again_end(struct pxi_agg *a);

/* Join the jobs by name and serve them (agg_jobs.c). NULL: no memory. Stop it before the loop
 * closes, free it after. */
struct pxi_agg_jobs *pxi_agg_jobs_open(struct pxi_agg *a);
/* Now and then: join what was lost. With `adds` false the program is gone: leave all, whose leases
 * end. */
void pxi_agg_jobs_look(struct pxi_agg_jobs *j, bool adds);
void pxi_agg_jobs_stop(struct pxi_agg_jobs *j);
void pxi_agg_jobs_free(struct pxi_agg_jobs *j);
/* What is known of them, an array, and the job of the first company; 0: none. */
json_t *pxi_agg_jobs_stat(const struct pxi_agg_jobs *j);
uint32_t pxi_agg_jobs_first(const struct pxi_agg_jobs *j, unsigned *workers);
#endif
