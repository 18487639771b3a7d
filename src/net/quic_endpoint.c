#include "base/map.h"
#include "net/quic_impl.h"

enum { BUCKETS_MIN = 64, VERSION_1 = NGTCP2_PROTO_VER_V1, INITIAL_MIN = 1200 };

/* ------------------------------------------------------------- addresses */

socklen_t pxi_quic_sockaddr(const struct pxi_udp_addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == 6) {
        struct sockaddr_in6 *s = (struct sockaddr_in6 *)(void *)out;
        s->sin6_family = AF_INET6;
        s->sin6_port = __builtin_bswap16(a->port);
        s->sin6_scope_id = a->zone;
        memcpy(&s->sin6_addr, a->ip, 16);
        return sizeof *s;
    }
    struct sockaddr_in *s = (struct sockaddr_in *)(void *)out;
    s->sin_family = AF_INET;
    s->sin_port = __builtin_bswap16(a->port);
    memcpy(&s->sin_addr, a->ip, 4);
    return sizeof *s;
}

struct pxi_udp_addr pxi_quic_udp_addr(const struct sockaddr *sa)
{
    struct pxi_udp_addr a = {0};
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)(const void *)sa;
        a.family = 6;
        a.port = __builtin_bswap16(s->sin6_port);
        a.zone = s->sin6_scope_id;
        memcpy(a.ip, &s->sin6_addr, 16);
    } else {
        const struct sockaddr_in *s = (const struct sockaddr_in *)(const void *)sa;
        a.family = 4;
        a.port = __builtin_bswap16(s->sin_port);
        memcpy(a.ip, &s->sin_addr, 4);
    }
    return a;
}

bool pxi_udp_addr_of(const struct pxi_endpoint *e, struct pxi_udp_addr *out)
{
    memset(out, 0, sizeof *out);
    if (e->via != PXI_VIA_QUIC || e->relayed || (e->family != 4 && e->family != 6))
        return false;
    out->family = e->family;
    memcpy(out->ip, e->ip, e->family == 4 ? 4 : 16);
    out->port = e->port;
    return true;
}

struct pxi_maddr pxi_udp_addr_maddr(const struct pxi_udp_addr *a)
{
    struct pxi_endpoint e = {.family = a->family, .port = a->port, .via = PXI_VIA_QUIC};
    memcpy(e.ip, a->ip, sizeof e.ip);
    return pxi_endpoint_maddr(&e);
}

/* --------------------------------------------------------- connection ids */

static struct pxi_quic_cid **bucket(const struct pxi_quic *q, const uint8_t *b, size_t n)
{
    return &q->buckets[pxi_hash64(b, n, q->hash_seed) & q->bucket_mask];
}

static void grow(struct pxi_quic *q)
{
    size_t count = (q->bucket_mask + 1) * 2;
    struct pxi_quic_cid **old = q->buckets, **now = pxi_calloc(count, sizeof *now);
    if (!now)
        return; /* longer chains do as well */
    size_t old_count = q->bucket_mask + 1;
    q->buckets = now;
    q->bucket_mask = count - 1;
    for (size_t i = 0; i < old_count; i++)
        while (old[i]) {
            struct pxi_quic_cid *c = old[i], **to = bucket(q, c->b, c->n);
            old[i] = c->next;
            c->next = *to;
            *to = c;
        }
    pxi_free(old);
}

struct pxi_quic_conn *pxi_quic_cid_find(const struct pxi_quic *q, const uint8_t *b, size_t n)
{
    for (const struct pxi_quic_cid *c = *bucket(q, b, n); c; c = c->next)
        if (c->n == n && memcmp(c->b, b, n) == 0)
            return c->conn;
    return NULL;
}

bool pxi_quic_cid_add(struct pxi_quic_conn *c, const uint8_t *b, size_t n)
{
    struct pxi_quic *q = c->q;
    struct pxi_quic_cid *id = n <= sizeof id->b ? pxi_calloc(1, sizeof *id) : NULL;
    if (!id)
        return false;
    if (q->cid_count > q->bucket_mask)
        grow(q);
    struct pxi_quic_cid **to = bucket(q, b, n);
    id->conn = c;
    id->n = (uint8_t)n;
    memcpy(id->b, b, n);
    id->next = *to;
    *to = id;
    id->next_own = c->cids;
    c->cids = id;
    q->cid_count++;
    return true;
}

