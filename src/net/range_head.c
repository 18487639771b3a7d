/* The head of an answer of HTTP/1.1, as far as ranges need it (RFC 9110, 9112). */
#include <string.h>

#include "base/diag.h"
#include "net/range.h"

enum { FIELDS = 128 };

static px_err malformed(px_diag *d, const char *expected, px_view found)
{
    char text[96];
    pxi_escape(text, sizeof text, found.p, found.n);
    pxi_diag_field(d, "head");
    return pxi_diag_set(d, PX_ERR_PROTOCOL, 0, expected, "%s", text);
}

/* Bytes up to and with the empty line; 0: it is not there yet. */
static size_t head_bytes(px_view in)
{
    for (size_t i = 3; i < in.n; i++)
        if (in.p[i] == '\n' && memcmp(in.p + i - 3, "\r\n\r", 3) == 0)
            return i + 1;
    return 0;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool is_name(px_view v, const char *name)
{
    if (v.n != strlen(name))
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (lower(v.p[i]) != (uint8_t)name[i])
            return false;
    return true;
}

/* Digits at the front, past which *v moves; false: none, or too many. */
static bool number(px_view *v, uint64_t *out)
{
    size_t i = 0;
    *out = 0;
    for (; i < v->n && v->p[i] >= '0' && v->p[i] <= '9'; i++) {
        if (*out > (UINT64_MAX - 9) / 10)
            return false;
        *out = *out * 10 + v->p[i] - '0';
    }
    *v = px_view_of(v->p + i, v->n - i);
    return i > 0;
}

static bool literal(px_view *v, const char *text)
{
    size_t n = strlen(text);
    if (v->n < n || memcmp(v->p, text, n) != 0)
        return false;
    *v = px_view_of(v->p + n, v->n - n);
    return true;
}

/* "bytes 0-99/1000" */
static bool content_range(px_view v, struct pxi_range_head *h)
{
    return literal(&v, "bytes ") && number(&v, &h->first) && literal(&v, "-") &&
           number(&v, &h->last) && literal(&v, "/") && number(&v, &h->total) && !v.n;
}

static bool content_length(px_view v, struct pxi_range_head *h)
{
    uint64_t n;
    bool again = h->has_length;
    if (!number(&v, &n) || v.n || (again && n != h->length))
        return false;
    h->has_length = true;
    h->length = n;
    return true;
}

/* A tag, with a letter in front of it that says of which field; that of ETag counts. */
static void keep_tag(px_view v, char kind, char out[PXI_RANGE_TAG])
{
    size_t n = v.n < PXI_RANGE_TAG - 2 ? v.n : PXI_RANGE_TAG - 2;
    if (out[0] == 'e')
        return;
    memset(out, 0, PXI_RANGE_TAG);
    out[0] = kind;
    memcpy(out + 1, v.p, n);
}

static px_err field(px_view name, px_view value, struct pxi_range_head *h, px_diag *d)
{
    if (is_name(name, "content-length") && !content_length(value, h))
        return malformed(d, "one Content-Length", value);
    if (is_name(name, "content-range") && h->status == 206) {
        if (h->has_range || !content_range(value, h))
            return malformed(d, "one Content-Range: bytes FIRST-LAST/SIZE", value);
        h->has_range = true;
    }
    if (is_name(name, "etag"))
        keep_tag(value, 'e', h->tag);
    if (is_name(name, "last-modified"))
        keep_tag(value, 'm', h->tag);
    if (is_name(name, "location"))
        h->location = value;
    if (is_name(name, "transfer-encoding") ||
        (is_name(name, "content-encoding") && !is_name(value, "identity")))
        h->coded = true;
    if (is_name(name, "connection"))
        h->keep = is_name(value, "keep-alive") || (h->keep && !is_name(value, "close"));
    return PX_ERR_OK;
}

static px_view trimmed(px_view v)
{
    while (v.n && (v.p[0] == ' ' || v.p[0] == '\t'))
        v = px_view_of(v.p + 1, v.n - 1);
    while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
        v.n--;
    return v;
}

/* "HTTP/1.1 206 Partial Content" */
static px_err status_line(px_view line, struct pxi_range_head *h, px_diag *d)
{
    px_view v = line;
    uint64_t minor, status;
    if (!literal(&v, "HTTP/1.") || !number(&v, &minor) || minor > 1 || !literal(&v, " ") ||
        !number(&v, &status) || status < 100 || status > 599 || (v.n && v.p[0] != ' '))
        return malformed(d, "HTTP/1.1 and a status", line);
    h->status = (unsigned)status;
    h->keep = minor == 1;
    return PX_ERR_OK;
}

static px_err field_line(px_view line, struct pxi_range_head *h, px_diag *d)
{
    size_t colon = 0;
    for (size_t i = 0; i < line.n; i++)
        if ((line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
            return malformed(d, "fields without control characters", line);
    while (colon < line.n && line.p[colon] > ' ' && line.p[colon] != ':')
        colon++;
    if (!colon || colon == line.n || line.p[colon] != ':')
        return malformed(d, "NAME: VALUE", line);
    return field(px_view_of(line.p, colon),
                 trimmed(px_view_of(line.p + colon + 1, line.n - colon - 1)), h, d);
}

px_err pxi_range_head_read(px_view in, size_t *used, struct pxi_range_head *out, px_diag *d)
{
    size_t n = head_bytes(in), fields = 0;
    px_err err = PX_ERR_OK;
    memset(out, 0, sizeof *out);
    *used = 0;
    for (size_t at = 0; !err && n && at < n - 2; fields++) {
        const uint8_t *end = memchr(in.p + at, '\r', n - at);
        px_view line = px_view_of(in.p + at, (size_t)(end - (in.p + at)));
        if (end[1] != '\n' || fields > FIELDS)
            return malformed(d, "up to 128 lines that end with CR and LF", line);
        err = fields ? field_line(line, out, d) : status_line(line, out, d);
        at += line.n + 2;
    }
    *used = err ? 0 : n;
    return err;
}
