/*
 * Where processes of one user on one host meet to pass each other descriptors: sockets whose names
 * are random numbers. A name is abstract, which needs nothing, and a file in a folder of the user,
 * which is found from other network namespaces too. Files that the killed left behind are removed
 * by who comes next.
 */
#ifndef PXI_IO_PATH_MEET_H
#define PXI_IO_PATH_MEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PXI_MEET_NAME = 16, PXI_MEET_NAMES = 2 };

struct pxi_meet {
    int fds[PXI_MEET_NAMES]; /* listen: the abstract one, the file; -1: none */
    char file[108];          /* "": none */
};

/* Listen under both names; false: under neither. */
bool pxi_meet_open(struct pxi_meet *m, const uint8_t name[PXI_MEET_NAME]);
void pxi_meet_close(struct pxi_meet *m);
/* The next caller at one of them, of our own user only; -1: none. */
int pxi_meet_accept(struct pxi_meet *m, unsigned which);
/* A connection to whoever listens under a name, who is of our own user; -1: nobody does. */
int pxi_meet_call(const uint8_t name[PXI_MEET_NAME]);

/* One message with n descriptors, at most 2; neither waits. hear: false when there is none of this
 * length with these descriptors, which are the caller's to close. */
bool pxi_meet_say(int fd, const void *message, size_t bytes, const int *fds, unsigned n);
bool pxi_meet_hear(int fd, void *message, size_t bytes, int *fds, unsigned n);

#endif
