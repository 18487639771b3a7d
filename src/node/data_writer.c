/* Stores of training data, written to disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "data/writer.h"
#include "io/disk.h"
#include "node/data.h"

struct px_data_writer {
    struct pxi_kernels kernels;
    struct pxi_ndp_sums sums;
    struct pxi_file *file;
    struct pxi_writer *w;
    char *path, *temporary; /* NULL: it has taken the place */
};

static px_err wrong(px_diag *d, const char *path, px_err err)
{
    pxi_diag_field(d, "%.90s", path);
    return pxi_diag_set(d, err, 0, "a file that can be written", "%s", px_err_text(err));
}

/* Options of src/data's writer from those of the caller. */
static struct pxi_writer_options inner(const px_data_writer_options *o, struct px_data_writer *w)
{
    bool small = o->token_bytes ? o->token_bytes == 2 : o->vocab && o->vocab <= 65536;
    struct pxi_writer_options in = {.sums = &w->sums,
                                    .ops = &pxi_disk_ops,
                                    .file = w->file,
                                    .dtype = small ? PXI_NDP_DTYPE_U16 : PXI_NDP_DTYPE_I32,
                                    .vocab = o->vocab,
                                    .bos = o->bos,
                                    .eos = o->eos,
                                    .pad = o->pad};
    memcpy(in.tokenizer, o->tokenizer, sizeof in.tokenizer);
    return in;
}

static px_err begin(struct px_data_writer *w, const px_data_writer_options *o, px_diag *d)
{
    size_t n = strlen(w->path) + 32;
    if (!(w->temporary = pxi_calloc(1, n)))
        return PX_ERR_NOMEM;
    snprintf(w->temporary, n, "%s.%ld.part", w->path, (long)getpid());
    px_err err = pxi_disk_open(AT_FDCWD, w->temporary, O_RDWR | O_CREAT | O_TRUNC, 0666, &w->file);
    if (err) {
        wrong(d, w->temporary, err);
        pxi_free(w->temporary);
        w->temporary = NULL;
        return err;
    }
    struct pxi_writer_options in = inner(o, w);
    if (getrandom(in.id, sizeof in.id, 0) != (ssize_t)sizeof in.id)
        return PX_ERR_IO;
    return pxi_writer_new(&in, &w->w);
}

px_err px_data_writer_new(const char *path, const px_data_writer_options *options,
                          px_data_writer **out, px_diag *diag)
{
    px_data_writer_options o;
    pxi_data_options(&o, sizeof o, options);
    *out = NULL;
    struct px_data_writer *w = pxi_calloc(1, sizeof *w);
    if (!w || !(w->path = pxi_strdup_view(px_view_str(path)))) {
        px_data_writer_free(w);
        return PX_ERR_NOMEM;
    }
    px_err err = pxi_kernels_choose(&w->kernels, NULL, diag);
    if (err) {
        px_data_writer_free(w);
        return err;
    }
    w->sums = pxi_data_sums(&w->kernels);
    err = o.append ? pxi_disk_open(AT_FDCWD, path, O_RDWR, 0, &w->file) : PX_ERR_NOT_FOUND;
    if (err == PX_ERR_NOT_FOUND) {
        err = begin(w, &o, diag);
    } else if (err) {
        err = wrong(diag, path, err);
    } else {
        struct pxi_writer_options in = inner(&o, w);
        err = pxi_writer_append(&in, &w->w, diag);
    }
    if (err)
        px_data_writer_free(w);
    else
        *out = w;
    return err;
}

/* The file of `path`, and in it a store: the one that is there, or a new one. */
static px_err open_at(struct px_data_writer *w, const char *path, const px_data_writer_options *o,
                      const uint8_t id[16], bool anew, px_diag *d)
{
    px_err err = pxi_kernels_choose(&w->kernels, NULL, d);
    if (err)
        return err;
    w->sums = pxi_data_sums(&w->kernels);
    err = pxi_disk_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0666, &w->file);
    if (err)
        return wrong(d, path, err);
    struct pxi_writer_options in = inner(o, w);
    memcpy(in.id, id, sizeof in.id);
    if (!anew && pxi_disk_bytes(w->file) && pxi_writer_append(&in, &w->w, NULL) == PX_ERR_OK)
        return PX_ERR_OK;
    err = pxi_disk_resize(w->file, 0);
    return err ? wrong(d, path, err) : pxi_writer_new(&in, &w->w);
}

px_err pxi_data_writer_at(const char *path, const px_data_writer_options *o, const uint8_t id[16],
                          bool anew, px_data_writer **out, px_diag *d)
{
    struct px_data_writer *w = *out = pxi_calloc(1, sizeof *w);
    px_err err = w ? open_at(w, path, o, id, anew, d) : PX_ERR_NOMEM;
    if (err) {
        px_data_writer_free(w);
        *out = NULL;
    }
    return err;
}

px_err px_data_write(px_data_writer *w, uint8_t src, uint8_t dst, const int32_t *tokens,
                     size_t count, int continues)
{
    static const int32_t none;
    struct pxi_writer_sample s = {.src = src,
                                  .dst = dst,
                                  .typ = PXI_NDP_TYP_TOKEN_IDS,
                                  .flags = continues ? PXI_NDP_FLAG_CONTINUES : 0,
                                  .tokens = tokens ? tokens : &none,
                                  .count = count};
    return pxi_writer_add(w->w, &s);
}

px_err px_data_commit(px_data_writer *w)
{
    px_err err = pxi_writer_commit(w->w);
    if (err || !w->temporary)
        return err;
    if (rename(w->temporary, w->path) != 0)
        return pxi_disk_error();
    pxi_free(w->temporary);
    w->temporary = NULL;
    return PX_ERR_OK;
}

struct pxi_writer *pxi_data_writer_inner(px_data_writer *w)
{
    return w->w;
}

px_err pxi_data_writer_variant(px_data_writer *w, struct pxi_ndp_variant v)
{
    return pxi_writer_variant(w->w, v);
}

void px_data_writer_free(px_data_writer *w)
{
    if (!w)
        return;
    pxi_writer_free(w->w);
    pxi_disk_close(w->file);
    if (w->temporary)
        unlink(w->temporary);
    pxi_free(w->temporary);
    pxi_free(w->path);
    pxi_free(w);
}
