/* Checks of streams of bytes: the opening of multistream-select, and a yamux session. */
#include "base/diag.h"
#include "base/limits.h"
#include "codec/check_net.h"
#include "codec/multistream.h"
#include "codec/yamux.h"

/* ------------------------------------------------------------------- multistream-select */

static px_err wrong(px_diag *d, px_err err, uint64_t at, const char *field, const char *expected,
                    uint64_t found)
{
    pxi_diag_field(d, "%s", field);
    return pxi_diag_set(d, err, at, expected, "%llu", (unsigned long long)found);
}

px_err pxi_check_multistream(px_view in, px_diag *d)
{
    size_t at = 0;
    unsigned lines = 0;
    do {
        px_view text;
        int n = pxi_multistream_next(px_view_of(in.p + at, in.n - at), &text, d);
        if (n < 0 && d)
            d->offset += at;
        if (n < 0)
            return PX_ERR_CORRUPT;
        if (n == 0)
            return wrong(d, PX_ERR_TRUNCATED, at, "line", "a whole line", in.n - at);
        if (lines == 0 && !px_view_is(text, PXI_MULTISTREAM_HEADER))
            return wrong(d, PX_ERR_CORRUPT, at, "header", PXI_MULTISTREAM_HEADER, text.n);
        if (lines > PXI_LIMIT_NET_NEGOTIATE_TRIES)
            return wrong(d, PX_ERR_CORRUPT, at, "proposal", "at most net.negotiate_tries", lines);
        lines++;
        at += (size_t)n;
    } while (at < in.n);
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------- yamux */

struct stream {
    uint32_t id;
    uint32_t receive, send; /* windows */
    bool ended, reset;
};

struct session {
    struct stream streams[PXI_LIMIT_YAMUX_BACKLOG];
    unsigned count;
};

static struct stream *find(struct session *s, uint32_t id)
{
    for (unsigned i = s->count; i > 0; i--)
        if (s->streams[i - 1].id == id)
            return &s->streams[i - 1];
    return NULL;
}

/* The stream of a frame, which may open it. NULL: refused, d says why. */
static struct stream *stream_of(struct session *s, const struct pxi_yamux_header *h, size_t at,
                                px_diag *d)
{
    struct stream *st = find(s, h->stream);
    if (!(h->flags & PXI_YAMUX_SYN)) {
        if (!st)
            wrong(d, PX_ERR_CORRUPT, at + 4, "stream", "one that was opened", h->stream);
        return st;
    }
    if (st || !pxi_yamux_may_open(h->stream, true)) {
        wrong(d, PX_ERR_CORRUPT, at + 4, "stream", "a new odd number", h->stream);
        return NULL;
    }
    if (s->count == PXI_LIMIT_YAMUX_BACKLOG) {
        wrong(d, PX_ERR_CORRUPT, at + 4, "stream", "at most yamux.backlog", h->stream);
        return NULL;
    }
    st = &s->streams[s->count++];
    *st = (struct stream){h->stream, PXI_YAMUX_WINDOW, PXI_YAMUX_WINDOW, false, false};
    return st;
}

/* A frame of a stream; *body is how many bytes of data follow. */
static px_err check_frame(struct session *s, const struct pxi_yamux_header *h, size_t at,
                          uint32_t *body, px_diag *d)
{
    struct stream *st = stream_of(s, h, at, d);
    if (!st)
        return PX_ERR_CORRUPT;
    if (h->type == PXI_YAMUX_UPDATE) { /* with a reset, the length may be an error code */
        if (!(h->flags & PXI_YAMUX_RST) && __builtin_add_overflow(st->send, h->length, &st->send))
            return wrong(d, PX_ERR_CORRUPT, at + 8, "window", "a sum below 2^32", h->length);
    } else {
        if (h->length > st->receive)
            return wrong(d, PX_ERR_CORRUPT, at + 8, "length", "what is left of the window",
                         h->length);
        if (h->length && st->ended && !st->reset)
            return wrong(d, PX_ERR_CORRUPT, at + 8, "length", "no data after the end", h->length);
        if (!st->reset) /* what was under way to a reset stream is dropped and not charged */
            st->receive -= h->length;
        *body = h->length;
    }
    st->ended |= (h->flags & PXI_YAMUX_FIN) != 0;
    st->reset |= (h->flags & PXI_YAMUX_RST) != 0;
    return PX_ERR_OK;
}

px_err pxi_check_yamux(px_view in, px_diag *d)
{
    struct session s = {.count = 0};
    size_t at = 0;
    do {
        struct pxi_yamux_header h;
        uint32_t body = 0;
        if (in.n - at < PXI_YAMUX_HEADER)
            return wrong(d, PX_ERR_TRUNCATED, at, "header", "12 bytes", in.n - at);
        px_err err = pxi_yamux_get(in.p + at, &h, d);
        if (err != PX_ERR_OK && d)
            d->offset += at;
        if (err == PX_ERR_OK && h.stream)
            err = check_frame(&s, &h, at, &body, d);
        if (err != PX_ERR_OK)
            return err;
        at += PXI_YAMUX_HEADER;
        if (body > in.n - at)
            return wrong(d, PX_ERR_TRUNCATED, at, "data", "as many bytes as the header says",
                         in.n - at);
        at += body;
    } while (at < in.n);
    return PX_ERR_OK;
}
