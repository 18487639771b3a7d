/*
 * A peer of QUIC that keeps no rule: an honest client (host 0 of a struct sim) makes the handshake,
 * and then its keys are taken and packets with any frames are sealed with them. The callbacks of
 * ngtcp2 that the library names are defined here instead, for that: a test program includes this
 * once.
 */
#ifndef QUIC_FORGE_H
#define QUIC_FORGE_H

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "quic_pair.h"

enum { FORGE_ROOM = 1400, FORGE_HEAD = 13, FORGE_TAG = 16 };

struct forge {
    struct sim *sim;
    ngtcp2_crypto_aead aead;
    ngtcp2_crypto_aead_ctx key;
    ngtcp2_crypto_cipher hp;
    ngtcp2_crypto_cipher_ctx hp_key;
    uint8_t iv[12], cid[8];
    uint32_t packet; /* number of the next packet */
    bool taken, sealed;
    uint8_t frames[FORGE_ROOM];
    size_t n;
    uint64_t sent;
};
static struct forge forge;

/* The packets of the client tell its key, its counter and how the server is called. */
int ngtcp2_crypto_encrypt_cb(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                             const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *p, size_t n,
                             const uint8_t *nonce, size_t nonce_n, const uint8_t *aad, size_t aad_n)
{
    if (forge.sim && !forge.taken && forge.sim->pulling == 0 && !(aad[0] & 0x80)) {
        size_t number_n = (size_t)(aad[0] & 3) + 1;
        uint32_t number = 0;
        for (size_t i = 0; i < number_n; i++)
            number = number << 8 | aad[aad_n - number_n + i];
        memcpy(forge.iv, nonce, sizeof forge.iv);
        for (size_t i = 0; i < 4; i++)
            forge.iv[8 + i] ^= (uint8_t)(number >> (24 - 8 * i));
        memcpy(forge.cid, aad + 1, sizeof forge.cid);
        forge.aead = *aead;
        forge.key = *ctx;
        forge.packet = number + 1;
        forge.sealed = true;
    }
    return ngtcp2_crypto_encrypt(dest, aead, ctx, p, n, nonce, nonce_n, aad, aad_n)
               ? NGTCP2_ERR_CALLBACK_FAILURE
               : 0;
}

int ngtcp2_crypto_hp_mask_cb(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                             const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample)
{
    if (forge.sealed) { /* the mask of a packet follows its sealing */
        forge.hp = *hp;
        forge.hp_key = *ctx;
        forge.sealed = false;
    }
    return ngtcp2_crypto_hp_mask(dest, hp, ctx, sample) ? NGTCP2_ERR_CALLBACK_FAILURE : 0;
}

static inline void forge_hp_free(ngtcp2_crypto_cipher_ctx *ctx)
{
    if (ctx && ctx->native_handle)
        gnutls_cipher_deinit(ctx->native_handle);
}

/* Keys that were taken outlive the client. */
void ngtcp2_crypto_delete_crypto_aead_ctx_cb(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *ctx,
                                             void *user)
{
    if (!ctx || ctx->native_handle != forge.key.native_handle)
        ngtcp2_crypto_aead_ctx_free(ctx);
}

void ngtcp2_crypto_delete_crypto_cipher_ctx_cb(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *ctx,
                                               void *user)
{
    if (!ctx || ctx->native_handle != forge.hp_key.native_handle)
        forge_hp_free(ctx);
}

/* Before the first connection of the network. */
static inline void forge_watch(struct sim *s)
{
    memset(&forge, 0, sizeof forge);
    forge.sim = s;
}

static inline bool forge_silence(struct sim *s, struct sim_packet *p)
{
    return p->from.ip[3] != 1; /* the honest client says nothing more */
}

/* From now on the client is ours. */
static inline void forge_take(void)
{
    CHECK(forge.key.native_handle && forge.hp_key.native_handle);
    forge.taken = true;
    forge.sim->filter = forge_silence;
    forge.sim->h[0].deaf = true;
}

/* After the network. */
static inline void forge_end(void)
{
    if (forge.key.native_handle)
        ngtcp2_crypto_aead_ctx_free(&forge.key);
    forge_hp_free(&forge.hp_key);
    memset(&forge, 0, sizeof forge);
}

static inline void forge_byte(uint8_t b)
{
    CHECK(forge.n < FORGE_ROOM);
    forge.frames[forge.n++] = b;
}

static inline void forge_bytes(const void *p, size_t n)
{
    CHECK(n <= FORGE_ROOM - forge.n);
    memcpy(forge.frames + forge.n, p, n);
    forge.n += n;
}

/* A variable-length integer (RFC 9000 section 16). */
static inline void forge_int(uint64_t v)
{
    unsigned size = v < 1 << 6 ? 0 : v < 1 << 14 ? 1 : v < 1 << 30 ? 2 : 3;
    for (int i = (1 << size) - 1; i >= 0; i--)
        forge_byte((uint8_t)(v >> (8 * i) | (i == (1 << size) - 1 ? size << 6 : 0)));
}

/* Frames of integers: their type first. */
#define FORGE_FRAME(...)                                                                           \
    do {                                                                                           \
        const uint64_t forge_v[] = {__VA_ARGS__};                                                  \
        for (size_t forge_i = 0; forge_i < sizeof forge_v / 8; forge_i++)                          \
            forge_int(forge_v[forge_i]);                                                           \
    } while (0)

/* Seal what was put together as one packet and give it to host 1. */
static inline void forge_send(void)
{
    uint8_t b[FORGE_HEAD + FORGE_ROOM + FORGE_TAG], nonce[12], mask[5];
    size_t n = forge.n < 32 ? 32 : forge.n; /* padding, for the sample of header protection */
    memset(forge.frames + forge.n, 0, n - forge.n);
    memcpy(nonce, forge.iv, sizeof nonce);
    b[0] = 0x43;
    memcpy(b + 1, forge.cid, sizeof forge.cid);
    for (unsigned i = 0; i < 4; i++) {
        b[9 + i] = (uint8_t)(forge.packet >> (24 - 8 * i));
        nonce[8 + i] ^= b[9 + i];
    }
    CHECK_EQ(ngtcp2_crypto_encrypt(b + FORGE_HEAD, &forge.aead, &forge.key, forge.frames, n, nonce,
                                   sizeof nonce, b, FORGE_HEAD),
             0);
    CHECK_EQ(ngtcp2_crypto_hp_mask(mask, &forge.hp, &forge.hp_key, b + 13), 0);
    b[0] ^= mask[0] & 0x1f;
    for (unsigned i = 0; i < 4; i++)
        b[9 + i] ^= mask[1 + i];
    struct sim *s = forge.sim;
    struct pxi_udp_in in = {b, FORGE_HEAD + n + FORGE_TAG, 0, s->h[1].addr, s->h[0].addr, 0};
    pxi_quic_push(s->h[1].q, &in);
    forge.packet++;
    forge.sent++;
    forge.n = 0;
}

#endif
