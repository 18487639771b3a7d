/* Blobs of the store: read with their trees, fetched group by group, or written in one go. */
#include <stdio.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/store_impl.h"

enum { RUN = 2048 }; /* hashes that are paired at once: 64 KiB */

/* ------------------------------------------------------------------ reading */

px_err pxi_blob_open(struct pxi_store *s, const uint8_t hash[PXI_DIGEST], struct pxi_blob *b)
{
    char path[PXI_STORE_PATH];
    struct pxi_files *f = s->files;
    *b = (struct pxi_blob){.files = f};
    bool shard = pxi_store_has(s, hash, NULL);
    if (!shard && !pxi_store_model(s, hash))
        return PX_ERR_NOT_FOUND;
    px_err err = f->ops->open(f, pxi_store_path(path, shard ? "blobs" : "models", hash, ""),
                              PXI_FILE_READ, &b->file);
    if (err != PX_ERR_OK)
        return err;
    b->bytes = f->ops->bytes(b->file);
    b->groups = pxi_tree_groups(b->bytes);
    if (b->groups > 1)
        err = f->ops->open(f, pxi_store_path(path, "trees", hash, ""), PXI_FILE_READ, &b->tree);
    if (err != PX_ERR_OK)
        pxi_blob_close(b);
    return err;
}

void pxi_blob_close(struct pxi_blob *b)
{
    if (b->file)
        b->files->ops->close(b->file);
    if (b->tree)
        b->files->ops->close(b->tree);
    *b = (struct pxi_blob){0};
}

px_err pxi_blob_read(struct pxi_blob *b, const struct pxi_tree_at *at, uint8_t *to, size_t n)
{
    uint64_t pos[2];
    if (at->leaf)
        return b->files->ops->read(b->file, at->first * PXI_GROUP, to, n);
    pxi_tree_children(b->groups, at, pos);
    return b->files->ops->read(b->tree, pos[0] * PXI_DIGEST, to, n);
}

/* ------------------------------------------------------------------ trees */

/* One level from the one below it. */
static px_err pair_level(struct pxi_files *f, struct pxi_file *tree, uint64_t from, uint64_t count,
                         uint8_t *run)
{
    px_err err = PX_ERR_OK;
    for (uint64_t i = 0; i < count && err == PX_ERR_OK; i += RUN) {
        size_t n = count - i < RUN ? (size_t)(count - i) : RUN;
        err = f->ops->read(tree, (from + i) * PXI_DIGEST, run, n * PXI_DIGEST);
        if (err != PX_ERR_OK)
            break;
        pxi_tree_pair(run, n, run);
        err = f->ops->write(tree, (from + count + i / 2) * PXI_DIGEST,
                            px_view_of(run, (n + 1) / 2 * PXI_DIGEST));
    }
    return err;
}

px_err pxi_store_tree(struct pxi_files *f, struct pxi_file *tree, uint64_t groups,
                      uint8_t root[PXI_DIGEST])
{
    uint64_t count;
    if (groups == 1)
        return f->ops->read(tree, 0, root, PXI_DIGEST);
    uint8_t *run = pxi_calloc(RUN, PXI_DIGEST);
    px_err err = run ? PX_ERR_OK : PX_ERR_NOMEM;
    unsigned levels = pxi_tree_levels(groups);
    for (unsigned l = 1; l < levels && err == PX_ERR_OK; l++) {
        uint64_t from = pxi_tree_level_at(groups, l - 1, &count);
        err = pair_level(f, tree, from, count, run);
    }
    uint64_t top = pxi_tree_level_at(groups, levels - 1, &count);
    if (err == PX_ERR_OK)
        err = f->ops->read(tree, top * PXI_DIGEST, run, PXI_TREE_NODE);
    if (err == PX_ERR_OK)
        pxi_tree_node(run, 1, root);
    pxi_free(run);
    return err;
}

px_err pxi_store_publish(struct pxi_files *f, struct pxi_file *file, struct pxi_file *tree,
                         uint64_t groups, const char *from, const char *from_tree,
                         const uint8_t hash[PXI_DIGEST])
{
    char path[PXI_STORE_PATH];
    px_err err = f->ops->sync(file);
    if (err == PX_ERR_OK && groups > 1)
        err = f->ops->sync(tree);
    if (err == PX_ERR_OK && groups > 1)
        err = f->ops->rename(f, from_tree, pxi_store_path(path, "trees", hash, ""));
    if (err == PX_ERR_OK)
        err = f->ops->rename(f, from, pxi_store_path(path, "blobs", hash, ""));
    if (err == PX_ERR_OK && groups == 1)
        err = f->ops->remove(f, from_tree);
    return err;
}

