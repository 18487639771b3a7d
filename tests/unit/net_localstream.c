/* Streams from a host to itself: what an owner leaves comes again when it asks, also from inside.
 */
#include "net/localstream.h"

#include "host_net.h"

static struct net n;

struct reader {
    char got[64];
    size_t n, most; /* most bytes taken at once */
    bool ask;       /* for the rest, from inside */
};

static size_t on_data(struct pxi_stream *s, px_view v)
{
    struct reader *r = s->user;
    size_t part = v.n < r->most ? v.n : r->most;
    memcpy(r->got + r->n, v.p, part);
    r->n += part;
    if (r->ask)
        pxi_stream_resume(s);
    return part;
}
static const struct pxi_stream_events events = {.data = on_data};

static struct pxi_stream *open_pair(struct reader *r, struct pxi_stream **far)
{
    struct pxi_stream *near;
    net_init(&n, 1);
    CHECK_EQ(pxi_localstream_pair(n.host[0], &near, far), PX_ERR_OK);
    pxi_stream_own(*far, &events, r);
    return near;
}
static void close_pair(struct pxi_stream *near, struct pxi_stream *far)
{
    pxi_stream_reset(near);
    pxi_stream_reset(far);
    net_run(&n, 10);
    net_deinit(&n);
}

TEST(asked_for_from_inside_the_rest_comes)
{
    struct reader r = {.most = 3, .ask = true};
    struct pxi_stream *far, *near = open_pair(&r, &far);
    CHECK_EQ(pxi_stream_write(near, px_view_str("hello world")), 11);
    net_run(&n, 10);
    CHECK_EQ(r.n, 11);
    CHECK(memcmp(r.got, "hello world", 11) == 0);
    close_pair(near, far);
}

TEST(not_asked_for_it_waits)
{
    struct reader r = {.most = 5};
    struct pxi_stream *far, *near = open_pair(&r, &far);
    CHECK_EQ(pxi_stream_write(near, px_view_str("hello world")), 11);
    net_run(&n, 10);
    CHECK_EQ(r.n, 5);
    r.most = 64;
    pxi_stream_resume(far);
    net_run(&n, 10);
    CHECK_EQ(r.n, 11);
    close_pair(near, far);
}
TEST_MAIN()
