#include "store/serve.h"

#include "base/limits.h"
#include "base/mem.h"
#include "net/host_impl.h"
#include "net/message.h"

enum { BUFFER = PXI_GROUP + 4096 };

struct pxi_shard_server {
    struct pxi_host *host;
    struct pxi_store *store;
    struct pxi_list streams;
    struct pxi_shard_served served;
};

/* One stream, and the slice that is leaving. */
struct serving {
    struct pxi_list link;
    struct pxi_shard_server *server;
    struct pxi_stream *stream;
    struct pxi_frame frame;
    struct pxi_timer idle;
    uint8_t hash[PXI_DIGEST]; /* of the blob that is open */
    struct pxi_blob blob;
    struct pxi_bao slice;
    uint8_t *out; /* BUFFER bytes, from the first request on */
    size_t out_at, out_n;
    bool sending; /* an answer, and the slice behind it */
    bool ended;   /* the client asks for nothing more */
};

static void drop(struct serving *v)
{
    pxi_timer_disarm(pxi_host_timers(v->server->host), &v->idle);
    pxi_list_remove(&v->link);
    v->server->served.streams--;
    pxi_blob_close(&v->blob);
    pxi_frame_deinit(&v->frame);
    pxi_free(v->out);
    pxi_free(v);
}

static void hang_up(struct serving *v)
{
    pxi_stream_reset(v->stream);
    drop(v);
}

static void on_idle(struct pxi_timer *t, uint64_t now_ns)
{
    hang_up(PXI_OF(t, struct serving, idle));
}

static void keep(struct serving *v)
{
    pxi_timer_after(pxi_host_timers(v->server->host), &v->idle,
                    PXI_LIMIT_SHARD_IDLE_S * PXI_SECOND);
}

/* ------------------------------------------------------------------ sending */

/* Put the next parts of the slice into the buffer; false when they cannot be read. */
static bool fill(struct serving *v)
{
    struct pxi_tree_at at;
    if (v->out_at == v->out_n)
        v->out_at = v->out_n = 0;
    while (!pxi_bao_done(&v->slice)) {
        size_t n = pxi_bao_next(&v->slice, &at);
        if (n > BUFFER - v->out_n)
            break;
        if (pxi_blob_read(&v->blob, &at, v->out + v->out_n, n) != PX_ERR_OK)
            return false;
        v->out_n += n;
        v->server->served.bytes += at.leaf ? n : 0;
        pxi_bao_pass(&v->slice);
    }
    return true;
}

/* Send what the stream takes; false when the stream is gone. */
static bool pump(struct serving *v)
{
    while (v->sending) {
        if (!fill(v)) {
            hang_up(v);
            return false;
        }
        px_view rest = px_view_of(v->out + v->out_at, v->out_n - v->out_at);
        size_t took = pxi_stream_write(v->stream, rest);
        v->out_at += took;
        if (took)
            keep(v);
        if (took < rest.n)
            return true;
        v->sending = !pxi_bao_done(&v->slice);
    }
    if (v->ended)
        pxi_stream_end(v->stream);
    return true;
}

/* ------------------------------------------------------------------ requests */

/* Open a blob, or what is here of it. */
static px_err open_some(struct serving *v, const uint8_t hash[PXI_DIGEST])
{
    struct pxi_store *s = v->server->store;
    px_err err = pxi_blob_open(s, hash, &v->blob);
    return err == PX_ERR_NOT_FOUND ? pxi_blob_open_partial(s, hash, &v->blob) : err;
}

