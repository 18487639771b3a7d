/*
 * The Sentry in the kernel: part of bpf/reduce.bpf.c, which it is included by. Contributions are
 * judged before they are added, by the arithmetic of bpf/sentry.h, and every verdict and counter
 * is that of src/reduce/sentry.c. The rule is constant when it is loaded: what it does not use,
 * the verifier does not see.
 */
#ifndef PXI_BPF_JUDGE_H
#define PXI_BPF_JUDGE_H

/* Value sizes of the first two, and entries of all, are set when it is loaded. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, sizeof(struct pxi_bpf_noted) + 8 * PXI_TAG_WORDS);
} noted SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, sizeof(struct pxi_bpf_centre) + 8 * PXI_TAG_WORDS);
} centres SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pxi_bpf_sentry);
} sentries SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pxi_bpf_past);
} pasts SEC(".maps");

/* What a pass over the values of a packet needs, and what it finds. */
struct pass {
    __u32 version, count, bias, by; /* by: bits that each value is shrunk by */
    __u64 keep, mask;               /* of the lanes; of what is added: 0 adds nothing */
    __u64 reach, far, changed;
    struct px_sentry_packet sums;
};

/* One a processor: there is no room for it on the stack. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pass);
} passes SEC(".maps");

/* ------------------------------------------------------------------ lanes */

/* The k-th four of sixteen values; `each` lane words come of a word of the packet. */
INLINE __u64 four_of(const __u8 *p, __u32 each, int k)
{
    __u64 v = *(__u64 *)(p + 8 * (k / each));
    return each == 1 ? v : each == 2 ? lanes_of_8(v >> 32 * (k & 1)) : lanes_of_4(v >> 16 * k);
}

/* Each value within the reference +- reach, and added. 0: not all was there. */
INLINE int add_clamped(struct xdp_md *ctx, struct pass *a, __u32 each)
{
    const __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    if (!a || chosen.sentry != PX_SENTRY_CLIP1)
        return 0;
    __u32 version = a->version; /* keys are on the stack: Linux 6.1 takes no others */
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    struct pxi_bpf_noted *s = bpf_map_lookup_elem(&noted, &version);
    __u64 far = 0, changed = 0, keep = a->keep, mask = a->mask, reach = a->reach & 0x3fff;
    __u32 n = a->count / 16;
    if (!v || !s)
        return 0;
    uint64_t *lanes = v->lanes;
    const uint64_t *ref = s->lanes;
    for (__u32 i = 0; 4 * i + 4 <= chosen.lane_words && i < n; i++) {
        if (p + 32 / each > end)
            return 0;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            __u64 is = four_of(p, each, k), clamped = px_sentry_clamp(is, ref[k], reach);
            far += px_sentry_far(is, ref[k]);
            changed |= is ^ clamped;
            lanes[k] = (lanes[k] & keep) + (clamped & mask);
        }
        p += 32 / each;
        lanes += 4;
        ref += 4;
        HELD(p);
        HELD(lanes);
        HELD(ref);
    }
    a->far = far;
    a->changed = changed;
    return 1;
}

ALONE int clamp_i16(struct xdp_md *ctx, struct pass *a)
{
    return add_clamped(ctx, a, 1);
}

ALONE int clamp_i8(struct xdp_md *ctx, struct pass *a)
{
    return add_clamped(ctx, a, 2);
}

ALONE int clamp_i4(struct xdp_md *ctx, struct pass *a)
{
    return add_clamped(ctx, a, 4);
}

/* What welford looks at. */
INLINE int sum_values(struct xdp_md *ctx, struct pass *a, __u32 each)
{
    const __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    if (!a || chosen.sentry != PX_SENTRY_WELFORD)
        return 0;
    struct px_sentry_packet sums = {0};
    __u32 n = a->count / 16, bias = a->bias;
    for (__u32 i = 0; 4 * i + 4 <= chosen.lane_words && i < n; i++) {
        if (p + 32 / each > end)
            return 0;
#pragma unroll
        for (int k = 0; k < 4; k++)
            px_sentry_sum(&sums, four_of(p, each, k), bias);
        p += 32 / each;
        HELD(p);
    }
    a->sums.sum = sums.sum;
    a->sums.squares = sums.squares;
    return 1;
}

ALONE int sum_i16(struct xdp_md *ctx, struct pass *a)
{
    return sum_values(ctx, a, 1);
}

ALONE int sum_i8(struct xdp_md *ctx, struct pass *a)
{
    return sum_values(ctx, a, 2);
}

