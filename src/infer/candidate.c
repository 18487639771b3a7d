#include "infer/candidate.h"

#include <string.h>

#include "base/math.h"

enum { PEERS = PXI_LIMIT_PLAN_PEERS, WIDTH = PEERS + 1, WALKS = 4000 };

static const uint64_t NEAR_NS = 60000000, LONGEST_NS = 10000000000;
/* A loaded chain is weighed against one that must be fetched over an answer of so many tokens. */
static const double ANSWER = 128, LOAD_RATE = 2e8, LOAD_S = 0.2;
/* Shards are fetched for a plan only when it costs less than this part of one that fetches none. */
static const double WORTH = 0.8;

void pxi_held_add(struct pxi_held *h, uint32_t bit)
{
    if (bit / 8 < sizeof h->bits)
        h->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
}

bool pxi_held_has(const struct pxi_held *h, uint32_t bit)
{
    return bit / 8 < sizeof h->bits && h->bits[bit / 8] >> bit % 8 & 1;
}

void pxi_candidate_held(struct pxi_candidate *c, px_view bits)
{
    c->held = (struct pxi_held){{0}};
    if (bits.n)
        memcpy(c->held.bits, bits.p, pxi_min(bits.n, sizeof c->held.bits));
}

void pxi_candidate_links(struct pxi_candidate *c, const struct pxi_pb_list *links)
{
    const struct pxi_msg_link *l = links->p;
    c->link_count = 0;
    for (size_t i = 0; i < links->n && c->link_count < PXI_LINKS_MAX; i++) {
        struct pxi_candidate_link *to = &c->links[c->link_count];
        to->rtt_ns = pxi_min(l[i].rtt_us, LONGEST_NS / 1000) * 1000;
        c->link_count += pxi_peer_from_bytes(l[i].peer, &to->peer, NULL) == PX_ERR_OK;
    }
}

void pxi_candidate_slices(struct pxi_candidate *c, const struct pxi_pb_list *served, px_view model,
                          uint32_t positions)
{
    const struct pxi_msg_served *s = served->p;
    c->slice_count = 0;
    for (size_t i = 0; i < served->n && c->slice_count < PXI_CANDIDATE_SLICES; i++)
        if (px_view_equal(s[i].model, model) && s[i].positions >= positions &&
            s[i].sessions < s[i].slots && s[i].first < s[i].last && s[i].last <= UINT32_MAX)
            c->slices[c->slice_count++] = (struct pxi_candidate_slice){
                (uint32_t)s[i].first, (uint32_t)s[i].last, s[i].embed != 0, s[i].output != 0};
}

/* ------------------------------------------------------------------------ distances */

/* What one of them says of the other; 0: nothing. */
static uint64_t told(const struct pxi_candidate *from, const struct pxi_candidate *to)
{
    for (unsigned i = 0; i < from->link_count; i++)
        if (pxi_peer_equal(&from->links[i].peer, &to->peer))
            return from->links[i].rtt_ns;
    return 0;
}

/* Round trip of two peers; where nobody knows, they are as far as the farther one from the client.
 */
static uint64_t rtt_between(const struct pxi_candidate *a, const struct pxi_candidate *b)
{
    if (a->self || b->self)
        return a->self ? b->rtt_ns : a->rtt_ns;
    uint64_t x = told(a, b), y = told(b, a);
    return x && y ? pxi_min(x, y) : x || y ? pxi_max(x, y) : pxi_max(a->rtt_ns, b->rtt_ns);
}

/* Bytes a second between two: what the slower of their links gives. */
static double wire_between(const struct pxi_candidate *a, const struct pxi_candidate *b,
                           uint64_t bytes)
{
    uint64_t x = a->rate_link, y = b->rate_link;
    uint64_t rate = x && y ? pxi_min(x, y) : pxi_max(x, y);
    return rate ? (double)bytes / (double)rate : 0;
}

