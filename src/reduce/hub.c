#include "reduce/hub.h"

#include <string.h>

#include <openssl/crypto.h>

#include "base/mem.h"
#include "crypto/tag.h"
#include "reduce/group.h"

enum { HUB = PX_GRADIENT_WORKERS }; /* its number among the secrets */

/* Answers that wait to be sent to a worker: sums lie where they were made. */
struct outbox {
    px_view *items;
    uint32_t head, n;
};

struct pxi_hub {
    struct pxi_hub_options o;
    struct pxi_hub_counts counts;
    struct pxi_slots *slots;
    struct pxi_sentry *sentry;
    struct pxi_tag_key sums, up, from[PX_GRADIENT_WORKERS];
    struct outbox outboxes[PX_GRADIENT_WORKERS + 1]; /* behind those of workers the one above */
    unsigned peers;
    bool above;          /* its workers are leaves */
    uint32_t outbox_max; /* a power of two */
    uint32_t copies;     /* of answers of another, in the frames, used in turns */
};

size_t pxi_hub_arena(const struct pxi_hub_options *o)
{
    return 2 * (size_t)o->slots * pxi_slots_stride(o->values);
}

static void derive(const uint8_t *secret, unsigned from, struct pxi_tag_key *out)
{
    uint8_t key[PXI_GROUP_SECRET];
    pxi_group_secret(secret, from, HUB, key);
    pxi_tag_key_init(out, key);
    OPENSSL_cleanse(key, sizeof key);
}

static bool judges(const struct pxi_hub_options *o)
{
    return o->rule != PX_SENTRY_NONE || (o->robust && o->robust != &pxi_robust_rules[0]);
}

static bool add_sentry(struct pxi_hub *h)
{
    const struct pxi_hub_options *o = &h->o;
    struct pxi_sentry_options s = {.rule = o->rule,
                                   .robust = o->robust,
                                   .liars = o->liars,
                                   .k = o->k,
                                   .clip = o->clip,
                                   .format = o->format,
                                   .fan_in = o->world,
                                   .values = o->values,
                                   .slots = o->slots,
                                   .chunks = o->chunks};
    return !judges(o) || (h->sentry = pxi_sentry_new(&s)) != NULL;
}

/* All bits of workers, or leaves. */
static uint64_t members_of(const struct pxi_hub_options *o)
{
    return (o->world == 64 ? UINT64_MAX : (UINT64_C(1) << o->world) - 1) << o->first;
}

/* Workers of the whole job. */
static unsigned total_of(const struct pxi_hub_options *o)
{
    unsigned n = o->leaf ? o->total : o->leaves ? 0 : o->world;
    for (unsigned i = 0; o->leaves && i < o->world; i++)
        n += o->leaves[i];
    return n;
}

static bool add_slots(struct pxi_hub *h)
{
    const struct pxi_hub_options *o = &h->o;
    unsigned total = total_of(o);
    /* The one above waits for a leaf that waits for a worker, and sees that they are enough. */
    uint64_t deadline_ns = o->leaf ? o->deadline_ns / 2 : o->deadline_ns;
    struct pxi_slots_options s = {.job = o->job,
                                  .epoch = o->epoch,
                                  .format = o->format,
                                  .base = o->base,
                                  .slots = o->slots,
                                  .values = o->values,
                                  .fan_in = (uint8_t)total,
                                  .members = members_of(o),
                                  .quorum = o->leaf ? 1 : total / 2 + 1u,
                                  .deadline_ns = deadline_ns,
                                  .slack_ns = o->leaves ? deadline_ns : o->slack_ns,
                                  .chunks = o->chunks,
                                  .frames = o->arena,
                                  .kernels = o->kernels,
                                  .sentry = h->sentry,
                                  .leaf = o->leaf,
                                  .number = o->number,
                                  .first = o->first,
                                  .leaves = o->leaves};
    return total <= PX_GRADIENT_WORKERS && (h->slots = pxi_slots_new(&s)) != NULL;
}

static bool sane(const struct pxi_hub_options *o)
{
    bool tree = o->leaf || o->leaves;
    return o->world >= 1 && o->world <= PX_GRADIENT_WORKERS &&
           !(tree && (judges(o) || o->adder.take)) &&
           (o->leaf ? o->world <= PXI_SLOTS_LEAF && o->first + o->world <= o->total &&
                          o->total <= PX_GRADIENT_WORKERS
                    : !o->first);
}

struct pxi_hub *pxi_hub_new(const struct pxi_hub_options *o)
{
    bool can = sane(o);
    struct pxi_hub *h = can ? pxi_calloc(1, sizeof *h) : NULL;
    if (!h)
        return NULL;
    h->o = *o;
    h->outbox_max = 4 * o->slots;
    h->peers = o->world + o->leaf;
    bool ok = o->adder.take || (add_sentry(h) && add_slots(h));
    derive(o->secret, HUB, &h->sums);
    derive(o->secret, PXI_GROUP_LEAVES + o->number, &h->up);
    for (unsigned i = 0; i < o->world; i++)
        derive(o->secret, o->leaves ? PXI_GROUP_LEAVES + i : o->first + i, &h->from[i]);
    for (unsigned i = 0; i < h->peers && ok; i++) {
        h->outboxes[i].items = pxi_calloc(h->outbox_max, sizeof *h->outboxes[i].items);
        ok = h->outboxes[i].items != NULL;
    }
    h->o.secret = NULL;
    h->above = o->leaves != NULL;
    h->o.leaves = NULL;
    if (ok)
        return h;
    pxi_hub_free(h);
    return NULL;
}

