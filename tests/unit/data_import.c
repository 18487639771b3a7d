/* Training data of other tools: what they wrote themselves (tests/vectors/import) is read as it was
 * meant; whatever byte of it changes, what is handed out lies within the file, and nothing ends
 * badly. */
#include <stdio.h>

#include "base/mem.h"
#include "data/export.h"
#include "data/import_arrow.h"
#include "data/import_shards.h"
#include "io/unpack.h"
#include "px_test.h"

enum { MOST = 1 << 16 };

/* What was handed out: tokens, -1 behind each document. */
struct got {
    int32_t tokens[MOST];
    size_t n, documents, texts;
    uint64_t budget; /* calls; 0: without end */
};

static px_err take(void *ctx, const int32_t *tokens, size_t n, bool more)
{
    struct got *g = ctx;
    if (g->budget && !--g->budget)
        return PX_ERR_LIMIT;
    for (size_t i = 0; i < n && g->n < MOST; i++)
        g->tokens[g->n++] = tokens[i];
    if (!more && g->n < MOST) {
        g->tokens[g->n++] = -1;
        g->documents++;
    }
    return PX_ERR_OK;
}

static px_err take_text(void *ctx, px_view text)
{
    struct got *g = ctx;
    if (g->budget && !--g->budget)
        return PX_ERR_LIMIT;
    g->texts += px_view_is(text, "once upon a time");
    g->documents++;
    return PX_ERR_OK;
}

static px_err unpack(void *ctx, const char *codec, px_view in, uint8_t *out, size_t n, px_diag *d)
{
    return n > 1 << 20 ? PX_ERR_LIMIT : pxi_unpack(codec, in, out, n, d);
}

static struct got got;
static const struct pxi_import_sink sink = {take, take_text, unpack, &got};
static px_diag diag;

static uint8_t file[1 << 16];

static px_view read_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/import/%s", getenv("PLEXUS_VECTORS"), name);
    FILE *f = fopen(path, "rb");
    CHECK(f);
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    CHECK(n && n < sizeof file);
    return px_view_of(file, n);
}

static struct pxi_import_column named(const char *name)
{
    return (struct pxi_import_column){.name = px_view_str(name)};
}

/* The documents of the fixtures. */
static void check_documents(void)
{
    int32_t want[64], n = 0;
    want[n++] = 1, want[n++] = 2, want[n++] = 3, want[n++] = -1;
    for (unsigned i = 0; i < 40; i++)
        want[n++] = 40000;
    want[n++] = -1, want[n++] = 7, want[n++] = -1;
    want[n++] = INT32_MAX, want[n++] = 0, want[n++] = -1;
    for (int32_t i = 5; i; i--)
        want[n++] = i;
    want[n++] = -1;
    CHECK_EQ(got.documents, 5u);
    CHECK_EQ(got.n, (size_t)n);
    CHECK(memcmp(got.tokens, want, (size_t)n * sizeof *want) == 0);
}

/* -------------------------------------------------------------------- arrow */

static px_err read_arrow(px_view bytes, const char *column, uint64_t *empty)
{
    struct pxi_arrow a;
    struct pxi_import_column c = named(column);
    uint64_t budget = got.budget;
    memset(&got, 0, sizeof got);
    got.budget = budget;
    *empty = 0;
    px_err err = pxi_arrow_open(bytes, &c, &a, &diag);
    return err ? err : pxi_arrow_read(&a, &sink, empty, &diag);
}

static const char *const arrows[] = {"list.arrow", "large.feather", "zstd.arrow", "lz4.arrow"};

TEST(arrow_of_pyarrow)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t empty;
        px_view bytes = read_file(arrows[i]);
        px_err err = read_arrow(bytes, "", &empty);
        if (i >= 2 && err == PX_ERR_UNSUPPORTED) {
            printf("# %s: %s is not there\n", arrows[i], diag.field);
            continue;
        }
        CHECK_EQ(err, PX_ERR_OK);
        check_documents();
        CHECK_EQ(empty, 2u);
        CHECK_EQ(read_arrow(bytes, "text", &empty), PX_ERR_OK);
        CHECK_EQ(got.texts, 7u);
    }
}

TEST(arrow_columns_that_are_not_read)
{
    uint64_t empty;
    px_view bytes = read_file("list.arrow");
    CHECK_EQ(read_arrow(bytes, "meta", &empty), PX_ERR_UNSUPPORTED);
    CHECK_EQ(read_arrow(bytes, "kind", &empty), PX_ERR_UNSUPPORTED);
    CHECK_EQ(read_arrow(bytes, "long", &empty), PX_ERR_UNSUPPORTED);
    CHECK_EQ(read_arrow(bytes, "none", &empty), PX_ERR_NOT_FOUND);
    CHECK_STR(diag.expected, "one of: id, meta, long, kind, input_ids, text");
    CHECK_EQ(read_arrow(px_view_of(bytes.p, 3), "", &empty), PX_ERR_TRUNCATED);
    bytes = read_file("large.feather");
    CHECK_EQ(read_arrow(px_view_of(bytes.p, bytes.n - 1), "", &empty), PX_ERR_TRUNCATED);
}