/* The blob of a request, which may be a model by the SHA-256 of its manifest. */
static enum pxi_shard_status find(struct serving *v, const struct pxi_cid *cid)
{
    struct pxi_store_model *m;
    char text[PXI_CID_TEXT];
    uint8_t hash[PXI_DIGEST];
    if (cid->n != PXI_DIGEST || cid->codec != PXI_CID_RAW)
        return PXI_SHARD_BAD_REQUEST;
    memcpy(hash, cid->digest, PXI_DIGEST);
    if (cid->hash == PXI_HASH_SHA2_256) {
        if (pxi_store_find(v->server->store, pxi_cid_text(cid, text), &m) != PX_ERR_OK)
            return PXI_SHARD_NOT_FOUND;
        memcpy(hash, m->m.hash, PXI_DIGEST);
    } else if (cid->hash != PXI_HASH_BLAKE3) {
        return PXI_SHARD_BAD_REQUEST;
    }
    if (v->blob.file && !v->blob.partial && memcmp(v->hash, hash, PXI_DIGEST) == 0)
        return PXI_SHARD_OK;
    pxi_blob_close(&v->blob);
    memcpy(v->hash, hash, PXI_DIGEST);
    px_err err = open_some(v, hash);
    return err == PX_ERR_OK                            ? PXI_SHARD_OK
           : err == PX_ERR_NOMEM                       ? PXI_SHARD_BUSY
           : pxi_store_fetches(v->server->store, hash) ? PXI_SHARD_LATER
                                                       : PXI_SHARD_NOT_FOUND;
}

/* What is here of a blob that is being fetched: all that was asked for, or a map for the answer. */
static bool ready(struct serving *v, const struct pxi_msg_shard_request *r,
                  struct pxi_msg_shard_answer *a, uint8_t map[PXI_SHARD_PIECES])
{
    struct pxi_partial *p = pxi_partial_find(v->server->store, v->hash);
    if (p && r->count && pxi_partial_ready(p, r->first, a->count))
        return true;
    uint64_t from = r->first / PXI_STORE_PIECE;
    *a = (struct pxi_msg_shard_answer){
        .status = PXI_SHARD_LATER, .size = v->blob.bytes, .first = from * PXI_STORE_PIECE};
    if (p)
        a->pieces = px_view_of(map, pxi_partial_pieces(p, from, map, PXI_SHARD_PIECES));
    return false;
}

/* Begin the slice that a request names; the answer says what will come. */
static void begin(struct serving *v, const struct pxi_msg_shard_request *r,
                  struct pxi_msg_shard_answer *a, uint8_t map[PXI_SHARD_PIECES])
{
    a->size = v->blob.bytes;
    if (!r->count && !v->blob.partial)
        return;
    a->first = r->first;
    a->count = r->count;
    if (r->first >= v->blob.groups || r->count > PXI_LIMIT_SHARD_GROUPS) {
        *a = (struct pxi_msg_shard_answer){.status = PXI_SHARD_BAD_REQUEST};
        return;
    }
    if (a->count > v->blob.groups - r->first)
        a->count = v->blob.groups - r->first;
    if (v->blob.partial && !ready(v, r, a, map))
        return;
    (void)pxi_bao_begin(&v->slice, v->hash, v->blob.bytes, a->first, a->count);
    v->blob.files->ops->ahead(v->blob.file, a->first * PXI_GROUP, a->count * PXI_GROUP);
}

/* Put an answer into the empty buffer. */
static bool queue(struct serving *v, const struct pxi_msg_shard_answer *a)
{
    struct pxi_buf b = {.max = PXI_LIMIT_SHARD_MESSAGE_BYTES};
    if (!v->out)
        v->out = pxi_calloc(1, BUFFER);
    bool ok = v->out && pxi_pb_encode_framed(&pxi_pb_shard_answer, a, &b) == PX_ERR_OK;
    if (ok)
        memcpy(v->out, b.p, b.n);
    v->out_at = 0;
    v->out_n = b.n;
    v->sending = ok;
    pxi_buf_deinit(&b);
    return ok;
}

