/*
 * What a Kademlia server keeps for others: records (a value under a key) and providers (who has
 * what a multihash names). Bounded in number and bytes, in total and a peer; when it is full, what
 * lies farther from our own key makes room for what lies nearer, because that is what we are asked
 * for. Everything expires.
 */
#ifndef PXI_NET_KAD_STORE_H
#define PXI_NET_KAD_STORE_H

#include "base/list.h"
#include "base/rng.h"
#include "net/kad_table.h"

/* A place in a hash table that grows with what it holds. */
struct pxi_kad_item {
    struct pxi_list link; /* in its chain */
    uint32_t hash;
};
struct pxi_kad_chains {
    struct pxi_list *head;
    unsigned n, mask;
};

struct pxi_kad_record {
    struct pxi_kad_item item;
    struct pxi_kad_key hash; /* of the key */
    uint64_t received_s;     /* wall clock, for field 5 of the record */
    uint64_t expires_ns;
    uint16_t key_n;
    uint16_t value_n;
    uint8_t b[]; /* key, then value */
};

struct pxi_kad_provider {
    struct pxi_kad_item by_key, by_peer;
    struct pxi_kad_key hash;       /* of the multihash */
    uint64_t expires_ns, addrs_ns; /* when the record and its addresses are forgotten */
    struct pxi_kad_addrs addrs;
    struct pxi_peer peer;
};

struct pxi_kad_store {
    struct pxi_kad_key self;
    struct pxi_kad_chains records, providers, peers;      /* peers: the providers by their peer */
    unsigned record_max, provider_max, provider_peer_max; /* limits; tests make them small */
    uint64_t bytes, salt;                                 /* salt: of the hash tables */
    struct pxi_rng draw; /* which entries are looked at when one must go */
};

void pxi_kad_store_init(struct pxi_kad_store *s, const struct pxi_kad_key *self);
void pxi_kad_store_deinit(struct pxi_kad_store *s);

/* Put a (validated) value under a key in place of what was there. PX_ERR_LIMIT: no place for it. */
px_err pxi_kad_store_put(struct pxi_kad_store *s, px_view key, px_view value, uint64_t received_s,
                         uint64_t expires_ns);
/* Borrowed until the next change; NULL when there is none, or it has expired. */
const struct pxi_kad_record *pxi_kad_store_get(struct pxi_kad_store *s, px_view key,
                                               uint64_t now_ns);
static inline px_view pxi_kad_record_key(const struct pxi_kad_record *r)
{
    return px_view_of(r->b, r->key_n);
}
static inline px_view pxi_kad_record_value(const struct pxi_kad_record *r)
{
    return px_view_of(r->b + r->key_n, r->value_n);
}

/* Remember, or refresh, that a peer provides what a multihash names. */
px_err pxi_kad_store_provide(struct pxi_kad_store *s, px_view multihash, const struct pxi_peer *p,
                             const px_view *addrs, unsigned count, uint64_t now_ns);
/* Up to cap providers, borrowed until the next change. Addresses may be gone before the record. */
unsigned pxi_kad_store_providers(struct pxi_kad_store *s, px_view multihash, uint64_t now_ns,
                                 const struct pxi_kad_provider **out, unsigned cap);
/* Drop what has expired; called now and then. Returns how many went. */
unsigned pxi_kad_store_sweep(struct pxi_kad_store *s, uint64_t now_ns);

#endif
