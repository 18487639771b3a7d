/* The providers of a fetch: dialled, asked for as much as their window allows, judged by what they
 * send. */
#include "base/mem.h"
#include "net/host_impl.h"
#include "net/message.h"
#include "store/pull_impl.h"

enum {
    PIECE_BYTES = PXI_PIECE * PXI_GROUP,
    WINDOW_FIRST = 4 * PIECE_BYTES,
    SLOW_MS = 2000, /* a piece that takes longer halves the window */
    LATER_MS = 250, /* what it said of its own fetch is old after that */
    LATERS = 40,    /* so often without anything, and it is given up */
};

static struct pxi_timers *timers_of(const struct pxi_source *s)
{
    return pxi_host_timers(s->pull->o.host);
}

static void watch_stall(struct pxi_source *s)
{
    if (s->count)
        pxi_timer_after(timers_of(s), &s->stall, PXI_LIMIT_SHARD_STALL_MS * PXI_MS);
    else
        pxi_timer_disarm(timers_of(s), &s->stall);
}

/* ------------------------------------------------------------------ dropping */

void pxi_source_drop(struct pxi_source *s, enum pxi_source_state how)
{
    if (s->state == PXI_SOURCE_DROPPED || s->state == PXI_SOURCE_WRONG)
        return;
    s->state = how;
    pxi_reach_cancel(&s->reach);
    pxi_timer_disarm(timers_of(s), &s->stall);
    pxi_timer_disarm(timers_of(s), &s->later);
    pxi_free(s->views);
    s->views = NULL;
    s->view_count = 0;
    if (s->stream)
        pxi_stream_reset(s->stream);
    s->stream = NULL;
    for (; s->count; s->count--, s->head = (s->head + 1) % PXI_ASKS)
        pxi_pull_over(s->pull, &s->asks[s->head]);
    s->owed = 0;
    pxi_frame_deinit(&s->frame);
    pxi_free(s->part);
    s->part = NULL;
}

void pxi_sources_free(struct pxi_pull *p)
{
    for (unsigned i = 0; i < p->sources; i++) {
        pxi_source_drop(p->source[i], PXI_SOURCE_DROPPED);
        pxi_free(p->source[i]);
    }
    p->sources = 0;
}

unsigned pxi_sources_busy(const struct pxi_pull *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->sources; i++)
        n += p->source[i]->state == PXI_SOURCE_DIALLING || p->source[i]->count ||
             p->source[i]->later.armed;
    return n;
}

void pxi_source_lose(struct pxi_source *s, enum pxi_source_state how)
{
    struct pxi_pull *p = s->pull;
    if (s->state == PXI_SOURCE_WRONG)
        return;
    if (how == PXI_SOURCE_WRONG)
        pxi_host_faults(p->o.host)->n[PXI_FAULT_SHARD]++;
    pxi_source_drop(s, how);
    s->state = how; /* a lie may come to light after it was dropped */
    pxi_pull_check(p);
}

static void on_stall(struct pxi_timer *t, uint64_t now_ns)
{
    pxi_source_lose(PXI_OF(t, struct pxi_source, stall), PXI_SOURCE_DROPPED);
}

/* ------------------------------------------------------------------ asking */

/* Send one request; false when the stream does not take it. */
static bool ask(struct pxi_source *s, struct pxi_ask a)
{
    uint8_t binary[PXI_CID_MAX];
    struct pxi_cid cid = s->pull->o.model;
    if (a.shard != PXI_OF_MANIFEST)
        cid = pxi_cid_raw(PXI_HASH_BLAKE3, s->pull->model->m.shards[a.shard].hash);
    struct pxi_msg_shard_request r = {.cid = px_view_of(binary, pxi_cid_encode(&cid, binary)),
                                      .first = a.first,
                                      .count = a.count};
    if (!pxi_message_write(s->stream, &pxi_pb_shard_request, &r, PXI_LIMIT_SHARD_MESSAGE_BYTES)) {
        pxi_pull_over(s->pull, &a);
        return false;
    }
    a.at_ns = timers_of(s)->now_ns;
    s->asks[(s->head + s->count++) % PXI_ASKS] = a;
    s->owed += a.count * PXI_GROUP;
    if (s->count == 1)
        watch_stall(s);
    return true;
}

