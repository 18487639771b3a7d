/* The client of AutoNAT v2: ask about one address, pay, count the nonce that comes back. */
#include "net/autonat2_impl.h"
#include "net/relay.h"

enum { MESSAGE = PXI_AUTONAT2_MESSAGE, CHUNK = 4096, OWN = PXI_LIMIT_NET_OWN_ADDRS };

/* A question of ours. */
struct asked {
    struct pxi_list link;
    struct pxi_autonat2 *autonat;
    struct pxi_stream *stream;
    struct pxi_frame frame;
    struct pxi_timer timer;
    struct pxi_peer server;
    struct pxi_maddr addr;
    uint64_t nonce, due; /* due: bytes of the price that are still to be sent */
    struct pxi_buf out;  /* what the stream did not take yet */
    bool paid, came_back;
};

/* A dial-back to us. */
struct back {
    struct pxi_list link;
    struct pxi_autonat2 *autonat;
    struct pxi_stream *stream;
    struct pxi_frame frame;
    struct pxi_timer timer;
};

static struct pxi_timers *timers(struct pxi_autonat2 *a)
{
    return pxi_host_timers(a->host);
}

static void asked_free(struct asked *q)
{
    if (q->stream)
        pxi_stream_reset(q->stream);
    pxi_timer_disarm(timers(q->autonat), &q->timer);
    pxi_frame_deinit(&q->frame);
    pxi_buf_deinit(&q->out);
    pxi_list_remove(&q->link);
    q->autonat->asked_count--;
    pxi_free(q);
}

static void asked_late(struct pxi_timer *t, uint64_t now_ns)
{
    asked_free(PXI_OF(t, struct asked, timer));
}

/* ------------------------------------------------------------------- verdicts */

static struct pxi_autonat2_addr *addr_find(const struct pxi_autonat2 *a, px_view addr)
{
    for (unsigned i = 0; i < a->addr_count; i++)
        if (px_view_equal(pxi_maddr_view(&a->addrs[i].addr), addr))
            return &a->addrs[i];
    return NULL;
}

enum pxi_reachability pxi_autonat2_verdict(const struct pxi_autonat2 *a, px_view addr)
{
    const struct pxi_autonat2_addr *row = addr_find(a, addr);
    return row ? row->verdict : PXI_REACH_UNKNOWN;
}

static void vote(struct asked *q, bool good)
{
    struct pxi_autonat2 *a = q->autonat;
    struct pxi_maddr addr = q->addr;
    struct pxi_autonat2_addr *row = addr_find(a, pxi_maddr_view(&addr));
    if (!row)
        return;
    pxi_votes_add(&row->votes, &q->server, good);
    enum pxi_reachability now = pxi_votes_verdict(&row->votes, PXI_LIMIT_AUTONAT2_AGREE);
    if (now == PXI_REACH_UNKNOWN || now == row->verdict)
        return;
    row->verdict = now;
    if (a->o.verdict)
        a->o.verdict(a->o.ctx, pxi_maddr_view(&addr), now);
}

/* Our own testable addresses, kept in step with the host's. */
static void addrs_refresh(struct pxi_autonat2 *a)
{
    struct pxi_endpoint e;
    unsigned n = 0;
    px_view v;
    struct pxi_autonat2_addr *rows = pxi_calloc(OWN, sizeof *rows);
    if (!rows)
        return;
    for (unsigned i = 0; n < OWN && (v = pxi_host_addr(a->host, i)).n; i++) {
        struct pxi_autonat2_addr *old = addr_find(a, v);
        if (!pxi_reach_testable(v, a->o.allow_private, &e))
            continue;
        if (old) {
            rows[n++] = *old;
            continue;
        }
        memcpy(rows[n].addr.b, v.p, v.n);
        rows[n++].addr.n = (uint16_t)v.n;
    }
    pxi_free(a->addrs);
    a->addrs = rows;
    a->addr_count = n;
}

/* -------------------------------------------------------------------- payment */

/* Send what is due as far as the stream takes it. */
static void pay(struct asked *q)
{
    uint8_t zeros[CHUNK] = {0};
    for (;;) {
        if (q->out.n) {
            size_t n = pxi_stream_write(q->stream, px_view_of(q->out.p, q->out.n));
            memmove(q->out.p, q->out.p + n, q->out.n - n);
            q->out.n -= n;
        }
        if (q->out.n || !q->due)
            return; /* writable comes, or all is paid */
        size_t part = q->due < CHUNK ? (size_t)q->due : CHUNK;
        struct pxi_msg_autonat2_data d = {px_view_of(zeros, part)};
        struct pxi_msg_autonat2 m = {.data = &d};
        q->due -= part;
        if (pxi_pb_encode_framed(&pxi_pb_autonat2, &m, &q->out) != PX_ERR_OK) {
            asked_free(q);
            return;
        }
    }
}

static void on_price(struct asked *q, const struct pxi_msg_autonat2_data_request *d)
{
    if (q->paid || d->addr_index != 0 || d->bytes > PXI_LIMIT_AUTONAT2_DATA_MAX) {
        pxi_autonat2_fault(q->autonat);
        asked_free(q);
        return;
    }
    q->paid = true;
    q->due = d->bytes;
    q->out.max = 2 * CHUNK;
    pay(q);
}

