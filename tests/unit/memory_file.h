/* A file in memory, as those see it who write through struct pxi_files_ops; every write and sync is
 * counted, and the n-th one may fail. */
#ifndef PX_MEMORY_FILE_H
#define PX_MEMORY_FILE_H

#include "base/files.h"

#include <stdlib.h>

struct memory_file {
    uint8_t *p;
    uint64_t n, cap;
    unsigned writes, fail_at; /* 0: none fails */
};

static inline struct pxi_file *memory_file_begin(struct memory_file *f)
{
    *f = (struct memory_file){0};
    return (struct pxi_file *)f;
}

static inline void memory_file_end(struct memory_file *f)
{
    free(f->p);
}

static inline px_view memory_file_bytes(const struct memory_file *f)
{
    return px_view_of(f->p, f->n);
}

static inline uint64_t memory_file_size(struct pxi_file *file)
{
    return ((struct memory_file *)file)->n;
}

static inline px_err memory_file_read(struct pxi_file *file, uint64_t at, void *to, size_t n)
{
    struct memory_file *f = (struct memory_file *)file;
    if (at > f->n || n > f->n - at)
        return PX_ERR_TRUNCATED;
    memcpy(to, f->p + at, n);
    return PX_ERR_OK;
}

static inline px_err memory_file_resize(struct pxi_file *file, uint64_t bytes)
{
    struct memory_file *f = (struct memory_file *)file;
    if (bytes > f->cap) {
        f->cap = bytes * 2;
        f->p = realloc(f->p, f->cap);
    }
    if (bytes > f->n)
        memset(f->p + f->n, 0, bytes - f->n);
    f->n = bytes;
    return PX_ERR_OK;
}

static inline px_err memory_file_write(struct pxi_file *file, uint64_t at, px_view bytes)
{
    struct memory_file *f = (struct memory_file *)file;
    if (++f->writes == f->fail_at)
        return PX_ERR_IO;
    if (at + bytes.n > f->n)
        memory_file_resize(file, at + bytes.n);
    memcpy(f->p + at, bytes.p, bytes.n);
    return PX_ERR_OK;
}

static inline px_err memory_file_sync(struct pxi_file *file)
{
    struct memory_file *f = (struct memory_file *)file;
    return ++f->writes == f->fail_at ? PX_ERR_IO : PX_ERR_OK;
}

static const struct pxi_files_ops memory_file_ops = {
    .bytes = memory_file_size,
    .read = memory_file_read,
    .write = memory_file_write,
    .resize = memory_file_resize,
    .sync = memory_file_sync,
};

#endif
