/* One answer of a model over several peers: who helps, who computes what, and who replaces whom. */
#include <string.h>

#include "base/limits.h"
#include "base/math.h"
#include "base/mem.h"
#include "infer/laggard.h"
#include "node/board.h"
#include "node/pipeline.h"

enum { ASK_MS = 1500, LOAD_MS = 30000, SLOTS = 8, ROUTES_MAX = 64, READY = 1000 };

struct helper {
    struct pxi_asking ask;
    struct pxi_swarm_job *job;
    struct pxi_peer peer;
    struct pxi_candidate facts; /* what it told */
    bool self, fit, lost;       /* it answered and has the model; it failed in this job */
    bool connected;             /* else it is known by its record in the DHT */
    bool sparing;               /* it loads a slice that it is a spare for */
    uint32_t spare, ready;      /* a bit a hop: slices it shall keep ready, those that are */
    unsigned slow;              /* seconds that it has been slow */
    bool unheeded;              /* slow or silent: asked, but not waited for */
    bool leaving;               /* it drains: nothing new for it */
};

struct hop {
    struct helper *helper;
    struct helper *leaver; /* who computes it until the helper has loaded it */
    struct pxi_slice slice;
    double seconds;
    struct pxi_swarm_job *job;
    struct pxi_load *load; /* here */
};

struct pxi_swarm_job {
    struct pxi_pipeline *pipeline;
    const struct pxi_swarm_events *on;
    void *ctx;
    struct pxi_model_facts facts;
    struct pxi_chain *chain;
    struct pxi_drafter *drafter; /* NULL: nothing is guessed */
    uint32_t *words;             /* the text, for drafts of later answers */
    uint32_t words_n;
    struct pxi_choice choice;
    struct pxi_coding coding; /* of hidden states */
    uint8_t dtype;            /* that was asked for; 0: as the links allow */
    bool again;               /* links that looked too slow for f32 were measured once more */
    bool no_spares;
    struct helper *chosen[PXI_LIMIT_PLAN_PEERS]; /* the candidates of the choice */
    unsigned chosen_count;
    struct pxi_timer watch; /* whether a stage falls behind */
    struct helper *helpers;
    unsigned helper_count, waiting; /* answers that are still to come */
    struct hop hops[PXI_LIMIT_PLAN_PEERS];
    unsigned hop_count, mending, routes, lost;
    uint32_t max_tokens, made, positions, stages_min, stages_max;
    int32_t ends[PXI_SWARM_ENDS];
    unsigned end_count;
    bool keep, idle;        /* between two turns */
    struct pxi_timer timer; /* events are never told from inside a call */
    void (*next)(struct pxi_swarm_job *j);
    px_err err;
    char why[128];
    bool planned, over;
    bool draft_auto, draft_idle; /* drafts only where the way is long; it is not */
    bool telling, cancelled;     /* in an event of the owner; who cancelled from inside it */
};

static struct pxi_timers *timers(struct pxi_swarm_job *j)
{
    return pxi_loop_timers(pxi_pipeline_node(j->pipeline)->loop);
}

static void later(struct pxi_swarm_job *j, void (*next)(struct pxi_swarm_job *j));

/* The job counts as work of this node while it is not idle. */
static void rest(struct pxi_swarm_job *j, bool idle)
{
    if (j->idle != idle)
        pxi_pipeline_working(j->pipeline, idle ? -1 : 1);
    j->idle = idle;
}

void pxi_swarm_cancel(struct pxi_swarm_job *j)
{
    if (!j)
        return;
    if (j->telling) { /* the chain is still busy with the event */
        j->over = j->cancelled = true;
        later(j, pxi_swarm_cancel);
        return;
    }
    pxi_timer_disarm(timers(j), &j->timer);
    pxi_timer_disarm(timers(j), &j->watch);
    rest(j, true);
    for (unsigned i = 0; i < j->helper_count; i++)
        pxi_asking_cancel(&j->helpers[i].ask);
    pxi_chain_free(j->chain);
    pxi_drafter_free(j->drafter);
    if (j->words_n)
        pxi_draft_past_add(pxi_pipeline_past(j->pipeline), j->facts.id, j->words, j->words_n);
    pxi_free(j->words);
    for (unsigned i = 0; i < j->hop_count; i++)
        pxi_load_forget(j->hops[i].load);
    pxi_free(j->helpers);
    pxi_free(j);
}

