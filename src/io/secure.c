/* TLS for clients, by libssl. */
#include "io/secure.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/mem.h"

struct pxi_secure {
    SSL *ssl;
    char why[96];
};

static SSL_CTX *context;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_context(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (!c)
        return;
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_default_verify_paths(c) == 1)
        context = c;
    else
        SSL_CTX_free(c);
}

/* Who the certificate must be of. */
static bool expect(SSL *ssl, const char *host)
{
    struct in6_addr ip;
    if (inet_pton(AF_INET, host, &ip) == 1 || inet_pton(AF_INET6, host, &ip) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct pxi_secure *pxi_secure_new(int fd, const char *host)
{
    pthread_once(&once, make_context);
    struct pxi_secure *s = context ? pxi_calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->ssl = SSL_new(context);
    if (s->ssl && SSL_set_fd(s->ssl, fd) == 1 && expect(s->ssl, host))
        return s;
    pxi_secure_free(s);
    return NULL;
}

void pxi_secure_free(struct pxi_secure *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    ERR_clear_error();
    pxi_free(s);
}

/* What a result means. */
static ssize_t told(struct pxi_secure *s, int rc, short *events)
{
    long verified = SSL_get_verify_result(s->ssl);
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_NONE: return rc;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_WANT_READ: *events = POLLIN; return PXI_SECURE_WAIT;
    case SSL_ERROR_WANT_WRITE: *events = POLLOUT; return PXI_SECURE_WAIT;
    default: break;
    }
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    if (verified != X509_V_OK)
        why = X509_verify_cert_error_string(verified);
    snprintf(s->why, sizeof s->why, "%s", why ? why : "the end of the connection");
    ERR_clear_error();
    return verified != X509_V_OK ? PXI_SECURE_STRANGER : PXI_SECURE_FAILED;
}

ssize_t pxi_secure_shake(struct pxi_secure *s, short *events)
{
    ERR_clear_error();
    return told(s, SSL_connect(s->ssl), events);
}

ssize_t pxi_secure_read(struct pxi_secure *s, void *p, size_t n, short *events)
{
    ERR_clear_error();
    return told(s, SSL_read(s->ssl, p, n < INT_MAX ? (int)n : INT_MAX), events);
}

ssize_t pxi_secure_write(struct pxi_secure *s, const void *p, size_t n, short *events)
{
    ERR_clear_error();
    return told(s, SSL_write(s->ssl, p, n < INT_MAX ? (int)n : INT_MAX), events);
}

const char *pxi_secure_why(const struct pxi_secure *s)
{
    return s->why;
}