ALONE int sum_i4(struct xdp_md *ctx, struct pass *a)
{
    return sum_values(ctx, a, 4);
}

/* What welford shrinks, and lets pass then. */
INLINE int add_shrunk(struct xdp_md *ctx, struct pass *a, __u32 each)
{
    const __u8 *p = start_of(ctx) + BEFORE + PX_GRADIENT_HEAD, *end = end_of(ctx);
    if (!a || chosen.sentry != PX_SENTRY_WELFORD || !chosen.clip)
        return 0;
    __u32 version = a->version;
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    __u32 n = a->count / 16, bias = a->bias, by = a->by & 15;
    __u64 keep = a->keep;
    if (!v)
        return 0;
    uint64_t *lanes = v->lanes;
    for (__u32 i = 0; 4 * i + 4 <= chosen.lane_words && i < n; i++) {
        if (p + 32 / each > end)
            return 0;
#pragma unroll
        for (int k = 0; k < 4; k++)
            lanes[k] = (lanes[k] & keep) + px_sentry_down(four_of(p, each, k), bias, by);
        p += 32 / each;
        lanes += 4;
        HELD(p);
        HELD(lanes);
    }
    return 1;
}

ALONE int shrink_i16(struct xdp_md *ctx, struct pass *a)
{
    return add_shrunk(ctx, a, 1);
}

ALONE int shrink_i8(struct xdp_md *ctx, struct pass *a)
{
    return add_shrunk(ctx, a, 2);
}

ALONE int shrink_i4(struct xdp_md *ctx, struct pass *a)
{
    return add_shrunk(ctx, a, 4);
}

