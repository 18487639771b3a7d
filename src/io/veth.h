/* A pair of virtual Ethernet devices between two network namespaces: of this thread and of another
 * process. Needs CAP_NET_ADMIN. */
#ifndef PXI_IO_VETH_H
#define PXI_IO_VETH_H

#include <stdint.h>
#include <sys/types.h>

/* Make the pair, `own` here and `other` with process pid. 0, or an error number. */
int pxi_veth_make(const char *own, const char *other, pid_t pid);

/* An IPv4 address of a /24 in network order, and up; its packets are taken by a thread of its own,
 * in trains where they belong together (GRO). 0, or an error number. */
int pxi_veth_up(const char *name, uint32_t address);

/* Put the thread that takes its packets on a processor; its id, or 0: there is none. */
pid_t pxi_veth_thread(const char *name, int cpu);

/* The hardware address; 0 or an error number. */
int pxi_veth_mac(const char *name, uint8_t mac[6]);

#endif
