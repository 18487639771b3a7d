/* Slabs and lengths of sequences. */
#include "infer/kv.h"

#include "base/math.h"
#include "base/mem.h"

enum { ALIGN = 64 };

uint64_t pxi_kv_bytes(const struct pxi_config *c, px_kv_type type, uint32_t sequences,
                      uint32_t positions)
{
    struct pxi_kv_layout l;
    uint64_t total;
    if (!pxi_kv_layout_init(&l, c, type, positions) ||
        !pxi_mul_u64(l.slab_bytes, sequences, &total) || total > SIZE_MAX / 2)
        return UINT64_MAX;
    return total + ALIGN + sequences * sizeof(uint32_t);
}

px_err pxi_kv_init(struct pxi_kv *kv, const struct pxi_config *c, px_kv_type type,
                   uint32_t sequences, uint32_t positions)
{
    uint64_t bytes = pxi_kv_bytes(c, type, sequences, positions);
    *kv = (struct pxi_kv){.sequences = sequences, .positions = positions};
    if (bytes > SIZE_MAX / 2 || !pxi_kv_layout_init(&kv->layout, c, type, positions))
        return PX_ERR_LIMIT;
    kv->length = pxi_calloc(sequences, sizeof *kv->length);
    kv->memory = pxi_calloc(1, (size_t)bytes); /* zero pages of the system until written */
    if (!kv->length || !kv->memory) {
        pxi_kv_deinit(kv);
        return PX_ERR_NOMEM;
    }
    kv->slabs = (uint8_t *)(((uintptr_t)kv->memory + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
    return PX_ERR_OK;
}

void pxi_kv_deinit(struct pxi_kv *kv)
{
    pxi_free(kv->length);
    pxi_free(kv->memory);
    *kv = (struct pxi_kv){0};
}

void *pxi_kv_slab(const struct pxi_kv *kv, uint32_t seq)
{
    return kv->slabs + seq * kv->layout.slab_bytes;
}

void pxi_kv_truncate(struct pxi_kv *kv, uint32_t seq, uint32_t length)
{
    if (length < kv->length[seq])
        kv->length[seq] = length;
}

void pxi_kv_clone(struct pxi_kv *kv, uint32_t dst, uint32_t src, uint32_t length)
{
    if (dst != src)
        pxi_kv_copy(&kv->layout, pxi_kv_slab(kv, dst), pxi_kv_slab(kv, src), length);
    kv->length[dst] = length;
}
