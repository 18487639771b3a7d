/*
 * Made by tools/gen.py from gen/ndp.toml: edit that, then ./dev docs.
 * Packets and stores of training data: docs/formats/ndp.md.
 */
/* clang-format off */
#ifndef PXI_CODEC_NDP_GEN_H
#define PXI_CODEC_NDP_GEN_H

#include <stdint.h>
#include <string.h>

static inline uint64_t pxi_ndp_le(const uint8_t *p, unsigned n)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static inline void pxi_ndp_put_le(uint8_t *p, unsigned n, uint64_t x)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(x >> (8 * i));
}

static inline uint64_t pxi_ndp_be(const uint8_t *p, unsigned n)
{
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++)
        x |= (uint64_t)p[i] << (8 * (n - 1 - i));
    return x;
}

static inline void pxi_ndp_put_be(uint8_t *p, unsigned n, uint64_t x)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(x >> (8 * (n - 1 - i)));
}

enum { PXI_NDP_PACKET_BYTES = 6 };
struct pxi_ndp_packet {
    uint8_t sync;
    uint8_t src;
    uint8_t dst;
    uint8_t typ;
    uint16_t length;
};

static inline struct pxi_ndp_packet pxi_ndp_packet_read(const uint8_t *p)
{
    struct pxi_ndp_packet s;
    s.sync = (uint8_t)pxi_ndp_be(p + 0, 1);
    s.src = (uint8_t)pxi_ndp_be(p + 1, 1);
    s.dst = (uint8_t)pxi_ndp_be(p + 2, 1);
    s.typ = (uint8_t)pxi_ndp_be(p + 3, 1);
    s.length = (uint16_t)pxi_ndp_be(p + 4, 2);
    return s;
}

static inline void pxi_ndp_packet_write(const struct pxi_ndp_packet *s, uint8_t *p)
{
    pxi_ndp_put_be(p + 0, 1, (uint64_t)s->sync);
    pxi_ndp_put_be(p + 1, 1, (uint64_t)s->src);
    pxi_ndp_put_be(p + 2, 1, (uint64_t)s->dst);
    pxi_ndp_put_be(p + 3, 1, (uint64_t)s->typ);
    pxi_ndp_put_be(p + 4, 2, (uint64_t)s->length);
}

enum { PXI_NDP_STATE_BYTES = 64 };
struct pxi_ndp_state {
    uint8_t magic[8];
    uint64_t seed;
    uint64_t position;
    uint64_t row;
    uint8_t name[16];
    uint8_t zero[12];
    uint32_t crc;
};

static inline struct pxi_ndp_state pxi_ndp_state_read(const uint8_t *p)
{
    struct pxi_ndp_state s;
    memcpy(s.magic, p + 0, 8);
    s.seed = (uint64_t)pxi_ndp_le(p + 8, 8);
    s.position = (uint64_t)pxi_ndp_le(p + 16, 8);
    s.row = (uint64_t)pxi_ndp_le(p + 24, 8);
    memcpy(s.name, p + 32, 16);
    memcpy(s.zero, p + 48, 12);
    s.crc = (uint32_t)pxi_ndp_le(p + 60, 4);
    return s;
}

static inline void pxi_ndp_state_write(const struct pxi_ndp_state *s, uint8_t *p)
{
    memcpy(p + 0, s->magic, 8);
    pxi_ndp_put_le(p + 8, 8, (uint64_t)s->seed);
    pxi_ndp_put_le(p + 16, 8, (uint64_t)s->position);
    pxi_ndp_put_le(p + 24, 8, (uint64_t)s->row);
    memcpy(p + 32, s->name, 16);
    memcpy(p + 48, s->zero, 12);
    pxi_ndp_put_le(p + 60, 4, (uint64_t)s->crc);
}

