/*
 * A hostile crowd and a hostile clock against the aggregator of a shard. The first bytes choose the
 * format, the number of workers and the Sentry; then each byte is something that happens: a packet
 * that its worker could send now, with one field or another changed, a packet as it comes, time, a
 * deadline, members. Whatever comes, an answer is a packet, says no more than was added, and
 * counters add up.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reduce/slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOTS = 4, VALUES = 48, CHUNKS = 6, BYTES = PX_GRADIENT_HEAD + 4 * VALUES };

struct in {
    const uint8_t *p;
    size_t n;
};

struct crowd {
    struct pxi_kernels kernels;
    struct pxi_sentry *sentry;
    struct pxi_slots *slots;
    struct pxi_slots_options o;
    uint8_t frames[2 * SLOTS * 256] __attribute__((aligned(64)));
    uint64_t now, taken;
    uint32_t next[PX_GRADIENT_WORKERS][SLOTS]; /* what each sends next */
    int8_t agreed[SLOTS];
};

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

/* 0: nobody judges; 1 to 4: rules for packets; then those for vectors. */
static void choose_sentry(struct crowd *c, unsigned which)
{
    struct pxi_sentry_options s = {.format = c->o.format,
                                   .fan_in = c->o.fan_in,
                                   .values = VALUES,
                                   .slots = SLOTS,
                                   .chunks = CHUNKS,
                                   .liars = c->o.fan_in / 4u};
    which %= 5 + pxi_robust_rule_count;
    if (which == 0)
        return;
    if (which < 3)
        s.rule = PX_SENTRY_CLIP1;
    else if (which < 5)
        s.rule = PX_SENTRY_WELFORD;
    else
        s.robust = &pxi_robust_rules[which - 5];
    s.k = which == 2 ? 1 : 0;
    s.clip = which == 4;
    c->sentry = c->o.sentry = pxi_sentry_new(&s);
}

static bool start(struct crowd *c, struct in *in)
{
    static const uint8_t crowds[] = {4, 5, 7, 64, 1, 2, 3, 9};
    unsigned n = crowds[byte(in) % sizeof crowds];
    memset(c, 0, sizeof *c);
    pxi_kernels_init(&c->kernels, PXI_CPU_SCALAR);
    c->now = 1000000000;
    c->o = (struct pxi_slots_options){.job = 7,
                                      .epoch = 1,
                                      .format = (uint8_t)(byte(in) % PX_GRADIENT_I32),
                                      .slots = SLOTS,
                                      .values = VALUES,
                                      .fan_in = (uint8_t)n,
                                      .members = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1,
                                      .quorum = n / 2 + 1,
                                      .deadline_ns = 2000000000,
                                      .chunks = CHUNKS,
                                      .frames = c->frames,
                                      .kernels = &c->kernels};
    need(pxi_slots_stride(VALUES) <= 256);
    for (unsigned i = 0; i < n; i++)
        for (uint32_t s = 0; s < SLOTS; s++)
            c->next[i][s] = s;
    choose_sentry(c, byte(in));
    c->slots = pxi_slots_new(&c->o);
    return c->slots != NULL;
}

/* ---------------------------------------------------------------- answers */

static void heard(struct crowd *c, unsigned sender, enum pxi_slots_to to,
                  const struct px_gradient_head *h)
{
    unsigned slot = h->slot % SLOTS;
    if (to == PXI_SLOTS_ALL)
        c->agreed[slot] = h->next;
    for (unsigned i = 0; i < c->o.fan_in; i++)
        if ((to == PXI_SLOTS_ALL || i == sender) && c->next[i][slot] == h->seq)
            c->next[i][slot] += SLOTS;
}

static void give(struct crowd *c, const uint8_t *packet, size_t n)
{
    struct px_gradient_head h, said;
    struct pxi_slots_answer a;
    px_view values;
    enum px_gradient_drop why;
    if (!pxi_gradient_read(px_view_of(packet, n), &h, &values, &why))
        return;
    c->taken++;
    enum pxi_slots_to to = pxi_slots_take(c->slots, &h, values, c->now, &a);
    if (to == PXI_SLOTS_NOBODY)
        return;
    need(pxi_gradient_read(px_view_of(a.bytes, a.n), &said, &values, &why));
    need(said.kind != PX_GRADIENT_CONTRIBUTION && said.job == c->o.job && said.slot < SLOTS);
    if (said.kind == PX_GRADIENT_RESULT)
        need((unsigned)__builtin_popcountll(said.where) <= c->o.fan_in);
    if (said.kind == PX_GRADIENT_RESULT)
        heard(c, h.worker, to, &said);
}

/* ---------------------------------------------------------------- packets */

