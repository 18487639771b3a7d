/*
 * Messages of /plexus/stage/1 that are flipped, cut short, in another order, too large or sent
 * again, and peers that lie: a clear error for whoever sends them, nothing for the session beside
 * it.
 */
#include "base/limits.h"
#include "infer/run.h"
#include "infer_world.h"

enum { EVIL = 5, FIRST = 1 };

/* A stream of host EVIL to a stage, and the last short message that came back. */
struct raw {
    struct pxi_stream *s;
    struct pxi_buf in;
    struct pxi_stage_head last;
    bool gone;
};

static struct world w;
static struct raw raw;
static struct talk honest;

static size_t raw_data(struct pxi_stream *s, px_view bytes)
{
    CHECK(pxi_buf_add(&raw.in, bytes.p, bytes.n));
    while (raw.in.n >= PXI_STAGE_HEAD) {
        struct pxi_stage_head h;
        CHECK_EQ(pxi_stage_head_read(raw.in.p, &h, NULL), PX_ERR_OK);
        size_t n = PXI_STAGE_HEAD + h.bytes;
        if (raw.in.n < n)
            break;
        /* Nobody waits at EVIL for tokens: that is not what is looked at; nor are signs of life. */
        if (h.kind != PXI_STAGE_PING && h.kind != PXI_STAGE_PONG &&
            !(h.kind == PXI_STAGE_ERROR && h.hop))
            raw.last = h;
        memmove(raw.in.p, raw.in.p + n, raw.in.n - n);
        raw.in.n -= n;
    }
    return bytes.n;
}

static void raw_ended(struct pxi_stream *s)
{
    raw.gone = true;
}

static void raw_closed(struct pxi_stream *s, px_err why)
{
    raw.gone = true;
    raw.s = NULL;
}

static void raw_open(void)
{
    static const char *const proposal[] = {pxi_stage_protocol};
    static const struct pxi_stream_events on = {
        .data = raw_data, .ended = raw_ended, .closed = raw_closed};
    raw = (struct raw){.in.max = 1 << 16};
    struct pxi_conn *c = pxi_host_conn(w.net.host[EVIL], pxi_host_self(w.net.host[FIRST]), true);
    raw.s = pxi_host_open(c, proposal, 1, &on, NULL);
    CHECK(raw.s != NULL);
}

static void raw_close(void)
{
    if (raw.s)
        pxi_stream_reset(raw.s);
    pxi_buf_deinit(&raw.in);
    net_run(&w.net, 20);
}

static void raw_write(const void *p, size_t n)
{
    if (raw.s)
        pxi_stream_write(raw.s, px_view_of(p, n));
    net_run(&w.net, 20);
}

static size_t put(uint8_t *out, struct pxi_stage_head h, const void *payload, size_t n)
{
    h.bytes = (uint32_t)n;
    pxi_stage_head_write(&h, out);
    if (n)
        memcpy(out + PXI_STAGE_HEAD, payload, n);
    return PXI_STAGE_HEAD + n;
}

/* OPEN of a session with its key, through the three stages back to host EVIL. */
static size_t put_open(uint8_t *out, uint64_t session, uint32_t epoch, uint8_t secret)
{
    uint8_t key[PXI_STAGE_KEY] = {secret};
    struct pxi_msg_stage_hop hops[STAGES + 1] = {{.first = 0}};
    struct pxi_buf b = {.max = 4096};
    for (unsigned i = 0; i < STAGES; i++)
        hops[i] = (struct pxi_msg_stage_hop){
            .peer = pxi_peer_view(pxi_host_self(w.net.host[i + 1])), .first = i, .last = i + 1};
    hops[STAGES].peer = pxi_peer_view(pxi_host_self(w.net.host[EVIL]));
    struct pxi_msg_stage_open m = {.model = px_view_str(MODEL),
                                   .key = px_view_of(key, sizeof key),
                                   .known = 3,
                                   .prompt = 3,
                                   .hops = {hops, STAGES + 1}};
    CHECK_EQ(pxi_pb_encode(&pxi_pb_stage_open, &m, &b), PX_ERR_OK);
    struct pxi_stage_head h = {.kind = PXI_STAGE_OPEN, .session = session, .epoch = epoch};
    size_t n = put(out, h, b.p, b.n);
    pxi_buf_deinit(&b);
    return n;
}

