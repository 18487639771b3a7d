/* A tokenizer.json while it is read: values are views of the file, looked at when they are needed.
 */
#ifndef PXI_TEXT_HF_H
#define PXI_TEXT_HF_H

#include "codec/json.h"
#include "text/parse.h"

struct pxi_hf {
    px_tokenizer *t;
    px_view file;
    px_diag *d;
    /* what pre-tokenizers and normalisers said */
    struct pxi_pre *pre;
    unsigned stages;
    bool metaspace, byte_level, trims, spaces_spelt;
};

/* A value as it stands in the file. kind is PXI_JSON_END when it is absent. */
struct pxi_hf_value {
    enum pxi_json_event kind;
    px_view raw;
    const char *name; /* its key, for diagnoses */
};

/* Values of the n keys of an object, whatever their order. Other keys are passed. An object that is
 * absent or null has none. PX_ERR_CORRUPT: another type, or a key twice. */
px_err pxi_hf_members(struct pxi_hf *h, struct pxi_hf_value object, const char *const *keys,
                      unsigned n, struct pxi_hf_value *out);

/* Elements of an array, or keys and values of an object, one after the other. */
struct pxi_hf_walk {
    struct pxi_json j;
    struct pxi_hf_value value;
    px_view key; /* escapes as written */
    bool object;
};

/* Begin. An absent or null one is empty. */
px_err pxi_hf_walk(struct pxi_hf *h, struct pxi_hf_value v, struct pxi_hf_walk *w);
/* The next into w->value, and w->key; *more is false at the end. */
px_err pxi_hf_next(struct pxi_hf *h, struct pxi_hf_walk *w, bool *more);

/* What values say; `otherwise` when absent or null. A string is a view of the file, or of the arena
 * when it has escapes. */
px_err pxi_hf_string(struct pxi_hf *h, struct pxi_hf_value v, const char *otherwise, px_view *out);
px_err pxi_hf_text(struct pxi_hf *h, px_view escaped, px_view *out);
px_err pxi_hf_bool(struct pxi_hf *h, struct pxi_hf_value v, bool otherwise, bool *out);
px_err pxi_hf_id(struct pxi_hf *h, struct pxi_hf_value v, int32_t *out); /* otherwise: none */
px_err pxi_hf_number(struct pxi_hf *h, struct pxi_hf_value v, double *out);

/* err with the diagnosis that points at a value. */
px_err pxi_hf_fault(struct pxi_hf *h, struct pxi_hf_value v, px_err err, const char *expected,
                    px_view found);

/* Sections of the file (hf_parts.c): what comes before the merges, and what is added around them.
 */
px_err pxi_hf_normalizer(struct pxi_hf *h, struct pxi_hf_value v);
px_err pxi_hf_pre_tokenizer(struct pxi_hf *h, struct pxi_hf_value v);
px_err pxi_hf_post_processor(struct pxi_hf *h, struct pxi_hf_value v);

/* The matcher of a regular expression, or NULL: it is not known (expressions.c). */
pxi_match_fn *pxi_expression_find(px_view expression);

#endif
