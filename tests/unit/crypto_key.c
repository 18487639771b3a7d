/* Keys: vectors of the specifications, all types there and back, malformed ones. */
#include "crypto/check.h"
#include "crypto/key.h"
#include "crypto_vectors.h"
#include "px_test.h"

static struct pxi_key *decode_hex(const char *hex)
{
    uint8_t bytes[4096];
    struct pxi_key *k;
    CHECK_EQ(pxi_key_decode(px_view_of(bytes, px_unhex(hex, bytes, sizeof bytes)), &k, NULL),
             PX_ERR_OK);
    return k;
}

TEST(vectors_of_the_peer_ids_specification)
{
    for (unsigned type = 0; type < 4; type++) {
        uint8_t private[4096], public[PXI_PUBKEY_MAX];
        size_t private_n = px_unhex(px_key_vectors[type][0], private, sizeof private);
        size_t public_n = px_unhex(px_key_vectors[type][1], public, sizeof public);
        struct pxi_key *k = decode_hex(px_key_vectors[type][0]);
        struct pxi_buf out = {.max = 4096};
        CHECK_EQ(pxi_key_type_of(k), type);
        CHECK(px_view_equal(pxi_key_public(k), px_view_of(public, public_n)));
        CHECK_EQ(pxi_key_encode(k, &out), PX_ERR_OK);
        CHECK(px_view_equal(px_view_of(out.p, out.n), px_view_of(private, private_n)));
        pxi_buf_deinit(&out);
        pxi_key_free(k);
    }
}

