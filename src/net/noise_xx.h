/*
 * The handshake Noise_XX_25519_ChaChaPoly_SHA256 (Noise protocol framework, revision 34) as pure
 * state: three messages, then two cipher keys. No framing and no meaning of payloads: net/noise.c.
 */
#ifndef PXI_NET_NOISE_XX_H
#define PXI_NET_NOISE_XX_H

#include <stdbool.h>

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "plexus/err.h"

/* Bytes of a message beyond its payload, for messages 1, 2 and 3. */
enum {
    PXI_NOISE_XX_1 = PXI_X25519,
    PXI_NOISE_XX_2 = 2 * PXI_X25519 + 2 * PXI_AEAD_TAG,
    PXI_NOISE_XX_3 = PXI_X25519 + 2 * PXI_AEAD_TAG,
};

struct pxi_noise_pair {
    uint8_t secret[PXI_X25519], pub[PXI_X25519];
};

struct pxi_noise_xx {
    bool initiator;
    unsigned step; /* messages done */
    uint8_t ck[PXI_DIGEST], h[PXI_DIGEST];
    struct pxi_aead *seal, *open; /* under the newest key of the handshake; NULL before it */
    uint64_t counter;
    struct pxi_noise_pair s, e;
    uint8_t rs[PXI_X25519], re[PXI_X25519];
};

/* Begin; both key pairs are copied. PX_ERR_NOMEM. */
px_err pxi_noise_xx_init(struct pxi_noise_xx *x, bool initiator, px_view prologue,
                         const struct pxi_noise_pair *s, const struct pxi_noise_pair *e);
/* Return memory and wipe secrets; harmless twice. */
void pxi_noise_xx_deinit(struct pxi_noise_xx *x);
/* Write the next message: payload and at most PXI_NOISE_XX_2 bytes more to out. Bytes written, or
 * 0: the remote's key was a small-order point, or memory is out. */
size_t pxi_noise_xx_write(struct pxi_noise_xx *x, px_view payload, uint8_t *out);
/* Read the next message, which is decrypted in place; the payload lies inside. PX_ERR_PROTOCOL:
 * malformed, forged, or a small-order point. */
px_err pxi_noise_xx_read(struct pxi_noise_xx *x, uint8_t *msg, size_t n, px_view *payload);
/* After message 3: contexts for both directions, owned by the caller. PX_ERR_NOMEM. */
px_err pxi_noise_xx_split(const struct pxi_noise_xx *x, struct pxi_aead **send,
                          struct pxi_aead **receive);

#endif
