/*
 * What a peer offers for work and takes on: /plexus/offer/1. A client asks peers what memory and
 * speed they have (QUERY), has them load a slice (LOAD), or looks at what they serve (STATUS); one
 * request and one reply a stream, both protobuf behind its length. Who may ask is decided by who
 * may connect (swarm key, allow-list).
 */
#ifndef PXI_INFER_OFFER_H
#define PXI_INFER_OFFER_H

#include "infer/candidate.h"
#include "net/host.h"

enum pxi_offer_kind { PXI_OFFER_QUERY, PXI_OFFER_LOAD, PXI_OFFER_STATUS };

struct pxi_msg_offer {
    uint64_t kind;
    px_view model;             /* of LOAD, as all below; QUERY: empty or what one has in mind */
    uint64_t first, last;      /* blocks [first, last) */
    uint64_t embed, output;    /* 0 or 1 */
    uint64_t positions, slots; /* of the KV cache: a session, sessions */
    uint64_t probe;            /* of QUERY: bytes that shall follow the reply, to time the link */
};
/* A slice that is served, for `plexus ps`. */
struct pxi_msg_offer_stage {
    px_view model;
    uint64_t first, last, blocks; /* blocks: of the whole model */
    uint64_t sessions, slots, busy;
    uint64_t bytes;      /* weights and KV cache */
    uint64_t tokens;     /* evaluated so far */
    uint64_t compute_us; /* that took */
    uint64_t tps_milli;  /* thousandths of tokens a second, lately */
    uint64_t hidden; /* dtype of its sessions' hidden states: the one that loses most; 0: none */
};
struct pxi_msg_offer_reply {
    uint64_t err;    /* 0, or the px_err without its sign */
    px_view text;    /* why not */
    uint64_t memory; /* bytes that a slice may take */
    uint64_t rate;   /* bytes of weights evaluated a second, one token at a time; 0 unknown */
    uint64_t has;    /* 1: it can get the model asked for */
    uint64_t draining;
    struct pxi_pb_list stages;        /* struct pxi_msg_offer_stage, of STATUS */
    struct pxi_pb_list served, links; /* struct pxi_msg_served of that model, pxi_msg_link */
    px_view held;                     /* of QUERY: its shards on the disk (struct pxi_held) */
};
extern const struct pxi_pb_message pxi_pb_offer, pxi_pb_offer_reply;

struct pxi_offers;

/* A request of another peer. Answer it once with pxi_offer_reply, now or later. */
struct pxi_offer_call {
    struct pxi_peer peer;
    struct pxi_msg_offer in; /* views are good inside `serve` only */
    struct pxi_stream *stream;
    struct pxi_list link;
    struct pxi_offers *offers;
};

/* Answer and ask. serve NULL: requests are refused. NULL: no memory. */
struct pxi_offers *pxi_offers_new(struct pxi_host *h,
                                  void (*serve)(void *ctx, struct pxi_offer_call *c), void *ctx);
void pxi_offers_free(struct pxi_offers *o);
void pxi_offer_reply(struct pxi_offer_call *c, const struct pxi_msg_offer_reply *r);

/* Ask a peer; `done` comes once, later: err, or the reply (views are good inside it only). Embedded
 * in its owner, zeroed; harmless to cancel when it is over. */
struct pxi_asking {
    struct pxi_offers *offers;
    struct pxi_reach reach;
    struct pxi_stream *stream;
    struct pxi_timer timer;
    struct pxi_buf in, out;
    bool busy;
    uint64_t probe, first, came; /* bytes asked for behind the reply; with it, after it */
    uint64_t sent_ns, since_ns;  /* when it was asked, when the reply came; 0: it has not */
    uint64_t link_rate; /* bytes a second, when `done` is told; 0: too fast to tell, or unknown */
    bool timed;         /* the bytes were timed: not so when all came late, at once */
    void (*done)(struct pxi_asking *a, px_err err, const struct pxi_msg_offer_reply *r);
};
void pxi_offer_ask(struct pxi_offers *o, struct pxi_asking *a, const struct pxi_peer *p,
                   const struct pxi_msg_offer *m, uint64_t timeout_ns);
void pxi_asking_cancel(struct pxi_asking *a);

#endif
