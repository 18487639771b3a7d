/* What the files of the multiplexer share. Others include net/yamux.h. */
#ifndef PXI_NET_YAMUX_IMPL_H
#define PXI_NET_YAMUX_IMPL_H

#include "base/limits.h"
#include "base/queue.h"
#include "codec/yamux.h"
#include "net/yamux.h"

enum { PXI_YAMUX_BITS = 3, PXI_YAMUX_BUCKETS = 1 << PXI_YAMUX_BITS }; /* of the table at first */

struct pxi_ystream {
    struct pxi_stream s; /* first */
    struct pxi_yamux *y;
    uint32_t id;
    struct pxi_ystream *next; /* in its bucket */
    struct pxi_list ring;     /* streams with something to send */
    struct pxi_list later;    /* streams that wait for the loop */
    struct pxi_queue out;     /* written, not sent */
    struct pxi_queue in;      /* received, not taken by the owner */
    uint32_t send_window;     /* bytes that the remote takes now */
    uint32_t recv_window;     /* bytes that the remote may send now */
    uint32_t recv_max;        /* what recv_window is raised to */
    uint64_t epoch_ns;        /* when the window was last announced */
    px_err why;               /* of the end */
    bool syn, ack;            /* to be sent with the next frame */
    bool acked;               /* outbound: the remote has answered */
    bool fin, fin_sent;       /* the owner ended; the remote was told */
    bool fin_got, fin_told;   /* the remote ended; the owner was told */
    bool resume;              /* the owner wants kept bytes */
    bool dead;                /* out of the table, waits to be freed */
};

struct pxi_yamux {
    struct pxi_conn conn; /* first */
    const struct pxi_yamux_below *below;
    void *ctx;
    struct pxi_timers *timers;
    struct pxi_faults *faults;
    /* streams by number */
    struct pxi_ystream **buckets, *first_buckets[PXI_YAMUX_BUCKETS];
    unsigned bucket_bits, streams, held; /* live; with those that wait to be freed */
    unsigned unacked_out, unacked_in;
    uint32_t next_id, seen_id; /* ours; the highest of the remote's */
    uint64_t hash;             /* odd, random: numbers cannot be chosen to collide */
    /* receiving */
    uint8_t head[PXI_YAMUX_HEADER];
    unsigned head_n;
    uint32_t body_left;       /* of the frame being read */
    uint16_t body_flags;      /* FIN comes after the body */
    struct pxi_ystream *body; /* whose; NULL: skip it */
    /* sending */
    struct pxi_list ring; /* struct pxi_ystream.ring */
    struct pxi_buf ctrl;  /* pongs, resets, go-away: whole headers */
    size_t ctrl_at;       /* sent of it */
    unsigned pongs;       /* in ctrl */
    uint64_t out_bytes;   /* of all send queues */
    uint64_t kept_bytes;  /* of all receive queues */
    uint64_t scope_bytes; /* of both that were reserved in the scope of the connection */
    uint64_t grown;       /* bytes that windows grew beyond the first size */
    bool out_full;        /* some stream waits for the room of the session */
    struct pxi_queue_pool pool;
    /* the loop */
    struct pxi_list later; /* struct pxi_ystream.later */
    struct pxi_timer later_timer, ping_timer, tidy_timer;
    uint64_t rtt_ns, ping_sent_ns;
    uint32_t ping_value;
    bool ping_due, ping_out; /* to be sent; waits for its answer */
    bool away_got;           /* the remote takes no more streams */
    bool over;               /* closing or lost: nothing is read any more */
    bool told;               /* the conn has heard that it is over */
    bool heard;              /* something arrived since the last ping */
    uint64_t leave_ns;       /* told: when the last word is given up */
    px_err why;
};

/* ------------------------------------------------ yamux_table.c: streams by number */

struct pxi_ystream *pxi_yamux_find(struct pxi_yamux *y, uint32_t id);
/* A new stream in the table, not yet shown to anybody. NULL: memory or the limit of streams. */
struct pxi_ystream *pxi_yamux_add(struct pxi_yamux *y, uint32_t id, bool outbound);
/* Take out of the table and off the ring; queues are emptied; freed from the loop, after `closed`
 * with why. Harmless twice. */
void pxi_yamux_kill(struct pxi_ystream *s, px_err why);
/* Tell the owner and free. */
void pxi_yamux_bury(struct pxi_ystream *s);
/* The first table, for a session without streams. */
void pxi_yamux_table_shrink(struct pxi_yamux *y);
/* Kill every stream. */
void pxi_yamux_kill_all(struct pxi_yamux *y, px_err why);

/* ------------------------------------------------ yamux_window.c: bytes and credit */

/* Count bytes that a queue gained or lost against the limits and the scope. false: no room. */
bool pxi_yamux_hold(struct pxi_yamux *y, uint64_t *total, uint64_t max, size_t n);
void pxi_yamux_let_go(struct pxi_yamux *y, uint64_t *total, size_t n);
/* The window delta to announce now, 0 when it is too early; counts it as announced. */
uint32_t pxi_yamux_window_due(struct pxi_ystream *s);
bool pxi_yamux_window_wants(const struct pxi_ystream *s);
/* A round trip was measured. */
void pxi_yamux_rtt_add(struct pxi_yamux *y, uint64_t rtt_ns);

/* ------------------------------------------------ yamux_send.c */

/* The stream has something to send. */
void pxi_yamux_ready(struct pxi_ystream *s);
/* Queue a header that belongs to no live stream; past the limit the session ends. */
void pxi_yamux_control(struct pxi_yamux *y, uint8_t type, uint16_t flags, uint32_t id,
                       uint32_t length);
extern const struct pxi_stream_ops pxi_yamux_stream_ops;

/* ------------------------------------------------ yamux_recv.c */

/* Offer kept bytes to the owner, then the end of the stream. */
void pxi_yamux_offer(struct pxi_ystream *s);

/* ------------------------------------------------ yamux.c: the session */

/* Do what waits for the loop soon. */
void pxi_yamux_later(struct pxi_yamux *y);
void pxi_yamux_stream_later(struct pxi_ystream *s);
/* Return pooled memory after a while of rest. */
void pxi_yamux_tidy_soon(struct pxi_yamux *y);
/* End the session: a go-away with the reason that fits, streams closed with why from the loop. */
void pxi_yamux_end(struct pxi_yamux *y, px_err why);
/* The remote broke the protocol: counted, then the end. */
void pxi_yamux_violated(struct pxi_yamux *y);

#endif