static void fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_swarm_job *j = PXI_OF(t, struct pxi_swarm_job, timer);
    (void)now_ns;
    j->next(j);
}

static void later(struct pxi_swarm_job *j, void (*next)(struct pxi_swarm_job *j))
{
    j->next = next;
    pxi_timer_after(timers(j), &j->timer, 0);
}

static void tell_over(struct pxi_swarm_job *j)
{
    j->on->over(j->ctx, j->err, j->why[0] ? j->why : NULL);
    pxi_swarm_cancel(j);
}

static void end(struct pxi_swarm_job *j, px_err err, const char *why)
{
    if (j->over || j->cancelled)
        return;
    j->over = true;
    j->err = err;
    snprintf(j->why, sizeof j->why, "%s", why ? why : "");
    later(j, tell_over);
}

static void tell_plan(struct pxi_swarm_job *j)
{
    j->telling = true;
    j->on->planned(j->ctx, j);
    j->telling = false;
}

/* ------------------------------------------------------------------------ the chain */

static bool is_end(const struct pxi_swarm_job *j, int32_t token)
{
    for (unsigned i = 0; i < j->end_count; i++)
        if (j->ends[i] == token)
            return true;
    return false;
}

/* The answer is complete: the session ends, or waits for what is said next. */
static void complete(struct pxi_swarm_job *j)
{
    if (!j->keep) {
        end(j, PX_ERR_OK, NULL);
        return;
    }
    rest(j, true);
    j->telling = true;
    j->on->turn(j->ctx);
    j->telling = false;
}

static void on_token(void *ctx, uint32_t index, int32_t token)
{
    struct pxi_swarm_job *j = ctx;
    (void)index;
    if (j->over || j->idle) /* idle: of a chain that was opened anew */
        return;
    j->made++;
    if (j->words_n < j->positions)
        j->words[j->words_n++] = (uint32_t)token;
    bool done = is_end(j, token) || j->made >= j->max_tokens ||
                pxi_chain_push(j->chain, &token, 1) != PX_ERR_OK; /* the context is full */
    j->telling = true;
    j->on->token(j->ctx, token);
    j->telling = false;
    if (done && !j->over)
        complete(j);
}

px_err pxi_swarm_go_on(struct pxi_swarm_job *j, uint32_t from, const int32_t *tokens, size_t n,
                       uint32_t max_tokens)
{
    if (!j->idle || j->over || from != pxi_chain_length(j->chain) || !max_tokens)
        return PX_ERR_INVALID;
    if (pxi_pipeline_draining(j->pipeline))
        return PX_ERR_REFUSED;
    px_err err = pxi_chain_push(j->chain, tokens, n);
    if (err != PX_ERR_OK)
        return err;
    for (size_t i = 0; i < n && j->words_n < j->positions; i++)
        j->words[j->words_n++] = (uint32_t)tokens[i];
    j->made = 0;
    j->max_tokens = max_tokens;
    rest(j, false);
    return PX_ERR_OK;
}

static uint32_t on_draft(void *ctx, const uint32_t *words, uint32_t n, uint32_t *out, uint32_t max)
{
    struct pxi_swarm_job *j = ctx;
    uint32_t most = j->max_tokens > j->made + 1 ? j->max_tokens - j->made - 1 : 0;
    if (!j->drafter || j->draft_idle)
        return 0;
    return pxi_drafter_draft(j->drafter, words, n, out, (uint32_t)pxi_min(max, most));
}

static void on_drafted(void *ctx, uint32_t n, const uint32_t *tokens, uint32_t count)
{
    struct pxi_swarm_job *j = ctx;
    pxi_chain_drafted(j->chain, n, tokens, count);
}

/* The round trip to a peer; 0 to ourselves and where it is not known. */
static uint64_t rtt_ns(struct pxi_swarm_job *j, const struct helper *h)
{
    const px_node *n = pxi_pipeline_node(j->pipeline);
    struct pxi_conn *c = h->self ? NULL : pxi_host_conn(n->host, &h->peer, true);
    uint64_t rtt_ns = 0;
    if (c && n->heartbeat)
        (void)pxi_heartbeat_state(n->heartbeat, &h->peer, &rtt_ns);
    return c && !rtt_ns && c->ops->rtt_ns ? c->ops->rtt_ns(c) : rtt_ns;
}