void pxi_sources_ask(struct pxi_pull *p)
{
    struct pxi_ask a;
    for (unsigned i = 0; i < p->sources; i++) {
        struct pxi_source *s = p->source[i];
        while (s->state == PXI_SOURCE_OPEN && s->count < PXI_ASKS && s->owed < s->window &&
               pxi_stream_room(s->stream) >= PXI_LIMIT_SHARD_MESSAGE_BYTES &&
               pxi_pull_next(p, s, &a))
            if (!ask(s, a)) {
                pxi_source_drop(s, PXI_SOURCE_DROPPED);
                break;
            }
    }
}

/* ------------------------------------------------------------------ answers */

/* The oldest ask was answered. */
static void answered(struct pxi_source *s)
{
    struct pxi_ask a = s->asks[s->head];
    uint64_t took_ns = timers_of(s)->now_ns - a.at_ns;
    s->head = (s->head + 1) % PXI_ASKS;
    s->count--;
    s->owed -= a.count * PXI_GROUP;
    if (took_ns > SLOW_MS * PXI_MS && s->window > PIECE_BYTES)
        s->window /= 2;
    else if (took_ns <= SLOW_MS * PXI_MS && s->window < PXI_LIMIT_SHARD_WINDOW)
        s->window += PIECE_BYTES;
    s->body = false;
    pxi_pull_over(s->pull, &a);
    watch_stall(s);
}

/* It does not have this shard; the manifest is what it must have. */
static bool note_lack(struct pxi_source *s)
{
    uint32_t shard = s->asks[s->head].shard;
    if (shard == PXI_OF_MANIFEST)
        return false;
    s->lacks[shard / 8] |= (uint8_t)(1u << (shard % 8));
    answered(s);
    return true;
}

static struct pxi_view_of *view_of(const struct pxi_source *s, uint32_t shard)
{
    for (unsigned i = 0; i < s->view_count; i++)
        if (s->views[i].shard == shard)
            return &s->views[i];
    return NULL;
}

bool pxi_source_has(const struct pxi_source *s, uint32_t shard, uint32_t piece)
{
    const struct pxi_view_of *v = view_of(s, shard);
    if (!v)
        return true;
    uint64_t i = piece - v->from;
    return piece >= v->from && i < 8u * v->n && (v->map[i / 8] >> (i % 8) & 1);
}

static void on_later(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_source *s = PXI_OF(t, struct pxi_source, later);
    s->view_count = 0;
    if (++s->laters > LATERS)
        pxi_source_lose(s, PXI_SOURCE_DROPPED);
    else
        pxi_pull_check(s->pull);
}

/* It is fetching this shard itself: it has these pieces, and later others. */
static bool note_later(struct pxi_source *s, const struct pxi_msg_shard_answer *m)
{
    uint32_t shard = s->asks[s->head].shard;
    if (shard == PXI_OF_MANIFEST)
        return false;
    if (!s->views)
        s->views = pxi_calloc(PXI_VIEWS, sizeof *s->views);
    struct pxi_view_of *v = s->views ? view_of(s, shard) : NULL;
    if (!v && s->views)
        v = &s->views[s->view_count < PXI_VIEWS ? s->view_count++ : PXI_VIEWS - 1];
    if (!v)
        return false;
    *v = (struct pxi_view_of){
        .shard = shard, .from = m->first / PXI_PIECE, .n = (uint8_t)m->pieces.n};
    if (m->pieces.n)
        memcpy(v->map, m->pieces.p, m->pieces.n);
    if (!s->later.armed)
        pxi_timer_after(timers_of(s), &s->later, LATER_MS * PXI_MS);
    answered(s);
    return true;
}

/* The size that a provider states is that of its blob; that of the manifest is what we believe. One
 * of them lies, and which cannot be told: neither is asked or blamed further. */
static bool resized(const struct pxi_source *s, const struct pxi_msg_shard_answer *m)
{
    uint32_t shard = s->asks[s->head].shard;
    return shard != PXI_OF_MANIFEST && m->size != s->pull->model->m.shards[shard].bytes;
}

