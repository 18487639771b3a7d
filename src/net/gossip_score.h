/*
 * What gossipsub thinks of its peers (gossipsub v1.1, "Peer Scoring"): counters a peer and topic,
 * from which a score is computed, and back-offs after PRUNE. The book outlives connections for a
 * while, so that leaving and coming back wipes nothing out. The parameters are public (gossip.h
 * includes this header).
 */
#ifndef PXI_NET_GOSSIP_SCORE_H
#define PXI_NET_GOSSIP_SCORE_H

#include "codec/maddr.h"
#include "net/gossip_cache.h"

/* How one topic counts. Weights of rewards are positive, of penalties negative; 0 turns a part
 * off. Decays are factors a decay interval. */
struct pxi_gossip_topic_score {
    double weight;                                /* of the topic among the others */
    double mesh_weight, mesh_quantum_s, mesh_cap; /* P1: time in the mesh */
    double first_weight, first_decay, first_cap;  /* P2: first deliveries */
    double rate_weight, rate_decay, rate_cap;     /* P3: deliveries in the mesh */
    double rate_threshold, rate_activation_s;     /*     fewer are a deficit, after this time */
    double rate_window_s;                         /*     duplicates this late still count */
    double failure_weight, failure_decay;         /* P3b: deficits at the time of a PRUNE */
    double invalid_weight, invalid_decay;         /* P4: invalid messages */
};

/* How a peer counts as a whole, and what follows from its score. */
struct pxi_gossip_score {
    double topic_cap;               /* most that all topics give together; 0: no cap */
    double app_weight;              /* P5 */
    double ip_weight, ip_threshold; /* P6: peers of one address beyond the threshold */
    bool ip_private;                /*     count private addresses too, not only public */
    double behaviour_weight, behaviour_threshold, behaviour_decay; /* P7 */
    double decay_interval_s, decay_to_zero; /* counters below the latter become 0 */
    double retain_s;                        /* how long the score outlives the connection */
    double gossip_threshold, publish_threshold, graylist_threshold; /* negative, falling */
    double px_threshold, opportunistic_threshold;                   /* at least 0 */
};

/* Defaults: no rate expected (P3 off), since it depends on the topic. */
struct pxi_gossip_score pxi_gossip_score_default(void);
struct pxi_gossip_topic_score pxi_gossip_topic_score_default(void);

/* ---------------------------------------------------------------- the book */

/* A topic as the book knows it: embedded in the router's topic, which must outlive its stats. */
struct pxi_score_topic {
    struct pxi_gossip_topic_score params;
    struct pxi_list stats; /* struct pxi_score_stat.topic_link */
    bool scored;
};

/* One peer in one topic. */
struct pxi_score_stat {
    struct pxi_list peer_link, topic_link;
    struct pxi_score_topic *topic;
    uint64_t backoff_ns; /* no GRAFT before this time; 0: none */
    uint64_t graft_ns;   /* in the mesh since */
    bool in_mesh, rate_active;
    double mesh_s, first, rate, failure, invalid;
};

/* One address and how many connected peers have it. */
struct pxi_score_ip {
    struct pxi_node node;
    uint8_t key[17]; /* family, then the address: /64 of IPv6 */
    unsigned peers;
};

struct pxi_score_peer {
    struct pxi_node node;
    struct pxi_list link; /* all, oldest first */
    struct pxi_list stats;
    struct pxi_peer id;
    struct pxi_score_ip *ip;
    uint64_t expire_ns; /* once disconnected */
    bool connected;
    double behaviour, app;
};

struct pxi_score_book {
    struct pxi_gossip_score params;
    struct pxi_table peers, ips;
    struct pxi_list all;
    uint32_t count, max;
    uint64_t key[2], decayed_ns;
    uint64_t slack_ns; /* we wait this much longer than a back-off: clocks and ways differ */
};

bool pxi_score_init(struct pxi_score_book *b, const struct pxi_gossip_score *params, uint32_t max,
                    const uint64_t key[2]);
void pxi_score_deinit(struct pxi_score_book *b);
/* The entry of a peer, made when it is new; NULL when there is no memory or no room (then the
 * oldest disconnected one is gone already). */
struct pxi_score_peer *pxi_score_peer(struct pxi_score_book *b, const struct pxi_peer *id);
/* The entry of a peer when there is one. */
struct pxi_score_peer *pxi_score_find(struct pxi_score_book *b, const struct pxi_peer *id);
/* Connections come and go. `remote` may be NULL. */
void pxi_score_connected(struct pxi_score_book *b, struct pxi_score_peer *p,
                         const struct pxi_endpoint *remote);
void pxi_score_disconnected(struct pxi_score_book *b, struct pxi_score_peer *p, uint64_t now_ns);
/* The score, by what is known now. */
double pxi_score_of(const struct pxi_score_book *b, const struct pxi_score_peer *p);

void pxi_score_topic_init(struct pxi_score_topic *t);
/* The router's topic goes away: forget what peers did in it. */
void pxi_score_topic_deinit(struct pxi_score_topic *t);
/* A peer in a topic, made when it is new; NULL when there is no memory. */
struct pxi_score_stat *pxi_score_stat(struct pxi_score_peer *p, struct pxi_score_topic *t);
/* The same when there is one. */
struct pxi_score_stat *pxi_score_stat_find(struct pxi_score_peer *p, struct pxi_score_topic *t);

/* What happens. Peers or stats that are NULL are ignored. */
void pxi_score_graft(struct pxi_score_stat *s, uint64_t now_ns);
void pxi_score_prune(struct pxi_score_stat *s);
void pxi_score_first(struct pxi_score_stat *s);     /* a valid message, first from this peer */
void pxi_score_duplicate(struct pxi_score_stat *s); /* again, within the window */
void pxi_score_invalid(struct pxi_score_stat *s);
void pxi_score_behaviour(struct pxi_score_peer *p, double by);
/* No GRAFT for this long; an earlier back-off is not made shorter. */
void pxi_score_backoff(struct pxi_score_stat *s, uint64_t now_ns, uint64_t for_ns);
bool pxi_score_backing_off(const struct pxi_score_stat *s, uint64_t now_ns);

/* Time passes: decay counters, forget peers and stats that say nothing more. */
void pxi_score_tick(struct pxi_score_book *b, uint64_t now_ns);

#endif
