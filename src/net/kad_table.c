/* Buckets of peers, and the peers nearest to a key. */
#include "net/kad_table.h"

#include "base/limits.h"

void pxi_kad_table_init(struct pxi_kad_table *t, const struct pxi_kad_key *self, unsigned k)
{
    *t = (struct pxi_kad_table){.self = *self, .k = k && k < 200 ? k : PXI_KAD_K};
    t->group_bucket = PXI_LIMIT_KAD_GROUP_BUCKET;
    t->group_table = PXI_LIMIT_KAD_GROUP_TABLE;
}

void pxi_kad_table_deinit(struct pxi_kad_table *t)
{
    for (unsigned b = 0; b < t->top; b++) {
        for (unsigned i = 0; i < t->bucket[b].n; i++)
            pxi_kad_addrs_free(&t->bucket[b].e[i].addrs);
        pxi_free(t->bucket[b].e);
        pxi_free(t->bucket[b].mark);
    }
    pxi_free(t->bucket);
    t->bucket = NULL;
    t->top = t->count = 0;
}

static struct pxi_kad_bucket *bucket_of(const struct pxi_kad_table *t,
                                        const struct pxi_kad_key *key)
{
    unsigned b = pxi_kad_prefix(&t->self, key);
    return b < t->top ? &t->bucket[b] : NULL;
}

/* The bucket of a key, made when there is none; NULL for our own key and when memory is out. */
static struct pxi_kad_bucket *bucket_need(struct pxi_kad_table *t, const struct pxi_kad_key *key)
{
    unsigned b = pxi_kad_prefix(&t->self, key);
    if (b >= PXI_KAD_BUCKETS)
        return NULL;
    if (b >= t->top) {
        struct pxi_kad_bucket *to = pxi_realloc(t->bucket, b + 1, sizeof *to);
        if (!to)
            return NULL;
        memset(to + t->top, 0, (b + 1 - t->top) * sizeof *to);
        t->bucket = to;
        t->top = b + 1;
    }
    return &t->bucket[b];
}

struct pxi_kad_entry *pxi_kad_table_find(struct pxi_kad_table *t, const struct pxi_kad_key *key)
{
    struct pxi_kad_bucket *b = bucket_of(t, key);
    uint64_t front = pxi_kad_front(key);
    for (unsigned i = 0; b && i < b->n; i++)
        if (b->mark[i].front == front && memcmp(&b->e[i].key, key, sizeof *key) == 0)
            return &b->e[i];
    return NULL;
}

bool pxi_kad_table_room(const struct pxi_kad_table *t, const struct pxi_kad_key *key)
{
    const struct pxi_kad_bucket *b = bucket_of(t, key);
    return (!b || b->n < t->k) && pxi_kad_prefix(&t->self, key) < PXI_KAD_BUCKETS;
}

/* ------------------------------------------------------------- diversity */

static unsigned in_bucket(const struct pxi_kad_bucket *b, uint32_t group,
                          const struct pxi_kad_entry *but)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->n; i++)
        for (unsigned g = 0; g < PXI_KAD_GROUPS && &b->e[i] != but; g++)
            if (b->mark[i].group[g] == group) {
                n++;
                break;
            }
    return n;
}

/* Would one more peer with these networks be one too many? `but` is not counted. */
static bool crowded(const struct pxi_kad_table *t, const struct pxi_kad_bucket *b,
                    const uint32_t *group, const struct pxi_kad_entry *but)
{
    for (unsigned g = 0; g < PXI_KAD_GROUPS; g++) {
        if (!group[g])
            continue;
        if (t->group_bucket && in_bucket(b, group[g], but) >= t->group_bucket)
            return true;
        unsigned all = 0;
        for (unsigned i = 0; t->group_table && i < t->top; i++)
            all += in_bucket(&t->bucket[i], group[g], but);
        if (t->group_table && all >= t->group_table)
            return true;
    }
    return false;
}

static void groups_of(const struct pxi_kad_table *t, const px_view *addrs, unsigned count,
                      uint32_t out[PXI_KAD_GROUPS])
{
    unsigned n = 0;
    memset(out, 0, PXI_KAD_GROUPS * sizeof *out);
    for (unsigned i = 0; i < count && n < PXI_KAD_GROUPS; i++) {
        uint32_t g = pxi_kad_group(addrs[i], t->strict);
        bool known = !g;
        for (unsigned j = 0; j < n; j++)
            known |= out[j] == g;
        if (!known)
            out[n++] = g;
    }
}

/* ---------------------------------------------------------------- change */

static struct pxi_kad_entry *append(struct pxi_kad_bucket *b, unsigned k)
{
    if (b->n == b->cap) {
        unsigned cap = b->cap ? b->cap * 2u : 2;
        cap = cap < k ? cap : k;
        struct pxi_kad_entry *to = pxi_realloc(b->e, cap, sizeof *to);
        if (!to)
            return NULL;
        b->e = to;
        struct pxi_kad_mark *mark = pxi_realloc(b->mark, cap, sizeof *mark);
        if (!mark)
            return NULL;
        b->mark = mark;
        b->cap = (uint8_t)cap;
    }
    memset(&b->e[b->n], 0, sizeof *b->e);
    return &b->e[b->n];
}

