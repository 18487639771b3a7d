/* Digests: published vectors, and every form of BLAKE3 against the plain one. */
#include "base/rng.h"
#include "crypto/blake3.h"
#include "crypto_vectors.h"
#include "px_test.h"

static void check_hex(const uint8_t *got, size_t n, const char *hex)
{
    uint8_t want[128];
    CHECK_EQ(px_unhex(hex, want, sizeof want), n);
    CHECK(memcmp(got, want, n) == 0);
}

TEST(sha256_vectors)
{
    uint8_t out[PXI_DIGEST];
    pxi_sha256(px_view_of(NULL, 0), out);
    check_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pxi_sha256(px_view_str("abc"), out);
    check_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(sha256_in_pieces)
{
    uint8_t bytes[1000], whole[PXI_DIGEST], pieces[PXI_DIGEST];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    pxi_sha256(px_view_of(bytes, sizeof bytes), whole);
    struct pxi_sha256 *h = pxi_sha256_begin();
    CHECK(h);
    for (size_t at = 0, n = 0; at < sizeof bytes; at += n) {
        n = at % 13;
        n = n + 1 < sizeof bytes - at ? n + 1 : sizeof bytes - at;
        pxi_sha256_add(h, px_view_of(bytes + at, n));
    }
    pxi_sha256_end(h, pieces);
    CHECK(memcmp(whole, pieces, sizeof whole) == 0);
    h = pxi_sha256_begin();
    CHECK(h);
    pxi_sha256_add(h, px_view_of(NULL, 0));
    pxi_sha256_drop(h);
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
TEST(hmac_vectors)
{
    uint8_t out[PXI_DIGEST], key[131];
    memset(key, 0x0b, 20);
    pxi_hmac_sha256(px_view_of(key, 20), px_view_str("Hi There"), out);
    check_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    pxi_hmac_sha256(px_view_str("Jefe"), px_view_str("what do ya want for nothing?"), out);
    check_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    pxi_hmac_sha256(px_view_of(key, sizeof key),
                    px_view_str("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    check_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 5869, case 3: no salt (as good as 32 zeros) and no info, which is what Noise computes. */
TEST(noise_hkdf_vector)
{
    uint8_t ck[PXI_DIGEST] = {0}, ikm[22], out[3][PXI_DIGEST], two[2][PXI_DIGEST];
    memset(ikm, 0x0b, sizeof ikm);
    pxi_noise_hkdf(ck, px_view_of(ikm, sizeof ikm), 3, out);
    check_hex(out[0], 42,
              "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
              "9d201395faa4b61a96c8");
    pxi_noise_hkdf(ck, px_view_of(ikm, sizeof ikm), 2, two);
    CHECK(memcmp(two, out, sizeof two) == 0);
}

/* The input of the official vectors: bytes that count to 250 again and again. */
static uint8_t *counting(size_t n)
{
    uint8_t *p = malloc(n + 1);
    CHECK(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i % 251);
    return p;
}

TEST(blake3_vectors)
{
    static const struct {
        size_t n;
        const char *hex;
    } rows[] = {
        {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
        {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
        {2, "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63"},
        {3, "e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e647f"},
        {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b"},
        {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"},
        {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee"},
        {127, "d81293fda863f008c09e92fc382a81f5a0b4a1251cba1634016a0f86a6bd640d"},
        {128, "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b45ef"},
        {129, "683aaae9f3c5ba37eaaf072aed0f9e30bac0865137bae68b1fde4ca2aebdcb12"},
        {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
        {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
        {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
        {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"},
        {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"},
        {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2"},
        {3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3"},
        {4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969"},
        {4097, "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995"},
        {5120, "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833"},
        {6144, "3e2e5b74e048f3add6d21faab3f83aa44d3b2278afb83b80b3c35164ebeca205"},
        {7168, "61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ada77a"},
        {8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63"},
        {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"},
        {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
        {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
        {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
        {131071, "de433db299ce5940eb72f08f509f90fa93e8b8c38e26c927310b4f8b98e2f33c"},
        {131072, "306baba93b1a393cbd35172837c98b0f59a41f64e1b2682ae102d8b2534b9e1c"},
        {131073, "f837d4254d24ba3d50fe3743d46e4af6db5f5d6ab0469197d94e7ba1e906c4d8"},
        {132097, "d3bffd4815c1159749bd0b24688731909d251e76b4baede86dd151475e481d53"},
        {262144, "d57dc906e20d3fd326ffaa85535500486f46a0979f5a323f028dcabfd381fd4a"},
        {262145, "531c319935cf78f34869faebd865e5748266b1799039103bfb851a680d9ed30c"},
        {393217, "23793d665bd3c0b578269cc6d66b30eab4b66ab17f38524d1501e5c5fbf707bb"},
        {1000000, "5e82c663d164c54e4fcdfcd70e3ca464662228bdbad45cce2e0c2bff999064ef"},
        {1048577, "2f053cd7472cf0cd2f9adaf45c1180255b91b9a865404a63671a0ee5f792ed33"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t *in = counting(rows[i].n), out[PXI_DIGEST];
        pxi_blake3(px_view_of(in, rows[i].n), out);
        check_hex(out, 32, rows[i].hex);
        for (unsigned f = 0; f == 0 || pxi_blake3_form(f - 1); f++) {
            pxi_blake3_with(pxi_blake3_form(f), px_view_of(in, rows[i].n), out);
            check_hex(out, 32, rows[i].hex);
        }
        free(in);
    }
}

/* The digest in the BLAKE3 content id bafkr4igogkqu2653f3ochcusdn3qda2sekryhofdaenh7ck7esmziuicnq.
 */
TEST(blake3_shard_1)
{
    uint8_t out[PXI_DIGEST];
    pxi_blake3(px_view_str("shard-1"), out);
    check_hex(out, 32, "ce32a14d7bbb2edc238a921b7701835222a383b8a3011a7f895f24999451026c");
}

TEST(blake3_forms_agree)
{
    struct pxi_rng rng = {px_seed};
    for (unsigned i = 0; i < 300; i++) {
        size_t n = pxi_rng_u64(&rng) % (i % 10 ? 20000 : 700000);
        uint8_t *in = malloc(n + 1), plain[PXI_DIGEST], fast[PXI_DIGEST];
        for (size_t j = 0; j < n; j++)
            in[j] = (uint8_t)(pxi_rng_u64(&rng));
        pxi_blake3_with(NULL, px_view_of(in, n), plain);
        for (unsigned f = 0; pxi_blake3_form(f); f++) {
            pxi_blake3_with(pxi_blake3_form(f), px_view_of(in, n), fast);
            if (memcmp(plain, fast, sizeof plain) != 0)
                PX_FAIL("form %u differs at %zu bytes", f, n);
        }
        free(in);
    }
}

TEST_MAIN()
