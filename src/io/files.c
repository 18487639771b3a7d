#include "io/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/disk.h"

struct folder {
    struct pxi_files f;
    struct pxi_loop *loop;
    struct pxi_timers *timers;
    char *root;
    int dir, lock;
    unsigned busy; /* works under way */
};

/* One work on its way. */
struct job {
    uv_work_t uv;
    struct pxi_timer timer;
    struct folder *folder;
    struct pxi_work *work;
};

static struct folder *of(struct pxi_files *f)
{
    return (struct folder *)f;
}

/* ------------------------------------------------------------------ one file */

static px_err file_open(struct pxi_files *f, const char *name, enum pxi_file_mode mode,
                        struct pxi_file **out)
{
    int flags = mode == PXI_FILE_WRITE ? O_RDWR | O_CREAT : O_RDONLY;
    return pxi_disk_open(of(f)->dir, name, flags | O_NOFOLLOW, 0600, out);
}

/* ------------------------------------------------------------------ the folder */

/* Make the entries of the folder that holds `name` last. */
static px_err sync_above(struct folder *d, const char *name)
{
    char above[512];
    const char *slash = strrchr(name, '/');
    int n =
        snprintf(above, sizeof above, "%.*s", slash ? (int)(slash - name) : 1, slash ? name : ".");
    if (n < 0 || (size_t)n >= sizeof above)
        return PX_ERR_INVALID;
    int fd = openat(d->dir, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pxi_disk_error();
    px_err err = fsync(fd) == 0 ? PX_ERR_OK : PX_ERR_IO;
    close(fd);
    return err;
}

static px_err folder_rename(struct pxi_files *f, const char *from, const char *to)
{
    struct folder *d = of(f);
    if (renameat(d->dir, from, d->dir, to) != 0)
        return pxi_disk_error();
    px_err err = sync_above(d, to);
    return err == PX_ERR_OK ? sync_above(d, from) : err;
}

static px_err folder_remove(struct pxi_files *f, const char *name)
{
    return unlinkat(of(f)->dir, name, 0) == 0 || errno == ENOENT ? PX_ERR_OK : pxi_disk_error();
}

static px_err folder_make(struct pxi_files *f, const char *name)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s", name) >= (int)sizeof path)
        return PX_ERR_INVALID;
    for (char *p = path;; p++) {
        if (*p && *p != '/')
            continue;
        char end = *p;
        *p = 0;
        if (mkdirat(of(f)->dir, path, 0700) != 0 && errno != EEXIST)
            return pxi_disk_error();
        if (!end)
            return PX_ERR_OK;
        *p = end;
    }
}

static DIR *open_dir(struct pxi_files *f, const char *name)
{
    int fd = openat(of(f)->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0)
        close(fd);
    return d;
}

static px_err folder_remove_all(struct pxi_files *f, const char *name)
{
    DIR *d = open_dir(f, name);
    if (!d)
        return errno == ENOENT ? PX_ERR_OK : pxi_disk_error();
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return unlinkat(of(f)->dir, name, AT_REMOVEDIR) == 0 ? PX_ERR_OK : pxi_disk_error();
}

static px_err folder_symlink(struct pxi_files *f, const char *target, const char *name)
{
    return symlinkat(target, of(f)->dir, name) == 0 || errno == EEXIST ? PX_ERR_OK
                                                                       : pxi_disk_error();
}

static px_err folder_touch(struct pxi_files *f, const char *name)
{
    return utimensat(of(f)->dir, name, NULL, 0) == 0 ? PX_ERR_OK : pxi_disk_error();
}

