/* Private and public keys of libp2p identities. */
#include "crypto/key.h"

#include "base/diag.h"
#include "crypto/der.h"
#include "crypto/key_form.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { ED25519 = 32, SECP256K1_PRIVATE = 32, SECP256K1_PUBLIC = 33, PRIVATE_MAX = 4096 };

struct pxi_key {
    enum pxi_key_type type;
    EVP_PKEY *pkey;
    struct pxi_buf pub; /* the PublicKey protobuf */
};

struct pxi_pubkey {
    enum pxi_key_type type;
    EVP_PKEY *pkey;
};

/* ---- public ---- */

static px_err bad_data(px_diag *d, size_t n, const char *expected)
{
    return pxi_diag_set(d, PX_ERR_CORRUPT, 4, expected, "none in %zu bytes", n);
}

static px_err public_rsa(px_view data, EVP_PKEY **out, px_diag *d)
{
    size_t bits;
    *out = pxi_rsa_public(data, &bits);
    if (*out)
        return PX_ERR_OK;
    if (bits > 4096 || (bits && bits < 2048))
        return pxi_diag_set(d, PX_ERR_LIMIT, 4, "an RSA key of 2048 to 4096 bits", "%zu bits",
                            bits);
    return bad_data(d, data.n, "an RSA key in PKIX DER");
}

static px_err public_of(enum pxi_key_type type, px_view data, EVP_PKEY **out, px_diag *d)
{
    switch (type) {
    case PXI_KEY_RSA: return public_rsa(data, out, d);
    case PXI_KEY_ED25519:
        if (data.n == ED25519)
            *out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, data.p, data.n);
        return *out ? PX_ERR_OK : bad_data(d, data.n, "32 bytes of Ed25519");
    case PXI_KEY_SECP256K1:
        if (data.n == SECP256K1_PUBLIC && (data.p[0] == 2 || data.p[0] == 3))
            *out = pxi_ec_public(SN_secp256k1, data);
        return *out ? PX_ERR_OK : bad_data(d, data.n, "a compressed point of secp256k1");
    default:
        *out = pxi_pkix_ec_public(data);
        return *out ? PX_ERR_OK : bad_data(d, data.n, "an ECDSA key of P-256 in PKIX DER");
    }
}

px_err pxi_pubkey_decode(px_view in, struct pxi_pubkey **out, px_diag *d)
{
    enum pxi_key_type type = PXI_KEY_RSA;
    px_view data = {NULL, 0};
    EVP_PKEY *pkey = NULL;
    *out = NULL;
    px_err err = pxi_key_fields(in, &type, &data, d);
    if (!err)
        err = public_of(type, data, &pkey, d);
    if (err)
        return err;
    struct pxi_pubkey *k = pxi_calloc(1, sizeof *k);
    if (!k) {
        EVP_PKEY_free(pkey);
        return PX_ERR_NOMEM;
    }
    *k = (struct pxi_pubkey){type, pkey};
    *out = k;
    return PX_ERR_OK;
}

void pxi_pubkey_free(struct pxi_pubkey *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    pxi_free(k);
}

int pxi_pubkey_verify(const struct pxi_pubkey *k, px_view message, px_view signature)
{
    return pxi_pkey_verify(k->pkey, k->type, message, signature);
}

int pxi_verify(px_view pubkey, px_view message, px_view signature)
{
    struct pxi_pubkey *k;
    if (pxi_pubkey_decode(pubkey, &k, NULL) != PX_ERR_OK)
        return 0;
    int ok = pxi_pubkey_verify(k, message, signature);
    pxi_pubkey_free(k);
    return ok;
}

/* ---- private ---- */

/* The Data field of the public half. */
static size_t public_data(enum pxi_key_type type, EVP_PKEY *pkey, uint8_t out[PXI_PUBKEY_MAX])
{
    size_t n = PXI_PUBKEY_MAX;
    if (type == PXI_KEY_ED25519)
        return EVP_PKEY_get_raw_public_key(pkey, out, &n) ? n : 0;
    if (type == PXI_KEY_SECP256K1) {
        if (!EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, out, n, &n) || n != 65)
            return 0;
        out[0] = out[64] & 1 ? 3 : 2;
        return SECP256K1_PUBLIC;
    }
    uint8_t *at = out;
    int len = i2d_PUBKEY(pkey, NULL);
    return len > 0 && len <= PXI_PUBKEY_MAX && i2d_PUBKEY(pkey, &at) == len ? (size_t)len : 0;
}

