/*
 * TLS 1.3 for QUIC (RFC 9001): crypto/shake does the handshake, ngtcp2 carries its messages, and
 * ngtcp2's helper makes packet keys for the ciphers of GnuTLS out of the secrets. ChaCha20 is left
 * out where the processor has AES: GnuTLS does it 14 times slower.
 */
#include "crypto/shake.h"
#include "net/quic_impl.h"

static const char *const ALPN[] = {"libp2p"};

static ngtcp2_crypto_level level_of(enum pxi_shake_level level)
{
    return level == PXI_SHAKE_INITIAL     ? NGTCP2_CRYPTO_LEVEL_INITIAL
           : level == PXI_SHAKE_HANDSHAKE ? NGTCP2_CRYPTO_LEVEL_HANDSHAKE
                                          : NGTCP2_CRYPTO_LEVEL_APPLICATION;
}

/* ------------------------------------------------ what the handshake asks */

static px_err on_send(void *ctx, enum pxi_shake_level level, px_view bytes)
{
    struct pxi_quic_conn *c = ctx;
    return ngtcp2_conn_submit_crypto_data(pxi_quic_ng(c), level_of(level), bytes.p, bytes.n) == 0
               ? PX_ERR_OK
               : PX_ERR_NOMEM;
}

/* The ciphers, and how often one key of them may be used (RFC 9001 section 6.6). */
static void use_suite(struct pxi_quic_conn *c, enum pxi_shake_suite suite)
{
    bool aes = suite == PXI_SUITE_AES_128_GCM;
    ngtcp2_crypto_ctx ctx = {
        .aead = {.native_handle = (void *)(intptr_t)(aes ? GNUTLS_CIPHER_AES_128_GCM
                                                         : GNUTLS_CIPHER_CHACHA20_POLY1305),
                 .max_overhead = 16},
        .md = {.native_handle = (void *)GNUTLS_DIG_SHA256},
        .hp = {.native_handle =
                   (void *)(intptr_t)(aes ? GNUTLS_CIPHER_AES_128_CBC : GNUTLS_CIPHER_CHACHA20_32)},
        .max_encryption = UINT64_C(1) << (aes ? 23 : 62),
        .max_decryption_failure = UINT64_C(1) << (aes ? 52 : 36)};
    ngtcp2_conn_set_crypto_ctx(pxi_quic_ng(c), &ctx);
}

static px_err on_keys(void *ctx, enum pxi_shake_level level, enum pxi_shake_suite suite,
                      const uint8_t *rx, const uint8_t *tx)
{
    struct pxi_quic_conn *c = ctx;
    ngtcp2_conn *ng = pxi_quic_ng(c);
    ngtcp2_crypto_level l = level_of(level);
    if (level == PXI_SHAKE_HANDSHAKE)
        use_suite(c, suite);
    if (rx && ngtcp2_crypto_derive_and_install_rx_key(ng, NULL, NULL, NULL, l, rx, PXI_DIGEST) != 0)
        return PX_ERR_NOMEM;
    if (tx && ngtcp2_crypto_derive_and_install_tx_key(ng, NULL, NULL, NULL, l, tx, PXI_DIGEST) != 0)
        return PX_ERR_NOMEM;
    return PX_ERR_OK;
}

static size_t on_own_params(void *ctx, uint8_t *out, size_t cap)
{
    ngtcp2_ssize n = ngtcp2_conn_encode_local_transport_params(pxi_quic_ng(ctx), out, cap);
    return n > 0 ? (size_t)n : 0;
}

static px_err on_params(void *ctx, px_view bytes)
{
    struct pxi_quic_conn *c = ctx;
    int rv = ngtcp2_conn_decode_remote_transport_params(pxi_quic_ng(c), bytes.p, bytes.n);
    c->params_error = rv;
    return rv == 0 ? PX_ERR_OK : rv == NGTCP2_ERR_NOMEM ? PX_ERR_NOMEM : PX_ERR_PROTOCOL;
}

/* The peer that we want, if we want a certain one. */
static px_err on_peer(void *ctx, px_view key)
{
    struct pxi_quic_conn *c = ctx;
    c->conn.peer = pxi_peer_of_key(key);
    if (c->wanted.n && !pxi_peer_equal(&c->wanted, &c->conn.peer))
        return PX_ERR_IDENTITY;
    c->conn.pubkey = pxi_peer_key(&c->conn.peer);
    if (!c->conn.pubkey.n) {
        c->pubkey = pxi_realloc(c->pubkey, key.n, 1);
        if (!c->pubkey)
            return PX_ERR_NOMEM;
        memcpy(c->pubkey, key.p, key.n);
        c->conn.pubkey = px_view_of(c->pubkey, key.n);
    }
    c->proven = true; /* once the handshake is done */
    return PX_ERR_OK;
}

static const struct pxi_shake_events events = {on_send, on_keys, on_own_params, on_params, on_peer};

/* ------------------------------------------------------------- life times */

int pxi_quic_tls_start(struct pxi_quic_conn *c, bool server)
{
    struct pxi_shake_options o = {.all = c->q->shaker,
                                  .on = &events,
                                  .ctx = c,
                                  .alpn = ALPN,
                                  .alpn_n = 1,
                                  .server = server,
                                  .only_aes = true};
    c->tls = pxi_shake_new(&o);
    return c->tls ? 0 : -1;
}

void pxi_quic_tls_end(struct pxi_quic_conn *c)
{
    pxi_shake_free(c->tls);
    c->tls = NULL;
}

/* ------------------------------------------------------------ what ngtcp2 calls */

/* What an error means to ngtcp2, which closes with the alert. */
static int failed(struct pxi_quic_conn *c, px_err err)
{
    if (err == PX_ERR_NOMEM)
        return NGTCP2_ERR_NOMEM;
    if (c->params_error)
        return c->params_error;
    if (err == PX_ERR_IDENTITY)
        c->why = err;
    ngtcp2_conn_set_tls_alert(pxi_quic_ng(c), pxi_shake_alert(c->tls));
    return NGTCP2_ERR_CRYPTO;
}

int pxi_quic_tls_client_initial(ngtcp2_conn *ng, void *user)
{
    struct pxi_quic_conn *c = user;
    /* The helper's answer to a Retry makes the keys of Initial packets from an id: here, ours. */
    ngtcp2_pkt_hd hd = {.scid = *ngtcp2_conn_get_dcid(ng)};
    if (ngtcp2_crypto_recv_retry_cb(ng, &hd, user) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return pxi_shake_start(c->tls) == PX_ERR_OK ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int pxi_quic_tls_read(struct pxi_quic_conn *c, ngtcp2_crypto_level level, const uint8_t *data,
                      size_t n)
{
    enum pxi_shake_level l = level == NGTCP2_CRYPTO_LEVEL_INITIAL     ? PXI_SHAKE_INITIAL
                             : level == NGTCP2_CRYPTO_LEVEL_HANDSHAKE ? PXI_SHAKE_HANDSHAKE
                                                                      : PXI_SHAKE_APPLICATION;
    uint64_t now_s = c->q->wall_s ? c->q->wall_s() : 0;
    px_err err = pxi_shake_feed(c->tls, l, px_view_of(data, n), now_s);
    if (err)
        return failed(c, err);
    if (pxi_shake_done(c->tls))
        ngtcp2_conn_handshake_completed(pxi_quic_ng(c));
    return 0;
}
