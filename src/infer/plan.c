#include "infer/plan.h"

#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"

static const double NEVER = 1e300;

enum { PEERS = PXI_LIMIT_PLAN_PEERS, FLIGHTS = 8, ALL_ORDERS = 5, TRIES = 300 };

const char *pxi_plan_why_name(enum pxi_plan_why why)
{
    static const char *const names[] = {"serves", "spare", "no memory", "slower", "enough"};
    return (unsigned)why < sizeof names / sizeof *names ? names[why] : "?";
}

/* A search: the peers as numbers, and the best chain so far. */
struct search {
    const struct pxi_plan_model *m;
    const struct pxi_plan_ways *ways;
    unsigned count, tries;
    double block_s[PEERS], output_s[PEERS]; /* by peer */
    uint64_t memory[PEERS];
    double best;
    unsigned best_n, order[PEERS];
    uint32_t take[PEERS];
};

/* A chain under examination: its peers, and how many blocks each takes. */
struct chain {
    unsigned order[PEERS], n;
    uint32_t take[PEERS];
};

/* ------------------------------------------------------------------------ the price */

static double way(const struct search *s, unsigned from, unsigned to)
{
    return s->ways && s->ways->way_s ? s->ways->way_s[from * (s->count + 1) + to] : 0;
}

static double wire(const struct search *s, unsigned from, unsigned to)
{
    return s->ways && s->ways->wire_s ? s->ways->wire_s[from * (s->count + 1) + to] : 0;
}

/* From the client through all of them and back: into hops_s, wires_s, and slowest_s the link that
 * is taken longest. */
static struct pxi_plan_times hops(const struct search *s, const struct chain *c)
{
    struct pxi_plan_times t = {.stages = c->n};
    unsigned before = s->count;
    for (unsigned i = 0; i <= c->n; i++) {
        unsigned to = i < c->n ? c->order[i] : s->count;
        double w = wire(s, before, to);
        t.hops_s += way(s, before, to);
        t.wires_s += w;
        t.slowest_s = w > t.slowest_s ? w : t.slowest_s;
        before = to;
    }
    return t;
}

static double stage_s(const struct search *s, const struct chain *c, unsigned i, uint32_t take)
{
    unsigned p = c->order[i];
    return take * s->block_s[p] + (i + 1 == c->n ? s->output_s[p] : 0);
}

static struct pxi_plan_times price(const struct search *s, const struct chain *c)
{
    struct pxi_plan_times t = hops(s, c);
    t.token_s = t.hops_s;
    for (unsigned i = 0; i < c->n; i++) {
        double x = stage_s(s, c, i, c->take[i]);
        t.token_s += x;
        t.slowest_s = x > t.slowest_s ? x : t.slowest_s;
    }
    uint32_t flights = s->m->flights ? s->m->flights : FLIGHTS;
    t.cost_s = t.token_s + (flights - 1) * t.slowest_s;
    return t;
}

/* ------------------------------------------------------------------------ the cut */

/* Blocks that fit into the memory of the peer at place i. */
static uint32_t room(const struct search *s, const struct chain *c, unsigned i)
{
    uint64_t memory = s->memory[c->order[i]];
    uint64_t fixed = (i == 0 ? s->m->embed_memory : 0) + (i + 1 == c->n ? s->m->output_bytes : 0);
    uint64_t n = memory < fixed ? 0 : (memory - fixed) / pxi_max(s->m->block_memory, 1);
    return (uint32_t)pxi_min(n, s->m->blocks);
}

/* Share the blocks out so that no stage takes longer than `most`: one for each, the rest to the
 * fastest (fast: the places from the fastest on). False: they do not fit. */
static bool share(const struct search *s, struct chain *c, const uint32_t *rooms,
                  const unsigned *fast, double most)
{
    uint32_t left = s->m->blocks - c->n;
    for (unsigned k = 0; k < c->n; k++) {
        unsigned i = fast[k];
        double each = s->block_s[c->order[i]], spare = most - stage_s(s, c, i, 1);
        if (spare < -1e-9 * most)
            return false;
        double fit = each > 0 ? spare / each + 1e-6 : s->m->blocks;
        uint32_t more = (uint32_t)(fit < rooms[i] - 1 ? fit : rooms[i] - 1);
        more = (uint32_t)pxi_min(more, left);
        c->take[i] = 1 + more;
        left -= more;
    }
    return !left;
}

