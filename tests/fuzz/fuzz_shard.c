/*
 * /plexus/shard/1 from both ends. The first byte chooses: any bytes as the stream of a client, or a
 * provider whose right answers are changed where the data say so. Whatever it does, a blob that is
 * in the store of the client has the hash of its name.
 */
#include "host_net.h"
#include "mem_files.h"
#include "net/frame.h"
#include "store/pull.h"
#include "store/push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net n;
static struct mem_files files[2];
static struct pxi_store *store[2];
static struct pxi_store_model *model;
static struct net_conn *conn;
static const uint8_t *fuzz;
static size_t fuzz_n;

static int collect(void *ctx, const void *p, size_t bytes)
{
    return !pxi_buf_add(ctx, p, bytes);
}

/* A model of four small tensors, one of three groups. */
static void make_model(void)
{
    static struct pxi_buf file = {.max = 1 << 20};
    static const char *const names[] = {"token_embd.weight", "blk.0.a.weight", "blk.1.a.weight",
                                        "output_norm.weight"};
    static float row[256];
    px_gguf *g;
    px_gguf_writer *w = px_gguf_writer_new(0);
    px_gguf_put_str(w, "general.architecture", px_view_str("llama"));
    for (unsigned i = 0; i < 4; i++) {
        uint64_t dims[2] = {256, i == 1 ? 190 : 5};
        px_gguf_put_tensor(w, px_view_str(names[i]), 0, 2, dims);
    }
    px_gguf_write_header(w, collect, &file);
    for (unsigned r = 0; r < 205; r++) {
        row[0] = (float)r;
        px_gguf_write_data(w, row, sizeof row);
    }
    px_gguf_writer_free(w);
    CHECK_EQ(px_gguf_parse(px_view_of(file.p, file.n), &g, NULL), PX_ERR_OK);
    struct pxi_push p = {.store = store[1], .key = n.key[1]};
    CHECK_EQ(pxi_push_begin(&p, g), PX_ERR_OK);
    pxi_push_run(&p);
    CHECK_EQ(pxi_push_end(&p, &model, NULL), PX_ERR_OK);
    pxi_push_deinit(&p);
    px_gguf_free(g);
}

static uint8_t take(void)
{
    if (!fuzz_n)
        return 0;
    fuzz_n--;
    return *fuzz++;
}

/* The right answer to a request. */
static void right_answer(px_view message, struct pxi_buf *out)
{
    struct pxi_msg_shard_request r;
    struct pxi_msg_shard_answer a = {0};
    struct pxi_arena arena;
    struct pxi_cid cid;
    struct pxi_blob b = {0};
    struct pxi_bao s;
    static uint8_t part[PXI_GROUP];
    pxi_arena_init(&arena, 4096);
    bool read = pxi_pb_decode(&pxi_pb_shard_request, message, &arena, &r, NULL) == PX_ERR_OK &&
                pxi_cid_decode(r.cid, &cid, NULL) == PX_ERR_OK;
    pxi_arena_deinit(&arena);
    if (!read)
        return;
    bool here = pxi_blob_open(store[1], cid.digest, &b) == PX_ERR_OK;
    a = here ? (struct pxi_msg_shard_answer){0, b.bytes, r.first, r.count}
             : (struct pxi_msg_shard_answer){.status = PXI_SHARD_NOT_FOUND};
    pxi_pb_encode_framed(&pxi_pb_shard_answer, &a, out);
    if (!here || pxi_bao_begin(&s, cid.digest, b.bytes, r.first, r.count) != PX_ERR_OK)
        return;
    for (; !pxi_bao_done(&s); pxi_bao_pass(&s)) {
        struct pxi_tree_at at;
        size_t bytes = pxi_bao_next(&s, &at);
        CHECK_EQ(pxi_blob_read(&b, &at, part, bytes), PX_ERR_OK);
        pxi_buf_add(out, part, bytes);
    }
    pxi_blob_close(&b);
}

/* Change an answer: a byte, its end, or what comes after it. */
static void change(struct pxi_buf *b)
{
    uint8_t how = take(), x = take();
    size_t at = b->n ? (size_t)(x * 257 + take()) % b->n : 0;
    if (how < 128)
        return;
    if (how < 180)
        b->p[how < 150 ? at % 12 : at] ^= (uint8_t)(1 + how % 255);
    else if (how < 210)
        b->n = at;
    else
        pxi_buf_add(b, fuzz, fuzz_n < 40 ? fuzz_n : 40);
}

