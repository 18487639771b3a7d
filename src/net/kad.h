/*
 * Kademlia of libp2p, client and server (kad-dht specification): finding peers, values and
 * providers by the distance of keys. One object is one DHT, named by its protocol:
 * "/ipfs/kad/1.0.0" is the public one, "/ipfs/lan/kad/1.0.0" that of a local network, and a swarm
 * may have its own. Peers that do not serve the protocol never enter its table.
 *
 * Every operation is asynchronous: it returns at once, its callback comes once and later, unless it
 * was cancelled. Keys and values are copied.
 */
#ifndef PXI_NET_KAD_H
#define PXI_NET_KAD_H

#include "net/host.h"
#include "net/kad_table.h"

#define PXI_KAD_PROTOCOL     "/ipfs/kad/1.0.0"
#define PXI_KAD_PROTOCOL_LAN "/ipfs/lan/kad/1.0.0"

struct pxi_kad;
struct pxi_kad_op;
struct pxi_msg_kad;

struct pxi_kad_options {
    const char *protocol; /* borrowed for the life of the host; NULL: PXI_KAD_PROTOCOL */
    bool client;          /* ask only: serve nothing, so that nobody puts us into a table */
    bool accept_all;      /* values under /v/ need no proof; the greatest one wins (tests) */
    unsigned k, alpha;    /* 0: 20, 10 */
    unsigned paths;       /* disjoint paths of a get; 0: the default (3), 1: off */
    bool no_diversity;    /* no limits for peers of one network */
    bool strict;          /* loopback and private networks count for those limits too */
    bool quiet;           /* no refresh by itself: the simulator says when */
    uint64_t slow_ns, request_ns; /* 0: the limits KAD_SLOW_MS, KAD_REQUEST_MS */
    /* Another way to answer requests: the attackers of the simulator and of tests. */
    px_err (*answer)(void *ctx, struct pxi_kad *k, const struct pxi_peer *from,
                     const struct pxi_msg_kad *m, struct pxi_buf *out);
    void *answer_ctx;
};

/* NULL: no memory, or the protocol is served already. The host outlives it. */
struct pxi_kad *pxi_kad_new(struct pxi_host *h, const struct pxi_kad_options *o);
/* Ends every operation without its callback. */
void pxi_kad_free(struct pxi_kad *k);

/* ------------------------------------------------------------------ validators */

/* Who may put what under "/name/...". The longest matching namespace of those given decides;
 * without one, values are refused on both ends. /pk and /plexus are built in. */
struct pxi_kad_validator {
    const char *ns; /* "pk", without slashes; borrowed */
    /* PX_ERR_OK: the value may stand under the key now (wall clock in seconds, 0: unknown). */
    px_err (*validate)(void *ctx, px_view key, px_view value, uint64_t wall_s);
    /* > 0 when a is better than b (both valid), < 0 when b is, 0 when they are as good. */
    int (*select)(void *ctx, px_view key, px_view a, px_view b);
    void *ctx;
};
/* PX_ERR_LIMIT: too many. A second one for a namespace replaces the first. */
px_err pxi_kad_validator_add(struct pxi_kad *k, const struct pxi_kad_validator *v);

/*
 * Our own namespace: "/plexus/<peer id as text>/<subkey>" holds what that peer alone can write: a
 * signed envelope (RFC 0002) around {1 key, 2 sequence number, 3 expiry in Unix seconds, 4 value}.
 * Of two, the greater sequence number wins; expired ones are refused.
 */
px_err pxi_kad_own_key(const struct pxi_peer *p, const char *subkey, struct pxi_buf *out);
px_err pxi_kad_own_seal(const struct pxi_key *key, px_view record_key, uint64_t seq,
                        uint64_t expires_s, px_view value, struct pxi_buf *out);
struct pxi_kad_own {
    uint64_t seq, expires_s;
    px_view value; /* borrowed from the sealed bytes */
};
/* Check everything but the time. */
px_err pxi_kad_own_open(px_view record_key, px_view sealed, struct pxi_kad_own *out);

/* ------------------------------------------------------------------ operations */

