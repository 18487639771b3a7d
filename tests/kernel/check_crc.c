/* checkkernel: CRCs, and token numbers to arrays, each beside its definition bit by bit. */
#include "check.h"

#include <stdio.h>
#include <string.h>

enum { LENGTHS = 3000, MOST = 70000 };

#define IS(c, member) ((c)->kernel->offset == offsetof(struct pxi_kernels, member))

static uint16_t crc16(uint16_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < 8 * n; i++) {
        unsigned bit = crc >> 15 ^ (p[i / 8] >> (7 - i % 8) & 1);
        crc = (uint16_t)(crc << 1 ^ (bit ? 0x1021 : 0));
    }
    return crc;
}

static uint16_t crc16_reflected(uint16_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < 8 * n; i++) {
        unsigned bit = (crc ^ p[i / 8] >> i % 8) & 1;
        crc = (uint16_t)(crc >> 1 ^ (bit ? 0x8408 : 0));
    }
    return crc;
}

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < 8 * n; i++) {
        uint32_t bit = (crc ^ (uint32_t)p[i / 8] >> i % 8) & 1;
        crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static uint32_t defined(const struct check *c, uint32_t crc, const uint8_t *p, size_t n)
{
    return IS(c, crc32c)            ? crc32c(crc, p, n)
           : IS(c, crc16_reflected) ? crc16_reflected((uint16_t)crc, p, n)
                                    : crc16((uint16_t)crc, p, n);
}

static uint32_t computed(const struct check *c, uint32_t crc, const uint8_t *p, size_t n)
{
    return IS(c, crc32c)            ? c->cand->crc32c(crc, p, n)
           : IS(c, crc16_reflected) ? c->cand->crc16_reflected((uint16_t)crc, p, n)
                                    : c->cand->crc16((uint16_t)crc, p, n);
}

static void same(struct check *c, uint32_t ref, uint32_t cand)
{
    struct output out = output_at(c, 0, sizeof ref, (struct place){SIDE_MIDDLE, 0});
    memcpy(out.ref, &ref, sizeof ref);
    memcpy(out.cand, &cand, sizeof cand);
    check_outputs(c, &out, 1);
}

/* The values that catalogues give for "123456789". */
static void known(struct check *c)
{
    static const struct {
        size_t kernel;
        uint32_t first, last, value; /* last: what the result is inverted with */
    } rows[] = {
        {offsetof(struct pxi_kernels, crc16), 0xffff, 0, 0x29b1},
        {offsetof(struct pxi_kernels, crc16), 0, 0, 0x31c3},
        {offsetof(struct pxi_kernels, crc16), 0x1d0f, 0, 0xe5cc},
        {offsetof(struct pxi_kernels, crc16_reflected), 0, 0, 0x2189},
        {offsetof(struct pxi_kernels, crc16_reflected), 0xffff, 0xffff, 0x906e},
        {offsetof(struct pxi_kernels, crc32c), 0, 0, 0xe3069283},
    };
    const uint8_t digits[] = "123456789";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].kernel != c->kernel->offset)
            continue;
        check_case(c, "known answer %08x", rows[i].value);
        same(c, rows[i].value, computed(c, rows[i].first, digits, 9) ^ rows[i].last);
        same(c, rows[i].value, defined(c, rows[i].first, digits, 9) ^ rows[i].last);
    }
}

/* Bytes of any kind; seldom all zero or all ones. */
static const uint8_t *some_bytes(struct check *c, size_t n, struct place at)
{
    uint8_t *p = input_at(0, n, at);
    uint64_t kind = pxi_rng_below(&c->rng, 16);
    if (kind > 1)
        fill_bytes(&c->rng, p, n);
    else
        memset(p, kind ? 0xff : 0, n);
    return p;
}

static uint32_t first_crc(struct check *c)
{
    static const uint32_t some[] = {0, 0xffff, 0x1d0f, 1, 0x80000000, 0xffffffff};
    uint64_t i = pxi_rng_below(&c->rng, 12);
    uint32_t crc = i < 6 ? some[i] : (uint32_t)pxi_rng_u64(&c->rng);
    return IS(c, crc32c) ? crc : crc & 0xffff;
}

static void one_crc(struct check *c, size_t n, struct place at)
{
    uint32_t crc = first_crc(c);
    check_case(c, "n %zu, side %d, shift %zu, crc %08x", n, at.side, at.shift, crc);
    const uint8_t *p = some_bytes(c, n, at);
    same(c, defined(c, crc, p, n), computed(c, crc, p, n));
}

/* Two pieces give what the whole does. */
static void one_split(struct check *c, size_t n, struct place at)
{
    uint32_t crc = first_crc(c);
    size_t cut = pxi_rng_below(&c->rng, n + 1);
    check_case(c, "n %zu cut at %zu, crc %08x", n, cut, crc);
    const uint8_t *p = some_bytes(c, n, at);
    same(c, computed(c, crc, p, n), computed(c, computed(c, crc, p, cut), p + cut, n - cut));
}

