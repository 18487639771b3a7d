/* Inside QUIC: what the endpoint, its connections and their streams know of each other. */
#ifndef PXI_NET_QUIC_IMPL_H
#define PXI_NET_QUIC_IMPL_H

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "base/fold.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/queue.h"
#include "net/quic.h"

enum {
    PXI_QUIC_CID = 8,              /* bytes of the connection ids that we choose */
    PXI_QUIC_PAYLOAD = 1452,       /* largest datagram that path discovery tries */
    PXI_QUIC_PAYLOAD_NEAR = 16360, /* the same on loopback, where nothing limits it */
    PXI_QUIC_SECRET = 32,
    PXI_QUIC_RESERVES = 8, /* blocks of reserve memory, and their size */
    PXI_QUIC_RESERVE = 24576,
    PXI_QUIC_FOLDS = 16,
};

struct pxi_shake;
struct pxi_shaker;

/* A connection id under which datagrams reach a connection. */
struct pxi_quic_cid {
    struct pxi_quic_cid *next;     /* in its bucket */
    struct pxi_quic_cid *next_own; /* of the same connection */
    struct pxi_quic_conn *conn;
    uint8_t n, b[NGTCP2_MAX_CIDLEN];
};

/* A datagram of our own making that waits to be sent: Retry, version negotiation, resets, closes.
 */
struct pxi_quic_reply {
    struct pxi_list link;
    struct pxi_udp_addr local, remote;
    size_t n;
    uint8_t bytes[];
};

struct pxi_quic {
    struct pxi_timers *timers;
    struct pxi_random *random;
    struct pxi_faults *faults;
    const struct pxi_quic_events *on;
    uint64_t (*wall_s)(void);
    void *ctx;
    struct pxi_udp_addr local;
    struct sockaddr_storage local_sa; /* what ngtcp2 sees as the local address, always */
    unsigned conns_max, retry_at;
    bool dial_only, shut, woken;
    uint8_t secret[PXI_QUIC_SECRET];
    struct pxi_shaker *shaker;
    const struct pxi_pages *pages;          /* NULL: connections do not fold */
    struct pxi_fold *folds[PXI_QUIC_FOLDS]; /* empty ones to use again */
    unsigned fold_count;
    struct pxi_list awake; /* connections that could fold, pxi_quic_conn.awake */
    struct pxi_timer rest; /* folds those that were silent for a while */
    /* What ngtcp2 gets when memory is out, since it aborts in places when it gets none; the
     * connection that needed it is closed. */
    void *reserve[PXI_QUIC_RESERVES];
    unsigned reserve_used; /* bit set */
    bool starved;          /* the reserve was touched since this was cleared */
    struct pxi_quic_cid **buckets;
    size_t bucket_mask, cid_count;
    uint64_t hash_seed;
    struct pxi_list conns; /* pxi_quic_conn.link */
    struct pxi_list ready; /* those with something to send, pxi_quic_conn.ready */
    struct pxi_list due;   /* those with events to deliver, pxi_quic_conn.due */
    struct pxi_list replies;
    unsigned reply_count;
    struct pxi_timer work; /* delivers the events of due */
    struct pxi_list spare; /* streams to use again, pxi_stream.link */
    unsigned spare_count;
    uint64_t reset_tokens_ns; /* allowance for stateless resets, as a time in the past */
    struct pxi_udp_out spill; /* a packet that did not fit into its batch */
    uint8_t spill_bytes[PXI_QUIC_PAYLOAD_NEAR];
    struct pxi_quic_stats stats;
};

enum pxi_quic_state { PXI_QUIC_HANDSHAKE, PXI_QUIC_UP, PXI_QUIC_LINGER };

