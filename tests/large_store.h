/*
 * A store of 10^9 samples, most of which are holes of a sparse file: all that opening reads is
 * there, and the samples of the last segment. For tests and benchmarks.
 */
#ifndef PX_LARGE_STORE_H
#define PX_LARGE_STORE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/ndp_store.h"
#include "crypto/hash.h"

enum { LARGE_TOKENS = 512, LARGE_EACH = 15259 }; /* a sample's; a segment's samples, in 16 MiB */

static const uint64_t large_samples = 1000000000;

/* Token k of sample i. */
static inline uint32_t large_token(uint64_t i, unsigned k)
{
    return (uint32_t)(i * 7919 + k) & 0xffff;
}

static inline uint32_t large_segments(void)
{
    return (uint32_t)((large_samples + LARGE_EACH - 1) / LARGE_EACH);
}

/* The first sample that is not a hole. */
static inline uint64_t large_first(void)
{
    return (uint64_t)(large_segments() - 1) * LARGE_EACH;
}

/* The row of a segment; *end, where the one before it ended, becomes where it ends. */
static inline struct pxi_ndp_segment large_row(uint32_t i, uint64_t *end, struct pxi_ndp_layout *l)
{
    uint64_t left = large_samples - (uint64_t)i * LARGE_EACH;
    uint64_t n = left < LARGE_EACH ? left : LARGE_EACH;
    struct pxi_ndp_segment s = {.at = pxi_ndp_round_up(*end, PXI_NDP_PAGE),
                                .samples = n,
                                .tokens = n * LARGE_TOKENS,
                                .token_bytes = n * LARGE_TOKENS * 2,
                                .alike = 1,
                                .src = 1,
                                .dst = 1,
                                .typ = PXI_NDP_TYP_TOKEN_IDS};
    pxi_ndp_layout(&s, PXI_NDP_DTYPE_U16, l);
    s.bytes = l->all;
    *end = s.at + s.bytes;
    return s;
}

static inline bool large_put(int fd, const void *p, size_t n, uint64_t at)
{
    return pwrite(fd, p, n, (off_t)at) == (ssize_t)n;
}

/* The samples of the last segment, and what tells where they are. */
static inline bool large_put_samples(int fd, const struct pxi_ndp_sums *sums,
                                     const struct pxi_ndp_segment *s,
                                     const struct pxi_ndp_layout *l)
{
    const uint64_t tokens = s->at + l->at[PXI_NDP_PART_TOKENS];
    const uint64_t index = s->at + l->at[PXI_NDP_PART_INDEX];
    bool ok = true;
    for (uint64_t i = 0; ok && i < s->samples; i++) {
        uint8_t sample[LARGE_TOKENS * 2], raw[PXI_NDP_ENTRY_BYTES];
        for (unsigned k = 0; k < LARGE_TOKENS; k++)
            pxi_ndp_put_le(sample + 2 * k, 2, large_token(large_first() + i, k));
        struct pxi_ndp_entry e = {.place = i * sizeof sample | (uint64_t)sizeof sample << 40,
                                  .src = 1,
                                  .dst = 1,
                                  .typ = PXI_NDP_TYP_TOKEN_IDS};
        e.crc = pxi_ndp_sample_crc(sums, &e, px_view_of(sample, sizeof sample));
        pxi_ndp_entry_write(&e, raw);
        ok = large_put(fd, sample, sizeof sample, tokens + i * sizeof sample) &&
             large_put(fd, raw, sizeof raw, index + i * sizeof raw);
    }
    return ok;
}

/* Rows of all segments, the samples of the last one, the directory, the head. */
static inline bool large_put_all(int fd, const struct pxi_ndp_sums *sums, uint8_t *directory,
                                 size_t bytes)
{
    uint8_t page[PXI_NDP_PAGE] = {0};
    uint64_t end = PXI_NDP_HEADS;
    struct pxi_ndp_segment s = {0};
    struct pxi_ndp_layout l;
    struct pxi_ndp_directory d = {.samples = large_samples,
                                  .tokens = large_samples * LARGE_TOKENS,
                                  .segments = large_segments(),
                                  .vocab = 65536,
                                  .dtype = PXI_NDP_DTYPE_U16,
                                  .most = LARGE_TOKENS,
                                  .bos = -1,
                                  .eos = -1,
                                  .pad = -1};
    for (uint32_t i = 0; i < large_segments(); i++) {
        s = large_row(i, &end, &l);
        pxi_ndp_segment_write(&s, directory + PXI_NDP_DIRECTORY_BYTES + i * PXI_NDP_SEGMENT_BYTES);
    }
    pxi_ndp_directory_write(&d, directory);
    struct pxi_ndp_head h = {.generation = 1,
                             .directory_at = pxi_ndp_round_up(end, PXI_NDP_PAGE),
                             .directory_bytes = bytes};
    h.file_bytes = h.directory_at + bytes;
    pxi_blake3(px_view_of(directory, bytes), h.hash);
    pxi_ndp_head_seal(sums, h, page);
    return ftruncate(fd, (off_t)h.file_bytes) == 0 && large_put_samples(fd, sums, &s, &l) &&
           large_put(fd, directory, bytes, h.directory_at) && large_put(fd, page, sizeof page, 0);
}

/* False where files cannot be so large. */
static inline bool large_store_write(const char *path, const struct pxi_ndp_sums *sums)
{
    size_t bytes = PXI_NDP_DIRECTORY_BYTES + (size_t)large_segments() * PXI_NDP_SEGMENT_BYTES;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint8_t *directory = calloc(1, bytes);
    bool ok = fd >= 0 && directory && large_put_all(fd, sums, directory, bytes);
    free(directory);
    if (fd >= 0)
        close(fd);
    return ok;
}

#endif
