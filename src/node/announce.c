/* Provider records of what is in the store: one lookup at a time, models before shards, and again
 * before they expire. */
#include "base/mem.h"
#include "node/stored.h"

enum { SOON_MS = 500, RETRY_MS = 15000 };

struct pxi_announcer {
    px_node *node;
    struct pxi_store *store;
    struct pxi_kad *kad;
    struct pxi_timer timer;
    struct pxi_kad_op *op;
    struct pxi_buf told; /* digests that were announced, 32 bytes each, sorted by time */
    uint8_t now[PXI_DIGEST], key[PXI_CID_MAX];
    size_t key_n;
    bool sha256;
};

static bool was_told(const struct pxi_announcer *a, const uint8_t digest[PXI_DIGEST])
{
    for (size_t i = 0; i < a->told.n; i += PXI_DIGEST)
        if (memcmp(a->told.p + i, digest, PXI_DIGEST) == 0)
            return true;
    return false;
}

/* Choose a digest if it was not told yet. */
static bool choose(struct pxi_announcer *a, uint64_t hash, const uint8_t digest[PXI_DIGEST])
{
    struct pxi_cid cid = pxi_cid_raw(hash, digest);
    if (was_told(a, digest))
        return false;
    memcpy(a->now, digest, PXI_DIGEST);
    a->key_n = pxi_cid_multihash(&cid, a->key);
    return true;
}

static bool choose_model(struct pxi_announcer *a, const struct pxi_store_model *m)
{
    uint8_t sha[PXI_DIGEST];
    if (choose(a, PXI_HASH_BLAKE3, m->m.hash))
        return true;
    if (!a->sha256)
        return false;
    pxi_sha256(px_view_of(m->envelope, m->envelope_n), sha);
    return choose(a, PXI_HASH_SHA2_256, sha);
}

static bool choose_shard(struct pxi_announcer *a, const struct pxi_manifest_shard *row)
{
    return pxi_store_has(a->store, row->hash, NULL) &&
           (choose(a, PXI_HASH_BLAKE3, row->hash) ||
            (a->sha256 && row->has_sha256 && choose(a, PXI_HASH_SHA2_256, row->sha256)));
}

static bool next(struct pxi_announcer *a)
{
    struct pxi_store *s = a->store;
    for (uint32_t i = 0; i < s->model_count; i++)
        if (pxi_store_state_of(s, s->models[i], NULL).here && choose_model(a, s->models[i]))
            return true;
    for (uint32_t i = 0; i < s->model_count; i++)
        for (uint32_t j = 0; j < s->models[i]->m.count; j++)
            if (choose_shard(a, &s->models[i]->m.shards[j]))
                return true;
    return false;
}

static void again(struct pxi_announcer *a, uint64_t ms)
{
    pxi_timer_after(pxi_loop_timers(a->node->loop), &a->timer, ms * PXI_MS);
}

static void on_done(void *ctx, const struct pxi_kad_result *r)
{
    struct pxi_announcer *a = ctx;
    a->op = NULL;
    if (!r->stored) {
        again(a, RETRY_MS);
        return;
    }
    (void)pxi_kad_provide_keep(a->kad, px_view_of(a->key, a->key_n));
    if (pxi_buf_add(&a->told, a->now, PXI_DIGEST))
        again(a, 0);
}

static void on_timer(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_announcer *a = PXI_OF(t, struct pxi_announcer, timer);
    if (a->op || !next(a))
        return;
    a->op = pxi_kad_stats_of(a->kad).table
                ? pxi_kad_provide(a->kad, px_view_of(a->key, a->key_n), on_done, a)
                : NULL;
    if (!a->op)
        again(a, RETRY_MS / 5);
}

struct pxi_announcer *pxi_announcer_new(px_node *n, struct pxi_store *s, bool sha256)
{
    struct pxi_announcer *a = pxi_calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->node = n;
    a->store = s;
    a->kad = n->kad;
    a->sha256 = sha256;
    a->timer.fire = on_timer;
    a->told.max = (size_t)PXI_DIGEST * 65536;
    again(a, SOON_MS);
    return a;
}

void pxi_announcer_free(struct pxi_announcer *a)
{
    if (!a)
        return;
    pxi_timer_disarm(pxi_loop_timers(a->node->loop), &a->timer);
    if (a->op)
        pxi_kad_cancel(a->op);
    pxi_buf_deinit(&a->told);
    pxi_free(a);
}

/* What went is no longer provided. */
static void stop_lost(struct pxi_announcer *a)
{
    for (size_t i = 0; i < a->told.n;) {
        uint8_t multihash[PXI_CID_MAX], *digest = a->told.p + i;
        struct pxi_cid cid = pxi_cid_raw(PXI_HASH_BLAKE3, digest);
        if (pxi_store_has(a->store, digest, NULL) || pxi_store_model(a->store, digest)) {
            i += PXI_DIGEST;
            continue;
        }
        pxi_kad_provide_stop(a->kad, px_view_of(multihash, pxi_cid_multihash(&cid, multihash)));
        a->told.n -= PXI_DIGEST;
        memmove(digest, a->told.p + a->told.n, PXI_DIGEST);
    }
}

void pxi_announcer_look(struct pxi_announcer *a)
{
    if (!a)
        return;
    stop_lost(a);
    if (!a->op)
        again(a, SOON_MS);
}
