/* Stop strings. */
#include <string.h>

#include "plexus/tokenizer.h"

/* Bytes at the end of the text that a stop string may begin with. */
static size_t beginning(const char *p, size_t n, const char *const *stops, unsigned count)
{
    size_t most = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(stops[i]);
        for (size_t k = len ? len - 1 : 0; k > most; k--)
            if (k <= n && memcmp(p + n - k, stops[i], k) == 0)
                most = k;
    }
    return most;
}

size_t px_stop_cut(const char *text, size_t n, const char *const *stops, unsigned count,
                   unsigned *which)
{
    size_t first = n;
    *which = count;
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(stops[i]);
        const char *at = len && len <= n ? memmem(text, n, stops[i], len) : NULL;
        if (at && (size_t)(at - text) < first) {
            first = (size_t)(at - text);
            *which = i;
        }
    }
    return *which < count ? first : n - beginning(text, n, stops, count);
}