enum { PXI_NDP_HEAD_BYTES = 128 };
struct pxi_ndp_head {
    uint8_t magic[8];
    uint32_t version;
    uint32_t flags;
    uint8_t id[16];
    uint64_t generation;
    uint64_t directory_at;
    uint64_t directory_bytes;
    uint64_t file_bytes;
    uint8_t hash[32];
    uint8_t zero[28];
    uint32_t crc;
};

static inline struct pxi_ndp_head pxi_ndp_head_read(const uint8_t *p)
{
    struct pxi_ndp_head s;
    memcpy(s.magic, p + 0, 8);
    s.version = (uint32_t)pxi_ndp_le(p + 8, 4);
    s.flags = (uint32_t)pxi_ndp_le(p + 12, 4);
    memcpy(s.id, p + 16, 16);
    s.generation = (uint64_t)pxi_ndp_le(p + 32, 8);
    s.directory_at = (uint64_t)pxi_ndp_le(p + 40, 8);
    s.directory_bytes = (uint64_t)pxi_ndp_le(p + 48, 8);
    s.file_bytes = (uint64_t)pxi_ndp_le(p + 56, 8);
    memcpy(s.hash, p + 64, 32);
    memcpy(s.zero, p + 96, 28);
    s.crc = (uint32_t)pxi_ndp_le(p + 124, 4);
    return s;
}

static inline void pxi_ndp_head_write(const struct pxi_ndp_head *s, uint8_t *p)
{
    memcpy(p + 0, s->magic, 8);
    pxi_ndp_put_le(p + 8, 4, (uint64_t)s->version);
    pxi_ndp_put_le(p + 12, 4, (uint64_t)s->flags);
    memcpy(p + 16, s->id, 16);
    pxi_ndp_put_le(p + 32, 8, (uint64_t)s->generation);
    pxi_ndp_put_le(p + 40, 8, (uint64_t)s->directory_at);
    pxi_ndp_put_le(p + 48, 8, (uint64_t)s->directory_bytes);
    pxi_ndp_put_le(p + 56, 8, (uint64_t)s->file_bytes);
    memcpy(p + 64, s->hash, 32);
    memcpy(p + 96, s->zero, 28);
    pxi_ndp_put_le(p + 124, 4, (uint64_t)s->crc);
}

enum { PXI_NDP_DIRECTORY_BYTES = 128 };
struct pxi_ndp_directory {
    uint64_t samples;
    uint64_t tokens;
    uint32_t segments;
    uint32_t vocab;
    uint8_t dtype;
    uint8_t crc;
    uint8_t cover;
    uint8_t zero0;
    uint32_t most;
    int32_t bos;
    int32_t eos;
    int32_t pad;
    uint32_t zero1;
    uint8_t tokenizer[32];
    uint64_t previous_at;
    uint64_t previous_bytes;
    uint8_t previous[32];
};

static inline struct pxi_ndp_directory pxi_ndp_directory_read(const uint8_t *p)
{
    struct pxi_ndp_directory s;
    s.samples = (uint64_t)pxi_ndp_le(p + 0, 8);
    s.tokens = (uint64_t)pxi_ndp_le(p + 8, 8);
    s.segments = (uint32_t)pxi_ndp_le(p + 16, 4);
    s.vocab = (uint32_t)pxi_ndp_le(p + 20, 4);
    s.dtype = (uint8_t)pxi_ndp_le(p + 24, 1);
    s.crc = (uint8_t)pxi_ndp_le(p + 25, 1);
    s.cover = (uint8_t)pxi_ndp_le(p + 26, 1);
    s.zero0 = (uint8_t)pxi_ndp_le(p + 27, 1);
    s.most = (uint32_t)pxi_ndp_le(p + 28, 4);
    s.bos = (int32_t)pxi_ndp_le(p + 32, 4);
    s.eos = (int32_t)pxi_ndp_le(p + 36, 4);
    s.pad = (int32_t)pxi_ndp_le(p + 40, 4);
    s.zero1 = (uint32_t)pxi_ndp_le(p + 44, 4);
    memcpy(s.tokenizer, p + 48, 32);
    s.previous_at = (uint64_t)pxi_ndp_le(p + 80, 8);
    s.previous_bytes = (uint64_t)pxi_ndp_le(p + 88, 8);
    memcpy(s.previous, p + 96, 32);
    return s;
}

