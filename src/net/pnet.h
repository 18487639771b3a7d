/*
 * Private swarms by pre-shared key (pnet specification): a link over a link. Each side sends 24
 * random bytes, and everything after them is XORed with XSalsa20 under the key. It keeps strangers
 * out and authenticates nothing: a wrong key shows as a malformed first message.
 */
#ifndef PXI_NET_PNET_H
#define PXI_NET_PNET_H

#include "crypto/random.h"
#include "net/link.h"

enum { PXI_PNET_KEY = 32 };

/* Take over the lower link; the caller sets on and user of the one returned, which is freed with
 * its close or after its `lost`. Its upper side is asked to fill 24 bytes less than cap once. NULL
 * when memory is out. */
struct pxi_link *pxi_pnet_new(struct pxi_link *lower, const uint8_t key[PXI_PNET_KEY],
                              struct pxi_random *random);

#endif
