#include "net/noise_xx.h"

static px_err mix_hash(struct pxi_noise_xx *x, px_view data)
{
    struct pxi_sha256 *h = pxi_sha256_begin();
    if (!h)
        return PX_ERR_NOMEM;
    pxi_sha256_add(h, px_view_of(x->h, sizeof x->h));
    pxi_sha256_add(h, data);
    pxi_sha256_end(h, x->h);
    return PX_ERR_OK;
}

static void drop_keys(struct pxi_noise_xx *x)
{
    pxi_aead_free(x->seal);
    pxi_aead_free(x->open);
    x->seal = x->open = NULL;
}

static px_err mix_key(struct pxi_noise_xx *x, const uint8_t secret[PXI_X25519],
                      const uint8_t pub[PXI_X25519])
{
    uint8_t dh[PXI_X25519], out[2][PXI_DIGEST];
    if (!pxi_x25519(secret, pub, dh))
        return PX_ERR_PROTOCOL;
    pxi_noise_hkdf(x->ck, px_view_of(dh, sizeof dh), 2, out);
    memcpy(x->ck, out[0], sizeof x->ck);
    drop_keys(x);
    x->counter = 0;
    x->seal = pxi_aead_new(out[1], 1);
    x->open = pxi_aead_new(out[1], 0);
    explicit_bzero(dh, sizeof dh);
    explicit_bzero(out, sizeof out);
    return x->seal && x->open ? PX_ERR_OK : PX_ERR_NOMEM;
}

/* EncryptAndHash: bytes written, 0 on failure. */
static size_t seal(struct pxi_noise_xx *x, px_view in, uint8_t *out)
{
    size_t n = in.n + PXI_AEAD_TAG;
    if (!pxi_aead_seal(x->seal, x->counter++, px_view_of(x->h, sizeof x->h), in.p, in.n, out))
        return 0;
    return mix_hash(x, px_view_of(out, n)) == PX_ERR_OK ? n : 0;
}

/* DecryptAndHash in place; the tag is included in n. */
static px_err open_at(struct pxi_noise_xx *x, uint8_t *p, size_t n)
{
    uint8_t before[PXI_DIGEST];
    memcpy(before, x->h, sizeof before);
    px_err err = mix_hash(x, px_view_of(p, n));
    if (err != PX_ERR_OK)
        return err;
    return pxi_aead_open(x->open, x->counter++, px_view_of(before, sizeof before), p, n, p)
               ? PX_ERR_OK
               : PX_ERR_PROTOCOL;
}

px_err pxi_noise_xx_init(struct pxi_noise_xx *x, bool initiator, px_view prologue,
                         const struct pxi_noise_pair *s, const struct pxi_noise_pair *e)
{
    static const char NAME[] = "Noise_XX_25519_ChaChaPoly_SHA256";
    _Static_assert(sizeof NAME - 1 == PXI_DIGEST, "the name is as long as a digest");
    *x = (struct pxi_noise_xx){.initiator = initiator, .s = *s, .e = *e};
    memcpy(x->h, NAME, PXI_DIGEST);
    memcpy(x->ck, NAME, PXI_DIGEST);
    return mix_hash(x, prologue);
}

void pxi_noise_xx_deinit(struct pxi_noise_xx *x)
{
    drop_keys(x);
    explicit_bzero(x, sizeof *x);
}

/* Tokens of message 2 and 3 that both sides do: DH of what each side knows. */
static px_err mix_ee(struct pxi_noise_xx *x)
{
    return mix_key(x, x->e.secret, x->re);
}

/* DH of the responder's static key (es) or of the initiator's (se) with the other's ephemeral. */
static px_err mix_static(struct pxi_noise_xx *x, bool responders)
{
    bool ours = responders != x->initiator;
    return ours ? mix_key(x, x->s.secret, x->re) : mix_key(x, x->e.secret, x->rs);
}

