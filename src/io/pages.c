#include "io/pages.h"

#include <string.h>
#include <sys/mman.h>

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, bytes, MADV_NOHUGEPAGE); /* a huge page would fill what nobody wrote to */
    return p;
}

static void discard(void *p, size_t bytes)
{
    if (madvise(p, bytes, MADV_DONTNEED) != 0)
        memset(p, 0, bytes); /* never seen; then it costs what it costs */
}

static void release(void *p, size_t bytes)
{
    munmap(p, bytes);
}

const struct pxi_pages pxi_pages_system = {reserve, discard, release};
