/*
 * Messages of OmniNode's /omni/tensor-xfer/1: a length of four bytes, big-endian, then a structure
 * as bincode writes it (numbers below 251 as one byte, else 251, 252 or 253 and two, four or eight
 * bytes, little-endian; bytes and texts behind their length). One request and one reply a stream.
 *
 * There is no kind: a tensor whose hidden_dim is 1 holds token ids, four bytes each, little-endian.
 */
#ifndef PXI_CODEC_OMNI_H
#define PXI_CODEC_OMNI_H

#include <stdbool.h>

#include "base/mem.h"
#include "plexus/err.h"

enum pxi_omni_dtype { PXI_OMNI_F16, PXI_OMNI_BF16, PXI_OMNI_F32 };

/* A tensor on its way to stage `to`. Views are borrowed from what was read. */
struct pxi_omni_request {
    px_view session;
    uint32_t micro_batch, from, to, seq, hidden;
    uint8_t dtype;
    px_view data;
};

struct pxi_omni_reply {
    px_view session;
    uint32_t micro_batch, stage;
    bool accepted;
    px_view error; /* .p NULL: none */
};

/* How many bytes a frame has in all: 0 when its length is not there yet, -1 when it is longer than
 * the limit omni.bytes. */
int64_t pxi_omni_frame(px_view in);

/* Read a whole frame; sizes agree with shapes, texts are short. PX_ERR_CORRUPT. */
px_err pxi_omni_request_read(px_view frame, struct pxi_omni_request *out);
px_err pxi_omni_reply_read(px_view frame, struct pxi_omni_reply *out);

/* Append a frame; false without memory or room. */
bool pxi_omni_request_write(const struct pxi_omni_request *m, struct pxi_buf *out);
bool pxi_omni_reply_write(const struct pxi_omni_reply *m, struct pxi_buf *out);

#endif