/* Take over pkey (NULL: failed before). NULL when memory is out. */
static struct pxi_key *key_of(enum pxi_key_type type, EVP_PKEY *pkey)
{
    uint8_t data[PXI_PUBKEY_MAX];
    struct pxi_key *k = pkey ? pxi_calloc(1, sizeof *k) : NULL;
    if (!k) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return NULL;
    }
    *k = (struct pxi_key){type, pkey, {.max = PXI_PUBKEY_MAX}};
    size_t n = public_data(type, pkey, data);
    if (n && pxi_key_wrap(type, px_view_of(data, n), &k->pub))
        return k;
    pxi_key_free(k);
    return NULL;
}

struct pxi_key *pxi_key_from_seed(const uint8_t seed[32])
{
    return key_of(PXI_KEY_ED25519,
                  EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519));
}

struct pxi_key *pxi_key_new(enum pxi_key_type type, struct pxi_random *r)
{
    if (type == PXI_KEY_RSA)
        return key_of(type, EVP_RSA_gen(2048));
    if (type == PXI_KEY_SECP256K1)
        return key_of(type, EVP_EC_gen(SN_secp256k1));
    if (type == PXI_KEY_ECDSA)
        return key_of(type, EVP_EC_gen(SN_X9_62_prime256v1));
    uint8_t seed[ED25519];
    pxi_random_fill(r, seed, sizeof seed);
    struct pxi_key *k = pxi_key_from_seed(seed);
    OPENSSL_cleanse(seed, sizeof seed);
    return k;
}

/* Seed and public key, or seed and twice the public key: all must belong together. */
static EVP_PKEY *private_ed25519(px_view data)
{
    uint8_t pub[ED25519];
    size_t n = sizeof pub;
    if (data.n != 2 * ED25519 && data.n != 3 * ED25519)
        return NULL;
    EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, data.p, ED25519);
    int same = k && EVP_PKEY_get_raw_public_key(k, pub, &n);
    for (size_t at = ED25519; at < data.n; at += ED25519)
        same = same && memcmp(data.p + at, pub, ED25519) == 0;
    if (same)
        return k;
    EVP_PKEY_free(k);
    return NULL;
}

/* PKCS#1: the sizes are checked before libcrypto computes with the numbers. */
static EVP_PKEY *private_rsa(px_view data)
{
    struct pxi_cursor all = pxi_cursor_of(data);
    struct pxi_cursor c = pxi_cursor_of(pxi_der_take(&all, PXI_DER_SEQUENCE));
    px_view version = pxi_der_unsigned(&c), modulus = pxi_der_unsigned(&c);
    px_view exponent = pxi_der_unsigned(&c);
    if (!pxi_der_done(&all) || c.failed || version.n != 1 || version.p[0] != 0 || modulus.n < 256 ||
        modulus.n > 512 || modulus.p[modulus.n - 1] % 2 == 0 || exponent.n > 4)
        return NULL;
    while (pxi_cursor_left(&c) && !c.failed)
        if (pxi_der_unsigned(&c).n > modulus.n)
            return NULL;
    const uint8_t *at = data.p;
    return c.failed ? NULL : d2i_PrivateKey(EVP_PKEY_RSA, NULL, &at, (long)data.n);
}

