/* The table of peers: bounded, least recently used first out, connected and protected ones stay. */
#include "base/map.h"
#include "net/host_impl.h"

static uint64_t hash_of(const struct pxi_peer *p)
{
    return pxi_hash_quick(p->b, p->n, 0);
}

static uint32_t protocol_hash(px_view name)
{
    return (uint32_t)pxi_hash64(name.p, name.n, 1);
}

struct pxi_peer_entry *pxi_peer_find(struct pxi_host *h, const struct pxi_peer *p)
{
    if (!h->bucket_count)
        return NULL;
    struct pxi_peer_entry *e = h->buckets[hash_of(p) & (h->bucket_count - 1)];
    while (e && !pxi_peer_equal(&e->peer, p))
        e = e->next;
    return e;
}

static bool grow(struct pxi_host *h)
{
    unsigned count = h->bucket_count ? h->bucket_count * 2 : 16;
    struct pxi_peer_entry **to = pxi_calloc(count, sizeof *to);
    if (!to)
        return h->bucket_count > 0; /* longer chains, then */
    for (unsigned i = 0; i < h->bucket_count; i++)
        for (struct pxi_peer_entry *e = h->buckets[i], *next; e; e = next) {
            next = e->next;
            struct pxi_peer_entry **slot = &to[hash_of(&e->peer) & (count - 1)];
            e->next = *slot;
            *slot = e;
        }
    pxi_free(h->buckets);
    h->buckets = to;
    h->bucket_count = count;
    return true;
}

static void addrs_free(struct pxi_peer_entry *e)
{
    while (e->addrs) {
        struct pxi_peer_addr *a = e->addrs;
        e->addrs = a->next;
        pxi_free(a);
    }
}

static void give_back(struct pxi_host *h, struct pxi_peer_entry *e, size_t n)
{
    e->bytes -= n;
    h->peer_bytes -= n;
}

static void entry_free(struct pxi_host *h, struct pxi_peer_entry *e)
{
    struct pxi_peer_entry **slot = &h->buckets[hash_of(&e->peer) & (h->bucket_count - 1)];
    while (*slot != e)
        slot = &(*slot)->next;
    *slot = e->next;
    pxi_list_remove(&e->age);
    give_back(h, e, e->bytes);
    addrs_free(e);
    pxi_free(e->protocols);
    pxi_buf_deinit(&e->identify);
    pxi_free(e);
    h->peer_count--;
}

/* Make room: the oldest entry that nobody needs. Those in use go to the end of the line, so that a
 * few looks are enough the next time too. false: nothing found. */
static bool evict(struct pxi_host *h, const struct pxi_peer_entry *keep)
{
    for (unsigned i = 0; i < 64 && i < h->peer_count; i++) {
        struct pxi_peer_entry *e = PXI_OF(h->peers.next, struct pxi_peer_entry, age);
        if (e != keep && pxi_list_empty(&e->conns) && !e->protect) {
            entry_free(h, e);
            return true;
        }
        pxi_list_remove(&e->age);
        pxi_list_add(&h->peers, &e->age);
    }
    return false;
}

/* Count n bytes more for an entry, at the cost of older ones. false: there is no room. */
static bool take(struct pxi_host *h, struct pxi_peer_entry *e, size_t n)
{
    while (h->peer_bytes + n > PXI_LIMIT_PEERSTORE_BYTES)
        if (!evict(h, e))
            return false;
    e->bytes += n;
    h->peer_bytes += n;
    return true;
}

struct pxi_peer_entry *pxi_peer_need(struct pxi_host *h, const struct pxi_peer *p)
{
    struct pxi_peer_entry *e = pxi_peer_find(h, p);
    if (e) {
        pxi_list_remove(&e->age);
        pxi_list_add(&h->peers, &e->age);
        return e;
    }
    unsigned max = h->o.peers_max ? h->o.peers_max : PXI_LIMIT_PEERSTORE_PEERS;
    if (h->peer_count >= max && !evict(h, NULL))
        return NULL;
    if (h->peer_count >= h->bucket_count && !grow(h))
        return NULL;
    e = pxi_calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->peer = *p;
    pxi_list_init(&e->conns);
    pxi_list_add(&h->peers, &e->age);
    struct pxi_peer_entry **slot = &h->buckets[hash_of(p) & (h->bucket_count - 1)];
    e->next = *slot;
    *slot = e;
    h->peer_count++;
    return e;
}

void pxi_peers_free(struct pxi_host *h)
{
    while (!pxi_list_empty(&h->peers))
        entry_free(h, PXI_OF(h->peers.next, struct pxi_peer_entry, age));
    pxi_free(h->buckets);
}

/* ------------------------------------------------------------- addresses */

/* An address without the /p2p of its peer at the end: that is known from the entry. */
static px_view bare(px_view addr, const struct pxi_peer *p)
{
    struct pxi_maddr_part part;
    size_t at = 0, last = addr.n;
    bool own = false;
    while (pxi_maddr_next(addr, &at, &part)) {
        own = part.code == PXI_MA_P2P && px_view_equal(part.value, pxi_peer_view(p));
        last = part.offset;
    }
    return own ? px_view_of(addr.p, last) : addr;
}

static void addr_drop(struct pxi_host *h, struct pxi_peer_entry *e, struct pxi_peer_addr **slot)
{
    struct pxi_peer_addr *a = *slot;
    *slot = a->next;
    give_back(h, e, sizeof *a + a->n);
    pxi_free(a);
}

static void drop_expired(struct pxi_host *h, struct pxi_peer_entry *e, unsigned *count)
{
    *count = 0;
    for (struct pxi_peer_addr **slot = &e->addrs; *slot;) {
        if ((*slot)->expires_ns > h->o.timers->now_ns) {
            slot = &(*slot)->next;
            ++*count;
        } else {
            addr_drop(h, e, slot);
        }
    }
}

