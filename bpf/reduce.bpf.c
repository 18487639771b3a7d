/*
 * The aggregator in the kernel: contributions in, sums out, before the stack sees them. It decides
 * as src/reduce/slots.c does, packet for packet (docs/internals/reduce.md), after it has proven who
 * sent it: address and keyed tag. What is not ours goes to the stack before a map is touched.
 *
 * One CPU owns a slot: workers choose their ports so that a slot's packets come to one queue. Where
 * that cannot be, `chosen.shared` makes a slot busy for others while one has it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/reduce.h"

#define INLINE static inline __attribute__((always_inline))
/* The loops over values: the verifier goes through each of these once, whoever calls it. */
#define ALONE __attribute__((noinline))

const volatile struct pxi_bpf_chosen chosen = {.lane_words = PXI_TAG_WORDS};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PXI_BPF_JOBS);
    __type(key, __u32);
    __type(value, struct pxi_bpf_job);
} jobs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PXI_BPF_MEMBERS);
    __type(key, __u32);
    __type(value, struct pxi_bpf_worker);
} workers SEC(".maps");

/* Value sizes and entries of these two, and entries of the one above, are set when it is loaded. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 2);
    __uint(key_size, 4);
    __uint(value_size, sizeof(struct pxi_bpf_version) + 8 * PXI_TAG_WORDS);
} slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, sizeof(struct pxi_bpf_kept) + 8 * PXI_TAG_WORDS);
} kept SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pxi_bpf_counts);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 16);
} done SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pxi_bpf_watch);
} watch SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 17);
} events SEC(".maps");

/* Bytes before the head of a packet of ours. */
#define BEFORE (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))

/* A packet on its way. */
struct work {
    struct xdp_md *ctx;
    struct pxi_bpf_counts *counts;
    struct pxi_bpf_job *job;
    struct pxi_bpf_version *v;
    __u32 version; /* where v lies in the map of slots */
    __u32 bytes;   /* of values */
    __u64 keep;    /* what is left of the lanes when values are added: 0 when it begins */
    __u32 outside; /* for the Sentry: a value is none of the format */
    __u32 summed;  /* its values are in the lanes already */
};

enum to { NOBODY, SENDER, ALL };

INLINE int is_judged(const struct pxi_bpf_job *j)
{
    return chosen.sentry && j->judged;
}

INLINE void *start_of(struct xdp_md *ctx)
{
    return (void *)(long)ctx->data;
}

INLINE struct iphdr *ip_of(const struct px_gradient_head *h)
{
    return (struct iphdr *)((char *)h - sizeof(struct udphdr) - sizeof(struct iphdr));
}

INLINE void *end_of(struct xdp_md *ctx)
{
    return (void *)(long)ctx->data_end;
}

/* Tell who looks; what of the packet is no head is told as it is. Nobody is woken. */
ALONE int tell(struct xdp_md *ctx, __u32 kind, __u32 detail, __u64 added)
{
    __u32 zero = 0;
    const struct pxi_bpf_watch *on = bpf_map_lookup_elem(&watch, &zero);
    const struct px_gradient_head *h = start_of(ctx) + BEFORE;
    struct pxi_bpf_event e = {.added = added, .kind = kind, .detail = detail};
    if (!on || !on->on || (void *)(h + 1) > end_of(ctx))
        return 0;
    e.at_ns = bpf_ktime_get_ns();
    e.source = ip_of(h)->saddr;
    e.job = h->job;
    e.seq = h->seq;
    e.shard = h->shard;
    e.worker = h->worker;
    if (!bpf_ringbuf_output(&events, &e, sizeof e, BPF_RB_NO_WAKEUP))
        return 0;
    struct pxi_bpf_counts *c = bpf_map_lookup_elem(&counts, &zero);
    if (c)
        c->untold++;
    return 0;
}

INLINE int dropped(struct work *w, enum px_gradient_drop why)
{
    w->counts->drops[why]++;
    tell(w->ctx, PXI_BPF_DROPPED, why, 0);
    return NOBODY;
}

INLINE __u32 bytes_of(__u8 format, __u32 count)
{
    return format == PX_GRADIENT_I16  ? 2 * count
           : format == PX_GRADIENT_I8 ? count
           : format == PX_GRADIENT_I4 ? count / 2
                                      : 4 * count;
}

INLINE __u32 result_bytes_of(__u8 format, __u32 count)
{
    return format == PX_GRADIENT_I4 ? count : bytes_of(format, count);
}

/* ---------------------------------------------------------------- admit */

/* The compiler forgets what it knows of it: it keeps pointers that move, instead of reckoning every
 * address anew, and bounds of which it thinks that everybody sees them. */
#define HELD(x) asm volatile("" : "+r"(x))

