/* The public face of reduce/group: its arena, its paths, its thread. */
#include "plexus/reduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "crypto/random.h"
#include "io/exchange.h"
#include "io/loop.h"
#include "io/frames.h"
#include "kernel/kernel.h"
#include "node/reduce_address.h"
#include "node/reduce_join.h"
#include "reduce/group.h"
#include "reduce/plan.h"

enum { VALUES = 688, WINDOW = 128, DEADLINE_MS = 2000, SILENCE_MS = 3000, MS = 1000000 };
enum { WORDS = 65, PAGE = 4096 };          /* whose secret the words of paths have */
enum { REKEY = 1 << 30 };                  /* chunks of a shard */
enum { LOOK_MS = 50, TELL_MS = 1000 };     /* at what the node says; the same to it once more */
enum { QUIET_MS = 200, LINGER_MS = 2000 }; /* of the end: others may still ask for a sum */

struct px_reduce {
    struct pxi_kernels kernels;
    struct pxi_group *group;
    struct pxi_exchange *exchange;
    struct pxi_frames frames;
    size_t room; /* where in the frames the part of the paths begins */
    struct pxi_paths_report paths;
    px_reduce_report report; /* of the last sum, as the thread left it */
    unsigned shards, values;
    uint64_t sums; /* operations that ended well */
    unsigned rank;
    int gone; /* the rank without which nothing goes on: the handle is of no use any more; or -1 */
    /* Keys: the group of the key before still answers those who are not done with it. */
    struct pxi_group *before;
    struct pxi_group_options made; /* of the group, for the next one */
    uint8_t secret[PXI_GROUP_SECRET];
    uint32_t rekey;
    unsigned rekeys;
    struct pxi_rank_counts past; /* of groups that are gone, or before */
    px_control *seat;            /* in the job, or NULL */
    uint64_t looked_ns;          /* at what it says */
    bool over;                   /* it said that the aggregator is gone */
    char rule[PXI_REDUCE_RULE];
    uint64_t told, told_ns;     /* ranks that the node was last told were late, and when */
    char name[65], address[65]; /* of the job, and ours */
    char topology_why[128];
};

/* ------------------------------------------------------ what the thread asks */

static void turn(void *ctx, uint64_t now_ns)
{
    px_reduce *r = ctx;
    if (r->before)
        pxi_group_turn(r->before, now_ns);
    pxi_group_turn(r->group, now_ns);
}

static px_view pull(void *ctx, unsigned to, uint64_t now_ns)
{
    px_reduce *r = ctx;
    px_view v = {0};
    if (r->before)
        v = pxi_group_pull(r->before, to, now_ns);
    return v.n ? v : pxi_group_pull(r->group, to, now_ns);
}

/* Of the key before or of this one: the job's number says which. */
static void take(void *ctx, unsigned from, px_view datagram, uint64_t now_ns)
{
    px_reduce *r = ctx;
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values;
    bool old = r->before &&
               (pxi_gradient_read(datagram, &h, &values, &why) ||
                pxi_gradient_read_member(datagram, &h, &values, &why)) &&
               h.job == pxi_group_job(r->before);
    pxi_group_take(old ? r->before : r->group, from, datagram, now_ns);
}

static uint64_t deadline(void *ctx)
{
    const px_reduce *r = ctx;
    uint64_t at = pxi_group_deadline(r->group);
    uint64_t its = r->before ? pxi_group_deadline(r->before) : UINT64_MAX;
    return its < at ? its : at;
}

/* ---------------------------------------------------------------- a new key */

/* All do this before the same operation, since all have used as many sequence numbers. The next
 * secret says nothing of the one before, which is forgotten. */
