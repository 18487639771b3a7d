/* What a DHT does by itself: keeps its buckets fresh, and drops what expired. */
#include "base/limits.h"
#include "net/kad_impl.h"

enum { TICKS = 8 }; /* parts of a refresh period, one bucket in each */

/* A key whose hash shares exactly `bits` with ours at the front; it is found by trying, so only
 * for buckets that are near the top. */
static bool key_in_bucket(struct pxi_kad *k, unsigned bits, uint8_t out[PXI_KAD_KEY])
{
    struct pxi_random *r = pxi_host_random(k->host);
    for (unsigned i = 0; i < 64u << (bits < 12 ? bits : 12); i++) {
        pxi_random_fill(r, out, PXI_KAD_KEY);
        struct pxi_kad_key key = pxi_kad_key_of(px_view_of(out, PXI_KAD_KEY));
        if (pxi_kad_prefix(&key, &k->self) == bits)
            return true;
    }
    return false;
}

static void refresh_one(struct pxi_kad *k)
{
    uint8_t key[PXI_KAD_KEY];
    unsigned top = k->table.top < 10 ? k->table.top : 10, turn = k->refresh_turn++ % (top + 1);
    if (!k->table.count)
        return;
    if (turn == 0 || !key_in_bucket(k, turn - 1, key))
        pxi_kad_bootstrap(k, NULL, NULL);
    else
        pxi_kad_lookup_key(k, px_view_of(key, sizeof key), k->o.k, NULL, NULL);
}

static void tick(struct pxi_timer *t, uint64_t now_ns)
{
    struct pxi_kad *k = PXI_OF(t, struct pxi_kad, refresh);
    pxi_kad_store_sweep(&k->store, now_ns);
    refresh_one(k);
    pxi_timer_after(pxi_host_timers(k->host), t, PXI_LIMIT_KAD_REFRESH_S * PXI_SECOND / TICKS);
}

void pxi_kad_keep_start(struct pxi_kad *k)
{
    k->refresh.fire = tick;
    if (!k->o.quiet)
        pxi_timer_after(pxi_host_timers(k->host), &k->refresh,
                        PXI_LIMIT_KAD_REFRESH_S * PXI_SECOND / TICKS);
}

void pxi_kad_keep_stop(struct pxi_kad *k)
{
    pxi_timer_disarm(pxi_host_timers(k->host), &k->refresh);
}

struct pxi_kad_op *pxi_kad_bootstrap(struct pxi_kad *k, pxi_kad_done_fn *done, void *ctx)
{
    return pxi_kad_lookup_key(k, pxi_peer_view(pxi_host_self(k->host)), k->o.k, done, ctx);
}
