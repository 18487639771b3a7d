/* What the files of Kademlia share: its object, one request to one peer, framing. */
#ifndef PXI_NET_KAD_IMPL_H
#define PXI_NET_KAD_IMPL_H

#include "codec/messages.h"
#include "net/kad.h"
#include "net/kad_lookup.h"
#include "net/kad_store.h"

/* ------------------------------------------------------------ kad_wire.c */

/* Collects one frame (varint length, then bytes) from the pieces in which it comes. */
struct pxi_kad_frames {
    struct pxi_buf have; /* an incomplete frame */
    bool taken;          /* have was a whole frame and was given out */
};
/*
 * The next frame: consumes from *in, which shrinks. 1: *frame is one, good until the next call;
 * 0: not all there yet; -1: malformed or too long. Memory follows the bytes, not the claim.
 */
int pxi_kad_frame_next(struct pxi_kad_frames *f, px_view *in, px_view *frame);
void pxi_kad_frames_clear(struct pxi_kad_frames *f);

/* A message that is wrong whatever one knows: PX_ERR_CORRUPT (wire), LIMIT (sizes), PROTOCOL. */
px_err pxi_kad_decode(px_view frame, struct pxi_arena *a, struct pxi_msg_kad *m, px_diag *d);
/* Check what a request must have: a key of a sane length, a record that goes with it. */
px_err pxi_kad_request_check(const struct pxi_msg_kad *m, px_diag *d);
/* Text of RFC 3339 in UTC. */
void pxi_kad_time_text(uint64_t wall_s, char out[32]);
/* The addresses of a peer of a message that are worth keeping. */
unsigned pxi_kad_peer_addrs(const struct pxi_msg_kad_peer *p, enum pxi_ip_kind teller, px_view *out,
                            unsigned cap);
/* Where the other end of a connection is. */
enum pxi_ip_kind pxi_kad_conn_kind(const struct pxi_conn *c);
uint32_t pxi_kad_conn_group(const struct pxi_conn *c, bool strict);

/* -------------------------------------------------------- kad_validate.c */

enum { PXI_KAD_VALIDATORS = 16 };

struct pxi_kad_validators {
    struct pxi_kad_validator v[PXI_KAD_VALIDATORS];
    unsigned n;
};
void pxi_kad_validators_init(struct pxi_kad_validators *v, bool accept_all);
px_err pxi_kad_validators_add(struct pxi_kad_validators *v, const struct pxi_kad_validator *one);
const struct pxi_kad_validator *pxi_kad_validator_for(const struct pxi_kad_validators *v,
                                                      px_view key);
px_err pxi_kad_validate(const struct pxi_kad_validators *v, px_view key, px_view value,
                        uint64_t wall_s);
/* > 0 when a is better than b. */
int pxi_kad_select(const struct pxi_kad_validators *v, px_view key, px_view a, px_view b);

/* --------------------------------------------------------------- kad_rpc.c */

struct pxi_kad_rpc;
/* m: the answer (NULL on failure, and for requests that have none); views are good until it
 * returns. c: the connection it came over, NULL on failure. */
typedef void pxi_kad_rpc_fn(struct pxi_kad_rpc *r, const struct pxi_msg_kad *m, struct pxi_conn *c,
                            px_err err);

/* One request. Zeroed before use; embedded in, or allocated by, its owner. */
struct pxi_kad_rpc {
    struct pxi_kad *kad;
    pxi_kad_rpc_fn *done;
    void *ctx;
    uint32_t tag; /* the owner's */
    uint8_t type; /* of the request, and so of the answer */
    bool active, no_reply, retried;
    struct pxi_kad_addrs addrs; /* where it was to be reached */
    px_view request;            /* framed bytes, borrowed until done */
    size_t sent;
    struct pxi_stream *stream;
    struct pxi_kad_frames in;
    struct pxi_timer timer;
    struct pxi_reach reach;
};
void pxi_kad_rpc_start(struct pxi_kad_rpc *r, struct pxi_kad *k, const struct pxi_peer *p,
                       const px_view *addrs, unsigned count);
