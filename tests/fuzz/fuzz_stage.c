/*
 * Any bytes into the machines of a pipeline. The first byte chooses: 0 a stage that embeds and is
 * the last one, 1 a stage in the middle, 2 a chain whose last stage speaks to it, 3 a chain whose
 * first stage answers it, 4 a session of the stage that embeds, 5 to 7 one of the stage in the
 * middle with hidden states in f32, f16 and q8. The second byte is the size of the pieces. Where a
 * session is needed, one is opened first, so that noise meets its inside, too. Whatever comes,
 * everything can be freed.
 */
#include "infer/chain.h"
#include "infer/run.h"
#include "model_shapes.h"
#include "net/localstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POSITIONS = 64, BLOCKS = 3 };

struct lazy {
    struct pxi_compute base;
    struct pxi_timer timer;
    struct pxi_list work;
};

static struct pxi_timers timers = {.now_ns = PXI_SECOND};
static struct pxi_random rnd;
static struct pxi_key *key;
static struct pxi_host *host;
static struct lazy worker;
static struct pxi_kernels kernels;
static struct pxi_model models[2];
static struct pxi_session sessions[2];
static struct pxi_stages *stages;
static px_view rest;
static size_t piece;
static bool gone;

static void work_due(struct pxi_timer *t, uint64_t now_ns)
{
    while (!pxi_list_empty(&worker.work)) {
        struct pxi_computation *w = PXI_OF(worker.work.next, struct pxi_computation, link);
        pxi_list_remove(&w->link);
        w->run(w);
        w->done(w);
    }
}

static void submit(struct pxi_compute *c, struct pxi_computation *w)
{
    pxi_list_add(&worker.work, &w->link);
    pxi_timer_after(&timers, &worker.timer, PXI_MS);
}

static void begin(void)
{
    static const struct pxi_slice slices[] = {{0, BLOCKS, true, true}, {1, 2, false, false}};
    struct pxi_session_options o = {.positions = POSITIONS, .sequences = 2, .batch = 16};
    static px_gguf *g; /* kept to the end */
    uint8_t seed[32] = {1};
    (void)px_test_main; /* of the harness that the shapes are written for */
    px_seed = 1;
    rnd = pxi_random_seeded(1);
    key = pxi_key_from_seed(seed);
    struct pxi_host_options ho = {.key = key, .timers = &timers, .random = &rnd, .agent = "fuzz"};
    host = pxi_host_new(&ho);
    worker.base.submit = submit;
    worker.timer.fire = work_due;
    pxi_list_init(&worker.work);
    pxi_kernels_init(&kernels, pxi_cpu_mask("scalar"));
    CHECK_EQ(px_gguf_parse(model_file(&model_shapes[LLAMA_THREE_BLOCKS]), &g, NULL), PX_ERR_OK);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pxi_model_init_slice(&models[i], g, &slices[i], NULL), PX_ERR_OK);
        CHECK_EQ(pxi_session_init(&sessions[i], &models[i], &kernels, NULL, &o), PX_ERR_OK);
    }
}

static void run(uint64_t ms)
{
    uint64_t end = timers.now_ns + ms * PXI_MS;
    while (pxi_timers_next(&timers) <= end)
        pxi_timers_run(&timers, pxi_timers_next(&timers));
    pxi_timers_run(&timers, end);
}

static size_t swallow(struct pxi_stream *s, px_view bytes)
{
    return bytes.n;
}

static void over(struct pxi_stream *s, px_err why)
{
    gone = true;
}

static const struct pxi_stream_events events = {.data = swallow, .closed = over};

static void pour(struct pxi_stream *s)
{
    while (rest.n && !gone) {
        size_t n = rest.n < piece ? rest.n : piece;
        pxi_stream_write(s, px_view_of(rest.p, n));
        rest = px_view_of(rest.p + n, rest.n - n);
        run(2);
    }
    run(20);
    if (!gone)
        pxi_stream_reset(s);
    gone = true;
}

/* A stream to the service, as the predecessor of a stage has one. */
static struct pxi_stream *dial(void)
{
    struct pxi_stream *near, *far;
    struct pxi_hop_self self = pxi_stages_self(stages);
    CHECK_EQ(pxi_localstream_pair(host, &near, &far), PX_ERR_OK);
    pxi_stream_own(near, &events, NULL);
    self.accept(self.ctx, far);
    gone = false;
    return near;
}

static void on_token(void *ctx, uint32_t index, int32_t token)
{
    struct pxi_chain **c = ctx;
    if (index < POSITIONS / 4)
        (void)pxi_chain_push(*c, &token, 1);
}

static void on_broken(void *ctx, unsigned hop, px_err why, px_view text) {}

