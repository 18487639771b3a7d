/*
 * Made by tools/gen.py from gen/gradient.toml: edit that, then ./dev docs.
 * The layout of a gradient packet: docs/formats/gradient.md.
 */
#ifndef PX_BPF_GRADIENT_GEN_H
#define PX_BPF_GRADIENT_GEN_H

#include <stdint.h>

#define PX_GRADIENT_MAGIC   0x7870
#define PX_GRADIENT_LAYOUT  2
#define PX_GRADIENT_HEAD    40
#define PX_GRADIENT_WORKERS 64
#define PX_GRADIENT_ZERO    (-128)

struct px_gradient_head {
    uint16_t magic;
    uint8_t version;
    uint8_t kind;
    uint32_t job;
    uint16_t epoch;
    uint8_t shard;
    uint8_t worker;
    uint16_t slot;
    uint8_t format;
    uint8_t flags;
    uint32_t seq;
    uint16_t count;
    int8_t exponent;
    int8_t next;
    uint64_t where;
    uint64_t tag;
};

enum px_gradient_kind {
    PX_GRADIENT_CONTRIBUTION = 1,
    PX_GRADIENT_RESULT = 2,
    PX_GRADIENT_LATE = 3,
    PX_GRADIENT_VIEW = 4,
    PX_GRADIENT_ECHO = 5,
    PX_GRADIENT_PARTIAL = 6,
};

enum px_gradient_flag {
    PX_GRADIENT_VERSION = 1,
    PX_GRADIENT_SATURATED = 2,
    PX_GRADIENT_AGAIN = 4,
    PX_GRADIENT_CLIPPED = 8,
    PX_GRADIENT_WAITS = 16,
};

enum px_gradient_format {
    PX_GRADIENT_I16 = 0,
    PX_GRADIENT_I8 = 1,
    PX_GRADIENT_I4 = 2,
    PX_GRADIENT_I32 = 3,
};

enum px_gradient_drop {
    PX_GRADIENT_DROP_LAYOUT = 0,
    PX_GRADIENT_DROP_LENGTH = 1,
    PX_GRADIENT_DROP_JOB = 2,
    PX_GRADIENT_DROP_EPOCH = 3,
    PX_GRADIENT_DROP_WORKER = 4,
    PX_GRADIENT_DROP_SOURCE = 5,
    PX_GRADIENT_DROP_TAG = 6,
    PX_GRADIENT_DROP_VALUE = 7,
    PX_GRADIENT_DROP_SLOT = 8,
    PX_GRADIENT_DROP_EXPONENT = 9,
    PX_GRADIENT_DROP_DUPLICATE = 10,
    PX_GRADIENT_DROP_LATE = 11,
    PX_GRADIENT_DROP_SENTRY = 12,
    PX_GRADIENT_DROPS = 13,
};

#define PX_GRADIENT_DROP_NAMES \
    { "layout", "length", "job", "epoch", "worker", "source", "tag", "value", "slot", "exponent", "duplicate", "late", "sentry" }

#endif
