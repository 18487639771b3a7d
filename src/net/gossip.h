/*
 * Publish and subscribe by gossipsub 1.1 and 1.2 (libp2p pubsub/gossipsub specifications), with
 * peer scoring, and floodsub for those who know nothing else. A router lives on a host: it opens
 * one stream to each peer that speaks the protocol and takes one from it, each used one way. Beat
 * and randomness come from the host's timers and generator.
 *
 * Callbacks come from the loop (a message arrived, a heartbeat), never from inside a call of the
 * functions below. They may call these functions, except pxi_gossip_free.
 */
#ifndef PXI_NET_GOSSIP_H
#define PXI_NET_GOSSIP_H

#include "net/gossip_score.h"
#include "net/gossip_sign.h"
#include "net/host.h"

struct pxi_gossip;

/* What the application sees of a message; views are borrowed for the length of the call. */
struct pxi_gossip_message {
    px_view topic, data;
    px_view id;
    struct pxi_peer from; /* who signed it; n == 0 with StrictNoSign */
    struct pxi_peer via;  /* the neighbour that brought it */
    uint64_t seqno;
};

/* What a validator says: deliver and forward; drop and blame the neighbour; drop. */
enum pxi_gossip_verdict { PXI_GOSSIP_ACCEPT, PXI_GOSSIP_REJECT, PXI_GOSSIP_IGNORE };
typedef enum pxi_gossip_verdict pxi_gossip_validator(void *ctx, const struct pxi_gossip_message *m);

/* Zero means the default of the specification, throughout. */
struct pxi_gossip_options {
    enum pxi_gossip_policy policy;
    /* Degrees of the mesh: 6, 4, 12; 6 for gossip; 4 kept by score; 2 outbound. */
    unsigned d, d_low, d_high, d_lazy, d_score, d_out;
    uint32_t heartbeat_ms;                /* 1000 */
    uint32_t fanout_ttl_ms;               /* 60000 */
    uint32_t seen_ttl_ms;                 /* 120000 */
    uint32_t prune_backoff_ms;            /* 60000 */
    uint32_t unsubscribe_backoff_ms;      /* 10000 */
    uint32_t graft_flood_ms;              /* 10000: a GRAFT this soon after a PRUNE counts twice */
    uint32_t iwant_followup_ms;           /* 3000: time to send what one has advertised */
    unsigned history, history_gossip;     /* heartbeats in the cache: 5, advertised: 3 */
    unsigned retransmit;                  /* answers to IWANT a peer and message: 3 */
    double gossip_factor;                 /* 0.25 */
    size_t max_size;                      /* of one RPC: 1 MiB */
    size_t idontwant_size;                /* messages from this size on: 1024 */
    bool no_flood_publish;                /* own messages go to the mesh only */
    bool peer_exchange;                   /* tell those that are pruned of others in the topic */
    const struct pxi_gossip_score *score; /* NULL: pxi_gossip_score_default */
    void *ctx;
    void (*message)(void *ctx, const struct pxi_gossip_message *m);
    /* A peer joined or left a topic. */
    void (*subscription)(void *ctx, const struct pxi_peer *p, px_view topic, bool on);
    /* Id of a message, at most PXI_GOSSIP_ID bytes; returns how many. The data alone must decide
     * it, as all peers of a topic must agree. NULL: pxi_gossip_id_of. */
    size_t (*id)(void *ctx, const struct pxi_rpc_message *m, uint8_t out[PXI_GOSSIP_ID]);
};

/* A router on a host: registers the protocols and watches connections. NULL: no memory. */
struct pxi_gossip *pxi_gossip_new(struct pxi_host *h, const struct pxi_gossip_options *o);
/* Leaves silently: resets its streams. Before the host is freed. */
void pxi_gossip_free(struct pxi_gossip *g);

/* Join a topic: tell the peers, build a mesh. Joining twice is harmless. PX_ERR_INVALID: an empty
 * or too long name; PX_ERR_LIMIT: too many topics. */
px_err pxi_gossip_join(struct pxi_gossip *g, px_view topic);
/* Leave it. PX_ERR_NOT_FOUND: not joined. */
px_err pxi_gossip_leave(struct pxi_gossip *g, px_view topic);

/* Publish; the topic need not be joined. The peers that it was queued for, up to cap of them, are
 * written to `to` when that is not NULL; *count says how many there were (may be NULL). Own
 * messages are not delivered here. PX_ERR_LIMIT: the message does not fit max_size. */
px_err pxi_gossip_publish(struct pxi_gossip *g, px_view topic, px_view data, struct pxi_peer *to,
                          unsigned cap, unsigned *count);

/* Who decides about messages of a topic before they are delivered and forwarded; NULL accepts. Set
 * on a topic that was joined. */
px_err pxi_gossip_validate(struct pxi_gossip *g, px_view topic, pxi_gossip_validator *v, void *ctx);
/* How a joined topic counts for scores; NULL: not at all. */
px_err pxi_gossip_topic_scoring(struct pxi_gossip *g, px_view topic,
                                const struct pxi_gossip_topic_score *s);
/* Application part of a peer's score (P5). PX_ERR_NOMEM or PX_ERR_LIMIT: the book is full. */
px_err pxi_gossip_app_score(struct pxi_gossip *g, const struct pxi_peer *p, double score);
/* A peer by agreement: outside the mesh and the scores, gets and may send everything. The owner
 * keeps the connection. */
px_err pxi_gossip_direct(struct pxi_gossip *g, const struct pxi_peer *p, bool on);

/* What is known. Each writes up to cap peers and returns how many there are. */
unsigned pxi_gossip_peers(struct pxi_gossip *g, px_view topic, struct pxi_peer *out, unsigned cap);
unsigned pxi_gossip_mesh(struct pxi_gossip *g, px_view topic, struct pxi_peer *out, unsigned cap);
/* The i-th joined topic; empty past the end. */
px_view pxi_gossip_topic(struct pxi_gossip *g, unsigned i);
/* Score of a peer, 0 when it is not known. */
double pxi_gossip_peer_score(struct pxi_gossip *g, const struct pxi_peer *p);

/* Counters since the start. */
struct pxi_gossip_stats {
    uint64_t published, delivered, forwarded, duplicates, rejected, ignored, unknown_topic;
    uint64_t grafts_in, grafts_out, prunes_in, prunes_out, grafts_refused;
    uint64_t ihave_in, ihave_out, ihave_ignored, iwant_in, iwant_out, iwant_served, iwant_ignored;
    uint64_t idontwant_in, idontwant_out, idontwant_ignored, spared; /* sends that they saved */
    uint64_t broken_promises, graylisted, dropped, slow_prunes, bytes_in, bytes_out;
    uint64_t exchange_out, exchange_in; /* peers told of in PRUNE; dialled because of one */
    unsigned peers, topics;
};
struct pxi_gossip_stats pxi_gossip_stats(const struct pxi_gossip *g);

#endif