/* Rooms of all, and their places from the fastest on; false: one has no room. */
static bool prepare(const struct search *s, const struct chain *c, uint32_t *rooms, unsigned *fast)
{
    for (unsigned i = 0; i < c->n; i++) {
        unsigned k = i;
        if (!(rooms[i] = room(s, c, i)))
            return false;
        for (; k && s->block_s[c->order[fast[k - 1]]] > s->block_s[c->order[i]]; k--)
            fast[k] = fast[k - 1];
        fast[k] = i;
    }
    return c->n && c->n <= s->m->blocks;
}

/* The best cut for peers in this order, in c->take; NEVER: none fits. Each time that some stage can
 * take is tried as the longest. */
static double cut(const struct search *s, struct chain *c)
{
    uint32_t rooms[PEERS], best[PEERS], flights = s->m->flights ? s->m->flights : FLIGHTS;
    unsigned fast[PEERS];
    double least = NEVER;
    if (!prepare(s, c, rooms, fast))
        return NEVER;
    double floor = hops(s, c).hops_s + s->m->blocks * s->block_s[c->order[fast[0]]];
    for (unsigned i = 0; i < c->n; i++)
        for (uint32_t k = 1; k <= rooms[i] && k <= s->m->blocks + 1 - c->n; k++) {
            double most = stage_s(s, c, i, k);
            if (floor + (flights - 1) * most > least)
                break; /* whatever the others take */
            if (!share(s, c, rooms, fast, most))
                continue;
            double x = price(s, c).cost_s;
            if (x < least * (1 - 1e-9)) {
                least = x;
                memcpy(best, c->take, sizeof best);
            }
        }
    if (least < NEVER)
        memcpy(c->take, best, sizeof best);
    return least;
}

/* ------------------------------------------------------------------------ the order */

/* Keep a chain that is better; a longer one must be so by a fiftieth. */
static bool consider(struct search *s, struct chain *c)
{
    double x = cut(s, c), limit = s->best * (c->n > s->best_n ? 0.98 : 1 - 1e-9);
    s->tries++;
    if (x >= NEVER || (s->best < NEVER && x >= limit))
        return false;
    s->best = x;
    s->best_n = c->n;
    memcpy(s->order, c->order, sizeof s->order);
    memcpy(s->take, c->take, sizeof s->take);
    return true;
}

/* Every order of `n` of the peers; in turn as they come, so that of equals the first stay. */
static void all_orders(struct search *s, struct chain *c, unsigned n, unsigned used)
{
    if (c->n == n) {
        consider(s, c);
        return;
    }
    for (unsigned p = 0; p < s->count; p++) {
        if (used >> p & 1)
            continue;
        c->order[c->n++] = p;
        all_orders(s, c, n, used | 1u << p);
        c->n--;
    }
}

static void load_best(const struct search *s, struct chain *c)
{
    c->n = s->best_n;
    memcpy(c->order, s->order, sizeof c->order);
}

static void take_out(struct chain *c, unsigned i)
{
    memmove(c->order + i, c->order + i + 1, (c->n - i - 1) * sizeof *c->order);
    c->n--;
}

static void put_in(struct chain *c, unsigned i, unsigned peer)
{
    memmove(c->order + i + 1, c->order + i, (c->n - i) * sizeof *c->order);
    c->order[i] = peer;
    c->n++;
}

static bool holds(const struct chain *c, unsigned peer)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->order[i] == peer)
            return true;
    return false;
}

