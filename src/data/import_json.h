/* Indexes in JSON, walked through from front to back: each step takes one value, and says what was
 * expected in its place. Errors are those of pxi_json_next, and PX_ERR_CORRUPT. */
#ifndef PXI_DATA_IMPORT_JSON_H
#define PXI_DATA_IMPORT_JSON_H

#include "codec/json.h"

/* An object begins; an array does. */
px_err pxi_walk_object(struct pxi_json *j);
px_err pxi_walk_array(struct pxi_json *j);
/* In an object: the next key, or *end behind the last. */
px_err pxi_walk_key(struct pxi_json *j, px_view *key, bool *end);
/* In an array of objects: the next one begins, or *end behind the last. */
px_err pxi_walk_next(struct pxi_json *j, bool *end);
/* A string, escapes as written; an empty one for null. In an array also *end (NULL: not in one). */
px_err pxi_walk_text(struct pxi_json *j, px_view *text, bool *end);
/* A number of digits only; 0 for null. In an array also *end. */
px_err pxi_walk_number(struct pxi_json *j, uint64_t *n, bool *end);
/* Any value. */
px_err pxi_walk_skip(struct pxi_json *j);

/*
 * The path that a string of an index names, below the folder of the index, written to out (cap
 * bytes). False: it is empty, too long, absolute, or leads out of the folder.
 */
bool pxi_walk_path(px_view text, char *out, size_t cap);

#endif