/* A known peer answered again, perhaps from elsewhere. */
static enum pxi_kad_put refresh(struct pxi_kad_table *t, struct pxi_kad_bucket *b,
                                struct pxi_kad_entry *e, const px_view *addrs, unsigned count,
                                uint64_t now_ns)
{
    uint32_t group[PXI_KAD_GROUPS];
    e->seen_ns = now_ns;
    groups_of(t, addrs, count, group);
    if (count && !crowded(t, b, group, e) && pxi_kad_addrs_set(&e->addrs, addrs, count))
        memcpy(b->mark[e - b->e].group, group, sizeof group);
    return PXI_KAD_UPDATED;
}

enum pxi_kad_put pxi_kad_table_put(struct pxi_kad_table *t, const struct pxi_peer *p,
                                   const px_view *addrs, unsigned count, uint64_t now_ns)
{
    struct pxi_kad_key key = pxi_kad_key_of(pxi_peer_view(p));
    struct pxi_kad_entry *e = pxi_kad_table_find(t, &key);
    struct pxi_kad_bucket *b = bucket_need(t, &key);
    uint32_t group[PXI_KAD_GROUPS];
    if (!b)
        return PXI_KAD_REFUSED;
    if (e)
        return refresh(t, b, e, addrs, count, now_ns);
    if (b->n >= t->k)
        return PXI_KAD_FULL;
    groups_of(t, addrs, count, group);
    if (crowded(t, b, group, NULL))
        return PXI_KAD_CROWDED;
    e = append(b, t->k);
    if (!e || !pxi_kad_addrs_set(&e->addrs, addrs, count))
        return PXI_KAD_REFUSED;
    e->key = key;
    e->peer = *p;
    e->seen_ns = now_ns;
    b->mark[b->n].front = pxi_kad_front(&key);
    memcpy(b->mark[b->n].group, group, sizeof group);
    b->n++;
    t->count++;
    return PXI_KAD_ADDED;
}

bool pxi_kad_table_remove(struct pxi_kad_table *t, const struct pxi_kad_key *key)
{
    struct pxi_kad_bucket *b = bucket_of(t, key);
    struct pxi_kad_entry *e = pxi_kad_table_find(t, key);
    if (!e)
        return false;
    pxi_kad_addrs_free(&e->addrs);
    b->mark[e - b->e] = b->mark[b->n - 1];
    *e = b->e[--b->n];
    t->count--;
    return true;
}

struct pxi_kad_entry *pxi_kad_table_oldest(struct pxi_kad_table *t, const struct pxi_kad_key *key)
{
    struct pxi_kad_bucket *b = bucket_of(t, key);
    struct pxi_kad_entry *old = NULL;
    for (unsigned i = 0; b && i < b->n; i++)
        if (!old || b->e[i].seen_ns < old->seen_ns)
            old = &b->e[i];
    return old;
}

/* --------------------------------------------------------------- closest */

struct nearest {
    const struct pxi_kad_key *target;
    const struct pxi_kad_entry **out;
    uint64_t far[2 * PXI_KAD_K]; /* how far they are, as far as the fronts tell */
    unsigned n, cap;
};

static bool nearer(const struct nearest *s, uint64_t far, const struct pxi_kad_entry *e, unsigned i)
{
    if (far != s->far[i])
        return far < s->far[i];
    return pxi_kad_nearer(s->target, &e->key, &s->out[i]->key) < 0;
}

/* Keep the nearest `cap` by insertion. */
static void offer(struct nearest *s, const struct pxi_kad_bucket *b)
{
    uint64_t target = pxi_kad_front(s->target);
    for (unsigned i = 0; i < b->n; i++) {
        const struct pxi_kad_entry *e = &b->e[i];
        uint64_t far = b->mark[i].front ^ target;
        if (s->n == s->cap && !nearer(s, far, e, s->n - 1))
            continue;
        unsigned at = s->n < s->cap ? s->n++ : s->n - 1;
        for (; at && nearer(s, far, e, at - 1); at--) {
            s->out[at] = s->out[at - 1];
            s->far[at] = s->far[at - 1];
        }
        s->out[at] = e;
        s->far[at] = far;
    }
}

unsigned pxi_kad_table_closest(const struct pxi_kad_table *t, const struct pxi_kad_key *target,
                               const struct pxi_kad_entry **out, unsigned cap)
{
    /* The target's own bucket holds the nearest; then all that share more of our prefix, which are
     * equally far from it; then, one by one, those that share less. */
    for (unsigned b = 0; b < t->top; b++)
        __builtin_prefetch(t->bucket[b].mark);
    struct nearest s; /* only what is counted in it is read */
    s.target = target;
    s.out = out;
    s.n = 0;
    s.cap = cap < 2 * PXI_KAD_K ? cap : 2 * PXI_KAD_K;
    unsigned c = pxi_kad_prefix(&t->self, target);
    if (!cap)
        return 0;
    if (c < t->top)
        offer(&s, &t->bucket[c]);
    if (s.n < s.cap)
        for (unsigned b = c + 1; b < t->top; b++)
            offer(&s, &t->bucket[b]);
    for (unsigned b = c < t->top ? c : t->top; s.n < s.cap && b-- > 0;)
        offer(&s, &t->bucket[b]);
    for (unsigned i = 0; i < s.n; i++) { /* the caller reads them all: fetch them at once */
        __builtin_prefetch(&out[i]->addrs);
        __builtin_prefetch(&out[i]->peer.b[PXI_PEER_BYTES - 1]);
    }
    return s.n;
}