/* Drafts are worth their work where a token is under way for at least half of the time that it is
 * computed. Two peers are as far from each other as the farther one is from us. */
static bool far(struct pxi_swarm_job *j)
{
    double way = 0, work = 0;
    uint64_t before = 0;
    for (unsigned i = 0; i < j->hop_count; i++) {
        uint64_t rtt = rtt_ns(j, j->hops[i].helper);
        if (i == 0 || j->hops[i].helper != j->hops[i - 1].helper)
            way += (double)pxi_max(before, rtt) / 2e9;
        before = rtt;
        work += j->hops[i].seconds;
    }
    return way + (double)before / 2e9 >= work / 2;
}

static void load_spares(struct pxi_swarm_job *j);

static void open_chain(struct pxi_swarm_job *j)
{
    struct pxi_chain_hop hops[PXI_LIMIT_PLAN_PEERS];
    for (unsigned i = 0; i < j->hop_count; i++) {
        j->hops[i].leaver = NULL;
        hops[i] = (struct pxi_chain_hop){.peer = j->hops[i].helper->peer,
                                         .first = j->hops[i].slice.first,
                                         .last = j->hops[i].slice.last};
    }
    j->draft_idle = j->draft_auto && !far(j);
    px_err err =
        ++j->routes > ROUTES_MAX ? PX_ERR_LIMIT : pxi_chain_route(j->chain, hops, j->hop_count);
    if (err != PX_ERR_OK) {
        end(j, err, "the chain cannot be opened");
        return;
    }
    if (!j->watch.armed)
        pxi_timer_after(timers(j), &j->watch, PXI_SECOND);
    load_spares(j);
    tell_plan(j);
}

/* ------------------------------------------------------------------------ loading */

static void mend(struct pxi_swarm_job *j);

/* The slice of hop i is loaded, or is not. */
static void loaded(struct pxi_swarm_job *j, unsigned i, px_err err, px_view text)
{
    if (err != PX_ERR_OK) {
        j->hops[i].helper->lost = true;
        j->hops[i].helper = NULL;
        j->err = err;
        snprintf(j->why, sizeof j->why, "%.*s", (int)pxi_min(text.n, sizeof j->why - 1), text.p);
    }
    if (--j->waiting == 0)
        later(j, mend);
}

static void load_done(struct pxi_asking *a, px_err err, const struct pxi_msg_offer_reply *r)
{
    struct helper *h = PXI_OF(a, struct helper, ask);
    struct pxi_swarm_job *j = h->job;
    px_view text = px_view_str(px_err_text(err));
    if (err == PX_ERR_OK && r->err) {
        err = (px_err) - (int64_t)pxi_min(r->err, 1000);
        text = r->text;
    }
    for (unsigned i = 0; i < j->hop_count; i++)
        if (j->hops[i].helper == h && (j->mending >> i & 1)) {
            j->mending &= ~(1u << i);
            loaded(j, i, err, text);
            return;
        }
}

static void loaded_here(void *ctx, px_err err, const char *why)
{
    struct hop *hop = ctx;
    hop->load = NULL;
    loaded(hop->job, (unsigned)(hop - hop->job->hops), err, px_view_str(why));
}

static struct pxi_msg_offer load_of(const struct pxi_swarm_job *j, unsigned i)
{
    const struct pxi_slice *s = &j->hops[i].slice;
    return (struct pxi_msg_offer){.kind = PXI_OFFER_LOAD,
                                  .model = px_view_str(j->facts.id),
                                  .first = s->first,
                                  .last = s->last,
                                  .embed = s->embed,
                                  .output = s->output,
                                  .positions = j->positions,
                                  .slots = SLOTS};
}

