/*
 * GGUF v2 and v3 containers: a reader that borrows the bytes it is given, and a writer.
 * Format: docs/formats/gguf.md. All offsets are checked against the input before anything is
 * allocated; a parsed px_gguf holds views into the input, which must outlive it.
 */
#ifndef PLEXUS_GGUF_H
#define PLEXUS_GGUF_H

#include "plexus/err.h"
#include "plexus/tensor.h"
#include "plexus/view.h"

PX_BEGIN_DECLS

typedef enum px_gguf_type {
    PX_GGUF_U8,
    PX_GGUF_I8,
    PX_GGUF_U16,
    PX_GGUF_I16,
    PX_GGUF_U32,
    PX_GGUF_I32,
    PX_GGUF_F32,
    PX_GGUF_BOOL,
    PX_GGUF_STRING,
    PX_GGUF_ARRAY,
    PX_GGUF_U64,
    PX_GGUF_I64,
    PX_GGUF_F64,
} px_gguf_type;

/* One metadata entry. Value bytes are views into the file, in file order (little endian). */
typedef struct px_gguf_kv {
    px_view key;
    px_gguf_type type;      /* PX_GGUF_ARRAY for an array */
    px_gguf_type elem_type; /* arrays: type of the elements; else the same as type */
    uint64_t count;         /* arrays: elements; else 1 */
    px_view value;          /* scalar or string bytes; arrays: all element bytes */
    uint64_t offset;        /* of the value in the file, for diagnoses */
} px_gguf_kv;

typedef enum px_role { /* which part of a transformer a tensor belongs to */
                       PX_ROLE_OTHER,
                       PX_ROLE_EMBED,  /* token_embd.* */
                       PX_ROLE_BLOCK,  /* blk.N.* */
                       PX_ROLE_OUTPUT, /* output*.* */
} px_role;

typedef struct px_gguf_tensor {
    px_view name;
    uint32_t type;    /* GGUF type id, always known to px_dtype_name */
    uint32_t n_dims;  /* 0 to 4 */
    uint64_t dims[4]; /* fastest first; unused ones are 1 */
    uint64_t offset;  /* from the start of the file that holds it */
    uint64_t bytes;
    px_view data; /* the packed elements, inside the input */
    px_role role;
    uint32_t block; /* N of blk.N when role is PX_ROLE_BLOCK, else 0 */
} px_gguf_tensor;

typedef struct px_gguf px_gguf;

/*
 * Parse `file`. On success *out owns tables (px_gguf_free) and borrows the bytes. On failure *out
 * is NULL and diag (may be NULL) tells offset, field, expected and found. Errors: PX_ERR_TRUNCATED,
 * _CORRUPT, _VERSION, _LIMIT, _NOMEM.
 */
PX_API PX_NODISCARD px_err px_gguf_parse(px_view file, px_gguf **out, px_diag *diag);

/*
 * Parse the n files of a split model, in order of split.no, as one: metadata of the first file,
 * tensors of all. Checks split.count, split.no and split.tensors.count. n = 1 is px_gguf_parse.
 * diag->field begins with "part[i]." when a part is at fault.
 */
PX_API PX_NODISCARD px_err px_gguf_parse_split(const px_view *files, uint32_t n, px_gguf **out,
                                               px_diag *diag);

/* Free the tables; the input stays with its owner. NULL is allowed. */
PX_API void px_gguf_free(px_gguf *g);

/* Version of the container (2 or 3), and the alignment of its tensor data. */
PX_API uint32_t px_gguf_version(const px_gguf *g);
PX_API uint64_t px_gguf_alignment(const px_gguf *g);

/* Offset of the data section in the (first) file. */
PX_API uint64_t px_gguf_data_offset(const px_gguf *g);

/* Metadata entries in file order. */
PX_API uint64_t px_gguf_kv_count(const px_gguf *g);
PX_API const px_gguf_kv *px_gguf_kv_at(const px_gguf *g, uint64_t i); /* borrowed; i < count */
PX_API const px_gguf_kv *px_gguf_kv_find(const px_gguf *g, const char *key); /* NULL if absent */

