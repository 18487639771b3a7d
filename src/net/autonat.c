#include "net/autonat.h"

#include "codec/messages.h"
#include "net/message.h"
#include "net/relay.h"

enum { MESSAGE = PXI_LIMIT_AUTONAT_MESSAGE, ADDRS = PXI_LIMIT_AUTONAT_ADDRS };

/* One request: theirs, that we dial back for, or ours (asked). */
struct request {
    struct pxi_list link;
    struct pxi_autonat *autonat;
    struct pxi_stream *stream;
    struct pxi_frame frame;
    struct pxi_timer timer;
    struct pxi_reach reach;
    struct pxi_peer peer;
    bool asked, reaching, granted;
};

struct pxi_autonat {
    struct pxi_host *host;
    struct pxi_autonat_options o;
    struct pxi_list requests;
    unsigned request_count;
    struct request *asking; /* ours; one at a time */
    struct pxi_timer timer; /* the next question */
    struct pxi_votes votes;
    struct pxi_backs backs;
    enum pxi_reachability verdict;
};

static struct pxi_timers *timers(struct pxi_autonat *a)
{
    return pxi_host_timers(a->host);
}

static void request_free(struct request *r)
{
    struct pxi_autonat *a = r->autonat;
    if (r->stream)
        pxi_stream_reset(r->stream);
    if (r->reaching)
        pxi_reach_cancel(&r->reach);
    if (r->granted)
        pxi_backs_end(&a->backs);
    if (a->asking == r)
        a->asking = NULL;
    pxi_timer_disarm(timers(a), &r->timer);
    pxi_frame_deinit(&r->frame);
    pxi_list_remove(&r->link);
    a->request_count--;
    pxi_free(r);
}

static void late(struct pxi_timer *t, uint64_t now_ns)
{
    request_free(PXI_OF(t, struct request, timer));
}

static struct request *request_new(struct pxi_autonat *a, const struct pxi_peer *peer, bool asked)
{
    if (a->request_count >= PXI_LIMIT_AUTONAT_REQUESTS)
        return NULL;
    struct request *r = pxi_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->autonat = a;
    r->peer = *peer;
    r->asked = asked;
    r->frame.max = MESSAGE;
    r->timer.fire = late;
    pxi_list_add(&a->requests, &r->link);
    a->request_count++;
    pxi_timer_after(timers(a), &r->timer, PXI_LIMIT_AUTONAT_REQUEST_MS * PXI_MS);
    return r;
}

static void fault(struct pxi_autonat *a)
{
    pxi_host_faults(a->host)->n[PXI_FAULT_AUTONAT]++;
}

/* ---------------------------------------------------------------------- server */

static void respond(struct request *r, unsigned status, px_view addr)
{
    struct pxi_msg_autonat_response resp = {.status = status, .addr = addr};
    struct pxi_msg_autonat m = {.type = PXI_AUTONAT_DIAL_RESPONSE, .response = &resp};
    if (pxi_message_write(r->stream, &pxi_pb_autonat, &m, MESSAGE)) {
        pxi_stream_leave(r->stream);
        r->stream = NULL;
    }
    request_free(r);
}

static void reached(struct pxi_reach *reach, struct pxi_conn *c, px_err err)
{
    struct request *r = PXI_OF(reach, struct request, reach);
    r->reaching = false;
    if (!c || pxi_conn_relayed(c)) {
        respond(r, PXI_AUTONAT_DIAL_ERROR, px_view_of(NULL, 0));
        return;
    }
    struct pxi_maddr at = c->remote;
    c->closing = true;
    c->ops->close(c, PX_ERR_OK); /* it has served its purpose */
    respond(r, PXI_AUTONAT_OK, pxi_maddr_view(&at));
}