/* Whether a frame is one for the aggregator; reads no map. *bytes: of the datagram. */
INLINE int is_ours(struct xdp_md *ctx, __u32 *bytes)
{
    void *end = end_of(ctx);
    struct ethhdr *eth = start_of(ctx);
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);
    __u32 *magic = (void *)(udp + 1);
    if ((void *)(magic + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || *(__u8 *)ip != 0x45 ||
        ip->protocol != IPPROTO_UDP || udp->dest != chosen.port ||
        (ip->frag_off & bpf_htons(0x3fff)) || (chosen.address && ip->daddr != chosen.address))
        return 0;
    __u32 n = bpf_ntohs(udp->len), kind = *magic >> 24;
    HELD(n);
    n &= 0xffff; /* the verifier of Linux 6.1 knows nothing of swapped bytes */
    if (n < sizeof *udp + sizeof *magic || bpf_ntohs(ip->tot_len) != n + sizeof *ip ||
        (void *)udp + n > end)
        return 0;
    *bytes = n - sizeof *udp;
    /* Results are for a worker of this host. */
    return (__u16)*magic == PX_GRADIENT_MAGIC && kind != PX_GRADIENT_RESULT &&
           kind != PX_GRADIENT_LATE;
}

/* As pxi_gradient_read. */
INLINE int reads(struct work *w, const struct px_gradient_head *h)
{
    if (h->version != PX_GRADIENT_LAYOUT || h->kind != PX_GRADIENT_CONTRIBUTION ||
        h->format > PX_GRADIENT_I32 || h->count % 16)
        return dropped(w, PX_GRADIENT_DROP_LAYOUT);
    if (h->count > 4 * PXI_TAG_WORDS || w->bytes != bytes_of(h->format, h->count))
        return dropped(w, PX_GRADIENT_DROP_LENGTH);
    return 1;
}

INLINE int job_of(struct work *w, const struct px_gradient_head *h)
{
#pragma unroll
    for (__u32 i = 0; i < PXI_BPF_PROBES; i++) {
        __u32 at = (h->job + h->shard + i) & (PXI_BPF_JOBS - 1);
        struct pxi_bpf_job *j = bpf_map_lookup_elem(&jobs, &at);
        if (j && j->live && j->job == h->job && j->shard == h->shard) {
            w->job = j;
            return 1;
        }
    }
    return dropped(w, PX_GRADIENT_DROP_JOB);
}

/* Fields that do not depend on the state of a slot, as `fits` of slots.c. */
INLINE int fits(struct work *w, const struct px_gradient_head *h)
{
    const struct pxi_bpf_job *j = w->job;
    if (h->epoch != j->epoch)
        return dropped(w, PX_GRADIENT_DROP_EPOCH);
    if (h->worker >= PX_GRADIENT_WORKERS || !(j->members >> h->worker & 1))
        return dropped(w, PX_GRADIENT_DROP_WORKER);
    if (h->format != j->format && h->format != PX_GRADIENT_I32)
        return dropped(w, PX_GRADIENT_DROP_LAYOUT);
    if (h->count > (h->format == PX_GRADIENT_I32 ? j->half : j->values))
        return dropped(w, PX_GRADIENT_DROP_LENGTH);
    if (h->slot != (h->seq & (j->slots - 1)) ||
        (h->flags & PX_GRADIENT_VERSION) != !!(h->seq & j->slots))
        return dropped(w, PX_GRADIENT_DROP_SLOT);
    return 1;
}

/* What is known of the values of a packet. */
struct hashed {
    struct pxi_tag_sum sum;
    __u64 outside; /* top bits of lanes that are none */
};

/* Steps as they are written: the compiler would move numbers about between them. */
#define ADD(x, y) asm volatile("%0 += %1" : "+r"(x) : "r"(y))
#define OR(x, y)  asm volatile("%0 |= %1" : "+r"(x) : "r"(y))

/* The two halves of t, multiplied. A 32-bit move of its own saves two shifts. */
INLINE void add_term(uint64_t *sum, __u64 t)
{
    __u32 low = (__u32)t;
    asm volatile("" : "+w"(low));
    t >>= 32;
    HELD(t);
    t *= low;
    ADD(*sum, t);
}

/* A word with its key. */
INLINE __u64 keyed(struct hashed *r, __u64 key, __u64 v, __u64 room, int even)
{
    __u64 top = even ? v : v | (v + room);
    OR(r->outside, top);
    ADD(key, v);
    return key;
}

/* A group, as pxi_tag_group. */
INLINE void hash_group(struct hashed *r, const __u64 *key, const __u8 *p, __u64 room, int even)
{
    __u64 t = keyed(r, key[0], *(__u64 *)p, room, even), both = t;
    HELD(both);
    add_term(&r->sum.s[0], t);
    t = keyed(r, key[1], *(__u64 *)(p + 8), room, even);
    ADD(both, t);
    add_term(&r->sum.s[1], t);
    add_term(&r->sum.s[2], both);
}

/* A word goes to its lanes on the way; what is read next waits for it. */
INLINE __u64 added(struct hashed *r, const __u64 *key, const __u8 *p, uint64_t *lane)
{
    __u64 v = *(__u64 *)p, sum = *lane, t;
    OR(r->outside, v);
    ADD(sum, v);
    *lane = sum;
    asm volatile("" ::: "memory");
    t = *key;
    ADD(t, v);
    return t;
}

INLINE void hash_and_add_group(struct hashed *r, const __u64 *key, const __u8 *p, uint64_t *lanes)
{
    __u64 t = added(r, key, p, lanes), both = t;
    HELD(both);
    add_term(&r->sum.s[0], t);
    t = added(r, key + 1, p + 8, lanes + 1);
    ADD(both, t);
    add_term(&r->sum.s[1], t);
    add_term(&r->sum.s[2], both);
}

/* Groups a step. */
#define STEP 8