/* Memory of its own, so that a sanitizer sees what is read beyond the end. */
static void hurt(const char *name, px_err (*fn)(px_view bytes))
{
    px_view whole = read_file(name);
    for (size_t n = 0; n < whole.n; n += n < 64 ? 1 : 13) {
        uint8_t *own = malloc(n + 1);
        memcpy(own, whole.p, n);
        (void)fn(px_view_of(own, n));
        free(own);
    }
    uint8_t *own = malloc(whole.n);
    for (size_t i = 0; i < whole.n; i++)
        for (unsigned k = 0; k < 3; k++) {
            static const uint8_t change[] = {1, 0x80, 0xff};
            memcpy(own, whole.p, whole.n);
            own[i] ^= change[k];
            (void)fn(px_view_of(own, whole.n));
        }
    free(own);
}

static px_err any_arrow(px_view bytes)
{
    uint64_t empty;
    got.budget = 1 << 12;
    px_err err = read_arrow(bytes, "", &empty);
    got.budget = 0;
    return err;
}

TEST(arrow_that_is_damaged)
{
    for (unsigned i = 0; i < 4; i++)
        hurt(arrows[i], any_arrow);
}

/* ------------------------------------------------------------------- shards */

static char folder[32];

static px_err read_shards(px_view index, bool damaged)
{
    struct pxi_shards s;
    struct pxi_import_column c = {0};
    static uint8_t shard_bytes[1 << 16], plain[1 << 16];
    px_err err = pxi_shards_open(index, &c, &s, &diag);
    bool end = false;
    uint64_t empty = 0;
    struct pxi_shard shard;
    while (!err && !(err = pxi_shards_next(&s, &shard, &end, &diag)) && !end) {
        char path[512];
        int n = snprintf(path, sizeof path, "%s/import/%s/", getenv("PLEXUS_VECTORS"), folder);
        bool packed = shard.packed.name.n;
        px_view name = packed ? shard.packed.name : shard.raw.name;
        FILE *f = pxi_walk_path(name, path + n, sizeof path - (size_t)n) ? fopen(path, "rb") : NULL;
        if (!f && damaged)
            return PX_ERR_NOT_FOUND;
        CHECK(f);
        px_view bytes = px_view_of(shard_bytes, fread(shard_bytes, 1, sizeof shard_bytes, f));
        fclose(f);
        if (packed) {
            size_t size = shard.raw.bytes < sizeof plain ? (size_t)shard.raw.bytes : 0;
            err = pxi_unpack("zstd", bytes, plain, size, &diag);
            bytes = px_view_of(plain, size);
        }
        if (!err)
            err = pxi_shard_read(&shard, bytes, &sink, &empty, &diag);
    }
    return err;
}

TEST(shards_of_streaming_and_litdata)
{
    for (unsigned i = 0; i < 2; i++) {
        char name[64];
        snprintf(folder, sizeof folder, "%s", i ? "litdata" : "mds");
        snprintf(name, sizeof name, "%s/index.json", folder);
        memset(&got, 0, sizeof got);
        px_err err = read_shards(read_file(name), false);
        if (err == PX_ERR_UNSUPPORTED) {
            printf("# %s: %s is not there\n", folder, diag.field);
            continue;
        }
        CHECK_EQ(err, PX_ERR_OK);
        check_documents();
    }
}

static px_err any_index(px_view bytes)
{
    memset(&got, 0, sizeof got);
    return read_shards(bytes, true);
}

TEST(an_index_that_is_damaged)
{
    snprintf(folder, sizeof folder, "litdata");
    hurt("litdata/index.json", any_index);
    snprintf(folder, sizeof folder, "mds");
    hurt("mds/index.json", any_index);
}

TEST(paths_stay_in_the_folder)
{
    static const char *const bad[] = {"",   "/etc/passwd", "..",   "a/../b", "a//b",
                                      "a/", "./a",         "a/..", "../a",   "a\\u0000b"};
    static const char *const good[] = {"a", "a/b.mds", "..a", "a..", "a\\/b"};
    char path[32];
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!pxi_walk_path(px_view_str(bad[i]), path, sizeof path));
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(pxi_walk_path(px_view_str(good[i]), path, sizeof path));
    CHECK_STR(path, "a/b");
    CHECK(!pxi_walk_path(px_view_str("a name that has more bytes than it may"), path, 32));
}

