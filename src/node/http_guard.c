/* Who may ask: the token, and the two headers by which a browser gives away other sites. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "node/http_impl.h"

/* The same time for every wrong token of a length. */
static bool same(px_view a, const char *b)
{
    size_t n = strlen(b);
    uint8_t differ = a.n != n;
    for (size_t i = 0; i < a.n && n; i++)
        differ |= (uint8_t)(a.p[i] ^ (uint8_t)b[i % n]);
    return !differ;
}

static bool token_ok(const struct pxi_api *a, px_view header)
{
    static const char scheme[] = "Bearer ";
    const size_t n = sizeof scheme - 1;
    if (header.n < n || strncasecmp((const char *)header.p, scheme, n) != 0)
        return false;
    return same(px_view_of(header.p + n, header.n - n), a->token);
}

/* Four numbers with dots, or anything in brackets: an address, which cannot be rebound. */
static bool is_address(px_view v)
{
    unsigned dots = 0, digits = 0;
    if (v.n > 2 && v.p[0] == '[' && v.p[v.n - 1] == ']') {
        for (size_t i = 1; i + 1 < v.n; i++)
            if (!strchr("0123456789abcdefABCDEF:.", v.p[i]) || !v.p[i])
                return false;
        return true;
    }
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '.' && digits) {
            dots++;
            digits = 0;
        } else if (v.p[i] >= '0' && v.p[i] <= '9' && digits < 3)
            digits++;
        else
            return false;
    }
    return dots == 3 && digits;
}

static bool is_name(px_view v, const char *name)
{
    return v.n == strlen(name) && strncasecmp((const char *)v.p, name, v.n) == 0;
}

/* Without the port. */
static px_view bare(px_view host)
{
    size_t n = host.n;
    while (n && host.p[n - 1] >= '0' && host.p[n - 1] <= '9')
        n--;
    return n && n < host.n && host.p[n - 1] == ':' ? px_view_of(host.p, n - 1) : host;
}

bool pxi_guard_host(const struct pxi_api *a, px_view host)
{
    px_view v = bare(host);
    if (is_address(v) || is_name(v, "localhost"))
        return true;
    for (unsigned i = 0; i < a->o.host_count; i++)
        if (is_name(v, a->o.hosts[i]))
            return true;
    return false;
}

/* A page of ours, or no page at all. */
static bool origin_ok(const struct pxi_http_request *r)
{
    px_view o = r->origin;
    if (!o.n)
        return true;
    size_t skip = o.n > 7 && strncasecmp((const char *)o.p, "http://", 7) == 0    ? 7
                  : o.n > 8 && strncasecmp((const char *)o.p, "https://", 8) == 0 ? 8
                                                                                  : 0;
    px_view host = px_view_of(o.p + skip, o.n - skip);
    return skip && host.n == r->host.n &&
           strncasecmp((const char *)host.p, (const char *)r->host.p, host.n) == 0;
}

/* A form of another site can send text, but not this type. */
static bool is_json(px_view type)
{
    static const char want[] = "application/json";
    const size_t n = sizeof want - 1;
    return type.n >= n && strncasecmp((const char *)type.p, want, n) == 0 &&
           (type.n == n || type.p[n] == ';' || type.p[n] == ' ');
}

unsigned pxi_guard(const struct pxi_api *a, const struct pxi_http_request *r, bool open_route,
                   const char **why)
{
    *why = "";
    if (!pxi_guard_host(a, r->host)) {
        *why = "this Host is not served here; --api-host adds a name";
        return 403;
    }
    if (!origin_ok(r)) {
        *why = "pages of other sites may not ask";
        return 403;
    }
    if (a->token && !open_route && !token_ok(a, r->authorization)) {
        *why = "a bearer token is required";
        return 401;
    }
    if (r->method == PXI_HTTP_POST && !is_json(r->content_type)) {
        *why = "the content type must be application/json";
        return 415;
    }
    return 0;
}
