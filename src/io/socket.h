/* Socket addresses and multiaddrs: to and fro, and the addresses of this machine's interfaces. */
#ifndef PXI_IO_SOCKET_H
#define PXI_IO_SOCKET_H

#include <sys/socket.h>

#include "codec/maddr.h"

/* From an endpoint with an ip; the length of the result, 0 when it has none. */
socklen_t pxi_sockaddr_of(const struct pxi_endpoint *e, struct sockaddr_storage *out);
/* Family, ip and port; `via` is left to the caller. IPv4 in IPv6 becomes IPv4. */
struct pxi_endpoint pxi_endpoint_of_sockaddr(const struct sockaddr *sa);
/* Endpoint of the near or far end of a socket. */
struct pxi_endpoint pxi_socket_local(int fd);
struct pxi_endpoint pxi_socket_remote(int fd);
/* The address from which this machine sends to `e`: on a machine with several networks a socket
 * that is bound to another one sends packets whose answers get lost. family 0: there is no route.
 */
struct pxi_endpoint pxi_socket_source(const struct pxi_endpoint *e);
/* May a socket bound at `near` send to what is reached from `source`? */
bool pxi_endpoint_sends(const struct pxi_endpoint *near, const struct pxi_endpoint *source);
/* True for 0.0.0.0 and ::. */
bool pxi_endpoint_any(const struct pxi_endpoint *e);
/* Call fn for each address that others can reach a listener at `e` by: e itself, or, when it is
 * unspecified, the address of every interface that is up, of its family. */
void pxi_endpoint_expand(const struct pxi_endpoint *e,
                         void (*fn)(void *ctx, const struct pxi_endpoint *e), void *ctx);

#endif
