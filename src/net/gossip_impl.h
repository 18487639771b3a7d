/* The insides of the gossipsub router, shared by the gossip_*.c files. */
#ifndef PXI_NET_GOSSIP_IMPL_H
#define PXI_NET_GOSSIP_IMPL_H

#include "base/limits.h"
#include "net/gossip.h"

/* What a peer speaks; ordered. */
enum gossip_version { GOSSIP_UNKNOWN, GOSSIP_FLOODSUB, GOSSIP_V10, GOSSIP_V11, GOSSIP_V12 };

/* What goes out first, and what is dropped first. */
enum gossip_class { GOSSIP_CONTROL, GOSSIP_MESSAGE, GOSSIP_ADVERT, GOSSIP_CLASSES };

enum { GOSSIP_PROMISES = 32 };

/* One RPC in a send queue: a head, then either the bytes of a message that it shares, or its own.
 */
struct pxi_gossip_out {
    struct pxi_list link;
    struct pxi_gossip_msg *msg; /* NULL: the bytes below */
    size_t n, sent;             /* of head and body together */
    uint8_t class, head_n, head[31];
    uint8_t bytes[];
};

/* A topic of which somebody, or we, are a member. */
struct pxi_gossip_topic {
    struct pxi_node node;
    struct pxi_list link;    /* in the router's list */
    struct pxi_list members; /* struct pxi_gossip_member.topic_link: subscribers */
    struct pxi_list mesh;    /* of them, mesh_link: mesh when joined, fanout when not */
    struct pxi_score_topic score;
    pxi_gossip_validator *validate;
    void *validate_ctx;
    uint64_t fanout_ns; /* last publication while not joined; 0: no fanout */
    unsigned member_count, mesh_count;
    bool joined;
    px_view name; /* inside bytes */
    uint8_t bytes[];
};

/* A peer in a topic that it subscribed to. */
struct pxi_gossip_member {
    struct pxi_list topic_link, peer_link, mesh_link;
    struct pxi_gossip_topic *topic;
    struct pxi_gossip_peer *peer;
    bool in_mesh;
};

/* An id that a peer advertised and we asked for. */
struct pxi_gossip_promise {
    struct pxi_gossip_id id;
    uint64_t due_ns; /* 0: free */
};

/* A message hash that a peer does not want, until a heartbeat. */
struct pxi_gossip_unwanted {
    uint64_t hash;
    uint32_t until;
};

/* A connected peer that speaks, or may speak, pubsub. */
struct pxi_gossip_peer {
    struct pxi_node node;
    struct pxi_list link, dirty_link;
    struct pxi_gossip *gossip;
    struct pxi_peer id;
    struct pxi_score_peer *book; /* never NULL */
    struct pxi_stream *in, *out;
    struct pxi_list members;
    unsigned member_count;
    uint16_t slot;
    uint8_t version, tries;
    bool ready;    /* the out stream agreed on a protocol */
    bool outbound; /* we dialled it */
    bool direct, dirty, key_ids;
    bool broken; /* control was lost: the stream begins anew */
    uint64_t retry_ns;
    struct pxi_buf input; /* the beginning of a frame */
    /* sending */
    struct pxi_buf subs, control, advert; /* parts of the next RPC */
    struct pxi_list queue[GOSSIP_CLASSES];
    struct pxi_gossip_out *current;
    size_t queued; /* bytes */
    unsigned queued_count;
    unsigned lost, slow; /* messages dropped since the heartbeat; heartbeats in a row with such */
    /* since the last heartbeat */
    unsigned ihave_count, ihave_ids, iwant_ids, idontwant_ids, repeats, control_count, px_peers;
    struct pxi_gossip_promise *promises; /* GOSSIP_PROMISES of them, or NULL */
    struct pxi_gossip_unwanted *unwanted;
    uint32_t unwanted_at;
};

/* A dial to a peer that a PRUNE named. */
struct pxi_gossip_exchange {
    struct pxi_reach reach;
    bool busy;
};

struct pxi_gossip {
    struct pxi_host *host;
    struct pxi_timers *timers;
    struct pxi_gossip_options o;
    struct pxi_watch watch;
    struct pxi_timer beat;
    struct pxi_list peers, topics, dirty;
    struct pxi_table peer_table, topic_table;
    struct pxi_score_book book;
    struct pxi_seen seen;
    struct pxi_mcache cache;
    struct pxi_peer *direct; /* by agreement */
    unsigned direct_count;
    struct pxi_gossip_peer **slots;     /* by slot */
    struct pxi_gossip_member **scratch; /* as many as there are slots: for choosing */
    unsigned slot_count, peer_count, topic_count, joined_count;
    size_t input_bytes;
    uint64_t key[2], seqno;
    uint32_t beats;
    struct pxi_gossip_stats stats;
    struct pxi_gossip_exchange exchanges[PXI_LIMIT_GOSSIP_PX_DIALS];
};

