/* The HTTP API, request by request, with a generator that always says the same. */
#include "http_world.h"
#include "px_test.h"

static struct world w;
static struct ex e;

static struct pxi_http_request get(const char *path)
{
    return (struct pxi_http_request){
        .method = PXI_HTTP_GET, .path = px_view_str(path), .host = px_view_str("127.0.0.1:7878")};
}

static struct pxi_http_request post(const char *path, const char *body)
{
    struct pxi_http_request r = get(path);
    r.method = PXI_HTTP_POST;
    r.content_type = px_view_str("application/json");
    r.body = px_view_str(body);
    r.length = r.body.n;
    return r;
}

/* The status of the reply; its text stays in e. */
static unsigned status(struct pxi_http_request r)
{
    pxi_buf_deinit(&e.out);
    ex_init(&e);
    world_ask(&w, &e, &r);
    world_run(&w);
    CHECK(e.ended || e.dropped);
    if (e.out.n < 12)
        return 0;
    pxi_buf_add(&e.out, "", 1);
    return (unsigned)strtoul((const char *)e.out.p + 9, NULL, 10);
}

static bool says(const char *text)
{
    return e.out.n && memmem(e.out.p, e.out.n, text, strlen(text));
}

static void begin(const char *token)
{
    CHECK(world_init(&w, token));
    ex_init(&e);
}

static void finish(void)
{
    pxi_buf_deinit(&e.out);
    world_deinit(&w);
}

TEST(health_and_unknown_paths)
{
    begin(NULL);
    CHECK_EQ(status(get("/health")), 200);
    CHECK(says("{\"status\":\"ok\"}") && says("content-length: 15\r\n"));
    CHECK_EQ(status(get("/livez")), 200);
    CHECK_EQ(status(get("/readyz")), 200);
    CHECK_EQ(status(get("/nosuch")), 404);
    CHECK_EQ(status(get("/v1/chat/completions")), 405);
    CHECK_EQ(status(post("/health", "{}")), 405);
    struct pxi_http_request r = get("/health");
    r.method = PXI_HTTP_HEAD;
    CHECK_EQ(status(r), 200);
    CHECK(says("content-length: 15\r\n") && !says("status"));
    for (unsigned i = 0; i < 4; i++) {
        static const unsigned refused[] = {400, 411, 413, 431};
        r = post("/v1/completions", "");
        r.refuse = refused[i];
        CHECK_EQ(status(r), refused[i]);
    }
    finish();
}

TEST(only_our_hosts_and_pages)
{
    static const struct {
        const char *host;
        unsigned status;
    } hosts[] = {{"127.0.0.1:7878", 200}, {"localhost", 200},      {"LOCALHOST:1", 200},
                 {"[::1]:7878", 200},     {"10.0.0.1", 200},       {"evil", 403},
                 {"evil.com:7878", 403},  {"127.0.0.1.evil", 403}, {"", 403},
                 {"127.0.0.1@evil", 403}, {"1.2.3", 403},          {"1.2.3.4.5", 403},
                 {"[evil]", 403},         {"localhost.evil", 403}, {"1234.1.1.1", 403}};
    begin(NULL);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct pxi_http_request r = get("/health");
        r.host = px_view_str(hosts[i].host);
        CHECK_EQ(status(r), hosts[i].status);
    }
    struct pxi_http_request r = get("/health");
    r.origin = px_view_str("http://evil");
    CHECK_EQ(status(r), 403);
    CHECK(!says("access-control"));
    r.origin = px_view_str("null");
    CHECK_EQ(status(r), 403);
    r.origin = px_view_str("http://127.0.0.1:7878");
    CHECK_EQ(status(r), 200);
    r = post("/v1/completions", "{}");
    r.content_type = px_view_str("text/plain");
    CHECK_EQ(status(r), 415);
    finish();
}

TEST(a_token_opens_all_but_health)
{
    static const char *const wrong[] = {"",
                                        "Bearer ",
                                        "Bearer wrong",
                                        "Bearer secret-secret-secre",
                                        "Bearer secret-secret-secrets",
                                        "Basic secret-secret-secret",
                                        "secret-secret-secret"};
    begin("secret-secret-secret");
    CHECK_EQ(status(get("/health")), 200);
    CHECK_EQ(status(get("/readyz")), 200);
    struct pxi_http_request r = get("/v1/models");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        r.authorization = px_view_str(wrong[i]);
        CHECK_EQ(status(r), 401);
        CHECK(says("www-authenticate: Bearer"));
    }
    r.authorization = px_view_str("bearer secret-secret-secret");
    CHECK_EQ(status(r), 200);
    CHECK_EQ(status(get("/metrics")), 401);
    finish();
}

