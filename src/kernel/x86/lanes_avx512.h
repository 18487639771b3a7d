/* Sixteen floats as one AVX-512 vector, for the products of src/kernel/lanes. */
#ifndef PXI_KERNEL_X86_LANES_AVX512_H
#define PXI_KERNEL_X86_LANES_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#define TILE_ROWS   4
#define BLOCK_TILES 1
#define WIDEN_ABOVE SIZE_MAX
#define TILE_TOKENS 6 /* 24 sums, 4 rows, an activation */

enum elem { ELEM_F32, ELEM_F16, ELEM_BF16 };

typedef __m512 lanes;

#define PARTS            1
#define PART_REGISTER(v) "+v"(v)
#define PART_LANES       16
typedef __m512 part;

INLINE part *part_at(lanes *v, int i)
{
    (void)i;
    return v;
}
INLINE part part_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
INLINE part part_fma(part a, part b, part c)
{
    return _mm512_fmadd_ps(a, b, c);
}

INLINE lanes lanes_set(float f)
{
    return _mm512_set1_ps(f);
}

INLINE lanes lanes_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

INLINE void lanes_store(float *p, lanes v)
{
    _mm512_storeu_ps(p, v);
}

INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}

INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}

INLINE lanes lanes_min(lanes a, lanes b)
{
    return _mm512_min_ps(a, b);
}

INLINE lanes lanes_max(lanes a, lanes b)
{
    return _mm512_max_ps(a, b);
}

INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}

INLINE lanes lanes_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

INLINE lanes lanes_load_bf16(const void *p)
{
    __m256i v = _mm256_loadu_si256(p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

/* The tree of kernel.h for TILE_ROWS vectors at once. */
INLINE void lanes_sums(const lanes *v, float *sum)
{
    const __m512i first = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
    __m512 a = _mm512_add_ps(_mm512_shuffle_f32x4(v[0], v[1], 0x44), /* + 8 */
                             _mm512_shuffle_f32x4(v[0], v[1], 0xee));
    __m512 b = _mm512_add_ps(_mm512_shuffle_f32x4(v[2], v[3], 0x44),
                             _mm512_shuffle_f32x4(v[2], v[3], 0xee));
    a = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    a = _mm512_add_ps(a, _mm512_shuffle_ps(a, a, 0x4e));
    a = _mm512_add_ps(a, _mm512_shuffle_ps(a, a, 0xb1));
    _mm_storeu_ps(sum, _mm512_castps512_ps128(_mm512_permutexvar_ps(first, a)));
}

#endif
