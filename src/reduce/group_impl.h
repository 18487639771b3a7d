/* What the files of reduce/group share. */
#ifndef PXI_REDUCE_GROUP_IMPL_H
#define PXI_REDUCE_GROUP_IMPL_H

#include "crypto/tag.h"
#include "reduce/group.h"
#include "reduce/view.h"

/* Answers of our shards that wait to be sent to a member: sums lie where they were made. */
struct pxi_outbox {
    px_view *items;
    uint32_t head, n;
};

/* Another member, or the aggregator. */
struct pxi_group_peer {
    struct pxi_tag_key to, from, sums; /* of contributions to it, of its to us; of its sums */
    struct pxi_outbox outbox;
    uint8_t view[PXI_VIEW_BYTES];
};

/* Our part in a shard. */
struct pxi_group_shard {
    struct pxi_rank *rank;
    unsigned host;           /* who adds it */
    struct pxi_slots *slots; /* when that is us */
    uint8_t *sums;           /* its frames, when they are not in the arena */
    /* What its new host wants to know: slots frames, sent until it wants no more. */
    uint8_t *echoes;
    uint32_t *echo_bytes, echo_next;
    uint64_t echo_at_ns;
    uint16_t echo_epoch; /* they were made in this one */
};

struct pxi_group {
    struct pxi_group_options o;
    struct pxi_group_counts counts;
    struct pxi_view view;
    struct pxi_tag_key own_sums; /* of the answers of our shards */
    struct pxi_group_peer peers[PX_GRADIENT_WORKERS];
    struct pxi_group_shard shards[PX_GRADIENT_WORKERS];
    unsigned n, own; /* shards, which are the peers; own: our number, PX_GRADIENT_WORKERS: none */
    uint64_t live;   /* of the view before */
    uint32_t operation;
    bool runs, placed; /* an operation does; we know where the sequences are */
    bool failed;       /* no memory to take a shard over */
    uint64_t begun_ns, now_ns;
    uint64_t lost_ns;    /* since when nobody in the view knows where they are; 0: somebody does */
    uint32_t outbox_max; /* a power of two */
    size_t stride;
};

/* reduce/group.c: a contribution to a shard that we add, and what follows from it. */
void pxi_group_contribute(struct pxi_group *g, struct pxi_group_shard *s,
                          const struct px_gradient_head *h, px_view values, uint64_t now_ns);

/* reduce/takeover.c: there is a new view; a member said something; the next echo for a member. */
void pxi_group_moved(struct pxi_group *g);
void pxi_group_heard(struct pxi_group *g, unsigned from, const struct pxi_view_said *said);
void pxi_group_echoed(struct pxi_group *g, const struct px_gradient_head *h, px_view values);
px_view pxi_group_echo(struct pxi_group *g, unsigned to, uint64_t now_ns);
void pxi_group_shard_free(struct pxi_group_shard *s);
/* Whether ranks may send. */
bool pxi_group_flows(const struct pxi_group *g);
/* An operation begins: where. */
void pxi_group_mark(struct pxi_group *g);

#endif
