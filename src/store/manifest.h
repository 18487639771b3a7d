/*
 * The manifest of a model: what it is, and its shards. A signed envelope around a protobuf, written
 * in docs/formats/manifest.md; the hash of the envelope names the model.
 */
#ifndef PXI_STORE_MANIFEST_H
#define PXI_STORE_MANIFEST_H

#include "codec/cid.h"
#include "codec/peer.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "store/shard.h"
#include "store/wire.h"

enum { PXI_MANIFEST_MAX = 65536 };

struct pxi_manifest_shard {
    enum pxi_shard_role role;
    uint32_t block;
    uint8_t hash[PXI_DIGEST]; /* BLAKE3 */
    uint64_t bytes, tensors;
    bool has_sha256;
    uint8_t sha256[PXI_DIGEST];
};

/* A checked manifest; owns its memory. */
struct pxi_manifest {
    uint8_t hash[PXI_DIGEST]; /* of the envelope: the name of the model */
    struct pxi_peer signer;
    char *name, *architecture, *type;
    uint64_t blocks, embd, ffn, heads, kv_heads, vocab, context, parameters, bytes;
    bool tied; /* the output uses the weights of token_embd */
    struct pxi_manifest_shard *shards;
    uint32_t count;
};

/* Take a manifest apart. PX_ERR_LIMIT, PX_ERR_CORRUPT (with the diagnosis), PX_ERR_IDENTITY (its
 * signature), PX_ERR_VERSION, PX_ERR_NOMEM. Deinit after success only. */
px_err pxi_manifest_open(px_view envelope, struct pxi_manifest *out, px_diag *d);
void pxi_manifest_deinit(struct pxi_manifest *m);

/* Append the envelope of a model that was cut; the hashes of the rows are those of its shards. The
 * name may be empty: then it is that of the metadata. */
px_err pxi_manifest_seal(const struct pxi_cut *c, const struct pxi_manifest_shard *rows,
                         px_view name, const struct pxi_key *key, struct pxi_buf *out);

/* Check for `plexus check --format manifest`. */
px_err pxi_manifest_check(px_view in, px_diag *d);

/* Part of a model: blocks first .. last - 1, and the ends. */
struct pxi_want {
    uint32_t first, last;
    bool embd, output;
};
/* All of it. */
struct pxi_want pxi_want_all(const struct pxi_manifest *m);
/* Does that part need shard i? meta always; token_embd for an output that is tied to it. */
bool pxi_want_shard(const struct pxi_want *w, const struct pxi_manifest *m, uint32_t i);

/*
 * Is a parsed shard what row i of its manifest says? Role, block, number of tensors (and of all
 * tensors of the model), and of meta the dimensions that the manifest repeats. PX_ERR_CORRUPT with
 * the diagnosis.
 */
px_err pxi_manifest_check_shard(const struct pxi_manifest *m, uint32_t i, const px_gguf *g,
                                px_diag *d);

/* The files of a part (pxi_store_slice) in their order: a pxi_gguf_part_fn for pxi_gguf_parse_some.
 */
struct pxi_parts_check {
    const struct pxi_manifest *m;
    struct pxi_want want;
    uint32_t next; /* 0 */
};
px_err pxi_manifest_check_part(void *check, uint32_t part, const px_gguf *g, px_diag *d);

/* The CID of a BLAKE3 hash, as text; returns out. */
char *pxi_hash_text(const uint8_t hash[PXI_DIGEST], char out[PXI_CID_TEXT]);

#endif
