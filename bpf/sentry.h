/*
 * The arithmetic of the Sentry's rules that fit the kernel: unsigned, 64 bits, no roots, no signed
 * division, no memory of its own. bpf/reduce.bpf.c and src/reduce/sentry.c share it, so a packet
 * has the same verdict in both. docs/internals/reduce.md, section "Sentry", has the rules.
 *
 * Values are four lanes of 16 bits in a word, value i in lane i mod 4, offset by the bias of the
 * job. The bias is at most 8192 (fan-in >= 4), so two bits of a lane are free for comparisons.
 */
#ifndef PX_BPF_SENTRY_H
#define PX_BPF_SENTRY_H

#include <stdint.h>

#define PX_SENTRY_INLINE static inline __attribute__((always_inline, unused))

/* Compilers make branches of masks, and a verifier follows each of them. */
#ifdef __bpf__
#define PX_SENTRY_MASK(x) asm volatile("" : "+r"(x))
#else
#define PX_SENTRY_MASK(x) (void)(x)
#endif

enum px_sentry_rule { PX_SENTRY_NONE, PX_SENTRY_WELFORD, PX_SENTRY_CLIP1 };
enum px_sentry_verdict { PX_SENTRY_ACCEPT, PX_SENTRY_CLIP, PX_SENTRY_DROP };

enum {
    PX_SENTRY_FAN_IN = 4,     /* the least */
    PX_SENTRY_K_WELFORD = 14, /* k in quarters, when nothing else is asked for */
    PX_SENTRY_K_CLIP1 = 12,
    PX_SENTRY_K_MAX = 63,
    PX_SENTRY_CELLS = 32,       /* parts of a shard with statistics of their own: about a layer */
    PX_SENTRY_SCALE_FLOOR = 64, /* a quarter of a unit */
    PX_SENTRY_LOUD = 4,         /* a packet is loud beyond this many times k x scale */
    PX_SENTRY_VERDICT = 16, /* what a verdict adds to a worker's score; a clean packet takes 1 */
    PX_SENTRY_QUARANTINE = 256, /* score at which a worker is not added any more, until it is 0 */
    PX_SENTRY_SCORE_MAX = 4096,
    PX_SENTRY_MEMORY = 64,       /* packets that the mean and variance of welford remember */
    PX_SENTRY_WARM = 8,          /* packets of a worker in a cell before its own statistics judge */
    PX_SENTRY_WARM_STEP = 32,    /* what one packet moves the level that judges until then by */
    PX_SENTRY_WARM_RANGE = 1024, /* and how far from it a packet may lie: 4 times the norm */
    PX_SENTRY_NORM_FLOOR = 16, /* least deviation of a norm, 1/16 of a power of two of its square */
    PX_SENTRY_SIDE_FLOOR = 512, /* least deviation of a mean, of 65536 */
};

/* What is known of a worker. */
struct px_sentry_worker {
    uint32_t score, quarantined;
    uint64_t judged, clipped, dropped, verdicts; /* packets */
};

/* clip1: what is known of a chunk, beside the lanes of its last aggregate. */
struct px_sentry_chunk {
    uint32_t scale; /* in 1/256 of a unit of the exponent */
    int8_t exponent;
    uint8_t known, warm, unused; /* has an aggregate; the scale has been above the median once */
};

/* What is known of a slot while it is open, beside the lanes of its reference. */
struct px_sentry_slot {
    uint32_t scale; /* of the chunk, in 1/256 of a unit of the slot's exponent */
    uint8_t warm, unused[3];
    uint64_t judged, over, loud, said; /* bit sets of workers; over: beyond the scale */
    uint64_t next[8]; /* a byte a worker: the exponent that it says, offset by 128 */
};

/* welford: a worker's statistics of a cell: [0] logarithm of the mean square, [1] mean. */
struct px_sentry_cell {
    uint32_t n, unused;
    uint64_t mean[2], var[2]; /* in 1/256, and in 1/65536 */
};

/* welford: what all workers together say of a cell; judges a worker that is new. */
struct px_sentry_level {
    uint32_t norm, known;
};

/* ------------------------------------------------------------------ lanes */

#define PX_SENTRY_ONES UINT64_C(0x0001000100010001)
#define PX_SENTRY_TOPS UINT64_C(0x8000800080008000)
#define PX_SENTRY_MIDS UINT64_C(0x4000400040004000)

