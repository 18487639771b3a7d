/*
 * Members of a sharded job in virtual time, over a network that loses, doubles and delays: one dies
 * at any moment, others take its shard over, and it comes back. Member i contributes 2^i steps to
 * every value, so a sum says who is in it.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "kernel/gradient.h"
#include "px_test.h"
#include "reduce/group.h"

enum { MOST = 8, QUEUE = 1 << 16, ROOM = 1600, VALUES = 64, SLOTS = 16 };
#define MS    UINT64_C(1000000)
#define NEVER UINT64_MAX
#define UNIT  0x1p-6f

struct mail {
    uint64_t at;
    unsigned from, to;
    size_t n;
    uint8_t bytes[ROOM];
};

struct member {
    struct pxi_group *g;
    uint8_t *arena;
    float *x, *residual;
    uint16_t *half; /* the same as bf16 */
    size_t n;
    bool dead, in_op;
    unsigned ops, outs; /* operations that it has done in this life; times it was left out */
};

struct world {
    struct pxi_kernels kernels;
    struct pxi_rng rng;
    unsigned n, loss, twice, late_us;
    uint16_t values;
    uint8_t format;
    size_t size;
    bool mean, may_lose;
    bool noise, bf16; /* values of many bits, that bf16 holds; and it does */
    struct member m[MOST];
    struct mail *mail;
    uint32_t *order; /* a heap by time */
    uint32_t mail_n, spare_n;
    uint32_t *spare;
    uint64_t now;
    uint64_t deaf;       /* members whose packets do not arrive */
    unsigned stall_ms;   /* threads stand still for so long, at most, now and then */
    uint64_t thaw[MOST]; /* when one goes on */
    float *log[64];      /* results by operation */
    uint64_t logged[64];
};

/* ------------------------------------------------------------- the network */

static bool before(const struct world *w, uint32_t a, uint32_t b)
{
    return w->mail[w->order[a]].at < w->mail[w->order[b]].at;
}

static void swap(struct world *w, uint32_t a, uint32_t b)
{
    uint32_t t = w->order[a];
    w->order[a] = w->order[b];
    w->order[b] = t;
}

static void push(struct world *w, unsigned from, unsigned to, px_view v, uint64_t at_ns)
{
    CHECK(w->spare_n > 0 && v.n <= ROOM);
    uint32_t at = w->spare[--w->spare_n], i = w->mail_n++;
    struct mail *m = &w->mail[at];
    m->at = at_ns;
    m->from = from;
    m->to = to;
    m->n = v.n;
    memcpy(m->bytes, v.p, v.n);
    w->order[i] = at;
    for (; i && before(w, i, (i - 1) / 2); i = (i - 1) / 2)
        swap(w, i, (i - 1) / 2);
}

static struct mail *pop(struct world *w)
{
    uint32_t at = w->order[0], i = 0;
    w->order[0] = w->order[--w->mail_n];
    for (;;) {
        uint32_t least = i;
        for (uint32_t c = 2 * i + 1; c <= 2 * i + 2; c++)
            if (c < w->mail_n && before(w, c, least))
                least = c;
        if (least == i)
            break;
        swap(w, i, least);
        i = least;
    }
    w->spare[w->spare_n++] = at;
    return &w->mail[at];
}

static void post(struct world *w, unsigned from, unsigned to, px_view v)
{
    unsigned copies = pxi_rng_below(&w->rng, 100) < w->loss    ? 0
                      : pxi_rng_below(&w->rng, 100) < w->twice ? 2
                                                               : 1;
    for (unsigned i = 0; i < copies && !(w->deaf >> from & 1); i++)
        push(w, from, to, v,
             w->now + 20000 + (w->late_us ? pxi_rng_below(&w->rng, w->late_us * 1000ull) : 0));
}

/* ------------------------------------------------------------- the members */