static px_err folder_list(struct pxi_files *f, const char *folder,
                          void (*each)(void *ctx, const struct pxi_file_info *i), void *ctx)
{
    struct stat st;
    DIR *d = open_dir(f, folder);
    if (!d)
        return pxi_disk_error();
    for (struct dirent *e; (e = readdir(d));) {
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        struct pxi_file_info i = {e->d_name, (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec};
        each(ctx, &i);
    }
    closedir(d);
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------ work */

static void finish(struct job *j)
{
    struct pxi_work *w = j->work;
    j->folder->busy--;
    w->busy = false;
    w->impl = NULL;
    pxi_free(j);
    w->done(w);
}

static void on_thread(uv_work_t *uv)
{
    struct job *j = uv->data;
    j->work->run(j->work);
}

static void after_thread(uv_work_t *uv, int status)
{
    struct job *j = uv->data;
    pxi_loop_now(j->folder->loop);
    finish(j);
}

static void on_timer(struct pxi_timer *t, uint64_t now_ns)
{
    finish(PXI_OF(t, struct job, timer));
}

static void folder_work(struct pxi_files *f, struct pxi_work *w)
{
    struct folder *d = of(f);
    struct job *j = pxi_calloc(1, sizeof *j);
    w->busy = true;
    if (j) {
        *j = (struct job){.uv.data = j, .timer.fire = on_timer, .folder = d, .work = w};
        w->impl = j;
        d->busy++;
        if (d->loop && uv_queue_work(pxi_loop_uv(d->loop), &j->uv, on_thread, after_thread) == 0)
            return;
    }
    w->run(w);
    if (j && d->timers) {
        pxi_timer_after(d->timers, &j->timer, 0);
    } else if (j) {
        finish(j);
    } else {
        w->busy = false;
        w->done(w);
    }
}

void pxi_files_wait(struct pxi_files *f)
{
    struct folder *d = of(f);
    while (d->busy && d->loop)
        pxi_loop_once(d->loop);
}

/* ------------------------------------------------------------------ opening */

static const struct pxi_files_ops ops = {
    .open = file_open,
    .close = pxi_disk_close,
    .bytes = pxi_disk_bytes,
    .read = pxi_disk_read,
    .write = pxi_disk_write,
    .gather = pxi_disk_gather,
    .reserve = pxi_disk_reserve,
    .resize = pxi_disk_resize,
    .sync = pxi_disk_sync,
    .ahead = pxi_disk_ahead,
    .rename = folder_rename,
    .remove = folder_remove,
    .folder = folder_make,
    .remove_folder = folder_remove_all,
    .symlink = folder_symlink,
    .touch = folder_touch,
    .list = folder_list,
    .work = folder_work,
};

static px_err take_lock(struct folder *d)
{
    d->lock = openat(d->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock < 0)
        return pxi_disk_error();
    return flock(d->lock, LOCK_EX | LOCK_NB) == 0 ? PX_ERR_OK
           : errno == EWOULDBLOCK                 ? PX_ERR_REFUSED
                                                  : PX_ERR_IO;
}

px_err pxi_files_open(const char *root, bool readonly, struct pxi_loop *loop,
                      struct pxi_timers *timers, struct pxi_files **out)
{
    struct folder *d = pxi_calloc(1, sizeof *d);
    *out = NULL;
    if (!d)
        return PX_ERR_NOMEM;
    *d = (struct folder){.f.ops = &ops, .loop = loop, .timers = timers, .dir = -1, .lock = -1};
    if (!readonly && mkdir(root, 0700) != 0 && errno != EEXIST) {
        px_err err = pxi_disk_error();
        pxi_free(d);
        return err;
    }
    char real[4096];
    px_err err = realpath(root, real) ? PX_ERR_OK : pxi_disk_error();
    if (err == PX_ERR_OK && !(d->root = pxi_strdup_view(px_view_str(real))))
        err = PX_ERR_NOMEM;
    if (err == PX_ERR_OK && (d->dir = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        err = pxi_disk_error();
    d->f.root = d->root;
    if (err == PX_ERR_OK && !readonly)
        err = take_lock(d);
    if (err != PX_ERR_OK)
        pxi_files_close(&d->f);
    else
        *out = &d->f;
    return err;
}

void pxi_files_close(struct pxi_files *f)
{
    if (!f)
        return;
    struct folder *d = of(f);
    if (d->dir >= 0)
        close(d->dir);
    if (d->lock >= 0)
        close(d->lock);
    pxi_free(d->root);
    pxi_free(d);
}
