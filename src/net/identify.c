#include "net/identify.h"

#include "codec/messages.h"
#include "codec/varint.h"
#include "net/envelope.h"
#include "net/frame.h"
#include "net/host_impl.h"

static const char ID[] = "/ipfs/id/1.0.0", PUSH[] = "/ipfs/id/push/1.0.0";
enum { ADDRS = PXI_LIMIT_NET_OWN_ADDRS, PROTOCOLS = 64 };
#define TTL_CONNECTED (3600 * PXI_SECOND)

struct pxi_identify {
    struct pxi_host *host;
    struct pxi_watch watch;
    struct pxi_buf own; /* our message without the observed address */
    void (*observed)(void *ctx, px_view addr, struct pxi_conn *c);
    void *ctx;
    struct pxi_list sessions;
    uint64_t seq;
};

/* One stream on which a message is sent or read. */
struct session {
    struct pxi_identify *id;
    struct pxi_stream *stream;
    struct pxi_list link;
    struct pxi_timer timer; /* until when it must be over */
    struct pxi_buf out;
    struct pxi_frame in;
    size_t sent;
    bool push, got;
};

static void session_free(struct session *s)
{
    pxi_list_remove(&s->link);
    pxi_timer_disarm(pxi_host_timers(s->id->host), &s->timer);
    pxi_buf_deinit(&s->out);
    pxi_frame_deinit(&s->in);
    pxi_free(s);
}

/* Who neither finishes its message nor takes ours gives its place back. */
static void session_late(struct pxi_timer *t, uint64_t now_ns)
{
    struct session *s = PXI_OF(t, struct session, timer);
    pxi_stream_reset(s->stream);
    session_free(s);
}

static struct session *session_new(struct pxi_identify *id)
{
    struct session *s = pxi_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->id = id;
    s->in.max = PXI_LIMIT_IDENTIFY_BYTES;
    s->out.max = PXI_LIMIT_IDENTIFY_BYTES;
    s->timer.fire = session_late;
    pxi_timer_after(pxi_host_timers(id->host), &s->timer, PXI_LIMIT_IDENTIFY_MS * PXI_MS);
    pxi_list_add(&id->sessions, &s->link);
    return s;
}

static void on_closed(struct pxi_stream *st, px_err why)
{
    session_free(st->user);
}

/* ---------------------------------------------------------- what we tell others */

/* Our message: key, addresses, protocols, agent, signed record. Made anew when something changes.
 */
static px_err compose(struct pxi_identify *id)
{
    struct pxi_host *h = id->host;
    px_view addrs[ADDRS], protocols[PROTOCOLS];
    struct pxi_buf record = {.max = PXI_ENVELOPE_MAX};
    struct pxi_msg_identify m = {
        .public_key = pxi_key_public(pxi_host_key(h)),
        .protocol_version = px_view_str("ipfs/0.1.0"),
        .agent_version = px_view_str(pxi_host_agent(h)),
        .has_public_key = true,
        .has_protocol_version = true,
        .has_agent_version = true,
        .listen_addrs = {addrs, 0},
        .protocols = {protocols, 0},
    };
    for (px_view a;
         m.listen_addrs.n < ADDRS && (a = pxi_host_addr(h, (unsigned)m.listen_addrs.n)).n;)
        addrs[m.listen_addrs.n++] = a;
    for (const char *p;
         m.protocols.n < PROTOCOLS && (p = pxi_host_protocol(h, (unsigned)m.protocols.n));)
        protocols[m.protocols.n++] = px_view_str(p);
    uint64_t wall = pxi_host_wall_s(h);
    id->seq = wall > id->seq ? wall : id->seq + 1;
    if (!pxi_host_simulated(h) && m.listen_addrs.n &&
        pxi_peer_record_seal(pxi_host_key(h), pxi_host_self(h), id->seq, addrs,
                             (unsigned)m.listen_addrs.n, &record) == PX_ERR_OK) {
        m.signed_peer_record = px_view_of(record.p, record.n);
        m.has_signed_peer_record = true;
    }
    id->own.n = 0;
    px_err err = pxi_pb_encode(&pxi_pb_identify, &m, &id->own);
    pxi_buf_deinit(&record);
    return err;
}

static void send_more(struct pxi_stream *st)
{
    struct session *s = st->user;
    s->sent += pxi_stream_write(st, px_view_of(s->out.p + s->sent, s->out.n - s->sent));
    if (s->sent == s->out.n)
        pxi_stream_end(st);
}

