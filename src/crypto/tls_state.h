/* The state of one TLS connection, shared by its handshake and its records. */
#ifndef PXI_CRYPTO_TLS_STATE_H
#define PXI_CRYPTO_TLS_STATE_H

#include "crypto/tls_record.h"

struct pxi_tls_handshake;

struct pxi_tls {
    struct pxi_tls_handshake *shake; /* NULL when it is finished */
    struct pxi_tls_half in, out;
    struct pxi_landing land;
    struct pxi_tls_piece {
        uint8_t *p;
        size_t n;
    } more[2];    /* of the record that was read last */
    uint8_t *fed; /* borrowed bytes of the wire */
    size_t fed_n;
    struct pxi_buf partial; /* a record that came in pieces */
    struct pxi_buf queue;   /* bytes to drain */
    size_t drained;
    struct pxi_buf peer, alpn;
    uint64_t rekey_records;
    uint32_t idle_records; /* records in a row without data */
    uint32_t skip;         /* bytes of a message that does not matter */
    uint8_t head[5], head_n;
    bool server, partial_used, update_queued, in_closed, out_closed;
    px_err err;
};

/* Go on with the fed bytes. When finished, `shake` is NULL, and in and out have their keys. */
px_err pxi_tls_handshake_step(struct pxi_tls *t);
/* Free it; also when it never finished. */
void pxi_tls_handshake_end(struct pxi_tls *t);

#endif
