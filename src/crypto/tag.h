/* The keyed tag of gradient packets (docs/formats/gradient.md): who may speak in a job. What it is
 * and how strong is in bpf/tag.h, which the kernel half shares. */
#ifndef PXI_CRYPTO_TAG_H
#define PXI_CRYPTO_TAG_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/tag.h"

enum { PXI_TAG_SECRET = 32 };

/* Make a key from a secret of random bytes, which serves nothing else. Cleanse it when done. */
void pxi_tag_key_init(struct pxi_tag_key *k, const uint8_t secret[PXI_TAG_SECRET]);

/* The sums over n words of 64 bits: tag_nh of kernel/kernel.h. */
typedef void pxi_tag_nh(struct pxi_tag_sum *s, const uint64_t *key, const void *p, size_t n);

/* The tag of a packet of n bytes: over its head, but for the tag, and its values. n is a length
 * that pxi_gradient_read accepts. */
uint64_t pxi_tag(const struct pxi_tag_key *k, pxi_tag_nh *nh, const uint8_t *packet, size_t n);

/* Write the tag into a packet; whether the one in a packet is right. */
void pxi_tag_put(const struct pxi_tag_key *k, pxi_tag_nh *nh, uint8_t *packet, size_t n);
bool pxi_tag_right(const struct pxi_tag_key *k, pxi_tag_nh *nh, const uint8_t *packet, size_t n);

#endif
