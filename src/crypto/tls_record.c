/* Sealing and opening records of TLS 1.3, and the keys for it. */
#include "crypto/tls_record.h"

#include "base/math.h"
#include "crypto/libcrypto.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

enum { TAG = 16, KEY_MAX = 32 };

/* HKDF-Expand-Label with an empty context, at most 32 bytes: one HMAC. */
static void expand(const uint8_t secret[PXI_DIGEST], const char *label, uint8_t *out, size_t n)
{
    uint8_t info[32] = {0, (uint8_t)n}, block[PXI_DIGEST];
    size_t label_n = strlen(label);
    info[2] = (uint8_t)(6 + label_n);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, label_n);
    info[9 + label_n] = 0;
    info[10 + label_n] = 1;
    pxi_hmac_sha256(px_view_of(secret, PXI_DIGEST), px_view_of(info, 11 + label_n), block);
    memcpy(out, block, n);
    OPENSSL_cleanse(block, sizeof block);
}

int pxi_tls_half_start(struct pxi_tls_half *h, const EVP_CIPHER *cipher, bool sealing,
                       const uint8_t secret[PXI_DIGEST])
{
    uint8_t key[KEY_MAX];
    memmove(h->secret, secret, PXI_DIGEST);
    h->cipher = cipher;
    h->sealing = sealing;
    h->seq = 0;
    expand(secret, "iv", h->iv, sizeof h->iv);
    expand(secret, "key", key, (size_t)EVP_CIPHER_get_key_length(cipher));
    if (!h->ctx)
        h->ctx = EVP_CIPHER_CTX_new();
    int ok = h->ctx && EVP_CipherInit_ex2(h->ctx, cipher, key, h->iv, sealing, NULL);
    OPENSSL_cleanse(key, sizeof key);
    return ok;
}

int pxi_tls_half_update(struct pxi_tls_half *h)
{
    uint8_t next[PXI_DIGEST];
    expand(h->secret, "traffic upd", next, sizeof next);
    int ok = pxi_tls_half_start(h, h->cipher, h->sealing, next);
    OPENSSL_cleanse(next, sizeof next);
    return ok;
}

void pxi_tls_half_end(struct pxi_tls_half *h)
{
    EVP_CIPHER_CTX_free(h->ctx);
    OPENSSL_cleanse(h, sizeof *h);
}

/* The nonce of the next record, and its header as associated data. */
static int begin(struct pxi_tls_half *h, const uint8_t head[PXI_TLS_HEAD])
{
    uint8_t nonce[12];
    int len;
    memcpy(nonce, h->iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(h->seq >> (8 * i));
    h->seq++;
    return EVP_CipherInit_ex2(h->ctx, NULL, NULL, nonce, h->sealing, NULL) &&
           EVP_CipherUpdate(h->ctx, NULL, &len, head, PXI_TLS_HEAD);
}

size_t pxi_tls_half_seal(struct pxi_tls_half *h, enum pxi_tls_content type, const uint8_t *plain,
                         size_t n, const struct pxi_gaps *gaps, uint8_t *out)
{
    const uint8_t inner = (uint8_t)type;
    size_t length = n + PXI_TLS_TAIL;
    int len;
    uint8_t head[PXI_TLS_HEAD] = {PXI_TLS_DATA, 3, 3, (uint8_t)(length >> 8), (uint8_t)length};
    uint8_t *at = out + PXI_TLS_HEAD;
    memcpy(out, head, sizeof head);
    if (begin(h, head) && pxi_cipher_gather(h->ctx, plain, n, gaps, at) &&
        EVP_EncryptUpdate(h->ctx, at + n, &len, &inner, 1) &&
        EVP_EncryptFinal_ex(h->ctx, at + n + 1, &len) &&
        EVP_CIPHER_CTX_ctrl(h->ctx, EVP_CTRL_AEAD_GET_TAG, TAG, at + n + 1))
        return PXI_TLS_HEAD + length;
    ERR_clear_error();
    return 0;
}

/* The last byte is the type or padding: it stays. */
static void clip(struct pxi_landing *land, size_t inner)
{
    size_t room = inner > land->lead ? inner - land->lead - 1 : 0;
    land->n = pxi_min(land->n, room);
}

static uint8_t byte_at(const uint8_t *body, const struct pxi_landing *land, size_t i)
{
    bool landed = i >= land->lead && i - land->lead < land->n;
    return landed ? land->p[i - land->lead] : body[i];
}

int pxi_tls_half_open(struct pxi_tls_half *h, uint8_t *record, size_t n, struct pxi_landing *land,
                      uint8_t *type, size_t *plain_n)
{
    uint8_t *body = record + PXI_TLS_HEAD;
    uint8_t none[TAG], tag[TAG];
    struct pxi_landing nowhere = {0};
    size_t inner = n - PXI_TLS_HEAD - TAG;
    int len;
    memcpy(tag, body + inner, TAG);
    land = land ? land : &nowhere;
    clip(land, inner);
    if (!begin(h, record) || EVP_CIPHER_CTX_ctrl(h->ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) <= 0 ||
        !pxi_cipher_scatter(h->ctx, body, inner, land) ||
        !EVP_DecryptFinal_ex(h->ctx, none, &len)) {
        memset(body, 0, inner); /* forged plaintext is nobody's business */
        if (land->n)
            memset(land->p, 0, land->n);
        ERR_clear_error();
        return 0;
    }
    while (inner && byte_at(body, land, inner - 1) == 0)
        inner--;
    if (inner == 0)
        return 0;
    *type = byte_at(body, land, inner - 1);
    *plain_n = inner - 1;
    return 1;
}
