/* Which widths of crypto/lanes.h this machine may have. */
#ifndef PXI_CRYPTO_LANES_HAVE_H
#define PXI_CRYPTO_LANES_HAVE_H

/* Vectors are stored as they lie: on big-endian machines the plain forms do it. */
#define PXI_HAVE_LANES (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#if defined(__x86_64__)
#define PXI_HAVE_EIGHT 1
#else
#define PXI_HAVE_EIGHT 0
#endif

#endif