/* ------------------------------------------------------------------- response */

static void on_response(struct asked *q, const struct pxi_msg_autonat2_response *r)
{
    if (r->status == PXI_AUTONAT2_OK && r->dial_status == PXI_AUTONAT2_DIAL_OK) {
        if (q->came_back && r->addr_index == 0)
            vote(q, true);
        else
            pxi_autonat2_fault(q->autonat); /* it claims to have come, and nobody came */
    } else if (r->status == PXI_AUTONAT2_OK && r->dial_status == PXI_AUTONAT2_DIAL_ERROR &&
               !q->came_back) {
        vote(q, false);
    }
    asked_free(q);
}

static void on_message(struct asked *q, px_view message)
{
    struct pxi_msg_autonat2 m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    px_err err = pxi_pb_decode(&pxi_pb_autonat2, message, &arena, &m, NULL);
    if (!err && m.data_request) {
        on_price(q, m.data_request);
    } else if (!err && m.response) {
        on_response(q, m.response);
    } else {
        pxi_autonat2_fault(q->autonat);
        asked_free(q);
    }
    pxi_arena_deinit(&arena);
}

static const struct pxi_stream_events asked_events;

static size_t asked_data(struct pxi_stream *s, px_view bytes)
{
    px_view rest = bytes, message;
    while (rest.n && s->on == &asked_events) {
        struct asked *q = s->user;
        px_err err = pxi_frame_next(&q->frame, &rest, &message);
        if (err == PX_ERR_TRUNCATED)
            break;
        if (err == PX_ERR_OK) {
            on_message(q, message);
        } else {
            pxi_autonat2_fault(q->autonat);
            asked_free(q);
        }
    }
    return bytes.n;
}

static void asked_ended(struct pxi_stream *s)
{
    asked_free(s->user);
}

static void asked_writable(struct pxi_stream *s)
{
    pay(s->user);
}

static void asked_closed(struct pxi_stream *s, px_err why)
{
    struct asked *q = s->user;
    q->stream = NULL;
    asked_free(q);
}

static const struct pxi_stream_events asked_events = {
    .data = asked_data, .ended = asked_ended, .writable = asked_writable, .closed = asked_closed};

static void ask(struct pxi_autonat2 *a, struct pxi_conn *c, struct pxi_autonat2_addr *row)
{
    static const char *const protocol = PXI_AUTONAT2_REQUEST;
    struct asked *q = pxi_calloc(1, sizeof *q);
    if (!q)
        return;
    q->autonat = a;
    q->server = c->peer;
    q->addr = row->addr;
    q->nonce = pxi_random_u64(pxi_host_random(a->host));
    q->frame.max = MESSAGE;
    q->timer.fire = asked_late;
    pxi_list_add(&a->asked, &q->link);
    a->asked_count++;
    pxi_timer_after(timers(a), &q->timer, PXI_LIMIT_AUTONAT2_ASKED_MS * PXI_MS);
    row->asked_ns = timers(a)->now_ns;
    px_view addr = pxi_maddr_view(&q->addr);
    struct pxi_msg_autonat2_request r = {{&addr, 1}, q->nonce};
    struct pxi_msg_autonat2 m = {.request = &r};
    q->stream = pxi_host_open(c, &protocol, 1, &asked_events, q);
    if (!q->stream || !pxi_message_write(q->stream, &pxi_pb_autonat2, &m, MESSAGE))
        asked_free(q);
}

/* ------------------------------------------------------------------ dial-back */

static void back_free(struct back *b)
{
    if (b->stream)
        pxi_stream_reset(b->stream);
    pxi_timer_disarm(timers(b->autonat), &b->timer);
    pxi_frame_deinit(&b->frame);
    pxi_list_remove(&b->link);
    b->autonat->back_count--;
    pxi_free(b);
}

static void back_late(struct pxi_timer *t, uint64_t now_ns)
{
    back_free(PXI_OF(t, struct back, timer));
}

/* The connection came by the same kind of transport as the address that we asked about, as far as
 * the carrier knows its local end. */
static bool consistent(const struct asked *q, const struct pxi_conn *c)
{
    struct pxi_endpoint want, got;
    if (c->outbound || pxi_conn_relayed(c))
        return false;
    return !c->local.n || pxi_endpoint_of(pxi_maddr_view(&c->local), &got) != PX_ERR_OK ||
           pxi_endpoint_of(pxi_maddr_view(&q->addr), &want) != PX_ERR_OK ||
           (want.via == got.via && (want.family == got.family || !got.family));
}

/* The nonce alone tells whose dial-back it is: servers may dial back as another peer. */
static void on_back(struct back *b, uint64_t nonce)
{
    struct pxi_autonat2 *a = b->autonat;
    for (struct pxi_list *l = a->asked.next; l != &a->asked; l = l->next) {
        struct asked *q = PXI_OF(l, struct asked, link);
        if (q->nonce != nonce || !consistent(q, b->stream->conn))
            continue;
        struct pxi_msg_autonat2_back_response r = {0};
        q->came_back = true;
        if (pxi_message_write(b->stream, &pxi_pb_autonat2_back_response, &r, MESSAGE)) {
            pxi_stream_leave(b->stream);
            b->stream = NULL;
        }
        back_free(b);
        return;
    }
    pxi_autonat2_fault(a);
    back_free(b);
}

