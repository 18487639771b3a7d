/*
 * Any bytes as what a peer says on an identify stream and on a push stream, in pieces. The first
 * byte is the size of the pieces. The record in it may well be signed: the seeds hold one.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "net/host_impl.h"
#include "net/identify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pxi_timers timers;
static struct pxi_random random_;
static struct pxi_stream asked, pushed;
static unsigned opened;

static size_t op_write(struct pxi_stream *s, px_view v)
{
    return v.n;
}
static size_t op_room(struct pxi_stream *s)
{
    return 65536;
}
static void op_none(struct pxi_stream *s) {}
static const struct pxi_stream_ops stream_ops = {op_write, op_room, op_none, op_none, op_none};

static struct pxi_stream *op_open(struct pxi_conn *c)
{
    if (opened++)
        return NULL;
    asked = (struct pxi_stream){0};
    pxi_stream_init(&asked, &stream_ops, c, true);
    return &asked;
}
static void op_close(struct pxi_conn *c, px_err why) {}
static const struct pxi_conn_ops conn_ops = {op_open, op_close, NULL};

static void seen(void *ctx, px_view addr, struct pxi_conn *c)
{
    if (!addr.n || addr.n > PXI_LIMIT_IDENTIFY_BYTES)
        __builtin_trap();
}

static void say(struct pxi_stream *s, px_view bytes, size_t cut)
{
    while (bytes.n && !s->gone) {
        size_t n = cut < bytes.n ? cut : bytes.n;
        pxi_stream_on_data(s, px_view_of(bytes.p, n));
        bytes = px_view_of(bytes.p + n, bytes.n - n);
    }
    if (!s->gone)
        pxi_stream_on_end(s);
}

static void agree(struct pxi_stream *s, const char *protocol)
{
    uint8_t line[64];
    static const char header[] = "\x13/multistream/1.0.0\n";
    size_t n = strlen(protocol);
    pxi_stream_on_data(s, px_view_of(header, sizeof header - 1));
    line[0] = (uint8_t)(n + 1);
    memcpy(line + 1, protocol, n);
    line[n + 1] = '\n';
    pxi_stream_on_data(s, px_view_of(line, n + 2));
}

static struct pxi_key *key(uint8_t i)
{
    uint8_t seed[32] = {i};
    return pxi_key_from_seed(seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pxi_key *self, *other;
    if (!size)
        return 0;
    if (!self) {
        random_ = pxi_random_seeded(1);
        self = key(1);
        other = key(2);
    }
    timers.now_ns = PXI_SECOND;
    struct pxi_host_options o = {.key = self, .timers = &timers, .random = &random_};
    struct pxi_host *h = pxi_host_new(&o);
    struct pxi_identify *id = h ? pxi_identify_new(h) : NULL;
    struct pxi_conn c = {0};
    if (!id)
        abort();
    pxi_identify_on_observed(id, seen, NULL);
    pxi_conn_init(&c, &conn_ops, true);
    c.peer = pxi_peer_of_key(pxi_key_public(other));
    opened = 0;
    if (pxi_host_add_conn(h, &c) != PX_ERR_OK || !opened)
        abort();
    agree(&asked, "/ipfs/id/1.0.0");
    size_t cut = 1 + (size_t)data[0] * 4;
    say(&asked, px_view_of(data + 1, size - 1), cut);
    pushed = (struct pxi_stream){0};
    pxi_stream_init(&pushed, &stream_ops, &c, false);
    pxi_conn_on_stream(&c, &pushed);
    agree(&pushed, "/ipfs/id/push/1.0.0");
    say(&pushed, px_view_of(data + 1, size - 1), cut);
    pxi_timers_run(&timers, timers.now_ns + 30 * PXI_SECOND);
    pxi_conn_on_closed(&c, PX_ERR_RESET);
    if (h->peer_bytes > PXI_LIMIT_PEERSTORE_BYTES || h->peer_count > 1)
        __builtin_trap();
    pxi_identify_free(id);
    pxi_host_free(h);
    return 0;
}
