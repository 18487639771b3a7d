/* Records and providers that a server keeps: hash tables with limits. */
#include "net/kad_store.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/timer.h"

enum { SAMPLES = 16 };

void pxi_kad_store_init(struct pxi_kad_store *s, const struct pxi_kad_key *self)
{
    *s = (struct pxi_kad_store){.self = *self};
    s->record_max = PXI_LIMIT_KAD_RECORDS;
    s->provider_max = PXI_LIMIT_KAD_PROVIDERS;
    s->provider_peer_max = PXI_LIMIT_KAD_PROVIDERS_PEER;
    memcpy(&s->salt, self->b, sizeof s->salt);
    s->draw.state = s->salt;
}

/* ---------------------------------------------------------------- chains */

static uint32_t hash_of(const struct pxi_kad_store *s, const struct pxi_kad_key *k)
{
    return (uint32_t)pxi_hash64(k->b, sizeof k->b, s->salt);
}

static bool chains_grow(struct pxi_kad_chains *c)
{
    unsigned count = c->head ? (c->mask + 1) * 2 : 8;
    struct pxi_list *to = pxi_calloc(count, sizeof *to);
    if (!to)
        return c->head != NULL; /* longer chains, then */
    for (unsigned i = 0; i < count; i++)
        pxi_list_init(&to[i]);
    for (unsigned i = 0; c->head && i <= c->mask; i++)
        while (!pxi_list_empty(&c->head[i])) {
            struct pxi_kad_item *it = PXI_OF(c->head[i].next, struct pxi_kad_item, link);
            pxi_list_remove(&it->link);
            pxi_list_add(&to[it->hash & (count - 1)], &it->link);
        }
    pxi_free(c->head);
    c->head = to;
    c->mask = count - 1;
    return true;
}

/* Make room for one more; false when memory is out. */
static bool chains_need(struct pxi_kad_chains *c)
{
    return (c->head && c->n <= c->mask) || chains_grow(c);
}

static void chains_add(struct pxi_kad_chains *c, struct pxi_kad_item *it, uint32_t hash)
{
    it->hash = hash;
    pxi_list_add(&c->head[hash & c->mask], &it->link);
    c->n++;
}

static void chains_remove(struct pxi_kad_chains *c, struct pxi_kad_item *it)
{
    pxi_list_remove(&it->link);
    c->n--;
}

/* The first item in a chain chosen at random; NULL when there is none. */
static struct pxi_kad_item *chains_sample(struct pxi_kad_store *s, struct pxi_kad_chains *c)
{
    unsigned start = (unsigned)pxi_rng_u64(&s->draw);
    for (unsigned i = 0; c->n && i <= c->mask; i++) {
        struct pxi_list *l = &c->head[(start + i) & c->mask];
        if (!pxi_list_empty(l))
            return PXI_OF(l->next, struct pxi_kad_item, link);
    }
    return NULL;
}

/* ------------------------------------------------------------------ drop */

static void record_drop(struct pxi_kad_store *s, struct pxi_kad_record *r)
{
    s->bytes -= sizeof *r + r->key_n + r->value_n;
    chains_remove(&s->records, &r->item);
    pxi_free(r);
}

static void provider_drop(struct pxi_kad_store *s, struct pxi_kad_provider *p)
{
    chains_remove(&s->providers, &p->by_key);
    chains_remove(&s->peers, &p->by_peer);
    pxi_kad_addrs_free(&p->addrs);
    pxi_free(p);
}

unsigned pxi_kad_store_sweep(struct pxi_kad_store *s, uint64_t now_ns)
{
    unsigned had = s->records.n + s->providers.n;
    for (unsigned i = 0; s->records.head && i <= s->records.mask; i++) {
        struct pxi_list *head = &s->records.head[i];
        for (struct pxi_list *l = head->next, *next; l != head; l = next) {
            struct pxi_kad_record *r = PXI_OF(l, struct pxi_kad_record, item.link);
            next = l->next;
            if (r->expires_ns <= now_ns)
                record_drop(s, r);
        }
    }
    for (unsigned i = 0; s->providers.head && i <= s->providers.mask; i++) {
        struct pxi_list *head = &s->providers.head[i];
        for (struct pxi_list *l = head->next, *next; l != head; l = next) {
            struct pxi_kad_provider *p = PXI_OF(l, struct pxi_kad_provider, by_key.link);
            next = l->next;
            if (p->expires_ns <= now_ns)
                provider_drop(s, p);
        }
    }
    return had - s->records.n - s->providers.n;
}

