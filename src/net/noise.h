/*
 * The secure channel of libp2p over Noise (noise specification): Noise_XX_25519_ChaChaPoly_SHA256,
 * messages behind a 2-byte length, identities proven by a signature over the static key, the muxer
 * agreed on in the handshake.
 *
 * Some peers take the first muxer of the other's list whatever their own says: as initiator we
 * answer with exactly one, as responder we offer exactly one.
 */
#ifndef PXI_NET_NOISE_H
#define PXI_NET_NOISE_H

#include "net/noise_xx.h"
#include "net/secure.h"

/* The static key of a host and its signature: made once, used by all handshakes. */
struct pxi_noise_id {
    struct pxi_noise_pair pair;
    size_t signature_n; /* 0: not made yet */
    uint8_t signature[PXI_SIGNATURE_MAX];
};

/* Make it unless it is there. PX_ERR_FAILED when signing fails. */
px_err pxi_noise_id_make(struct pxi_noise_id *id, const struct pxi_key *key,
                         struct pxi_random *random);
/* A channel; id must live until it is ready or freed. muxers: our list, ended by NULL, most wanted
 * first (static strings); NULL or empty: no early negotiation. NULL when memory is out. */
struct pxi_secure *pxi_noise_new(const struct pxi_secure_options *o, const struct pxi_noise_id *id,
                                 const char *const *muxers);
/* For tests: continue from these counters. */
void pxi_noise_counters_set(struct pxi_secure *s, uint64_t send, uint64_t receive);

#endif