static void be_born(struct world *w, unsigned i)
{
    static const uint8_t secret[PXI_GROUP_SECRET] = {3};
    struct member *m = &w->m[i];
    struct pxi_group_options o = {.job = 5,
                                  .slots = SLOTS,
                                  .values = w->values,
                                  .format = w->format,
                                  .rank = (uint8_t)i,
                                  .world = (uint8_t)w->n,
                                  .rto_min_ns = 2 * MS,
                                  .rto_max_ns = 200 * MS,
                                  .deadline_ns = 2000 * MS,
                                  .silence_ns = 3000 * MS,
                                  .life = pxi_rng_u64(&w->rng) | 1,
                                  .chunks = 4096,
                                  .secret = secret,
                                  .kernels = &w->kernels};
    pxi_group_free(m->g);
    pxi_free_aligned(m->arena);
    m->arena = pxi_calloc_aligned(pxi_group_arena(&o), 64);
    o.arena = m->arena;
    m->g = pxi_group_new(&o);
    CHECK(m->g != NULL);
    m->dead = m->in_op = false;
    m->ops = 0;
    memset(m->residual, 0, w->size * sizeof(float));
}

/* Values repeat with a period, and from operation to operation. */
static float sign_of(uint32_t operation, size_t j)
{
    return (float)((j + operation) % 3) - 1.0f;
}

static void begin(struct world *w, unsigned i, uint32_t operation)
{
    struct member *m = &w->m[i];
    for (size_t j = 0; j < w->size; j++) /* the operation's number is not known to who joins */
        m->x[j] = w->noise ? (float)(pxi_grad_hash((uint32_t)(j * 8 + i)) >> 24) / 1024 - 0.125f
                           : (float)(1u << i) * UNIT * sign_of(0, j);
    w->kernels.f32_to_bf16(m->half, m->x, w->size);
    struct pxi_rank_op op = {.x = w->bf16 ? (void *)m->half : m->x,
                             .residual = m->residual,
                             .n = w->size,
                             .mean = w->mean,
                             .bf16 = w->bf16};
    CHECK_EQ(pxi_group_begin(m->g, &op), PX_ERR_OK);
    m->in_op = true;
}

/* Who is in a sum; the same for all values of a chunk or the case fails. */
static uint64_t members_of(const struct world *w, const float *x, size_t j)
{
    float v = x[j] / (UNIT * sign_of(0, j));
    CHECK(v >= 0 && v == floorf(v) && v < (float)(1u << w->n));
    return (uint64_t)v;
}

/* A member has done an operation: its sum is that of the others, of whole contributions. */
static void check(struct world *w, unsigned i)
{
    struct member *m = &w->m[i];
    uint32_t op = pxi_group_operation(m->g);
    CHECK(op > 0 && op < 64);
    if (w->bf16)
        w->kernels.bf16_to_f32(m->x, m->half, w->size);
    if (pxi_group_lost(m->g) && w->may_lose)
        return; /* it was behind when a second one died, and knows it */
    CHECK_EQ(pxi_group_lost(m->g), 0);
    CHECK(w->stall_ms ||
          2 * pxi_group_least(m->g) >= (unsigned)__builtin_popcountll(pxi_group_members(m->g)));
    if (!w->logged[op]) {
        w->log[op] = pxi_calloc(w->size, sizeof(float));
        memcpy(w->log[op], m->x, w->size * sizeof(float));
    }
    for (size_t j = 0; j < w->size; j++)
        if (memcmp(&w->log[op][j], &m->x[j], 4) != 0)
            PX_FAIL("operation %u, value %zu: %g at %u, %g elsewhere", op, j, m->x[j], i,
                    w->log[op][j]);
    w->logged[op] |= 1ull << i;
}

/* Everything that can happen now. */
static bool turn(struct world *w, unsigned i)
{
    struct member *m = &w->m[i];
    bool any = false;
    pxi_group_turn(m->g, w->now);
    for (unsigned to = 0; to < w->n; to++) {
        px_view v;
        while ((v = pxi_group_pull(m->g, to, w->now)).n) {
            post(w, i, to, v);
            any = true;
        }
    }
    if (m->in_op && pxi_group_done(m->g)) {
        m->in_op = false;
        m->ops++;
        check(w, i);
    }
    return any;
}

/* Whether a thread stands still now: what comes waits for it. */
static bool stands(struct world *w, unsigned i)
{
    bool may = w->stall_ms && w->now >= w->thaw[i] + 200 * MS;
    if (may && pxi_rng_below(&w->rng, 3000) == 0)
        w->thaw[i] = w->now + pxi_rng_below(&w->rng, w->stall_ms) * MS;
    return w->thaw[i] > w->now;
}

