/* assets/tiny.gguf as bytes of the program: mapped with it, never copied. */
#include "node/engine.h"
#include "tiny_asset.h" /* generated at build time: PXI_TINY_PATH, PXI_TINY_HASH */

__asm__(".section .rodata\n"
        ".balign 64\n"
        ".globl pxi_tiny_gguf\n"
        ".hidden pxi_tiny_gguf\n"
        "pxi_tiny_gguf:\n"
        ".incbin \"" PXI_TINY_PATH "\"\n"
        ".globl pxi_tiny_gguf_end\n"
        ".hidden pxi_tiny_gguf_end\n"
        "pxi_tiny_gguf_end:\n"
        ".byte 0\n"
        ".text\n");

extern const uint8_t pxi_tiny_gguf[], pxi_tiny_gguf_end[];

px_view pxi_tiny_model(void)
{
    return px_view_of(pxi_tiny_gguf, (size_t)(pxi_tiny_gguf_end - pxi_tiny_gguf));
}
