/* Fetching between hosts in one process: from many, from liars, from those who stop; going on after
 * a stop; and never a byte that was not verified. */
#include <malloc.h>

#include "codec/cid.h"
#include "codec/varint.h"
#include "host_net.h"
#include "store/pull.h"
#include "store_dir.h"

enum { HOSTS = 5 };

static struct net n;
static struct dir d[HOSTS];
static struct pxi_shard_server *server[HOSTS];
static struct pxi_store_model *model; /* of host 1 */
static px_gguf *g;
static struct pxi_buf file;
static unsigned dones;
static px_err last;

static int collect(void *ctx, const void *p, size_t bytes)
{
    return !pxi_buf_add(ctx, p, bytes);
}

/* A model whose blocks have several groups: three blocks, an embedding, and a norm. */
static px_gguf *large(struct pxi_buf *to)
{
    static const char *const names[] = {"output_norm.weight", "blk.1.ffn_up.weight",
                                        "blk.0.ffn_up.weight", "token_embd.weight",
                                        "blk.2.ffn_up.weight"};
    static float row[1024];
    px_gguf *out;
    struct pxi_rng rng = {px_seed + 5};
    px_gguf_writer *w = px_gguf_writer_new(0);
    to->max = SIZE_MAX / 2;
    CHECK_EQ(px_gguf_put_str(w, "general.architecture", px_view_str("llama")), PX_ERR_OK);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t dims[2] = {1024, i ? 700 + 100 * i : 1};
        CHECK_EQ(px_gguf_put_tensor(w, px_view_str(names[i]), 0, 2, dims), PX_ERR_OK);
    }
    CHECK_EQ(px_gguf_write_header(w, collect, to), PX_ERR_OK);
    for (unsigned i = 0; i < 5; i++)
        for (unsigned r = 0; r < (i ? 700 + 100 * i : 1); r++) {
            for (unsigned j = 0; j < 1024; j++)
                row[j] = (float)(pxi_rng_u64(&rng) >> 40);
            CHECK_EQ(px_gguf_write_data(w, row, sizeof row), PX_ERR_OK);
        }
    CHECK_EQ(px_gguf_write_finish(w), PX_ERR_OK);
    px_gguf_writer_free(w);
    CHECK_EQ(px_gguf_parse(px_view_of(to->p, to->n), &out, NULL), PX_ERR_OK);
    return out;
}

/* Host 0 fetches; hosts 1 .. providers have all of it; the others are free for a test. */
static void setup(unsigned providers, bool pieces)
{
    dones = 0;
    net_init(&n, HOSTS);
    n.pieces = pieces;
    g = large(&file);
    for (unsigned i = 0; i < HOSTS; i++) {
        d[i] = (struct dir){0};
        dir_open(&d[i], &n.timers, 0);
    }
    for (unsigned i = 1; i <= providers; i++) {
        struct pxi_store_model *m = dir_push(&d[i], g, n.key[1], "large", false);
        model = i == 1 ? m : model;
        server[i] = pxi_shard_server_new(n.host[i], d[i].store);
        CHECK(server[i]);
    }
    for (unsigned i = 1; i <= providers; i++)
        net_connect(&n, 0, i);
    net_run(&n, 100);
}

static void teardown(void)
{
    px_gguf_free(g);
    pxi_buf_deinit(&file);
    file = (struct pxi_buf){0};
    for (unsigned i = 0; i < HOSTS; i++) {
        pxi_shard_server_free(server[i]);
        server[i] = NULL;
    }
    net_deinit(&n);
    for (unsigned i = 0; i < HOSTS; i++) {
        dir_close(&d[i]);
        dir_remove(&d[i]);
    }
}

static void done(void *ctx, px_err err, struct pxi_store_model *m)
{
    dones++;
    last = err;
    *(struct pxi_pull **)ctx = NULL;
    CHECK((err == PX_ERR_OK) == (m != NULL));
}

static struct pxi_pull *pull;