static void deliver(struct world *w)
{
    struct mail m = *pop(w);
    if (w->thaw[m.to] > w->now)
        push(w, m.from, m.to, px_view_of(m.bytes, m.n), w->thaw[m.to]);
    else if (!w->m[m.to].dead)
        pxi_group_take(w->m[m.to].g, m.from, px_view_of(m.bytes, m.n), w->now);
}

/* Members do `ops` operations each; kill: at a time one dies. Until those who live are done. */
struct plan {
    unsigned ops;
    unsigned victim;
    uint64_t kill_ns, birth_ns; /* NEVER: not */
    uint64_t pause_ns;          /* between two operations of a member, at most */
    bool mute;                  /* the victim need not end */
    bool stuck;                 /* it ends when somebody is gone for good */
    unsigned seed;
    unsigned second; /* another one that dies, at second_ns */
    uint64_t second_ns;
};

static uint64_t next_turn(struct world *w, const struct plan *p, const uint64_t *start)
{
    uint64_t at = w->mail_n ? w->mail[w->order[0]].at : NEVER;
    for (unsigned i = 0; i < w->n; i++) {
        const struct member *m = &w->m[i];
        if (m->dead)
            continue;
        uint64_t its = w->thaw[i] > w->now ? w->thaw[i] : pxi_group_deadline(m->g);
        at = its < at ? its : at;
        if (!m->in_op && m->ops < p->ops && w->thaw[i] <= w->now)
            at = start[i] < at ? start[i] : at;
    }
    at = p->second && p->second_ns > w->now && p->second_ns < at ? p->second_ns : at;
    at = p->kill_ns > w->now && p->kill_ns < at ? p->kill_ns : at;
    at = p->birth_ns > w->now && p->birth_ns < at ? p->birth_ns : at;
    return at;
}

static void run(struct world *w, const struct plan *p)
{
    uint64_t start[MOST] = {0}, end = w->now + 60000 * MS;
    bool killed = false, born = false;
    unsigned was[MOST];
    for (unsigned i = 0; i < w->n; i++)
        was[i] = w->m[i].ops;
    for (;;) {
        bool all = true;
        if (p->second && w->now >= p->second_ns)
            w->m[p->second].dead = true;
        if (!killed && w->now >= p->kill_ns)
            killed = w->m[p->victim].dead = true;
        if (!born && w->now >= p->birth_ns) {
            be_born(w, p->victim);
            born = true;
        }
        for (unsigned i = 0; i < w->n; i++) {
            struct member *m = &w->m[i];
            if (m->dead || stands(w, i))
                continue;
            if (!m->in_op && m->ops < p->ops) {
                if (m->ops != was[i]) {
                    was[i] = m->ops;
                    start[i] = w->now + (p->pause_ns ? pxi_rng_below(&w->rng, p->pause_ns) : 0);
                }
                if (w->now >= start[i])
                    begin(w, i, 0);
            }
            turn(w, i);
            int gone = pxi_group_gone(m->g);
            if (p->stuck && gone >= 0)
                return;
            if (w->stall_ms && gone >= 0 && gone != (int)i)
                PX_FAIL("seed %u: member %u gives up for %d", p->seed, i, gone);
            if (pxi_group_gone(m->g) == (int)i) {
                pxi_group_return(m->g, pxi_rng_u64(&w->rng) | 1);
                m->in_op = false;
                m->outs++;
            }
            bool free = m->outs || (i == p->victim && (born || p->mute));
            all &= m->ops >= p->ops || free;
        }
        if (all && (killed || p->kill_ns == NEVER))
            return;
        uint64_t at = next_turn(w, p, start);
        CHECK(at != NEVER);
        if (at > end)
            PX_FAIL("it does not end");
        w->now = at > w->now ? at : w->now + 1;
        while (w->mail_n && w->mail[w->order[0]].at <= w->now)
            deliver(w);
    }
}

