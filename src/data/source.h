/*
 * The samples of a file, whichever format it has: packets (version 2.1) or a store (NDP3). Borrows
 * the bytes of the file, which may be mapped; opening packets reads all of them once, opening a
 * store its directory only. Any number of threads may read an open source.
 */
#ifndef PXI_DATA_SOURCE_H
#define PXI_DATA_SOURCE_H

#include "base/far.h"
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
    uint32_t segment, crc;        /* of a store */
    px_err err;                   /* why its entry could not be brought from elsewhere */
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
    struct pxi_far *far; /* a store that lies elsewhere: heads and directory are held; or NULL */
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

/* Sample i. False when its entry cannot be (or out->err); an i of none is false, too. Does not
 * touch its bytes. */
bool pxi_source_item(const struct pxi_source *s, uint64_t i, struct pxi_item *out);
/* Entry i of segment k, unchecked. Of what lies elsewhere the errors of pxi_far_ops.hold. */
px_err pxi_source_entry(const struct pxi_source *s, uint32_t k, uint64_t i,
                        struct pxi_ndp_entry *out);
/* Sample i will be asked for soon: have what tells where it is in the cache. */
void pxi_source_prefetch(const struct pxi_source *s, uint64_t i);
/* Where the file lies, when that is elsewhere; else NULL. Then what is read must be held: */
struct pxi_far *pxi_source_far(const struct pxi_source *s);
/* an item, with its loss mask and its positions, */
px_err pxi_source_hold(const struct pxi_source *s, const struct pxi_item *item);
void pxi_source_let_go(const struct pxi_source *s, const struct pxi_item *item);
/* and so many bytes at p. */
px_err pxi_source_hold_bytes(const struct pxi_source *s, const uint8_t *p, uint64_t n);
void pxi_source_let_go_bytes(const struct pxi_source *s, const uint8_t *p, uint64_t n);
/* It will be: the entry of sample i; its bytes, once its entry is here (false: it is not yet); the
 * index of segment k; all of it, if it exists. */
void pxi_source_ahead_entry(const struct pxi_source *s, uint64_t i);
bool pxi_source_ahead_item(const struct pxi_source *s, uint64_t i);
void pxi_source_ahead_index(const struct pxi_source *s, uint32_t k);
void pxi_source_ahead_segment(const struct pxi_source *s, uint32_t k);
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
