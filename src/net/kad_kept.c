/*
 * What a peer has put and provides is sent again before others forget it. Entries wait in two
 * lines: all of a line wait equally long, so each is in order without sorting.
 */
#include "base/limits.h"
#include "base/map.h"
#include "net/kad_impl.h"

enum { CHAINS = 1024, USUAL = 0, SOON = 1 };
#define OWN_S 172800 /* how long a record of ours is good for once it is signed */

struct kept {
    struct pxi_list link, chain;
    struct pxi_kad *kad;
    struct pxi_kad_op *op; /* sending it now; then it is in no line */
    uint64_t due_ns;
    uint16_t key_n, value_n;
    bool value; /* put, not provided */
    uint8_t b[];
};

static px_view key_of(const struct kept *w)
{
    return px_view_of(w->b, w->key_n);
}

static px_view value_of(const struct kept *w)
{
    return px_view_of(w->b + w->key_n, w->value_n);
}

static size_t bytes_of(const struct kept *w)
{
    return sizeof *w + w->key_n + w->value_n;
}

static struct pxi_timers *timers(struct pxi_kad *k)
{
    return pxi_host_timers(k->host);
}

/* Wake when the first of a line is due, if one more may be sent. */
static void wake(struct pxi_kad *k)
{
    uint64_t at = PXI_NEVER;
    for (unsigned i = 0; i < 2 && k->kept.running < PXI_LIMIT_KAD_KEPT_AT_ONCE; i++)
        if (!pxi_list_empty(&k->kept.line[i])) {
            uint64_t due = PXI_OF(k->kept.line[i].next, struct kept, link)->due_ns;
            at = due < at ? due : at;
        }
    if (at == PXI_NEVER)
        pxi_timer_disarm(timers(k), &k->kept.timer);
    else if (!k->kept.timer.armed || k->kept.timer.at_ns != at)
        pxi_timer_arm(timers(k), &k->kept.timer, at);
}

static void wait_in(struct kept *w, unsigned line)
{
    struct pxi_kad *k = w->kad;
    uint64_t s = line == SOON ? PXI_LIMIT_KAD_KEPT_RETRY_S : PXI_LIMIT_KAD_REPUBLISH_S;
    w->due_ns = pxi_kad_now(k) + s * PXI_SECOND;
    pxi_list_add(&k->kept.line[line], &w->link);
}

static void kept_free(struct kept *w)
{
    struct pxi_kad *k = w->kad;
    if (w->op) {
        pxi_kad_cancel(w->op);
        k->kept.running--;
    }
    pxi_list_remove(&w->link);
    pxi_list_remove(&w->chain);
    k->kept.count--;
    k->kept.bytes -= bytes_of(w);
    pxi_free(w);
}

/* ------------------------------------------------------------------ sending */

static void sent(void *ctx, const struct pxi_kad_result *r)
{
    struct kept *w = ctx;
    struct pxi_kad *k = w->kad;
    w->op = NULL;
    k->kept.running--;
    wait_in(w, r->err == PX_ERR_OK ? USUAL : SOON);
    wake(k);
}

/* Sign a record of our own anew: the old one would expire. Not OK: it is none of ours. */
static px_err seal(struct kept *w, struct pxi_buf *out)
{
    struct pxi_kad *k = w->kad;
    const struct pxi_key *key = pxi_host_key(k->host);
    struct pxi_kad_own own;
    uint64_t wall = pxi_host_wall_s(k->host);
    px_err err = pxi_kad_own_open(key_of(w), value_of(w), &own);
    if (err != PX_ERR_OK)
        return err;
    uint64_t seq = wall > own.seq ? wall : own.seq + 1;
    err = pxi_kad_own_seal(key, key_of(w), seq, wall + OWN_S, own.value, out);
    /* Kept under another's name: what we seal is not valid there. */
    return err == PX_ERR_OK ? pxi_kad_own_open(key_of(w), px_view_of(out->p, out->n), &own) : err;
}

/* Has somebody put a better value than this one? */
static bool outdone(struct kept *w, px_view value)
{
    struct pxi_kad *k = w->kad;
    const struct pxi_kad_record *r = pxi_kad_store_get(&k->store, key_of(w), pxi_kad_now(k));
    return r && pxi_kad_select(&k->validators, key_of(w), pxi_kad_record_value(r), value) > 0;
}

/* false: it is not to be kept any longer. */
static bool put(struct kept *w)
{
    struct pxi_kad *k = w->kad;
    struct pxi_buf sealed = {.max = PXI_LIMIT_KAD_VALUE_BYTES};
    px_view value = value_of(w);
    if (seal(w, &sealed) == PX_ERR_OK)
        value = px_view_of(sealed.p, sealed.n);
    bool good = !outdone(w, value) && pxi_kad_validate(&k->validators, key_of(w), value,
                                                       pxi_host_wall_s(k->host)) == PX_ERR_OK;
    if (good)
        w->op = pxi_kad_put(k, key_of(w), value, sent, w);
    pxi_buf_deinit(&sealed);
    return good;
}

