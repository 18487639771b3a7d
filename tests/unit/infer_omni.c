/*
 * /omni/tensor-xfer/1: bytes as OmniNode writes them, and a foreign peer that has three stages
 * compute for it: the tokens of one machine.
 */
#include "base/limits.h"
#include "codec/omni.h"
#include "infer/omni.h"
#include "infer_world.h"

static const char PROTOCOL[] = "/omni/tensor-xfer/1";

/* ------------------------------------------------------------------------- bytes */

TEST(a_request_byte_for_byte)
{
    static const uint8_t want[] = {0,   0,   0,    0x1e, 4,          's',         '-',
                                   't', '1', 251,  0x2c, 0x01,       /* 300 */ 0, 1,
                                   1,   251, 0xfb, 0x00, /* 251 */ 0};
    uint8_t data[502], frame[64 + 502];
    struct pxi_omni_request m = {.session = px_view_str("s-t1"),
                                 .micro_batch = 300,
                                 .from = 0,
                                 .to = 1,
                                 .seq = 1,
                                 .hidden = 251,
                                 .dtype = PXI_OMNI_F16,
                                 .data = px_view_of(data, sizeof data)},
                            back;
    struct pxi_buf b = {.max = 4096};
    memset(data, 0xab, sizeof data);
    CHECK(pxi_omni_request_write(&m, &b));
    memcpy(frame, want, sizeof want);
    size_t n = sizeof want, body = n - 4 + 3 + sizeof data;
    frame[2] = (uint8_t)(body >> 8);
    frame[3] = (uint8_t)body;
    memcpy(frame + n, (uint8_t[]){251, 0xf6, 0x01}, 3); /* 502 */
    memcpy(frame + n + 3, data, sizeof data);
    CHECK_EQ(b.n, n + 3 + sizeof data);
    CHECK(memcmp(b.p, frame, b.n) == 0);
    CHECK_EQ(pxi_omni_request_read(px_view_of(b.p, b.n), &back), PX_ERR_OK);
    CHECK_EQ(back.micro_batch, 300);
    CHECK_EQ(back.hidden, 251);
    CHECK_EQ(back.data.n, sizeof data);
    pxi_buf_deinit(&b);
}

TEST(a_token_and_a_reply_byte_for_byte)
{
    static const uint8_t token[] = {0, 0, 0, 0x11, 5, 't', 'o',  'k', '-', '1', 1,
                                    1, 0, 1, 1,    0, 4,   0x39, 5,   0,   0};
    static const uint8_t fine[] = {0, 0, 0, 6, 1, 'x', 252, 0, 0, 1, 0, 1, 1, 0};
    static const uint8_t no[] = {0, 0, 0, 9, 1, 'x', 7, 1, 0, 1, 3, 'w', 'h'};
    struct pxi_omni_request m;
    struct pxi_omni_reply r = {
        .session = px_view_str("x"), .micro_batch = 65536, .stage = 1, .accepted = true};
    struct pxi_buf b = {.max = 4096};
    CHECK_EQ(pxi_omni_request_read(px_view_of(token, sizeof token), &m), PX_ERR_OK);
    CHECK(px_view_is(m.session, "tok-1"));
    CHECK(m.from == 1 && m.to == 0 && m.seq == 1 && m.hidden == 1 && m.data.n == 4);
    CHECK_EQ(m.data.p[0] | m.data.p[1] << 8, 1337);
    CHECK(pxi_omni_request_write(&m, &b));
    CHECK(b.n == sizeof token && memcmp(b.p, token, b.n) == 0);
    b.n = 0;
    CHECK(pxi_omni_reply_write(&r, &b));
    CHECK_EQ(b.n, sizeof fine);
    CHECK(memcmp(b.p + 4, fine + 4, sizeof fine - 4) == 0);
    CHECK_EQ(b.p[3], sizeof fine - 4);
    CHECK_EQ(pxi_omni_reply_read(px_view_of(b.p, b.n), &r), PX_ERR_OK);
    CHECK(r.accepted && r.micro_batch == 65536 && !r.error.p);
    CHECK_EQ(pxi_omni_reply_read(px_view_of(no, sizeof no), &r), PX_ERR_CORRUPT); /* cut short */
    b.n = 0;
    r = (struct pxi_omni_reply){px_view_str("x"), 7, 1, false, px_view_str("why")};
    CHECK(pxi_omni_reply_write(&r, &b));
    CHECK_EQ(pxi_omni_reply_read(px_view_of(b.p, b.n), &r), PX_ERR_OK);
    CHECK(!r.accepted && px_view_is(r.error, "why"));
    pxi_buf_deinit(&b);
}

