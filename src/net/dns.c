/* Reading and writing of DNS messages. */
#include "net/dns.h"

enum {
    HEADER = 12,
    LABEL = 63,
    FLAGS_RESPONSE = 0x8000,
    FLAGS_AUTHORITY = 0x0400,
    OPCODE = 0x7800
};

/* ------------------------------------------------------------------- names */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool add_label(struct pxi_dns_name *n, px_view label)
{
    if (label.n > LABEL || n->n + label.n + 1 > sizeof n->b)
        return false;
    n->b[n->n++] = (uint8_t)label.n;
    for (size_t i = 0; i < label.n; i++)
        n->b[n->n++] = lower(label.p[i]);
    return true;
}

struct pxi_dns_name pxi_dns_name_of(px_view text)
{
    struct pxi_dns_name n = {.n = 0};
    size_t start = 0;
    for (size_t i = 0; i <= text.n; i++) {
        if (i < text.n && text.p[i] != '.')
            continue;
        if (i == start || !add_label(&n, px_view_of(text.p + start, i - start)))
            return (struct pxi_dns_name){.n = 0};
        start = i + 1;
    }
    if (!add_label(&n, px_view_of(NULL, 0)))
        n.n = 0;
    return n;
}

struct pxi_dns_name pxi_dns_name_under(px_view label, const struct pxi_dns_name *under)
{
    struct pxi_dns_name n = {.n = 0};
    if (!label.n || !add_label(&n, label) || n.n + under->n > (int)sizeof n.b)
        return (struct pxi_dns_name){.n = 0};
    memcpy(n.b + n.n, under->b, under->n);
    n.n = (uint8_t)(n.n + under->n);
    return n;
}

