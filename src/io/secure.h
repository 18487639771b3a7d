/*
 * TLS for a client on a connected socket that does not block: the server's certificate must be of
 * the host and of an authority that the system trusts (SSL_CERT_FILE and SSL_CERT_DIR may name
 * others). By libssl; without it every connection is refused, with the reason.
 */
#ifndef PXI_IO_SECURE_H
#define PXI_IO_SECURE_H

#include <stddef.h>
#include <sys/types.h>

struct pxi_secure;

enum { PXI_SECURE_FAILED = -1, PXI_SECURE_WAIT = -2, PXI_SECURE_STRANGER = -3 };

/* NULL: it cannot be had here. The socket is borrowed. */
struct pxi_secure *pxi_secure_new(int fd, const char *host);
/* NULL is allowed. Says nothing to the server. */
void pxi_secure_free(struct pxi_secure *s);

/* Handshake, read, write: bytes (of the handshake 1), 0 at the end, or why not: WAIT until the
 * socket has *events, STRANGER: it is not the host. */
ssize_t pxi_secure_shake(struct pxi_secure *s, short *events);
ssize_t pxi_secure_read(struct pxi_secure *s, void *p, size_t n, short *events);
ssize_t pxi_secure_write(struct pxi_secure *s, const void *p, size_t n, short *events);
/* What the last failure was. */
const char *pxi_secure_why(const struct pxi_secure *s);

#endif
