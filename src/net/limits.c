/*
 * The resource manager. Every scope that has a key of the network's (a peer, an address, a subnet)
 * is a tally in one hash table. A tally exists while something is counted in it, so that the table
 * is bounded by what is open, and no operation walks more than one chain. Protocols are few, since
 * only those that we serve or propose are agreed on: they stand in a row, and each peer has a row
 * of its shares of them.
 */
#include "net/limits.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"

enum { BUCKETS = 16 };

enum kind { KIND_PEER, KIND_IP, KIND_SUBNET };

/* Streams of one protocol; there is one while a share refers to it. */
struct protocol {
    struct protocol *next;
    unsigned refs, streams;
    size_t n;
    char name[];
};

/* What one peer has of a protocol; it stays as long as the peer's tally. */
struct share {
    struct share *next;
    struct protocol *protocol;
    unsigned streams;
};

/* What one keyed scope holds. */
struct tally {
    struct tally *next;
    struct share *shares; /* of a peer */
    uint64_t hash, memory;
    unsigned refs, conns, streams;
    uint16_t n;
    uint8_t key[]; /* kind, then the peer or the address */
};

struct pxi_limiter {
    struct pxi_net_limits max;
    struct pxi_limiter_use use;
    struct tally **buckets;
    struct protocol *protocols;
    size_t mask, count, scopes; /* scopes: connections and streams that are open */
    bool dead;                  /* freed by its owner; goes with the last scope */
};

struct pxi_scope_conn {
    struct pxi_limiter *limiter;
    struct tally *peer, *ip, *subnet; /* NULL: not counted there */
    uint64_t memory;
    bool outbound;
};

struct pxi_scope_stream {
    struct pxi_limiter *limiter;
    struct tally *peer; /* NULL: not known yet when the stream was opened */
    struct share *share;
    struct protocol *protocol; /* NULL: not agreed yet */
    bool outbound;
};

struct pxi_net_limits pxi_net_limits_default(void)
{
    return (struct pxi_net_limits){
        .conns_in = PXI_LIMIT_NET_CONNS_IN,
        .conns_out = PXI_LIMIT_NET_CONNS_OUT,
        .conns_transient = PXI_LIMIT_NET_CONNS_TRANSIENT,
        .conns_peer = PXI_LIMIT_NET_CONNS_PEER,
        .conns_ip = PXI_LIMIT_NET_CONNS_IP,
        .conns_subnet = PXI_LIMIT_NET_CONNS_SUBNET,
        .streams_in = PXI_LIMIT_NET_STREAMS_IN,
        .streams_out = PXI_LIMIT_NET_STREAMS_OUT,
        .streams_peer = PXI_LIMIT_NET_STREAMS_PEER,
        .streams_protocol = PXI_LIMIT_NET_STREAMS_PROTOCOL,
        .streams_protocol_peer = PXI_LIMIT_NET_STREAMS_PROTOCOL_PEER,
        .memory = PXI_LIMIT_NET_MEMORY,
        .memory_peer = PXI_LIMIT_NET_MEMORY_PEER,
        .memory_conn = PXI_LIMIT_NET_MEMORY_CONN,
    };
}

struct pxi_limiter *pxi_limiter_new(const struct pxi_net_limits *max)
{
    struct pxi_limiter *l = pxi_calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->max = max ? *max : pxi_net_limits_default();
    l->mask = BUCKETS - 1;
    l->buckets = pxi_calloc(BUCKETS, sizeof(struct tally *));
    if (!l->buckets) {
        pxi_free(l);
        return NULL;
    }
    return l;
}

void pxi_limiter_free(struct pxi_limiter *l)
{
    if (!l)
        return;
    l->dead = true;
    if (l->scopes)
        return;
    pxi_free(l->buckets);
    pxi_free(l);
}

static void scope_ended(struct pxi_limiter *l)
{
    l->scopes--;
    if (l->dead)
        pxi_limiter_free(l);
}

struct pxi_limiter_use pxi_limiter_use(const struct pxi_limiter *l)
{
    return l->use;
}

/* ---------------------------------------------------------------- tallies */

/* Give the table `n` buckets; when memory is out it stays as it is, only slower. */
static void resize(struct pxi_limiter *l, size_t n)
{
    struct tally **to = pxi_calloc(n, sizeof(struct tally *));
    if (!to)
        return;
    for (size_t i = 0; i <= l->mask; i++) {
        for (struct tally *t = l->buckets[i], *next; t; t = next) {
            next = t->next;
            t->next = to[t->hash & (n - 1)];
            to[t->hash & (n - 1)] = t;
        }
    }
    pxi_free(l->buckets);
    l->buckets = to;
    l->mask = n - 1;
}