bool pxi_dns_name_equal(const struct pxi_dns_name *a, const struct pxi_dns_name *b)
{
    return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

bool pxi_dns_name_is_under(const struct pxi_dns_name *a, const struct pxi_dns_name *b)
{
    size_t first = a->n ? (size_t)a->b[0] + 1 : 0;
    return first > 1 && a->n == first + b->n && memcmp(a->b + first, b->b, b->n) == 0;
}

/*
 * A name at *at. A pointer leads to an earlier place than any byte of this name read so far, so
 * that there is an end to it; the name itself ends at 255 bytes.
 */
static bool read_name(px_view in, size_t *at, struct pxi_dns_name *out)
{
    size_t i = *at, floor = *at;
    bool jumped = false;
    *out = (struct pxi_dns_name){.n = 0};
    while (i < in.n) {
        uint8_t c = in.p[i];
        if (c >= 0xc0) {
            size_t to = i + 1 < in.n ? (size_t)(c & 0x3f) << 8 | in.p[i + 1] : in.n;
            if (to >= floor)
                return false;
            if (!jumped)
                *at = i + 2;
            jumped = true;
            i = floor = to;
            continue;
        }
        if (c > LABEL || c > in.n - i - 1 || !add_label(out, px_view_of(in.p + i + 1, c)))
            return false;
        i += (size_t)c + 1;
        if (!c) {
            if (!jumped)
                *at = i;
            return true;
        }
    }
    return false;
}

/* ----------------------------------------------------------------- reading */

static bool read_u16(struct pxi_dns_reader *r, uint16_t *v)
{
    if (r->in.n - r->at < 2)
        return false;
    *v = (uint16_t)(r->in.p[r->at] << 8 | r->in.p[r->at + 1]);
    r->at += 2;
    return true;
}

bool pxi_dns_open(struct pxi_dns_reader *r, px_view message)
{
    uint16_t answers = 0, authority = 0, additional = 0;
    *r = (struct pxi_dns_reader){.in = message};
    if (!read_u16(r, &r->id) || !read_u16(r, &r->flags) || !read_u16(r, &r->questions) ||
        !read_u16(r, &answers) || !read_u16(r, &authority) || !read_u16(r, &additional))
        return false;
    r->response = r->flags & FLAGS_RESPONSE;
    r->answers = answers;
    r->records = (uint32_t)answers + authority + additional;
    return !(r->flags & OPCODE);
}

int pxi_dns_question(struct pxi_dns_reader *r, struct pxi_dns_record *q)
{
    if (!r->questions)
        return 0;
    r->questions--;
    bool good =
        read_name(r->in, &r->at, &q->name) && read_u16(r, &q->type) && read_u16(r, &q->class);
    return good ? 1 : -1;
}

int pxi_dns_record(struct pxi_dns_reader *r, struct pxi_dns_record *out)
{
    uint16_t high, low, n;
    if (!r->records)
        return 0;
    r->records--;
    out->answer = r->answers > 0;
    r->answers -= out->answer;
    if (!read_name(r->in, &r->at, &out->name) || !read_u16(r, &out->type) ||
        !read_u16(r, &out->class) || !read_u16(r, &high) || !read_u16(r, &low) ||
        !read_u16(r, &n) || n > r->in.n - r->at)
        return -1;
    out->ttl_s = (uint32_t)high << 16 | low;
    out->data_at = r->at;
    out->data = px_view_of(r->in.p + r->at, n);
    r->at += n;
    return 1;
}

bool pxi_dns_target(const struct pxi_dns_reader *r, const struct pxi_dns_record *rec,
                    struct pxi_dns_name *out)
{
    size_t at = rec->data_at;
    px_view upto = px_view_of(r->in.p, rec->data_at + rec->data.n);
    return read_name(upto, &at, out) && at == upto.n;
}

bool pxi_dns_string(px_view data, size_t *at, px_view *out)
{
    if (*at >= data.n || data.p[*at] > data.n - *at - 1)
        return false;
    *out = px_view_of(data.p + *at + 1, data.p[*at]);
    *at += out->n + 1;
    return true;
}

/* ----------------------------------------------------------------- writing */

static void put_u16(struct pxi_dns_writer *w, unsigned v)
{
    const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    pxi_dns_put(w, b, 2);
}

static void count(struct pxi_dns_writer *w, unsigned at)
{
    unsigned v = (unsigned)(w->b[at] << 8 | w->b[at + 1]) + 1;
    w->b[at] = (uint8_t)(v >> 8);
    w->b[at + 1] = (uint8_t)v;
}

void pxi_dns_begin(struct pxi_dns_writer *w, bool response)
{
    w->n = 0;
    w->full = false;
    put_u16(w, 0);
    put_u16(w, response ? FLAGS_RESPONSE | FLAGS_AUTHORITY : 0);
    for (int i = 0; i < 4; i++)
        put_u16(w, 0);
}

void pxi_dns_put(struct pxi_dns_writer *w, const void *p, size_t n)
{
    if (n > sizeof w->b - w->n) {
        w->full = true;
        return;
    }
    memcpy(w->b + w->n, p, n);
    w->n += n;
}

void pxi_dns_put_name(struct pxi_dns_writer *w, const struct pxi_dns_name *name)
{
    pxi_dns_put(w, name->b, name->n);
}

void pxi_dns_put_question(struct pxi_dns_writer *w, const struct pxi_dns_name *name, uint16_t type)
{
    pxi_dns_put_name(w, name);
    put_u16(w, type);
    put_u16(w, PXI_DNS_IN);
    count(w, 4);
}

void pxi_dns_put_record(struct pxi_dns_writer *w, const struct pxi_dns_name *name, uint16_t type,
                        uint16_t class, uint32_t ttl_s)
{
    w->record_at = w->n;
    pxi_dns_put_name(w, name);
    put_u16(w, type);
    put_u16(w, class);
    put_u16(w, ttl_s >> 16);
    put_u16(w, ttl_s & 0xffff);
    put_u16(w, 0);
}

size_t pxi_dns_room(const struct pxi_dns_writer *w)
{
    return sizeof w->b - w->n;
}

bool pxi_dns_end_record(struct pxi_dns_writer *w, bool additional)
{
    size_t start = w->record_at, at = start;
    if (w->full) {
        w->n = start;
        w->full = false;
        return false;
    }
    while (w->b[at])
        at += (size_t)w->b[at] + 1;
    at += 9; /* the root, type, class and TTL */
    size_t n = w->n - at - 2;
    w->b[at] = (uint8_t)(n >> 8);
    w->b[at + 1] = (uint8_t)n;
    count(w, additional ? 10 : 6);
    return true;
}