static void measure(const struct pxi_candidate *c, unsigned n, uint64_t row_bytes, double *way,
                    double *wire)
{
    memset(way, 0, sizeof *way * WIDTH * WIDTH);
    memset(wire, 0, sizeof *wire * WIDTH * WIDTH);
    for (unsigned i = 0; i < n; i++) {
        way[i * (n + 1) + n] = way[n * (n + 1) + i] = (double)c[i].rtt_ns / 2e9;
        for (unsigned k = 0; k < n; k++) {
            if (i == k)
                continue;
            wire[i * (n + 1) + k] = wire_between(&c[i], &c[k], row_bytes);
            way[i * (n + 1) + k] = (double)rtt_between(&c[i], &c[k]) / 2e9 + wire[i * (n + 1) + k];
        }
    }
}

/* ------------------------------------------------------------------------ what is loaded */

/* A walk over slices that are loaded, or whose shards are on the disks, from block 0 to the last.
 */
struct walk {
    bool held; /* on the disks */
    const struct pxi_plan_model *m;
    const struct pxi_candidate *c;
    const struct pxi_plan_ways *ways;
    const struct pxi_plan_peer *peers;
    unsigned count, least, steps, n, used;
    unsigned order[PEERS], best_order[PEERS], best_n;
    uint32_t cut[PEERS], best_cut[PEERS];
    double best, token_s;
};

static void price(struct walk *w)
{
    struct pxi_plan_times t;
    if (w->n < w->least || (w->m->stages_max && w->n > w->m->stages_max) ||
        pxi_plan_cost(w->m, w->peers, w->count, w->ways, w->order, w->cut, w->n, &t) != PX_ERR_OK)
        return;
    if (w->best_n && t.cost_s >= w->best)
        return;
    w->best = t.cost_s;
    w->token_s = t.token_s;
    w->best_n = w->n;
    memcpy(w->best_order, w->order, sizeof w->order);
    memcpy(w->best_cut, w->cut, sizeof w->cut);
}

static void walk(struct walk *w, uint32_t at);

/* Peer i computes up to `end`; the others follow. */
static void step(struct walk *w, unsigned i, uint32_t end)
{
    if (++w->steps > WALKS)
        return;
    w->order[w->n] = i;
    w->cut[w->n++] = end;
    w->used |= 1u << i;
    walk(w, end);
    w->used &= ~(1u << i);
    w->n--;
}

/* Slices of peer i that are loaded and begin there. */
static void step_loaded(struct walk *w, unsigned i, uint32_t at)
{
    for (unsigned k = 0; k < w->c[i].slice_count; k++) {
        const struct pxi_candidate_slice *s = &w->c[i].slices[k];
        bool ends = s->last == w->m->blocks;
        if (s->first == at && s->last <= w->m->blocks && (at || s->embed) && (!ends || s->output))
            step(w, i, s->last);
    }
}

/* Does a row of blocks that somebody else has on his disk begin there? */
static bool begins(const struct walk *w, unsigned i, uint32_t block)
{
    for (unsigned k = 0; k < w->count; k++)
        if (k != i && pxi_held_has(&w->c[k].held, PXI_HELD_BLOCKS + block) &&
            !pxi_held_has(&w->c[k].held, PXI_HELD_BLOCKS + block - 1))
            return true;
    return false;
}

/* Memory for blocks [at, end) at peer i. */
static bool has_room(const struct walk *w, unsigned i, uint32_t at, uint32_t end)
{
    const struct pxi_plan_model *m = w->m;
    double need = (double)(end - at) * (double)m->block_memory +
                  (at ? 0 : (double)m->embed_memory) +
                  (end == m->blocks ? (double)m->output_bytes : 0);
    return need <= (double)w->c[i].memory;
}

/* Blocks that peer i has on its disk, up to the first that it has not or that begins a row of
 * somebody else: where plans of before were cut. */
static void step_held(struct walk *w, unsigned i, uint32_t at)
{
    const struct pxi_held *h = &w->c[i].held;
    if (!w->c[i].memory || (!at && !pxi_held_has(h, PXI_HELD_EMBED)))
        return;
    for (uint32_t end = at + 1; end <= w->m->blocks && pxi_held_has(h, PXI_HELD_BLOCKS + end - 1) &&
                                has_room(w, i, at, end);
         end++) {
        bool all = end == w->m->blocks;
        bool edge = all || !pxi_held_has(h, PXI_HELD_BLOCKS + end) || begins(w, i, end);
        if (edge && (!all || pxi_held_has(h, PXI_HELD_OUTPUT)))
            step(w, i, end);
    }
}

