#include "net/secure_tls.h"

#include "base/math.h"
#include "base/mem.h"

enum {
    OVER = PXI_TLS_HEAD + PXI_TLS_TAIL,
    WORTH = 8192, /* a second record in one pull has room for this much */
};

struct channel {
    struct pxi_secure s; /* first */
    struct pxi_tls *tls;
    struct pxi_peer expect;
    const char *const *alpn;
};

static struct channel *of(struct pxi_secure *s)
{
    return (struct channel *)(void *)s;
}

/* The handshake is over: who is it, and which muxer was agreed on. "libp2p" or nothing: none. */
static px_err finish(struct channel *c)
{
    px_view key = pxi_tls_peer(c->tls), name = pxi_tls_alpn(c->tls);
    c->s.peer = pxi_peer_of_key(key);
    if (!c->s.peer.n || (c->expect.n && !pxi_peer_equal(&c->expect, &c->s.peer)))
        return PX_ERR_IDENTITY;
    c->s.pubkey = key;
    for (const char *const *a = c->alpn; *a && strcmp(*a, "libp2p") != 0; a++)
        if (px_view_is(name, *a))
            c->s.muxer = *a;
    c->s.ready = true;
    c->s.on->ready(c->s.above);
    return PX_ERR_OK;
}

static px_err push(struct pxi_secure *s, uint8_t *bytes, size_t n)
{
    struct channel *c = of(s);
    px_err err;
    pxi_tls_feed(c->tls, bytes, n);
    do {
        uint8_t *plain = NULL;
        struct pxi_landing land = {0};
        if (s->ready && s->on->land)
            land = s->on->land(s->above);
        pxi_tls_land(c->tls, &land);
        n = 0;
        err = pxi_tls_read(c->tls, &plain, &n);
        if (err == PX_ERR_OK && !s->ready && pxi_tls_ready(c->tls))
            err = finish(c);
        if (err == PX_ERR_OK && n)
            s->on->plain(s->above, plain, n);
    } while (err == PX_ERR_OK && n);
    if (err == PX_ERR_OK && pxi_tls_closed(c->tls))
        err = PX_ERR_RESET;
    if (pxi_tls_pending(c->tls))
        s->on->wake(s->above);
    s->fault = err == PX_ERR_IDENTITY      ? PXI_FAULT_IDENTITY
               : err == PX_ERR_NO_PROTOCOL ? PXI_FAULT_NO_PROTOCOL
                                           : PXI_FAULT_TLS;
    return err;
}

/* Nothing may come between asking for plaintext and sealing it, so what must go first goes. */
static bool drained(struct channel *c, uint8_t *out, size_t cap, size_t *at)
{
    *at += pxi_tls_drain(c->tls, out + *at, cap - *at);
    return pxi_tls_pending(c->tls) == 0;
}

static size_t pull(struct pxi_secure *s, uint8_t *out, size_t cap)
{
    struct channel *c = of(s);
    size_t at = 0, least = OVER + PXI_SECURE_FILL;
    while (drained(c, out, cap, &at) && s->ready && s->err == PX_ERR_OK && cap - at >= least) {
        uint8_t *plain = out + at + PXI_TLS_HEAD;
        struct pxi_gaps gaps = {0};
        size_t n = s->on->fill(s->above, plain, pxi_min(cap - at - OVER, PXI_TLS_PLAIN), &gaps);
        if (!n)
            break;
        size_t sealed = pxi_tls_seal_gaps(c->tls, plain, n, &gaps, out + at);
        if (!sealed) {
            s->fault = PXI_FAULT_TLS;
            s->err = PX_ERR_PROTOCOL;
        }
        at += sealed;
        least = WORTH;
    }
    return at;
}

static bool tidy(struct pxi_secure *s)
{
    (void)s;
    return false;
}

static void channel_free(struct pxi_secure *s)
{
    pxi_tls_free(of(s)->tls);
    pxi_free(s);
}

static const struct pxi_secure_ops ops = {push, pull, tidy, channel_free};

struct pxi_secure *pxi_secure_tls_new(const struct pxi_secure_options *o, struct pxi_shaker *shaker,
                                      const char *const *alpn)
{
    struct channel *c = pxi_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    struct pxi_tls_options to = {
        .shaker = shaker, .server = !o->outbound, .alpn = alpn, .now_s = o->now_s};
    while (alpn[to.alpn_n])
        to.alpn_n++;
    c->s.ops = &ops;
    c->s.on = o->on;
    c->s.above = o->above;
    c->expect = o->expect;
    c->alpn = alpn;
    c->tls = pxi_tls_new(&to);
    if (c->tls)
        return &c->s;
    pxi_free(c);
    return NULL;
}
