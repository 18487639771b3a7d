/* libcrypto keys from the bytes of the wire; every size is bounded before libcrypto sees it. */
#include "crypto/key_form.h"

#include "base/diag.h"
#include "crypto/der.h"
#include "crypto/libcrypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096 };

px_err pxi_key_fields(px_view in, enum pxi_key_type *type, px_view *data, px_diag *d)
{
    struct pxi_cursor c = pxi_cursor_of(in);
    pxi_diag_field(d, "type");
    uint8_t tag = pxi_cursor_u8(&c), kind = pxi_cursor_u8(&c);
    if (c.failed)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, c.at, "a key of two fields", "the end");
    if (tag != 0x08)
        return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "field 1, the type", "tag %u", tag);
    if (kind > PXI_KEY_ECDSA)
        return pxi_diag_set(d, PX_ERR_UNSUPPORTED, 1, "a key type from 0 to 3", "%u", kind);
    pxi_diag_field(d, "data");
    tag = pxi_cursor_u8(&c);
    uint64_t n = pxi_cursor_u8(&c), high = n & 0x80 ? pxi_cursor_u8(&c) : 0;
    if (c.failed)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, c.at, "a key of two fields", "the end");
    if (tag != 0x12)
        return pxi_diag_set(d, PX_ERR_CORRUPT, 2, "field 2, the data", "tag %u", tag);
    if (n & 0x80 && (high == 0 || high & 0x80))
        return pxi_diag_set(d, PX_ERR_CORRUPT, 3, "a minimal length up to 16383", "another");
    n = (n & 0x7f) | high << 7;
    if (n != pxi_cursor_left(&c))
        return pxi_diag_set(d, n > pxi_cursor_left(&c) ? PX_ERR_TRUNCATED : PX_ERR_CORRUPT, c.at,
                            "the data and nothing after them", "%zu bytes for a length of %u",
                            pxi_cursor_left(&c), (unsigned)n);
    *type = (enum pxi_key_type)kind;
    *data = pxi_cursor_take(&c, n);
    return PX_ERR_OK;
}

int pxi_key_wrap(enum pxi_key_type type, px_view data, struct pxi_buf *out)
{
    uint8_t head[5] = {0x08, (uint8_t)type, 0x12, (uint8_t)data.n};
    size_t n = 4;
    if (data.n >= 1u << 14)
        return 0;
    if (data.n >= 0x80) {
        head[3] = (uint8_t)(data.n | 0x80);
        head[n++] = (uint8_t)(data.n >> 7);
    }
    return pxi_buf_add(out, head, n) && pxi_buf_add(out, data.p, data.n);
}

/* A key of the given algorithm out of parameters; consumes the builder. */
static EVP_PKEY *from_params(const char *algorithm, int selection, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *k = NULL;
    OSSL_PARAM *params = build ? OSSL_PARAM_BLD_to_param(build) : NULL;
    EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL) : NULL;
    if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &k, selection, params) <= 0) {
        k = NULL;
        ERR_clear_error();
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    return k;
}

EVP_PKEY *pxi_ec_public(const char *group, px_view point)
{
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    if (b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) &&
        OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n))
        return from_params("EC", EVP_PKEY_PUBLIC_KEY, b);
    OSSL_PARAM_BLD_free(b);
    return NULL;
}

/* RSAPublicKey out of SubjectPublicKeyInfo, canonical in every byte. */
static bool rsa_numbers(px_view der, px_view *n, px_view *e)
{
    static const uint8_t algorithm[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                        0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    struct pxi_cursor all = pxi_cursor_of(der);
    struct pxi_cursor info = pxi_cursor_of(pxi_der_take(&all, PXI_DER_SEQUENCE));
    px_view alg = pxi_der_take(&info, PXI_DER_SEQUENCE);
    struct pxi_cursor bits = pxi_cursor_of(pxi_der_take(&info, PXI_DER_BIT_STRING));
    if (!pxi_der_done(&all) || !pxi_der_done(&info) || pxi_cursor_u8(&bits) != 0 ||
        !px_view_equal(alg, px_view_of(algorithm, sizeof algorithm)))
        return false;
    struct pxi_cursor numbers = pxi_cursor_of(pxi_der_take(&bits, PXI_DER_SEQUENCE));
    *n = pxi_der_unsigned(&numbers);
    *e = pxi_der_unsigned(&numbers);
    return pxi_der_done(&bits) && pxi_der_done(&numbers);
}

EVP_PKEY *pxi_rsa_public(px_view der, size_t *bits)
{
    px_view n, e;
    *bits = 0;
    if (!rsa_numbers(der, &n, &e))
        return NULL;
    for (unsigned top = n.p[0]; top; top >>= 1)
        ++*bits;
    *bits += 8 * (n.n - 1);
    if (*bits < RSA_BITS_MIN || *bits > RSA_BITS_MAX || n.p[n.n - 1] % 2 == 0)
        return NULL;
    uint64_t exponent = 0;
    for (size_t i = 0; i < e.n && e.n <= 4; i++)
        exponent = exponent << 8 | e.p[i];
    if (exponent < 3 || exponent % 2 == 0 || exponent >> 31)
        return NULL;
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(n.p, (int)n.n, NULL), *be = BN_bin2bn(e.p, (int)e.n, NULL);
    EVP_PKEY *k = NULL;
    if (b && bn && be && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be))
        k = from_params("RSA", EVP_PKEY_PUBLIC_KEY, b);
    else
        OSSL_PARAM_BLD_free(b);
    BN_free(bn);
    BN_free(be);
    return k;
}