static px_err renew(px_reduce *r)
{
    struct pxi_group_options g = r->made;
    size_t half = pxi_group_arena(&g);
    g.job = pxi_group_next(r->secret, g.job);
    g.secret = r->secret;
    g.arena = r->frames.p + (r->rekeys % 2 ? 0 : half);
    pxi_group_free(r->before);
    r->before = r->group;
    r->group = pxi_group_new(&g);
    if (r->group && !pxi_group_inherit(r->group, r->before)) {
        pxi_group_free(r->group);
        r->group = NULL;
    }
    if (!r->group) {
        r->group = r->before;
        r->before = NULL;
        return PX_ERR_NOMEM;
    }
    r->made = g;
    r->made.secret = NULL;
    r->rekeys++;
    for (unsigned i = 0; i < r->shards; i++) {
        const struct pxi_rank_counts *k = pxi_group_rank(r->before, i);
        r->past.sent += k->sent;
        r->past.again += k->again;
        r->past.late += k->late;
        r->past.wide += k->wide;
        r->past.kept += k->kept;
    }
    return PX_ERR_OK;
}

static px_err begin(void *ctx, void *arg)
{
    px_reduce *r = ctx;
    bool spent = pxi_group_used(r->group) >= r->rekey;
    /* One that aggregates for all, and is no worker, knows of no other key. */
    px_err err = !spent ? PX_ERR_OK : r->made.central ? PX_ERR_LIMIT : renew(r);
    return err ? err : pxi_group_begin(r->group, arg);
}

static void tell(px_reduce *r);

/* Not 0. */
static uint64_t new_life(void)
{
    return pxi_random_u64(pxi_random_system()) | 1;
}

/* Whether an aggregator that adds for all has left: asked now and then. */
static bool is_over(px_reduce *r)
{
    uint64_t now_ns = pxi_clock_ns();
    if (r->over || !r->seat || !r->made.central || now_ns - r->looked_ns < LOOK_MS * MS)
        return r->over;
    r->looked_ns = now_ns;
    return r->over = pxi_reduce_over(r->seat, r->made.job);
}

/* On the thread, as all that looks into the group. */
static bool done(void *ctx)
{
    px_reduce *r = ctx;
    int gone = pxi_group_done(r->group) ? -1 : pxi_group_gone(r->group);
    if (!pxi_group_done(r->group) && is_over(r))
        gone = 0;
    if (gone < 0 && !pxi_group_done(r->group))
        return false;
    tell(r);
    r->report.gone = gone;
    if (gone >= 0)
        pxi_group_abort(r->group);
    if (gone == (int)r->rank && !r->made.central)
        pxi_group_return(r->group, new_life());
    else
        r->gone = gone;
    return true;
}

static const struct pxi_exchange_ops ops = {turn, pull, take, deadline};

/* ------------------------------------------------------------------ opening */

static px_err check(const px_reduce_options *o, px_diag *d)
{
    pxi_diag_field(d, "%s", "options");
    if (o->size < sizeof *o)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "size of px_reduce_options", "%zu", o->size);
    if (o->world < 1 || o->world > PX_GRADIENT_WORKERS || o->rank >= o->world)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a rank below world, and world from 1 to 64",
                            "rank %u of %u", o->rank, o->world);
    if (o->values % PXI_GRADIENT_STEP || o->values > PXI_GRADIENT_VALUES)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "values: a multiple of 16 up to 1536", "%u",
                            o->values);
    if ((o->window & (o->window - 1)) || o->window > PXI_LIMIT_REDUCE_SLOTS)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "window: a power of two up to 4096", "%u",
                            o->window);
    if ((unsigned)o->format > PX_REDUCE_I4)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "a format", "%u", (unsigned)o->format);
    return PX_ERR_OK;
}

/* Whom to talk to, by shard, and where to be. */
static px_err addresses(const px_reduce_options *o, struct pxi_udp_addr *peers,
                        struct pxi_udp_addr *own, px_diag *d)
{
    px_err err = pxi_reduce_address(o->addresses[o->rank], own, d);
    if (!err && o->aggregator)
        return pxi_reduce_address(o->aggregator, peers, d);
    for (unsigned i = 0; i < o->world && !err; i++)
        err = pxi_reduce_address(o->addresses[i], &peers[i], d);
    return err;
}

