#include "net/host.h"

#include "net/host_impl.h"
#include "net/negotiate.h"

static void addrs_fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_host *h = PXI_OF(t, struct pxi_host, addrs_timer);
    for (struct pxi_list *l = h->watches.next, *next; l != &h->watches; l = next) {
        struct pxi_watch *w = PXI_OF(l, struct pxi_watch, link);
        next = l->next;
        if (w->addrs_changed)
            w->addrs_changed(w);
    }
}

struct pxi_host *pxi_host_new(const struct pxi_host_options *o)
{
    struct pxi_host *h = pxi_calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->o = *o;
    h->self = pxi_peer_of_key(pxi_key_public(o->key));
    h->addrs_timer.fire = addrs_fire;
    struct pxi_list *lists[] = {&h->conns,   &h->watches,  &h->transports,
                                &h->reaches, &h->dialings, &h->peers};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        pxi_list_init(lists[i]);
    struct pxi_net_limits limits = o->limits ? *o->limits : pxi_net_limits_default();
    h->limiter = pxi_limiter_new(&limits);
    if (!h->limiter) {
        pxi_free(h);
        return NULL;
    }
    pxi_spare_init(&h->spare, h->o.timers, h->o.random);
    return h;
}

void pxi_host_close(struct pxi_host *h)
{
    h->freeing = true;
    pxi_reach_free_all(h);
    while (!pxi_list_empty(&h->conns)) {
        struct pxi_conn *c = PXI_OF(h->conns.next, struct pxi_conn, link);
        c->ops->close(c, PX_ERR_OK);
        if (!pxi_list_empty(&h->conns) && h->conns.next == &c->link)
            pxi_conn_on_closed(c, PX_ERR_OK); /* a carrier tells later: do not wait */
    }
}

void pxi_host_free(struct pxi_host *h)
{
    if (!h)
        return;
    pxi_host_close(h);
    pxi_timer_disarm(h->o.timers, &h->addrs_timer);
    pxi_spare_deinit(&h->spare);
    pxi_proofs_deinit(&h->proofs);
    pxi_peers_free(h);
    pxi_limiter_free(h->limiter);
    pxi_free(h->handlers);
    pxi_free(h->addrs);
    pxi_free(h);
}

const struct pxi_peer *pxi_host_self(const struct pxi_host *h)
{
    return &h->self;
}
const struct pxi_key *pxi_host_key(const struct pxi_host *h)
{
    return h->o.key;
}
const char *pxi_host_agent(const struct pxi_host *h)
{
    return h->o.agent ? h->o.agent : "plexus";
}
struct pxi_timers *pxi_host_timers(struct pxi_host *h)
{
    return h->o.timers;
}
struct pxi_random *pxi_host_random(struct pxi_host *h)
{
    return h->o.random;
}
struct pxi_proofs *pxi_host_proofs(struct pxi_host *h)
{
    return &h->proofs;
}
struct pxi_spare *pxi_host_spare(struct pxi_host *h)
{
    return &h->spare;
}
uint64_t pxi_host_wall_s(struct pxi_host *h)
{
    return h->o.wall_s ? h->o.wall_s() : 0;
}
bool pxi_host_simulated(const struct pxi_host *h)
{
    return h->o.simulated;
}
struct pxi_faults *pxi_host_faults(struct pxi_host *h)
{
    return &h->faults;
}
struct pxi_limiter *pxi_host_limiter(struct pxi_host *h)
{
    return h->limiter;
}

/* ------------------------------------------------------------- protocols */

/* Ids without the slash in front are accepted on the wire. */
static px_view slashless(px_view name)
{
    return name.n && name.p[0] == '/' ? px_view_of(name.p + 1, name.n - 1) : name;
}

const struct pxi_handler *pxi_host_handler(const struct pxi_host *h, px_view name)
{
    name = slashless(name);
    for (unsigned i = 0; i < h->handler_count; i++) {
        const struct pxi_handler *p = &h->handlers[i];
        if (px_view_equal(slashless(px_view_of(p->protocol, p->length)), name))
            return p;
    }
    return NULL;
}

px_err pxi_host_handle(struct pxi_host *h, const char *protocol, unsigned flags,
                       void (*accept)(void *ctx, struct pxi_stream *s), void *ctx)
{
    struct pxi_handler row = {protocol, strlen(protocol), flags, accept, ctx};
    struct pxi_handler *old =
        (struct pxi_handler *)pxi_host_handler(h, px_view_of(protocol, row.length));
    if (old) {
        *old = row;
        return PX_ERR_OK;
    }
    struct pxi_handler *more = pxi_realloc(h->handlers, h->handler_count + 1, sizeof *more);
    if (!more)
        return PX_ERR_NOMEM;
    h->handlers = more;
    more[h->handler_count++] = row;
    pxi_host_addrs_changed(h);
    return PX_ERR_OK;
}

