/* The table of architectures. */
#include "model/arch.h"

#include "plexus/model.h"

static const struct pxi_arch table[] = {
    /* Llama 1, 2, 3 and Mistral, which converters give the same name. */
    {.name = "llama",
     .rope = PXI_ROPE_ADJACENT,
     .qkv_bias = PXI_HAS_MAYBE,
     .output_bias = PXI_HAS_MAYBE,
     .output = PXI_HAS_MAYBE,
     .rope_freqs = PXI_HAS_MAYBE},
    {.name = "qwen2", .rope = PXI_ROPE_HALF, .qkv_bias = PXI_HAS, .output = PXI_HAS_MAYBE},
    {.name = "qwen3", .rope = PXI_ROPE_HALF, .qk_norm = PXI_HAS, .output = PXI_HAS_MAYBE},
};

const struct pxi_arch *pxi_arch_find(px_view name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (px_view_is(name, table[i].name))
            return &table[i];
    return NULL;
}

const char *px_arch_name(unsigned i)
{
    return i < sizeof table / sizeof *table ? table[i].name : NULL;
}
