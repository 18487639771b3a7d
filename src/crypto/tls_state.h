/* The state of one TLS connection, shared by its handshake and its records. */
#ifndef PXI_CRYPTO_TLS_STATE_H
#define PXI_CRYPTO_TLS_STATE_H

#include "base/limits.h"
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

enum pxi_tls_alerts {
    CLOSE_NOTIFY = 0,
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD = 20,
    RECORD_OVERFLOW = 22,
    DECODE_ERROR = 50,
    INTERNAL_ERROR = 80,
    USER_CANCELED = 90,
    NO_PROTOCOL = 120,
};

/* ------------------------------------------------------------------- tls.c */

/* The end, with its alert for the peer under the keys of now; returns err. */
px_err pxi_tls_fail(struct pxi_tls *t, px_err err, uint8_t alert);

/* --------------------------------------------------------- tls_handshake.c */

/* One whole record before `shake` is NULL, which it is once in and out have their last keys. */
void pxi_tls_handshake_record(struct pxi_tls *t, uint8_t *record, size_t n);
/* Queue the messages that wait to be sent together. 0: memory is out. */
int pxi_tls_handshake_flush(struct pxi_tls *t);
/* Free it; also when it never finished. */
void pxi_tls_handshake_end(struct pxi_tls *t);

#endif
