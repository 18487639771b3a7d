#include "reduce/muster.h"

#include <string.h>

#include <openssl/crypto.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/math.h"
#include "base/mem.h"
#include "bpf/sentry.h"

enum { ADDED = 8, /* grants that one adder has at once */ PACKET_NS = 1000000 /* the most */ };

struct job;

struct pxi_muster_member {
    struct pxi_list link; /* in job->waiting, job->granted or job->adders */
    struct job *job;
    struct pxi_peer peer;
    uint8_t address[PXI_MUSTER_ADDRESS];
    uint8_t address_n;
    bool told;                       /* that it waits, and with how many */
    bool over;                       /* its grant is, and it is to be told */
    uint8_t adds;                    /* enum pxi_muster_adds */
    uint32_t grant;                  /* the number it has, */
    unsigned company;                /* and with how many */
    struct pxi_muster_member *adder; /* of that, or NULL */
    uint32_t added[ADDED];           /* one that adds: grants that it has, 0 where there is none */
    uint8_t rule[PXI_MUSTER_RULE];
    uint8_t rule_n, rank;
    uint64_t rate, late; /* of its line; ranks that it says are */
    unsigned packet_ns;
    void *ctx;
};

struct job {
    struct pxi_list link;
    struct pxi_muster *of;
    struct pxi_muster_job o;
    uint8_t name[PXI_MUSTER_NAME], aggregator[PXI_MUSTER_ADDRESS], group[PXI_MUSTER_ADDRESS];
    struct pxi_list waiting, granted, adders;
    unsigned waiting_n, granted_n, adders_n;
    struct pxi_plan plan;  /* of the last grant */
    struct pxi_timer turn; /* now, or when nobody has come for long enough */
    uint64_t came_ns;      /* the last of those who wait */
    bool bereft;           /* a company lost who added for it: it goes on sooner */
    uint32_t job;
    uint16_t epoch;
    struct pxi_peer allow[];
};

struct pxi_muster {
    struct pxi_timers *timers;
    struct pxi_random *random;
    pxi_muster_tell *tell;
    struct pxi_muster_ranking ranking;
    struct pxi_list jobs;
    unsigned count;
    uint32_t first, numbers; /* job numbers count up from a random one */
};

struct pxi_muster *pxi_muster_new(struct pxi_timers *timers, struct pxi_random *random,
                                  pxi_muster_tell *tell)
{
    struct pxi_muster *m = pxi_calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->timers = timers;
    m->random = random;
    m->tell = tell;
    m->first = (uint32_t)pxi_random_u64(random);
    pxi_list_init(&m->jobs);
    return m;
}

void pxi_muster_rank(struct pxi_muster *m, const struct pxi_muster_ranking *r)
{
    m->ranking = *r;
}

static void member_free(struct pxi_muster_member *w, unsigned *count)
{
    pxi_list_remove(&w->link);
    --*count;
    pxi_free(w);
}

static unsigned *count_of(struct pxi_muster_member *w)
{
    struct job *j = w->job;
    if (w->adds)
        return &j->adders_n;
    for (struct pxi_list *l = j->waiting.next; l != &j->waiting; l = l->next)
        if (l == &w->link)
            return &j->waiting_n;
    return &j->granted_n;
}

static void job_free(struct job *j)
{
    pxi_timer_disarm(j->of->timers, &j->turn);
    while (!pxi_list_empty(&j->waiting))
        member_free(PXI_OF(j->waiting.next, struct pxi_muster_member, link), &j->waiting_n);
    while (!pxi_list_empty(&j->granted))
        member_free(PXI_OF(j->granted.next, struct pxi_muster_member, link), &j->granted_n);
    while (!pxi_list_empty(&j->adders))
        member_free(PXI_OF(j->adders.next, struct pxi_muster_member, link), &j->adders_n);
    pxi_list_remove(&j->link);
    j->of->count--;
    pxi_free(j);
}

void pxi_muster_free(struct pxi_muster *m)
{
    if (!m)
        return;
    while (!pxi_list_empty(&m->jobs))
        job_free(PXI_OF(m->jobs.next, struct job, link));
    pxi_free(m);
}

static bool equal(px_view a, px_view b)
{
    return a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0);
}

static struct job *find(const struct pxi_muster *m, px_view name)
{
    for (struct pxi_list *l = m->jobs.next; l != &m->jobs; l = l->next) {
        struct job *j = PXI_OF(l, struct job, link);
        if (equal(j->o.name, name))
            return j;
    }
    return NULL;
}

