/*
 * Any bytes as a manifest: as an envelope, and as the payload of one that is rightly signed. What
 * is accepted keeps the promises of store/manifest.h.
 */
#include "net/envelope.h"
#include "store/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_one(px_view v)
{
    struct pxi_manifest m;
    px_diag d = {0};
    uint64_t sum = 0;
    if (pxi_manifest_open(v, &m, &d) != PX_ERR_OK)
        return;
    struct pxi_want all = pxi_want_all(&m);
    for (uint32_t i = 0; i < m.count; i++) {
        sum += m.shards[i].bytes;
        if (!pxi_want_shard(&all, &m, i))
            abort();
    }
    if (m.count != m.blocks + 3 || sum != m.bytes || m.shards[0].role != PXI_SHARD_META)
        abort();
    pxi_manifest_deinit(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pxi_envelope_kind kind = {"plexus-manifest",
                                                  {(const uint8_t *)"\x03\x20", 2}};
    static struct pxi_key *key;
    static const uint8_t seed[32] = {1};
    struct pxi_buf sealed = {.max = 1 << 17};
    open_one(px_view_of(data, size));
    if (!key)
        key = pxi_key_from_seed(seed);
    if (key && pxi_envelope_seal(key, &kind, px_view_of(data, size), &sealed) == PX_ERR_OK)
        open_one(px_view_of(sealed.p, sealed.n));
    pxi_buf_deinit(&sealed);
    return 0;
}
