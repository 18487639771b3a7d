/*
 * The attack table: Sybils, at random places or just around what is looked for, that know only each
 * other, keep nothing and deny everything. In each cell a world is built, values and provider
 * records are stored by honest peers, and other honest peers look for them; with the defences off
 * and on (disjoint paths, limits for peers of one network). In an eclipse the Sybils rush to a few
 * peers that have just begun, before those know many others, and it is these that look.
 */
#include <stdio.h>

#include "codec/messages.h"
#include "node/sim.h"

/* POOL: keys that attackers choose from, for each honest peer */
enum { TARGETS = 3, AIMS = 2 * TARGETS, POOL = 75, ASKERS = 30, FEW = 3, VICTIMS = 6 };

/* A key that an attacker may use: where it lies, and the seed that makes it. */
struct forged {
    struct pxi_kad_key at;
    uint8_t seed[32];
    bool used;
};

struct gang {
    struct sim_world *w;
    struct pxi_kad_key aim[AIMS]; /* of the values, then of the contents */
    unsigned first, count;        /* which nodes of the world they are */
};

struct cell {
    struct sim_run *run;
    px_sim_attack row;
    struct sim_world *w;
    struct gang gang;
    struct sim_node *victim[VICTIMS]; /* of an eclipse, else NULL */
    struct forged *pool;
    unsigned gets, got, finds, found, stored;
    double requests;
};

static px_view value_key(char buf[32], unsigned target)
{
    snprintf(buf, 32, "/v/target-%u", target);
    return px_view_str(buf);
}

/* ------------------------------------------------------------------- Sybils */

/* The k of the gang that are nearest to the key, and nothing else. */
static px_err lie(void *ctx, struct pxi_kad *k, const struct pxi_peer *from,
                  const struct pxi_msg_kad *m, struct pxi_buf *out)
{
    struct gang *g = ctx;
    struct pxi_kad_key key = pxi_kad_key_of(m->key);
    const struct sim_node *near[PXI_KAD_K];
    struct pxi_msg_kad_peer peer[PXI_KAD_K];
    px_view addr[PXI_KAD_K];
    unsigned n = 0;
    if (m->type == PXI_KAD_ADD_PROVIDER)
        return PX_ERR_OK;
    for (unsigned i = 0; i < g->count && m->type != PXI_KAD_PUT_VALUE; i++) {
        const struct sim_node *v = &g->w->node[g->first + i];
        unsigned at = n < PXI_KAD_K ? n : PXI_KAD_K;
        while (at && pxi_kad_nearer(&key, &v->at, &near[at - 1]->at) < 0)
            at--;
        if (at == PXI_KAD_K)
            continue;
        n += n < PXI_KAD_K;
        memmove(&near[at + 1], &near[at], (n - at - 1) * sizeof *near);
        near[at] = v;
    }
    for (unsigned i = 0; i < n; i++) {
        addr[i] = pxi_maddr_view(&near[i]->addr);
        peer[i] = (struct pxi_msg_kad_peer){
            pxi_peer_view(pxi_host_self(near[i]->host)), {&addr[i], 1}, 1};
    }
    struct pxi_msg_kad answer = {.type = m->type, .key = m->key, .closer = {peer, n}};
    if (m->type == PXI_KAD_PUT_VALUE)
        answer.record = m->record; /* "stored", it says */
    return pxi_pb_encode_framed(&pxi_pb_kad, &answer, out);
}

/* The nearest unused key of the pool to a target. */
static struct forged *forge(struct cell *c, const struct pxi_kad_key *target)
{
    struct forged *best = NULL;
    for (unsigned i = 0; i < POOL * c->run->o->attacked; i++)
        if (!c->pool[i].used && (!best || pxi_kad_nearer(target, &c->pool[i].at, &best->at) < 0))
            best = &c->pool[i];
    if (best)
        best->used = true;
    return best;
}

static bool add_sybils(struct cell *c)
{
    bool targeted = strcmp(c->row.placement, "targeted") == 0;
    bool few = strcmp(c->row.networks, "few") == 0;
    struct pxi_kad_options evil = {
        .quiet = true, .accept_all = true, .answer = lie, .answer_ctx = &c->gang};
    uint8_t seed[32];
    c->gang.w = c->w;
    c->gang.first = c->w->n;
    c->gang.count = 0;
    for (unsigned i = 0; i < POOL * c->run->o->attacked; i++)
        c->pool[i].used = false;
    unsigned count = (unsigned)(c->row.share * c->run->o->attacked);
    for (unsigned i = 0; i < count; i++) {
        struct forged *f = targeted ? forge(c, &c->gang.aim[i % AIMS]) : NULL;
        pxi_sim_seed(c->w, seed);
        struct sim_node *v =
            pxi_sim_add(c->w, f ? f->seed : seed, few ? 0x5001 + i % FEW : 0, &evil);
        if (!v)
            return false;
        v->evil = true;
        c->gang.count++;
        pxi_sim_join(v, 20 * PXI_MS * i);
    }
    return true;
}