/* Answer one request; false when the stream is of no more use. */
static bool answer(struct serving *v, px_view message)
{
    struct pxi_msg_shard_request r;
    struct pxi_msg_shard_answer a = {0};
    struct pxi_arena arena;
    struct pxi_cid cid;
    uint8_t map[PXI_SHARD_PIECES];
    pxi_arena_init(&arena, PXI_LIMIT_SHARD_MESSAGE_BYTES);
    bool good = pxi_pb_decode(&pxi_pb_shard_request, message, &arena, &r, NULL) == PX_ERR_OK &&
                pxi_cid_decode(r.cid, &cid, NULL) == PX_ERR_OK;
    pxi_arena_deinit(&arena);
    if (!good) {
        pxi_host_faults(v->server->host)->n[PXI_FAULT_SHARD]++;
        return false;
    }
    v->server->served.requests++;
    v->slice.depth = 0;
    a.status = find(v, &cid);
    if (a.status == PXI_SHARD_OK)
        begin(v, &r, &a, map);
    v->server->served.refused += a.status != PXI_SHARD_OK;
    return queue(v, &a);
}

/* Requests wait with the sender while an answer leaves. */
static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    struct serving *v = s->user;
    px_view in = bytes, message;
    keep(v);
    while (in.n && !v->sending) {
        px_err err = pxi_frame_next(&v->frame, &in, &message);
        if (err == PX_ERR_TRUNCATED)
            break;
        if (err != PX_ERR_OK || !answer(v, message)) {
            if (err != PX_ERR_OK)
                pxi_host_faults(v->server->host)->n[PXI_FAULT_SHARD]++;
            hang_up(v);
            return bytes.n;
        }
        if (!pump(v))
            return bytes.n;
    }
    return bytes.n - in.n;
}

static void on_writable(struct pxi_stream *s)
{
    struct serving *v = s->user;
    if (pump(v) && !v->sending)
        pxi_stream_resume(s);
}

/* No more requests; the last answer may still be leaving. */
static void on_ended(struct pxi_stream *s)
{
    struct serving *v = s->user;
    v->ended = true;
    if (!v->sending)
        pxi_stream_end(s);
}

static void on_closed(struct pxi_stream *s, px_err why)
{
    drop(s->user);
}

static void on_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events on = {
        .data = on_data, .writable = on_writable, .ended = on_ended, .closed = on_closed};
    struct pxi_shard_server *server = ctx;
    unsigned same = 0;
    for (struct pxi_list *l = server->streams.next; l != &server->streams; l = l->next)
        same +=
            pxi_peer_equal(&PXI_OF(l, struct serving, link)->stream->conn->peer, &s->conn->peer);
    bool room =
        same < PXI_LIMIT_SHARD_STREAMS_PEER && server->served.streams < PXI_LIMIT_SHARD_STREAMS;
    struct serving *v = room ? pxi_calloc(1, sizeof *v) : NULL;
    if (!v) {
        pxi_host_faults(server->host)->n[PXI_FAULT_LIMIT]++;
        pxi_stream_reset(s);
        return;
    }
    v->server = server;
    v->stream = s;
    v->frame.max = PXI_LIMIT_SHARD_MESSAGE_BYTES;
    v->idle.fire = on_idle;
    pxi_list_add(&server->streams, &v->link);
    server->served.streams++;
    pxi_stream_own(s, &on, v);
    keep(v);
}

/* ------------------------------------------------------------------ the server */

struct pxi_shard_server *pxi_shard_server_new(struct pxi_host *h, struct pxi_store *s)
{
    struct pxi_shard_server *v = pxi_calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->host = h;
    v->store = s;
    pxi_list_init(&v->streams);
    if (pxi_host_handle(h, PXI_SHARD_PROTOCOL, 0, on_accept, v) != PX_ERR_OK) {
        pxi_free(v);
        return NULL;
    }
    return v;
}

void pxi_shard_server_free(struct pxi_shard_server *v)
{
    if (!v)
        return;
    pxi_host_unhandle(v->host, PXI_SHARD_PROTOCOL);
    while (!pxi_list_empty(&v->streams))
        hang_up(PXI_OF(v->streams.next, struct serving, link));
    pxi_free(v);
}

struct pxi_shard_served pxi_shard_served_of(const struct pxi_shard_server *v)
{
    return v->served;
}
