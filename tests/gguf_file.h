/* Builds GGUF bytes field by field, so that tests can also build what no writer would write. */
#ifndef GGUF_FILE_H
#define GGUF_FILE_H

#include "base/mem.h"
#include "plexus/gguf.h"

static inline void gf_bytes(struct pxi_buf *b, const void *p, size_t n)
{
    b->max = SIZE_MAX;
    pxi_buf_add(b, p, n);
}

static inline void gf_int(struct pxi_buf *b, uint64_t v, unsigned bytes)
{
    uint8_t le[8];
    for (unsigned i = 0; i < bytes; i++)
        le[i] = (uint8_t)(v >> 8 * i);
    gf_bytes(b, le, bytes);
}

static inline void gf_str(struct pxi_buf *b, const char *s)
{
    gf_int(b, strlen(s), 8);
    gf_bytes(b, s, strlen(s));
}

static inline void gf_header(struct pxi_buf *b, uint32_t version, uint64_t tensors, uint64_t kvs)
{
    gf_bytes(b, "GGUF", 4);
    gf_int(b, version, 4);
    gf_int(b, tensors, 8);
    gf_int(b, kvs, 8);
}

/* Key and type; the value follows. */
static inline void gf_key(struct pxi_buf *b, const char *key, uint32_t type)
{
    gf_str(b, key);
    gf_int(b, type, 4);
}

static inline void gf_array(struct pxi_buf *b, const char *key, uint32_t type, uint64_t n)
{
    gf_key(b, key, PX_GGUF_ARRAY);
    gf_int(b, type, 4);
    gf_int(b, n, 8);
}

/* A tensor of d0 x d1 elements at offset of the data section. */
static inline void gf_tensor(struct pxi_buf *b, const char *name, uint32_t type, uint64_t d0,
                             uint64_t d1, uint64_t offset)
{
    gf_str(b, name);
    gf_int(b, 2, 4);
    gf_int(b, d0, 8);
    gf_int(b, d1, 8);
    gf_int(b, type, 4);
    gf_int(b, offset, 8);
}

static inline void gf_pad(struct pxi_buf *b, size_t align)
{
    while (b->n % align)
        gf_int(b, 0, 1);
}

/* A valid file: one key of each type, arrays, four tensors in three roles and 32-byte alignment. */
static inline void gf_valid(struct pxi_buf *b)
{
    gf_header(b, 3, 4, 15);
    gf_key(b, "general.architecture", PX_GGUF_STRING), gf_str(b, "llama");
    gf_key(b, "general.alignment", PX_GGUF_U32), gf_int(b, 32, 4);
    gf_key(b, "t.u8", PX_GGUF_U8), gf_int(b, 200, 1);
    gf_key(b, "t.i8", PX_GGUF_I8), gf_int(b, (uint64_t)-3, 1);
    gf_key(b, "t.u16", PX_GGUF_U16), gf_int(b, 60000, 2);
    gf_key(b, "t.i16", PX_GGUF_I16), gf_int(b, 300, 2);
    gf_key(b, "t.i32", PX_GGUF_I32), gf_int(b, (uint64_t)-70000, 4);
    gf_key(b, "t.u64", PX_GGUF_U64), gf_int(b, UINT64_MAX, 8);
    gf_key(b, "t.i64", PX_GGUF_I64), gf_int(b, 5, 8);
    gf_key(b, "t.f32", PX_GGUF_F32), gf_int(b, 0x3fc00000, 4);          /* 1.5 */
    gf_key(b, "t.f64", PX_GGUF_F64), gf_int(b, 0xc004000000000000u, 8); /* -2.5 */
    gf_key(b, "t.bool", PX_GGUF_BOOL), gf_int(b, 1, 1);
    gf_array(b, "t.strs", PX_GGUF_STRING, 3), gf_str(b, "a"), gf_str(b, ""), gf_str(b, "ccc");
    gf_array(b, "t.i16s", PX_GGUF_I16, 2), gf_int(b, (uint64_t)-1, 2), gf_int(b, 7, 2);
    gf_array(b, "t.bools", PX_GGUF_BOOL, 2), gf_int(b, 0, 1), gf_int(b, 1, 1);
    gf_tensor(b, "token_embd.weight", PX_DTYPE_F32, 4, 2, 0);
    gf_tensor(b, "blk.12.attn_q.weight", PX_DTYPE_Q8_0, 32, 2, 32);
    gf_tensor(b, "output_norm.weight", PX_DTYPE_F16, 3, 1, 128);
    gf_tensor(b, "other", PX_DTYPE_I8, 5, 1, 160);
    gf_pad(b, 32);
    for (unsigned i = 0; i < 165; i++) /* zeros between the tensors */
        gf_int(b, (i >= 100 && i < 128) || (i >= 134 && i < 160) ? 0 : i, 1);
}

#endif
