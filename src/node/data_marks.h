/*
 * How far a conversion came: a small file beside its output, in which two marks take turns. Who is
 * killed at any write leaves the mark before; the same conversion goes on from there.
 */
#ifndef PXI_NODE_DATA_MARKS_H
#define PXI_NODE_DATA_MARKS_H

#include <stdbool.h>

#include "codec/ndp.h"
#include "plexus/err.h"

struct pxi_data_mark {
    uint64_t sequence;  /* 0: none */
    uint64_t done;      /* 1: all of it is there, but for its name */
    uint64_t at, lines; /* of IN */
    uint64_t out_bytes; /* of a file; a store counts its own commits */
    uint64_t bad_bytes; /* of the malformed lines */
    uint64_t documents, samples, tokens, malformed, first_malformed, first_at;
};

struct pxi_data_marks;

/* Open or make the file at `path` for this process alone. `job` is a hash of all that the output
 * depends on: marks of another are none. PX_ERR_PERMISSION: another process has it. */
px_err pxi_data_marks_open(const char *path, const uint8_t job[32], const struct pxi_ndp_sums *sums,
                           struct pxi_data_marks **out, px_diag *d);
/* The mark of that sequence, or with 0 the last one. False: there is none. */
bool pxi_data_marks_find(const struct pxi_data_marks *m, uint64_t sequence,
                         struct pxi_data_mark *out);
/* Write one; it is on disk afterwards. */
px_err pxi_data_marks_add(struct pxi_data_marks *m, const struct pxi_data_mark *mark);
/* remove: the file goes. NULL is allowed. */
void pxi_data_marks_close(struct pxi_data_marks *m, bool remove);

#endif