void pxi_host_unhandle(struct pxi_host *h, const char *protocol)
{
    for (unsigned i = 0; i < h->handler_count; i++)
        if (strcmp(h->handlers[i].protocol, protocol) == 0) {
            h->handler_count--;
            memmove(&h->handlers[i], &h->handlers[i + 1],
                    (h->handler_count - i) * sizeof *h->handlers);
            pxi_host_addrs_changed(h);
            return;
        }
}

const char *pxi_host_protocol(const struct pxi_host *h, unsigned i)
{
    return i < h->handler_count ? h->handlers[i].protocol : NULL;
}

struct pxi_stream *pxi_host_open(struct pxi_conn *c, const char *const *protocols, unsigned count,
                                 const struct pxi_stream_events *on, void *user)
{
    if (!c->host || c->closing)
        return NULL;
    struct pxi_scope_stream *scope = NULL;
    if (c->scope && pxi_scope_stream_open(c->scope, true, &scope) != PX_ERR_OK)
        return NULL;
    struct pxi_stream *s = c->ops->open(c);
    if (!s) {
        if (scope)
            pxi_scope_stream_close(scope);
        return NULL;
    }
    s->scope = scope;
    if (!pxi_negotiate_outbound(s, protocols, count)) {
        pxi_stream_reset(s);
        return NULL;
    }
    pxi_stream_own(s, on, user);
    return s;
}

/* ---------------------------------------------------------- connections */

static bool usable(const struct pxi_conn *c, bool limited_ok)
{
    return !c->closing && (limited_ok || !c->limited);
}

struct pxi_conn *pxi_host_conn(struct pxi_host *h, const struct pxi_peer *p, bool limited_ok)
{
    struct pxi_peer_entry *e = pxi_peer_find(h, p);
    struct pxi_conn *best = NULL;
    if (!e)
        return NULL;
    for (struct pxi_list *l = e->conns.next; l != &e->conns; l = l->next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, peer_link);
        if (usable(c, limited_ok) && (!best || (best->limited && !c->limited)))
            best = c;
    }
    return best;
}

struct pxi_list *pxi_host_conns(struct pxi_host *h)
{
    return &h->conns;
}
unsigned pxi_host_conn_count(const struct pxi_host *h)
{
    return h->conn_count;
}

void pxi_host_hangup(struct pxi_host *h, const struct pxi_peer *p)
{
    struct pxi_peer_entry *e = pxi_peer_find(h, p);
    if (!e)
        return;
    for (struct pxi_list *l = e->conns.next, *next; l != &e->conns; l = next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, peer_link);
        next = l->next;
        if (!c->closing) {
            c->closing = true;
            c->ops->close(c, PX_ERR_OK);
        }
    }
}

void pxi_host_protect(struct pxi_host *h, const struct pxi_peer *p, int by)
{
    struct pxi_peer_entry *e = pxi_peer_need(h, p);
    if (!e)
        return;
    int now = e->protect + by;
    e->protect = (uint16_t)(now < 0 ? 0 : now);
    for (struct pxi_list *l = e->conns.next; l != &e->conns; l = l->next)
        PXI_OF(l, struct pxi_conn, peer_link)->protect = e->protect;
}

void pxi_host_gate(struct pxi_host *h, bool (*allow)(void *ctx, const struct pxi_peer *p),
                   void *ctx)
{
    h->allow = allow;
    h->allow_ctx = ctx;
}

/* The rules that every new connection passes; then it is in the tables and watchers hear of it. */
static px_err admit(struct pxi_host *h, struct pxi_conn *c)
{
    if (h->freeing)
        return PX_ERR_REFUSED;
    if (h->allow && !h->allow(h->allow_ctx, &c->peer)) {
        pxi_host_fault(h, PXI_FAULT_GATED);
        return PX_ERR_REFUSED;
    }
    if (pxi_peer_equal(&c->peer, &h->self))
        return PX_ERR_REFUSED;
    px_err err = c->scope ? pxi_scope_conn_peer(c->scope, &c->peer) : PX_ERR_OK;
    if (err != PX_ERR_OK) {
        pxi_host_fault(h, PXI_FAULT_LIMIT);
        return err;
    }
    struct pxi_peer_entry *e = pxi_peer_need(h, &c->peer);
    if (!e)
        return PX_ERR_NOMEM;
    c->host = h;
    c->opened_ns = c->used_ns = h->o.timers->now_ns;
    c->protect = e->protect;
    pxi_list_add(&h->conns, &c->link);
    pxi_list_add(&e->conns, &c->peer_link);
    h->conn_count++;
    return PX_ERR_OK;
}

