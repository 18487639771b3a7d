/*
 * Who belongs to a sharded job, without I/O: its members agree on views, each an epoch and a set.
 *
 * A view is installed when all of its members have voted for it and they are a quorum of every view
 * that may stand: more than half, or half with the lowest rank (dynamic linear voting, Jajodia and
 * Mutchler, 1990). A member votes once an epoch, so two views of one epoch cannot be; and the two
 * sides of a partition cannot both go on. Who is silent for too long in an operation is voted out;
 * who was out, or began anew, is voted in again. Every process has a life, a random number, which
 * others believe when it answers their challenge: replayed packets of former lives say nothing.
 *
 * Members trust each other: a worker that lies here can stop the job.
 */
#ifndef PXI_REDUCE_VIEW_H
#define PXI_REDUCE_VIEW_H

#include "codec/gradient.h"

enum {
    PXI_VIEW_BYTES = 360, /* of a message */
    PXI_VIEW_PROMISES = 8,
};

struct pxi_view_options {
    uint32_t job;
    unsigned rank, world;
    uint64_t life;       /* random, not 0 */
    uint64_t silence_ns; /* after which a member is given up */
    uint64_t beat_ns;    /* of silence, after which it is asked */
};

/* What is known of another member. */
struct pxi_view_peer {
    uint64_t life;              /* that it proved; 0: none yet */
    uint64_t owed;              /* its challenge to us */
    uint64_t heard_ns, told_ns; /* last */
    uint64_t doubt_ns;          /* since when somebody says that it is gone; 0: nobody */
    uint64_t wanted;            /* the set of its vote */
    uint32_t number;            /* of its last message */
    uint32_t lives;             /* that it had */
    uint16_t epoch, wanted_epoch;
    bool begun_anew; /* it belongs to the view with a former life */
    bool owes_us;    /* tell it soon */
    bool seeks;      /* it said last that it does not know yet where others are */
};

/* Where operation `start` began in the sequences of all shards; 0: none has since the view. */
struct pxi_view_places {
    uint32_t start;
    uint32_t seq[PX_GRADIENT_WORKERS];
};

struct pxi_view {
    struct pxi_view_options o;
    /* The view. fresh: the first of the job, nothing was summed before. */
    uint16_t epoch; /* 0: none */
    uint64_t live;
    bool fresh;
    bool out; /* others have gone on without us */
    /* What the owner wants told to all: shards whose results it has to be given, and where it is.
     */
    uint64_t wants;
    struct pxi_view_places places;
    bool seeks;    /* we do not know where others are, and are in an operation */
    bool unplaced; /* we do not know */
    /* Its own. */
    uint64_t suspects, adding;
    uint64_t promised[PXI_VIEW_PROMISES]; /* sets that we voted for since the view */
    unsigned promises;
    struct {
        uint64_t set;
        uint16_t epoch;
        bool fresh;
    } vote;
    uint16_t seen; /* largest epoch that anybody spoke of */
    uint32_t number;
    uint64_t turned_ns, voted_ns;
    bool busy;
    struct pxi_view_peer peers[PX_GRADIENT_WORKERS];
};

/* What a message says beyond the view. */
struct pxi_view_said {
    uint16_t epoch;
    uint64_t wants;
    struct pxi_view_places places;
};

void pxi_view_init(struct pxi_view *v, const struct pxi_view_options *o);
/* Begin anew, as one that is out. life: another one. */
void pxi_view_restart(struct pxi_view *v, uint64_t life);

/* A packet with a right tag came from a member. */
void pxi_view_heard(struct pxi_view *v, unsigned from, uint64_t now_ns);
/* Let time pass; busy: we are in an operation, and need the others. True: there is a new view. */
bool pxi_view_turn(struct pxi_view *v, bool busy, uint64_t now_ns);
/* Take a message whose tag was right; *said when it is a true one (its epoch is 0 else). True:
 * there is a new view. */
bool pxi_view_take(struct pxi_view *v, unsigned from, const struct px_gradient_head *h,
                   px_view values, uint64_t now_ns, struct pxi_view_said *said);
/* Make the message that a member is to get now, but for its tag. False: none. */
bool pxi_view_tell(struct pxi_view *v, unsigned to, uint64_t now_ns, uint8_t out[PXI_VIEW_BYTES]);
/* Tell all members soon. */
void pxi_view_news(struct pxi_view *v);
/* When to turn though nothing came; UINT64_MAX: never. */
uint64_t pxi_view_deadline(const struct pxi_view *v);
/* A member that is gone, when too few are left to go on without all who were silent for `after_ns`;
 * -1: none. */
int pxi_view_lost(const struct pxi_view *v, uint64_t after_ns, uint64_t now_ns);

/* Who adds a shard: the first member from it on, around. */
unsigned pxi_view_host(const struct pxi_view *v, unsigned shard);

#endif
