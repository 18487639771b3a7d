/*
 * Checking a peer's libp2p certificate (RFC 5280 as far as the TLS specification of libp2p needs
 * it). The parser is our own and strict: libcrypto sees only keys and signatures of known sizes.
 */
#include "base/diag.h"
#include "crypto/cert.h"
#include "crypto/cert_form.h"
#include "crypto/der.h"
#include "crypto/key_form.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

struct fields {
    px_view tbs, algorithm, signature; /* tbs with its header: the signed bytes */
    px_view inner_algorithm, validity, spki, extensions;
    px_view libp2p;      /* the value of the extension */
    int64_t from, until; /* unix seconds */
};

enum key_kind { KIND_EC, KIND_RSA, KIND_ED25519 };

static px_err malformed(px_diag *d, const char *field, const char *expected)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, PX_ERR_CORRUPT, 0, expected, "something else");
}

static px_err refused(px_diag *d, px_err err, const char *field, const char *expected,
                      const char *found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, err, 0, expected, "%s", found);
}

/* An element with its header. */
static px_view take_raw(struct pxi_cursor *c, uint8_t tag)
{
    size_t at = c->at;
    pxi_der_take(c, tag);
    return c->failed ? px_view_of(NULL, 0) : px_view_of(c->base + at, c->at - at);
}

static px_err split_tbs(struct fields *f, px_view tbs, px_diag *d)
{
    struct pxi_cursor c = pxi_cursor_of(tbs);
    struct pxi_cursor version = pxi_cursor_of(pxi_der_take(&c, 0xa0));
    px_view v = pxi_der_take(&version, PXI_DER_INTEGER);
    if (!pxi_der_done(&version) || v.n != 1 || v.p[0] != 2)
        return malformed(d, "version", "version 3 of X.509");
    pxi_der_take(&c, PXI_DER_INTEGER); /* the serial number says nothing */
    f->inner_algorithm = pxi_der_take(&c, PXI_DER_SEQUENCE);
    pxi_der_take(&c, PXI_DER_SEQUENCE); /* neither do the issuer */
    f->validity = pxi_der_take(&c, PXI_DER_SEQUENCE);
    pxi_der_take(&c, PXI_DER_SEQUENCE); /* and the subject */
    f->spki = take_raw(&c, PXI_DER_SEQUENCE);
    if (pxi_der_is(&c, 0x81) || pxi_der_is(&c, 0x82))
        return refused(d, PX_ERR_UNSUPPORTED, "unique id", "no unique ids", "one");
    struct pxi_cursor ext = pxi_cursor_of(pxi_der_take(&c, 0xa3));
    f->extensions = pxi_der_take(&ext, PXI_DER_SEQUENCE);
    if (!pxi_der_done(&c) || !pxi_der_done(&ext))
        return malformed(d, "certificate", "the fields of X.509, with extensions, in DER");
    return PX_ERR_OK;
}

static px_err split(struct fields *f, px_view der, px_diag *d)
{
    if (der.n > PXI_CERT_MAX)
        return refused(d, PX_ERR_LIMIT, "certificate", "at most 8192 bytes", "more");
    struct pxi_cursor all = pxi_cursor_of(der);
    struct pxi_cursor c = pxi_cursor_of(pxi_der_take(&all, PXI_DER_SEQUENCE));
    struct pxi_cursor again = c;
    px_view tbs = pxi_der_take(&again, PXI_DER_SEQUENCE);
    f->tbs = take_raw(&c, PXI_DER_SEQUENCE);
    f->algorithm = pxi_der_take(&c, PXI_DER_SEQUENCE);
    px_view bits = pxi_der_take(&c, PXI_DER_BIT_STRING);
    if (!pxi_der_done(&all) || !pxi_der_done(&c) || bits.n < 2 || bits.p[0] != 0)
        return malformed(d, "certificate", "one X.509 certificate in DER");
    f->signature = px_view_of(bits.p + 1, bits.n - 1);
    px_err err = split_tbs(f, tbs, d);
    if (!err && !px_view_equal(f->algorithm, f->inner_algorithm))
        return malformed(d, "algorithm", "the same signature algorithm twice");
    return err;
}

/* ---- dates ---- */

