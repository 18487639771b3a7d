/*
 * Tokens to text: the exact inverse of encode.c, and on top of it a stream that hands out whole
 * characters only.
 */
#include "text/tokenizer.h"

/* Receives the bytes of a token one by one. */
typedef void byte_fn(void *ctx, uint8_t byte);

static void feed(px_view bytes, byte_fn *fn, void *ctx)
{
    for (size_t i = 0; i < bytes.n; i++)
        fn(ctx, bytes.p[i]);
}

/* Byte-level BPE: every character is a byte; one that is none stands for itself. A space at the
 * start may be the encoder's own. */
static void feed_unspelt(px_view text, bool drop_first, byte_fn *fn, void *ctx)
{
    for (size_t at = 0; at < text.n;) {
        uint32_t cp;
        unsigned n = pxi_utf8_next(text.p + at, text.n - at, &cp);
        int byte = cp == PXI_UTF8_BAD ? -1 : pxi_byte_unspell(cp);
        if (byte >= 0 && (byte != ' ' || at || !drop_first))
            fn(ctx, (uint8_t)byte);
        else if (byte < 0)
            feed(px_view_of(text.p + at, n), fn, ctx);
        at += n;
    }
}

/* SentencePiece: U+2581 is a space, and one at the start may be the encoder's own. */
static void feed_spaces(px_view text, bool drop_first, byte_fn *fn, void *ctx)
{
    for (size_t at = 0; at < text.n;) {
        bool space = text.n - at >= 3 && memcmp(text.p + at, "\xe2\x96\x81", 3) == 0;
        if (!space)
            fn(ctx, text.p[at]);
        else if (at || !drop_first)
            fn(ctx, ' ');
        at += space ? 3 : 1;
    }
}

/*
 * Bytes of a token. *started tells whether the encoder may have put a space in front of the text
 * that begins here: it does so at the start and after every special token.
 */
static void feed_token(const px_tokenizer *t, int32_t id, bool show_control, uint8_t *started,
                       byte_fn *fn, void *ctx)
{
    if (id < 0 || (uint32_t)id >= t->vocab.count)
        return;
    px_view text = t->vocab.text[id];
    int type = pxi_token_type(t, id), byte;
    bool hidden = type == PXI_TOKEN_CONTROL || type == PXI_TOKEN_UNKNOWN;
    if (hidden || (type == PXI_TOKEN_USER && !t->inner_user)) {
        if (!hidden || show_control)
            feed(text, fn, ctx);
        *started = t->prefix == PXI_PREFIX_FIRST;
        return;
    }
    if (t->byte_level)
        feed_unspelt(text, t->drop_first && !*started, fn, ctx);
    else if (type == PXI_TOKEN_BYTE && (byte = pxi_byte_token(text)) >= 0)
        fn(ctx, (uint8_t)byte);
    else
        feed_spaces(text, t->drop_first && !*started, fn, ctx);
    *started = 1;
}

struct sink {
    char *out;
    size_t cap, n; /* n may pass cap: then the bytes are only counted */
    px_detok *d;
};

static void put_raw(void *ctx, uint8_t byte)
{
    struct sink *s = ctx;
    if (s->n < s->cap)
        s->out[s->n] = (char)byte;
    s->n++;
}

static void put_replacement(struct sink *s)
{
    feed(px_view_of("\xef\xbf\xbd", 3), put_raw, s); /* U+FFFD */
    s->d->pending_n = 0;
}

/* One more byte of the stream: out it goes when it completes a character. */
static void put_checked(void *ctx, uint8_t byte)
{
    struct sink *s = ctx;
    px_detok *d = s->d;
    if (d->pending_n && !pxi_utf8_follows(d->pending, d->pending_n, byte))
        put_replacement(s);
    unsigned n = pxi_utf8_lead(d->pending_n ? d->pending[0] : byte);
    if (!n) {
        put_replacement(s);
        return;
    }
    d->pending[d->pending_n++] = byte;
    if (d->pending_n == n) {
        feed(px_view_of(d->pending, n), put_raw, s);
        d->pending_n = 0;
    }
}

px_err px_detok_next(const px_tokenizer *t, px_detok *d, int32_t token, char *out, size_t cap,
                     size_t *n)
{
    px_detok next = *d;
    struct sink s = {out, cap, 0, &next};
    feed_token(t, token, d->show_control, &next.started, put_checked, &s);
    *n = s.n;
    if (s.n > cap)
        return PX_ERR_LIMIT;
    *d = next;
    return PX_ERR_OK;
}

size_t px_detok_end(px_detok *d, char *out, size_t cap)
{
    struct sink s = {out, cap, 0, d};
    if (!d->pending_n || cap < 3)
        return 0;
    put_replacement(&s);
    return s.n;
}

px_err px_detokenize(const px_tokenizer *t, const int32_t *tokens, size_t count, int show_control,
                     char *out, size_t cap, size_t *n)
{
    struct sink s = {out, cap, 0, NULL};
    uint8_t started = 0;
    for (size_t i = 0; i < count; i++)
        feed_token(t, tokens[i], show_control, &started, put_raw, &s);
    *n = s.n;
    return PX_ERR_OK;
}
