/* The HTTP part of a WebSocket: two texts and their checks (RFC 6455 section 4). */
#ifndef PXI_NET_WEBSOCKET_HTTP_H
#define PXI_NET_WEBSOCKET_HTTP_H

#include "base/mem.h"
#include "plexus/err.h"
#include "plexus/view.h"

enum {
    PXI_WS_KEY = 24,    /* characters of Sec-WebSocket-Key */
    PXI_WS_ACCEPT = 28, /* of Sec-WebSocket-Accept */
};

/* The key of 16 random bytes, in base64, with a NUL. */
void pxi_ws_key(const uint8_t random[16], char out[PXI_WS_KEY + 1]);
/* What a server answers to a key, with a NUL; 0 when libcrypto fails. */
int pxi_ws_accept(const char key[PXI_WS_KEY + 1], char out[PXI_WS_ACCEPT + 1]);
/* Append the request of a client. */
px_err pxi_ws_request(const char *host, const char *key, struct pxi_buf *out);
/* Append the answer of a server to this key. */
px_err pxi_ws_response(const char *key, struct pxi_buf *out);
/* Bytes of the head (with its empty line) at the front of `in`, 0 when it is not all there. */
size_t pxi_ws_head(px_view in);
/* Check the head of a request and copy its key. PX_ERR_PROTOCOL. */
px_err pxi_ws_check_request(px_view head, char key[PXI_WS_KEY + 1]);
/* Check the head of a response to this key. PX_ERR_PROTOCOL. */
px_err pxi_ws_check_response(px_view head, const char *key);

#endif
