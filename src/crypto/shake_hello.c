/* The hellos of TLS 1.3 (RFC 8446 section 4.1): what both sides can do and which of it they use. */
#include "crypto/shake_state.h"

enum { COOKIE_MAX = 1024 };

/* The random of a ServerHello that asks for another key share. */
static const uint8_t retry_random[32] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

static px_err bad(struct pxi_shake *s, uint8_t alert)
{
    return pxi_shake_fail(s, alert, PX_ERR_PROTOCOL);
}

static size_t put_ext(struct pxi_maker *m, unsigned type)
{
    put_uint(m, type, 2);
    return put_open(m, 2);
}

/* ------------------------------------------------------------------- client */

/* GnuTLS, say, is 14 times slower at ChaCha20. */
static bool no_chacha(const struct pxi_shake *s)
{
    return s->o.only_aes && s->all->aes;
}

static void put_suites(struct pxi_maker *m, const struct pxi_shake *s)
{
    uint16_t first = s->all->aes ? PXI_SUITE_AES_128_GCM : PXI_SUITE_CHACHA20_POLY1305;
    size_t at = put_open(m, 2);
    put_uint(m, first, 2);
    if (!no_chacha(s))
        put_uint(m, PXI_SUITE_AES_128_GCM + PXI_SUITE_CHACHA20_POLY1305 - first, 2);
    put_close(m, at, 2);
}

/* Those that a certificate may have, too: RSA with the old padding is for them alone. */
void pxi_shake_put_signatures(struct pxi_maker *m)
{
    static const uint8_t schemes[] = {0x04, 0x03, 0x08, 0x07, 0x05, 0x03, 0x06, 0x03, 0x08, 0x04,
                                      0x08, 0x05, 0x08, 0x06, 0x04, 0x01, 0x05, 0x01, 0x06, 0x01};
    size_t ext = put_ext(m, EXT_SIGNATURES), list = put_open(m, 2);
    put(m, px_view_of(schemes, sizeof schemes));
    put_close(m, list, 2);
    put_close(m, ext, 2);
}

void pxi_shake_put_alpn(struct pxi_maker *m, const char *const *names, size_t n)
{
    size_t ext = put_ext(m, EXT_ALPN), list = put_open(m, 2);
    for (size_t i = 0; i < n; i++) {
        size_t name = put_open(m, 1);
        put(m, px_view_str(names[i]));
        put_close(m, name, 1);
    }
    put_close(m, list, 2);
    put_close(m, ext, 2);
}

uint8_t pxi_shake_find_alpn(const struct pxi_shake *s, px_view name)
{
    for (size_t i = 0; i < s->o.alpn_n; i++)
        if (px_view_is(name, s->o.alpn[i]))
            return (uint8_t)(i + 1);
    return 0;
}

px_err pxi_shake_put_params(struct pxi_shake *s, struct pxi_maker *m)
{
    uint8_t params[PARAMS_MAX];
    if (!s->quic)
        return PX_ERR_OK;
    size_t n = s->o.on->own_params(s->o.ctx, params, sizeof params);
    size_t ext = put_ext(m, EXT_QUIC);
    put(m, px_view_of(params, n));
    put_close(m, ext, 2);
    return n ? PX_ERR_OK : pxi_shake_fail(s, ALERT_INTERNAL_ERROR, PX_ERR_FAILED);
}

static void put_share(struct pxi_maker *m, uint16_t group, const uint8_t *pub, size_t n)
{
    put_uint(m, group, 2);
    size_t at = put_open(m, 2);
    put(m, px_view_of(pub, n));
    put_close(m, at, 2);
}