static size_t liar_data(struct pxi_stream *s, px_view v)
{
    struct pxi_frame f = {.max = 256};
    px_view in = v, message;
    while (pxi_frame_next(&f, &in, &message) == PX_ERR_OK) {
        struct pxi_buf b = {.max = 1 << 19};
        right_answer(message, &b);
        change(&b);
        pxi_stream_write(s, px_view_of(b.p, b.n));
        pxi_buf_deinit(&b);
    }
    pxi_frame_deinit(&f);
    return v.n;
}

static void liar_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events on = {.data = liar_data};
    pxi_stream_own(s, &on, NULL);
}

static void setup(void)
{
    net_init(&n, 2);
    for (unsigned i = 0; i < 2; i++) {
        mem_init(&files[i], &n.timers);
        CHECK_EQ(pxi_store_open(&files[i].f, false, 0, &store[i]), PX_ERR_OK);
    }
    make_model();
    conn = net_connect(&n, 0, 1);
    CHECK_EQ(pxi_host_handle(n.host[1], PXI_SHARD_PROTOCOL, 0, liar_accept, NULL), PX_ERR_OK);
    net_run(&n, 100);
}

/* Streams that are over give their memory back. */
static void tidy(void)
{
    net_run(&n, 5);
    for (struct net_stream **p = &n.streams; *p;) {
        struct net_stream *s = *p;
        if (!s->dead || !s->other->dead || s->timer.armed) {
            p = &s->next_all;
            continue;
        }
        if (s->other->other == s)
            s->other->other = s->other;
        *p = s->next_all;
        pxi_queue_clear(&s->in);
        free(s);
    }
}

static struct pxi_pull *pull;

static void done(void *ctx, px_err err, struct pxi_store_model *m)
{
    pull = NULL;
}

static void fuzz_client(void)
{
    struct pxi_peer peer = *pxi_host_self(n.host[1]);
    struct pxi_pull_options o = {.host = n.host[0],
                                 .store = store[0],
                                 .model = pxi_cid_raw(PXI_HASH_BLAKE3, model->m.hash),
                                 .peers = &peer,
                                 .peer_count = 1,
                                 .done = done};
    pull = pxi_pull_start(&o);
    for (unsigned i = 0; i < 40 && pull; i++)
        net_run(&n, 1000);
    if (pull)
        pxi_pull_cancel(pull);
    for (uint32_t i = 0; i < store[0]->blob_count; i++) {
        char path[320], text[PXI_CID_TEXT];
        uint8_t hash[PXI_DIGEST];
        snprintf(path, sizeof path, "blobs/%s", pxi_hash_text(store[0]->blobs[i].hash, text));
        struct pxi_file *f = mem_find(&files[0], path);
        pxi_blake3(px_view_of(f->bytes.p, f->bytes.n), hash);
        if (memcmp(hash, store[0]->blobs[i].hash, sizeof hash) != 0)
            abort();
    }
    pxi_store_close(store[0]);
    mem_clear(&files[0]);
    if (pxi_store_open(&files[0].f, false, 0, &store[0]) != PX_ERR_OK)
        abort();
}

static void fuzz_server(void)
{
    static const struct pxi_stream_events on;
    static const char *const proposal[] = {PXI_SHARD_PROTOCOL};
    struct pxi_shard_server *v;
    pxi_host_unhandle(n.host[1], PXI_SHARD_PROTOCOL);
    v = pxi_shard_server_new(n.host[1], store[1]);
    struct pxi_stream *s = v ? pxi_host_open(&conn->c, proposal, 1, &on, NULL) : NULL;
    if (s) {
        pxi_stream_write(s, px_view_of(fuzz, fuzz_n));
        net_run(&n, 200);
        if (!net_of(s)->dead)
            pxi_stream_reset(s);
        net_run(&n, 10);
    }
    pxi_shard_server_free(v);
    (void)pxi_host_handle(n.host[1], PXI_SHARD_PROTOCOL, 0, liar_accept, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!n.count)
        setup();
    if (!size || size > 4096)
        return 0;
    fuzz = data + 1;
    fuzz_n = size - 1;
    if (data[0] % 4 == 0)
        fuzz_server();
    else
        fuzz_client();
    tidy();
    return 0;
}
