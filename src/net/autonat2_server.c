/* The server of AutoNAT v2: choose an address, take its price, dial it, bring the nonce back. */
#include "net/autonat2_impl.h"
#include "net/relay.h"

enum { MESSAGE = PXI_AUTONAT2_MESSAGE };

enum state { READING, PRICED, PAUSED, DIALLING, BACKING };

/* A request that we serve. */
struct served {
    struct pxi_list link;
    struct pxi_autonat2 *autonat;
    struct pxi_stream *stream, *back; /* of the asker; of the dial-back */
    struct pxi_frame frame, back_frame;
    struct pxi_timer timer;
    struct pxi_reach reach;
    struct pxi_peer peer;
    struct pxi_maddr addr; /* chosen */
    uint64_t nonce, due, index;
    enum state state;
    bool reaching, granted;
};

static struct pxi_timers *timers(struct pxi_autonat2 *a)
{
    return pxi_host_timers(a->host);
}

static void served_free(struct served *s)
{
    struct pxi_autonat2 *a = s->autonat;
    struct pxi_conn *dialled = s->back ? s->back->conn : NULL;
    if (s->stream)
        pxi_stream_reset(s->stream);
    if (s->back)
        pxi_stream_reset(s->back);
    if (dialled && !dialled->closing) {
        dialled->closing = true;
        dialled->ops->close(dialled, PX_ERR_OK);
    }
    if (s->reaching)
        pxi_reach_cancel(&s->reach);
    if (s->granted)
        pxi_backs_end(&a->backs);
    pxi_timer_disarm(timers(a), &s->timer);
    pxi_frame_deinit(&s->frame);
    pxi_frame_deinit(&s->back_frame);
    pxi_list_remove(&s->link);
    a->served_count--;
    pxi_free(s);
}

static void respond(struct served *s, unsigned status, unsigned dial_status)
{
    struct pxi_msg_autonat2_response resp = {status, s->index, dial_status};
    struct pxi_msg_autonat2 m = {.response = &resp};
    if (s->stream && pxi_message_write(s->stream, &pxi_pb_autonat2, &m, MESSAGE)) {
        pxi_stream_leave(s->stream);
        s->stream = NULL;
    }
    served_free(s);
}

/* ------------------------------------------------------------------- dial-back */

/* The asker's answer only says that it read the nonce. */
static size_t back_data(struct pxi_stream *stream, px_view bytes)
{
    struct served *s = stream->user;
    px_view rest = bytes, message;
    px_err err = pxi_frame_next(&s->back_frame, &rest, &message);
    if (err != PX_ERR_TRUNCATED)
        respond(s, PXI_AUTONAT2_OK,
                err == PX_ERR_OK ? PXI_AUTONAT2_DIAL_OK : PXI_AUTONAT2_DIAL_BACK_ERROR);
    return bytes.n;
}

static void back_ended(struct pxi_stream *stream)
{
    respond(stream->user, PXI_AUTONAT2_OK, PXI_AUTONAT2_DIAL_BACK_ERROR);
}

static void back_closed(struct pxi_stream *stream, px_err why)
{
    struct served *s = stream->user;
    struct pxi_conn *c = stream->conn;
    s->back = NULL;
    respond(s, PXI_AUTONAT2_OK, PXI_AUTONAT2_DIAL_BACK_ERROR);
    if (!c->closing) {
        c->closing = true;
        c->ops->close(c, PX_ERR_OK);
    }
}

static const struct pxi_stream_events back_events = {
    .data = back_data, .ended = back_ended, .closed = back_closed};

static void reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    static const char *const protocol = PXI_AUTONAT2_BACK;
    struct served *s = PXI_OF(r, struct served, reach);
    struct pxi_msg_autonat2_back m = {s->nonce};
    s->reaching = false;
    if (!c || pxi_conn_relayed(c)) {
        respond(s, PXI_AUTONAT2_OK, PXI_AUTONAT2_DIAL_ERROR);
        return;
    }
    s->state = BACKING;
    pxi_timer_after(timers(s->autonat), &s->timer, PXI_LIMIT_AUTONAT_DIAL_MS * PXI_MS);
    s->back = pxi_host_open(c, &protocol, 1, &back_events, s);
    if (s->back && pxi_message_write(s->back, &pxi_pb_autonat2_back, &m, MESSAGE)) {
        pxi_stream_end(s->back);
        return;
    }
    if (!s->back) {
        c->closing = true;
        c->ops->close(c, PX_ERR_OK);
    }
    respond(s, PXI_AUTONAT2_OK, PXI_AUTONAT2_DIAL_BACK_ERROR);
}

static void dial(struct served *s)
{
    px_view to = pxi_maddr_view(&s->addr);
    s->state = DIALLING;
    s->reach = (struct pxi_reach){.peer = s->peer,
                                  .done = reached,
                                  .force_new = true,
                                  .fresh_port = true,
                                  .timeout_ns = PXI_LIMIT_AUTONAT_DIAL_MS * PXI_MS};
    s->reaching = true;
    pxi_timer_after(timers(s->autonat), &s->timer, 2ull * PXI_LIMIT_AUTONAT_DIAL_MS * PXI_MS);
    pxi_reach_start(&s->reach, s->autonat->host, &to, 1);
}

static void late(struct pxi_timer *t, uint64_t now_ns)
{
    struct served *s = PXI_OF(t, struct served, timer);
    if (s->state == PAUSED)
        dial(s);
    else if (s->state == BACKING)
        respond(s, PXI_AUTONAT2_OK, PXI_AUTONAT2_DIAL_BACK_ERROR);
    else
        served_free(s);
}

/* -------------------------------------------------------------------- request */

