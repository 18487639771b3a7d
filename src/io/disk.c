/* One file on a disk. */
#include "io/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"

struct pxi_file {
    int fd;
};

px_err pxi_disk_error(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR: return PX_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS: return PX_ERR_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return PX_ERR_LIMIT;
    case ENOMEM: return PX_ERR_NOMEM;
    default: return PX_ERR_IO;
    }
}

px_err pxi_disk_open(int dir, const char *name, int flags, unsigned mode, struct pxi_file **out)
{
    struct pxi_file *file = *out = pxi_calloc(1, sizeof *file);
    if (!file)
        return PX_ERR_NOMEM;
    file->fd = openat(dir, name, flags | O_CLOEXEC, mode);
    if (file->fd >= 0)
        return PX_ERR_OK;
    px_err err = pxi_disk_error();
    pxi_free(file);
    *out = NULL;
    return err;
}

void pxi_disk_close(struct pxi_file *file)
{
    if (!file)
        return;
    close(file->fd);
    pxi_free(file);
}

px_err pxi_disk_lock(struct pxi_file *file)
{
    if (flock(file->fd, LOCK_EX | LOCK_NB) == 0)
        return PX_ERR_OK;
    return errno == EWOULDBLOCK ? PX_ERR_PERMISSION : pxi_disk_error();
}

uint64_t pxi_disk_bytes(struct pxi_file *file)
{
    struct stat st;
    return fstat(file->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

px_err pxi_disk_read(struct pxi_file *file, uint64_t at, void *to, size_t n)
{
    uint8_t *p = to;
    while (n) {
        ssize_t got = pread(file->fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? PX_ERR_IO : PX_ERR_TRUNCATED;
        p += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return PX_ERR_OK;
}

px_err pxi_disk_write(struct pxi_file *file, uint64_t at, px_view v)
{
    while (v.n) {
        ssize_t put = pwrite(file->fd, v.p, v.n, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put ? pxi_disk_error() : PX_ERR_IO;
        v.p += put;
        at += (uint64_t)put;
        v.n -= (size_t)put;
    }
    return PX_ERR_OK;
}

px_err pxi_disk_gather(struct pxi_file *file, uint64_t at, const px_view *pieces, unsigned n)
{
    struct iovec v[PXI_FILE_PIECES];
    size_t all = 0;
    for (unsigned i = 0; i < n; all += pieces[i++].n)
        v[i] = (struct iovec){(void *)pieces[i].p, pieces[i].n};
    ssize_t put = pwritev(file->fd, v, (int)n, (off_t)at);
    if (put == (ssize_t)all)
        return PX_ERR_OK;
    /* Not all at once: an interrupt, or a disk that is nearly full. */
    px_err err = PX_ERR_OK;
    for (unsigned i = 0; i < n && err == PX_ERR_OK; at += pieces[i++].n)
        err = pxi_disk_write(file, at, pieces[i]);
    return err;
}

px_err pxi_disk_reserve(struct pxi_file *file, uint64_t bytes)
{
    px_err err = fallocate(file->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) == 0 ? PX_ERR_OK
                                                                                : pxi_disk_error();
    return err == PX_ERR_LIMIT ? err : PX_ERR_OK; /* not every file system can */
}

px_err pxi_disk_resize(struct pxi_file *file, uint64_t bytes)
{
    return ftruncate(file->fd, (off_t)bytes) == 0 ? PX_ERR_OK : pxi_disk_error();
}

px_err pxi_disk_sync(struct pxi_file *file)
{
    return fsync(file->fd) == 0 ? PX_ERR_OK : PX_ERR_IO;
}

void pxi_disk_ahead(struct pxi_file *file, uint64_t at, uint64_t n)
{
    posix_fadvise(file->fd, (off_t)at, (off_t)n, POSIX_FADV_WILLNEED);
}

const struct pxi_files_ops pxi_disk_ops = {
    .close = pxi_disk_close,
    .bytes = pxi_disk_bytes,
    .read = pxi_disk_read,
    .write = pxi_disk_write,
    .gather = pxi_disk_gather,
    .reserve = pxi_disk_reserve,
    .resize = pxi_disk_resize,
    .sync = pxi_disk_sync,
    .ahead = pxi_disk_ahead,
};