static inline uint64_t pxi_gossip_now(const struct pxi_gossip *g)
{
    return g->timers->now_ns;
}
void pxi_gossip_fault(struct pxi_gossip *g, enum pxi_fault f);
uint64_t pxi_gossip_below(struct pxi_gossip *g, uint64_t n);

/* gossip_topic.c: topics, members, the mesh as sets */
struct pxi_gossip_topic *pxi_gossip_topic_find(struct pxi_gossip *g, px_view name);
struct pxi_gossip_topic *pxi_gossip_topic_get(struct pxi_gossip *g, px_view name, px_err *err);
/* Frees it when nobody needs it. */
void pxi_gossip_topic_check(struct pxi_gossip *g, struct pxi_gossip_topic *t);
void pxi_gossip_topics_free(struct pxi_gossip *g);
struct pxi_gossip_member *pxi_gossip_member_find(struct pxi_gossip_peer *p,
                                                 struct pxi_gossip_topic *t);
struct pxi_gossip_member *pxi_gossip_member_add(struct pxi_gossip_peer *p,
                                                struct pxi_gossip_topic *t);
void pxi_gossip_member_remove(struct pxi_gossip_member *m);
void pxi_gossip_mesh_add(struct pxi_gossip_member *m);
void pxi_gossip_mesh_remove(struct pxi_gossip_member *m);
/* The stat of a member in the book, made when new; NULL when there is no memory. */
struct pxi_score_stat *pxi_gossip_stat(struct pxi_gossip_member *m);
double pxi_gossip_score_of(struct pxi_gossip_peer *p);

/* gossip_peer.c: peers and their streams */
struct pxi_gossip_peer *pxi_gossip_peer_find(struct pxi_gossip *g, const struct pxi_peer *id);
px_err pxi_gossip_peers_start(struct pxi_gossip *g);
void pxi_gossip_peers_stop(struct pxi_gossip *g);
/* Open the out stream when it is due and absent. */
void pxi_gossip_peer_open(struct pxi_gossip_peer *p);

/* gossip_send.c: what goes out */
void pxi_gossip_send_subscription(struct pxi_gossip_peer *p, bool on, px_view topic);
void pxi_gossip_send_graft(struct pxi_gossip_peer *p, px_view topic);
/* exchange: tell of others in the topic, when the router does that. */
void pxi_gossip_send_prune(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t,
                           uint64_t backoff_ms, bool exchange);
/* IHAVE of the messages chosen; IWANT of ids (a list of encoded fields); IDONTWANT of one id. */
void pxi_gossip_send_ihave(struct pxi_gossip_peer *p, px_view topic, struct pxi_gossip_msg **m,
                           uint32_t count);
void pxi_gossip_send_iwant(struct pxi_gossip_peer *p, px_view fields);
void pxi_gossip_send_idontwant(struct pxi_gossip_peer *p, px_view id);
/* A message; false when it was dropped or the peer does not want it. */
bool pxi_gossip_send_message(struct pxi_gossip_peer *p, struct pxi_gossip_msg *m,
                             enum gossip_class class);
/* Parts under construction become RPCs, and queues go to streams. At the end of every entry. */
void pxi_gossip_flush(struct pxi_gossip *g);
void pxi_gossip_pump(struct pxi_gossip_peer *p);
void pxi_gossip_queue_clear(struct pxi_gossip_peer *p);
/* Take back a queued message that the peer does not want after all. */
void pxi_gossip_unsend(struct pxi_gossip_peer *p, px_view id);
void pxi_gossip_unwant(struct pxi_gossip_peer *p, px_view id);
bool pxi_gossip_unwanted(struct pxi_gossip_peer *p, px_view id);

/* gossip_message.c: messages in and out */
void pxi_gossip_receive(struct pxi_gossip_peer *p, px_view raw);
/* gossip_control.c: an RPC that passed its check */
void pxi_gossip_rpc(struct pxi_gossip_peer *p, px_view frame);
void pxi_gossip_promises_check(struct pxi_gossip_peer *p);
/* Their form of an id to ours, in *out; false when it is too long. */
bool pxi_gossip_id_in(struct pxi_gossip_peer *p, px_view theirs, struct pxi_gossip_id *out);

/* gossip_px.c: peer exchange */
/* Append entries of others in the topic, as they stand in a PRUNE. */
void pxi_gossip_px_tell(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t, struct pxi_buf *out);
/* A PRUNE of a joined topic came: dial some of those that it names. */
void pxi_gossip_px_heard(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t, px_view prune);
void pxi_gossip_px_stop(struct pxi_gossip *g);

/* gossip_mesh.c: the heartbeat and choosing peers */
void pxi_gossip_graft(struct pxi_gossip_member *m);
void pxi_gossip_prune(struct pxi_gossip_member *m, uint64_t backoff_ms);
/* Add peers until the mesh (or the fanout) has `want`. */
void pxi_gossip_fill(struct pxi_gossip *g, struct pxi_gossip_topic *t, unsigned want);
void pxi_gossip_beat(struct pxi_timer *t, uint64_t now_ns);

#endif
