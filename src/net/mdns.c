/* The mDNS machine: when to ask, what to answer, what to believe. */
#include "net/mdns.h"

#include <stdio.h>

#include "base/limits.h"
#include "net/dns.h"

enum {
    LABEL = 36, /* of our own name: random, so that it says nothing */
    TTL_S = 120,
    JITTER_MS = 100, /* answers of many do not collide */
    INTERVAL_MS = 10000,
    INTERVAL_MAX_MS = 600000,
    DATAGRAM_MIN = 12,
    DATAGRAM_MAX = 9000,
    SRV_PORT = 4001, /* says nothing: the addresses are in the TXT record */
};

/* What can be asked: who is there, which services are there, our own details. */
enum asked { ASKED_SERVICE, ASKED_META, ASKED_OURS, ASKED };

struct link {
    struct pxi_list link;
    struct pxi_mdns *mdns;
    struct pxi_timer timer;   /* of the answers that wait */
    uint64_t ready_ns[ASKED]; /* no answer to this question before */
    uint64_t period_ns;       /* start of the second in which datagrams are counted */
    unsigned index, datagrams, prefix_count;
    bool waiting[ASKED];
    struct pxi_mdns_prefix prefixes[PXI_MDNS_PREFIXES];
};

struct pxi_mdns {
    struct pxi_mdns_options o;
    struct pxi_timers *timers;
    struct pxi_timer ask;
    struct pxi_watch watch;
    struct pxi_list links;
    struct pxi_dns_name service, meta, name, hostname;
    uint64_t interval_ns, period_ns;
    unsigned link_count, found; /* peers reported in this second */
    struct pxi_mdns_stats stats;
    struct pxi_dns_writer out;
};

/* ------------------------------------------------------------------ prefixes */

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return !rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool on_link(const struct link *l, const struct pxi_endpoint *e)
{
    for (unsigned i = 0; i < l->prefix_count; i++)
        if (l->prefixes[i].family == e->family &&
            same_bits(l->prefixes[i].ip, e->ip, l->prefixes[i].bits))
            return true;
    return false;
}

/* Link-local IPv6 reaches us on this link only. */
static bool source_on_link(const struct link *l, const struct pxi_endpoint *e)
{
    if (on_link(l, e))
        return true;
    for (unsigned i = 0; i < l->prefix_count; i++)
        if (l->prefixes[i].family == 6 && e->family == 6)
            return pxi_ip_kind_of(e) == PXI_IP_LINK;
    return false;
}

static bool unspecified(const struct pxi_endpoint *e)
{
    static const uint8_t zero[16];
    return memcmp(e->ip, zero, e->family == 6 ? 16 : 4) == 0;
}

/* ------------------------------------------------------------------- answers */

/* One address as a string of the TXT record, if it fits. */
static void put_address(struct pxi_mdns *m, const struct pxi_maddr *bare)
{
    char text[8 + PXI_MADDR_TEXT] = "dnsaddr=";
    struct pxi_maddr full = *bare;
    if (!pxi_maddr_add(&full, PXI_MA_P2P, pxi_peer_view(pxi_host_self(m->o.host))))
        return;
    pxi_maddr_text(pxi_maddr_view(&full), text + 8);
    size_t n = strlen(text);
    if (n > 255 || n + 1 > pxi_dns_room(&m->out))
        return;
    uint8_t length = (uint8_t)n;
    pxi_dns_put(&m->out, &length, 1);
    pxi_dns_put(&m->out, text, n);
    m->stats.addresses++;
}

/* An address of ours, as it is reached on this link: one that listens anywhere stands for all. */
static void put_own(struct link *l, px_view addr)
{
    struct pxi_endpoint e;
    if (pxi_endpoint_of(addr, &e) != PX_ERR_OK || e.relayed || !e.family || !e.port)
        return;
    if (!unspecified(&e)) {
        struct pxi_maddr a = {.n = (uint16_t)addr.n};
        memcpy(a.b, addr.p, addr.n);
        if (on_link(l, &e) && pxi_ip_kind_of(&e) != PXI_IP_LINK)
            put_address(l->mdns, &a);
        return;
    }
    for (unsigned i = 0; i < l->prefix_count; i++) {
        memcpy(e.ip, l->prefixes[i].ip, sizeof e.ip);
        if (l->prefixes[i].family != e.family || pxi_ip_kind_of(&e) == PXI_IP_LINK)
            continue;
        struct pxi_maddr a = pxi_endpoint_maddr(&e);
        put_address(l->mdns, &a);
    }
}