/* The tally of a key, made when there is none, with one reference more; NULL: memory is out. */
static struct tally *tally_get(struct pxi_limiter *l, const uint8_t *key, size_t n)
{
    uint64_t hash = pxi_hash_quick(key, n, (uintptr_t)l);
    struct tally *t = l->buckets[hash & l->mask];
    while (t && (t->hash != hash || t->n != n || memcmp(t->key, key, n) != 0))
        t = t->next;
    if (!t) {
        if (l->count > l->mask)
            resize(l, (l->mask + 1) * 2);
        t = pxi_calloc(1, sizeof *t + n);
        if (!t)
            return NULL;
        t->hash = hash;
        t->n = (uint16_t)n;
        memcpy(t->key, key, n);
        t->next = l->buckets[hash & l->mask];
        l->buckets[hash & l->mask] = t;
        l->count++;
        l->use.peers += key[0] == KIND_PEER;
    }
    t->refs++;
    return t;
}

static void protocol_put(struct pxi_limiter *l, struct protocol *p)
{
    if (--p->refs)
        return;
    struct protocol **at = &l->protocols;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    pxi_free(p);
}

static void shares_free(struct pxi_limiter *l, struct tally *t)
{
    while (t->shares) {
        struct share *s = t->shares;
        t->shares = s->next;
        protocol_put(l, s->protocol);
        pxi_free(s);
    }
}

static void tally_put(struct pxi_limiter *l, struct tally *t)
{
    if (!t || --t->refs)
        return;
    struct tally **at = &l->buckets[t->hash & l->mask];
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    l->count--;
    l->use.peers -= t->key[0] == KIND_PEER;
    shares_free(l, t);
    pxi_free(t);
    if (l->mask >= BUCKETS && l->count < l->mask / 8)
        resize(l, (l->mask + 1) / 2);
}

static px_err refuse(struct pxi_limiter *l)
{
    l->use.refused++;
    return PX_ERR_LIMIT;
}

/* Take one of a tally's places for a connection. */
static px_err take(struct pxi_limiter *l, const uint8_t *key, size_t n, unsigned max,
                   struct tally **out)
{
    struct tally *t = tally_get(l, key, n);
    if (!t)
        return PX_ERR_NOMEM;
    if (t->conns >= max) {
        tally_put(l, t);
        return refuse(l);
    }
    t->conns++;
    *out = t;
    return PX_ERR_OK;
}

static void give(struct pxi_limiter *l, struct tally **t)
{
    if (!*t)
        return;
    (*t)->conns--;
    tally_put(l, *t);
    *t = NULL;
}

/* ------------------------------------------------------------- connections */