/* ------------------------------------------------------------------ fetched blobs */

static bool bit(const uint8_t *have, uint64_t i)
{
    return have[i / 8] >> (i % 8) & 1;
}

bool pxi_partial_has(const struct pxi_partial *p, uint64_t group)
{
    return bit(p->have, group);
}

px_err pxi_partial_open(struct pxi_store *s, const uint8_t hash[PXI_DIGEST], uint64_t bytes,
                        struct pxi_partial *p)
{
    char path[PXI_STORE_PATH];
    struct pxi_files *f = s->files;
    *p = (struct pxi_partial){.store = s, .bytes = bytes, .groups = pxi_tree_groups(bytes)};
    memcpy(p->hash, hash, PXI_DIGEST);
    p->missing = p->groups;
    if (!bytes || bytes > PXI_LIMIT_STORE_SHARD_BYTES)
        return PX_ERR_LIMIT;
    for (struct pxi_partial *q = s->partials; q; q = q->next)
        if (memcmp(q->hash, hash, PXI_DIGEST) == 0)
            return PX_ERR_REFUSED;
    p->next = s->partials;
    s->partials = p;
    p->have = pxi_calloc((size_t)(p->groups / 8 + 1), 1);
    p->kept = pxi_calloc((size_t)(p->groups / 8 + 1), 1);
    px_err err = p->have && p->kept ? PX_ERR_OK : PX_ERR_NOMEM;
    if (err == PX_ERR_OK)
        err = f->ops->open(f, pxi_store_path(path, "partial", hash, ""), PXI_FILE_WRITE, &p->file);
    if (err == PX_ERR_OK)
        err = f->ops->open(f, pxi_store_path(path, "partial", hash, ".tree"), PXI_FILE_WRITE,
                           &p->tree);
    if (err == PX_ERR_OK) {
        uint64_t claimed = f->ops->bytes(p->tree) / PXI_DIGEST;
        p->claimed = claimed < p->groups ? claimed : p->groups;
    } else {
        pxi_partial_close(p);
    }
    return err;
}

void pxi_partial_close(struct pxi_partial *p)
{
    for (struct pxi_partial **q = p->store ? &p->store->partials : NULL; q && *q; q = &(*q)->next)
        if (*q == p) {
            *q = p->next;
            break;
        }
    if (p->file)
        p->store->files->ops->close(p->file);
    if (p->tree)
        p->store->files->ops->close(p->tree);
    pxi_free(p->have);
    pxi_free(p->kept);
    pxi_free(p->nodes);
    p->file = p->tree = NULL;
    p->have = p->kept = p->nodes = NULL;
}

/* Hash of group i as a stored tree has it. */
static void hash_group(uint64_t groups, uint64_t i, px_view bytes, uint8_t out[PXI_DIGEST])
{
    if (groups == 1)
        pxi_blake3(bytes, out);
    else
        pxi_tree_group(bytes, i, out);
}

static void mark(struct pxi_partial *p, uint64_t i)
{
    p->have[i / 8] |= (uint8_t)(1u << (i % 8));
    p->kept[i / 8] |= (uint8_t)(1u << (i % 8));
    p->missing--;
}

/* Is the claim of group i true? buf holds a group. */
static bool claim_holds(struct pxi_partial *p, uint64_t i, uint8_t *buf)
{
    static const uint8_t none[PXI_DIGEST];
    const struct pxi_files_ops *ops = p->store->files->ops;
    uint8_t claim[PXI_DIGEST], got[PXI_DIGEST];
    size_t n = pxi_tree_group_bytes(p->bytes, i);
    if (ops->read(p->tree, i * PXI_DIGEST, claim, sizeof claim) != PX_ERR_OK ||
        memcmp(claim, none, sizeof none) == 0 ||
        ops->read(p->file, i * PXI_GROUP, buf, n) != PX_ERR_OK)
        return false;
    hash_group(p->groups, i, px_view_of(buf, n), got);
    return memcmp(got, claim, sizeof got) == 0;
}