static size_t back_data(struct pxi_stream *s, px_view bytes)
{
    struct back *b = s->user;
    struct pxi_msg_autonat2_back m;
    struct pxi_arena arena;
    px_view rest = bytes, message;
    px_err err = pxi_frame_next(&b->frame, &rest, &message);
    if (err == PX_ERR_TRUNCATED)
        return bytes.n;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    if (err || pxi_pb_decode(&pxi_pb_autonat2_back, message, &arena, &m, NULL)) {
        pxi_autonat2_fault(b->autonat);
        back_free(b);
    } else {
        on_back(b, m.nonce);
    }
    pxi_arena_deinit(&arena);
    return bytes.n;
}

static void back_ended(struct pxi_stream *s)
{
    back_free(s->user);
}

static void back_closed(struct pxi_stream *s, px_err why)
{
    struct back *b = s->user;
    b->stream = NULL;
    back_free(b);
}

static const struct pxi_stream_events back_events = {
    .data = back_data, .ended = back_ended, .closed = back_closed};

static void accept_back(void *ctx, struct pxi_stream *s)
{
    struct pxi_autonat2 *a = ctx;
    struct back *b = a->back_count < PXI_LIMIT_AUTONAT_REQUESTS ? pxi_calloc(1, sizeof *b) : NULL;
    if (!b) {
        pxi_stream_reset(s);
        return;
    }
    b->autonat = a;
    b->stream = s;
    b->frame.max = MESSAGE;
    b->timer.fire = back_late;
    pxi_list_add(&a->backs_in, &b->link);
    a->back_count++;
    pxi_timer_after(timers(a), &b->timer, PXI_LIMIT_AUTONAT_REQUEST_MS * PXI_MS);
    pxi_stream_own(s, &back_events, b);
}

/* ------------------------------------------------------------------ the client */

/* The address that was asked about longest ago, and is due. */
static struct pxi_autonat2_addr *addr_due(struct pxi_autonat2 *a, uint64_t now)
{
    struct pxi_autonat2_addr *due = NULL;
    for (unsigned i = 0; i < a->addr_count; i++) {
        struct pxi_autonat2_addr *row = &a->addrs[i];
        uint64_t gap = row->verdict ? PXI_LIMIT_AUTONAT_SURE_MS : PXI_LIMIT_AUTONAT_ASK_MS;
        if (row->asked_ns && now - row->asked_ns < gap * PXI_MS)
            continue;
        if (!due || row->asked_ns < due->asked_ns)
            due = row;
    }
    return due;
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_autonat2 *a = PXI_OF(t, struct pxi_autonat2, timer);
    addrs_refresh(a);
    struct pxi_autonat2_addr *row = addr_due(a, timers(a)->now_ns);
    if (row && a->asked_count < PXI_LIMIT_AUTONAT2_ASKED) {
        struct pxi_conn *c = pxi_reach_server(a->host, PXI_AUTONAT2_REQUEST, &row->votes);
        if (!c && row->verdict)
            c = pxi_reach_server(a->host, PXI_AUTONAT2_REQUEST, NULL);
        if (c)
            ask(a, c, row);
    }
    pxi_timer_after(timers(a), &a->timer, PXI_LIMIT_AUTONAT2_TICK_MS * PXI_MS);
}

struct pxi_autonat2 *pxi_autonat2_new(struct pxi_host *h, const struct pxi_autonat2_options *o)
{
    struct pxi_autonat2 *a = pxi_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->host = h;
    a->o = *o;
    a->timer.fire = fire;
    pxi_list_init(&a->served);
    pxi_list_init(&a->asked);
    pxi_list_init(&a->backs_in);
    px_err err = o->server ? pxi_autonat2_server_start(a) : PX_ERR_OK;
    if (!err && o->client)
        err = pxi_host_handle(h, PXI_AUTONAT2_BACK, 0, accept_back, a);
    if (err) {
        pxi_autonat2_free(a);
        return NULL;
    }
    if (o->client)
        pxi_timer_after(timers(a), &a->timer, PXI_LIMIT_AUTONAT2_TICK_MS * PXI_MS);
    return a;
}

void pxi_autonat2_free(struct pxi_autonat2 *a)
{
    if (!a)
        return;
    if (a->o.server)
        pxi_autonat2_server_stop(a);
    if (a->o.client)
        pxi_host_unhandle(a->host, PXI_AUTONAT2_BACK);
    while (!pxi_list_empty(&a->asked))
        asked_free(PXI_OF(a->asked.next, struct asked, link));
    while (!pxi_list_empty(&a->backs_in))
        back_free(PXI_OF(a->backs_in.next, struct back, link));
    pxi_timer_disarm(timers(a), &a->timer);
    pxi_free(a->addrs);
    pxi_free(a);
}
