/* The store NDP3: heads, directory, segments, samples. */
#include "codec/ndp_store.h"

#include "base/diag.h"
#include "base/limits.h"
#include "crypto/hash.h"

static const uint8_t magic[8] = {'N', 'D', 'P', '3', '\r', '\n', 0x1a, '\n'};

bool pxi_ndp_layout(const struct pxi_ndp_segment *s, unsigned dtype, struct pxi_ndp_layout *out)
{
    const uint64_t most = 1ull << 48; /* sums of eight parts of so many bytes do not overflow */
    if (s->samples > most / 16 || s->token_bytes >= 1ull << 40 || s->foreign > most ||
        s->documents > most / 8)
        return false;
    uint64_t units = s->token_bytes / pxi_ndp_token_bytes(dtype);
    uint64_t bytes[PXI_NDP_PARTS] = {
        [PXI_NDP_PART_TOKENS] = s->token_bytes,
        [PXI_NDP_PART_INDEX] = s->samples * PXI_NDP_ENTRY_BYTES,
        [PXI_NDP_PART_FOREIGN] = s->foreign,
        [PXI_NDP_PART_DOCUMENTS] = s->documents * 8,
        [PXI_NDP_PART_MASK] = s->parts & PXI_NDP_HAS_MASK ? (units + 7) / 8 : 0,
        [PXI_NDP_PART_POSITIONS] = s->parts & PXI_NDP_HAS_POSITIONS ? units * 4 : 0,
        [PXI_NDP_PART_WEIGHTS] = s->parts & PXI_NDP_HAS_WEIGHTS ? s->samples * 4 : 0,
    };
    uint64_t at = 0;
    for (unsigned i = 0; i < PXI_NDP_PARTS; i++) {
        if (i == PXI_NDP_PART_SUMS)
            bytes[i] = (at + PXI_NDP_BLOCK - 1) / PXI_NDP_BLOCK * 4;
        out->at[i] = at;
        out->bytes[i] = bytes[i];
        at = pxi_ndp_round_up(at + bytes[i] + (i == PXI_NDP_PART_TOKENS ? PXI_NDP_SLACK : 0), 64);
    }
    out->all = at;
    return true;
}

void pxi_ndp_head_seal(const struct pxi_ndp_sums *sums, struct pxi_ndp_head h, uint8_t *out)
{
    memcpy(h.magic, magic, sizeof magic);
    h.version = 1;
    pxi_ndp_head_write(&h, out);
    h.crc = sums->crc32c(0, out, PXI_NDP_HEAD_BYTES - 4);
    pxi_ndp_head_write(&h, out);
}

/* What a head with a right checksum must still hold for a file of so many bytes. */
static px_err head_wrong(const struct pxi_ndp_head *h, uint64_t at, uint64_t bytes, px_diag *d)
{
    pxi_diag_field(d, "head");
    if (h->version != 1 || h->flags)
        return pxi_diag_set(d, PX_ERR_VERSION, at + 8, "version 1, no flags",
                            "version %u, flags %u", h->version, h->flags);
    if (h->file_bytes > bytes)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, bytes, "as many bytes as were committed",
                            "%llu of %llu", (unsigned long long)bytes,
                            (unsigned long long)h->file_bytes);
    if (h->directory_at % 64 || h->directory_at < PXI_NDP_HEADS ||
        h->directory_at > h->file_bytes || h->directory_bytes > h->file_bytes - h->directory_at)
        return pxi_diag_set(d, PX_ERR_CORRUPT, at + 40, "a directory within the file",
                            "%llu bytes at %llu", (unsigned long long)h->directory_bytes,
                            (unsigned long long)h->directory_at);
    return PX_ERR_OK;
}

px_err pxi_ndp_head_open(const struct pxi_ndp_sums *sums, px_view begin, uint64_t bytes,
                         struct pxi_ndp_head *out, unsigned *copy, px_diag *d)
{
    bool found = false, named = false;
    pxi_diag_field(d, "head");
    if (begin.n < PXI_NDP_HEADS)
        return pxi_diag_set(d, PX_ERR_TRUNCATED, begin.n, "8192 bytes of heads", "%zu", begin.n);
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *p = begin.p + i * PXI_NDP_PAGE;
        if (memcmp(p, magic, sizeof magic) != 0)
            continue;
        named = true;
        struct pxi_ndp_head h = pxi_ndp_head_read(p);
        if (sums->crc32c(0, p, PXI_NDP_HEAD_BYTES - 4) != h.crc ||
            (found && h.generation < out->generation))
            continue;
        *out = h;
        *copy = i;
        found = true;
    }
    if (!found)
        return named ? pxi_diag_set(d, PX_ERR_CORRUPT, 124, "a head with its checksum",
                                    "two damaged ones")
                     : pxi_diag_set(d, PX_ERR_CORRUPT, 0, "a store NDP3", "another file");
    return head_wrong(out, *copy * PXI_NDP_PAGE, bytes, d);
}

