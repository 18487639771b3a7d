/*
 * Any bytes as a private key, a public key and an X25519 key. A private key that is taken signs
 * for the public key that it names, and what it is written as is read again.
 */
#include "crypto/check.h"
#include "crypto/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

static void use(const struct pxi_key *k)
{
    uint8_t sig[PXI_SIGNATURE_MAX];
    struct pxi_buf out = {.max = 8192};
    struct pxi_key *again;
    px_view message = px_view_str("message");
    size_t n = pxi_key_sign(k, message, sig);
    MUST(n && pxi_verify(pxi_key_public(k), message, px_view_of(sig, n)));
    MUST(pxi_key_encode(k, &out) == PX_ERR_OK);
    MUST(pxi_key_decode(px_view_of(out.p, out.n), &again, NULL) == PX_ERR_OK);
    MUST(px_view_equal(pxi_key_public(k), pxi_key_public(again)));
    pxi_key_free(again);
    pxi_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    px_view in = px_view_of(data, size);
    px_diag d = {0};
    struct pxi_key *k;
    px_err err = pxi_key_decode(in, &k, &d);
    MUST((err == PX_ERR_OK) == (k != NULL));
    if (k)
        use(k);
    pxi_key_free(k);
    err = pxi_pubkey_check(in, &d);
    MUST(err == PX_ERR_OK || d.field[0]);
    if (!err)
        pxi_verify(in, px_view_str("message"), in);
    err = pxi_x25519_check(in, &d);
    MUST(err == PX_ERR_OK || d.field[0]);
    return 0;
}