static size_t put_input(uint8_t *out, uint64_t session, uint32_t epoch, uint32_t position,
                        const uint32_t *words, uint32_t n)
{
    struct pxi_stage_head h = {.kind = PXI_STAGE_INPUT,
                               .session = session,
                               .epoch = epoch,
                               .position = position,
                               .rows = n};
    return put(out, h, words, 4 * (size_t)n);
}

static void begin(void)
{
    unsigned hosts[] = {1, 2, 3};
    world_init(&w, LLAMA_THREE_BLOCKS, true);
    for (unsigned i = 0; i < STAGES; i++)
        load(&w, hosts[i], i, 4);
    talk_begin(&w, &honest, 0, false, hosts);
    net_run(&w.net, 30);
}

/* The honest session says what it should, whatever happened beside it. */
static void end(void)
{
    net_run(&w.net, 5000);
    CHECK_EQ(honest.broken, 0);
    compare(&w, &honest, 0, false);
    pxi_chain_free(honest.chain);
    net_run(&w.net, 2 * PXI_LIMIT_STAGE_ORPHAN_MS);
    for (unsigned i = 0; i < STAGES; i++)
        CHECK_EQ(sessions(&w, i + 1), 0);
    world_deinit(&w);
}

static const uint32_t some[] = {1, 5, 9 | PXI_STAGE_WANT};

/* A session of our own that stands, epoch 1. */
static void session(uint64_t id)
{
    uint8_t b[4096];
    raw_open();
    raw_write(b, put_open(b, id, 1, 7));
    CHECK_EQ(raw.last.kind, PXI_STAGE_READY);
    raw_write(b, put_input(b, id, 1, 0, some, 3));
    CHECK_EQ(raw.last.kind, PXI_STAGE_READY);
}

static void refused(px_err why)
{
    CHECK_EQ(raw.last.kind, PXI_STAGE_ERROR);
    CHECK_EQ((px_err)(int32_t)raw.last.position, why);
    raw_close();
}

TEST(flipped_bits)
{
    uint8_t good[4096], bad[4096];
    begin();
    size_t n = put_open(good, 77, 1, 7);
    n += put_input(good + n, 77, 1, 0, some, 3);
    n += put_input(good + n, 77, 1, 3, (uint32_t[]){2 | PXI_STAGE_WANT | PXI_STAGE_DRAFT}, 1);
    for (size_t i = 0; i < n * 8; i += 1 + i / 64 % 3) {
        memcpy(bad, good, n);
        bad[i / 8] ^= (uint8_t)(1 << i % 8);
        raw_open();
        raw_write(bad, n);
        raw_close();
    }
    end();
}

TEST(cut_short)
{
    uint8_t good[4096];
    begin();
    size_t n = put_open(good, 78, 1, 7);
    n += put_input(good + n, 78, 1, 0, some, 3);
    for (size_t i = 1; i < n; i += 3) {
        raw_open();
        raw_write(good, i);
        if (i % 2)
            raw_close();
        else
            pxi_stream_end(raw.s), net_run(&w.net, 20), raw_close();
    }
    end();
}

