/* Making the libp2p certificate of a host. */
#include "crypto/cert.h"

#include "crypto/cert_form.h"
#include "crypto/key_form.h"
#include "crypto/libcrypto.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

const uint8_t pxi_cert_oid[10] = {0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xa2, 0x5a, 0x01, 0x01};

struct pxi_cert {
    struct pxi_buf der, key;
};

/* A P-256 key from the given random bytes; numbers beyond the order (one in 2^32) are passed. */
static EVP_PKEY *fresh_key(struct pxi_random *r)
{
    EVP_PKEY *k = NULL;
    uint8_t scalar[32];
    for (unsigned i = 0; i < 8 && !k; i++) {
        pxi_random_fill(r, scalar, sizeof scalar);
        k = pxi_ec_private(NID_X9_62_prime256v1, px_view_of(scalar, sizeof scalar));
    }
    OPENSSL_cleanse(scalar, sizeof scalar);
    return k;
}

/* Append one DER element. */
static int add_element(struct pxi_buf *b, uint8_t tag, px_view content)
{
    uint8_t head[4] = {tag, (uint8_t)content.n};
    size_t n = 2;
    if (content.n > 0xffff)
        return 0;
    if (content.n > 0xff) {
        head[1] = 0x82;
        head[n++] = (uint8_t)(content.n >> 8);
        head[n++] = (uint8_t)content.n;
    } else if (content.n > 0x7f) {
        head[1] = 0x81;
        head[n++] = (uint8_t)content.n;
    }
    return pxi_buf_add(b, head, n) && (content.n == 0 || pxi_buf_add(b, content.p, content.n));
}

px_err pxi_cert_message(px_view spki, struct pxi_buf *out)
{
    static const char prefix[] = "libp2p-tls-handshake:";
    return pxi_buf_add(out, prefix, sizeof prefix - 1) && pxi_buf_add(out, spki.p, spki.n)
               ? PX_ERR_OK
               : PX_ERR_NOMEM;
}

/* SignedKey: the host's PublicKey protobuf and its signature over the certificate's key. */
static px_err signed_key(const struct pxi_key *host, EVP_PKEY *key, struct pxi_buf *out)
{
    struct pxi_buf message = {.max = 1024}, parts = {.max = 4096};
    uint8_t *spki = NULL, sig[PXI_SIGNATURE_MAX];
    int spki_n = i2d_PUBKEY(key, &spki);
    px_err err = PX_ERR_NOMEM;
    if (spki_n > 0 && !pxi_cert_message(px_view_of(spki, (size_t)spki_n), &message)) {
        size_t n = pxi_key_sign(host, px_view_of(message.p, message.n), sig);
        if (!n)
            err = PX_ERR_FAILED;
        else if (add_element(&parts, 0x04, pxi_key_public(host)) &&
                 add_element(&parts, 0x04, px_view_of(sig, n)) &&
                 add_element(out, 0x30, px_view_of(parts.p, parts.n)))
            err = PX_ERR_OK;
    }
    pxi_buf_deinit(&message);
    pxi_buf_deinit(&parts);
    OPENSSL_free(spki);
    return err;
}

static int add_extension(X509 *x, px_view value)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.53594.1.1", 1);
    ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
    X509_EXTENSION *e = NULL;
    int ok = oid && bytes && ASN1_OCTET_STRING_set(bytes, value.p, (int)value.n) &&
             (e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, bytes)) && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(bytes);
    ASN1_OBJECT_free(oid);
    return ok;
}

static int set_validity(X509 *x, uint64_t now_s)
{
    const uint64_t day = 86400, latest = 253402300799u - 36525 * day; /* the year 9899 */
    uint64_t from = now_s < day ? 0 : (now_s > latest ? latest : now_s) - day;
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(from + 36525 * day));
}

/* Everything but the signature. The name says nothing: the key names the host. */
static int fill(X509 *x, EVP_PKEY *key, struct pxi_random *r, uint64_t now_s, px_view extension)
{
    static const uint8_t name[] = "libp2p";
    uint64_t serial = pxi_random_u64(r) >> 1 | 1;
    X509_NAME *n = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial) && set_validity(x, now_s) &&
           X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, name, -1, -1, 0) &&
           X509_set_issuer_name(x, n) && X509_set_pubkey(x, key) && add_extension(x, extension);
}

/* Take n bytes that libcrypto allocated into a buffer of ours; n <= 0: it failed. */
static int keep(struct pxi_buf *b, int n, uint8_t *const *bytes)
{
    int ok = n > 0 && pxi_buf_add(b, *bytes, (size_t)n);
    if (n > 0)
        OPENSSL_cleanse(*bytes, (size_t)n);
    OPENSSL_free(*bytes);
    return ok;
}

static px_err build(struct pxi_cert *c, const struct pxi_key *host, EVP_PKEY *key,
                    struct pxi_random *r, uint64_t now_s)
{
    struct pxi_buf extension = {.max = 4096};
    uint8_t *der = NULL, *key_der = NULL;
    X509 *x = X509_new();
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
    px_err err = x && p8 ? signed_key(host, key, &extension) : PX_ERR_NOMEM;
    if (!err && !(fill(x, key, r, now_s, px_view_of(extension.p, extension.n)) &&
                  X509_sign(x, key, pxi_algs()->sha256) && keep(&c->der, i2d_X509(x, &der), &der) &&
                  keep(&c->key, i2d_PKCS8_PRIV_KEY_INFO(p8, &key_der), &key_der)))
        err = PX_ERR_NOMEM;
    PKCS8_PRIV_KEY_INFO_free(p8);
    X509_free(x);
    pxi_buf_deinit(&extension);
    ERR_clear_error();
    return err;
}

px_err pxi_cert_new(const struct pxi_key *host, struct pxi_random *r, uint64_t now_s,
                    struct pxi_cert **out)
{
    struct pxi_cert *c = pxi_calloc(1, sizeof *c);
    EVP_PKEY *key = c ? fresh_key(r) : NULL;
    px_err err = PX_ERR_NOMEM;
    if (key) {
        c->der.max = c->key.max = PXI_CERT_MAX;
        err = build(c, host, key, r, now_s);
    }
    EVP_PKEY_free(key);
    if (err) {
        pxi_cert_free(c);
        c = NULL;
    }
    *out = c;
    return err;
}

void pxi_cert_free(struct pxi_cert *c)
{
    if (!c)
        return;
    if (c->key.n)
        OPENSSL_cleanse(c->key.p, c->key.n);
    pxi_buf_deinit(&c->der);
    pxi_buf_deinit(&c->key);
    pxi_free(c);
}

px_view pxi_cert_der(const struct pxi_cert *c)
{
    return px_view_of(c->der.p, c->der.n);
}

px_view pxi_cert_key_der(const struct pxi_cert *c)
{
    return px_view_of(c->key.p, c->key.n);
}
