/* Ranges of a file on a web server: the machine of one connection. */
#include "net/range.h"

#include <stdio.h>
#include <string.h>

#include "base/diag.h"

enum { HOPS = 5, SLOW_BYTES_S = 16384 };
#define MS 1000000ull

void pxi_range_init(struct pxi_range *r, struct pxi_range_file *f)
{
    memset(r, 0, sizeof *r);
    r->file = f;
}

/* ------------------------------------------------------------------ how it ends, or does not */

static void finish(struct pxi_range *r, px_err err)
{
    r->err = err;
    r->state = PXI_RANGE_DONE;
    if (err || !r->keep)
        r->open = false;
}

/* It cannot be helped by asking again. */
static void fail(struct pxi_range *r, px_err err, const char *expected, const char *found)
{
    r->open = false;
    pxi_diag_field(&r->diag, "bytes %llu to %llu", (unsigned long long)r->at,
                   (unsigned long long)(r->at + r->n - 1));
    pxi_diag_set(&r->diag, err, r->at + r->got, expected, "%s", found);
    finish(r, err);
}

/* It may be better another time: after 0.1 s, then twice as long each time. */
static void again(struct pxi_range *r, px_err err, const char *expected, const char *found,
                  uint64_t now_ns)
{
    r->open = false;
    if (++r->tries >= PXI_RANGE_TRIES) {
        fail(r, err, expected, found);
        return;
    }
    r->file->retries++;
    r->got = 0;
    r->state = PXI_RANGE_PAUSE;
    r->deadline_ns = now_ns + (50 * MS << r->tries);
}

static void next_step(struct pxi_range *r, enum pxi_range_state s, uint64_t now_ns)
{
    r->state = s;
    r->deadline_ns = now_ns + r->file->timeout_ns;
}

/* ------------------------------------------------------------------ the request */

static void write_request(struct pxi_range *r)
{
    const struct pxi_range_file *f = r->file;
    char host[PXI_URL_HOST + 16], range[64] = "";
    pxi_url_host(&f->target, host);
    if (!f->whole)
        snprintf(range, sizeof range, "Range: bytes=%llu-%llu\r\n", (unsigned long long)r->at,
                 (unsigned long long)(r->at + r->n - 1));
    int n = snprintf((char *)r->text, sizeof r->text,
                     "GET %s HTTP/1.1\r\nHost: %s\r\n%sAccept-Encoding: identity\r\n"
                     "User-Agent: plexus/" PX_VERSION "\r\n\r\n",
                     f->target.path, host, range);
    r->text_n = (size_t)n; /* path and host fit: they are a third of it */
    r->sent = 0;
}

static void ask(struct pxi_range *r, uint64_t now_ns)
{
    if (!r->open || r->moves != r->file->moves) {
        r->open = r->used = false;
        r->moves = r->file->moves;
        next_step(r, PXI_RANGE_DIAL, now_ns);
        return;
    }
    r->file->requests++;
    r->got = 0;
    write_request(r);
    next_step(r, PXI_RANGE_ASK, now_ns);
}

void pxi_range_begin(struct pxi_range *r, uint64_t at, uint64_t n, uint8_t *to, uint64_t now_ns)
{
    r->at = at;
    r->n = n;
    r->to = to;
    r->tries = r->hops = 0;
    r->err = PX_ERR_OK;
    ask(r, now_ns);
}

void pxi_range_opened(struct pxi_range *r, uint64_t now_ns)
{
    r->open = true;
    r->used = false;
    ask(r, now_ns);
}

void pxi_range_closed(struct pxi_range *r, px_err err, const char *why, uint64_t now_ns)
{
    bool stale =
        r->used && (r->state == PXI_RANGE_ASK || (r->state == PXI_RANGE_HEAD_ && r->text_n == 0));
    r->open = false;
    if (r->state == PXI_RANGE_IDLE || r->state == PXI_RANGE_DONE || r->state == PXI_RANGE_PAUSE)
        return;
    if (stale) /* the server closed an idle connection: that says nothing */
        ask(r, now_ns);
    else
        again(r, err, "an answer", why, now_ns);
}

void pxi_range_stranger(struct pxi_range *r, px_err err, const char *expected, const char *found)
{
    fail(r, err, expected, found);
}