void pxi_partial_resume(struct pxi_partial *p)
{
    uint8_t *buf = p->claimed ? pxi_calloc(1, PXI_GROUP) : NULL;
    for (uint64_t i = 0; buf && i < p->claimed; i++)
        if (!pxi_partial_has(p, i) && claim_holds(p, i, buf))
            mark(p, i);
    p->claimed = 0;
    pxi_free(buf);
}

void pxi_partial_promise(struct pxi_partial *p, uint64_t group)
{
    p->have[group / 8] |= (uint8_t)(1u << (group % 8));
}

void pxi_partial_settle(struct pxi_partial *p, uint64_t group, bool kept)
{
    uint8_t mask = (uint8_t)(1u << (group % 8));
    if (kept) {
        p->missing--;
        p->kept[group / 8] |= mask;
    } else {
        p->have[group / 8] &= (uint8_t)~mask;
    }
}

px_err pxi_partial_check(const struct pxi_partial *p, uint64_t group, px_view bytes,
                         const uint8_t hash[PXI_DIGEST])
{
    uint8_t got[PXI_DIGEST];
    hash_group(p->groups, group, bytes, got);
    return memcmp(got, hash, sizeof got) == 0 ? PX_ERR_OK : PX_ERR_CORRUPT;
}

px_err pxi_partial_reserve(struct pxi_partial *p)
{
    if (p->reserved)
        return PX_ERR_OK;
    p->reserved = true;
    return p->store->files->ops->reserve(p->file, p->bytes);
}

px_err pxi_partial_write(const struct pxi_partial *p, uint64_t first, const px_view *groups,
                         unsigned n, const uint8_t *hashes)
{
    const struct pxi_files_ops *ops = p->store->files->ops;
    px_err err = ops->gather(p->file, first * PXI_GROUP, groups, n);
    return err == PX_ERR_OK
               ? ops->write(p->tree, first * PXI_DIGEST, px_view_of(hashes, (size_t)n * PXI_DIGEST))
               : err;
}

px_err pxi_partial_put(struct pxi_partial *p, uint64_t group, px_view bytes,
                       const uint8_t hash[PXI_DIGEST])
{
    if (group >= p->groups || bytes.n != pxi_tree_group_bytes(p->bytes, group))
        return PX_ERR_INVALID;
    if (pxi_partial_has(p, group))
        return PX_ERR_OK;
    pxi_partial_promise(p, group);
    px_err err = pxi_partial_check(p, group, bytes, hash);
    if (err == PX_ERR_OK)
        err = pxi_partial_write(p, group, &bytes, 1, hash);
    pxi_partial_settle(p, group, err == PX_ERR_OK);
    return err;
}

/* What lies there is not what the hash says: forget all of it. */
static void start_over(struct pxi_partial *p)
{
    memset(p->have, 0, (size_t)(p->groups / 8 + 1));
    memset(p->kept, 0, (size_t)(p->groups / 8 + 1));
    pxi_free(p->nodes);
    p->nodes = NULL;
    p->missing = p->groups;
    (void)p->store->files->ops->resize(p->tree, 0);
}

void pxi_partial_finish(struct pxi_partial *p)
{
    char from[PXI_STORE_PATH], from_tree[PXI_STORE_PATH];
    struct pxi_files *f = p->store->files;
    uint8_t root[PXI_DIGEST];
    p->err = p->missing ? PX_ERR_INVALID : f->ops->resize(p->file, p->bytes);
    if (p->err == PX_ERR_OK)
        p->err = pxi_store_tree(f, p->tree, p->groups, root);
    if (p->err == PX_ERR_OK && memcmp(root, p->hash, sizeof root) != 0) {
        start_over(p);
        p->err = PX_ERR_CORRUPT;
    }
    if (p->err == PX_ERR_OK)
        p->err = pxi_store_publish(f, p->file, p->tree, p->groups,
                                   pxi_store_path(from, "partial", p->hash, ""),
                                   pxi_store_path(from_tree, "partial", p->hash, ".tree"), p->hash);
}

px_err pxi_partial_done(struct pxi_partial *p)
{
    return p->err == PX_ERR_OK ? pxi_store_index(p->store, p->hash, p->bytes) : p->err;
}

/* ------------------------------------------------------------------ written blobs */

static char *sink_path(char out[PXI_STORE_PATH], uint32_t number, const char *suffix)
{
    snprintf(out, PXI_STORE_PATH, "partial/new-%u%s", number, suffix);
    return out;
}