static struct place anywhere(struct check *c)
{
    return (struct place){(enum side)pxi_rng_below(&c->rng, SIDES), pxi_rng_below(&c->rng, 64)};
}

void check_crc(struct check *c)
{
    known(c);
    for (size_t n = 0; n <= LENGTHS; n++) {
        one_crc(c, n, (struct place){SIDE_END, 0});
        one_crc(c, n, (struct place){SIDE_START, 0});
        one_crc(c, n, (struct place){SIDE_MIDDLE, pxi_rng_below(&c->rng, 64)});
    }
    for (int i = 0; i < 64; i++)
        one_crc(c, pxi_rng_below(&c->rng, MOST), anywhere(c));
    for (int i = 0; i < 500; i++)
        one_split(c, pxi_rng_below(&c->rng, i % 50 ? LENGTHS : MOST), anywhere(c));
}

/* What a kernel of tokens reads and writes for one. */
struct layout {
    size_t read, write;
    bool big, crc, twice;
};

static struct layout layout_of(const struct check *c)
{
    const char *name = c->kernel->name;
    struct layout l = {.read = strncmp(name, "u16", 3) ? 4 : 2};
    l.write = strstr(name, "_i64") ? 8 : 4;
    l.big = strstr(name, "be32") != NULL;
    l.crc = !strncmp(name, "crc16", 5);
    l.twice = strstr(name, "x2") != NULL;
    return l;
}

static int64_t token_at(const uint8_t *p, const struct layout *l)
{
    if (l->read == 2)
        return p[0] | p[1] << 8;
    uint32_t v = l->big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
                        : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    return (int32_t)v;
}

static uint16_t call_tokens(const struct check *c, uint16_t crc, void *dst, void *more,
                            const void *src, size_t n)
{
    const struct pxi_kernels *t = c->cand;
    if (IS(c, crc16_be32_i32))
        return t->crc16_be32_i32(crc, dst, src, n);
    if (IS(c, crc16_be32_i64))
        return t->crc16_be32_i64(crc, dst, src, n);
    if (IS(c, crc16_be32_i64x2))
        return t->crc16_be32_i64x2(crc, dst, more, src, n);
    if (IS(c, be32_i32))
        t->be32_i32(dst, src, n);
    else if (IS(c, be32_i64))
        t->be32_i64(dst, src, n);
    else if (IS(c, u16_i32))
        t->u16_i32(dst, src, n);
    else if (IS(c, u16_i64))
        t->u16_i64(dst, src, n);
    else
        t->i32_i64(dst, src, n);
    return 0;
}

/* The source may begin at any byte, the arrays at any element. */
static void one_tokens(struct check *c, size_t n, struct place at)
{
    struct layout l = layout_of(c);
    uint16_t first = (uint16_t)first_crc(c);
    struct place to = anywhere(c);
    to.shift = to.shift / l.write * l.write;
    check_case(c, "n %zu from side %d, shift %zu to side %d, shift %zu, crc %04x", n, at.side,
               at.shift, to.side, to.shift, first);
    const uint8_t *src = some_bytes(c, l.read * n, at);
    struct output out[] = {output_at(c, 0, l.write * n, to),
                           output_at(c, 1, l.twice ? l.write * n : 0, to),
                           output_at(c, 2, 2, (struct place){SIDE_MIDDLE, 0})};
    for (size_t i = 0; i < n; i++) {
        int64_t v = token_at(src + l.read * i, &l);
        int32_t v32 = (int32_t)v;
        memcpy(out[0].ref + l.write * i, l.write == 8 ? (void *)&v : (void *)&v32, l.write);
        if (l.twice)
            memcpy(out[1].ref + l.write * i, &v, sizeof v);
    }
    uint16_t want = l.crc ? crc16(first, src, 4 * n) : 0;
    uint16_t got = call_tokens(c, first, out[0].cand, out[1].cand, src, n);
    memcpy(out[2].ref, &want, sizeof want);
    memcpy(out[2].cand, &got, sizeof got);
    check_outputs(c, out, 3);
}

void check_tokens(struct check *c)
{
    for (size_t n = 0; n <= LENGTHS / 4; n++) {
        one_tokens(c, n, (struct place){SIDE_END, 0});
        one_tokens(c, n, (struct place){SIDE_START, 0});
        one_tokens(c, n, (struct place){SIDE_MIDDLE, pxi_rng_below(&c->rng, 64)});
    }
    for (int i = 0; i < 60; i++)
        one_tokens(c, pxi_rng_below(&c->rng, MOST / 4), anywhere(c));
}