px_view pxi_range_out(const struct pxi_range *r)
{
    if (r->state != PXI_RANGE_ASK)
        return px_view_of(NULL, 0);
    return px_view_of(r->text + r->sent, r->text_n - r->sent);
}

void pxi_range_sent(struct pxi_range *r, size_t n, uint64_t now_ns)
{
    r->sent += n;
    if (r->state != PXI_RANGE_ASK || r->sent < r->text_n)
        return;
    r->text_n = 0;
    uint64_t slowest = r->n < UINT64_MAX / 1000000000 ? r->n * 1000000000 / SLOW_BYTES_S : 0;
    next_step(r, PXI_RANGE_HEAD_, now_ns);
    r->limit_ns = now_ns + r->file->timeout_ns + slowest;
}

/* ------------------------------------------------------------------ the answer */

/* Another place; the connections of the file follow. */
static void redirected(struct pxi_range *r, const struct pxi_range_head *h, uint64_t now_ns)
{
    px_diag d = {0};
    if (++r->hops > HOPS) {
        fail(r, PX_ERR_PROTOCOL, "at most 5 redirections", "one more");
        return;
    }
    px_err err = pxi_url_follow(&r->file->target, h->location, &r->file->target, &d);
    if (err) {
        fail(r, PX_ERR_PROTOCOL, d.expected, d.found);
        return;
    }
    r->file->moves++;
    r->open = false;
    ask(r, now_ns);
}

static bool is_away(const struct pxi_range_file *f)
{
    const struct pxi_url *a = &f->origin, *b = &f->target;
    return a->tls != b->tls || a->port != b->port || strcmp(a->host, b->host) != 0 ||
           strcmp(a->path, b->path) != 0;
}

/* What other answers than 200 and 206 mean. */
static void refused(struct pxi_range *r, const struct pxi_range_head *h, uint64_t now_ns)
{
    char found[32];
    unsigned s = h->status;
    bool away = s == 401 || s == 403 || s == 404 || s == 410;
    snprintf(found, sizeof found, "status %u", s);
    if (away && is_away(r->file) && ++r->hops <= HOPS) {
        r->file->target = r->file->origin; /* what a redirection leads to may be short-lived */
        r->file->moves++;
        r->open = false;
        ask(r, now_ns);
    } else if (s == 408 || s == 425 || s == 429 || s >= 500) {
        again(r, PX_ERR_UNREACHABLE, "the file", found, now_ns);
    } else if (s == 416) {
        if (r->file->known)
            fail(r, PX_ERR_CHANGED, "the file as it was when it was opened", "a shorter one");
        else
            fail(r, PX_ERR_TRUNCATED, "at least one byte", "an empty file");
    } else {
        px_err err = s == 404 || s == 410   ? PX_ERR_NOT_FOUND
                     : s == 401 || s == 403 ? PX_ERR_PERMISSION
                                            : PX_ERR_PROTOCOL;
        fail(r, err, "the file", found);
    }
}

/* The first answer says what the file is; false: it is of no use. */
static bool meet(struct pxi_range *r, const struct pxi_range_head *h)
{
    struct pxi_range_file *f = r->file;
    if (h->status == 200 && (!h->has_length || h->coded || !h->length)) {
        fail(r, PX_ERR_UNSUPPORTED, "a server that has ranges, or tells how long a file is",
             "status 200 without that");
        return false;
    }
    f->known = true;
    f->whole = h->status == 200;
    f->bytes = f->whole ? h->length : h->total;
    memcpy(f->tag, h->tag, sizeof f->tag);
    if (f->whole) { /* its owner asks for all of it, or for nothing */
        r->keep = false;
        finish(r, PX_ERR_OK);
        return false;
    }
    if (r->n > f->bytes - r->at)
        r->n = f->bytes - r->at;
    return true;
}

/* Is it the file that was opened? */
static bool same(struct pxi_range *r, const struct pxi_range_head *h)
{
    const struct pxi_range_file *f = r->file;
    uint64_t bytes = h->status == 206 ? h->total : h->length;
    if (bytes == f->bytes && strcmp(h->tag, f->tag) == 0)
        return true;
    char found[96];
    snprintf(found, sizeof found, "%llu bytes of %llu, %s tag", (unsigned long long)bytes,
             (unsigned long long)f->bytes, strcmp(h->tag, f->tag) == 0 ? "the same" : "another");
    fail(r, PX_ERR_CHANGED, "the file as it was when it was opened", found);
    return false;
}

