/* ChaCha20-Poly1305 with one context a direction (the key is set once), and X25519. */
#include "crypto/aead.h"

#include "base/mem.h"
#include "crypto/libcrypto.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

struct pxi_aead {
    EVP_CIPHER_CTX *ctx;
    int sealing;
};

struct pxi_aead *pxi_aead_new(const uint8_t key[PXI_AEAD_KEY], int sealing)
{
    struct pxi_aead *a = pxi_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->sealing = sealing != 0;
    a->ctx = EVP_CIPHER_CTX_new();
    if (!a->ctx ||
        !EVP_CipherInit_ex2(a->ctx, pxi_algs()->chacha20_poly1305, key, NULL, a->sealing, NULL)) {
        pxi_aead_free(a);
        return NULL;
    }
    return a;
}

void pxi_aead_free(struct pxi_aead *a)
{
    if (!a)
        return;
    EVP_CIPHER_CTX_free(a->ctx); /* cleanses the key */
    pxi_free(a);
}

/* Set the nonce of one message and feed its associated data. */
static int begin(struct pxi_aead *a, uint64_t counter, px_view ad)
{
    uint8_t nonce[12] = {0};
    int len;
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> (8 * i));
    return EVP_CipherInit_ex2(a->ctx, NULL, NULL, nonce, a->sealing, NULL) &&
           (ad.n == 0 ||
            (ad.n <= INT_MAX && EVP_CipherUpdate(a->ctx, NULL, &len, ad.p, (int)ad.n)));
}

int pxi_aead_seal_gaps(struct pxi_aead *a, uint64_t counter, px_view ad, const uint8_t *in,
                       size_t n, const struct pxi_gaps *gaps, uint8_t *out)
{
    int len;
    if (!a->sealing || n > INT_MAX - PXI_AEAD_TAG || !begin(a, counter, ad))
        return 0;
    return pxi_cipher_gather(a->ctx, in, n, gaps, out) &&
           EVP_EncryptFinal_ex(a->ctx, out + n, &len) &&
           EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, PXI_AEAD_TAG, out + n);
}

int pxi_aead_seal(struct pxi_aead *a, uint64_t counter, px_view ad, const uint8_t *in, size_t n,
                  uint8_t *out)
{
    return pxi_aead_seal_gaps(a, counter, ad, in, n, NULL, out);
}

/* The nonce, the associated data and the tag, which is copied first. */
static int begin_open(struct pxi_aead *a, uint64_t counter, px_view ad, const uint8_t *in, size_t n,
                      uint8_t tag[PXI_AEAD_TAG])
{
    if (a->sealing || n < PXI_AEAD_TAG || n > INT_MAX || !begin(a, counter, ad))
        return 0;
    memcpy(tag, in + n - PXI_AEAD_TAG, PXI_AEAD_TAG);
    return 1;
}

static int check_tag(struct pxi_aead *a, uint8_t tag[PXI_AEAD_TAG])
{
    return EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, PXI_AEAD_TAG, tag) > 0;
}

int pxi_aead_open(struct pxi_aead *a, uint64_t counter, px_view ad, const uint8_t *in, size_t n,
                  uint8_t *out)
{
    uint8_t tag[PXI_AEAD_TAG];
    int len;
    if (!begin_open(a, counter, ad, in, n, tag))
        return 0;
    n -= PXI_AEAD_TAG;
    if (check_tag(a, tag) && (n == 0 || EVP_DecryptUpdate(a->ctx, out, &len, in, (int)n)) &&
        EVP_DecryptFinal_ex(a->ctx, tag, &len))
        return 1;
    if (n)
        memset(out, 0, n); /* forged plaintext is nobody's business */
    ERR_clear_error();
    return 0;
}

int pxi_aead_open_land(struct pxi_aead *a, uint64_t counter, px_view ad, uint8_t *bytes, size_t n,
                       const struct pxi_landing *land)
{
    uint8_t tag[PXI_AEAD_TAG];
    int len;
    if (!begin_open(a, counter, ad, bytes, n, tag))
        return 0;
    n -= PXI_AEAD_TAG;
    if (check_tag(a, tag) && pxi_cipher_scatter(a->ctx, bytes, n, land) &&
        EVP_DecryptFinal_ex(a->ctx, tag, &len))
        return 1;
    memset(bytes, 0, n);
    if (land && land->n)
        memset(land->p, 0, land->n);
    ERR_clear_error();
    return 0;
}

/* On failure (memory) both are zero: a public key that every peer refuses. */
void pxi_x25519_keypair(struct pxi_random *r, uint8_t secret[PXI_X25519], uint8_t pub[PXI_X25519])
{
    size_t n = PXI_X25519;
    pxi_random_fill(r, secret, PXI_X25519);
    EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, PXI_X25519);
    if (!k || !EVP_PKEY_get_raw_public_key(k, pub, &n)) {
        OPENSSL_cleanse(secret, PXI_X25519);
        memset(pub, 0, PXI_X25519);
    }
    EVP_PKEY_free(k);
}

/* A key whose public half is never looked at, so that it is not computed: half the time. */
static EVP_PKEY *secret_half(const uint8_t secret[PXI_X25519])
{
    uint8_t base[PXI_X25519] = {9}, copy[PXI_X25519];
    EVP_PKEY *k = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    memcpy(copy, secret, sizeof copy);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, base, sizeof base),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, copy, sizeof copy),
        OSSL_PARAM_construct_end()};
    if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_KEYPAIR, params) <= 0)
        k = NULL;
    EVP_PKEY_CTX_free(ctx);
    OPENSSL_cleanse(copy, sizeof copy);
    return k;
}

int pxi_x25519(const uint8_t secret[PXI_X25519], const uint8_t pub[PXI_X25519],
               uint8_t out[PXI_X25519])
{
    static const uint8_t zero[PXI_X25519];
    size_t n = PXI_X25519;
    EVP_PKEY *mine = secret_half(secret);
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, pub, PXI_X25519);
    EVP_PKEY_CTX *ctx = mine && theirs ? EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL) : NULL;
    int ok = ctx && EVP_PKEY_derive_init(ctx) > 0 && EVP_PKEY_derive_set_peer(ctx, theirs) > 0 &&
             EVP_PKEY_derive(ctx, out, &n) > 0 && n == PXI_X25519 &&
             CRYPTO_memcmp(out, zero, sizeof zero) != 0;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    if (!ok) {
        memset(out, 0, PXI_X25519);
        ERR_clear_error();
    }
    return ok;
}