TEST(hostile_requests_are_refused)
{
    uint8_t data[16] = {0};
    struct pxi_omni_request m = {.session = px_view_str("s"),
                                 .micro_batch = 1,
                                 .to = 1,
                                 .seq = 2,
                                 .hidden = 2,
                                 .dtype = PXI_OMNI_F32,
                                 .data = px_view_of(data, 16)},
                            back, bad;
    struct pxi_buf b = {.max = 4096};
    CHECK(pxi_omni_request_write(&m, &b));
    for (size_t n = 0; n < b.n; n++) /* cut short anywhere */
        CHECK(pxi_omni_request_read(px_view_of(b.p, n), &back) != PX_ERR_OK);
    for (size_t i = 0; i < b.n * 8; i++) { /* a flipped bit never reads beyond the end */
        b.p[i / 8] ^= (uint8_t)(1 << i % 8);
        if (pxi_omni_request_read(px_view_of(b.p, b.n), &back) == PX_ERR_OK)
            CHECK(back.data.p >= b.p && back.data.p + back.data.n == b.p + b.n);
        b.p[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    bad = m, bad.seq = 0;
    const struct pxi_omni_request none = bad;
    bad = m, bad.hidden = 3;
    const struct pxi_omni_request wide = bad;
    bad = m, bad.dtype = 3;
    const struct pxi_omni_request type = bad;
    bad = m, bad.seq = UINT32_MAX, bad.hidden = UINT32_MAX;
    const struct pxi_omni_request huge = bad;
    const struct pxi_omni_request *all[] = {&none, &wide, &type, &huge};
    for (unsigned i = 0; i < 4; i++) {
        b.n = 0;
        CHECK(pxi_omni_request_write(all[i], &b));
        CHECK_EQ(pxi_omni_request_read(px_view_of(b.p, b.n), &back), PX_ERR_CORRUPT);
    }
    CHECK_EQ(pxi_omni_frame(px_view_of("\xff\xff\xff\xff", 4)), -1);
    CHECK_EQ(pxi_omni_frame(px_view_of("\0\0\0", 3)), 0);
    pxi_buf_deinit(&b);
}

/* ------------------------------------------------------------------------- a foreign peer */

/* Host 0 speaks OmniNode only: what comes from one stage goes to the next. */
struct foreign {
    struct world w;
    struct pxi_omni *omni[HOSTS];
    struct pxi_buf in, back;
    int32_t tokens[POSITIONS];
    uint32_t n, stop, micro_batch, accepted, refused;
    uint8_t dtype;
};

static struct foreign f;

static void tell(unsigned stage, uint32_t seq, uint32_t hidden, px_view data, uint32_t micro_batch);

static size_t reply_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_omni_reply r;
    CHECK(pxi_buf_add(&f.back, bytes.p, bytes.n));
    if (pxi_omni_reply_read(px_view_of(f.back.p, f.back.n), &r) == PX_ERR_OK) {
        f.accepted += r.accepted;
        f.refused += !r.accepted;
        f.back.n = 0;
    }
    return bytes.n;
}

static void reply_closed(struct pxi_stream *s, px_err why) {}

/* A request of a stage: acknowledged, then given to the next one. */
static size_t request_data(struct pxi_stream *s, px_view bytes)
{
    struct pxi_omni_request m;
    struct pxi_buf out = {.max = 4096};
    CHECK(pxi_buf_add(&f.in, bytes.p, bytes.n));
    if (pxi_omni_request_read(px_view_of(f.in.p, f.in.n), &m) != PX_ERR_OK)
        return bytes.n;
    struct pxi_omni_reply ack = {.session = m.session, .stage = m.to, .accepted = true};
    CHECK(pxi_omni_reply_write(&ack, &out));
    CHECK_EQ(pxi_stream_write(s, px_view_of(out.p, out.n)), out.n);
    pxi_buf_deinit(&out);
    struct pxi_buf kept = f.in;
    f.in = (struct pxi_buf){.max = 1 << 20};
    if (m.hidden == 1) {
        CHECK_EQ(m.to, 1); /* back to who sent it: our second half is stage 1 */
        f.tokens[f.n++] = m.data.p[0] | m.data.p[1] << 8;
        if (f.n < f.stop)
            tell(0, 1, 1, m.data, ++f.micro_batch);
    } else {
        tell(m.to, m.seq, m.hidden, m.data, f.micro_batch);
    }
    pxi_buf_deinit(&kept);
    return bytes.n;
}

static void foreign_accept(void *ctx, struct pxi_stream *s)
{
    static const struct pxi_stream_events on = {.data = request_data, .closed = reply_closed};
    pxi_stream_own(s, &on, NULL);
}

static void pour(unsigned host, px_view frame)
{
    static const char *const proposal[] = {PROTOCOL};
    static const struct pxi_stream_events on = {.data = reply_data, .closed = reply_closed};
    struct pxi_conn *c = pxi_host_conn(f.w.net.host[0], pxi_host_self(f.w.net.host[host]), true);
    struct pxi_stream *s = pxi_host_open(c, proposal, 1, &on, NULL);
    CHECK(s != NULL);
    CHECK_EQ(pxi_stream_write(s, frame), frame.n);
}

/* To the host of a stage: 1, 2, 3. */
static void tell(unsigned stage, uint32_t seq, uint32_t hidden, px_view data, uint32_t micro_batch)
{
    struct pxi_omni_request m = {.session = px_view_str("showcase-001-t1"),
                                 .micro_batch = micro_batch,
                                 .from = stage ? stage - 1 : 1,
                                 .to = stage,
                                 .seq = seq,
                                 .hidden = hidden,
                                 .dtype = f.dtype,
                                 .data = data};
    struct pxi_buf b = {.max = 1 << 20};
    CHECK(pxi_omni_request_write(&m, &b));
    pour(stage + 1, px_view_of(b.p, b.n));
    pxi_buf_deinit(&b);
}

static void tell_tokens(const int32_t *ids, uint32_t n, uint32_t micro_batch)
{
    uint8_t bytes[4 * POSITIONS];
    for (uint32_t i = 0; i < n; i++)
        for (int k = 0; k < 4; k++)
            bytes[4 * i + (unsigned)k] = (uint8_t)((uint32_t)ids[i] >> (8 * k));
    tell(0, n, 1, px_view_of(bytes, 4 * (size_t)n), micro_batch);
}

static void foreign_init(uint8_t dtype, uint32_t slots)
{
    memset(&f, 0, sizeof f);
    f.in.max = f.back.max = 1 << 20;
    f.dtype = dtype;
    world_init(&f.w, LLAMA_THREE_BLOCKS, true);
    for (unsigned i = 0; i < STAGES; i++) {
        load(&f.w, i + 1, i, slots);
        f.omni[i + 1] = pxi_omni_new(f.w.node[i + 1].stages);
        CHECK(f.omni[i + 1] != NULL);
    }
    CHECK_EQ(pxi_host_handle(f.w.net.host[0], PROTOCOL, 0, foreign_accept, NULL), PX_ERR_OK);
}

static void foreign_deinit(void)
{
    net_run(&f.w.net, 100);
    for (unsigned i = 0; i < STAGES; i++)
        pxi_omni_free(f.omni[i + 1]);
    for (unsigned i = 0; i < STAGES; i++)
        CHECK_EQ(sessions(&f.w, i + 1), 0);
    world_deinit(&f.w);
    pxi_buf_deinit(&f.in);
    pxi_buf_deinit(&f.back);
}

/* What one machine says, greedily. */
static void alone(int32_t *out)
{
    struct pxi_model m;
    struct pxi_session s;
    struct pxi_session_options o = {.positions = POSITIONS, .sequences = 1, .batch = 32};
    CHECK_EQ(pxi_model_init(&m, f.w.gguf, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_session_init(&s, &m, &f.w.kernels, NULL, &o), PX_ERR_OK);
    prompt_of(out, 0);
    for (uint32_t i = 0; i < PROMPT + ANSWER - 1; i++) {
        px_batch_token b = {out[i], 0, 1};
        CHECK_EQ(pxi_session_eval(&s, &b, 1), PX_ERR_OK);
        const float *l = pxi_session_logits(&s, 0);
        uint32_t best = 0;
        for (uint32_t k = 1; k < m.config.vocab; k++)
            best = l[k] > l[best] ? k : best;
        if (i + 1 >= PROMPT)
            out[i + 1] = (int32_t)best;
    }
    pxi_session_deinit(&s);
    pxi_model_deinit(&m);
}

TEST(a_foreign_peer_gets_the_tokens_of_one_machine)
{
    for (uint8_t dtype = PXI_OMNI_F16; dtype <= PXI_OMNI_F32; dtype++) {
        int32_t want[POSITIONS];
        uint32_t same = 0;
        foreign_init(dtype, 2);
        alone(want);
        prompt_of(f.tokens, 0);
        f.n = PROMPT;
        f.stop = PROMPT + ANSWER;
        tell_tokens(f.tokens, PROMPT, ++f.micro_batch);
        net_run(&f.w.net, 5000);
        CHECK_EQ(f.n, f.stop);
        CHECK_EQ(f.refused, 0);
        for (uint32_t i = PROMPT; i < f.stop; i++)
            same += f.tokens[i] == want[i];
        CHECK(dtype != PXI_OMNI_F32 || same == ANSWER);
        CHECK_EQ(sessions(&f.w, 1), 1);
        net_run(&f.w.net, PXI_LIMIT_STAGE_ORPHAN_MS + 100);
        CHECK_EQ(sessions(&f.w, 1), 0); /* nobody ends them, so they are forgotten */
        foreign_deinit();
    }
}

TEST(foreign_requests_that_do_not_fit_are_refused)
{
    uint8_t data[4 * 64] = {0};
    int32_t wrong[] = {1, MODEL_VOCAB};
    foreign_init(PXI_OMNI_F32, 1);
    tell_tokens((int32_t[]){1, 2}, 2, 5);
    net_run(&f.w.net, 50);
    CHECK(f.accepted >= 1);
    uint32_t refused = f.refused;
    tell_tokens((int32_t[]){3}, 1, 5); /* sent again */
    net_run(&f.w.net, 50);
    CHECK_EQ(f.refused, refused + 1);
    tell(0, 1, 64, px_view_of(data, 256), 6); /* hidden states for the stage that embeds */
    net_run(&f.w.net, 50);
    CHECK_EQ(f.refused, refused + 2);
    tell(1, 1, 32, px_view_of(data, 128), 7); /* of another width */
    net_run(&f.w.net, 50);
    CHECK_EQ(f.refused, refused + 3);
    memset(data, 0xff, sizeof data); /* NaN */
    tell(2, 1, 64, px_view_of(data, 256), 8);
    net_run(&f.w.net, 50);
    CHECK_EQ(f.refused, refused + 4);
    tell_tokens(wrong, 2, 9); /* ends the session */
    net_run(&f.w.net, 50);
    CHECK_EQ(f.refused, refused + 5);
    CHECK_EQ(sessions(&f.w, 1), 0);
    for (uint32_t i = 0; i <= POSITIONS; i++) /* beyond the context */
        tell_tokens((int32_t[]){1}, 1, 10 + i);
    net_run(&f.w.net, 5000);
    CHECK(f.refused > refused + 5);
    foreign_deinit();
}

TEST(foreign_noise)
{
    struct pxi_rng rng = {px_seed};
    foreign_init(PXI_OMNI_F32, 1);
    for (int round = 0; round < 200; round++) {
        uint8_t noise[80];
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)pxi_rng_u64(&rng);
        if (round % 2)
            memcpy(noise, "\0\0\0\x4c\1s\1\0\1\1\100\0", 12);
        pour(1 + (unsigned)round % 3, px_view_of(noise, round % 4 ? sizeof noise : 30));
        net_run(&f.w.net, 20);
    }
    net_run(&f.w.net, 2 * PXI_LIMIT_STAGE_ORPHAN_MS);
    foreign_deinit();
}

TEST_MAIN()
