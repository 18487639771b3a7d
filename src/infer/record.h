/*
 * Hidden states that a stage made in a session, as they are sent, by position: they are sent from
 * here, and once more when the next stage is replaced. Rows lie in chunks that never move, so that
 * the thread that computes writes them while the loop sends earlier ones.
 */
#ifndef PXI_INFER_RECORD_H
#define PXI_INFER_RECORD_H

#include <stddef.h>
#include <stdint.h>

enum { PXI_RECORD_CHUNK = 16 }; /* rows that lie together */

struct pxi_record {
    uint8_t **chunks;
    size_t row_bytes;
    uint32_t chunks_max, rows_max;
};

/* A record of up to `rows` rows; takes memory as rows come. 0 when there is none for the table.
 * Zeroed memory may be deinitialised. */
int pxi_record_init(struct pxi_record *r, uint32_t rows, size_t row_bytes);
void pxi_record_deinit(struct pxi_record *r);

/* Row i, made when it is not there; NULL past the end or without memory. Rows follow each other up
 * to the next multiple of PXI_RECORD_CHUNK. */
uint8_t *pxi_record_row(struct pxi_record *r, uint32_t i);

#endif
