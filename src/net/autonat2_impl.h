/* What the client and the server of AutoNAT v2 share. */
#ifndef PXI_NET_AUTONAT2_IMPL_H
#define PXI_NET_AUTONAT2_IMPL_H

#include "codec/messages.h"
#include "net/autonat2.h"
#include "net/message.h"

enum { PXI_AUTONAT2_MESSAGE = PXI_LIMIT_AUTONAT_MESSAGE };

/* One of our addresses and what peers said of it. */
struct pxi_autonat2_addr {
    struct pxi_maddr addr;
    struct pxi_votes votes;
    enum pxi_reachability verdict;
    uint64_t asked_ns;
};

struct pxi_autonat2 {
    struct pxi_host *host;
    struct pxi_autonat2_options o;
    /* the server */
    struct pxi_list served;
    unsigned served_count;
    struct pxi_backs backs;
    /* the client */
    struct pxi_list asked, backs_in; /* our requests; dial-back streams to us */
    unsigned asked_count, back_count;
    struct pxi_timer timer;
    struct pxi_autonat2_addr *addrs;
    unsigned addr_count;
};

static inline void pxi_autonat2_fault(struct pxi_autonat2 *a)
{
    pxi_host_faults(a->host)->n[PXI_FAULT_AUTONAT]++;
}

/* Set up and tear down each half (autonat2_server.c, autonat2.c). */
px_err pxi_autonat2_server_start(struct pxi_autonat2 *a);
void pxi_autonat2_server_stop(struct pxi_autonat2 *a);

#endif