void pxi_kad_store_deinit(struct pxi_kad_store *s)
{
    pxi_kad_store_sweep(s, PXI_NEVER);
    pxi_free(s->records.head);
    pxi_free(s->providers.head);
    pxi_free(s->peers.head);
    s->records = s->providers = s->peers = (struct pxi_kad_chains){0};
}

/* --------------------------------------------------------------- records */

static struct pxi_kad_record *record_find(struct pxi_kad_store *s, const struct pxi_kad_key *key)
{
    if (!s->records.n)
        return NULL;
    struct pxi_list *head = &s->records.head[hash_of(s, key) & s->records.mask];
    for (struct pxi_list *l = head->next; l != head; l = l->next) {
        struct pxi_kad_record *r = PXI_OF(l, struct pxi_kad_record, item.link);
        if (memcmp(&r->hash, key, sizeof *key) == 0)
            return r;
    }
    return NULL;
}

const struct pxi_kad_record *pxi_kad_store_get(struct pxi_kad_store *s, px_view key,
                                               uint64_t now_ns)
{
    struct pxi_kad_key k = pxi_kad_key_of(key);
    struct pxi_kad_record *r = record_find(s, &k);
    return r && r->expires_ns > now_ns ? r : NULL;
}

/* Drop the farthest of a few entries when it is farther from us than `key`; else false. */
static bool record_evict(struct pxi_kad_store *s, const struct pxi_kad_key *key)
{
    struct pxi_kad_record *far = NULL;
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct pxi_kad_item *it = chains_sample(s, &s->records);
        struct pxi_kad_record *r = it ? PXI_OF(it, struct pxi_kad_record, item) : NULL;
        if (r && (!far || pxi_kad_nearer(&s->self, &far->hash, &r->hash) < 0))
            far = r;
    }
    if (!far || pxi_kad_nearer(&s->self, key, &far->hash) >= 0)
        return false;
    record_drop(s, far);
    return true;
}

px_err pxi_kad_store_put(struct pxi_kad_store *s, px_view key, px_view value, uint64_t received_s,
                         uint64_t expires_ns)
{
    if (!key.n || key.n > PXI_LIMIT_KAD_KEY_BYTES || value.n > PXI_LIMIT_KAD_VALUE_BYTES)
        return PX_ERR_LIMIT;
    if (!chains_need(&s->records))
        return PX_ERR_NOMEM;
    struct pxi_kad_key k = pxi_kad_key_of(key);
    struct pxi_kad_record *old = record_find(s, &k);
    size_t bytes = sizeof *old + key.n + value.n;
    bool full = s->records.n >= s->record_max || s->bytes + bytes > PXI_LIMIT_KAD_STORE_BYTES;
    if (!old && full && !record_evict(s, &k))
        return PX_ERR_LIMIT;
    struct pxi_kad_record *r = pxi_calloc(1, bytes);
    if (!r)
        return PX_ERR_NOMEM;
    if (old)
        record_drop(s, old);
    r->hash = k;
    r->received_s = received_s;
    r->expires_ns = expires_ns;
    r->key_n = (uint16_t)key.n;
    r->value_n = (uint16_t)value.n;
    memcpy(r->b, key.p, key.n);
    if (value.n)
        memcpy(r->b + key.n, value.p, value.n);
    chains_add(&s->records, &r->item, hash_of(s, &k));
    s->bytes += bytes;
    return PX_ERR_OK;
}

/* ------------------------------------------------------------- providers */

static bool provider_evict(struct pxi_kad_store *s, const struct pxi_kad_key *key)
{
    struct pxi_kad_provider *far = NULL;
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct pxi_kad_item *it = chains_sample(s, &s->providers);
        struct pxi_kad_provider *p = it ? PXI_OF(it, struct pxi_kad_provider, by_key) : NULL;
        if (p && (!far || pxi_kad_nearer(&s->self, &far->hash, &p->hash) < 0))
            far = p;
    }
    if (!far || pxi_kad_nearer(&s->self, key, &far->hash) >= 0)
        return false;
    provider_drop(s, far);
    return true;
}

struct census {
    struct pxi_kad_provider *self, *oldest; /* of the key */
    unsigned of_key;
};