TEST(in_another_order_again_or_too_far)
{
    uint8_t b[4096];
    struct pxi_stage_head h = {.kind = PXI_STAGE_INPUT, .session = 5, .epoch = 1, .rows = 1};
    begin();
    session(1); /* the same again */
    raw_write(b, put_input(b, 1, 1, 0, some, 3));
    refused(PX_ERR_PROTOCOL);
    session(2); /* a gap */
    raw_write(b, put_input(b, 2, 1, 5, some, 3));
    refused(PX_ERR_PROTOCOL);
    session(3); /* in the midst of what stands */
    raw_write(b, put_input(b, 3, 1, 1, some, 1));
    refused(PX_ERR_PROTOCOL);
    session(4); /* start past the cache, and beyond any context */
    raw_write(b, put_input(b, 4, 1, POSITIONS, some, 1));
    refused(PX_ERR_PROTOCOL);
    session(5);
    h.position = PXI_LIMIT_CONTEXT_POSITIONS + 1;
    raw_write(b, put(b, h, some, 4));
    refused(PX_ERR_PROTOCOL);
    session(6); /* it begins inside the cache and ends outside */
    uint32_t many[POSITIONS] = {0};
    raw_write(b, put_input(b, 6, 1, 3, many, POSITIONS - 2));
    refused(PX_ERR_PROTOCOL);
    session(7); /* before OPEN of another epoch */
    raw_write(b, put_input(b, 7, 2, 3, some, 1));
    CHECK_EQ(raw.last.kind, PXI_STAGE_READY); /* dropped */
    raw_write(b, put_input(b, 7, 1, 3, some, 1));
    CHECK_EQ(raw.last.kind, PXI_STAGE_READY); /* that one counted */
    raw_close();
    end();
}

TEST(too_large)
{
    uint8_t b[4096];
    static const struct {
        uint32_t rows, cols, bytes;
        uint8_t kind, dtype;
    } all[] = {
        {PXI_LIMIT_STAGE_ROWS + 1, 0, 4 * (PXI_LIMIT_STAGE_ROWS + 1), PXI_STAGE_INPUT, 0},
        {1, 64, 4 * 65, PXI_STAGE_INPUT, PXI_STAGE_F32}, /* hidden states where tokens come */
        {1, PXI_LIMIT_STAGE_COLS + 1, 4, PXI_STAGE_INPUT, PXI_STAGE_F32},
        {0, 0, 0, PXI_STAGE_INPUT, 0},
        {1, 0, UINT32_MAX, PXI_STAGE_INPUT, 0},
        {0, 0, PXI_LIMIT_STAGE_OPEN_BYTES + 1, PXI_STAGE_OPEN, 0},
        {0, 0, UINT32_MAX, PXI_STAGE_ERROR, 0},
        {0, 0, 1, PXI_STAGE_PING, 0},
        {1, 0, 4, PXI_STAGE_TOKENS, 0}, /* from the wrong side */
        {0, 0, 0, PXI_STAGE_READY, 0},
        {0, 0, 0, PXI_STAGE_LOSS + 1, 0},
        {0, 0, 0, 0, 0}};
    begin();
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        session(100 + i);
        struct pxi_stage_head h = {.kind = all[i].kind,
                                   .dtype = all[i].dtype,
                                   .session = 100 + i,
                                   .epoch = 1,
                                   .position = 3,
                                   .rows = all[i].rows,
                                   .cols = all[i].cols,
                                   .bytes = all[i].bytes};
        memset(b, 0, sizeof b);
        pxi_stage_head_write(&h, b);
        raw_write(b, 400);
        refused(PX_ERR_PROTOCOL);
    }
    end();
}

