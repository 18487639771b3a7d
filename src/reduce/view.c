#include "reduce/view.h"

#include <string.h>

#define RETRY_NS (UINT64_C(100000000)) /* between messages about what is not settled */
#define STUCK_NS (UINT64_C(300000000)) /* of a vote that is behind another's */
#define DOUBT_NS (UINT64_C(500000000)) /* of asking in vain, before we believe that one is gone */

enum { ASK = 1, FRESH = 2, WANTED_FRESH = 4, UNPLACED = 8 };

/* What follows the head, little-endian. */
struct body {
    uint64_t your_life; /* that the sender knows; 0: the view has a former one */
    uint64_t challenge, echo;
    uint64_t live, wanted, wants;
    uint16_t wanted_epoch, flags;
    uint32_t start;
    uint32_t seq[PX_GRADIENT_WORKERS];
    uint64_t unused;
};
_Static_assert(PX_GRADIENT_HEAD + sizeof(struct body) == PXI_VIEW_BYTES, "no padding");
_Static_assert(sizeof(struct body) % (2 * PXI_GRADIENT_STEP) == 0, "values of 16 bits");

static uint64_t bit(unsigned i)
{
    return UINT64_C(1) << i;
}

static uint64_t all_of(const struct pxi_view *v)
{
    return v->o.world == 64 ? UINT64_MAX : bit(v->o.world) - 1;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* What a member has to say before we believe that it has another life. */
static uint64_t challenge_of(const struct pxi_view *v, unsigned i)
{
    return mix(v->o.life + mix(i * UINT64_C(0x9e3779b97f4a7c15) + v->peers[i].lives + 1)) | 1;
}

static unsigned lowest(uint64_t set)
{
    return (unsigned)__builtin_ctzll(set);
}

/* Whether the members `part` may decide for `whole`. */
static bool is_quorum(uint64_t part, uint64_t whole)
{
    unsigned twice = 2 * (unsigned)__builtin_popcountll(part & whole);
    unsigned n = (unsigned)__builtin_popcountll(whole);
    return twice > n || (twice == n && n && (part >> lowest(whole) & 1));
}

/* Of the view and of every set that may have become one. */
static bool may_follow(const struct pxi_view *v, uint64_t set)
{
    bool may = is_quorum(set, v->live);
    for (unsigned i = 0; i < v->promises; i++)
        may &= is_quorum(set, v->promised[i]);
    return may && v->promises < PXI_VIEW_PROMISES;
}

void pxi_view_init(struct pxi_view *v, const struct pxi_view_options *o)
{
    *v = (struct pxi_view){.o = *o};
    if (o->world > 1)
        return;
    v->epoch = 1;
    v->live = 1;
    v->fresh = true;
}

void pxi_view_restart(struct pxi_view *v, uint64_t life)
{
    v->o.life = life;
    v->epoch = 0;
    v->live = v->suspects = v->adding = v->wants = 0;
    v->fresh = v->out = v->busy = false;
    v->promises = 0;
    v->vote.set = 0;
    v->places.start = 0;
    for (unsigned i = 0; i < v->o.world; i++) {
        v->peers[i].begun_anew = false;
        v->peers[i].owed = v->peers[i].wanted = 0;
    }
}

void pxi_view_news(struct pxi_view *v)
{
    for (unsigned i = 0; i < v->o.world; i++)
        v->peers[i].owes_us = true;
}

unsigned pxi_view_host(const struct pxi_view *v, unsigned shard)
{
    uint64_t from = v->live & ~(bit(shard) - 1);
    return v->live ? lowest(from ? from : v->live) : shard;
}

void pxi_view_heard(struct pxi_view *v, unsigned from, uint64_t now_ns)
{
    struct pxi_view_peer *p = &v->peers[from];
    p->heard_ns = now_ns;
    p->doubt_ns = 0;
    if (!p->begun_anew)
        v->suspects &= ~bit(from);
}

/* --------------------------------------------------------------- agreement */

static void install(struct pxi_view *v, uint16_t epoch, uint64_t live, bool fresh, uint64_t now_ns)
{
    for (unsigned i = 0; i < v->o.world; i++) {
        struct pxi_view_peer *p = &v->peers[i];
        p->begun_anew &= (v->live & live) >> i & 1;
        p->heard_ns = now_ns;
        p->doubt_ns = 0;
    }
    v->epoch = epoch;
    v->live = live;
    v->fresh = fresh;
    v->suspects = v->adding = 0;
    v->promises = 0;
    v->wants = 0;
    v->places.start = 0;
    pxi_view_news(v);
}

static void vote(struct pxi_view *v, uint16_t epoch, uint64_t set, bool fresh)
{
    bool known = false;
    v->vote.epoch = v->seen = epoch;
    v->vote.set = set;
    v->vote.fresh = fresh;
    v->voted_ns = v->turned_ns;
    for (unsigned i = 0; i < v->promises; i++)
        known |= v->promised[i] == set;
    if (!known && v->promises < PXI_VIEW_PROMISES)
        v->promised[v->promises++] = set;
    pxi_view_news(v);
}

/* Who should belong to it, as we see it. */
static uint64_t desired(const struct pxi_view *v)
{
    return (v->live & ~v->suspects) | (v->adding & ~v->live);
}

static bool is_changing(const struct pxi_view *v)
{
    return !v->epoch || desired(v) != v->live;
}

/* All have voted alike. */
static bool settle(struct pxi_view *v, uint64_t now_ns)
{
    if (v->vote.epoch <= v->epoch || !v->vote.set)
        return false;
    for (unsigned i = 0; i < v->o.world; i++) {
        const struct pxi_view_peer *p = &v->peers[i];
        if (i != v->o.rank && (v->vote.set >> i & 1) &&
            (p->wanted != v->vote.set || p->wanted_epoch != v->vote.epoch))
            return false;
    }
    install(v, v->vote.epoch, v->vote.set, v->vote.fresh, now_ns);
    return true;
}

/* Everybody is there and none has a view: the first of the job. */
static void begin_fresh(struct pxi_view *v)
{
    for (unsigned i = 0; i < v->o.world; i++)
        if (i != v->o.rank && (!v->peers[i].life || v->peers[i].epoch))
            return;
    if (v->vote.set != all_of(v) || !v->vote.fresh) {
        v->promises = 0;
        vote(v, (uint16_t)(v->seen + 1), all_of(v), true);
    }
}

static void suspect_silent(struct pxi_view *v, uint64_t now_ns)
{
    for (unsigned i = 0; i < v->o.world; i++) {
        const struct pxi_view_peer *p = &v->peers[i];
        bool silent = now_ns - p->heard_ns >= v->o.silence_ns;
        if (i == v->o.rank)
            continue;
        if ((v->live >> i & 1) && ((silent && v->busy) || p->begun_anew))
            v->suspects |= bit(i);
        if (silent)
            v->adding &= ~bit(i);
    }
}

/* Those who wait to be let in; the lowest proposes them. */
static void let_in(struct pxi_view *v, uint64_t now_ns)
{
    uint64_t stay = v->live & ~v->suspects;
    if (!stay || lowest(stay) != v->o.rank)
        return;
    for (unsigned i = 0; i < v->o.world; i++) {
        const struct pxi_view_peer *p = &v->peers[i];
        if (i != v->o.rank && !(v->live >> i & 1) && p->life && !p->epoch &&
            now_ns - p->heard_ns < v->o.silence_ns)
            v->adding |= bit(i);
    }
}

/* When we were not running, nobody was silent. */
static void forgive(struct pxi_view *v, bool busy, uint64_t now_ns)
{
    uint64_t gap = now_ns - v->turned_ns;
    bool stalled = v->turned_ns && gap > v->o.silence_ns / 3;
    for (unsigned i = 0; i < v->o.world; i++) {
        struct pxi_view_peer *p = &v->peers[i];
        if (busy && !v->busy)
            p->heard_ns = now_ns;
        else if (stalled)
            p->heard_ns = p->heard_ns + gap < now_ns ? p->heard_ns + gap : now_ns;
        if (stalled && p->doubt_ns)
            p->doubt_ns = now_ns;
    }
    v->turned_ns = now_ns;
    v->busy = busy;
}

bool pxi_view_turn(struct pxi_view *v, bool busy, uint64_t now_ns)
{
    forgive(v, busy, now_ns);
    if (v->o.world == 1)
        return false;
    if (!v->epoch) {
        begin_fresh(v);
        return settle(v, now_ns);
    }
    suspect_silent(v, now_ns);
    let_in(v, now_ns);
    uint64_t set = desired(v);
    bool behind = v->seen > v->vote.epoch && now_ns - v->voted_ns > STUCK_NS;
    if (set != v->live && (set != v->vote.set || v->vote.epoch <= v->epoch || behind) &&
        may_follow(v, set) && v->seen < UINT16_MAX)
        vote(v, (uint16_t)(v->seen + 1), set, false);
    return settle(v, now_ns);
}

/* ---------------------------------------------------------------- messages */

/* Whether we believe, too, that a member is gone. */
static bool believe(struct pxi_view *v, unsigned i, uint64_t now_ns)
{
    struct pxi_view_peer *p = &v->peers[i];
    if (p->begun_anew || (v->suspects >> i & 1))
        return true;
    if (!p->doubt_ns)
        p->doubt_ns = now_ns;
    return now_ns - p->doubt_ns >= DOUBT_NS && now_ns - p->heard_ns >= v->o.silence_ns / 2;
}

/* Another member has voted: join it when we think alike. */
static void consider(struct pxi_view *v, const struct body *b, uint64_t now_ns)
{
    bool fresh = b->flags & WANTED_FRESH;
    uint64_t without = v->live & ~b->wanted, with = b->wanted & ~v->live;
    if (b->wanted_epoch <= v->epoch || !(b->wanted >> v->o.rank & 1))
        return;
    v->seen = b->wanted_epoch > v->seen ? b->wanted_epoch : v->seen;
    if (!v->epoch) {
        bool may = fresh ? b->wanted == all_of(v) : b->your_life == v->o.life;
        if (may && b->wanted_epoch > v->vote.epoch)
            vote(v, b->wanted_epoch, b->wanted, fresh);
        return;
    }
    for (unsigned i = 0; i < v->o.world && !fresh; i++) {
        if ((without >> i & 1) && believe(v, i, now_ns))
            v->suspects |= bit(i);
        if ((with >> i & 1) && v->peers[i].life && !v->peers[i].epoch)
            v->adding |= bit(i);
    }
    if (!fresh && desired(v) == b->wanted && b->wanted_epoch > v->vote.epoch &&
        may_follow(v, b->wanted))
        vote(v, b->wanted_epoch, b->wanted, false);
}

/* It has another life than we knew, and has answered our challenge. */
static void believe_life(struct pxi_view *v, unsigned from, uint64_t life)
{
    struct pxi_view_peer *p = &v->peers[from];
    if (p->life && v->vote.epoch > v->epoch)
        v->vote.set = 0; /* its vote was of the life before */
    p->life = life;
    p->lives++;
    p->wanted = p->wanted_epoch = 0;
    p->begun_anew = v->epoch && (v->live >> from & 1);
    p->number = 0;
    v->seen = v->vote.epoch > v->seen ? v->vote.epoch : v->seen;
}

/* Whether a message is new, of the life that the member has. */
static bool is_true(struct pxi_view *v, unsigned from, const struct px_gradient_head *h,
                    const struct body *b)
{
    struct pxi_view_peer *p = &v->peers[from];
    p->owed = b->challenge;
    if (h->where == p->life && p->life)
        return (int32_t)(h->seq - p->number) > 0;
    p->owes_us = true;
    if (!h->where || b->echo != challenge_of(v, from))
        return false;
    believe_life(v, from, h->where);
    return true;
}

bool pxi_view_take(struct pxi_view *v, unsigned from, const struct px_gradient_head *h,
                   px_view values, uint64_t now_ns, struct pxi_view_said *said)
{
    struct pxi_view_peer *p = &v->peers[from];
    struct body b;
    said->epoch = 0;
    if (values.n != sizeof b || from >= v->o.world || from == v->o.rank)
        return false;
    memcpy(&b, values.p, sizeof b);
    if (!is_true(v, from, h, &b))
        return false;
    p->number = h->seq;
    p->epoch = h->epoch;
    p->wanted = b.wanted;
    p->wanted_epoch = b.wanted_epoch;
    p->begun_anew &= !h->epoch || h->epoch != v->epoch;
    pxi_view_heard(v, from, now_ns);
    p->owes_us |= (b.flags & ASK) || h->epoch < v->epoch;
    p->seeks = b.flags & UNPLACED;
    said->epoch = h->epoch;
    said->wants = b.wants;
    said->places.start = b.start;
    memcpy(said->places.seq, b.seq, sizeof b.seq);
    v->seen = h->epoch > v->seen ? h->epoch : v->seen;
    if (h->epoch > v->epoch && b.your_life == v->o.life && (b.live >> v->o.rank & 1)) {
        install(v, h->epoch, b.live & all_of(v), b.flags & FRESH, now_ns);
        return true;
    }
    v->out |= v->epoch && h->epoch > v->epoch;
    consider(v, &b, now_ns);
    return settle(v, now_ns);
}

static bool is_due(const struct pxi_view *v, unsigned to, uint64_t now_ns, bool *ask)
{
    const struct pxi_view_peer *p = &v->peers[to];
    uint64_t told = now_ns - p->told_ns;
    bool member = v->live >> to & 1, retry = told >= RETRY_NS;
    bool silent = v->busy && member && now_ns - p->heard_ns >= v->o.beat_ns;
    bool doubt = (p->doubt_ns || v->seeks) && retry && (member || p->doubt_ns);
    /* Whatever else is told to one that is silent asks, too: it may have nothing to say to that. */
    *ask = silent || doubt;
    return (silent && told >= v->o.beat_ns) || doubt || p->owes_us ||
           ((is_changing(v) || v->wants) && retry);
}

bool pxi_view_tell(struct pxi_view *v, unsigned to, uint64_t now_ns, uint8_t out[PXI_VIEW_BYTES])
{
    struct pxi_view_peer *p = &v->peers[to];
    bool ask;
    if (to == v->o.rank || !is_due(v, to, now_ns, &ask))
        return false;
    struct px_gradient_head h = {.kind = PX_GRADIENT_VIEW,
                                 .job = v->o.job,
                                 .epoch = v->epoch,
                                 .worker = (uint8_t)v->o.rank,
                                 .seq = ++v->number,
                                 .count = sizeof(struct body) / 2,
                                 .where = v->o.life};
    struct body b = {.your_life = p->begun_anew ? 0 : p->life,
                     .challenge = challenge_of(v, to),
                     .echo = p->owed,
                     .live = v->live,
                     .wants = v->wants,
                     .start = v->places.start,
                     .flags = (uint16_t)((ask ? ASK : 0) | (v->fresh ? FRESH : 0) |
                                         (v->unplaced ? UNPLACED : 0))};
    if (v->vote.epoch > v->epoch && v->vote.set) {
        b.wanted = v->vote.set;
        b.wanted_epoch = v->vote.epoch;
        b.flags |= v->vote.fresh ? WANTED_FRESH : 0;
    }
    memcpy(b.seq, v->places.seq, sizeof b.seq);
    pxi_gradient_write(&h, out);
    memcpy(out + PX_GRADIENT_HEAD, &b, sizeof b);
    p->owes_us = false;
    p->told_ns = now_ns;
    return true;
}

uint64_t pxi_view_deadline(const struct pxi_view *v)
{
    bool doubt = false;
    for (unsigned i = 0; i < v->o.world; i++)
        doubt |= v->peers[i].doubt_ns != 0;
    if (v->o.world == 1)
        return UINT64_MAX;
    if (is_changing(v) || v->wants || v->seeks || doubt)
        return v->turned_ns + RETRY_NS;
    return v->busy ? v->turned_ns + v->o.beat_ns : UINT64_MAX;
}

int pxi_view_lost(const struct pxi_view *v, uint64_t after_ns, uint64_t now_ns)
{
    uint64_t gone = 0;
    if (!v->epoch || !v->busy || desired(v) == v->live || may_follow(v, desired(v)))
        return -1;
    for (unsigned i = 0; i < v->o.world; i++)
        if ((v->suspects >> i & 1) && now_ns - v->peers[i].heard_ns >= after_ns)
            gone |= bit(i);
    /* With those who are silent since a while ago only, it could go on: they may be back. */
    return gone && !may_follow(v, v->live & ~gone) ? (int)lowest(gone) : -1;
}
