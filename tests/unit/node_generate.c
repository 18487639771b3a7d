/* Generation: JSON a byte at a time, text up to a stop, many answers in one context. */
#include "base/mem.h"
#include "codec/json.h"
#include "io/loop.h"
#include "node/generate_batch.h"
#include "node/generate_choose.h"
#include "node/generate_text.h"
#include "px_test.h"

/* ------------------------------------------------------------------------------ JSON */

static bool whole(const char *text)
{
    struct pxi_json_state s = {0};
    return pxi_json_state_add(&s, px_view_str(text)) && pxi_json_state_complete(&s);
}

TEST(json_that_is_complete)
{
    static const char *const good[] = {"{}",
                                       "{\"a\":1}",
                                       "{ \"a\" : [ ] , \"b\" : { } }",
                                       "{\"a\":[1,-0.5e+3,0,true,false,null]}",
                                       "{\"\xc3\xa9\":\"\\u00e9\\n\"}",
                                       "{\"a\":-12.25E-7}",
                                       "{\"a\":{\"b\":{\"c\":[[[\"x\"]]]}}}"};
    static const char *const bad[] = {"[]",
                                      "1",
                                      " {}",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":01}",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{\"a\":[1,]}",
                                      "{\"a\":\"\x01\"}",
                                      "{\"a\":\"\xff\"}",
                                      "{\"a\":\"\xc0\x80\"}",
                                      "{\"a\":\"\xed\xa0\x80\"}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":tru}",
                                      "{\"a\":1.}",
                                      "{\"a\":-}",
                                      "{\"a\":1e}",
                                      "{a:1}",
                                      "{}x",
                                      "{\"a\":\"\\ud800\"}",
                                      "{\"a\":]}",
                                      "{\"a\":[}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!whole(good[i]))
            PX_FAIL("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (whole(bad[i]))
            PX_FAIL("taken: %s", bad[i]);
}

/* Every text that the automaton takes is JSON to the reader of src/codec. */
TEST(json_agrees_with_the_reader)
{
    static const char letters[] = "{}[]:,\"\\ue+-.019atrfnls \xc3\xa9";
    uint64_t x = px_seed;
    unsigned found = 0;
    for (int round = 0; round < 3000; round++) {
        char text[80];
        size_t n = 0;
        struct pxi_json_state s = {0};
        for (int tries = 0; tries < 400 && n < sizeof text && !pxi_json_state_complete(&s);
             tries++) {
            struct pxi_json_state next = s;
            x = x * 6364136223846793005u + 1442695040888963407u;
            char c = letters[(x >> 33) % (sizeof letters - 1)];
            if (!pxi_json_state_add(&next, px_view_of(&c, 1)))
                continue;
            s = next;
            text[n++] = c;
        }
        if (!pxi_json_state_complete(&s))
            continue;
        found++;
        if (pxi_json_check(px_view_of(text, n), NULL) != PX_ERR_OK)
            PX_FAIL("no JSON: %.*s", (int)n, text);
    }
    CHECK(found > 100);
}

/* ------------------------------------------------------------------------------ text */

TEST(text_is_held_back_while_it_may_be_a_stop)
{
    px_model *m;
    struct pxi_texter t;
    char *stops[] = {"fox jumps", "never"}, out[256];
    int32_t ids[64];
    size_t n, at = 0;
    px_view v;
    CHECK_EQ(px_model_open("tiny", &m, NULL), PX_ERR_OK);
    const px_tokenizer *tok = px_model_tokenizer(m);
    CHECK_EQ(px_tokenize(tok, px_view_str(" the fox ran, the fox jumps on"), 0, ids, 64, &n),
             PX_ERR_OK);
    CHECK_EQ(pxi_texter_init(&t, tok, stops, 2), PX_ERR_OK);
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(pxi_texter_add(&t, ids[i], &v), PX_ERR_OK);
        if (v.n)
            memcpy(out + at, v.p, v.n);
        at += v.n;
    }
    CHECK_EQ(pxi_texter_end(&t, &v), PX_ERR_OK);
    CHECK_EQ(v.n, 0);
    out[at] = 0;
    CHECK_STR(out, " the fox ran, the ");
    CHECK(t.stopped && t.stop == 0);
    pxi_texter_deinit(&t);
    px_model_close(m);
}

/* ---------------------------------------------------------------------------- batches */

enum { ANSWERS = 9, TOKENS = 24 };

struct kept {
    int32_t tokens[TOKENS];
    float logprobs[TOKENS];
    size_t n;
    enum pxi_generate_kind last;
    enum pxi_generate_reason reason;
    uint32_t cached;
};

static struct {
    px_model *model;
    px_context *context;
    struct pxi_generator_info info;
    struct pxi_batch *batch;
    struct pxi_job jobs[ANSWERS];
    struct kept kept[ANSWERS];
} b;

static void keep(void *ctx, struct pxi_job *job, const struct pxi_generate_event *e)
{
    struct kept *k = job->owner;
    k->last = e->kind;
    k->reason = e->reason;
    if (e->kind == PXI_GENERATE_STARTED)
        k->cached = e->cached_tokens;
    if (e->kind != PXI_GENERATE_TOKEN)
        return;
    CHECK(k->n < TOKENS);
    k->logprobs[k->n] = e->logprob;
    k->tokens[k->n++] = e->token;
    CHECK(e->top_count == 3 && e->top[0].logprob >= e->top[1].logprob);
}

static uint64_t no_clock(void)
{
    return 1;
}

static void open_batch(uint32_t places, uint32_t positions)
{
    CHECK_EQ(px_model_open("tiny", &b.model, NULL), PX_ERR_OK);
    px_context_options o = {
        .size = sizeof o, .positions = positions, .sequences = places, .batch = 32, .threads = 1};
    CHECK_EQ(px_context_new(b.model, &o, &b.context, NULL), PX_ERR_OK);
    b.info = (struct pxi_generator_info){.name = "tiny",
                                         .model = px_model_info_get(b.model),
                                         .tokenizer = px_model_tokenizer(b.model),
                                         .positions = positions};
    struct pxi_batch_options bo = {.info = &b.info,
                                   .context = b.context,
                                   .places = places,
                                   .batch = 32,
                                   .now_ns = no_clock,
                                   .emit = keep};
    CHECK_EQ(pxi_batch_new(&bo, &b.batch), PX_ERR_OK);
}

static void close_batch(void)
{
    pxi_batch_free(b.batch);
    px_context_free(b.context);
    px_model_close(b.model);
    for (int i = 0; i < ANSWERS; i++)
        pxi_free(b.jobs[i].ids);
    memset(&b, 0, sizeof b);
}

/* Sampled, each with its own seed and prompt. */
static struct pxi_job *job_of(int i, const char *prompt, uint32_t most)
{
    struct pxi_job *j = &b.jobs[i];
    struct pxi_prompt p = {.text = px_view_str(prompt)};
    pxi_free(j->ids);
    *j = (struct pxi_job){.owner = &b.kept[i]};
    b.kept[i] = (struct kept){0};
    pxi_list_init(&j->link);
    j->r.sampler = (px_sampler_options){
        .size = sizeof j->r.sampler, .temperature = 1, .seed = (uint64_t)i + 1};
    j->r.max_tokens = most;
    j->r.logprobs = true;
    j->r.top_logprobs = 3;
    CHECK_EQ(pxi_prompt_tokens(&b.info, &p, 0, &j->ids, &j->n, NULL), PX_ERR_OK);
    return j;
}

static const char *prompt_of(int i)
{
    static const char *const prompts[] = {
        "Once upon a time there was a little fox who lived in a forest. Every day the fox went to "
        "the river to look for fish, and one day it met a bird with a broken wing near the water.",
        "Once", "The dog", "Hello"};
    return prompts[i % 4];
}

static void alone(struct kept out[ANSWERS])
{
    for (int i = 0; i < ANSWERS; i++) {
        open_batch(1, 128);
        pxi_batch_add(b.batch, job_of(i, prompt_of(i), TOKENS));
        while (!pxi_batch_idle(b.batch))
            pxi_batch_step(b.batch);
        out[i] = b.kept[i];
        close_batch();
    }
}

TEST(answers_do_not_depend_on_their_company)
{
    static struct kept single[ANSWERS];
    alone(single);
    open_batch(4, 128);
    for (int i = 0; i < ANSWERS; i++) {
        pxi_batch_add(b.batch, job_of(i, prompt_of(i), TOKENS));
        pxi_batch_step(b.batch);
        if (i == 5)
            pxi_batch_step(b.batch);
    }
    struct pxi_generator_stats s = pxi_batch_stats(b.batch);
    CHECK(s.running == 4 && s.waiting == ANSWERS - 4);
    while (!pxi_batch_idle(b.batch))
        pxi_batch_step(b.batch);
    for (int i = 0; i < ANSWERS; i++) {
        CHECK_EQ(b.kept[i].n, single[i].n);
        CHECK(memcmp(b.kept[i].tokens, single[i].tokens, sizeof single[i].tokens) == 0);
        CHECK(memcmp(b.kept[i].logprobs, single[i].logprobs, sizeof single[i].logprobs) == 0);
        CHECK_EQ(b.kept[i].last, PXI_GENERATE_DONE);
    }
    close_batch();
}

TEST(a_conversation_that_goes_on_reads_only_what_is_new)
{
    open_batch(2, 128);
    for (int i = 0; i < 2; i++) {
        pxi_batch_add(b.batch, job_of(i, prompt_of(0), 4));
        while (!pxi_batch_idle(b.batch))
            pxi_batch_step(b.batch);
    }
    CHECK_EQ(b.kept[0].cached, 0);
    CHECK_EQ(b.kept[1].cached, b.jobs[1].n - 1);
    close_batch();
}

TEST(the_end_of_the_context_ends_an_answer)
{
    open_batch(1, 16);
    struct pxi_job *j = job_of(0, "Once upon a time", 0);
    j->r.ignore_end = true;
    pxi_batch_add(b.batch, j);
    while (!pxi_batch_idle(b.batch))
        pxi_batch_step(b.batch);
    CHECK(b.kept[0].last == PXI_GENERATE_DONE && b.kept[0].reason == PXI_GENERATE_LENGTH);
    CHECK_EQ(b.kept[0].n + j->n, 17);
    int32_t *ids;
    size_t n;
    struct pxi_prompt p = {.text = px_view_str(prompt_of(0))};
    CHECK_EQ(pxi_prompt_tokens(&b.info, &p, 0, &ids, &n, NULL), PX_ERR_CONTEXT_FULL);
    close_batch();
}

TEST(cancelled_answers_say_nothing_more)
{
    open_batch(1, 64);
    pxi_batch_add(b.batch, job_of(0, "Once", 8));
    pxi_batch_add(b.batch, job_of(1, "The", 8));
    pxi_batch_step(b.batch);
    pxi_batch_step(b.batch);
    size_t n = b.kept[0].n;
    pxi_batch_cancel(b.batch, &b.jobs[0]);
    pxi_batch_cancel(b.batch, &b.jobs[1]);
    CHECK(pxi_batch_idle(b.batch));
    pxi_batch_step(b.batch);
    CHECK(n && b.kept[0].n == n && !b.kept[1].n);
    pxi_batch_add(b.batch, job_of(2, "The", 8)); /* and one that is left when the batch goes */
    pxi_batch_step(b.batch);
    close_batch();
}

TEST(an_answer_held_to_json_is_json)
{
    for (int i = 0; i < 3; i++) {
        char text[4096];
        size_t n = 0;
        open_batch(1, 128);
        struct pxi_job *j = job_of(i, "Once upon a time", TOKENS);
        j->r.json = true;
        pxi_batch_add(b.batch, j);
        while (!pxi_batch_idle(b.batch))
            pxi_batch_step(b.batch);
        CHECK_EQ(px_detokenize(b.info.tokenizer, b.kept[i].tokens, b.kept[i].n, 0, text,
                               sizeof text, &n),
                 PX_ERR_OK);
        struct pxi_json_state s = {0};
        CHECK(pxi_json_state_add(&s, px_view_of(text, n)));
        CHECK(pxi_json_state_complete(&s) == (b.kept[i].reason == PXI_GENERATE_END));
        close_batch();
    }
}

static struct {
    float v[4][512];
    unsigned n;
} embedded;

static void keep_vector(void *ctx, struct pxi_job *job, const struct pxi_generate_event *e)
{
    if (e->kind == PXI_GENERATE_EMBEDDING)
        memcpy(embedded.v[embedded.n++], e->embedding, e->embedding_count * sizeof(float));
}

TEST(embeddings_are_of_length_one_and_the_same_every_time)
{
    open_batch(2, 128);
    pxi_batch_free(b.batch);
    struct pxi_batch_options bo = {.info = &b.info,
                                   .context = b.context,
                                   .places = 2,
                                   .batch = 8,
                                   .now_ns = no_clock,
                                   .emit = keep_vector};
    CHECK_EQ(pxi_batch_new(&bo, &b.batch), PX_ERR_OK);
    CHECK(b.info.model->embd <= 512);
    for (int i = 0; i < 3; i++) {
        struct pxi_job *j = job_of(i, prompt_of(i == 1 ? 2 : 0), 1);
        j->r.embed = true;
        pxi_batch_add(b.batch, j);
        while (i && !pxi_batch_idle(b.batch))
            pxi_batch_step(b.batch);
    }
    double square = 0, differ = 0;
    for (uint32_t k = 0; k < b.info.model->embd; k++) {
        square += (double)embedded.v[0][k] * embedded.v[0][k];
        differ += fabs((double)embedded.v[0][k] - embedded.v[1][k]);
    }
    CHECK_EQ(embedded.n, 3);
    CHECK(fabs(square - 1) < 1e-5 && differ > 0.01);
    int same = memcmp(embedded.v[0], embedded.v[2], sizeof embedded.v[0]) == 0 ||
               memcmp(embedded.v[1], embedded.v[2], sizeof embedded.v[0]) == 0;
    CHECK(same); /* the shorter one may be ready first */
    close_batch();
}

/* ---------------------------------------------------------- the thread and its mailboxes */

static struct {
    struct pxi_loop *loop;
    struct pxi_generator *g;
    unsigned tokens, done, failed, going;
} l;

static void hear(void *ctx, const struct pxi_generate_event *e)
{
    l.tokens += e->kind == PXI_GENERATE_TOKEN;
    l.done += e->kind == PXI_GENERATE_DONE;
    l.failed += e->kind == PXI_GENERATE_FAILED;
    if (e->kind == PXI_GENERATE_DONE || e->kind == PXI_GENERATE_FAILED)
        l.going--;
}

/* The empty prompt is a token that the model does not have. */
static px_err start_local(const char *prompt, uint32_t most, struct pxi_generation **out)
{
    struct pxi_generate_request r = {.prompt = {.text = px_view_str(prompt)},
                                     .sampler = {.size = sizeof r.sampler},
                                     .max_tokens = most,
                                     .ignore_end = true};
    static const int32_t none = 1 << 30;
    if (!*prompt)
        r.prompt = (struct pxi_prompt){.ids = &none, .count = 1};
    px_err err = l.g->start(l.g, &r, hear, NULL, out);
    l.going += err == PX_ERR_OK;
    return err;
}

TEST(a_thread_computes_and_the_loop_hears)
{
    px_model *m;
    struct pxi_generation *g, *many[300];
    unsigned taken = 0;
    CHECK_EQ(px_model_open("tiny", &m, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_loop_open(&l.loop), PX_ERR_OK);
    struct pxi_local_options o = {.name = "tiny", .context = {.sequences = 2, .threads = 1}};
    CHECK_EQ(pxi_generator_local(l.loop, m, &o, &l.g, NULL), PX_ERR_OK);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(start_local("Once", 6, &g), PX_ERR_OK);
    CHECK_EQ(start_local("", 6, &g), PX_ERR_OK); /* fails, later */
    while (l.going)
        pxi_loop_once(l.loop);
    CHECK(l.tokens == 30 && l.done == 5 && l.failed == 1);
    CHECK_EQ(start_local("Once", 100, &g), PX_ERR_OK);
    while (l.tokens < 33)
        pxi_loop_once(l.loop);
    l.g->cancel(l.g, g);
    l.going--;
    while (taken < 300 && start_local("Once", 2, &many[taken]) == PX_ERR_OK)
        taken++;
    CHECK(taken >= PXI_LIMIT_GENERATE_WAITING && taken < 300);
    for (unsigned i = 0; i < taken; i += 2) {
        l.g->cancel(l.g, many[i]);
        l.going--;
    }
    while (l.going > 20)
        pxi_loop_once(l.loop);
    l.g->close(l.g); /* in the middle of the others */
    pxi_loop_close(l.loop);
    px_model_close(m);
}

TEST_MAIN()
