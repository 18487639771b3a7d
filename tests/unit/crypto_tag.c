/* The tag of gradient packets: SipHash's published values, a second way to reckon it, every bit. */
#include "base/rng.h"
#include "crypto/tag.h"
#include "kernel/kernel.h"
#include "px_test.h"

enum { MOST = PX_GRADIENT_HEAD + 8 * PXI_TAG_WORDS };

static pxi_tag_nh *nh(void)
{
    static struct pxi_kernels k;
    if (!k.tag_nh)
        pxi_kernels_init(&k, pxi_cpu_mask(getenv("PLEXUS_CPU")));
    return k.tag_nh;
}

/* Of the reference implementation: key 00 .. 0f, messages of 0, 8, .. bytes 00 01 02 .. */
static const uint64_t published[] = {0x726fdb47dd0e0e31, 0x93f5f5799a932462, 0x3f2acc7f57c29bdb,
                                     0xb8ad50c6f649af94, 0x7127512f72f27cce, 0x0e3ea96b5304a7d0};

TEST(siphash_as_published)
{
    uint8_t bytes[64];
    uint64_t key[2];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    memcpy(key, bytes, sizeof key);
    for (int words = 0; words < 6; words++)
        CHECK(pxi_tag_sip(key, bytes, words) == published[words]);
}

static void some_key(struct pxi_tag_key *k, uint64_t seed)
{
    struct pxi_rng r = {seed};
    uint8_t secret[PXI_TAG_SECRET];
    for (unsigned i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)pxi_rng_u64(&r);
    pxi_tag_key_init(k, secret);
}

static void some_packet(uint8_t *p, size_t n, struct pxi_rng *r)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)pxi_rng_u64(r);
}

static uint64_t u64_at(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* Once more, a sum after the other, with wide numbers. */
static uint64_t another_way(const struct pxi_tag_key *k, const uint8_t *p, size_t n)
{
    unsigned __int128 sum[3] = {0};
    size_t words = (n - PX_GRADIENT_HEAD) / 8;
    for (size_t t = 0; t < 3; t++)
        for (size_t from = 0; from < words; from += 2) {
            uint64_t x = 0;
            for (size_t i = 0; i < 2; i++)
                if (t == 2 || t == i)
                    x += k->nh[from + i] +
                         (from + i < words ? u64_at(p + PX_GRADIENT_HEAD + 8 * (from + i), 8) : 0);
            if (t == 2 || from + t < words)
                sum[t] += (unsigned __int128)(uint32_t)x * (uint32_t)(x >> 32);
        }
    uint32_t out[2];
    for (unsigned j = 0; j < 2; j++) {
        unsigned __int128 h = k->mix[j][0];
        for (unsigned i = 0; i < 6; i++)
            h += (unsigned __int128)k->mix[j][i + 1] * (uint32_t)(sum[i / 2] >> (32 * (i % 2)));
        out[j] = (uint32_t)(h >> 32);
    }
    return ((uint64_t)out[0] << 32 | out[1]) ^ pxi_tag_sip(k->pad, p, 4);
}

/* The pad of a head whose first word was taken before. */
TEST(a_pad_in_two_steps)
{
    struct pxi_rng r = {px_seed};
    for (unsigned round = 0; round < 100; round++) {
        uint8_t head[PXI_TAG_AT];
        uint64_t key[2] = {pxi_rng_u64(&r), pxi_rng_u64(&r)}, first[4];
        some_packet(head, sizeof head, &r);
        pxi_tag_pad_begin(first, key, head);
        CHECK(pxi_tag_pad(first, head) == pxi_tag_sip(key, head, 4));
    }
}

TEST(both_ways_agree)
{
    static uint8_t room[MOST + 8];
    struct pxi_rng r = {px_seed};
    struct pxi_tag_key k;
    for (unsigned round = 0; round < 300; round++) {
        some_key(&k, pxi_rng_u64(&r));
        size_t n = PX_GRADIENT_HEAD + 8 * pxi_rng_below(&r, PXI_TAG_WORDS + 1);
        uint8_t *p = room + pxi_rng_below(&r, 8);
        some_packet(p, n, &r);
        CHECK(pxi_tag(&k, nh(), p, n) == another_way(&k, p, n));
        pxi_tag_put(&k, nh(), p, n);
        CHECK(pxi_tag_right(&k, nh(), p, n));
    }
    CHECK(k.nh[0] != k.nh[1] && k.nh[PXI_TAG_WORDS - 1] != 0);
}

TEST(every_bit_counts)
{
    static uint8_t p[MOST];
    struct pxi_rng r = {px_seed};
    struct pxi_tag_key k;
    some_key(&k, 5);
    size_t sizes[] = {PX_GRADIENT_HEAD, PX_GRADIENT_HEAD + 8, PX_GRADIENT_HEAD + 512, MOST};
    for (unsigned s = 0; s < 4; s++) {
        some_packet(p, sizes[s], &r);
        pxi_tag_put(&k, nh(), p, sizes[s]);
        for (size_t bit = 0; bit < 8 * sizes[s]; bit++) {
            p[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK(!pxi_tag_right(&k, nh(), p, sizes[s]));
            p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        CHECK(pxi_tag_right(&k, nh(), p, sizes[s]));
    }
}

/* Words that change places, values that are all one: nothing that a plain sum overlooks. */
TEST(places_and_keys_count)
{
    static uint8_t p[PX_GRADIENT_HEAD + 512];
    struct pxi_tag_key k, other;
    struct pxi_rng r = {px_seed};
    some_key(&k, 1);
    some_key(&other, 2);
    some_packet(p, sizeof p, &r);
    uint64_t tag = pxi_tag(&k, nh(), p, sizeof p);
    CHECK(tag != pxi_tag(&other, nh(), p, sizeof p));
    for (size_t at = PX_GRADIENT_HEAD; at + 16 <= sizeof p; at += 8) {
        uint8_t word[8];
        memcpy(word, p + at, 8);
        memcpy(p + at, p + at + 8, 8);
        memcpy(p + at + 8, word, 8);
        CHECK(tag != pxi_tag(&k, nh(), p, sizeof p));
        memcpy(p + at + 8, p + at, 8);
        memcpy(p + at, word, 8);
    }
    CHECK(tag == pxi_tag(&k, nh(), p, sizeof p));
}

TEST_MAIN()
