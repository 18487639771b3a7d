/* The server of Kademlia: streams of clients, and the answer to each kind of request. */
#include "base/limits.h"
#include "net/kad_impl.h"

struct served {
    struct pxi_list link;
    struct pxi_kad *kad;
    struct pxi_stream *stream;
    struct pxi_kad_frames in;
    struct pxi_buf out; /* an answer on its way; no request is read before it has gone */
    size_t sent;
    bool ended;
    struct pxi_timer idle;
};

/* --------------------------------------------------------------- answers */

/* Room for the peers of one answer. */
struct answer {
    struct pxi_msg_kad m;
    struct pxi_msg_kad_record record;
    char time[32];
    struct pxi_msg_kad_peer closer[PXI_KAD_K + 1], provider[PXI_LIMIT_KAD_PROVIDERS_ANSWER];
    px_view addrs[PXI_KAD_K + 1 + PXI_LIMIT_KAD_PROVIDERS_ANSWER][PXI_LIMIT_KAD_ADDRS];
    unsigned used;
};

/* Add a peer with those of its addresses that fit whoever asks; false: it has none. */
static bool answer_peer(struct answer *a, struct pxi_kad *k, struct pxi_pb_list *list,
                        const struct pxi_peer *p, const struct pxi_kad_addrs *known,
                        enum pxi_ip_kind asker)
{
    px_view all[PXI_LIMIT_KAD_ADDRS], *out = a->addrs[a->used];
    unsigned count = 0;
    if (known && known->n) {
        count = pxi_kad_addrs_fit(known, asker, out, PXI_LIMIT_KAD_ADDRS);
    } else {
        unsigned n = pxi_peer_addrs(k->host, p, all, PXI_LIMIT_KAD_ADDRS);
        for (unsigned i = 0; i < n; i++)
            if (pxi_kad_addr_fit(all[i], asker))
                out[count++] = all[i];
    }
    if (!count)
        return false;
    struct pxi_msg_kad_peer *m = PXI_PB_AT(*list, struct pxi_msg_kad_peer, list->n);
    *m = (struct pxi_msg_kad_peer){pxi_peer_view(p), {out, count}, 0};
    list->n++;
    a->used++;
    return true;
}

static void answer_self(struct answer *a, struct pxi_kad *k, enum pxi_ip_kind asker)
{
    unsigned count = 0;
    px_view *out = a->addrs[a->used], v;
    for (unsigned i = 0; count < PXI_LIMIT_KAD_ADDRS && (v = pxi_host_addr(k->host, i)).n; i++)
        if (pxi_kad_addr_fit(v, asker))
            out[count++] = v;
    a->closer[a->m.closer.n++] =
        (struct pxi_msg_kad_peer){pxi_peer_view(pxi_host_self(k->host)), {out, count}, 1};
    a->used++;
}

/* The peers nearest to a key, without the one who asks. */
static void answer_closer(struct answer *a, struct pxi_kad *k, const struct pxi_peer *from,
                          enum pxi_ip_kind asker, px_view key)
{
    const struct pxi_kad_entry *near[PXI_KAD_K + 1];
    struct pxi_kad_key target = pxi_kad_key_of(key);
    unsigned n = pxi_kad_table_closest(&k->table, &target, near, PXI_KAD_K + 1);
    for (unsigned i = 0; i < n && a->m.closer.n < PXI_KAD_K; i++)
        if (!pxi_peer_equal(&near[i]->peer, from))
            answer_peer(a, k, &a->m.closer, &near[i]->peer, &near[i]->addrs, asker);
}

/* Whoever asks for a peer by name gets it when we know it, in the table or not. */
static void answer_named(struct answer *a, struct pxi_kad *k, const struct pxi_peer *from,
                         enum pxi_ip_kind asker, px_view key)
{
    struct pxi_peer p;
    if (pxi_peer_from_bytes(key, &p, NULL) != PX_ERR_OK || pxi_peer_equal(&p, from))
        return;
    struct pxi_kad_key named = pxi_kad_key_of(key);
    if (pxi_peer_equal(&p, pxi_host_self(k->host)))
        answer_self(a, k, asker);
    else if (!pxi_kad_table_find(&k->table, &named) && pxi_host_conn(k->host, &p, false))
        answer_peer(a, k, &a->m.closer, &p, NULL, asker);
}

