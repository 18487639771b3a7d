/*
 * The messages of /plexus/reduce/1.0.0, by which workers join a job and hear who is in it, which of
 * them they are, and its key. A worker says a join and keeps the stream; the node that offers the
 * job answers with orders: wait, a grant, that one is over, or a refusal. Who adds for all joins as
 * well, and hears of every grant. Each message is a protobuf behind its length.
 */
#ifndef PXI_CODEC_MUSTER_H
#define PXI_CODEC_MUSTER_H

#include "codec/maddr.h"
#include "codec/pb.h"

#define PXI_MUSTER_PROTOCOL "/plexus/reduce/1.0.0"

enum {
    PXI_MUSTER_WORKERS = 64,
    PXI_MUSTER_NAME = 64,    /* most bytes of the name of a job */
    PXI_MUSTER_ADDRESS = 64, /* and of an address: an ip and a UDP port */
    PXI_MUSTER_SECRET = 32,
    PXI_MUSTER_RULE = 16, /* and of the name of a rule */
    PXI_MUSTER_REASON = 128,
    PXI_MUSTER_JOIN_BYTES = 256,
    PXI_MUSTER_ORDER_BYTES = 8192,
};

/* SINGLY: the kernel adds in the stack, where trains of a virtual link come as one packet. */
enum pxi_muster_adds { PXI_MUSTER_WORKS, PXI_MUSTER_ADDS, PXI_MUSTER_ADDS_SINGLY };

struct pxi_muster_join {
    px_view name;    /* of the job: letters, digits, - _ . */
    px_view address; /* multiaddr at which the worker takes gradients */
    uint64_t adds;   /* enum pxi_muster_adds: no worker, it adds for all, */
    px_view rule;    /* and by this rule where there are 4 workers or more; empty: as they come */
    uint64_t rate;   /* bytes a second of its line; 0: not known */
    uint64_t packet_ns; /* of its processors, for a packet's both ends; 0: not known */
    uint64_t late;      /* said again by a worker with a grant: bit set of ranks that sums went on
                         * without */
};

/* OVER: of a grant; who added is gone, or somebody came back; to who adds: its workers are gone. */
enum pxi_muster_status { PXI_MUSTER_WAIT, PXI_MUSTER_GRANT, PXI_MUSTER_REFUSED, PXI_MUSTER_OVER };

/* What an order says. Of WAIT only present and world, of REFUSED only reason, of OVER only job. */
struct pxi_muster_order {
    uint64_t status; /* enum pxi_muster_status */
    uint64_t job, epoch, rank, world, present;
    uint64_t slots, values, format, deadline_ms; /* slots: the lease, of each shard */
    struct pxi_pb_list addresses;                /* px_view, multiaddrs in the order of ranks */
    px_view aggregator;                          /* of all shards; empty: every worker has one */
    px_view group;   /* ip4 or ip6 multiaddr to which it sends sums; empty: to each */
    px_view secret;  /* PXI_MUSTER_SECRET bytes: never given out twice */
    px_view reason;  /* of a refusal; of a grant: why its sums are made where they are */
    px_view rule;    /* by which the aggregator judges; empty: none, or it is not known */
    uint64_t singly; /* 1: it takes no trains of datagrams */
};

extern const struct pxi_pb_message pxi_pb_muster_join, pxi_pb_muster_order;

/* Whether a name can be one of a job. */
bool pxi_muster_name(px_view name);
/* Whether an address is an ip4 or ip6 with a UDP port, and nothing more. */
bool pxi_muster_address(px_view address);

/* Decode and check; views into bytes, lists in the arena. PX_ERR_CORRUPT for what cannot be meant.
 */
px_err pxi_muster_read_join(px_view bytes, struct pxi_arena *a, struct pxi_muster_join *out,
                            px_diag *d);
px_err pxi_muster_read_order(px_view bytes, struct pxi_arena *a, struct pxi_muster_order *out,
                             px_diag *d);

#endif
