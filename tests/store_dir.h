/* A store in a temporary directory, the model that the program carries, and manifests of it. */
#ifndef STORE_DIR_H
#define STORE_DIR_H

#include <dirent.h>

#include "io/files.h"
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
