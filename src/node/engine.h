/* The engine behind include/plexus/model.h: a model with the files and tables that it stands on. */
#ifndef PXI_NODE_ENGINE_H
#define PXI_NODE_ENGINE_H

#include "codec/gguf.h"
#include "infer/session.h"
#include "plexus/file.h"
#include "plexus/model.h"

struct px_model {
    px_file **files; /* NULL for models in memory */
    uint32_t n_files;
    px_gguf *gguf;
    px_tokenizer *tokenizer;
    struct pxi_model model;
    px_model_info info;
    char *name, *chat_template;
};

struct px_context {
    const px_model *model;
    struct pxi_kernels kernels;
    struct pxi_team *team;
    struct pxi_session session;
};

/* A slice of a model whose file lies in memory that outlives it: no tokenizer, no other tensors. */
px_err pxi_model_open_slice(px_view file, const struct pxi_slice *s, px_model **out, px_diag *diag);
/* The same from files, parts of one split model of which the first holds the metadata; check (may
 * be NULL) sees each of them (pxi_gguf_parse_some). */
px_err pxi_model_open_parts(char *const *paths, uint32_t n, pxi_gguf_part_fn *check, void *ctx,
                            const struct pxi_slice *s, px_model **out, px_diag *diag);
/* Map the file of a path, or all files of a split model, and parse: files and gguf of m are set. A
 * part without the others is refused. On failure too, px_model_close frees what there is. */
px_err pxi_engine_open_files(px_model *m, const char *path, px_diag *diag);

/* The model that the program carries; src/node/tiny.c. */
px_view pxi_tiny_model(void);

#endif
