/* Building and printing the --json documents. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>

#include "cli.h"

/* A document with its schema, "plexus.<first word of the verb>/1". */
json_t *doc_new(const struct cli *c);

/* Print and free; numbers with 9 significant digits, which make any f32 exact. Returns `rc`. */
int doc_print(json_t *doc, int rc);

/* One line of a --json-lines stream; frees. */
void line_print(json_t *doc);

/* Text of unknown origin: bytes that are no UTF-8 become U+FFFD. */
json_t *json_bytes(const void *p, size_t n);
json_t *json_text(const char *s); /* NULL becomes null */
json_t *json_number(double v);    /* what is not finite becomes null */
json_t *json_ids(const int32_t *ids, size_t n);
json_t *json_u64(uint64_t v);

/* What went wrong with a file: code, text, offset, field, expected, found; null for PX_ERR_OK. */
json_t *error_json(px_err e, const px_diag *d);

#endif