struct pxi_quic_conn {
    struct pxi_conn conn;
    struct pxi_quic *q;
    ngtcp2_conn *ng; /* NULL once over: what is left only answers late packets. It may be folded:
                      * pxi_quic_ng gives it to those who look inside. */
    ngtcp2_mem mem;
    struct pxi_fold *fold; /* where ngtcp2's blocks lie; NULL: in the heap */
    struct pxi_list awake;
    uint64_t used_ns;      /* when packets last came or went */
    bool resting;          /* folded */
    struct pxi_shake *tls; /* until it is done */
    struct pxi_list link, ready, due;
    struct pxi_list all;     /* streams, pxi_quic_stream.own */
    struct pxi_list sendq;   /* streams with bytes to send, pxi_quic_stream.send */
    struct pxi_list blocked; /* streams that the peer's window holds back, likewise */
    struct pxi_list events;  /* streams with events to deliver, pxi_quic_stream.event */
    struct pxi_quic_cid *cids;
    struct pxi_timer timer;
    struct pxi_udp_addr remote, local; /* local: last address that the peer wrote to */
    struct pxi_peer wanted;            /* who must answer; n == 0: anybody */
    void *user;                        /* of the dial */
    size_t payload;                    /* largest datagram that we send */
    uint64_t paced_ns;                 /* until when what was sent has used up the pace */
    size_t unpaced;                    /* bytes sent since ngtcp2 was told of the pace */
    uint64_t unanswered_ns;            /* since when what was sent is probed for in vain, or 0 */
    int liberr;                        /* ngtcp2's error that ends it, or 0 */
    int params_error;                  /* likewise, of the peer's transport parameters */
    px_err why;                        /* why it ends, when known before */
    uint8_t state;
    bool proven;           /* the peer's certificate was accepted */
    bool complete;         /* TLS is done */
    bool accepted;         /* the peer has accepted our certificate */
    bool announced;        /* the owner knows it */
    bool cancelled;        /* the dial was given up */
    bool close_want;       /* the owner closes */
    bool validated;        /* counts no more as unproven */
    uint32_t late;         /* packets since the end */
    uint8_t *close_packet; /* said to late packets; may be NULL */
    size_t close_n;
    uint8_t *pubkey; /* of peers whose id is a hash */
};

enum pxi_quic_due { PXI_DUE_RESET = 1, PXI_DUE_RESUME = 2, PXI_DUE_WRITABLE = 4, PXI_DUE_OVER = 8 };

struct pxi_quic_stream {
    struct pxi_stream s;
    struct pxi_quic_conn *c;
    int64_t id;
    struct pxi_list own; /* in the connection's list of all its streams */
    struct pxi_list send, event;
    struct pxi_queue out; /* sent but not acknowledged, then not sent */
    uint8_t *kept;        /* bytes that the owner did not take: kept[begin..end) */
    size_t begin, end, cap;
    size_t dropped; /* bytes written since the peer stopped reading */
    uint8_t due;
    bool fin_want, fin_sent; /* our side */
    bool fin_seen, fin_told; /* the remote's side */
    bool paused;             /* the owner took less than it was offered */
    bool deaf;               /* the peer stopped reading: writes are dropped */
    bool gone;               /* ngtcp2 has closed it */
    bool broken;             /* reset by the peer */
    bool starved;            /* broken for want of memory */
    bool dead;               /* the owner has abandoned it */
};

/* ------------------------------------------------------------ quic_mem.c */

bool pxi_quic_mem_init(struct pxi_quic *q); /* false: no memory */
void pxi_quic_mem_deinit(struct pxi_quic *q);
void pxi_quic_conn_mem_init(struct pxi_quic_conn *c);
/* After ngtcp2 has freed what it had. */
void pxi_quic_conn_mem_deinit(struct pxi_quic_conn *c);
/* Open it, and fold it once it was silent for a while. */
void pxi_quic_conn_wake(struct pxi_quic_conn *c);

/* ngtcp2's connection, ready to be asked. */
static inline ngtcp2_conn *pxi_quic_ng(struct pxi_quic_conn *c)
{
    if (c->resting)
        pxi_quic_conn_wake(c);
    return c->ng;
}

/* ------------------------------------------------------- quic_endpoint.c */