static void answer_value(struct answer *a, struct pxi_kad *k, px_view key)
{
    const struct pxi_kad_record *r = pxi_kad_store_get(&k->store, key, pxi_kad_now(k));
    px_view value = r ? pxi_kad_record_value(r) : px_view_of(NULL, 0);
    px_view self = pxi_peer_view(pxi_host_self(k->host));
    if (!r && key.n == self.n + 4 && memcmp(key.p, "/pk/", 4) == 0 &&
        memcmp(key.p + 4, self.p, self.n) == 0)
        value = pxi_key_public(pxi_host_key(k->host));
    if (!value.p || pxi_kad_validate(&k->validators, key, value, pxi_host_wall_s(k->host)))
        return;
    a->record = (struct pxi_msg_kad_record){key, value, {NULL, 0}};
    if (r && r->received_s) {
        pxi_kad_time_text(r->received_s, a->time);
        a->record.time_received = px_view_str(a->time);
    }
    a->m.record = &a->record;
}

static void answer_providers(struct answer *a, struct pxi_kad *k, enum pxi_ip_kind asker,
                             px_view key)
{
    const struct pxi_kad_provider *p[PXI_LIMIT_KAD_PROVIDERS_ANSWER];
    unsigned n =
        pxi_kad_store_providers(&k->store, key, pxi_kad_now(k), p, PXI_LIMIT_KAD_PROVIDERS_ANSWER);
    for (unsigned i = 0; i < n; i++)
        answer_peer(a, k, &a->m.providers, &p[i]->peer, &p[i]->addrs, asker);
}

/* ------------------------------------------------------------- requests */

/* Keep a value that its validator likes, unless a better one is here. */
static px_err put_value(struct pxi_kad *k, const struct pxi_msg_kad *m)
{
    uint64_t wall = pxi_host_wall_s(k->host), now = pxi_kad_now(k);
    px_view value = m->record->value;
    px_err err = pxi_kad_validate(&k->validators, m->key, value, wall);
    if (err != PX_ERR_OK) {
        pxi_kad_fault(k, PXI_FAULT_KAD_RECORD);
        return err;
    }
    const struct pxi_kad_record *had = pxi_kad_store_get(&k->store, m->key, now);
    if (had && pxi_kad_select(&k->validators, m->key, pxi_kad_record_value(had), value) > 0)
        return PX_ERR_REFUSED;
    return pxi_kad_store_put(&k->store, m->key, value, wall,
                             now + PXI_LIMIT_KAD_RECORD_S * PXI_SECOND);
}

/* Only the sender itself can be a provider. */
static px_err add_provider(struct pxi_kad *k, const struct pxi_peer *from, enum pxi_ip_kind kind,
                           const struct pxi_msg_kad *m)
{
    px_view addrs[PXI_LIMIT_KAD_ADDRS];
    px_err err = PX_ERR_IDENTITY;
    for (size_t i = 0; i < m->providers.n; i++) {
        struct pxi_msg_kad_peer *p = PXI_PB_AT(m->providers, struct pxi_msg_kad_peer, i);
        if (!px_view_equal(p->id, pxi_peer_view(from)))
            continue;
        unsigned n = pxi_kad_peer_addrs(p, kind, addrs, PXI_LIMIT_KAD_ADDRS);
        err = pxi_kad_store_provide(&k->store, m->key, from, addrs, n, pxi_kad_now(k));
    }
    if (err == PX_ERR_IDENTITY)
        pxi_kad_fault(k, PXI_FAULT_KAD_RECORD);
    return err;
}

static px_err answer_fill(struct answer *a, struct pxi_kad *k, const struct pxi_peer *from,
                          enum pxi_ip_kind kind, const struct pxi_msg_kad *m)
{
    a->m.type = m->type;
    a->m.key = m->key;
    a->m.closer.p = a->closer;
    a->m.providers.p = a->provider;
    switch (m->type) {
    case PXI_KAD_PUT_VALUE: a->m.record = m->record; return put_value(k, m);
    case PXI_KAD_GET_VALUE:
        answer_value(a, k, m->key);
        answer_closer(a, k, from, kind, m->key);
        break;
    case PXI_KAD_GET_PROVIDERS:
        answer_providers(a, k, kind, m->key);
        answer_closer(a, k, from, kind, m->key);
        break;
    case PXI_KAD_FIND_NODE:
        answer_named(a, k, from, kind, m->key);
        answer_closer(a, k, from, kind, m->key);
        break;
    default: break;
    }
    return PX_ERR_OK;
}

px_err pxi_kad_answer(struct pxi_kad *k, const struct pxi_peer *from, enum pxi_ip_kind kind,
                      const struct pxi_msg_kad *m, struct pxi_buf *out)
{
    px_diag d;
    px_err err = pxi_kad_request_check(m, &d);
    k->requests_in++;
    if (err != PX_ERR_OK) {
        pxi_kad_fault(k, PXI_FAULT_KAD);
        return err;
    }
    if (m->type == PXI_KAD_ADD_PROVIDER)
        return add_provider(k, from, kind, m);
    struct answer a; /* only what is counted in it is read */
    a.m = (struct pxi_msg_kad){0};
    a.used = 0;
    err = answer_fill(&a, k, from, kind, m);
    return err == PX_ERR_OK ? pxi_pb_encode_framed(&pxi_pb_kad, &a.m, out) : err;
}

