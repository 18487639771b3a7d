/*
 * The samples of a file, whichever format it has: packets (version 2.1) or a store (NDP3). Borrows
 * the bytes of the file, which may be mapped; opening packets reads all of them once, opening a
 * store its directory only. Any number of threads may read an open source.
 */
#ifndef PXI_DATA_SOURCE_H
#define PXI_DATA_SOURCE_H

#include "codec/ndp_store.h"

enum pxi_form {
    PXI_FORM_BE32, /* int32, big-endian, at any address */
    PXI_FORM_U16,  /* little-endian, aligned */
    PXI_FORM_I32,  /* little-endian, aligned */
    PXI_FORM_RAW,  /* no tokens */
};

struct pxi_item {
    px_view bytes;
    enum pxi_form form;
    uint32_t tokens;
    uint8_t src, dst, typ, flags; /* enum pxi_ndp_flag */
    uint64_t number;              /* of the sample */
    uint32_t segment;             /* of a store */
};

/* What is known of a source. */
struct pxi_source_info {
    bool store;
    uint64_t samples, tokens, bytes;
    uint64_t dropped[PXI_NDP_DROPS], dropped_bytes; /* of packets */
    struct pxi_ndp_variant variant;
    unsigned agreed, checked; /* packets: of so many looked at agreed with the variant */
    bool all_tokens;          /* each sample is known to hold tokens */
    uint32_t most;            /* tokens of the longest sample */
    uint32_t segments, vocab;
    int32_t bos, eos, pad;
    unsigned dtype;
    uint8_t id[16], hash[32], tokenizer[32];
    uint64_t generation;
};

struct pxi_source_options {
    const struct pxi_ndp_sums *sums;
    bool forced; /* `variant` instead of what the file seems to have */
    struct pxi_ndp_variant variant;
    /* Long scans report; true ends the opening with PX_ERR_INTERRUPTED. May be NULL. */
    bool (*progress)(void *ctx, uint64_t done, uint64_t all);
    void *ctx;
};

struct pxi_source;

/* PX_ERR_CORRUPT, _TRUNCATED, _VERSION, _LIMIT, with the diagnosis; _NOMEM, _INTERRUPTED. Damaged
 * packets are no error: see dropped. */
px_err pxi_source_open(const struct pxi_source_options *o, px_view file, struct pxi_source **out,
                       px_diag *d);
void pxi_source_close(struct pxi_source *s);
const struct pxi_source_info *pxi_source_info(const struct pxi_source *s);

/* Sample i. False when its entry cannot be; an i of none is false, too. Does not touch its bytes.
 */
bool pxi_source_item(const struct pxi_source *s, uint64_t i, struct pxi_item *out);
/* Sample i will be asked for soon: have what tells where it is in the cache. */
void pxi_source_prefetch(const struct pxi_source *s, uint64_t i);
/* Whether the bytes of an item have their checksum. */
bool pxi_source_right(const struct pxi_source *s, const struct pxi_item *item);

/* Segment k of a store: its row, where its parts lie, its bytes, the number of its first sample. */
struct pxi_source_segment {
    struct pxi_ndp_segment row;
    struct pxi_ndp_layout layout;
    px_view bytes;
    uint64_t first;
};
const struct pxi_source_segment *pxi_source_segment(const struct pxi_source *s, uint32_t k);

/* Of packets whose CRC begins with the head and has no reflection: the CRC up to the payload, so
 * that reading and checking the payload may be one pass. False: pxi_source_right must be asked. */
bool pxi_source_fused(const struct pxi_source *s, const struct pxi_item *item, uint16_t *crc);
/* The CRC that the packet of an item holds. */
uint16_t pxi_source_crc(const struct pxi_item *item);

#endif
