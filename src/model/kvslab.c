/* Layout of a slab of keys and values, and storing into it. */
#include "model/kvslab.h"

#include "base/math.h"

enum { CHUNK = 64, ALIGN = 64 };

static const size_t elem_bytes[] = {[PX_KV_F16] = 2, [PX_KV_F32] = 4, [PX_KV_I8] = 1};

/* *at moves past n bytes, rounded up to ALIGN; the old value is returned. */
static size_t place(uint64_t *at, uint64_t n, bool *ok)
{
    uint64_t old = *at, end;
    *ok = *ok && pxi_add_u64(old, n, &end) && pxi_align_u64(end, ALIGN, at) && *at <= SIZE_MAX / 2;
    return (size_t)old;
}

bool pxi_kv_layout_init(struct pxi_kv_layout *l, const struct pxi_config *c, px_kv_type type,
                        uint32_t positions)
{
    uint64_t n = ((uint64_t)positions + PXI_KV_PANEL - 1) / PXI_KV_PANEL * PXI_KV_PANEL, at = 0;
    uint64_t slab = 0;
    size_t elem = elem_bytes[type], scales = type == PX_KV_I8 ? (size_t)n * sizeof(float) : 0;
    bool ok = n <= INT32_MAX;
    *l = (struct pxi_kv_layout){.type = type,
                                .blocks = c->blocks,
                                .heads = c->kv_heads,
                                .positions = (uint32_t)n,
                                .key_dim = c->key_dim,
                                .value_dim = c->value_dim,
                                .elem = elem};
    place(&at, n * c->key_dim * elem, &ok); /* 31 + 31 bits and a small factor: no overflow */
    l->v_at = place(&at, n * c->value_dim * elem, &ok);
    l->k_scale_at = place(&at, scales, &ok);
    l->v_scale_at = place(&at, scales, &ok);
    l->head_bytes = (size_t)at;
    ok = ok && pxi_mul_u64(at, (uint64_t)c->blocks * c->kv_heads, &slab) && slab <= SIZE_MAX / 2;
    l->slab_bytes = (size_t)slab;
    return ok;
}

struct pxi_kv_head pxi_kv_head_at(const struct pxi_kv_layout *l, void *slab, uint32_t block,
                                  uint32_t head)
{
    uint8_t *p = (uint8_t *)slab + ((size_t)block * l->heads + head) * l->head_bytes;
    return (struct pxi_kv_head){p, p + l->v_at, (float *)(void *)(p + l->k_scale_at),
                                (float *)(void *)(p + l->v_scale_at)};
}

/* First element of a position in K; elements are PXI_KV_PANEL apart. */
static size_t key_at(const struct pxi_kv_layout *l, uint32_t position)
{
    return (size_t)(position / PXI_KV_PANEL) * PXI_KV_PANEL * l->key_dim + position % PXI_KV_PANEL;
}

static void store_f32(float *dst, size_t step, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i * step] = x[i];
}

/* Finite values only, so that a probability of zero times a later value is zero. */
static void store_f16(const struct pxi_kernels *kn, uint16_t *dst, size_t step, const float *x,
                      size_t n)
{
    float bounded[CHUNK];
    uint16_t half[CHUNK];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = pxi_min(CHUNK, n - at);
        for (size_t i = 0; i < m; i++) {
            float v = x[at + i];
            bounded[i] = v > 65504 ? 65504 : v < -65504 ? -65504 : v;
        }
        kn->f32_to_f16(half, bounded, m);
        for (size_t i = 0; i < m; i++)
            dst[(at + i) * step] = half[i];
    }
}

/* x = scale * q with q in -127..127, rounded to nearest even; what is no number becomes 0. */
static void store_i8(int8_t *dst, size_t step, float *scale, const float *x, size_t n)
{
    float amax = 0;
    for (size_t i = 0; i < n; i++) {
        float a = x[i] < 0 ? -x[i] : x[i];
        amax = a > amax ? a : amax;
    }
    float inverse = amax < 0x1p-100f ? 0 : 127 / amax;
    *scale = amax < 0x1p-100f ? 0 : amax / 127;
    for (size_t i = 0; i < n; i++) {
        float q = x[i] * inverse;
        q = q >= 127 ? 127 : q <= -127 ? -127 : q == q ? q : 0;
        dst[i * step] = (int8_t)((q + 0x1.8p23f) - 0x1.8p23f);
    }
}

void pxi_kv_store(const struct pxi_kv_layout *l, const struct pxi_kernels *kn,
                  const struct pxi_kv_head *h, uint32_t position, const float *key,
                  const float *value)
{
    size_t k = key_at(l, position), v = (size_t)position * l->value_dim;
    switch (l->type) {
    case PX_KV_F32:
        store_f32((float *)h->k + k, PXI_KV_PANEL, key, l->key_dim);
        store_f32((float *)h->v + v, 1, value, l->value_dim);
        break;
    case PX_KV_F16:
        store_f16(kn, (uint16_t *)h->k + k, PXI_KV_PANEL, key, l->key_dim);
        store_f16(kn, (uint16_t *)h->v + v, 1, value, l->value_dim);
        break;
    case PX_KV_I8:
        store_i8((int8_t *)h->k + k, PXI_KV_PANEL, &h->k_scale[position], key, l->key_dim);
        store_i8((int8_t *)h->v + v, 1, &h->v_scale[position], value, l->value_dim);
        break;
    }
}

void pxi_kv_copy(const struct pxi_kv_layout *l, void *dst, const void *src, uint32_t length)
{
    size_t panels = ((size_t)length + PXI_KV_PANEL - 1) / PXI_KV_PANEL;
    size_t k_bytes = panels * PXI_KV_PANEL * l->key_dim * l->elem;
    size_t v_bytes = (size_t)length * l->value_dim * l->elem;
    size_t scale_bytes = l->type == PX_KV_I8 ? (size_t)length * sizeof(float) : 0;
    for (size_t i = 0; i < (size_t)l->blocks * l->heads; i++) {
        uint8_t *d = (uint8_t *)dst + i * l->head_bytes;
        const uint8_t *s = (const uint8_t *)src + i * l->head_bytes;
        memcpy(d, s, k_bytes);
        memcpy(d + l->v_at, s + l->v_at, v_bytes);
        memcpy(d + l->k_scale_at, s + l->k_scale_at, scale_bytes);
        memcpy(d + l->v_scale_at, s + l->v_scale_at, scale_bytes);
    }
}