static uint32_t on_draft(void *ctx, const uint32_t *words, uint32_t n, uint32_t *out, uint32_t max)
{
    for (uint32_t i = 0; i < max; i++)
        out[i] = (words[n - 1] + i) % MODEL_VOCAB;
    return n % 5 ? max : 0;
}

/* A chain through ourselves, whose session the noise then claims to know. */
static struct pxi_chain *chain(struct pxi_chain **self)
{
    static const struct pxi_chain_events on = {on_token, on_broken, NULL, on_draft};
    struct pxi_chain_options o = {
        .model = "m", .on = &on, .ctx = self, .positions = POSITIONS, .draft_max = 4};
    int32_t prompt[] = {1, 5, 9};
    struct pxi_chain_hop hop = {.peer = *pxi_host_self(host), .first = 0, .last = BLOCKS};
    *self = pxi_chain_new(stages, &o);
    CHECK_EQ(pxi_chain_push(*self, prompt, 3), PX_ERR_OK);
    CHECK_EQ(pxi_chain_route(*self, &hop, 1), PX_ERR_OK);
    return *self;
}

/* Bytes 8 to 15 of each header are the session: noise rarely guesses a random one. */
static void name_session(uint8_t *bytes, size_t n, uint64_t id)
{
    for (size_t at = 0; at + PXI_STAGE_HEAD <= n; at += PXI_STAGE_HEAD)
        memcpy(bytes + at + 8, &id, sizeof id);
}

/* The same for messages that say how long they are. */
static void name_messages(uint8_t *bytes, size_t n, uint64_t id)
{
    for (size_t at = 0; at + PXI_STAGE_HEAD <= n;) {
        uint32_t payload;
        memcpy(&payload, bytes + at + 4, sizeof payload);
        name_session(bytes + at, PXI_STAGE_HEAD, id);
        at += PXI_STAGE_HEAD + (payload < n ? payload : n);
    }
}

/* An OPEN as the predecessor of a stage sends it: session 1, epoch 1. */
static void open_session(struct pxi_stream *s, bool middle, uint8_t dtype)
{
    static const uint8_t secret[PXI_STAGE_KEY] = {1};
    px_view self = pxi_peer_view(pxi_host_self(host));
    struct pxi_msg_stage_hop hops[] = {{.peer = self, .last = 1},
                                       {.peer = self, .first = 1, .last = 2},
                                       {.peer = self, .first = 2, .last = 3},
                                       {.peer = self}};
    struct pxi_msg_stage_hop whole[] = {{.peer = self, .last = BLOCKS}, {.peer = self}};
    struct pxi_msg_stage_open m = {.model = px_view_str("m"),
                                   .key = px_view_of(secret, sizeof secret),
                                   .known = 3,
                                   .prompt = 3,
                                   .hops = {middle ? hops : whole, middle ? 4 : 2},
                                   .dtype = dtype};
    struct pxi_stage_head h = {
        .kind = PXI_STAGE_OPEN, .session = 1, .epoch = 1, .hop = middle ? 1 : 0};
    struct pxi_wire_out out = {.stream = s};
    struct pxi_buf b = {.max = 4096};
    CHECK_EQ(pxi_pb_encode(&pxi_pb_stage_open, &m, &b), PX_ERR_OK);
    CHECK(pxi_wire_send(&out, &h, px_view_of(b.p, b.n)));
    pxi_wire_out_deinit(&out);
    pxi_buf_deinit(&b);
    run(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pxi_chain *c = NULL;
    struct pxi_stage *stage[2];
    static uint8_t copy[4096];
    if (!host)
        begin();
    if (size < 2 || size > sizeof copy)
        return 0;
    rnd = pxi_random_seeded(1);
    stages = pxi_stages_new(host, &worker.base);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pxi_stages_add(stages, "m", &sessions[i], &stage[i]), PX_ERR_OK);
    memcpy(copy, data, size);
    piece = 1u + data[1];
    rest = px_view_of(copy + 2, size - 2);
    unsigned how = data[0] % 8;
    if (how == 2 || how == 3) {
        uint64_t id;
        chain(&c);
        run(10);
        memcpy(&id, pxi_chain_id(c), sizeof id);
        name_session(copy + 2, size - 2, id);
    }
    struct pxi_stream *s = dial();
    if (how >= 4) {
        open_session(s, how > 4, how > 4 ? (uint8_t)(how - 4) : 0);
        name_messages(copy + 2, size - 2, 1);
    }
    pour(s);
    run(data[0] & 16 ? 31000 : 10);
    pxi_chain_free(c);
    run(5);
    pxi_stages_stop(stages);
    while (!pxi_list_empty(&worker.work))
        run(2);
    pxi_stages_free(stages);
    run(5);
    return 0;
}
