/*
 * A reader of JSON text (RFC 8259) that hands out one event a call: no recursion, no allocation,
 * and views into the input instead of copies. Strict: UTF-8 without surrogates, no lone escapes of
 * surrogates, no control characters in strings, numbers as the grammar has them.
 */
#ifndef PXI_CODEC_JSON_H
#define PXI_CODEC_JSON_H

#include <stdbool.h>

#include "base/limits.h"
#include "plexus/err.h"
#include "plexus/view.h"

enum pxi_json_event {
    PXI_JSON_END, /* the value is complete and nothing but blanks followed */
    PXI_JSON_OBJECT,
    PXI_JSON_OBJECT_END,
    PXI_JSON_ARRAY,
    PXI_JSON_ARRAY_END,
    PXI_JSON_KEY, /* of the value that comes next */
    PXI_JSON_STRING,
    PXI_JSON_NUMBER,
    PXI_JSON_TRUE,
    PXI_JSON_FALSE,
    PXI_JSON_NULL,
};

struct pxi_json {
    px_view in;
    size_t at;
    unsigned depth; /* open arrays and objects */
    uint8_t expect; /* what may come next */
    uint8_t is_object[PXI_LIMIT_JSON_DEPTH];
    px_view text;    /* of KEY and STRING: between the quotes, escapes as written; NUMBER: as is */
    size_t start;    /* offset where the last event began */
    px_diag *diag;   /* offset, expected and found are set on failure; field is the caller's */
    uint64_t origin; /* added to offsets in diag */
};

/* Begin to read `in`. diag may be NULL. */
void pxi_json_init(struct pxi_json *j, px_view in, px_diag *diag, uint64_t origin);

/* The next event into *out. PX_ERR_CORRUPT, _TRUNCATED (input ends too early), _LIMIT (depth). */
px_err pxi_json_next(struct pxi_json *j, enum pxi_json_event *out);

/* true when KEY or STRING text stands for exactly the ASCII string s, escapes resolved. */
bool pxi_json_text_is(px_view text, const char *s);

/* The bytes that KEY or STRING text stands for, at most text.n of them, written to out; how many is
 * returned. */
size_t pxi_json_unescape(px_view text, uint8_t *out);

/* Check one JSON value that fills `in` but for blanks. */
px_err pxi_json_check(px_view in, px_diag *diag);

/*
 * Check lines of training text: each is blank or an object with "text", a string, or "tokens", an
 * array of integers from 0 to 2^31-1; other keys are free, either of these may appear once. The
 * field of diag tells the line, counted from 1.
 */
px_err pxi_jsonl_check(px_view in, px_diag *diag);

/* What one of those lines says; views of the line. */
struct pxi_jsonl {
    bool blank;
    bool has_text, has_tokens;
    px_view text;   /* escapes as written */
    px_view tokens; /* from "[" to "]" */
    size_t token_count;
};

/* Take line `number`, whose first byte is byte `origin` of its file, apart. The errors of
 * pxi_jsonl_check. */
px_err pxi_jsonl_read(px_view line, unsigned long long number, uint64_t origin,
                      struct pxi_jsonl *out, px_diag *diag);
/* Its tokens, token_count of them. */
void pxi_jsonl_tokens(const struct pxi_jsonl *l, int32_t *out);

#endif