/* A folder of one column, whose shards are made here. */
static px_err read_column(const char *encoding, const char *size, bool typed, px_view shard)
{
    char index[512];
    struct pxi_import_column c = {.typed = typed, .type = {2, false}};
    struct pxi_shards s;
    struct pxi_shard one;
    bool end;
    uint64_t empty = 0;
    memset(&got, 0, sizeof got);
    snprintf(index, sizeof index,
             "{\"shards\":[{\"format\":\"mds\",\"version\":2,\"samples\":1,\"compression\":null,"
             "\"raw_data\":{\"basename\":\"a\",\"bytes\":9},\"zip_data\":null,\"column_names\":"
             "[\"x\"],\"column_encodings\":[\"%s\"],\"column_sizes\":[%s]}],\"version\":2}",
             encoding, size);
    px_err err = pxi_shards_open(px_view_str(index), &c, &s, &diag);
    if (!err)
        err = pxi_shards_next(&s, &one, &end, &diag);
    return err ? err : pxi_shard_read(&one, shard, &sink, &empty, &diag);
}

#define SHARD(...)                                                                                 \
    px_view_of(((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__}))
#define ONE(n) 1, 0, 0, 0, 12, 0, 0, 0, 12 + (n), 0, 0, 0

TEST(columns_of_mds)
{
    CHECK_EQ(read_column("ndarray:uint16:2", "4", false, SHARD(ONE(4), 1, 0, 2, 1)), PX_ERR_OK);
    CHECK_EQ(got.tokens[1], 258);
    CHECK_EQ(
        read_column("ndarray:uint16", "null", false, SHARD(ONE(10), 6, 0, 0, 0, 4, 2, 1, 0, 2, 1)),
        PX_ERR_OK);
    CHECK_EQ(got.n, 3u);
    /* Another shape than there are values. */
    CHECK_EQ(
        read_column("ndarray:uint16", "null", false, SHARD(ONE(10), 6, 0, 0, 0, 4, 3, 1, 0, 2, 1)),
        PX_ERR_CORRUPT);
    CHECK_EQ(read_column("bytes", "null", true, SHARD(ONE(8), 4, 0, 0, 0, 1, 0, 2, 1)), PX_ERR_OK);
    CHECK_EQ(read_column("bytes", "null", false, SHARD(ONE(8), 4, 0, 0, 0, 1, 0, 2, 1)),
             PX_ERR_CORRUPT); /* int64 */
    /* A column that leaves its sample, a sample that leaves its shard. */
    CHECK_EQ(read_column("bytes", "null", true, SHARD(ONE(8), 5, 0, 0, 0, 1, 0, 2, 1)),
             PX_ERR_CORRUPT);
    CHECK_EQ(read_column("bytes", "null", true, SHARD(ONE(9), 4, 0, 0, 0, 1, 0, 2, 1)),
             PX_ERR_CORRUPT);
    CHECK_EQ(read_column("bytes", "null", true, SHARD(2, 0, 0, 0, 12, 0, 0, 0)), PX_ERR_TRUNCATED);
    CHECK_EQ(read_column("pkl", "null", false, SHARD(ONE(4), 0, 0, 0, 0)), PX_ERR_UNSUPPORTED);
    CHECK_EQ(read_column("ndarray:float32", "null", false, SHARD(ONE(4), 0, 0, 0, 0)),
             PX_ERR_UNSUPPORTED);
}

/* ---------------------------------------------------------- tokens, and heads */

TEST(tokens_of_every_type)
{
    static const uint8_t bytes[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const char *const names[] = {"uint8",  "int8",  "uint16", "int16",
                                        "uint32", "int32", "uint64", "int64"};
    static const int64_t want[] = {255, -1, 65535, -1, INT64_MIN, -1, INT64_MIN, -1};
    struct pxi_import_type type;
    for (unsigned i = 0; i < 8; i++) {
        memset(&got, 0, sizeof got);
        CHECK(pxi_import_type(px_view_str(names[i]), &type));
        px_err err = pxi_import_run(&sink, type, px_view_of(bytes, type.bytes), 0, false, &diag);
        CHECK_EQ(err, want[i] == INT64_MIN ? PX_ERR_LIMIT : PX_ERR_OK);
        CHECK(err || got.tokens[0] == want[i]);
    }
    CHECK(!pxi_import_type(px_view_str("float32"), &type));
}

TEST(tokens_that_do_not_fit)
{
    static const int32_t tokens[] = {0, 65535, 65536, -1};
    uint8_t out[16], head[PXI_EXPORT_MEGATRON_HEAD];
    CHECK_EQ(pxi_export_tokens(2, tokens, 2, out), 2u);
    CHECK_EQ(pxi_export_tokens(2, tokens, 4, out), 2u);
    CHECK_EQ(pxi_export_tokens(2, tokens + 3, 1, out), 0u);
    CHECK_EQ(pxi_export_tokens(4, tokens, 4, out), 4u);
    pxi_export_megatron_head(4, 5, head);
    px_view idx = read_file("i32.idx");
    CHECK(memcmp(idx.p, head, sizeof head) == 0);
}

TEST_MAIN()
