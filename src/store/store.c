#include "store/store.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/store_impl.h"

static const char *const folders[] = {"blobs", "trees", "models", "pins", "partial", "views"};

char *pxi_store_path(char out[PXI_STORE_PATH], const char *folder, const uint8_t hash[PXI_DIGEST],
                     const char *suffix)
{
    char text[PXI_CID_TEXT];
    snprintf(out, PXI_STORE_PATH, "%s/%s%s", folder, pxi_hash_text(hash, text), suffix);
    return out;
}

uint64_t pxi_store_cost(uint64_t bytes)
{
    uint64_t groups = pxi_tree_groups(bytes);
    return bytes + (groups > 1 ? pxi_tree_hashes(groups) * PXI_DIGEST : 0);
}

/* The hash in the name of a file; false when it has another kind of name. */
static bool hash_of(const char *name, uint8_t out[PXI_DIGEST])
{
    struct pxi_cid c;
    if (pxi_cid_parse(px_view_str(name), &c, NULL) != PX_ERR_OK || c.version != 1 ||
        c.codec != PXI_CID_RAW || c.hash != PXI_HASH_BLAKE3 || c.n != PXI_DIGEST)
        return false;
    memcpy(out, c.digest, PXI_DIGEST);
    return true;
}

/* ------------------------------------------------------------------ the index of blobs */

static int64_t blob_at(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST])
{
    for (uint32_t i = 0; i < s->blob_count; i++)
        if (memcmp(s->blobs[i].hash, hash, PXI_DIGEST) == 0)
            return i;
    return -1;
}

bool pxi_store_has(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST], uint64_t *bytes)
{
    int64_t i = blob_at(s, hash);
    if (i >= 0 && bytes)
        *bytes = s->blobs[i].bytes;
    return i >= 0;
}

px_err pxi_store_index(struct pxi_store *s, const uint8_t hash[PXI_DIGEST], uint64_t bytes)
{
    if (blob_at(s, hash) >= 0)
        return PX_ERR_OK;
    if (s->blob_count == PXI_LIMIT_STORE_BLOBS)
        return PX_ERR_LIMIT;
    if (s->blob_count == s->blob_cap) {
        uint32_t cap = s->blob_cap ? 2 * s->blob_cap : 64;
        struct pxi_store_blob *more = pxi_realloc(s->blobs, cap, sizeof *more);
        if (!more)
            return PX_ERR_NOMEM;
        s->blobs = more;
        s->blob_cap = cap;
    }
    struct pxi_store_blob *b = &s->blobs[s->blob_count++];
    memcpy(b->hash, hash, PXI_DIGEST);
    b->bytes = bytes;
    s->used += pxi_store_cost(bytes);
    return PX_ERR_OK;
}

static uint64_t remove_blob(struct pxi_store *s, uint32_t i)
{
    char path[PXI_STORE_PATH];
    struct pxi_store_blob *b = &s->blobs[i];
    uint64_t cost = pxi_store_cost(b->bytes);
    s->files->ops->remove(s->files, pxi_store_path(path, "blobs", b->hash, ""));
    s->files->ops->remove(s->files, pxi_store_path(path, "trees", b->hash, ""));
    s->used -= cost;
    *b = s->blobs[--s->blob_count];
    return cost;
}

static void found_blob(void *ctx, const struct pxi_file_info *i)
{
    uint8_t hash[PXI_DIGEST];
    if (hash_of(i->name, hash))
        (void)pxi_store_index(ctx, hash, i->bytes);
}

/* ------------------------------------------------------------------ the index of models */

static void model_free(struct pxi_store_model *m)
{
    if (!m)
        return;
    pxi_manifest_deinit(&m->m);
    pxi_free(m->envelope);
    pxi_free(m);
}