static void unlink_cid(struct pxi_quic *q, struct pxi_quic_cid *id)
{
    struct pxi_quic_cid **at = bucket(q, id->b, id->n);
    while (*at != id)
        at = &(*at)->next;
    *at = id->next;
    q->cid_count--;
    pxi_free(id);
}

void pxi_quic_cid_drop(struct pxi_quic_conn *c, const uint8_t *b, size_t n)
{
    for (struct pxi_quic_cid **at = &c->cids; *at; at = &(*at)->next_own) {
        struct pxi_quic_cid *id = *at;
        if (id->n == n && memcmp(id->b, b, n) == 0) {
            *at = id->next_own;
            unlink_cid(c->q, id);
            return;
        }
    }
}

void pxi_quic_cids_clear(struct pxi_quic_conn *c)
{
    while (c->cids) {
        struct pxi_quic_cid *id = c->cids;
        c->cids = id->next_own;
        unlink_cid(c->q, id);
    }
}

/* ------------------------------------------------------------ waking, work */

void pxi_quic_wake(struct pxi_quic *q)
{
    if (q->woken)
        return;
    q->woken = true;
    if (q->on->wake)
        q->on->wake(q->ctx);
}

void pxi_quic_fault(struct pxi_quic *q, enum pxi_fault f)
{
    if (q->faults)
        q->faults->n[f]++;
}

void pxi_quic_due(struct pxi_quic_conn *c)
{
    struct pxi_quic *q = c->q;
    if (pxi_list_empty(&c->due))
        pxi_list_add(&q->due, &c->due);
    if (!q->work.armed)
        pxi_timer_arm(q->timers, &q->work, q->timers->now_ns);
}

/* Deliver the events that were pending when it began; what they cause comes the next time. */
static void settle(struct pxi_quic *q)
{
    struct pxi_list now;
    pxi_list_init(&now);
    while (!pxi_list_empty(&q->due)) {
        struct pxi_list *l = q->due.next;
        pxi_list_remove(l);
        pxi_list_add(&now, l);
    }
    pxi_timer_disarm(q->timers, &q->work);
    while (!pxi_list_empty(&now)) {
        struct pxi_quic_conn *c = PXI_OF(now.next, struct pxi_quic_conn, due);
        pxi_list_remove(&c->due);
        pxi_quic_conn_settle(c);
    }
}

static void on_work(struct pxi_timer *t, uint64_t now_ns)
{
    settle(PXI_OF(t, struct pxi_quic, work));
}

/* ---------------------------------------------------------------- replies */

void pxi_quic_reply(struct pxi_quic *q, const struct pxi_udp_addr *local,
                    const struct pxi_udp_addr *remote, const uint8_t *p, size_t n)
{
    struct pxi_quic_reply *r = NULL;
    if (q->reply_count < PXI_LIMIT_QUIC_REPLIES)
        r = pxi_calloc(1, sizeof *r + n);
    if (!r) {
        q->stats.dropped++;
        return;
    }
    r->local = *local;
    r->remote = *remote;
    r->n = n;
    memcpy(r->bytes, p, n);
    pxi_list_add(&q->replies, &r->link);
    q->reply_count++;
    pxi_quic_wake(q);
}

static bool pull_reply(struct pxi_quic *q, struct pxi_udp_out *out)
{
    if (pxi_list_empty(&q->replies))
        return false;
    struct pxi_quic_reply *r = PXI_OF(q->replies.next, struct pxi_quic_reply, link);
    pxi_list_remove(&r->link);
    q->reply_count--;
    memcpy(out->bytes, r->bytes, r->n);
    out->n = out->segment = r->n;
    out->local = r->local;
    out->remote = r->remote;
    out->ecn = 0;
    pxi_free(r);
    return true;
}

