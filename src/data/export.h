/* Tokenised data for other tools: the bytes of their files (data/import.h has their layout). */
#ifndef PXI_DATA_EXPORT_H
#define PXI_DATA_EXPORT_H

#include <stddef.h>
#include <stdint.h>

enum { PXI_EXPORT_LLMC_HEAD = 1024, PXI_EXPORT_MEGATRON_HEAD = 34 };

/* n tokens of 2 or 4 bytes, little-endian. Returns which is the first that does not fit, n: all do.
 */
size_t pxi_export_tokens(unsigned bytes, const int32_t *tokens, size_t n, uint8_t *out);

/* The head of a file of llm.c with so many tokens of 2 or 4 bytes. */
void pxi_export_llmc_head(unsigned bytes, uint32_t tokens, uint8_t out[PXI_EXPORT_LLMC_HEAD]);

/*
 * The head of Megatron's .idx, for tokens of 2 or 4 bytes. The lengths of the documents follow, the
 * offsets at which they begin, and the numbers from 0 to `documents`: each is one sequence.
 */
void pxi_export_megatron_head(unsigned bytes, uint64_t documents,
                              uint8_t out[PXI_EXPORT_MEGATRON_HEAD]);

#endif