void pxi_quic_wake(struct pxi_quic *q);
bool pxi_quic_cid_add(struct pxi_quic_conn *c, const uint8_t *b, size_t n);
void pxi_quic_cid_drop(struct pxi_quic_conn *c, const uint8_t *b, size_t n);
void pxi_quic_cids_clear(struct pxi_quic_conn *c);
struct pxi_quic_conn *pxi_quic_cid_find(const struct pxi_quic *q, const uint8_t *b, size_t n);
/* Queue a datagram of our own; dropped when too many wait. */
void pxi_quic_reply(struct pxi_quic *q, const struct pxi_udp_addr *local,
                    const struct pxi_udp_addr *remote, const uint8_t *p, size_t n);
void pxi_quic_fault(struct pxi_quic *q, enum pxi_fault f);
socklen_t pxi_quic_sockaddr(const struct pxi_udp_addr *a, struct sockaddr_storage *out);
struct pxi_udp_addr pxi_quic_udp_addr(const struct sockaddr *sa);
/* Ask to be called back for the events of this connection. */
void pxi_quic_due(struct pxi_quic_conn *c);

/* ----------------------------------------------------------- quic_conn.c */

/* A client's first packet: a connection for it, not yet fed with the packet. */
struct pxi_quic_conn *pxi_quic_conn_accept(struct pxi_quic *q, const struct pxi_udp_in *in,
                                           const ngtcp2_pkt_hd *hd, const ngtcp2_cid *odcid);
/* One datagram for a connection. */
void pxi_quic_conn_read(struct pxi_quic_conn *c, const struct pxi_udp_in *in, uint8_t *p, size_t n);
/* Write packets into out; true when it wrote any. */
bool pxi_quic_conn_write(struct pxi_quic_conn *c, struct pxi_udp_out *out);
/* Deliver pending events. */
void pxi_quic_conn_settle(struct pxi_quic_conn *c);
void pxi_quic_conn_ready(struct pxi_quic_conn *c);
/* Its timer at ngtcp2's next deadline, exactly. */
void pxi_quic_conn_rearm(struct pxi_quic_conn *c);
/* The connection is over: tell the owner, forget ngtcp2's state, linger. say: tell the peer. */
void pxi_quic_conn_end(struct pxi_quic_conn *c, px_err why, bool say);
void pxi_quic_conn_free(struct pxi_quic_conn *c);
void pxi_quic_conn_announce(struct pxi_quic_conn *c);

/* --------------------------------------------------------- quic_stream.c */

struct pxi_quic_stream *pxi_quic_stream_new(struct pxi_quic_conn *c, int64_t id, bool outbound);
void pxi_quic_stream_free(struct pxi_quic_stream *s);
struct pxi_stream *pxi_quic_stream_open(struct pxi_conn *c);
/* ngtcp2's events of a stream. */
int pxi_quic_stream_recv(struct pxi_quic_stream *s, bool fin, const uint8_t *p, size_t n);
void pxi_quic_stream_acked(struct pxi_quic_stream *s, size_t n);
void pxi_quic_stream_broken(struct pxi_quic_stream *s);
void pxi_quic_stream_gone(struct pxi_quic_stream *s, bool error);
/* After bytes of it were written into packets. */
void pxi_quic_stream_sent(struct pxi_quic_stream *s, size_t n, bool fin);
/* The peer does not read any more. */
void pxi_quic_stream_deaf(struct pxi_quic_stream *s);
bool pxi_quic_stream_has_more(const struct pxi_quic_stream *s);
/* Deliver what is pending; may free it. */
void pxi_quic_stream_settle(struct pxi_quic_stream *s);
void pxi_quic_stream_due(struct pxi_quic_stream *s, uint8_t what);

/* ------------------------------------------------------------ quic_tls.c */

/* The handshake of a connection; 0, or -1: no memory. */
int pxi_quic_tls_start(struct pxi_quic_conn *c, bool server);
/* TLS has done its part: give its memory back. */
void pxi_quic_tls_end(struct pxi_quic_conn *c);
/* Callbacks of ngtcp2: a client begins; messages came. */
int pxi_quic_tls_client_initial(ngtcp2_conn *ng, void *user);
int pxi_quic_tls_read(struct pxi_quic_conn *c, ngtcp2_crypto_level level, const uint8_t *data,
                      size_t n);

#endif
