/* The libp2p certificate: vectors of its specification, our own, and every way to be wrong. */
#include "crypto/cert.h"
#include "crypto_vectors.h"
#include "px_test.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

enum { NOW = 1750000000 };

static px_err verify(px_view der, uint64_t now_s)
{
    uint8_t pub[PXI_PUBKEY_MAX];
    size_t n;
    px_diag d = {0};
    px_err err = pxi_cert_verify(der, now_s, pub, &n, &d);
    CHECK((err == PX_ERR_OK) == (n > 0));
    CHECK(!err || (d.field[0] && d.expected[0] && d.found[0]));
    return err;
}

TEST(vectors_of_the_tls_specification)
{
    static const uint8_t types[] = {PXI_KEY_ED25519, PXI_KEY_ECDSA, PXI_KEY_SECP256K1};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t der[1024], pub[PXI_PUBKEY_MAX];
        size_t n, der_n = px_unhex(px_cert_vectors[i], der, sizeof der);
        px_view v = px_view_of(der, der_n);
        CHECK_EQ(pxi_cert_verify(v, NOW, pub, &n, NULL), PX_ERR_OK);
        CHECK(n > 4 && pub[1] == types[i]);
        /* From 1975-01-01 13:00:00 to 4096-01-01 13:00:00. */
        CHECK_EQ(verify(v, 157813200), PX_ERR_OK);
        CHECK_EQ(verify(v, 157813199), PX_ERR_IDENTITY);
        CHECK_EQ(verify(v, 67090165200), PX_ERR_OK);
        CHECK_EQ(verify(v, 67090165201), PX_ERR_IDENTITY);
        CHECK_EQ(verify(v, UINT64_MAX), PX_ERR_IDENTITY);
    }
    uint8_t der[1024];
    size_t n = px_unhex(px_cert_vectors[3], der, sizeof der);
    CHECK_EQ(verify(px_view_of(der, n), NOW), PX_ERR_IDENTITY);
}

static struct pxi_cert *make(enum pxi_key_type type, uint64_t now_s)
{
    struct pxi_random r = pxi_random_seeded(px_seed);
    struct pxi_key *host = pxi_key_new(type, &r);
    struct pxi_cert *c;
    uint8_t pub[PXI_PUBKEY_MAX];
    size_t n;
    CHECK(host);
    CHECK_EQ(pxi_cert_new(host, &r, now_s, &c), PX_ERR_OK);
    CHECK_EQ(pxi_cert_verify(pxi_cert_der(c), now_s, pub, &n, NULL), PX_ERR_OK);
    CHECK(px_view_equal(px_view_of(pub, n), pxi_key_public(host)));
    pxi_key_free(host);
    return c;
}

TEST(our_own_for_every_host_key)
{
    for (unsigned type = 0; type < 4; type++) {
        struct pxi_cert *c = make((enum pxi_key_type)type, NOW);
        px_view key = pxi_cert_key_der(c);
        const uint8_t *at = key.p;
        PKCS8_PRIV_KEY_INFO *p8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)key.n);
        CHECK(p8 && at == key.p + key.n);
        PKCS8_PRIV_KEY_INFO_free(p8);
        pxi_cert_free(c);
    }
    pxi_cert_free(NULL);
}

TEST(valid_for_a_century_at_any_time)
{
    static const uint64_t times[] = {0, 1, 86399, 86400, 2524607999, 2524608000, NOW, 240000000000};
    const uint64_t century = 36525ull * 86400;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        uint64_t from = times[i] < 86400 ? 0 : times[i] - 86400;
        struct pxi_cert *c = make(PXI_KEY_ED25519, times[i]);
        px_view der = pxi_cert_der(c);
        CHECK_EQ(verify(der, from), PX_ERR_OK);
        CHECK(from == 0 || verify(der, from - 1) == PX_ERR_IDENTITY);
        CHECK_EQ(verify(der, from + century), PX_ERR_OK);
        CHECK_EQ(verify(der, from + century + 1), PX_ERR_IDENTITY);
        pxi_cert_free(c);
    }
}

