/* The table of element types as functions. */
#include "plexus/tensor.h"

#include <strings.h>

struct info {
    const char *name;
    uint16_t block, bytes;
    uint8_t runnable;
};

static const struct info table[PX_DTYPE_LIMIT] = {
#define X(name, id, block, bytes, runnable) [id] = {#name, block, bytes, runnable},
    PX_DTYPE_TABLE(X)
#undef X
};

static const struct info *info_of(uint32_t id)
{
    static const struct info none;
    return id < PX_DTYPE_LIMIT ? &table[id] : &none;
}

const char *px_dtype_name(uint32_t id)
{
    return info_of(id)->name;
}
uint32_t px_dtype_block(uint32_t id)
{
    return info_of(id)->block;
}
uint32_t px_dtype_block_bytes(uint32_t id)
{
    return info_of(id)->bytes;
}
int px_dtype_runnable(uint32_t id)
{
    return info_of(id)->runnable;
}

int px_dtype_find(const char *name)
{
    for (int i = 0; i < PX_DTYPE_LIMIT; i++)
        if (table[i].name && strcasecmp(table[i].name, name) == 0)
            return i;
    return -1;
}

uint64_t px_dtype_row_bytes(uint32_t id, uint64_t n)
{
    const struct info *t = info_of(id);
    uint64_t bytes;
    if (!t->block || n % t->block)
        return 0;
    if (__builtin_mul_overflow(n / t->block, t->bytes, &bytes) || bytes >> 63)
        return 0;
    return bytes;
}
