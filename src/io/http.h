/*
 * A server of HTTP/1.1 on the node's loop, by libwebsockets: it reads requests and moves the bytes
 * of replies. What a reply is made of, and who may ask, is decided by its owner (src/node/http.h);
 * an owner in a test is given exchanges that have no socket.
 *
 * Every amount has a limit of gen/limits.def: connections, header bytes, the body of a request and
 * of all requests together, the time a request takes to come, bytes that a client leaves unread.
 */
#ifndef PXI_IO_HTTP_H
#define PXI_IO_HTTP_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

struct pxi_loop;
struct pxi_http;
struct pxi_http_exchange;

enum pxi_http_method {
    PXI_HTTP_GET,
    PXI_HTTP_HEAD,
    PXI_HTTP_POST,
    PXI_HTTP_OPTIONS,
    PXI_HTTP_OTHER,
};

/* A request; views are good while the owner is being called. Absent headers are empty. */
struct pxi_http_request {
    enum pxi_http_method method;
    px_view path, query, host, origin, authorization, content_type, last_event_id;
    uint64_t length; /* of the body, as announced */
    px_view body;
    unsigned refuse; /* a status other than 0: malformed or too large, to be refused with it */
};

/* How the bytes of a reply move. */
struct pxi_http_ops {
    /* Queue bytes of the reply. False: the client reads too slowly, or is gone; drop it. */
    bool (*send)(struct pxi_http_exchange *x, px_view bytes);
    /* The reply is complete; no event follows, and x is not to be touched any more. */
    void (*end)(struct pxi_http_exchange *x);
    /* Cut the connection; no event follows, and x is not to be touched any more. */
    void (*drop)(struct pxi_http_exchange *x);
    /* Bytes that are queued and not yet with the system. */
    size_t (*queued)(const struct pxi_http_exchange *x);
};

/* A request and its reply. */
struct pxi_http_exchange {
    const struct pxi_http_ops *ops;
    bool chunked; /* the client understands chunked replies (HTTP/1.1) */
    bool keep;    /* the connection is to go on after the reply; the owner may clear it */
    bool head;    /* a HEAD request: the reply has no body */
    void *user;   /* of the owner */
    /* Set by the owner when it keeps the exchange beyond the call: the connection went away; x is
     * not to be touched any more. */
    void (*closed)(struct pxi_http_exchange *x);
};

struct pxi_http_owner {
    /* The header is here. True: read the body, then call request. False: it was answered. */
    bool (*head)(void *ctx, struct pxi_http_exchange *x, const struct pxi_http_request *r);
    /* All is here. Answer now or later. */
    void (*request)(void *ctx, struct pxi_http_exchange *x, const struct pxi_http_request *r);
};

struct pxi_http_use {
    uint64_t connections, accepted, requests, refused, dropped;
};

/* Listen at an IP address and a port (0 picks one). PX_ERR_INVALID: no IP address; PX_ERR_REFUSED:
 * the port is taken; PX_ERR_IO, PX_ERR_NOMEM. */
px_err pxi_http_open(struct pxi_loop *l, const char *address, uint16_t port,
                     const struct pxi_http_owner *owner, void *ctx, struct pxi_http **out);
uint16_t pxi_http_port(const struct pxi_http *h);
struct pxi_http_use pxi_http_use(const struct pxi_http *h);
/* Cut every connection (owners hear `closed`) and free. Runs the loop. NULL is allowed. */
void pxi_http_close(struct pxi_http *h);

#endif