static void open_world(struct world *w, unsigned n, size_t size, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    pxi_kernels_init(&w->kernels, PXI_CPU_SCALAR);
    w->rng.state = seed;
    w->n = n;
    w->size = size;
    w->values = VALUES;
    w->now = 1000 * MS;
    w->mail = pxi_calloc(QUEUE, sizeof *w->mail);
    w->order = pxi_calloc(QUEUE, sizeof *w->order);
    w->spare = pxi_calloc(QUEUE, sizeof *w->spare);
    for (uint32_t i = 0; i < QUEUE; i++)
        w->spare[w->spare_n++] = i;
}

static void populate(struct world *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        w->m[i].x = pxi_calloc(w->size, sizeof(float));
        w->m[i].half = pxi_calloc(w->size, sizeof(uint16_t));
        w->m[i].residual = pxi_calloc(w->size, sizeof(float));
        be_born(w, i);
    }
}

static void close_world(struct world *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        pxi_group_free(w->m[i].g);
        pxi_free_aligned(w->m[i].arena);
        pxi_free(w->m[i].x);
        pxi_free(w->m[i].half);
        pxi_free(w->m[i].residual);
    }
    for (unsigned i = 0; i < 64; i++)
        pxi_free(w->log[i]);
    pxi_free(w->mail);
    pxi_free(w->order);
    pxi_free(w->spare);
}

/* Every chunk of an operation has those who live, and the dead whole or not at all. */
static void has_all(const struct world *w, uint32_t op, uint64_t must, uint64_t may)
{
    CHECK(w->log[op] != NULL);
    for (size_t j = 0; j < w->size; j++) {
        if (sign_of(0, j) == 0)
            continue;
        uint64_t in = members_of(w, w->log[op], j);
        if ((in & must) != must || (in & ~(must | may)))
            PX_FAIL("operation %u, value %zu: members %llx", op, j, (unsigned long long)in);
    }
}

/* Over all operations, what those who live gave is in the sums or owed, once; of the dead whole
 * contributions are. */
static void conserves(const struct world *w, unsigned ops, unsigned victim)
{
    for (size_t j = 0; j < w->size; j++) {
        double total = 0, want = 0, sign = sign_of(0, j);
        for (uint32_t op = 1; op <= ops; op++)
            total += w->log[op][j];
        for (unsigned i = 0; i < w->n; i++) {
            total += i == victim ? 0 : w->m[i].residual[j];
            want += i == victim ? 0 : ops * (1u << i) * (double)UNIT * sign;
        }
        double dead = sign != 0 ? (total - want) / (sign * (double)UNIT * (1u << victim)) : 0;
        if (dead < 0 || dead != floor(dead) || dead > ops || (sign == 0 && total != 0))
            PX_FAIL("value %zu: %g are %g", j, want, total);
    }
}

TEST(all_sum)
{
    static struct world w;
    open_world(&w, 4, VALUES * 100 + 7, 1);
    populate(&w);
    struct plan p = {.ops = 3, .kill_ns = NEVER, .birth_ns = NEVER};
    run(&w, &p);
    for (uint32_t op = 1; op <= 3; op++) {
        CHECK_EQ(w.logged[op], 15);
        has_all(&w, op, 15, 0);
    }
    CHECK_EQ(pxi_group_epoch(w.m[0].g), 1);
    close_world(&w);
}

/* One dies at a moment of an operation; its shard is taken over. */
static void die(unsigned n, unsigned victim, uint64_t after_us, unsigned loss, uint64_t seed,
                bool mean, uint8_t format)
{
    static struct world w;
    uint64_t all = (1u << n) - 1, rest = all & ~(1ull << victim);
    open_world(&w, n, VALUES * 120 + 5, seed);
    w.loss = loss;
    w.twice = loss ? 5 : 0;
    w.late_us = loss ? 300 : 0;
    w.mean = mean;
    w.format = format;
    populate(&w);
    struct plan p = {.ops = 2, .kill_ns = NEVER, .birth_ns = NEVER, .pause_ns = 3 * MS};
    run(&w, &p);
    p.ops = 5 + (unsigned)(after_us / 500);
    p.victim = victim;
    p.kill_ns = w.now + after_us * 1000;
    uint64_t killed = p.kill_ns;
    run(&w, &p);
    CHECK(w.now - killed < 5000 * MS);
    for (unsigned i = 0; i < n; i++) {
        if (i == victim)
            continue;
        CHECK_EQ(pxi_group_members(w.m[i].g), rest);
        CHECK(pxi_group_epoch(w.m[i].g) >= 2);
        CHECK_EQ(pxi_group_operation(w.m[i].g), p.ops);
    }
    CHECK(pxi_group_counts(w.m[(victim + 1) % n].g)->takeovers >= 1);
    for (uint32_t op = 1; op <= 2 && !mean && format == PX_GRADIENT_I16; op++)
        has_all(&w, op, all, 0);
    if (!mean && format == PX_GRADIENT_I16)
        conserves(&w, p.ops, victim);
    close_world(&w);
}

