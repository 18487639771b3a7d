/*
 * Reaching a peer: many wishes share one attempt (a dialing), which tries the peer's addresses one
 * after the other with a short head start each, in the manner of happy eyeballs (RFC 8305), until
 * one connects.
 */
#include "net/host_impl.h"

enum { CANDIDATES = 32, ACTIVE = 8 };
#define HEAD_START_NEAR (30 * PXI_MS) /* loopback and private networks */
#define HEAD_START_FAR  (250 * PXI_MS)

struct candidate {
    struct pxi_maddr addr;
    struct pxi_transport *transport;
    uint32_t rank; /* lower is earlier */
    bool far;
};

struct pxi_dialing {
    struct pxi_host *host;
    struct pxi_peer peer;
    struct pxi_list link, wishes, dials;
    struct candidate *candidates;
    unsigned count, next, active;
    struct pxi_timer timer; /* the next candidate's turn */
    px_err err;             /* the most telling failure so far */
    bool alone;             /* serves one wish only: a forced or an anonymous dial */
    bool at_once, simultaneous_server, fresh_port; /* as the one wish says */
};

static struct pxi_timers *timers(struct pxi_host *h)
{
    return h->o.timers;
}

/* ------------------------------------------------------------ candidates */

static struct pxi_transport *transport_for(struct pxi_host *h, const struct pxi_endpoint *e)
{
    for (struct pxi_list *l = h->transports.next; l != &h->transports; l = l->next) {
        struct pxi_transport *t = PXI_OF(l, struct pxi_transport, link);
        if (t->can_dial(t, e))
            return t;
    }
    return NULL;
}

static bool held_back(struct pxi_dialing *g, px_view addr)
{
    struct pxi_peer_entry *e = pxi_peer_find(g->host, &g->peer);
    for (struct pxi_peer_addr *a = e ? e->addrs : NULL; a; a = a->next)
        if (px_view_equal(px_view_of(a->b, a->n), addr))
            return a->retry_ns > timers(g->host)->now_ns;
    return false;
}

/* The address without the /p2p of the target, which the dial carries apart. */
static px_view without_target(px_view addr, const struct pxi_endpoint *e)
{
    struct pxi_maddr_part part;
    size_t at = 0, last = addr.n;
    uint32_t code = 0;
    while (pxi_maddr_next(addr, &at, &part)) {
        code = part.code;
        last = part.offset;
    }
    return code == PXI_MA_P2P && e->peer.n ? px_view_of(addr.p, last) : addr;
}

static void candidate_add(struct pxi_dialing *g, px_view addr, bool asked)
{
    struct pxi_endpoint e;
    if (g->count >= CANDIDATES || addr.n > PXI_MADDR_MAX || pxi_endpoint_of(addr, &e) != PX_ERR_OK)
        return;
    if (e.peer.n && g->peer.n && !pxi_peer_equal(&e.peer, &g->peer))
        return;
    px_view to = without_target(addr, &e);
    for (unsigned i = 0; i < g->count; i++)
        if (px_view_equal(pxi_maddr_view(&g->candidates[i].addr), to))
            return;
    struct pxi_transport *t = transport_for(g->host, &e);
    if (!t || (!asked && held_back(g, to)))
        return;
    if (!(g->count & (g->count - 1))) { /* most peers have few addresses */
        unsigned room = g->count ? 2 * g->count : 1;
        struct candidate *more = pxi_realloc(g->candidates, room, sizeof *more);
        if (!more)
            return;
        g->candidates = more;
    }
    struct candidate *c = &g->candidates[g->count++];
    c->transport = t;
    c->addr.n = (uint16_t)to.n;
    memcpy(c->addr.b, to.p, to.n);
    c->far = pxi_ip_kind_of(&e) == PXI_IP_PUBLIC || e.relayed || e.dns.n;
    c->rank = (e.relayed ? 1000u : 0) + (asked ? 0 : 100u) + (c->far ? 10u : 0) +
              (e.via == PXI_VIA_QUIC  ? 0
               : e.via == PXI_VIA_TCP ? 2u
                                      : 4u) +
              (e.family == 6 ? 0 : 1u);
    for (unsigned i = g->count - 1;
         i > g->next && g->candidates[i].rank < g->candidates[i - 1].rank; i--) {
        struct candidate swap = g->candidates[i];
        g->candidates[i] = g->candidates[i - 1];
        g->candidates[i - 1] = swap;
    }
}

