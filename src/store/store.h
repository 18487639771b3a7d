/*
 * A folder of models: shards as blobs named by their hash, manifests, pins, and what is still on
 * its way. Never gives out a byte that was not verified: a blob gets its name after its last group
 * was, and of `partial/` nothing is given out but groups that were verified. Layout and order of
 * writes: see docs/internals/store.md.
 */
#ifndef PXI_STORE_STORE_H
#define PXI_STORE_STORE_H

#include "base/files.h"
#include "crypto/tree.h"
#include "store/manifest.h"

struct pxi_store_blob {
    uint8_t hash[PXI_DIGEST];
    uint64_t bytes;
};

struct pxi_store_model {
    struct pxi_manifest m;
    uint8_t *envelope;
    size_t envelope_n;
    uint64_t used_s;
    unsigned held; /* in use or being fetched: garbage collection leaves it */
    bool pinned;
};

struct pxi_store {
    struct pxi_files *files;
    uint64_t quota, used; /* bytes; quota 0: none */
    struct pxi_store_blob *blobs;
    struct pxi_store_model **models;
    uint32_t blob_count, blob_cap, model_count;
    struct pxi_partial *partials; /* that are open */
    uint32_t skipped;             /* files of models/ that are no manifest */
    uint32_t writers;             /* pushes under way: what they wrote has no entry yet */
    _Atomic uint32_t written;     /* numbers the files of pxi_sink */
};

/* Read a folder; readonly: change nothing in it, even if it is empty. The files are borrowed, and
 * closed by their owner after the store. */
px_err pxi_store_open(struct pxi_files *files, bool readonly, uint64_t quota,
                      struct pxi_store **out);
void pxi_store_close(struct pxi_store *s);

/* ------------------------------------------------------------------ models */

/* By hash, or NULL. */
struct pxi_store_model *pxi_store_model(struct pxi_store *s, const uint8_t hash[PXI_DIGEST]);
/* By CID (BLAKE3, or SHA-256 of the manifest), by the beginning of a CID (8 letters or more), or by
 * a name. PX_ERR_NOT_FOUND; PX_ERR_LIMIT: several are so called. */
px_err pxi_store_find(struct pxi_store *s, const char *text, struct pxi_store_model **out);
/* Keep a manifest. It is checked; a second time the model that is there. */
px_err pxi_store_add(struct pxi_store *s, px_view envelope, struct pxi_store_model **out,
                     px_diag *d);
px_err pxi_store_pin(struct pxi_store *s, struct pxi_store_model *m, bool on);
/* Used now: the last to go. */
void pxi_store_touch(struct pxi_store *s, struct pxi_store_model *m);
/* Remove a model and the shards that no other names. PX_ERR_REFUSED: it is held. */
px_err pxi_store_remove(struct pxi_store *s, struct pxi_store_model *m);
/* Remove what no model names: blobs, trees, partial files. Bytes that were freed. */
uint64_t pxi_store_sweep(struct pxi_store *s);
/* Make room for so many bytes more under the quota. PX_ERR_LIMIT: what is left is pinned or held.
 * A quota of 0 always has room. */
px_err pxi_store_room(struct pxi_store *s, uint64_t bytes);

/* Shards of a part of a model (all of it: want NULL), how many are here, and bytes likewise. */
struct pxi_store_state {
    uint32_t shards, here;
    uint64_t bytes, bytes_here;
};
struct pxi_store_state pxi_store_state_of(struct pxi_store *s, const struct pxi_store_model *m,
                                          const struct pxi_want *want);

/* ------------------------------------------------------------------ opening */

/*
 * The absolute paths of the shards of a part, in order (meta first): what a stage maps, and nothing
 * else; the parts go to pxi_gguf_parse_some. PX_ERR_NOT_FOUND: shard *missing is not here. Free
 * with pxi_store_paths_free.
 */
px_err pxi_store_slice(struct pxi_store *s, struct pxi_store_model *m, const struct pxi_want *want,
                       char ***paths, uint32_t *count, uint32_t *missing);
void pxi_store_paths_free(char **paths, uint32_t count);
/* A whole model under the names of a split file: the path that px_model_open takes (pxi_free). */
px_err pxi_store_view(struct pxi_store *s, struct pxi_store_model *m, char **path);

/* ------------------------------------------------------------------ blobs */

/* Is it here, whole? bytes may be NULL. */
bool pxi_store_has(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST], uint64_t *bytes);
/* Is it a shard of a model that is being fetched? */
bool pxi_store_fetches(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST]);

/* A blob (a shard or a manifest) that is read group by group, with its tree. */
struct pxi_blob {
    struct pxi_file *file, *tree;
    struct pxi_files *files;
    uint64_t bytes, groups;
    bool partial; /* not all of it is here: see pxi_partial_ready */
};
px_err pxi_blob_open(struct pxi_store *s, const uint8_t hash[PXI_DIGEST], struct pxi_blob *b);
void pxi_blob_close(struct pxi_blob *b);
/* The next part of a slice: two hashes, or the bytes of a group. */
px_err pxi_blob_read(struct pxi_blob *b, const struct pxi_tree_at *at, uint8_t *to, size_t n);