/* Peers that begin, with one honest peer that they know; all Sybils call on them at once. */
static bool add_victims(struct cell *c)
{
    uint8_t seed[32];
    for (unsigned i = 0; i < VICTIMS; i++) {
        pxi_sim_seed(c->w, seed);
        struct sim_node *v = pxi_sim_add(c->w, seed, 0, NULL), *by = pxi_sim_any(c->w);
        if (!v || !by)
            return false;
        c->victim[i] = v;
        px_view to = pxi_maddr_view(&by->addr), at = pxi_maddr_view(&v->addr);
        pxi_kad_add(v->kad, pxi_host_self(by->host), &to, 1);
        for (unsigned s = 0; s < c->gang.count; s++)
            pxi_kad_add(c->w->node[c->gang.first + s].kad, pxi_host_self(v->host), &at, 1);
        pxi_sim_join(v, 5 * PXI_SECOND);
    }
    return pxi_sim_pass(c->run, c->w, 40 * PXI_SECOND);
}

/* ------------------------------------------------------------------ the world */

static bool join_honest(struct cell *c)
{
    uint8_t seed[32];
    for (unsigned i = 0; i < c->run->o->attacked; i++) {
        pxi_sim_seed(c->w, seed);
        struct sim_node *v = pxi_sim_add(c->w, seed, 0, NULL);
        if (!v)
            return false;
        pxi_sim_join(v, (i < 20 ? 500 : 0) * PXI_MS * i + (i < 20 ? 0 : 10000 + 50 * i) * PXI_MS);
    }
    return pxi_sim_pass(c->run, c->w, 50 * PXI_SECOND);
}

static void stored(void *ctx, const struct pxi_kad_result *r)
{
    struct cell *c = ctx;
    c->stored += r->stored > 0;
}

static void got(void *ctx, const struct pxi_kad_result *r)
{
    struct cell *c = ctx;
    c->gets++;
    c->got += r->err == PX_ERR_OK;
    c->requests += r->requests;
    pxi_sim_note(c->run->r, (uint64_t)r->err << 32 | r->requests);
}

static void found(void *ctx, const struct pxi_kad_result *r)
{
    struct cell *c = ctx;
    c->finds++;
    c->found += r->err == PX_ERR_OK && r->peer_count > 0;
    pxi_sim_note(c->run->r, (uint64_t)r->err << 32 | r->requests);
}

static px_view content_key(uint8_t out[34], unsigned target)
{
    struct pxi_kad_key k = pxi_kad_key_of(px_view_of(&target, sizeof target));
    out[0] = 0x12;
    out[1] = 0x20;
    memcpy(out + 2, k.b, 32);
    return px_view_of(out, 34);
}

/* Who looks. */
static struct sim_node *asker(struct cell *c, unsigned i)
{
    return c->victim[0] ? c->victim[i % VICTIMS] : pxi_sim_any(c->w);
}

/* Values and provider records; the Sybils sit around the keys of both. */
static bool store_and_look(struct cell *c)
{
    char key[32];
    uint8_t hash[34];
    for (unsigned t = 0; t < TARGETS; t++) {
        px_view name = value_key(key, t);
        struct sim_node *a = pxi_sim_any(c->w), *b = pxi_sim_any(c->w);
        px_view content = content_key(hash, t);
        if (!a || !b || !pxi_kad_put(a->kad, name, name, stored, c) ||
            !pxi_kad_provide(b->kad, content, stored, c))
            return false;
    }
    if (!pxi_sim_pass(c->run, c->w, 80 * PXI_SECOND))
        return false;
    for (unsigned i = 0; i < TARGETS * ASKERS; i++) {
        px_view name = value_key(key, i % TARGETS);
        struct sim_node *a = asker(c, i), *b = asker(c, i);
        px_view content = content_key(hash, i % TARGETS);
        if (!a || !b || !pxi_kad_get(a->kad, name, 2, got, c) ||
            !pxi_kad_providers(b->kad, content, 1, found, c))
            return false;
        if (!pxi_sim_pass(c->run, c->w, 200 * PXI_MS))
            return false;
    }
    return pxi_sim_pass(c->run, c->w, 80 * PXI_SECOND);
}