void *pxi_muster_ctx(const struct pxi_muster_member *member)
{
    return member->ctx;
}

/* ------------------------------------------------------------ who is gone */

/* A member goes: whom that concerns is told in the next turn. */
static void forget(struct pxi_muster_member *w)
{
    struct job *j = w->job;
    for (struct pxi_list *l = j->granted.next; l != &j->granted && w->adds; l = l->next) {
        struct pxi_muster_member *of = PXI_OF(l, struct pxi_muster_member, link);
        of->over |= of->adder == w;
        j->bereft |= of->adder == w;
        of->adder = of->adder == w ? NULL : of->adder;
    }
    if (w->adds || w->adder)
        pxi_timer_after(j->of->timers, &j->turn, 0);
}

/* How many of a grant are there. */
static unsigned left_of(const struct job *j, uint32_t grant)
{
    unsigned n = 0;
    for (struct pxi_list *l = j->granted.next; l != &j->granted; l = l->next)
        n += PXI_OF(l, struct pxi_muster_member, link)->grant == grant;
    return n;
}

/* Somebody waits, and companies for which one adds have lost somebody: they begin anew, together.
 * (Where all add, who waits is none of them: their key says who they are.) */
static void regroup(struct job *j)
{
    for (struct pxi_list *l = j->granted.next; l != &j->granted && j->waiting_n; l = l->next) {
        struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        if (!w->adder || left_of(j, w->grant) == w->company)
            continue;
        w->over = true;
        w->adder = NULL;
    }
}

/* Grants that are over, to their workers; those without workers, to their adder. */
static void say_over(struct job *j)
{
    struct pxi_muster_order o = {.status = PXI_MUSTER_OVER};
    for (struct pxi_list *l = j->granted.next; l != &j->granted; l = l->next) {
        struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        o.job = w->grant;
        if (w->over)
            j->of->tell(j->of, w, &o);
        w->over = false;
    }
    for (struct pxi_list *l = j->adders.next; l != &j->adders; l = l->next) {
        struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        for (unsigned i = 0; i < ADDED; i++) {
            o.job = w->added[i];
            if (o.job && left_of(j, w->added[i]))
                continue;
            if (o.job)
                j->of->tell(j->of, w, &o);
            w->added[i] = 0;
        }
    }
}