/* Near what all send, or a lie. */
static void fill(const struct crowd *c, const struct px_gradient_head *h, uint8_t *v, unsigned how)
{
    size_t n = pxi_gradient_bytes(h->format, h->count);
    uint32_t bias = pxi_gradient_bias(h->format, c->o.fan_in);
    for (size_t i = 0; i < n; i += 4) {
        uint32_t word = how < 128   ? bias + (uint32_t)(i % 16) + how % 8
                        : how < 192 ? 2 * bias - 1
                        : how < 224 ? 0
                                    : how * 0x01010101u;
        if (h->format == PX_GRADIENT_I16)
            word = (word & 0xffff) * 0x10001u;
        else if (h->format != PX_GRADIENT_I32)
            word = (word & 0xff) * 0x01010101u;
        memcpy(v + i, &word, 4);
    }
}

/* What a worker could send now; `change` says which field is another. */
static void send(struct crowd *c, struct in *in)
{
    uint8_t f[BYTES];
    unsigned worker = byte(in) % c->o.fan_in, slot = byte(in) % SLOTS, change = byte(in);
    uint32_t seq = c->next[worker][slot];
    struct px_gradient_head h = {.kind = PX_GRADIENT_CONTRIBUTION,
                                 .job = 7,
                                 .epoch = c->o.epoch,
                                 .worker = (uint8_t)worker,
                                 .slot = (uint16_t)slot,
                                 .format = c->o.format,
                                 .flags = seq / SLOTS & 1,
                                 .seq = seq,
                                 .count = seq < SLOTS ? 0 : VALUES,
                                 .exponent = seq < SLOTS ? 0 : c->agreed[slot],
                                 .next = -3,
                                 .where = seq < SLOTS ? UINT32_MAX : seq % CHUNKS};
    switch (change) {
    case 1: h.next = (int8_t)byte(in); break;
    case 2: h.exponent = (int8_t)byte(in); break;
    case 3: h.where = byte(in) % (CHUNKS + 2); break;
    case 4: h.where = UINT64_MAX - byte(in); break;
    case 5: h.count = (uint16_t)(byte(in) % 6 * 16); break;
    case 6: h.format = (uint8_t)(byte(in) % 4); break;
    case 7: h.seq += SLOTS * (uint32_t)(int8_t)byte(in); break;
    case 8: h.seq = UINT32_MAX - byte(in); break;
    case 9: h.slot = (uint16_t)byte(in); break;
    case 10: h.flags = (uint8_t)byte(in); break;
    case 11: h.worker = (uint8_t)byte(in); break;
    case 12: h.epoch = (uint16_t)byte(in); break;
    case 13: h.count = 0; break;
    case 14: h.flags |= PX_GRADIENT_SATURATED; break;
    default: break;
    }
    if (h.format == PX_GRADIENT_I32 && h.count > pxi_gradient_half(VALUES))
        h.count = (uint16_t)pxi_gradient_half(VALUES);
    size_t n = PX_GRADIENT_HEAD + pxi_gradient_bytes(h.format, h.count);
    if (n > sizeof f)
        return;
    pxi_gradient_write(&h, f);
    fill(c, &h, f + PX_GRADIENT_HEAD, change < 16 ? 0 : change);
    give(c, f, n);
}

static void raw(struct crowd *c, struct in *in)
{
    size_t n = byte(in);
    n = n < in->n ? n : in->n;
    give(c, in->p, n);
    in->p += n;
    in->n -= n;
}

static void happen(struct crowd *c, struct in *in)
{
    static const uint64_t steps[] = {0, 1000, 500000000, 3000000000};
    switch (byte(in) % 8) {
    case 0: raw(c, in); break;
    case 1: c->now += steps[byte(in) % 4]; break;
    case 2: pxi_slots_deadline(c->slots, steps[byte(in) % 4]); break;
    case 3: {
        uint64_t all = c->o.fan_in == 64 ? UINT64_MAX : (UINT64_C(1) << c->o.fan_in) - 1;
        uint64_t members = all & ~(UINT64_C(1) << byte(in) % 64);
        c->o.epoch = (uint16_t)(c->o.epoch + 1);
        pxi_slots_members(c->slots, c->o.epoch, members ? members : all, 0, c->o.quorum, 0);
        break;
    }
    case 4:
        if (c->sentry)
            pxi_sentry_pardon(c->sentry, byte(in) % PX_GRADIENT_WORKERS);
        break;
    default: send(c, in); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crowd c;
    struct in in = {data, size};
    if (start(&c, &in))
        while (in.n)
            happen(&c, &in);
    if (c.slots) {
        const struct pxi_slots_counts *k = pxi_slots_counts(c.slots);
        uint64_t drops = 0;
        for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++)
            drops += k->drops[i];
        need(k->packets == c.taken && k->added + drops <= k->packets && k->closed <= k->finished);
    }
    pxi_slots_free(c.slots);
    pxi_sentry_free(c.sentry);
    return 0;
}
