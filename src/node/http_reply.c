/* Replies: the status line, the few headers we send, errors, and the framing of streams. */
#include <stdarg.h>
#include <stdio.h>

#include "node/call.h"
#include "node/http_impl.h"

enum { HEAD = 512 };

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } table[] = {{200, "OK"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {411, "Length Required"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return table[i].text;
    return "Error";
}

static const char *more_headers(unsigned status)
{
    if (status == 401)
        return "www-authenticate: Bearer\r\n";
    return status == 503 ? "retry-after: 1\r\n" : "";
}

void pxi_reply(struct pxi_ask *q, unsigned status, const char *type, px_view body)
{
    char small[HEAD + 4096], *out = small;
    struct pxi_http_exchange *x = q->x;
    x->closed = NULL;
    if (status / 100 < PXI_API_STATUSES)
        q->api->counts.requests[status / 100]++;
    if (body.n > sizeof small - HEAD)
        out = pxi_calloc(1, HEAD + body.n);
    if (!out) {
        x->ops->drop(x);
        return;
    }
    size_t n = (size_t)snprintf(out, HEAD,
                                "HTTP/1.1 %u %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\n"
                                "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
                                "connection: %s\r\n%s\r\n",
                                status, reason(status), type, body.n,
                                x->keep ? "keep-alive" : "close", more_headers(status));
    if (!x->head && body.n) {
        memcpy(out + n, body.p, body.n);
        n += body.n;
    }
    if (x->ops->send(x, px_view_of(out, n)))
        x->ops->end(x);
    else
        x->ops->drop(x);
    if (out != small)
        pxi_free(out);
}

void pxi_reply_json(struct pxi_ask *q, unsigned status, json_t *doc)
{
    char *text = doc ? pxi_json_dump(doc) : NULL;
    json_decref(doc);
    if (text)
        pxi_reply(q, status, "application/json", px_view_str(text));
    else
        pxi_reply(q, 503, "application/json", px_view_str("{\"error\":\"out of memory\"}"));
    pxi_free(text);
}

json_t *pxi_error_json(bool ollama, unsigned status, const char *code, const char *param,
                       const char *message)
{
    const char *type = status == 401   ? "authentication_error"
                       : status == 403 ? "permission_error"
                       : status == 404 ? "not_found_error"
                       : status >= 500 ? "server_error"
                                       : "invalid_request_error";
    json_t *e = json_object(), *text = pxi_json_text(px_view_str(message));
    if (ollama) {
        json_object_set_new(e, "error", text);
        return e;
    }
    json_object_set_new(e, "message", text);
    json_object_set_new(e, "type", json_string(type));
    json_object_set_new(e, "param", param ? json_string(param) : json_null());
    json_object_set_new(e, "code", code ? json_string(code) : json_null());
    return json_pack("{s:o}", "error", e);
}

void pxi_reply_error(struct pxi_ask *q, unsigned status, const char *code, const char *param,
                     const char *fmt, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    pxi_reply_json(q, status, pxi_error_json(q->ollama, status, code, param, message));
}

unsigned pxi_reply_status(px_err err)
{
    switch (err) {
    case PX_ERR_INVALID:
    case PX_ERR_CONTEXT_FULL:
    case PX_ERR_TEMPLATE: return 400;
    case PX_ERR_UNSUPPORTED: return 501;
    case PX_ERR_LIMIT:
    case PX_ERR_NOMEM:
    case PX_ERR_UNREACHABLE:
    case PX_ERR_TIMEOUT: return 503;
    default: return 500;
    }
}

bool pxi_stream_begin(struct pxi_http_exchange *x, const char *type)
{
    char out[HEAD];
    bool chunked = x->chunked;
    x->keep = x->keep && chunked;
    size_t n = (size_t)snprintf(out, sizeof out,
                                "HTTP/1.1 200 OK\r\ncontent-type: %s\r\n"
                                "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
                                "x-accel-buffering: no\r\nconnection: %s\r\n%s\r\n",
                                type, x->keep ? "keep-alive" : "close",
                                chunked ? "transfer-encoding: chunked\r\n" : "");
    return x->ops->send(x, px_view_of(out, n));
}

bool pxi_stream_piece(struct pxi_http_exchange *x, px_view bytes)
{
    char small[4096], *out = small;
    if (!bytes.n)
        return true;
    if (!x->chunked)
        return x->ops->send(x, bytes);
    if (bytes.n > sizeof small - 32)
        out = pxi_calloc(1, bytes.n + 32);
    if (!out)
        return false;
    size_t n = (size_t)snprintf(out, 32, "%zx\r\n", bytes.n);
    memcpy(out + n, bytes.p, bytes.n);
    memcpy(out + n + bytes.n, "\r\n", 2);
    bool ok = x->ops->send(x, px_view_of(out, n + bytes.n + 2));
    if (out != small)
        pxi_free(out);
    return ok;
}

void pxi_stream_finish(struct pxi_http_exchange *x)
{
    x->closed = NULL;
    if (!x->chunked || x->ops->send(x, px_view_str("0\r\n\r\n")))
        x->ops->end(x);
    else
        x->ops->drop(x);
}

void pxi_stream_drop(struct pxi_http_exchange *x)
{
    x->closed = NULL;
    x->ops->drop(x);
}

bool pxi_stream_doc(struct pxi_http_exchange *x, bool sse, json_t *doc)
{
    char *text = doc ? pxi_json_dump(doc) : NULL;
    struct pxi_buf b = {.max = PXI_LIMIT_HTTP_QUEUE_BYTES};
    json_decref(doc);
    bool ok = text && (!sse || pxi_buf_add(&b, "data: ", 6)) &&
              pxi_buf_add(&b, text, strlen(text)) && pxi_buf_add(&b, "\n\n", sse ? 2 : 1) &&
              pxi_stream_piece(x, px_view_of(b.p, b.n));
    pxi_free(text);
    pxi_buf_deinit(&b);
    return ok;
}
