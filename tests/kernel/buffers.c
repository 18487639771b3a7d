/* Guarded buffers, canaries and the values that fill them. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 65536, CANARY = 256 }; /* 64 KiB: the largest page of any supported kernel */

static uint8_t *slot_of(unsigned i)
{
    static uint8_t *slots[16];
    if (!slots[i]) {
        uint8_t *m =
            mmap(NULL, SLOT_BYTES + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m == MAP_FAILED || mprotect(m + PAGE, SLOT_BYTES, PROT_READ | PROT_WRITE) != 0) {
            fprintf(stderr, "checkkernel: cannot map a guarded buffer\n");
            _Exit(3);
        }
        slots[i] = m + PAGE;
    }
    return slots[i];
}

static uint8_t *place(uint8_t *slot, size_t bytes, struct place at)
{
    if (bytes + 4 * CANARY > SLOT_BYTES) {
        fprintf(stderr, "checkkernel: a case needs %zu bytes, more than a slot\n", bytes);
        _Exit(3);
    }
    if (at.side == SIDE_START)
        return slot;
    if (at.side == SIDE_END)
        return slot + SLOT_BYTES - bytes;
    return slot + 2 * CANARY + at.shift % 64;
}

void *input_at(unsigned i, size_t bytes, struct place at)
{
    return place(slot_of(i), bytes, at);
}

static size_t before(const uint8_t *slot, const uint8_t *p)
{
    size_t n = (size_t)(p - slot);
    return n < CANARY ? n : CANARY;
}

static size_t window(const uint8_t *slot, const uint8_t *p, size_t bytes)
{
    size_t left = (size_t)(slot + SLOT_BYTES - p) - bytes;
    return before(slot, p) + bytes + (left < CANARY ? left : CANARY);
}

struct output output_at(struct check *c, unsigned i, size_t bytes, struct place at)
{
    uint8_t *a = slot_of(8 + 2 * i), *b = slot_of(9 + 2 * i);
    struct output o = {place(a, bytes, at), place(b, bytes, at), bytes};
    size_t lead = before(a, o.ref), n = window(a, o.ref, bytes);
    fill_bytes(&c->rng, o.ref - lead, n);
    memcpy(o.cand - lead, o.ref - lead, n);
    return o;
}

static void complain(struct check *c, const struct output *o, size_t lead, size_t n)
{
    const uint8_t *r = o->ref - lead, *d = o->cand - lead;
    size_t i = 0;
    while (i < n && r[i] == d[i])
        i++;
    uint32_t want = 0, got = 0;
    size_t at = i - i % 4;
    memcpy(&want, r + at, n - at < 4 ? n - at : 4);
    memcpy(&got, d + at, n - at < 4 ? n - at : 4);
    fprintf(stderr, "FAIL %s %s: %s: %s at byte %ld of %zu: %08x, scalar has %08x\n",
            c->kernel->name, c->isa, c->tally->what,
            i < lead || i >= lead + o->bytes ? "wrote outside" : "differs", (long)i - (long)lead,
            o->bytes, got, want);
}

void check_outputs(struct check *c, const struct output *out, unsigned count)
{
    bool same = true;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *slot = slot_of(8 + 2 * i);
        size_t lead = before(slot, out[i].ref), n = window(slot, out[i].ref, out[i].bytes);
        if (memcmp(out[i].ref - lead, out[i].cand - lead, n) == 0)
            continue;
        if (same && c->tally->failures < 5)
            complain(c, &out[i], lead, n);
        same = false;
    }
    c->tally->checks++;
    c->tally->failures += !same;
}

void fill_bytes(struct pxi_rng *r, void *p, size_t n)
{
    uint8_t *b = p;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = pxi_rng_u64(r);
        memcpy(b + i, &v, n - i < 8 ? n - i : 8);
    }
}

