/* ChaCha20-Poly1305, X25519 and random bytes: published vectors, forgeries, small-order points. */
#include "base/mem.h"
#include "base/rng.h"
#include "crypto/aead.h"
#include "crypto/check.h"
#include "crypto_vectors.h"
#include "px_test.h"

/* RFC 8439, appendix A.5: its nonce has the form that Noise uses. */
static const char key_hex[] = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
static const char ad_hex[] = "f33388860000000000004e91";
static const char sealed_hex[] = "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2"
                                 "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf"
                                 "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
                                 "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4"
                                 "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
                                 "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
                                 "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10"
                                 "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29"
                                 "a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38";
static const char plain[] =
    "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
    "replaced, or obsoleted by other documents at any time. It is inappropriate to use "
    "Internet-Drafts as reference material or to cite them other than as /\xe2\x80\x9cwork in "
    "progress./\xe2\x80\x9d";
#define COUNTER 0x0807060504030201u

TEST(aead_vector)
{
    uint8_t key[32], ad[16], want[512], got[512];
    px_unhex(key_hex, key, sizeof key);
    px_view a = px_view_of(ad, px_unhex(ad_hex, ad, sizeof ad));
    size_t n = px_unhex(sealed_hex, want, sizeof want);
    CHECK_EQ(n, strlen(plain) + PXI_AEAD_TAG);
    struct pxi_aead *seal = pxi_aead_new(key, 1), *open = pxi_aead_new(key, 0);
    CHECK(seal && open);
    CHECK(pxi_aead_seal(seal, COUNTER, a, (const uint8_t *)plain, strlen(plain), got));
    CHECK(memcmp(got, want, n) == 0);
    CHECK(pxi_aead_open(open, COUNTER, a, got, n, got)); /* in place */
    CHECK(memcmp(got, plain, strlen(plain)) == 0);
    /* One context serves one direction. */
    CHECK(!pxi_aead_seal(open, COUNTER, a, got, 1, got));
    CHECK(!pxi_aead_open(seal, COUNTER, a, want, n, got));
    pxi_aead_free(seal);
    pxi_aead_free(open);
    pxi_aead_free(NULL);
}

TEST(aead_refuses_every_change)
{
    uint8_t key[32] = {7}, bytes[64 + PXI_AEAD_TAG], sealed[sizeof bytes], out[64];
    px_view ad = px_view_str("ad");
    struct pxi_aead *seal = pxi_aead_new(key, 1), *open = pxi_aead_new(key, 0);
    memset(bytes, 0x55, sizeof bytes);
    CHECK(seal && open && pxi_aead_seal(seal, 9, ad, bytes, 64, sealed));
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        memcpy(bytes, sealed, sizeof sealed);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(!pxi_aead_open(open, 9, ad, bytes, sizeof bytes, out));
    }
    CHECK(!pxi_aead_open(open, 10, ad, sealed, sizeof sealed, out));
    CHECK(!pxi_aead_open(open, 9, px_view_str("aD"), sealed, sizeof sealed, out));
    for (size_t n = 0; n < sizeof sealed; n++)
        CHECK(!pxi_aead_open(open, 9, ad, sealed, n, out));
    CHECK(pxi_aead_open(open, 9, ad, sealed, sizeof sealed, out));
    pxi_aead_free(seal);
    pxi_aead_free(open);
}

/* Every length around the blocks, without and with associated data, and the largest of Noise. */
TEST(aead_lengths)
{
    static uint8_t in[65519], out[65535], back[65519];
    uint8_t key[32] = {1, 2, 3};
    struct pxi_aead *seal = pxi_aead_new(key, 1), *open = pxi_aead_new(key, 0);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 11);
    for (size_t n = 0; n <= sizeof in; n += n < 300 ? 1 : n < 65000 ? 6521 : 103) {
        px_view ad = n % 2 ? px_view_of(in, n % 40) : px_view_of(NULL, 0);
        CHECK(pxi_aead_seal(seal, n, ad, in, n, out));
        memset(back, 0, n);
        CHECK(pxi_aead_open(open, n, ad, out, n + PXI_AEAD_TAG, back));
        CHECK(memcmp(in, back, n) == 0);
    }
    CHECK(pxi_aead_seal(seal, UINT64_MAX - 1, px_view_of(NULL, 0), in, sizeof in, out));
    CHECK(pxi_aead_open(open, UINT64_MAX - 1, px_view_of(NULL, 0), out, sizeof out, out));
    CHECK(memcmp(in, out, sizeof in) == 0);
    pxi_aead_free(seal);
    pxi_aead_free(open);
}