/* What the defences must achieve. Half as many Sybils as honest peers, just around the keys and
 * spread over many networks, are beyond them. */
static void judge(struct cell *c)
{
    static const double target = 0.95;
    const px_sim_attack *row = &c->row;
    bool beyond = strcmp(row->networks, "many") == 0 && row->share > 0.2;
    if (strcmp(row->defence, "on") != 0 || beyond)
        return;
    if (row->get < target || row->find < target)
        pxi_sim_fail(c->run->r, "%.0f %% Sybils (%s, %s networks): get %.3f, find %.3f, below %.2f",
                     100 * row->share, row->placement, row->networks, row->get, row->find, target);
}

static px_err run_cell(struct cell *c, uint64_t seed)
{
    bool on = strcmp(c->row.defence, "on") == 0;
    struct pxi_kad_options kad = {.quiet = true,
                                  .accept_all = true,
                                  .paths = on ? 3 : 1,
                                  .no_diversity = !on,
                                  .slow_ns = 3 * PXI_SECOND};
    px_sim_result *r = c->run->r;
    c->gets = c->got = c->finds = c->found = 0;
    c->requests = 0;
    memset(c->victim, 0, sizeof c->victim);
    c->w = pxi_sim_world_new(2 * c->run->o->attacked + VICTIMS, seed, &kad);
    if (c->w)
        c->w->peers_max = 0; /* as many as in production: more than there are Sybils */
    bool ok = c->w && join_honest(c) && add_sybils(c) &&
              pxi_sim_pass(c->run, c->w, 40 * PXI_SECOND) &&
              (strcmp(c->row.placement, "eclipse") != 0 || add_victims(c)) && store_and_look(c);
    pxi_sim_world_free(c->w);
    if (!ok)
        return PX_ERR_NOMEM;
    c->row.get = c->gets ? (double)c->got / c->gets : 0;
    c->row.find = c->finds ? (double)c->found / c->finds : 0;
    c->row.messages = c->gets ? c->requests / c->gets : 0;
    judge(c);
    if (r->attacks < SIM_ATTACKS)
        r->attack[r->attacks++] = c->row;
    pxi_sim_advance(c->run, "attacks", 1);
    return PX_ERR_OK;
}

/* -------------------------------------------------------------------- the table */

static bool fill_pool(struct cell *c, uint64_t seed)
{
    struct pxi_random random = pxi_random_seeded(seed ^ 0x737962);
    c->pool = pxi_calloc(POOL * (size_t)c->run->o->attacked, sizeof *c->pool);
    for (unsigned i = 0; c->pool && i < POOL * c->run->o->attacked; i++) {
        struct forged *f = &c->pool[i];
        pxi_random_fill(&random, f->seed, sizeof f->seed);
        struct pxi_key *k = pxi_key_from_seed(f->seed);
        if (!k)
            return false;
        struct pxi_peer p = pxi_peer_of_key(pxi_key_public(k));
        f->at = pxi_kad_key_of(pxi_peer_view(&p));
        pxi_key_free(k);
    }
    return c->pool != NULL;
}

px_err pxi_sim_attacks(struct sim_run *run)
{
    static const struct {
        const char *placement, *networks;
    } kinds[] = {{"random", "few"}, {"targeted", "few"}, {"targeted", "many"}, {"eclipse", "few"}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    const px_sim_options *o = run->o;
    struct cell c = {.run = run};
    char key[32];
    px_err err = fill_pool(&c, o->seed) ? PX_ERR_OK : PX_ERR_NOMEM;
    uint8_t hash[34];
    for (unsigned t = 0; t < TARGETS; t++) {
        c.gang.aim[t] = pxi_kad_key_of(value_key(key, t));
        c.gang.aim[TARGETS + t] = pxi_kad_key_of(content_key(hash, t));
    }
    run->total += 2 * KINDS * o->sybil_count;
    for (unsigned k = 0; k < KINDS; k++)
        for (unsigned s = 0; s < o->sybil_count; s++)
            for (unsigned on = 0; on < 2 && err == PX_ERR_OK; on++) {
                c.row = (px_sim_attack){.placement = kinds[k].placement,
                                        .networks = kinds[k].networks,
                                        .defence = on ? "on" : "off",
                                        .share = o->sybils[s]};
                err = run_cell(&c, o->seed + 100 * k + s);
            }
    pxi_free(c.pool);
    return err;
}