static void load(struct pxi_swarm_job *j, unsigned i)
{
    struct hop *hop = &j->hops[i];
    struct pxi_msg_offer m = load_of(j, i);
    if (hop->helper->sparing) /* it goes on loading; we no longer wait for it */
        pxi_asking_cancel(&hop->helper->ask);
    hop->helper->sparing = false;
    hop->helper->ask.done = load_done;
    if (hop->helper->self) {
        hop->job = j;
        hop->load = pxi_pipeline_load(j->pipeline, j->facts.id, &hop->slice, j->positions, SLOTS,
                                      loaded_here, hop);
        if (!hop->load)
            loaded(j, i, PX_ERR_NOMEM, px_view_str(px_err_text(PX_ERR_NOMEM)));
        return;
    }
    j->mending |= 1u << i;
    pxi_offer_ask(pxi_pipeline_offers(j->pipeline), &hop->helper->ask, &hop->helper->peer, &m,
                  (uint64_t)LOAD_MS * PXI_MS);
}

static void spare_done(struct pxi_asking *a, px_err err, const struct pxi_msg_offer_reply *r);

/* Have spares load what they shall keep ready, one slice at a time. */
static void load_spares(struct pxi_swarm_job *j)
{
    for (unsigned i = 0; i < j->helper_count; i++) {
        struct helper *h = &j->helpers[i];
        uint32_t more = h->spare & ~h->ready;
        if (!more || h->lost || h->leaving || h->ask.busy || h->self)
            continue;
        struct pxi_msg_offer m = load_of(j, (unsigned)__builtin_ctz(more));
        h->sparing = true;
        h->ask.done = spare_done;
        pxi_offer_ask(pxi_pipeline_offers(j->pipeline), &h->ask, &h->peer, &m,
                      (uint64_t)LOAD_MS * PXI_MS);
    }
}

static void spare_done(struct pxi_asking *a, px_err err, const struct pxi_msg_offer_reply *r)
{
    struct helper *h = PXI_OF(a, struct helper, ask);
    uint32_t more = h->spare & ~h->ready;
    h->sparing = false;
    h->ask.done = load_done;
    if (err == PX_ERR_OK && !r->err)
        h->ready |= more & -more;
    else
        h->spare &= ~(more & -more); /* it has no room after all */
    load_spares(h->job);
}

/* Who takes over hop i: a peer that has its slice ready, one that does nothing yet, then the one
 * with the least to do. */
static struct helper *replacement(struct pxi_swarm_job *j, unsigned hop)
{
    struct helper *best = NULL;
    unsigned least = UINT32_MAX;
    for (unsigned i = 0; i < j->helper_count; i++) {
        struct helper *h = &j->helpers[i];
        unsigned has = 0;
        for (unsigned k = 0; k < j->hop_count; k++)
            has += j->hops[k].helper == h;
        bool can = h->fit && !h->lost && !h->leaving && (!h->ask.busy || h->sparing) &&
                   !(h->self && pxi_pipeline_draining(j->pipeline));
        has = h->ready >> hop & 1 ? has : has + READY;
        if (can && has < least) {
            least = has;
            best = h;
        }
    }
    return best;
}

/* Fill the hops that have nobody, then open the chain. */
static void mend(struct pxi_swarm_job *j)
{
    unsigned empty = 0;
    for (unsigned i = 0; i < j->hop_count; i++)
        empty += !j->hops[i].helper;
    if (!empty) {
        open_chain(j);
        return;
    }
    j->waiting = 1; /* this function itself, so that it is not done too early */
    for (unsigned i = 0; i < j->hop_count; i++) {
        if (j->hops[i].helper)
            continue;
        struct helper *leaver = j->hops[i].leaver, *heir = replacement(j, i);
        if (!heir && leaver && !leaver->lost) {
            j->hops[i].helper = leaver; /* it stays where it is, as long as it can */
            continue;
        }
        j->hops[i].helper = heir;
        if (!j->hops[i].helper && j->waiting == 1) {
            end(j, j->err != PX_ERR_OK ? j->err : PX_ERR_NOT_FOUND,
                j->why[0] ? j->why : "no peer is left for some blocks");
            return;
        }
        if (j->hops[i].helper) {
            j->waiting++;
            load(j, i);
        }
    }
    if (--j->waiting == 0)
        later(j, mend);
}

