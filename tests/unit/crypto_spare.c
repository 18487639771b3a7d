/* Key pairs made ahead of time, and signatures that are known to be right. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "crypto/key.h"
#include "crypto/proofs.h"
#include "crypto/spare.h"
#include "px_test.h"

static void check_pair(const uint8_t secret[32], const uint8_t pub[32])
{
    static const uint8_t nine[32] = {9};
    uint8_t want[32];
    CHECK(pxi_x25519(secret, nine, want));
    CHECK(memcmp(want, pub, 32) == 0);
}

TEST(each_pair_is_taken_once)
{
    struct pxi_timers timers = {0};
    struct pxi_spare s;
    uint8_t secret[8][32], pub[8][32];
    pxi_spare_init(&s, &timers, pxi_random_system());
    CHECK_EQ(pxi_timers_next(&timers), PXI_NEVER);
    for (unsigned i = 0; i < 8; i++) {
        pxi_spare_take(&s, secret[i], pub[i]);
        CHECK(!s.have);
        check_pair(secret[i], pub[i]);
        for (unsigned k = 0; k < i; k++)
            CHECK(memcmp(secret[i], secret[k], 32) != 0);
        if (i % 2)
            continue;                           /* the next comes before the loop turns */
        pxi_timers_run(&timers, timers.now_ns); /* what was made is sent first */
        CHECK(!s.have && s.timer.armed);
        pxi_timers_run(&timers, timers.now_ns);
        CHECK(s.have && !s.timer.armed);
        CHECK_EQ(pxi_timers_next(&timers), PXI_NEVER);
    }
    pxi_spare_deinit(&s);
    CHECK_EQ(pxi_timers_next(&timers), PXI_NEVER);
    CHECK(s.secret[0] == 0 && memcmp(s.secret, s.secret + 1, 31) == 0);
}

TEST(known_signatures)
{
    struct pxi_proofs p = {0};
    struct pxi_key *key = pxi_key_new(PXI_KEY_ED25519, pxi_random_system());
    uint8_t sig[PXI_SIGNATURE_MAX];
    px_view message = px_view_str("message"), pub = pxi_key_public(key);
    size_t n = pxi_key_sign(key, message, sig);
    CHECK_EQ(n, 64);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(pxi_proofs_verify(&p, pub, message, px_view_of(sig, n)));
        CHECK(pxi_proofs_verify(NULL, pub, message, px_view_of(sig, n)));
        /* Nothing else is taken for it: other bytes, and the same bytes cut elsewhere. */
        CHECK(!pxi_proofs_verify(&p, pub, px_view_str("massage"), px_view_of(sig, n)));
        CHECK(!pxi_proofs_verify(&p, pub, px_view_str("messag"), px_view_of(sig, n)));
        CHECK(!pxi_proofs_verify(&p, px_view_of(pub.p, pub.n - 1), message, px_view_of(sig, n)));
        CHECK(!pxi_proofs_verify(&p, pub, message, px_view_of(sig, n - 1)));
        sig[i] ^= 1;
        CHECK(!pxi_proofs_verify(&p, pub, message, px_view_of(sig, n)));
        CHECK(!pxi_proofs_verify(&p, pub, message, px_view_of(sig, n)));
        sig[i] ^= 1;
    }
    pxi_proofs_deinit(&p);
    pxi_key_free(key);
}

/* More signatures than there is room for: the latest ones stay, and memory does not grow. */
TEST(table_is_bounded)
{
    struct pxi_proofs p = {0};
    struct pxi_key *key = pxi_key_new(PXI_KEY_ED25519, pxi_random_system());
    uint8_t sig[PXI_SIGNATURE_MAX];
    for (unsigned i = 0; i < PXI_LIMIT_PROOFS + 50; i++) {
        px_view message = px_view_of(&i, sizeof i);
        size_t n = pxi_key_sign(key, message, sig);
        CHECK(pxi_proofs_verify(&p, pxi_key_public(key), message, px_view_of(sig, n)));
        uint8_t(*known)[PXI_DIGEST] = p.known;
        CHECK(known && pxi_proofs_verify(&p, pxi_key_public(key), message, px_view_of(sig, n)));
        CHECK(p.known == known);
    }
    pxi_proofs_deinit(&p);
    pxi_mem_fail_after(2); /* a key, and no table: right all the same, but not remembered */
    size_t n = pxi_key_sign(key, px_view_str("x"), sig);
    CHECK(pxi_proofs_verify(&p, pxi_key_public(key), px_view_str("x"), px_view_of(sig, n)));
    CHECK(!p.known);
    pxi_mem_fail_after(0);
    pxi_proofs_deinit(&p);
    pxi_key_free(key);
}

TEST_MAIN()