static void start(const struct pxi_want *want)
{
    unsigned before = dones;
    struct pxi_pull_options o = {.host = n.host[0],
                                 .store = d[0].store,
                                 .model = pxi_cid_raw(PXI_HASH_BLAKE3, model->m.hash),
                                 .part = want != NULL,
                                 .done = done,
                                 .ctx = &pull};
    if (want)
        o.want = *want;
    pull = pxi_pull_start(&o);
    CHECK(pull);
    CHECK_EQ(dones, before);
}

/* Everything in blobs/ of host 0 has the hash of its name. */
static void check_blobs(void)
{
    for (uint32_t i = 0; i < d[0].store->blob_count; i++) {
        const struct pxi_store_blob *b = &d[0].store->blobs[i];
        char path[256], text[PXI_CID_TEXT];
        uint8_t hash[PXI_DIGEST];
        snprintf(path, sizeof path, "%s/blobs/%s", d[0].root, pxi_hash_text(b->hash, text));
        px_view v = file_read(path);
        pxi_blake3(v, hash);
        CHECK_EQ(v.n, b->bytes);
        CHECK(memcmp(hash, b->hash, sizeof hash) == 0);
        free((void *)v.p);
    }
    CHECK_EQ(dir_count(&d[0], "blobs"), d[0].store->blob_count);
}

static void check_whole(void)
{
    CHECK_EQ(dones, 1);
    CHECK_EQ(last, PX_ERR_OK);
    struct pxi_store_model *m = pxi_store_model(d[0].store, model->m.hash);
    CHECK(m);
    CHECK_EQ(m->held, 0);
    CHECK_EQ(pxi_store_state_of(d[0].store, m, NULL).here, m->m.count);
    CHECK_EQ(dir_count(&d[0], "partial"), 0);
    check_blobs();
}

TEST(whole_model_from_one_and_from_three)
{
    for (unsigned i = 0; i < 4; i++) {
        setup(i < 2 ? 1 : 3, i % 2);
        start(NULL);
        net_run(&n, 20000);
        check_whole();
        if (i >= 2)
            for (unsigned j = 1; j <= 3; j++)
                CHECK(pxi_shard_served_of(server[j]).bytes > 0);
        CHECK_EQ(pxi_host_faults(n.host[0])->n[PXI_FAULT_SHARD], 0);
        teardown();
    }
}

TEST(a_slice_fetches_its_shards_and_no_others)
{
    struct pxi_want want = {1, 2, false, true};
    setup(2, false);
    start(&want);
    net_run(&n, 20000);
    CHECK_EQ(dones, 1);
    CHECK_EQ(last, PX_ERR_OK);
    /* meta, block 1, output, and the embedding that the output is tied to */
    CHECK_EQ(d[0].store->blob_count, 4);
    check_blobs();
    want = (struct pxi_want){2, 9, false, false};
    start(&want);
    net_run(&n, 20000);
    CHECK_EQ(dones, 2);
    CHECK_EQ(last, PX_ERR_INVALID);
    teardown();
}

/* Change one byte of a blob of a provider on its disk. */
static void spoil(unsigned host, unsigned shard, uint64_t at)
{
    char path[256], text[PXI_CID_TEXT];
    snprintf(path, sizeof path, "%s/blobs/%s", d[host].root,
             pxi_hash_text(model->m.shards[shard].hash, text));
    FILE *f = fopen(path, "r+b");
    CHECK(f && fseek(f, (long)at, SEEK_SET) == 0);
    int c = fgetc(f);
    fseek(f, (long)at, SEEK_SET);
    fputc(c ^ 4, f);
    fclose(f);
}

static const char *state_of(unsigned host)
{
    struct pxi_pull_source s;
    for (unsigned i = 0; pxi_pull_source_at(pull, i, &s); i++)
        if (pxi_peer_equal(&s.peer, pxi_host_self(n.host[host])))
            return s.state;
    return "none";
}

TEST(a_provider_with_a_wrong_byte_is_dropped)
{
    setup(3, false);
    for (unsigned shard = 1; shard < 5; shard++)
        for (uint64_t i = 0; i < model->m.shards[shard].bytes / PXI_GROUP; i++)
            spoil(2, shard, i * PXI_GROUP + 17 * i);
    start(NULL);
    for (unsigned i = 0; i < 20000 && pull && strcmp(state_of(2), "wrong bytes") != 0; i++)
        net_run(&n, 1);
    CHECK(pull);
    CHECK_EQ(pxi_host_faults(n.host[0])->n[PXI_FAULT_SHARD], 1);
    net_run(&n, 20000);
    check_whole();
    teardown();
}