static struct census key_census(struct pxi_kad_store *s, const struct pxi_kad_key *key,
                                const struct pxi_peer *peer)
{
    struct census c = {0};
    struct pxi_list *head = &s->providers.head[hash_of(s, key) & s->providers.mask];
    for (struct pxi_list *l = head->next; l != head; l = l->next) {
        struct pxi_kad_provider *p = PXI_OF(l, struct pxi_kad_provider, by_key.link);
        if (memcmp(&p->hash, key, sizeof *key) != 0)
            continue;
        c.of_key++;
        if (!c.oldest || p->expires_ns < c.oldest->expires_ns)
            c.oldest = p;
        if (pxi_peer_equal(&p->peer, peer))
            c.self = p;
    }
    return c;
}

static unsigned peer_census(struct pxi_kad_store *s, const struct pxi_kad_key *of,
                            const struct pxi_peer *peer)
{
    struct pxi_list *head = &s->peers.head[hash_of(s, of) & s->peers.mask];
    unsigned n = 0;
    for (struct pxi_list *l = head->next; l != head; l = l->next)
        n += pxi_peer_equal(&PXI_OF(l, struct pxi_kad_provider, by_peer.link)->peer, peer);
    return n;
}

/* A new entry, when the limits leave a place for it. */
static px_err provider_new(struct pxi_kad_store *s, const struct pxi_kad_key *key,
                           const struct pxi_peer *peer, const struct census *c,
                           struct pxi_kad_provider **out)
{
    struct pxi_kad_key of = pxi_kad_key_of(pxi_peer_view(peer));
    if (peer_census(s, &of, peer) >= s->provider_peer_max)
        return PX_ERR_LIMIT;
    if (c->of_key >= PXI_LIMIT_KAD_PROVIDERS_KEY)
        provider_drop(s, c->oldest);
    else if (s->providers.n >= s->provider_max && !provider_evict(s, key))
        return PX_ERR_LIMIT;
    struct pxi_kad_provider *p = pxi_calloc(1, sizeof *p);
    if (!p)
        return PX_ERR_NOMEM;
    p->hash = *key;
    p->peer = *peer;
    chains_add(&s->providers, &p->by_key, hash_of(s, key));
    chains_add(&s->peers, &p->by_peer, hash_of(s, &of));
    *out = p;
    return PX_ERR_OK;
}

px_err pxi_kad_store_provide(struct pxi_kad_store *s, px_view multihash,
                             const struct pxi_peer *peer, const px_view *addrs, unsigned count,
                             uint64_t now_ns)
{
    if (!multihash.n || multihash.n > PXI_LIMIT_KAD_KEY_BYTES)
        return PX_ERR_LIMIT;
    if (!chains_need(&s->providers) || !chains_need(&s->peers))
        return PX_ERR_NOMEM;
    struct pxi_kad_key key = pxi_kad_key_of(multihash);
    struct census c = key_census(s, &key, peer);
    struct pxi_kad_provider *p = c.self;
    px_err err = p ? PX_ERR_OK : provider_new(s, &key, peer, &c, &p);
    if (err != PX_ERR_OK)
        return err;
    p->expires_ns = now_ns + PXI_LIMIT_KAD_PROVIDER_S * PXI_SECOND;
    p->addrs_ns = now_ns + PXI_LIMIT_KAD_PROVIDER_ADDRS_S * PXI_SECOND;
    pxi_kad_addrs_set(&p->addrs, addrs, count);
    return PX_ERR_OK;
}

unsigned pxi_kad_store_providers(struct pxi_kad_store *s, px_view multihash, uint64_t now_ns,
                                 const struct pxi_kad_provider **out, unsigned cap)
{
    struct pxi_kad_key key = pxi_kad_key_of(multihash);
    unsigned n = 0;
    if (!s->providers.n)
        return 0;
    struct pxi_list *head = &s->providers.head[hash_of(s, &key) & s->providers.mask];
    for (struct pxi_list *l = head->next; l != head && n < cap; l = l->next) {
        struct pxi_kad_provider *p = PXI_OF(l, struct pxi_kad_provider, by_key.link);
        if (memcmp(&p->hash, &key, sizeof key) != 0 || p->expires_ns <= now_ns)
            continue;
        if (p->addrs_ns <= now_ns)
            pxi_kad_addrs_free(&p->addrs);
        out[n++] = p;
    }
    return n;
}
