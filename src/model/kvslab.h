/*
 * How the keys and values of one sequence lie in memory: a slab. For each transformer block and kv
 * head, K in panels of 16 positions ([key_dim][16] elements, so that a product with a query reads
 * whole vectors), then V as rows, then, for the 8-bit type, one scale a position for each.
 * Who owns slabs and what sequence they belong to is src/infer/kv.h.
 */
#ifndef PXI_MODEL_KVSLAB_H
#define PXI_MODEL_KVSLAB_H

#include "kernel/kernel.h"
#include "model/config.h"
#include "plexus/model.h"

#define PXI_KV_PANEL 16 /* positions a K panel */

struct pxi_kv_layout {
    px_kv_type type;
    uint32_t blocks, heads, positions; /* positions: a multiple of PXI_KV_PANEL */
    uint32_t key_dim, value_dim;
    size_t elem;                         /* bytes of an element */
    size_t v_at, k_scale_at, v_scale_at; /* offsets in a head */
    size_t head_bytes, slab_bytes;
};

/* The layout for `positions` positions (rounded up). false when it does not fit memory. */
bool pxi_kv_layout_init(struct pxi_kv_layout *l, const struct pxi_config *c, px_kv_type type,
                        uint32_t positions);

/* One head of one block of a slab. */
struct pxi_kv_head {
    void *k, *v;
    float *k_scale, *v_scale;
};

struct pxi_kv_head pxi_kv_head_at(const struct pxi_kv_layout *l, void *slab, uint32_t block,
                                  uint32_t head);

/* Store key and value of one position. F16 saturates at the largest finite value. */
void pxi_kv_store(const struct pxi_kv_layout *l, const struct pxi_kernels *kn,
                  const struct pxi_kv_head *h, uint32_t position, const float *key,
                  const float *value);

/* Copy the first `length` positions of a slab, whole panels of K. */
void pxi_kv_copy(const struct pxi_kv_layout *l, void *dst, const void *src, uint32_t length);

#endif
