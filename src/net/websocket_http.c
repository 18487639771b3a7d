#include "net/websocket_http.h"

#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

#include "crypto/sha1.h"

/* ------------------------------------------------ base64 and the key */

static void base64(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;
        v |= i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0;
        v |= i + 2 < n ? in[i + 2] : 0;
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *out = '\0';
}

void pxi_ws_key(const uint8_t random[16], char out[PXI_WS_KEY + 1])
{
    base64(random, 16, out);
}

int pxi_ws_accept(const char key[PXI_WS_KEY + 1], char out[PXI_WS_ACCEPT + 1])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[PXI_WS_KEY + sizeof GUID - 1], digest[PXI_SHA1];
    memcpy(text, key, PXI_WS_KEY);
    memcpy(text + PXI_WS_KEY, GUID, sizeof GUID - 1);
    if (!pxi_sha1(px_view_of(text, sizeof text), digest))
        return 0;
    base64(digest, sizeof digest, out);
    return 1;
}

/* ------------------------------------------------ writing */

static px_err append(struct pxi_buf *out, const char *text, int n, size_t cap)
{
    if (n < 0 || (size_t)n >= cap)
        return PX_ERR_LIMIT;
    return pxi_buf_add(out, text, (size_t)n) ? PX_ERR_OK : PX_ERR_NOMEM;
}

px_err pxi_ws_request(const char *host, const char *key, struct pxi_buf *out)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     host, key);
    return append(out, text, n, sizeof text);
}

px_err pxi_ws_response(const char *key, struct pxi_buf *out)
{
    char text[256], accept[PXI_WS_ACCEPT + 1];
    if (!pxi_ws_accept(key, accept))
        return PX_ERR_NOMEM;
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    return append(out, text, n, sizeof text);
}

/* ------------------------------------------------ reading */

size_t pxi_ws_head(px_view in)
{
    const uint8_t *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - in.p) + 4 : 0;
}

/* The next line, without its end; false after the last one. */
static bool line(px_view *rest, px_view *out)
{
    const uint8_t *end = rest->n ? memmem(rest->p, rest->n, "\r\n", 2) : NULL;
    if (!end)
        return false;
    *out = px_view_of(rest->p, (size_t)(end - rest->p));
    *rest = px_view_of(end + 2, rest->n - out->n - 2);
    return out->n > 0;
}

static bool same(px_view v, const char *s)
{
    return v.n == strlen(s) && strncasecmp((const char *)v.p, s, v.n) == 0;
}

static px_view trim(px_view v)
{
    while (v.n && (v.p[0] == ' ' || v.p[0] == '\t'))
        v = px_view_of(v.p + 1, v.n - 1);
    while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
        v.n--;
    return v;
}

/* Split a header into name and value. */
static bool header(px_view text, px_view *name, px_view *value)
{
    const uint8_t *colon = memchr(text.p, ':', text.n);
    if (!colon || colon == text.p)
        return false;
    *name = px_view_of(text.p, (size_t)(colon - text.p));
    *value = trim(px_view_of(colon + 1, text.n - name->n - 1));
    for (size_t i = 0; i < name->n; i++)
        if (name->p[i] <= ' ' || name->p[i] >= 0x7f)
            return false;
    return true;
}

/* Whether a list such as "keep-alive, Upgrade" names a token. */
static bool has_token(px_view list, const char *token)
{
    while (list.n) {
        const uint8_t *comma = memchr(list.p, ',', list.n);
        size_t n = comma ? (size_t)(comma - list.p) : list.n;
        if (same(trim(px_view_of(list.p, n)), token))
            return true;
        n += comma != NULL;
        list = px_view_of(list.p + n, list.n - n);
    }
    return false;
}

/* What both kinds of heads have in common, and the one header that differs. */
struct fields {
    bool upgrade, connection, version, host, extension;
    unsigned keys;
    px_view key; /* the value of the wanted header */
};

static bool read_fields(px_view rest, const char *wanted, struct fields *f)
{
    px_view text, name, value;
    *f = (struct fields){0};
    while (line(&rest, &text)) {
        if (!header(text, &name, &value))
            return false;
        f->upgrade |= same(name, "upgrade") && has_token(value, "websocket");
        f->connection |= same(name, "connection") && has_token(value, "upgrade");
        f->version |= same(name, "sec-websocket-version") && px_view_is(value, "13");
        f->host |= same(name, "host");
        f->extension |= same(name, "sec-websocket-extensions") && value.n;
        if (same(name, wanted)) {
            f->keys++;
            f->key = value;
        }
    }
    return f->upgrade && f->connection && f->keys == 1;
}

static bool starts(px_view v, const char *s)
{
    return v.n >= strlen(s) && memcmp(v.p, s, strlen(s)) == 0;
}

static bool ends(px_view v, const char *s)
{
    return v.n >= strlen(s) && memcmp(v.p + v.n - strlen(s), s, strlen(s)) == 0;
}

px_err pxi_ws_check_request(px_view head, char key[PXI_WS_KEY + 1])
{
    struct fields f;
    px_view first;
    if (!line(&head, &first) || !starts(first, "GET /") || !ends(first, " HTTP/1.1"))
        return PX_ERR_PROTOCOL;
    if (!read_fields(head, "sec-websocket-key", &f) || !f.version || !f.host ||
        f.key.n != PXI_WS_KEY)
        return PX_ERR_PROTOCOL;
    for (size_t i = 0; i < PXI_WS_KEY; i++)
        if (f.key.p[i] <= ' ' || f.key.p[i] >= 0x7f)
            return PX_ERR_PROTOCOL;
    memcpy(key, f.key.p, PXI_WS_KEY);
    key[PXI_WS_KEY] = '\0';
    return PX_ERR_OK;
}

px_err pxi_ws_check_response(px_view head, const char *key)
{
    struct fields f;
    px_view first;
    char accept[PXI_WS_ACCEPT + 1];
    if (!line(&head, &first) || !(starts(first, "HTTP/1.1 101 ") || same(first, "HTTP/1.1 101")))
        return PX_ERR_PROTOCOL;
    if (!read_fields(head, "sec-websocket-accept", &f) || f.extension ||
        !pxi_ws_accept(key, accept))
        return PX_ERR_PROTOCOL;
    return px_view_is(f.key, accept) ? PX_ERR_OK : PX_ERR_PROTOCOL;
}