/* The addresses that may be dialled: those with the ip that we see. */
static unsigned dialable(struct request *r, const struct pxi_pb_list *addrs, px_view out[ADDRS])
{
    struct pxi_endpoint e;
    unsigned n = 0;
    for (size_t i = 0; i < addrs->n && n < ADDRS; i++) {
        px_view a = *PXI_PB_AT(*addrs, px_view, i);
        if (pxi_reach_testable(a, r->autonat->o.allow_private, &e) &&
            pxi_same_ip(&e, r->stream->conn))
            out[n++] = a;
    }
    return n;
}

static void on_dial(struct request *r, const struct pxi_msg_autonat *m)
{
    struct pxi_autonat *a = r->autonat;
    const struct pxi_msg_peer_info *p = m->dial ? m->dial->peer : NULL;
    px_view addrs[ADDRS];
    if (m->type != PXI_AUTONAT_DIAL || !p || !px_view_equal(p->id, pxi_peer_view(&r->peer))) {
        fault(a);
        respond(r, PXI_AUTONAT_BAD_REQUEST, px_view_of(NULL, 0));
        return;
    }
    unsigned n = dialable(r, &p->addrs, addrs);
    r->granted = n && pxi_backs_grant(&a->backs, &r->peer, timers(a)->now_ns);
    if (!r->granted) {
        respond(r, PXI_AUTONAT_DIAL_REFUSED, px_view_of(NULL, 0));
        return;
    }
    r->reach = (struct pxi_reach){.peer = r->peer,
                                  .done = reached,
                                  .force_new = true,
                                  .fresh_port = true,
                                  .timeout_ns = PXI_LIMIT_AUTONAT_DIAL_MS * PXI_MS};
    r->reaching = true;
    pxi_timer_after(timers(a), &r->timer, 2ull * PXI_LIMIT_AUTONAT_DIAL_MS * PXI_MS);
    pxi_reach_start(&r->reach, a->host, addrs, n);
}

/* ---------------------------------------------------------------------- client */

static void vote(struct request *r, const struct pxi_msg_autonat *m)
{
    struct pxi_autonat *a = r->autonat;
    const struct pxi_msg_autonat_response *resp = m->response;
    if (m->type != PXI_AUTONAT_DIAL_RESPONSE || !resp) {
        fault(a);
    } else if (resp->status == PXI_AUTONAT_OK || resp->status == PXI_AUTONAT_DIAL_ERROR) {
        pxi_votes_add(&a->votes, &r->peer, resp->status == PXI_AUTONAT_OK);
        enum pxi_reachability now = pxi_votes_verdict(&a->votes, PXI_LIMIT_AUTONAT_AGREE);
        bool news = now != PXI_REACH_UNKNOWN && now != a->verdict;
        if (news)
            a->verdict = now;
        request_free(r);
        if (news && a->o.verdict)
            a->o.verdict(a->o.ctx, px_view_of(NULL, 0), now);
        return;
    }
    request_free(r);
}

static unsigned own_addrs(struct pxi_autonat *a, px_view out[ADDRS])
{
    struct pxi_endpoint e;
    unsigned n = 0;
    px_view v;
    for (unsigned i = 0; n < ADDRS && (v = pxi_host_addr(a->host, i)).n; i++)
        if (pxi_reach_testable(v, a->o.allow_private, &e))
            out[n++] = v;
    return n;
}

/* ------------------------------------------------------------------------ both */

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    struct request *r = s->user;
    struct pxi_msg_autonat m;
    struct pxi_arena arena;
    px_view rest = bytes, message;
    px_err err = r->reaching ? PX_ERR_TRUNCATED : pxi_frame_next(&r->frame, &rest, &message);
    if (err == PX_ERR_TRUNCATED)
        return bytes.n;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    if (err || pxi_pb_decode(&pxi_pb_autonat, message, &arena, &m, NULL)) {
        fault(r->autonat);
        request_free(r);
    } else if (r->asked) {
        vote(r, &m);
    } else {
        on_dial(r, &m);
    }
    pxi_arena_deinit(&arena);
    return bytes.n;
}