static unsigned digits(const uint8_t *p, unsigned n, bool *bad)
{
    unsigned v = 0;
    for (unsigned i = 0; i < n; i++) {
        *bad |= p[i] < '0' || p[i] > '9';
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    return v;
}

/* Days from 1970-01-01 in the Gregorian calendar; years from March, so that leap days come last. */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t m = (int64_t)(month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;
}

static bool is_date(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 && day <= length[month - 1] &&
           (month != 2 || day < 29 || leap) && year >= 1;
}

/* UTCTime (1950 to 2049) or GeneralizedTime, both to the second in UTC; unix seconds. */
static int64_t take_time(struct pxi_cursor *c)
{
    bool general = pxi_der_is(c, PXI_DER_GENERAL_TIME), bad = false;
    px_view v = pxi_der_take(c, general ? PXI_DER_GENERAL_TIME : PXI_DER_UTC_TIME);
    unsigned year_n = general ? 4 : 2;
    if (v.n != year_n + 11 || v.p[v.n - 1] != 'Z') {
        c->failed = true;
        return 0;
    }
    const uint8_t *p = v.p + year_n;
    unsigned year = digits(v.p, year_n, &bad), month = digits(p, 2, &bad);
    unsigned day = digits(p + 2, 2, &bad), hour = digits(p + 4, 2, &bad);
    unsigned minute = digits(p + 6, 2, &bad), second = digits(p + 8, 2, &bad);
    if (!general)
        year += year < 50 ? 2000 : 1900;
    if (bad || !is_date(year, month, day) || hour > 23 || minute > 59 || second > 59) {
        c->failed = true;
        return 0;
    }
    return days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

static px_err read_dates(struct fields *f, px_diag *d)
{
    struct pxi_cursor c = pxi_cursor_of(f->validity);
    f->from = take_time(&c);
    f->until = take_time(&c);
    return pxi_der_done(&c) ? PX_ERR_OK
                            : malformed(d, "validity", "two dates to the second, in UTC");
}

static int64_t seconds(uint64_t now_s)
{
    return now_s > INT64_MAX ? INT64_MAX : (int64_t)now_s;
}

static px_err check_dates(struct fields *f, uint64_t now_s, px_diag *d)
{
    int64_t now = seconds(now_s);
    px_err err = read_dates(f, d);
    if (err)
        return err;
    if (now < f->from)
        return refused(d, PX_ERR_IDENTITY, "validity", "a certificate that is valid now",
                       "one that is not yet valid");
    if (now > f->until)
        return refused(d, PX_ERR_IDENTITY, "validity", "a certificate that is valid now",
                       "one that has expired");
    return PX_ERR_OK;
}

/* ---- extensions ---- */

/* Critical ones that we know: key usage must allow signatures, basic constraints say nothing about
 * a chain of one. */
static bool understood(px_view oid, px_view value)
{
    static const uint8_t key_usage[] = {0x55, 0x1d, 0x0f}, constraints[] = {0x55, 0x1d, 0x13};
    struct pxi_cursor c = pxi_cursor_of(value);
    if (px_view_equal(oid, px_view_of(constraints, sizeof constraints))) {
        pxi_der_take(&c, PXI_DER_SEQUENCE);
        return pxi_der_done(&c);
    }
    if (!px_view_equal(oid, px_view_of(key_usage, sizeof key_usage)))
        return false;
    px_view bits = pxi_der_take(&c, PXI_DER_BIT_STRING);
    return pxi_der_done(&c) && bits.n >= 2 && bits.p[1] & 0x80;
}

static px_err find_extension(struct fields *f, px_diag *d)
{
    px_view ours = px_view_of(pxi_cert_oid, sizeof pxi_cert_oid);
    struct pxi_cursor all = pxi_cursor_of(f->extensions);
    while (pxi_cursor_left(&all)) {
        struct pxi_cursor c = pxi_cursor_of(pxi_der_take(&all, PXI_DER_SEQUENCE));
        px_view oid = pxi_der_take(&c, PXI_DER_OID), critical = {NULL, 0};
        if (pxi_der_is(&c, PXI_DER_BOOLEAN)) {
            critical = pxi_der_take(&c, PXI_DER_BOOLEAN);
            c.failed |= critical.n != 1;
        }
        px_view value = pxi_der_take(&c, PXI_DER_OCTET_STRING);
        bool is_ours = px_view_equal(oid, ours);
        if (all.failed || !pxi_der_done(&c) || (is_ours && f->libp2p.p))
            return malformed(d, "extension", "extensions in DER, each once");
        if (is_ours)
            f->libp2p = value;
        else if (critical.n && critical.p[0] && !understood(oid, value))
            return refused(d, PX_ERR_UNSUPPORTED, "extension", "known critical extensions",
                           "an unknown one");
    }
    if (!f->libp2p.p)
        return refused(d, PX_ERR_IDENTITY, "extension", "the libp2p extension", "none");
    return PX_ERR_OK;
}

/* ---- signatures ---- */

static const struct algorithm {
    uint8_t n, der[13];
    enum key_kind kind;
    const EVP_MD *(*md)(void);
} algorithms[] = {
    {10, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}, KIND_EC, EVP_sha256},
    {10, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}, KIND_EC, EVP_sha384},
    {10, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}, KIND_EC, EVP_sha512},
    {5, {0x06, 0x03, 0x2b, 0x65, 0x70}, KIND_ED25519, NULL},
    {13,
     {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00},
     KIND_RSA,
     EVP_sha256},
    {13,
     {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c, 0x05, 0x00},
     KIND_RSA,
     EVP_sha384},
    {13,
     {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d, 0x05, 0x00},
     KIND_RSA,
     EVP_sha512},
};