/* Begin with what follows the answer. */
static bool begin_body(struct pxi_source *s, const struct pxi_msg_shard_answer *m)
{
    const struct pxi_ask *a = &s->asks[s->head];
    if (m->first != a->first || m->count != a->count)
        return false;
    s->body = true;
    s->part_n = 0;
    if (a->shard == PXI_OF_MANIFEST) {
        s->part_want = (size_t)m->size;
        return m->size && m->size <= PXI_MANIFEST_MAX;
    }
    const struct pxi_manifest_shard *row = &s->pull->model->m.shards[a->shard];
    struct pxi_tree_at at;
    if (pxi_bao_begin(&s->slice, row->hash, row->bytes, a->first, a->count) != PX_ERR_OK)
        return false;
    s->part_want = pxi_bao_next(&s->slice, &at);
    return true;
}

/* An answer. PXI_SOURCE_OPEN: go on; else what became of the provider. */
static enum pxi_source_state take_answer(struct pxi_source *s, px_view message)
{
    struct pxi_msg_shard_answer m;
    struct pxi_arena arena;
    pxi_arena_init(&arena, PXI_LIMIT_SHARD_MESSAGE_BYTES);
    px_err err = pxi_pb_decode(&pxi_pb_shard_answer, message, &arena, &m, NULL);
    pxi_arena_deinit(&arena); /* a map lies in the message */
    if (err != PX_ERR_OK || !s->count)
        return PXI_SOURCE_WRONG;
    if (m.status == PXI_SHARD_LATER)
        return note_later(s, &m) ? PXI_SOURCE_OPEN : PXI_SOURCE_DROPPED;
    if (m.status == PXI_SHARD_NOT_FOUND)
        return note_lack(s) ? PXI_SOURCE_OPEN : PXI_SOURCE_DROPPED;
    if (m.status == PXI_SHARD_OK && resized(s, &m))
        s->pull->resized = true;
    if (m.status != PXI_SHARD_OK || resized(s, &m))
        return PXI_SOURCE_DROPPED;
    return begin_body(s, &m) ? PXI_SOURCE_OPEN : PXI_SOURCE_WRONG;
}

/* A whole node or group, or the manifest. */
static enum pxi_source_state take_part(struct pxi_source *s, px_view v)
{
    struct pxi_tree_at at;
    uint32_t shard = s->asks[s->head].shard;
    s->part_n = 0;
    if (shard == PXI_OF_MANIFEST) {
        bool good = pxi_pull_manifest(s->pull, v);
        s->got += v.n;
        answered(s);
        return good ? PXI_SOURCE_OPEN : PXI_SOURCE_WRONG;
    }
    pxi_bao_next(&s->slice, &at);
    if (!at.leaf && pxi_bao_check(&s->slice, v, NULL) != PX_ERR_OK)
        return PXI_SOURCE_WRONG;
    if (!at.leaf)
        pxi_pull_node(s->pull, shard, &at, v);
    s->laters = 0;
    if (at.leaf) {
        if (!pxi_pull_group(s->pull, s, shard, at.first, v, pxi_bao_expect(&s->slice)))
            return PXI_SOURCE_WRONG;
        pxi_bao_pass(&s->slice);
        s->got += v.n;
        watch_stall(s);
    }
    if (pxi_bao_done(&s->slice))
        answered(s);
    else
        s->part_want = pxi_bao_next(&s->slice, &at);
    return PXI_SOURCE_OPEN;
}

/* Bytes of a body: straight from where they arrived when a part lies there whole. */
static enum pxi_source_state take_body(struct pxi_source *s, px_view *in)
{
    if (!s->part_n && in->n >= s->part_want) {
        px_view v = px_view_of(in->p, s->part_want);
        *in = px_view_of(in->p + v.n, in->n - v.n);
        return take_part(s, v);
    }
    size_t n = s->part_want - s->part_n < in->n ? s->part_want - s->part_n : in->n;
    memcpy(s->part + s->part_n, in->p, n);
    s->part_n += n;
    *in = px_view_of(in->p + n, in->n - n);
    return s->part_n == s->part_want ? take_part(s, px_view_of(s->part, s->part_n))
                                     : PXI_SOURCE_OPEN;
}

