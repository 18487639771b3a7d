/* What plexus inspect found out about a file, and its two ways to show it. */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H

#include "json.h"

enum { INSPECT_PARTS = 256 };

struct type_sum {
    uint64_t tensors, bytes;
};

struct inspect {
    const char *path;
    int all;
    px_file *file[INSPECT_PARTS];
    unsigned files;
    px_gguf *own;
    px_model *model; /* the embedded one */
    const px_gguf *g;
    px_view arch, name;
    uint64_t file_bytes, weight_bytes, parameters, kv_bytes;
    uint64_t blocks, embd, ffn, heads, kv_heads, head_dim, context, vocab, positions;
    int arch_supported, types_runnable, runs;
    struct type_sum types[PX_DTYPE_LIMIT];
};

json_t *inspect_json(const struct cli *c, const struct inspect *in);
int inspect_text(const struct inspect *in);
const char *role_name(px_role role);

#endif
