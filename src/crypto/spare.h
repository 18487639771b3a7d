/*
 * Key pairs of X25519 made ahead of time: whoever begins or answers a handshake takes the spare
 * one, and the next is made once the loop has sent what it had to, while the other side computes.
 */
#ifndef PXI_CRYPTO_SPARE_H
#define PXI_CRYPTO_SPARE_H

#include "base/timer.h"
#include "crypto/aead.h"

struct pxi_spare {
    struct pxi_timers *timers;
    struct pxi_random *random;
    struct pxi_timer timer;
    bool have, turned;
    uint8_t secret[PXI_X25519], pub[PXI_X25519];
};

/* None is made before the first is taken. */
void pxi_spare_init(struct pxi_spare *s, struct pxi_timers *timers, struct pxi_random *random);
void pxi_spare_deinit(struct pxi_spare *s);
/* A key pair for one use. On failure (memory) both are zero, as pxi_x25519_keypair has it. */
void pxi_spare_take(struct pxi_spare *s, uint8_t secret[PXI_X25519], uint8_t pub[PXI_X25519]);

#endif
