/* What the verbs of training data share. */
#ifndef CLI_DATA_H
#define CLI_DATA_H

#include "json.h"

enum { DATA_LENGTHS = 25 }; /* lists of samples by tokens: below 2, 4, 8, ... */

/* For options.progress of the library; ctx is a struct progress. */
int data_progress(void *ctx, uint64_t done, uint64_t all);

/* Open a file with the CRC of the verb's --crc, if it has one. 0 or an exit code. */
int data_open(struct cli *c, const char *path, const char *crc, px_data **out);

/* Names of the ways in which samples become rows; NULL: there are fewer. */
const char *data_packing_name(unsigned i);

/* Samples and tokens of each (source, destination, type): 2^24 of them. */
struct data_kind {
    uint64_t samples, tokens;
};
struct data_kind *data_kinds_new(void);
void data_kinds_add(struct data_kind *kinds, const px_sample *s);
/* As a list of objects; and that list shown, a line each. */
json_t *data_kinds_json(const struct data_kind *kinds);
void data_kinds_show(const json_t *list);

/* Which of DATA_LENGTHS a sample belongs to; the list; the list shown as bars. */
unsigned data_length_of(uint32_t tokens);
json_t *data_lengths_json(const uint64_t *lengths);
void data_lengths_show(const uint64_t *lengths);

#endif
