/*
 * What gossipsub remembers of messages: a hash table keyed against collisions, the ids seen lately,
 * and the messages of the last heartbeats that peers may ask for. All of it has a maximum; the
 * oldest goes first.
 */
#ifndef PXI_NET_GOSSIP_CACHE_H
#define PXI_NET_GOSSIP_CACHE_H

#include <stdbool.h>

#include "base/list.h"
#include "plexus/err.h"
#include "plexus/view.h"

/* ----------------------------------------------------------- hash tables */

/* A place in a table, inside its element. */
struct pxi_node {
    struct pxi_node *next;
    uint64_t hash;
};

/* A table that grows with its elements; growing may fail and then chains become longer. */
struct pxi_table {
    struct pxi_node **heads;
    uint32_t size, count; /* size: a power of two */
};

/* SipHash-1-3 of bytes under a random key: nobody can choose names or ids that collide. */
uint64_t pxi_siphash(const uint64_t key[2], px_view v);

bool pxi_table_init(struct pxi_table *t, uint32_t size);
void pxi_table_deinit(struct pxi_table *t);
void pxi_table_add(struct pxi_table *t, struct pxi_node *n, uint64_t hash);
void pxi_table_remove(struct pxi_table *t, struct pxi_node *n);
/* The first element of this hash, and the one after it; compare the key itself. */
struct pxi_node *pxi_table_first(const struct pxi_table *t, uint64_t hash);
struct pxi_node *pxi_table_after(const struct pxi_node *n);

/* ------------------------------------------------------------ message ids */

enum { PXI_GOSSIP_ID = 63 };

/* A message id by value. */
struct pxi_gossip_id {
    uint8_t n;
    uint8_t b[PXI_GOSSIP_ID];
};

static inline px_view pxi_gossip_id_view(const struct pxi_gossip_id *id)
{
    return px_view_of(id->b, id->n);
}

/* --------------------------------------------------------------- seen ids */

enum pxi_seen_state { PXI_SEEN_VALID, PXI_SEEN_INVALID, PXI_SEEN_IGNORED };
enum { PXI_SEEN_FROM = 14 };

/* An id that came by lately, and the first peers that brought it (by slot). */
struct pxi_seen_entry {
    struct pxi_gossip_id id;
    uint64_t hash, at_ns;
    uint32_t next; /* in its chain, index + 1 */
    uint16_t from[PXI_SEEN_FROM];
    uint8_t from_count, state;
};

/* Ids of the last ttl_ns, at most `max` of them, in a ring. */
struct pxi_seen {
    struct pxi_seen_entry *ring;
    uint32_t *heads;
    uint32_t size, first, count, max; /* size: a power of two */
    uint64_t ttl_ns, key[2];
};

bool pxi_seen_init(struct pxi_seen *s, uint32_t max, uint64_t ttl_ns, const uint64_t key[2]);
void pxi_seen_deinit(struct pxi_seen *s);
/* The entry of an id, NULL when it is not known; good until the next call. */
struct pxi_seen_entry *pxi_seen_find(struct pxi_seen *s, px_view id, uint64_t now_ns);
/* Remember an id that is not known yet. The oldest makes room; NULL only when there is no memory.
 */
struct pxi_seen_entry *pxi_seen_add(struct pxi_seen *s, px_view id, uint64_t now_ns);
/* Note that the peer of this slot brought it; false when it was noted before (or there is no room
 * to know). */
bool pxi_seen_from(struct pxi_seen_entry *e, uint16_t slot);

/* --------------------------------------------------------------- messages */

/* A message that the cache and send queues share. */
struct pxi_gossip_msg {
    struct pxi_node node; /* in the cache's table */
    struct pxi_list link; /* in the cache, oldest first */
    struct pxi_gossip_id id;
    unsigned refs;
    uint32_t window; /* heartbeat in which it came */
    bool cached;
    px_view topic, raw; /* inside bytes */
    uint8_t *served;    /* answers to IWANT, by slot of the peer; NULL: none yet */
    uint32_t served_size;
    uint8_t bytes[];
};

/* A copy of a message protobuf with one reference; NULL when memory is out. */
struct pxi_gossip_msg *pxi_gossip_msg_new(px_view raw, const struct pxi_gossip_id *id);
void pxi_gossip_msg_ref(struct pxi_gossip_msg *m);
void pxi_gossip_msg_unref(struct pxi_gossip_msg *m);
/* Count an answer to the peer of this slot; returns how many there were before. */
unsigned pxi_gossip_msg_serve(struct pxi_gossip_msg *m, uint16_t slot);

/* The messages of the last `keep` heartbeats. */
struct pxi_mcache {
    struct pxi_table table;
    struct pxi_list messages;
    uint32_t window, keep, count, max_count;
    size_t bytes, max_bytes;
    uint64_t key[2];
};

bool pxi_mcache_init(struct pxi_mcache *c, uint32_t keep, uint32_t max_count, size_t max_bytes,
                     const uint64_t key[2]);
void pxi_mcache_deinit(struct pxi_mcache *c);
/* Keep a message (takes a reference of its own). */
void pxi_mcache_put(struct pxi_mcache *c, struct pxi_gossip_msg *m);
/* The message of an id, borrowed, or NULL. */
struct pxi_gossip_msg *pxi_mcache_get(struct pxi_mcache *c, px_view id);
/* Newest messages of a topic of the last `windows` heartbeats, borrowed; returns how many. */
uint32_t pxi_mcache_gossip(struct pxi_mcache *c, px_view topic, uint32_t windows,
                           struct pxi_gossip_msg **out, uint32_t cap);
/* A heartbeat passed: forget what is too old. */
void pxi_mcache_shift(struct pxi_mcache *c);

#endif
