/* SHA-256, HMAC and Noise's HKDF on libcrypto's SHA-256. */
#include "crypto/hash.h"

#include "crypto/libcrypto.h"

#include <openssl/crypto.h>

enum { SHA256_BLOCK = 64 };

/* The digest of two parts, one after the other. libcrypto's SHA-256 itself cannot fail. */
static void digest(px_view a, px_view b, uint8_t out[PXI_DIGEST])
{
    EVP_MD_CTX *ctx = pxi_md_take();
    if (!EVP_DigestInit_ex2(ctx, pxi_algs()->sha256, NULL) ||
        (a.n && !EVP_DigestUpdate(ctx, a.p, a.n)) || (b.n && !EVP_DigestUpdate(ctx, b.p, b.n)) ||
        !EVP_DigestFinal_ex(ctx, out, NULL))
        __builtin_trap();
    pxi_md_give(ctx);
}

void pxi_sha256(px_view in, uint8_t out[PXI_DIGEST])
{
    digest(in, px_view_of(NULL, 0), out);
}

/* RFC 2104. */
void pxi_hmac_sha256(px_view key, px_view in, uint8_t out[PXI_DIGEST])
{
    uint8_t pad[SHA256_BLOCK] = {0}, inner[PXI_DIGEST];
    if (key.n > sizeof pad)
        pxi_sha256(key, pad);
    else if (key.n)
        memcpy(pad, key.p, key.n);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    digest(px_view_of(pad, sizeof pad), in, inner);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    digest(px_view_of(pad, sizeof pad), px_view_of(inner, sizeof inner), out);
    OPENSSL_cleanse(pad, sizeof pad);
    OPENSSL_cleanse(inner, sizeof inner);
}

/* Noise Protocol Framework, section 4.3: temp = HMAC(ck, ikm); o1 = HMAC(temp, 1);
 * o(i) = HMAC(temp, o(i-1) || i). */
void pxi_noise_hkdf(const uint8_t ck[PXI_DIGEST], px_view ikm, unsigned count,
                    uint8_t out[][PXI_DIGEST])
{
    uint8_t temp[PXI_DIGEST], block[PXI_DIGEST + 1];
    pxi_hmac_sha256(px_view_of(ck, PXI_DIGEST), ikm, temp);
    for (unsigned i = 0; i < count; i++) {
        size_t n = i ? PXI_DIGEST : 0;
        if (i)
            memcpy(block, out[i - 1], PXI_DIGEST);
        block[n] = (uint8_t)(i + 1);
        pxi_hmac_sha256(px_view_of(temp, sizeof temp), px_view_of(block, n + 1), out[i]);
    }
    OPENSSL_cleanse(temp, sizeof temp);
    OPENSSL_cleanse(block, sizeof block);
}

/* struct pxi_sha256 is libcrypto's context under another name. */
struct pxi_sha256 *pxi_sha256_begin(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex2(ctx, pxi_algs()->sha256, NULL))
        return (struct pxi_sha256 *)ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

void pxi_sha256_add(struct pxi_sha256 *h, px_view in)
{
    if (in.n && !EVP_DigestUpdate((EVP_MD_CTX *)h, in.p, in.n))
        __builtin_trap();
}

void pxi_sha256_end(struct pxi_sha256 *h, uint8_t out[PXI_DIGEST])
{
    if (!EVP_DigestFinal_ex((EVP_MD_CTX *)h, out, NULL))
        __builtin_trap();
    pxi_sha256_drop(h);
}

void pxi_sha256_drop(struct pxi_sha256 *h)
{
    EVP_MD_CTX_free((EVP_MD_CTX *)h);
}