static void on_broken(void *ctx, unsigned hop, px_err why, px_view text)
{
    struct pxi_swarm_job *j = ctx;
    if (j->over)
        return;
    j->lost++;
    j->err = why;
    snprintf(j->why, sizeof j->why, "%.*s", (int)pxi_min(text.n, sizeof j->why - 1), text.p);
    struct helper *h = hop >= j->hop_count   ? NULL
                       : j->hops[hop].leaver ? j->hops[hop].leaver
                                             : j->hops[hop].helper;
    for (unsigned i = 0; h && i < j->hop_count; i++)
        if (j->hops[i].helper == h && !h->self)
            j->hops[i].helper = NULL;
    if (h)
        h->lost = !h->self;
    if (j->waiting) /* slices that are being handed over are awaited first */
        return;
    /* At once the first times, then slower and slower: the fault may be our own. */
    uint64_t shift = j->routes < 4 ? 0 : j->routes < 12 ? j->routes - 3 : 9;
    j->next = mend;
    pxi_timer_after(timers(j), &j->timer, shift ? (PXI_MS << shift) * 4 : 0);
}

/* A peer drains. While it goes on, another one loads its slices; then the chain is opened through
 * that one. Who cannot be replaced is kept. A chain that is being mended hears of it again. */
static void on_leaving(void *ctx, unsigned hop)
{
    struct pxi_swarm_job *j = ctx;
    struct helper *h = hop < j->hop_count ? j->hops[hop].helper : NULL;
    if (j->over || j->waiting || !h)
        return;
    h->leaving = true;
    if (!replacement(j, hop))
        return;
    for (unsigned i = 0; i < j->hop_count; i++)
        if (j->hops[i].helper == h) {
            j->hops[i].leaver = h;
            j->hops[i].helper = NULL;
        }
    later(j, mend);
}

/* A stage that has been slow for a while hands over to a peer that is not, like one that drains. */
static void on_watch(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_swarm_job *j = PXI_OF(t, struct pxi_swarm_job, watch);
    const struct pxi_heartbeat *b = pxi_pipeline_node(j->pipeline)->heartbeat;
    (void)now_ns;
    if (j->over)
        return;
    pxi_timer_after(timers(j), &j->watch, PXI_SECOND);
    for (unsigned i = 0; b && i < j->hop_count && !j->idle; i++) {
        struct helper *h = j->hops[i].helper;
        if (!h || h->self)
            continue;
        struct helper *heir = pxi_laggard_look(b, &h->peer, &h->slow) ? replacement(j, i) : NULL;
        if (heir && heir != h && (heir->self || pxi_laggard_heir(b, &heir->peer))) {
            h->slow = 0;
            on_leaving(j, i);
            return;
        }
    }
}

static const struct pxi_chain_events chain_events = {on_token, on_broken, on_leaving, on_draft};

/* ------------------------------------------------------------------------ planning */

static void loads(struct pxi_swarm_job *j)
{
    j->waiting = 1;
    for (unsigned i = 0; i < j->hop_count; i++) {
        j->waiting++;
        load(j, i);
    }
    if (--j->waiting == 0)
        later(j, mend);
}

static struct pxi_plan_model model_of(const struct pxi_swarm_job *j)
{
    const struct pxi_model_facts *f = &j->facts;
    uint64_t kv = f->kv_position_bytes * j->positions * SLOTS;
    return (struct pxi_plan_model){.blocks = f->blocks,
                                   .block_bytes = f->block_bytes,
                                   .block_memory = f->block_bytes + kv,
                                   .embed_memory = f->embed_bytes,
                                   .output_bytes = f->output_bytes,
                                   .stages_min = j->stages_min,
                                   .stages_max = j->stages_max};
}

static void query(struct pxi_swarm_job *j);

/* Is there a link that was measured only once, and not found fast? */
static bool unsure(const struct pxi_swarm_job *j)
{
    uint64_t rate;
    for (unsigned i = 0; i < j->chosen_count; i++)
        if (!j->chosen[i]->self &&
            pxi_pipeline_link_rate(j->pipeline, &j->chosen[i]->peer, &rate) == 1 && rate)
            return true;
    return false;
}

