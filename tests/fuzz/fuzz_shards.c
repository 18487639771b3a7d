/* Any bytes as a folder of shards: the first two say how long its index is, the rest is every
 * shard. What is handed out lies within the bytes, and paths stay in the folder. */
#include <stdlib.h>

#include "data/import_arrow.h"
#include "data/import_shards.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static px_err take(void *ctx, const int32_t *tokens, size_t n, bool more)
{
    uint64_t *left = ctx;
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += tokens[i];
    *left -= *left ? 1 : 0;
    return *left > n && sum != INT64_MAX ? PX_ERR_OK : PX_ERR_LIMIT;
}

static px_err take_text(void *ctx, px_view text)
{
    uint64_t *left = ctx, sum = 0;
    for (size_t i = 0; i < text.n; i++)
        sum += text.p[i];
    *left -= *left ? 1 : 0;
    return *left > text.n && sum != UINT64_MAX ? PX_ERR_OK : PX_ERR_LIMIT;
}

static void check_path(px_view name)
{
    char path[64];
    if (!pxi_walk_path(name, path, sizeof path))
        return;
    if (path[0] == '/' || strncmp(path, "../", 3) == 0 || strstr(path, "/../") ||
        strlen(path) >= sizeof path)
        abort();
}

/* The index as the state.json of a folder of Arrow files. */
static void check_state(px_view state)
{
    struct pxi_json j;
    px_view name;
    bool end = false;
    px_diag d;
    if (pxi_arrow_files_open(state, &j, &d) != PX_ERR_OK)
        return;
    while (pxi_arrow_files_next(&j, &name, &end, &d) == PX_ERR_OK && !end)
        check_path(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t left = 1 << 16, empty = 0;
    struct pxi_import_sink sink = {take, take_text, NULL, &left};
    struct pxi_import_column c = {0};
    struct pxi_shards s;
    struct pxi_shard shard;
    bool end = false;
    px_diag d;
    if (size < 2)
        return 0;
    size_t n = size - 2, index = (size_t)(data[0] | data[1] << 8) % (n + 1);
    px_view bytes = px_view_of(data + 2 + index, n - index);
    check_state(px_view_of(data + 2, index));
    if (pxi_shards_open(px_view_of(data + 2, index), &c, &s, &d) != PX_ERR_OK)
        return 0;
    while (left && pxi_shards_next(&s, &shard, &end, &d) == PX_ERR_OK && !end) {
        check_path(shard.raw.name);
        check_path(shard.packed.name);
        (void)pxi_shard_read(&shard, bytes, &sink, &empty, &d);
    }
    return 0;
}