/* One better neighbour of the best chain: a peer at another place, one more, or one less. */
static bool improve(struct search *s, unsigned least, unsigned most)
{
    struct chain from, c;
    from = (struct chain){0};
    load_best(s, &from);
    for (unsigned i = 0; i < from.n && s->tries < TRIES; i++)
        for (unsigned k = 0; k < from.n; k++) {
            c = from;
            take_out(&c, i);
            put_in(&c, k, from.order[i]);
            if (k != i && consider(s, &c))
                return true;
        }
    for (unsigned p = 0; p < s->count && from.n < most && s->tries < TRIES; p++)
        for (unsigned i = 0; i <= from.n && !holds(&from, p); i++) {
            c = from;
            put_in(&c, i, p);
            if (consider(s, &c))
                return true;
        }
    for (unsigned i = 0; i < from.n && from.n > least && s->tries < TRIES; i++) {
        c = from;
        take_out(&c, i);
        if (consider(s, &c))
            return true;
    }
    return false;
}

/* Begin with the peers as they come, and so many of them as are needed at least. */
static void some_orders(struct search *s, unsigned least, unsigned most)
{
    struct chain c = {0};
    for (unsigned n = least; n <= most; n++) {
        c.n = n;
        for (unsigned i = 0; i < n; i++)
            c.order[i] = i;
        consider(s, &c);
    }
    while (s->best < NEVER && s->tries < TRIES && improve(s, least, most))
        ;
}

/* ------------------------------------------------------------------------ the plan */

static void search_init(struct search *s, const struct pxi_plan_model *m,
                        const struct pxi_plan_peer *peers, unsigned count,
                        const struct pxi_plan_ways *ways)
{
    uint64_t least = 0;
    *s = (struct search){.m = m, .ways = ways, .count = count, .best = NEVER};
    for (unsigned i = 0; i < count; i++)
        if (peers[i].rate && (!least || peers[i].rate < least))
            least = peers[i].rate;
    for (unsigned i = 0; i < count; i++) {
        double rate = (double)(peers[i].rate ? peers[i].rate : pxi_max(least, 1));
        s->block_s[i] = (double)m->block_bytes / rate;
        s->output_s[i] = (double)m->output_bytes / rate;
        s->memory[i] = peers[i].memory;
    }
}

/* What a token would take if this peer served too. */
static double with(struct search *s, unsigned peer)
{
    double best = 0;
    for (unsigned i = 0; i <= s->best_n && s->best_n < PEERS; i++) {
        struct chain c = {0};
        load_best(s, &c);
        put_in(&c, i, peer);
        if (cut(s, &c) >= NEVER)
            continue;
        double x = price(s, &c).token_s;
        best = best == 0 || x < best ? x : best;
    }
    return best;
}

/* Bytes of the slice at a place. */
static uint64_t slice_memory(const struct search *s, unsigned i)
{
    return s->take[i] * s->m->block_memory + (i == 0 ? s->m->embed_memory : 0) +
           (i + 1 == s->best_n ? s->m->output_bytes : 0);
}

/* Peers that serve none keep slices of others ready, those that have the fewest spares first. */
static void add_spares(const struct search *s, struct pxi_plan_peer *peers)
{
    unsigned spares[PEERS] = {0};
    for (unsigned p = 0; p < s->count; p++) {
        uint64_t left = peers[p].memory;
        while (peers[p].place == PXI_PLAN_NONE) {
            unsigned best = s->best_n;
            for (unsigned i = 0; i < s->best_n; i++)
                if (!(peers[p].spare >> i & 1) && slice_memory(s, i) <= left &&
                    (best == s->best_n || spares[i] < spares[best]))
                    best = i;
            if (best == s->best_n)
                break;
            spares[best]++;
            peers[p].spare |= 1u << best;
            peers[p].why = PXI_PLAN_SPARE;
            left -= slice_memory(s, best);
        }
    }
}

static void adopt(struct search *s, struct pxi_plan_peer *peers, struct pxi_plan_times *times)
{
    struct chain c = {0};
    uint32_t at = 0;
    load_best(s, &c);
    memcpy(c.take, s->take, sizeof c.take);
    *times = price(s, &c);
    for (unsigned i = 0; i < c.n; i++) {
        struct pxi_plan_peer *p = &peers[c.order[i]];
        p->place = i;
        p->first = at;
        p->last = at += c.take[i];
        p->seconds = stage_s(s, &c, i, c.take[i]);
        p->why = PXI_PLAN_SERVES;
    }
    for (unsigned i = 0; i < s->count; i++) {
        struct pxi_plan_peer *p = &peers[i];
        if (p->place != PXI_PLAN_NONE)
            continue;
        p->with_s = with(s, i);
        p->why = p->memory < s->m->block_memory || !p->memory ? PXI_PLAN_NO_MEMORY
                 : p->with_s > times->token_s                 ? PXI_PLAN_SLOWER
                                                              : PXI_PLAN_ENOUGH;
    }
    add_spares(s, peers);
}

