/*
 * The keyed tag of a gradient packet, for both halves; plain 64-bit arithmetic.
 *
 *     tag = mix(three sums over the values) ^ SipHash-2-4(head before the tag)
 *
 * A term is that of NH (Black et al., "UMAC", 1999) with one addition of 64 bits: of t = word + key
 * the low half times the high half. For two different words the difference of their terms is any
 * given number with probability 2^-32 at most: when their low halves differ, fix that of the key,
 * and with it the carry: one high half at most fits; else fix the high half: one low half does.
 * Two words are a group: each gives a term to a sum of its own, and both t together, added, one to
 * a third (a code with distance 2 before the hash: Nandi, "On the minimum number of multiplications
 * necessary for universal hash functions", 2014). So two different sets of values of one length
 * differ in the words of two sums at least, whose keys are independent (that of the third, a sum of
 * two, is independent of each): both are equal with probability 2^-64 at most. The word that a last
 * group may lack is 0, and gives no term of its own.
 * `mix` is multilinear over the six halves of the sums, twice 32 bits, strongly universal: 2^-64.
 * The pad hides it: no head comes twice with other values under one key (seq never comes again),
 * and the head says the length. So a forged packet passes with probability 2^-63 at most, for each
 * that is tried, as far as SipHash cannot be told from random. Who sees both versions of what had
 * one head twice learns about the key: an aggregator that begins anew takes new keys.
 */
#ifndef PXI_BPF_TAG_H
#define PXI_BPF_TAG_H

#include "bpf/gradient.gen.h"

#define PXI_TAG_WORDS  384 /* of values, at most: 1536 of 16 bits */
#define PXI_TAG_AT     32  /* where the tag lies: behind what the pad is made of */
#define PXI_TAG_GROUP  2   /* words of a group */
#define PXI_TAG_SUMS   3   /* one for each of them, and one for both */
#define PXI_TAG_INLINE static inline __attribute__((always_inline))

struct pxi_tag_key {
    uint64_t pad[2];                       /* of SipHash */
    uint64_t mix[2][2 * PXI_TAG_SUMS + 1]; /* of the second level */
    uint64_t nh[PXI_TAG_WORDS];
};

/* Over the values. */
struct pxi_tag_sum {
    uint64_t s[PXI_TAG_SUMS];
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

PXI_TAG_INLINE uint64_t pxi_tag_term(uint64_t t)
{
    return (t & 0xffffffff) * (t >> 32);
}

/* Add a group of the values with its keys; lacks: its second word is not there. */
PXI_TAG_INLINE void pxi_tag_group(struct pxi_tag_sum *s, const uint64_t *key, const uint8_t *p,
                                  int lacks)
{
    uint64_t t = key[0] + pxi_tag_load(p), u = key[1] + (lacks ? 0 : pxi_tag_load(p + 8));
    s->s[0] += pxi_tag_term(t);
    s->s[1] += lacks ? 0 : pxi_tag_term(u);
    s->s[2] += pxi_tag_term(t + u);
}

PXI_TAG_INLINE uint64_t pxi_tag_mix(const uint64_t *k, const struct pxi_tag_sum *s)
{
    uint64_t h = k[0];
#pragma GCC unroll 3
    for (int i = 0; i < PXI_TAG_SUMS; i++)
        h += k[2 * i + 1] * (s->s[i] & 0xffffffff) + k[2 * i + 2] * (s->s[i] >> 32);
    return h;
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

/* SipHash-2-4 (Aumasson, Bernstein, 2012) of whole words: it begins, */
PXI_TAG_INLINE void pxi_tag_sip_begin(uint64_t v[4], const uint64_t key[2])
{
    v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = key[1] ^ UINT64_C(0x7465646279746573);
}

/* takes a word, */
PXI_TAG_INLINE void pxi_tag_sip_word(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    pxi_tag_sip_round(v);
    pxi_tag_sip_round(v);
    v[0] ^= m;
}

/* and ends, after so many. */
PXI_TAG_INLINE uint64_t pxi_tag_sip_end(uint64_t v[4], int n)
{
    pxi_tag_sip_word(v, (uint64_t)n << 59);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        pxi_tag_sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

PXI_TAG_INLINE uint64_t pxi_tag_sip(const uint64_t key[2], const uint8_t *p, int n)
{
    uint64_t v[4];
    pxi_tag_sip_begin(v, key);
    for (int i = 0; i < n; i++)
        pxi_tag_sip_word(v, pxi_tag_load(p + 8 * i));
    return pxi_tag_sip_end(v, n);
}

/* The pad of a head whose first word all have: what comes of that is kept in `first`. */
PXI_TAG_INLINE void pxi_tag_pad_begin(uint64_t first[4], const uint64_t key[2], const uint8_t *head)
{
    pxi_tag_sip_begin(first, key);
    pxi_tag_sip_word(first, pxi_tag_load(head));
}

PXI_TAG_INLINE uint64_t pxi_tag_pad(const uint64_t first[4], const uint8_t *head)
{
    uint64_t v[4] = {first[0], first[1], first[2], first[3]};
    for (int i = 1; i < PXI_TAG_AT / 8; i++)
        pxi_tag_sip_word(v, pxi_tag_load(head + 8 * i));
    return pxi_tag_sip_end(v, PXI_TAG_AT / 8);
}

/* The hash of the values, from the sums over them; and the tag. */
PXI_TAG_INLINE uint64_t pxi_tag_mixed(const struct pxi_tag_key *k, const struct pxi_tag_sum *s)
{
    return (pxi_tag_mix(k->mix[0], s) >> 32 << 32) | pxi_tag_mix(k->mix[1], s) >> 32;
}

PXI_TAG_INLINE uint64_t pxi_tag_finish(const struct pxi_tag_key *k, const uint8_t *head,
                                       const struct pxi_tag_sum *s)
{
    return pxi_tag_mixed(k, s) ^ pxi_tag_sip(k->pad, head, PXI_TAG_AT / 8);
}

#endif
