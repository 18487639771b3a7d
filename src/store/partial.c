/* Blobs that are still on their way, served to others: what was verified, and the hashes above it.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "store/store_impl.h"

enum { PIECE = PXI_STORE_PIECE };

static bool bit(const uint8_t *map, uint64_t i)
{
    return map[i / 8] >> (i % 8) & 1;
}

void pxi_partial_node(struct pxi_partial *p, const struct pxi_tree_at *at, px_view pair)
{
    uint64_t pos[2];
    if (at->leaf || at->count <= PIECE || pair.n != PXI_TREE_NODE)
        return; /* below that they are made of the groups */
    pxi_tree_children(p->groups, at, pos);
    if (!p->nodes)
        p->nodes = pxi_calloc((size_t)(pxi_tree_hashes(p->groups) / 8 + 1), 1);
    if (!p->nodes || bit(p->nodes, pos[0]))
        return;
    if (p->store->files->ops->write(p->tree, pos[0] * PXI_DIGEST, pair) == PX_ERR_OK)
        p->nodes[pos[0] / 8] |= (uint8_t)(1u << (pos[0] % 8));
}

struct pxi_partial *pxi_partial_find(const struct pxi_store *s, const uint8_t hash[PXI_DIGEST])
{
    for (struct pxi_partial *p = s->partials; p; p = p->next)
        if (memcmp(p->hash, hash, PXI_DIGEST) == 0)
            return p;
    return NULL;
}

/* All groups of a piece were verified and written. */
static bool kept(const struct pxi_partial *p, uint64_t piece)
{
    uint64_t i = piece * PIECE, end = i + PIECE < p->groups ? i + PIECE : p->groups;
    while (i < end && bit(p->kept, i))
        i++;
    return i == end;
}

size_t pxi_partial_pieces(const struct pxi_partial *p, uint64_t from, uint8_t *map, size_t n)
{
    size_t last = 0;
    memset(map, 0, n);
    for (size_t i = 0; i < 8 * n && (from + i) * PIECE < p->groups; i++)
        if (kept(p, from + i)) {
            map[i / 8] |= (uint8_t)(1u << (i % 8));
            last = i / 8 + 1;
        }
    return last;
}

/* The hashes between the groups of a piece and its root, where a stored tree has them. */
static px_err pair_piece(struct pxi_partial *p, uint64_t piece)
{
    const struct pxi_files_ops *ops = p->store->files->ops;
    uint8_t hash[PIECE * PXI_DIGEST];
    uint64_t at = piece * PIECE, level_count;
    size_t count = p->groups - at < PIECE ? (size_t)(p->groups - at) : PIECE;
    px_err err = ops->read(p->tree, at * PXI_DIGEST, hash, count * PXI_DIGEST);
    for (unsigned level = 1; count > 2 && err == PX_ERR_OK; level++) {
        pxi_tree_pair(hash, count, hash);
        count = (count + 1) / 2;
        at = pxi_tree_level_at(p->groups, level, &level_count) + (piece * PIECE >> level);
        err = ops->write(p->tree, at * PXI_DIGEST, px_view_of(hash, count * PXI_DIGEST));
    }
    return err;
}

/* Walk the way from the root to the groups, as a receiver will. */
static px_err prove(struct pxi_partial *p, uint64_t first, uint64_t count)
{
    const struct pxi_files_ops *ops = p->store->files->ops;
    struct pxi_bao s;
    struct pxi_tree_at at;
    uint8_t pair[PXI_TREE_NODE];
    uint64_t pos[2];
    px_err err = pxi_bao_begin(&s, p->hash, p->bytes, first, count);
    while (err == PX_ERR_OK && !pxi_bao_done(&s)) {
        pxi_bao_next(&s, &at);
        if (at.leaf) {
            pxi_bao_pass(&s);
            continue;
        }
        pxi_tree_children(p->groups, &at, pos);
        err = ops->read(p->tree, pos[0] * PXI_DIGEST, pair, sizeof pair);
        if (err == PX_ERR_OK)
            err = pxi_bao_check(&s, px_view_of(pair, sizeof pair), NULL);
    }
    return err;
}

bool pxi_partial_ready(struct pxi_partial *p, uint64_t first, uint64_t count)
{
    if (p->claimed || !p->kept || first >= p->groups || !count || count > p->groups - first)
        return false;
    uint64_t piece = first / PIECE, end = (first + count - 1) / PIECE;
    for (uint64_t i = piece; i <= end; i++)
        if (!kept(p, i))
            return false;
    for (uint64_t i = piece; i <= end; i++)
        if (pair_piece(p, i) != PX_ERR_OK)
            return false;
    return prove(p, first, count) == PX_ERR_OK;
}

px_err pxi_blob_open_partial(struct pxi_store *s, const uint8_t hash[PXI_DIGEST],
                             struct pxi_blob *b)
{
    char path[PXI_STORE_PATH];
    struct pxi_files *f = s->files;
    const struct pxi_partial *p = pxi_partial_find(s, hash);
    *b = (struct pxi_blob){.files = f, .partial = true};
    if (!p || !p->kept)
        return PX_ERR_NOT_FOUND;
    px_err err =
        f->ops->open(f, pxi_store_path(path, "partial", hash, ""), PXI_FILE_READ, &b->file);
    if (err == PX_ERR_OK)
        err = f->ops->open(f, pxi_store_path(path, "partial", hash, ".tree"), PXI_FILE_READ,
                           &b->tree);
    b->bytes = p->bytes;
    b->groups = p->groups;
    if (err != PX_ERR_OK)
        pxi_blob_close(b);
    return err;
}
