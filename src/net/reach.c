/*
 * Reaching a peer: many wishes share one attempt (a dialing), which tries the peer's addresses one
 * after the other with a short head start each, in the manner of happy eyeballs (RFC 8305), until
 * one connects.
 */
#include "net/reach_impl.h"

enum { ACTIVE = 8 };
#define HEAD_START_NEAR (30 * PXI_MS) /* loopback and private networks */
#define HEAD_START_FAR  (250 * PXI_MS)

static struct pxi_timers *timers(struct pxi_host *h)
{
    return h->o.timers;
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
    struct pxi_candidate *c = &g->candidates[g->next++];
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
    d->depth = c->depth;
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
        pxi_candidate_add(g, addrs[i], true, 0);
    px_view known[PXI_LIMIT_PEERSTORE_ADDRS];
    unsigned more =
        r->peer.n && !count ? pxi_peer_addrs(h, &r->peer, known, PXI_LIMIT_PEERSTORE_ADDRS) : 0;
    for (unsigned i = 0; i < more; i++)
        pxi_candidate_add(g, known[i], false, 0);
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
    if (c || err != PX_ERR_OK) /* an address that stood for others is neither good nor bad */
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
    struct pxi_transport *t = pxi_transport_for(d->host, &e);
    if (!t || t == d->transport)
        return false;
    d->addr.n = (uint16_t)addr.n;
    memcpy(d->addr.b, addr.p, addr.n);
    d->transport = t;
    t->dial(t, d);
    return true;
}

px_err pxi_dial_expand(struct pxi_dial *d, const px_view *addrs, unsigned n)
{
    struct pxi_dialing *g = d->dialing;
    unsigned before = g->count;
    for (unsigned i = 0; i < n && d->depth + 1 < PXI_LIMIT_DNSADDR_DEPTH; i++)
        pxi_candidate_add(g, addrs[i], true, (uint8_t)(d->depth + 1));
    return g->count > before ? PX_ERR_OK : PX_ERR_UNREACHABLE;
}

bool pxi_host_punch(struct pxi_host *h, px_view maddr)
{
    struct pxi_endpoint e;
    if (pxi_endpoint_of(maddr, &e) != PX_ERR_OK)
        return false;
    struct pxi_transport *t = pxi_transport_for(h, &e);
    if (!t || !t->punch)
        return false;
    t->punch(t, &e);
    return true;
}