EVP_PKEY *pxi_pkix_ec_public(px_view der)
{
    /* Everything before the point is fixed; 0x04 says that both coordinates follow. */
    static const uint8_t p256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    static const uint8_t p384[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                   0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                   0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04};
    static const uint8_t p521[] = {0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                   0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
                                   0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04};
    static const struct {
        const uint8_t *head;
        size_t head_n, point_n;
        const char *group;
    } curves[] = {
        {p256, sizeof p256, 65, SN_X9_62_prime256v1},
        {p384, sizeof p384, 97, SN_secp384r1},
        {p521, sizeof p521, 133, SN_secp521r1},
    };
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        size_t at = curves[i].head_n - 1;
        if (der.n == at + curves[i].point_n && memcmp(der.p, curves[i].head, at + 1) == 0)
            return pxi_ec_public(curves[i].group, px_view_of(der.p + at, curves[i].point_n));
    }
    return NULL;
}

/* The public point of a private number between 1 and the order; bytes written, 0 on failure. */
static size_t ec_point(int nid, const BIGNUM *scalar, uint8_t *out, size_t cap)
{
    size_t n = 0;
    EC_GROUP *g = EC_GROUP_new_by_curve_name(nid);
    EC_POINT *p = g ? EC_POINT_new(g) : NULL;
    if (p && !BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(g)) < 0 &&
        EC_POINT_mul(g, p, scalar, NULL, NULL, NULL))
        n = EC_POINT_point2oct(g, p, POINT_CONVERSION_UNCOMPRESSED, out, cap, NULL);
    EC_POINT_free(p);
    EC_GROUP_free(g);
    return n;
}

EVP_PKEY *pxi_ec_private(int nid, px_view scalar)
{
    uint8_t point[133];
    EVP_PKEY *k = NULL;
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    BIGNUM *s = BN_secure_new();
    size_t n = 0;
    if (b && s && scalar.n <= 66 && BN_bin2bn(scalar.p, (int)scalar.n, s)) {
        BN_set_flags(s, BN_FLG_CONSTTIME);
        n = ec_point(nid, s, point, sizeof point);
    }
    if (n && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, OBJ_nid2sn(nid), 0) &&
        OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, n) &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, s))
        k = from_params("EC", EVP_PKEY_KEYPAIR, b);
    else
        OSSL_PARAM_BLD_free(b);
    BN_clear_free(s);
    return k;
}

/* Other implementations refuse the larger of the two values that S can have on secp256k1. */
static size_t lower_s(uint8_t *sig, size_t n)
{
    const uint8_t *in = sig;
    size_t out = n;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &in, (long)n);
    EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_secp256k1);
    BIGNUM *twice = BN_new();
    if (parsed && g && twice && BN_lshift1(twice, ECDSA_SIG_get0_s(parsed)) &&
        BN_cmp(twice, EC_GROUP_get0_order(g)) > 0) {
        BIGNUM *r = BN_dup(ECDSA_SIG_get0_r(parsed)), *s = BN_new();
        out = 0;
        if (r && s && BN_sub(s, EC_GROUP_get0_order(g), ECDSA_SIG_get0_s(parsed)) &&
            ECDSA_SIG_set0(parsed, r, s)) {
            uint8_t *at = sig; /* never longer than before: S only shrinks */
            int len = i2d_ECDSA_SIG(parsed, &at);
            out = len > 0 ? (size_t)len : 0;
        } else {
            BN_free(r);
            BN_free(s);
        }
    }
    BN_free(twice);
    EC_GROUP_free(g);
    ECDSA_SIG_free(parsed);
    return out;
}

size_t pxi_pkey_sign(EVP_PKEY *k, enum pxi_key_type type, px_view message,
                     uint8_t out[PXI_SIGNATURE_MAX])
{
    const EVP_MD *md = type == PXI_KEY_ED25519 ? NULL : pxi_algs()->sha256;
    size_t n = PXI_SIGNATURE_MAX;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestSignInit(ctx, NULL, md, NULL, k) <= 0 ||
        EVP_DigestSign(ctx, out, &n, message.p, message.n) <= 0) {
        n = 0;
        ERR_clear_error();
    }
    EVP_MD_CTX_free(ctx);
    return n && type == PXI_KEY_SECP256K1 ? lower_s(out, n) : n;
}

int pxi_pkey_verify(EVP_PKEY *k, enum pxi_key_type type, px_view message, px_view signature)
{
    const EVP_MD *md = type == PXI_KEY_ED25519 ? NULL : pxi_algs()->sha256;
    EVP_MD_CTX *ctx = signature.n && signature.n <= PXI_SIGNATURE_MAX ? EVP_MD_CTX_new() : NULL;
    int ok = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, k) > 0 &&
             EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        ERR_clear_error();
    return ok;
}