/* RFC 8032, section 7.1, tests 1 and 2. */
TEST(ed25519_vectors)
{
    static const struct {
        const char *seed, *pub, *message, *sig;
    } rows[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
         "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
         "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    };
    for (size_t i = 0; i < 2; i++) {
        uint8_t seed[32], pub[32], message[8], want[64], sig[PXI_SIGNATURE_MAX];
        px_unhex(rows[i].seed, seed, 32);
        px_unhex(rows[i].pub, pub, 32);
        px_unhex(rows[i].sig, want, 64);
        px_view m = px_view_of(message, px_unhex(rows[i].message, message, sizeof message));
        struct pxi_key *k = pxi_key_from_seed(seed);
        CHECK(k && memcmp(pxi_key_public(k).p + 4, pub, 32) == 0);
        CHECK_EQ(pxi_key_sign(k, m, sig), 64);
        CHECK(memcmp(sig, want, 64) == 0);
        CHECK(pxi_verify(pxi_key_public(k), m, px_view_of(sig, 64)));
        pxi_key_free(k);
    }
}

static void sign_and_verify(const struct pxi_key *k)
{
    uint8_t sig[PXI_SIGNATURE_MAX + 1], message[] = "a message";
    px_view m = px_view_of(message, sizeof message);
    struct pxi_pubkey *pub;
    CHECK_EQ(pxi_pubkey_decode(pxi_key_public(k), &pub, NULL), PX_ERR_OK);
    for (unsigned i = 0; i < 8; i++) {
        message[0] = (uint8_t)i;
        size_t n = pxi_key_sign(k, m, sig);
        CHECK(n > 0 && n <= PXI_SIGNATURE_MAX);
        CHECK(pxi_pubkey_verify(pub, m, px_view_of(sig, n)));
        CHECK(!pxi_pubkey_verify(pub, px_view_str("another"), px_view_of(sig, n)));
        CHECK(!pxi_pubkey_verify(pub, m, px_view_of(sig, n - 1)));
        CHECK(!pxi_pubkey_verify(pub, m, px_view_of(sig, 0)));
        CHECK(!pxi_pubkey_verify(pub, m, px_view_of(sig, sizeof sig)));
        sig[n / 2] ^= 4;
        CHECK(!pxi_pubkey_verify(pub, m, px_view_of(sig, n)));
    }
    pxi_pubkey_free(pub);
}

TEST(new_keys_sign_and_travel)
{
    for (unsigned type = 0; type < 4; type++) {
        struct pxi_random r = pxi_random_seeded(px_seed + type);
        struct pxi_key *k = pxi_key_new((enum pxi_key_type)type, &r), *back;
        struct pxi_buf out = {.max = 4096};
        CHECK(k && pxi_key_type_of(k) == type);
        sign_and_verify(k);
        CHECK_EQ(pxi_key_encode(k, &out), PX_ERR_OK);
        CHECK_EQ(pxi_key_decode(px_view_of(out.p, out.n), &back, NULL), PX_ERR_OK);
        CHECK(px_view_equal(pxi_key_public(k), pxi_key_public(back)));
        sign_and_verify(back);
        pxi_buf_deinit(&out);
        pxi_key_free(k);
        pxi_key_free(back);
    }
    pxi_key_free(NULL);
    pxi_pubkey_free(NULL);
}

TEST(ed25519_comes_from_the_seed)
{
    struct pxi_random a = pxi_random_seeded(3), b = pxi_random_seeded(3);
    struct pxi_key *x = pxi_key_new(PXI_KEY_ED25519, &a), *y = pxi_key_new(PXI_KEY_ED25519, &b);
    CHECK(x && y && px_view_equal(pxi_key_public(x), pxi_key_public(y)));
    pxi_key_free(x);
    pxi_key_free(y);
}

/* The form of go and js of old: the public key twice. */
TEST(ed25519_of_96_bytes)
{
    uint8_t bytes[4 + 96];
    CHECK_EQ(px_unhex(px_key_vectors[PXI_KEY_ED25519][0], bytes, sizeof bytes), 68);
    memcpy(bytes + 68, bytes + 36, 32);
    bytes[3] = 96;
    struct pxi_key *k;
    CHECK_EQ(pxi_key_decode(px_view_of(bytes, sizeof bytes), &k, NULL), PX_ERR_OK);
    sign_and_verify(k);
    pxi_key_free(k);
    bytes[70] ^= 1;
    CHECK(pxi_key_decode(px_view_of(bytes, sizeof bytes), &k, NULL) != PX_ERR_OK);
    CHECK(!k);
    bytes[70] ^= 1;
    bytes[40] ^= 1;
    CHECK(pxi_key_decode(px_view_of(bytes, sizeof bytes), &k, NULL) != PX_ERR_OK);
}

/* No prefix of a key is a key, and no longer text either. */
TEST(keys_cut_or_longer)
{
    for (unsigned type = 0; type < 4; type++) {
        uint8_t bytes[4096];
        struct pxi_key *k;
        struct pxi_pubkey *p;
        size_t n = px_unhex(px_key_vectors[type][0], bytes, sizeof bytes - 1);
        for (size_t cut = 0; cut <= n + 1; cut += cut + 20 < n ? 1 + cut / 50 : 1)
            if (cut != n)
                CHECK(pxi_key_decode(px_view_of(bytes, cut), &k, NULL) != PX_ERR_OK && !k);
        n = px_unhex(px_key_vectors[type][1], bytes, sizeof bytes - 1);
        for (size_t cut = 0; cut <= n + 1; cut++)
            if (cut != n)
                CHECK(pxi_pubkey_decode(px_view_of(bytes, cut), &p, NULL) != PX_ERR_OK && !p);
        CHECK_EQ(pxi_pubkey_check(px_view_of(bytes, n), NULL), PX_ERR_OK);
    }
}

/* Any change of a byte must be survived, whatever the verdict. */
TEST(public_keys_with_changed_bytes)
{
    for (unsigned type = 0; type < 4; type++) {
        uint8_t bytes[PXI_PUBKEY_MAX];
        size_t n = px_unhex(px_key_vectors[type][1], bytes, sizeof bytes);
        for (size_t i = 0; i < n; i++)
            for (unsigned x = 1; x < 256; x *= 2) {
                bytes[i] ^= (uint8_t)x;
                px_err err = pxi_pubkey_check(px_view_of(bytes, n), NULL);
                CHECK(i > 3 || err != PX_ERR_OK || (type % 2 && i == 1));
                bytes[i] ^= (uint8_t)x;
            }
    }
}

/* Put a DER or protobuf header of `size` bytes in front of what stands at *at; both go backwards.
 */
static void before(uint8_t **at, const uint8_t *head, size_t size)
{
    *at -= size;
    memcpy(*at, head, size);
}

static void der(uint8_t **at, const uint8_t *end, uint8_t tag)
{
    size_t n = (size_t)(end - *at);
    before(at, (uint8_t[]){tag, 0x82, (uint8_t)(n >> 8), (uint8_t)n}, 4);
}

/* A key whose arithmetic would keep us busy is refused by its length alone. */
TEST(giant_rsa_keys_are_refused_at_once)
{
    static uint8_t room[16384 / 8 + 200];
    static const uint8_t algorithm[] = {0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86,
                                        0xf7, 0x0d, 1, 1, 1,    5,    0};
    for (size_t bits = 2048; bits <= 16384; bits *= 2) {
        uint8_t *end = room + sizeof room, *at = end;
        size_t bytes = bits / 8;
        before(&at, (uint8_t[]){2, 3, 1, 0, 1}, 5);
        uint8_t *number_end = at;
        at -= bytes + 1;
        memset(at, 0xff, bytes + 1);
        *at = 0;
        der(&at, number_end, 2);
        der(&at, end, 0x30);
        before(&at, (uint8_t[]){0}, 1);
        der(&at, end, 3);
        before(&at, algorithm, sizeof algorithm);
        der(&at, end, 0x30);
        size_t n = (size_t)(end - at);
        before(&at, (uint8_t[]){8, 0, 0x12, (uint8_t)(n | 0x80), (uint8_t)(n >> 7)}, 5);
        px_view key = px_view_of(at, (size_t)(end - at));
        CHECK_EQ(pxi_pubkey_check(key, NULL) == PX_ERR_OK, bits <= 4096);
        CHECK(!pxi_verify(key, px_view_str("x"), px_view_str("y")));
    }
}

TEST(points_off_the_curve)
{
    uint8_t bytes[PXI_PUBKEY_MAX];
    size_t n = px_unhex(px_key_vectors[PXI_KEY_ECDSA][1], bytes, sizeof bytes);
    bytes[n - 1] ^= 1;
    CHECK(pxi_pubkey_check(px_view_of(bytes, n), NULL) != PX_ERR_OK);
    n = px_unhex(px_key_vectors[PXI_KEY_SECP256K1][1], bytes, sizeof bytes);
    memset(bytes + 5, 0xff, n - 5); /* beyond the field */
    CHECK(pxi_pubkey_check(px_view_of(bytes, n), NULL) != PX_ERR_OK);
    memset(bytes + 5, 0, n - 5);
    bytes[n - 1] = 5; /* no square */
    CHECK(pxi_pubkey_check(px_view_of(bytes, n), NULL) != PX_ERR_OK);
}

TEST(private_numbers_out_of_range)
{
    uint8_t bytes[36] = {0x08, 0x02, 0x12, 0x20};
    struct pxi_key *k;
    CHECK(pxi_key_decode(px_view_of(bytes, sizeof bytes), &k, NULL) != PX_ERR_OK);
    memset(bytes + 4, 0xff, 32);
    CHECK(pxi_key_decode(px_view_of(bytes, sizeof bytes), &k, NULL) != PX_ERR_OK);
    memset(bytes + 4, 0, 32);
    bytes[35] = 1;
    CHECK_EQ(pxi_key_decode(px_view_of(bytes, sizeof bytes), &k, NULL), PX_ERR_OK);
    sign_and_verify(k);
    pxi_key_free(k);
}

TEST(without_memory)
{
    uint8_t bytes[4096];
    for (unsigned type = 0; type < 4; type++) {
        size_t n = px_unhex(px_key_vectors[type][0], bytes, sizeof bytes);
        px_err err = PX_ERR_NOMEM;
        for (unsigned i = 1; err; i++) {
            struct pxi_key *k;
            pxi_mem_fail_after(i);
            err = pxi_key_decode(px_view_of(bytes, n), &k, NULL);
            pxi_mem_fail_after(0);
            CHECK(i < 20 && (err == PX_ERR_OK) == (k != NULL));
            pxi_key_free(k);
        }
    }
}

TEST_MAIN()
