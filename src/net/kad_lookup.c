/* Whom a lookup asks next, and when it is over. */
#include "net/kad_lookup.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/timer.h"

void pxi_kad_lookup_init(struct pxi_kad_lookup *l, const struct pxi_kad_lookup_options *o,
                         const struct pxi_kad_key *target, const struct pxi_kad_key *self)
{
    *l = (struct pxi_kad_lookup){.o = *o, .target = *target, .self = *self};
    struct pxi_kad_lookup_options *s = &l->o;
    s->k = s->k && s->k <= PXI_LIMIT_KAD_RESULTS ? s->k : PXI_KAD_K;
    s->alpha = s->alpha ? s->alpha : 10;
    s->paths = s->paths ? s->paths : 1;
    s->paths = s->paths < PXI_KAD_PATHS ? s->paths : PXI_KAD_PATHS;
    if (!s->requests_max || s->requests_max > PXI_LIMIT_KAD_LOOKUP_REQUESTS)
        s->requests_max = PXI_LIMIT_KAD_LOOKUP_REQUESTS;
    s->slow_ns = s->slow_ns ? s->slow_ns : PXI_LIMIT_KAD_SLOW_MS * PXI_MS;
}

void pxi_kad_lookup_deinit(struct pxi_kad_lookup *l)
{
    for (unsigned i = 0; i < l->n; i++)
        pxi_kad_addrs_free(&l->node[i].addrs);
    for (unsigned p = 0; p < PXI_KAD_PATHS; p++)
        pxi_free(l->path[p].order);
    pxi_free(l->node);
    pxi_free(l->index);
    *l = (struct pxi_kad_lookup){0};
}

/* ----------------------------------------------------------------- nodes */

static int compare(const struct pxi_kad_key *a, const struct pxi_kad_key *b)
{
    return memcmp(a->b, b->b, PXI_KAD_KEY);
}

