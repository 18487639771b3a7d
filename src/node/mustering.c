#include "node/mustering.h"

#include "base/limits.h"
#include "base/mem.h"
#include "net/fault.h"
#include "net/message.h"
#include "swarm/heartbeat.h"

static const char protocol[] = PXI_MUSTER_PROTOCOL;

/* Someone at the table: a stream of a peer, a worker of ours here, or one of ours elsewhere. */
struct pxi_seat {
    struct pxi_list link;
    struct pxi_mustering *of;
    struct pxi_stream *stream;        /* NULL: a worker of ours, here */
    struct pxi_muster_member *member; /* NULL: not yet, or elsewhere */
    struct pxi_joining *joining;      /* of a worker of ours */
    struct pxi_frame frame;
    struct pxi_timer late; /* it says no join, or is gone */
};

struct pxi_mustering {
    px_node *node;
    struct pxi_muster *muster;
    struct pxi_list seats;
    bool telling; /* the muster speaks: nobody leaves it from inside */
};

static struct pxi_timers *timers(const struct pxi_mustering *g)
{
    return pxi_host_timers(g->node->host);
}

static void on_late(struct pxi_timer *t, uint64_t now_ns);

static struct pxi_seat *seat_new(struct pxi_mustering *g)
{
    struct pxi_seat *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->of = g;
    s->late.fire = on_late;
    pxi_list_add(&g->seats, &s->link);
    return s;
}

static void seat_free(struct pxi_seat *s)
{
    pxi_timer_disarm(timers(s->of), &s->late);
    if (s->member)
        pxi_muster_leave(s->of->muster, s->member);
    if (s->joining)
        s->joining->seat = NULL;
    pxi_list_remove(&s->link);
    pxi_frame_deinit(&s->frame);
    pxi_free(s);
}

static void seat_reset(struct pxi_seat *s)
{
    if (s->stream)
        pxi_stream_reset(s->stream);
    seat_free(s);
}

static void on_late(struct pxi_timer *t, uint64_t now_ns)
{
    seat_reset(PXI_OF(t, struct pxi_seat, late));
}

/* ------------------------------------------------------ those who join here */

/* What a job says to one of its members. */
static void tell(struct pxi_muster *m, struct pxi_muster_member *member,
                 const struct pxi_muster_order *o)
{
    struct pxi_seat *s = pxi_muster_ctx(member);
    bool over = o->status == PXI_MUSTER_REFUSED;
    struct pxi_joining *j = s->joining;
    if (over)
        s->member = NULL;
    if (!s->stream) {
        struct pxi_mustering *g = s->of;
        g->telling = true;
        if (over)
            seat_free(s);
        if (j)
            j->heard(j, o, over ? PX_ERR_REFUSED : PX_ERR_OK);
        g->telling = false;
        return;
    }
    if (!pxi_message_write(s->stream, &pxi_pb_muster_order, o, PXI_MUSTER_ORDER_BYTES)) {
        pxi_stream_reset(s->stream);
        s->stream = NULL;
        pxi_timer_after(timers(s->of), &s->late, 0); /* not from inside the muster */
    } else if (over) {
        pxi_stream_leave(s->stream);
        seat_free(s);
    }
}

static void refuse(struct pxi_seat *s, px_err why)
{
    struct pxi_muster_order o = {.status = PXI_MUSTER_REFUSED,
                                 .reason = px_view_str(px_err_text(why))};
    if (pxi_message_write(s->stream, &pxi_pb_muster_order, &o, PXI_MUSTER_ORDER_BYTES))
        pxi_stream_leave(s->stream);
    else
        pxi_stream_reset(s->stream);
    seat_free(s);
}

/* A peer says whom it brings, or who of their company was late. False: the seat is gone. */
static bool on_join(struct pxi_seat *s, px_view message)
{
    struct pxi_muster_join join;
    struct pxi_arena arena;
    pxi_arena_init(&arena, 4 * PXI_MUSTER_JOIN_BYTES);
    px_err err = pxi_muster_read_join(message, &arena, &join, NULL);
    if (!err && s->member)
        pxi_muster_late(s->of->muster, s->member, join.late);
    else if (!err)
        s->member = pxi_muster_join(s->of->muster, &s->stream->conn->peer, &join, s, &err);
    pxi_arena_deinit(&arena);
    if (err) {
        refuse(s, err);
        return false;
    }
    pxi_timer_disarm(timers(s->of), &s->late);
    return true;
}

