/*
 * The keyed tag of a gradient packet, for both halves; plain 64-bit arithmetic.
 *
 *     tag = mix(NH(values), NH'(values)) ^ SipHash-2-4(head before the tag)
 *
 * NH (Black et al., "UMAC", 1999): the sum of (low half + key) x (high half + key) over the 64-bit
 * words of the values; NH' is the same with the key shifted by one word. Two different sets of
 * values of one length have equal pairs with probability 2^-64 at most. `mix` is multilinear over
 * the four halves of the pair, twice 32 bits, strongly universal: 2^-64. The pad hides it: no head
 * comes twice with other values under one key (seq never comes again), and the head says the
 * length. So a forged packet passes with probability 2^-63 at most, for each that is tried, as far
 * as SipHash cannot be told from random. Who sees both versions of what had one head twice learns
 * about the key: an aggregator that begins anew takes new keys.
 */
#ifndef PXI_BPF_TAG_H
#define PXI_BPF_TAG_H

#include "bpf/gradient.gen.h"

#define PXI_TAG_WORDS  384 /* of values, at most: 1536 of 16 bits */
#define PXI_TAG_AT     32  /* where the tag lies: behind what the pad is made of */
#define PXI_TAG_BLOCK  4   /* words that pxi_tag_block takes */
#define PXI_TAG_INLINE static inline __attribute__((always_inline))

struct pxi_tag_key {
    uint64_t pad[2];                /* of SipHash */
    uint64_t mix[2][5];             /* of the second level */
    uint64_t nh[PXI_TAG_WORDS + 1]; /* two keys of 32 bits in each */
};

/* NH and NH'. */
struct pxi_tag_sum {
    uint64_t a, b;
};

/* A word of a packet, which may lie anywhere; the kernel half reads it as it is. */
PXI_TAG_INLINE uint64_t pxi_tag_load(const void *p)
{
#ifdef __bpf__
    return *(const uint64_t *)p;
#else
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
#endif
}

PXI_TAG_INLINE uint64_t pxi_tag_term(uint64_t word, uint64_t key)
{
    return (uint64_t)((uint32_t)word + (uint32_t)key) *
           ((uint32_t)(word >> 32) + (uint32_t)(key >> 32));
}

/* Add the word of the values that has this key. */
PXI_TAG_INLINE void pxi_tag_word(struct pxi_tag_sum *s, const uint64_t *key, const void *p)
{
    uint64_t word = pxi_tag_load(p);
    s->a += pxi_tag_term(word, key[0]);
    s->b += pxi_tag_term(word, key[1]);
}

PXI_TAG_INLINE void pxi_tag_block(struct pxi_tag_sum *s, const uint64_t *key, const uint8_t *p)
{
    for (int i = 0; i < PXI_TAG_BLOCK; i++)
        pxi_tag_word(s, key + i, p + 8 * i);
}

PXI_TAG_INLINE uint64_t pxi_tag_mix(const uint64_t *k, struct pxi_tag_sum s)
{
    return k[0] + k[1] * (uint32_t)s.a + k[2] * (s.a >> 32) + k[3] * (uint32_t)s.b +
           k[4] * (s.b >> 32);
}

PXI_TAG_INLINE uint64_t pxi_tag_rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

PXI_TAG_INLINE void pxi_tag_sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = pxi_tag_rotl(v[1], 13) ^ v[0];
    v[3] = pxi_tag_rotl(v[3], 16) ^ v[2];
    v[0] = pxi_tag_rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = pxi_tag_rotl(v[1], 17) ^ v[2];
    v[3] = pxi_tag_rotl(v[3], 21) ^ v[0];
    v[2] = pxi_tag_rotl(v[2], 32);
}

/* SipHash-2-4 (Aumasson, Bernstein, 2012) of whole words. */
PXI_TAG_INLINE uint64_t pxi_tag_sip(const uint64_t key[2], const uint8_t *p, int words)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    for (int i = 0; i <= words; i++) {
        uint64_t m = i < words ? pxi_tag_load(p + 8 * i) : (uint64_t)words << 59;
        v[3] ^= m;
        pxi_tag_sip_round(v);
        pxi_tag_sip_round(v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        pxi_tag_sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The hash of the values, from the sums over them; and the tag. */
PXI_TAG_INLINE uint64_t pxi_tag_mixed(const struct pxi_tag_key *k, struct pxi_tag_sum s)
{
    uint64_t high = pxi_tag_mix(k->mix[0], s), low = pxi_tag_mix(k->mix[1], s);
    return (high >> 32 << 32) | low >> 32;
}

PXI_TAG_INLINE uint64_t pxi_tag_finish(const struct pxi_tag_key *k, const uint8_t *head,
                                       struct pxi_tag_sum s)
{
    return pxi_tag_mixed(k, s) ^ pxi_tag_sip(k->pad, head, PXI_TAG_AT / 8);
}

#endif
