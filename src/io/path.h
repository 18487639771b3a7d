/*
 * A path: one way in which datagrams travel between the members of a job. Sockets are one, memory
 * that two processes share is another; an exchange (io/exchange.h) drives any number of them from
 * its one thread, and nothing above knows which of them a datagram took.
 *
 * What a path promises
 * - It is used by one thread, never waits, and calls nobody.
 * - Datagrams arrive whole or not at all; once, twice or never; in any order. Who made them is
 *   proven by their tags, so a path only says from which peer they seem to come.
 * - Lengths, indices and pointers from the other side are checked before they are used.
 * - send reads frames where they lie, and may go on reading until the frame's owner writes to it:
 *   what then travels is torn, has a wrong tag and is dropped. It copies values only where there
 *   is no other way, and counts each byte in `copied` (copies that the kernel makes inside a system
 *   call are not counted).
 * - What receive shows is borrowed until give_back and read only. It lies where it arrived. When
 *   another process can write there, `torn` is set: readers check the head once more behind the
 *   values.
 * - When it is lost it says so (`lost`), and the exchange goes on with another. Nothing is repeated
 *   by a path: who waits for an answer sends again.
 *
 * How a path comes to be: the exchange opens it, asks for an offer to each peer (at most
 * PXI_PATH_OFFER bytes: an address, keys of memory, a name), carries it there in a proven datagram
 * over UDP, and shows what the peer's path of the same number offers (meet). From then on, or when
 * the path has done what it needs, the peer's bit is in `peers`. Paths that need no words leave
 * both out.
 *
 * How the thread sleeps: it calls sleep on every path, which arms what makes `fd` readable and then
 * looks once more; then it waits for all fds together and calls awake.
 */
#ifndef PXI_IO_PATH_H
#define PXI_IO_PATH_H

#include <stdbool.h>

#include "io/frames.h"
#include "net/quic.h"
#include "plexus/err.h"

enum {
    PXI_PATH_PEERS = 64,
    PXI_PATH_PARTS = 64, /* frames of one send, at most */
    PXI_PATH_READ = 64,  /* places that one receive fills, at most */
    PXI_PATH_OFFER = 64, /* bytes of an offer, at most */
};

/* The numbers by which paths speak of themselves; never given anew. */
enum pxi_path_kind {
    PXI_PATH_UDP,
    PXI_PATH_SHM,
    PXI_PATH_XSK,
    PXI_PATH_VERBS,
    PXI_PATH_KINDS,
};

/* udp, shm, xsk, verbs; the number of a name, -1: none has it. */
const char *pxi_path_name(enum pxi_path_kind kind);
int pxi_path_kind(const char *name);

/* Since it was opened. */
struct pxi_path_counts {
    uint64_t sent, received;  /* datagrams */
    uint64_t sends, receives; /* system calls */
    uint64_t wakes;           /* of them, those that only wake another */
    uint64_t copied;          /* bytes copied in user space */
    uint64_t lost;            /* frames that it had no room for */
    uint64_t strangers;       /* datagrams from nobody we know */
    uint64_t refused;         /* what the other side said and cannot be */
};

/* Datagrams from one peer: `bytes` cut into pieces of `step` (the last may be shorter); step 0: one
 * datagram. */
struct pxi_path_in {
    unsigned from;
    px_view bytes;
    size_t step;
    bool torn; /* the peer can write to it while it is read */
};

struct pxi_path;

struct pxi_path_ops {
    /* Give frames to a peer whose bit is set, at most `parts` of together at most `bytes`; with
     * `equal` all but the last have the same length, and that is not longer. How many are dealt
     * with: sent, or refused like a lost datagram. Fewer than all: there is room when `fd` says
     * so (POLLOUT). */
    unsigned (*send)(struct pxi_path *p, unsigned to, const px_view *frames, unsigned n);

    /* What has come: fills at most PXI_PATH_READ places, how many. 0: nothing. Not again before
     * give_back. With `drained` set there is no need to ask again. */
    unsigned (*receive)(struct pxi_path *p, struct pxi_path_in *in);
    /* What receive showed is not needed any more. NULL: that costs nothing. */
    void (*give_back)(struct pxi_path *p);

    /* About to wait for `fd`: false when something is there already. NULL: it is always armed. */
    bool (*sleep)(struct pxi_path *p);
    void (*awake)(struct pxi_path *p); /* NULL: nothing to do */