/* Leave only what was given. */
static void forget(struct pxi_plan_peer *peers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        peers[i] = (struct pxi_plan_peer){
            .memory = peers[i].memory, .rate = peers[i].rate, .place = PXI_PLAN_NONE};
        peers[i].why = PXI_PLAN_ENOUGH;
    }
}

px_err pxi_plan(const struct pxi_plan_model *m, struct pxi_plan_peer *peers, unsigned count,
                const struct pxi_plan_ways *ways, struct pxi_plan_times *times)
{
    struct search s;
    struct pxi_plan_times t = {0};
    forget(peers, count);
    if (!count || count > PEERS || !m->blocks)
        return count > PEERS ? PX_ERR_LIMIT : PX_ERR_NOMEM;
    search_init(&s, m, peers, count, ways);
    unsigned able = 0;
    for (unsigned i = 0; i < count; i++)
        able += peers[i].memory && peers[i].memory >= m->block_memory;
    unsigned most = (unsigned)pxi_min(count, m->blocks);
    most = m->stages_max ? (unsigned)pxi_min(most, m->stages_max) : most;
    unsigned least = (unsigned)pxi_max(pxi_min(pxi_min(m->stages_min, most), able), 1);
    /* With fewer stages, when the ends of the model do not fit into as many. */
    for (; least && s.best >= NEVER; least--) {
        struct chain c = {0};
        for (unsigned n = least; n <= most && count <= ALL_ORDERS; n++)
            all_orders(&s, &c, n, 0);
        if (count > ALL_ORDERS)
            some_orders(&s, least, most);
    }
    if (s.best >= NEVER)
        return PX_ERR_NOMEM;
    adopt(&s, peers, &t);
    if (times)
        *times = t;
    return PX_ERR_OK;
}

static px_err chain_of(const struct pxi_plan_model *m, unsigned count, const unsigned *order,
                       const uint32_t *cuts, unsigned stages, struct chain *c)
{
    uint32_t at = 0;
    *c = (struct chain){.n = stages};
    if (count > PEERS || !stages || stages > PEERS)
        return PX_ERR_INVALID;
    for (unsigned i = 0; i < stages; i++) {
        if (order[i] >= count || cuts[i] <= at)
            return PX_ERR_INVALID;
        c->order[i] = order[i];
        c->take[i] = cuts[i] - at;
        at = cuts[i];
    }
    return at == m->blocks ? PX_ERR_OK : PX_ERR_INVALID;
}

px_err pxi_plan_cost(const struct pxi_plan_model *m, const struct pxi_plan_peer *peers,
                     unsigned count, const struct pxi_plan_ways *ways, const unsigned *order,
                     const uint32_t *cuts, unsigned stages, struct pxi_plan_times *times)
{
    struct search s;
    struct chain c;
    px_err err = chain_of(m, count, order, cuts, stages, &c);
    if (err != PX_ERR_OK)
        return err;
    search_init(&s, m, peers, count, ways);
    *times = price(&s, &c);
    return PX_ERR_OK;
}

px_err pxi_plan_adopt(const struct pxi_plan_model *m, struct pxi_plan_peer *peers, unsigned count,
                      const struct pxi_plan_ways *ways, const unsigned *order, const uint32_t *cuts,
                      unsigned stages, struct pxi_plan_times *times)
{
    struct search s;
    struct chain c;
    px_err err = chain_of(m, count, order, cuts, stages, &c);
    if (err != PX_ERR_OK)
        return err;
    forget(peers, count);
    search_init(&s, m, peers, count, ways);
    s.best_n = c.n;
    memcpy(s.order, c.order, sizeof s.order);
    memcpy(s.take, c.take, sizeof s.take);
    adopt(&s, peers, times);
    return PX_ERR_OK;
}
