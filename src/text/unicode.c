/* Search in the generated table of character flags. */
#include "text/unicode.h"

uint8_t pxi_unicode_find(uint32_t cp)
{
    if (cp > 0x10ffff)
        return 0;
    uint32_t block = cp < 0x20000 ? cp >> 8 : 511;
    uint32_t lo = pxi_unicode_index[block];
    uint32_t hi = cp < 0x20000 ? pxi_unicode_index[block + 1] : pxi_unicode_run_count - 1;
    while (lo < hi) { /* the last run that starts at or before cp */
        uint32_t mid = (lo + hi + 1) / 2;
        if (pxi_unicode_runs[mid] >> 8 <= cp)
            lo = mid;
        else
            hi = mid - 1;
    }
    return (uint8_t)pxi_unicode_runs[lo];
}
