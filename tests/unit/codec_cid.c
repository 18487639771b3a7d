/* CIDs, against values of other implementations. */
#include "codec/cid.h"

#include "crypto/hash.h"
#include "px_test.h"

static px_diag diag;
static struct pxi_cid cid;

TEST(raw_cids_of_a_shard)
{
    uint8_t digest[32], bytes[PXI_CID_MAX];
    char text[PXI_CID_TEXT];
    pxi_sha256(px_view_str("shard-1"), digest);
    cid = pxi_cid_raw(PXI_HASH_SHA2_256, digest);
    CHECK_STR(pxi_cid_text(&cid, text),
              "bafkreidnhmpnpbasdheqgrbwiyfel4wdjq5qud5jdw5neywyxo4re3t3ee");
    CHECK_EQ(pxi_cid_encode(&cid, bytes), 36);
    CHECK(memcmp(bytes, "\x01\x55\x12\x20\x6d\x3b\x1e\xd7", 8) == 0);
    CHECK_EQ(pxi_cid_multihash(&cid, bytes), 34);
    pxi_blake3(px_view_str("shard-1"), digest);
    cid = pxi_cid_raw(PXI_HASH_BLAKE3, digest);
    CHECK_STR(pxi_cid_text(&cid, text),
              "bafkr4igogkqu2653f3ochcusdn3qda2sekryhofdaenh7ck7esmziuicnq");
}

TEST(every_base_gives_the_same)
{
    static const char *const rows[] = {
        "bafkreidnhmpnpbasdheqgrbwiyfel4wdjq5qud5jdw5neywyxo4re3t3ee",
        "BAFKREIDNHMPNPBASDHEQGRBWIYFEL4WDJQ5QUD5JDW5NEYWYXO4RE3T3EE",
        "zb2rhdzfvEwu15f51jpfxE5gWcXHKGPXS3Hh6FwVT1fGfLYVv",
        "k2cwuebdev5qgu57ve4f7z0sgionu01w6cu9ofslz74zdn31wa2q4izl",
        "f015512206d3b1ed7841219c9034436460a45f2c34c3b0a0fa91dbad262d8bbb9126e7b21",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[PXI_CID_TEXT];
        CHECK_EQ(pxi_cid_parse(px_view_str(rows[i]), &cid, &diag), PX_ERR_OK);
        CHECK_STR(pxi_cid_text(&cid, text), rows[0]);
        CHECK(cid.version == 1 && cid.codec == PXI_CID_RAW && cid.hash == PXI_HASH_SHA2_256);
    }
}

TEST(version_0)
{
    char text[PXI_CID_TEXT];
    uint8_t bytes[PXI_CID_MAX];
    CHECK_EQ(
        pxi_cid_parse(px_view_str("QmVh3SBjf9pe7ptGgrTnzcE4X3YtowiYnKTsBn85WPNNJC"), &cid, &diag),
        PX_ERR_OK);
    CHECK(cid.version == 0 && cid.codec == PXI_CID_DAG_PB);
    CHECK_STR(pxi_cid_text(&cid, text), "QmVh3SBjf9pe7ptGgrTnzcE4X3YtowiYnKTsBn85WPNNJC");
    CHECK_EQ(pxi_cid_encode(&cid, bytes), 34);
    CHECK_EQ(pxi_cid_decode(px_view_of(bytes, 34), &cid, &diag), PX_ERR_OK);
    CHECK_EQ(cid.version, 0);
}

static void refused(const char *bytes, size_t n, const char *field)
{
    uint8_t *p = px_guarded(n, 0);
    memcpy(p, bytes, n);
    if (pxi_cid_decode(px_view_of(p, n), &cid, &diag) == PX_ERR_OK)
        PX_FAIL("accepted %s", field);
    CHECK_STR(diag.field, field);
}
#define REFUSED(s, field) refused(s, sizeof(s) - 1, field)

#define DIGEST "0123456789abcdef0123456789abcdef"

TEST(malformed)
{
    REFUSED("", "version");
    REFUSED("\x02\x55\x12\x20" DIGEST, "version");
    REFUSED("\x12\x20" DIGEST "x", "version");
    REFUSED("\x01", "codec");
    REFUSED("\x01\x80\x00\x12\x20" DIGEST, "codec");
    REFUSED("\x01\x55", "hash");
    REFUSED("\x01\x55\x14\x20" DIGEST, "hash");
    REFUSED("\x01\x55\x12", "digest length");
    REFUSED("\x01\x55\x12\x1f" DIGEST, "digest length");
    REFUSED("\x01\x55\x1e\x00", "digest length");
    REFUSED("\x01\x55\x00\x41" DIGEST DIGEST "x", "digest length");
    REFUSED("\x01\x55\x12\x20" DIGEST "x", "digest");
    REFUSED("\x01\x55\x1e\x20"
            "short",
            "digest");
}

TEST(identity)
{
    char text[PXI_CID_TEXT];
    CHECK_EQ(pxi_cid_decode(px_view_of("\x01\x55\x00\x02hi", 6), &cid, &diag), PX_ERR_OK);
    CHECK_STR(pxi_cid_text(&cid, text), "bafkqaatine");
    CHECK_EQ(pxi_cid_parse(px_view_str("bafkqaaa"), &cid, &diag), PX_ERR_OK);
    CHECK_EQ(cid.n, 0);
}

TEST_MAIN()
