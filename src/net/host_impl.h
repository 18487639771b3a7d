/* What the files of the host share: its structure, the table of peers, the table of protocols. */
#ifndef PXI_NET_HOST_IMPL_H
#define PXI_NET_HOST_IMPL_H

#include "base/limits.h"
#include "crypto/proofs.h"
#include "crypto/spare.h"
#include "net/host.h"
#include "net/limits.h"

/* An address of a peer, with what dialling it taught. */
struct pxi_peer_addr {
    struct pxi_peer_addr *next;
    uint64_t expires_ns, retry_ns; /* not dialled before retry_ns */
    uint16_t failures, n;
    uint8_t b[];
};

/* Everything known of one peer. */
struct pxi_peer_entry {
    struct pxi_peer_entry *next; /* in its bucket */
    struct pxi_list age;         /* least recently used first */
    struct pxi_list conns;       /* struct pxi_conn.peer_link */
    struct pxi_peer_addr *addrs;
    uint32_t *protocols;     /* hashes of the protocols that it serves */
    struct pxi_buf identify; /* last identify message as it came */
    size_t bytes;            /* what this entry holds of host->peer_bytes */
    struct pxi_peer peer;
    uint16_t protocol_count, protect;
    bool identified;
};

struct pxi_handler {
    const char *protocol;
    size_t length;
    unsigned flags;
    void (*accept)(void *ctx, struct pxi_stream *s);
    void *ctx;
};

struct pxi_own_addr {
    uint16_t n;
    uint8_t sources; /* bit set of enum pxi_addr_source */
    uint8_t b[PXI_MADDR_MAX];
};

struct pxi_host {
    struct pxi_host_options o;
    struct pxi_peer self;
    struct pxi_limiter *limiter;
    struct pxi_faults faults;
    struct pxi_proofs proofs;
    struct pxi_spare spare;
    struct pxi_list conns, watches, transports, reaches, dialings;
    struct pxi_reach *answering; /* a wish about to be answered, unless it is cancelled */
    unsigned conn_count;
    struct pxi_handler *handlers;
    unsigned handler_count;
    struct pxi_peer_entry **buckets;
    struct pxi_list peers; /* by age */
    unsigned peer_count, bucket_count;
    size_t peer_bytes; /* of addresses, protocols and identify messages */
    struct pxi_own_addr *addrs;
    unsigned addr_count;
    bool (*allow)(void *ctx, const struct pxi_peer *p);
    void *allow_ctx;
    struct pxi_timer addrs_timer;
    bool freeing;
};

/* The entry of a peer; NULL when it is not known. */
struct pxi_peer_entry *pxi_peer_find(struct pxi_host *h, const struct pxi_peer *p);
/* The same, made when missing (the least recently used idle one makes room); NULL: no memory. */
struct pxi_peer_entry *pxi_peer_need(struct pxi_host *h, const struct pxi_peer *p);
void pxi_peers_free(struct pxi_host *h);
/* What a dial of an address taught. */
void pxi_peer_addr_result(struct pxi_host *h, const struct pxi_peer *p, px_view addr, bool ok);
/* Remember the identify message. */
void pxi_peer_set_identify(struct pxi_host *h, const struct pxi_peer *p, px_view message);

/* The handler of a protocol as named on the wire, or NULL. */
const struct pxi_handler *pxi_host_handler(const struct pxi_host *h, px_view name);

/* A connection is over: out of the lists; watchers hear of it. */
void pxi_host_drop_conn(struct pxi_host *h, struct pxi_conn *c);
/* Tell wishes for a peer that a connection came up. */
void pxi_reach_on_conn(struct pxi_host *h, struct pxi_conn *c);
void pxi_reach_free_all(struct pxi_host *h);

static inline void pxi_host_fault(struct pxi_host *h, enum pxi_fault f)
{
    h->faults.n[f]++;
}

#endif
