/* A store in a temporary directory, the model that the program carries, and manifests of it. */
#ifndef STORE_DIR_H
#define STORE_DIR_H

#include <dirent.h>

#include "io/files.h"
#include "net/envelope.h"
#include "node/engine.h"
#include "px_test.h"
#include "store/store.h"

struct dir {
    char root[64];
    struct pxi_files *files;
    struct pxi_store *store;
};

static inline void dir_open(struct dir *d, struct pxi_timers *timers, uint64_t quota)
{
    if (!d->root[0]) {
        snprintf(d->root, sizeof d->root, "/tmp/plexus-store-XXXXXX");
        CHECK(mkdtemp(d->root));
    }
    CHECK_EQ(pxi_files_open(d->root, false, NULL, timers, &d->files), PX_ERR_OK);
    CHECK_EQ(pxi_store_open(d->files, false, quota, &d->store), PX_ERR_OK);
}

static inline void dir_close(struct dir *d)
{
    pxi_store_close(d->store);
    pxi_files_close(d->files);
}

static inline void dir_remove(struct dir *d)
{
    char cmd[512];
    snprintf(cmd, sizeof cmd, "rm -rf %s", d->root);
    CHECK_EQ(system(cmd), 0);
}

/* Files in a folder of the store. */
static inline unsigned dir_count(const struct dir *d, const char *folder)
{
    char path[512];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/%s", d->root, folder);
    DIR *dir = opendir(path);
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* Cut a model into the store; the manifest's model. */
static inline struct pxi_store_model *
dir_push(struct dir *d, const px_gguf *g, const struct pxi_key *key, const char *name, bool sha256)
{
    struct pxi_cut c;
    struct pxi_store_model *m;
    struct pxi_buf envelope = {.max = PXI_MANIFEST_MAX};
    px_diag diag = {0};
    CHECK_EQ(pxi_cut_init(&c, g), PX_ERR_OK);
    struct pxi_manifest_shard *rows = calloc(c.count, sizeof *rows);
    for (uint32_t i = 0; i < c.count; i++) {
        struct pxi_sink k;
        CHECK_EQ(pxi_sink_open(d->store, c.shards[i].bytes, sha256, &k), PX_ERR_OK);
        CHECK_EQ(pxi_shard_write(&c, i, pxi_sink_write, &k), PX_ERR_OK);
        CHECK_EQ(pxi_sink_finish(&k, rows[i].hash, rows[i].sha256), PX_ERR_OK);
        rows[i].has_sha256 = sha256;
        CHECK_EQ(pxi_sink_done(&k, rows[i].hash), PX_ERR_OK);
        pxi_sink_close(&k);
    }
    CHECK_EQ(pxi_manifest_seal(&c, rows, px_view_str(name), key, &envelope), PX_ERR_OK);
    px_err err = pxi_store_add(d->store, px_view_of(envelope.p, envelope.n), &m, &diag);
    if (err != PX_ERR_OK)
        PX_FAIL("%s: %s, expected %s, found %s", px_err_name(err), diag.field, diag.expected,
                diag.found);
    free(rows);
    pxi_buf_deinit(&envelope);
    pxi_cut_deinit(&c);
    return m;
}

/* What is changed in a manifest before it is signed anew. */
typedef void dir_lie(struct pxi_msg_manifest *m, struct pxi_msg_shard *s);
#define LIE(name, change)                                                                          \
    static void name(struct pxi_msg_manifest *m, struct pxi_msg_shard *s)                          \
    {                                                                                              \
        change;                                                                                    \
    }

/* Add another manifest for the shards of a model. */
static inline px_err dir_add_lie(struct dir *d, const struct pxi_store_model *of,
                                 const struct pxi_key *key, dir_lie *tell,
                                 struct pxi_store_model **out)
{
    static const struct pxi_envelope_kind kind = {"plexus-manifest",
                                                  {(const uint8_t *)"\x03\x20", 2}};
    struct pxi_arena arena;
    struct pxi_msg_manifest m;
    struct pxi_peer signer;
    struct pxi_buf payload = {.max = PXI_MANIFEST_MAX}, sealed = {.max = PXI_MANIFEST_MAX};
    px_view inner, envelope = px_view_of(of->envelope, of->envelope_n);
    pxi_arena_init(&arena, 1 << 20);
    CHECK_EQ(pxi_envelope_open(envelope, &kind, NULL, &inner, &signer), PX_ERR_OK);
    CHECK_EQ(pxi_pb_decode(&pxi_pb_manifest, inner, &arena, &m, NULL), PX_ERR_OK);
    tell(&m, (struct pxi_msg_shard *)m.shards.p);
    CHECK_EQ(pxi_pb_encode(&pxi_pb_manifest, &m, &payload), PX_ERR_OK);
    CHECK_EQ(pxi_envelope_seal(key, &kind, px_view_of(payload.p, payload.n), &sealed), PX_ERR_OK);
    px_err err = pxi_store_add(d->store, px_view_of(sealed.p, sealed.n), out, NULL);
    pxi_buf_deinit(&payload);
    pxi_buf_deinit(&sealed);
    pxi_arena_deinit(&arena);
    return err;
}

/* The whole of a file (free). */
static inline px_view file_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    CHECK(f);
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    uint8_t *p = malloc(n + 1);
    CHECK(p && fread(p, 1, n, f) == n);
    fclose(f);
    return px_view_of(p, n);
}

static inline px_gguf *tiny_gguf(void)
{
    px_gguf *g;
    CHECK_EQ(px_gguf_parse(pxi_tiny_model(), &g, NULL), PX_ERR_OK);
    return g;
}

static inline struct pxi_key *test_key(uint8_t n)
{
    uint8_t seed[32] = {n, 77};
    return pxi_key_from_seed(seed);
}

#endif