static size_t on_data(struct pxi_stream *st, px_view bytes)
{
    struct pxi_source *s = st->user;
    struct pxi_pull *p = s->pull;
    px_view in = bytes, message;
    enum pxi_source_state now = PXI_SOURCE_OPEN;
    bool over = false;
    while (in.n && now == PXI_SOURCE_OPEN) {
        uint32_t before = s->count;
        if (s->body) {
            now = take_body(s, &in);
        } else {
            px_err err = pxi_frame_next(&s->frame, &in, &message);
            if (err == PX_ERR_TRUNCATED)
                break;
            now = err == PX_ERR_OK ? take_answer(s, message) : PXI_SOURCE_WRONG;
        }
        over |= s->count != before;
    }
    pxi_pull_flush(p);
    if (now != PXI_SOURCE_OPEN)
        pxi_source_lose(s, now);
    else if (over)
        pxi_pull_check(p);
    return bytes.n;
}

static void on_gone(struct pxi_stream *st)
{
    pxi_source_lose(st->user, PXI_SOURCE_DROPPED);
}

static void on_closed(struct pxi_stream *st, px_err why)
{
    struct pxi_source *s = st->user;
    s->stream = NULL;
    pxi_source_lose(s, PXI_SOURCE_DROPPED);
}

static void on_writable(struct pxi_stream *st)
{
    pxi_pull_check(((struct pxi_source *)st->user)->pull);
}

/* ------------------------------------------------------------------ reaching */

static void on_reached(struct pxi_reach *r, struct pxi_conn *c, px_err err)
{
    static const struct pxi_stream_events on = {
        .data = on_data, .ended = on_gone, .writable = on_writable, .closed = on_closed};
    static const char *const proposal[] = {PXI_SHARD_PROTOCOL};
    struct pxi_source *s = PXI_OF(r, struct pxi_source, reach);
    if (c && (s->part = pxi_calloc(1, PXI_GROUP)))
        s->stream = pxi_host_open(c, proposal, 1, &on, s);
    if (!s->stream) {
        pxi_source_lose(s, PXI_SOURCE_DROPPED);
        return;
    }
    s->state = PXI_SOURCE_OPEN;
    pxi_pull_check(s->pull);
}

/* The place for a peer: its own when it failed without a lie, a new one, or NULL. */
static struct pxi_source *place(struct pxi_pull *p, const struct pxi_peer *peer)
{
    for (unsigned i = 0; i < p->sources; i++)
        if (pxi_peer_equal(&p->source[i]->peer, peer))
            return p->source[i]->state == PXI_SOURCE_DROPPED ? p->source[i] : NULL;
    if (p->sources < PXI_LIMIT_SHARD_SOURCES) {
        struct pxi_source *s = pxi_calloc(1, sizeof *s);
        if (s)
            p->source[p->sources++] = s;
        return s;
    }
    for (unsigned i = 0; i < p->sources; i++)
        if (p->source[i]->state == PXI_SOURCE_DROPPED)
            return p->source[i];
    return NULL;
}

void pxi_source_add(struct pxi_pull *p, const struct pxi_peer *peer, const px_view *addrs,
                    unsigned count)
{
    if (p->cancelled || p->ending || pxi_peer_equal(peer, pxi_host_self(p->o.host)))
        return;
    struct pxi_source *s = place(p, peer);
    if (!s)
        return;
    uint64_t got = pxi_peer_equal(&s->peer, peer) ? s->got : 0;
    *s = (struct pxi_source){.pull = p,
                             .peer = *peer,
                             .state = PXI_SOURCE_DIALLING,
                             .frame.max = PXI_LIMIT_SHARD_MESSAGE_BYTES,
                             .stall.fire = on_stall,
                             .later.fire = on_later,
                             .window = WINDOW_FIRST,
                             .got = got};
    s->reach.peer = *peer;
    s->reach.done = on_reached;
    pxi_reach_start(&s->reach, p->o.host, addrs, count);
}

bool pxi_pull_source_at(const struct pxi_pull *p, unsigned i, struct pxi_pull_source *out)
{
    if (i >= p->sources)
        return false;
    const struct pxi_source *s = p->source[i];
    *out = (struct pxi_pull_source){.peer = s->peer,
                                    .state = s->state == PXI_SOURCE_DIALLING  ? "dialling"
                                             : s->state == PXI_SOURCE_DROPPED ? "dropped"
                                             : s->state == PXI_SOURCE_WRONG   ? "wrong bytes"
                                             : s->count                       ? "asked"
                                                                              : "idle",
                                    .bytes = s->got,
                                    .window = s->window,
                                    .owed = s->owed};
    return true;
}