/* Tensors in file order; find returns NULL when the name is absent. */
PX_API uint64_t px_gguf_tensor_count(const px_gguf *g);
PX_API const px_gguf_tensor *px_gguf_tensor_at(const px_gguf *g, uint64_t i); /* i < count */
PX_API const px_gguf_tensor *px_gguf_tensor_find(const px_gguf *g, const char *name);

/*
 * Typed reads of scalars. PX_ERR_NOT_FOUND when the key is absent (out unchanged),
 * PX_ERR_CORRUPT with diag when the type does not fit: unsigned reads accept any non-negative
 * integer type, f32 reads accept F32 and F64.
 */
PX_API px_err px_gguf_get_u64(const px_gguf *g, const char *key, uint64_t *out, px_diag *diag);
PX_API px_err px_gguf_get_f32(const px_gguf *g, const char *key, float *out, px_diag *diag);
PX_API px_err px_gguf_get_bool(const px_gguf *g, const char *key, int *out, px_diag *diag);
PX_API px_err px_gguf_get_str(const px_gguf *g, const char *key, px_view *out, px_diag *diag);

/* i-th element (i < count) of an array of integers or floats, converted; 0 for other types. */
PX_API int64_t px_gguf_array_i64(const px_gguf_kv *kv, uint64_t i);
PX_API double px_gguf_array_f64(const px_gguf_kv *kv, uint64_t i);

/* Walk an array of strings: start with *pos = 0; 1 and *out while there is one more, then 0. */
PX_API int px_gguf_array_next_str(const px_gguf_kv *kv, uint64_t *pos, px_view *out);

/* Writer: collects metadata and tensor headers, then streams through a callback. */
typedef struct px_gguf_writer px_gguf_writer;

/* alignment: a power of two from 8 to 65536, or 0 for 32. NULL for another, or out of memory. */
PX_API px_gguf_writer *px_gguf_writer_new(uint32_t alignment);
PX_API void px_gguf_writer_free(px_gguf_writer *w);

/* Add metadata. Keys and values are copied. PX_ERR_INVALID for a duplicate or bad key. */
PX_API px_err px_gguf_put_u32(px_gguf_writer *w, const char *key, uint32_t v);
PX_API px_err px_gguf_put_f32(px_gguf_writer *w, const char *key, float v);
PX_API px_err px_gguf_put_bool(px_gguf_writer *w, const char *key, int v);
PX_API px_err px_gguf_put_str(px_gguf_writer *w, const char *key, px_view v);
PX_API px_err px_gguf_put_strs(px_gguf_writer *w, const char *key, const px_view *v, uint64_t n);
PX_API px_err px_gguf_put_i32s(px_gguf_writer *w, const char *key, const int32_t *v, uint64_t n);
PX_API px_err px_gguf_put_f32s(px_gguf_writer *w, const char *key, const float *v, uint64_t n);
/* Copy an entry of another file as it is. */
PX_API px_err px_gguf_put_kv(px_gguf_writer *w, const px_gguf_kv *kv);

/* Announce a tensor; its data follow in the same order through px_gguf_write_data. */
PX_API px_err px_gguf_put_tensor(px_gguf_writer *w, px_view name, uint32_t type, uint32_t n_dims,
                                 const uint64_t *dims);

/* Receives bytes in order; non-zero stops the writer with PX_ERR_IO. */
typedef int px_write_fn(void *ctx, const void *bytes, size_t n);

/* Write header, metadata and tensor table (once), then the data of each tensor in order: any number
 * of calls a tensor, padding is added by the writer; finish checks that everything arrived. */
PX_API px_err px_gguf_write_header(px_gguf_writer *w, px_write_fn *fn, void *ctx);
PX_API px_err px_gguf_write_data(px_gguf_writer *w, const void *bytes, size_t n);
PX_API px_err px_gguf_write_finish(px_gguf_writer *w);

PX_END_DECLS

#endif
