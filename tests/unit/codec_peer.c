/* Peer ids and the bases they are written in, against values of other implementations. */
#include "codec/peer.h"

#include "codec/multibase.h"
#include "crypto_vectors.h"
#include "px_test.h"

static px_diag diag;

static size_t unhex(const char *s, uint8_t *out)
{
    size_t n = 0;
    for (unsigned v; sscanf(s, "%2x", &v) == 1; s += 2)
        out[n++] = (uint8_t)v;
    return n;
}

TEST(ids_of_keys)
{
    static const char *const ids[] = {"QmaeANgBs1DTSxWSrPPtobgQuxW8XTfsS4ydbK4rCHzqxG",
                                      "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq",
                                      "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY"};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t key[1024];
        char text[PXI_PEER_TEXT];
        size_t n = unhex(px_key_vectors[i][1], key);
        struct pxi_peer p = pxi_peer_of_key(px_view_of(key, n)), q;
        CHECK_STR(pxi_peer_text(&p, text), ids[i]);
        CHECK_EQ(pxi_peer_parse(px_view_str(ids[i]), &q, &diag), PX_ERR_OK);
        CHECK(pxi_peer_equal(&p, &q));
        CHECK_EQ(pxi_peer_from_bytes(pxi_peer_view(&p), &q, &diag), PX_ERR_OK);
        CHECK(pxi_peer_equal(&p, &q));
        px_view inside = pxi_peer_key(&p);
        CHECK(i == 0 ? inside.n == 0 : px_view_equal(inside, px_view_of(key, n)));
    }
}

TEST(text_as_a_cid)
{
    static const char *const rows[][2] = {
        {"bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe",
         "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"},
        {"k2k4r8ncs1yoluq95unsd7x2vfhgve0ncjoggwqx9vyh3vl8warrcp15",
         "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"},
        {"bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgkjxzy3rqt5kczyn7lcm3l",
         "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[PXI_PEER_TEXT];
        struct pxi_peer p;
        CHECK_EQ(pxi_peer_parse(px_view_str(rows[i][0]), &p, &diag), PX_ERR_OK);
        CHECK_STR(pxi_peer_text(&p, text), rows[i][1]);
    }
}

TEST(refused_text)
{
    static const char *const bad[] = {
        "",
        "Q",
        "Qm",
        "1",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5S",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SAA",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5S0",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5NQmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7",
        "bafkreidnhmpnpbasdheqgrbwiyfel4wdjq5qud5jdw5neywyxo4re3t3ee", /* not a key */
        "xyz",
    };
    struct pxi_peer p;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (pxi_peer_parse(px_view_str(bad[i]), &p, &diag) == PX_ERR_OK)
            PX_FAIL("accepted %s", bad[i]);
        CHECK_EQ(p.n, 0);
    }
}

TEST(refused_bytes)
{
    uint8_t b[64] = {0x12, 0x20};
    struct pxi_peer p;
    CHECK_EQ(pxi_peer_from_bytes(px_view_of(b, 34), &p, &diag), PX_ERR_OK);
    CHECK(pxi_peer_from_bytes(px_view_of(b, 33), &p, &diag) != PX_ERR_OK);
    CHECK(pxi_peer_from_bytes(px_view_of(b, 35), &p, &diag) != PX_ERR_OK);
    CHECK(pxi_peer_from_bytes(px_view_of(b, 0), &p, &diag) != PX_ERR_OK);
    b[0] = 0x11;
    CHECK(pxi_peer_from_bytes(px_view_of(b, 34), &p, &diag) != PX_ERR_OK);
    b[0] = 0;
    b[1] = 43;
    CHECK(pxi_peer_from_bytes(px_view_of(b, 45), &p, &diag) != PX_ERR_OK);
    b[1] = 42;
    CHECK_EQ(pxi_peer_from_bytes(px_view_of(b, 44), &p, &diag), PX_ERR_OK);
}

/* ------------------------------------------------------------------- bases */

TEST(bases_as_others_write_them)
{
    static const uint8_t odd[] = {0, 1, 2, 3, 0xff, 0xfe};
    static const struct {
        char base;
        const char *odd, *hello;
    } rows[] = {
        {'z', "17bX9df", "StV1DL6CwTryKyV"},
        {'b', "aaaqea777y", "nbswy3dpeb3w64tmmq"},
        {'k', "01zl8v0e", "fuvrsivvnfrbjwajo"},
        {'u', "AAECA__-", "aGVsbG8gd29ybGQ"},
        {'m', "AAECA//+", "aGVsbG8gd29ybGQ"},
        {'f', "00010203fffe", "68656c6c6f20776f726c64"},
        {'F', "00010203FFFE", "68656C6C6F20776F726C64"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        uint8_t out[32];
        size_t n = pxi_base_put((enum pxi_base)rows[i].base, px_view_of(odd, 6), text, 63);
        text[n] = 0;
        CHECK_STR(text, rows[i].odd);
        CHECK_EQ(pxi_base_get(rows[i].base, px_view_str(rows[i].odd), out, 32, &n, &diag), 0);
        CHECK(n == 6 && memcmp(out, odd, 6) == 0);
        CHECK_EQ(pxi_base_get(rows[i].base, px_view_str(rows[i].hello), out, 32, &n, &diag), 0);
        CHECK(px_view_is(px_view_of(out, n), "hello world"));
    }
}

TEST(bases_at_every_length)
{
    uint64_t s = px_seed | 1;
    for (size_t len = 0; len <= PXI_BASE_MAX; len++) {
        uint8_t in[PXI_BASE_MAX], out[PXI_BASE_MAX];
        char text[PXI_BASE_TEXT_MAX + 1];
        for (size_t i = 0; i < len; i++) {
            s = s * 6364136223846793005u + 1442695040888963407u;
            in[i] = i < 3 && s >> 63 ? 0 : (uint8_t)(s >> 33);
        }
        for (const char *b = "zbfuBFkKm"; *b; b++) {
            size_t back = 0;
            text[0] = *b;
            size_t n =
                pxi_base_put((enum pxi_base) * b, px_view_of(in, len), text + 1, sizeof text - 1);
            CHECK(n || !len);
            CHECK_EQ(pxi_multibase_get(px_view_of(text, n + 1), out, sizeof out, &back, &diag),
                     PX_ERR_OK);
            CHECK(back == len && memcmp(in, out, len) == 0);
        }
    }
}

TEST(bases_refuse)
{
    uint8_t out[8];
    size_t n;
    static const char *const bad[] = {
        "",     "?a", "b1", "bA", "baaaaa1", "z0", "fa", "f0g", "fffffffffffffffffff",
        "baab", "uA", "uAB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (pxi_multibase_get(px_view_str(bad[i]), out, sizeof out, &n, &diag) == PX_ERR_OK)
            PX_FAIL("accepted %s", bad[i]);
    CHECK(pxi_multibase_get(px_view_of("z1\0", 3), out, sizeof out, &n, &diag) != PX_ERR_OK);
    CHECK_EQ(diag.offset, 2);
}

TEST_MAIN()