static void send(struct kept *w)
{
    struct pxi_kad *k = w->kad;
    pxi_list_remove(&w->link);
    if (w->value && !put(w)) {
        kept_free(w);
        return;
    }
    if (!w->value)
        w->op = pxi_kad_provide(k, key_of(w), sent, w);
    if (w->op)
        k->kept.running++;
    else
        wait_in(w, SOON);
}

static void due(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_kad *k = PXI_OF(t, struct pxi_kad, kept.timer);
    for (unsigned i = 0; i < 2; i++)
        while (!pxi_list_empty(&k->kept.line[i]) && k->kept.running < PXI_LIMIT_KAD_KEPT_AT_ONCE) {
            struct kept *w = PXI_OF(k->kept.line[i].next, struct kept, link);
            if (w->due_ns > now_ns)
                break;
            send(w);
        }
    wake(k);
}

/* ------------------------------------------------------------------ keeping */

static struct pxi_list *chain_of(struct pxi_kad *k, bool value, px_view key)
{
    return &k->kept.chains[(pxi_hash64(key.p, key.n, (uintptr_t)k) + value) % CHAINS];
}

static struct kept *kept_find(struct pxi_kad *k, bool value, px_view key)
{
    struct pxi_list *head = k->kept.chains ? chain_of(k, value, key) : NULL;
    for (struct pxi_list *l = head ? head->next : NULL; l != head; l = l->next) {
        struct kept *w = PXI_OF(l, struct kept, chain);
        if (w->value == value && px_view_equal(key_of(w), key))
            return w;
    }
    return NULL;
}

static bool make_chains(struct pxi_kad *k)
{
    if (!k->kept.chains && (k->kept.chains = pxi_calloc(CHAINS, sizeof *k->kept.chains)))
        for (unsigned i = 0; i < CHAINS; i++)
            pxi_list_init(&k->kept.chains[i]);
    return k->kept.chains != NULL;
}

static px_err keep(struct pxi_kad *k, bool is_value, px_view key, px_view value)
{
    struct kept *had = kept_find(k, is_value, key);
    size_t bytes = sizeof *had + key.n + value.n, old = had ? bytes_of(had) : 0;
    if (k->kept.count - !!had >= PXI_LIMIT_KAD_KEPT ||
        k->kept.bytes - old + bytes > PXI_LIMIT_KAD_KEPT_BYTES)
        return PX_ERR_LIMIT;
    struct kept *w = make_chains(k) ? pxi_calloc(1, bytes) : NULL;
    if (!w)
        return PX_ERR_NOMEM;
    w->kad = k;
    w->key_n = (uint16_t)key.n;
    w->value_n = (uint16_t)value.n;
    w->value = is_value;
    memcpy(w->b, key.p, key.n);
    if (value.n)
        memcpy(w->b + key.n, value.p, value.n);
    if (had)
        kept_free(had);
    pxi_list_add(chain_of(k, is_value, key), &w->chain);
    wait_in(w, USUAL);
    k->kept.count++;
    k->kept.bytes += bytes;
    wake(k);
    return PX_ERR_OK;
}

px_err pxi_kad_put_keep(struct pxi_kad *k, px_view key, px_view value)
{
    if (!key.n || key.n > PXI_LIMIT_KAD_KEY_BYTES || value.n > PXI_LIMIT_KAD_VALUE_BYTES)
        return PX_ERR_INVALID;
    px_err err = pxi_kad_validate(&k->validators, key, value, pxi_host_wall_s(k->host));
    return err == PX_ERR_OK ? keep(k, true, key, value) : err;
}

px_err pxi_kad_provide_keep(struct pxi_kad *k, px_view multihash)
{
    if (!multihash.n || multihash.n > PXI_LIMIT_KAD_KEY_BYTES)
        return PX_ERR_INVALID;
    return keep(k, false, multihash, px_view_of(NULL, 0));
}

static void stop(struct pxi_kad *k, bool value, px_view key)
{
    struct kept *w = kept_find(k, value, key);
    if (w)
        kept_free(w);
    wake(k);
}

void pxi_kad_put_stop(struct pxi_kad *k, px_view key)
{
    stop(k, true, key);
}

void pxi_kad_provide_stop(struct pxi_kad *k, px_view multihash)
{
    stop(k, false, multihash);
}

void pxi_kad_kept_start(struct pxi_kad *k)
{
    for (unsigned i = 0; i < 2; i++)
        pxi_list_init(&k->kept.line[i]);
    k->kept.timer.fire = due;
}

void pxi_kad_kept_stop(struct pxi_kad *k)
{
    for (unsigned i = 0; k->kept.chains && i < CHAINS; i++)
        while (!pxi_list_empty(&k->kept.chains[i]))
            kept_free(PXI_OF(k->kept.chains[i].next, struct kept, chain));
    pxi_timer_disarm(timers(k), &k->kept.timer);
    pxi_free(k->kept.chains);
    k->kept.chains = NULL;
}