static void put_client_extensions(struct pxi_shake *s, struct pxi_maker *m)
{
    static const uint8_t versions[] = {2, TLS_1_3 >> 8, TLS_1_3 & 0xff};
    static const uint8_t groups[] = {0, 4, 0, GROUP_X25519, 0, GROUP_P256};
    uint8_t pub[SHARE_MAX];
    size_t n = pxi_shake_share(s, pub), ext = put_ext(m, EXT_VERSIONS);
    put(m, px_view_of(versions, sizeof versions));
    put_close(m, ext, 2);
    ext = put_ext(m, EXT_GROUPS);
    put(m, px_view_of(groups, sizeof groups));
    put_close(m, ext, 2);
    ext = put_ext(m, EXT_KEY_SHARE);
    size_t list = put_open(m, 2);
    put_share(m, s->group, pub, n);
    put_close(m, list, 2);
    put_close(m, ext, 2);
    m->failed |= n == 0;
}

px_err pxi_shake_put_client_hello(struct pxi_shake *s, px_view cookie)
{
    struct pxi_maker m = {.b = {.max = PXI_LIMIT_TLS_MESSAGE}};
    put_uint(&m, CLIENT_HELLO, 1);
    size_t message = put_open(&m, 3);
    put_uint(&m, TLS_1_2, 2);
    put(&m, px_view_of(s->random, sizeof s->random));
    put_uint(&m, 0, 1); /* no session */
    put_suites(&m, s);
    put_uint(&m, 0x0100, 2); /* one compression: none */
    size_t all = put_open(&m, 2);
    put_client_extensions(s, &m);
    pxi_shake_put_signatures(&m);
    if (s->o.alpn_n)
        pxi_shake_put_alpn(&m, s->o.alpn, s->o.alpn_n);
    if (cookie.n) {
        size_t ext = put_ext(&m, EXT_COOKIE), at = put_open(&m, 2);
        put(&m, cookie);
        put_close(&m, at, 2);
        put_close(&m, ext, 2);
    }
    px_err err = pxi_shake_put_params(s, &m);
    put_close(&m, all, 2);
    put_close(&m, message, 3);
    if (!err)
        return pxi_shake_flush(s, PXI_SHAKE_INITIAL, &m);
    pxi_buf_deinit(&m.b);
    return err;
}

/* In place of the first hello, its hash (RFC 8446 section 4.4.1). */
static px_err condense(struct pxi_shake *s)
{
    uint8_t message[4 + PXI_DIGEST] = {MESSAGE_HASH, 0, 0, PXI_DIGEST};
    pxi_shake_hash(s, message + 4);
    s->transcript.n = 0;
    return pxi_shake_note(s, px_view_of(message, sizeof message));
}

/* The server wants another share. */
static px_err take_retry(struct pxi_shake *s, px_view message, uint32_t group, px_view cookie)
{
    if (s->retried)
        return bad(s, ALERT_UNEXPECTED_MESSAGE);
    if (group == s->group || (group && group != GROUP_P256) || (!group && !cookie.n) ||
        cookie.n > COOKIE_MAX)
        return bad(s, ALERT_ILLEGAL_PARAMETER);
    s->retried = true;
    s->group = group ? (uint16_t)group : s->group;
    px_err err = condense(s);
    if (!err)
        err = pxi_shake_note(s, message);
    return err ? err : pxi_shake_put_client_hello(s, cookie);
}

static bool offered(const struct pxi_shake *s, uint32_t suite)
{
    return suite == PXI_SUITE_AES_128_GCM ||
           (suite == PXI_SUITE_CHACHA20_POLY1305 && !no_chacha(s));
}

struct server_hello {
    px_view random, session, share, cookie;
    uint32_t version, suite, compression, group;
    bool strange; /* an extension that nobody asked for */
};

