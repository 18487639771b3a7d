/* From a session to the next stage (hidden states) or to the client (tokens). */
#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "infer/run.h"

enum { MESSAGE_ROWS = 64 };

void pxi_run_error(struct pxi_run *r, uint32_t hop, px_err err, const char *text)
{
    struct pxi_stage_head h = {.kind = PXI_STAGE_ERROR,
                               .session = r->id,
                               .epoch = r->epoch,
                               .hop = (uint16_t)hop,
                               .position = (uint32_t)err};
    px_view why = px_view_str(text);
    why.n = pxi_min(why.n, PXI_LIMIT_STAGE_ERROR_BYTES);
    pxi_wire_send(&r->up_out, &h, why);
}

void pxi_run_drain(struct pxi_run *r)
{
    struct pxi_stage_head h = {
        .kind = PXI_STAGE_DRAIN, .session = r->id, .epoch = r->epoch, .hop = (uint16_t)r->hop};
    pxi_wire_send(&r->up_out, &h, px_view_of(NULL, 0));
}

/* The client is told of what coding cost when the rows are twice as many as the last time. */
void pxi_run_loss(struct pxi_run *r)
{
    float rms = pxi_hidden_rms(&r->loss);
    struct pxi_stage_head h = {
        .kind = PXI_STAGE_LOSS, .session = r->id, .epoch = r->epoch, .hop = (uint16_t)r->hop};
    if (r->dtype == PXI_STAGE_F32 || !r->loss.rows || r->loss.rows < r->loss_told)
        return; /* the last stage codes nothing */
    r->loss_told = 2 * r->loss.rows;
    memcpy(&h.position, &rms, sizeof h.position);
    memcpy(&h.rows, &r->loss.worst, sizeof h.rows);
    pxi_wire_send(&r->up_out, &h, px_view_of(NULL, 0));
}

/* ------------------------------------------------------------------------- long messages */

/* The next bytes of the message that is half written, as far as they lie together. Rows stay in the
 * record: they may be lent. */
static px_view piece(struct pxi_run *r, uint8_t head[PXI_STAGE_HEAD], bool *lend)
{
    size_t at = r->out_at, words = (size_t)r->out.rows * sizeof *r->words;
    if (at < PXI_STAGE_HEAD) {
        pxi_stage_head_write(&r->out, head);
        return px_view_of(head + at, PXI_STAGE_HEAD - at);
    }
    at -= PXI_STAGE_HEAD;
    const uint32_t *list = (r->last ? r->chosen : r->words) + r->out.position;
    if (at < words)
        return px_view_of((const uint8_t *)list + at, words - at);
    at -= words;
    *lend = true;
    size_t row_bytes = r->record.row_bytes;
    uint32_t row = (uint32_t)(at / row_bytes), position = r->out.position + row;
    uint32_t together =
        (uint32_t)pxi_min(PXI_RECORD_CHUNK - position % PXI_RECORD_CHUNK, r->out.rows - row);
    const uint8_t *p = pxi_record_row(&r->record, position);
    return px_view_of(p + at % row_bytes, together * row_bytes - at % row_bytes);
}

/* What the stream copied of what it was lent. */
static void count_copies(struct pxi_run *r)
{
    r->stage->given_copied += r->down.stream->copied;
    r->down.stream->copied = 0;
}

void pxi_run_recall(struct pxi_run *r)
{
    if (!r->down.stream)
        return;
    pxi_stream_recall(r->down.stream);
    count_copies(r);
    r->lent = 0;
}

/* Write on; true when the message is complete. */
static bool go_on(struct pxi_run *r)
{
    uint8_t head[PXI_STAGE_HEAD];
    count_copies(r);
    while (r->out_at < PXI_STAGE_HEAD + r->out.bytes) {
        bool lend = false;
        px_view v = piece(r, head, &lend);
        size_t n = lend ? pxi_stream_lend(r->down.stream, v) : pxi_stream_write(r->down.stream, v);
        r->stage->given += lend ? n : 0;
        if (lend)
            r->lent = (uint32_t)pxi_max(r->lent, r->out.position + r->out.rows);
        r->out_at += n;
        if (n < v.n)
            return false;
    }
    return true;
}

