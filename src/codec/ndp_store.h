/*
 * The store NDP3 (docs/formats/ndp.md), taken apart and put together: pure functions over bytes.
 * Every number of a file is checked before it is used: sums do not overflow, parts lie within
 * their segment, segments within the file, rows within the directory.
 */
#ifndef PXI_CODEC_NDP_STORE_H
#define PXI_CODEC_NDP_STORE_H

#include "codec/ndp.h"
#include "plexus/err.h"

enum {
    PXI_NDP_PAGE = 4096,           /* a head's, and what segments begin at a multiple of */
    PXI_NDP_HEADS = 2 * 4096,      /* bytes before the first segment */
    PXI_NDP_BLOCK = 65536,         /* bytes under one CRC32C */
    PXI_NDP_SLACK = 64,            /* zeros behind the samples, for full loads of vectors */
    PXI_NDP_SAMPLE_MOST = 1 << 24, /* bytes of a sample: fewer */
};

/* Bits of struct pxi_ndp_segment.parts. */
enum { PXI_NDP_HAS_MASK = 1, PXI_NDP_HAS_POSITIONS = 2, PXI_NDP_HAS_WEIGHTS = 4 };

/* n, well below 2^63, up to a multiple of `to`. */
static inline uint64_t pxi_ndp_round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* Bytes of a token. */
static inline unsigned pxi_ndp_token_bytes(unsigned dtype)
{
    return dtype == PXI_NDP_DTYPE_U16 ? 2 : 4;
}

/* Where the parts of a segment lie, from its beginning. Those it has not have 0 bytes. */
struct pxi_ndp_layout {
    uint64_t at[PXI_NDP_PARTS], bytes[PXI_NDP_PARTS];
    uint64_t all; /* bytes of the segment */
};

/* From the counts of a row; false when they are too large to be true. */
bool pxi_ndp_layout(const struct pxi_ndp_segment *s, unsigned dtype, struct pxi_ndp_layout *out);

/* Writes a head with its checksum, PXI_NDP_HEAD_BYTES at out. magic and version are filled in. */
void pxi_ndp_head_seal(const struct pxi_ndp_sums *sums, struct pxi_ndp_head h, uint8_t *out);

/*
 * The head that counts among the two at the beginning of a file of `bytes` bytes; *copy is which.
 * PX_ERR_TRUNCATED, _CORRUPT, _VERSION with the diagnosis.
 */
px_err pxi_ndp_head_open(const struct pxi_ndp_sums *sums, px_view begin, uint64_t bytes,
                         struct pxi_ndp_head *out, unsigned *copy, px_diag *d);

/* The directory that the head speaks of: its hash, its numbers. */
px_err pxi_ndp_directory_open(const struct pxi_ndp_head *h, px_view directory,
                              struct pxi_ndp_directory *out, px_diag *d);

/*
 * Row i of the directory. *end is where the segment before it ended (PXI_NDP_HEADS for the first)
 * and becomes where this one does.
 */
px_err pxi_ndp_segment_open(const struct pxi_ndp_head *h, const struct pxi_ndp_directory *dir,
                            px_view directory, uint32_t i, uint64_t *end,
                            struct pxi_ndp_segment *out, struct pxi_ndp_layout *layout, px_diag *d);

/* A sample of a segment. */
struct pxi_ndp_sample {
    struct pxi_ndp_entry entry;
    px_view bytes; /* as they are stored */
};

/* The bytes of the sample that an entry is of. False, and none: its place is not within the part of
 * the samples. */
bool pxi_ndp_sample_of(px_view segment, const struct pxi_ndp_layout *layout, unsigned dtype,
                       const struct pxi_ndp_entry *e, px_view *out);

/* The checksum of a sample, from its entry and its bytes. */
uint32_t pxi_ndp_sample_crc(const struct pxi_ndp_sums *sums, const struct pxi_ndp_entry *e,
                            px_view bytes);

static inline uint64_t pxi_ndp_place_at(uint64_t place)
{
    return place & ((1ull << 40) - 1);
}
static inline size_t pxi_ndp_place_bytes(uint64_t place)
{
    return (size_t)(place >> 40);
}

/* The payload of the packet that a sample was made of: bytes written to out, which has room for
 * twice the sample's; 0 and false when it is longer than a packet's may be. */
bool pxi_ndp_sample_payload(const struct pxi_ndp_sample *s, unsigned dtype, uint8_t *out,
                            size_t *n);

/* The next record of foreign bytes of a part: *at moves behind it. False: the end, or (*bad) a
 * record that leaves the part. */
bool pxi_ndp_foreign_next(px_view part, size_t *at, struct pxi_ndp_foreign *out, px_view *bytes,
                          bool *bad);

/* The first block of a segment whose CRC32C is wrong; UINT64_MAX: none is. */
uint64_t pxi_ndp_damaged_block(const struct pxi_ndp_sums *sums, px_view segment,
                               const struct pxi_ndp_layout *layout);

#endif