static void on_ended(struct pxi_stream *s)
{
    struct request *r = s->user;
    if (!r->reaching) /* a server may still be dialling: the asker has ended its side only */
        request_free(r);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    struct request *r = s->user;
    r->stream = NULL;
    request_free(r);
}

static const struct pxi_stream_events events = {
    .data = on_data, .ended = on_ended, .closed = on_closed};

static void accept_request(void *ctx, struct pxi_stream *s)
{
    struct pxi_autonat *a = ctx;
    struct request *r = pxi_conn_relayed(s->conn) ? NULL : request_new(a, &s->conn->peer, false);
    if (!r) {
        pxi_host_faults(a->host)->n[PXI_FAULT_LIMIT]++;
        pxi_stream_reset(s);
        return;
    }
    r->stream = s;
    pxi_stream_own(s, &events, r);
}

static void ask(struct pxi_autonat *a, struct pxi_conn *c)
{
    static const char *const protocol = PXI_AUTONAT_PROTOCOL;
    px_view addrs[ADDRS];
    struct pxi_msg_peer_info self = {.id = pxi_peer_view(pxi_host_self(a->host))};
    struct pxi_msg_autonat_dial d = {.peer = &self};
    struct pxi_msg_autonat m = {.type = PXI_AUTONAT_DIAL, .dial = &d};
    self.addrs = (struct pxi_pb_list){addrs, own_addrs(a, addrs)};
    if (!self.addrs.n)
        return;
    struct request *r = request_new(a, &c->peer, true);
    if (!r)
        return;
    pxi_timer_after(timers(a), &r->timer, 2ull * PXI_LIMIT_AUTONAT_DIAL_MS * PXI_MS);
    a->asking = r;
    r->stream = pxi_host_open(c, &protocol, 1, &events, r);
    if (!r->stream || !pxi_message_write(r->stream, &pxi_pb_autonat, &m, MESSAGE))
        request_free(r);
}

/* Ask somebody who has not answered yet; when all have, or we are sure, begin anew, seldom. */
static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_autonat *a = PXI_OF(t, struct pxi_autonat, timer);
    bool sure = pxi_votes_verdict(&a->votes, PXI_LIMIT_AUTONAT_AGREE) != PXI_REACH_UNKNOWN;
    struct pxi_conn *c = NULL;
    if (!a->asking) {
        c = pxi_reach_server(a->host, PXI_AUTONAT_PROTOCOL, &a->votes);
        if (!c && sure)
            c = pxi_reach_server(a->host, PXI_AUTONAT_PROTOCOL, NULL);
        if (c)
            ask(a, c);
    }
    pxi_timer_after(timers(a), &a->timer,
                    (sure ? PXI_LIMIT_AUTONAT_SURE_MS : PXI_LIMIT_AUTONAT_ASK_MS) * PXI_MS);
}

struct pxi_autonat *pxi_autonat_new(struct pxi_host *h, const struct pxi_autonat_options *o)
{
    struct pxi_autonat *a = pxi_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->host = h;
    a->o = *o;
    a->timer.fire = fire;
    pxi_list_init(&a->requests);
    if (o->server && pxi_host_handle(h, PXI_AUTONAT_PROTOCOL, 0, accept_request, a)) {
        pxi_free(a);
        return NULL;
    }
    if (o->client)
        pxi_timer_after(timers(a), &a->timer, PXI_LIMIT_AUTONAT_ASK_MS * PXI_MS);
    return a;
}

void pxi_autonat_free(struct pxi_autonat *a)
{
    if (!a)
        return;
    if (a->o.server)
        pxi_host_unhandle(a->host, PXI_AUTONAT_PROTOCOL);
    while (!pxi_list_empty(&a->requests))
        request_free(PXI_OF(a->requests.next, struct request, link));
    pxi_timer_disarm(timers(a), &a->timer);
    pxi_free(a);
}

enum pxi_reachability pxi_autonat_verdict(const struct pxi_autonat *a)
{
    return a->verdict;
}