static inline void pxi_ndp_directory_write(const struct pxi_ndp_directory *s, uint8_t *p)
{
    pxi_ndp_put_le(p + 0, 8, (uint64_t)s->samples);
    pxi_ndp_put_le(p + 8, 8, (uint64_t)s->tokens);
    pxi_ndp_put_le(p + 16, 4, (uint64_t)s->segments);
    pxi_ndp_put_le(p + 20, 4, (uint64_t)s->vocab);
    pxi_ndp_put_le(p + 24, 1, (uint64_t)s->dtype);
    pxi_ndp_put_le(p + 25, 1, (uint64_t)s->crc);
    pxi_ndp_put_le(p + 26, 1, (uint64_t)s->cover);
    pxi_ndp_put_le(p + 27, 1, (uint64_t)s->zero0);
    pxi_ndp_put_le(p + 28, 4, (uint64_t)s->most);
    pxi_ndp_put_le(p + 32, 4, (uint64_t)s->bos);
    pxi_ndp_put_le(p + 36, 4, (uint64_t)s->eos);
    pxi_ndp_put_le(p + 40, 4, (uint64_t)s->pad);
    pxi_ndp_put_le(p + 44, 4, (uint64_t)s->zero1);
    memcpy(p + 48, s->tokenizer, 32);
    pxi_ndp_put_le(p + 80, 8, (uint64_t)s->previous_at);
    pxi_ndp_put_le(p + 88, 8, (uint64_t)s->previous_bytes);
    memcpy(p + 96, s->previous, 32);
}

enum { PXI_NDP_SEGMENT_BYTES = 128 };
struct pxi_ndp_segment {
    uint64_t at;
    uint64_t bytes;
    uint64_t samples;
    uint64_t tokens;
    uint64_t token_bytes;
    uint64_t foreign;
    uint64_t documents;
    uint8_t parts;
    uint8_t alike;
    uint8_t src;
    uint8_t dst;
    uint8_t typ;
    uint8_t zero0[3];
    uint8_t hash[32];
    uint8_t zero[32];
};

static inline struct pxi_ndp_segment pxi_ndp_segment_read(const uint8_t *p)
{
    struct pxi_ndp_segment s;
    s.at = (uint64_t)pxi_ndp_le(p + 0, 8);
    s.bytes = (uint64_t)pxi_ndp_le(p + 8, 8);
    s.samples = (uint64_t)pxi_ndp_le(p + 16, 8);
    s.tokens = (uint64_t)pxi_ndp_le(p + 24, 8);
    s.token_bytes = (uint64_t)pxi_ndp_le(p + 32, 8);
    s.foreign = (uint64_t)pxi_ndp_le(p + 40, 8);
    s.documents = (uint64_t)pxi_ndp_le(p + 48, 8);
    s.parts = (uint8_t)pxi_ndp_le(p + 56, 1);
    s.alike = (uint8_t)pxi_ndp_le(p + 57, 1);
    s.src = (uint8_t)pxi_ndp_le(p + 58, 1);
    s.dst = (uint8_t)pxi_ndp_le(p + 59, 1);
    s.typ = (uint8_t)pxi_ndp_le(p + 60, 1);
    memcpy(s.zero0, p + 61, 3);
    memcpy(s.hash, p + 64, 32);
    memcpy(s.zero, p + 96, 32);
    return s;
}

