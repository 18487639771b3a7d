/* Signed envelopes and peer records: what is sealed opens, what is forged does not. */
#include "codec/messages.h"
#include "net/envelope.h"
#include "px_test.h"

static struct pxi_key *key_of(uint8_t i)
{
    uint8_t seed[32] = {i};
    struct pxi_key *k = pxi_key_from_seed(seed);
    CHECK(k);
    return k;
}

static unsigned heard;

static void hear(void *ctx, px_view addr)
{
    heard++;
}

static struct pxi_buf record_of(const struct pxi_key *signer, const struct pxi_key *of)
{
    struct pxi_endpoint e = {.family = 4, .ip = {192, 0, 2, 1}, .port = 1, .via = PXI_VIA_TCP};
    struct pxi_maddr a = pxi_endpoint_maddr(&e);
    px_view addrs[] = {pxi_maddr_view(&a), px_view_str("not an address")};
    struct pxi_peer self = pxi_peer_of_key(pxi_key_public(of));
    struct pxi_buf out = {.max = PXI_ENVELOPE_MAX};
    CHECK_EQ(pxi_peer_record_seal(signer, &self, 7, addrs, 2, &out), PX_ERR_OK);
    return out;
}

static px_err open_record(px_view v)
{
    struct pxi_peer peer;
    uint64_t seq;
    heard = 0;
    return pxi_peer_record_open(v, NULL, &peer, &seq, hear, NULL);
}

TEST(a_record_opens)
{
    struct pxi_key *k = key_of(1);
    struct pxi_buf b = record_of(k, k);
    struct pxi_peer self = pxi_peer_of_key(pxi_key_public(k)), peer;
    uint64_t seq = 0;
    heard = 0;
    CHECK_EQ(pxi_peer_record_open(px_view_of(b.p, b.n), NULL, &peer, &seq, hear, NULL), PX_ERR_OK);
    CHECK(pxi_peer_equal(&peer, &self));
    CHECK_EQ(seq, 7);
    CHECK_EQ(heard, 1); /* what is no address is left out */
    pxi_buf_deinit(&b);
    pxi_key_free(k);
}

TEST(a_record_of_somebody_else_does_not)
{
    struct pxi_key *a = key_of(1), *b = key_of(2);
    struct pxi_buf r = record_of(a, b); /* a signs that b lives there */
    CHECK_EQ(open_record(px_view_of(r.p, r.n)), PX_ERR_IDENTITY);
    CHECK_EQ(heard, 0);
    pxi_buf_deinit(&r);
    pxi_key_free(a);
    pxi_key_free(b);
}

/* Every bit of an envelope matters (or is skipped as an unknown field, and then all stays as is).
 */
TEST(no_flipped_bit_changes_what_is_believed)
{
    struct pxi_key *k = key_of(1);
    struct pxi_buf b = record_of(k, k);
    for (size_t i = 0; i < b.n * 8; i++) {
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
        CHECK(open_record(px_view_of(b.p, b.n)) != PX_ERR_OK);
        CHECK_EQ(heard, 0);
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < b.n; n++)
        CHECK(open_record(px_view_of(b.p, n)) != PX_ERR_OK);
    pxi_buf_deinit(&b);
    pxi_key_free(k);
}

TEST(an_envelope_of_one_kind_is_none_of_another)
{
    struct pxi_key *k = key_of(1);
    struct pxi_buf b = {.max = PXI_ENVELOPE_MAX};
    px_view payload;
    struct pxi_peer signer;
    CHECK_EQ(pxi_envelope_seal(k, &pxi_kind_voucher, px_view_str("x"), &b), PX_ERR_OK);
    px_view v = px_view_of(b.p, b.n);
    CHECK_EQ(pxi_envelope_open(v, &pxi_kind_voucher, NULL, &payload, &signer), PX_ERR_OK);
    CHECK(px_view_is(payload, "x"));
    CHECK_EQ(pxi_envelope_open(v, &pxi_kind_peer_record, NULL, &payload, &signer), PX_ERR_CORRUPT);
    /* The type claims the other kind, but the domain was signed too. */
    struct pxi_envelope_kind liar = {pxi_kind_voucher.domain, pxi_kind_peer_record.type};
    b.n = 0;
    CHECK_EQ(pxi_envelope_seal(k, &liar, px_view_str("x"), &b), PX_ERR_OK);
    CHECK_EQ(
        pxi_envelope_open(px_view_of(b.p, b.n), &pxi_kind_peer_record, NULL, &payload, &signer),
        PX_ERR_IDENTITY);
    pxi_buf_deinit(&b);
    pxi_key_free(k);
}

TEST(too_long_is_refused_before_decoding)
{
    static uint8_t big[PXI_ENVELOPE_MAX + 1];
    px_view payload;
    struct pxi_peer signer;
    CHECK_EQ(
        pxi_envelope_open(px_view_of(big, sizeof big), &pxi_kind_voucher, NULL, &payload, &signer),
        PX_ERR_LIMIT);
}

TEST(memory_may_fail)
{
    struct pxi_key *k = key_of(1);
    struct pxi_buf whole = record_of(k, k);
    struct pxi_peer self = pxi_peer_of_key(pxi_key_public(k));
    for (unsigned n = 1; n < 12; n++) {
        struct pxi_buf b = {.max = PXI_ENVELOPE_MAX};
        pxi_mem_fail_after(n);
        px_err err = pxi_peer_record_seal(k, &self, 1, NULL, 0, &b);
        pxi_mem_fail_after(n);
        px_err err2 = open_record(px_view_of(whole.p, whole.n));
        pxi_mem_fail_after(0);
        CHECK(err == PX_ERR_OK || err == PX_ERR_NOMEM || err == PX_ERR_FAILED ||
              err == PX_ERR_LIMIT);
        CHECK(err2 == PX_ERR_OK || heard == 0);
        pxi_buf_deinit(&b);
    }
    CHECK_EQ(open_record(px_view_of(whole.p, whole.n)), PX_ERR_OK);
    pxi_buf_deinit(&whole);
    pxi_key_free(k);
}

TEST_MAIN()
