/*
 * A hostile aggregator and a hostile clock against a worker. The first bytes choose the format, the
 * fan-in and whether values are owed; then each byte is something that happens: an operation
 * begins, frames are polled, one of them is answered, with one field or another changed, a packet
 * comes as it is, time passes. Whatever comes, what is polled is a contribution of this worker, and
 * values outside of the operation stay as they are.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reduce/rank.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOTS = 4, VALUES = 48, MOST = 700, STRIDE = 256, KEPT = 16, BYTES = 4 * VALUES };

struct in {
    const uint8_t *p;
    size_t n;
};

struct lonely {
    struct pxi_kernels kernels;
    struct pxi_rank *rank;
    struct pxi_rank_options o;
    uint8_t frames[SLOTS * STRIDE] __attribute__((aligned(64)));
    float x[MOST + 1], owed[MOST + 1]; /* the last: of nobody */
    struct px_gradient_head sent[KEPT];
    unsigned sents;
    bool owes;
    uint64_t now;
};

static const float fence = 12345;

static void need(bool good)
{
    if (!good)
        abort();
}

static unsigned byte(struct in *in)
{
    if (!in->n)
        return 0;
    in->n--;
    return *in->p++;
}

static bool start(struct lonely *w, struct in *in)
{
    static const uint8_t crowds[] = {1, 2, 4, 7, 64};
    memset(w, 0, sizeof *w);
    pxi_kernels_init(&w->kernels, PXI_CPU_SCALAR);
    w->now = 1000000000;
    w->x[MOST] = w->owed[MOST] = fence;
    w->owes = byte(in) & 1;
    w->o = (struct pxi_rank_options){.job = 7,
                                     .slots = SLOTS,
                                     .epoch = 1,
                                     .values = VALUES,
                                     .format = (uint8_t)(byte(in) % PX_GRADIENT_I32),
                                     .fan_in = crowds[byte(in) % sizeof crowds],
                                     .frames = w->frames,
                                     .stride = STRIDE,
                                     .rto_min_ns = 1000000,
                                     .rto_max_ns = 100000000,
                                     .stochastic = byte(in) & 1,
                                     .kernels = &w->kernels};
    w->rank = pxi_rank_new(&w->o);
    return w->rank != NULL;
}

/* Values of one size, a few of another. */
static void begin(struct lonely *w, struct in *in)
{
    static const float sizes[] = {0, 1, 1e-30f, 1e30f, -0.125f, 3e38f};
    struct pxi_rank_op op = {.x = w->x,
                             .residual = w->owes ? w->owed : NULL,
                             .n = byte(in) * 3u % (MOST + 1),
                             .where = byte(in)};
    unsigned how = byte(in);
    op.mean = how & 1;
    op.bf16 = how & 2;
    float size = sizes[byte(in) % (sizeof sizes / sizeof *sizes)];
    uint32_t odd = byte(in) << 24 | 0x7fffff;
    if (!pxi_rank_done(w->rank)) {
        need(pxi_rank_begin(w->rank, &op) == PX_ERR_INVALID);
        return;
    }
    for (size_t i = 0; i < op.n; i++)
        w->x[i] = size * (float)(i % 7);
    if (op.n && byte(in) & 1)
        memcpy(&w->x[op.n / 2], &odd, sizeof odd);
    px_err err = pxi_rank_begin(w->rank, &op);
    need(err == PX_ERR_OK || err == PX_ERR_INVALID);
}

static void poll(struct lonely *w, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        px_view f = pxi_rank_poll(w->rank, w->now), values;
        struct px_gradient_head h;
        enum px_gradient_drop why;
        if (!f.n)
            return;
        need(f.p >= w->frames && f.p + f.n <= w->frames + sizeof w->frames);
        need(pxi_gradient_read(f, &h, &values, &why) && h.kind == PX_GRADIENT_CONTRIBUTION);
        need(h.worker == w->o.worker && h.job == 7 && h.slot == (h.seq & (SLOTS - 1)));
        need(pxi_gradient_bounded(h.format, w->o.fan_in, values));
        w->sent[w->sents++ % KEPT] = h;
    }
}