static inline void pxi_ndp_segment_write(const struct pxi_ndp_segment *s, uint8_t *p)
{
    pxi_ndp_put_le(p + 0, 8, (uint64_t)s->at);
    pxi_ndp_put_le(p + 8, 8, (uint64_t)s->bytes);
    pxi_ndp_put_le(p + 16, 8, (uint64_t)s->samples);
    pxi_ndp_put_le(p + 24, 8, (uint64_t)s->tokens);
    pxi_ndp_put_le(p + 32, 8, (uint64_t)s->token_bytes);
    pxi_ndp_put_le(p + 40, 8, (uint64_t)s->foreign);
    pxi_ndp_put_le(p + 48, 8, (uint64_t)s->documents);
    pxi_ndp_put_le(p + 56, 1, (uint64_t)s->parts);
    pxi_ndp_put_le(p + 57, 1, (uint64_t)s->alike);
    pxi_ndp_put_le(p + 58, 1, (uint64_t)s->src);
    pxi_ndp_put_le(p + 59, 1, (uint64_t)s->dst);
    pxi_ndp_put_le(p + 60, 1, (uint64_t)s->typ);
    memcpy(p + 61, s->zero0, 3);
    memcpy(p + 64, s->hash, 32);
    memcpy(p + 96, s->zero, 32);
}

enum { PXI_NDP_ENTRY_BYTES = 16 };
struct pxi_ndp_entry {
    uint64_t place;
    uint8_t src;
    uint8_t dst;
    uint8_t typ;
    uint8_t flags;
    uint32_t crc;
};

static inline struct pxi_ndp_entry pxi_ndp_entry_read(const uint8_t *p)
{
    struct pxi_ndp_entry s;
    s.place = (uint64_t)pxi_ndp_le(p + 0, 8);
    s.src = (uint8_t)pxi_ndp_le(p + 8, 1);
    s.dst = (uint8_t)pxi_ndp_le(p + 9, 1);
    s.typ = (uint8_t)pxi_ndp_le(p + 10, 1);
    s.flags = (uint8_t)pxi_ndp_le(p + 11, 1);
    s.crc = (uint32_t)pxi_ndp_le(p + 12, 4);
    return s;
}

static inline void pxi_ndp_entry_write(const struct pxi_ndp_entry *s, uint8_t *p)
{
    pxi_ndp_put_le(p + 0, 8, (uint64_t)s->place);
    pxi_ndp_put_le(p + 8, 1, (uint64_t)s->src);
    pxi_ndp_put_le(p + 9, 1, (uint64_t)s->dst);
    pxi_ndp_put_le(p + 10, 1, (uint64_t)s->typ);
    pxi_ndp_put_le(p + 11, 1, (uint64_t)s->flags);
    pxi_ndp_put_le(p + 12, 4, (uint64_t)s->crc);
}

enum { PXI_NDP_FOREIGN_BYTES = 16 };
struct pxi_ndp_foreign {
    uint64_t before;
    uint32_t bytes;
    uint8_t drop;
    uint8_t zero[3];
};

static inline struct pxi_ndp_foreign pxi_ndp_foreign_read(const uint8_t *p)
{
    struct pxi_ndp_foreign s;
    s.before = (uint64_t)pxi_ndp_le(p + 0, 8);
    s.bytes = (uint32_t)pxi_ndp_le(p + 8, 4);
    s.drop = (uint8_t)pxi_ndp_le(p + 12, 1);
    memcpy(s.zero, p + 13, 3);
    return s;
}

static inline void pxi_ndp_foreign_write(const struct pxi_ndp_foreign *s, uint8_t *p)
{
    pxi_ndp_put_le(p + 0, 8, (uint64_t)s->before);
    pxi_ndp_put_le(p + 8, 4, (uint64_t)s->bytes);
    pxi_ndp_put_le(p + 12, 1, (uint64_t)s->drop);
    memcpy(p + 13, s->zero, 3);
}

enum pxi_ndp_src {
    PXI_NDP_SRC_TEXT_CORPUS = 1,
    PXI_NDP_SRC_CODE_REPO = 2,
    PXI_NDP_SRC_GRADIENT = 5,
    PXI_NDP_SRCS = 3,
};

/* Names by value; srcs without one are NULL. */
#define PXI_NDP_SRC_NAMES \
    { [1] = "text_corpus", [2] = "code_repo", [5] = "gradient" }