TEST(drafts_without_end_and_what_is_settled)
{
    uint8_t b[4096];
    uint32_t drafts[PXI_LIMIT_STAGE_DRAFT + 2];
    begin();
    for (unsigned i = 0; i < PXI_LIMIT_STAGE_DRAFT + 2; i++)
        drafts[i] = 3 | PXI_STAGE_DRAFT | PXI_STAGE_WANT;
    session(1);
    raw_write(b, put_input(b, 1, 1, 3, drafts, PXI_LIMIT_STAGE_DRAFT));
    CHECK_EQ(raw.last.kind, PXI_STAGE_READY);
    raw_write(b, put_input(b, 1, 1, 3 + PXI_LIMIT_STAGE_DRAFT, drafts, 1)); /* one too many */
    refused(PX_ERR_PROTOCOL);
    session(2);
    raw_write(b, put_input(b, 2, 1, 3, drafts, PXI_LIMIT_STAGE_DRAFT + 1));
    refused(PX_ERR_PROTOCOL);
    session(3);
    raw_write(b, put_input(b, 3, 1, 3, drafts, 4));
    raw_write(b, put_input(b, 3, 1, 5, some, 1)); /* in their place, and they stand */
    CHECK_EQ(raw.last.kind, PXI_STAGE_READY);
    raw_write(b, put_input(b, 3, 1, 4, some, 1)); /* those before it do, too, now */
    refused(PX_ERR_PROTOCOL);
    session(4);
    for (unsigned i = 0; i < 2000; i++) /* the same place again and again takes no memory */
        raw_write(b, put_input(b, 4, 1, 3, drafts, 5));
    CHECK_EQ(raw.last.kind, PXI_STAGE_READY);
    raw_close();
    end();
}

TEST(a_token_beyond_the_vocabulary)
{
    uint8_t b[4096];
    begin();
    session(1);
    raw_write(b, put_input(b, 1, 1, 3, (uint32_t[]){MODEL_VOCAB}, 1));
    refused(PX_ERR_PROTOCOL);
    session(2);
    raw_write(b, put_input(b, 2, 1, 3, (uint32_t[]){PXI_STAGE_TOKEN | PXI_STAGE_DRAFT}, 1));
    refused(PX_ERR_PROTOCOL);
    end();
}

TEST(two_clients_with_one_session_number)
{
    uint8_t b[4096];
    uint64_t id;
    begin();
    memcpy(&id, pxi_chain_id(honest.chain), sizeof id);
    raw_open(); /* whoever does not know the key */
    raw_write(b, put_open(b, id, 100, 9));
    refused(PX_ERR_REFUSED);
    raw_open(); /* words for a session that another stream opened */
    raw_write(b, put_input(b, id, 1, 0, some, 3));
    CHECK(raw.gone);
    raw_close();
    session(3);
    raw_write(b, put_input(b, id, 1, 3, some, 1)); /* or on the stream of one's own */
    refused(PX_ERR_PROTOCOL);
    session(4);
    raw_write(b, put_open(b, 4, 1, 7)); /* an OPEN that was sent again */
    refused(PX_ERR_REFUSED);
    raw_open();
    raw_write(b, put_open(b, 5, 1, 7));
    raw_write(b, put_open(b, 5, 0, 7));
    refused(PX_ERR_PROTOCOL);
    end();
}

/* ------------------------------------------------------------------------- stages that lie */

/* Host 5 as the middle stage: it answers OPEN and then does what `lie` says. */
static void (*lie)(struct pxi_stream *s, const struct pxi_stage_head *open);

static size_t liar_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_stage_head h;
    CHECK(pxi_buf_add(&raw.in, bytes.p, bytes.n));
    if (raw.in.n >= PXI_STAGE_HEAD && pxi_stage_head_read(raw.in.p, &h, NULL) == PX_ERR_OK &&
        raw.in.n >= PXI_STAGE_HEAD + h.bytes) {
        raw.in.n = 0;
        if (h.kind == PXI_STAGE_OPEN)
            lie(s, &h);
    }
    return bytes.n;
}

static void liar_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events on = {.data = liar_data};
    raw.in.n = 0;
    pxi_stream_own(s, &on, NULL);
}

static void back(struct pxi_stream *s, struct pxi_stage_head h, const void *payload, size_t n)
{
    uint8_t b[4096];
    pxi_stream_write(s, px_view_of(b, put(b, h, payload, n)));
}

/* It says that it holds more than there is. */
static void boast(struct pxi_stream *s, const struct pxi_stage_head *open)
{
    struct pxi_stage_head h = {.kind = PXI_STAGE_READY,
                               .session = open->session,
                               .epoch = open->epoch,
                               .position = PROMPT + 1};
    back(s, h, NULL, 0);
}