/* Magnitudes stay below 2^40, so that no sum of products overflows and makes a NaN. */
static float special(struct pxi_rng *r)
{
    static const float some[] = {
        0.0f,     1.0f,      0x1p-149f,      0x1.fffffcp-127f, 0x1p-126f, 0x1p-24f, 65504.0f,
        65520.0f, 0x1p40f,   0x1.fffffep39f, 0x1p-14f,         88.7f,     104.0f,   87.33f,
        127.0f,   0x1p-100f, 0.5f,           0x1.8p23f,        3.0f,      0x1p-133f};
    float f = some[pxi_rng_below(r, sizeof some / sizeof *some)];
    return pxi_rng_u64(r) & 1 ? -f : f;
}

static float wide(struct pxi_rng *r)
{
    int e = (int)pxi_rng_below(r, 180) - 140;
    return ldexpf(pxi_rng_f32(r) * 2 - 1, e);
}

void fill_f32(struct pxi_rng *r, float *x, size_t n, enum values kind)
{
    for (size_t i = 0; i < n; i++)
        x[i] = kind == VALUES_PLAIN  ? pxi_rng_f32(r) * 2 - 1
               : kind == VALUES_WIDE ? wide(r)
                                     : special(r);
}

static uint16_t finite_f16(struct pxi_rng *r)
{
    uint16_t h = (uint16_t)pxi_rng_u64(r);
    return (h & 0x7c00) == 0x7c00 ? h ^ 0x4000 : h;
}

void fill_f16(struct pxi_rng *r, uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = finite_f16(r);
}

/* Where the f16 scales of a block lie, 255 for none. */
static void set_scales(struct pxi_rng *r, uint32_t dtype, uint8_t *block)
{
    static const uint8_t at[PX_DTYPE_LIMIT][2] = {
        [PX_DTYPE_Q4_0] = {0, 0},     [PX_DTYPE_Q4_1] = {0, 2},   [PX_DTYPE_Q5_0] = {0, 0},
        [PX_DTYPE_Q5_1] = {0, 2},     [PX_DTYPE_Q8_0] = {0, 0},   [PX_DTYPE_Q2_K] = {80, 82},
        [PX_DTYPE_Q3_K] = {108, 108}, [PX_DTYPE_Q4_K] = {0, 2},   [PX_DTYPE_Q5_K] = {0, 2},
        [PX_DTYPE_Q6_K] = {208, 208}, [PX_DTYPE_IQ4_NL] = {0, 0},
    };
    if (dtype == PX_DTYPE_MXFP4) { /* a power of two, at most 2^40 */
        block[0] = (uint8_t)pxi_rng_below(r, 168);
        return;
    }
    for (int i = 0; i < 2; i++) {
        uint16_t h = finite_f16(r);
        memcpy(block + at[dtype][i], &h, 2);
    }
}

/* Codes: random, or all bits one, or all zero, so that the extreme integers meet. */
static void fill_block(struct pxi_rng *r, uint32_t dtype, uint8_t *block, size_t bytes)
{
    uint64_t kind = pxi_rng_below(r, 8);
    if (kind > 1)
        fill_bytes(r, block, bytes);
    else
        memset(block, kind ? 0xff : 0, bytes);
    set_scales(r, dtype, block);
    if (dtype == PX_DTYPE_Q8_0 && kind == 1)
        memset(block + 2, pxi_rng_u64(r) & 1 ? 0x80 : 0x7f, bytes - 2);
}

void fill_weights(struct pxi_rng *r, uint32_t dtype, void *row, size_t n)
{
    uint8_t *p = row;
    size_t bytes = px_dtype_block_bytes(dtype), count = n / px_dtype_block(dtype);
    enum values kind = (enum values)pxi_rng_below(r, VALUES_KINDS);
    for (size_t i = 0; i < count; i++) {
        float f;
        uint16_t h = finite_f16(r);
        fill_f32(r, &f, 1, kind);
        if (dtype == PX_DTYPE_F32)
            memcpy(p + 4 * i, &f, 4);
        else if (dtype == PX_DTYPE_F16)
            memcpy(p + 2 * i, &h, 2);
        else if (dtype == PX_DTYPE_BF16)
            memcpy(p + 2 * i, (uint8_t *)&f + 2, 2);
        else
            fill_block(r, dtype, p + bytes * i, bytes);
    }
}
