/* The tree over groups: its root is the hash of the whole for every size, and a slice lets nothing
 * pass that is not of that input. */
#include "base/rng.h"
#include "crypto/tree.h"
#include "px_test.h"

static uint8_t *noise(struct pxi_rng *rng, size_t n)
{
    uint8_t *p = malloc(n + 8);
    CHECK(p);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t x = pxi_rng_u64(rng);
        memcpy(p + i, &x, 8);
    }
    return p;
}

/* All levels of the tree, as it is stored. */
static uint8_t *tree_of(const uint8_t *in, size_t n)
{
    uint64_t groups = pxi_tree_groups(n), count;
    uint8_t *t = calloc(pxi_tree_hashes(groups) + 1, PXI_DIGEST);
    for (uint64_t i = 0; groups > 1 && i < groups; i++)
        pxi_tree_group(px_view_of(in + i * PXI_GROUP, pxi_tree_group_bytes(n, i)), i,
                       t + i * PXI_DIGEST);
    for (unsigned l = 1; l < pxi_tree_levels(groups); l++) {
        uint64_t from = pxi_tree_level_at(groups, l - 1, &count);
        pxi_tree_pair(t + from * PXI_DIGEST, count, t + (from + count) * PXI_DIGEST);
    }
    return t;
}

static const size_t sizes[] = {0,      1,      1024,   65535,  65536,  65537,  131071, 131072,
                               131073, 196608, 196609, 262144, 262145, 327681, 458752, 524288,
                               524289, 655361, 983039, 983040, 983041, 1048577};
enum { SIZES = sizeof sizes / sizeof *sizes };

TEST(root_is_the_plain_hash)
{
    struct pxi_rng rng = {px_seed};
    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t *in = noise(&rng, sizes[i]), *t = tree_of(in, sizes[i]);
        uint8_t root[PXI_DIGEST], plain[PXI_DIGEST];
        uint64_t groups = pxi_tree_groups(sizes[i]), count;
        pxi_blake3(px_view_of(in, sizes[i]), plain);
        if (groups > 1) {
            uint64_t top = pxi_tree_level_at(groups, pxi_tree_levels(groups) - 1, &count);
            CHECK_EQ(count, 2);
            CHECK_EQ(top + 2, pxi_tree_hashes(groups));
            pxi_tree_node(t + top * PXI_DIGEST, 1, root);
            CHECK(memcmp(root, plain, sizeof root) == 0);
        }
        free(in);
        free(t);
    }
}

/* Send a slice of `in` into out; bytes of the stream. */
static size_t send_slice(const uint8_t *in, size_t n, const uint8_t *t, uint64_t first,
                         uint64_t count, uint8_t *out)
{
    struct pxi_bao s;
    struct pxi_tree_at at;
    uint8_t root[PXI_DIGEST] = {0};
    size_t sent = 0;
    CHECK_EQ(pxi_bao_begin(&s, root, n, first, count), PX_ERR_OK);
    while (!pxi_bao_done(&s)) {
        size_t part = pxi_bao_next(&s, &at);
        uint64_t pos[2] = {0};
        if (at.leaf) {
            memcpy(out + sent, in + at.first * PXI_GROUP, part);
        } else {
            pxi_tree_children(pxi_tree_groups(n), &at, pos);
            memcpy(out + sent, t + pos[0] * PXI_DIGEST, PXI_DIGEST);
            memcpy(out + sent + PXI_DIGEST, t + pos[1] * PXI_DIGEST, PXI_DIGEST);
        }
        sent += part;
        pxi_bao_pass(&s);
    }
    return sent;
}

/* Receive it; groups that were accepted, each compared with the input. */
static uint64_t take_slice(const uint8_t *in, size_t n, const uint8_t *root, uint64_t first,
                           uint64_t count, const uint8_t *stream, size_t bytes, px_err *err)
{
    struct pxi_bao s;
    struct pxi_tree_at at;
    uint64_t groups = 0;
    size_t used = 0;
    *err = pxi_bao_begin(&s, root, n, first, count);
    while (*err == PX_ERR_OK && !pxi_bao_done(&s)) {
        size_t part = pxi_bao_next(&s, &at);
        if (part > bytes - used) {
            *err = PX_ERR_TRUNCATED;
            break;
        }
        *err = pxi_bao_check(&s, px_view_of(stream + used, part), NULL);
        if (*err == PX_ERR_OK && at.leaf) {
            CHECK(memcmp(stream + used, in + at.first * PXI_GROUP, part) == 0);
            CHECK_EQ(at.first, first + groups++);
        }
        used += part;
    }
    return groups;
}