struct pxi_kad_found {
    struct pxi_peer peer;
    px_view addrs[PXI_KAD_K]; /* borrowed */
    unsigned addr_count;
};

/* What an operation came to; borrowed until the callback returns. */
struct pxi_kad_result {
    px_err err; /* OK; NOT_FOUND, UNREACHABLE (nobody answered), TIMEOUT, LIMIT, INVALID */
    const struct pxi_kad_found *peers; /* nearest first; or the providers */
    unsigned peer_count;
    px_view value;               /* of a get: the best valid one */
    unsigned stored;             /* peers that took the value or the provider record */
    unsigned agreed;             /* of a get: peers that had the best value */
    unsigned hops;               /* how far away the nearest answer was: 1 is our own table */
    unsigned requests, failures; /* of all kinds that were sent, and that failed */
    uint64_t took_ns;
};
typedef void pxi_kad_done_fn(void *ctx, const struct pxi_kad_result *r);

/* The k peers nearest to a key. */
struct pxi_kad_op *pxi_kad_closest(struct pxi_kad *k, px_view key, pxi_kad_done_fn *done,
                                   void *ctx);
/* The addresses of one peer; ends early when somebody knows it. */
struct pxi_kad_op *pxi_kad_find_peer(struct pxi_kad *k, const struct pxi_peer *p,
                                     pxi_kad_done_fn *done, void *ctx);
/* A value; `quorum` is how many must agree before the end of the lookup (0: the whole lookup).
 * Peers that lacked the best value are given it afterwards. */
struct pxi_kad_op *pxi_kad_get(struct pxi_kad *k, px_view key, unsigned quorum,
                               pxi_kad_done_fn *done, void *ctx);
/* Give a value to the k nearest peers and keep it; INVALID: our own validator refuses it. */
struct pxi_kad_op *pxi_kad_put(struct pxi_kad *k, px_view key, px_view value, pxi_kad_done_fn *done,
                               void *ctx);
/* Tell the k nearest peers that we have what the multihash names. */
struct pxi_kad_op *pxi_kad_provide(struct pxi_kad *k, px_view multihash, pxi_kad_done_fn *done,
                                   void *ctx);
/*
 * Put or provide again before others forget it (kad-dht: 22 hours, they keep it for 48), and once
 * more soon when that failed, until told to stop. It begins with the next time: the first is a
 * pxi_kad_put or pxi_kad_provide. A kept value takes the place of the one before; one of our own
 * namespace is signed anew each time; one that is no longer valid, or that a better one has
 * replaced, is kept no longer. LIMIT: too many, or too large.
 */
px_err pxi_kad_put_keep(struct pxi_kad *k, px_view key, px_view value);
void pxi_kad_put_stop(struct pxi_kad *k, px_view key);
px_err pxi_kad_provide_keep(struct pxi_kad *k, px_view multihash);
void pxi_kad_provide_stop(struct pxi_kad *k, px_view multihash);
/* Up to `enough` providers (0: the whole lookup, at most the limit). */
struct pxi_kad_op *pxi_kad_providers(struct pxi_kad *k, px_view multihash, unsigned enough,
                                     pxi_kad_done_fn *done, void *ctx);
/* Stop; the callback will not come. */
void pxi_kad_cancel(struct pxi_kad_op *op);

/* ------------------------------------------------------------------ table and state */

/* A peer to begin with: it is asked, and enters the table when it answers. */
void pxi_kad_add(struct pxi_kad *k, const struct pxi_peer *p, const px_view *addrs, unsigned count);
/* Look for ourselves, and for a random key in buckets that were quiet. done may be NULL. */
struct pxi_kad_op *pxi_kad_bootstrap(struct pxi_kad *k, pxi_kad_done_fn *done, void *ctx);
/* Read only, for status, tests and the simulator. */
const struct pxi_kad_table *pxi_kad_table_of(const struct pxi_kad *k);

struct pxi_kad_stats {
    unsigned table, records, providers, ops, streams, kept;
    uint64_t requests_in, requests_out, refused;
};
struct pxi_kad_stats pxi_kad_stats_of(const struct pxi_kad *k);

#endif