static bool read_server_hello(struct server_hello *h, px_view message)
{
    struct pxi_cursor c = pxi_cursor_of(px_view_of(message.p + 4, message.n - 4));
    bool legacy = take_uint(&c, 2) == TLS_1_2, twice = false;
    uint32_t seen = 0;
    h->random = pxi_cursor_take(&c, 32);
    h->session = take_field(&c, 1);
    h->suite = take_uint(&c, 2);
    h->compression = take_uint(&c, 1);
    struct pxi_cursor all = pxi_cursor_of(take_field(&c, 2));
    bool retry = !c.failed && memcmp(h->random.p, retry_random, sizeof retry_random) == 0;
    while (!all.failed && pxi_cursor_left(&all)) {
        uint32_t type = take_uint(&all, 2);
        struct pxi_cursor e = pxi_cursor_of(take_field(&all, 2));
        if (all.failed)
            break;
        if (type == EXT_VERSIONS) {
            h->version = take_uint(&e, 2);
        } else if (type == EXT_KEY_SHARE) {
            h->group = take_uint(&e, 2);
            h->share = retry ? h->share : take_field(&e, 2);
        } else if (type == EXT_COOKIE && retry) {
            h->cookie = take_field(&e, 2);
        } else {
            h->strange = true;
            continue;
        }
        twice |= (seen & 1u << (type - EXT_VERSIONS)) != 0;
        seen |= 1u << (type - EXT_VERSIONS);
        all.failed |= !take_done(&e);
    }
    return legacy && !twice && take_done(&all) && take_done(&c);
}

px_err pxi_shake_take_server_hello(struct pxi_shake *s, px_view message)
{
    struct server_hello h = {0};
    if (!read_server_hello(&h, message))
        return bad(s, ALERT_DECODE_ERROR);
    if (h.version != TLS_1_3)
        return bad(s, ALERT_PROTOCOL_VERSION);
    if (h.strange)
        return bad(s, ALERT_UNSUPPORTED_EXTENSION);
    if (h.session.n || h.compression || !offered(s, h.suite) || (s->suite && s->suite != h.suite))
        return bad(s, ALERT_ILLEGAL_PARAMETER);
    s->suite = (uint16_t)h.suite;
    if (memcmp(h.random.p, retry_random, sizeof retry_random) == 0)
        return take_retry(s, message, h.group, h.cookie);
    if (!h.share.n || h.group != s->group)
        return bad(s, ALERT_ILLEGAL_PARAMETER);
    s->wait = WAIT_EE;
    px_err err = pxi_shake_note(s, message);
    return err ? err : pxi_shake_agree(s, h.share);
}

/* ------------------------------------------------------------------- server */

struct client_hello {
    px_view random, session, x25519, p256, params;
    uint32_t seen; /* bit set of the extensions below */
    bool suites[2], chacha_first, none, tls13, ecdsa, groups[2]; /* X25519, P-256 */
    bool bad_parameter;
    uint8_t alpn; /* the first of its protocols that is ours */
};

enum { SAW_VERSIONS = 1, SAW_GROUPS = 2, SAW_SHARE = 4, SAW_SIGNATURES = 8, SAW_ALPN = 16 };
enum { SAW_QUIC = 32 };

static void read_groups(struct client_hello *h, struct pxi_cursor *list)
{
    while (!list->failed && pxi_cursor_left(list)) {
        uint32_t group = take_uint(list, 2);
        h->groups[0] |= group == GROUP_X25519;
        h->groups[1] |= group == GROUP_P256;
    }
}

static void read_shares(struct client_hello *h, struct pxi_cursor *list)
{
    while (!list->failed && pxi_cursor_left(list)) {
        uint32_t group = take_uint(list, 2);
        px_view share = take_field(list, 2);
        px_view *to = group == GROUP_X25519 ? &h->x25519 : group == GROUP_P256 ? &h->p256 : NULL;
        if (to) {
            h->bad_parameter |= to->n != 0;
            *to = share;
        }
    }
}

static void read_alpn(struct client_hello *h, const struct pxi_shake *s, struct pxi_cursor *list)
{
    while (!list->failed && pxi_cursor_left(list)) {
        px_view name = take_field(list, 1);
        list->failed |= !name.n;
        if (!h->alpn)
            h->alpn = pxi_shake_find_alpn(s, name);
    }
}