TEST(two_certificates_differ)
{
    struct pxi_random r = pxi_random_seeded(px_seed);
    struct pxi_key *host = pxi_key_new(PXI_KEY_ED25519, &r);
    struct pxi_cert *a, *b;
    CHECK(host && !pxi_cert_new(host, &r, NOW, &a) && !pxi_cert_new(host, &r, NOW, &b));
    CHECK(!px_view_equal(pxi_cert_key_der(a), pxi_cert_key_der(b)));
    pxi_cert_free(a);
    pxi_cert_free(b);
    pxi_key_free(host);
}

/* Every byte of a certificate is signed, or is the signature: no change may pass, except that a
 * changed tag of the host's protobuf and the like fail earlier. */
TEST(no_byte_may_change)
{
    uint8_t der[1024];
    struct pxi_cert *c = make(PXI_KEY_ED25519, NOW);
    size_t n = pxi_cert_der(c).n;
    memcpy(der, pxi_cert_der(c).p, n);
    for (size_t i = 0; i < n; i++) {
        uint8_t was = der[i];
        der[i] ^= (uint8_t)(1 << i % 8);
        CHECK(verify(px_view_of(der, n), NOW) != PX_ERR_OK);
        der[i] = was;
    }
    for (size_t cut = 0; cut < n; cut++)
        CHECK(verify(px_view_of(der, cut), NOW) != PX_ERR_OK);
    der[n] = 0;
    CHECK(verify(px_view_of(der, n + 1), NOW) != PX_ERR_OK);
    pxi_cert_free(c);
}

/* ---- certificates that we do not make ---- */

struct odd {
    EVP_PKEY *key;
    const EVP_MD *md;
    long version;
    bool no_libp2p, twice, critical_libp2p, foreign_host_signature;
    int nid; /* a further critical extension */
    const char *value;
    bool unknown, unknown_critical;
};

static int add(X509 *x, const char *oid, bool critical, const uint8_t *value, size_t n)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(s, value, (int)n);
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, o, critical, s);
    int ok = X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(s);
    ASN1_OBJECT_free(o);
    return ok;
}

static void add_libp2p(X509 *x, const struct odd *o)
{
    struct pxi_random r = pxi_random_seeded(9);
    struct pxi_key *host = pxi_key_new(PXI_KEY_ED25519, &r);
    uint8_t message[2048] = "libp2p-tls-handshake:",
            value[42 + PXI_SIGNATURE_MAX] = {0x30, 104, 0x04, 36}, *spki;
    int n = i2d_PUBKEY(o->key, NULL);
    CHECK(n > 0 && n < 2000);
    spki = message + 21;
    i2d_PUBKEY(o->key, &spki);
    if (o->foreign_host_signature)
        message[0] = 'L';
    memcpy(value + 4, pxi_key_public(host).p, 36);
    value[40] = 0x04;
    value[41] = 64;
    CHECK_EQ(pxi_key_sign(host, px_view_of(message, 21 + (size_t)n), value + 42), 64);
    CHECK(add(x, "1.3.6.1.4.1.53594.1.1", o->critical_libp2p, value, 106));
    pxi_key_free(host);
}

static px_err judge(const struct odd *o)
{
    X509 *x = X509_new();
    uint8_t *der = NULL, bytes[] = {0x05, 0x00};
    CHECK(x && X509_set_version(x, o->version) && X509_set_pubkey(x, o->key));
    ASN1_INTEGER_set(X509_get_serialNumber(x), 5);
    CHECK(ASN1_TIME_set(X509_getm_notBefore(x), NOW - 60));
    CHECK(ASN1_TIME_set(X509_getm_notAfter(x), NOW + 60));
    if (!o->no_libp2p)
        add_libp2p(x, o);
    if (o->twice)
        add_libp2p(x, o);
    if (o->unknown || o->unknown_critical)
        CHECK(add(x, "1.2.3.4", o->unknown_critical, bytes, sizeof bytes));
    if (o->nid) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, o->nid, o->value);
        CHECK(e && X509_add_ext(x, e, -1));
        X509_EXTENSION_free(e);
    }
    CHECK(X509_sign(x, o->key, o->md));
    int n = i2d_X509(x, &der);
    px_err err = verify(px_view_of(der, (size_t)n), NOW);
    OPENSSL_free(der);
    X509_free(x);
    return err;
}

