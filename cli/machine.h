/* Facts about the machine, for plexus doctor and plexus bench. */
#ifndef CLI_MACHINE_H
#define CLI_MACHINE_H

#include "json.h"

/* The text behind "key" at the beginning of a line of a file ("" takes the first), or "". */
const char *machine_line(const char *path, const char *key, char *out, size_t cap);
double machine_memory(const char *key); /* a row of /proc/meminfo in bytes */
int machine_processors(void);           /* those this process may use */
json_t *machine_json(void);

/* Peak resident memory of this process since the last reset. */
void machine_peak_reset(void);
uint64_t machine_peak_bytes(void);

/* GB/s that `threads` threads read from memory in a stream over 512 MiB; 0 when it cannot be had.
 * Measured in a child process, so that the memory is not counted as ours. */
double machine_read_bandwidth(unsigned threads);

#endif