/* 0: the frame is shorter than that. */
INLINE int hash(struct xdp_md *ctx, const struct pxi_bpf_worker *m, __u32 bytes, __u64 room,
                int even, struct hashed *out)
{
    const __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    struct hashed r = {{{0}}, 0};
    __u64 i = 0, n = bytes / 8;
    if (!m || !out)
        return 0;
    const __u64 *key = (const __u64 *)m->key.nh;
    for (; i + 2 * STEP <= PXI_TAG_WORDS && i + 2 * STEP <= n; i += 2 * STEP) {
        if (p + 16 * STEP > end)
            return 0;
#pragma unroll
        for (int j = 0; j < STEP; j++)
            hash_group(&r, key + 2 * j, p + 16 * j, room, even);
        p += 16 * STEP;
        key += 2 * STEP;
        HELD(p);
        HELD(key);
    }
    for (; i + 2 <= PXI_TAG_WORDS && i + 2 <= n; i += 2) {
        if (p + 16 > end)
            return 0;
        hash_group(&r, key, p, room, even);
        p += 16;
        key += 2;
        HELD(p);
        HELD(key);
    }
    if (i + 2 <= PXI_TAG_WORDS && i < n) { /* of values of 4 bits the last group may lack one */
        if (p + 8 > end)
            return 0;
        __u64 t = keyed(&r, key[0], *(__u64 *)p, room, even);
        add_term(&r.sum.s[0], t);
        add_term(&r.sum.s[2], t + key[1]);
    }
    *out = r;
    return 1;
}

/* Where the limit of a lane is a power of two, its top bits say it all: two instructions a word
 * fewer. */
ALONE int hash_even(struct xdp_md *ctx, const struct pxi_bpf_worker *m, __u32 bytes,
                    struct hashed *out)
{
    return hash(ctx, m, bytes, 0, 1, out);
}

ALONE int hash_odd(struct xdp_md *ctx, const struct pxi_bpf_worker *m, __u32 bytes, __u64 room,
                   struct hashed *out)
{
    return hash(ctx, m, bytes, room, 0, out);
}

/* Both in one go, where a tag that is wrong is taken back. As hash_even and add_i16. */
ALONE int hash_and_add(struct xdp_md *ctx, const struct pxi_bpf_worker *m, __u32 version,
                       __u32 bytes, struct hashed *out)
{
    const __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    struct hashed r = {{{0}}, 0};
    __u64 i = 0, n = bytes / 8;
    if (!m || !out || !v)
        return 0;
    const __u64 *key = (const __u64 *)m->key.nh;
    uint64_t *lanes = v->lanes;
    for (; i + 2 * STEP <= chosen.lane_words && i + 2 * STEP <= n; i += 2 * STEP) {
        if (p + 16 * STEP > end)
            return 0;
#pragma unroll
        for (int j = 0; j < STEP; j++)
            hash_and_add_group(&r, key + 2 * j, p + 16 * j, lanes + 2 * j);
        p += 16 * STEP;
        key += 2 * STEP;
        lanes += 2 * STEP;
        HELD(p);
        HELD(key);
        HELD(lanes);
    }
    for (; i + 2 <= chosen.lane_words && i + 2 <= n; i += 2) {
        if (p + 16 > end)
            return 0;
        hash_and_add_group(&r, key, p, lanes);
        p += 16;
        key += 2;
        lanes += 2;
        HELD(p);
        HELD(key);
        HELD(lanes);
    }
    *out = r;
    return 1;
}

/* What becomes of lanes. */
enum { SUM, FIRST, BACK };

INLINE void lane(uint64_t *lane, const __u8 *p, int how)
{
    __u64 v = *(__u64 *)p;
    *lane = how == SUM ? *lane + v : how == BACK ? *lane - v : v;
}

/* Values that are lanes are added, are the first of a version, or are taken back. */
INLINE int add_lanes(struct xdp_md *ctx, __u32 version, __u32 bytes, int how)
{
    const __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    __u64 i = 0, n = bytes / 8;
    if (!v)
        return 0;
    uint64_t *lanes = v->lanes;
    for (; i + 16 <= chosen.lane_words && i + 16 <= n; i += 16) {
        if (p + 128 > end)
            return 0;
#pragma unroll
        for (int j = 0; j < 16; j++)
            lane(lanes + j, p + 8 * j, how);
        p += 128;
        lanes += 16;
        HELD(p);
        HELD(lanes);
    }
    for (; i + 4 <= chosen.lane_words && i < n; i += 4) {
        if (p + 32 > end)
            return 0;
#pragma unroll
        for (int j = 0; j < 4; j++)
            lane(lanes + j, p + 8 * j, how);
        p += 32;
        lanes += 4;
        HELD(p);
        HELD(lanes);
    }
    return 1;
}

ALONE int add_i16(struct xdp_md *ctx, __u32 version, __u32 bytes)
{
    return add_lanes(ctx, version, bytes, SUM);
}

ALONE int take_i16(struct xdp_md *ctx, __u32 version, __u32 bytes)
{
    return add_lanes(ctx, version, bytes, FIRST);
}

ALONE int take_back(struct xdp_md *ctx, __u32 version, __u32 bytes)
{
    return add_lanes(ctx, version, bytes, BACK);
}

