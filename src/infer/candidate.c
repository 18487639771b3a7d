#include "infer/candidate.h"

#include <string.h>

#include "base/math.h"

enum { PEERS = PXI_LIMIT_PLAN_PEERS, WIDTH = PEERS + 1, WALKS = 4000 };

static const uint64_t NEAR_NS = 60000000, LONGEST_NS = 10000000000;
/* A loaded chain is weighed against one that must be fetched over an answer of so many tokens. */
static const double ANSWER = 128, LOAD_RATE = 2e8, LOAD_S = 0.2;

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

/* A walk over slices that are loaded, from block 0 to the last. */
struct walk {
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
    if (w->n < w->least ||
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

static void walk(struct walk *w, uint32_t at)
{
    if (at == w->m->blocks) {
        price(w);
        return;
    }
    for (unsigned i = 0; i < w->count && w->n < PEERS; i++)
        for (unsigned k = 0; k < w->c[i].slice_count && !(w->used >> i & 1); k++) {
            const struct pxi_candidate_slice *s = &w->c[i].slices[k];
            bool ends = s->last == w->m->blocks;
            if (s->first != at || s->last > w->m->blocks || (at == 0 && !s->embed) ||
                (ends && !s->output) || ++w->steps > WALKS)
                continue;
            w->order[w->n] = i;
            w->cut[w->n++] = s->last;
            w->used |= 1u << i;
            walk(w, s->last);
            w->used &= ~(1u << i);
            w->n--;
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
    walk(&w, 0);
    double bytes = (double)m.blocks * (double)m.block_bytes + (double)m.output_bytes;
    double load_s = LOAD_S + bytes / (LOAD_RATE * (out->times.stages ? out->times.stages : 1));
    if (w.best_n &&
        (err != PX_ERR_OK || w.token_s * ANSWER <= out->times.token_s * ANSWER + load_s)) {
        err = pxi_plan_adopt(&m, out->peers, count, &ways, w.best_order, w.best_cut, w.best_n,
                             &out->times);
        out->reused = err == PX_ERR_OK;
    }
    for (unsigned i = 0; i < count && err == PX_ERR_OK; i++)
        if (out->peers[i].place != PXI_PLAN_NONE)
            out->order[out->peers[i].place] = i;
    return err;
}