enum pxi_ndp_dst {
    PXI_NDP_DST_EMBEDDING = 1,
    PXI_NDP_DST_ATTENTION = 2,
    PXI_NDP_DST_FFN = 3,
    PXI_NDP_DST_LORA = 5,
    PXI_NDP_DSTS = 4,
};

/* Names by value; dsts without one are NULL. */
#define PXI_NDP_DST_NAMES \
    { [1] = "embedding", [2] = "attention", [3] = "ffn", [5] = "lora" }

enum pxi_ndp_typ {
    PXI_NDP_TYP_TOKEN_IDS = 1,
    PXI_NDP_TYP_FLOAT16 = 3,
    PXI_NDP_TYP_BFLOAT16 = 6,
    PXI_NDP_TYPS = 3,
};

/* Names by value; typs without one are NULL. */
#define PXI_NDP_TYP_NAMES \
    { [1] = "token_ids", [3] = "float16", [6] = "bfloat16" }

enum pxi_ndp_crc {
    PXI_NDP_CRC_CCITT_FALSE = 0,
    PXI_NDP_CRC_XMODEM = 1,
    PXI_NDP_CRC_AUG = 2,
    PXI_NDP_CRC_KERMIT = 3,
    PXI_NDP_CRC_X25 = 4,
    PXI_NDP_CRCS = 5,
};

/* Names by value; crcs without one are NULL. */
#define PXI_NDP_CRC_NAMES \
    { [0] = "ccitt_false", [1] = "xmodem", [2] = "aug", [3] = "kermit", [4] = "x25" }

enum pxi_ndp_cover {
    PXI_NDP_COVER_ALL = 0,
    PXI_NDP_COVER_PAYLOAD = 1,
    PXI_NDP_COVER_BODY = 2,
    PXI_NDP_COVERS = 3,
};

/* Names by value; covers without one are NULL. */
#define PXI_NDP_COVER_NAMES \
    { [0] = "all", [1] = "payload", [2] = "body" }

enum pxi_ndp_dtype {
    PXI_NDP_DTYPE_U16 = 0,
    PXI_NDP_DTYPE_I32 = 1,
    PXI_NDP_DTYPES = 2,
};

/* Names by value; dtypes without one are NULL. */
#define PXI_NDP_DTYPE_NAMES \
    { [0] = "u16", [1] = "i32" }

enum pxi_ndp_flag {
    PXI_NDP_FLAG_RAW = 1,
    PXI_NDP_FLAG_CONTINUES = 2,
    PXI_NDP_FLAGS = 2,
};

/* Names by value; flags without one are NULL. */
#define PXI_NDP_FLAG_NAMES \
    { [1] = "raw", [2] = "continues" }

enum pxi_ndp_drop {
    PXI_NDP_DROP_CRC = 0,
    PXI_NDP_DROP_SYNC = 1,
    PXI_NDP_DROP_CUT = 2,
    PXI_NDP_DROPS = 3,
};

/* Names by value; drops without one are NULL. */
#define PXI_NDP_DROP_NAMES \
    { [0] = "crc", [1] = "sync", [2] = "cut" }

enum pxi_ndp_part {
    PXI_NDP_PART_TOKENS = 0,
    PXI_NDP_PART_INDEX = 1,
    PXI_NDP_PART_FOREIGN = 2,
    PXI_NDP_PART_DOCUMENTS = 3,
    PXI_NDP_PART_MASK = 4,
    PXI_NDP_PART_POSITIONS = 5,
    PXI_NDP_PART_WEIGHTS = 6,
    PXI_NDP_PART_SUMS = 7,
    PXI_NDP_PARTS = 8,
};

/* Names by value; parts without one are NULL. */
#define PXI_NDP_PART_NAMES \
    { [0] = "tokens", [1] = "index", [2] = "foreign", [3] = "documents", [4] = "mask", [5] = "positions", [6] = "weights", [7] = "sums" }

#endif
