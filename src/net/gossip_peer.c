/* Peers of the router: who is there, one stream each way, frames out of bytes. */
#include "net/gossip_impl.h"

#include "codec/varint.h"

static const char *const protocols[] = {"/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0",
                                        "/floodsub/1.0.0"};
static const uint8_t versions[] = {GOSSIP_V12, GOSSIP_V11, GOSSIP_V10, GOSSIP_FLOODSUB};
enum { PROTOCOLS = sizeof protocols / sizeof protocols[0], TRIES = 4 };

struct pxi_gossip_peer *pxi_gossip_peer_find(struct pxi_gossip *g, const struct pxi_peer *id)
{
    struct pxi_node *n = pxi_table_first(&g->peer_table, pxi_siphash(g->key, pxi_peer_view(id)));
    for (; n; n = pxi_table_after(n)) {
        struct pxi_gossip_peer *p = PXI_OF(n, struct pxi_gossip_peer, node);
        if (pxi_peer_equal(&p->id, id))
            return p;
    }
    return NULL;
}

static bool is_direct(const struct pxi_gossip *g, const struct pxi_peer *id)
{
    for (unsigned i = 0; i < g->direct_count; i++)
        if (pxi_peer_equal(&g->direct[i], id))
            return true;
    return false;
}

/* A free slot; more of them, and scratch for as many, when there is none. -1: no room. */
static int take_slot(struct pxi_gossip *g)
{
    for (unsigned i = 0; i < g->slot_count; i++)
        if (!g->slots[i])
            return (int)i;
    unsigned n = g->slot_count ? g->slot_count * 2 : 16, first = g->slot_count;
    if (n > PXI_LIMIT_GOSSIP_PEERS)
        return -1;
    struct pxi_gossip_member **scratch = pxi_realloc(g->scratch, n, sizeof *scratch);
    if (!scratch)
        return -1;
    g->scratch = scratch;
    struct pxi_gossip_peer **slots = pxi_realloc(g->slots, n, sizeof *slots);
    if (!slots)
        return -1;
    memset(slots + first, 0, (n - first) * sizeof *slots);
    g->slots = slots;
    g->slot_count = n;
    return (int)first;
}

static struct pxi_gossip_peer *peer_new(struct pxi_gossip *g, struct pxi_conn *c)
{
    struct pxi_gossip_peer *p = pxi_calloc(1, sizeof *p);
    struct pxi_score_peer *book = p ? pxi_score_peer(&g->book, &c->peer) : NULL;
    int slot = book ? take_slot(g) : -1;
    if (slot < 0) {
        pxi_free(p);
        pxi_gossip_fault(g, PXI_FAULT_LIMIT);
        return NULL;
    }
    p->gossip = g;
    p->id = c->peer;
    p->book = book;
    p->slot = (uint16_t)slot;
    p->outbound = c->outbound;
    p->direct = is_direct(g, &c->peer);
    p->input.max = g->o.max_size + PXI_VARINT_MAX;
    pxi_list_init(&p->members);
    pxi_list_init(&p->dirty_link);
    for (int i = 0; i < GOSSIP_CLASSES; i++)
        pxi_list_init(&p->queue[i]);
    pxi_gossip_queue_clear(p);
    g->slots[slot] = p;
    g->peer_count++;
    pxi_list_add(&g->peers, &p->link);
    pxi_table_add(&g->peer_table, &p->node, pxi_siphash(g->key, pxi_peer_view(&p->id)));
    struct pxi_endpoint e;
    bool known = c->remote.n && pxi_endpoint_of(pxi_maddr_view(&c->remote), &e) == PX_ERR_OK;
    pxi_score_connected(&g->book, book, known ? &e : NULL);
    return p;
}

static struct pxi_gossip_peer *peer_get(struct pxi_gossip *g, struct pxi_conn *c)
{
    struct pxi_gossip_peer *p = pxi_gossip_peer_find(g, &c->peer);
    return p ? p : peer_new(g, c);
}

static void drop_input(struct pxi_gossip_peer *p)
{
    size_t max = p->input.max;
    p->gossip->input_bytes -= p->input.n;
    pxi_buf_deinit(&p->input);
    p->input = (struct pxi_buf){.max = max};
}

static void leave_topics(struct pxi_gossip_peer *p)
{
    struct pxi_gossip *g = p->gossip;
    while (!pxi_list_empty(&p->members)) {
        struct pxi_gossip_member *m = PXI_OF(p->members.next, struct pxi_gossip_member, peer_link);
        struct pxi_gossip_topic *t = m->topic;
        pxi_gossip_member_remove(m);
        pxi_gossip_topic_check(g, t);
    }
}

static void peer_free(struct pxi_gossip_peer *p)
{
    struct pxi_gossip *g = p->gossip;
    leave_topics(p);
    if (p->in)
        pxi_stream_reset(p->in);
    if (p->out)
        pxi_stream_reset(p->out);
    pxi_gossip_queue_clear(p);
    drop_input(p);
    pxi_score_disconnected(&g->book, p->book, pxi_gossip_now(g));
    pxi_list_remove(&p->dirty_link);
    pxi_list_remove(&p->link);
    pxi_table_remove(&g->peer_table, &p->node);
    g->slots[p->slot] = NULL;
    g->peer_count--;
    pxi_free(p->promises);
    pxi_free(p->unwanted);
    pxi_free(p);
}