/* ------------------------------------------------------------------ dialing */

static void dial_free(struct pxi_dial *d)
{
    pxi_timer_disarm(timers(d->host), &d->timer);
    pxi_list_remove(&d->link);
    if (d->dialing)
        d->dialing->active--;
    if (d->scope)
        pxi_scope_conn_close(d->scope);
    pxi_free(d);
}

static void dialing_free(struct pxi_dialing *g)
{
    while (!pxi_list_empty(&g->dials)) {
        struct pxi_dial *d = PXI_OF(g->dials.next, struct pxi_dial, link);
        d->transport->cancel(d->transport, d);
        dial_free(d);
    }
    pxi_timer_disarm(timers(g->host), &g->timer);
    pxi_list_remove(&g->link);
    pxi_free(g->candidates);
    pxi_free(g);
}

/* Take a wish out of its dialing and answer it. */
static void answer(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    pxi_list_remove(&r->link);
    pxi_timer_disarm(timers(r->host), &r->timer);
    r->dialing = NULL;
    r->done(r, c, c ? PX_ERR_OK : err);
}

static void fail_all(struct pxi_dialing *g, px_err err)
{
    struct pxi_list wishes;
    pxi_list_init(&wishes);
    while (!pxi_list_empty(&g->wishes)) {
        struct pxi_reach *r = PXI_OF(g->wishes.next, struct pxi_reach, link);
        pxi_list_remove(&r->link);
        pxi_list_add(&wishes, &r->link);
        r->dialing = NULL;
    }
    dialing_free(g);
    while (!pxi_list_empty(&wishes))
        answer(PXI_OF(wishes.next, struct pxi_reach, link), NULL, err);
}

static void dial_late(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_dial *d = PXI_OF(t, struct pxi_dial, timer);
    d->transport->cancel(d->transport, d);
    pxi_dial_done(d, NULL, PX_ERR_TIMEOUT);
}

static void start_one(struct pxi_dialing *g)
{
    struct candidate *c = &g->candidates[g->next++];
    struct pxi_endpoint e;
    struct pxi_dial *d = pxi_calloc(1, sizeof *d);
    if (!d)
        return;
    d->host = g->host;
    d->addr = c->addr;
    d->peer = g->peer;
    d->transport = c->transport;
    d->dialing = g;
    d->simultaneous_server = g->simultaneous_server;
    d->fresh_port = g->fresh_port;
    d->timer.fire = dial_late;
    g->active++;
    pxi_list_add(&g->dials, &d->link);
    if (pxi_endpoint_of(pxi_maddr_view(&c->addr), &e) != PX_ERR_OK ||
        pxi_scope_conn_open(g->host->limiter, true, &e, &d->scope) != PX_ERR_OK) {
        g->err = PX_ERR_LIMIT;
        dial_free(d);
        return;
    }
    pxi_timer_after(timers(g->host), &d->timer, PXI_LIMIT_NET_DIAL_MS * PXI_MS);
    d->transport->dial(d->transport, d);
}

/* Whether the next candidate need not wait for the ones before it. */
static bool next_at_once(const struct pxi_dialing *g)
{
    return !g->active || (g->at_once && g->active < ACTIVE);
}

/* Whose turn is it? Called from the loop. Ends the dialing when nothing is left to try. */
static void turn(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_dialing *g = PXI_OF(t, struct pxi_dialing, timer);
    if (g->next < g->count && g->active < ACTIVE)
        start_one(g);
    if (g->next < g->count) {
        pxi_timer_after(timers(g->host), &g->timer,
                        next_at_once(g)                  ? 0
                        : g->candidates[g->next - 1].far ? HEAD_START_FAR
                                                         : HEAD_START_NEAR);
    } else if (!g->active) {
        fail_all(g, g->err);
    }
}

