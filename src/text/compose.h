/* Canonical composition (NFC): the tables of tools/compose_gen.py. */
#ifndef PXI_TEXT_COMPOSE_H
#define PXI_TEXT_COMPOSE_H

#include <stdint.h>

struct pxi_decomposition {
    uint32_t cp;
    uint16_t at;
    uint8_t n;
};

struct pxi_composition {
    uint32_t first, second, result;
};

extern const uint32_t pxi_class_runs[], pxi_class_run_count;
extern const struct pxi_decomposition pxi_decompositions[];
extern const uint32_t pxi_decomposition_count, pxi_composition_count, pxi_decomposed[];
extern const struct pxi_composition pxi_compositions[];

#endif
