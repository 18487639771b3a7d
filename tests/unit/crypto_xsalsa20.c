/* XSalsa20: published streams, every form against the plain one, pieces of any size. */
#include "base/rng.h"
#include "crypto/hash.h"
#include "crypto/xsalsa20.h"
#include "crypto_vectors.h"
#include "px_test.h"

/* The key and nonce of the tests of NaCl. */
static const char key_hex[] = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
static const char nonce_hex[] = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";

static struct pxi_xsalsa20 start(void)
{
    struct pxi_xsalsa20 x;
    uint8_t key[32], nonce[24];
    px_unhex(key_hex, key, sizeof key);
    px_unhex(nonce_hex, nonce, sizeof nonce);
    pxi_xsalsa20_init(&x, key, nonce);
    return x;
}

TEST(the_stream_of_nacl)
{
    enum { N = 4194304 };
    uint8_t *stream = malloc(N), digest[32], want[32], first[32];
    px_unhex("eea6a7251c1e72916d11c2cb214d3c252539121d8e234e652d651fa4c8cff880", first, 32);
    px_unhex("662b9d0e3463029156069b12f918691a98f7dfb2ca0393c96bbfc6b1fbd630a2", want, 32);
    for (unsigned form = 0;; form++) {
        struct pxi_xsalsa20 x = start();
        memset(stream, 0, N);
        if (!pxi_xsalsa20_xor_form(form, &x, stream, stream, N)) {
            CHECK(form >= 1);
            break;
        }
        CHECK(memcmp(stream, first, 32) == 0);
        pxi_sha256(px_view_of(stream, N), digest);
        CHECK(memcmp(digest, want, 32) == 0);
    }
    free(stream);
}

TEST(pieces_of_any_size)
{
    enum { N = 30000 };
    static uint8_t in[N], whole[N], pieces[N];
    struct pxi_rng r = {px_seed};
    for (size_t i = 0; i < N; i++)
        in[i] = (uint8_t)pxi_rng_u64(&r);
    struct pxi_xsalsa20 x = start();
    pxi_xsalsa20_xor(&x, in, whole, N);
    for (unsigned round = 0; round < 100; round++) {
        x = start();
        memcpy(pieces, in, N);
        for (size_t at = 0, n; at < N; at += n) {
            n = pxi_rng_below(&r, round % 2 ? 100 : 3000);
            n = n < N - at ? n : N - at;
            /* Any form takes over from any other, in place too. */
            if (!pxi_xsalsa20_xor_form((unsigned)pxi_rng_below(&r, 3), &x, pieces + at, pieces + at,
                                       n))
                pxi_xsalsa20_xor(&x, pieces + at, pieces + at, n);
        }
        CHECK(memcmp(whole, pieces, N) == 0);
    }
    x = start();
    pxi_xsalsa20_xor(&x, whole, whole, N);
    CHECK(memcmp(whole, in, N) == 0);
    pxi_xsalsa20_xor(&x, NULL, NULL, 0);
}

TEST(the_counter_carries)
{
    uint8_t a[1024] = {0}, b[1024] = {0};
    for (unsigned form = 0; form < 3; form++) {
        struct pxi_xsalsa20 x = start(), y = x;
        x.state[8] = y.state[8] = 0xfffffffd;
        memset(a, 0, sizeof a);
        memset(b, 0, sizeof b);
        if (!pxi_xsalsa20_xor_form(form, &x, a, a, sizeof a))
            return;
        for (size_t at = 0; at < sizeof b; at += 32)
            pxi_xsalsa20_xor(&y, b + at, b + at, 32);
        CHECK(memcmp(a, b, sizeof a) == 0);
        CHECK(x.state[9] == 1 && x.state[8] == 13);
    }
}

TEST_MAIN()
