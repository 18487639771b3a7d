#include "infer/record.h"

#include "base/mem.h"

int pxi_record_init(struct pxi_record *r, uint32_t rows, size_t row_bytes)
{
    *r = (struct pxi_record){.row_bytes = row_bytes, .rows_max = rows};
    r->chunks_max = rows / PXI_RECORD_CHUNK + 1;
    r->chunks = pxi_calloc(r->chunks_max, sizeof *r->chunks);
    return r->chunks != NULL;
}

void pxi_record_deinit(struct pxi_record *r)
{
    for (uint32_t i = 0; r->chunks && i < r->chunks_max; i++)
        pxi_free(r->chunks[i]);
    pxi_free(r->chunks);
    *r = (struct pxi_record){0};
}

uint8_t *pxi_record_row(struct pxi_record *r, uint32_t i)
{
    if (i >= r->rows_max)
        return NULL;
    uint8_t **chunk = &r->chunks[i / PXI_RECORD_CHUNK];
    if (!*chunk)
        *chunk = pxi_calloc(PXI_RECORD_CHUNK, r->row_bytes);
    return *chunk ? *chunk + i % PXI_RECORD_CHUNK * r->row_bytes : NULL;
}