static size_t write_1(struct pxi_noise_xx *x, px_view payload, uint8_t *out)
{
    memcpy(out, x->e.pub, PXI_X25519);
    if (payload.n)
        memcpy(out + PXI_X25519, payload.p, payload.n);
    if (mix_hash(x, px_view_of(out, PXI_X25519)) != PX_ERR_OK || mix_hash(x, payload) != PX_ERR_OK)
        return 0;
    return PXI_X25519 + payload.n;
}

/* Messages 2 and 3: (e, ee,) s, DH of it, payload. */
static size_t write_23(struct pxi_noise_xx *x, px_view payload, uint8_t *out)
{
    size_t at = 0, n;
    if (x->step == 1) {
        memcpy(out, x->e.pub, PXI_X25519);
        at = PXI_X25519;
        if (mix_hash(x, px_view_of(out, at)) != PX_ERR_OK || mix_ee(x) != PX_ERR_OK)
            return 0;
    }
    n = seal(x, px_view_of(x->s.pub, PXI_X25519), out + at);
    at += n;
    if (!n || mix_static(x, x->step == 1) != PX_ERR_OK)
        return 0;
    n = seal(x, payload, out + at);
    return n ? at + n : 0;
}

size_t pxi_noise_xx_write(struct pxi_noise_xx *x, px_view payload, uint8_t *out)
{
    size_t n = x->step ? write_23(x, payload, out) : write_1(x, payload, out);
    x->step++;
    return n;
}

static px_err read_1(struct pxi_noise_xx *x, uint8_t *msg, size_t n, px_view *payload)
{
    if (n < PXI_NOISE_XX_1)
        return PX_ERR_PROTOCOL;
    memcpy(x->re, msg, PXI_X25519);
    *payload = px_view_of(msg + PXI_X25519, n - PXI_X25519);
    px_err err = mix_hash(x, px_view_of(msg, PXI_X25519));
    return err != PX_ERR_OK ? err : mix_hash(x, *payload);
}

static px_err read_23(struct pxi_noise_xx *x, uint8_t *msg, size_t n, px_view *payload)
{
    enum { SEALED = PXI_X25519 + PXI_AEAD_TAG };
    size_t at = 0;
    px_err err = PX_ERR_OK;
    if (n < (x->step == 1 ? PXI_NOISE_XX_2 : PXI_NOISE_XX_3))
        return PX_ERR_PROTOCOL;
    if (x->step == 1) {
        memcpy(x->re, msg, PXI_X25519);
        at = PXI_X25519;
        err = mix_hash(x, px_view_of(msg, at));
        err = err != PX_ERR_OK ? err : mix_ee(x);
    }
    err = err != PX_ERR_OK ? err : open_at(x, msg + at, SEALED);
    if (err != PX_ERR_OK)
        return err;
    memcpy(x->rs, msg + at, PXI_X25519);
    at += SEALED;
    err = mix_static(x, x->step == 1);
    err = err != PX_ERR_OK ? err : open_at(x, msg + at, n - at);
    *payload = px_view_of(msg + at, n - at - PXI_AEAD_TAG);
    return err;
}

px_err pxi_noise_xx_read(struct pxi_noise_xx *x, uint8_t *msg, size_t n, px_view *payload)
{
    px_err err = x->step ? read_23(x, msg, n, payload) : read_1(x, msg, n, payload);
    x->step++;
    return err;
}

px_err pxi_noise_xx_split(const struct pxi_noise_xx *x, struct pxi_aead **send,
                          struct pxi_aead **receive)
{
    uint8_t keys[2][PXI_DIGEST];
    pxi_noise_hkdf(x->ck, px_view_of(NULL, 0), 2, keys);
    *send = pxi_aead_new(keys[x->initiator ? 0 : 1], 1);
    *receive = pxi_aead_new(keys[x->initiator ? 1 : 0], 0);
    explicit_bzero(keys, sizeof keys);
    if (*send && *receive)
        return PX_ERR_OK;
    pxi_aead_free(*send);
    pxi_aead_free(*receive);
    *send = *receive = NULL;
    return PX_ERR_NOMEM;
}