TEST(completions_whole_and_in_pieces)
{
    begin(NULL);
    CHECK_EQ(status(post("/v1/completions",
                         "{\"model\":\"tiny\",\"prompt\":\"Once\",\"max_tokens\":50}")),
             200);
    CHECK(says("\"text\":\" there was a fox.\"") && says("\"finish_reason\":\"stop\""));
    CHECK_STR(w.parrot.seen, "<|endoftext|>Once");
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":2}")), 200);
    CHECK(says("\"finish_reason\":\"length\"") && says("\"completion_tokens\":2"));
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":[5,6],\"stream\":true,\"max_tokens\":50,"
                                            "\"stream_options\":{\"include_usage\":true}}")),
             200);
    CHECK(says("transfer-encoding: chunked") && says("text/event-stream"));
    CHECK(says("data: [DONE]\n\n") && says("\"total_tokens\":") && says("\r\n0\r\n\r\n"));
    finish();
}

TEST(stop_strings_cut_the_answer)
{
    begin(NULL);
    CHECK_EQ(status(post("/v1/completions",
                         "{\"prompt\":\"Once\",\"max_tokens\":50,\"stop\":[\"zz\",\"was a\"]}")),
             200);
    CHECK(says("\"text\":\" there \"") && says("\"finish_reason\":\"stop\""));
    CHECK_EQ(w.parrot.cancelled, 1);
    CHECK_EQ(
        status(post("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":50,\"stream\":true,"
                                       "\"stop\":\"fox\"}")),
        200);
    CHECK(!says("fox") && says(" a"));
    finish();
}

TEST(chat_and_logprobs)
{
    begin(NULL);
    CHECK_EQ(status(post("/v1/chat/completions",
                         "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":"
                         "[{\"type\":\"text\",\"text\":\"Hello\"}]}],\"logprobs\":true,"
                         "\"top_logprobs\":2,\"seed\":5,\"temperature\":0.5}")),
             200);
    CHECK(says("\"content\":\" there was a fox.\"") && says("\"top_logprobs\":[{\"token\""));
    CHECK(w.parrot.sampler.seed == 5 && w.parrot.sampler.temperature == 0.5f);
    px_view source = px_view_str("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                                 "{{ tools[0].function.name if tools else '' }}");
    CHECK_EQ(px_template_new(source, &w.parrot.chat, NULL), PX_ERR_OK);
    w.parrot.info.chat = w.parrot.chat;
    CHECK_EQ(status(post("/v1/chat/completions",
                         "{\"messages\":[{\"role\":\"developer\",\"content\":\"a\"},{\"role\":"
                         "\"user\",\"content\":\"b\"}],\"tools\":[{\"type\":\"function\","
                         "\"function\":{\"name\":\"look\"}}],\"stream\":true}")),
             200);
    CHECK(strstr(w.parrot.seen, "<system>a<user>blook"));
    CHECK(says("\"role\":\"assistant\""));
    CHECK_EQ(status(post("/api/chat", "{\"model\":\"tiny:latest\",\"messages\":[{\"role\":\"user\","
                                      "\"content\":\"b\"}]}")),
             200);
    CHECK(says("application/x-ndjson") && says("\"done\":true") && says("\"eval_count\""));
    finish();
}

TEST(ollama_routes)
{
    begin(NULL);
    CHECK_EQ(status(get("/api/version")), 200);
    CHECK_EQ(status(get("/api/tags")), 200);
    CHECK(says("\"name\":\"tiny\"") && says("\"family\":\"llama\""));
    CHECK_EQ(status(get("/api/ps")), 200);
    CHECK_EQ(status(post("/api/show", "{\"model\":\"tiny\"}")), 200);
    CHECK(says("\"general.architecture\":\"llama\""));
    CHECK_EQ(status(post("/api/show", "{\"model\":\"big\"}")), 404);
    CHECK(says("{\"error\":\"the model 'big' is not served here\"}"));
    CHECK_EQ(status(post("/api/generate", "{\"model\":\"tiny\"}")), 200);
    CHECK(says("\"done_reason\":\"load\""));
    CHECK_EQ(
        status(post("/api/generate", "{\"model\":\"tiny\",\"prompt\":\"Once\",\"stream\":false,"
                                     "\"options\":{\"seed\":3,\"stop\":[\"fox\"]}}")),
        200);
    CHECK(says("\"response\":\" there was a \"") && w.parrot.sampler.top_k == 40);
    CHECK_EQ(status(post("/api/embed", "{\"model\":\"tiny\",\"input\":[\"a\",\"b\"]}")), 200);
    CHECK(says("[[1.0,0.5,-2.0],[1.0,0.5,-2.0]]"));
    finish();
}

TEST(embeddings_as_numbers_and_as_base64)
{
    begin(NULL);
    CHECK_EQ(status(post("/v1/embeddings", "{\"model\":\"tiny\",\"input\":\"a\"}")), 200);
    CHECK(says("\"embedding\":[1.0,0.5,-2.0]") && says("\"total_tokens\":5"));
    CHECK_EQ(
        status(post("/v1/embeddings", "{\"input\":[[1,2],[3]],\"encoding_format\":\"base64\"}")),
        200);
    CHECK(says("\"embedding\":\"AACAPwAAAD8AAADA\"") && says("\"index\":1"));
    CHECK_EQ(status(post("/v1/embeddings", "{\"input\":[]}")), 400);
    CHECK_EQ(status(post("/v1/embeddings", "{\"input\":[\"a\",{}]}")), 400);
    w.parrot.info.embeds = false;
    CHECK_EQ(status(post("/v1/embeddings", "{\"input\":\"a\"}")), 501);
    finish();
}

TEST(every_field_has_its_range)
{
    static const char *const paths[] = {"/v1/chat/completions", "/v1/completions"};
    static const char *const names[] = {"temperature",
                                        "top_p",
                                        "top_k",
                                        "min_p",
                                        "presence_penalty",
                                        "frequency_penalty",
                                        "max_tokens",
                                        "max_completion_tokens",
                                        "n",
                                        "best_of",
                                        "stream",
                                        "stream_options",
                                        "stop",
                                        "logit_bias",
                                        "top_logprobs",
                                        "response_format",
                                        "model"};
    static const char *const values[] = {"-3",   "1e308",      "2147483649", "9223372036854775807",
                                         "[{}]", "{\"a\":[]}", "\"\\u0000\""};
    char body[512];
    begin(NULL);
    for (size_t p = 0; p < 2; p++)
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                snprintf(body, sizeof body,
                         "{\"prompt\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
                         "\"logprobs\":%s,\"%s\":%s}",
                         p ? "1" : "true", names[n], values[v]);
                unsigned s = status(post(paths[p], body));
                bool fits = v >= 2 && v <= 3 && (strcmp(names[n], "seed") == 0);
                bool stop = strcmp(names[n], "stop") == 0 && v == 6;
                fits |= strcmp(names[n], "stream_options") == 0 && v == 5;
                bool old = p == 1 && strcmp(names[n], "top_logprobs") == 0;
                if (s != 400 && !fits && !stop && !old)
                    PX_FAIL("%s with %s: %s gave %u", paths[p], names[n], values[v], s);
            }
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":\"a\",\"temperature\":null}")), 200);
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":3.0}")), 200);
    finish();
}

