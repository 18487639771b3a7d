/*
 * checkkernel: every kernel of every instruction set that the processor has, compared with the
 * scalar version bit for bit. What its files share: the context of a check, guarded buffers, the
 * table of kernels.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "kernel/kernel.h"
#include "plexus/tensor.h"

/* Families of gen/kernel.def. */
enum family {
    family_matmul,
    family_dequant,
    family_act_quant,
    family_rms_norm,
    family_add,
    family_silu_mul,
    family_rope,
    family_softmax,
    family_to_f16,
    family_of_f16,
    family_qk,
    family_pv,
    family_grad_max,
    family_grad_quant,
    family_grad_undo,
    family_grad_add,
    family_grad_fold,
    family_grad_dequant,
    family_tag_nh,
    family_crc,
    family_tokens,
    FAMILIES
};

struct kernel {
    size_t offset; /* in struct pxi_kernels */
    const char *name;
    enum family family;
};

extern const struct kernel kernels[];
extern const unsigned kernel_count;

/* Pointer of a kernel in a table; NULL where the set has none. */
static inline void *kernel_get(const struct pxi_kernels *t, const struct kernel *k)
{
    return *(void *const *)((const char *)t + k->offset);
}

/* GGUF type of a matmul or dequant kernel. */
uint32_t kernel_dtype(const struct kernel *k);

/* One instruction set to test. */
struct isa {
    const char *name;
    uint32_t mask;
};

/* Counters in memory that a crashing child leaves behind for its parent. */
struct tally {
    uint64_t checks, failures;
    char what[256]; /* the case in progress */
};

/* The test of one kernel of one set. */
struct check {
    const struct kernel *kernel;
    const char *isa;
    const struct pxi_kernels *ref, *cand;
    struct pxi_rng rng;
    struct tally *tally;
};

/* Note the case about to run; printed if it crashes or fails. */
void check_case(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where a buffer lies: at the guard page before it, at the one after it, or between. */
enum side { SIDE_MIDDLE, SIDE_END, SIDE_START, SIDES };

struct place {
    enum side side;
    size_t shift; /* bytes past a 64-byte boundary, for SIDE_MIDDLE */
};

/* Bytes a buffer slot can hold. */
#define SLOT_BYTES ((size_t)4 << 20)

/* Buffer of input slot 0..7, between guard pages; its content is left from earlier use. */
void *input_at(unsigned slot, size_t bytes, struct place at);

/* An output: twice the same place and initial bytes, for the reference and the candidate. */
struct output {
    uint8_t *ref, *cand;
    size_t bytes;
};

/* Output slot 0..3 filled with noise, with canaries on both sides where no guard page is. */
struct output output_at(struct check *c, unsigned slot, size_t bytes, struct place at);

/* Compare result and canaries; counts one check for the case and a failure when they differ. */
void check_outputs(struct check *c, const struct output *out, unsigned count);

/* Values. Kinds of floats: ordinary, of every magnitude, or full of special values. */
enum values { VALUES_PLAIN, VALUES_WIDE, VALUES_SPECIAL, VALUES_KINDS };

void fill_f32(struct pxi_rng *r, float *x, size_t n, enum values kind);
void fill_f16(struct pxi_rng *r, uint16_t *x, size_t n);
void fill_bytes(struct pxi_rng *r, void *p, size_t n);

/* Row bytes of packed weights of a type: random blocks whose scales are finite. */
void fill_weights(struct pxi_rng *r, uint32_t dtype, void *row, size_t n);

/* Drivers of the families; NULL-free table indexed by enum family. */
typedef void check_fn(struct check *c);
check_fn check_matmul, check_dequant, check_act_quant, check_rms_norm, check_add, check_silu_mul,
    check_rope, check_softmax, check_to_f16, check_of_f16, check_qk, check_pv, check_grad_max,
    check_grad_quant, check_grad_undo, check_grad_add, check_grad_fold, check_grad_dequant,
    check_tag_nh, check_crc, check_tokens;

/* One measured figure. */
struct figure {
    const char *shape;
    double ns;    /* one call */
    double work;  /* floating or integer operations, multiply and add as two; 0 if unusual */
    double bytes; /* bytes that must be read and written */
    double scale; /* ns of an equal share of work by the scalar kernel; 0 if not measured */
    double copy;  /* bytes a ns that memcpy of such arrays reads and writes; 0 if not measured */
};

enum { FIGURES = 8 };

/* Measure kernel k of a table; returns how many of `out` were filled (at most FIGURES). */
unsigned bench_kernel(const struct kernel *k, const struct pxi_kernels *t,
                      const struct pxi_kernels *scalar, struct figure *out);

/* The part of it for kernels on gradients. */
unsigned bench_gradient(const struct kernel *k, const struct pxi_kernels *t,
                        const struct pxi_kernels *scalar, struct figure *out);

/* The part of it for CRCs and token numbers. */
unsigned bench_crc(const struct kernel *k, const struct pxi_kernels *t,
                   const struct pxi_kernels *scalar, struct figure *out);

/* Memory that benches lay their arrays over, aligned to a page. */
extern uint8_t *bench_heap;

/* Least time of a call in ns: at least 3 runs and up to `budget` ns. */
double bench_measure(void (*call)(const void *arg), const void *arg, double budget);

/* Fused multiply-add rate of a set on one core, in GFLOPS, and its name; 0 when unknown. */
double bench_fma_peak(const char *isa);
double bench_read_gbs(void);

#endif