/* Gaps and landings of every size give the bytes that one piece gives. */
TEST(aead_gaps_and_landings)
{
    struct pxi_rng r = {px_seed};
    static uint8_t in[3000], holes[3000], out[3016], whole[3016], place[3000];
    const px_view ad = px_view_str("ad");
    uint8_t key[32] = {7};
    struct pxi_aead *seal = pxi_aead_new(key, 1), *open = pxi_aead_new(key, 0);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 7 >> 1);
    for (unsigned k = 0; k < 3000; k++) {
        size_t n = pxi_rng_below(&r, sizeof in + 1), at = 0;
        struct pxi_gaps gaps = {0};
        memcpy(holes, in, n);
        while (pxi_gaps_room(&gaps) && (at += pxi_rng_below(&r, 500)) < n) {
            size_t gap = pxi_rng_below(&r, n - at + 1);
            memset(holes + at, 0, gap);
            pxi_gaps_add(&gaps, holes + at, px_view_of(in + at, gap));
            at += gap;
        }
        CHECK(pxi_aead_seal(seal, k, ad, in, n, whole));
        memcpy(out, holes, n);
        for (unsigned i = 0; i < gaps.n; i++)
            gaps.of[i].to += out - holes;
        CHECK(pxi_aead_seal_gaps(seal, k, ad, out, n, &gaps, out));
        CHECK(memcmp(out, whole, n + PXI_AEAD_TAG) == 0);
        struct pxi_landing land = {.p = place, .lead = pxi_rng_below(&r, n + 1)};
        land.n = pxi_rng_below(&r, n - land.lead + 1);
        memset(place, 0, sizeof place);
        CHECK(pxi_aead_open_land(open, k, ad, out, n + PXI_AEAD_TAG, &land));
        CHECK(memcmp(out, in, land.lead) == 0 && memcmp(place, in + land.lead, land.n) == 0);
        at = land.lead + land.n;
        CHECK(memcmp(out + at, in + at, n - at) == 0);
        whole[pxi_rng_below(&r, n + PXI_AEAD_TAG)] ^= 1; /* nothing of what is forged is left */
        CHECK(!pxi_aead_open_land(open, k, ad, whole, n + PXI_AEAD_TAG, &land));
        for (size_t i = 0; i < land.n; i++)
            CHECK_EQ(place[i], 0);
    }
    pxi_aead_free(seal);
    pxi_aead_free(open);
}

TEST(aead_without_memory)
{
    uint8_t key[32] = {0};
    pxi_mem_fail_after(1);
    CHECK(!pxi_aead_new(key, 1));
    pxi_mem_fail_after(0);
}

/* RFC 7748, section 5.2. */
TEST(x25519_vectors)
{
    static const char *const rows[][3] = {
        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
    };
    for (size_t i = 0; i < 2; i++) {
        uint8_t secret[32], pub[32], want[32], got[32];
        px_unhex(rows[i][0], secret, 32);
        px_unhex(rows[i][1], pub, 32);
        px_unhex(rows[i][2], want, 32);
        CHECK(pxi_x25519(secret, pub, got));
        CHECK(memcmp(got, want, 32) == 0);
    }
}

/* RFC 7748, section 5.2: k, u = X25519(k, u), k, from 9. */
TEST(x25519_iterated)
{
    uint8_t k[32] = {9}, u[32] = {9}, out[32], want[32];
    for (unsigned i = 0; i < 1000; i++) {
        CHECK(pxi_x25519(k, u, out));
        memcpy(u, k, 32);
        memcpy(k, out, 32);
        px_unhex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", want, 32);
        CHECK(i || memcmp(k, want, 32) == 0);
    }
    px_unhex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", want, 32);
    CHECK(memcmp(k, want, 32) == 0);
}

TEST(x25519_pairs_agree)
{
    struct pxi_random r = pxi_random_seeded(px_seed);
    uint8_t sa[32], pa[32], sb[32], pb[32], ab[32], ba[32];
    for (unsigned i = 0; i < 20; i++) {
        pxi_x25519_keypair(&r, sa, pa);
        pxi_x25519_keypair(pxi_random_system(), sb, pb);
        CHECK(pxi_x25519(sa, pb, ab) && pxi_x25519(sb, pa, ba));
        CHECK(memcmp(ab, ba, 32) == 0);
    }
}

/* Points of order 1, 2, 4 and 8, and their spellings above the prime. */
TEST(x25519_small_order)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        uint8_t secret[32] = {5}, pub[32], out[32];
        px_unhex(points[i], pub, 32);
        CHECK(!pxi_x25519(secret, pub, out));
        CHECK(pxi_x25519_check(px_view_of(pub, 32), NULL) != PX_ERR_OK);
    }
    uint8_t nine[33] = {9};
    CHECK_EQ(pxi_x25519_check(px_view_of(nine, 32), NULL), PX_ERR_OK);
    CHECK(pxi_x25519_check(px_view_of(nine, 31), NULL) != PX_ERR_OK);
    CHECK(pxi_x25519_check(px_view_of(nine, 33), NULL) != PX_ERR_OK);
}

TEST(random_seeded_repeats)
{
    struct pxi_random a = pxi_random_seeded(5), b = pxi_random_seeded(5);
    uint8_t x[100], y[100];
    pxi_random_fill(&a, x, sizeof x);
    pxi_random_fill(&b, y, sizeof y);
    CHECK(memcmp(x, y, sizeof x) == 0);
    CHECK(pxi_random_u64(&a) == pxi_random_u64(&b));
    CHECK(pxi_random_u64(&a) != pxi_random_u64(&a));
    pxi_random_fill(pxi_random_system(), x, sizeof x);
    pxi_random_fill(pxi_random_system(), y, sizeof y);
    CHECK(memcmp(x, y, sizeof x) != 0);
}

TEST_MAIN()
