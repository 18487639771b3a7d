/*
 * plexus bench crc-drop: the arms of the experiment (docs/internals/data.md) and the judgement of
 * its results.
 */
#ifndef CLI_CRC_DROP_H
#define CLI_CRC_DROP_H

#include "json.h"

enum { CRC_DROP_REGIMES = 3, CRC_DROP_RATES = 4 };

/* Percent of the loss below which a difference does not matter. */
#define CRC_DROP_BOUND 0.5

/* What an arm does to the data. */
enum crc_drop_arm {
    ARM_NONE,
    ARM_DROP,
    ARM_FIXED,
    ARM_FLIPS,
    ARM_UNCHECKED,
    ARM_SHORTER,
    ARM_DROPOUT,
    ARM_MASKED,
    ARM_UNMASKED,
    ARMS,
};

extern const char *const crc_drop_arms[ARMS];
/* The arm that this one is compared with; itself when with none. */
enum crc_drop_arm crc_drop_control(enum crc_drop_arm arm);

struct crc_drop {
    struct cli *c;
    const char *in, *dir;
    uint64_t steps, batch, row; /* row: labels of a row */
    unsigned seeds;
};

/* crc_drop_arms.c: write the stores and arms.json, and check that steps have equal labels. */
int crc_drop_prepare(const struct crc_drop *e);

/* crc_drop_judge.c: the table from results, a JSON object a line. */
int crc_drop_judge(struct cli *c, const char *path);

/* crc_drop_data.c: the stores. Rows of row + 1 tokens, for each regime; short rows of half. */
struct crc_drop_data {
    uint64_t rows[CRC_DROP_REGIMES], short_rows, heldout_rows;
    uint32_t vocab;
};
extern const unsigned crc_drop_epochs[CRC_DROP_REGIMES];                          /* 0: below one */
char *crc_drop_path(const struct crc_drop *e, const char *name, unsigned regime); /* kept */
int crc_drop_write(const struct crc_drop *e, struct crc_drop_data *out);

#endif