TEST(slices_of_every_size)
{
    struct pxi_rng rng = {px_seed};
    uint8_t *stream = malloc(2 << 20), root[PXI_DIGEST];
    px_err err;
    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t *in = noise(&rng, sizes[i]), *t = tree_of(in, sizes[i]);
        uint64_t groups = pxi_tree_groups(sizes[i]);
        pxi_blake3(px_view_of(in, sizes[i]), root);
        for (uint64_t first = 0; first < groups; first++)
            for (uint64_t count = 1; count <= groups - first; count++) {
                size_t n = send_slice(in, sizes[i], t, first, count, stream);
                CHECK_EQ(take_slice(in, sizes[i], root, first, count, stream, n, &err), count);
                CHECK_EQ(err, PX_ERR_OK);
            }
        free(in);
        free(t);
    }
    free(stream);
}

TEST(no_flipped_bit_passes)
{
    struct pxi_rng rng = {px_seed};
    uint8_t *stream = malloc(2 << 20), root[PXI_DIGEST];
    size_t size = 11 * PXI_GROUP + 77;
    uint8_t *in = noise(&rng, size), *t = tree_of(in, size);
    pxi_blake3(px_view_of(in, size), root);
    for (unsigned i = 0; i < 200; i++) {
        px_err err;
        uint64_t first = pxi_rng_below(&rng, 12), count = 1 + pxi_rng_below(&rng, 12 - first);
        size_t n = send_slice(in, size, t, first, count, stream), at = pxi_rng_below(&rng, n);
        stream[at] ^= (uint8_t)(1u << pxi_rng_below(&rng, 8));
        CHECK(take_slice(in, size, root, first, count, stream, n, &err) < count);
        CHECK_EQ(err, PX_ERR_CORRUPT);
        take_slice(in, size, root, first, count, stream, at, &err);
        CHECK(err == PX_ERR_TRUNCATED);
    }
    free(in);
    free(t);
    free(stream);
}

TEST(wrong_sizes_and_ranges)
{
    struct pxi_rng rng = {px_seed};
    struct pxi_bao s;
    uint8_t *stream = malloc(1 << 20), root[PXI_DIGEST];
    size_t size = 5 * PXI_GROUP;
    px_err err;
    uint8_t *in = noise(&rng, size + PXI_GROUP), *t = tree_of(in, size);
    pxi_blake3(px_view_of(in, size), root);
    size_t n = send_slice(in, size, t, 0, 5, stream);
    /* A size that is not the true one fails at its last group at the latest. */
    for (size_t lie = 1; lie < 8 * PXI_GROUP; lie += lie < size - 3 || lie > size + 3 ? 9973 : 1)
        if (lie != size && pxi_tree_groups(lie) >= 5)
            CHECK(take_slice(in, lie, root, 0, pxi_tree_groups(lie), stream, n, &err) <
                  pxi_tree_groups(lie));
    CHECK_EQ(pxi_bao_begin(&s, root, size, 5, 1), PX_ERR_INVALID);
    CHECK_EQ(pxi_bao_begin(&s, root, size, 0, 6), PX_ERR_INVALID);
    CHECK_EQ(pxi_bao_begin(&s, root, size, 0, 0), PX_ERR_INVALID);
    CHECK_EQ(pxi_bao_begin(&s, root, size, 1, UINT64_MAX), PX_ERR_INVALID);
    CHECK_EQ(pxi_bao_begin(&s, root, UINT64_MAX, UINT64_MAX / PXI_GROUP, 1), PX_ERR_OK);
    CHECK_EQ(pxi_tree_levels(pxi_tree_groups(UINT64_MAX)), 48);
    free(in);
    free(t);
    free(stream);
}

TEST_MAIN()
