/* Every limit of the library: generated from gen/limits.def. */
#ifndef PLEXUS_LIMITS_H
#define PLEXUS_LIMITS_H

#include <stdint.h>

#include "plexus/version.h"

PX_BEGIN_DECLS

typedef struct px_limit {
    const char *name; /* e.g. "gguf.key_bytes" */
    uint64_t value;
    const char *unit;  /* "bytes", "entries", "levels", "steps", ... */
    const char *stops; /* the load or attack it stops */
} px_limit;

/* i-th limit, or NULL past the end. Static storage. */
PX_API const px_limit *px_limit_at(unsigned i);

PX_END_DECLS

#endif
