/* assets/tiny.gguf as bytes of the program: mapped with it, never copied. */
#include "node/engine.h"

#include "base/embed.h"
#include "tiny_asset.h" /* generated at build time: PXI_TINY_PATH, PXI_TINY_HASH */

PXI_EMBED(pxi_tiny_gguf, PXI_TINY_PATH);

px_view pxi_tiny_model(void)
{
    return px_view_of(pxi_tiny_gguf, (size_t)(pxi_tiny_gguf_end - pxi_tiny_gguf));
}
