/*
 * Tokens of an answer to text: characters are never cut, and nothing is given out that may be the
 * beginning of a stop string.
 */
#ifndef PXI_NODE_GENERATE_TEXT_H
#define PXI_NODE_GENERATE_TEXT_H

#include <stdbool.h>

#include "base/mem.h"
#include "plexus/tokenizer.h"

/* Zeroed, then pxi_texter_init. */
struct pxi_texter {
    const px_tokenizer *tokenizer;
    px_detok detok;
    struct pxi_buf held; /* text that is not given out yet */
    char *const *stops;
    unsigned stop_count;
    bool stopped;  /* a stop string was completed */
    unsigned stop; /* which */
    char *scratch; /* of one token */
};

/* Borrows tokenizer and stops. PX_ERR_NOMEM. */
px_err pxi_texter_init(struct pxi_texter *t, const px_tokenizer *tokenizer, char *const *stops,
                       unsigned stop_count);
void pxi_texter_deinit(struct pxi_texter *t);

/* One more token. *out is the text that is now certain, good until the next call; it may be empty.
 * Sets `stopped` when a stop string is complete: what follows it is gone. PX_ERR_NOMEM. */
px_err pxi_texter_add(struct pxi_texter *t, int32_t token, px_view *out);

/* The answer ended otherwise: what was held back. */
px_err pxi_texter_end(struct pxi_texter *t, px_view *out);

#endif
