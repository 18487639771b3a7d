/*
 * Models of known shape with random weights, for speed work: the same name, type and seed give the
 * same bytes. They load wherever GGUF loads; what they write is noise.
 */
#ifndef PX_BENCH_SHAPE_H
#define PX_BENCH_SHAPE_H

#include <stddef.h>

/*
 * Write shape `shape` ("llama-15m", "llama-110m", "llama-1.1b", "qwen2-0.5b", "llama32-1b",
 * "tiny-256") as `type` ("f32", "f16", "q8_0", "q4_0", "q4_k_m") to path, with at most 64 MiB of
 * memory and `threads` threads (0 = all). 0, or -1 with one line at why (cap bytes).
 */
int px_shape_write(const char *shape, const char *type, const char *path, unsigned threads,
                   char *why, size_t cap);

/* Name of the i-th shape, NULL past the end. */
const char *px_shape_name(unsigned i);

#endif