TEST(alone_with_a_liar_nothing_is_exposed)
{
    setup(1, true);
    spoil(1, 4, 30 * PXI_GROUP);
    start(NULL);
    net_run(&n, 60000);
    CHECK_EQ(dones, 1);
    CHECK_EQ(last, PX_ERR_NOT_FOUND);
    check_blobs();
    CHECK(!pxi_store_has(d[0].store, model->m.shards[4].hash, NULL));
    teardown();
}

/* ------------------------------------------------------------------ providers that misbehave */

static enum { SILENT, HALF, GARBAGE, HUGE, OTHER_SIZE, UNASKED } manner;

static size_t odd_data(struct pxi_stream *s, px_view v)
{
    static const uint8_t garbage[] = {9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 255};
    static const uint8_t huge[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
    static const uint8_t other[] = {8, 8, 0, 16, 9, 24, 0, 32, 1, 1, 2, 3};
    static const uint8_t half[] = {8, 8, 0, 16, 144, 78, 24, 0, 32, 1, 1, 2, 3};
    switch (manner) {
    case SILENT: break;
    case HALF: pxi_stream_write(s, px_view_of(half, sizeof half)); break;
    case GARBAGE: pxi_stream_write(s, px_view_of(garbage, sizeof garbage)); break;
    case HUGE: pxi_stream_write(s, px_view_of(huge, sizeof huge)); break;
    case OTHER_SIZE: pxi_stream_write(s, px_view_of(other, sizeof other)); break;
    case UNASKED:
        for (unsigned i = 0; i < 100; i++)
            pxi_stream_write(s, px_view_of("\2\10\1", 3));
    }
    return v.n;
}

static void odd_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events on = {.data = odd_data};
    pxi_stream_own(s, &on, NULL);
}

TEST(providers_that_stall_or_talk_nonsense)
{
    for (manner = SILENT; manner <= UNASKED; manner++) {
        setup(1, false);
        CHECK_EQ(pxi_host_handle(n.host[4], PXI_SHARD_PROTOCOL, 0, odd_accept, NULL), PX_ERR_OK);
        net_connect(&n, 0, 4);
        net_run(&n, 100);
        start(NULL);
        net_run(&n, 30000);
        check_whole();
        teardown();
        /* And alone: the end comes, nothing is kept. */
        setup(1, false);
        pxi_shard_server_free(server[1]);
        server[1] = NULL;
        CHECK_EQ(pxi_host_handle(n.host[1], PXI_SHARD_PROTOCOL, 0, odd_accept, NULL), PX_ERR_OK);
        start(NULL);
        net_run(&n, 60000);
        CHECK_EQ(dones, 1);
        CHECK_EQ(last, PX_ERR_NOT_FOUND);
        CHECK_EQ(d[0].store->blob_count + d[0].store->model_count, 0);
        teardown();
    }
}

TEST(a_provider_that_dies_and_one_that_comes_later)
{
    setup(2, false);
    start(NULL);
    net_run(&n, 30);
    CHECK(pull);
    net_kill(&n, 1);
    net_kill(&n, 2);
    net_run(&n, 1000);
    CHECK(pull);
    net_connect(&n, 0, 2);
    net_run(&n, 20000);
    check_whole();
    teardown();
}

