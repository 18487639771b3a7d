/* Tokenised data for other tools. */
#include "data/export.h"

#include <string.h>

#include "codec/ndp.gen.h"

size_t pxi_export_tokens(unsigned bytes, const int32_t *tokens, size_t n, uint8_t *out)
{
    size_t bad = n;
    if (bytes == 4)
        for (size_t i = 0; i < n; i++)
            pxi_ndp_put_le(out + 4 * i, 4, (uint32_t)tokens[i]);
    else
        for (size_t i = 0; i < n; i++) {
            pxi_ndp_put_le(out + 2 * i, 2, (uint16_t)tokens[i]);
            if ((uint32_t)tokens[i] > UINT16_MAX && bad == n)
                bad = i;
        }
    return bad;
}

void pxi_export_llmc_head(unsigned bytes, uint32_t tokens, uint8_t out[PXI_EXPORT_LLMC_HEAD])
{
    memset(out, 0, PXI_EXPORT_LLMC_HEAD);
    pxi_ndp_put_le(out, 4, bytes == 2 ? 20240520 : 20240801);
    pxi_ndp_put_le(out + 4, 4, bytes == 2 ? 1 : 7);
    pxi_ndp_put_le(out + 8, 4, tokens);
}

void pxi_export_megatron_head(unsigned bytes, uint64_t documents,
                              uint8_t out[PXI_EXPORT_MEGATRON_HEAD])
{
    memcpy(out, "MMIDIDX\0", 9);
    pxi_ndp_put_le(out + 9, 8, 1);
    out[17] = bytes == 2 ? 8 : 4;
    pxi_ndp_put_le(out + 18, 8, documents);
    pxi_ndp_put_le(out + 26, 8, documents + 1);
}