/* --------------------------------------------------------------- incoming */

static void in_reset(struct pxi_gossip_peer *p)
{
    if (p->in)
        pxi_stream_reset(p->in);
    p->in = NULL;
    drop_input(p);
}

static void in_fault(struct pxi_gossip_peer *p, enum pxi_fault f)
{
    pxi_gossip_fault(p->gossip, f);
    pxi_score_behaviour(p->book, 1);
    in_reset(p);
}

/* One whole frame. false when the stream is gone. */
static bool on_frame(struct pxi_gossip_peer *p, px_view frame)
{
    px_diag d;
    if (pxi_rpc_check(frame, &d) != PX_ERR_OK) {
        in_fault(p, PXI_FAULT_GOSSIP);
        return false;
    }
    pxi_gossip_rpc(p, frame);
    return p->in != NULL;
}

/* Frames at the front of v; returns bytes used, or -1 when the stream is gone. */
static ptrdiff_t take_frames(struct pxi_gossip_peer *p, px_view v)
{
    size_t at = 0;
    while (at < v.n) {
        uint64_t n;
        int head = pxi_varint_get(px_view_of(v.p + at, v.n - at), &n);
        if (head < 0 || (head > 0 && n > p->gossip->o.max_size)) {
            in_fault(p, head < 0 ? PXI_FAULT_GOSSIP : PXI_FAULT_LIMIT);
            return -1;
        }
        if (head == 0 || n > v.n - at - (size_t)head)
            break;
        if (!on_frame(p, px_view_of(v.p + at + head, (size_t)n)))
            return -1;
        at += (size_t)head + (size_t)n;
    }
    return (ptrdiff_t)at;
}

/* Bytes of an unfinished frame are kept as they come, within the room of all peers together. */
static bool keep(struct pxi_gossip_peer *p, px_view v)
{
    struct pxi_gossip *g = p->gossip;
    if (!v.n)
        return true;
    if (v.n > PXI_LIMIT_GOSSIP_INPUT_BYTES - g->input_bytes || !pxi_buf_add(&p->input, v.p, v.n)) {
        in_fault(p, PXI_FAULT_LIMIT);
        return false;
    }
    g->input_bytes += v.n;
    return true;
}

/* Bytes that still belong to the frame that the input began with: 0 when its length is not known
 * or all of it is there. */
static size_t missing(const struct pxi_gossip_peer *p)
{
    uint64_t n;
    int head = pxi_varint_get(px_view_of(p->input.p, p->input.n), &n);
    if (head <= 0 || n > p->gossip->o.max_size || (size_t)head + n <= p->input.n)
        return 0;
    return (size_t)head + (size_t)n - p->input.n;
}

static size_t in_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_gossip_peer *p = s->user;
    size_t at = 0;
    p->gossip->stats.bytes_in += bytes.n;
    while (p->input.n && at < bytes.n) { /* finish what was begun */
        size_t want = missing(p), left = bytes.n - at;
        want = !want ? 1 : want < left ? want : left;
        if (!keep(p, px_view_of(bytes.p + at, want)))
            return bytes.n;
        at += want;
        struct pxi_buf whole = p->input;
        ptrdiff_t used = take_frames(p, px_view_of(whole.p, whole.n));
        if (used < 0)
            return bytes.n;
        if (used > 0)
            drop_input(p);
    }
    ptrdiff_t used = take_frames(p, px_view_of(bytes.p + at, bytes.n - at));
    if (used >= 0)
        keep(p, px_view_of(bytes.p + at + used, bytes.n - at - (size_t)used));
    return bytes.n;
}

static void in_ended(struct pxi_stream *s)
{
    pxi_stream_end(s);
}

static void in_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_gossip_peer *p = s->user;
    if (p->in == s) {
        p->in = NULL;
        drop_input(p);
    }
}

static const struct pxi_stream_events in_events = {
    .data = in_data, .ended = in_ended, .closed = in_closed};

static void accept_stream(void *ctx, struct pxi_stream *s)
{
    struct pxi_gossip *g = ctx;
    struct pxi_gossip_peer *p = peer_get(g, s->conn);
    if (!p) {
        pxi_stream_reset(s);
        return;
    }
    in_reset(p); /* the newest stream counts */
    p->in = s;
    pxi_stream_own(s, &in_events, p);
    pxi_gossip_peer_open(p);
}

/* --------------------------------------------------------------- outgoing */

static void out_opened(struct pxi_stream *s)
{
    struct pxi_gossip_peer *p = s->user;
    struct pxi_gossip *g = p->gossip;
    for (unsigned i = 0; i < PROTOCOLS; i++)
        if (s->protocol && strcmp(s->protocol, protocols[i]) == 0)
            p->version = versions[i];
    p->ready = true;
    p->tries = 0;
    for (struct pxi_list *l = g->topics.next; l != &g->topics; l = l->next) {
        struct pxi_gossip_topic *t = PXI_OF(l, struct pxi_gossip_topic, link);
        if (t->joined)
            pxi_gossip_send_subscription(p, true, t->name);
    }
    pxi_gossip_flush(g);
}