/* One extension; the bit of those that we know. */
static uint32_t read_extension(struct client_hello *h, const struct pxi_shake *s, uint32_t type,
                               struct pxi_cursor *e)
{
    struct pxi_cursor list;
    switch (type) {
    case EXT_VERSIONS:
        list = pxi_cursor_of(take_field(e, 1));
        while (!list.failed && pxi_cursor_left(&list))
            h->tls13 |= take_uint(&list, 2) == TLS_1_3;
        e->failed |= list.failed;
        return SAW_VERSIONS;
    case EXT_GROUPS:
        list = pxi_cursor_of(take_field(e, 2));
        read_groups(h, &list);
        e->failed |= list.failed;
        return SAW_GROUPS;
    case EXT_KEY_SHARE:
        list = pxi_cursor_of(take_field(e, 2));
        read_shares(h, &list);
        e->failed |= list.failed;
        return SAW_SHARE;
    case EXT_SIGNATURES:
        list = pxi_cursor_of(take_field(e, 2));
        while (!list.failed && pxi_cursor_left(&list))
            h->ecdsa |= take_uint(&list, 2) == ECDSA_P256_SHA256;
        e->failed |= list.failed;
        return SAW_SIGNATURES;
    case EXT_ALPN:
        list = pxi_cursor_of(take_field(e, 2));
        read_alpn(h, s, &list);
        e->failed |= list.failed;
        return SAW_ALPN;
    case EXT_QUIC: h->params = pxi_cursor_take(e, pxi_cursor_left(e)); return SAW_QUIC;
    default: return 0;
    }
}

static void read_suites(struct client_hello *h, struct pxi_cursor *list)
{
    for (bool first = true; !list->failed && pxi_cursor_left(list); first = false) {
        uint32_t suite = take_uint(list, 2);
        h->suites[0] |= suite == PXI_SUITE_AES_128_GCM;
        h->suites[1] |= suite == PXI_SUITE_CHACHA20_POLY1305;
        h->chacha_first |= first && h->suites[1];
    }
}

static bool read_client_hello(struct client_hello *h, const struct pxi_shake *s, px_view message)
{
    struct pxi_cursor c = pxi_cursor_of(px_view_of(message.p + 4, message.n - 4));
    bool legacy = take_uint(&c, 2) == TLS_1_2;
    h->random = pxi_cursor_take(&c, 32);
    h->session = take_field(&c, 1);
    struct pxi_cursor suites = pxi_cursor_of(take_field(&c, 2));
    read_suites(h, &suites);
    px_view compression = take_field(&c, 1);
    h->none = compression.n == 1 && compression.p[0] == 0;
    struct pxi_cursor all = pxi_cursor_of(take_field(&c, 2));
    while (!all.failed && pxi_cursor_left(&all)) {
        uint32_t type = take_uint(&all, 2);
        struct pxi_cursor e = pxi_cursor_of(take_field(&all, 2));
        if (all.failed)
            break;
        uint32_t bit = read_extension(h, s, type, &e);
        all.failed |= bit && !take_done(&e);
        h->bad_parameter |= (h->seen & bit) != 0;
        h->seen |= bit;
    }
    return legacy && !suites.failed && take_done(&all) && take_done(&c) &&
           h->session.n <= SESSION_MAX;
}

/* What is missing or no good, as an alert; 0: nothing. */
static uint8_t judge(const struct pxi_shake *s, const struct client_hello *h)
{
    if (!h->tls13)
        return ALERT_PROTOCOL_VERSION;
    if (h->bad_parameter || !h->none || (s->quic && h->session.n)) /* RFC 9001 section 8.4 */
        return ALERT_ILLEGAL_PARAMETER;
    if (!s->quic && h->seen & SAW_QUIC) /* section 8.2 */
        return ALERT_UNSUPPORTED_EXTENSION;
    if (!(h->seen & SAW_SIGNATURES) || !(h->seen & SAW_GROUPS) || !(h->seen & SAW_SHARE) ||
        (s->quic && !(h->seen & SAW_QUIC)))
        return ALERT_MISSING_EXTENSION;
    if (!h->alpn && (s->quic || h->seen & SAW_ALPN))
        return ALERT_NO_PROTOCOL;
    return h->ecdsa ? 0 : ALERT_HANDSHAKE_FAILURE;
}