static struct pxi_dialing *dialing_find(struct pxi_host *h, const struct pxi_peer *p)
{
    for (struct pxi_list *l = h->dialings.next; l != &h->dialings; l = l->next) {
        struct pxi_dialing *g = PXI_OF(l, struct pxi_dialing, link);
        if (!g->alone && pxi_peer_equal(&g->peer, p))
            return g;
    }
    return NULL;
}

static struct pxi_dialing *dialing_new(struct pxi_host *h, const struct pxi_peer *p, bool alone)
{
    struct pxi_dialing *g = pxi_calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->host = h;
    g->peer = *p;
    g->alone = alone;
    g->err = PX_ERR_UNREACHABLE;
    g->timer.fire = turn;
    pxi_list_init(&g->wishes);
    pxi_list_init(&g->dials);
    pxi_list_add(&h->dialings, &g->link);
    return g;
}

/* --------------------------------------------------------------------- wishes */

static void reach_fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_reach *r = PXI_OF(t, struct pxi_reach, timer);
    struct pxi_dialing *g = r->dialing;
    struct pxi_conn *c = NULL;
    if (!r->force_new && r->peer.n)
        c = pxi_host_conn(r->host, &r->peer, r->limited_ok);
    pxi_list_remove(&r->link);
    if (g && pxi_list_empty(&g->wishes)) /* before `done`, which may end or begin other wishes */
        dialing_free(g);
    answer(r, c, g ? PX_ERR_TIMEOUT : PX_ERR_UNREACHABLE);
}

void pxi_reach_start(struct pxi_reach *r, struct pxi_host *h, const px_view *addrs, unsigned count)
{
    r->host = h;
    r->dialing = NULL;
    r->timer.fire = reach_fire;
    pxi_list_init(&r->link);
    if (h->freeing) /* a wish begun from `done` would be answered and begun again without end */
        return;
    pxi_list_add(&h->reaches, &r->link);
    if (!r->force_new && r->peer.n && pxi_host_conn(h, &r->peer, r->limited_ok)) {
        pxi_timer_after(timers(h), &r->timer, 0);
        return;
    }
    bool alone = r->force_new || !r->peer.n;
    struct pxi_dialing *g = alone ? NULL : dialing_find(h, &r->peer);
    if (!g)
        g = dialing_new(h, &r->peer, alone);
    if (!g || pxi_peer_equal(&r->peer, &h->self)) {
        if (g && pxi_list_empty(&g->wishes))
            dialing_free(g);
        pxi_timer_after(timers(h), &r->timer, 0);
        return;
    }
    if (alone) {
        g->at_once = r->at_once;
        g->simultaneous_server = r->simultaneous_server;
        g->fresh_port = r->fresh_port;
    }
    for (unsigned i = 0; i < count; i++)
        candidate_add(g, addrs[i], true);
    px_view known[PXI_LIMIT_PEERSTORE_ADDRS];
    unsigned more =
        r->peer.n && !count ? pxi_peer_addrs(h, &r->peer, known, PXI_LIMIT_PEERSTORE_ADDRS) : 0;
    for (unsigned i = 0; i < more; i++)
        candidate_add(g, known[i], false);
    r->dialing = g;
    pxi_list_remove(&r->link);
    pxi_list_add(&g->wishes, &r->link);
    pxi_timer_after(timers(h), &r->timer,
                    r->timeout_ns ? r->timeout_ns : 2 * PXI_LIMIT_NET_DIAL_MS * PXI_MS);
    if (!g->timer.armed)
        pxi_timer_after(timers(h), &g->timer, 0);
}

void pxi_reach_cancel(struct pxi_reach *r)
{
    if (!r->host || !r->link.next)
        return;
    pxi_list_remove(&r->link);
    pxi_timer_disarm(timers(r->host), &r->timer);
    if (r->host->answering == r)
        r->host->answering = NULL;
    struct pxi_dialing *g = r->dialing;
    r->dialing = NULL;
    if (g && pxi_list_empty(&g->wishes))
        dialing_free(g);
}