TEST(odd_certificates)
{
    struct odd o = {.key = EVP_EC_gen("P-256"), .md = EVP_sha256(), .version = 2}, fine = o;
    CHECK_EQ(judge(&o), PX_ERR_OK);
    o.critical_libp2p = true;
    CHECK_EQ(judge(&o), PX_ERR_OK);
    o = fine;
    o.unknown = true;
    CHECK_EQ(judge(&o), PX_ERR_OK);
    o.unknown_critical = true;
    CHECK_EQ(judge(&o), PX_ERR_UNSUPPORTED);
    o = fine;
    o.no_libp2p = true;
    CHECK_EQ(judge(&o), PX_ERR_CORRUPT); /* and no extension at all */
    o.unknown = true;
    CHECK_EQ(judge(&o), PX_ERR_IDENTITY);
    o = fine;
    o.twice = true;
    CHECK_EQ(judge(&o), PX_ERR_CORRUPT);
    o = fine;
    o.foreign_host_signature = true;
    CHECK_EQ(judge(&o), PX_ERR_IDENTITY);
    o = fine;
    o.version = 1;
    CHECK_EQ(judge(&o), PX_ERR_CORRUPT);
    o = fine;
    o.nid = NID_key_usage;
    o.value = "critical,digitalSignature";
    CHECK_EQ(judge(&o), PX_ERR_OK);
    o.value = "critical,keyCertSign";
    CHECK_EQ(judge(&o), PX_ERR_UNSUPPORTED);
    o.nid = NID_basic_constraints;
    o.value = "critical,CA:true";
    CHECK_EQ(judge(&o), PX_ERR_OK);
    o.nid = NID_ext_key_usage;
    o.value = "critical,serverAuth";
    CHECK_EQ(judge(&o), PX_ERR_UNSUPPORTED);
    EVP_PKEY_free(o.key);
}

TEST(other_certificate_keys)
{
    static const char *const curves[] = {"P-256", "P-384", "P-521"};
    for (unsigned i = 0; i < 3; i++) {
        struct odd o = {.key = EVP_EC_gen(curves[i]), .md = EVP_sha384(), .version = 2};
        CHECK_EQ(judge(&o), PX_ERR_OK);
        o.md = EVP_sha1();
        CHECK_EQ(judge(&o), PX_ERR_UNSUPPORTED);
        EVP_PKEY_free(o.key);
    }
    struct odd o = {.key = EVP_EC_gen("secp256k1"), .md = EVP_sha256(), .version = 2};
    CHECK_EQ(judge(&o), PX_ERR_UNSUPPORTED);
    EVP_PKEY_free(o.key);
    o.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    o.md = NULL;
    CHECK_EQ(judge(&o), PX_ERR_OK);
    EVP_PKEY_free(o.key);
    o.key = EVP_RSA_gen(2048);
    o.md = EVP_sha256();
    CHECK_EQ(judge(&o), PX_ERR_OK);
    o.md = EVP_md5();
    CHECK_EQ(judge(&o), PX_ERR_UNSUPPORTED);
    EVP_PKEY_free(o.key);
    o.key = EVP_RSA_gen(1024);
    o.md = EVP_sha256();
    CHECK_EQ(judge(&o), PX_ERR_UNSUPPORTED);
    EVP_PKEY_free(o.key);
}

TEST(without_memory)
{
    struct pxi_random r = pxi_random_seeded(px_seed);
    struct pxi_key *host = pxi_key_new(PXI_KEY_ED25519, &r);
    px_err err = PX_ERR_NOMEM;
    for (unsigned i = 1; err; i++) {
        struct pxi_cert *c;
        pxi_mem_fail_after(i);
        err = pxi_cert_new(host, &r, NOW, &c);
        pxi_mem_fail_after(0);
        CHECK(i < 30 && (err == PX_ERR_OK) == (c != NULL));
        pxi_cert_free(c);
    }
    pxi_key_free(host);
}

TEST_MAIN()