/* All ones in the lanes whose top bit is set. */
PX_SENTRY_INLINE uint64_t px_sentry_spread(uint64_t x)
{
    return ((x & PX_SENTRY_TOPS) >> 15) * 0xffff;
}

/* Lane by lane the larger, and the smaller; both below 2^15. */
PX_SENTRY_INLINE uint64_t px_sentry_max(uint64_t a, uint64_t b)
{
    uint64_t m = px_sentry_spread((a | PX_SENTRY_TOPS) - b);
    return (a & m) | (b & ~m);
}

PX_SENTRY_INLINE uint64_t px_sentry_min(uint64_t a, uint64_t b)
{
    uint64_t m = px_sentry_spread((b | PX_SENTRY_TOPS) - a);
    return (a & m) | (b & ~m);
}

/* Not 0 when a lane is 2 x bias or more: no honest worker sends that. */
PX_SENTRY_INLINE uint64_t px_sentry_outside(uint64_t v, uint32_t bias)
{
    uint64_t low = (v & ~PX_SENTRY_TOPS) + (0x8000 - 2 * (uint64_t)bias) * PX_SENTRY_ONES;
    return (v | low) & PX_SENTRY_TOPS;
}

/* The square of a difference of lanes that has 2^14 added. */
PX_SENTRY_INLINE uint64_t px_sentry_square(uint64_t lane)
{
    uint64_t d = (lane & 0xffff) - 0x4000;
    return d * d;
}

/* The sum of the squares of what four lanes lie from the reference. */
PX_SENTRY_INLINE uint64_t px_sentry_far(uint64_t v, uint64_t ref)
{
    uint64_t d = v + PX_SENTRY_MIDS - ref;
    return px_sentry_square(d) + px_sentry_square(d >> 16) + px_sentry_square(d >> 32) +
           px_sentry_square(d >> 48);
}

/* Four lanes clamped to the reference +- reach, which is below 2^14. Most need no clamping. */
PX_SENTRY_INLINE uint64_t px_sentry_clamp(uint64_t v, uint64_t ref, uint64_t reach)
{
    uint64_t d = v + PX_SENTRY_MIDS - ref, by = reach * PX_SENTRY_ONES;
    uint64_t low = PX_SENTRY_MIDS - by, high = PX_SENTRY_MIDS + by;
    uint64_t within = ((d | PX_SENTRY_TOPS) - low) & ((high | PX_SENTRY_TOPS) - d);
    if ((within & PX_SENTRY_TOPS) == PX_SENTRY_TOPS)
        return v;
    d = px_sentry_min(px_sentry_max(d, low), high);
    return d + ref - PX_SENTRY_MIDS;
}

/* ------------------------------------------------------------------ clip1 */

/* Four lanes, without their bias, towards minus infinity by so many bits; 15 is all. */
PX_SENTRY_INLINE uint64_t px_sentry_down(uint64_t v, uint32_t bias, unsigned by)
{
    uint64_t u = v + (0x4000 - (uint64_t)bias) * PX_SENTRY_ONES;
    u = u >> by & (UINT64_C(0xffff) >> by) * PX_SENTRY_ONES;
    return u + bias * PX_SENTRY_ONES - (UINT64_C(0x4000) >> by) * PX_SENTRY_ONES;
}

/* A lane times 2^by, within what a lane can be; by is at most 15. */
PX_SENTRY_INLINE uint64_t px_sentry_up(uint64_t lane, uint32_t bias, unsigned by)
{
    uint64_t d = (lane & 0xffff) - bias, minus = d >> 63, most = bias - 1 + minus;
    uint64_t size = ((d ^ -minus) + minus) << by;
    uint64_t more = -((most - size) >> 63);
    PX_SENTRY_MASK(more);
    size = (size & ~more) | (most & more);
    return bias + ((size ^ -minus) + minus);
}

/* By how many bits the last aggregate moves to another exponent: down, or up when it is below 0.
 * Of a chunk of which nothing is known all of it goes. */
PX_SENTRY_INLINE int px_sentry_moves(const struct px_sentry_chunk *c, int exponent)
{
    int by = exponent - c->exponent;
    return !c->known || by > 15 ? 15 : by < -15 ? -15 : by;
}

PX_SENTRY_INLINE uint64_t px_sentry_up_all(uint64_t v, uint32_t bias, unsigned by)
{
    return px_sentry_up(v, bias, by) | px_sentry_up(v >> 16, bias, by) << 16 |
           px_sentry_up(v >> 32, bias, by) << 32 | px_sentry_up(v >> 48, bias, by) << 48;
}