static size_t on_data(struct pxi_stream *stream, px_view bytes)
{
    struct pxi_seat *s = stream->user;
    size_t n = bytes.n;
    px_view message;
    px_err err;
    while ((err = pxi_frame_next(&s->frame, &bytes, &message)) == PX_ERR_OK)
        if (!on_join(s, message))
            return n;
    if (err != PX_ERR_TRUNCATED)
        seat_reset(s);
    return n;
}

static void on_ended(struct pxi_stream *stream)
{
    seat_reset(stream->user);
}

static void on_closed(struct pxi_stream *stream, px_err why)
{
    struct pxi_seat *s = stream->user;
    s->stream = NULL;
    seat_free(s);
}

static void on_accept(void *ctx, struct pxi_stream *stream)
{
    static const struct pxi_stream_events on = {
        .data = on_data, .ended = on_ended, .closed = on_closed};
    struct pxi_seat *s = seat_new(ctx);
    if (!s) {
        pxi_stream_reset(stream);
        return;
    }
    s->stream = stream;
    s->frame.max = PXI_MUSTER_JOIN_BYTES;
    pxi_stream_own(stream, &on, s);
    pxi_timer_after(timers(s->of), &s->late, PXI_LIMIT_MUSTER_SILENT_MS * PXI_MS);
}

/* ------------------------------------------------- how fit for work they are */

static bool is_slow(void *ctx, const struct pxi_peer *peer)
{
    const px_node *n = ctx;
    enum pxi_peer_state s =
        n->heartbeat ? pxi_heartbeat_state(n->heartbeat, peer, NULL) : PXI_PEER_NEW;
    return s == PXI_PEER_SLOW || s == PXI_PEER_SILENT;
}

static void was_late(void *ctx, const struct pxi_peer *peer)
{
    px_node *n = ctx;
    if (n->heartbeat)
        pxi_heartbeat_late(n->heartbeat, peer);
}

struct pxi_mustering *pxi_mustering_new(px_node *n)
{
    const struct pxi_muster_ranking ranking = {is_slow, was_late, n};
    struct pxi_mustering *g = pxi_calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->node = n;
    pxi_list_init(&g->seats);
    g->muster = pxi_muster_new(timers(g), pxi_host_random(n->host), tell);
    if (g->muster)
        pxi_muster_rank(g->muster, &ranking);
    if (g->muster && pxi_host_handle(n->host, protocol, PXI_HANDLE_LIMITED, on_accept, g) == 0)
        return g;
    pxi_mustering_free(g);
    return NULL;
}

void pxi_mustering_free(struct pxi_mustering *g)
{
    if (!g)
        return;
    if (g->muster)
        pxi_host_unhandle(g->node->host, protocol);
    while (!pxi_list_empty(&g->seats))
        seat_reset(PXI_OF(g->seats.next, struct pxi_seat, link));
    pxi_muster_free(g->muster);
    pxi_free(g);
}

struct pxi_muster *pxi_mustering_muster(struct pxi_mustering *g)
{
    return g->muster;
}

/* ------------------------------------------------- those of ours who join */

static void over(struct pxi_seat *s, const struct pxi_muster_order *o, px_err why)
{
    struct pxi_joining *j = s->joining;
    seat_free(s);
    j->heard(j, o, why);
}

/* An order from elsewhere. False: that was the last. */
static bool on_order(struct pxi_seat *s, px_view message)
{
    struct pxi_muster_order o;
    struct pxi_arena arena;
    pxi_arena_init(&arena, 4 * PXI_MUSTER_ORDER_BYTES);
    px_err err = pxi_muster_read_order(message, &arena, &o, NULL);
    bool last = err || o.status == PXI_MUSTER_REFUSED;
    if (last) {
        pxi_stream_reset(s->stream);
        over(s, err ? NULL : &o, err ? err : PX_ERR_REFUSED);
    } else {
        s->joining->heard(s->joining, &o, PX_ERR_OK);
    }
    pxi_arena_deinit(&arena);
    return !last;
}

