/*
 * Memory. The only folder that calls malloc is base. Allocation never aborts: callers get NULL.
 * Tests make the n-th allocation fail (pxi_mem_fail_after) and count allocations.
 */
#ifndef PXI_BASE_MEM_H
#define PXI_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "plexus/view.h"

/* Zeroed array of n elements of `size` bytes; NULL when out of memory or n * size overflows. */
void *pxi_calloc(size_t n, size_t size);

/* Resize to n * size bytes; the new part is not zeroed. On failure NULL, and p stays valid. */
void *pxi_realloc(void *p, size_t n, size_t size);

/* Zeroed bytes aligned to `align` (a power of two >= 8); freed by pxi_free_aligned. */
void *pxi_calloc_aligned(size_t bytes, size_t align);

void pxi_free(void *p);
void pxi_free_aligned(void *p);

/* NUL-terminated heap copy of a view; NULL when out of memory. Caller frees with pxi_free. */
char *pxi_strdup_view(px_view v);

/* Programs whose memory is large and touched all over: ask for huge pages for what was allocated
 * since the last call, and let the heap grow in large steps. Call it from the first thread now and
 * then while memory grows. A wish only: nothing changes where the system has none. */
void pxi_mem_huge(void);

/* Test hooks: the n-th allocation from now fails (0 = never), and the count since start. */
void pxi_mem_fail_after(uint64_t n);
uint64_t pxi_mem_count(void);

/* A bump arena with a maximum. All that it hands out is freed at once. */
struct pxi_arena {
    struct pxi_arena_chunk *head;
    size_t used, max;
};

/* max_bytes bounds the sum of all allocations (0 = no bound). */
void pxi_arena_init(struct pxi_arena *a, size_t max_bytes);
void pxi_arena_deinit(struct pxi_arena *a);

/* n * size zeroed bytes aligned to 16; NULL when out of memory, past the maximum, on overflow. */
void *pxi_arena_alloc(struct pxi_arena *a, size_t n, size_t size);

/* Growable bytes with a mandatory maximum. Zero-initialise with the max set. */
struct pxi_buf {
    uint8_t *p;
    size_t n, cap, max;
};

/* Append; false when the maximum would be passed or memory is out, and then nothing changes. */
int pxi_buf_add(struct pxi_buf *b, const void *p, size_t n);
void pxi_buf_deinit(struct pxi_buf *b);

#endif