/* The reference of four lanes: the last aggregate with the slot's exponent, or zeros. */
PX_SENTRY_INLINE uint64_t px_sentry_reference(uint64_t centre, uint32_t bias, int by)
{
    return by < 0 ? px_sentry_up_all(centre, bias, (unsigned)-by)
                  : px_sentry_down(centre, bias, (unsigned)by);
}

/* The mean of four lanes that `n` workers were added to; `share` is px_sentry_share(n). */
PX_SENTRY_INLINE uint64_t px_sentry_share(uint64_t n)
{
    return n ? 65535 / n + 1 : 0;
}

PX_SENTRY_INLINE uint64_t px_sentry_mean(uint64_t sum, uint64_t share)
{
    return ((sum & 0xffff) * share >> 16) | ((sum >> 16 & 0xffff) * share >> 16) << 16 |
           ((sum >> 32 & 0xffff) * share >> 16) << 32 | ((sum >> 48) * share >> 16) << 48;
}

PX_SENTRY_INLINE uint64_t px_sentry_bounded(uint64_t scale, unsigned bits)
{
    uint64_t most = UINT64_C(256) << bits;
    return scale < PX_SENTRY_SCALE_FLOOR ? PX_SENTRY_SCALE_FLOOR : scale > most ? most : scale;
}

/* Before a slot begins, with values or without. */
PX_SENTRY_INLINE void px_sentry_clear(struct px_sentry_slot *s)
{
    s->scale = s->warm = 0;
    s->judged = s->over = s->loud = s->said = 0;
    for (unsigned i = 0; i < 8; i++)
        s->next[i] = 0;
}

/* A slot begins. A value of 2^exponent has 2^bits units. Of a chunk of which nothing is known the
 * reference is 0 and the scale 1/64 of that: it then grows with what most workers send. */
PX_SENTRY_INLINE void px_sentry_begin(struct px_sentry_slot *s, const struct px_sentry_chunk *c,
                                      int exponent, unsigned bits)
{
    uint64_t scale = UINT64_C(4) << bits;
    int by = c->exponent - exponent;
    if (c->known)
        scale = by >= 0 ? (uint64_t)c->scale << (by > 24 ? 24 : by)
                        : (uint64_t)c->scale >> (-by > 31 ? 31 : -by);
    s->scale = (uint32_t)px_sentry_bounded(scale, bits);
    s->warm = c->known && c->warm;
}

/* How far from the reference a value may lie, in units; k in quarters. */
PX_SENTRY_INLINE uint64_t px_sentry_reach(const struct px_sentry_slot *s, unsigned k)
{
    uint64_t reach = (uint64_t)s->scale * k >> 10;
    return reach < 1 ? 1 : reach > 0x3fff ? 0x3fff : reach;
}

/* Note what a worker's packet says: `far` is the sum over its words, k in quarters. */
PX_SENTRY_INLINE void px_sentry_note(struct px_sentry_slot *s, uint64_t bit, uint64_t far,
                                     uint64_t count, unsigned k)
{
    uint64_t bound = (uint64_t)s->scale * s->scale * count; /* below 2^55 */
    uint64_t loud = (uint64_t)k * PX_SENTRY_LOUD;
    s->judged |= bit;
    if (far << 16 > bound)
        s->over |= bit;
    /* far > (loud / 4)^2 scale^2 count, without more than 64 bits */
    if (far << 4 > (bound >> 16) * (loud * loud))
        s->loud |= bit;
}

/* The number of workers without which nothing is learned. */
PX_SENTRY_INLINE unsigned px_sentry_enough(unsigned members)
{
    return members / 2 + 1 < 3 ? 3 : members / 2 + 1;
}

/*
 * A slot is finished by enough workers: the scale moves an eighth towards the median of how far
 * their packets lie from the reference. Who is fewer than half can shift that within what the
 * others send, and no further.
 */
PX_SENTRY_INLINE void px_sentry_learn(struct px_sentry_chunk *c, const struct px_sentry_slot *s,
                                      unsigned judged, unsigned over, int exponent, unsigned bits)
{
    uint64_t scale = s->scale;
    uint8_t warm = s->warm;
    if (2 * over > judged) {
        scale += (scale >> 3) + 1;
    } else {
        scale -= scale >> 3;
        warm = 1;
    }
    c->scale = (uint32_t)px_sentry_bounded(scale, bits);
    c->exponent = (int8_t)exponent;
    c->known = 1;
    c->warm = warm;
}