TEST(a_fetch_that_was_stopped_goes_on)
{
    setup(2, true);
    start(NULL);
    struct pxi_pull_status st = {0};
    for (unsigned i = 0; i < 10000 && st.bytes_here < 5 * PXI_GROUP; i++) {
        net_run(&n, 1);
        CHECK(pull);
        st = pxi_pull_status_of(pull);
    }
    pxi_pull_cancel(pull);
    pull = NULL;
    net_run(&n, 100);
    CHECK_EQ(dones, 0);
    check_blobs();
    /* A new process finds what was verified. */
    dir_close(&d[0]);
    dir_open(&d[0], &n.timers, 0);
    start(NULL);
    for (unsigned i = 0; i < 100 && pull; i++) {
        net_run(&n, 1);
        if (pull && pxi_pull_status_of(pull).bytes_here >= st.bytes_here)
            break;
    }
    net_run(&n, 20000);
    check_whole();
    uint64_t served = pxi_shard_served_of(server[1]).bytes + pxi_shard_served_of(server[2]).bytes;
    CHECK(served < model->m.bytes + model->m.bytes / 2);
    teardown();
}

TEST(two_fetches_of_one_model_at_once)
{
    static struct pxi_pull *second;
    setup(2, false);
    start(NULL);
    struct pxi_pull_options o = {.host = n.host[0],
                                 .store = d[0].store,
                                 .model = pxi_cid_raw(PXI_HASH_BLAKE3, model->m.hash),
                                 .done = done,
                                 .ctx = &second};
    net_run(&n, 20);
    second = pxi_pull_start(&o);
    net_run(&n, 20000);
    CHECK_EQ(dones, 2);
    dones = 1;
    check_whole();
    uint64_t served = pxi_shard_served_of(server[1]).bytes + pxi_shard_served_of(server[2]).bytes;
    CHECK(served < model->m.bytes + model->m.bytes / 2);
    teardown();
}

/* ------------------------------------------------------------------ what is here of a shard */

static struct pxi_pull *other;

/* Host 2 begins to fetch too, and stops in the middle. */
static uint64_t begin_on_two(void)
{
    struct pxi_pull_options o = {.host = n.host[2],
                                 .store = d[2].store,
                                 .model = pxi_cid_raw(PXI_HASH_BLAKE3, model->m.hash),
                                 .done = done,
                                 .ctx = &other};
    server[2] = pxi_shard_server_new(n.host[2], d[2].store);
    net_connect(&n, 2, 1);
    net_run(&n, 100);
    other = pxi_pull_start(&o);
    uint64_t here = 0;
    for (unsigned i = 0; i < 5000 && other && here < model->m.bytes / 2; i++) {
        net_run(&n, 1);
        here = pxi_pull_status_of(other).bytes_here;
    }
    CHECK(other);
    net_kill(&n, 1);
    net_run(&n, 50);
    return pxi_pull_status_of(other).bytes_here;
}

TEST(what_is_verified_is_given_on_while_the_rest_is_fetched)
{
    setup(1, false);
    begin_on_two();
    start(NULL);
    net_connect(&n, 0, 2);
    net_run(&n, 1500);
    CHECK(pull);
    struct pxi_pull_status st = pxi_pull_status_of(pull);
    CHECK(st.model && st.bytes_here > model->m.bytes / 4 && st.bytes_here < model->m.bytes);
    CHECK(pxi_shard_served_of(server[2]).bytes >= st.bytes_here - model->m.shards[0].bytes);
    check_blobs();
    /* The source of the rest comes back: both get all of it. */
    net_connect(&n, 0, 1);
    net_connect(&n, 2, 1);
    net_run(&n, 30000);
    CHECK_EQ(dones, 2);
    CHECK_EQ(pxi_host_faults(n.host[0])->n[PXI_FAULT_SHARD], 0);
    CHECK_EQ(pxi_host_faults(n.host[2])->n[PXI_FAULT_SHARD], 0);
    CHECK_EQ(pxi_store_state_of(d[2].store, pxi_store_model(d[2].store, model->m.hash), NULL).here,
             model->m.count);
    dones = 1;
    check_whole();
    teardown();
}

TEST(a_part_that_nobody_completes_ends_the_fetch)
{
    setup(1, false);
    begin_on_two();
    start(NULL);
    net_connect(&n, 0, 2);
    net_run(&n, 120000);
    CHECK_EQ(dones, 2);
    CHECK_EQ(last, PX_ERR_NOT_FOUND);
    check_blobs();
    teardown();
}