#define OF_FORMAT(what, format, ctx, a)                                                            \
    ((format) == PX_GRADIENT_I16  ? what##_i16(ctx, a)                                             \
     : (format) == PX_GRADIENT_I8 ? what##_i8(ctx, a)                                              \
                                  : what##_i4(ctx, a))

/* Of a version whose first packet is refused: nothing is in it. */
ALONE int clear_lanes(__u32 version, __u32 words)
{
    if (!chosen.sentry)
        return 0;
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    if (!v)
        return 0;
    uint64_t *lanes = v->lanes;
    for (__u32 i = 0; i + 2 <= chosen.lane_words && i < words; i += 2) {
        lanes[0] = lanes[1] = 0;
        lanes += 2;
        HELD(lanes);
    }
    return 1;
}

/* ------------------------------------------------------------------- slot */

/* The last aggregate of a chunk, moved by so many bits, is the reference of a version. */
ALONE int refer(__u32 version, __u32 at, __u32 count, __u32 bias, int by)
{
    if (chosen.sentry != PX_SENTRY_CLIP1)
        return 0;
    struct pxi_bpf_noted *s = bpf_map_lookup_elem(&noted, &version);
    struct pxi_bpf_centre *c = bpf_map_lookup_elem(&centres, &at);
    if (!s || !c)
        return 0;
    uint64_t *ref = s->lanes;
    const uint64_t *centre = c->lanes;
    __u32 i = 0, n = count / 4, up = -by & 15;
    if (by >= 0) {
        for (; i < chosen.lane_words && i < n; i++) {
            *ref++ = px_sentry_down(*centre++, bias, by & 15);
            HELD(ref);
            HELD(centre);
        }
        return 1;
    }
    for (; i < chosen.lane_words && i < n; i++) {
        *ref++ = px_sentry_up_all(*centre++, bias, up);
        HELD(ref);
        HELD(centre);
    }
    return 1;
}

/* The mean of a finished version is the last aggregate of its chunk. */
ALONE int average(__u32 version, __u32 at, __u32 count, __u32 share)
{
    if (chosen.sentry != PX_SENTRY_CLIP1)
        return 0;
    struct pxi_bpf_version *v = bpf_map_lookup_elem(&slots, &version);
    struct pxi_bpf_centre *c = bpf_map_lookup_elem(&centres, &at);
    if (!v || !c)
        return 0;
    const uint64_t *sums = v->lanes;
    uint64_t *centre = c->lanes;
    __u32 n = count / 4;
    for (__u32 i = 0; i < chosen.lane_words && i < n; i++) {
        *centre = px_sentry_mean(*sums, share);
        sums++;
        centre++;
        HELD(sums);
        HELD(centre);
    }
    return 1;
}

/* Verdicts on the workers of a version: loud ones, and the others. */
ALONE int tell_workers(__u32 lease, __u64 judged, __u64 loud)
{
    if (chosen.sentry != PX_SENTRY_CLIP1)
        return 0;
    struct pxi_bpf_sentry *all = bpf_map_lookup_elem(&sentries, &lease);
    for (__u32 i = 0; all && judged && i < PX_GRADIENT_WORKERS; i++) {
        if (judged & 1)
            px_sentry_count(&all->workers[i], loud & 1);
        judged >>= 1;
        loud >>= 1;
    }
    return 1;
}

INLINE __u32 members_of(__u64 set)
{
    set -= set >> 1 & 0x5555555555555555;
    set = (set & 0x3333333333333333) + (set >> 2 & 0x3333333333333333);
    set = (set + (set >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return set * 0x0101010101010101 >> 56;
}

/* Is it a chunk that is remembered? Others have nothing to be judged by. */
INLINE int is_known(const struct pxi_bpf_job *j, __u64 where, __u16 count, __u8 format,
                    __s8 exponent)
{
    return count && where < j->chunks && format == j->format && exponent != PX_GRADIENT_ZERO;
}

/* A version begins, with what this packet says. */
INLINE void sentry_begin(struct work *w, const struct px_gradient_head *h)
{
    const struct pxi_bpf_job *j = w->job;
    __u32 at = j->first_kept + (__u32)h->where;
    struct pxi_bpf_noted *s = bpf_map_lookup_elem(&noted, &w->version);
    if (!s)
        return;
    px_sentry_clear(&s->slot);
    if (chosen.sentry != PX_SENTRY_CLIP1 ||
        !is_known(j, h->where, h->count, h->format, h->exponent))
        return;
    struct pxi_bpf_centre *c = bpf_map_lookup_elem(&centres, &at);
    if (!c)
        return;
    px_sentry_begin(&s->slot, &c->chunk, h->exponent, j->bits);
    refer(w->version, at, h->count, j->bias, px_sentry_moves(&c->chunk, h->exponent));
}

/* It is finished: learn from it, and say which exponent comes next. */
INLINE void sentry_finish(struct work *w)
{
    struct pxi_bpf_version *v = w->v;
    const struct pxi_bpf_job *j = w->job;
    __u32 at = j->first_kept + v->where;
    struct pxi_bpf_noted *s = bpf_map_lookup_elem(&noted, &w->version);
    if (!s)
        return;
    if (s->slot.said) /* else all are in quarantine: the largest that was said */
        v->next = (__s8)px_sentry_exponent(s->slot.next, members_of(s->slot.said));
    if (chosen.sentry != PX_SENTRY_CLIP1 ||
        !is_known(j, v->where, v->count, v->format, v->exponent))
        return;
    __u32 judged = members_of(s->slot.judged & v->added);
    __u32 loud = members_of(s->slot.loud & v->added);
    struct pxi_bpf_centre *c = bpf_map_lookup_elem(&centres, &at);
    if (!c || judged < px_sentry_enough(members_of(j->members)))
        return;
    average(w->version, at, v->count, (__u32)px_sentry_share(judged));
    px_sentry_learn(&c->chunk, &s->slot, judged, members_of(s->slot.over & v->added), v->exponent,
                    j->bits);
    if (s->slot.warm && px_sentry_stands(loud, judged))
        tell_workers(j->lease, s->slot.judged, s->slot.loud);
}

/* ------------------------------------------------------------------ judge */

INLINE void tally(uint64_t *counter)
{
    if (chosen.shared)
        __sync_fetch_and_add(counter, 1);
    else
        ++*counter;
}

/* Norm and mean of the packet within k deviations of the worker's own past. */
INLINE int welford(struct work *w, const struct px_gradient_head *h, struct pxi_bpf_sentry *all,
                   struct pass *a)
{
    const struct pxi_bpf_job *j = w->job;
    __u32 who = h->worker & (PX_GRADIENT_WORKERS - 1);
    __u32 at = (__u32)(h->where * PX_SENTRY_CELLS / (j->chunks ? j->chunks : 1));
    __u32 key = j->lease * PX_GRADIENT_WORKERS + who;
    struct pxi_bpf_past *past = bpf_map_lookup_elem(&pasts, &key);
    if (!past || !OF_FORMAT(sum, h->format, w->ctx, a))
        return PX_SENTRY_DROP;
    at &= PX_SENTRY_CELLS - 1;
    px_sentry_measure(&a->sums, h->count, j->bias, h->exponent);
    px_sentry_level(&all->levels[at], h->exponent, j->bits);
    enum px_sentry_place is =
        px_sentry_judge(&past->cells[at], &all->levels[at], &a->sums, chosen.k);
    if (is != PX_SENTRY_EARLY)
        px_sentry_count(&all->workers[who], is);
    if (is == PX_SENTRY_WITHIN)
        return PX_SENTRY_ACCEPT;
    a->by = chosen.clip ? px_sentry_shift(&past->cells[at], &a->sums) : 0;
    return a->by ? PX_SENTRY_CLIP : PX_SENTRY_DROP;
}

/* What a packet with values is, when it is none that a rule looks at. */
INLINE int without_rule(const struct work *w, const struct px_gradient_head *h)
{
    /* Of values that are all 0 nobody sends others. */
    return h->exponent == PX_GRADIENT_ZERO && h->where < w->job->chunks ? PX_SENTRY_ACCEPT
                                                                        : PX_SENTRY_DROP;
}

/* Each value within the last aggregate +- k x scale: judged and added in one go. */
INLINE int clip1(struct work *w, const struct px_gradient_head *h, struct pxi_bpf_noted *s,
                 struct pass *a, __u64 bit)
{
    a->reach = px_sentry_reach(&s->slot, chosen.k);
    OF_FORMAT(clamp, h->format, w->ctx, a);
    px_sentry_note(&s->slot, bit, a->far, h->count, chosen.k);
    return !a->mask ? PX_SENTRY_DROP : a->changed ? PX_SENTRY_CLIP : PX_SENTRY_ACCEPT;
}

/* Judge a packet with values, and add what passes. */
INLINE int judge(struct work *w, const struct px_gradient_head *h, struct pxi_bpf_sentry *all,
                 struct pxi_bpf_noted *s, __u64 bit)
{
    const struct pxi_bpf_job *j = w->job;
    struct px_sentry_worker *m = &all->workers[h->worker & (PX_GRADIENT_WORKERS - 1)];
    __u32 zero = 0;
    struct pass *a = bpf_map_lookup_elem(&passes, &zero);
    int verdict = PX_SENTRY_DROP, known = is_known(j, h->where, h->count, h->format, h->exponent);
    if (!a)
        return verdict;
    a->version = w->version;
    a->count = h->count;
    a->bias = j->bias;
    a->keep = w->keep;
    a->mask = m->quarantined ? 0 : ~0ull;
    if (h->format != j->format) {
        /* Wide: nothing of it, and no verdict. */
    } else if (w->outside) {
        px_sentry_count(m, 1);
    } else if (known && chosen.sentry == PX_SENTRY_CLIP1) {
        return clip1(w, h, s, a, bit);
    } else {
        verdict = known ? welford(w, h, all, a) : without_rule(w, h);
        verdict = m->quarantined ? PX_SENTRY_DROP : verdict;
    }
    if (verdict == PX_SENTRY_ACCEPT)
        add_all(w, h);
    else if (verdict == PX_SENTRY_CLIP)
        OF_FORMAT(shrink, h->format, w->ctx, a);
    else if (!w->keep)
        clear_lanes(w->version, h->count / (h->format == PX_GRADIENT_I32 ? 2 : 4));
    return verdict;
}

/* Add a packet's values as the Sentry lets them pass. 0: nothing of it. Under a Sentry no chunk
 * goes wide: what a worker clamped itself is in its residual. */
INLINE int judge_and_add(struct work *w, const struct px_gradient_head *h, __u64 bit)
{
    __u32 lease = w->job->lease, who = h->worker & (PX_GRADIENT_WORKERS - 1);
    struct pxi_bpf_sentry *all = bpf_map_lookup_elem(&sentries, &lease);
    struct pxi_bpf_noted *s = bpf_map_lookup_elem(&noted, &w->version);
    if (!all || !s)
        return 0;
    struct px_sentry_worker *m = &all->workers[who];
    if (!m->quarantined)
        px_sentry_say(&s->slot, who, h->next);
    if (!h->count)
        return 1;
    tally(&m->judged);
    int verdict = judge(w, h, all, s, bit);
    w->v->flags |= verdict == PX_SENTRY_ACCEPT ? 0 : PX_GRADIENT_CLIPPED;
    if (verdict == PX_SENTRY_DROP) {
        tally(&m->dropped);
        return 0;
    }
    if (verdict == PX_SENTRY_CLIP) {
        tally(&m->clipped);
        w->counts->clipped++;
        tell(w->ctx, PXI_BPF_VERDICT, PX_SENTRY_CLIP, 0);
    }
    return 1;
}

#endif