px_err pxi_ndp_directory_open(const struct pxi_ndp_head *h, px_view directory,
                              struct pxi_ndp_directory *out, px_diag *d)
{
    uint8_t hash[PXI_DIGEST];
    pxi_diag_field(d, "directory");
    if (directory.n < PXI_NDP_DIRECTORY_BYTES)
        return pxi_diag_set(d, PX_ERR_CORRUPT, h->directory_at, "a directory of 128 bytes at least",
                            "%zu", directory.n);
    pxi_blake3(directory, hash);
    if (memcmp(hash, h->hash, sizeof hash) != 0)
        return pxi_diag_set(d, PX_ERR_CORRUPT, h->directory_at, "the hash that the head names",
                            "another one");
    *out = pxi_ndp_directory_read(directory.p);
    if (out->segments > PXI_LIMIT_DATA_SEGMENTS)
        return pxi_diag_set(d, PX_ERR_LIMIT, h->directory_at + 16, "fewer segments", "%u",
                            out->segments);
    if (directory.n != PXI_NDP_DIRECTORY_BYTES + (uint64_t)out->segments * PXI_NDP_SEGMENT_BYTES)
        return pxi_diag_set(d, PX_ERR_CORRUPT, h->directory_at + 16, "a row for each segment",
                            "%u segments in %zu bytes", out->segments, directory.n);
    if (out->dtype >= PXI_NDP_DTYPES || out->crc >= PXI_NDP_CRCS || out->cover >= PXI_NDP_COVERS)
        return pxi_diag_set(d, PX_ERR_VERSION, h->directory_at + 24, "a dtype, CRC and cover",
                            "%u, %u, %u", out->dtype, out->crc, out->cover);
    return PX_ERR_OK;
}

px_err pxi_ndp_segment_open(const struct pxi_ndp_head *h, const struct pxi_ndp_directory *dir,
                            px_view directory, uint32_t i, uint64_t *end,
                            struct pxi_ndp_segment *out, struct pxi_ndp_layout *layout, px_diag *d)
{
    size_t at = PXI_NDP_DIRECTORY_BYTES + (size_t)i * PXI_NDP_SEGMENT_BYTES;
    *out = pxi_ndp_segment_read(directory.p + at);
    if (!pxi_ndp_layout(out, dir->dtype, layout) || layout->all != out->bytes) {
        pxi_diag_field(d, "segment %u", i);
        return pxi_diag_set(d, PX_ERR_CORRUPT, h->directory_at + at, "parts that make its bytes",
                            "%llu bytes", (unsigned long long)out->bytes);
    }
    if (out->at % PXI_NDP_PAGE || out->at < *end || out->at > h->file_bytes ||
        out->bytes > h->file_bytes - out->at) {
        pxi_diag_field(d, "segment %u", i);
        return pxi_diag_set(d, PX_ERR_CORRUPT, h->directory_at + at,
                            "a segment after the one before, within the file", "%llu bytes at %llu",
                            (unsigned long long)out->bytes, (unsigned long long)out->at);
    }
    *end = out->at + out->bytes;
    return PX_ERR_OK;
}

uint32_t pxi_ndp_sample_crc(const struct pxi_ndp_sums *sums, const struct pxi_ndp_entry *e,
                            px_view bytes)
{
    const uint8_t head[4] = {e->src, e->dst, e->typ, e->flags};
    return sums->crc32c(sums->crc32c(0, head, sizeof head), bytes.p, bytes.n);
}

bool pxi_ndp_sample_of(px_view segment, const struct pxi_ndp_layout *layout, unsigned dtype,
                       const struct pxi_ndp_entry *e, px_view *out)
{
    uint64_t at = pxi_ndp_place_at(e->place);
    size_t n = pxi_ndp_place_bytes(e->place), all = layout->bytes[PXI_NDP_PART_TOKENS];
    unsigned unit = e->flags & PXI_NDP_FLAG_RAW ? 1 : pxi_ndp_token_bytes(dtype);
    *out = px_view_of(NULL, 0);
    if (at > all || n > all - at || at % unit || n % unit)
        return false;
    *out = px_view_of(segment.p + layout->at[PXI_NDP_PART_TOKENS] + at, n);
    return true;
}

bool pxi_ndp_sample_payload(const struct pxi_ndp_sample *s, unsigned dtype, uint8_t *out, size_t *n)
{
    *n = 0;
    if (s->entry.flags & PXI_NDP_FLAG_RAW) {
        if (s->bytes.n > PXI_NDP_MOST)
            return false;
        memcpy(out, s->bytes.p, s->bytes.n);
        *n = s->bytes.n;
        return true;
    }
    unsigned unit = pxi_ndp_token_bytes(dtype);
    size_t tokens = s->bytes.n / unit;
    if (tokens * 4 > PXI_NDP_MOST)
        return false;
    for (size_t i = 0; i < tokens; i++)
        pxi_ndp_put_be(out + 4 * i, 4, pxi_ndp_le(s->bytes.p + i * unit, unit));
    *n = tokens * 4;
    return true;
}

bool pxi_ndp_foreign_next(px_view part, size_t *at, struct pxi_ndp_foreign *out, px_view *bytes,
                          bool *bad)
{
    size_t left = part.n - *at;
    *bad = left != 0;
    if (left < PXI_NDP_FOREIGN_BYTES)
        return false;
    *out = pxi_ndp_foreign_read(part.p + *at);
    uint64_t all = PXI_NDP_FOREIGN_BYTES + pxi_ndp_round_up(out->bytes, 8);
    if (all > left)
        return false;
    *bad = false;
    *bytes = px_view_of(part.p + *at + PXI_NDP_FOREIGN_BYTES, out->bytes);
    *at += (size_t)all;
    return true;
}

uint64_t pxi_ndp_damaged_block(const struct pxi_ndp_sums *sums, px_view segment,
                               const struct pxi_ndp_layout *layout)
{
    uint64_t end = layout->at[PXI_NDP_PART_SUMS];
    for (uint64_t at = 0; at < end; at += PXI_NDP_BLOCK) {
        size_t n = end - at < PXI_NDP_BLOCK ? (size_t)(end - at) : PXI_NDP_BLOCK;
        const uint8_t *sum = segment.p + end + at / PXI_NDP_BLOCK * 4;
        if (sums->crc32c(0, segment.p + at, n) != pxi_ndp_le(sum, 4))
            return at / PXI_NDP_BLOCK;
    }
    return UINT64_MAX;
}
