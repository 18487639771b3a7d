/*
 * Sending. Control parts of one moment are gathered a peer and leave as one RPC; messages wait in
 * a queue that has a maximum. A peer that does not read loses adverts first, then messages, and at
 * last its stream; it never holds up another.
 */
#include "net/gossip_impl.h"

#include "codec/varint.h"

static void mark(struct pxi_gossip_peer *p)
{
    if (p->dirty)
        return;
    p->dirty = true;
    pxi_list_add(&p->gossip->dirty, &p->dirty_link);
}

/* Enough was gathered for one RPC. */
static void make_room(struct pxi_gossip_peer *p, const struct pxi_buf *b, size_t more);

void pxi_gossip_send_subscription(struct pxi_gossip_peer *p, bool on, px_view topic)
{
    if (!p->ready)
        return;
    make_room(p, &p->subs, topic.n + 16);
    pxi_rpc_put_subscription(&p->subs, on, topic);
    mark(p);
}

void pxi_gossip_send_graft(struct pxi_gossip_peer *p, px_view topic)
{
    make_room(p, &p->control, topic.n + 16);
    pxi_rpc_put_graft(&p->control, topic);
    p->gossip->stats.grafts_out++;
    mark(p);
}

void pxi_gossip_send_prune(struct pxi_gossip_peer *p, struct pxi_gossip_topic *t,
                           uint64_t backoff_ms, bool exchange)
{
    struct pxi_buf peers = {.max = p->control.max / 2};
    bool knows = p->version >= GOSSIP_V11;
    if (exchange && knows && p->gossip->o.peer_exchange && pxi_gossip_score_of(p) >= 0)
        pxi_gossip_px_tell(p, t, &peers);
    make_room(p, &p->control, t->name.n + peers.n + 32);
    pxi_rpc_put_prune(&p->control, t->name, knows ? (backoff_ms + 999) / 1000 : 0,
                      px_view_of(peers.p, peers.n));
    pxi_buf_deinit(&peers);
    p->gossip->stats.prunes_out++;
    mark(p);
}

/* Our id in the form that this peer uses. */
static px_view id_out(const struct pxi_gossip_peer *p, px_view id, struct pxi_gossip_id *other)
{
    if (p->key_ids && !p->gossip->o.id && p->gossip->o.policy == PXI_GOSSIP_STRICT_SIGN &&
        pxi_gossip_id_to_key(id, other))
        return pxi_gossip_id_view(other);
    return id;
}

void pxi_gossip_send_ihave(struct pxi_gossip_peer *p, px_view topic, struct pxi_gossip_msg **m,
                           uint32_t count)
{
    struct pxi_gossip_id other;
    size_t n = pxi_rpc_field_size(PXI_RPC_TOPIC, topic.n);
    for (uint32_t i = 0; i < count; i++)
        n += pxi_rpc_field_size(PXI_RPC_IHAVE_ID,
                                id_out(p, pxi_gossip_id_view(&m[i]->id), &other).n);
    make_room(p, &p->advert, n + 8);
    size_t start = p->advert.n;
    bool good = pxi_rpc_put_head(&p->advert, PXI_RPC_IHAVE, n) &&
                pxi_rpc_put_bytes(&p->advert, PXI_RPC_TOPIC, topic);
    for (uint32_t i = 0; good && i < count; i++)
        good = pxi_rpc_put_bytes(&p->advert, PXI_RPC_IHAVE_ID,
                                 id_out(p, pxi_gossip_id_view(&m[i]->id), &other));
    if (!good)
        p->advert.n = start;
    p->gossip->stats.ihave_out += good ? count : 0;
    mark(p);
}

void pxi_gossip_send_iwant(struct pxi_gossip_peer *p, px_view fields)
{
    make_room(p, &p->advert, fields.n + 8);
    size_t start = p->advert.n;
    if (!pxi_rpc_put_head(&p->advert, PXI_RPC_IWANT, fields.n) ||
        !pxi_buf_add(&p->advert, fields.p, fields.n))
        p->advert.n = start;
    mark(p);
}

void pxi_gossip_send_idontwant(struct pxi_gossip_peer *p, px_view id)
{
    struct pxi_gossip_id other;
    id = id_out(p, id, &other);
    make_room(p, &p->control, id.n + 8);
    size_t start = p->control.n;
    if (pxi_rpc_put_head(&p->control, PXI_RPC_IDONTWANT,
                         pxi_rpc_field_size(PXI_RPC_WANT_ID, id.n)) &&
        pxi_rpc_put_bytes(&p->control, PXI_RPC_WANT_ID, id))
        p->gossip->stats.idontwant_out++;
    else
        p->control.n = start;
    mark(p);
}

