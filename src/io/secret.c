#include "io/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <stdbool.h>
#include <unistd.h>

static px_err of_errno(void)
{
    return errno == ENOENT                      ? PX_ERR_NOT_FOUND
           : errno == EACCES || errno == EEXIST ? PX_ERR_PERMISSION
                                                : PX_ERR_IO;
}

px_err pxi_secret_read(const char *path, struct pxi_buf *out)
{
    struct stat st;
    uint8_t part[4096];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return of_errno();
    px_err err = PX_ERR_OK;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        err = PX_ERR_NOT_A_FILE;
    else if (st.st_mode & 077)
        err = PX_ERR_PERMISSION;
    while (err == PX_ERR_OK && (n = read(fd, part, sizeof part)) > 0)
        if (!pxi_buf_add(out, part, (size_t)n))
            err = PX_ERR_LIMIT;
    if (n < 0)
        err = PX_ERR_IO;
    close(fd);
    return err;
}

px_err pxi_secret_write(const char *path, px_view bytes)
{
    char temporary[4096];
    int n = snprintf(temporary, sizeof temporary, "%s.%ld.part", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary)
        return PX_ERR_INVALID;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return of_errno();
    bool ok = write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    px_err err = ok ? PX_ERR_OK : PX_ERR_IO;
    if (ok && link(temporary, path))
        err = of_errno();
    unlink(temporary);
    return err;
}