/* Check and enter; does not write. */
static px_err enter_model(struct pxi_store *s, px_view envelope, struct pxi_store_model **out,
                          px_diag *d)
{
    *out = NULL;
    if (s->model_count == PXI_LIMIT_STORE_MODELS)
        return PX_ERR_LIMIT;
    struct pxi_store_model *m = pxi_calloc(1, sizeof *m);
    if (!m)
        return PX_ERR_NOMEM;
    px_err err = pxi_manifest_open(envelope, &m->m, d);
    if (err == PX_ERR_OK) {
        m->envelope = pxi_calloc(envelope.n, 1);
        err = m->envelope ? PX_ERR_OK : PX_ERR_NOMEM;
    }
    if (err != PX_ERR_OK) {
        model_free(m);
        return err;
    }
    memcpy(m->envelope, envelope.p, envelope.n);
    m->envelope_n = envelope.n;
    s->models[s->model_count++] = *out = m;
    return PX_ERR_OK;
}

static px_err read_model(struct pxi_store *s, const char *name, uint64_t bytes,
                         struct pxi_store_model **out)
{
    static uint8_t none[1];
    char path[PXI_STORE_PATH];
    uint8_t hash[PXI_DIGEST], *p = none;
    struct pxi_file *file = NULL;
    *out = NULL;
    if (!hash_of(name, hash) || !bytes || bytes > PXI_MANIFEST_MAX)
        return PX_ERR_CORRUPT;
    px_err err = s->files->ops->open(s->files, pxi_store_path(path, "models", hash, ""),
                                     PXI_FILE_READ, &file);
    if (err == PX_ERR_OK && !(p = pxi_calloc((size_t)bytes, 1)))
        err = PX_ERR_NOMEM;
    if (err == PX_ERR_OK)
        err = s->files->ops->read(file, 0, p, (size_t)bytes);
    if (err == PX_ERR_OK)
        err = enter_model(s, px_view_of(p, (size_t)bytes), out, NULL);
    if (err == PX_ERR_OK && memcmp((*out)->m.hash, hash, sizeof hash) != 0) {
        model_free(s->models[--s->model_count]);
        err = PX_ERR_CORRUPT;
    }
    if (p != none)
        pxi_free(p);
    s->files->ops->close(file);
    return err;
}

static void found_model(void *ctx, const struct pxi_file_info *i)
{
    struct pxi_store *s = ctx;
    struct pxi_store_model *m;
    if (read_model(s, i->name, i->bytes, &m) == PX_ERR_OK)
        m->used_s = i->used_s;
    else
        s->skipped++;
}

static void found_pin(void *ctx, const struct pxi_file_info *i)
{
    uint8_t hash[PXI_DIGEST];
    struct pxi_store_model *m = hash_of(i->name, hash) ? pxi_store_model(ctx, hash) : NULL;
    if (m)
        m->pinned = true;
}

/* ------------------------------------------------------------------ opening */

/* What a process that died was writing. */
static void found_new(void *ctx, const struct pxi_file_info *i)
{
    struct pxi_store *s = ctx;
    char path[PXI_STORE_PATH];
    if (strncmp(i->name, "new-", 4) != 0)
        return;
    snprintf(path, sizeof path, "partial/%.200s", i->name);
    (void)s->files->ops->remove(s->files, path);
}

static px_err read_folder(struct pxi_store *s, bool readonly)
{
    struct pxi_files *f = s->files;
    px_err err = PX_ERR_OK;
    for (unsigned i = 0; i < sizeof folders / sizeof *folders && err == PX_ERR_OK && !readonly; i++)
        err = f->ops->folder(f, folders[i]);
    if (err == PX_ERR_OK)
        err = f->ops->list(f, "blobs", found_blob, s);
    if (err == PX_ERR_OK)
        err = f->ops->list(f, "models", found_model, s);
    if (err == PX_ERR_OK)
        err = f->ops->list(f, "pins", found_pin, s);
    if (err == PX_ERR_OK && !readonly)
        err = f->ops->list(f, "partial", found_new, s);
    return readonly && err == PX_ERR_NOT_FOUND ? PX_ERR_OK : err;
}

px_err pxi_store_open(struct pxi_files *files, bool readonly, uint64_t quota,
                      struct pxi_store **out)
{
    struct pxi_store *s = pxi_calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return PX_ERR_NOMEM;
    s->files = files;
    s->quota = quota;
    s->models = pxi_calloc(PXI_LIMIT_STORE_MODELS, sizeof(struct pxi_store_model *));
    px_err err = s->models ? read_folder(s, readonly) : PX_ERR_NOMEM;
    if (err != PX_ERR_OK)
        pxi_store_close(s);
    else
        *out = s;
    return err;
}