/* The first address that we can and may dial. */
static bool choose(struct served *s, const struct pxi_pb_list *addrs, struct pxi_endpoint *e)
{
    for (size_t i = 0; i < addrs->n && i < PXI_LIMIT_AUTONAT2_ADDRS; i++) {
        px_view a = *PXI_PB_AT(*addrs, px_view, i);
        if (!pxi_reach_testable(a, s->autonat->o.allow_private, e))
            continue;
        memcpy(s->addr.b, a.p, a.n);
        s->addr.n = (uint16_t)a.n;
        s->index = i;
        return true;
    }
    return false;
}

/* Another ip than the asker's: it pays before it makes us dial a stranger. */
static void demand(struct served *s)
{
    uint64_t spread = PXI_LIMIT_AUTONAT2_DATA_MAX - PXI_LIMIT_AUTONAT2_DATA_MIN + 1;
    s->due =
        PXI_LIMIT_AUTONAT2_DATA_MIN + pxi_random_u64(pxi_host_random(s->autonat->host)) % spread;
    struct pxi_msg_autonat2_data_request d = {s->index, s->due};
    struct pxi_msg_autonat2 m = {.data_request = &d};
    s->state = PRICED;
    if (!pxi_message_write(s->stream, &pxi_pb_autonat2, &m, MESSAGE))
        served_free(s);
}

static void on_request(struct served *s, const struct pxi_msg_autonat2_request *r)
{
    struct pxi_autonat2 *a = s->autonat;
    struct pxi_endpoint e;
    s->nonce = r->nonce;
    if (!choose(s, &r->addrs, &e)) {
        respond(s, PXI_AUTONAT2_REFUSED, PXI_AUTONAT2_DIAL_UNUSED);
        return;
    }
    s->granted = pxi_backs_grant(&a->backs, &s->peer, timers(a)->now_ns);
    if (!s->granted)
        respond(s, PXI_AUTONAT2_REJECTED, PXI_AUTONAT2_DIAL_UNUSED);
    else if (pxi_same_ip(&e, s->stream->conn))
        dial(s);
    else
        demand(s);
}

/* A part of the price; paid in full, wait a moment, so that many askers cannot aim together. */
static void on_payment(struct served *s, const struct pxi_msg_autonat2_data *d)
{
    struct pxi_autonat2 *a = s->autonat;
    s->due -= d->data.n < s->due ? d->data.n : s->due;
    if (s->due)
        return;
    s->state = PAUSED;
    pxi_timer_after(timers(a), &s->timer,
                    pxi_random_u64(pxi_host_random(a->host)) % PXI_LIMIT_AUTONAT2_PAUSE_MS *
                        PXI_MS);
}

static void on_message(struct served *s, px_view message)
{
    struct pxi_msg_autonat2 m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_RELAY_ARENA);
    px_err err = pxi_pb_decode(&pxi_pb_autonat2, message, &arena, &m, NULL);
    if (!err && s->state == READING && m.request) {
        on_request(s, m.request);
    } else if (!err && s->state == PRICED && m.data && m.data->data.n) {
        on_payment(s, m.data);
    } else {
        pxi_autonat2_fault(s->autonat);
        served_free(s);
    }
    pxi_arena_deinit(&arena);
}

static const struct pxi_stream_events request_events;

static size_t request_data(struct pxi_stream *stream, px_view bytes)
{
    px_view rest = bytes, message;
    while (rest.n && stream->on == &request_events) {
        struct served *s = stream->user;
        if (s->state != READING && s->state != PRICED)
            break; /* nothing more is wanted */
        px_err err = pxi_frame_next(&s->frame, &rest, &message);
        if (err == PX_ERR_TRUNCATED)
            break;
        if (err == PX_ERR_OK) {
            on_message(s, message);
        } else {
            pxi_autonat2_fault(s->autonat);
            served_free(s);
        }
    }
    return bytes.n;
}

static void request_ended(struct pxi_stream *stream)
{
    struct served *s = stream->user;
    if (s->state == READING || s->state == PRICED)
        served_free(s);
}

static void request_closed(struct pxi_stream *stream, px_err why)
{
    struct served *s = stream->user;
    s->stream = NULL;
    served_free(s);
}

static const struct pxi_stream_events request_events = {
    .data = request_data, .ended = request_ended, .closed = request_closed};

static void accept_request(void *ctx, struct pxi_stream *stream)
{
    struct pxi_autonat2 *a = ctx;
    struct served *s = NULL;
    if (!pxi_conn_relayed(stream->conn) && a->served_count < PXI_LIMIT_AUTONAT_REQUESTS)
        s = pxi_calloc(1, sizeof *s);
    if (!s) {
        pxi_host_faults(a->host)->n[PXI_FAULT_LIMIT]++;
        pxi_stream_reset(stream);
        return;
    }
    s->autonat = a;
    s->stream = stream;
    s->peer = stream->conn->peer;
    s->frame.max = s->back_frame.max = MESSAGE;
    s->timer.fire = late;
    pxi_list_add(&a->served, &s->link);
    a->served_count++;
    pxi_timer_after(timers(a), &s->timer, PXI_LIMIT_AUTONAT_REQUEST_MS * PXI_MS);
    pxi_stream_own(stream, &request_events, s);
}

px_err pxi_autonat2_server_start(struct pxi_autonat2 *a)
{
    return pxi_host_handle(a->host, PXI_AUTONAT2_REQUEST, 0, accept_request, a);
}

void pxi_autonat2_server_stop(struct pxi_autonat2 *a)
{
    pxi_host_unhandle(a->host, PXI_AUTONAT2_REQUEST);
    while (!pxi_list_empty(&a->served))
        served_free(PXI_OF(a->served.next, struct served, link));
}