/* A full list gives up an address that failed, or one that expires before the new one would: others
 * can tell us 32 addresses of a peer that lead nowhere. */
static bool addr_make_room(struct pxi_host *h, struct pxi_peer_entry *e, uint64_t until_ns)
{
    struct pxi_peer_addr **worst = NULL;
    for (struct pxi_peer_addr **slot = &e->addrs; *slot; slot = &(*slot)->next)
        if (!worst || (*slot)->failures > (*worst)->failures ||
            ((*slot)->failures == (*worst)->failures &&
             (*slot)->expires_ns <= (*worst)->expires_ns))
            worst = slot;
    if (!worst || (!(*worst)->failures && (*worst)->expires_ns >= until_ns))
        return false;
    addr_drop(h, e, worst);
    return true;
}

static struct pxi_peer_addr *addr_find(struct pxi_peer_entry *e, px_view addr)
{
    struct pxi_peer_addr *a = e->addrs;
    while (a && !px_view_equal(px_view_of(a->b, a->n), addr))
        a = a->next;
    return a;
}

void pxi_peer_addr_add(struct pxi_host *h, const struct pxi_peer *p, px_view maddr, uint64_t ttl_ns)
{
    px_view addr = bare(maddr, p);
    if (!addr.n || addr.n > PXI_MADDR_MAX || pxi_peer_equal(p, &h->self))
        return;
    struct pxi_peer_entry *e = pxi_peer_need(h, p);
    if (!e)
        return;
    uint64_t now = h->o.timers->now_ns, until = now + ttl_ns < now ? PXI_NEVER : now + ttl_ns;
    struct pxi_peer_addr *a = addr_find(e, addr);
    if (a) {
        a->expires_ns = a->expires_ns > until ? a->expires_ns : until;
        return;
    }
    unsigned count;
    drop_expired(h, e, &count);
    if (count >= PXI_LIMIT_PEERSTORE_ADDRS && !addr_make_room(h, e, until))
        return;
    if (!take(h, e, sizeof *a + addr.n))
        return;
    a = pxi_calloc(1, sizeof *a + addr.n);
    if (!a) {
        give_back(h, e, sizeof *a + addr.n);
        return;
    }
    a->expires_ns = until;
    a->n = (uint16_t)addr.n;
    memcpy(a->b, addr.p, addr.n);
    a->next = e->addrs;
    e->addrs = a;
}

unsigned pxi_peer_addrs(struct pxi_host *h, const struct pxi_peer *p, px_view *out, unsigned cap)
{
    struct pxi_peer_entry *e = pxi_peer_find(h, p);
    unsigned count = 0, n = 0;
    if (!e)
        return 0;
    drop_expired(h, e, &count);
    for (struct pxi_peer_addr *a = e->addrs; a && n < cap; a = a->next)
        out[n++] = px_view_of(a->b, a->n);
    return n;
}

/* Back-off after failures: 5 seconds, doubled up to about 5 minutes. */
void pxi_peer_addr_result(struct pxi_host *h, const struct pxi_peer *p, px_view addr, bool ok)
{
    struct pxi_peer_entry *e = pxi_peer_find(h, p);
    struct pxi_peer_addr *a = e ? addr_find(e, bare(addr, p)) : NULL;
    if (!a)
        return;
    if (ok) {
        a->failures = 0;
        a->retry_ns = 0;
    } else {
        a->failures = (uint16_t)(a->failures < 6 ? a->failures + 1 : 6);
        a->retry_ns = h->o.timers->now_ns + (5 * PXI_SECOND << a->failures) / 2;
    }
}

/* -------------------------------------------------------- what peers serve */

void pxi_peer_set_protocols(struct pxi_host *h, const struct pxi_peer *p, const px_view *protocols,
                            unsigned count)
{
    struct pxi_peer_entry *e = pxi_peer_need(h, p);
    if (!e || !take(h, e, count * sizeof *e->protocols))
        return;
    uint32_t *hashes = count ? pxi_calloc(count, sizeof *hashes) : NULL;
    if (count && !hashes) {
        give_back(h, e, count * sizeof *hashes);
        return;
    }
    give_back(h, e, e->protocol_count * sizeof *hashes);
    for (unsigned i = 0; i < count; i++)
        hashes[i] = protocol_hash(protocols[i]);
    pxi_free(e->protocols);
    e->protocols = hashes;
    e->protocol_count = (uint16_t)count;
    e->identified = true;
}

int pxi_peer_supports(struct pxi_host *h, const struct pxi_peer *p, const char *protocol)
{
    struct pxi_peer_entry *e = pxi_peer_find(h, p);
    if (!e || !e->identified)
        return -1;
    uint32_t hash = protocol_hash(px_view_str(protocol));
    for (unsigned i = 0; i < e->protocol_count; i++)
        if (e->protocols[i] == hash)
            return 1;
    return 0;
}

void pxi_peer_set_identify(struct pxi_host *h, const struct pxi_peer *p, px_view message)
{
    struct pxi_peer_entry *e = pxi_peer_need(h, p);
    if (!e)
        return;
    give_back(h, e, e->identify.n);
    pxi_buf_deinit(&e->identify);
    e->identify = (struct pxi_buf){.max = PXI_LIMIT_IDENTIFY_BYTES};
    if (take(h, e, message.n) && !pxi_buf_add(&e->identify, message.p, message.n))
        give_back(h, e, message.n);
}

px_view pxi_peer_identify(struct pxi_host *h, const struct pxi_peer *p)
{
    struct pxi_peer_entry *e = pxi_peer_find(h, p);
    return e ? px_view_of(e->identify.p, e->identify.n) : px_view_of(NULL, 0);
}