/* Send our message, with what the remote looks like from here, on a stream. */
static bool tell(struct session *s)
{
    struct pxi_identify *id = s->id;
    px_view seen = pxi_maddr_view(&s->stream->conn->remote);
    struct pxi_msg_identify extra = {.observed_addr = seen, .has_observed_addr = seen.n > 0};
    uint8_t length[PXI_VARINT_MAX];
    if (!id->own.n && compose(id) != PX_ERR_OK)
        return false;
    size_t n = id->own.n + pxi_pb_size(&pxi_pb_identify, &extra);
    /* Fields may come in any order: the observed address follows the part that is shared. */
    if (!pxi_buf_add(&s->out, length, pxi_varint_put(length, n)) ||
        !pxi_buf_add(&s->out, id->own.p, id->own.n) ||
        pxi_pb_encode(&pxi_pb_identify, &extra, &s->out) != PX_ERR_OK)
        return false;
    send_more(s->stream);
    return true;
}

static void remote_done(struct pxi_stream *st) {}

static const struct pxi_stream_events telling = {
    .ended = remote_done, .writable = send_more, .closed = on_closed};

static void on_asked(void *ctx, struct pxi_stream *st)
{
    struct session *s = session_new(ctx);
    if (!s) {
        pxi_stream_reset(st);
        return;
    }
    s->stream = st;
    pxi_stream_own(st, &telling, s);
    if (!tell(s)) {
        pxi_stream_reset(st);
        session_free(s);
    }
}

/* ---------------------------------------------------------- what others tell us */

struct learning {
    struct pxi_host *host;
    const struct pxi_peer *peer;
};

static void learn_addr(void *ctx, px_view addr)
{
    struct learning *l = ctx;
    pxi_peer_addr_add(l->host, l->peer, addr, TTL_CONNECTED);
}

static void learn_addrs(struct pxi_host *h, const struct pxi_peer *p, struct pxi_msg_identify *m)
{
    struct learning l = {h, p};
    struct pxi_peer signer;
    uint64_t seq;
    if (m->signed_peer_record.n && !pxi_host_simulated(h)) {
        struct pxi_proofs *known = pxi_host_proofs(h);
        px_err err = pxi_peer_record_open(m->signed_peer_record, known, &signer, &seq, NULL, NULL);
        if (err == PX_ERR_OK && pxi_peer_equal(&signer, p)) {
            err = pxi_peer_record_open(m->signed_peer_record, known, &signer, &seq, learn_addr, &l);
            return;
        }
        pxi_host_fault(h, PXI_FAULT_IDENTIFY);
    }
    for (size_t i = 0; i < m->listen_addrs.n; i++) {
        px_view a = *PXI_PB_AT(m->listen_addrs, px_view, i);
        if (pxi_maddr_check(a, NULL) == PX_ERR_OK)
            learn_addr(&l, a);
    }
}

/* An address that a peer sees us at, without the /p2p that some put behind it. */
static void learn_observed(struct pxi_identify *id, struct pxi_conn *c, px_view addr)
{
    struct pxi_maddr_part part;
    if (!addr.n || pxi_maddr_check(addr, NULL) != PX_ERR_OK || !id->observed)
        return;
    if (pxi_maddr_find(addr, PXI_MA_P2P_CIRCUIT, &part))
        return;
    if (pxi_maddr_find(addr, PXI_MA_P2P, &part))
        addr.n = part.offset;
    if (addr.n)
        id->observed(id->ctx, addr, c);
}

static px_err learn(struct session *s, px_view message)
{
    struct pxi_host *h = s->id->host;
    struct pxi_conn *c = s->stream->conn;
    struct pxi_peer peer = c->peer;
    struct pxi_msg_identify m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, 4 * PXI_LIMIT_IDENTIFY_BYTES);
    px_err err = pxi_pb_decode(&pxi_pb_identify, message, &arena, &m, NULL);
    if (err == PX_ERR_OK && m.public_key.n) {
        struct pxi_peer told = pxi_peer_of_key(m.public_key);
        if (!pxi_peer_equal(&told, &peer))
            err = PX_ERR_IDENTITY;
    }
    if (err == PX_ERR_OK) {
        size_t n = m.protocols.n < PXI_LIMIT_IDENTIFY_PROTOCOLS ? m.protocols.n
                                                                : PXI_LIMIT_IDENTIFY_PROTOCOLS;
        if (n || !s->push)
            pxi_peer_set_protocols(h, &peer, m.protocols.p, (unsigned)n);
        if (!pxi_host_simulated(h) && (!s->push || m.agent_version.n))
            pxi_peer_set_identify(h, &peer, message);
        learn_addrs(h, &peer, &m);
        learn_observed(s->id, c, m.observed_addr);
    }
    pxi_arena_deinit(&arena);
    return err;
}

