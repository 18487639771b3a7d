/*
 * A folder of files, as rooms that do no I/O see it: io/files.c implements it on a directory. Names
 * are relative, with "/" between parts, and never contain "..". Functions may be called from the
 * thread of the owner and from within `work`; two threads may read and write one file at once, at
 * different places.
 */
#ifndef PXI_BASE_FILES_H
#define PXI_BASE_FILES_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

struct pxi_files;
struct pxi_file;

struct pxi_file_info {
    const char *name; /* without the folder */
    uint64_t bytes;
    uint64_t used_s; /* seconds since 1970 */
};

enum pxi_file_mode {
    PXI_FILE_READ,
    PXI_FILE_WRITE, /* read and write, made when missing */
};

/* Work for another thread. Zeroed, with run and done set; embedded in its owner. */
struct pxi_work {
    void (*run)(struct pxi_work *w);  /* on some thread */
    void (*done)(struct pxi_work *w); /* on the owner's, later, never from inside */
    void *impl;
    bool busy;
};

enum { PXI_FILE_PIECES = 16 };

struct pxi_files_ops {
    /* PX_ERR_NOT_FOUND, _PERMISSION, _IO, _NOMEM. */
    px_err (*open)(struct pxi_files *f, const char *name, enum pxi_file_mode mode,
                   struct pxi_file **out);
    void (*close)(struct pxi_file *file);
    uint64_t (*bytes)(struct pxi_file *file);
    /* All n bytes, or PX_ERR_TRUNCATED past the end, PX_ERR_IO. */
    px_err (*read)(struct pxi_file *file, uint64_t at, void *to, size_t n);
    /* PX_ERR_LIMIT: the disk is full. */
    px_err (*write)(struct pxi_file *file, uint64_t at, px_view bytes);
    /* The same of pieces that follow one another; n <= PXI_FILE_PIECES. */
    px_err (*gather)(struct pxi_file *file, uint64_t at, const px_view *pieces, unsigned n);
    /* So many bytes will be written: the disk may set them aside. PX_ERR_LIMIT: it has not as many.
     */
    px_err (*reserve)(struct pxi_file *file, uint64_t bytes);
    px_err (*resize)(struct pxi_file *file, uint64_t bytes);
    px_err (*sync)(struct pxi_file *file);
    /* Bytes at .. at + n are about to be read. */
    void (*ahead)(struct pxi_file *file, uint64_t at, uint64_t n);
    /* Replace `to`; the folders of both are on disk afterwards. */
    px_err (*rename)(struct pxi_files *f, const char *from, const char *to);
    px_err (*remove)(struct pxi_files *f, const char *name);        /* OK when it is not there */
    px_err (*folder)(struct pxi_files *f, const char *name);        /* make, with those above it */
    px_err (*remove_folder)(struct pxi_files *f, const char *name); /* with the files in it */
    px_err (*symlink)(struct pxi_files *f, const char *target, const char *name);
    px_err (*touch)(struct pxi_files *f, const char *name); /* used now */
    /* Each regular file of a folder. */
    px_err (*list)(struct pxi_files *f, const char *folder,
                   void (*each)(void *ctx, const struct pxi_file_info *i), void *ctx);
    void (*work)(struct pxi_files *f, struct pxi_work *w);
};

struct pxi_files {
    const struct pxi_files_ops *ops;
    const char *root; /* absolute path, for those who map files */
};

#endif