void pxi_store_close(struct pxi_store *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->model_count; i++)
        model_free(s->models[i]);
    pxi_free(s->models);
    pxi_free(s->blobs);
    pxi_free(s);
}

/* ------------------------------------------------------------------ models */

struct pxi_store_model *pxi_store_model(struct pxi_store *s, const uint8_t hash[PXI_DIGEST])
{
    for (uint32_t i = 0; i < s->model_count; i++)
        if (memcmp(s->models[i]->m.hash, hash, PXI_DIGEST) == 0)
            return s->models[i];
    return NULL;
}

static bool is_called(const struct pxi_store_model *m, const char *text, const struct pxi_cid *cid)
{
    char name[PXI_CID_TEXT];
    uint8_t sha[PXI_DIGEST];
    if (cid && cid->hash == PXI_HASH_BLAKE3 && cid->n == PXI_DIGEST)
        return memcmp(cid->digest, m->m.hash, PXI_DIGEST) == 0;
    if (cid && cid->hash == PXI_HASH_SHA2_256 && cid->n == PXI_DIGEST) {
        pxi_sha256(px_view_of(m->envelope, m->envelope_n), sha);
        return memcmp(cid->digest, sha, PXI_DIGEST) == 0;
    }
    size_t n = strlen(text);
    return strcmp(text, m->m.name) == 0 ||
           (n >= 8 && strncmp(text, pxi_hash_text(m->m.hash, name), n) == 0);
}

px_err pxi_store_find(struct pxi_store *s, const char *text, struct pxi_store_model **out)
{
    struct pxi_cid cid;
    bool is_cid = pxi_cid_parse(px_view_str(text), &cid, NULL) == PX_ERR_OK;
    *out = NULL;
    for (uint32_t i = 0; i < s->model_count; i++) {
        if (!*text || !is_called(s->models[i], text, is_cid ? &cid : NULL))
            continue;
        if (*out)
            return PX_ERR_LIMIT;
        *out = s->models[i];
    }
    return *out ? PX_ERR_OK : PX_ERR_NOT_FOUND;
}

/* Write a small file whole or not at all. */
static px_err write_whole(struct pxi_files *f, const char *name, px_view bytes)
{
    struct pxi_file *file = NULL;
    px_err err = f->ops->open(f, "partial/whole", PXI_FILE_WRITE, &file);
    if (err == PX_ERR_OK)
        err = f->ops->resize(file, 0);
    if (err == PX_ERR_OK)
        err = f->ops->write(file, 0, bytes);
    if (err == PX_ERR_OK)
        err = f->ops->sync(file);
    f->ops->close(file);
    return err == PX_ERR_OK ? f->ops->rename(f, "partial/whole", name) : err;
}

px_err pxi_store_add(struct pxi_store *s, px_view envelope, struct pxi_store_model **out,
                     px_diag *d)
{
    char path[PXI_STORE_PATH];
    uint8_t hash[PXI_DIGEST];
    pxi_blake3(envelope, hash);
    *out = pxi_store_model(s, hash);
    if (*out)
        return PX_ERR_OK;
    px_err err = enter_model(s, envelope, out, d);
    if (err != PX_ERR_OK)
        return err;
    pxi_store_path(path, "models", hash, "");
    err = write_whole(s->files, path, envelope);
    if (err != PX_ERR_OK) {
        model_free(s->models[--s->model_count]);
        *out = NULL;
        return err;
    }
    (*out)->used_s = UINT64_MAX; /* until the next start: newer than all others */
    return PX_ERR_OK;
}

px_err pxi_store_pin(struct pxi_store *s, struct pxi_store_model *m, bool on)
{
    char path[PXI_STORE_PATH];
    struct pxi_file *file = NULL;
    px_err err = PX_ERR_OK;
    pxi_store_path(path, "pins", m->m.hash, "");
    if (on) {
        err = s->files->ops->open(s->files, path, PXI_FILE_WRITE, &file);
        if (err == PX_ERR_OK)
            err = s->files->ops->sync(file);
        s->files->ops->close(file);
    } else {
        err = s->files->ops->remove(s->files, path);
    }
    if (err == PX_ERR_OK)
        m->pinned = on;
    return err;
}