static void put_txt(struct link *l, bool additional)
{
    struct pxi_mdns *m = l->mdns;
    px_view a;
    pxi_dns_put_record(&m->out, &m->name, PXI_DNS_TXT, PXI_DNS_IN | PXI_DNS_FLUSH, TTL_S);
    for (unsigned i = 0; (a = pxi_host_addr(m->o.host, i)).n; i++)
        put_own(l, a);
    pxi_dns_end_record(&m->out, additional);
}

static void put_pointer(struct pxi_mdns *m, const struct pxi_dns_name *from,
                        const struct pxi_dns_name *to)
{
    pxi_dns_put_record(&m->out, from, PXI_DNS_PTR, PXI_DNS_IN, TTL_S);
    pxi_dns_put_name(&m->out, to);
    pxi_dns_end_record(&m->out, false);
}

/* For browsers of services that know nothing of dnsaddr. */
static void put_srv(struct link *l, bool additional)
{
    struct pxi_mdns *m = l->mdns;
    static const uint8_t where[6] = {0, 0, 0, 0, SRV_PORT >> 8, SRV_PORT & 0xff};
    pxi_dns_put_record(&m->out, &m->name, PXI_DNS_SRV, PXI_DNS_IN | PXI_DNS_FLUSH, TTL_S);
    pxi_dns_put(&m->out, where, sizeof where);
    pxi_dns_put_name(&m->out, &m->hostname);
    pxi_dns_end_record(&m->out, additional);
}

static void put_host(struct link *l)
{
    struct pxi_mdns *m = l->mdns;
    for (unsigned i = 0; i < l->prefix_count; i++) {
        const struct pxi_mdns_prefix *p = &l->prefixes[i];
        pxi_dns_put_record(&m->out, &m->hostname, p->family == 6 ? PXI_DNS_AAAA : PXI_DNS_A,
                           PXI_DNS_IN | PXI_DNS_FLUSH, TTL_S);
        pxi_dns_put(&m->out, p->ip, p->family == 6 ? 16 : 4);
        pxi_dns_end_record(&m->out, true);
    }
}

static void answer(struct link *l, enum asked what)
{
    struct pxi_mdns *m = l->mdns;
    pxi_dns_begin(&m->out, true);
    if (what == ASKED_META) {
        put_pointer(m, &m->meta, &m->service);
    } else {
        if (what == ASKED_SERVICE)
            put_pointer(m, &m->service, &m->name);
        put_txt(l, what == ASKED_SERVICE);
        put_srv(l, what == ASKED_SERVICE);
        put_host(l);
    }
    m->stats.answers++;
    m->o.send(m->o.ctx, l->index, px_view_of(m->out.b, m->out.n));
}

static void arm(struct link *l)
{
    uint64_t first = PXI_NEVER;
    for (int i = 0; i < ASKED; i++)
        if (l->waiting[i] && l->ready_ns[i] < first)
            first = l->ready_ns[i];
    if (first != PXI_NEVER)
        pxi_timer_arm(l->mdns->timers, &l->timer, first);
}

static void fire_answers(struct pxi_timer *t, uint64_t now_ns)
{
    struct link *l = PXI_OF(t, struct link, timer);
    for (int i = 0; i < ASKED; i++) {
        if (!l->waiting[i] || l->ready_ns[i] > now_ns)
            continue;
        l->waiting[i] = false;
        l->ready_ns[i] = now_ns + PXI_SECOND; /* one a second, whoever asks */
        answer(l, (enum asked)i);
    }
    arm(l);
}

static uint64_t jitter(struct pxi_mdns *m)
{
    return pxi_random_u64(pxi_host_random(m->o.host)) % JITTER_MS * PXI_MS;
}

/* An answer is due: after a short random time, and a second after the one before. */
static void want_answer(struct link *l, enum asked what)
{
    if (l->waiting[what])
        return;
    uint64_t at = l->mdns->timers->now_ns + 20 * PXI_MS + jitter(l->mdns);
    if (at > l->ready_ns[what])
        l->ready_ns[what] = at;
    l->waiting[what] = true;
    arm(l);
}

