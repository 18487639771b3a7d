/*
 * The routing table of Kademlia: buckets by the length of the prefix that a peer's key shares with
 * ours, at most k peers in each (kad-dht specification). The key of a peer is the SHA-256 of its
 * id. Peers of one network (IPv4 /16, IPv6 /32) get few places, so that somebody with many ids in
 * one place cannot fill it.
 */
#ifndef PXI_NET_KAD_TABLE_H
#define PXI_NET_KAD_TABLE_H

#include <endian.h>

#include "codec/maddr.h"

enum {
    PXI_KAD_K = 20,
    PXI_KAD_KEY = 32,
    PXI_KAD_BUCKETS = 256,
    PXI_KAD_GROUPS = 3, /* networks remembered a peer */
};

struct pxi_kad_key {
    uint8_t b[PXI_KAD_KEY];
};

/* SHA-256 of the bytes of a key or a peer id. */
struct pxi_kad_key pxi_kad_key_of(px_view bytes);
struct pxi_kad_key pxi_kad_xor(const struct pxi_kad_key *a, const struct pxi_kad_key *b);
/* Bits that a and b share at the front, 0 to 256. */
unsigned pxi_kad_prefix(const struct pxi_kad_key *a, const struct pxi_kad_key *b);
/* The first 8 bytes as a number, so that most comparisons take one step. */
static inline uint64_t pxi_kad_front(const struct pxi_kad_key *k)
{
    uint64_t v;
    memcpy(&v, k->b, sizeof v);
    return be64toh(v);
}
/* < 0 when a is nearer to the target than b. */
int pxi_kad_nearer(const struct pxi_kad_key *target, const struct pxi_kad_key *a,
                   const struct pxi_kad_key *b);

enum { PXI_KAD_ADDRS_INLINE = 28 };

/* Addresses of a peer, short ones in place (an IPv4 address for TCP and one for QUIC fit), others
 * in one allocation; zeroed memory holds none. Each is two bytes of length and class, then itself.
 */
struct pxi_kad_addrs {
    union {
        uint8_t here[PXI_KAD_ADDRS_INLINE];
        uint8_t *far; /* when n is larger than that */
    };
    uint16_t n;
};
/* Copy up to KAD_ADDRS addresses (others are left out); false when memory is out. */
bool pxi_kad_addrs_set(struct pxi_kad_addrs *a, const px_view *addrs, unsigned count);
/* Add those that are not there yet. */
bool pxi_kad_addrs_merge(struct pxi_kad_addrs *a, const px_view *addrs, unsigned count);
/* Views into a: good until it changes or moves. */
unsigned pxi_kad_addrs_get(const struct pxi_kad_addrs *a, px_view *out, unsigned cap);
/* Those of them that may be told to somebody there: see pxi_kad_addr_fit. */
unsigned pxi_kad_addrs_fit(const struct pxi_kad_addrs *a, enum pxi_ip_kind asker, px_view *out,
                           unsigned cap);
/* Is this one among them? */
bool pxi_kad_addrs_hold(const struct pxi_kad_addrs *a, px_view addr);
void pxi_kad_addrs_free(struct pxi_kad_addrs *a);

/* The network of an address as a number: 0 when it does not count (loopback, private unless
 * `strict`, names). A relayed address counts for the relay's network. */
uint32_t pxi_kad_group(px_view addr, bool strict);
/* May an address that a peer told us be dialled? Only as near as the teller itself: nothing
 * private from a public peer, nothing link-local from anybody. */
bool pxi_kad_addr_fit(px_view addr, enum pxi_ip_kind teller);

struct pxi_kad_entry {
    struct pxi_kad_key key;
    uint64_t seen_ns; /* last answer */
    struct pxi_kad_addrs addrs;
    struct pxi_peer peer;
};

/* What walks over the table read of an entry; those of a bucket lie together. */
struct pxi_kad_mark {
    uint64_t front; /* of the key */
    uint32_t group[PXI_KAD_GROUPS];
};

struct pxi_kad_bucket {
    struct pxi_kad_entry *e;
    struct pxi_kad_mark *mark; /* of each entry */
    uint8_t n, cap;
};

struct pxi_kad_table {
    struct pxi_kad_key self;
    struct pxi_kad_bucket *bucket; /* top of them */
    unsigned top, count, k;
    unsigned group_bucket, group_table; /* most peers of one network; 0: no limit */
    bool strict;                        /* private networks count too */
};

enum pxi_kad_put { PXI_KAD_ADDED, PXI_KAD_UPDATED, PXI_KAD_FULL, PXI_KAD_CROWDED, PXI_KAD_REFUSED };

void pxi_kad_table_init(struct pxi_kad_table *t, const struct pxi_kad_key *self, unsigned k);
void pxi_kad_table_deinit(struct pxi_kad_table *t);
/* A peer that has answered. Known ones are refreshed. REFUSED: ourselves, or memory is out. */
enum pxi_kad_put pxi_kad_table_put(struct pxi_kad_table *t, const struct pxi_peer *p,
                                   const px_view *addrs, unsigned count, uint64_t now_ns);
struct pxi_kad_entry *pxi_kad_table_find(struct pxi_kad_table *t, const struct pxi_kad_key *key);
/* false when it was not there. */
bool pxi_kad_table_remove(struct pxi_kad_table *t, const struct pxi_kad_key *key);
/* Is there a place in the bucket of this key? */
bool pxi_kad_table_room(const struct pxi_kad_table *t, const struct pxi_kad_key *key);
/* The longest silent peer of the bucket of this key, NULL when it is empty. */
struct pxi_kad_entry *pxi_kad_table_oldest(struct pxi_kad_table *t, const struct pxi_kad_key *key);
/* Up to cap entries nearest to the target, nearest first; borrowed until the next change. */
unsigned pxi_kad_table_closest(const struct pxi_kad_table *t, const struct pxi_kad_key *target,
                               const struct pxi_kad_entry **out, unsigned cap);

#endif
