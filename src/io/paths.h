/*
 * The paths of an exchange together: they are opened, members find out which of them lead to each
 * other, a short probe measures what each costs, and the cheapest is taken. When one is lost, the
 * next takes its place. What members say to each other for this are datagrams of their own over
 * UDP ("words"); the first one is proven by the job's secret, the others by a number that it holds.
 */
#ifndef PXI_IO_PATHS_H
#define PXI_IO_PATHS_H

#include "io/path.h"

enum { PXI_PATHS_SECRET = 32 };

struct pxi_paths_options {
    struct pxi_path_options
        path;              /* rank, n, peers, local, frame; of the rest: frames, room, bell */
    const uint8_t *secret; /* of the words, PXI_PATHS_SECRET bytes, copied; NULL: nothing is said,
                            * and UDP is the only path */
    uint32_t wish;         /* bit set of kinds that may be taken; 0: all. UDP leads to who is
                            * not reached otherwise */
};

/* What a datagram costs on a path, both ends together; 0: not measured. */
struct pxi_path_figure {
    uint32_t cpu_ns, ns; /* of processors; from the first byte to the answer, by datagrams */
};

struct pxi_paths_report {
    char chosen[48];                                /* "shm", or "shm 2, udp 1" */
    char why[400];                                  /* in one line, with the figures */
    struct pxi_path_figure figures[PXI_PATH_KINDS]; /* mean over the members */
    bool open[PXI_PATH_KINDS];
    uint32_t changes; /* times that a path was replaced by another */
};

struct pxi_paths;

/* Bytes of the arena that all paths need together. */
size_t pxi_paths_room(unsigned n, size_t frame);

/* As pxi_path_udp_open; paths that cannot be opened are left out, and the report says why. */
px_err pxi_paths_open(const struct pxi_paths_options *o, struct pxi_paths **out);
void pxi_paths_close(struct pxi_paths *ps);

/* A path that is open, or NULL. UDP always is. */
struct pxi_path *pxi_paths_get(struct pxi_paths *ps, enum pxi_path_kind kind);
/* How to send to a peer now. */
struct pxi_path *pxi_paths_via(struct pxi_paths *ps, unsigned to);

/* The thread begins to look for datagrams. */
void pxi_paths_look(struct pxi_paths *ps, uint64_t now_ns);
/* Whether a datagram from a peer was a word; then it is dealt with. */
bool pxi_paths_take(struct pxi_paths *ps, enum pxi_path_kind kind, unsigned from, px_view datagram,
                    uint64_t now_ns);
/* Housekeeping when it is time, or when the descriptor of a path was readable. */
void pxi_paths_turn(struct pxi_paths *ps, uint64_t now_ns, bool readable);
uint64_t pxi_paths_deadline(const struct pxi_paths *ps);
/* Nothing more is to be measured for those who are here, or it takes too long. */
bool pxi_paths_settled(const struct pxi_paths *ps, uint64_t now_ns);

void pxi_paths_tell(const struct pxi_paths *ps, struct pxi_paths_report *out);

#endif