void pxi_store_touch(struct pxi_store *s, struct pxi_store_model *m)
{
    char path[PXI_STORE_PATH];
    (void)s->files->ops->touch(s->files, pxi_store_path(path, "models", m->m.hash, ""));
    m->used_s = UINT64_MAX;
}

/* ------------------------------------------------------------------ removing */

static px_err drop_model(struct pxi_store *s, struct pxi_store_model *m)
{
    char path[PXI_STORE_PATH];
    px_err err = s->files->ops->remove(s->files, pxi_store_path(path, "models", m->m.hash, ""));
    if (err != PX_ERR_OK)
        return err;
    (void)s->files->ops->remove(s->files, pxi_store_path(path, "pins", m->m.hash, ""));
    (void)s->files->ops->remove_folder(s->files, pxi_store_path(path, "views", m->m.hash, ""));
    for (uint32_t i = 0; i < s->model_count; i++)
        if (s->models[i] == m)
            s->models[i] = s->models[--s->model_count];
    model_free(m);
    return PX_ERR_OK;
}

px_err pxi_store_remove(struct pxi_store *s, struct pxi_store_model *m)
{
    if (m->held)
        return PX_ERR_REFUSED;
    px_err err = drop_model(s, m);
    if (err == PX_ERR_OK)
        pxi_store_sweep(s);
    return err;
}

static bool is_named(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST])
{
    for (uint32_t i = 0; i < s->model_count; i++)
        for (uint32_t j = 0; j < s->models[i]->m.count; j++)
            if (memcmp(s->models[i]->m.shards[j].hash, hash, PXI_DIGEST) == 0)
                return true;
    return false;
}

bool pxi_store_fetches(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST])
{
    for (uint32_t i = 0; s->partials && i < s->model_count; i++) {
        const struct pxi_manifest *m = &s->models[i]->m;
        bool has = false, other = false;
        for (uint32_t j = 0; s->models[i]->held && j < m->count; j++) {
            has |= memcmp(m->shards[j].hash, hash, PXI_DIGEST) == 0;
            other |= pxi_partial_find(s, m->shards[j].hash) != NULL;
        }
        if (has && other)
            return true;
    }
    return false;
}

/* A tree without its blob: a process died between two names. */
static void found_tree(void *ctx, const struct pxi_file_info *i)
{
    struct pxi_store *s = ctx;
    char path[PXI_STORE_PATH];
    uint8_t hash[PXI_DIGEST];
    if (hash_of(i->name, hash) && blob_at(s, hash) < 0 && !is_named(s, hash))
        (void)s->files->ops->remove(s->files, pxi_store_path(path, "trees", hash, ""));
}

/* A file of partial/ that belongs to nothing any more. */
static void found_rest(void *ctx, const struct pxi_file_info *i)
{
    struct pxi_store *s = ctx;
    char name[PXI_CID_TEXT], path[PXI_STORE_PATH];
    uint8_t hash[PXI_DIGEST];
    size_t n = strcspn(i->name, ".");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : 0), i->name);
    bool named = hash_of(name, hash) && is_named(s, hash) && blob_at(s, hash) < 0;
    if (named || strncmp(name, "new-", 4) == 0)
        return;
    snprintf(path, sizeof path, "partial/%.200s", i->name);
    (void)s->files->ops->remove(s->files, path);
}

uint64_t pxi_store_sweep(struct pxi_store *s)
{
    uint64_t freed = 0;
    for (uint32_t i = s->blob_count; i-- > 0;)
        if (!is_named(s, s->blobs[i].hash))
            freed += remove_blob(s, i);
    if (s->writers)
        return freed;
    (void)s->files->ops->list(s->files, "trees", found_tree, s);
    (void)s->files->ops->list(s->files, "partial", found_rest, s);
    return freed;
}

