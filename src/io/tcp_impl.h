/* What the files of the TCP transport share: the socket as a link. */
#ifndef PXI_IO_TCP_IMPL_H
#define PXI_IO_TCP_IMPL_H

#include "base/queue.h"
#include "io/tcp.h"

struct pxi_tcp {
    struct pxi_transport transport;
    struct pxi_loop *loop;
    struct pxi_upgrader *upgrader;
    struct pxi_list listeners, dials, sockets;
};

/* One connected socket. */
struct pxi_socket {
    struct pxi_link link;
    uv_poll_t poll;
    struct pxi_list place; /* in tcp->sockets */
    struct pxi_tcp *tcp;
    struct pxi_task flush;
    struct pxi_timer linger;
    struct pxi_queue unsent; /* what the kernel did not take */
    int fd, events;          /* what is polled for */
    bool reading, closing, dead;
};

/* Make a link of a connected, non-blocking socket; it reads once link.on is set and want(true) or
 * pxi_socket_begin was called. NULL: no memory (the caller closes fd). */
struct pxi_socket *pxi_socket_new(struct pxi_tcp *t, int fd);
void pxi_socket_begin(struct pxi_socket *s);
/* Close at once, without a word to the upper side. */
void pxi_socket_drop(struct pxi_socket *s);
/* The same, and the upper side hears that it lost its link. */
void pxi_socket_lost(struct pxi_socket *s);

#endif