/* Place of a distance in a path: where it is, or where it would be put. */
static unsigned place(const struct pxi_kad_lookup *l, const struct pxi_kad_path *p,
                      const struct pxi_kad_key *dist)
{
    unsigned lo = 0, hi = p->n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (compare(&l->node[p->order[mid]].dist, dist) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Where a peer is in the index, or would be put. Most of what answers name was named before: then
 * its key need not be computed again. */
static unsigned index_at(const struct pxi_kad_lookup *l, const struct pxi_peer *p)
{
    unsigned mask = 2 * l->cap - 1;
    unsigned at = (unsigned)pxi_hash_quick(p->b, p->n, (uintptr_t)l) & mask;
    while (l->index[at] && !pxi_peer_equal(&l->node[l->index[at] - 1].peer, p))
        at = (at + 1) & mask;
    return at;
}

int pxi_kad_lookup_find(const struct pxi_kad_lookup *l, const struct pxi_peer *p)
{
    return l->n ? (int)l->index[index_at(l, p)] - 1 : -1;
}

static bool grow(struct pxi_kad_lookup *l)
{
    unsigned cap = l->cap ? l->cap * 2 : 64;
    struct pxi_kad_node *to = pxi_realloc(l->node, cap, sizeof *to);
    if (!to)
        return false;
    l->node = to;
    uint16_t *index = pxi_calloc(2 * cap, sizeof *index);
    if (!index)
        return false;
    pxi_free(l->index);
    l->index = index;
    l->cap = cap;
    for (unsigned i = 0; i < l->n; i++)
        index[index_at(l, &l->node[i].peer)] = (uint16_t)(i + 1);
    return true;
}

static int node_new(struct pxi_kad_lookup *l, const struct pxi_peer *peer,
                    const struct pxi_kad_key *dist)
{
    if (l->n >= PXI_LIMIT_KAD_LOOKUP_PEERS || (l->n == l->cap && !grow(l)))
        return -1;
    l->node[l->n] = (struct pxi_kad_node){.dist = *dist, .peer = *peer, .from = -1};
    l->index[index_at(l, peer)] = (uint16_t)++l->n;
    return (int)l->n - 1;
}

/* Put a node into a path, unless it is there or too far down to matter. */
static void path_add(struct pxi_kad_lookup *l, unsigned path, unsigned i)
{
    struct pxi_kad_path *p = &l->path[path];
    unsigned at = place(l, p, &l->node[i].dist);
    if (at < p->n && p->order[at] == i)
        return;
    if (p->n == p->cap) {
        unsigned cap = p->cap ? p->cap * 2 : 64;
        uint16_t *to = pxi_realloc(p->order, cap, sizeof *to);
        if (!to)
            return;
        p->order = to;
        p->cap = cap;
    }
    memmove(p->order + at + 1, p->order + at, (p->n - at) * sizeof *p->order);
    p->order[at] = (uint16_t)i;
    p->n++;
}

/* Is a distance so far down that it cannot matter? Most of what late answers tell is. */
static bool hopeless(const struct pxi_kad_lookup *l, unsigned path, const struct pxi_kad_key *dist)
{
    const struct pxi_kad_path *p = &l->path[path];
    unsigned keep = PXI_LIMIT_KAD_LOOKUP_PEERS / PXI_KAD_PATHS;
    return p->n >= keep && place(l, p, dist) >= keep;
}

static int learn(struct pxi_kad_lookup *l, unsigned path, const struct pxi_peer *peer,
                 const px_view *addrs, unsigned count)
{
    int i = pxi_kad_lookup_find(l, peer);
    if (i < 0) {
        struct pxi_kad_key key = pxi_kad_key_of(pxi_peer_view(peer));
        if (compare(&key, &l->self) == 0)
            return -1;
        struct pxi_kad_key dist = pxi_kad_xor(&key, &l->target);
        i = hopeless(l, path, &dist) ? -1 : node_new(l, peer, &dist);
    }
    if (i < 0)
        return -1;
    struct pxi_kad_node *n = &l->node[i];
    if (n->state == PXI_KAD_HEARD)
        pxi_kad_addrs_merge(&n->addrs, addrs, count);
    for (unsigned a = 0; a < count && !n->group; a++)
        n->group = pxi_kad_group(addrs[a], l->o.strict);
    path_add(l, path, (unsigned)i);
    return i;
}

void pxi_kad_lookup_seed(struct pxi_kad_lookup *l, const struct pxi_peer *p, const px_view *addrs,
                         unsigned count)
{
    int i = learn(l, l->next_path, p, addrs, count);
    if (i < 0)
        return;
    l->node[i].depth = 1;
    l->next_path = (l->next_path + 1) % l->o.paths;
}

static bool liar(const struct pxi_kad_lookup *l, int from)
{
    return from >= 0 && l->node[from].bad >= PXI_LIMIT_KAD_LIES && !l->node[from].good;
}

void pxi_kad_lookup_hear(struct pxi_kad_lookup *l, unsigned from, const struct pxi_peer *p,
                         const px_view *addrs, unsigned count)
{
    unsigned had = l->n;
    int i = learn(l, l->node[from].path, p, addrs, count);
    if (i < 0)
        return;
    struct pxi_kad_node *n = &l->node[i];
    if ((unsigned)i >= had) {
        n->from = (int16_t)from;
        n->depth = (uint8_t)(l->node[from].depth < 255 ? l->node[from].depth + 1 : 255);
    } else if (liar(l, n->from) && !liar(l, (int)from)) {
        n->from = (int16_t)from; /* a better witness */
    }
}

/* ------------------------------------------------------------ who is next */

struct seats { /* networks among the nearest */
    uint32_t group[PXI_LIMIT_KAD_RESULTS];
    unsigned n;
};

/* Does one more peer of this network fit? Takes the seat. */
static bool seat(const struct pxi_kad_lookup *l, struct seats *s, uint32_t group)
{
    unsigned same = 0;
    for (unsigned i = 0; i < s->n; i++)
        same += s->group[i] == group;
    if (group && l->o.group_max && same >= l->o.group_max)
        return false;
    if (s->n < PXI_LIMIT_KAD_RESULTS)
        s->group[s->n++] = group;
    return true;
}

/* Does a path count this node among its nearest? Dead, disbelieved and foreign ones it does not. */
static bool counts(const struct pxi_kad_lookup *l, unsigned path, const struct pxi_kad_node *n)
{
    if (n->state == PXI_KAD_FAILED || (n->state == PXI_KAD_HEARD && liar(l, n->from)))
        return false;
    return n->state == PXI_KAD_HEARD || n->path == path;
}

static void mark_slow(struct pxi_kad_lookup *l, uint64_t now_ns)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct pxi_kad_node *n = &l->node[i];
        if (n->state == PXI_KAD_WAITING && !n->slow && now_ns - n->sent_ns >= l->o.slow_ns) {
            n->slow = true;
            l->path[n->path].inflight--;
        }
    }
}

/* The first of the k nearest of a path that was not asked yet, or -1. Slow ones hold no place.
 * *waiting: somebody among those k is still to answer. */
