/*
 * Messages of codec/stage.h into and out of a stream. Payloads are written straight to where they
 * are used: the reader asks for the place before the bytes come. Short messages (everything but
 * INPUT and TOKENS) wait in a bounded buffer while a long one is on its way.
 */
#ifndef PXI_INFER_WIRE_H
#define PXI_INFER_WIRE_H

#include "codec/stage.h"
#include "net/stream.h"

/* What a reader is told to do with a payload. */
enum pxi_wire_verdict { PXI_WIRE_TAKE, PXI_WIRE_DROP, PXI_WIRE_WAIT, PXI_WIRE_BAD };

struct pxi_wire_events {
    /* A header came. TAKE: its payload goes to *place (bytes of it), or to a buffer of the reader
     * when *place is left NULL. DROP: it is read over,
     * `message` does not follow. WAIT: no room now; asked again after pxi_stream_resume. */
    enum pxi_wire_verdict (*begin)(void *ctx, const struct pxi_stage_head *h, void **place);
    /* The payload is complete. false: the reader must not be touched any more. */
    bool (*message)(void *ctx, const struct pxi_stage_head *h, px_view payload);
};

struct pxi_wire_in {
    uint8_t head[PXI_STAGE_HEAD];
    struct pxi_stage_head h;
    size_t head_n, got;
    void *place;
    bool begun, drop;
    uint64_t taken, copied; /* payload bytes that got their place; of them, by a copy */
    struct pxi_buf own;     /* payloads that nobody gave a place */
};

/* Feed bytes; *took tells how many were used. PX_ERR_OK, PX_ERR_CORRUPT for what is malformed or
 * BAD, PX_ERR_NOMEM; PX_ERR_RESET: `message` returned false. */
px_err pxi_wire_read(struct pxi_wire_in *in, px_view bytes, const struct pxi_wire_events *on,
                     void *ctx, size_t *took);
/* Tell the stream where the rest of the payload that is being read belongs; between messages, where
 * that of the next one does: n bytes at next (n == 0: unknown). */
void pxi_wire_land(const struct pxi_wire_in *in, struct pxi_stream *s, void *next, size_t n);
void pxi_wire_in_deinit(struct pxi_wire_in *in);

struct pxi_wire_out {
    struct pxi_stream *stream; /* NULL: what is sent is dropped */
    struct pxi_buf waiting;    /* short messages */
    size_t at;                 /* of them, already written */
    bool busy;                 /* a long message is half written by its owner */
};

/* Send a short message; false when too many wait: the peer reads nothing. */
bool pxi_wire_send(struct pxi_wire_out *out, const struct pxi_stage_head *h, px_view payload);
/* Write what waits. */
void pxi_wire_flush(struct pxi_wire_out *out);
/* May a long message begin? Then it is written with pxi_stream_write, or lent, until it is over. */
bool pxi_wire_begin(struct pxi_wire_out *out);
void pxi_wire_end(struct pxi_wire_out *out);
void pxi_wire_out_deinit(struct pxi_wire_out *out);

#endif