/* A peer speaks another version: name ours (RFC 9000 section 6). */
static void reply_version(struct pxi_quic *q, const struct pxi_udp_in *in,
                          const ngtcp2_version_cid *v, size_t n)
{
    uint8_t out[128];
    uint32_t versions[1] = {VERSION_1};
    if (n < INITIAL_MIN || v->version == 0)
        return;
    ngtcp2_ssize len =
        ngtcp2_pkt_write_version_negotiation(out, sizeof out, (uint8_t)pxi_random_u64(q->random),
                                             v->scid, v->scidlen, v->dcid, v->dcidlen, versions, 1);
    if (len > 0) {
        q->stats.version_negotiations++;
        pxi_quic_reply(q, &in->local, &in->remote, out, (size_t)len);
    }
}

/* A packet of a connection that we do not have: say so (RFC 9000 section 10.3), seldom, and with
 * less than came. */
static void reply_reset(struct pxi_quic *q, const struct pxi_udp_in *in, const uint8_t *dcid,
                        size_t n)
{
    enum { EVERY_NS = 10000000, BURST_NS = 500000000, LEAST = 22, MOST = 43 };
    uint64_t now = q->timers->now_ns;
    uint8_t out[MOST], token[NGTCP2_STATELESS_RESET_TOKENLEN], noise[MOST];
    ngtcp2_cid cid;
    if (n < LEAST)
        return;
    if (q->reset_tokens_ns + BURST_NS < now)
        q->reset_tokens_ns = now - BURST_NS;
    if (q->reset_tokens_ns + EVERY_NS > now)
        return;
    q->reset_tokens_ns += EVERY_NS;
    ngtcp2_cid_init(&cid, dcid, PXI_QUIC_CID);
    if (ngtcp2_crypto_generate_stateless_reset_token(token, q->secret, sizeof q->secret, &cid) != 0)
        return;
    size_t len = n - 1 < MOST ? n - 1 : MOST;
    pxi_random_fill(q->random, noise, sizeof noise);
    ngtcp2_ssize w = ngtcp2_pkt_write_stateless_reset(out, len, token, noise,
                                                      len - NGTCP2_STATELESS_RESET_TOKENLEN);
    if (w > 0) {
        q->stats.resets_sent++;
        pxi_quic_reply(q, &in->local, &in->remote, out, (size_t)w);
    }
}

static void reply_retry(struct pxi_quic *q, const struct pxi_udp_in *in, const ngtcp2_pkt_hd *hd)
{
    struct sockaddr_storage sa;
    socklen_t sa_n = pxi_quic_sockaddr(&in->remote, &sa);
    uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN], out[512], id[PXI_QUIC_CID];
    ngtcp2_cid scid;
    pxi_random_fill(q->random, id, sizeof id);
    ngtcp2_cid_init(&scid, id, sizeof id);
    ngtcp2_ssize n = ngtcp2_crypto_generate_retry_token(token, q->secret, sizeof q->secret,
                                                        hd->version, (struct sockaddr *)&sa, sa_n,
                                                        &scid, &hd->dcid, q->timers->now_ns);
    if (n < 0)
        return;
    n = ngtcp2_crypto_write_retry(out, sizeof out, hd->version, &hd->scid, &scid, &hd->dcid, token,
                                  (size_t)n);
    if (n > 0) {
        q->stats.retries++;
        pxi_quic_reply(q, &in->local, &in->remote, out, (size_t)n);
    }
}

static void reply_close(struct pxi_quic *q, const struct pxi_udp_in *in, const ngtcp2_pkt_hd *hd,
                        uint64_t code)
{
    uint8_t out[128];
    ngtcp2_ssize n = ngtcp2_crypto_write_connection_close(out, sizeof out, hd->version, &hd->scid,
                                                          &hd->dcid, code, NULL, 0);
    q->stats.refused++;
    if (n > 0)
        pxi_quic_reply(q, &in->local, &in->remote, out, (size_t)n);
}

/* ---------------------------------------------------------------- arrival */