static void walk(struct walk *w, uint32_t at)
{
    if (at == w->m->blocks) {
        price(w);
        return;
    }
    for (unsigned i = 0; i < w->count && w->n < PEERS && w->steps <= WALKS; i++) {
        if (w->used >> i & 1)
            continue;
        if (w->held)
            step_held(w, i, at);
        else
            step_loaded(w, i, at);
    }
}

/* ------------------------------------------------------------------------ choosing */

static uint32_t helpers(const struct pxi_candidate *c, unsigned n)
{
    uint64_t best = 0;
    uint32_t near = 0;
    for (unsigned i = 0; i < n; i++)
        best = c[i].rate > best ? c[i].rate : best;
    for (unsigned i = 0; i < n; i++)
        near += c[i].memory && c[i].rtt_ns <= NEAR_NS && (!c[i].rate || c[i].rate >= best / 8);
    return near;
}

/* Is a loaded chain as good as one that must be loaded first, over an answer? */
static bool near_enough(const struct pxi_plan_model *m, const struct walk *w,
                        const struct pxi_plan_times *best)
{
    double bytes = (double)m->blocks * (double)m->block_bytes + (double)m->output_bytes;
    double load_s = LOAD_S + bytes / (LOAD_RATE * best->stages);
    return w->token_s * ANSWER <= best->token_s * ANSWER + load_s ||
           w->best * WORTH <= best->cost_s;
}

/* Does somebody lack shards of the slice that the plan gives him? */
static bool fetches(const struct pxi_plan_model *m, const struct pxi_candidate *c,
                    const struct pxi_choice *ch, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct pxi_plan_peer *p = &ch->peers[i];
        if (p->place == PXI_PLAN_NONE)
            continue;
        if ((!p->first && !pxi_held_has(&c[i].held, PXI_HELD_EMBED)) ||
            (p->last == m->blocks && !pxi_held_has(&c[i].held, PXI_HELD_OUTPUT)))
            return true;
        for (uint32_t b = p->first; b < p->last; b++)
            if (!pxi_held_has(&c[i].held, PXI_HELD_BLOCKS + b))
                return true;
    }
    return false;
}

static px_err adopt(const struct walk *w, struct pxi_choice *out)
{
    return pxi_plan_adopt(w->m, out->peers, w->count, w->ways, w->best_order, w->best_cut,
                          w->best_n, &out->times);
}

px_err pxi_choose(const struct pxi_plan_model *model, const struct pxi_candidate *c, unsigned count,
                  uint64_t row_bytes, struct pxi_choice *out)
{
    double way[WIDTH * WIDTH], wire[WIDTH * WIDTH];
    struct pxi_plan_ways ways = {way, wire};
    struct pxi_plan_model m = *model;
    memset(out, 0, sizeof *out);
    count = (unsigned)pxi_min(count, PEERS);
    measure(c, count, row_bytes, way, wire);
    m.stages_min = m.stages_min ? m.stages_min : helpers(c, count);
    for (unsigned i = 0; i < count; i++) {
        out->peers[i].memory = c[i].memory;
        out->peers[i].rate = c[i].rate;
    }
    struct walk w = {.m = &m, .c = c, .ways = &ways, .peers = out->peers, .count = count};
    px_err err = pxi_plan(&m, out->peers, count, &ways, &out->times);
    w.least = err == PX_ERR_OK ? (unsigned)pxi_min(m.stages_min, out->times.stages) : 1;
    struct walk held = w;
    held.held = true;
    walk(&w, 0);
    if (w.best_n && (err != PX_ERR_OK || near_enough(&m, &w, &out->times)))
        out->reused = (err = adopt(&w, out)) == PX_ERR_OK;
    else if (err == PX_ERR_OK && fetches(&m, c, out, count)) {
        walk(&held, 0);
        if (held.best_n && held.best * WORTH <= out->times.cost_s)
            out->kept = (err = adopt(&held, out)) == PX_ERR_OK;
    } else
        out->kept = err == PX_ERR_OK;
    for (unsigned i = 0; i < count && err == PX_ERR_OK; i++)
        if (out->peers[i].place != PXI_PLAN_NONE)
            out->order[out->peers[i].place] = i;
    return err;
}
