/* Addresses of files on web servers: http://HOST[:PORT]/PATH and https, taken apart. */
#ifndef PXI_NET_URL_H
#define PXI_NET_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "plexus/err.h"
#include "plexus/view.h"

enum { PXI_URL_HOST = 256, PXI_URL_PATH = 4096 };

struct pxi_url {
    bool tls;
    char host[PXI_URL_HOST]; /* a name or an ip, that of version 6 without its brackets */
    uint16_t port;
    char path[PXI_URL_PATH]; /* with its query, as it is sent: begins with a slash */
};

/* Does the text begin as such an address? */
bool pxi_url_is(const char *text);
/* PX_ERR_INVALID with the diagnosis: another scheme, a password, bytes that an address has not. */
px_err pxi_url_read(px_view text, struct pxi_url *out, px_diag *d);
/* What a `Location` means, seen from `base`; out may be base. From https to http it does not lead.
 */
px_err pxi_url_follow(const struct pxi_url *base, px_view location, struct pxi_url *out,
                      px_diag *d);
/* The text of the Host header: the port where it is not that of the scheme. */
void pxi_url_host(const struct pxi_url *u, char out[PXI_URL_HOST + 16]);

#endif