static void take_body(struct pxi_range *r, size_t n, uint64_t now_ns)
{
    r->got += n;
    r->used = true;
    if (r->got == r->n)
        finish(r, PX_ERR_OK);
    else
        next_step(r, PXI_RANGE_BODY, now_ns);
}

/* A head is here, and `rest` of what comes behind it. */
static void judge(struct pxi_range *r, const struct pxi_range_head *h, px_view rest,
                  uint64_t now_ns)
{
    r->keep = h->keep;
    if ((h->status >= 301 && h->status <= 303) || h->status == 307 || h->status == 308) {
        redirected(r, h, now_ns);
        return;
    }
    bool first = !r->file->known;
    if (h->status != 206 && !(h->status == 200 && (first || r->file->whole))) {
        if (h->status == 200)
            fail(r, PX_ERR_PROTOCOL, "a range of the file", "all of it, unlike before");
        else
            refused(r, h, now_ns);
        return;
    }
    bool fits = h->status == 200 || (h->has_range && h->first == r->at && h->first <= h->last &&
                                     h->last < h->total && h->last - h->first < r->n &&
                                     (!h->has_length || h->length == h->last - h->first + 1));
    if (!fits || h->coded) {
        again(r, PX_ERR_PROTOCOL, "the range that was asked for, as it is",
              h->coded ? "a coded one" : "another one", now_ns);
        return;
    }
    if (first ? !meet(r, h) : !same(r, h))
        return;
    if (h->status == 206 && h->last - h->first + 1 != r->n) {
        again(r, PX_ERR_PROTOCOL, "the range that was asked for", "a part of it", now_ns);
        return;
    }
    if (rest.n > r->n) { /* bytes that nobody asked for */
        rest.n = (size_t)r->n;
        r->keep = false;
    }
    if (rest.n)
        memcpy(r->to, rest.p, rest.n);
    take_body(r, rest.n, now_ns);
}

static void read_head(struct pxi_range *r, uint64_t now_ns)
{
    struct pxi_range_head h;
    size_t used;
    for (;;) {
        px_diag d = {0};
        px_err err = pxi_range_head_read(px_view_of(r->text, r->text_n), &used, &h, &d);
        if (err) {
            again(r, err, d.expected, d.found, now_ns);
            return;
        }
        if (!used || h.status >= 200)
            break;
        memmove(r->text, r->text + used, r->text_n - used); /* 1xx: another one follows */
        r->text_n -= used;
    }
    if (used)
        judge(r, &h, px_view_of(r->text + used, r->text_n - used), now_ns);
    else if (r->text_n == sizeof r->text)
        again(r, PX_ERR_PROTOCOL, "a head of up to 16 KiB", "a longer one", now_ns);
}

uint8_t *pxi_range_in(struct pxi_range *r, size_t *n)
{
    *n = 0;
    if (r->state == PXI_RANGE_HEAD_) {
        *n = sizeof r->text - r->text_n;
        return r->text + r->text_n;
    }
    if (r->state != PXI_RANGE_BODY)
        return NULL;
    *n = (size_t)(r->n - r->got);
    return r->to + r->got;
}

void pxi_range_got(struct pxi_range *r, size_t n, uint64_t now_ns)
{
    if (r->state == PXI_RANGE_HEAD_) {
        r->text_n += n;
        read_head(r, now_ns);
    } else if (r->state == PXI_RANGE_BODY) {
        take_body(r, n, now_ns);
    }
}

void pxi_range_tick(struct pxi_range *r, uint64_t now_ns)
{
    bool answering = r->state == PXI_RANGE_HEAD_ || r->state == PXI_RANGE_BODY;
    if (r->state == PXI_RANGE_IDLE || r->state == PXI_RANGE_DONE)
        return;
    if (now_ns < r->deadline_ns && !(answering && now_ns >= r->limit_ns))
        return;
    if (r->state == PXI_RANGE_PAUSE)
        ask(r, now_ns);
    else
        again(r, PX_ERR_TIMEOUT, "an answer in time",
              r->state == PXI_RANGE_DIAL ? "no connection"
              : r->got                   ? "a part of it"
                                         : "none",
              now_ns);
}
