/* The secure channel of libp2p over TLS 1.3 (tls/tls.md); the muxer is agreed on by ALPN. */
#ifndef PXI_NET_SECURE_TLS_H
#define PXI_NET_SECURE_TLS_H

#include "crypto/tls.h"
#include "net/secure.h"

/* A channel; shaker has our certificate and must outlive the handshake. alpn: muxers, most wanted
 * first, then "libp2p" (static strings, ended by NULL). NULL when memory is out. */
struct pxi_secure *pxi_secure_tls_new(const struct pxi_secure_options *o, struct pxi_shaker *shaker,
                                      const char *const *alpn);

#endif
