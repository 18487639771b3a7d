#include "io/frames.h"

#include <linux/mman.h>
#include <sys/mman.h>

enum { HUGE_BYTES = 2 << 20 };

static void *map(size_t bytes, int flags)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Normal pages at a multiple of 2 MiB, for which transparent huge ones are asked. */
static int map_normal(struct pxi_frames *f)
{
    uint8_t *p = map(f->bytes + HUGE_BYTES, 0);
    if (!p)
        return -1;
    size_t skip = (size_t)(-(uintptr_t)p & (HUGE_BYTES - 1));
    if (skip)
        munmap(p, skip);
    munmap(p + skip + f->bytes, HUGE_BYTES - skip);
    f->p = p + skip;
    f->rung =
        madvise(f->p, f->bytes, MADV_HUGEPAGE) == 0 ? PXI_FRAMES_TRANSPARENT : PXI_FRAMES_NORMAL;
    return 0;
}

int pxi_frames_map(struct pxi_frames *f, size_t bytes)
{
    *f = (struct pxi_frames){0};
    if (!bytes || bytes > SIZE_MAX - 2 * (size_t)HUGE_BYTES)
        return -1;
    f->bytes = (bytes + HUGE_BYTES - 1) & ~(size_t)(HUGE_BYTES - 1);
    f->p = map(f->bytes, MAP_HUGETLB | MAP_HUGE_2MB);
    return f->p ? 0 : map_normal(f);
}

void pxi_frames_unmap(struct pxi_frames *f)
{
    if (f->p)
        munmap(f->p, f->bytes);
    *f = (struct pxi_frames){0};
}