/* The exponent that a chunk must have: what the slot's other version agreed on. */
INLINE int exponent_fits(const struct work *w, const struct px_gradient_head *h)
{
    __u32 seq = h->seq - w->job->slots, at = w->job->first_version;
    if (h->count == 0)
        return 1;
    at += seq & (2 * w->job->slots - 1);
    const struct pxi_bpf_version *before = bpf_map_lookup_elem(&slots, &at);
    return before &&
           ((before->done && before->seq == seq && before->next == h->exponent) || chosen.endless);
}

/* Whether nothing but its tag and its values can stand against adding a packet to what is there. */
INLINE int joins(const struct work *w, const struct px_gradient_head *h)
{
    const struct pxi_bpf_version *v = w->v;
    return !chosen.shared && !is_judged(w->job) && h->format == PX_GRADIENT_I16 && h->count &&
           !w->job->room[0] && v->seq == h->seq && v->open && !v->done &&
           (v->seen || chosen.endless) && !(v->seen >> (h->worker & 63) & 1) &&
           v->count == h->count && v->format == h->format && v->exponent == h->exponent &&
           v->where == h->where && exponent_fits(w, h);
}

INLINE int hash_of(struct work *w, const struct px_gradient_head *h, const struct pxi_bpf_worker *m,
                   struct hashed *r)
{
    __u64 room = w->job->room[h->format == PX_GRADIENT_I32];
    if (joins(w, h))
        return w->summed = hash_and_add(w->ctx, m, w->version, w->bytes, r);
    return room ? hash_odd(w->ctx, m, w->bytes, room, r) : hash_even(w->ctx, m, w->bytes, r);
}

/* A packet that is refused behind its sum. */
INLINE int refused(struct work *w, enum px_gradient_drop why)
{
    if (w->summed)
        take_back(w->ctx, w->version, w->bytes);
    return dropped(w, why);
}

/* Whose packet it is, and that its values are some. */
INLINE int proven(struct work *w, const struct px_gradient_head *h)
{
    __u32 at = w->job->first_worker + h->worker, wide = h->format == PX_GRADIENT_I32;
    struct pxi_bpf_worker *m = bpf_map_lookup_elem(&workers, &at);
    struct hashed r;
    if (!m || (m->address && m->address != ip_of(h)->saddr))
        return dropped(w, PX_GRADIENT_DROP_SOURCE);
    if (chosen.untagged)
        return 1;
    /* The pad first: its long chain of steps runs beside the hash. */
    __u64 pad = pxi_tag_pad(m->first, (const __u8 *)h) ^ h->tag;
    if (!hash_of(w, h, m, &r))
        return dropped(w, PX_GRADIENT_DROP_LENGTH);
    if (pxi_tag_mixed(&m->key, &r.sum) != pad)
        return refused(w, PX_GRADIENT_DROP_TAG);
    if (r.outside & (wide ? w->job->tops[1] : h->format == PX_GRADIENT_I16 ? w->job->tops[0] : 0)) {
        if (!is_judged(w->job))
            return refused(w, PX_GRADIENT_DROP_VALUE);
        w->outside = 1; /* who sends that counts as arrived */
    }
    return 1;
}

/* ------------------------------------------------------------------ add */

/* Eight bytes as lanes. */
INLINE __u64 lanes_of_8(__u64 x)
{
    x = (x & 0xffff) | (x & 0xffff0000) << 16;
    return (x | x << 8) & 0x00ff00ff00ff00ff;
}

INLINE __u64 lanes_of_4(__u64 x)
{
    x = (x & 0xff) | (x & 0xff00) << 24;
    return (x | x << 12) & 0x000f000f000f000f;
}

/* One word of values, of which `each` lane words come. */
INLINE void add_word(uint64_t *lanes, __u64 v, __u32 each, __u64 keep)
{
#pragma unroll
    for (__u32 k = 0; k < 4; k++)
        if (k < each)
            lanes[k] = (lanes[k] & keep) +
                       (each == 2 ? lanes_of_8(v >> (32 * k & 63)) : lanes_of_4(v >> (16 * k)));
}

/* Add what follows the head to a version, of which `keep` stays. 0: that was not all there. */
INLINE int add_values(struct xdp_md *ctx, __u32 version, __u32 bytes, __u64 keep, __u32 each)
{
    const __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    __u64 i = 0, n = bytes / 8, most = chosen.lane_words / each;
    if (!v)
        return 0;
    uint64_t *lanes = v->lanes;
    for (; i + 8 <= most && i + 8 <= n; i += 8) {
        if (p + 64 > end)
            return 0;
#pragma unroll
        for (int j = 0; j < 8; j++)
            add_word(lanes + each * j, *(__u64 *)(p + 8 * j), each, keep);
        p += 64;
        lanes += 8 * each;
        HELD(p);
        HELD(lanes);
    }
    for (; i < most && i < n; i++) {
        if (p + 8 > end)
            return 0;
        add_word(lanes, *(__u64 *)p, each, keep);
        p += 8;
        lanes += each;
        HELD(p);
        HELD(lanes);
    }
    return 1;
}

ALONE int add_i8(struct xdp_md *ctx, __u32 version, __u32 bytes, __u64 keep)
{
    return add_values(ctx, version, bytes, keep, 2);
}

ALONE int add_i4(struct xdp_md *ctx, __u32 version, __u32 bytes, __u64 keep)
{
    return add_values(ctx, version, bytes, keep, 4);
}