/* The first packet of a client. NULL: it was answered or dropped. */
static struct pxi_quic_conn *accept_client(struct pxi_quic *q, const struct pxi_udp_in *in,
                                           const uint8_t *p, size_t n)
{
    enum { TOKEN_NS = 10 };
    ngtcp2_pkt_hd hd;
    ngtcp2_cid odcid, *proof = NULL;
    if (q->dial_only || q->shut || ngtcp2_accept(&hd, p, n) != 0)
        return NULL;
    if (hd.token.len && hd.token.base[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) {
        struct sockaddr_storage sa;
        socklen_t sa_n = pxi_quic_sockaddr(&in->remote, &sa);
        if (ngtcp2_crypto_verify_retry_token(&odcid, hd.token.base, hd.token.len, q->secret,
                                             sizeof q->secret, hd.version, (struct sockaddr *)&sa,
                                             sa_n, &hd.dcid, TOKEN_NS * PXI_SECOND,
                                             q->timers->now_ns) != 0) {
            reply_close(q, in, &hd, NGTCP2_INVALID_TOKEN);
            return NULL;
        }
        proof = &odcid;
    } else if (q->stats.unproven >= q->retry_at - 1) {
        reply_retry(q, in, &hd);
        return NULL;
    }
    if (q->stats.unproven >= PXI_LIMIT_NET_CONNS_TRANSIENT || q->stats.conns >= q->conns_max) {
        pxi_quic_fault(q, PXI_FAULT_LIMIT);
        reply_close(q, in, &hd, NGTCP2_CONNECTION_REFUSED);
        return NULL;
    }
    return pxi_quic_conn_accept(q, in, &hd, proof);
}

static void push_one(struct pxi_quic *q, const struct pxi_udp_in *in, uint8_t *p, size_t n)
{
    ngtcp2_version_cid v;
    q->stats.datagrams_in++;
    q->stats.bytes_in += n;
    int rv = ngtcp2_pkt_decode_version_cid(&v, p, n, PXI_QUIC_CID);
    if (rv == NGTCP2_ERR_VERSION_NEGOTIATION) {
        if (!q->dial_only)
            reply_version(q, in, &v, n);
        return;
    }
    if (rv != 0) {
        q->stats.dropped++;
        return;
    }
    struct pxi_quic_conn *c = pxi_quic_cid_find(q, v.dcid, v.dcidlen);
    bool is_short = (p[0] & 0x80) == 0;
    if (!c && is_short && n > NGTCP2_STATELESS_RESET_TOKENLEN)
        c = pxi_quic_cid_find(q, p + n - NGTCP2_STATELESS_RESET_TOKENLEN,
                              NGTCP2_STATELESS_RESET_TOKENLEN);
    if (!c && is_short) {
        reply_reset(q, in, v.dcid, n);
        return;
    }
    if (!c)
        c = accept_client(q, in, p, n);
    if (c)
        pxi_quic_conn_read(c, in, p, n);
    else
        q->stats.dropped++;
}

void pxi_quic_push(struct pxi_quic *q, const struct pxi_udp_in *in)
{
    size_t piece = in->segment ? in->segment : in->n;
    q->stats.dropped += in->n == 0;
    for (size_t at = 0; at < in->n; at += piece)
        push_one(q, in, in->bytes + at, in->n - at < piece ? in->n - at : piece);
    settle(q);
}

/* --------------------------------------------------------------- departure */

bool pxi_quic_pull(struct pxi_quic *q, struct pxi_udp_out *out)
{
    settle(q);
    out->n = 0;
    if (q->spill.n) {
        memcpy(out->bytes, q->spill_bytes, q->spill.n);
        out->n = out->segment = q->spill.n;
        out->local = q->spill.local;
        out->remote = q->spill.remote;
        out->ecn = q->spill.ecn;
        q->spill.n = 0;
    } else if (!pull_reply(q, out)) {
        while (!out->n && !pxi_list_empty(&q->ready)) {
            struct pxi_quic_conn *c = PXI_OF(q->ready.next, struct pxi_quic_conn, ready);
            pxi_list_remove(&c->ready);
            pxi_quic_conn_write(c, out);
        }
    }
    if (!out->n) {
        q->woken = false;
        return false;
    }
    q->stats.datagrams_out += (out->n + out->segment - 1) / out->segment;
    q->stats.bytes_out += out->n;
    return true;
}

void pxi_quic_poke(struct pxi_quic *q, const struct pxi_udp_addr *remote, size_t n)
{
    uint8_t noise[64];
    struct pxi_udp_addr any = {0};
    n = n < sizeof noise ? n : sizeof noise;
    pxi_random_fill(q->random, noise, sizeof noise);
    noise[0] &= 0x3f; /* neither a long header nor the fixed bit: no QUIC packet */
    pxi_quic_reply(q, &any, remote, noise, n);
}

/* ------------------------------------------------------------- life times */

px_err pxi_quic_new(const struct pxi_quic_options *o, struct pxi_quic **out)
{
    struct pxi_quic *q = pxi_calloc(1, sizeof *q);
    struct pxi_quic_cid **buckets = pxi_calloc(BUCKETS_MIN, sizeof *buckets);
    *out = NULL;
    if (!q || !buckets) {
        pxi_free(q);
        pxi_free(buckets);
        return PX_ERR_NOMEM;
    }
    q->timers = o->timers;
    q->random = o->random;
    q->faults = o->faults;
    q->on = o->on;
    q->ctx = o->ctx;
    q->wall_s = o->wall_s;
    q->local = o->local;
    q->dial_only = o->dial_only;
    q->conns_max = o->conns ? o->conns : PXI_LIMIT_NET_CONNS_IN;
    q->retry_at = o->retry_at ? o->retry_at : PXI_LIMIT_QUIC_RETRY_AT;
    pxi_quic_sockaddr(&q->local, &q->local_sa);
    q->buckets = buckets;
    q->bucket_mask = BUCKETS_MIN - 1;
    q->hash_seed = pxi_random_u64(q->random);
    if (o->secret)
        memcpy(q->secret, o->secret, sizeof q->secret);
    else
        pxi_random_fill(q->random, q->secret, sizeof q->secret);
    q->pages = o->pages;
    q->work.fire = on_work;
    pxi_list_init(&q->conns);
    pxi_list_init(&q->ready);
    pxi_list_init(&q->due);
    pxi_list_init(&q->replies);
    pxi_list_init(&q->spare);
    q->shaker = o->shaker;
    if (!pxi_quic_mem_init(q)) {
        pxi_quic_free(q);
        return PX_ERR_NOMEM;
    }
    *out = q;
    return PX_ERR_OK;
}

void pxi_quic_shutdown(struct pxi_quic *q)
{
    q->shut = true;
    for (struct pxi_list *l = q->conns.next, *next; l != &q->conns; l = next) {
        next = l->next;
        struct pxi_quic_conn *c = PXI_OF(l, struct pxi_quic_conn, link);
        if (c->ng)
            pxi_quic_conn_end(c, PX_ERR_OK, true);
    }
}

void pxi_quic_free(struct pxi_quic *q)
{
    if (!q)
        return;
    q->shut = true;
    while (!pxi_list_empty(&q->conns)) {
        struct pxi_quic_conn *c = PXI_OF(q->conns.next, struct pxi_quic_conn, link);
        if (c->ng)
            pxi_quic_conn_end(c, PX_ERR_RESET, false);
        pxi_quic_conn_free(c);
    }
    while (!pxi_list_empty(&q->replies)) {
        struct pxi_quic_reply *r = PXI_OF(q->replies.next, struct pxi_quic_reply, link);
        pxi_list_remove(&r->link);
        pxi_free(r);
    }
    while (!pxi_list_empty(&q->spare)) {
        struct pxi_quic_stream *s = PXI_OF(q->spare.next, struct pxi_quic_stream, own);
        pxi_list_remove(&s->own);
        pxi_free(s);
    }
    pxi_timer_disarm(q->timers, &q->work);
    pxi_quic_mem_deinit(q);
    pxi_free(q->buckets);
    pxi_free(q);
}

struct pxi_quic_stats pxi_quic_stats_of(const struct pxi_quic *q)
{
    return q->stats;
}