static void tell(struct pxi_host *h, struct pxi_conn *c, bool up)
{
    for (struct pxi_list *l = h->watches.next, *next; l != &h->watches; l = next) {
        struct pxi_watch *w = PXI_OF(l, struct pxi_watch, link);
        next = l->next;
        void (*fn)(struct pxi_watch * w, struct pxi_conn * c) = up ? w->connected : w->disconnected;
        if (fn)
            fn(w, c);
    }
}

px_err pxi_host_add_conn(struct pxi_host *h, struct pxi_conn *c)
{
    px_err err = admit(h, c);
    if (err == PX_ERR_OK) {
        tell(h, c, true);
        pxi_reach_on_conn(h, c);
    }
    return err;
}

void pxi_host_drop_conn(struct pxi_host *h, struct pxi_conn *c)
{
    pxi_list_remove(&c->link);
    pxi_list_remove(&c->peer_link);
    h->conn_count--;
    tell(h, c, false);
}

/* ---------------------------------------------------------------- watches */

void pxi_host_watch(struct pxi_host *h, struct pxi_watch *w)
{
    pxi_list_add(&h->watches, &w->link);
}
void pxi_host_unwatch(struct pxi_watch *w)
{
    pxi_list_remove(&w->link);
}

void pxi_host_identified(struct pxi_host *h, const struct pxi_peer *p, struct pxi_conn *c)
{
    for (struct pxi_list *l = h->watches.next, *next; l != &h->watches; l = next) {
        struct pxi_watch *w = PXI_OF(l, struct pxi_watch, link);
        next = l->next;
        if (w->identified)
            w->identified(w, p, c);
    }
}

void pxi_host_discovered(struct pxi_host *h, const struct pxi_peer *p)
{
    for (struct pxi_list *l = h->watches.next, *next; l != &h->watches; l = next) {
        struct pxi_watch *w = PXI_OF(l, struct pxi_watch, link);
        next = l->next;
        if (w->discovered)
            w->discovered(w, p);
    }
}

/* ------------------------------------------------------------ own addresses */

void pxi_host_addrs_changed(struct pxi_host *h)
{
    if (!h->addrs_timer.armed)
        pxi_timer_after(h->o.timers, &h->addrs_timer, 0);
}

static struct pxi_own_addr *own_find(struct pxi_host *h, px_view addr)
{
    for (unsigned i = 0; i < h->addr_count; i++)
        if (px_view_equal(px_view_of(h->addrs[i].b, h->addrs[i].n), addr))
            return &h->addrs[i];
    return NULL;
}

px_err pxi_host_addr_add(struct pxi_host *h, px_view maddr, enum pxi_addr_source source)
{
    struct pxi_own_addr *a = own_find(h, maddr);
    if (maddr.n > PXI_MADDR_MAX || !maddr.n)
        return PX_ERR_INVALID;
    if (!a) {
        if (h->addr_count >= PXI_LIMIT_NET_OWN_ADDRS)
            return PX_ERR_LIMIT;
        struct pxi_own_addr *more = pxi_realloc(h->addrs, h->addr_count + 1, sizeof *more);
        if (!more)
            return PX_ERR_NOMEM;
        h->addrs = more;
        a = &more[h->addr_count++];
        *a = (struct pxi_own_addr){.n = (uint16_t)maddr.n};
        memcpy(a->b, maddr.p, maddr.n);
    }
    if (!(a->sources & 1u << source)) {
        a->sources |= (uint8_t)(1u << source);
        pxi_host_addrs_changed(h);
    }
    return PX_ERR_OK;
}

void pxi_host_addr_remove(struct pxi_host *h, px_view maddr, enum pxi_addr_source source)
{
    struct pxi_own_addr *a = own_find(h, maddr);
    if (!a || !(a->sources & 1u << source))
        return;
    a->sources &= (uint8_t) ~(1u << source);
    if (!a->sources)
        *a = h->addrs[--h->addr_count];
    pxi_host_addrs_changed(h);
}

px_view pxi_host_addr(const struct pxi_host *h, unsigned i)
{
    bool announced = false;
    for (unsigned k = 0; k < h->addr_count; k++)
        announced = announced || (h->addrs[k].sources & 1u << PXI_ADDR_ANNOUNCE);
    for (unsigned k = 0; k < h->addr_count; k++) {
        unsigned sources = h->addrs[k].sources;
        if (announced)
            sources &= ~(1u << PXI_ADDR_LISTEN | 1u << PXI_ADDR_OBSERVED);
        if (sources && i-- == 0)
            return px_view_of(h->addrs[k].b, h->addrs[k].n);
    }
    return px_view_of(NULL, 0);
}

void pxi_host_transport(struct pxi_host *h, struct pxi_transport *t)
{
    pxi_list_add(&h->transports, &t->link);
}