/* ------------------------------------------------------------------ queues */

static void out_free(struct pxi_gossip_peer *p, struct pxi_gossip_out *o)
{
    p->queued -= o->n;
    p->queued_count--;
    pxi_list_remove(&o->link);
    if (o->msg)
        pxi_gossip_msg_unref(o->msg);
    pxi_free(o);
}

void pxi_gossip_queue_clear(struct pxi_gossip_peer *p)
{
    for (int c = 0; c < GOSSIP_CLASSES; c++)
        while (!pxi_list_empty(&p->queue[c]))
            out_free(p, PXI_OF(p->queue[c].next, struct pxi_gossip_out, link));
    if (p->current)
        out_free(p, p->current);
    p->current = NULL;
    pxi_buf_deinit(&p->subs);
    pxi_buf_deinit(&p->control);
    pxi_buf_deinit(&p->advert);
    size_t max = (p->gossip->o.max_size - 64) / 2;
    max = max < PXI_LIMIT_GOSSIP_GATHER ? max : PXI_LIMIT_GOSSIP_GATHER;
    p->subs.max = p->control.max = p->advert.max = max;
}

/* Adverts leave half of the room to messages, messages a quarter to control. */
static bool fits(const struct pxi_gossip_peer *p, size_t n, enum gossip_class class)
{
    static const unsigned quarters[GOSSIP_CLASSES] = {4, 3, 2};
    size_t bytes = (size_t)PXI_LIMIT_GOSSIP_QUEUE_BYTES / 4 * quarters[class];
    size_t count = (size_t)PXI_LIMIT_GOSSIP_QUEUE_ITEMS / 4 * quarters[class];
    return p->queued + n <= bytes && p->queued_count < count;
}

static void enqueue(struct pxi_gossip_peer *p, struct pxi_gossip_out *o, enum gossip_class class)
{
    o->class = class;
    p->queued += o->n;
    p->queued_count++;
    pxi_list_add(&p->queue[class], &o->link);
    mark(p);
}

/* A head of length and tag before `body` bytes. */
static uint8_t put_message_head(uint8_t *head, size_t body)
{
    size_t inner = pxi_rpc_field_size(PXI_RPC_PUBLISH, body);
    size_t n = pxi_varint_put(head, inner);
    head[n++] = PXI_RPC_PUBLISH << 3 | 2;
    return (uint8_t)(n + pxi_varint_put(head + n, body));
}

bool pxi_gossip_send_message(struct pxi_gossip_peer *p, struct pxi_gossip_msg *m,
                             enum gossip_class class)
{
    struct pxi_gossip_out *o = NULL;
    if (!p->ready)
        return false;
    if (pxi_gossip_unwanted(p, pxi_gossip_id_view(&m->id))) {
        p->gossip->stats.spared++;
        return false;
    }
    if (fits(p, m->raw.n + 32, class))
        o = pxi_calloc(1, sizeof *o);
    if (!o) {
        p->lost += class == GOSSIP_MESSAGE;
        p->gossip->stats.dropped++;
        return false;
    }
    o->head_n = put_message_head(o->head, m->raw.n);
    o->n = o->head_n + m->raw.n;
    o->msg = m;
    pxi_gossip_msg_ref(m);
    enqueue(p, o, class);
    return true;
}

void pxi_gossip_unsend(struct pxi_gossip_peer *p, px_view id)
{
    for (int c = GOSSIP_MESSAGE; c < GOSSIP_CLASSES; c++) {
        for (struct pxi_list *l = p->queue[c].next, *next; l != &p->queue[c]; l = next) {
            struct pxi_gossip_out *o = PXI_OF(l, struct pxi_gossip_out, link);
            next = l->next;
            if (o->msg && px_view_equal(pxi_gossip_id_view(&o->msg->id), id)) {
                out_free(p, o);
                p->gossip->stats.spared++;
            }
        }
    }
}

/* --------------------------------------------------- from parts to an RPC */

/* Large ones give their memory back. */
static void empty_buf(struct pxi_buf *b)
{
    size_t max = b->max;
    if (b->cap > 4096)
        pxi_buf_deinit(b);
    b->n = 0;
    b->max = max;
}