px_err pxi_sink_open(struct pxi_store *s, uint64_t bytes, bool sha256, struct pxi_sink *k)
{
    char path[PXI_STORE_PATH];
    struct pxi_files *f = s->files;
    *k = (struct pxi_sink){.store = s, .expect = bytes, .number = s->written++};
    k->group = pxi_calloc(1, PXI_GROUP);
    if (sha256)
        k->sha256 = pxi_sha256_begin();
    px_err err = k->group && (!sha256 || k->sha256) ? PX_ERR_OK : PX_ERR_NOMEM;
    if (err == PX_ERR_OK)
        err = f->ops->open(f, sink_path(path, k->number, ""), PXI_FILE_WRITE, &k->file);
    if (err == PX_ERR_OK)
        err = f->ops->open(f, sink_path(path, k->number, ".tree"), PXI_FILE_WRITE, &k->tree);
    if (err == PX_ERR_OK)
        err = f->ops->resize(k->file, 0);
    if (err == PX_ERR_OK)
        err = f->ops->resize(k->tree, 0);
    if (err != PX_ERR_OK)
        pxi_sink_close(k);
    return err;
}

static px_err flush(struct pxi_sink *k)
{
    const struct pxi_files_ops *ops = k->store->files->ops;
    uint8_t hash[PXI_DIGEST];
    uint64_t i = k->bytes / PXI_GROUP;
    px_view v = px_view_of(k->group, k->n);
    if (k->n > k->expect - k->bytes)
        return PX_ERR_INVALID;
    if (k->sha256)
        pxi_sha256_add(k->sha256, v);
    hash_group(pxi_tree_groups(k->expect), i, v, hash);
    px_err err = ops->write(k->file, k->bytes, v);
    if (err == PX_ERR_OK)
        err = ops->write(k->tree, i * PXI_DIGEST, px_view_of(hash, PXI_DIGEST));
    k->bytes += k->n;
    k->n = 0;
    return err;
}

int pxi_sink_write(void *ctx, const void *bytes, size_t n)
{
    struct pxi_sink *k = ctx;
    const uint8_t *p = bytes;
    while (n && k->err == PX_ERR_OK) {
        size_t part = n < PXI_GROUP - k->n ? n : PXI_GROUP - k->n;
        memcpy(k->group + k->n, p, part);
        k->n += part;
        p += part;
        n -= part;
        if (k->n == PXI_GROUP)
            k->err = flush(k);
    }
    return k->err != PX_ERR_OK;
}

px_err pxi_sink_finish(struct pxi_sink *k, uint8_t hash[PXI_DIGEST], uint8_t sha256[PXI_DIGEST])
{
    char from[PXI_STORE_PATH], from_tree[PXI_STORE_PATH];
    struct pxi_files *f = k->store->files;
    uint64_t groups = pxi_tree_groups(k->expect);
    if (k->err == PX_ERR_OK && k->n)
        k->err = flush(k);
    if (k->err == PX_ERR_OK && k->bytes != k->expect)
        k->err = PX_ERR_INVALID;
    if (k->err == PX_ERR_OK)
        k->err = pxi_store_tree(f, k->tree, groups, hash);
    if (k->err == PX_ERR_OK && k->sha256) {
        pxi_sha256_end(k->sha256, sha256);
        k->sha256 = NULL;
    }
    if (k->err == PX_ERR_OK)
        k->err = pxi_store_publish(f, k->file, k->tree, groups, sink_path(from, k->number, ""),
                                   sink_path(from_tree, k->number, ".tree"), hash);
    return k->err;
}

px_err pxi_sink_done(struct pxi_sink *k, const uint8_t hash[PXI_DIGEST])
{
    return k->err == PX_ERR_OK ? pxi_store_index(k->store, hash, k->expect) : k->err;
}

void pxi_sink_close(struct pxi_sink *k)
{
    char path[PXI_STORE_PATH];
    struct pxi_files *f = k->store->files;
    if (k->file)
        f->ops->close(k->file);
    if (k->tree)
        f->ops->close(k->tree);
    if (k->err != PX_ERR_OK || k->bytes != k->expect) {
        (void)f->ops->remove(f, sink_path(path, k->number, ""));
        (void)f->ops->remove(f, sink_path(path, k->number, ".tree"));
    }
    if (k->sha256)
        pxi_sha256_drop(k->sha256);
    pxi_free(k->group);
    k->file = k->tree = NULL;
    k->sha256 = NULL;
    k->group = NULL;
}