/* Bytes of the longest datagram. */
static size_t frame_of(const px_reduce *r)
{
    return PX_GRADIENT_HEAD + pxi_gradient_most(r->values);
}

/* Which paths may be taken. */
static px_err wish(const char *name, uint32_t *out, px_diag *d)
{
    *out = 0;
    if (!name || strcmp(name, "auto") == 0)
        return PX_ERR_OK;
    int kind = pxi_path_kind(name);
    pxi_diag_field(d, "path");
    if (kind < 0)
        return pxi_diag_set(d, PX_ERR_INVALID, 0, "auto, udp, shm, xsk or verbs", "%s", name);
    *out = UINT32_C(1) << kind;
    return PX_ERR_OK;
}

static px_err make_group(px_reduce *r, const px_reduce_options *o)
{
    size_t shard = o->longest / r->values / r->shards + 2;
    struct pxi_group_options g = {.job = o->job,
                                  .epoch = 1,
                                  .slots = o->window ? o->window : WINDOW,
                                  .values = (uint16_t)r->values,
                                  .format = (uint8_t)o->format,
                                  .rank = (uint8_t)o->rank,
                                  .world = (uint8_t)o->world,
                                  .central = o->aggregator != NULL,
                                  .stochastic = o->stochastic != 0,
                                  .rto_min_ns = 5 * MS,
                                  .rto_max_ns = UINT64_C(500) * MS,
                                  .slack_ns = (uint64_t)o->slack_ms * MS,
                                  .life = new_life(),
                                  .cycle = o->cycle,
                                  .chunks = o->longest ? (uint32_t)shard : 0,
                                  .secret = o->secret,
                                  .kernels = &r->kernels};
    g.deadline_ns = (uint64_t)(o->deadline_ms ? o->deadline_ms : DEADLINE_MS) * MS;
    g.silence_ns = (uint64_t)(o->silence_ms ? o->silence_ms : SILENCE_MS) * MS;
    if (shard > PXI_LIMIT_REDUCE_CHUNKS)
        return PX_ERR_INVALID;
    memcpy(r->secret, o->secret, sizeof r->secret);
    r->rekey = o->rekey ? o->rekey : REKEY;
    r->room = (2 * pxi_group_arena(&g) + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (pxi_frames_map(&r->frames, r->room + pxi_paths_room(r->shards, frame_of(r))) != 0)
        return PX_ERR_NOMEM;
    pxi_frames_register(&r->frames);
    g.arena = r->frames.p;
    r->group = pxi_group_new(&g);
    r->made = g;
    r->made.secret = NULL;
    return r->group ? PX_ERR_OK : PX_ERR_NOMEM;
}

static px_err make_exchange(px_reduce *r, const px_reduce_options *o, bool singly, px_diag *diag)
{
    struct pxi_udp_addr peers[PX_GRADIENT_WORKERS] = {0};
    uint8_t secret[PXI_GROUP_SECRET];
    struct pxi_paths_options p = {.path = {.rank = o->aggregator ? r->shards : o->rank,
                                           .n = r->shards,
                                           .peers = peers,
                                           .frame = frame_of(r),
                                           .frames = &r->frames,
                                           .room = r->room,
                                           .singly = singly},
                                  .secret = secret};
    px_err err = wish(o->path, &p.wish, diag);
    if (!err)
        err = addresses(o, peers, &p.path.local, diag);
    if (err)
        return err;
    pxi_group_secret(o->secret, WORDS, WORDS, secret);
    err = pxi_exchange_open(&p, &ops, r, &r->exchange);
    explicit_bzero(secret, sizeof secret);
    if (!err && o->aggregator && o->group)
        err = pxi_exchange_join(r->exchange, o->group);
    return err;
}

static px_err open_with(const px_reduce_options *o, bool singly, px_reduce **out, px_diag *diag)
{
    px_err err = check(o, diag);
    uint32_t mask = pxi_cpu_mask(getenv("PLEXUS_CPU"));
    if (!err && (!mask || (mask & ~pxi_cpu_detect()))) {
        pxi_diag_field(diag, "PLEXUS_CPU");
        err = pxi_diag_set(diag, PX_ERR_INVALID, 0, "a set of instructions that this processor has",
                           "%s", getenv("PLEXUS_CPU"));
    }
    px_reduce *r = err ? NULL : pxi_calloc(1, sizeof *r);
    if (!r)
        return err ? err : PX_ERR_NOMEM;
    pxi_kernels_init(&r->kernels, mask);
    r->gone = -1;
    r->rank = o->rank;
    r->shards = o->aggregator ? 1 : o->world;
    r->values = o->values ? o->values : VALUES;
    snprintf(r->topology_why, sizeof r->topology_why, "as it was opened");
    err = make_group(r, o);
    if (!err)
        err = make_exchange(r, o, singly, diag);
    if (err)
        px_reduce_close(r);
    else
        *out = r;
    return err;
}

px_err px_reduce_open(const px_reduce_options *o, px_reduce **out, px_diag *diag)
{
    struct pxi_reduce_grant g;
    *out = NULL;
    if (o->size < sizeof *o || !o->name)
        return open_with(o, false, out, diag);
    px_err err = pxi_reduce_join(o, &g, diag);
    if (!err)
        err = open_with(&g.o, g.singly, out, diag);
    if (!err) {
        (*out)->seat = g.seat;
        memcpy((*out)->rule, g.rule, sizeof g.rule);
        snprintf((*out)->name, sizeof(*out)->name, "%s", o->name);
        snprintf((*out)->address, sizeof(*out)->address, "%s", o->address);
        snprintf((*out)->topology_why, sizeof(*out)->topology_why, "%s", g.why);
        g.seat = NULL;
    }
    pxi_reduce_grant_free(&g);
    return err;
}

void px_reduce_close(px_reduce *r)
{
    if (!r)
        return;
    if (r->sums && r->gone < 0 && r->shards > 1)
        pxi_exchange_linger(r->exchange, QUIET_MS, LINGER_MS);
    pxi_exchange_close(r->exchange);
    pxi_group_free(r->group);
    pxi_group_free(r->before);
    if (r->seat)
        px_control_close(r->seat);
    pxi_frames_unmap(&r->frames);
    explicit_bzero(r->secret, sizeof r->secret);
    pxi_free(r);
}

unsigned px_reduce_rank(const px_reduce *r)
{
    return r->made.rank;
}

unsigned px_reduce_world(const px_reduce *r)
{
    return r->made.world;
}

/* ------------------------------------------------------------------ summing */

static void tell(px_reduce *r)
{
    static const char *const pages[] = {[PXI_FRAMES_HUGE] = "huge",
                                        [PXI_FRAMES_TRANSPARENT] = "transparent",
                                        [PXI_FRAMES_NORMAL] = "normal"};
    struct pxi_exchange_counts c = pxi_exchange_counts(r->exchange);
    px_reduce_report *report = &r->report;
    *report = (px_reduce_report){.gone = -1,
                                 .operation = pxi_group_operation(r->group),
                                 .members = pxi_group_members(r->group),
                                 .epoch = pxi_group_epoch(r->group),
                                 .takeovers = pxi_group_counts(r->group)->takeovers,
                                 .not_finite = (uint64_t)pxi_group_not_finite(r->group) * r->values,
                                 .full = pxi_group_counts(r->group)->full,
                                 .least = pxi_group_least(r->group),
                                 .lost = (uint64_t)pxi_group_lost(r->group) * r->values,
                                 .dropped = c.strangers,
                                 .pages = pages[r->frames.rung],
                                 .syscalls = c.sends + c.receives + c.wakeups,
                                 .wakeups = c.wakeups,
                                 .wakes = c.wakes,
                                 .copied = c.copied,
                                 .bytes = c.bytes,
                                 .kept = r->past.kept,
                                 .missing = pxi_group_missing(r->group),
                                 .topology = pxi_topology_name(
                                     r->made.central ? PXI_TOPOLOGY_CENTRAL : PXI_TOPOLOGY_SHARDED),
                                 .topology_why = r->topology_why,
                                 .cuda = r->frames.cuda,
                                 .path = r->paths.chosen,
                                 .why = r->paths.why,
                                 .path_changes = r->paths.changes,
                                 .rekeys = r->rekeys,
                                 .rule = r->rule[0] ? r->rule : "none",
                                 .packets = r->past.sent,
                                 .again = r->past.again,
                                 .late = r->past.late,
                                 .wide = r->past.wide};
    r->paths = pxi_exchange_paths(r->exchange);
    for (unsigned k = 0; k < PXI_PATH_KINDS && k < PX_REDUCE_PATHS; k++) {
        report->paths[k].name = pxi_path_name(k);
        report->paths[k].cpu_ns = r->paths.figures[k].cpu_ns;
        report->paths[k].ns = r->paths.figures[k].ns;
    }
    for (unsigned i = 0; i < r->shards; i++) {
        const struct pxi_rank_counts *k = pxi_group_rank(r->group, i);
        report->packets += k->sent;
        report->again += k->again;
        report->late += k->late;
        report->wide += k->wide;
        report->kept += k->kept;
    }
    for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++)
        report->dropped += pxi_group_counts(r->group)->bad[i];
}

