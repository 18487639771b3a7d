/*
 * Read-only file maps. A mapped file that shrinks raises SIGBUS on access; the guard maps a zero
 * page at the faulting address and marks the file, so that the reader finishes its step, asks
 * px_file_changed, and reports an error instead of dying.
 */
#include "plexus/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"

struct px_file {
    uint8_t *p;
    size_t n, slot;
    int fd, prot, flags; /* as mmap has them */
    struct timespec mtime;
    _Atomic bool changed;
};

/* Maps known to the guard: lock-free, because a signal handler reads it. */
static _Atomic(struct px_file *) maps[PXI_LIMIT_FILE_MAPS];
static struct sigaction previous;

static px_err open_error(px_diag *d, const char *path)
{
    px_err e = errno == ENOENT || errno == ENOTDIR ? PX_ERR_NOT_FOUND
               : errno == EACCES || errno == EPERM ? PX_ERR_PERMISSION
                                                   : PX_ERR_IO;
    pxi_diag_field(d, "%.90s", path);
    return pxi_diag_set(d, e, 0, "a readable file", "%s", strerror(errno));
}

static px_err map_fd(struct px_file *f, const char *path, px_diag *d)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return open_error(d, path);
    pxi_diag_field(d, "%.90s", path);
    if (!S_ISREG(st.st_mode))
        return pxi_diag_set(d, PX_ERR_NOT_A_FILE, 0, "a regular file", "%s",
                            S_ISDIR(st.st_mode) ? "a directory" : "a device, pipe or socket");
    if (st.st_size == 0)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, 0, "at least one byte", "an empty file");
    f->n = (size_t)st.st_size;
    f->mtime = st.st_mtim;
    f->p = mmap(NULL, f->n, f->prot, f->flags, f->fd, 0);
    if (f->p == MAP_FAILED) {
        f->p = NULL;
        return open_error(d, path);
    }
    /* What is not in memory yet is then read in large folios: four times as fast from a disk, and
     * mapped by large pages from there on. It may be refused, and nothing depends on it. */
    madvise(f->p, f->n, MADV_HUGEPAGE);
    return PX_ERR_OK;
}

static bool enlist(struct px_file *f)
{
    for (size_t i = 0; i < PXI_LIMIT_FILE_MAPS; i++) {
        struct px_file *none = NULL;
        if (atomic_compare_exchange_strong(&maps[i], &none, f)) {
            f->slot = i;
            return true;
        }
    }
    return false;
}

static px_err open_as(const char *path, int prot, int flags, px_file **out, px_diag *diag)
{
    *out = NULL;
    struct px_file *f = pxi_calloc(1, sizeof *f);
    if (!f)
        return PX_ERR_NOMEM;
    f->slot = PXI_LIMIT_FILE_MAPS;
    f->prot = prot;
    f->flags = flags;
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    px_err e = f->fd < 0 ? open_error(diag, path) : map_fd(f, path, diag);
    if (e == PX_ERR_OK && !enlist(f))
        e = pxi_diag_set(diag, PX_ERR_LIMIT, 0, "at most 1024 mapped files", "one more");
    if (e != PX_ERR_OK) {
        px_file_close(f);
        return e;
    }
    *out = f;
    return PX_ERR_OK;
}

px_err px_file_open(const char *path, px_file **out, px_diag *diag)
{
    return open_as(path, PROT_READ, MAP_SHARED, out, diag);
}

px_err px_file_open_private(const char *path, px_file **out, px_diag *diag)
{
    return open_as(path, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, out, diag);
}

void px_file_close(px_file *f)
{
    if (!f)
        return;
    if (f->slot < PXI_LIMIT_FILE_MAPS)
        atomic_store(&maps[f->slot], NULL);
    if (f->p)
        munmap(f->p, f->n);
    if (f->fd >= 0)
        close(f->fd);
    pxi_free(f);
}

px_view px_file_bytes(const px_file *f)
{
    return px_view_of(f->p, f->n);
}

int px_file_changed(const px_file *f)
{
    struct stat st;
    if (atomic_load(&f->changed))
        return 1;
    return fstat(f->fd, &st) != 0 || (size_t)st.st_size != f->n ||
           st.st_mtim.tv_sec != f->mtime.tv_sec || st.st_mtim.tv_nsec != f->mtime.tv_nsec;
}

static bool mend(uintptr_t at)
{
    const uintptr_t page = 4096;
    for (size_t i = 0; i < PXI_LIMIT_FILE_MAPS; i++) {
        struct px_file *f = atomic_load(&maps[i]);
        if (!f || at < (uintptr_t)f->p || at - (uintptr_t)f->p >= f->n)
            continue;
        atomic_store(&f->changed, true);
        return mmap((void *)(at & ~(page - 1)), page, f->prot,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    }
    return false;
}

/* Runs in a signal handler: only lock-free loads, mmap and sigaction, which are safe there. */
static void on_sigbus(int sig, siginfo_t *info, void *ctx)
{
    int saved = errno;
    (void)ctx;
    if (!mend((uintptr_t)info->si_addr))
        sigaction(sig, &previous, NULL); /* not ours: the access repeats under the old handler */
    errno = saved;
}

px_err px_file_guard(void)
{
    struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    struct sigaction old;
    sigemptyset(&sa.sa_mask);
    if (sigaction(SIGBUS, NULL, &old) != 0)
        return PX_ERR_IO;
    if ((old.sa_flags & SA_SIGINFO) && old.sa_sigaction == on_sigbus)
        return PX_ERR_OK; /* it must not be its own predecessor */
    previous = old;
    return sigaction(SIGBUS, &sa, NULL) == 0 ? PX_ERR_OK : PX_ERR_IO;
}
