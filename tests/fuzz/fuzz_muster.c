/* Jobs over libp2p. An even first byte: the rest as a join and as an order, which come back as they
 * were. An odd one: the rest as what peers do to a node that offers jobs. */
#include "base/limits.h"
#include "reduce/muster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            __builtin_trap();                                                                      \
    } while (0)

enum { PEERS = 8, PLACES = 16, JOBS = 3 };

static void messages(px_view bytes)
{
    struct pxi_arena arena;
    struct pxi_muster_join join;
    struct pxi_muster_order o, back;
    struct pxi_buf again = {.max = PXI_MUSTER_ORDER_BYTES};
    pxi_arena_init(&arena, 8 * PXI_MUSTER_ORDER_BYTES);
    if (pxi_muster_read_join(bytes, &arena, &join, NULL) == PX_ERR_OK)
        MUST(pxi_muster_name(join.name) && pxi_muster_address(join.address));
    if (pxi_muster_read_order(bytes, &arena, &o, NULL) == PX_ERR_OK) {
        MUST(o.status <= PXI_MUSTER_OVER);
        if (o.status == PXI_MUSTER_GRANT)
            MUST(o.world && o.world <= 64 && o.rank < o.world && o.secret.n == 32);
        if (pxi_pb_encode(&pxi_pb_muster_order, &o, &again) == PX_ERR_OK)
            MUST(pxi_muster_read_order(px_view_of(again.p, again.n), &arena, &back, NULL) ==
                     PX_ERR_OK &&
                 back.job == o.job && back.addresses.n == o.addresses.n);
    }
    pxi_buf_deinit(&again);
    pxi_arena_deinit(&arena);
}

/* ------------------------------------------------------------- a machine */

static struct place {
    struct pxi_muster_member *member;
    unsigned peer, job;
    bool adds;
    uint64_t round; /* of its last grant */
} places[PLACES];
static uint64_t round_now, ranks, last_job;

static const char *const names[JOBS] = {"open", "closed", "few"};

static void tell(struct pxi_muster *m, struct pxi_muster_member *member,
                 const struct pxi_muster_order *o)
{
    struct place *p = pxi_muster_ctx(member);
    MUST(p->member == member || !p->member);
    if (o->status == PXI_MUSTER_REFUSED) {
        p->member = NULL;
        return;
    }
    if (o->status != PXI_MUSTER_GRANT)
        return;
    MUST(!o->aggregator.n || p->job == 2);
    if (p->adds)
        return;
    MUST(p->job != 1 || p->peer < 2); /* the closed one has a list */
    if (o->rank == 0) {
        round_now++;
        ranks = 0;
        MUST(o->job != last_job);
        last_job = o->job;
    }
    MUST(o->job == last_job && o->world <= 64 && o->addresses.n == o->world);
    MUST(o->rank < o->world && !(ranks >> o->rank & 1));
    ranks |= UINT64_C(1) << o->rank;
    p->round = round_now;
}

static void offer(struct pxi_muster *m, unsigned i)
{
    struct pxi_peer allow[2] = {{.n = 3, .b = {0, 1, 0}}, {.n = 3, .b = {0, 1, 1}}};
    struct pxi_muster_job j = {.name = px_view_str(names[i]),
                               .world = i + 2,
                               .least = i == 2,
                               .central = i == 2,
                               .slots = 128,
                               .values = 256,
                               .deadline_ms = 1,
                               .allow = i == 1 ? allow : NULL,
                               .allow_count = i == 1 ? 2 : 0};
    px_err err = pxi_muster_offer(m, &j);
    (void)err;
}

static void join(struct pxi_muster *m, struct place *p, unsigned peer, unsigned job)
{
    struct pxi_peer who = {.n = 3, .b = {0, 1, (uint8_t)(peer % PEERS)}};
    const uint8_t address[] = {4, 10, 0, 0, (uint8_t)(p - places), 0x91, 0x02, 1, (uint8_t)job};
    struct pxi_muster_join j = {px_view_str(names[job % JOBS]), px_view_of(address, sizeof address),
                                .adds = job / JOBS % 3, .rate = peer,
                                .packet_ns = UINT64_MAX >> peer % 64};
    px_err err;
    if (p->member)
        return;
    p->peer = peer % PEERS;
    p->job = job % JOBS;
    p->adds = j.adds != 0;
    p->member = pxi_muster_join(m, &who, &j, p, &err);
    MUST(!p->member == (err != PX_ERR_OK));
}

static bool slow(void *ctx, const struct pxi_peer *peer)
{
    return (round_now + peer->b[2]) % 3 == 0;
}

static void late(void *ctx, const struct pxi_peer *peer)
{
    MUST(peer->n == 3 && peer->b[2] < PEERS);
}

static void machine(px_view script)
{
    const struct pxi_muster_ranking ranking = {slow, late, NULL};
    struct pxi_timers timers = {0};
    struct pxi_random random = pxi_random_seeded(1);
    struct pxi_muster *m = pxi_muster_new(&timers, &random, tell);
    if (m)
        pxi_muster_rank(m, &ranking);
    memset(places, 0, sizeof places);
    last_job = 0;
    round_now = 0;
    for (size_t i = 0; m && i + 1 < script.n; i += 2) {
        unsigned a = script.p[i + 1];
        struct place *p = &places[a % PLACES];
        switch (script.p[i] % 7) {
        case 0: offer(m, a % JOBS); break;
        case 1:
            if (pxi_muster_withdraw(m, px_view_str(names[a % JOBS])) == PX_ERR_OK)
                break;
            break;
        case 2:
        case 3: join(m, p, script.p[i] / 7u, a / PLACES); break;
        case 4:
            if (p->member)
                pxi_muster_leave(m, p->member);
            p->member = NULL;
            break;
        case 5:
            if (p->member)
                pxi_muster_late(m, p->member, script.p[i]);
            break;
        default: pxi_timers_run(&timers, timers.now_ns + a * 50 * PXI_MS);
        }
    }
    pxi_muster_free(m);
    MUST(pxi_timers_next(&timers) == PXI_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] % 2)
        machine(px_view_of(data + 1, size - 1));
    else if (size)
        messages(px_view_of(data + 1, size - 1));
    return 0;
}