/* The plan becomes hops. */
static void take_choice(struct pxi_swarm_job *j)
{
    for (unsigned i = 0; i < j->choice.times.stages; i++) {
        const struct pxi_plan_peer *p = &j->choice.peers[j->choice.order[i]];
        j->hops[j->hop_count++] =
            (struct hop){.helper = j->chosen[j->choice.order[i]],
                         .slice = {p->first, p->last, i == 0, p->last == j->facts.blocks},
                         .seconds = p->seconds};
    }
    for (unsigned i = 0; i < j->chosen_count && !j->no_spares; i++)
        j->chosen[i]->spare = j->choice.peers[i].spare;
    pxi_chain_code(j->chain, j->coding.dtype);
    j->planned = true;
}

static void plan(struct pxi_swarm_job *j)
{
    struct pxi_candidate *all = pxi_calloc(PXI_LIMIT_PLAN_PEERS, sizeof *all);
    struct pxi_plan_model m = model_of(j);
    unsigned n = 0;
    for (unsigned i = 0; i < j->helper_count; i++) {
        pxi_asking_cancel(&j->helpers[i].ask);
        j->helpers[i].ask.done = load_done;
    }
    for (unsigned i = 0; all && i < j->helper_count && n < PXI_LIMIT_PLAN_PEERS; i++)
        if (j->helpers[i].fit) {
            j->helpers[i].facts.rtt_ns = rtt_ns(j, &j->helpers[i]);
            j->chosen[n] = &j->helpers[i];
            all[n++] = j->helpers[i].facts;
        }
    j->chosen_count = n;
    px_err err = all ? pxi_choose_coded(&m, all, n, (uint32_t)(j->facts.row_bytes / 4), j->dtype,
                                        &j->choice, &j->coding)
                     : PX_ERR_NOMEM;
    pxi_free(all);
    if (err == PX_ERR_OK && !j->dtype && j->coding.dtype != PXI_STAGE_F32 && !j->again &&
        unsure(j)) {
        j->again = true; /* bits are not given up for one measurement */
        query(j);
        return;
    }
    if (err != PX_ERR_OK) {
        end(j, err, "the peers together have too little memory for this model");
        return;
    }
    take_choice(j);
    if (!j->max_tokens) {
        tell_plan(j);
        end(j, PX_ERR_OK, NULL);
        return;
    }
    loads(j);
}

static void query_done(struct pxi_asking *a, px_err err, const struct pxi_msg_offer_reply *r)
{
    struct helper *h = PXI_OF(a, struct helper, ask);
    h->fit = err == PX_ERR_OK && !r->err && r->has;
    if (h->fit) {
        h->facts.memory = r->memory;
        h->facts.rate = r->rate;
        pxi_candidate_links(&h->facts, &r->links);
        pxi_candidate_slices(&h->facts, &r->served, px_view_str(h->job->facts.id),
                             h->job->positions);
        pxi_candidate_held(&h->facts, r->held);
        if (a->probe && a->timed)
            pxi_pipeline_link_measured(h->job->pipeline, &h->peer, a->link_rate);
        (void)pxi_pipeline_link_rate(h->job->pipeline, &h->peer, &h->facts.rate_link);
    }
    if (!h->unheeded && --h->job->waiting == 0)
        later(h->job, plan);
}

/* ------------------------------------------------------------------------ the beginning */

/* Peers that are connected, the fittest first, then those of whom the DHT has a record; we
 * ourselves stand before them. *connected: how many are. */
static unsigned candidates(struct pxi_swarm_job *j, struct pxi_peer *out, unsigned cap,
                           unsigned *connected)
{
    struct pxi_board_row row;
    px_node *n = pxi_pipeline_node(j->pipeline);
    struct pxi_list *conns = pxi_host_conns(n->host);
    unsigned count = 0;
    for (struct pxi_list *l = conns->next; l != conns && count < cap; l = l->next) {
        const struct pxi_conn *c = PXI_OF(l, struct pxi_conn, link);
        bool known = c->closing;
        for (unsigned i = 0; i < count && !known; i++)
            known = pxi_peer_equal(&out[i], &c->peer);
        if (!known)
            out[count++] = c->peer;
    }
    if (n->heartbeat)
        pxi_heartbeat_rank(n->heartbeat, out, count);
    *connected = count;
    for (unsigned k = 0; count < cap && pxi_board_at(n->board, k, &row); k++) {
        bool known = pxi_peer_equal(&row.peer, pxi_host_self(n->host));
        for (unsigned i = 0; i < count && !known; i++)
            known = pxi_peer_equal(&out[i], &row.peer);
        if (!known)
            out[count++] = row.peer;
    }
    pxi_board_look(n->board); /* whoever comes next knows more */
    return count;
}