/* ------------------------------------------------------------- streams */

static void served_free(struct served *v)
{
    pxi_timer_disarm(pxi_host_timers(v->kad->host), &v->idle);
    pxi_list_remove(&v->link);
    v->kad->served_count--;
    pxi_kad_frames_clear(&v->in);
    pxi_buf_deinit(&v->out);
    pxi_free(v);
}

static void served_reset(struct served *v)
{
    struct pxi_stream *s = v->stream;
    served_free(v);
    pxi_stream_reset(s);
}

static void served_idle(struct pxi_timer *t, uint64_t now_ns)
{
    served_reset(PXI_OF(t, struct served, idle));
}

/* Write what waits; true when all has gone. */
static bool flush(struct served *v)
{
    if (v->sent < v->out.n)
        v->sent += pxi_stream_write(v->stream, px_view_of(v->out.p + v->sent, v->out.n - v->sent));
    if (v->sent < v->out.n)
        return false;
    pxi_buf_deinit(&v->out);
    v->out = (struct pxi_buf){.max = PXI_LIMIT_KAD_MESSAGE_BYTES};
    v->sent = 0;
    if (v->ended)
        pxi_stream_end(v->stream);
    return true;
}

/* One whole request. false: the stream is gone. */
static bool serve_one(struct served *v, px_view frame)
{
    struct pxi_kad *k = v->kad;
    struct pxi_conn *c = v->stream->conn;
    struct pxi_msg_kad m;
    struct pxi_arena a;
    px_diag d;
    pxi_arena_init(&a, PXI_LIMIT_KAD_ARENA_BYTES);
    px_err err = pxi_kad_decode(frame, &a, &m, &d);
    if (err != PX_ERR_OK)
        pxi_kad_fault(k, PXI_FAULT_KAD);
    else if (k->o.answer)
        err = k->o.answer(k->o.answer_ctx, k, &c->peer, &m, &v->out);
    else
        err = pxi_kad_answer(k, &c->peer, pxi_kad_conn_kind(c), &m, &v->out);
    pxi_arena_deinit(&a);
    if (err != PX_ERR_OK) {
        k->refused++;
        served_reset(v);
        return false;
    }
    pxi_timer_after(pxi_host_timers(k->host), &v->idle, PXI_LIMIT_KAD_IDLE_S * PXI_SECOND);
    return true;
}

static size_t served_data(struct pxi_stream *s, px_view bytes)
{
    struct served *v = s->user;
    px_view in = bytes, frame;
    int got = 0;
    while (!v->out.n && (got = pxi_kad_frame_next(&v->in, &in, &frame)) > 0) {
        if (!serve_one(v, frame))
            return bytes.n;
        flush(v);
    }
    if (got < 0) {
        pxi_kad_fault(v->kad, PXI_FAULT_KAD);
        v->kad->refused++;
        served_reset(v);
        return bytes.n;
    }
    return bytes.n - in.n;
}

static void served_ended(struct pxi_stream *s)
{
    struct served *v = s->user;
    v->ended = true;
    if (!v->out.n)
        pxi_stream_end(s);
}

static void served_writable(struct pxi_stream *s)
{
    if (flush(s->user))
        pxi_stream_resume(s);
}

static void served_closed(struct pxi_stream *s, px_err why)
{
    served_free(s->user);
}

static const struct pxi_stream_events served_events = {NULL, served_data, served_ended,
                                                       served_writable, served_closed};

static void served_accept(void *ctx, struct pxi_stream *s)
{
    struct pxi_kad *k = ctx;
    struct served *v = k->served_count < PXI_LIMIT_KAD_STREAMS ? pxi_calloc(1, sizeof *v) : NULL;
    if (!v) {
        pxi_kad_fault(k, PXI_FAULT_LIMIT);
        pxi_stream_reset(s);
        return;
    }
    v->kad = k;
    v->stream = s;
    v->out.max = PXI_LIMIT_KAD_MESSAGE_BYTES;
    v->idle.fire = served_idle;
    pxi_list_add(&k->served, &v->link);
    k->served_count++;
    pxi_stream_own(s, &served_events, v);
    pxi_timer_after(pxi_host_timers(k->host), &v->idle, PXI_LIMIT_KAD_IDLE_S * PXI_SECOND);
}

px_err pxi_kad_serve(struct pxi_kad *k)
{
    return pxi_host_handle(k->host, k->o.protocol, 0, served_accept, k);
}

void pxi_kad_serve_stop(struct pxi_kad *k)
{
    if (!k->o.client)
        pxi_host_unhandle(k->host, k->o.protocol);
    while (!pxi_list_empty(&k->served))
        served_reset(PXI_OF(k->served.next, struct served, link));
}