static void out_writable(struct pxi_stream *s)
{
    pxi_gossip_pump(s->user);
}

/* Our stream is gone: with it, what the peer knows of us, and the mesh. */
static void out_lost(struct pxi_gossip_peer *p)
{
    p->out = NULL;
    p->ready = p->broken = false;
    pxi_gossip_queue_clear(p);
    for (struct pxi_list *l = p->members.next; l != &p->members; l = l->next)
        pxi_gossip_mesh_remove(PXI_OF(l, struct pxi_gossip_member, peer_link));
}

static void out_closed(struct pxi_stream *s, px_err why)
{
    struct pxi_gossip_peer *p = s->user;
    if (p->out != s)
        return;
    out_lost(p);
    bool hopeless = why == PX_ERR_UNSUPPORTED || why == PX_ERR_NO_PROTOCOL;
    p->tries = hopeless ? TRIES : (uint8_t)(p->tries + 1);
    p->retry_ns = pxi_gossip_now(p->gossip) + PXI_SECOND;
}

static const struct pxi_stream_events out_events = {
    .opened = out_opened, .writable = out_writable, .closed = out_closed};

void pxi_gossip_peer_open(struct pxi_gossip_peer *p)
{
    struct pxi_gossip *g = p->gossip;
    if (p->out && p->broken) {
        pxi_stream_reset(p->out);
        out_lost(p);
    }
    if (p->out || p->tries >= TRIES || p->retry_ns > pxi_gossip_now(g))
        return;
    struct pxi_conn *c = pxi_host_conn(g->host, &p->id, false);
    if (!c)
        return;
    p->out = pxi_host_open(c, protocols, PROTOCOLS, &out_events, p);
    if (!p->out) {
        p->tries++;
        p->retry_ns = pxi_gossip_now(g) + PXI_SECOND;
    }
}

/* ------------------------------------------------------------ connections */

static int speaks(struct pxi_gossip *g, const struct pxi_peer *id)
{
    int best = 0;
    for (unsigned i = 0; i < PROTOCOLS; i++) {
        int s = pxi_peer_supports(g->host, id, protocols[i]);
        if (s > 0)
            return 1;
        best = s < 0 ? s : best;
    }
    return best;
}

static void begin(struct pxi_gossip *g, struct pxi_conn *c)
{
    if (c->limited || speaks(g, &c->peer) <= 0)
        return;
    struct pxi_gossip_peer *p = peer_get(g, c);
    if (p)
        pxi_gossip_peer_open(p);
}

static void on_connected(struct pxi_watch *w, struct pxi_conn *c)
{
    begin(PXI_OF(w, struct pxi_gossip, watch), c);
}

static void on_identified(struct pxi_watch *w, const struct pxi_peer *id, struct pxi_conn *c)
{
    struct pxi_gossip *g = PXI_OF(w, struct pxi_gossip, watch);
    if (!c)
        c = pxi_host_conn(g->host, id, false);
    if (c)
        begin(g, c);
}

static void on_disconnected(struct pxi_watch *w, struct pxi_conn *c)
{
    struct pxi_gossip *g = PXI_OF(w, struct pxi_gossip, watch);
    struct pxi_gossip_peer *p = pxi_gossip_peer_find(g, &c->peer);
    if (!p)
        return;
    struct pxi_conn *other = pxi_host_conn(g->host, &c->peer, false);
    if (!other || other == c)
        peer_free(p);
    else
        pxi_gossip_peer_open(p);
}

px_err pxi_gossip_peers_start(struct pxi_gossip *g)
{
    g->watch = (struct pxi_watch){
        .connected = on_connected, .disconnected = on_disconnected, .identified = on_identified};
    for (unsigned i = 0; i < PROTOCOLS; i++) {
        px_err err = pxi_host_handle(g->host, protocols[i], 0, accept_stream, g);
        if (err != PX_ERR_OK) {
            while (i-- > 0)
                pxi_host_unhandle(g->host, protocols[i]);
            return err;
        }
    }
    pxi_host_watch(g->host, &g->watch);
    struct pxi_list *conns = pxi_host_conns(g->host);
    for (struct pxi_list *l = conns->next; l != conns; l = l->next)
        begin(g, PXI_OF(l, struct pxi_conn, link));
    return PX_ERR_OK;
}

void pxi_gossip_peers_stop(struct pxi_gossip *g)
{
    if (g->watch.connected) {
        pxi_host_unwatch(&g->watch);
        for (unsigned i = 0; i < PROTOCOLS; i++)
            pxi_host_unhandle(g->host, protocols[i]);
    }
    while (!pxi_list_empty(&g->peers))
        peer_free(PXI_OF(g->peers.next, struct pxi_gossip_peer, link));
    pxi_free(g->slots);
    pxi_free(g->scratch);
}
