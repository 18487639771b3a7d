#include "crypto/cert.h"
#include "net/quic_impl.h"

/*
 * TLS 1.3 for QUIC. The tweak of %DISABLE_TLS13_COMPAT_MODE is what RFC 9001 asks for (no fake
 * session ids). ChaCha20 is left out where the processor has AES: GnuTLS does it 14 times slower.
 */
#define GROUPS   "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
#define PROTOCOL "NORMAL:-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE:%SERVER_PRECEDENCE:"
#define CIPHERS  "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM"
#define ALPN     "libp2p"

static bool has_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#else
    return false;
#endif
}

/* Exactly one certificate, that of the peer we want. */
static int on_verify(gnutls_session_t tls)
{
    ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(tls);
    struct pxi_quic_conn *c = ref->user_data;
    struct pxi_quic *q = c->q;
    unsigned count = 0;
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(tls, &count);
    uint8_t key[PXI_PUBKEY_MAX];
    size_t n = 0;
    if (count != 1)
        return GNUTLS_E_CERTIFICATE_ERROR;
    uint64_t wall_s = q->wall_s ? q->wall_s() : 0;
    px_view der = px_view_of(certs[0].data, certs[0].size);
    if (pxi_cert_verify(der, wall_s, key, &n, NULL) != PX_ERR_OK)
        return GNUTLS_E_CERTIFICATE_ERROR;
    c->conn.peer = pxi_peer_of_key(px_view_of(key, n));
    if (c->wanted.n && !pxi_peer_equal(&c->wanted, &c->conn.peer)) {
        c->why = PX_ERR_IDENTITY;
        return GNUTLS_E_CERTIFICATE_ERROR;
    }
    c->conn.pubkey = pxi_peer_key(&c->conn.peer);
    if (!c->conn.pubkey.n) {
        c->pubkey = pxi_realloc(c->pubkey, n, 1);
        if (!c->pubkey)
            return GNUTLS_E_MEMORY_ERROR;
        memcpy(c->pubkey, key, n);
        c->conn.pubkey = px_view_of(c->pubkey, n);
    }
    c->proven = true;
    return 0;
}

px_err pxi_quic_tls_init(struct pxi_quic *q, const struct pxi_cert *cert)
{
    px_view der = pxi_cert_der(cert), key = pxi_cert_key_der(cert);
    gnutls_datum_t c = {(uint8_t *)der.p, (unsigned)der.n};
    gnutls_datum_t k = {(uint8_t *)key.p, (unsigned)key.n};
    const char *priority =
        has_aes() ? PROTOCOL GROUPS CIPHERS : PROTOCOL GROUPS CIPHERS ":+CHACHA20-POLY1305";
    if (gnutls_priority_init(&q->priority, priority, NULL) != 0)
        return PX_ERR_NOMEM;
    if (gnutls_certificate_allocate_credentials(&q->cred) != 0)
        return PX_ERR_NOMEM;
    if (gnutls_certificate_set_x509_key_mem(q->cred, &c, &k, GNUTLS_X509_FMT_DER) != 0)
        return PX_ERR_INVALID;
    gnutls_certificate_set_verify_function(q->cred, on_verify);
    return PX_ERR_OK;
}

void pxi_quic_tls_deinit(struct pxi_quic *q)
{
    if (q->cred)
        gnutls_certificate_free_credentials(q->cred);
    if (q->priority)
        gnutls_priority_deinit(q->priority);
}

int pxi_quic_tls_start(struct pxi_quic_conn *c, bool server)
{
    static const gnutls_datum_t alpn = {(uint8_t *)ALPN, sizeof ALPN - 1};
    unsigned flags = GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA | GNUTLS_NO_TICKETS;
    /* One key share: a second one costs a key of another curve for nothing. */
    flags |=
        server ? GNUTLS_SERVER : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT | GNUTLS_KEY_SHARE_TOP;
    if (gnutls_init(&c->tls, flags) != 0)
        return -1;
    if (gnutls_priority_set(c->tls, c->q->priority) != 0)
        return -1;
    if ((server ? ngtcp2_crypto_gnutls_configure_server_session(c->tls)
                : ngtcp2_crypto_gnutls_configure_client_session(c->tls)) != 0)
        return -1;
    gnutls_session_set_ptr(c->tls, &c->ref);
    if (gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, c->q->cred) != 0)
        return -1;
    if (gnutls_alpn_set_protocols(c->tls, &alpn, 1, GNUTLS_ALPN_MANDATORY) != 0)
        return -1;
    if (server) {
        gnutls_certificate_server_set_request(c->tls, GNUTLS_CERT_REQUIRE);
        gnutls_certificate_send_x509_rdn_sequence(c->tls, 1);
    }
    ngtcp2_conn_set_tls_native_handle(pxi_quic_ng(c), c->tls);
    return 0;
}

void pxi_quic_tls_end(struct pxi_quic_conn *c)
{
    if (!c->tls)
        return;
    if (c->ng)
        ngtcp2_conn_set_tls_native_handle(pxi_quic_ng(c), NULL);
    gnutls_deinit(c->tls);
    c->tls = NULL;
}