px_err pxi_store_room(struct pxi_store *s, uint64_t bytes)
{
    while (s->quota && (s->used > s->quota || bytes > s->quota - s->used)) {
        struct pxi_store_model *oldest = NULL;
        for (uint32_t i = 0; i < s->model_count; i++) {
            struct pxi_store_model *m = s->models[i];
            if (!m->pinned && !m->held && (!oldest || m->used_s < oldest->used_s))
                oldest = m;
        }
        if (!oldest || drop_model(s, oldest) != PX_ERR_OK)
            return PX_ERR_LIMIT;
        pxi_store_sweep(s);
    }
    return PX_ERR_OK;
}

/* ------------------------------------------------------------------ looking and opening */

struct pxi_store_state pxi_store_state_of(struct pxi_store *s, const struct pxi_store_model *m,
                                          const struct pxi_want *want)
{
    struct pxi_store_state st = {0};
    struct pxi_want all = pxi_want_all(&m->m);
    for (uint32_t i = 0; i < m->m.count; i++) {
        uint64_t bytes;
        if (!pxi_want_shard(want ? want : &all, &m->m, i))
            continue;
        st.shards++;
        st.bytes += m->m.shards[i].bytes;
        if (pxi_store_has(s, m->m.shards[i].hash, &bytes) && bytes == m->m.shards[i].bytes) {
            st.here++;
            st.bytes_here += bytes;
        }
    }
    return st;
}

void pxi_store_paths_free(char **paths, uint32_t count)
{
    for (uint32_t i = 0; paths && i < count; i++)
        pxi_free(paths[i]);
    pxi_free(paths);
}

static char *blob_path(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST])
{
    char path[PXI_STORE_PATH];
    size_t n = strlen(s->files->root) + sizeof path;
    char *out = pxi_calloc(n, 1);
    if (out)
        snprintf(out, n, "%s/%s", s->files->root, pxi_store_path(path, "blobs", hash, ""));
    return out;
}

px_err pxi_store_slice(struct pxi_store *s, struct pxi_store_model *m, const struct pxi_want *want,
                       char ***paths, uint32_t *count, uint32_t *missing)
{
    *count = 0;
    *paths = pxi_calloc(m->m.count, sizeof **paths);
    px_err err = *paths ? PX_ERR_OK : PX_ERR_NOMEM;
    for (uint32_t i = 0; i < m->m.count && err == PX_ERR_OK; i++) {
        const struct pxi_manifest_shard *row = &m->m.shards[i];
        uint64_t bytes = 0;
        if (!pxi_want_shard(want, &m->m, i))
            continue;
        if (!pxi_store_has(s, row->hash, &bytes) || bytes != row->bytes) {
            *missing = i;
            err = PX_ERR_NOT_FOUND;
        } else if (!((*paths)[(*count)++] = blob_path(s, row->hash))) {
            err = PX_ERR_NOMEM;
        }
    }
    if (err == PX_ERR_OK) {
        pxi_store_touch(s, m);
        return err;
    }
    pxi_store_paths_free(*paths, *count);
    *paths = NULL;
    *count = 0;
    return err;
}

px_err pxi_store_view(struct pxi_store *s, struct pxi_store_model *m, char **path)
{
    char view[PXI_STORE_PATH], link[PXI_STORE_PATH + 64], target[PXI_STORE_PATH + 8];
    struct pxi_store_state st = pxi_store_state_of(s, m, NULL);
    *path = NULL;
    if (st.here != st.shards)
        return PX_ERR_NOT_FOUND;
    px_err err = s->files->ops->folder(s->files, pxi_store_path(view, "views", m->m.hash, ""));
    for (uint32_t i = 0; i < m->m.count && err == PX_ERR_OK; i++) {
        char blob[PXI_STORE_PATH];
        snprintf(target, sizeof target, "../../%s",
                 pxi_store_path(blob, "blobs", m->m.shards[i].hash, ""));
        snprintf(link, sizeof link, "%s/model-%05u-of-%05u.gguf", view, i + 1, m->m.count);
        err = s->files->ops->symlink(s->files, target, link);
    }
    if (err != PX_ERR_OK)
        return err;
    size_t n = strlen(s->files->root) + sizeof link;
    *path = pxi_calloc(n, 1);
    if (!*path)
        return PX_ERR_NOMEM;
    snprintf(*path, n, "%s/%s/model-00001-of-%05u.gguf", s->files->root, view, m->m.count);
    pxi_store_touch(s, m);
    return PX_ERR_OK;
}
