/* Heap wrappers with a failure hook, the arena, and the growable buffer. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#if defined __linux__ && defined __GLIBC__
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "base/math.h"

enum { SMALL = 1024, FIRST_CHUNK = 960 };

static _Atomic uint64_t alloc_count, fail_at;

static int must_fail(void)
{
    uint64_t n = atomic_fetch_add_explicit(&alloc_count, 1, memory_order_relaxed) + 1;
    uint64_t f = atomic_load_explicit(&fail_at, memory_order_relaxed);
    return f && n == f;
}

void pxi_mem_fail_after(uint64_t n)
{
    atomic_store(&fail_at, n ? atomic_load(&alloc_count) + n : 0);
}

uint64_t pxi_mem_count(void)
{
    return atomic_load(&alloc_count);
}

void *pxi_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (!pxi_mul_size(n, size, &bytes) || must_fail())
        return NULL;
    /* The C library's calloc passes by its cache of small pieces, its realloc does not. */
    void *p = bytes <= SMALL ? realloc(NULL, bytes ? bytes : 1) : calloc(1, bytes);
    return p && bytes <= SMALL ? memset(p, 0, bytes) : p;
}

void *pxi_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (!pxi_mul_size(n, size, &bytes) || must_fail())
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void *pxi_calloc_aligned(size_t bytes, size_t align)
{
    void *p = NULL;
    if (must_fail() || posix_memalign(&p, align, bytes ? bytes : align))
        return NULL;
    return memset(p, 0, bytes);
}

void pxi_free(void *p)
{
    free(p);
}
void pxi_free_aligned(void *p)
{
    free(p);
}

void pxi_mem_huge(void)
{
#if defined __linux__ && defined __GLIBC__
    enum { STEP = 64 << 20, PAGE = 2 << 20 };
    static uintptr_t asked;
    uintptr_t end = (uintptr_t)sbrk(0) & ~(uintptr_t)(PAGE - 1);
    if (!asked) {
        mallopt(M_TOP_PAD, STEP);
        asked = ((uintptr_t)sbrk(0) + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    } else if (end > asked) {
        madvise((void *)asked, end - asked, MADV_HUGEPAGE);
        asked = end;
    }
#endif
}

char *pxi_strdup_view(px_view v)
{
    char *s = v.n < SIZE_MAX ? pxi_calloc(v.n + 1, 1) : NULL;
    if (s && v.n)
        memcpy(s, v.p, v.n);
    return s;
}

struct pxi_arena_chunk {
    struct pxi_arena_chunk *next;
    size_t used, cap;
    _Alignas(16) uint8_t bytes[];
};

void pxi_arena_init(struct pxi_arena *a, size_t max_bytes)
{
    *a = (struct pxi_arena){NULL, 0, max_bytes};
}

void pxi_arena_deinit(struct pxi_arena *a)
{
    while (a->head) {
        struct pxi_arena_chunk *next = a->head->next;
        pxi_free(a->head);
        a->head = next;
    }
    a->used = 0;
}

static struct pxi_arena_chunk *grow(struct pxi_arena *a, size_t bytes)
{
    /* As much again as is in use: chunks are few, and that of a short message is a small piece. */
    size_t cap = pxi_max(bytes, pxi_max(FIRST_CHUNK, pxi_min(a->used, (size_t)1 << 20)));
    struct pxi_arena_chunk *c = cap < SIZE_MAX - sizeof *c ? pxi_calloc(1, sizeof *c + cap) : NULL;
    if (!c)
        return NULL;
    c->cap = cap;
    c->next = a->head;
    return a->head = c;
}

void *pxi_arena_alloc(struct pxi_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (!pxi_mul_size(n, size, &bytes) || bytes > SIZE_MAX - 15)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (a->max && bytes > a->max - a->used)
        return NULL;
    struct pxi_arena_chunk *c = a->head;
    if (!c || bytes > c->cap - c->used)
        c = grow(a, bytes);
    if (!c)
        return NULL;
    void *p = c->bytes + c->used;
    c->used += bytes;
    a->used += bytes;
    return p;
}

int pxi_buf_add(struct pxi_buf *b, const void *p, size_t n)
{
    if (n > b->max - b->n)
        return 0;
    if (n > b->cap - b->n) {
        size_t cap = pxi_min(b->max, pxi_max(b->n + n, b->cap ? b->cap * 2 : 256));
        uint8_t *q = pxi_realloc(b->p, cap, 1);
        if (!q)
            return 0;
        b->p = q;
        b->cap = cap;
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 1;
}

void pxi_buf_deinit(struct pxi_buf *b)
{
    pxi_free(b->p);
    *b = (struct pxi_buf){.max = b->max};
}
