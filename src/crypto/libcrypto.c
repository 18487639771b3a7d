/* Algorithms of libcrypto, fetched once, and the digest contexts that lie idle. */
#include "crypto/libcrypto.h"

#include <openssl/crypto.h>

enum { IDLE = 8 };

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static struct pxi_algs algs;
static _Atomic(EVP_MD_CTX *) idle[IDLE];

static void fetch(void)
{
    algs.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    algs.chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    algs.aes_128_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    atomic_store(&idle[0], EVP_MD_CTX_new());
}

const struct pxi_algs *pxi_algs(void)
{
    if (!CRYPTO_THREAD_run_once(&once, fetch) || !algs.sha256 || !algs.chacha20_poly1305 ||
        !algs.aes_128_gcm)
        __builtin_trap();
    return &algs;
}

EVP_MD_CTX *pxi_md_take(void)
{
    pxi_algs();
    for (;;) {
        for (unsigned i = 0; i < IDLE; i++) {
            EVP_MD_CTX *ctx = atomic_load_explicit(&idle[i], memory_order_relaxed);
            if (ctx && (ctx = atomic_exchange(&idle[i], NULL)))
                return ctx;
        }
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        if (ctx)
            return ctx;
    }
}

void pxi_md_give(EVP_MD_CTX *ctx)
{
    for (unsigned i = 0; i < IDLE; i++) {
        EVP_MD_CTX *none = NULL;
        if (atomic_compare_exchange_strong(&idle[i], &none, ctx))
            return;
    }
    EVP_MD_CTX_free(ctx);
}

static int step(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t n)
{
    int len;
    return n == 0 || EVP_CipherUpdate(ctx, out, &len, in, (int)n);
}

int pxi_cipher_gather(EVP_CIPHER_CTX *ctx, const uint8_t *plain, size_t n,
                      const struct pxi_gaps *gaps, uint8_t *out)
{
    size_t at = 0;
    for (unsigned i = 0; gaps && i < gaps->n; i++) {
        const struct pxi_gap *g = &gaps->of[i];
        size_t begin = (size_t)(g->to - plain);
        if (!step(ctx, out + at, plain + at, begin - at) ||
            !step(ctx, out + begin, g->from.p, g->from.n))
            return 0;
        at = begin + g->from.n;
    }
    return step(ctx, out + at, plain + at, n - at);
}

int pxi_cipher_scatter(EVP_CIPHER_CTX *ctx, uint8_t *bytes, size_t n,
                       const struct pxi_landing *land)
{
    if (!land || !land->n)
        return step(ctx, bytes, bytes, n);
    size_t end = land->lead + land->n;
    return step(ctx, bytes, bytes, land->lead) && step(ctx, land->p, bytes + land->lead, land->n) &&
           step(ctx, bytes + end, bytes + end, n - end);
}