TEST(bodies_that_are_refused)
{
    char deep[300];
    begin(NULL);
    static const char *const bad[] = {"",
                                      "[]",
                                      "1",
                                      "{",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":01}",
                                      "{\"a\":NaN}",
                                      "{\"a\":\"\\ud800\"}",
                                      "{} x",
                                      "{\"a\":1,}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(status(post("/v1/completions", bad[i])), 400);
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    deep[sizeof deep - 1] = 0;
    CHECK_EQ(status(post("/v1/completions", deep)), 400);
    CHECK(says("at most 64 levels"));
    CHECK_EQ(status(post("/v1/chat/completions", "{\"messages\":[]}")), 400);
    CHECK_EQ(status(post("/v1/chat/completions", "{\"messages\":[{\"role\":\"king\"}]}")), 400);
    CHECK_EQ(
        status(post("/v1/chat/completions",
                    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}")),
        400);
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":[\"a\",\"b\"]}")), 400);
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":[-1]}")), 400);
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":[123456789]}")), 400);
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":[]}")), 400);
    finish();
}

TEST(failures_before_and_after_the_first_word)
{
    begin(NULL);
    w.parrot.fail = PX_ERR_UNREACHABLE;
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":\"a\"}")), 503);
    CHECK(says("\"type\":\"server_error\""));
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":\"a\",\"stream\":true}")), 200);
    CHECK(says("data: {\"error\":") && !says("[DONE]"));
    CHECK_EQ(status(post("/api/generate", "{\"model\":\"tiny\",\"prompt\":\"a\"}")), 200);
    CHECK(says("{\"error\":\"the node cannot be reached\"}\n"));
    finish();
}

TEST(clients_that_go_or_do_not_read)
{
    begin(NULL);
    struct pxi_http_request r = post("/v1/completions", "{\"prompt\":\"a\",\"stream\":true}");
    CHECK(world_ask(&w, &e, &r));
    parrot_say(&w.parrot, &w.parrot.jobs[0]);
    ex_gone(&e); /* in the middle */
    CHECK_EQ(w.parrot.cancelled, 1);
    pxi_buf_deinit(&e.out);
    ex_init(&e);
    e.room = 700; /* slow */
    CHECK(world_ask(&w, &e, &r));
    world_run(&w);
    CHECK(e.dropped);
    ex_gone(&e);
    CHECK_EQ(w.parrot.cancelled, 2);
    pxi_buf_deinit(&e.out);
    ex_init(&e);
    CHECK(world_ask(&w, &e, &r)); /* the node ends first */
    finish();
    CHECK(w.parrot.closed);
}