TEST(two_that_fetch_from_one_swap_what_they_have)
{
    setup(1, false);
    server[0] = pxi_shard_server_new(n.host[0], d[0].store);
    server[2] = pxi_shard_server_new(n.host[2], d[2].store);
    net_connect(&n, 2, 1);
    net_connect(&n, 0, 2);
    net_run(&n, 100);
    struct pxi_pull_options o = {.host = n.host[2],
                                 .store = d[2].store,
                                 .model = pxi_cid_raw(PXI_HASH_BLAKE3, model->m.hash),
                                 .done = done,
                                 .ctx = &other};
    other = pxi_pull_start(&o);
    start(NULL);
    net_run(&n, 30000);
    CHECK_EQ(dones, 2);
    dones = 1;
    check_whole();
    uint64_t swapped = pxi_shard_served_of(server[0]).bytes + pxi_shard_served_of(server[2]).bytes;
    printf("# %llu of %llu bytes were swapped\n", (unsigned long long)swapped,
           (unsigned long long)(2 * model->m.bytes));
    CHECK_EQ(pxi_host_faults(n.host[0])->n[PXI_FAULT_SHARD], 0);
    CHECK_EQ(pxi_host_faults(n.host[2])->n[PXI_FAULT_SHARD], 0);
    teardown();
}

/* Says that it has all pieces, later, for ever. */
static size_t later_data(struct pxi_stream *s, px_view v)
{
    static const uint8_t later[] = {8, 8, 4, 16, 9, 42, 2, 255, 255};
    pxi_stream_write(s, px_view_of(later, sizeof later));
    return v.n;
}

static void later_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events on = {.data = later_data};
    pxi_stream_own(s, &on, NULL);
}

TEST(a_provider_that_promises_for_ever)
{
    setup(1, false);
    CHECK_EQ(pxi_host_handle(n.host[4], PXI_SHARD_PROTOCOL, 0, later_accept, NULL), PX_ERR_OK);
    net_connect(&n, 0, 4);
    net_run(&n, 100);
    start(NULL);
    net_run(&n, 60000);
    check_whole();
    teardown();
}

LIE(larger_block, (s[3].bytes += PXI_GROUP, m->bytes += PXI_GROUP))
LIE(smaller_block, (s[3].bytes -= 1, m->bytes -= 1))

TEST(a_manifest_that_lies_about_a_size)
{
    static dir_lie *const lies[] = {larger_block, smaller_block};
    for (unsigned i = 0; i < 4; i++) {
        setup(1, false);
        struct pxi_store_model *honest = model;
        CHECK_EQ(dir_add_lie(&d[1], honest, n.key[1], lies[i % 2], &model), PX_ERR_OK);
        if (i >= 2) { /* the shard is here, and its size known */
            struct pxi_store_model *lying = model;
            model = honest;
            start(NULL);
            net_run(&n, 20000);
            check_whole();
            model = lying;
            dones = 0;
        }
        start(NULL);
        net_run(&n, 60000);
        CHECK_EQ(dones, 1);
        CHECK_EQ(last, PX_ERR_CORRUPT);
        CHECK(pxi_pull_why(last));
        CHECK_EQ(pxi_store_has(d[0].store, model->m.shards[3].hash, NULL), i >= 2);
        check_blobs();
        CHECK_EQ(pxi_host_faults(n.host[0])->n[PXI_FAULT_SHARD], 0); /* nobody is blamed */
        teardown();
    }
}

/* Whatever a provider does, and however often, no memory stays with us. */
TEST(bad_providers_leave_no_memory_behind)
{
    size_t first = 0;
    setup(1, false);
    CHECK_EQ(pxi_host_handle(n.host[4], PXI_SHARD_PROTOCOL, 0, odd_accept, NULL), PX_ERR_OK);
    pxi_shard_server_free(server[1]);
    server[1] = NULL;
    net_connect(&n, 0, 4);
    net_run(&n, 100);
    for (unsigned i = 0; i < 24; i++) {
        manner = i % (UNASKED + 1);
        start(NULL);
        net_run(&n, 60000);
        CHECK_EQ(last, PX_ERR_NOT_FOUND);
        size_t now = mallinfo2().uordblks;
        if (i == 7)
            first = now;
        if (i > 7 && now > first + 65536)
            PX_FAIL("%zu bytes after %u fetches, %zu after 8", now, i + 1, first);
    }
    CHECK_EQ(d[0].store->blob_count + d[0].store->model_count, 0);
    teardown();
}