/* What there is to send next. */
static bool next(struct pxi_run *r)
{
    uint32_t end = r->last ? r->chosen_n : r->computed;
    if (!r->ready || r->sent >= end)
        return false;
    uint32_t rows = (uint32_t)pxi_min(end - r->sent, MESSAGE_ROWS);
    uint32_t cols = r->last ? 0 : r->stage->session->model->config.embd;
    r->out = (struct pxi_stage_head){.kind = r->last ? PXI_STAGE_TOKENS : PXI_STAGE_INPUT,
                                     .dtype = r->last ? PXI_STAGE_NONE : r->dtype,
                                     .session = r->id,
                                     .epoch = r->epoch,
                                     .position = r->sent,
                                     .rows = rows,
                                     .cols = cols,
                                     .bytes = rows * (uint32_t)(4 + r->record.row_bytes)};
    r->out_at = 0;
    return true;
}

void pxi_run_send(struct pxi_run *r)
{
    struct pxi_wire_out *out = &r->down.out;
    for (;;) {
        if (!r->down.up || (!out->busy && (!next(r) || !pxi_wire_begin(out))))
            return;
        if (!go_on(r))
            return;
        r->sent += r->out.rows;
        pxi_wire_end(out);
        pxi_run_release(r);
    }
}

/* ------------------------------------------------------------------------- the hop */

static struct pxi_run *of(struct pxi_hop *h)
{
    return PXI_OF(h, struct pxi_run, down);
}

/* Pass the OPEN on; the client is told that its tokens come here. */
static void pass_on(struct pxi_run *r)
{
    struct pxi_stage_head h = {.kind = r->last ? PXI_STAGE_READY : PXI_STAGE_OPEN,
                               .session = r->id,
                               .epoch = r->epoch,
                               .hop = (uint16_t)(r->hop + 1)};
    r->ready = r->last;
    if (r->last) /* what is half written is added when it is over */
        r->sent = r->known - (r->down.out.busy ? r->out.rows : 0);
    pxi_wire_send(&r->down.out, &h,
                  r->last ? px_view_of(NULL, 0) : px_view_of(r->order.p, r->order.n));
    pxi_run_send(r);
}

static void on_opened(struct pxi_hop *h)
{
    pass_on(of(h));
}

static void on_lost(struct pxi_hop *h, px_err why)
{
    struct pxi_run *r = of(h);
    r->ready = false;
    pxi_run_release(r);
    pxi_run_error(r, r->hop + 1, why, px_err_text(why));
}

static void on_message(struct pxi_hop *h, const struct pxi_stage_head *m, px_view payload)
{
    struct pxi_run *r = of(h);
    if (m->epoch != r->epoch)
        return;
    if (m->kind == PXI_STAGE_ERROR || m->kind == PXI_STAGE_DRAIN || m->kind == PXI_STAGE_LOSS) {
        struct pxi_stage_head up = *m;
        pxi_wire_send(&r->up_out, &up, payload);
    } else if (m->kind == PXI_STAGE_READY && m->position > r->known) { /* more than there is */
        pxi_hop_close(h);
        on_lost(h, PX_ERR_PROTOCOL);
    } else if (m->kind == PXI_STAGE_READY && !r->last) {
        r->ready = true;
        r->sent = m->position;
        pxi_run_send(r);
    }
}

static void on_writable(struct pxi_hop *h)
{
    pxi_run_send(of(h));
}

void pxi_run_connect(struct pxi_run *r, const struct pxi_msg_stage_open *m)
{
    static const struct pxi_hop_events events = {on_opened, on_message, on_writable, on_lost};
    const struct pxi_msg_stage_hop *hop = PXI_PB_AT(m->hops, struct pxi_msg_stage_hop, r->hop + 1);
    struct pxi_hop_self self = pxi_stages_self(r->stage->service);
    struct pxi_peer peer;
    r->ready = false;
    if (pxi_peer_from_bytes(hop->peer, &peer, NULL) != PX_ERR_OK) {
        pxi_run_error(r, r->hop + 1, PX_ERR_PROTOCOL, "no peer id");
        return;
    }
    r->down.session = r->id;
    r->down.on = &events;
    if (r->down.up && pxi_peer_equal(&r->down.peer, &peer)) {
        pass_on(r);
        return;
    }
    pxi_hop_open(&r->down, pxi_stages_host(r->stage->service), &peer, hop->addrs.p,
                 (unsigned)hop->addrs.n, &self);
}