INLINE int add_all(struct work *w, const struct px_gradient_head *h)
{
    switch (h->format) {
    case PX_GRADIENT_I8: return add_i8(w->ctx, w->version, w->bytes, w->keep);
    case PX_GRADIENT_I4: return add_i4(w->ctx, w->version, w->bytes, w->keep);
    default: /* two lanes of 32 bits add as four of 16 do: none overflows */
        return w->keep ? add_i16(w->ctx, w->version, w->bytes)
                       : take_i16(w->ctx, w->version, w->bytes);
    }
}

#include "bpf/judge.h"

/* --------------------------------------------------------------- finish */

/* Lanes of 8- and 4-bit formats become bytes, in place. */
INLINE __u64 folded(__u64 x, __u64 half, __u32 shift)
{
    x = (x + half) >> shift & 0x00ff00ff00ff00ff;
    x = (x | x >> 8) & 0x0000ffff0000ffff;
    return (x | x >> 16) & 0xffffffff;
}

ALONE int fold(__u32 version, __u32 count, __u32 shift)
{
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    __u64 half = (1ull << (shift & 7) >> 1) * 0x0001000100010001ull;
    if (!v)
        return 0;
    for (__u32 i = 0; 2 * i + 2 <= chosen.lane_words && 8 * i < count; i++)
        v->lanes[i] = folded(v->lanes[2 * i], half, shift & 7) |
                      folded(v->lanes[2 * i + 1], half, shift & 7) << 32;
    return 1;
}

INLINE void head_of(const struct work *w, const struct pxi_bpf_version *v,
                    struct px_gradient_head *h)
{
    __builtin_memset(h, 0, sizeof *h);
    h->magic = PX_GRADIENT_MAGIC;
    h->version = PX_GRADIENT_LAYOUT;
    h->kind = PX_GRADIENT_RESULT;
    h->job = w->job->job;
    h->epoch = w->job->epoch;
    h->shard = w->job->shard;
    h->worker = 255;
    h->slot = v->seq & (w->job->slots - 1);
    h->format = v->format;
    h->flags = v->flags;
    h->seq = v->seq;
    h->count = v->count;
    h->exponent = v->exponent;
    h->next = v->next;
    h->where = v->added;
}

ALONE int copy_sum(__u32 version, __u32 at, __u32 bytes)
{
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    struct pxi_bpf_kept *k = bpf_map_lookup_elem(&kept, &at);
    if (!v || !k)
        return 0;
    const uint64_t *from = v->lanes;
    uint64_t *to = k->lanes;
    __u64 n = bytes / 8;
    for (__u64 i = 0; i + 2 <= chosen.lane_words && i < n; i += 2) {
        to[0] = from[0];
        to[1] = from[1];
        to += 2;
        from += 2;
        HELD(to);
        HELD(from);
    }
    return 1;
}

/* Keep a sum for those who are late. */
INLINE void keep_sum(struct work *w, const struct pxi_bpf_version *v, __u32 version)
{
    __u32 at = w->job->first_kept + v->where;
    struct pxi_bpf_kept *k = NULL;
    if (v->done && v->count && v->where < w->job->chunks)
        k = bpf_map_lookup_elem(&kept, &at);
    if (!k || (k->there && k->head.seq == v->seq))
        return;
    /* Who reads it meanwhile, on another CPU, sees that it changes. */
    *(volatile __u64 *)&k->there = 0;
    head_of(w, v, &k->head);
    copy_sum(version, at, result_bytes_of(v->format, v->count));
    *(volatile __u64 *)&k->there = 1;
}

/* Of a slot that is finished without somebody, who may miss the sum before, too. */
INLINE void keep_sums(struct work *w)
{
    __u32 before = w->version - w->job->first_version;
    before = w->job->first_version + (before ^ w->job->slots);
    const struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &before);
    keep_sum(w, w->v, w->version);
    if (v)
        keep_sum(w, v, before);
}

/* To a tick, which is little beside a deadline. */
INLINE __u64 clock_ns(const struct work *w)
{
    return w->job->now_ns ? w->job->now_ns : bpf_ktime_get_coarse_ns();
}

/* Slots that wait for somebody. */
INLINE void opened(struct pxi_bpf_job *j, int by)
{
    if (chosen.shared)
        __sync_fetch_and_add(&j->open, by);
    else
        j->open += by;
}

/* How long a quorum took, for the deadline; who comes after it does not count. */
INLINE void learn_spread(struct pxi_bpf_job *j, const struct pxi_bpf_version *v, __u64 now_ns)
{
    __u64 spread_ns = now_ns - v->first_ns;
    if ((j->met & j->members) != j->members)
        return;
    if (now_ns - j->spread_at_ns > PXI_BPF_FORGET_NS) {
        j->spread_ns /= 2;
        j->spread_at_ns = now_ns;
    }
    if (spread_ns > j->spread_ns)
        j->spread_ns = spread_ns;
}

