/* A world of simulated peers: hosts, identify and Kademlia of production on a simulated carrier. */
#include "base/limits.h"
#include "node/sim.h"

enum { PEERS_REMEMBERED = 64 };
#define JOIN_WAIT (2 * PXI_SECOND)

static uint64_t wall(void)
{
    return 1800000000; /* records of the simulator do not grow old by the calendar */
}

struct sim_world *pxi_sim_world_new(unsigned cap, uint64_t seed, const struct pxi_kad_options *kad)
{
    struct sim_world *w = pxi_calloc(1, sizeof *w);
    struct sim_node *node = pxi_calloc(cap, sizeof *node);
    if (!w || !node) {
        pxi_free(w);
        pxi_free(node);
        return NULL;
    }
    w->node = node;
    w->cap = cap;
    w->peers_max = PEERS_REMEMBERED;
    w->kad = *kad;
    w->random = pxi_random_seeded(seed);
    w->rng.state = seed ^ 0x73696d;
    struct pxi_simnet_options o = {.timers = &w->timers,
                                   .seed = seed ^ 0x6e6574,
                                   .idle_ns = 3 * PXI_SECOND,
                                   .loss = 0.01,
                                   .refused = 0.3,
                                   .handshake_rtts = 2};
    w->net = pxi_simnet_new(&o);
    if (!w->net) {
        pxi_free(node);
        pxi_free(w);
        return NULL;
    }
    return w;
}

void pxi_sim_kill(struct sim_node *v)
{
    pxi_timer_disarm(&v->world->timers, &v->timer);
    pxi_kad_free(v->kad);
    pxi_identify_free(v->identify);
    if (v->port)
        pxi_simport_die(v->port);
    pxi_host_free(v->host);
    v->host = NULL;
    v->kad = NULL;
    v->identify = NULL;
}

void pxi_sim_world_free(struct sim_world *w)
{
    if (!w)
        return;
    for (unsigned i = 0; i < w->n; i++) {
        if (w->node[i].host)
            pxi_sim_kill(&w->node[i]);
        if (w->node[i].port)
            pxi_simport_leave(w->node[i].port);
        pxi_key_free(w->node[i].key);
    }
    pxi_simnet_free(w->net);
    pxi_free(w->node);
    pxi_free(w);
}

void pxi_sim_seed(struct sim_world *w, uint8_t seed[32])
{
    pxi_random_fill(&w->random, seed, 32);
}

/* /ip4/<public>/tcp/4001, each address once. */
static struct pxi_maddr address(struct sim_world *w, unsigned network)
{
    struct pxi_endpoint e = {.family = 4, .port = 4001, .via = PXI_VIA_TCP};
    uint64_t r = pxi_rng_u64(&w->rng);
    unsigned net = network ? network : 0x1000 + (unsigned)((r >> 20) % 0x9000);
    e.ip[0] = (uint8_t)(net >> 8);
    e.ip[1] = (uint8_t)net;
    if (pxi_ip_kind_of(&e) != PXI_IP_PUBLIC)
        e.ip[0] = 31;
    e.ip[2] = (uint8_t)(w->n >> 8);
    e.ip[3] = (uint8_t)w->n;
    e.port = (uint16_t)(4001 + (w->n >> 16));
    return pxi_endpoint_maddr(&e);
}

struct sim_node *pxi_sim_add(struct sim_world *w, const uint8_t seed[32], unsigned network,
                             const struct pxi_kad_options *kad)
{
    if (w->n >= w->cap)
        return NULL;
    struct sim_node *v = &w->node[w->n];
    *v = (struct sim_node){.world = w, .key = pxi_key_from_seed(seed)};
    v->addr = address(w, network);
    w->n++;
    struct pxi_host_options o = {.key = v->key,
                                 .timers = &w->timers,
                                 .random = &w->random,
                                 .agent = "plexus-sim",
                                 .wall_s = wall,
                                 .peers_max = w->peers_max,
                                 .simulated = true};
    v->host = v->key ? pxi_host_new(&o) : NULL;
    v->identify = v->host ? pxi_identify_new(v->host) : NULL;
    v->kad = v->identify ? pxi_kad_new(v->host, kad ? kad : &w->kad) : NULL;
    v->port = v->kad ? pxi_simnet_join(w->net, v->host, pxi_maddr_view(&v->addr)) : NULL;
    if (!v->port) {
        pxi_sim_kill(v);
        return NULL;
    }
    v->at = pxi_kad_key_of(pxi_peer_view(pxi_host_self(v->host)));
    return v;
}

static bool fit(const struct sim_node *v)
{
    return v->host && v->joined && !v->evil;
}

struct sim_node *pxi_sim_any(struct sim_world *w)
{
    unsigned at = (unsigned)pxi_rng_below(&w->rng, w->n);
    for (unsigned i = 0; i < 1000; i++) {
        if (fit(&w->node[at]))
            return &w->node[at];
        at = (unsigned)pxi_rng_below(&w->rng, w->n);
    }
    /* Few are there yet. Whoever found none would begin a network of its own. */
    for (unsigned i = 0; i < w->n; i++)
        if (fit(&w->node[(at + i) % w->n]))
            return &w->node[(at + i) % w->n];
    return NULL;
}

/* ------------------------------------------------------------------- joining */

static void join_done(void *ctx, const struct pxi_kad_result *r)
{
    struct sim_node *v = ctx;
    if (!v->joined) {
        v->joined = true;
        v->world->joined++;
    }
}

/* Ask a peer that is there already; when it answered, look for ourselves. */
static void join_step(struct pxi_timer *t, uint64_t now_ns)
{
    struct sim_node *v = PXI_OF(t, struct sim_node, timer);
    struct sim_world *w = v->world;
    if (pxi_kad_table_of(v->kad)->count) {
        pxi_kad_bootstrap(v->kad, join_done, v);
        return;
    }
    struct sim_node *by = pxi_sim_any(w);
    if (!by) { /* the first of all */
        join_done(v, NULL);
        return;
    }
    px_view addr = pxi_maddr_view(&by->addr);
    pxi_kad_add(v->kad, pxi_host_self(by->host), &addr, 1);
    if (v->tries++ < 10)
        pxi_timer_after(&w->timers, t, JOIN_WAIT);
}

void pxi_sim_join(struct sim_node *v, uint64_t after_ns)
{
    v->timer.fire = join_step;
    pxi_timer_after(&v->world->timers, &v->timer, after_ns);
}

/* ---------------------------------------------------------------------- time */

bool pxi_sim_pass(struct sim_run *run, struct sim_world *w, uint64_t ns)
{
    uint64_t until = w->timers.now_ns + ns, next;
    for (unsigned i = 0; (next = pxi_timers_next(&w->timers)) <= until; i++) {
        pxi_timers_run(&w->timers, next);
        if (i % 4096 == 0 && !pxi_sim_advance(run, NULL, 0))
            return false;
    }
    pxi_timers_run(&w->timers, until);
    return true;
}

const struct sim_node *pxi_sim_nearest(const struct sim_world *w, const struct pxi_kad_key *key,
                                       const struct sim_node *but)
{
    const struct sim_node *best = NULL;
    for (unsigned i = 0; i < w->n; i++) {
        const struct sim_node *v = &w->node[i];
        if (v->host && v != but && (!best || pxi_kad_nearer(key, &v->at, &best->at) < 0))
            best = v;
    }
    return best;
}