TEST(tokens_both_ways)
{
    begin(NULL);
    CHECK_EQ(status(post("/tokenize", "{\"content\":\"Once upon\"}")), 200);
    CHECK(says("{\"tokens\":[462,533]}"));
    CHECK_EQ(status(post("/tokenize", "{\"content\":\"Once upon\",\"with_pieces\":true}")), 200);
    CHECK(says("\"piece\":\"Once\""));
    CHECK_EQ(status(post("/detokenize", "{\"tokens\":[462,533]}")), 200);
    CHECK(says("{\"content\":\"Once upon\"}"));
    CHECK_EQ(status(post("/detokenize", "{\"tokens\":[]}")), 200);
    CHECK_EQ(status(post("/detokenize", "{\"tokens\":[1.5]}")), 400);
    CHECK_EQ(status(post("/tokenize", "{\"content\":5}")), 400);
    finish();
}

TEST(reports_without_a_node_are_empty)
{
    begin(NULL);
    CHECK_EQ(status(get("/px/v1/peers")), 200);
    CHECK(says("\"peers\":[]") && says("plexus.peers/1"));
    CHECK_EQ(status(get("/px/v1/topology")), 200);
    CHECK(says("\"nodes\":[]") && says("\"links\":[]"));
    CHECK_EQ(status(get("/px/v1/plan")), 200);
    CHECK(says("\"stages\":[]"));
    CHECK_EQ(status(get("/px/v1/status")), 200);
    CHECK(says("\"name\":\"tiny\""));
    finish();
}

TEST(watchers_hear_what_happens_and_what_happened)
{
    static struct ex watcher[3];
    begin(NULL);
    for (int i = 0; i < 3; i++) {
        struct pxi_http_request r = get("/px/v1/events");
        ex_init(&watcher[i]);
        watcher[i].room = i == 1 ? 400 : WORLD_OUT;
        if (i == 2)
            r.last_event_id = px_view_str("0");
        CHECK(world_ask(&w, &watcher[i], &r));
    }
    CHECK(memmem(watcher[2].out.p, watcher[2].out.n, "id: 1\nevent: model\n", 19));
    CHECK(!memmem(watcher[0].out.p, watcher[0].out.n, "event: model\n", 13));
    for (int i = 0; i < 20; i++)
        pxi_api_event(w.api, "test", json_pack("{s:i}", "number", i));
    CHECK(watcher[1].dropped && !watcher[0].dropped && !watcher[2].dropped);
    CHECK(memmem(watcher[0].out.p, watcher[0].out.n,
                 "id: 21\nevent: test\ndata: {\"number\":19}\n\n", 40));
    ex_gone(&watcher[0]);
    pxi_api_event(w.api, "test", json_object());
    pxi_timers_run(&w.timers, 20 * PXI_SECOND);
    CHECK(memmem(watcher[2].out.p, watcher[2].out.n, ": still here", 12));
    finish();
    CHECK(watcher[2].dropped);
    for (int i = 0; i < 3; i++)
        pxi_buf_deinit(&watcher[i].out);
}

TEST(metrics_can_be_read)
{
    begin(NULL);
    CHECK_EQ(status(post("/v1/completions", "{\"prompt\":\"a\"}")), 200);
    CHECK_EQ(status(get("/metrics")), 200);
    CHECK(says("vllm:request_success_total{model_name=\"tiny\",finished_reason=\"stop\"} 1\n"));
    CHECK(says("vllm:time_to_first_token_seconds_bucket{model_name=\"tiny\",le=\"+Inf\"} 1\n"));
    CHECK(says("plexus_build_info{version=") && says("# TYPE plexus_slots gauge\n"));
    finish();
}

TEST(memory_may_be_out_at_any_time)
{
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stream\":true,\"stop\":[\"x\"]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"logprobs\":true}"};
    for (uint64_t n = 1; n < 60; n++) {
        begin(NULL);
        for (int i = 0; i < 2; i++) {
            struct pxi_http_request r = post("/v1/chat/completions", bodies[i]);
            pxi_buf_deinit(&e.out);
            ex_init(&e);
            pxi_mem_fail_after(n);
            world_ask(&w, &e, &r);
            world_run(&w);
            pxi_mem_fail_after(0);
            CHECK(e.ended || e.dropped || e.x.closed);
            ex_gone(&e);
        }
        finish();
    }
}

TEST_MAIN()
