/* Bytes of a file in the library: name and name_end, from a path that tools/embed.py wrote down. */
#ifndef PXI_BASE_EMBED_H
#define PXI_BASE_EMBED_H

#include <stdint.h>

#define PXI_EMBED(name, path)                                                                      \
    __asm__(".section .rodata\n"                                                                   \
            ".balign 64\n"                                                                         \
            ".globl " #name "\n"                                                                   \
            ".hidden " #name "\n" #name ":\n"                                                      \
            ".incbin \"" path "\"\n"                                                               \
            ".globl " #name "_end\n"                                                               \
            ".hidden " #name "_end\n" #name "_end:\n"                                              \
            ".byte 0\n"                                                                            \
            ".text\n");                                                                            \
    extern const uint8_t name[], name##_end[]

#endif