    /* What to tell the same path of a peer; bytes written to `out`, 0: nothing yet. NULL: nothing
     * at all. */
    size_t (*offer)(struct pxi_path *p, unsigned to, uint8_t out[PXI_PATH_OFFER]);
    /* What a peer's path offers, PXI_PATH_OFFER bytes at most. It comes again and again. */
    void (*meet)(struct pxi_path *p, unsigned from, px_view offer);
    /* Housekeeping, about ten times a second and when `fd` was readable. NULL: none. */
    void (*turn)(struct pxi_path *p, uint64_t now_ns);
    /* A peer began anew, or the way to it is given up: forget what was agreed on. NULL: nothing. */
    void (*leave)(struct pxi_path *p, unsigned peer);

    void (*close)(struct pxi_path *p);
};

/* Every path begins with this. */
struct pxi_path {
    const struct pxi_path_ops *ops;
    enum pxi_path_kind kind;
    unsigned parts; /* of one send: frames, at most PXI_PATH_PARTS */
    size_t bytes;   /* and what they have together; one frame always fits */
    bool equal;     /* they have the same length, but for the last */
    int fd;         /* readable when something came; -1: it is only asked */
    uint64_t peers; /* bit set of those it reaches now */
    bool drained;   /* the last receive took all that was there */
    bool lost;      /* it is of no use any more: close it */
    struct pxi_path_counts counts;
    char said[120]; /* in one line: how it works here, or why it does not */
};

/* What a path is opened with. */
struct pxi_path_options {
    unsigned rank; /* who we are among the peers; n: none of them */
    unsigned n;
    const struct pxi_udp_addr *peers; /* n; outlive the path */
    struct pxi_udp_addr local;        /* where our socket is bound; of udp: where to bind it */
    size_t frame;                     /* bytes of a datagram, at most */
    /* Memory that can be shared or given to a device: the frames that are sent lie in it, and the
     * path's own part, as many bytes as its pxi_path_KIND_room says. NULL: there is none. It
     * outlives the path. */
    const struct pxi_frames *frames;
    int bell;    /* an eventfd: written to, it wakes the thread */
    size_t room; /* where in it the own part begins, a multiple of 4096 */
    bool singly; /* udp: send no trains */
};

/* UDP with trains both ways (GSO, GRO): reaches all at once, any host, without rights. `local`
 * afterwards tells the port. PX_ERR_IO with errno set, PX_ERR_PERMISSION, PX_ERR_NOMEM. */
px_err pxi_path_udp_open(const struct pxi_path_options *o, struct pxi_path **out);
struct pxi_udp_addr pxi_path_udp_local(const struct pxi_path *p);
/* Hear what is sent to this IPv4 multicast address, too. PX_ERR_INVALID, PX_ERR_IO with errno. */
px_err pxi_path_udp_join(struct pxi_path *p, const char *group);

/* Memory that processes of one host and one user share, where they meet by themselves. Needs frames
 * with a descriptor; PX_ERR_UNSUPPORTED without, PX_ERR_IO, PX_ERR_NOMEM, and then `why` says it in
 * one line. Who has the same user can stop us anyway; beyond that the other side is not trusted:
 * what it says is checked, its memory is mapped read only and cannot shrink. */
size_t pxi_path_shm_room(unsigned n, size_t frame);
px_err pxi_path_shm_open(const struct pxi_path_options *o, struct pxi_path **out, char *why,
                         size_t cap);

/* AF_XDP on the device that has our address: past the stack, without copies where its driver can
 * (`said` tells). On the wire it is UDP over IPv4, so the other end may take any path. Attaches an
 * XDP program while it is open. PX_ERR_UNSUPPORTED as above, also without CAP_NET_RAW, CAP_BPF and
 * CAP_NET_ADMIN. */
size_t pxi_path_xsk_room(unsigned n, size_t frame);
px_err pxi_path_xsk_open(const struct pxi_path_options *o, struct pxi_path **out, char *why,
                         size_t cap);

/* A device of RDMA over Ethernet that has our address, by libibverbs: frames leave from and arrive
 * in the arena, which is registered with it, without copies by anybody (soft RoCE: by the kernel).
 * The other end needs such a device too. PX_ERR_UNSUPPORTED as above, without libibverbs, a device,
 * or memory that may be locked. */
size_t pxi_path_verbs_room(unsigned n, size_t frame);
px_err pxi_path_verbs_open(const struct pxi_path_options *o, struct pxi_path **out, char *why,
                           size_t cap);

#endif
