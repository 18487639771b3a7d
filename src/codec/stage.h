/*
 * Messages of /plexus/stage/1: a header of 32 bytes, little-endian, and a payload.
 *
 *     0 kind   1 dtype   2 hop (2)   4 payload bytes (4)   8 session (8)
 *    16 epoch (4)   20 position (4)   24 rows (4)   28 cols (4)
 *
 * INPUT and TOKENS carry rows: first a word for each (the token, bit 31: its logits are wanted, bit
 * 30: a draft, that is a guess of what will be chosen), then, when there is a dtype, cols elements
 * for each, coded as it says. OPEN carries protobuf, ERROR text.
 */
#ifndef PXI_CODEC_STAGE_H
#define PXI_CODEC_STAGE_H

#include "codec/pb.h"

enum { PXI_STAGE_HEAD = 32, PXI_STAGE_KEY = 16 };

enum pxi_stage_kind {
    PXI_STAGE_OPEN = 1,
    PXI_STAGE_READY,  /* position: how many the stage holds of the session */
    PXI_STAGE_INPUT,  /* towards the last stage */
    PXI_STAGE_TOKENS, /* from the last stage to the client; position: of the first token */
    PXI_STAGE_ERROR,  /* hop: who failed; position: the px_err; payload: what happened */
    PXI_STAGE_PING,
    PXI_STAGE_PONG,
    PXI_STAGE_CLOSE, /* the session is over */
    PXI_STAGE_DRAIN, /* hop: that stage wants to go: give its blocks to another peer */
    PXI_STAGE_LOSS,  /* hop: who sent coded hidden states; position, rows: bits of the root mean
                      * square and of the largest relative error so far */
};

/* How the elements of a row are coded; infer/hidden.h has the coders. */
enum pxi_stage_dtype { PXI_STAGE_NONE, PXI_STAGE_F32, PXI_STAGE_F16, PXI_STAGE_Q8 };

enum { PXI_HIDDEN_BLOCK = 64 }; /* values of q8 that share a scale */

/* Bytes of a row of so many elements, without its word. */
uint64_t pxi_stage_row_bytes(uint8_t dtype, uint32_t cols);

#define PXI_STAGE_WANT  0x80000000u
#define PXI_STAGE_DRAFT 0x40000000u
#define PXI_STAGE_TOKEN 0x3fffffffu /* the rest of a word */

struct pxi_stage_head {
    uint8_t kind, dtype;
    uint16_t hop;
    uint32_t bytes, epoch, position, rows, cols;
    uint64_t session;
};

void pxi_stage_head_write(const struct pxi_stage_head *h, uint8_t out[PXI_STAGE_HEAD]);

/* Read and check: a kind that exists, a payload within its limit that agrees with rows, cols and
 * dtype, positions that do not overflow. PX_ERR_CORRUPT. */
px_err pxi_stage_head_read(const uint8_t in[PXI_STAGE_HEAD], struct pxi_stage_head *out,
                           px_diag *d);

/* One peer of the chain and its blocks; the last one of the list is the client, without blocks. */
struct pxi_msg_stage_hop {
    px_view peer;
    struct pxi_pb_list addrs; /* px_view */
    uint64_t first, last;
};

/* What is added to the logit of a token. */
struct pxi_msg_stage_bias {
    uint64_t token, value;
};

/* How the last stage chooses; floats by their bits. */
struct pxi_msg_stage_sampling {
    uint64_t temperature, top_k, top_p, min_p, repeat, presence, frequency, window, seed;
    struct pxi_pb_list bias; /* struct pxi_msg_stage_bias */
};

struct pxi_msg_stage_open {
    px_view model;           /* what the slices are of: a CID as text */
    px_view key;             /* PXI_STAGE_KEY random bytes: whoever knows them owns the session */
    uint64_t known;          /* tokens that the client has */
    uint64_t prompt;         /* the first of them that were not sampled */
    struct pxi_pb_list hops; /* struct pxi_msg_stage_hop */
    struct pxi_msg_stage_sampling *sampling;
    uint64_t dtype; /* of hidden states, the same on all hops; 0: f32 */
};
extern const struct pxi_pb_message pxi_pb_stage_open;

#endif
