/* Checks of untrusted bytes by `plexus check`: formats pubkey and x25519. */
#ifndef PXI_CRYPTO_CHECK_H
#define PXI_CRYPTO_CHECK_H

#include "plexus/err.h"
#include "plexus/view.h"

/* A PublicKey protobuf as pxi_pubkey_decode takes it. */
px_err pxi_pubkey_check(px_view bytes, px_diag *d);
/* An X25519 public key: 32 bytes with which the shared secret is not zero. */
px_err pxi_x25519_check(px_view bytes, px_diag *d);

#endif