static size_t on_orders(struct pxi_stream *stream, px_view bytes)
{
    struct pxi_seat *s = stream->user;
    size_t n = bytes.n;
    px_view message;
    px_err err;
    while ((err = pxi_frame_next(&s->frame, &bytes, &message)) == PX_ERR_OK)
        if (!on_order(s, message))
            return n;
    if (err != PX_ERR_TRUNCATED) {
        pxi_stream_reset(stream);
        over(s, NULL, err);
    }
    return n;
}

static void on_orders_end(struct pxi_stream *stream)
{
    pxi_stream_reset(stream);
    over(stream->user, NULL, PX_ERR_RESET);
}

static void on_orders_closed(struct pxi_stream *stream, px_err why)
{
    struct pxi_seat *s = stream->user;
    s->stream = NULL;
    over(s, NULL, why ? why : PX_ERR_RESET);
}

static px_err join_at(struct pxi_seat *s, struct pxi_conn *at, const struct pxi_muster_join *join)
{
    static const struct pxi_stream_events on = {
        .data = on_orders, .ended = on_orders_end, .closed = on_orders_closed};
    static const char *const proposal[] = {protocol};
    s->frame.max = PXI_MUSTER_ORDER_BYTES;
    s->stream = pxi_host_open(at, proposal, 1, &on, s);
    if (!s->stream)
        return PX_ERR_LIMIT;
    return pxi_message_write(s->stream, &pxi_pb_muster_join, join, PXI_MUSTER_JOIN_BYTES)
               ? PX_ERR_OK
               : PX_ERR_LIMIT;
}

px_err pxi_joining_start(struct pxi_joining *j, struct pxi_mustering *g, struct pxi_conn *at,
                         const struct pxi_muster_join *join)
{
    px_err err = PX_ERR_NOMEM;
    struct pxi_seat *s = j->seat = seat_new(g);
    if (!s)
        return err;
    s->joining = j;
    j->name_n = (uint8_t)join->name.n;
    memcpy(j->name, join->name.p, join->name.n);
    j->address.n = join->address.n;
    memcpy(j->address.b, join->address.p, join->address.n);
    if (at)
        err = join_at(s, at, join);
    else
        s->member = pxi_muster_join(g->muster, pxi_host_self(g->node->host), join, s, &err);
    if (err)
        seat_reset(s);
    return err;
}

static bool is_of(const struct pxi_seat *s, const struct pxi_muster_join *who)
{
    const struct pxi_joining *j = s->joining;
    return j && j->name_n == who->name.n && j->address.n == who->address.n &&
           memcmp(j->name, who->name.p, who->name.n) == 0 &&
           memcmp(j->address.b, who->address.p, who->address.n) == 0;
}

px_err pxi_mustering_late(struct pxi_mustering *g, const struct pxi_muster_join *who)
{
    px_err err = PX_ERR_NOT_FOUND;
    for (struct pxi_list *l = g->seats.next; l != &g->seats; l = l->next) {
        struct pxi_seat *s = PXI_OF(l, struct pxi_seat, link);
        if (!is_of(s, who))
            continue;
        err = PX_ERR_OK;
        if (s->member)
            pxi_muster_late(g->muster, s->member, who->late);
        else if (!s->stream ||
                 !pxi_message_write(s->stream, &pxi_pb_muster_join, who, PXI_MUSTER_JOIN_BYTES))
            err = PX_ERR_LIMIT;
    }
    return err;
}

void pxi_joining_end(struct pxi_joining *j)
{
    struct pxi_seat *s = j->seat;
    if (s && s->of->telling) { /* its channel broke when it was to hear something */
        s->joining = NULL;
        j->seat = NULL;
        pxi_timer_after(timers(s->of), &s->late, 0);
    } else if (s) {
        seat_reset(s);
    }
}
