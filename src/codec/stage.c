#include "codec/stage.h"

#include "base/diag.h"
#include "base/limits.h"

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void pxi_stage_head_write(const struct pxi_stage_head *h, uint8_t out[PXI_STAGE_HEAD])
{
    out[0] = h->kind;
    out[1] = h->dtype;
    out[2] = (uint8_t)h->hop;
    out[3] = (uint8_t)(h->hop >> 8);
    put32(out + 4, h->bytes);
    put32(out + 8, (uint32_t)h->session);
    put32(out + 12, (uint32_t)(h->session >> 32));
    put32(out + 16, h->epoch);
    put32(out + 20, h->position);
    put32(out + 24, h->rows);
    put32(out + 28, h->cols);
}

static px_err bad(px_diag *d, uint64_t at, const char *field, const char *expected, uint64_t found)
{
    pxi_diag_field(d, "stage.%s", field);
    return pxi_diag_set(d, PX_ERR_CORRUPT, at, expected, "%llu", (unsigned long long)found);
}

uint64_t pxi_stage_row_bytes(uint8_t dtype, uint32_t cols)
{
    uint64_t n = cols;
    switch (dtype) {
    case PXI_STAGE_F32: return 4 * n;
    case PXI_STAGE_F16: return 2 * n;
    case PXI_STAGE_Q8: return n + 4 * ((n + PXI_HIDDEN_BLOCK - 1) / PXI_HIDDEN_BLOCK);
    default: return 0;
    }
}

/* The payload of rows is what rows, cols and dtype say. */
static px_err check_rows(const struct pxi_stage_head *h, px_diag *d)
{
    if (h->dtype > PXI_STAGE_Q8 || (h->kind == PXI_STAGE_TOKENS && h->dtype))
        return bad(d, 1, "dtype", "from 0 to 3, 0 in TOKENS", h->dtype);
    if (!h->rows || h->rows > PXI_LIMIT_STAGE_ROWS)
        return bad(d, 24, "rows", "from 1 to the limit stage.rows", h->rows);
    if ((h->cols != 0) != (h->dtype != PXI_STAGE_NONE) || h->cols > PXI_LIMIT_STAGE_COLS)
        return bad(d, 28, "cols", "the length of a hidden state", h->cols);
    if (h->position > PXI_LIMIT_CONTEXT_POSITIONS)
        return bad(d, 20, "position", "a position of a context", h->position);
    uint64_t bytes = h->rows * (4 + pxi_stage_row_bytes(h->dtype, h->cols));
    return h->bytes == bytes ? PX_ERR_OK
                             : bad(d, 4, "bytes", "as many as rows, cols and dtype say", h->bytes);
}

px_err pxi_stage_head_read(const uint8_t in[PXI_STAGE_HEAD], struct pxi_stage_head *out, px_diag *d)
{
    *out = (struct pxi_stage_head){
        .kind = in[0],
        .dtype = in[1],
        .hop = (uint16_t)(in[2] | in[3] << 8),
        .bytes = get32(in + 4),
        .session = get32(in + 8) | (uint64_t)get32(in + 12) << 32,
        .epoch = get32(in + 16),
        .position = get32(in + 20),
        .rows = get32(in + 24),
        .cols = get32(in + 28),
    };
    if (out->kind < PXI_STAGE_OPEN || out->kind > PXI_STAGE_LOSS)
        return bad(d, 0, "kind", "from 1 to 9", out->kind);
    if (out->kind == PXI_STAGE_INPUT || out->kind == PXI_STAGE_TOKENS)
        return check_rows(out, d);
    uint32_t most = out->kind == PXI_STAGE_OPEN    ? PXI_LIMIT_STAGE_OPEN_BYTES
                    : out->kind == PXI_STAGE_ERROR ? PXI_LIMIT_STAGE_ERROR_BYTES
                                                   : 0;
    return out->bytes <= most ? PX_ERR_OK : bad(d, 4, "bytes", "a short payload", out->bytes);
}

static const struct pxi_pb_field hop_fields[] = {
    PXI_PB_FIELD(pxi_msg_stage_hop, peer, 1, BYTES, .max = PXI_LIMIT_PB_PEER_BYTES),
    PXI_PB_FIELD(pxi_msg_stage_hop, addrs, 2, BYTES, .repeated = true,
                 .max = PXI_LIMIT_STAGE_ADDRS),
    PXI_PB_FIELD(pxi_msg_stage_hop, first, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_hop, last, 4, UINT, .max = 0),
};
static const struct pxi_pb_message hop_table = {"hop", hop_fields, 4,
                                                sizeof(struct pxi_msg_stage_hop)};

static const struct pxi_pb_field bias_fields[] = {
    PXI_PB_FIELD(pxi_msg_stage_bias, token, 1, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_bias, value, 2, UINT, .max = 0),
};
static const struct pxi_pb_message bias_table = {"bias", bias_fields, 2,
                                                 sizeof(struct pxi_msg_stage_bias)};

static const struct pxi_pb_field sampling_fields[] = {
    PXI_PB_FIELD(pxi_msg_stage_sampling, temperature, 1, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, top_k, 2, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, top_p, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, min_p, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, repeat, 5, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, presence, 6, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, frequency, 7, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, window, 8, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, seed, 9, FIXED64, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_sampling, bias, 10, MESSAGE, .repeated = true,
                 .max = PXI_LIMIT_STAGE_BIAS, .sub = &bias_table),
};
static const struct pxi_pb_message sampling_table = {"sampling", sampling_fields, 10,
                                                     sizeof(struct pxi_msg_stage_sampling)};

static const struct pxi_pb_field open_fields[] = {
    PXI_PB_FIELD(pxi_msg_stage_open, model, 1, STRING, .max = PXI_LIMIT_STAGE_MODEL_BYTES),
    PXI_PB_FIELD(pxi_msg_stage_open, key, 2, BYTES, .max = PXI_STAGE_KEY),
    PXI_PB_FIELD(pxi_msg_stage_open, known, 3, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_open, prompt, 4, UINT, .max = 0),
    PXI_PB_FIELD(pxi_msg_stage_open, hops, 5, MESSAGE, .repeated = true,
                 .max = PXI_LIMIT_STAGE_HOPS, .sub = &hop_table),
    PXI_PB_FIELD(pxi_msg_stage_open, sampling, 6, MESSAGE, .sub = &sampling_table),
    PXI_PB_FIELD(pxi_msg_stage_open, dtype, 7, UINT, .max = 0),
};
const struct pxi_pb_message pxi_pb_stage_open = {"stage_open", open_fields, 7,
                                                 sizeof(struct pxi_msg_stage_open)};