TEST(the_dead_are_replaced_at_any_moment)
{
    for (uint64_t us = 0; us < 4000; us += 41)
        die(4, 1, us, 0, 7 + us, false, PX_GRADIENT_I16);
}

TEST(and_with_loss)
{
    for (uint64_t us = 0; us < 12000; us += 173)
        die(4, (unsigned)(us / 173 % 4), us, 10, 99 + us, false, PX_GRADIENT_I16);
}

TEST(of_three_and_seven)
{
    for (uint64_t us = 0; us < 3000; us += 211) {
        die(3, (unsigned)(us % 3), us, 2, 3 + us, false, PX_GRADIENT_I16);
        die(7, (unsigned)(us % 7), us, 2, 5 + us, false, PX_GRADIENT_I16);
    }
}

TEST(means_and_bytes_keep_their_bits)
{
    for (uint64_t us = 0; us < 4000; us += 301) {
        die(3, 2, us, 3, 31 + us, true, PX_GRADIENT_I16);
        die(4, 0, us, 3, 41 + us, false, PX_GRADIENT_I8);
        die(4, 3, us, 3, 51 + us, true, PX_GRADIENT_I4);
    }
}

/* Sums that were rounded to bf16 do not say what they were: echoes have them whole, or a member
 * that takes a shard over would give others another sum than it had. */
TEST(bf16_has_the_sums_of_floats_rounded)
{
    static struct world w[2];
    for (unsigned us = 0; us < 4000; us += 97) {
        for (unsigned k = 0; k < 2; k++) {
            open_world(&w[k], 4, VALUES * 120 + 5, 61 + us);
            w[k].loss = 5;
            w[k].late_us = 300;
            w[k].noise = true;
            w[k].bf16 = k;
            w[k].format = us % 2 ? PX_GRADIENT_I16 : PX_GRADIENT_I8;
            populate(&w[k]);
            struct plan p = {.ops = 1, .kill_ns = NEVER, .birth_ns = NEVER, .pause_ns = MS};
            run(&w[k], &p);
            p.ops = 5 + us / 500;
            p.victim = us % 4;
            p.kill_ns = w[k].now + us * 1000;
            run(&w[k], &p);
        }
        for (uint32_t op = 1; op <= 5; op++)
            for (size_t j = 0; j < w[0].size; j++) {
                uint16_t half;
                float rounded;
                w[0].kernels.f32_to_bf16(&half, &w[0].log[op][j], 1);
                w[0].kernels.bf16_to_f32(&rounded, &half, 1);
                if (rounded != w[1].log[op][j])
                    PX_FAIL("%u us, operation %u, value %zu: %g, not %g", us, op, j,
                            w[1].log[op][j], rounded);
            }
        close_world(&w[0]);
        close_world(&w[1]);
    }
}

/* Who died and begins anew is let in, at the beginning of an operation, and its shard comes back.
 */
static void come_back(unsigned n, unsigned victim, uint64_t after_ms, unsigned loss, uint64_t seed)
{
    static struct world w;
    open_world(&w, n, VALUES * 60 + 9, seed);
    w.loss = loss;
    w.late_us = 200;
    populate(&w);
    struct plan p = {.ops = 2, .kill_ns = NEVER, .birth_ns = NEVER, .pause_ns = 150 * MS};
    run(&w, &p);
    p.ops = 60;
    p.victim = victim;
    p.kill_ns = w.now + 30 * MS + seed * MS / 8;
    p.birth_ns = p.kill_ns + after_ms * MS;
    run(&w, &p);
    if (w.m[victim].ops < 5)
        PX_FAIL("seed %llu: it took part in %u operations", (unsigned long long)seed,
                w.m[victim].ops);
    for (unsigned i = 0; i < n; i++) {
        CHECK_EQ(pxi_group_members(w.m[i].g), (1u << n) - 1);
        CHECK(pxi_group_slots(w.m[i].g) != NULL);
    }
    has_all(&w, 60, (1u << n) - 1, 0);
    close_world(&w);
}