/* ------------------------------------------------------------------ questions */

static void fire_ask(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_mdns *m = PXI_OF(t, struct pxi_mdns, ask);
    pxi_dns_begin(&m->out, false);
    pxi_dns_put_question(&m->out, &m->service, PXI_DNS_PTR);
    for (struct pxi_list *l = m->links.next; l != &m->links; l = l->next) {
        m->stats.queries++;
        m->o.send(m->o.ctx, PXI_OF(l, struct link, link)->index, px_view_of(m->out.b, m->out.n));
    }
    pxi_timer_after(m->timers, &m->ask, m->interval_ns + jitter(m));
    m->interval_ns *= 2;
    if (m->interval_ns > m->o.interval_max_ms * PXI_MS)
        m->interval_ns = m->o.interval_max_ms * PXI_MS;
}

/* Something changed: ask as in the beginning, and tell. */
static void begin_anew(struct pxi_mdns *m)
{
    m->interval_ns = m->o.interval_ms * PXI_MS;
    pxi_timer_after(m->timers, &m->ask, 20 * PXI_MS + jitter(m));
    for (struct pxi_list *l = m->links.next; l != &m->links; l = l->next)
        want_answer(PXI_OF(l, struct link, link), ASKED_SERVICE);
}

static void on_addrs_changed(struct pxi_watch *w)
{
    begin_anew(PXI_OF(w, struct pxi_mdns, watch));
}

static void on_question(struct link *l, const struct pxi_dns_record *q)
{
    struct pxi_mdns *m = l->mdns;
    uint16_t class = q->class & ~PXI_DNS_FLUSH;
    bool any = q->type == PXI_DNS_ANY;
    if (class != PXI_DNS_IN && class != PXI_DNS_ANY)
        return;
    if (pxi_dns_name_equal(&q->name, &m->service) && (any || q->type == PXI_DNS_PTR))
        want_answer(l, ASKED_SERVICE);
    else if (pxi_dns_name_equal(&q->name, &m->meta) && (any || q->type == PXI_DNS_PTR))
        want_answer(l, ASKED_META);
    else if (pxi_dns_name_equal(&q->name, &m->name) &&
             (any || q->type == PXI_DNS_TXT || q->type == PXI_DNS_SRV))
        want_answer(l, ASKED_OURS);
    else if (pxi_dns_name_equal(&q->name, &m->hostname))
        want_answer(l, ASKED_OURS);
}

/* -------------------------------------------------------------------- hearing */

/* Peers that one datagram told of. */
struct heard {
    struct pxi_peer peer[PXI_LIMIT_MDNS_PEERS];
    unsigned count;
};

static void note_peer(struct heard *h, const struct pxi_peer *p)
{
    for (unsigned i = 0; i < h->count; i++)
        if (pxi_peer_equal(&h->peer[i], p))
            return;
    if (h->count < PXI_LIMIT_MDNS_PEERS)
        h->peer[h->count++] = *p;
}

/* "dnsaddr=/ip4/../tcp/../p2p/..", of another peer, on this link. */
static bool on_address(struct link *l, struct heard *h, px_view text, uint64_t ttl_ns)
{
    struct pxi_mdns *m = l->mdns;
    struct pxi_maddr a;
    struct pxi_endpoint e;
    struct pxi_maddr_part p2p;
    if (text.n < 8 || memcmp(text.p, "dnsaddr=", 8) != 0)
        return true; /* another attribute */
    text = px_view_of(text.p + 8, text.n - 8);
    if (pxi_maddr_parse(text, &a, NULL) != PX_ERR_OK)
        return false;
    px_view addr = pxi_maddr_view(&a);
    if (pxi_endpoint_of(addr, &e) != PX_ERR_OK || e.relayed || !e.peer.n || !e.port ||
        !pxi_maddr_find(addr, PXI_MA_P2P, &p2p))
        return false;
    if (pxi_peer_equal(&e.peer, pxi_host_self(m->o.host)))
        return true;
    enum pxi_ip_kind kind = pxi_ip_kind_of(&e);
    if (kind == PXI_IP_LOOPBACK || kind == PXI_IP_LINK || !on_link(l, &e))
        return false;
    addr.n = p2p.offset;
    pxi_peer_addr_add(m->o.host, &e.peer, addr, ttl_ns);
    note_peer(h, &e.peer);
    return true;
}

