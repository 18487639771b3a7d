/* What the files of the simulator's carrier share. */
#ifndef PXI_NET_SIMLINK_IMPL_H
#define PXI_NET_SIMLINK_IMPL_H

#include "net/limits.h"
#include "net/simlink.h"

/* Freed pieces of one size, the last one first: it is still in the processor's cache. */
struct sim_pool {
    void *free; /* each begins with the next */
};

struct pxi_simnet {
    struct pxi_simnet_options o;
    struct sim_pool pools[4]; /* by enum sim_piece */
    struct pxi_rng rng;
    struct pxi_list *chains; /* ports by the hash of their address */
    unsigned mask, ports;
    struct pxi_list resting; /* struct sim_conn.rest, looked at first to last */
    struct pxi_timer look;   /* at the connections that may have rested long enough */
    struct pxi_simnet_stats stats;
};

struct pxi_simport {
    struct pxi_list link;  /* in its chain */
    struct pxi_list conns; /* struct sim_conn.of_port */
    struct pxi_transport transport;
    struct pxi_simnet *net;
    struct pxi_host *host; /* NULL: dead */
    uint64_t delay_ns, hash;
    bool refuses; /* when dead: says no at once */
    uint16_t addr_n;
    uint8_t addr[64];
};

struct sim_conn {
    struct pxi_conn c;
    struct sim_conn *other;   /* NULL: gone */
    struct pxi_simport *port; /* NULL: dead */
    struct pxi_simnet *net;
    struct pxi_list of_port, streams; /* streams: struct sim_stream.of_conn */
    struct pxi_list rest;             /* in the line of those that are looked at */
    uint64_t look_ns;                 /* when this one is */
    struct pxi_timer timer;           /* the end, when it is closing */
    uint64_t delay_ns;                /* one way */
    px_err why;
};

struct sim_chunk {
    struct sim_chunk *next;
    uint64_t at_ns; /* when it arrives */
    size_t n, cap, used;
    uint8_t b[];
};

enum { SIM_CHUNK_BYTES = 232, SIM_LARGE_BYTES = 1920 }; /* of the chunks of the pools */

/* One end of a stream; `in` is what is on its way to this end. */
struct sim_stream {
    struct pxi_stream s;
    struct sim_stream *other; /* NULL: gone */
    struct sim_conn *conn;
    struct pxi_list of_conn;
    struct pxi_timer timer; /* the next arrival, or something to tell from the loop */
    struct sim_chunk *in, *in_last;
    size_t in_bytes;
    uint64_t end_ns, reset_ns; /* when the other's end or reset arrives; PXI_NEVER: not yet */
    bool shown;                /* the host has seen it (inbound ends: when the first byte comes) */
    bool full;                 /* the owner did not take everything: wait for a resume */
    bool dead;                 /* to be freed from the loop */
    bool roomy;                /* tell the owner that there is room again */
};

enum sim_piece { SIM_CONN, SIM_STREAM, SIM_CHUNK, SIM_LARGE };
/* A piece of `bytes` bytes (always as many for one kind), not zeroed; NULL: no memory. */
void *pxi_sim_take(struct pxi_simnet *n, enum sim_piece kind, size_t bytes);
void pxi_sim_give(struct pxi_simnet *n, enum sim_piece kind, void *p);

/* A pair of ends; the dialer's is returned, the other is offered to its host. NULL: refused. */
struct sim_conn *pxi_sim_connect(struct pxi_simport *from, struct pxi_simport *to, px_err *err);
void pxi_sim_conn_drop(struct sim_conn *c);
/* One way, with the loss of one flight. */
uint64_t pxi_sim_flight(struct pxi_simnet *n, uint64_t delay_ns);

/* simlink_stream.c */
struct pxi_stream *pxi_sim_stream_open(struct pxi_conn *c);
/* Free one end; the other end, if there is one, is left alone. */
void pxi_sim_stream_free(struct sim_stream *s);

#endif