TEST(quota_is_kept_before_the_first_byte)
{
    setup(1, false);
    d[0].store->quota = model->m.bytes / 2;
    start(NULL);
    net_run(&n, 5000);
    CHECK_EQ(dones, 1);
    CHECK_EQ(last, PX_ERR_LIMIT);
    CHECK_EQ(d[0].store->blob_count, 0);
    d[0].store->quota = 2 * model->m.bytes;
    start(NULL);
    net_run(&n, 20000);
    CHECK_EQ(dones, 2);
    CHECK_EQ(last, PX_ERR_OK);
    teardown();
}

TEST(by_the_sha256_of_the_manifest)
{
    uint8_t sha[PXI_DIGEST];
    setup(1, false);
    pxi_sha256(px_view_of(model->envelope, model->envelope_n), sha);
    struct pxi_pull_options o = {.host = n.host[0],
                                 .store = d[0].store,
                                 .model = pxi_cid_raw(PXI_HASH_SHA2_256, sha),
                                 .done = done,
                                 .ctx = &pull};
    pull = pxi_pull_start(&o);
    net_run(&n, 20000);
    check_whole();
    teardown();
}

/* ------------------------------------------------------------------ clients that misbehave */

static unsigned closed;
static size_t got;
static bool taking;

static size_t client_data(struct pxi_stream *s, px_view v)
{
    got += taking ? v.n : 0;
    return taking ? v.n : 0;
}
static void client_closed(struct pxi_stream *s, px_err why)
{
    closed++;
}

static struct pxi_stream *client(struct net_conn *c)
{
    static const struct pxi_stream_events on = {.data = client_data, .closed = client_closed};
    static const char *const proposal[] = {PXI_SHARD_PROTOCOL};
    return pxi_host_open(&c->c, proposal, 1, &on, NULL);
}

TEST(clients_that_do_not_read_or_talk_nonsense)
{
    setup(1, false);
    struct net_conn *c = net_connect(&n, 0, 1);
    closed = 0;
    struct pxi_stream *s = client(c);
    pxi_stream_write(s, px_view_of("\5\1\2\3\4\5", 6));
    net_run(&n, 200);
    CHECK_EQ(closed, 1);
    CHECK_EQ(pxi_host_faults(n.host[1])->n[PXI_FAULT_SHARD], 1);
    s = client(c);
    pxi_stream_write(s, px_view_of("\377\377\377\377\1", 5));
    net_run(&n, 200);
    CHECK_EQ(closed, 2);
    /* One that asks for much and reads nothing is left alone after a while. */
    uint8_t binary[PXI_CID_MAX], message[64] = {0};
    struct pxi_cid cid = pxi_cid_raw(PXI_HASH_BLAKE3, model->m.shards[1].hash);
    size_t m = pxi_cid_encode(&cid, binary);
    message[0] = (uint8_t)(m + 4);
    message[1] = 10;
    message[2] = (uint8_t)m;
    memcpy(message + 3, binary, m);
    message[3 + m] = 24;
    message[4 + m] = 20;
    taking = false;
    s = client(c);
    for (unsigned i = 0; i < 50; i++)
        pxi_stream_write(s, px_view_of(message, m + 5));
    net_run(&n, 1000);
    CHECK_EQ(closed, 2);
    CHECK_EQ(pxi_shard_served_of(server[1]).streams, 1);
    net_run(&n, 70000);
    CHECK_EQ(pxi_shard_served_of(server[1]).streams, 0);
    /* More streams than one peer may have. */
    struct pxi_stream *many[10];
    for (unsigned i = 0; i < 10; i++) {
        many[i] = client(c);
        pxi_stream_write(many[i], px_view_of("", 0));
    }
    net_run(&n, 1000);
    CHECK_EQ(pxi_shard_served_of(server[1]).streams, 4);
    teardown();
}

TEST_MAIN()