static void on_txt(struct link *l, struct heard *h, const struct pxi_dns_record *r)
{
    px_view text;
    uint32_t ttl = r->ttl_s < PXI_LIMIT_MDNS_TTL_S ? r->ttl_s : PXI_LIMIT_MDNS_TTL_S;
    unsigned count = 0;
    for (size_t at = 0; pxi_dns_string(r->data, &at, &text);) {
        if (++count > PXI_LIMIT_MDNS_ADDRS) {
            l->mdns->stats.limited++;
            return;
        }
        if (!on_address(l, h, text, ttl * PXI_SECOND))
            l->mdns->stats.dropped++;
    }
}

/* Tell the host, as far as a second has room for. */
static void report(struct pxi_mdns *m, const struct heard *h)
{
    uint64_t now = m->timers->now_ns;
    if (now - m->period_ns >= PXI_SECOND) {
        m->period_ns = now;
        m->found = 0;
    }
    for (unsigned i = 0; i < h->count; i++) {
        if (m->found >= PXI_LIMIT_MDNS_FOUND) {
            m->stats.limited++;
            return;
        }
        m->found++;
        pxi_host_discovered(m->o.host, &h->peer[i]);
    }
}

static bool on_message(struct link *l, px_view datagram, bool from_port, struct heard *h)
{
    struct pxi_mdns *m = l->mdns;
    struct pxi_dns_reader r;
    struct pxi_dns_record rec;
    int got;
    if (!pxi_dns_open(&r, datagram))
        return false;
    if (r.response && !from_port)
        return true; /* RFC 6762, 11: a response comes from the port of mDNS */
    while ((got = pxi_dns_question(&r, &rec)) == 1)
        if (!r.response)
            on_question(l, &rec);
    if (got < 0 || !r.response)
        return got == 0;
    while ((got = pxi_dns_record(&r, &rec)) == 1)
        if (rec.type == PXI_DNS_TXT && (rec.class & ~PXI_DNS_FLUSH) == PXI_DNS_IN && rec.ttl_s &&
            pxi_dns_name_is_under(&rec.name, &m->service) &&
            !pxi_dns_name_equal(&rec.name, &m->name) && h->count < PXI_LIMIT_MDNS_PEERS)
            on_txt(l, h, &rec);
    return got == 0;
}

static struct link *find_link(struct pxi_mdns *m, unsigned index)
{
    for (struct pxi_list *l = m->links.next; l != &m->links; l = l->next)
        if (PXI_OF(l, struct link, link)->index == index)
            return PXI_OF(l, struct link, link);
    return NULL;
}

static bool too_many(struct link *l)
{
    uint64_t now = l->mdns->timers->now_ns;
    if (now - l->period_ns >= PXI_SECOND) {
        l->period_ns = now;
        l->datagrams = 0;
    }
    return ++l->datagrams > PXI_LIMIT_MDNS_DATAGRAMS;
}

void pxi_mdns_input(struct pxi_mdns *m, unsigned index, const struct pxi_endpoint *source,
                    px_view datagram)
{
    struct link *l = find_link(m, index);
    struct heard h = {.count = 0};
    if (!l || !source_on_link(l, source)) {
        m->stats.off_link++;
        pxi_host_faults(m->o.host)->n[PXI_FAULT_MDNS]++;
        return;
    }
    if (too_many(l)) {
        m->stats.limited++;
        return;
    }
    m->stats.heard++;
    if (datagram.n < DATAGRAM_MIN || datagram.n > DATAGRAM_MAX ||
        !on_message(l, datagram, source->port == PXI_MDNS_PORT, &h)) {
        m->stats.malformed++;
        pxi_host_faults(m->o.host)->n[PXI_FAULT_MDNS]++;
    }
    report(m, &h);
}

/* ---------------------------------------------------------------------- links */

static void free_link(struct link *l)
{
    pxi_timer_disarm(l->mdns->timers, &l->timer);
    pxi_list_remove(&l->link);
    l->mdns->link_count--;
    pxi_free(l);
}

