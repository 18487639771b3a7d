/*
 * Made by tools/gen.py from gen/ndp.toml, gen/gradient.toml:
 * edit those, then ./dev docs. The fields of packets.
 */
/* clang-format off */
#ifndef PXI_CODEC_CAPTURE_GEN_H
#define PXI_CODEC_CAPTURE_GEN_H

#include <stddef.h>
#include <stdint.h>

struct pxi_field_name {
    uint8_t value;
    const char *name;
};

struct pxi_field {
    const char *name;
    uint8_t at, bytes, is_signed, flags;
    const struct pxi_field_name *names;
    unsigned name_count;
};

static const struct pxi_field_name ndp_src[] = {{1, "text_corpus"}, {2, "code_repo"}, {5, "gradient"}};
static const struct pxi_field_name ndp_dst[] = {{1, "embedding"}, {2, "attention"}, {3, "ffn"}, {5, "lora"}};
static const struct pxi_field_name ndp_typ[] = {{1, "token_ids"}, {3, "float16"}, {6, "bfloat16"}};
static const struct pxi_field ndp_fields[] = {
    {"sync", 0, 1, 0, 0, NULL, 0},
    {"src", 1, 1, 0, 0, ndp_src, 3},
    {"dst", 2, 1, 0, 0, ndp_dst, 4},
    {"typ", 3, 1, 0, 0, ndp_typ, 3},
    {"length", 4, 2, 0, 0, NULL, 0},
};
enum { NDP_FIELDS = 5 };

static const struct pxi_field_name gradient_kind[] = {{1, "contribution"}, {2, "result"}, {3, "late"}, {4, "view"}, {5, "echo"}, {6, "partial"}};
static const struct pxi_field_name gradient_format[] = {{0, "i16"}, {1, "i8"}, {2, "i4"}, {3, "i32"}};
static const struct pxi_field_name gradient_flags[] = {{1, "version"}, {2, "saturated"}, {4, "again"}, {8, "clipped"}, {16, "waits"}};
static const struct pxi_field gradient_fields[] = {
    {"magic", 0, 2, 0, 0, NULL, 0},
    {"version", 2, 1, 0, 0, NULL, 0},
    {"kind", 3, 1, 0, 0, gradient_kind, 6},
    {"job", 4, 4, 0, 0, NULL, 0},
    {"epoch", 8, 2, 0, 0, NULL, 0},
    {"shard", 10, 1, 0, 0, NULL, 0},
    {"worker", 11, 1, 0, 0, NULL, 0},
    {"slot", 12, 2, 0, 0, NULL, 0},
    {"format", 14, 1, 0, 0, gradient_format, 4},
    {"flags", 15, 1, 0, 1, gradient_flags, 5},
    {"seq", 16, 4, 0, 0, NULL, 0},
    {"count", 20, 2, 0, 0, NULL, 0},
    {"exponent", 22, 1, 1, 0, NULL, 0},
    {"next", 23, 1, 1, 0, NULL, 0},
    {"where", 24, 8, 0, 0, NULL, 0},
    {"tag", 32, 8, 0, 0, NULL, 0},
};
enum { GRADIENT_FIELDS = 16 };

#endif