static void query(struct pxi_swarm_job *j)
{
    struct pxi_msg_offer m = {.kind = PXI_OFFER_QUERY, .model = px_view_str(j->facts.id)};
    const px_node *n = pxi_pipeline_node(j->pipeline);
    j->waiting = 1;
    for (unsigned i = 0; i < j->helper_count; i++) {
        struct helper *h = &j->helpers[i];
        if (h->self)
            continue;
        h->unheeded = n->heartbeat && h->connected &&
                      pxi_heartbeat_state(n->heartbeat, &h->peer, NULL) < PXI_PEER_NEW;
        j->waiting += !h->unheeded;
        uint64_t rate;
        unsigned times = pxi_pipeline_link_rate(j->pipeline, &h->peer, &rate);
        bool probe = !times || (j->again && times == 1 && rate);
        m.probe = probe ? PXI_LIMIT_OFFER_PROBE_BYTES : 0;
        h->ask.done = query_done;
        pxi_offer_ask(pxi_pipeline_offers(j->pipeline), &h->ask, &h->peer, &m,
                      (uint64_t)ASK_MS * PXI_MS);
    }
    if (--j->waiting == 0)
        plan(j);
}

static px_err prepare_drafts(struct pxi_swarm_job *j, const struct pxi_swarm_options *o)
{
    struct pxi_drafter_options d = {.what = o->draft,
                                    .blocks = o->draft_blocks,
                                    .positions = j->positions,
                                    .facts = &j->facts,
                                    .ready = on_drafted,
                                    .ctx = j};
    j->draft_auto = !o->draft || strcmp(o->draft, "auto") == 0;
    if (j->draft_auto)
        d.what = NULL;
    j->words = pxi_calloc(j->positions, sizeof *j->words);
    if (!j->words)
        return PX_ERR_NOMEM;
    for (size_t i = 0; i < o->token_count && i < j->positions; i++)
        j->words[j->words_n++] = (uint32_t)o->tokens[i];
    if (!o->draft_max || !o->max_tokens || (o->draft && strcmp(o->draft, "off") == 0))
        return PX_ERR_OK;
    return pxi_drafter_new(j->pipeline, &d, &j->drafter);
}

/* What this node has for the model, in the same form as others tell it. */
static void look_at_self(struct pxi_swarm_job *j)
{
    struct pxi_msg_served served[PXI_SERVED_MAX];
    struct pxi_candidate *c = &j->helpers[0].facts;
    struct pxi_pb_list list = {
        served, pxi_pipeline_served(j->pipeline, j->facts.id, served, PXI_SERVED_MAX)};
    c->self = true;
    c->peer = j->helpers[0].peer;
    c->memory = pxi_pipeline_memory(j->pipeline);
    c->rate = pxi_pipeline_rate(j->pipeline);
    pxi_candidate_slices(c, &list, px_view_str(j->facts.id), j->positions);
    pxi_model_held(pxi_pipeline_node(j->pipeline), j->facts.id, &c->held);
}

static px_err prepare(struct pxi_swarm_job *j, const struct pxi_swarm_options *o)
{
    struct pxi_peer peers[PXI_LIMIT_PLAN_PEERS - 1];
    px_err err = pxi_model_facts(pxi_pipeline_node(j->pipeline), o->model, &j->facts);
    if (err != PX_ERR_OK)
        return err;
    uint64_t want = o->positions ? o->positions : o->token_count + o->max_tokens;
    j->positions = (uint32_t)pxi_min(pxi_max(want, 1), j->facts.context_train);
    unsigned connected, n = candidates(j, peers, PXI_LIMIT_PLAN_PEERS - 1, &connected);
    j->helpers = pxi_calloc(n + 1, sizeof *j->helpers);
    if (!j->helpers)
        return PX_ERR_NOMEM;
    j->helper_count = n + 1;
    for (unsigned i = 0; i <= n; i++)
        j->helpers[i] = (struct helper){.ask.done = query_done, .job = j};
    j->helpers[0].self = j->helpers[0].fit = true;
    j->helpers[0].peer = *pxi_host_self(pxi_pipeline_node(j->pipeline)->host);
    look_at_self(j);
    for (unsigned i = 0; i < n; i++) {
        j->helpers[i + 1].peer = j->helpers[i + 1].facts.peer = peers[i];
        j->helpers[i + 1].connected = i < connected;
    }
    struct pxi_chain_options co = {.model = j->facts.id,
                                   .sampling = &o->sampling,
                                   .on = &chain_events,
                                   .ctx = j,
                                   .positions = j->positions,
                                   .draft_max = o->draft_max,
                                   .vocab = j->facts.vocab};
    if ((err = prepare_drafts(j, o)) != PX_ERR_OK)
        return err;
    j->chain = pxi_chain_new(pxi_pipeline_stages(j->pipeline), &co);
    if (!j->chain)
        return PX_ERR_NOMEM;
    return o->token_count ? pxi_chain_push(j->chain, o->tokens, o->token_count) : PX_ERR_OK;
}