static int path_next(const struct pxi_kad_lookup *l, unsigned path, bool *waiting)
{
    const struct pxi_kad_path *p = &l->path[path];
    struct seats s = {.n = 0};
    int found = -1;
    *waiting = false;
    for (unsigned i = 0, held = 0; i < p->n && held < l->o.k; i++) {
        const struct pxi_kad_node *n = &l->node[p->order[i]];
        if (!counts(l, path, n) || n->slow || !seat(l, &s, n->group))
            continue;
        held++;
        if (n->state == PXI_KAD_HEARD) {
            found = p->order[i];
            break;
        }
        *waiting |= n->state == PXI_KAD_WAITING;
    }
    return found;
}

int pxi_kad_lookup_next(struct pxi_kad_lookup *l, uint64_t now_ns)
{
    unsigned share = (l->o.alpha + l->o.paths - 1) / l->o.paths;
    bool waiting;
    mark_slow(l, now_ns);
    for (unsigned i = 0; i < l->o.paths && l->requests < l->o.requests_max; i++) {
        unsigned path = (l->next_path + i) % l->o.paths;
        if (l->path[path].inflight >= share)
            continue;
        int found = path_next(l, path, &waiting);
        if (found < 0)
            continue;
        struct pxi_kad_node *n = &l->node[found];
        n->state = PXI_KAD_WAITING;
        n->path = (uint8_t)path;
        n->sent_ns = now_ns;
        l->path[path].inflight++;
        l->requests++;
        l->next_path = (path + 1) % l->o.paths;
        return found;
    }
    return -1;
}

static bool settle(struct pxi_kad_lookup *l, unsigned i, enum pxi_kad_state to)
{
    if (i >= l->n || l->node[i].state != PXI_KAD_WAITING)
        return false;
    struct pxi_kad_node *n = &l->node[i];
    if (!n->slow)
        l->path[n->path].inflight--;
    n->slow = false;
    n->state = (uint8_t)to;
    return true;
}

void pxi_kad_lookup_answered(struct pxi_kad_lookup *l, unsigned i, uint32_t group)
{
    if (!settle(l, i, PXI_KAD_ANSWERED))
        return;
    struct pxi_kad_node *n = &l->node[i];
    if (group)
        n->group = group; /* where it really is */
    if (n->from >= 0 && l->node[n->from].good < 255)
        l->node[n->from].good++;
    l->answers++;
}

void pxi_kad_lookup_failed(struct pxi_kad_lookup *l, unsigned i)
{
    if (!settle(l, i, PXI_KAD_FAILED))
        return;
    struct pxi_kad_node *n = &l->node[i];
    if (n->from >= 0 && l->node[n->from].bad < 255)
        l->node[n->from].bad++;
    l->failures++;
}

bool pxi_kad_lookup_done(struct pxi_kad_lookup *l, uint64_t now_ns)
{
    bool waiting;
    mark_slow(l, now_ns);
    for (unsigned path = 0; path < l->o.paths; path++) {
        if (path_next(l, path, &waiting) >= 0 && l->requests < l->o.requests_max)
            return false;
        if (waiting)
            return false;
    }
    return true;
}

uint64_t pxi_kad_lookup_wake(const struct pxi_kad_lookup *l, uint64_t now_ns)
{
    uint64_t at = PXI_NEVER;
    for (unsigned i = 0; i < l->n; i++) {
        const struct pxi_kad_node *n = &l->node[i];
        if (n->state == PXI_KAD_WAITING && !n->slow && n->sent_ns + l->o.slow_ns < at)
            at = n->sent_ns + l->o.slow_ns;
    }
    return at > now_ns ? at : now_ns;
}

unsigned pxi_kad_lookup_result(const struct pxi_kad_lookup *l, uint16_t *out, unsigned cap)
{
    struct seats s = {.n = 0};
    unsigned n = 0, at[PXI_KAD_PATHS] = {0};
    while (n < cap) { /* merge the paths; each is in order */
        int best = -1;
        for (unsigned p = 0; p < l->o.paths; p++) {
            const struct pxi_kad_path *path = &l->path[p];
            while (at[p] < path->n && (l->node[path->order[at[p]]].state != PXI_KAD_ANSWERED ||
                                       l->node[path->order[at[p]]].path != p))
                at[p]++;
            if (at[p] < path->n &&
                (best < 0 || compare(&l->node[path->order[at[p]]].dist,
                                     &l->node[l->path[best].order[at[best]]].dist) < 0))
                best = (int)p;
        }
        if (best < 0)
            break;
        uint16_t i = l->path[best].order[at[best]++];
        if (seat(l, &s, l->node[i].group))
            out[n++] = i;
    }
    return n;
}