void pxi_hub_free(struct pxi_hub *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < h->peers; i++)
        pxi_free(h->outboxes[i].items);
    pxi_slots_free(h->slots);
    pxi_sentry_free(h->sentry);
    OPENSSL_cleanse(h, sizeof *h);
    pxi_free(h);
}

/* Queue an answer; one that does not fit is as good as lost. */
static void put(struct pxi_hub *h, unsigned to, px_view answer)
{
    struct outbox *b = &h->outboxes[to];
    if (b->n < h->outbox_max)
        b->items[(b->head + b->n++) & (h->outbox_max - 1)] = answer;
}

/* sender: its number as a peer. */
static void put_all(struct pxi_hub *h, enum pxi_slots_to to, unsigned sender, px_view answer)
{
    for (unsigned i = 0; i < h->o.world; i++)
        if (to == PXI_SLOTS_ALL || (to == PXI_SLOTS_SENDER && i == sender))
            put(h, i, answer);
    if (to == PXI_SLOTS_ABOVE)
        put(h, h->o.world, answer);
}

static void answer(struct pxi_hub *h, enum pxi_slots_to to, unsigned sender,
                   const struct pxi_slots_answer *a)
{
    if (to == PXI_SLOTS_NOBODY)
        return;
    pxi_tag_put(to == PXI_SLOTS_ABOVE ? &h->up : &h->sums, h->o.kernels->tag_nh, a->bytes, a->n);
    put_all(h, to, sender, px_view_of(a->bytes, a->n));
}

/* To who adds instead; a copy that is overwritten before it was sent has a wrong length or is
 * another answer, and the worker asks again. */
static void pass_on(struct pxi_hub *h, unsigned from, px_view datagram, uint64_t now_ns)
{
    size_t stride = pxi_slots_stride(h->o.values);
    struct pxi_slots_answer a;
    enum pxi_slots_to to = h->o.adder.take(h->o.adder.ctx, from, datagram, now_ns, &a);
    if (to == PXI_SLOTS_NOBODY || a.n > stride)
        return;
    uint8_t *copy = h->o.arena + h->copies++ % (2 * h->o.slots) * stride;
    memcpy(copy, a.bytes, a.n);
    put_all(h, to, from, px_view_of(copy, a.n));
}

static bool is_right(const struct pxi_hub *h, const struct pxi_tag_key *k, px_view datagram)
{
    return pxi_tag_right(k, h->o.kernels->tag_nh, datagram.p, datagram.n);
}

/* The one above has a sum. */
static void take_above(struct pxi_hub *h, px_view datagram)
{
    struct px_gradient_head head;
    enum px_gradient_drop why;
    struct pxi_slots_answer a;
    px_view values;
    if (!pxi_gradient_read(datagram, &head, &values, &why))
        h->counts.bad[why]++;
    else if (head.kind == PX_GRADIENT_CONTRIBUTION)
        h->counts.bad[PX_GRADIENT_DROP_SOURCE]++;
    else if (!is_right(h, &h->sums, datagram))
        h->counts.bad[PX_GRADIENT_DROP_TAG]++;
    else
        answer(h, pxi_slots_above(h->slots, &head, values, &a), 0, &a);
}

void pxi_hub_take(struct pxi_hub *h, unsigned from, px_view datagram, uint64_t now_ns)
{
    const struct pxi_hub_options *o = &h->o;
    struct px_gradient_head head;
    enum px_gradient_drop why;
    struct pxi_slots_answer a;
    px_view values;
    h->counts.packets++;
    if (from >= h->peers) {
        h->counts.bad[PX_GRADIENT_DROP_SOURCE]++;
        return;
    }
    if (from == o->world) {
        take_above(h, datagram);
        return;
    }
    bool read = h->above ? pxi_gradient_read_partial(datagram, &head, &values, &why)
                         : pxi_gradient_read(datagram, &head, &values, &why);
    unsigned kind = h->above ? PX_GRADIENT_PARTIAL : PX_GRADIENT_CONTRIBUTION;
    if (!read)
        h->counts.bad[why]++;
    else if (head.kind != kind || head.worker != o->first + from)
        h->counts.bad[PX_GRADIENT_DROP_SOURCE]++;
    else if (o->adder.take)
        pass_on(h, from, datagram, now_ns);
    else if (!is_right(h, &h->from[from], datagram))
        h->counts.bad[PX_GRADIENT_DROP_TAG]++;
    else
        answer(h, pxi_slots_take(h->slots, &head, values, now_ns, &a), from, &a);
}

px_view pxi_hub_pull(struct pxi_hub *h, unsigned to)
{
    struct outbox *b = &h->outboxes[to];
    if (!b->n)
        return px_view_of(NULL, 0);
    px_view v = b->items[b->head];
    b->head = (b->head + 1) & (h->outbox_max - 1);
    b->n--;
    return v;
}

const struct pxi_slots_counts *pxi_hub_slots(const struct pxi_hub *h)
{
    return h->slots ? pxi_slots_counts(h->slots) : NULL;
}

const struct pxi_hub_counts *pxi_hub_counts(const struct pxi_hub *h)
{
    return &h->counts;
}

const struct px_sentry_worker *pxi_hub_worker(const struct pxi_hub *h, unsigned worker)
{
    return h->sentry && worker < PX_GRADIENT_WORKERS ? pxi_sentry_worker(h->sentry, worker) : NULL;
}