px_err pxi_mdns_link(struct pxi_mdns *m, unsigned index, const struct pxi_mdns_prefix *prefixes,
                     unsigned count)
{
    struct link *l = find_link(m, index);
    if (count > PXI_MDNS_PREFIXES)
        count = PXI_MDNS_PREFIXES;
    if (!count) {
        if (l)
            free_link(l);
        return PX_ERR_OK;
    }
    for (unsigned i = 0; i < count; i++)
        if (!(prefixes[i].family == 4 && prefixes[i].bits <= 32) &&
            !(prefixes[i].family == 6 && prefixes[i].bits <= 128))
            return PX_ERR_INVALID;
    if (l && l->prefix_count == count &&
        memcmp(l->prefixes, prefixes, count * sizeof *prefixes) == 0)
        return PX_ERR_OK;
    if (!l && m->link_count >= PXI_LIMIT_MDNS_LINKS)
        return PX_ERR_LIMIT;
    if (!l && !(l = pxi_calloc(1, sizeof *l)))
        return PX_ERR_NOMEM;
    if (!l->mdns) {
        l->mdns = m;
        l->index = index;
        l->timer.fire = fire_answers;
        pxi_list_add(&m->links, &l->link);
        m->link_count++;
    }
    memcpy(l->prefixes, prefixes, count * sizeof *prefixes);
    l->prefix_count = count;
    begin_anew(m);
    return PX_ERR_OK;
}

/* ----------------------------------------------------------------- life */

static bool make_names(struct pxi_mdns *m)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char label[64] = "_p2p";
    uint8_t own[LABEL];
    if (m->o.fingerprint.n > 28)
        return false;
    for (size_t i = 0; i < m->o.fingerprint.n; i++) {
        size_t n = i ? 5 + 2 * i : 4;
        snprintf(label + n, sizeof label - n, "%s%02x", i ? "" : "-", m->o.fingerprint.p[i]);
    }
    struct pxi_dns_name udp = pxi_dns_name_of(px_view_str("_udp.local"));
    struct pxi_dns_name p2p = pxi_dns_name_of(px_view_str("p2p.local"));
    for (unsigned i = 0; i < LABEL; i++)
        own[i] = (uint8_t)letters[pxi_random_u64(pxi_host_random(m->o.host)) % 36];
    m->meta = pxi_dns_name_of(px_view_str("_services._dns-sd._udp.local"));
    m->service = pxi_dns_name_under(px_view_str(label), &udp);
    m->name = pxi_dns_name_under(px_view_of(own, LABEL), &m->service);
    m->hostname = pxi_dns_name_under(px_view_of(own, LABEL), &p2p);
    return m->service.n && m->name.n && m->hostname.n;
}

struct pxi_mdns *pxi_mdns_new(const struct pxi_mdns_options *o)
{
    struct pxi_mdns *m = pxi_calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->o = *o;
    m->timers = pxi_host_timers(o->host);
    pxi_list_init(&m->links);
    if (!make_names(m)) {
        pxi_free(m);
        return NULL;
    }
    m->o.fingerprint = px_view_of(NULL, 0); /* borrowed for this call */
    if (!m->o.interval_ms)
        m->o.interval_ms = INTERVAL_MS;
    if (!m->o.interval_max_ms)
        m->o.interval_max_ms =
            m->o.interval_ms < INTERVAL_MAX_MS / 16 ? 16 * m->o.interval_ms : INTERVAL_MAX_MS;
    if (m->o.interval_max_ms < m->o.interval_ms)
        m->o.interval_max_ms = m->o.interval_ms;
    m->ask.fire = fire_ask;
    m->watch.addrs_changed = on_addrs_changed;
    pxi_host_watch(o->host, &m->watch);
    begin_anew(m);
    return m;
}

void pxi_mdns_free(struct pxi_mdns *m)
{
    if (!m)
        return;
    pxi_timer_disarm(m->timers, &m->ask);
    pxi_host_unwatch(&m->watch);
    while (!pxi_list_empty(&m->links))
        free_link(PXI_OF(m->links.next, struct link, link));
    pxi_free(m);
}

struct pxi_mdns_stats pxi_mdns_stats(const struct pxi_mdns *m)
{
    return m->stats;
}
