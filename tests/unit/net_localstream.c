/* A stream to ourselves: bytes, its end, and an owner that hands it on in the midst of them. */
#include "net/localstream.h"

#include "host_net.h"

struct ear {
    char text[64];
    size_t n;
    bool ended;
    struct ear *heir; /* who owns the stream after one byte */
};

static size_t on_data(struct pxi_stream *s, px_view bytes);

static void on_ended(struct pxi_stream *s)
{
    struct ear *e = s->user;
    e->ended = true;
}

static const struct pxi_stream_events events = {.data = on_data, .ended = on_ended};

static size_t on_data(struct pxi_stream *s, px_view bytes)
{
    struct ear *e = s->user;
    size_t n = e->heir ? 1 : bytes.n;
    memcpy(e->text + e->n, bytes.p, n);
    e->n += n;
    if (e->heir) {
        pxi_stream_own(s, &events, e->heir);
        pxi_stream_resume(s);
    }
    return n;
}

TEST(what_came_in_one_piece_is_for_both_owners)
{
    struct net net;
    struct pxi_stream *a, *b;
    struct ear near = {.n = 0}, second = {.n = 0}, first = {.heir = &second};
    net_init(&net, 1);
    CHECK_EQ(pxi_localstream_pair(net.host[0], &a, &b), PX_ERR_OK);
    pxi_stream_own(a, &events, &near);
    pxi_stream_own(b, &events, &first);
    CHECK_EQ(pxi_stream_write(a, px_view_str("hello")), 5);
    net_run(&net, 1);
    CHECK_STR(first.text, "h");
    CHECK_STR(second.text, "ello");
    pxi_stream_write(a, px_view_str(" you"));
    pxi_stream_end(a);
    net_run(&net, 1);
    CHECK_STR(second.text, "ello you");
    CHECK(second.ended);
    pxi_stream_end(b);
    net_run(&net, 1);
    net_deinit(&net);
}

TEST_MAIN()
