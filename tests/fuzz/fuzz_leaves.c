/*
 * Hostile workers, leaves and a hostile network against aggregators in a tree: two leaves and one
 * above. The first byte chooses the format and what they keep; then each byte is something that
 * happens: a packet that a worker could send now, one that a leaf has said or the one above has
 * answered, or any of them with a field changed, twice, late or never; time. Whatever comes, an
 * answer is a packet, and two leaves never hand down different sums under one head while nobody
 * forges.
 */
#include <stdlib.h>
#include <string.h>

#include "reduce/slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOTS = 4, VALUES = 32, CHUNKS = 6, WORKERS = 5, LEAVES = 2, FIRST = 3, STRIDE = 192 };
enum { BYTES = PX_GRADIENT_HEAD + 4 * VALUES, KEPT = 8, SEQS = 256 };

struct in {
    const uint8_t *p;
    size_t n;
};

struct said {
    uint8_t bytes[BYTES];
    size_t n;
};

struct tree {
    struct pxi_kernels kernels;
    struct pxi_slots *leaves[LEAVES], *above;
    uint8_t format;
    bool keep_missed;
    bool forged; /* somebody lies who has a key */
    uint64_t now;
    uint32_t next[WORKERS][SLOTS];
    int8_t agreed[WORKERS][SLOTS];
    struct said up[LEAVES][KEPT], down[KEPT]; /* the last ones, in turns */
    unsigned ups[LEAVES], downs;
    struct said sums[SEQS];
};

static uint8_t frames[LEAVES + 1][2 * SLOTS * STRIDE] __attribute__((aligned(64)));

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

static struct pxi_slots *open_slots(struct tree *t, unsigned at)
{
    static const uint8_t each[LEAVES] = {FIRST, WORKERS - FIRST};
    struct pxi_slots_options o = {.job = 7,
                                  .epoch = 1,
                                  .format = t->format,
                                  .slots = SLOTS,
                                  .values = VALUES,
                                  .fan_in = WORKERS,
                                  .quorum = at == LEAVES ? 3 : 1,
                                  .deadline_ns = 1000000000,
                                  .chunks = CHUNKS,
                                  .keep_missed = t->keep_missed,
                                  .frames = frames[at],
                                  .kernels = &t->kernels};
    o.members = at == LEAVES ? 3 : at ? 0x18 : 7;
    o.leaf = at < LEAVES;
    o.number = (uint8_t)at;
    o.first = at == 1 ? FIRST : 0;
    o.leaves = at == LEAVES ? each : NULL;
    need(pxi_slots_stride(VALUES) <= STRIDE);
    return pxi_slots_new(&o);
}

/* A worker hears a sum, or that it is gone. */
static void hear(struct tree *t, unsigned worker, const struct px_gradient_head *h)
{
    if (t->next[worker][h->slot % SLOTS] != h->seq)
        return;
    t->next[worker][h->slot % SLOTS] += SLOTS;
    t->agreed[worker][h->slot % SLOTS] = h->kind == PX_GRADIENT_LATE ? -127 : h->next;
}

/* What a leaf hands down: the same bytes as the other did. */
static void compare(struct tree *t, const struct px_gradient_head *h,
                    const struct pxi_slots_answer *a)
{
    struct said *s = &t->sums[h->seq % SEQS];
    if (h->kind != PX_GRADIENT_RESULT || h->seq >= SEQS)
        return;
    struct px_gradient_head other;
    memcpy(&other, s->bytes, sizeof other);
    if (s->n && other.seq == h->seq && !t->forged)
        need(s->n == a->n &&
             memcmp(s->bytes, a->bytes, offsetof(struct px_gradient_head, tag)) == 0 &&
             memcmp(s->bytes + PX_GRADIENT_HEAD, a->bytes + PX_GRADIENT_HEAD,
                    a->n - PX_GRADIENT_HEAD) == 0);
    s->n = a->n;
    memcpy(s->bytes, a->bytes, a->n);
}

static void keep(struct said *s, const struct pxi_slots_answer *a)
{
    need(a->n <= BYTES);
    s->n = a->n;
    memcpy(s->bytes, a->bytes, a->n);
}

/* An answer of a leaf. */
static void answered(struct tree *t, unsigned leaf, unsigned sender, enum pxi_slots_to to,
                     const struct pxi_slots_answer *a)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values, v = px_view_of(a->bytes, a->n);
    if (to == PXI_SLOTS_NOBODY)
        return;
    if (to == PXI_SLOTS_ABOVE) {
        need(pxi_gradient_read_partial(v, &h, &values, &why) && h.worker == leaf);
        need(h.where >> 32 < (leaf ? 1 << (WORKERS - FIRST) : 1 << FIRST));
        keep(&t->up[leaf][t->ups[leaf]++ % KEPT], a);
        return;
    }
    need(pxi_gradient_read(v, &h, &values, &why) && h.kind != PX_GRADIENT_CONTRIBUTION);
    need(t->forged || h.kind != PX_GRADIENT_RESULT || h.where < 1u << WORKERS);
    compare(t, &h, a);
    for (unsigned i = leaf ? FIRST : 0; i < (leaf ? WORKERS : FIRST); i++)
        if (to == PXI_SLOTS_ALL || i == sender)
            hear(t, i, &h);
}

