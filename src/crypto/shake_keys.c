/* The key schedule of TLS 1.3 (RFC 8446 section 7) and its key shares. */
#include "crypto/key_form.h"
#include "crypto/shake_state.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>

static px_view digest_view(const uint8_t d[PXI_DIGEST])
{
    return px_view_of(d, PXI_DIGEST);
}

/* HKDF-Expand-Label to PXI_DIGEST bytes: one HMAC. context: PXI_DIGEST bytes, or NULL. */
static void expand(const uint8_t secret[PXI_DIGEST], const char *label, const uint8_t *context,
                   uint8_t out[PXI_DIGEST])
{
    uint8_t info[80] = {0, PXI_DIGEST};
    size_t label_n = strlen(label), n = 9 + label_n, context_n = context ? PXI_DIGEST : 0;
    info[2] = (uint8_t)(6 + label_n);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, label_n);
    info[n++] = (uint8_t)context_n;
    if (context)
        memcpy(info + n, context, context_n);
    n += context_n;
    info[n++] = 1;
    pxi_hmac_sha256(digest_view(secret), px_view_of(info, n), out);
}

static void derived(const uint8_t secret[PXI_DIGEST], uint8_t out[PXI_DIGEST])
{
    uint8_t nothing[PXI_DIGEST];
    pxi_sha256(px_view_of(NULL, 0), nothing);
    expand(secret, "derived", nothing, out);
}

void pxi_shake_early(uint8_t out[PXI_DIGEST])
{
    const uint8_t zero[PXI_DIGEST] = {0};
    uint8_t secret[PXI_DIGEST];
    pxi_hmac_sha256(digest_view(zero), digest_view(zero), secret);
    derived(secret, out);
}

void pxi_shake_hash(const struct pxi_shake *s, uint8_t out[PXI_DIGEST])
{
    pxi_sha256(px_view_of(s->transcript.p, s->transcript.n), out);
}

/* Numbers beyond the order of P-256 (one in 2^32) are passed. */
static size_t share_p256(struct pxi_shake *s, uint8_t pub[SHARE_MAX])
{
    uint8_t secret[32];
    size_t n = 0;
    EVP_PKEY_free(s->own);
    s->own = NULL;
    for (unsigned i = 0; i < 8 && !s->own; i++) {
        pxi_random_fill(s->all->random, secret, sizeof secret);
        s->own = pxi_ec_private(NID_X9_62_prime256v1, px_view_of(secret, sizeof secret));
    }
    OPENSSL_cleanse(secret, sizeof secret);
    if (s->own &&
        EVP_PKEY_get_octet_string_param(s->own, OSSL_PKEY_PARAM_PUB_KEY, pub, SHARE_MAX, &n) != 1)
        n = 0;
    ERR_clear_error();
    return n;
}

size_t pxi_shake_share(struct pxi_shake *s, uint8_t pub[SHARE_MAX])
{
    static const uint8_t zero[PXI_X25519];
    if (s->group != GROUP_X25519)
        return share_p256(s, pub);
    if (s->all->spare)
        pxi_spare_take(s->all->spare, s->secret, pub);
    else
        pxi_x25519_keypair(s->all->random, s->secret, pub);
    return memcmp(pub, zero, sizeof zero) != 0 ? PXI_X25519 : 0;
}

static int shared_p256(const struct pxi_shake *s, px_view share, uint8_t out[32])
{
    size_t n = 32;
    EVP_PKEY *peer =
        share.n == 65 && share.p[0] == 4 ? pxi_ec_public(SN_X9_62_prime256v1, share) : NULL;
    EVP_PKEY_CTX *ctx = peer ? EVP_PKEY_CTX_new(s->own, NULL) : NULL;
    int ok = ctx && EVP_PKEY_derive_init(ctx) > 0 && EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
             EVP_PKEY_derive(ctx, out, &n) > 0 && n == 32;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    ERR_clear_error();
    return ok;
}

/* Shared secret with the peer's share; 0: the share is no good. */
static int shared(const struct pxi_shake *s, px_view share, uint8_t out[32])
{
    if (s->group != GROUP_X25519)
        return shared_p256(s, share, out);
    return share.n == PXI_X25519 && pxi_x25519(s->secret, share.p, out); /* not when it is zero */
}

px_err pxi_shake_agree(struct pxi_shake *s, px_view share)
{
    uint8_t secret[PXI_DIGEST], hash[PXI_DIGEST], next[PXI_DIGEST];
    const uint8_t zero[PXI_DIGEST] = {0};
    if (!shared(s, share, secret))
        return pxi_shake_fail(s, ALERT_ILLEGAL_PARAMETER, PX_ERR_PROTOCOL);
    EVP_PKEY_free(s->own);
    s->own = NULL;
    OPENSSL_cleanse(s->secret, sizeof s->secret);
    pxi_hmac_sha256(digest_view(s->all->early), digest_view(secret), next);
    pxi_shake_hash(s, hash);
    expand(next, "c hs traffic", hash, s->client);
    expand(next, "s hs traffic", hash, s->server_secret);
    derived(next, secret);
    pxi_hmac_sha256(digest_view(secret), digest_view(zero), s->master);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(next, sizeof next);
    px_err err = s->o.on->keys(s->o.ctx, PXI_SHAKE_HANDSHAKE, s->suite,
                               s->server ? s->client : s->server_secret,
                               s->server ? s->server_secret : s->client);
    return err ? pxi_shake_fail(s, ALERT_INTERNAL_ERROR, err) : PX_ERR_OK;
}

void pxi_shake_application(struct pxi_shake *s, uint8_t client[PXI_DIGEST],
                           uint8_t server[PXI_DIGEST])
{
    uint8_t hash[PXI_DIGEST];
    pxi_shake_hash(s, hash);
    expand(s->master, "c ap traffic", hash, client);
    expand(s->master, "s ap traffic", hash, server);
}

void pxi_shake_finished(const struct pxi_shake *s, const uint8_t secret[PXI_DIGEST],
                        uint8_t out[PXI_DIGEST])
{
    uint8_t key[PXI_DIGEST], hash[PXI_DIGEST];
    expand(secret, "finished", NULL, key);
    pxi_shake_hash(s, hash);
    pxi_hmac_sha256(digest_view(key), digest_view(hash), out);
    OPENSSL_cleanse(key, sizeof key);
}

size_t pxi_shake_signed(const struct pxi_shake *s, bool server, uint8_t out[PXI_SHAKE_SIGNED])
{
    static const char labels[2][34] = {"TLS 1.3, client CertificateVerify",
                                       "TLS 1.3, server CertificateVerify"};
    memset(out, ' ', 64);
    memcpy(out + 64, labels[server], 34); /* with its zero */
    pxi_shake_hash(s, out + 98);
    return PXI_SHAKE_SIGNED;
}