struct pxi_swarm_job *pxi_swarm_start(struct pxi_pipeline *p, const struct pxi_swarm_options *o)
{
    struct pxi_swarm_job *j = pxi_calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->pipeline = p;
    j->on = o->on;
    j->ctx = o->ctx;
    j->timer.fire = fire;
    j->watch.fire = on_watch;
    j->max_tokens = o->max_tokens;
    j->stages_min = o->stages_min;
    j->stages_max = o->stages_max;
    j->no_spares = o->no_spares;
    j->dtype = o->dtype;
    j->keep = o->keep;
    j->end_count = (unsigned)pxi_min(o->end_count, PXI_SWARM_ENDS);
    if (j->end_count)
        memcpy(j->ends, o->ends, j->end_count * sizeof *j->ends);
    j->idle = true;
    rest(j, false);
    bool draining = o->max_tokens && pxi_pipeline_draining(p);
    px_err err = draining ? PX_ERR_REFUSED : prepare(j, o);
    if (err != PX_ERR_OK)
        end(j, err,
            draining ? "this node drains and takes nothing new: plexus drain --off ends that"
            : err == PX_ERR_INVALID ? "the draft model has another vocabulary"
            : err == PX_ERR_NOT_FOUND
                ? "no such model here: plexus push puts a file into the store, "
                  "pull a model of others"
                : NULL);
    else
        later(j, query);
    return j;
}

bool pxi_swarm_stage_at(const struct pxi_swarm_job *j, unsigned i, struct pxi_swarm_stage *out)
{
    if (i >= j->hop_count || !j->hops[i].helper)
        return false;
    const struct hop *h = &j->hops[i];
    *out = (struct pxi_swarm_stage){h->helper->peer,         h->slice.first,        h->slice.last,
                                    h->helper->facts.memory, h->helper->facts.rate, h->seconds};
    return true;
}

bool pxi_swarm_peer_at(const struct pxi_swarm_job *j, unsigned i, struct pxi_swarm_peer *out)
{
    if (i >= j->helper_count)
        return false;
    const struct helper *h = &j->helpers[i];
    *out = (struct pxi_swarm_peer){&h->facts, NULL, h->self || h->connected};
    for (unsigned k = 0; k < j->chosen_count; k++)
        if (j->chosen[k] == h)
            out->plan = &j->choice.peers[k];
    return true;
}

const struct pxi_choice *pxi_swarm_choice(const struct pxi_swarm_job *j)
{
    return &j->choice;
}

uint32_t pxi_swarm_blocks(const struct pxi_swarm_job *j)
{
    return j->facts.blocks;
}

const struct pxi_coding *pxi_swarm_coding(const struct pxi_swarm_job *j)
{
    return &j->coding;
}

struct pxi_chain_counts pxi_swarm_counts(const struct pxi_swarm_job *j)
{
    return j->chain ? pxi_chain_counts(j->chain) : (struct pxi_chain_counts){0};
}

uint32_t pxi_swarm_epoch(const struct pxi_swarm_job *j)
{
    return j->chain ? pxi_chain_epoch(j->chain) : 0;
}

uint32_t pxi_swarm_lost(const struct pxi_swarm_job *j)
{
    return j->lost;
}
