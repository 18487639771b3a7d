/* Tables, seen ids and cached messages of gossipsub. */
#include "net/gossip_cache.h"

#include "base/mem.h"
#include "net/gossip_rpc.h"

/* ----------------------------------------------------------- hash tables */

static inline uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t pxi_siphash(const uint64_t key[2], px_view in)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    for (size_t at = 0; at <= in.n; at += 8) {
        size_t n = in.n - at < 8 ? in.n - at : 8;
        uint64_t w = 0;
        for (size_t i = 0; i < n; i++)
            w |= (uint64_t)in.p[at + i] << (8 * i);
        if (n < 8)
            w |= (uint64_t)(in.n & 0xff) << 56;
        v[3] ^= w;
        sip_round(v);
        v[0] ^= w;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool pxi_table_init(struct pxi_table *t, uint32_t size)
{
    *t = (struct pxi_table){pxi_calloc(size, sizeof *t->heads), size, 0};
    return t->heads != NULL;
}

void pxi_table_deinit(struct pxi_table *t)
{
    pxi_free(t->heads);
    *t = (struct pxi_table){NULL, 0, 0};
}

static void grow_table(struct pxi_table *t)
{
    struct pxi_table old = *t;
    if (old.count < old.size || old.size >= 1u << 24 || !pxi_table_init(t, old.size * 2)) {
        *t = old;
        return;
    }
    for (uint32_t i = 0; i < old.size; i++) {
        for (struct pxi_node *n = old.heads[i], *next; n; n = next) {
            next = n->next;
            struct pxi_node **head = &t->heads[n->hash & (t->size - 1)];
            n->next = *head;
            *head = n;
        }
    }
    t->count = old.count;
    pxi_free(old.heads);
}

void pxi_table_add(struct pxi_table *t, struct pxi_node *n, uint64_t hash)
{
    grow_table(t);
    struct pxi_node **head = &t->heads[hash & (t->size - 1)];
    n->hash = hash;
    n->next = *head;
    *head = n;
    t->count++;
}

void pxi_table_remove(struct pxi_table *t, struct pxi_node *n)
{
    struct pxi_node **at = &t->heads[n->hash & (t->size - 1)];
    while (*at && *at != n)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = n->next;
    n->next = NULL;
    t->count--;
}

struct pxi_node *pxi_table_first(const struct pxi_table *t, uint64_t hash)
{
    struct pxi_node *n = t->heads[hash & (t->size - 1)];
    while (n && n->hash != hash)
        n = n->next;
    return n;
}

struct pxi_node *pxi_table_after(const struct pxi_node *n)
{
    uint64_t hash = n->hash;
    do
        n = n->next;
    while (n && n->hash != hash);
    return (struct pxi_node *)n;
}

/* --------------------------------------------------------------- seen ids */

bool pxi_seen_init(struct pxi_seen *s, uint32_t max, uint64_t ttl_ns, const uint64_t key[2])
{
    uint32_t size = 64;
    while (size > max && size > 1)
        size /= 2;
    *s = (struct pxi_seen){.size = size, .max = max, .ttl_ns = ttl_ns, .key = {key[0], key[1]}};
    s->ring = pxi_calloc(size, sizeof *s->ring);
    s->heads = pxi_calloc(size, sizeof *s->heads);
    return s->ring && s->heads;
}

void pxi_seen_deinit(struct pxi_seen *s)
{
    pxi_free(s->ring);
    pxi_free(s->heads);
    *s = (struct pxi_seen){.ring = NULL};
}

static void link_entry(struct pxi_seen *s, uint32_t i)
{
    uint32_t *head = &s->heads[s->ring[i].hash & (s->size - 1)];
    s->ring[i].next = *head;
    *head = i + 1;
}

static void drop_oldest(struct pxi_seen *s)
{
    uint32_t i = s->first;
    uint32_t *at = &s->heads[s->ring[i].hash & (s->size - 1)];
    while (*at && *at != i + 1)
        at = &s->ring[*at - 1].next;
    if (*at)
        *at = s->ring[i].next;
    s->first = (i + 1) & (s->size - 1);
    s->count--;
}

static void expire(struct pxi_seen *s, uint64_t now_ns)
{
    while (s->count && now_ns - s->ring[s->first].at_ns >= s->ttl_ns)
        drop_oldest(s);
}

static void grow_seen(struct pxi_seen *s)
{
    uint32_t size = s->size * 2;
    struct pxi_seen_entry *ring = pxi_calloc(size, sizeof *ring);
    uint32_t *heads = pxi_calloc(size, sizeof *heads);
    if (!ring || !heads) {
        pxi_free(ring);
        pxi_free(heads);
        return;
    }
    for (uint32_t i = 0; i < s->count; i++)
        ring[i] = s->ring[(s->first + i) & (s->size - 1)];
    pxi_free(s->ring);
    pxi_free(s->heads);
    s->ring = ring;
    s->heads = heads;
    s->size = size;
    s->first = 0;
    for (uint32_t i = 0; i < s->count; i++)
        link_entry(s, i);
}

struct pxi_seen_entry *pxi_seen_find(struct pxi_seen *s, px_view id, uint64_t now_ns)
{
    expire(s, now_ns);
    uint64_t hash = pxi_siphash(s->key, id);
    for (uint32_t i = s->heads[hash & (s->size - 1)]; i; i = s->ring[i - 1].next) {
        struct pxi_seen_entry *e = &s->ring[i - 1];
        if (e->hash == hash && px_view_equal(pxi_gossip_id_view(&e->id), id))
            return e;
    }
    return NULL;
}

struct pxi_seen_entry *pxi_seen_add(struct pxi_seen *s, px_view id, uint64_t now_ns)
{
    if (id.n > PXI_GOSSIP_ID)
        return NULL;
    expire(s, now_ns);
    if (s->count == s->size && s->size * 2 <= s->max)
        grow_seen(s);
    if (s->count == s->size)
        drop_oldest(s);
    uint32_t i = (s->first + s->count) & (s->size - 1);
    struct pxi_seen_entry *e = &s->ring[i];
    *e = (struct pxi_seen_entry){.hash = pxi_siphash(s->key, id), .at_ns = now_ns};
    e->id.n = (uint8_t)id.n;
    memcpy(e->id.b, id.p, id.n);
    link_entry(s, i);
    s->count++;
    return e;
}

bool pxi_seen_from(struct pxi_seen_entry *e, uint16_t slot)
{
    for (unsigned i = 0; i < e->from_count; i++)
        if (e->from[i] == slot)
            return false;
    if (e->from_count == PXI_SEEN_FROM)
        return false;
    e->from[e->from_count++] = slot;
    return true;
}

/* --------------------------------------------------------------- messages */

struct pxi_gossip_msg *pxi_gossip_msg_new(px_view raw, const struct pxi_gossip_id *id)
{
    struct pxi_gossip_msg *m = pxi_calloc(1, sizeof *m + raw.n);
    if (!m)
        return NULL;
    memcpy(m->bytes, raw.p, raw.n);
    m->refs = 1;
    m->id = *id;
    m->raw = px_view_of(m->bytes, raw.n);
    m->topic = pxi_rpc_message_of(m->raw).topic;
    pxi_list_init(&m->link);
    return m;
}

void pxi_gossip_msg_ref(struct pxi_gossip_msg *m)
{
    m->refs++;
}

void pxi_gossip_msg_unref(struct pxi_gossip_msg *m)
{
    if (--m->refs)
        return;
    pxi_free(m->served);
    pxi_free(m);
}

unsigned pxi_gossip_msg_serve(struct pxi_gossip_msg *m, uint16_t slot)
{
    if (slot >= m->served_size) {
        uint32_t size = ((uint32_t)slot + 64) & ~63u;
        uint8_t *p = pxi_realloc(m->served, size, 1);
        if (!p)
            return 255; /* as if it had all been used */
        memset(p + m->served_size, 0, size - m->served_size);
        m->served = p;
        m->served_size = size;
    }
    return m->served[slot] < 255 ? m->served[slot]++ : 255;
}

bool pxi_mcache_init(struct pxi_mcache *c, uint32_t keep, uint32_t max_count, size_t max_bytes,
                     const uint64_t key[2])
{
    *c = (struct pxi_mcache){
        .keep = keep, .max_count = max_count, .max_bytes = max_bytes, .key = {key[0], key[1]}};
    pxi_list_init(&c->messages);
    return pxi_table_init(&c->table, 64);
}

static void forget(struct pxi_mcache *c, struct pxi_gossip_msg *m)
{
    pxi_table_remove(&c->table, &m->node);
    pxi_list_remove(&m->link);
    m->cached = false;
    c->count--;
    c->bytes -= m->raw.n;
    pxi_gossip_msg_unref(m);
}

static struct pxi_gossip_msg *oldest(struct pxi_mcache *c)
{
    return PXI_OF(c->messages.next, struct pxi_gossip_msg, link);
}

void pxi_mcache_deinit(struct pxi_mcache *c)
{
    if (!c->messages.next)
        return;
    while (!pxi_list_empty(&c->messages))
        forget(c, oldest(c));
    pxi_table_deinit(&c->table);
}

void pxi_mcache_put(struct pxi_mcache *c, struct pxi_gossip_msg *m)
{
    if (m->cached || m->raw.n > c->max_bytes || !c->max_count)
        return;
    while (c->count >= c->max_count || c->bytes + m->raw.n > c->max_bytes)
        forget(c, oldest(c));
    pxi_gossip_msg_ref(m);
    m->cached = true;
    m->window = c->window;
    pxi_table_add(&c->table, &m->node, pxi_siphash(c->key, pxi_gossip_id_view(&m->id)));
    pxi_list_add(&c->messages, &m->link);
    c->count++;
    c->bytes += m->raw.n;
}

struct pxi_gossip_msg *pxi_mcache_get(struct pxi_mcache *c, px_view id)
{
    struct pxi_node *n = pxi_table_first(&c->table, pxi_siphash(c->key, id));
    for (; n; n = pxi_table_after(n)) {
        struct pxi_gossip_msg *m = PXI_OF(n, struct pxi_gossip_msg, node);
        if (px_view_equal(pxi_gossip_id_view(&m->id), id))
            return m;
    }
    return NULL;
}

uint32_t pxi_mcache_gossip(struct pxi_mcache *c, px_view topic, uint32_t windows,
                           struct pxi_gossip_msg **out, uint32_t cap)
{
    uint32_t n = 0;
    for (struct pxi_list *l = c->messages.prev; l != &c->messages && n < cap; l = l->prev) {
        struct pxi_gossip_msg *m = PXI_OF(l, struct pxi_gossip_msg, link);
        if (c->window - m->window >= windows)
            break;
        if (px_view_equal(m->topic, topic))
            out[n++] = m;
    }
    return n;
}

void pxi_mcache_shift(struct pxi_mcache *c)
{
    c->window++;
    while (!pxi_list_empty(&c->messages) && c->window - oldest(c)->window >= c->keep)
        forget(c, oldest(c));
}
