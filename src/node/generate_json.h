/*
 * A byte automaton of JSON (RFC 8259) whose value is one object: which tokens may come next in an
 * answer that is to be JSON. It is incremental, unlike src/codec/json.h.
 */
#ifndef PXI_NODE_GENERATE_JSON_H
#define PXI_NODE_GENERATE_JSON_H

#include <stdbool.h>

#include "base/limits.h"
#include "plexus/view.h"

/* Zeroed memory is the beginning. */
struct pxi_json_state {
    uint8_t at;        /* where in the grammar */
    uint8_t depth;     /* open objects and arrays */
    uint8_t blanks;    /* in a row */
    uint8_t rest;      /* bytes of a UTF-8 character, digits of an escape, letters of a word */
    uint8_t word;      /* which literal */
    uint8_t low, high; /* of the next byte of a UTF-8 character */
    bool key;          /* the string is a key */
    uint64_t object;   /* bit of each level: object rather than array */
};

/* Read bytes; false (and *s is of no use) when they cannot go on a JSON object. */
bool pxi_json_state_add(struct pxi_json_state *s, px_view bytes);

/* The object is complete: only an end may come. */
bool pxi_json_state_complete(const struct pxi_json_state *s);

#endif
