/*
 * Answers of web servers: what comes on the connections of a machine that asks for ranges is the
 * input. Bytes of it begin with how many go together; between them connections end and time passes.
 * No byte lands outside its range, and every range ends, one way or the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/range.h"

#define MUST(c)                                                                                    \
    do {                                                                                           \
        if (!(c))                                                                                  \
            __builtin_trap();                                                                      \
    } while (0)

enum { RANGES = 4, MOST = 200 };

struct world {
    px_view in;
    uint64_t now;
    unsigned asked;
};

static unsigned take(struct world *w)
{
    if (!w->in.n)
        return 0;
    w->in.n--;
    return *w->in.p++;
}

/* The server says something, or goes away, or is silent. */
static void answer(struct world *w, struct pxi_range *r)
{
    size_t room, n = take(w);
    uint8_t *to = pxi_range_in(r, &room);
    MUST(to && room);
    if (n == 0) {
        pxi_range_closed(r, PX_ERR_RESET, "the end", w->now);
        return;
    }
    if (n == 255) {
        w->now += r->file->timeout_ns * 2;
        pxi_range_tick(r, w->now);
        return;
    }
    n = n < room ? n : room;
    n = n < w->in.n ? n : w->in.n;
    if (!n) {
        pxi_range_closed(r, PX_ERR_RESET, "the end", w->now);
        return;
    }
    memcpy(to, w->in.p, n);
    w->in = px_view_of(w->in.p + n, w->in.n - n);
    pxi_range_got(r, n, w->now);
}

static void one(struct world *w, struct pxi_range *r, uint64_t at, uint64_t n)
{
    uint8_t *to = malloc(n);
    MUST(to);
    pxi_range_begin(r, at, n, to, w->now);
    for (unsigned steps = 0; r->state != PXI_RANGE_DONE; steps++) {
        MUST(steps < 100000);
        if (r->state == PXI_RANGE_DIAL) {
            if (w->in.n)
                pxi_range_opened(r, w->now);
            else
                pxi_range_closed(r, PX_ERR_UNREACHABLE, "refused", w->now);
        } else if (r->state == PXI_RANGE_ASK) {
            px_view out = pxi_range_out(r);
            MUST(out.n > 30 && memcmp(out.p + out.n - 4, "\r\n\r\n", 4) == 0);
            pxi_range_sent(r, out.n, w->now);
            w->asked++;
        } else if (r->state == PXI_RANGE_PAUSE) {
            w->now = r->deadline_ns;
            pxi_range_tick(r, w->now);
        } else {
            answer(w, r);
        }
        MUST(r->got <= r->n && r->n <= n);
    }
    MUST(r->err || r->file->whole || r->got == r->n);
    MUST(!r->err || r->diag.expected[0]);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct world w = {.in = {data, n}};
    static struct pxi_range_file f;
    static struct pxi_range r;
    struct pxi_url url, again;
    char host[PXI_URL_HOST + 16], text[PXI_URL_PATH + PXI_URL_HOST + 32];
    if (pxi_url_read(px_view_of(data, n < 4000 ? n : 4000), &url, NULL) == PX_ERR_OK) {
        pxi_url_host(&url, host);
        int len = snprintf(text, sizeof text, "http%s://%s%s", url.tls ? "s" : "", host, url.path);
        MUST(len > 0 && (size_t)len < sizeof text);
        MUST(pxi_url_read(px_view_of(text, (size_t)len), &again, NULL) == PX_ERR_OK);
        MUST(strcmp(url.path, again.path) == 0 && url.port == again.port);
    }
    memset(&f, 0, sizeof f);
    MUST(pxi_url_read(px_view_str("http://h:8080/d/file?x=1"), &f.origin, NULL) == PX_ERR_OK);
    f.target = f.origin;
    f.timeout_ns = 1000000000;
    pxi_range_init(&r, &f);
    for (unsigned i = 0; i < RANGES; i++) {
        one(&w, &r, f.known ? i : 0, 1 + take(&w) % MOST);
        if (!f.known || f.whole)
            break;
    }
    return 0;
}
