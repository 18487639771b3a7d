/* SHA-1 by libcrypto, for the one place that a standard still asks for it: RFC 6455, no security.
 */
#ifndef PXI_CRYPTO_SHA1_H
#define PXI_CRYPTO_SHA1_H

#include "plexus/view.h"

enum { PXI_SHA1 = 20 };

/* 1, or 0 when libcrypto refuses or memory is out. */
int pxi_sha1(px_view in, uint8_t out[PXI_SHA1]);

#endif
