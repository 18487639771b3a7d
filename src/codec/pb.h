/*
 * Protocol buffers by table. A message is a C structure and a table of its fields; decoding gives
 * views into the packet and takes repeated fields from one arena, encoding writes fields in the
 * order of their numbers. Counts never come from the wire: every element is backed by bytes that
 * are there. Wire format: protobuf.dev/programming-guides/encoding.
 */
#ifndef PXI_CODEC_PB_H
#define PXI_CODEC_PB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "plexus/err.h"

enum pxi_pb_kind {
    PXI_PB_UINT,    /* varint -> uint64_t */
    PXI_PB_BOOL,    /* varint -> uint64_t, 0 or 1 */
    PXI_PB_FIXED64, /* 8 bytes -> uint64_t */
    PXI_PB_FIXED32, /* 4 bytes -> uint64_t: the bits of a float, for one */
    PXI_PB_BYTES,   /* length-delimited -> px_view (strings too; text is checked for UTF-8) */
    PXI_PB_STRING,
    PXI_PB_MESSAGE, /* length-delimited -> pointer to the structure, NULL when absent */
};

/* Repeated fields are this: elements of uint64_t, px_view, or the structure of the message. */
struct pxi_pb_list {
    void *p;
    size_t n;
};

struct pxi_pb_message;

struct pxi_pb_field {
    const char *name;
    uint32_t number;
    uint8_t kind;
    bool repeated;
    bool always;                      /* encode even when zero (proto2 required, or `has` style) */
    uint16_t offset;                  /* of the member */
    uint16_t has;                     /* offset of a bool member that says "present", or 0 */
    uint32_t max;                     /* most bytes of a BYTES, most elements of a list; 0 = free */
    const struct pxi_pb_message *sub; /* of a MESSAGE */
};

/* A row of such a table: the member of `struct s`, its number, UINT and so on, and what else. */
#define PXI_PB_FIELD(s, member, num, k, ...)                                                       \
    {                                                                                              \
        .name = #member, .number = (num), .kind = PXI_PB_##k,                                      \
        .offset = offsetof(struct s, member), __VA_ARGS__                                          \
    }

struct pxi_pb_message {
    const char *name;
    const struct pxi_pb_field *fields; /* in ascending order of numbers */
    uint16_t field_count;
    uint16_t size; /* of the structure */
};

/* Decode all of `in` into the structure at out (zeroed first). Views point into `in`; lists and
 * sub-messages live in the arena. Unknown fields are skipped; a known field with another wire type
 * is a fault; a repeated occurrence of a single field: the last one wins. Groups are refused, depth
 * is bounded. The diagnosis names "kad.record.key" and the offset. */
px_err pxi_pb_decode(const struct pxi_pb_message *m, px_view in, struct pxi_arena *a, void *out,
                     px_diag *d);

/* Bytes that encoding takes. */
size_t pxi_pb_size(const struct pxi_pb_message *m, const void *in);

/* Append the encoding to out. PX_ERR_LIMIT when it does not fit out->max, PX_ERR_NOMEM. */
px_err pxi_pb_encode(const struct pxi_pb_message *m, const void *in, struct pxi_buf *out);

/* The same behind its length as a varint: the framing of nearly every libp2p protocol. */
px_err pxi_pb_encode_framed(const struct pxi_pb_message *m, const void *in, struct pxi_buf *out);

#endif