/* The certificate's key, if it is of the kind that the algorithm needs. */
static EVP_PKEY *key_of(px_view spki, enum key_kind kind)
{
    static const uint8_t ed25519[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                      0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    size_t bits, head = sizeof ed25519;
    switch (kind) {
    case KIND_EC: return pxi_pkix_ec_public(spki);
    case KIND_RSA: return pxi_rsa_public(spki, &bits);
    default:
        return spki.n == head + 32 && memcmp(spki.p, ed25519, head) == 0
                   ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, spki.p + head, 32)
                   : NULL;
    }
}

static int verify_with(EVP_PKEY *key, const struct algorithm *a, px_view message, px_view sig)
{
    EVP_MD_CTX *ctx = sig.n <= PXI_SIGNATURE_MAX ? EVP_MD_CTX_new() : NULL;
    int ok = ctx && EVP_DigestVerifyInit(ctx, NULL, a->md ? a->md() : NULL, NULL, key) > 0 &&
             EVP_DigestVerify(ctx, sig.p, sig.n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

/* keep: the key, for the caller to free; may be NULL. */
static px_err check_self(const struct fields *f, EVP_PKEY **keep, px_diag *d)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        const struct algorithm *a = &algorithms[i];
        if (!px_view_equal(f->algorithm, px_view_of(a->der, a->n)))
            continue;
        EVP_PKEY *key = key_of(f->spki, a->kind);
        if (!key)
            return refused(d, PX_ERR_UNSUPPORTED, "key",
                           "P-256 to P-521, RSA of 2048 to 4096 bits or Ed25519", "another key");
        int ok = verify_with(key, a, f->tbs, f->signature);
        if (ok && keep)
            *keep = key;
        else
            EVP_PKEY_free(key);
        return ok ? PX_ERR_OK
                  : refused(d, PX_ERR_IDENTITY, "signature", "a signature by its own key",
                            "another");
    }
    return refused(d, PX_ERR_UNSUPPORTED, "algorithm", "ECDSA, RSA or Ed25519 with SHA-2",
                   "another");
}

static px_err check_host(const struct fields *f, px_view *pubkey, px_diag *d)
{
    struct pxi_buf message = {.max = PXI_CERT_MAX + 64};
    struct pxi_pubkey *host;
    struct pxi_cursor all = pxi_cursor_of(f->libp2p);
    struct pxi_cursor c = pxi_cursor_of(pxi_der_take(&all, PXI_DER_SEQUENCE));
    *pubkey = pxi_der_take(&c, PXI_DER_OCTET_STRING);
    px_view signature = pxi_der_take(&c, PXI_DER_OCTET_STRING);
    if (!pxi_der_done(&all) || !pxi_der_done(&c) || pubkey->n > PXI_PUBKEY_MAX)
        return malformed(d, "libp2p extension", "a public key and a signature in DER");
    px_err err = pxi_pubkey_decode(*pubkey, &host, d);
    if (err)
        return err;
    err = pxi_cert_message(f->spki, &message);
    if (!err && !pxi_pubkey_verify(host, px_view_of(message.p, message.n), signature))
        err = refused(d, PX_ERR_IDENTITY, "libp2p extension", "a signature by the host key",
                      "another");
    pxi_buf_deinit(&message);
    pxi_pubkey_free(host);
    return err;
}

px_err pxi_cert_verify(px_view der, uint64_t now_s, uint8_t pubkey[PXI_PUBKEY_MAX],
                       size_t *pubkey_n, px_diag *d)
{
    struct fields f = {0};
    px_view host = {NULL, 0};
    px_err err = split(&f, der, d);
    *pubkey_n = 0;
    if (!err)
        err = check_dates(&f, now_s, d);
    if (!err)
        err = find_extension(&f, d);
    if (!err)
        err = check_self(&f, NULL, d);
    if (!err)
        err = check_host(&f, &host, d);
    if (err)
        return err;
    memcpy(pubkey, host.p, host.n);
    *pubkey_n = host.n;
    return PX_ERR_OK;
}

/* ---- certificates that are kept ---- */

