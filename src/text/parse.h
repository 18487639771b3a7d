/* The parsers of the files that tokenizers are made from, and what they share. */
#ifndef PXI_TEXT_PARSE_H
#define PXI_TEXT_PARSE_H

#include "text/normal.h"

/* A sentencepiece model (spm.c), and a tokenizer.json (hf.c). The view is borrowed by t. */
px_err pxi_spm_read(px_tokenizer *t, px_view file, px_diag *diag);
px_err pxi_hf_read(px_tokenizer *t, px_view file, px_diag *diag);

/* Unigram: what the unknown token weighs, and that all of it can be walked. */
px_err pxi_unigram_ready(px_tokenizer *t, double least, double most, px_diag *diag);

#endif