static size_t on_told(struct pxi_stream *st, px_view bytes)
{
    struct session *s = st->user;
    struct pxi_host *h = s->id->host;
    px_view in = bytes, message;
    px_err err = PX_ERR_TRUNCATED;
    if (s->got)
        return bytes.n; /* whatever follows the message is of no interest */
    err = pxi_frame_next(&s->in, &in, &message);
    if (err == PX_ERR_TRUNCATED)
        return bytes.n;
    if (err == PX_ERR_OK)
        err = learn(s, message);
    if (err != PX_ERR_OK) {
        pxi_host_fault(h, PXI_FAULT_IDENTIFY);
        pxi_stream_reset(st);
        session_free(s);
        return bytes.n;
    }
    s->got = true;
    pxi_frame_deinit(&s->in);
    pxi_stream_end(st);
    struct pxi_conn *c = st->conn;
    struct pxi_peer peer = c->peer;
    pxi_host_identified(h, &peer, c);
    return bytes.n;
}

static void told_end(struct pxi_stream *st)
{
    pxi_stream_end(st);
}

static const struct pxi_stream_events listening = {
    .data = on_told, .ended = told_end, .closed = on_closed};

static void on_push(void *ctx, struct pxi_stream *st)
{
    struct session *s = session_new(ctx);
    if (!s) {
        pxi_stream_reset(st);
        return;
    }
    s->stream = st;
    s->push = true;
    pxi_stream_own(st, &listening, s);
}

/* ------------------------------------------------------------------ whom we ask */

static void open_session(struct pxi_identify *id, struct pxi_conn *c, const char *protocol)
{
    struct session *s = session_new(id);
    bool push = protocol == PUSH;
    if (!s)
        return;
    static const char *const proposals[] = {ID, PUSH}; /* read until there is an answer */
    s->stream = pxi_host_open(c, &proposals[push], 1, push ? &telling : &listening, s);
    if (!s->stream) {
        session_free(s);
    } else if (push && !tell(s)) {
        pxi_stream_reset(s->stream);
        session_free(s);
    }
}

static void on_connected(struct pxi_watch *w, struct pxi_conn *c)
{
    open_session(PXI_OF(w, struct pxi_identify, watch), c, ID);
}

/* Our addresses or protocols changed: tell everybody who wants to know. */
static void on_changed(struct pxi_watch *w)
{
    struct pxi_identify *id = PXI_OF(w, struct pxi_identify, watch);
    struct pxi_list *conns = pxi_host_conns(id->host);
    id->own.n = 0;
    for (struct pxi_list *l = conns->next, *next; l != conns; l = next) {
        struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        next = l->next;
        if (!c->closing && pxi_peer_supports(id->host, &c->peer, PUSH) == 1)
            open_session(id, c, PUSH);
    }
}

struct pxi_identify *pxi_identify_new(struct pxi_host *h)
{
    struct pxi_identify *id = pxi_calloc(1, sizeof *id);
    if (!id)
        return NULL;
    id->host = h;
    id->own.max = PXI_LIMIT_IDENTIFY_BYTES / 2;
    id->watch.connected = on_connected;
    id->watch.addrs_changed = on_changed;
    pxi_list_init(&id->sessions);
    if (pxi_host_handle(h, ID, PXI_HANDLE_LIMITED, on_asked, id) != PX_ERR_OK ||
        pxi_host_handle(h, PUSH, PXI_HANDLE_LIMITED, on_push, id) != PX_ERR_OK) {
        pxi_host_unhandle(h, ID);
        pxi_free(id);
        return NULL;
    }
    pxi_host_watch(h, &id->watch);
    return id;
}

void pxi_identify_free(struct pxi_identify *id)
{
    if (!id)
        return;
    pxi_host_unwatch(&id->watch);
    pxi_host_unhandle(id->host, ID);
    pxi_host_unhandle(id->host, PUSH);
    while (!pxi_list_empty(&id->sessions)) {
        struct session *s = PXI_OF(id->sessions.next, struct session, link);
        pxi_stream_reset(s->stream);
        session_free(s);
    }
    pxi_buf_deinit(&id->own);
    pxi_free(id);
}

void pxi_identify_on_observed(struct pxi_identify *id,
                              void (*fn)(void *ctx, px_view addr, struct pxi_conn *c), void *ctx)
{
    id->observed = fn;
    id->ctx = ctx;
}
