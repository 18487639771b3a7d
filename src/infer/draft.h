/*
 * Guesses of the tokens that follow, so that one trip through the stages brings more than one
 * token. Pure functions: what is guessed never changes what is said, only how soon. Words are those
 * of codec/stage.h; the flags in them do not matter.
 */
#ifndef PXI_INFER_DRAFT_H
#define PXI_INFER_DRAFT_H

#include <stdint.h>

/* What a text says after its last words: the newest place where the longest run of them (up to 8)
 * stood before, in `words` or in `older`, which may be empty. At most `max` tokens go to out; how
 * many. */
uint32_t pxi_draft_lookup(const uint32_t *words, uint32_t n, const uint32_t *older,
                          uint32_t older_n, uint32_t *out, uint32_t max);

/* How many of the drafts came true lately; all zero in the beginning. */
struct pxi_draft_pace {
    float hits, tries; /* of single tokens, the older the less they count */
};

/* Of `drafted` tokens the first `accepted` came true. */
void pxi_draft_learn(struct pxi_draft_pace *p, uint32_t drafted, uint32_t accepted);
/* How many tokens to draft: as long as the chance that all come true is at least an eighth; from 1
 * to max (0 when that is 0). */
uint32_t pxi_draft_length(const struct pxi_draft_pace *p, uint32_t max);

#endif