/* ECPrivateKey of RFC 5915: 1, the number, [0] the curve, [1] the public key (checked: ours). */
static EVP_PKEY *private_ecdsa(px_view data)
{
    static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    struct pxi_cursor all = pxi_cursor_of(data);
    struct pxi_cursor c = pxi_cursor_of(pxi_der_take(&all, PXI_DER_SEQUENCE));
    px_view version = pxi_der_unsigned(&c), scalar = pxi_der_take(&c, PXI_DER_OCTET_STRING);
    px_view curve = pxi_der_take(&c, 0xa0);
    if (!pxi_der_done(&all) || c.failed || version.n != 1 || version.p[0] != 1 || scalar.n != 32 ||
        !px_view_equal(curve, px_view_of(p256, sizeof p256)))
        return NULL;
    EVP_PKEY *k = pxi_ec_private(NID_X9_62_prime256v1, scalar);
    if (!k || pxi_cursor_left(&c) == 0)
        return k;
    uint8_t point[66] = {0};
    size_t n = 0;
    struct pxi_cursor pub = pxi_cursor_of(pxi_der_take(&c, 0xa1));
    px_view bits = pxi_der_take(&pub, PXI_DER_BIT_STRING);
    if (pxi_der_done(&c) && pxi_der_done(&pub) && bits.n == sizeof point &&
        EVP_PKEY_get_octet_string_param(k, OSSL_PKEY_PARAM_PUB_KEY, point + 1, 65, &n) &&
        memcmp(bits.p, point, sizeof point) == 0)
        return k;
    EVP_PKEY_free(k);
    return NULL;
}

static EVP_PKEY *private_of(enum pxi_key_type type, px_view data)
{
    switch (type) {
    case PXI_KEY_RSA: return private_rsa(data);
    case PXI_KEY_ED25519: return private_ed25519(data);
    case PXI_KEY_SECP256K1:
        return data.n == SECP256K1_PRIVATE ? pxi_ec_private(NID_secp256k1, data) : NULL;
    default: return private_ecdsa(data);
    }
}

/* A key whose halves do not belong together would only be found out by our peers. */
static int works(const struct pxi_key *k)
{
    uint8_t sig[PXI_SIGNATURE_MAX];
    px_view message = px_view_str("plexus key check");
    size_t n = pxi_key_sign(k, message, sig);
    return n && pxi_verify(pxi_key_public(k), message, px_view_of(sig, n));
}

px_err pxi_key_decode(px_view in, struct pxi_key **out, px_diag *d)
{
    enum pxi_key_type type = PXI_KEY_RSA;
    px_view data = {NULL, 0};
    *out = NULL;
    px_err err = pxi_key_fields(in, &type, &data, d);
    if (err)
        return err;
    EVP_PKEY *pkey = private_of(type, data);
    struct pxi_key *k = pkey ? key_of(type, pkey) : NULL;
    if (pkey && !k)
        return PX_ERR_NOMEM;
    if (k && works(k)) {
        *out = k;
        return PX_ERR_OK;
    }
    pxi_key_free(k);
    ERR_clear_error();
    return bad_data(d, data.n, "a private key of the type");
}

px_err pxi_key_encode(const struct pxi_key *k, struct pxi_buf *out)
{
    uint8_t data[PRIVATE_MAX], *at = data;
    size_t n = 0, seed = ED25519, pub = ED25519;
    BIGNUM *scalar = NULL;
    if (k->type == PXI_KEY_ED25519) {
        if (EVP_PKEY_get_raw_private_key(k->pkey, data, &seed) &&
            EVP_PKEY_get_raw_public_key(k->pkey, data + ED25519, &pub))
            n = seed + pub;
    } else if (k->type == PXI_KEY_SECP256K1) {
        if (EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) &&
            BN_bn2binpad(scalar, data, SECP256K1_PRIVATE) == SECP256K1_PRIVATE)
            n = SECP256K1_PRIVATE;
        BN_clear_free(scalar);
    } else {
        int len = i2d_PrivateKey(k->pkey, NULL);
        if (len > 0 && len <= PRIVATE_MAX && i2d_PrivateKey(k->pkey, &at) == len)
            n = (size_t)len;
    }
    int ok = n && pxi_key_wrap(k->type, px_view_of(data, n), out);
    OPENSSL_cleanse(data, sizeof data);
    return ok ? PX_ERR_OK : PX_ERR_NOMEM;
}

void pxi_key_free(struct pxi_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    pxi_buf_deinit(&k->pub);
    pxi_free(k);
}

enum pxi_key_type pxi_key_type_of(const struct pxi_key *k)
{
    return k->type;
}

px_view pxi_key_public(const struct pxi_key *k)
{
    return px_view_of(k->pub.p, k->pub.n);
}

size_t pxi_key_sign(const struct pxi_key *k, px_view message, uint8_t out[PXI_SIGNATURE_MAX])
{
    return pxi_pkey_sign(k->pkey, k->type, message, out);
}
