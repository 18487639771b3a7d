/*
 * What pre-tokenizers ask of a character: its general category, folded into eight flags, and the
 * property White_Space. The table is generated (tools/unicode_gen.py).
 */
#ifndef PXI_TEXT_UNICODE_H
#define PXI_TEXT_UNICODE_H

#include <stdint.h>

enum {
    PXI_UC_UPPER = 1,   /* Lu, Lt */
    PXI_UC_LOWER = 2,   /* Ll */
    PXI_UC_LETTER = 4,  /* Lm, Lo: letters without case */
    PXI_UC_MARK = 8,    /* M */
    PXI_UC_NUMBER = 16, /* N */
    PXI_UC_PUNCT = 32,  /* P */
    PXI_UC_SYMBOL = 64, /* S */
    PXI_UC_SPACE = 128, /* White_Space: all of Z, and U+0009 to U+000D, U+0085 */
    PXI_UC_L = PXI_UC_UPPER | PXI_UC_LOWER | PXI_UC_LETTER, /* L: every letter */
};

extern const char pxi_unicode_version[];
extern const uint8_t pxi_unicode_latin[256];
extern const uint32_t pxi_unicode_runs[];
extern const uint32_t pxi_unicode_run_count;
extern const uint16_t pxi_unicode_index[513];

/* Flags of a code point above U+00FF. 0 for controls, unassigned ones and those past U+10FFFF. */
uint8_t pxi_unicode_find(uint32_t cp);

/* Flags of any code point. */
static inline uint8_t pxi_unicode_flags(uint32_t cp)
{
    return cp < 256 ? pxi_unicode_latin[cp] : pxi_unicode_find(cp);
}

#endif