INLINE int finish(struct work *w)
{
    struct pxi_bpf_version *v = w->v;
    struct pxi_bpf_job *j = w->job;
    __u64 missing = j->members & ~v->seen;
    if (is_judged(w->job))
        sentry_finish(w);
    if (v->format == PX_GRADIENT_I8 || v->format == PX_GRADIENT_I4)
        fold(w->version, v->count, v->format == PX_GRADIENT_I8 ? j->shift8 : j->shift4);
    v->done = 1;
    opened(j, -1);
    w->counts->finished++;
    if (missing) {
        w->counts->closed++;
        __sync_fetch_and_or(&j->absent, missing);
        keep_sums(w);
    }
    tell(w->ctx, PXI_BPF_FINISHED, missing != 0, v->added);
    return ALL;
}

/* ----------------------------------------------------------------- take */

INLINE void begin(struct work *w, const struct px_gradient_head *h)
{
    struct pxi_bpf_version *v = w->v;
    v->seq = h->seq;
    v->where = h->where < 0xffffffff ? h->where : 0xffffffff;
    v->open = 1;
    v->done = 0;
    v->format = h->format;
    v->flags = h->flags & PX_GRADIENT_VERSION;
    v->count = h->count;
    v->exponent = h->exponent;
    v->next = PX_GRADIENT_ZERO;
    v->seen = v->added = v->refused = 0;
    v->seen_n = v->refused_n = 0;
    v->first_ns = clock_ns(w);
    w->keep = 0;
    if (is_judged(w->job))
        sentry_begin(w, h);
}

INLINE int is_full(const struct work *w)
{
    __u64 wanted = w->job->members & ~w->job->absent;
    return (w->v->seen & wanted) == wanted;
}

INLINE int is_over(const struct work *w)
{
    const struct pxi_bpf_version *v = w->v;
    const struct pxi_bpf_job *j = w->job;
    __u64 deadline = 2 * j->spread_ns + j->slack_ns;
    if (v->seen_n < j->quorum || (j->met & j->members) != j->members)
        return 0;
    deadline = deadline < j->deadline_ns ? deadline : j->deadline_ns;
    return clock_ns(w) - v->first_ns >= deadline;
}

INLINE int finish_if_ready(struct work *w)
{
    return is_full(w) || is_over(w) ? finish(w) : NOBODY;
}

INLINE int asks(const struct px_gradient_head *h)
{
    return h->count == 0 && h->where < 0xffffffff;
}

/* What all members must say alike; when most disagree with the first, it was wrong. */
INLINE int agrees(struct work *w, const struct px_gradient_head *h, __u64 bit)
{
    struct pxi_bpf_version *v = w->v;
    if (v->count == h->count && v->format == h->format && v->exponent == h->exponent &&
        v->where == h->where)
        return 1;
    v->refused_n += !(v->refused & bit);
    v->refused |= bit;
    if (v->refused_n <= v->seen_n)
        return dropped(w, PX_GRADIENT_DROP_SLOT);
    w->counts->outvoted++;
    begin(w, h);
    return 1;
}

INLINE int add(struct work *w, const struct px_gradient_head *h, __u64 bit)
{
    struct pxi_bpf_version *v = w->v;
    int passes = 1;
    /* The Sentry judges here: what is added cannot be taken back. */
    if (is_judged(w->job))
        passes = judge_and_add(w, h, bit);
    else if (h->count && !w->summed && !add_all(w, h))
        return dropped(w, PX_GRADIENT_DROP_LENGTH);
    else
        v->flags |= h->flags & PX_GRADIENT_SATURATED;
    if (!(w->job->met & bit))
        __sync_fetch_and_or(&w->job->met, bit);
    if (w->job->absent & bit)
        __sync_fetch_and_and(&w->job->absent, ~bit);
    v->seen |= bit;
    v->seen_n++;
    v->added |= passes ? bit : 0;
    v->refused_n -= !!(v->refused & bit);
    v->refused &= ~bit;
    v->next = h->next > v->next ? h->next : v->next;
    if (v->seen_n == w->job->quorum)
        learn_spread(w->job, v, clock_ns(w));
    if (passes)
        w->counts->added++;
    else
        dropped(w, PX_GRADIENT_DROP_SENTRY);
    return finish_if_ready(w);
}

INLINE __u64 bit_of(const struct px_gradient_head *h)
{
    return chosen.endless ? 0 : 1ull << (h->worker & 63);
}

/* A packet for the version that its sequence names. */
INLINE int take_current(struct work *w, const struct px_gradient_head *h)
{
    struct pxi_bpf_version *v = w->v;
    __u64 bit = bit_of(h);
    if (v->done) {
        w->counts->again++;
        dropped(w, v->seen & bit ? PX_GRADIENT_DROP_DUPLICATE : PX_GRADIENT_DROP_LATE);
        return SENDER;
    }
    if (v->open && (v->seen & bit)) {
        dropped(w, PX_GRADIENT_DROP_DUPLICATE);
        return finish_if_ready(w);
    }
    if (asks(h))
        return v->open && is_over(w) ? finish(w) : NOBODY;
    if (!exponent_fits(w, h))
        return dropped(w, PX_GRADIENT_DROP_EXPONENT);
    if (!v->open) {
        opened(w->job, 1);
        begin(w, h);
    }
    return agrees(w, h, bit) ? add(w, h, bit) : NOBODY;
}

/* As pxi_slots_take; LATE: the version has gone on. */
enum { GONE = 3 };