/* Who adds the next grant, and the place for its number: the last that came and has one. */
static struct pxi_muster_member *adder_of(const struct job *j, uint32_t **place)
{
    for (struct pxi_list *l = j->adders.prev; l != &j->adders; l = l->prev) {
        struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        for (unsigned i = 0; i < ADDED; i++) {
            *place = &w->added[i];
            if (!w->added[i])
                return w;
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- orders */

static void refuse(struct pxi_muster_member *w, const char *why)
{
    struct pxi_muster_order o = {.status = PXI_MUSTER_REFUSED, .reason = px_view_str(why)};
    forget(w);
    w->job->of->tell(w->job->of, w, &o);
    member_free(w, count_of(w));
}

static void say_wait(struct job *j)
{
    struct pxi_muster_order o = {
        .status = PXI_MUSTER_WAIT, .world = j->o.world, .present = j->waiting_n};
    for (struct pxi_list *l = j->waiting.next; l != &j->waiting; l = l->next) {
        struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        if (!w->told)
            j->of->tell(j->of, w, &o);
        w->told = true;
    }
}

/* By peer, then by address: whoever comes back to the same company has the same rank. */
static int order_of(const struct pxi_muster_member *a, const struct pxi_muster_member *b)
{
    int by_peer = memcmp(&a->peer, &b->peer, sizeof a->peer);
    int by_address = memcmp(a->address, b->address, sizeof a->address);
    return by_peer ? by_peer : by_address;
}

static bool is_slow(const struct job *j, const struct pxi_muster_member *w)
{
    const struct pxi_muster_ranking *r = &j->of->ranking;
    return r->slow && r->slow(r->ctx, &w->peer);
}

/* How many wait that are not ranked low. */
static unsigned fit(const struct job *j)
{
    unsigned n = 0;
    for (struct pxi_list *l = j->waiting.next; l != &j->waiting; l = l->next)
        n += !is_slow(j, PXI_OF(l, struct pxi_muster_member, link));
    return n;
}

/* Those of the waiting who are let in, in the order of ranks: who is fit first. */
static unsigned sorted(const struct job *j, bool with_slow,
                       struct pxi_muster_member *out[PXI_MUSTER_WORKERS])
{
    unsigned n = 0;
    for (unsigned slow = 0; slow <= with_slow; slow++)
        for (struct pxi_list *l = j->waiting.next; l != &j->waiting && n < j->o.world;
             l = l->next) {
            struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
            if (is_slow(j, w) == slow)
                out[n++] = w;
        }
    for (unsigned i = 1; i < n; i++)
        for (unsigned at = i; at && order_of(out[at - 1], out[at]) > 0; at--) {
            struct pxi_muster_member *swap = out[at];
            out[at] = out[at - 1];
            out[at - 1] = swap;
        }
    return n;
}

/* Who adds for all, as the lines of all say; NULL: every worker a part, or one that is named. */
static struct pxi_muster_member *plan(struct job *j, unsigned n, struct pxi_muster_member **who,
                                      uint32_t **place)
{
    static const unsigned bits[] = {16, 8, 4};
    struct pxi_muster_member *a = adder_of(j, place);
    bool all = true; /* know what a packet costs */
    struct pxi_plan_job p = {.workers = n,
                             .slowest = who[0]->rate,
                             .aggregator = a || j->o.aggregator.n,
                             .its_rate = a ? a->rate : 0,
                             .copies = true,
                             .bits = bits[j->o.format],
                             .values = j->o.values,
                             .its_packet_ns = a ? a->packet_ns : 0};
    for (unsigned i = 0; i < n; i++) {
        p.slowest = who[i]->rate < p.slowest ? who[i]->rate : p.slowest;
        p.packet_ns = who[i]->packet_ns > p.packet_ns ? who[i]->packet_ns : p.packet_ns;
        all &= who[i]->packet_ns != 0;
    }
    p.packet_ns = all ? p.packet_ns : 0;
    if (j->o.central || j->o.aggregator.n)
        p.asked = PXI_TOPOLOGY_CENTRAL;
    pxi_plan_topology(&p, &j->plan);
    return j->plan.central ? a : NULL;
}

/* Not 0, and never given out before by this node. */
static uint32_t new_number(struct pxi_muster *m)
{
    uint32_t n = m->first + ++m->numbers;
    return n ? n : m->first + ++m->numbers;
}

static void grant(struct job *j, bool with_slow)
{
    struct pxi_muster_member *who[PXI_MUSTER_WORKERS];
    px_view addresses[PXI_MUSTER_WORKERS];
    uint8_t secret[PXI_MUSTER_SECRET];
    unsigned n = sorted(j, with_slow, who);
    uint32_t *place = NULL;
    struct pxi_muster_member *adder = plan(j, n, who, &place);
    bool judged = adder && n >= PX_SENTRY_FAN_IN;
    pxi_random_fill(j->of->random, secret, sizeof secret);
    j->job = new_number(j->of);
    j->epoch++;
    j->bereft = false;
    struct pxi_muster_order o = {.status = PXI_MUSTER_GRANT,
                                 .job = j->job,
                                 .epoch = j->epoch,
                                 .world = n,
                                 .present = n,
                                 .slots = j->o.slots,
                                 .values = j->o.values,
                                 .format = j->o.format,
                                 .deadline_ms = j->o.deadline_ms,
                                 .addresses = {addresses, n},
                                 .aggregator = j->o.aggregator,
                                 .group = j->o.group,
                                 .reason = px_view_str(j->plan.why),
                                 .secret = px_view_of(secret, sizeof secret)};
    if (adder) {
        o.aggregator = px_view_of(adder->address, adder->address_n);
        o.singly = adder->adds == PXI_MUSTER_ADDS_SINGLY;
    }
    if (judged)
        o.rule = px_view_of(adder->rule, adder->rule_n);
    for (unsigned i = 0; i < n; i++)
        addresses[i] = px_view_of(who[i]->address, who[i]->address_n);
    if (adder) { /* first, so that it is ready for them */
        *place = j->job;
        j->of->tell(j->of, adder, &o);
    }
    for (unsigned i = 0; i < n; i++) {
        o.rank = who[i]->rank = (uint8_t)i;
        who[i]->grant = j->job;
        who[i]->late = 0;
        who[i]->company = n;
        who[i]->adder = adder;
        pxi_list_remove(&who[i]->link);
        pxi_list_add(&j->granted, &who[i]->link);
        j->waiting_n--;
        j->granted_n++;
        j->of->tell(j->of, who[i], &o);
    }
    OPENSSL_cleanse(secret, sizeof secret);
}

/* Those who are slow are let in where they are needed: nobody may be left out, or too few are fit.
 * Beside a company that goes on they are not; they would be another. */
static void on_turn(struct pxi_timer *t, uint64_t now_ns)
{
    struct job *j = PXI_OF(t, struct job, turn);
    uint32_t *place;
    regroup(j);
    say_over(j);
    uint64_t patience = j->bereft ? j->o.wait_ns / 2 : j->o.wait_ns;
    bool waited = now_ns - j->came_ns >= patience;
    unsigned n = fit(j);
    bool with_slow = !j->o.least || (n < j->o.least && !j->granted_n);
    n = with_slow ? j->waiting_n : n;
    bool all = n >= j->o.world, few = j->o.least && n >= j->o.least;
    if ((all || (few && waited)) && (!j->o.central || waited || adder_of(j, &place))) {
        grant(j, with_slow);
        if (j->waiting_n)
            pxi_timer_after(j->of->timers, t, 0);
        return;
    }
    say_wait(j);
    if (all || few)
        pxi_timer_arm(j->of->timers, t, j->came_ns + patience);
}

/* ----------------------------------------------------------------- jobs */

static bool sane(const struct pxi_muster_job *o)
{
    return pxi_muster_name(o->name) && o->world >= 1 && o->world <= PXI_MUSTER_WORKERS &&
           o->least <= o->world && o->slots && o->slots <= PXI_LIMIT_REDUCE_SLOTS &&
           (o->slots & (o->slots - 1)) == 0 && o->values && o->values % PXI_GRADIENT_STEP == 0 &&
           o->values <= PXI_GRADIENT_VALUES && o->format < PX_GRADIENT_I32 && o->deadline_ms &&
           o->deadline_ms <= 3600000 && o->allow_count <= PXI_LIMIT_MUSTER_ALLOW &&
           (!o->aggregator.n || pxi_muster_address(o->aggregator)) &&
           !(o->central && o->aggregator.n) && o->group.n <= PXI_MUSTER_ADDRESS &&
           (!o->group.n || o->aggregator.n);
}

static px_view copied(uint8_t *to, px_view from)
{
    if (from.n)
        memcpy(to, from.p, from.n);
    return px_view_of(to, from.n);
}

px_err pxi_muster_offer(struct pxi_muster *m, const struct pxi_muster_job *o)
{
    if (!sane(o) || find(m, o->name))
        return PX_ERR_INVALID;
    if (m->count >= PXI_LIMIT_MUSTER_JOBS)
        return PX_ERR_LIMIT;
    struct job *j = pxi_calloc(1, sizeof *j + o->allow_count * sizeof *j->allow);
    if (!j)
        return PX_ERR_NOMEM;
    j->of = m;
    j->o = *o;
    j->o.name = copied(j->name, o->name);
    j->o.aggregator = copied(j->aggregator, o->aggregator);
    j->o.group = copied(j->group, o->group);
    j->o.wait_ns = o->wait_ns ? o->wait_ns : 5 * PXI_SECOND;
    for (unsigned i = 0; i < o->allow_count; i++)
        j->allow[i] = o->allow[i];
    pxi_list_init(&j->waiting);
    pxi_list_init(&j->granted);
    pxi_list_init(&j->adders);
    j->turn.fire = on_turn;
    pxi_list_add(&m->jobs, &j->link);
    m->count++;
    return PX_ERR_OK;
}

px_err pxi_muster_withdraw(struct pxi_muster *m, px_view name)
{
    struct job *j = find(m, name);
    if (!j)
        return PX_ERR_NOT_FOUND;
    while (!pxi_list_empty(&j->waiting))
        refuse(PXI_OF(j->waiting.next, struct pxi_muster_member, link), "the job was withdrawn");
    while (!pxi_list_empty(&j->granted))
        refuse(PXI_OF(j->granted.next, struct pxi_muster_member, link), "the job was withdrawn");
    while (!pxi_list_empty(&j->adders))
        refuse(PXI_OF(j->adders.next, struct pxi_muster_member, link), "the job was withdrawn");
    job_free(j);
    return PX_ERR_OK;
}

bool pxi_muster_at(const struct pxi_muster *m, unsigned i, struct pxi_muster_state *out)
{
    for (struct pxi_list *l = m->jobs.next; l != &m->jobs; l = l->next) {
        const struct job *j = PXI_OF(l, struct job, link);
        if (i--)
            continue;
        *out = (struct pxi_muster_state){.name = j->o.name,
                                         .world = j->o.world,
                                         .waiting = j->waiting_n,
                                         .granted = j->granted_n,
                                         .adders = j->adders_n,
                                         .central = j->plan.central,
                                         .why = j->plan.why,
                                         .job = j->job,
                                         .epoch = j->epoch};
        return true;
    }
    return false;
}

/* -------------------------------------------------------------- members */

static bool may_join(const struct job *j, const struct pxi_peer *peer)
{
    for (unsigned i = 0; i < j->o.allow_count; i++)
        if (pxi_peer_equal(&j->allow[i], peer))
            return true;
    return !j->o.allow_count;
}

static bool is(const struct pxi_muster_member *w, const struct pxi_peer *peer, px_view address)
{
    return pxi_peer_equal(&w->peer, peer) && equal(px_view_of(w->address, w->address_n), address);
}

/* The one from the same place makes room. */
static void replace(struct pxi_list *members, const struct pxi_peer *peer, px_view address)
{
    for (struct pxi_list *l = members->next, *next; l != members; l = next) {
        struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        next = l->next;
        if (is(w, peer, address))
            refuse(w, "it joined once more");
    }
}

/* Into its list. */
static void seat(struct pxi_muster_member *w, const struct pxi_muster_join *join)
{
    struct job *j = w->job;
    w->adds = (uint8_t)join->adds;
    w->rate = join->rate;
    w->packet_ns = (unsigned)pxi_min(join->packet_ns, PACKET_NS);
    if (w->adds) {
        w->rule_n = (uint8_t)join->rule.n;
        copied(w->rule, join->rule);
        pxi_list_add(&j->adders, &w->link);
        j->adders_n++;
        return;
    }
    pxi_list_add(&j->waiting, &w->link);
    j->waiting_n++;
    j->came_ns = j->of->timers->now_ns;
}

struct pxi_muster_member *pxi_muster_join(struct pxi_muster *m, const struct pxi_peer *peer,
                                          const struct pxi_muster_join *join, void *ctx,
                                          px_err *err)
{
    struct job *j = find(m, join->name);
    *err = !j ? PX_ERR_NOT_FOUND : !may_join(j, peer) ? PX_ERR_REFUSED : PX_ERR_OK;
    if (!*err && join->adds && j->o.aggregator.n)
        *err = PX_ERR_REFUSED;
    if (!*err && !pxi_muster_address(join->address))
        *err = PX_ERR_INVALID;
    if (*err)
        return NULL;
    if (join->adds) {
        replace(&j->adders, peer, join->address);
    } else {
        replace(&j->waiting, peer, join->address);
        replace(&j->granted, peer, join->address);
    }
    *err = j->waiting_n + j->granted_n + j->adders_n >= PXI_LIMIT_MUSTER_MEMBERS ? PX_ERR_LIMIT
                                                                                 : PX_ERR_OK;
    struct pxi_muster_member *w = *err ? NULL : pxi_calloc(1, sizeof *w);
    if (!w) {
        *err = *err ? *err : PX_ERR_NOMEM;
        return NULL;
    }
    w->job = j;
    w->peer = *peer;
    w->ctx = ctx;
    w->address_n = (uint8_t)join->address.n;
    memcpy(w->address, join->address.p, join->address.n);
    seat(w, join);
    pxi_timer_after(m->timers, &j->turn, 0);
    return w;
}

void pxi_muster_leave(struct pxi_muster *m, struct pxi_muster_member *member)
{
    (void)m;
    forget(member);
    member_free(member, count_of(member));
}

/* ------------------------------------------------------------ who is late */

void pxi_muster_late(struct pxi_muster *m, struct pxi_muster_member *member, uint64_t ranks)
{
    struct job *j = member->job;
    unsigned said[PXI_MUSTER_WORKERS] = {0}, n = 0;
    member->late = ranks;
    for (struct pxi_list *l = j->granted.next; l != &j->granted; l = l->next) {
        const struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        n += w->grant == member->grant;
        for (unsigned i = 0; i < PXI_MUSTER_WORKERS && w->grant == member->grant; i++)
            said[i] += w->late >> i & 1;
    }
    for (struct pxi_list *l = j->granted.next; l != &j->granted; l = l->next) {
        struct pxi_muster_member *w = PXI_OF(l, struct pxi_muster_member, link);
        bool is = 2 * said[w->rank] > n;
        if (is && w->grant == member->grant && (ranks >> w->rank & 1) && m->ranking.late)
            m->ranking.late(m->ranking.ctx, &w->peer);
    }
}
