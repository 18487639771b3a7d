#include "io/frames.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_BYTES = 2 << 20, HUGE_MEMORY = MFD_HUGETLB | MAP_HUGE_2MB };

static void *map(void *at, size_t bytes, int flags, int fd)
{
    void *p = mmap(at, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Memory that has a descriptor and can never shrink under somebody who maps it; -1. */
static int memory(size_t bytes, unsigned flags)
{
    int fd = memfd_create("plexus frames", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool map_huge(struct pxi_frames *f, bool shared)
{
    f->fd = shared ? memory(f->bytes, HUGE_MEMORY) : -1;
    f->p = f->fd < 0 ? NULL : map(NULL, f->bytes, MAP_SHARED, f->fd);
    if (f->p)
        return true;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->p = map(NULL, f->bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1);
    return f->p != NULL;
}

/* Does the system give huge pages to shared memory when it is asked? */
static bool is_shared_huge(void)
{
    char line[128] = "";
    int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    return n > 0 && !strstr(line, "[never]") && !strstr(line, "[deny]");
}

/* Normal pages at a multiple of 2 MiB, for which transparent huge ones are asked. */
static int map_normal(struct pxi_frames *f, bool shared)
{
    int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    uint8_t *p = map(NULL, f->bytes + HUGE_BYTES, anonymous, -1);
    if (!p)
        return -1;
    size_t skip = (size_t)(-(uintptr_t)p & (HUGE_BYTES - 1));
    if (skip)
        munmap(p, skip);
    munmap(p + skip + f->bytes, HUGE_BYTES - skip);
    f->p = p + skip;
    f->fd = shared ? memory(f->bytes, 0) : -1;
    if (f->fd >= 0 && !map(f->p, f->bytes, MAP_SHARED | MAP_FIXED, f->fd)) {
        close(f->fd);
        f->fd = -1;
        if (!map(f->p, f->bytes, anonymous | MAP_FIXED, -1))
            return -1;
    }
    bool huge = madvise(f->p, f->bytes, MADV_HUGEPAGE) == 0 && (f->fd < 0 || is_shared_huge());
    f->rung = huge ? PXI_FRAMES_TRANSPARENT : PXI_FRAMES_NORMAL;
    return 0;
}

static int map_frames(struct pxi_frames *f, size_t bytes, bool shared)
{
    *f = (struct pxi_frames){.fd = -1};
    if (!bytes || bytes > SIZE_MAX - 2 * (size_t)HUGE_BYTES)
        return -1;
    f->bytes = (bytes + HUGE_BYTES - 1) & ~(size_t)(HUGE_BYTES - 1);
    return map_huge(f, shared) ? 0 : map_normal(f, shared);
}

int pxi_frames_map(struct pxi_frames *f, size_t bytes)
{
    return map_frames(f, bytes, true);
}

int pxi_frames_map_own(struct pxi_frames *f, size_t bytes)
{
    return map_frames(f, bytes, false);
}

/* A function of CUDA's driver, if the process has it: it is not loaded for this. */
static void *cuda(const char *name)
{
    void *h = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD), *f = h ? dlsym(h, name) : NULL;
    if (h)
        dlclose(h);
    return f;
}

bool pxi_frames_register(struct pxi_frames *f)
{
    int (*current)(void **) = (int (*)(void **))cuda("cuCtxGetCurrent");
    int (*take)(void *, size_t, unsigned) =
        (int (*)(void *, size_t, unsigned))cuda("cuMemHostRegister_v2");
    void *context = NULL;
    enum { PORTABLE = 1 };
    if (f->p && !f->cuda && current && take && current(&context) == 0 && context)
        f->cuda = take(f->p, f->bytes, PORTABLE) == 0;
    return f->cuda;
}

void pxi_frames_unmap(struct pxi_frames *f)
{
    int (*leave)(void *) = f->cuda ? (int (*)(void *))cuda("cuMemHostUnregister") : NULL;
    if (leave)
        leave(f->p);
    if (f->p) {
        munmap(f->p, f->bytes);
        if (f->fd >= 0)
            close(f->fd);
    }
    *f = (struct pxi_frames){.fd = -1};
}