/* It sends hidden states back to where they came from. */
static void reflect(struct pxi_stream *s, const struct pxi_stage_head *open)
{
    float row[65] = {0};
    struct pxi_stage_head h = {.kind = PXI_STAGE_INPUT,
                               .dtype = PXI_STAGE_F32,
                               .session = open->session,
                               .epoch = open->epoch,
                               .rows = 1,
                               .cols = 64};
    back(s, h, row, sizeof row);
}

/* It speaks of another session. */
static void mistake(struct pxi_stream *s, const struct pxi_stage_head *open)
{
    struct pxi_stage_head h = {.kind = PXI_STAGE_READY, .session = open->session + 1};
    back(s, h, NULL, 0);
}

static void answer_lies(void (*how)(struct pxi_stream *, const struct pxi_stage_head *))
{
    struct talk t;
    unsigned hosts[] = {1, EVIL, 3};
    begin();
    raw = (struct raw){.in.max = 1 << 16};
    lie = how;
    pxi_host_unhandle(w.net.host[EVIL], pxi_stage_protocol);
    CHECK_EQ(pxi_host_handle(w.net.host[EVIL], pxi_stage_protocol, 0, liar_accept, NULL),
             PX_ERR_OK);
    talk_begin(&w, &t, 1, true, hosts);
    net_run(&w.net, 1000);
    CHECK_EQ(t.broken, 1);
    CHECK_EQ(t.hop, 1);
    hosts[1] = 2;
    CHECK_EQ(route(&w, &t, hosts), PX_ERR_OK);
    net_run(&w.net, 5000);
    compare(&w, &t, 1, true);
    pxi_chain_free(t.chain);
    pxi_buf_deinit(&raw.in);
    end();
}

TEST(a_stage_that_boasts)
{
    answer_lies(boast);
}

TEST(a_stage_that_sends_back)
{
    answer_lies(reflect);
}

TEST(a_stage_that_speaks_of_another_session)
{
    answer_lies(mistake);
}

/* The last stage lies to the client: its stream comes from the right peer, with old or wrong
 * tokens. */
static void tokens_lie(uint32_t epoch, int32_t shift, uint32_t token, bool noticed)
{
    static const char *const proposal[] = {pxi_stage_protocol};
    static const struct pxi_stream_events on = {.data = NULL};
    uint8_t b[256];
    uint64_t id;
    begin();
    memcpy(&id, pxi_chain_id(honest.chain), sizeof id);
    struct pxi_conn *c = pxi_host_conn(w.net.host[3], pxi_host_self(w.net.host[CLIENT]), true);
    struct pxi_stream *s = pxi_host_open(c, proposal, 1, &on, NULL);
    struct pxi_stage_head h = {.kind = PXI_STAGE_READY, .session = id, .epoch = 1};
    pxi_stream_write(s, px_view_of(b, put(b, h, NULL, 0)));
    h = (struct pxi_stage_head){.kind = PXI_STAGE_TOKENS,
                                .session = id,
                                .epoch = epoch,
                                .position =
                                    (uint32_t)((int32_t)pxi_chain_length(honest.chain) + shift),
                                .rows = 1};
    pxi_stream_write(s, px_view_of(b, put(b, h, &token, 4)));
    net_run(&w.net, 200);
    /* The stream that it had before was pushed aside: it notices, and the chain is opened anew. */
    CHECK_EQ(honest.broken, 1);
    CHECK(!noticed || (honest.hop == STAGES - 1 && honest.why == PX_ERR_PROTOCOL));
    honest.broken = 0;
    CHECK_EQ(route(&w, &honest, (unsigned[]){1, 2, 3}), PX_ERR_OK);
    end();
}

TEST(a_last_stage_with_stale_tokens)
{
    tokens_lie(0, 0, 4, false);  /* of another epoch */
    tokens_lie(1, -3, 4, false); /* of long ago */
    tokens_lie(1, 9, 4, false);  /* of later */
    tokens_lie(1, 0, MODEL_VOCAB + 4, true);
}

TEST_MAIN()