unsigned pxi_limits_ip(const struct pxi_endpoint *e, uint8_t out[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t loopback[16] = {[15] = 1};
    unsigned n = e->family == 4 ? 4 : e->family == 6 ? 16 : 0;
    if (!n || e->relayed)
        return 0;
    memcpy(out, e->ip, n);
    if (n == 16 && memcmp(out, mapped, sizeof mapped) == 0) {
        memmove(out, out + 12, 4);
        n = 4;
    }
    if (n == 4)
        return out[0] == 127 ? 0 : 4;
    return memcmp(out, loopback, 16) == 0 ? 0 : 16;
}

static px_err take_ip(struct pxi_scope_conn *s, const struct pxi_endpoint *e)
{
    struct pxi_limiter *l = s->limiter;
    uint8_t key[17], ip[16];
    unsigned n = pxi_limits_ip(e, ip);
    if (!n)
        return PX_ERR_OK;
    memcpy(key + 1, ip, n);
    key[0] = KIND_IP;
    px_err err = take(l, key, 1 + (n == 4 ? 4 : 7), l->max.conns_ip, &s->ip);
    if (err)
        return err;
    key[0] = KIND_SUBNET;
    err = take(l, key, 1 + (n == 4 ? 3 : 6), l->max.conns_subnet, &s->subnet);
    if (err)
        give(l, &s->ip);
    return err;
}

px_err pxi_scope_conn_open(struct pxi_limiter *l, bool outbound, const struct pxi_endpoint *remote,
                           struct pxi_scope_conn **out)
{
    unsigned *used = outbound ? &l->use.conns_out : &l->use.conns_in;
    *out = NULL;
    if (*used >= (outbound ? l->max.conns_out : l->max.conns_in) ||
        l->use.conns_transient >= l->max.conns_transient)
        return refuse(l);
    struct pxi_scope_conn *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return PX_ERR_NOMEM;
    s->limiter = l;
    s->outbound = outbound;
    px_err err = remote ? take_ip(s, remote) : PX_ERR_OK;
    if (err) {
        pxi_free(s);
        return err;
    }
    ++*used;
    l->use.conns_transient++;
    l->scopes++;
    *out = s;
    return PX_ERR_OK;
}

/* Whether n more bytes fit under max. */
static bool fits(uint64_t used, uint64_t n, uint64_t max)
{
    return used <= max && n <= max - used;
}

px_err pxi_scope_conn_peer(struct pxi_scope_conn *s, const struct pxi_peer *peer)
{
    struct pxi_limiter *l = s->limiter;
    uint8_t key[1 + PXI_PEER_BYTES] = {KIND_PEER};
    if (s->peer)
        return PX_ERR_INVALID;
    memcpy(key + 1, peer->b, peer->n);
    px_err err = take(l, key, 1 + (size_t)peer->n, l->max.conns_peer, &s->peer);
    if (err)
        return err;
    if (!fits(s->peer->memory, s->memory, l->max.memory_peer)) {
        give(l, &s->peer);
        return refuse(l);
    }
    s->peer->memory += s->memory;
    l->use.conns_transient--;
    return PX_ERR_OK;
}

void pxi_scope_conn_close(struct pxi_scope_conn *s)
{
    if (!s)
        return;
    struct pxi_limiter *l = s->limiter;
    l->use.memory -= s->memory;
    if (s->peer)
        s->peer->memory -= s->memory;
    else
        l->use.conns_transient--;
    --*(s->outbound ? &l->use.conns_out : &l->use.conns_in);
    give(l, &s->peer);
    give(l, &s->ip);
    give(l, &s->subnet);
    pxi_free(s);
    scope_ended(l);
}

px_err pxi_scope_memory(struct pxi_scope_conn *s, int64_t delta)
{
    struct pxi_limiter *l = s->limiter;
    uint64_t n = delta < 0 ? 0 - (uint64_t)delta : (uint64_t)delta;
    if (delta < 0) {
        if (n > s->memory)
            n = s->memory; /* never more back than was taken */
        n = 0 - n;         /* the sums below wrap to a subtraction */
    } else if (!fits(s->memory, n, l->max.memory_conn) || !fits(l->use.memory, n, l->max.memory) ||
               (s->peer && !fits(s->peer->memory, n, l->max.memory_peer))) {
        return refuse(l);
    }
    s->memory += n;
    l->use.memory += n;
    if (s->peer)
        s->peer->memory += n;
    return PX_ERR_OK;
}

/* ----------------------------------------------------------------- streams */

px_err pxi_scope_stream_open(struct pxi_scope_conn *c, bool outbound, struct pxi_scope_stream **out)
{
    struct pxi_limiter *l = c->limiter;
    unsigned *used = outbound ? &l->use.streams_out : &l->use.streams_in;
    *out = NULL;
    if (*used >= (outbound ? l->max.streams_out : l->max.streams_in) ||
        (c->peer && c->peer->streams >= l->max.streams_peer))
        return refuse(l);
    struct pxi_scope_stream *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return PX_ERR_NOMEM;
    s->limiter = l;
    s->outbound = outbound;
    s->peer = c->peer;
    if (s->peer) {
        s->peer->refs++;
        s->peer->streams++;
    }
    ++*used;
    l->scopes++;
    *out = s;
    return PX_ERR_OK;
}

/* The protocol of this name, made when there is none, with one reference more. */
static struct protocol *protocol_get(struct pxi_limiter *l, const char *name, size_t n)
{
    struct protocol *p = l->protocols;
    while (p && (p->n != n || memcmp(p->name, name, n) != 0))
        p = p->next;
    if (!p) {
        p = pxi_calloc(1, sizeof *p + n);
        if (!p)
            return NULL;
        p->n = n;
        memcpy(p->name, name, n);
        p->next = l->protocols;
        l->protocols = p;
    }
    p->refs++;
    return p;
}

/* The share of a peer in a protocol of this name, made when there is none. */
static struct share *share_get(struct pxi_limiter *l, struct tally *peer, const char *name,
                               size_t n)
{
    struct share *s = peer->shares;
    while (s && (s->protocol->n != n || memcmp(s->protocol->name, name, n) != 0))
        s = s->next;
    if (s)
        return s;
    struct protocol *p = protocol_get(l, name, n);
    s = p ? pxi_calloc(1, sizeof *s) : NULL;
    if (p && !s)
        protocol_put(l, p);
    if (!s)
        return NULL;
    *s = (struct share){.next = peer->shares, .protocol = p};
    return peer->shares = s;
}

px_err pxi_scope_stream_protocol(struct pxi_scope_stream *s, const char *protocol)
{
    struct pxi_limiter *l = s->limiter;
    size_t n = strlen(protocol);
    if (n > PXI_LIMIT_NET_PROTOCOL_BYTES || s->protocol)
        return PX_ERR_INVALID;
    struct share *share = s->peer ? share_get(l, s->peer, protocol, n) : NULL;
    struct protocol *p = share ? share->protocol : s->peer ? NULL : protocol_get(l, protocol, n);
    if (!p)
        return PX_ERR_NOMEM;
    if (share)
        p->refs++;
    if (p->streams >= l->max.streams_protocol ||
        (share && share->streams >= l->max.streams_protocol_peer)) {
        protocol_put(l, p);
        return refuse(l);
    }
    p->streams++;
    s->protocol = p;
    s->share = share;
    if (share)
        share->streams++;
    return PX_ERR_OK;
}

void pxi_scope_stream_close(struct pxi_scope_stream *s)
{
    if (!s)
        return;
    struct pxi_limiter *l = s->limiter;
    --*(s->outbound ? &l->use.streams_out : &l->use.streams_in);
    if (s->protocol) {
        s->protocol->streams--;
        protocol_put(l, s->protocol);
    }
    if (s->share)
        s->share->streams--;
    if (s->peer) {
        s->peer->streams--;
        tally_put(l, s->peer);
    }
    pxi_free(s);
    scope_ended(l);
}
