#include "codec/omni.h"

#include "base/limits.h"

enum { HEAD = 4, WORD = 251 };

/* ------------------------------------------------------------------------ reading */

struct reader {
    const uint8_t *p;
    size_t n;
    bool bad;
};

static uint64_t little(struct reader *r, size_t n)
{
    uint64_t v = 0;
    if (r->bad || r->n < n) {
        r->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)r->p[i] << (8 * i);
    r->p += n;
    r->n -= n;
    return v;
}

static uint64_t number(struct reader *r, uint64_t most)
{
    uint64_t v = little(r, 1);
    if (v >= WORD + 3)
        r->bad = true;
    else if (v >= WORD)
        v = little(r, (size_t)2 << (v - WORD));
    if (v > most)
        r->bad = true;
    return r->bad ? 0 : v;
}

static px_view bytes(struct reader *r, uint64_t most)
{
    uint64_t n = number(r, most);
    if (r->bad || n > r->n) {
        r->bad = true;
        return px_view_of(NULL, 0);
    }
    px_view v = px_view_of(r->p, (size_t)n);
    r->p += n;
    r->n -= (size_t)n;
    return v;
}

int64_t pxi_omni_frame(px_view in)
{
    uint32_t n = 0;
    if (in.n < HEAD)
        return 0;
    for (size_t i = 0; i < HEAD; i++)
        n = n << 8 | in.p[i];
    return n <= PXI_LIMIT_OMNI_BYTES ? (int64_t)n + HEAD : -1;
}

static bool begin(px_view frame, struct reader *r)
{
    int64_t n = pxi_omni_frame(frame);
    if (n <= 0 || (uint64_t)n != frame.n)
        return false;
    *r = (struct reader){frame.p + HEAD, frame.n - HEAD, false};
    return true;
}

/* The tensor is as large as its shape and dtype say. */
static bool whole(const struct pxi_omni_request *m)
{
    uint64_t width = m->hidden == 1 || m->dtype == PXI_OMNI_F32 ? 4 : 2;
    return m->seq && m->hidden && m->dtype <= PXI_OMNI_F32 && m->seq <= PXI_LIMIT_STAGE_WAITING &&
           m->hidden <= PXI_LIMIT_STAGE_COLS && m->data.n == width * m->seq * m->hidden;
}

px_err pxi_omni_request_read(px_view frame, struct pxi_omni_request *out)
{
    struct reader r;
    if (!begin(frame, &r))
        return PX_ERR_CORRUPT;
    out->session = bytes(&r, PXI_LIMIT_OMNI_NAME);
    out->micro_batch = (uint32_t)number(&r, UINT32_MAX);
    out->from = (uint32_t)number(&r, UINT32_MAX);
    out->to = (uint32_t)number(&r, UINT32_MAX);
    out->seq = (uint32_t)number(&r, UINT32_MAX);
    out->hidden = (uint32_t)number(&r, UINT32_MAX);
    out->dtype = (uint8_t)little(&r, 1);
    out->data = bytes(&r, PXI_LIMIT_OMNI_BYTES);
    return !r.bad && !r.n && whole(out) ? PX_ERR_OK : PX_ERR_CORRUPT;
}

px_err pxi_omni_reply_read(px_view frame, struct pxi_omni_reply *out)
{
    struct reader r;
    if (!begin(frame, &r))
        return PX_ERR_CORRUPT;
    out->session = bytes(&r, PXI_LIMIT_OMNI_NAME);
    out->micro_batch = (uint32_t)number(&r, UINT32_MAX);
    out->stage = (uint32_t)number(&r, UINT32_MAX);
    uint64_t accepted = little(&r, 1), why = little(&r, 1);
    out->accepted = accepted == 1;
    out->error = why == 1 ? bytes(&r, PXI_LIMIT_STAGE_ERROR_BYTES) : px_view_of(NULL, 0);
    return !r.bad && !r.n && accepted < 2 && why < 2 ? PX_ERR_OK : PX_ERR_CORRUPT;
}

/* ------------------------------------------------------------------------ writing */

static bool put_little(struct pxi_buf *b, uint64_t v, size_t n)
{
    uint8_t out[8];
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(v >> (8 * i));
    return pxi_buf_add(b, out, n);
}

static bool put(struct pxi_buf *b, uint64_t v)
{
    if (v < WORD)
        return put_little(b, v, 1);
    unsigned size = v <= UINT16_MAX ? 0 : v <= UINT32_MAX ? 1 : 2;
    return put_little(b, WORD + size, 1) && put_little(b, v, (size_t)2 << size);
}

static bool put_bytes(struct pxi_buf *b, px_view v)
{
    return put(b, v.n) && pxi_buf_add(b, v.p, v.n);
}

/* The length in front of what was appended since `at`. */
static bool close_frame(struct pxi_buf *b, size_t at, bool fine)
{
    size_t n = b->n - at - HEAD;
    if (!fine || n > PXI_LIMIT_OMNI_BYTES) {
        b->n = at;
        return false;
    }
    for (size_t i = 0; i < HEAD; i++)
        b->p[at + i] = (uint8_t)(n >> (8 * (HEAD - 1 - i)));
    return true;
}

bool pxi_omni_request_write(const struct pxi_omni_request *m, struct pxi_buf *out)
{
    size_t at = out->n;
    if (!put_little(out, 0, HEAD))
        return false;
    bool fine = put_bytes(out, m->session) && put(out, m->micro_batch) && put(out, m->from) &&
                put(out, m->to) && put(out, m->seq) && put(out, m->hidden) &&
                put_little(out, m->dtype, 1) && put_bytes(out, m->data);
    return close_frame(out, at, fine);
}

bool pxi_omni_reply_write(const struct pxi_omni_reply *m, struct pxi_buf *out)
{
    size_t at = out->n;
    if (!put_little(out, 0, HEAD))
        return false;
    bool fine = put_bytes(out, m->session) && put(out, m->micro_batch) && put(out, m->stage) &&
                put_little(out, m->accepted, 1) && put_little(out, m->error.p != NULL, 1) &&
                (!m->error.p || put_bytes(out, m->error));
    return close_frame(out, at, fine);
}
