/*
 * The path through verbs, inside: what path_verbs.c (datagrams) and path_verbs_pair.c (queue pairs)
 * share.
 */
#ifndef PXI_IO_PATH_VERBS_H
#define PXI_IO_PATH_VERBS_H

#include "io/path.h"
#include "io/verbs.h"

struct pxi_verbs_peer {
    struct ibv_qp *qp;  /* NULL: none */
    uint32_t psn, id;   /* ours, of this queue pair */
    uint32_t bound;     /* the id of the other's to which it is bound; 0: to none */
    uint16_t life;      /* of queue pairs: what was asked of former ones says nothing */
    unsigned in_flight; /* sends whose frames are still read */
    bool knocked;       /* on this queue pair */
    unsigned lives;
};

/* What is asked of a device has this as its number. */
struct pxi_verbs_mark {
    uint16_t life, peer, n; /* n: the place of a receive; of a send, how many it ends */
};

struct pxi_verbs_path {
    struct pxi_path path;
    struct pxi_path_options o;
    const struct pxi_verbs *v;
    struct pxi_verbs_device device;
    struct ibv_pd *pd;
    struct ibv_mr *mr; /* the arena */
    struct ibv_comp_channel *channel;
    struct ibv_cq *receives, *sends;
    bool armed, has_node;   /* has_node: its place in /sys was there */
    unsigned depth, stride; /* receives of a peer; bytes from one to the next */
    uint8_t *rx, *bounce;   /* the places of receives, peer by peer; of copies */
    unsigned bounces;
    struct ibv_wc came[PXI_PATH_READ]; /* what has come and was not shown yet */
    unsigned came_n;
    struct pxi_verbs_mark lent[PXI_PATH_READ];
    unsigned lent_n;
    struct pxi_verbs_peer peers[PXI_PATH_PEERS];
};

/* Sends to a peer at a time. */
unsigned pxi_verbs_sends(const struct pxi_verbs_path *x);
/* A mark as the number of what is asked, and back: NULL, it is of a queue pair that is gone. */
uint64_t pxi_verbs_number(struct pxi_verbs_mark m);
struct pxi_verbs_peer *pxi_verbs_peer(struct pxi_verbs_path *x, uint64_t number,
                                      struct pxi_verbs_mark *m);
/* Where a receive puts what comes. */
uint8_t *pxi_verbs_place(const struct pxi_verbs_path *x, struct pxi_verbs_mark m);
/* Have n places filled, PXI_PATH_READ at most, all of one peer. */
bool pxi_verbs_post(struct pxi_verbs_path *x, const struct pxi_verbs_mark *marks, unsigned n);
/* Send an empty message, once: it says that one leads here. */
void pxi_verbs_knock(struct pxi_verbs_path *x, unsigned peer);
/* Forget a queue pair. */
void pxi_verbs_drop(struct pxi_verbs_path *x, unsigned peer);

/* Of struct pxi_path_ops. */
size_t pxi_verbs_offer(struct pxi_path *path, unsigned to, uint8_t out[PXI_PATH_OFFER]);
void pxi_verbs_meet(struct pxi_path *path, unsigned from, px_view offer);

#endif
