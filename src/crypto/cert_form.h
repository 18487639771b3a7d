/* What making and checking libp2p certificates share. Inside of this folder only. */
#ifndef PXI_CRYPTO_CERT_FORM_H
#define PXI_CRYPTO_CERT_FORM_H

#include "base/mem.h"
#include "plexus/err.h"

/* 1.3.6.1.4.1.53594.1.1 */
extern const uint8_t pxi_cert_oid[10];

/* What the host key signs: a prefix and the certificate's SubjectPublicKeyInfo in DER. */
px_err pxi_cert_message(px_view spki, struct pxi_buf *out);

#endif