/* ---------------------------------------------------------------- packets */

static void change(struct tree *t, struct px_gradient_head *h, struct in *in)
{
    unsigned what = byte(in);
    t->forged |= what > 0 && what < 10;
    switch (what) {
    case 1: h->next = (int8_t)byte(in); break;
    case 2: h->exponent = (int8_t)byte(in); break;
    case 3: h->where = byte(in) % (CHUNKS + 2); break;
    case 4: h->where ^= (uint64_t)byte(in) << 32; break;
    case 5: h->seq += SLOTS * (uint32_t)(int8_t)byte(in); break;
    case 6: h->slot = (uint16_t)byte(in); break;
    case 7: h->flags = (uint8_t)byte(in); break;
    case 8: h->worker = (uint8_t)byte(in); break;
    case 9: h->kind = (uint8_t)byte(in); break;
    default: break;
    }
}

static void work(struct tree *t, struct in *in)
{
    uint8_t f[BYTES] = {0};
    unsigned worker = byte(in) % WORKERS, slot = byte(in) % SLOTS, leaf = worker >= FIRST;
    uint32_t seq = t->next[worker][slot];
    int8_t exponent = t->agreed[worker][slot];
    struct px_gradient_head h = {.kind = PX_GRADIENT_CONTRIBUTION,
                                 .job = 7,
                                 .epoch = 1,
                                 .worker = (uint8_t)worker,
                                 .slot = (uint16_t)slot,
                                 .format = t->format,
                                 .flags = seq / SLOTS & 1,
                                 .seq = seq,
                                 .count = seq < SLOTS || exponent == -127 ? 0 : VALUES,
                                 .exponent = seq < SLOTS ? 0 : exponent,
                                 .next = (int8_t)(worker + seq % 3),
                                 .where = seq < SLOTS ? UINT32_MAX : seq % CHUNKS};
    px_view values;
    enum px_gradient_drop why;
    struct pxi_slots_answer a;
    change(t, &h, in);
    size_t n = PX_GRADIENT_HEAD + pxi_gradient_bytes(h.format, h.count);
    for (size_t i = PX_GRADIENT_HEAD; i < n; i++)
        f[i] =
            (uint8_t)(seq * 7 + worker + i) & (h.format == PX_GRADIENT_I16 && i % 2 ? 0x1f : 0xff);
    pxi_gradient_write(&h, f);
    if (pxi_gradient_read(px_view_of(f, n), &h, &values, &why))
        answered(t, leaf, worker, pxi_slots_take(t->leaves[leaf], &h, values, t->now, &a), &a);
}

static void rise(struct tree *t, struct in *in)
{
    unsigned leaf = byte(in) % LEAVES;
    struct said s = t->up[leaf][byte(in) % KEPT];
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    struct pxi_slots_answer a;
    if (!s.n)
        return;
    memcpy(&h, s.bytes, sizeof h);
    change(t, &h, in);
    pxi_gradient_write(&h, s.bytes);
    if (!pxi_gradient_read_partial(px_view_of(s.bytes, s.n), &h, &values, &why) || h.worker != leaf)
        return;
    if (pxi_slots_take(t->above, &h, values, t->now, &a) == PXI_SLOTS_NOBODY)
        return;
    need(pxi_gradient_read(px_view_of(a.bytes, a.n), &h, &values, &why));
    keep(&t->down[t->downs++ % KEPT], &a);
}

static void fall(struct tree *t, struct in *in)
{
    unsigned leaf = byte(in) % LEAVES;
    struct said s = t->down[byte(in) % KEPT];
    struct px_gradient_head h;
    px_view values;
    enum px_gradient_drop why;
    struct pxi_slots_answer a;
    if (!s.n)
        return;
    memcpy(&h, s.bytes, sizeof h);
    change(t, &h, in);
    pxi_gradient_write(&h, s.bytes);
    if (pxi_gradient_read(px_view_of(s.bytes, s.n), &h, &values, &why))
        answered(t, leaf, WORKERS, pxi_slots_above(t->leaves[leaf], &h, values, &a), &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t steps[] = {1000, 3000000, 600000000, 3000000000};
    static struct tree t;
    struct in in = {data, size};
    memset(&t, 0, sizeof t);
    pxi_kernels_init(&t.kernels, PXI_CPU_SCALAR);
    t.now = 1000000000;
    unsigned first = byte(&in);
    t.format = (uint8_t)(first % PX_GRADIENT_I32);
    t.keep_missed = first >= 128;
    for (unsigned i = 0; i < WORKERS; i++)
        for (uint32_t s = 0; s < SLOTS; s++)
            t.next[i][s] = s;
    for (unsigned i = 0; i < LEAVES; i++)
        t.leaves[i] = open_slots(&t, i);
    t.above = open_slots(&t, LEAVES);
    while (t.leaves[0] && t.leaves[1] && t.above && in.n) {
        unsigned what = byte(&in) % 8;
        if (what == 0)
            t.now += steps[byte(&in) % 4];
        else if (what < 4)
            work(&t, &in);
        else if (what < 6)
            rise(&t, &in);
        else
            fall(&t, &in);
    }
    pxi_slots_free(t.leaves[0]);
    pxi_slots_free(t.leaves[1]);
    pxi_slots_free(t.above);
    return 0;
}
