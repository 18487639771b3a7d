/*
 * The KV cache: a slab (src/model/kvslab.h) and a length for each sequence. Memory is taken when
 * the cache is made and touched only as far as sequences grow.
 */
#ifndef PXI_INFER_KV_H
#define PXI_INFER_KV_H

#include "model/kvslab.h"

struct pxi_kv {
    struct pxi_kv_layout layout;
    uint32_t sequences, positions; /* positions a sequence may hold */
    uint32_t *length;
    uint8_t *slabs;
    void *memory;
};

/* Bytes the cache would take; UINT64_MAX when they do not fit. */
uint64_t pxi_kv_bytes(const struct pxi_config *c, px_kv_type type, uint32_t sequences,
                      uint32_t positions);

/* PX_ERR_NOMEM, PX_ERR_LIMIT. Zeroed memory may be deinitialised. */
px_err pxi_kv_init(struct pxi_kv *kv, const struct pxi_config *c, px_kv_type type,
                   uint32_t sequences, uint32_t positions);
void pxi_kv_deinit(struct pxi_kv *kv);

void *pxi_kv_slab(const struct pxi_kv *kv, uint32_t seq);

/* Forget all positions of seq from `length` on. */
void pxi_kv_truncate(struct pxi_kv *kv, uint32_t seq, uint32_t length);

/* Make dst a copy of the first `length` positions of src; src holds as many. */
void pxi_kv_clone(struct pxi_kv *kv, uint32_t dst, uint32_t src, uint32_t length);

#endif