void pxi_reach_on_conn(struct pxi_host *h, struct pxi_conn *c)
{
    struct pxi_dialing *g = dialing_find(h, &c->peer);
    if (!g)
        return;
    for (struct pxi_list *l = g->wishes.next, *next; l != &g->wishes; l = next) {
        struct pxi_reach *r = PXI_OF(l, struct pxi_reach, link);
        next = l->next;
        if (!c->limited || r->limited_ok) {
            pxi_list_remove(&r->link);
            pxi_list_add(&h->reaches, &r->link);
            r->dialing = NULL;
            pxi_timer_after(timers(h), &r->timer, 0); /* answered from the loop, one by one */
        }
    }
    if (!pxi_list_empty(&g->wishes))
        return;
    /* The peer came to us while we were dialling it: what is under way goes on, because the peer,
     * too, may be about to give up its dial for ours, and then neither would be left. */
    g->next = g->count;
    if (c->outbound || !g->active)
        dialing_free(g);
}

void pxi_reach_free_all(struct pxi_host *h)
{
    while (!pxi_list_empty(&h->dialings))
        fail_all(PXI_OF(h->dialings.next, struct pxi_dialing, link), PX_ERR_RESET);
    while (!pxi_list_empty(&h->reaches))
        answer(PXI_OF(h->reaches.next, struct pxi_reach, link), NULL, PX_ERR_RESET);
}

/* The one wish of a dialing has its connection. Those who hear of it first may cancel the wish. */
static void answer_alone(struct pxi_dialing *g, struct pxi_conn *c)
{
    struct pxi_host *h = g->host;
    h->answering = PXI_OF(g->wishes.next, struct pxi_reach, link);
    pxi_list_remove(&h->answering->link);
    h->answering->dialing = NULL;
    dialing_free(g);
    px_err err = pxi_host_add_conn(h, c);
    if (err != PX_ERR_OK)
        c->ops->close(c, err);
    struct pxi_reach *r = h->answering;
    h->answering = NULL;
    if (r)
        answer(r, err == PX_ERR_OK ? c : NULL, err);
}

void pxi_dial_done(struct pxi_dial *d, struct pxi_conn *c, px_err err)
{
    struct pxi_dialing *g = d->dialing;
    struct pxi_host *h = d->host;
    if (c && !c->scope) {
        c->scope = d->scope;
        d->scope = NULL;
    }
    pxi_peer_addr_result(h, &g->peer, pxi_maddr_view(&d->addr), c != NULL);
    dial_free(d);
    bool alone = g->alone;
    if (c && alone && !pxi_list_empty(&g->wishes)) {
        answer_alone(g, c);
        return;
    }
    if (c) {
        struct pxi_peer peer = g->peer;
        err = pxi_host_add_conn(h, c); /* answers the wishes and frees the dialing */
        if (err != PX_ERR_OK)
            c->ops->close(c, err);
        else if (!(g = dialing_find(h, &peer)))
            return;
    }
    if (err != PX_ERR_OK && (err == PX_ERR_IDENTITY || g->err == PX_ERR_UNREACHABLE))
        g->err = err;
    pxi_timer_after(timers(h), &g->timer, 0);
}

bool pxi_dial_pass(struct pxi_dial *d, px_view addr)
{
    struct pxi_endpoint e;
    if (addr.n > PXI_MADDR_MAX || pxi_endpoint_of(addr, &e) != PX_ERR_OK)
        return false;
    struct pxi_transport *t = transport_for(d->host, &e);
    if (!t || t == d->transport)
        return false;
    d->addr.n = (uint16_t)addr.n;
    memcpy(d->addr.b, addr.p, addr.n);
    d->transport = t;
    t->dial(t, d);
    return true;
}

bool pxi_host_punch(struct pxi_host *h, px_view maddr)
{
    struct pxi_endpoint e;
    if (pxi_endpoint_of(maddr, &e) != PX_ERR_OK)
        return false;
    struct pxi_transport *t = transport_for(h, &e);
    if (!t || !t->punch)
        return false;
    t->punch(t, &e);
    return true;
}