/* Sums went on without somebody, still do, or with all again: the node that offers the job hears
 * it, and ranks peers by it. What it answers is not waited for; the rest of what it says is still
 * heard. */
static void tell_late(px_reduce *r)
{
    char text[256];
    uint64_t now_ns = pxi_clock_ns();
    bool still = r->told && now_ns - r->told_ns >= TELL_MS * (uint64_t)MS;
    if (!r->seat || (r->report.missing == r->told && !still))
        return;
    r->told = r->report.missing;
    r->told_ns = now_ns;
    snprintf(text, sizeof text,
             "{\"op\":\"reduce-late\",\"name\":\"%s\",\"address\":\"%s\",\"ranks\":%llu}", r->name,
             r->address, (unsigned long long)r->told);
    if (px_control_say(r->seat, text) == PX_ERR_OK)
        r->over |= pxi_reduce_over(r->seat, r->made.job) && r->made.central;
}

static px_err sum(px_reduce *r, struct pxi_rank_op op, px_reduce_report *report)
{
    px_err lost = r->over ? PX_ERR_RESET : PX_ERR_TIMEOUT;
    px_err err = r->gone < 0 ? pxi_exchange_run(r->exchange, begin, done, &op) : lost;
    if (!err && r->report.gone >= 0)
        err = r->over ? PX_ERR_RESET : PX_ERR_TIMEOUT;
    r->sums += err == PX_ERR_OK;
    if (!err)
        tell_late(r);
    if (report && (!err || err == PX_ERR_TIMEOUT || err == PX_ERR_RESET)) {
        size_t size = report->size;
        *report = r->report;
        report->size = size;
    }
    return err;
}

px_err px_reduce_sum(px_reduce *r, float *x, float *residual, size_t n, int mean,
                     px_reduce_report *report)
{
    return sum(r, (struct pxi_rank_op){.x = x, .residual = residual, .n = n, .mean = mean != 0},
               report);
}

px_err px_reduce_sum_bf16(px_reduce *r, uint16_t *x, float *residual, size_t n, int mean,
                          px_reduce_report *report)
{
    return sum(
        r,
        (struct pxi_rank_op){.x = x, .residual = residual, .n = n, .mean = mean != 0, .bf16 = true},
        report);
}