struct pxi_cert_peer {
    unsigned users;
    EVP_PKEY *key;
    EVP_PKEY_CTX *verify; /* with the key, when it is of P-256 */
    int64_t from, until;
    uint8_t digest[PXI_DIGEST];
    size_t host_n;
    uint8_t host[];
};

px_err pxi_cert_peer_new(px_view der, struct pxi_cert_peer **out, px_diag *d)
{
    struct fields f = {0};
    px_view host = {NULL, 0};
    EVP_PKEY *key = NULL;
    px_err err = split(&f, der, d);
    *out = NULL;
    if (!err)
        err = read_dates(&f, d);
    if (!err)
        err = find_extension(&f, d);
    if (!err)
        err = check_self(&f, &key, d);
    if (!err)
        err = check_host(&f, &host, d);
    struct pxi_cert_peer *p = err ? NULL : pxi_calloc(1, sizeof *p + host.n);
    if (!p) {
        EVP_PKEY_free(key);
        return err ? err : PX_ERR_NOMEM;
    }
    p->users = 1;
    p->key = key;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == 256)
        p->verify = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (p->verify && EVP_PKEY_verify_init(p->verify) <= 0) {
        EVP_PKEY_CTX_free(p->verify);
        p->verify = NULL;
    }
    p->from = f.from;
    p->until = f.until;
    p->host_n = host.n;
    memcpy(p->host, host.p, host.n);
    pxi_sha256(der, p->digest);
    *out = p;
    return PX_ERR_OK;
}

struct pxi_cert_peer *pxi_cert_peer_keep(struct pxi_cert_peer *p)
{
    p->users++;
    return p;
}

void pxi_cert_peer_drop(struct pxi_cert_peer *p)
{
    if (!p || --p->users)
        return;
    EVP_PKEY_CTX_free(p->verify);
    EVP_PKEY_free(p->key);
    pxi_free(p);
}

const uint8_t *pxi_cert_peer_digest(const struct pxi_cert_peer *p)
{
    return p->digest;
}

bool pxi_cert_peer_valid(const struct pxi_cert_peer *p, uint64_t now_s)
{
    return seconds(now_s) >= p->from && seconds(now_s) <= p->until;
}

px_view pxi_cert_peer_host(const struct pxi_cert_peer *p)
{
    return px_view_of(p->host, p->host_n);
}

/* What nearly everybody has: with a context that is kept, 72 us instead of 82. */
static bool signed_p256(const struct pxi_cert_peer *p, px_view message, px_view signature)
{
    uint8_t digest[PXI_DIGEST];
    pxi_sha256(message, digest);
    bool ok = EVP_PKEY_verify(p->verify, signature.p, signature.n, digest, sizeof digest) == 1;
    ERR_clear_error();
    return ok;
}

bool pxi_cert_peer_signed(const struct pxi_cert_peer *p, unsigned scheme, px_view message,
                          px_view signature)
{
    static const struct {
        uint16_t scheme, bits; /* of the key; 0: any */
        int kind;
        const EVP_MD *(*md)(void);
    } schemes[] = {
        {0x0403, 256, EVP_PKEY_EC, EVP_sha256}, {0x0503, 384, EVP_PKEY_EC, EVP_sha384},
        {0x0603, 521, EVP_PKEY_EC, EVP_sha512}, {0x0804, 0, EVP_PKEY_RSA, EVP_sha256},
        {0x0805, 0, EVP_PKEY_RSA, EVP_sha384},  {0x0806, 0, EVP_PKEY_RSA, EVP_sha512},
        {0x0807, 0, EVP_PKEY_ED25519, NULL},
    };
    int ok = 0;
    if (scheme == 0x0403 && p->verify && signature.n <= PXI_SIGNATURE_MAX)
        return signed_p256(p, message, signature);
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        EVP_PKEY_CTX *pss = NULL;
        if (schemes[i].scheme != scheme || EVP_PKEY_get_base_id(p->key) != schemes[i].kind ||
            (schemes[i].bits && EVP_PKEY_get_bits(p->key) != schemes[i].bits) ||
            signature.n > PXI_SIGNATURE_MAX)
            continue;
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        ok = ctx &&
             EVP_DigestVerifyInit(ctx, &pss, schemes[i].md ? schemes[i].md() : NULL, NULL, p->key) >
                 0 &&
             (schemes[i].kind != EVP_PKEY_RSA ||
              (EVP_PKEY_CTX_set_rsa_padding(pss, RSA_PKCS1_PSS_PADDING) > 0 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(pss, RSA_PSS_SALTLEN_DIGEST) > 0)) &&
             EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1;
        EVP_MD_CTX_free(ctx);
    }
    ERR_clear_error();
    return ok;
}
