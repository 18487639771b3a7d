/*
 * JSON lines of training text as tokens, part by part, by several threads: parts are the same for
 * any number of threads, and come in order.
 */
#ifndef PXI_NODE_DATA_LINES_H
#define PXI_NODE_DATA_LINES_H

#include <stdbool.h>

#include "plexus/tokenizer.h"

struct pxi_data_bad {
    px_view line;
    uint64_t number; /* counted from 1 in its part */
};

/* Whole lines, and what they say. */
struct pxi_data_part {
    uint64_t from, to; /* bytes of the file */
    uint64_t lines;
    const int32_t *tokens;   /* of all documents, one behind the other */
    const size_t *documents; /* tokens of each */
    size_t document_count;
    const struct pxi_data_bad *bad; /* lines that are malformed */
    size_t bad_count;
    px_diag first; /* what is wrong with the first of them */
    px_err err;    /* the part could not be done, with its diagnosis */
    px_diag d;
};

struct pxi_data_lines;

/* Lines from byte `at` on, where one begins. tokenizer: NULL when no line has text. threads: 0 and
 * 1 mean the caller. PX_ERR_NOMEM. */
px_err pxi_data_lines_open(px_view file, uint64_t at, const px_tokenizer *tokenizer,
                           unsigned threads, struct pxi_data_lines **out);
/* The next part, NULL at the end; it is given back before the next is asked for. */
px_err pxi_data_lines_next(struct pxi_data_lines *l, const struct pxi_data_part **out);
void pxi_data_lines_give(struct pxi_data_lines *l, const struct pxi_data_part *part);
/* Waits for the threads. NULL is allowed. */
void pxi_data_lines_close(struct pxi_data_lines *l);

#endif
