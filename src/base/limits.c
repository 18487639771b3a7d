/* The table of limits, for listings. */
#include "plexus/limits.h"

#include <stddef.h>

#define PX_LIMIT(id, name, value, unit, stops) {name, value, unit, stops},
static const px_limit table[] = {
#include "../../gen/limits.def"
};

const px_limit *px_limit_at(unsigned i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}
