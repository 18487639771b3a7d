/*
 * Requests of the HTTP API: the route, the headers and the body are the input. One reply comes of
 * each, whole or in pieces, however much the client reads and whenever it goes.
 */
#include "http_world.h"

#define MUST(c)                                                                                    \
    do {                                                                                           \
        if (!(c))                                                                                  \
            __builtin_trap();                                                                      \
    } while (0)

static struct world w;
static bool ready;

static const char *const paths[] = {
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/api/chat",
    "/api/generate",
    "/api/show",
    "/api/embed",
    "/tokenize",
    "/detokenize",
    "/v1/models",
    "/v1/models/tiny",
    "/api/tags",
    "/api/ps",
    "/api/version",
    "/health",
    "/metrics",
    "/readyz",
    "/px/v1/status",
    "/px/v1/events",
    "/px/v1/plan",
};
enum { PATHS = sizeof paths / sizeof *paths, POSTS = 9 };

/* A line of the input, without its end; the input moves on. */
static px_view line(px_view *in)
{
    const uint8_t *end = in->n ? memchr(in->p, '\n', in->n) : NULL;
    size_t n = end ? (size_t)(end - in->p) : 0;
    px_view out = px_view_of(in->p, n);
    if (end)
        *in = px_view_of(in->p + n + 1, in->n - n - 1);
    return out;
}

static void setup(void)
{
    static const char source[] =
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name }}{% endfor %}{% endfor %}{% for t in tools or [] %}{{ t }}{% endfor "
        "%}";
    MUST(world_init(&w, NULL));
    MUST(px_template_new(px_view_str(source), &w.parrot.chat, NULL) == PX_ERR_OK);
    ready = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_reply(const struct ex *e)
{
    return e->out.n > 12 && memcmp(e->out.p, "HTTP/1.1 ", 9) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ex e;
    if (size < 3)
        return 0;
    if (!ready)
        setup();
    px_view in = px_view_of(data + 3, size - 3);
    unsigned which = data[0] % (PATHS + 1), how = data[1];
    struct pxi_http_request r = {.host = px_view_str("localhost")};
    r.path = which < PATHS ? px_view_str(paths[which]) : line(&in);
    r.method = which < POSTS || (which == PATHS && how & 1) ? PXI_HTTP_POST : PXI_HTTP_GET;
    r.content_type = px_view_str("application/json");
    if (how & 2)
        r.host = line(&in);
    if (how & 4)
        r.origin = line(&in);
    if (how & 8)
        r.content_type = line(&in);
    if (how & 16)
        r.last_event_id = line(&in);
    w.parrot.info.chat = how & 32 ? w.parrot.chat : NULL;
    w.parrot.fail = how & 64 ? PX_ERR_UNREACHABLE : PX_ERR_OK;
    r.body = in;
    r.length = in.n;
    ex_init(&e);
    e.x.chunked = !(how & 128);
    e.room = data[2] < 250 ? WORLD_OUT : (size_t)(data[2] - 249) * 300;
    world_ask(&w, &e, &r);
    world_run(&w);
    bool watches = !e.ended && !e.dropped && e.x.closed;
    MUST(e.ended || e.dropped || watches);
    MUST(e.dropped || is_reply(&e));
    ex_gone(&e);
    pxi_buf_deinit(&e.out);
    return 0;
}
