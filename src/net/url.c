/* Addresses of files on web servers. */
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#include "base/diag.h"

bool pxi_url_is(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

static px_err refuse(px_diag *d, const char *expected, px_view found)
{
    char text[96];
    pxi_escape(text, sizeof text, found.p, found.n);
    pxi_diag_field(d, "address");
    return pxi_diag_set(d, PX_ERR_INVALID, 0, expected, "%s", text);
}

/* Bytes that may stand in an address as it is sent. */
static bool plain(px_view text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7f)
            return false;
    return true;
}

static bool copied(char *out, size_t cap, px_view from)
{
    if (from.n >= cap)
        return false;
    if (from.n)
        memcpy(out, from.p, from.n);
    out[from.n] = 0;
    return true;
}

/* The first of `set` in the text, or its end. */
static size_t until(px_view text, const char *set)
{
    size_t i = 0;
    while (i < text.n && !(text.p[i] && strchr(set, text.p[i])))
        i++;
    return i;
}

static px_view rest(px_view v, size_t from)
{
    return px_view_of(v.p + from, v.n - from);
}

static bool port_read(px_view text, uint16_t *out)
{
    unsigned value = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || (value = value * 10 + text.p[i] - '0') > 65535)
            return false;
    }
    *out = (uint16_t)value;
    return text.n && value;
}

static bool host_char(uint8_t c, bool six)
{
    bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return name || c == '.' || (six ? c == ':' : c == '-' || c == '_');
}

/* HOST, HOST:PORT, [IPv6] or [IPv6]:PORT. */
static bool authority_read(px_view text, struct pxi_url *out)
{
    bool six = text.n && text.p[0] == '[';
    size_t n = until(text, six ? "]" : ":");
    px_view host = px_view_of(text.p + six, n - six), port = rest(text, n);
    if (six && !port.n)
        return false;
    if (six)
        port = rest(port, 1);
    for (size_t i = 0; i < host.n; i++)
        if (!host_char(host.p[i], six))
            return false;
    if (!host.n || !copied(out->host, sizeof out->host, host))
        return false;
    out->port = out->tls ? 443 : 80;
    return !port.n || (port.p[0] == ':' && port_read(rest(port, 1), &out->port));
}

/* Path and query, without what is behind a '#'. */
static bool path_read(px_view text, char *out)
{
    text.n = until(text, "#");
    if (text.n && text.p[0] == '/')
        return copied(out, PXI_URL_PATH, text);
    out[0] = '/';
    return copied(out + 1, PXI_URL_PATH - 1, text);
}

px_err pxi_url_read(px_view text, struct pxi_url *out, px_diag *d)
{
    static const char want[] = "http://HOST/PATH or https://HOST/PATH";
    px_view whole = text;
    bool tls = text.n >= 8 && memcmp(text.p, "https://", 8) == 0;
    if (!tls && !(text.n >= 7 && memcmp(text.p, "http://", 7) == 0))
        return refuse(d, want, whole);
    text = rest(text, tls ? 8 : 7);
    size_t n = until(text, "/?#");
    px_view authority = px_view_of(text.p, n);
    out->tls = tls;
    if (until(authority, "@") < authority.n)
        return refuse(d, "an address without a name and a password", px_view_str("one with them"));
    if (!plain(text))
        return refuse(d, "spaces and letters beyond ASCII as %XX", whole);
    if (!authority_read(authority, out) || !path_read(rest(text, n), out->path))
        return refuse(d, want, whole);
    return PX_ERR_OK;
}

px_err pxi_url_follow(const struct pxi_url *base, px_view location, struct pxi_url *out, px_diag *d)
{
    char text[PXI_URL_PATH + PXI_URL_HOST + 32], host[PXI_URL_HOST + 16];
    const char *scheme = base->tls ? "https" : "http";
    size_t dir = strcspn(base->path, "?");
    bool absolute = location.n >= 4 && memcmp(location.p, "http", 4) == 0;
    bool names_host = location.n >= 2 && memcmp(location.p, "//", 2) == 0;
    bool from_root = location.n && location.p[0] == '/';
    while (dir && base->path[dir - 1] != '/')
        dir--;
    if (!location.n || location.n >= PXI_URL_PATH)
        return refuse(d, "a place to go on at", px_view_str("none, or one too long"));
    pxi_url_host(base, host);
    int n = absolute ? snprintf(text, sizeof text, "%.*s", (int)location.n, location.p)
            : names_host
                ? snprintf(text, sizeof text, "%s:%.*s", scheme, (int)location.n, location.p)
                : snprintf(text, sizeof text, "%s://%s%.*s%.*s", scheme, host,
                           from_root ? 0 : (int)dir, base->path, (int)location.n, location.p);
    if (n < 0 || (size_t)n >= sizeof text)
        return refuse(d, "a shorter place to go on at", location);
    struct pxi_url to;
    px_err err = pxi_url_read(px_view_of(text, (size_t)n), &to, d);
    if (!err && base->tls && !to.tls)
        return refuse(d, "https, as before", px_view_of(text, (size_t)n));
    if (!err)
        *out = to;
    return err;
}

void pxi_url_host(const struct pxi_url *u, char out[PXI_URL_HOST + 16])
{
    bool six = strchr(u->host, ':') != NULL;
    int n = snprintf(out, PXI_URL_HOST + 16, "%s%s%s", six ? "[" : "", u->host, six ? "]" : "");
    if (n > 0 && u->port != (u->tls ? 443 : 80))
        snprintf(out + n, (size_t)(PXI_URL_HOST + 16 - n), ":%u", u->port);
}