/* Is an answer of this DHT awaited on the connection? */
bool pxi_kad_rpc_awaited(const struct pxi_kad *k, const struct pxi_conn *c);
/* Forget it; done will not come. */
void pxi_kad_rpc_cancel(struct pxi_kad_rpc *r);

/* ------------------------------------------------------------- the object */

enum { PXI_KAD_LINGER = 16 };

/* What we put and provide again before it expires (kad_kept.c). Each line is in the order of time:
 * first what is due after the usual interval, then what failed and is tried again soon. */
struct pxi_kad_kept {
    struct pxi_list line[2];
    struct pxi_list *chains; /* by the hash of the key; NULL before the first */
    struct pxi_timer timer;  /* the next that is due */
    unsigned count, running;
    size_t bytes;
};

struct pxi_kad {
    struct pxi_host *host;
    struct pxi_kad_options o;
    struct pxi_kad_key self;
    struct pxi_kad_table table;
    struct pxi_kad_store store;
    struct pxi_kad_validators validators;
    struct pxi_watch watch;
    struct pxi_list ops;    /* struct pxi_kad_op.link */
    struct pxi_list served; /* streams of our clients */
    struct pxi_list tests;  /* peers that are asked before they enter the table */
    struct pxi_kad_kept kept;
    unsigned op_count, served_count, test_count;
    struct pxi_timer refresh;
    unsigned refresh_turn;
    struct pxi_stream *linger[PXI_KAD_LINGER]; /* whose work is done, not ended by the peer yet */
    unsigned linger_at;
    uint64_t requests_in, requests_out, refused, swept_ns;
};

static inline uint64_t pxi_kad_now(const struct pxi_kad *k)
{
    return pxi_host_timers(k->host)->now_ns;
}
static inline void pxi_kad_fault(struct pxi_kad *k, enum pxi_fault f)
{
    pxi_host_faults(k->host)->n[f]++;
}

/* kad_server.c: serve the protocol. */
px_err pxi_kad_serve(struct pxi_kad *k);
void pxi_kad_serve_stop(struct pxi_kad *k);
/* One request from a peer; out gets the framed answer (nothing when there is none). Not OK: the
 * stream is reset. `from` and `kind` are of the connection. */
px_err pxi_kad_answer(struct pxi_kad *k, const struct pxi_peer *from, enum pxi_ip_kind kind,
                      const struct pxi_msg_kad *m, struct pxi_buf *out);

/* kad.c: a peer answered us over the protocol, or failed to. */
void pxi_kad_alive(struct pxi_kad *k, const struct pxi_peer *p, struct pxi_conn *c,
                   const px_view *addrs, unsigned count);
void pxi_kad_dead(struct pxi_kad *k, const struct pxi_peer *p);
/* kad_test.c: ask a peer before it enters the table. */
void pxi_kad_test(struct pxi_kad *k, const struct pxi_peer *p, const px_view *addrs,
                  unsigned count);
void pxi_kad_tests_stop(struct pxi_kad *k);
/* kad_keep.c: refresh of buckets. */
void pxi_kad_keep_start(struct pxi_kad *k);
void pxi_kad_keep_stop(struct pxi_kad *k);
/* kad_kept.c: putting and providing again. */
void pxi_kad_kept_start(struct pxi_kad *k);
void pxi_kad_kept_stop(struct pxi_kad *k);
/* kad_query.c */
void pxi_kad_op_free(struct pxi_kad_op *op);

/* A lookup for a key that is already a hash (refresh). */
struct pxi_kad_op *pxi_kad_lookup_key(struct pxi_kad *k, px_view key, unsigned want,
                                      pxi_kad_done_fn *done, void *ctx);

#endif