TEST(who_begins_anew_is_let_in)
{
    for (unsigned seed = 0; seed < 12; seed++) {
        come_back(3, seed % 3, seed % 2 ? 200 : 4000, 0, seed);
        come_back(5, seed % 5, seed % 2 ? 10 : 3500, seed % 3, 50 + seed);
    }
}

/* One that others cannot hear is left out, learns it, and comes back; nobody goes on alone. */
TEST(the_unheard_come_back)
{
    static struct world w;
    open_world(&w, 4, VALUES * 40, 17);
    populate(&w);
    struct plan p = {
        .ops = 2, .kill_ns = NEVER, .birth_ns = NEVER, .pause_ns = 5 * MS, .victim = 2};
    run(&w, &p);
    w.deaf = 4;
    p.ops = 6;
    p.mute = true;
    run(&w, &p);
    for (unsigned i = 0; i < 4; i++)
        CHECK(i == 2 || pxi_group_members(w.m[i].g) == 11);
    CHECK(w.m[2].ops <= 4);
    w.deaf = 0;
    p.ops = 60;
    p.pause_ns = 80 * MS;
    run(&w, &p);
    CHECK_EQ(pxi_group_members(w.m[0].g), 15);
    CHECK(w.m[2].outs == 1);
    has_all(&w, 60, 15, 0);
    close_world(&w);
}

/* Of two, only the lower goes on; the other one names who is gone. */
TEST(half_goes_on_with_the_lowest)
{
    for (unsigned victim = 0; victim < 2; victim++) {
        static struct world w;
        open_world(&w, 2, VALUES * 40, 23 + victim);
        populate(&w);
        struct plan p = {.ops = 2, .kill_ns = NEVER, .birth_ns = NEVER};
        run(&w, &p);
        p.ops = 4;
        p.victim = victim;
        p.kill_ns = w.now + MS / 5;
        p.stuck = victim == 0;
        run(&w, &p);
        if (victim == 0)
            CHECK_EQ(pxi_group_gone(w.m[1].g), 0);
        else
            conserves(&w, 4, victim);
        close_world(&w);
    }
}

/* Two die, one after the other, the second while the first one's shard is taken over. */
TEST(two_die)
{
    for (unsigned us = 0; us < 3000; us += 97) {
        static struct world w;
        open_world(&w, 5, VALUES * 100, 400 + us);
        w.may_lose = true;
        w.loss = 2;
        populate(&w);
        struct plan p = {.ops = 2, .kill_ns = NEVER, .birth_ns = NEVER, .pause_ns = 2 * MS};
        run(&w, &p);
        p.ops = 14;
        p.victim = 1;
        p.kill_ns = w.now + us * 1000;
        p.second = 2;
        p.second_ns = p.kill_ns + 2990 * MS + us * 20000ull;
        run(&w, &p);
        for (unsigned i = 0; i < 5; i++)
            CHECK(w.m[i].dead || (pxi_group_members(w.m[i].g) & 2) == 0);
        close_world(&w);
    }
}

/* One dies and begins anew, while the threads of all stand still now and then, for longer than a
 * silence too. Who lives gives up nobody whose messages come again, and all end. */
TEST(survivors_that_stall_do_not_give_each_other_up)
{
    enum { SEEDS = 60 };
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        static struct world w;
        open_world(&w, 3, VALUES * 40 + 5, 1000 + seed);
        w.may_lose = true;
        populate(&w);
        struct plan p = {.ops = 2, .kill_ns = NEVER, .birth_ns = NEVER, .seed = seed};
        run(&w, &p);
        p.ops = 40;
        p.pause_ns = 100 * MS;
        p.victim = seed % 3;
        p.kill_ns = w.now + seed % 17 * MS;
        p.birth_ns = p.kill_ns + seed % 5 * 1500 * MS;
        w.stall_ms = 4000;
        run(&w, &p);
        close_world(&w);
    }
}

TEST_MAIN()
