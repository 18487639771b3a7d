/*
 * The XDP program that brings the datagrams of one UDP address to AF_XDP sockets (bpf/steer.bpf.c).
 * It goes with its last descriptor: nothing is pinned.
 */
#ifndef PXI_IO_STEER_H
#define PXI_IO_STEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pxi_steer {
    int link, sockets; /* descriptors; -1: none */
    bool native;       /* in the driver, not in the stack */
};

/* Load it for an IPv4 address and a port, both in network order, and attach it to a device, in its
 * driver where that can. False: why not, in one line. */
bool pxi_steer_open(struct pxi_steer *s, unsigned ifindex, uint32_t address, uint16_t port,
                    char *why, size_t cap);
/* Give the datagrams of a queue to a socket. */
bool pxi_steer_to(const struct pxi_steer *s, uint32_t queue, int socket);
/* Is it attached still? */
bool pxi_steer_attached(const struct pxi_steer *s);
void pxi_steer_close(struct pxi_steer *s);

#endif