/* ------------------------------------------------------------------ on the way in */

/* A blob that is being fetched. */
struct pxi_partial {
    struct pxi_store *store;
    struct pxi_partial *next; /* in store->partials */
    struct pxi_file *file, *tree;
    uint8_t hash[PXI_DIGEST];
    uint64_t bytes, groups, missing, claimed; /* claimed: groups to look at when resuming */
    uint8_t *have, *kept;                     /* a bit a group: promised or here; here */
    uint8_t *nodes;                           /* a bit a hash: pairs that were written */
    bool reserved;
    px_err err; /* of pxi_partial_finish */
};
/* PX_ERR_REFUSED: another fetch has it open. */
px_err pxi_partial_open(struct pxi_store *s, const uint8_t hash[PXI_DIGEST], uint64_t bytes,
                        struct pxi_partial *p);
/* Hash again what an earlier process left (from a worker thread); groups that differ are missing.
 */
void pxi_partial_resume(struct pxi_partial *p);
bool pxi_partial_has(const struct pxi_partial *p, uint64_t group);
/* A verified group and its hash (pxi_bao_check). A second time nothing happens. */
px_err pxi_partial_put(struct pxi_partial *p, uint64_t group, px_view bytes,
                       const uint8_t hash[PXI_DIGEST]);
/* The same in three steps. Promise a group: from then on it counts as being here, but stays
 * missing. Check it against its hash (PX_ERR_CORRUPT), and write it, with up to 15 checked ones
 * that follow it (both from any thread). Then keep the promise, or take it back. */
void pxi_partial_promise(struct pxi_partial *p, uint64_t group);
px_err pxi_partial_check(const struct pxi_partial *p, uint64_t group, px_view bytes,
                         const uint8_t hash[PXI_DIGEST]);
/* Before the first write: the whole of it, on the disk (one thread at a time). */
px_err pxi_partial_reserve(struct pxi_partial *p);
px_err pxi_partial_write(const struct pxi_partial *p, uint64_t first, const px_view *groups,
                         unsigned n, const uint8_t *hashes);
void pxi_partial_settle(struct pxi_partial *p, uint64_t group, bool kept);
/* All groups are here: build the tree, compare with the hash, bring it to the disk, give the blob
 * its name (from a worker thread). The result is in p->err: PX_ERR_CORRUPT starts over. */
void pxi_partial_finish(struct pxi_partial *p);
/* After a finish: enter the blob in the index. */
px_err pxi_partial_done(struct pxi_partial *p);
void pxi_partial_close(struct pxi_partial *p);

/* Others are served from it in pieces of so many groups, counted from the start. */
enum { PXI_STORE_PIECE = 16 };
struct pxi_partial *pxi_partial_find(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST]);
/* A verified pair of hashes above more than one piece: kept for those who will be served. */
void pxi_partial_node(struct pxi_partial *p, const struct pxi_tree_at *at, px_view pair);
/* Which pieces from `from` on are here, a bit each; how many bytes of the map are not zero. */
size_t pxi_partial_pieces(const struct pxi_partial *p, uint64_t from, uint8_t *map, size_t n);
/* Are these groups here, verified, and can that be proved to others? */
bool pxi_partial_ready(struct pxi_partial *p, uint64_t first, uint64_t count);
/* Open it to read groups for which pxi_partial_ready said so; they stay what they are. */
px_err pxi_blob_open_partial(struct pxi_store *s, const uint8_t hash[PXI_DIGEST],
                             struct pxi_blob *b);

/* A blob whose hash is not known before its end: bytes come in order, from any one thread. */
struct pxi_sink {
    struct pxi_store *store;
    struct pxi_file *file, *tree;
    struct pxi_sha256 *sha256; /* NULL: not wanted */
    uint8_t *group;            /* of 64 KiB */
    size_t n;
    uint64_t bytes, expect;
    uint32_t number;
    px_err err;
};
/* `bytes` is how many will come. */
px_err pxi_sink_open(struct pxi_store *s, uint64_t bytes, bool sha256, struct pxi_sink *k);
/* As a px_write_fn; non-zero: see k->err. */
int pxi_sink_write(void *k, const void *bytes, size_t n);
/* The end: the blob has its name when this returns PX_ERR_OK. sha256 may be NULL. */
px_err pxi_sink_finish(struct pxi_sink *k, uint8_t hash[PXI_DIGEST], uint8_t sha256[PXI_DIGEST]);
/* After the finish, on the owner's thread. */
px_err pxi_sink_done(struct pxi_sink *k, const uint8_t hash[PXI_DIGEST]);
void pxi_sink_close(struct pxi_sink *k);

#endif
