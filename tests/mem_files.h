/* A folder in memory, for fuzzing the store. Work is done at once, its end comes from a timer. */
#ifndef MEM_FILES_H
#define MEM_FILES_H

#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/mem.h"
#include "base/timer.h"

enum { MEM_FILES = 256, MEM_NAME = 160 };

struct pxi_file {
    char name[MEM_NAME];
    struct pxi_buf bytes;
    bool used;
};

struct mem_files {
    struct pxi_files f;
    struct pxi_timers *timers;
    struct pxi_file file[MEM_FILES];
    struct pxi_timer timer;
    struct pxi_work *works[64];
    unsigned work_count;
};

static inline struct pxi_file *mem_find(struct mem_files *m, const char *name)
{
    for (unsigned i = 0; i < MEM_FILES; i++)
        if (m->file[i].used && strcmp(m->file[i].name, name) == 0)
            return &m->file[i];
    return NULL;
}

static inline px_err mem_open(struct pxi_files *f, const char *name, enum pxi_file_mode mode,
                              struct pxi_file **out)
{
    struct mem_files *m = (struct mem_files *)f;
    *out = mem_find(m, name);
    for (unsigned i = 0; i < MEM_FILES && !*out && mode == PXI_FILE_WRITE; i++)
        if (!m->file[i].used) {
            *out = &m->file[i];
            (*out)->used = true;
            (*out)->bytes.max = 1 << 24;
            snprintf((*out)->name, MEM_NAME, "%s", name);
        }
    return *out ? PX_ERR_OK : PX_ERR_NOT_FOUND;
}
static inline void mem_close(struct pxi_file *file) {}
static inline uint64_t mem_bytes(struct pxi_file *file)
{
    return file->bytes.n;
}
static inline px_err mem_read(struct pxi_file *file, uint64_t at, void *to, size_t n)
{
    if (at > file->bytes.n || n > file->bytes.n - at)
        return PX_ERR_TRUNCATED;
    memcpy(to, file->bytes.p + at, n);
    return PX_ERR_OK;
}
static inline px_err mem_resize(struct pxi_file *file, uint64_t bytes)
{
    static const uint8_t zeros[4096];
    while (file->bytes.n < bytes) {
        size_t n = bytes - file->bytes.n < sizeof zeros ? bytes - file->bytes.n : sizeof zeros;
        if (!pxi_buf_add(&file->bytes, zeros, n))
            return PX_ERR_LIMIT;
    }
    file->bytes.n = bytes;
    return PX_ERR_OK;
}
static inline px_err mem_write(struct pxi_file *file, uint64_t at, px_view v)
{
    px_err err = at + v.n > file->bytes.n ? mem_resize(file, at + v.n) : PX_ERR_OK;
    if (err == PX_ERR_OK)
        memcpy(file->bytes.p + at, v.p, v.n);
    return err;
}
static inline px_err mem_gather(struct pxi_file *file, uint64_t at, const px_view *v, unsigned n)
{
    px_err err = PX_ERR_OK;
    for (unsigned i = 0; i < n && err == PX_ERR_OK; at += v[i++].n)
        err = mem_write(file, at, v[i]);
    return err;
}
static inline px_err mem_reserve(struct pxi_file *file, uint64_t bytes)
{
    return PX_ERR_OK;
}
static inline px_err mem_sync(struct pxi_file *file)
{
    return PX_ERR_OK;
}
static inline void mem_ahead(struct pxi_file *file, uint64_t at, uint64_t n) {}
static inline px_err mem_remove(struct pxi_files *f, const char *name)
{
    struct pxi_file *file = mem_find((struct mem_files *)f, name);
    if (file)
        pxi_buf_deinit(&file->bytes);
    if (file)
        *file = (struct pxi_file){0};
    return PX_ERR_OK;
}
static inline px_err mem_rename(struct pxi_files *f, const char *from, const char *to)
{
    struct pxi_file *file = mem_find((struct mem_files *)f, from);
    if (!file)
        return PX_ERR_NOT_FOUND;
    mem_remove(f, to);
    snprintf(file->name, MEM_NAME, "%s", to);
    return PX_ERR_OK;
}
static inline px_err mem_folder(struct pxi_files *f, const char *name)
{
    return PX_ERR_OK;
}
static inline px_err mem_symlink(struct pxi_files *f, const char *target, const char *name)
{
    return PX_ERR_OK;
}
static inline px_err mem_list(struct pxi_files *f, const char *folder,
                              void (*each)(void *ctx, const struct pxi_file_info *i), void *ctx)
{
    struct mem_files *m = (struct mem_files *)f;
    size_t n = strlen(folder);
    for (unsigned i = 0; i < MEM_FILES; i++) {
        struct pxi_file *file = &m->file[i];
        if (!file->used || strncmp(file->name, folder, n) != 0 || file->name[n] != '/')
            continue;
        struct pxi_file_info info = {file->name + n + 1, file->bytes.n, 1};
        each(ctx, &info);
    }
    return PX_ERR_OK;
}
static inline void mem_fire(struct pxi_timer *t, uint64_t now_ns)
{
    struct mem_files *m = PXI_OF(t, struct mem_files, timer);
    struct pxi_work *works[64];
    unsigned n = m->work_count;
    memcpy(works, m->works, sizeof works);
    m->work_count = 0;
    for (unsigned i = 0; i < n; i++)
        works[i]->done(works[i]);
}
static inline void mem_work(struct pxi_files *f, struct pxi_work *w)
{
    struct mem_files *m = (struct mem_files *)f;
    if (m->work_count == 64)
        abort();
    w->run(w);
    m->works[m->work_count++] = w;
    m->timer.fire = mem_fire;
    pxi_timer_after(m->timers, &m->timer, 0);
}

static const struct pxi_files_ops mem_ops = {
    mem_open,    mem_close,  mem_bytes,   mem_read,   mem_write,  mem_gather,
    mem_reserve, mem_resize, mem_sync,    mem_ahead,  mem_rename, mem_remove,
    mem_folder,  mem_folder, mem_symlink, mem_folder, mem_list,   mem_work};

static inline void mem_init(struct mem_files *m, struct pxi_timers *timers)
{
    m->f = (struct pxi_files){&mem_ops, "/"};
    m->timers = timers;
}
static inline void mem_clear(struct mem_files *m)
{
    for (unsigned i = 0; i < MEM_FILES; i++)
        pxi_buf_deinit(&m->file[i].bytes);
    memset(m->file, 0, sizeof m->file);
}

#endif