/* A client that names ChaCha20 first has no AES in its processor. */
static uint16_t choose_suite(const struct pxi_shake *s, const struct client_hello *h)
{
    bool chacha = h->suites[1] && !no_chacha(s);
    if (chacha && (h->chacha_first || !s->all->aes || !h->suites[0]))
        return PXI_SUITE_CHACHA20_POLY1305;
    return h->suites[0] ? PXI_SUITE_AES_128_GCM : 0;
}

/* pub NULL: a request for another share. */
static px_err put_server_hello(struct pxi_shake *s, const uint8_t *pub, size_t pub_n)
{
    struct pxi_maker m = {.b = {.max = PXI_LIMIT_TLS_MESSAGE}};
    uint8_t random[32];
    if (pub)
        pxi_random_fill(s->all->random, random, sizeof random);
    put_uint(&m, SERVER_HELLO, 1);
    size_t message = put_open(&m, 3);
    put_uint(&m, TLS_1_2, 2);
    put(&m, px_view_of(pub ? random : retry_random, sizeof random));
    put_uint(&m, s->session_n, 1);
    put(&m, px_view_of(s->session, s->session_n));
    put_uint(&m, s->suite, 2);
    put_uint(&m, 0, 1);
    size_t all = put_open(&m, 2), ext = put_ext(&m, EXT_VERSIONS);
    put_uint(&m, TLS_1_3, 2);
    put_close(&m, ext, 2);
    ext = put_ext(&m, EXT_KEY_SHARE);
    if (pub)
        put_share(&m, s->group, pub, pub_n);
    else
        put_uint(&m, s->group, 2);
    put_close(&m, ext, 2);
    put_close(&m, all, 2);
    put_close(&m, message, 3);
    return pxi_shake_flush(s, PXI_SHAKE_INITIAL, &m);
}

static px_err ask_again(struct pxi_shake *s, const struct client_hello *h, px_view message)
{
    if (s->retried)
        return bad(s, ALERT_ILLEGAL_PARAMETER);
    if (!h->groups[0] && !h->groups[1])
        return bad(s, ALERT_HANDSHAKE_FAILURE);
    s->retried = true;
    s->group = h->groups[0] ? GROUP_X25519 : GROUP_P256;
    px_err err = pxi_shake_note(s, message);
    if (!err)
        err = condense(s);
    return err ? err : put_server_hello(s, NULL, 0);
}

px_err pxi_shake_take_client_hello(struct pxi_shake *s, px_view message)
{
    struct client_hello h = {0};
    uint8_t pub[SHARE_MAX];
    if (!read_client_hello(&h, s, message))
        return bad(s, ALERT_DECODE_ERROR);
    uint8_t alert = judge(s, &h);
    uint16_t suite = choose_suite(s, &h);
    if (alert == ALERT_NO_PROTOCOL)
        return pxi_shake_fail(s, alert, PX_ERR_NO_PROTOCOL);
    if (alert || !suite || (s->suite && s->suite != suite))
        return bad(s, alert ? alert : ALERT_HANDSHAKE_FAILURE);
    s->suite = suite;
    s->alpn = h.alpn;
    s->session_n = (uint8_t)h.session.n;
    if (h.session.n)
        memcpy(s->session, h.session.p, h.session.n);
    px_view share = h.x25519.n ? h.x25519 : h.p256;
    if (s->retried)
        share = s->group == GROUP_X25519 ? h.x25519 : h.p256;
    if (!share.n)
        return ask_again(s, &h, message);
    s->group = share.p == h.x25519.p ? GROUP_X25519 : GROUP_P256;
    px_err err = s->quic ? s->o.on->params(s->o.ctx, h.params) : PX_ERR_OK;
    if (err)
        return pxi_shake_fail(s, ALERT_ILLEGAL_PARAMETER, err);
    size_t n = pxi_shake_share(s, pub);
    err = n ? pxi_shake_note(s, message) : pxi_shake_fail(s, ALERT_INTERNAL_ERROR, PX_ERR_NOMEM);
    if (!err)
        err = put_server_hello(s, pub, n);
    s->wait = WAIT_CERT;
    return err ? err : pxi_shake_agree(s, share);
}