/* ---------------------------------------------------------------- workers */

/* A verdict against a worker, or a packet without one. */
PX_SENTRY_INLINE void px_sentry_count(struct px_sentry_worker *w, int verdict)
{
    if (verdict) {
        w->verdicts++;
        w->score = w->score + PX_SENTRY_VERDICT > PX_SENTRY_SCORE_MAX
                       ? PX_SENTRY_SCORE_MAX
                       : w->score + PX_SENTRY_VERDICT;
        if (w->score >= PX_SENTRY_QUARANTINE)
            w->quarantined = 1;
        return;
    }
    if (w->score)
        w->score--;
    if (!w->score)
        w->quarantined = 0;
}

/* Loud packets are verdicts unless so many are loud that the world has changed: a quarter. */
PX_SENTRY_INLINE int px_sentry_stands(unsigned loud, unsigned judged)
{
    return 4 * loud <= judged;
}

/* Note what a worker says of the next exponent. */
PX_SENTRY_INLINE void px_sentry_say(struct px_sentry_slot *s, unsigned worker, int exponent)
{
    s->said |= UINT64_C(1) << (worker & 63);
    ((uint8_t *)s->next)[worker & 63] = (uint8_t)(exponent + 128);
}

/* How many bytes of a word are `least` or more; least is above 0. No branches: a verifier follows
 * each of them. */
PX_SENTRY_INLINE uint64_t px_sentry_bytes(uint64_t w, uint64_t least)
{
    const uint64_t bytes = UINT64_C(0x00ff00ff00ff00ff), bound = least * PX_SENTRY_ONES;
    uint64_t even = ((w & bytes) | PX_SENTRY_TOPS) - bound;
    uint64_t odd = ((w >> 8 & bytes) | PX_SENTRY_TOPS) - bound;
    uint64_t counts = (even >> 15 & PX_SENTRY_ONES) + (odd >> 15 & PX_SENTRY_ONES);
    return counts * PX_SENTRY_ONES >> 48;
}

/*
 * The exponent for the next chunk: without the largest quarter of what `n` workers say, so that
 * fewer than that cannot take the bits from all others.
 */
PX_SENTRY_INLINE int px_sentry_exponent(const uint64_t next[8], uint64_t n)
{
    uint64_t rank = n / 4 + 1, best = 0;
    for (unsigned bit = 8; bit-- > 0;) {
        uint64_t count = 0, with = best | UINT64_C(1) << bit;
        for (unsigned i = 0; i < 8; i++)
            count += px_sentry_bytes(next[i], with);
        best |= (((count - rank) >> 63) ^ 1) << bit;
    }
    return (int)best - 128;
}

/* ---------------------------------------------------------------- welford */

/* 256 log2(x), straight between powers of two; x > 0. */
PX_SENTRY_INLINE uint64_t px_sentry_log2(uint64_t x)
{
    uint64_t e = 0, y = x;
    for (unsigned by = 32; by; by >>= 1) {
        uint64_t more = (uint64_t)(y >> by != 0) * by;
        y >>= more;
        e += more;
    }
    return e * 256 + ((e >= 8 ? x >> (e - 8) : x << (8 - e)) & 255);
}

/* What is judged of a packet: sums of its lanes and of the squares of its values, 1536 at most. */
struct px_sentry_packet {
    uint64_t sum, squares;
    uint64_t x[2];
};

PX_SENTRY_INLINE void px_sentry_sum(struct px_sentry_packet *p, uint64_t v, uint32_t bias)
{
    uint64_t d = v + (0x4000 - (uint64_t)bias) * PX_SENTRY_ONES;
    p->sum += (v & 0xffff) + (v >> 16 & 0xffff) + (v >> 32 & 0xffff) + (v >> 48);
    p->squares += px_sentry_square(d) + px_sentry_square(d >> 16) + px_sentry_square(d >> 32) +
                  px_sentry_square(d >> 48);
}