/* An RPC of subscriptions and one control message; either may be empty. */
static void emit(struct pxi_gossip_peer *p, struct pxi_buf *subs, struct pxi_buf *control,
                 enum gossip_class class)
{
    size_t sub_n = subs ? subs->n : 0;
    size_t n = sub_n + (control->n ? pxi_rpc_field_size(PXI_RPC_CONTROL, control->n) : 0);
    struct pxi_gossip_out *o = NULL;
    if (!n)
        return;
    if (fits(p, n + 16, class))
        o = pxi_calloc(1, sizeof *o + n);
    if (o) {
        struct pxi_buf body = {o->bytes, 0, n, n};
        o->head_n = (uint8_t)pxi_varint_put(o->head, n);
        if (sub_n)
            pxi_buf_add(&body, subs->p, sub_n);
        if (control->n)
            pxi_rpc_put_bytes(&body, PXI_RPC_CONTROL, px_view_of(control->p, control->n));
        o->n = o->head_n + n;
        enqueue(p, o, class);
    } else {
        p->gossip->stats.dropped++;
        p->broken |= class == GOSSIP_CONTROL; /* its picture of us is wrong now: begin anew */
    }
    empty_buf(control);
    if (subs)
        empty_buf(subs);
}

static void make_room(struct pxi_gossip_peer *p, const struct pxi_buf *b, size_t more)
{
    if (b->n + more <= b->max)
        return;
    if (b == &p->advert)
        emit(p, NULL, &p->advert, GOSSIP_ADVERT);
    else
        emit(p, &p->subs, &p->control, GOSSIP_CONTROL);
}

static struct pxi_gossip_out *take_next(struct pxi_gossip_peer *p)
{
    for (int c = 0; c < GOSSIP_CLASSES; c++) {
        if (pxi_list_empty(&p->queue[c]))
            continue;
        struct pxi_gossip_out *o = PXI_OF(p->queue[c].next, struct pxi_gossip_out, link);
        pxi_list_remove(&o->link);
        return o;
    }
    return NULL;
}

/* The bytes of an RPC from what was sent on, those that lie together. */
static px_view rest_of(const struct pxi_gossip_out *o)
{
    if (o->sent < o->head_n)
        return px_view_of(o->head + o->sent, o->head_n - o->sent);
    const uint8_t *body = o->msg ? o->msg->raw.p : o->bytes;
    return px_view_of(body + (o->sent - o->head_n), o->n - o->sent);
}

void pxi_gossip_pump(struct pxi_gossip_peer *p)
{
    while (p->out && p->ready && (p->current || (p->current = take_next(p)))) {
        struct pxi_gossip_out *o = p->current;
        px_view rest = rest_of(o);
        size_t took = pxi_stream_write(p->out, rest);
        o->sent += took;
        p->gossip->stats.bytes_out += took;
        if (took < rest.n)
            return;
        if (o->sent == o->n) {
            out_free(p, o);
            p->current = NULL;
        }
    }
}

void pxi_gossip_flush(struct pxi_gossip *g)
{
    while (!pxi_list_empty(&g->dirty)) {
        struct pxi_gossip_peer *p = PXI_OF(g->dirty.next, struct pxi_gossip_peer, dirty_link);
        pxi_list_remove(&p->dirty_link);
        if (p->ready) {
            emit(p, &p->subs, &p->control, GOSSIP_CONTROL);
            emit(p, NULL, &p->advert, GOSSIP_ADVERT);
            pxi_gossip_pump(p);
        } else {
            p->subs.n = p->control.n = p->advert.n = 0;
        }
        p->dirty = false;
    }
}

/* -------------------------------------------------------- what is unwanted */

void pxi_gossip_unwant(struct pxi_gossip_peer *p, px_view id)
{
    enum { N = PXI_LIMIT_GOSSIP_IDONTWANT * 2 };
    if (!p->unwanted && !(p->unwanted = pxi_calloc(N, sizeof *p->unwanted)))
        return;
    uint32_t i = p->unwanted_at++ & (N - 1);
    p->unwanted[i].hash = pxi_siphash(p->gossip->key, id);
    p->unwanted[i].until = p->gossip->beats + 3;
}

bool pxi_gossip_unwanted(struct pxi_gossip_peer *p, px_view id)
{
    enum { N = PXI_LIMIT_GOSSIP_IDONTWANT * 2 };
    if (!p->unwanted)
        return false;
    uint64_t hash = pxi_siphash(p->gossip->key, id);
    uint32_t n = p->unwanted_at < N ? p->unwanted_at : N;
    for (uint32_t i = 0; i < n; i++)
        if (p->unwanted[i].hash == hash && (int32_t)(p->unwanted[i].until - p->gossip->beats) >= 0)
            return true;
    return false;
}
