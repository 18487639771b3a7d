/* One operation of Kademlia: a lookup, what it gathers, and what is sent at its end. */
#ifndef PXI_NET_KAD_QUERY_H
#define PXI_NET_KAD_QUERY_H

#include "net/kad_impl.h"

enum pxi_kad_kind {
    PXI_KAD_OP_CLOSEST,
    PXI_KAD_OP_FIND,
    PXI_KAD_OP_GET,
    PXI_KAD_OP_PUT,
    PXI_KAD_OP_PROVIDE,
    PXI_KAD_OP_PROVIDERS,
};

enum { PXI_KAD_HOLDERS = 64 };

struct pxi_kad_op {
    struct pxi_kad *kad;
    struct pxi_list link, calls; /* calls: requests on their way */
    enum pxi_kad_kind kind;
    pxi_kad_done_fn *done;
    void *ctx;
    struct pxi_kad_lookup lookup;
    struct pxi_timer timer; /* the next step: at once, when somebody is slow, or the end */
    uint64_t start_ns, until_ns;
    struct pxi_peer target;           /* of a find */
    struct pxi_buf key;               /* as asked for */
    struct pxi_buf value;             /* to put; or the best one found */
    struct pxi_buf request;           /* framed, sent to everybody in the lookup */
    struct pxi_buf last;              /* framed, sent at the end */
    uint16_t holder[PXI_KAD_HOLDERS]; /* nodes that had the best value */
    unsigned holder_count, enough;    /* enough: of values or providers */
    struct pxi_kad_provider_found {
        struct pxi_peer peer;
        struct pxi_kad_addrs addrs;
    } * found;
    unsigned found_count, calls_count, stored, sends, send_failures;
    bool sending, invalid, hit; /* hit: what was looked for is there, no more is asked */
    px_err err;
};

/* kad_gather.c: what an answer of node i says, kind by kind. */
void pxi_kad_gather(struct pxi_kad_op *op, unsigned i, const struct pxi_msg_kad *m,
                    enum pxi_ip_kind teller);
/* The same for what we keep ourselves. */
void pxi_kad_gather_own(struct pxi_kad_op *op);
/* Frame what is sent at the end; PX_ERR_OK and an empty op->last when nothing is. */
px_err pxi_kad_last(struct pxi_kad_op *op);
/* Should node i get it? */
bool pxi_kad_last_wanted(const struct pxi_kad_op *op, unsigned i);

#endif