static void give(struct lonely *w, const struct px_gradient_head *h, px_view values)
{
    pxi_rank_take(w->rank, h, values, w->now);
}

/* The answer to a frame; `change` says which field is another. */
static void answer(struct lonely *w, struct in *in)
{
    uint8_t f[PX_GRADIENT_HEAD + BYTES];
    unsigned back = byte(in) % KEPT, change = byte(in), how = byte(in);
    if (back >= w->sents)
        return;
    struct px_gradient_head h = w->sent[(w->sents - 1 - back) % KEPT], read;
    uint64_t all = w->o.fan_in == 64 ? UINT64_MAX : (UINT64_C(1) << w->o.fan_in) - 1;
    px_view values;
    enum px_gradient_drop why;
    h.kind = PX_GRADIENT_RESULT;
    h.where = all;
    h.worker = 255;
    switch (change) {
    case 1: h.next = (int8_t)byte(in); break;
    case 2: h.exponent = (int8_t)byte(in); break;
    case 3: h.where = byte(in); break;
    case 4: h.where = 0; break;
    case 5: h.count = (uint16_t)(byte(in) % 5 * 16); break;
    case 6: h.format = (uint8_t)(byte(in) % 4); break;
    case 7: h.seq += (uint32_t)(int8_t)byte(in); break;
    case 8: h.slot = (uint16_t)byte(in); break;
    case 9: h.flags = (uint8_t)byte(in); break;
    case 10: h.kind = PX_GRADIENT_LATE; break;
    case 11: h.epoch = (uint16_t)byte(in); break;
    case 12: h.flags |= PX_GRADIENT_SATURATED; break;
    case 13:
        h.flags |= PX_GRADIENT_CLIPPED;
        h.where &= ~UINT64_C(1);
        break;
    case 14: h.where = UINT64_MAX; break;
    default: break;
    }
    h.count = h.kind == PX_GRADIENT_LATE ? 0 : h.count;
    size_t n = pxi_gradient_result_bytes(h.format, h.count);
    if (n > BYTES)
        return;
    pxi_gradient_write(&h, f);
    memset(f + PX_GRADIENT_HEAD, (int)how, n);
    if (pxi_gradient_read(px_view_of(f, PX_GRADIENT_HEAD + n), &read, &values, &why))
        give(w, &read, values);
}

static void raw(struct lonely *w, struct in *in)
{
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    size_t n = byte(in);
    n = n < in->n ? n : in->n;
    if (pxi_gradient_read(px_view_of(in->p, n), &h, &values, &why))
        give(w, &h, values);
    in->p += n;
    in->n -= n;
}

static void happen(struct lonely *w, struct in *in)
{
    static const uint64_t steps[] = {0, 1000, 5000000, 3000000000};
    switch (byte(in) % 10) {
    case 0: begin(w, in); break;
    case 1: raw(w, in); break;
    case 2: w->now += steps[byte(in) % 4]; break;
    case 3: poll(w, 1 + byte(in) % 8); break;
    case 4: pxi_rank_epoch(w->rank, (uint16_t)byte(in)); break;
    case 5:
        if (byte(in) % 8 == 0)
            pxi_rank_abort(w->rank);
        break;
    case 6: poll(w, 1); break;
    default: answer(w, in); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lonely w;
    struct in in = {data, size};
    if (start(&w, &in))
        while (in.n)
            happen(&w, &in);
    need(w.x[MOST] == fence && w.owed[MOST] == fence);
    need(!w.rank || pxi_rank_least(w.rank) <= PX_GRADIENT_WORKERS);
    pxi_rank_free(w.rank);
    return 0;
}