/* Of any exponent: the logarithm of the mean square, and which part of it is the mean, signed. */
PX_SENTRY_INLINE void px_sentry_measure(struct px_sentry_packet *p, uint64_t count, uint32_t bias,
                                        int exponent)
{
    uint64_t zero = count * bias, sum = p->sum < zero ? zero - p->sum : p->sum - zero, side;
    uint64_t mean = count ? (sum << 8) / count : 0; /* below 2^22 */
    uint64_t square = count ? (p->squares << 16) / count : 0;
    side = square ? mean * mean / ((square >> 16) + 1) : 0;
    side = side > 65535 ? 65535 : side;
    p->x[0] = px_sentry_log2(square + 1) + 512 * (uint64_t)(exponent + 128);
    p->x[1] = p->sum < zero ? 65536 - side : 65536 + side;
}

PX_SENTRY_INLINE uint64_t px_sentry_apart(uint64_t a, uint64_t b)
{
    return a < b ? b - a : a - b;
}

/* Beyond k deviations; k in quarters. The deviation has a floor. */
PX_SENTRY_INLINE int px_sentry_beyond(const struct px_sentry_cell *c, unsigned which, uint64_t x,
                                      unsigned k, uint64_t floor)
{
    uint64_t d = px_sentry_apart(x << 8, c->mean[which]); /* below 2^26 */
    uint64_t least = (floor << 8) * (floor << 8);
    uint64_t var = c->var[which] < least ? least : c->var[which];
    return 16 * d * d > var * ((uint64_t)k * k);
}

PX_SENTRY_INLINE void px_sentry_take(struct px_sentry_cell *c, unsigned which, uint64_t x,
                                     uint64_t n)
{
    uint64_t d = px_sentry_apart(x << 8, c->mean[which]);
    c->mean[which] = x << 8 < c->mean[which] ? c->mean[which] - d / n : c->mean[which] + d / n;
    c->var[which] = (c->var[which] * (n - 1) + d * d / n * (n - 1)) / n;
}

/* The first packet of a cell: the level is that of values of an eighth of 2^exponent. */
PX_SENTRY_INLINE void px_sentry_level(struct px_sentry_level *l, int exponent, unsigned bits)
{
    if (!l->known)
        l->norm = 256 * (2 * bits + 10) + 512 * (uint32_t)(exponent + 128);
    l->known = 1;
}

/* What welford says of a packet. */
enum px_sentry_place {
    PX_SENTRY_WITHIN,
    PX_SENTRY_BEYOND, /* of its own past: a verdict */
    PX_SENTRY_EARLY,  /* of the level: dropped, but nothing is known of the worker yet */
};

/*
 * Judge by a worker's own past; only what is accepted becomes part of it. A worker that has none is
 * judged by the level of all workers, which any packet moves by one step: it follows the median.
 */
PX_SENTRY_INLINE enum px_sentry_place px_sentry_judge(struct px_sentry_cell *c,
                                                      struct px_sentry_level *l,
                                                      const struct px_sentry_packet *p, unsigned k)
{
    uint64_t n = (uint64_t)c->n + 1;
    int early = c->n < PX_SENTRY_WARM, beyond;
    if (early)
        beyond = px_sentry_apart(p->x[0], l->norm) > PX_SENTRY_WARM_RANGE;
    else
        beyond = px_sentry_beyond(c, 0, p->x[0], k, PX_SENTRY_NORM_FLOOR) ||
                 px_sentry_beyond(c, 1, p->x[1], k, PX_SENTRY_SIDE_FLOOR);
    l->norm += p->x[0] > l->norm ? PX_SENTRY_WARM_STEP : (uint32_t)-PX_SENTRY_WARM_STEP;
    if (beyond)
        return early ? PX_SENTRY_EARLY : PX_SENTRY_BEYOND;
    n = n > PX_SENTRY_MEMORY ? PX_SENTRY_MEMORY : n;
    px_sentry_take(c, 0, p->x[0], n);
    px_sentry_take(c, 1, p->x[1], n);
    c->n = (uint32_t)n;
    return PX_SENTRY_WITHIN;
}

/* By how many bits a packet is shifted to lie below mean + k deviations, if clipping is enough:
 * 0 when its norm is not what is wrong with it. */
PX_SENTRY_INLINE unsigned px_sentry_shift(const struct px_sentry_cell *c,
                                          const struct px_sentry_packet *p)
{
    uint64_t mean = c->mean[0] >> 8;
    if (c->n < PX_SENTRY_WARM || p->x[0] <= mean)
        return 0;
    uint64_t by = (p->x[0] - mean + 511) / 512;
    return by > 14 ? 14 : (unsigned)by;
}

#endif