INLINE int take(struct work *w, const struct px_gradient_head *h)
{
    struct pxi_bpf_version *v = w->v;
    __s32 ahead = (__s32)(h->seq - v->seq);
    if (w->summed)
        return add(w, h, bit_of(h));
    if (ahead < 0) {
        if ((__s32)(h->seq - w->job->base) < 0)
            return dropped(w, PX_GRADIENT_DROP_SLOT);
        dropped(w, PX_GRADIENT_DROP_LATE);
        w->counts->again++;
        return GONE;
    }
    /* The version goes on when it is finished, and one step at a time. */
    if (ahead > 0 && (!v->done || (__u32)ahead != 2 * w->job->slots))
        return dropped(w, PX_GRADIENT_DROP_SLOT);
    if (ahead > 0) {
        if (asks(h))
            return NOBODY;
        if (!exponent_fits(w, h))
            return dropped(w, PX_GRADIENT_DROP_EXPONENT);
        opened(w->job, 1);
        begin(w, h);
    }
    return take_current(w, h);
}

/* --------------------------------------------------------------- answer */

INLINE void swap_ends(struct px_gradient_head *h, const struct pxi_bpf_job *j, int to, __u32 bytes)
{
    struct iphdr *ip = ip_of(h);
    struct udphdr *udp = (struct udphdr *)(ip + 1);
    __u16 *mac = (__u16 *)((struct ethhdr *)ip - 1), *words = (__u16 *)ip, *group;
    __u32 own = ip->daddr, sum = 0;
    group = (__u16 *)j->group_mac;
#pragma unroll
    for (int i = 0; i < 3; i++) {
        __u16 part = mac[i];
        mac[i] = to == ALL ? group[i] : mac[i + 3];
        mac[i + 3] = part;
    }
    words[0] = bpf_htons(0x4500);
    words[1] = bpf_htons(sizeof *ip + sizeof *udp + sizeof *h + bytes);
    words[2] = 0;
    words[3] = bpf_htons(0x4000);
    words[4] = bpf_htons(64 << 8 | IPPROTO_UDP);
    words[5] = 0;
    ip->daddr = to == ALL ? j->group_address : ip->saddr;
    ip->saddr = own;
#pragma unroll
    for (int i = 0; i < 10; i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    ip->check = ~(sum + (sum >> 16));
    udp->dest = to == ALL ? j->group_port : udp->source;
    udp->source = chosen.port;
    udp->len = bpf_htons(sizeof *udp + sizeof *h + bytes);
    udp->check = 0;
}

/* Where the sum of an answer lies: in a version, or in what is kept. */
struct source {
    __u32 kept, at;
};

/* Values of the answer behind its head. 0: the frame is too short. */
INLINE int write_from(struct xdp_md *ctx, const uint64_t *lanes, __u32 bytes)
{
    __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    __u64 i = 0, n = bytes / 8;
    for (; i + 16 <= chosen.lane_words && i + 16 <= n; i += 16) {
        if (p + 128 > end)
            return 0;
#pragma unroll
        for (int j = 0; j < 16; j++)
            *(__u64 *)(p + 8 * j) = lanes[j];
        p += 128;
        lanes += 16;
        HELD(p);
        HELD(lanes);
    }
    for (; i + 2 <= chosen.lane_words && i < n; i += 2) {
        if (p + 16 > end)
            return 0;
        *(__u64 *)p = lanes[0];
        *(__u64 *)(p + 8) = lanes[1];
        p += 16;
        lanes += 2;
        HELD(p);
        HELD(lanes);
    }
    return 1;
}

ALONE int write_sum(struct xdp_md *ctx, __u32 version, __u32 bytes)
{
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    return v ? write_from(ctx, v->lanes, bytes) : 0;
}

ALONE int write_kept(struct xdp_md *ctx, __u32 at, __u32 bytes)
{
    struct pxi_bpf_kept *k = bpf_map_lookup_elem(&kept, &at);
    return k ? write_from(ctx, k->lanes, bytes) : 0;
}

/* Few answers are none of a sum. */
INLINE __u64 pad_of(const struct pxi_bpf_worker *own, const struct px_gradient_head *h)
{
    return h->kind == PX_GRADIENT_RESULT
               ? pxi_tag_pad(own->first, (const __u8 *)h)
               : pxi_tag_sip(own->key.pad, (const __u8 *)h, PXI_TAG_AT / 8);
}

/* The frame becomes the answer. */
INLINE int reply(struct work *w, const struct px_gradient_head *h, struct source from, int to)
{
    __u32 bytes = result_bytes_of(h->format, h->count);
    __u32 at = w->job->first_worker + PXI_BPF_MEMBERS - 1;
    struct pxi_bpf_worker *own = bpf_map_lookup_elem(&workers, &at);
    struct hashed r = {{{0}}, 0};
    if (bytes != w->bytes && bpf_xdp_adjust_tail(w->ctx, (int)bytes - (int)w->bytes)) {
        w->counts->stuck++;
        return XDP_DROP;
    }
    if (!own ||
        !(from.kept ? write_kept(w->ctx, from.at, bytes) : write_sum(w->ctx, from.at, bytes)))
        return XDP_DROP;
    if (!chosen.untagged && !hash_even(w->ctx, own, bytes, &r))
        return XDP_DROP;
    struct px_gradient_head *out = start_of(w->ctx) + BEFORE;
    if ((void *)(out + 1) > end_of(w->ctx))
        return XDP_DROP;
    swap_ends(out, w->job, to, bytes);
    *out = *h;
    if (!chosen.untagged)
        out->tag = pxi_tag_mixed(&own->key, &r.sum) ^ pad_of(own, out);
    w->counts->answered[to == ALL]++;
    return XDP_TX;
}

/* A finished slot, to user space: it is woken for a batch, or when no slot waits for anybody and a
 * worker waits for sums. */
INLINE int hand_over(struct work *w)
{
    struct pxi_bpf_job *j = w->job;
    struct pxi_bpf_done d = {j->job, w->version, w->v->seq, j->shard};
    __u64 wake = BPF_RB_NO_WAKEUP;
    if (++j->pending >= PXI_BPF_BATCH || (!j->open && j->waits)) {
        wake = BPF_RB_FORCE_WAKEUP;
        j->pending = j->waits = 0;
        w->counts->wakeups++;
    }
    if (bpf_ringbuf_output(&done, &d, sizeof d, wake))
        w->counts->stuck++;
    return XDP_DROP;
}

/* Of a slot that has gone on: its sum from what is kept of the chunk, or that it is late. */
INLINE int reply_gone(struct work *w, __u64 where, __u32 seq)
{
    struct px_gradient_head h;
    __u32 at = w->job->first_kept + (__u32)where;
    struct pxi_bpf_kept *k = where < w->job->chunks ? bpf_map_lookup_elem(&kept, &at) : NULL;
    if (k && k->there && k->head.seq == seq) {
        h = k->head;
        h.epoch = w->job->epoch;
        int verdict = reply(w, &h, (struct source){1, at}, SENDER);
        return *(volatile __u64 *)&k->there && k->head.seq == seq ? verdict : XDP_DROP;
    }
    head_of(w, w->v, &h);
    h.kind = PX_GRADIENT_LATE;
    h.count = 0;
    h.where = h.seq;
    h.seq = seq;
    return reply(w, &h, (struct source){0, w->version}, SENDER);
}

INLINE int answer(struct work *w, const struct px_gradient_head *asked, int to)
{
    struct px_gradient_head h;
    if (to == NOBODY)
        return XDP_DROP;
    if (to == GONE)
        return reply_gone(w, asked->where, asked->seq);
    if (to == ALL && w->job->mode == PXI_BPF_SERVER)
        return hand_over(w);
    head_of(w, w->v, &h);
    return reply(w, &h, (struct source){0, w->version}, to);
}

/* A slot is one CPU's from here on; NULL: another has it for longer than a packet takes. */
INLINE __u32 *claim(struct work *w, __u32 seq)
{
    __u32 at = w->job->first_version + (seq & (w->job->slots - 1));
    struct pxi_bpf_version *first = bpf_map_lookup_elem(&slots, &at);
    for (int i = 0; first && i < PXI_BPF_SPINS; i++)
        if (!*(volatile __u32 *)&first->lock && !__sync_lock_test_and_set(&first->lock, 1))
            return &first->lock;
    return NULL;
}

INLINE int aggregate(struct work *w, const struct px_gradient_head *h)
{
    __u32 *lock = NULL;
    if (chosen.shared && !(lock = claim(w, h->seq))) {
        w->counts->busy++;
        return XDP_DROP;
    }
    if (h->flags & (PX_GRADIENT_WAITS | PX_GRADIENT_AGAIN))
        w->job->waits = 1;
    int verdict = answer(w, h, take(w, h));
    if (chosen.shared && lock)
        __sync_lock_test_and_set(lock, 0);
    return verdict;
}

INLINE int admit(struct work *w)
{
    struct px_gradient_head *h = start_of(w->ctx) + BEFORE;
    if ((void *)(h + 1) > end_of(w->ctx) || w->bytes < sizeof *h) {
        dropped(w, PX_GRADIENT_DROP_LENGTH);
        return XDP_DROP;
    }
    w->bytes -= sizeof *h;
    if (!reads(w, h) || !job_of(w, h) || !fits(w, h))
        return XDP_DROP;
    w->version = w->job->first_version + (h->seq & (2 * w->job->slots - 1));
    w->v = bpf_map_lookup_elem(&slots, &w->version);
    if (!w->v || !proven(w, h))
        return XDP_DROP;
    return aggregate(w, h);
}

/* Into the quarter of a power of two: from its highest bit, and the two below. */
INLINE void timed(struct pxi_bpf_counts *c, __u64 ns)
{
    __u32 at = 0;
#pragma unroll
    for (int i = 16; i; i /= 2)
        if (ns >> at >> i)
            at += i;
    at = 4 * at + (ns << 2 >> at & 3);
    c->times[at & (PXI_BPF_TIMES - 1)]++;
}

SEC("xdp")
int px_reduce(struct xdp_md *ctx)
{
    struct work w = {.ctx = ctx, .keep = ~0ull};
    __u32 zero = 0;
    __u64 from = 0;
    if (!is_ours(ctx, &w.bytes))
        return XDP_PASS;
    w.counts = bpf_map_lookup_elem(&counts, &zero);
    if (!w.counts)
        return XDP_PASS;
    if (w.counts->packets++ % PXI_BPF_SAMPLE == 0)
        from = bpf_ktime_get_ns();
    int verdict = admit(&w);
    if (from)
        timed(w.counts, bpf_ktime_get_ns() - from);
    return verdict;
}

char dual[] SEC("license") = "Dual MIT/GPL";
