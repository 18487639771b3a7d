/* The folder: pins, quota, removal, what survives a kill, and that nothing unverified shows. */
#include "store_dir.h"

static struct pxi_key *key;
static px_gguf *g;

static void setup(struct dir *d, uint64_t quota)
{
    *d = (struct dir){0};
    key = test_key(1);
    g = tiny_gguf();
    dir_open(d, NULL, quota);
}

static void teardown(struct dir *d)
{
    dir_close(d);
    dir_remove(d);
    pxi_key_free(key);
    px_gguf_free(g);
}

TEST(the_same_model_twice_is_one)
{
    struct dir d;
    setup(&d, 0);
    struct pxi_store_model *a = dir_push(&d, g, key, "x", false);
    uint64_t used = d.store->used;
    CHECK_EQ(dir_count(&d, "blobs"), a->m.count);
    CHECK(dir_push(&d, g, key, "x", false) == a);
    CHECK_EQ(d.store->used, used);
    /* Another signer: another manifest, the same shards. */
    struct pxi_key *other = test_key(2);
    CHECK(dir_push(&d, g, other, "x", false) != a);
    CHECK_EQ(d.store->model_count, 2);
    CHECK_EQ(dir_count(&d, "blobs"), a->m.count);
    CHECK_EQ(dir_count(&d, "partial"), 0);
    pxi_key_free(other);
    teardown(&d);
}

TEST(found_by_many_names)
{
    struct dir d;
    struct pxi_store_model *m;
    char text[PXI_CID_TEXT];
    uint8_t sha[PXI_DIGEST];
    setup(&d, 0);
    struct pxi_store_model *a = dir_push(&d, g, key, "one", false);
    struct pxi_store_model *b = dir_push(&d, g, key, "two", false);
    CHECK_EQ(pxi_store_find(d.store, pxi_hash_text(a->m.hash, text), &m), PX_ERR_OK);
    CHECK(m == a);
    text[20] = 0;
    CHECK_EQ(pxi_store_find(d.store, text, &m), PX_ERR_OK);
    CHECK(m == a);
    text[4] = 0;
    CHECK_EQ(pxi_store_find(d.store, text, &m), PX_ERR_NOT_FOUND);
    CHECK_EQ(pxi_store_find(d.store, "two", &m), PX_ERR_OK);
    CHECK(m == b);
    CHECK_EQ(pxi_store_find(d.store, "", &m), PX_ERR_NOT_FOUND);
    CHECK_EQ(pxi_store_find(d.store, "bafkr4i", &m), PX_ERR_NOT_FOUND);
    pxi_sha256(px_view_of(a->envelope, a->envelope_n), sha);
    struct pxi_cid cid = pxi_cid_raw(PXI_HASH_SHA2_256, sha);
    CHECK_EQ(pxi_store_find(d.store, pxi_cid_text(&cid, text), &m), PX_ERR_OK);
    CHECK(m == a);
    struct pxi_key *other = test_key(3);
    dir_push(&d, g, other, "one", false);
    pxi_key_free(other);
    CHECK_EQ(pxi_store_find(d.store, "one", &m), PX_ERR_LIMIT);
    teardown(&d);
}

TEST(remove_takes_what_nobody_else_names)
{
    struct dir d;
    setup(&d, 0);
    struct pxi_store_model *a = dir_push(&d, g, key, "one", false);
    struct pxi_store_model *b = dir_push(&d, g, key, "two", false);
    uint64_t used = d.store->used;
    unsigned blobs = dir_count(&d, "blobs");
    CHECK_EQ(pxi_store_remove(d.store, a), PX_ERR_OK);
    CHECK_EQ(dir_count(&d, "blobs"), blobs);
    CHECK_EQ(d.store->used, used);
    b->held = 1;
    CHECK_EQ(pxi_store_remove(d.store, b), PX_ERR_REFUSED);
    b->held = 0;
    CHECK_EQ(pxi_store_remove(d.store, b), PX_ERR_OK);
    CHECK_EQ(dir_count(&d, "blobs"), 0);
    CHECK_EQ(dir_count(&d, "trees"), 0);
    CHECK_EQ(dir_count(&d, "models"), 0);
    CHECK_EQ(d.store->used, 0);
    teardown(&d);
}

TEST(quota_takes_the_oldest_that_is_not_pinned)
{
    struct dir d;
    setup(&d, 0);
    struct pxi_store_model *a = dir_push(&d, g, key, "one", false);
    struct pxi_store_model *b = dir_push(&d, g, key, "two", false);
    uint8_t first[PXI_DIGEST];
    memcpy(first, b->m.hash, PXI_DIGEST);
    CHECK_EQ(pxi_store_pin(d.store, a, true), PX_ERR_OK);
    a->used_s = 1;
    b->used_s = 2;
    d.store->quota = d.store->used + 100;
    CHECK_EQ(pxi_store_room(d.store, 100), PX_ERR_OK);
    CHECK_EQ(d.store->model_count, 2);
    /* b goes, and it does not help: its shards are those of a, which is pinned. */
    CHECK_EQ(pxi_store_room(d.store, 101), PX_ERR_LIMIT);
    CHECK(!pxi_store_model(d.store, first));
    CHECK(pxi_store_model(d.store, a->m.hash) == a);
    CHECK_EQ(pxi_store_pin(d.store, a, false), PX_ERR_OK);
    CHECK_EQ(pxi_store_room(d.store, d.store->quota), PX_ERR_OK);
    CHECK_EQ(d.store->model_count, 0);
    CHECK_EQ(d.store->used, 0);
    CHECK_EQ(pxi_store_room(d.store, d.store->quota + 1), PX_ERR_LIMIT);
    teardown(&d);
}

TEST(a_second_process_is_refused_and_a_restart_finds_all)
{
    struct dir d;
    struct pxi_files *other;
    setup(&d, 0);
    struct pxi_store_model *a = dir_push(&d, g, key, "one", false);
    uint64_t used = d.store->used;
    uint8_t hash[PXI_DIGEST];
    memcpy(hash, a->m.hash, sizeof hash);
    CHECK_EQ(pxi_store_pin(d.store, a, true), PX_ERR_OK);
    CHECK_EQ(pxi_files_open(d.root, false, NULL, NULL, &other), PX_ERR_REFUSED);
    CHECK_EQ(pxi_files_open(d.root, true, NULL, NULL, &other), PX_ERR_OK);
    pxi_files_close(other);
    dir_close(&d);
    dir_open(&d, NULL, 0);
    CHECK_EQ(d.store->used, used);
    a = pxi_store_model(d.store, hash);
    CHECK(a && a->pinned);
    CHECK_EQ(pxi_store_state_of(d.store, a, NULL).here, a->m.count);
    teardown(&d);
}

/* ------------------------------------------------------------------ partial blobs */

enum { GROUPS = 9, BYTES = (GROUPS - 1) * PXI_GROUP + 1234 };
static uint8_t input[BYTES], root[PXI_DIGEST];

static void noise(void)
{
    uint64_t x = px_seed;
    for (size_t i = 0; i < BYTES; i++)
        input[i] = (uint8_t)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
    pxi_blake3(px_view_of(input, BYTES), root);
}

static void put(struct pxi_partial *p, uint64_t i)
{
    uint8_t hash[PXI_DIGEST];
    px_view v = px_view_of(input + i * PXI_GROUP, pxi_tree_group_bytes(BYTES, i));
    pxi_tree_group(v, i, hash);
    CHECK_EQ(pxi_partial_put(p, i, v, hash), PX_ERR_OK);
    CHECK_EQ(pxi_partial_put(p, i, v, hash), PX_ERR_OK);
    CHECK(pxi_partial_has(p, i));
}

static void path_of(const struct dir *d, const char *folder, const char *suffix, char out[256])
{
    char text[PXI_CID_TEXT];
    snprintf(out, 256, "%s/%s/%s%s", d->root, folder, pxi_hash_text(root, text), suffix);
}

TEST(partial_survives_and_shows_only_whole)
{
    struct dir d;
    struct pxi_partial p;
    char path[256];
    setup(&d, 0);
    noise();
    CHECK_EQ(pxi_partial_open(d.store, root, BYTES, &p), PX_ERR_OK);
    CHECK_EQ(p.claimed, 0);
    static const unsigned order[] = {8, 0, 3, 5};
    for (unsigned i = 0; i < 4; i++)
        put(&p, order[i]);
    pxi_partial_finish(&p);
    CHECK_EQ(p.err, PX_ERR_INVALID);
    path_of(&d, "blobs", "", path);
    CHECK(access(path, F_OK) != 0);
    pxi_partial_close(&p);
    dir_close(&d); /* as a kill: nothing was told to the disk */
    /* One byte of a group that was verified goes wrong meanwhile. */
    path_of(&d, "partial", "", path);
    FILE *f = fopen(path, "r+b");
    CHECK(f && fseek(f, 3 * PXI_GROUP + 5, SEEK_SET) == 0);
    fputc(input[3 * PXI_GROUP + 5] ^ 1, f);
    fclose(f);
    dir_open(&d, NULL, 0);
    CHECK_EQ(pxi_partial_open(d.store, root, BYTES, &p), PX_ERR_OK);
    pxi_partial_resume(&p);
    CHECK_EQ(p.missing, GROUPS - 3);
    CHECK(!pxi_partial_has(&p, 3) && pxi_partial_has(&p, 8));
    for (unsigned i = 0; i < GROUPS; i++)
        put(&p, i);
    CHECK_EQ(p.missing, 0);
    CHECK(!pxi_store_has(d.store, root, NULL));
    pxi_partial_finish(&p);
    CHECK_EQ(p.err, PX_ERR_OK);
    CHECK_EQ(pxi_partial_done(&p), PX_ERR_OK);
    pxi_partial_close(&p);
    CHECK(pxi_store_has(d.store, root, NULL));
    path_of(&d, "blobs", "", path);
    px_view whole = file_read(path);
    CHECK(px_view_equal(whole, px_view_of(input, BYTES)));
    free((void *)whole.p);
    CHECK_EQ(dir_count(&d, "partial"), 0);
    teardown(&d);
}

TEST(a_forged_tree_does_not_pass_the_end)
{
    struct dir d;
    struct pxi_partial p;
    uint8_t zero[PXI_GROUP] = {0}, hash[PXI_DIGEST];
    setup(&d, 0);
    noise();
    CHECK_EQ(pxi_partial_open(d.store, root, BYTES, &p), PX_ERR_OK);
    for (unsigned i = 0; i < GROUPS; i++)
        if (i != 4)
            put(&p, i);
    pxi_tree_group(px_view_of(zero, sizeof zero), 4, hash);
    CHECK_EQ(pxi_partial_put(&p, 4, px_view_of(zero, sizeof zero), hash), PX_ERR_OK);
    pxi_partial_finish(&p);
    CHECK_EQ(p.err, PX_ERR_CORRUPT);
    CHECK_EQ(p.missing, GROUPS);
    CHECK_EQ(dir_count(&d, "blobs"), 0);
    pxi_partial_close(&p);
    CHECK_EQ(pxi_partial_open(d.store, root, 0, &p), PX_ERR_LIMIT);
    pxi_partial_close(&p);
    CHECK_EQ(pxi_partial_open(d.store, root, UINT64_MAX, &p), PX_ERR_LIMIT);
    pxi_partial_close(&p);
    teardown(&d);
}

/* Feed groups first .. first + count of a blob into a fetch, as they come over the network. */
static void feed(struct pxi_partial *p, struct pxi_blob *b, uint64_t first, uint64_t count)
{
    static uint8_t part[PXI_GROUP];
    struct pxi_bao s;
    struct pxi_tree_at at;
    uint8_t hash[PXI_DIGEST];
    CHECK_EQ(pxi_bao_begin(&s, p->hash, p->bytes, first, count), PX_ERR_OK);
    while (!pxi_bao_done(&s)) {
        size_t m = pxi_bao_next(&s, &at);
        CHECK_EQ(pxi_blob_read(b, &at, part, m), PX_ERR_OK);
        CHECK_EQ(pxi_bao_check(&s, px_view_of(part, m), hash), PX_ERR_OK);
        if (at.leaf)
            CHECK_EQ(pxi_partial_put(p, at.first, px_view_of(part, m), hash), PX_ERR_OK);
        else
            pxi_partial_node(p, &at, px_view_of(part, m));
    }
}

/* Does what is served of the fetch prove itself? */
static void check_served(struct dir *d, struct pxi_partial *p, uint64_t first, uint64_t count)
{
    static uint8_t part[PXI_GROUP];
    struct pxi_blob b;
    struct pxi_bao s;
    struct pxi_tree_at at;
    CHECK(pxi_partial_ready(p, first, count));
    CHECK_EQ(pxi_blob_open_partial(d->store, p->hash, &b), PX_ERR_OK);
    CHECK_EQ(pxi_bao_begin(&s, p->hash, p->bytes, first, count), PX_ERR_OK);
    while (!pxi_bao_done(&s)) {
        size_t m = pxi_bao_next(&s, &at);
        CHECK_EQ(pxi_blob_read(&b, &at, part, m), PX_ERR_OK);
        CHECK_EQ(pxi_bao_check(&s, px_view_of(part, m), NULL), PX_ERR_OK);
    }
    pxi_blob_close(&b);
}

TEST(a_part_is_served_piece_by_piece)
{
    static const uint64_t sizes[] = {37, 17, 32, 33, 16, 48};
    struct dir from, to;
    setup(&from, 0);
    to = (struct dir){0};
    dir_open(&to, NULL, 0);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t bytes = (size_t)sizes[i] * PXI_GROUP - 99;
        uint8_t *in = calloc(bytes, 1), digest[PXI_DIGEST], map[4];
        for (size_t k = 0; k < bytes; k++)
            in[k] = (uint8_t)((k + i) * 2654435761u >> 23);
        struct pxi_sink k;
        struct pxi_blob b;
        struct pxi_partial p;
        CHECK_EQ(pxi_sink_open(from.store, bytes, false, &k), PX_ERR_OK);
        CHECK_EQ(pxi_sink_write(&k, in, bytes), 0);
        CHECK_EQ(pxi_sink_finish(&k, digest, NULL), PX_ERR_OK);
        CHECK_EQ(pxi_sink_done(&k, digest), PX_ERR_OK);
        pxi_sink_close(&k);
        CHECK_EQ(pxi_blob_open_partial(to.store, digest, &b), PX_ERR_NOT_FOUND);
        CHECK_EQ(pxi_blob_open(from.store, digest, &b), PX_ERR_OK);
        CHECK_EQ(pxi_partial_open(to.store, digest, bytes, &p), PX_ERR_OK);
        CHECK(!pxi_partial_ready(&p, 0, 1));
        uint64_t tail = (sizes[i] - 1) / 16 * 16;
        feed(&p, &b, tail, sizes[i] - tail);
        check_served(&to, &p, tail, sizes[i] - tail);
        check_served(&to, &p, sizes[i] - 1, 1);
        CHECK_EQ(pxi_partial_pieces(&p, tail / 16, map, sizeof map), 1);
        CHECK_EQ(map[0], 1);
        if (tail) {
            CHECK(!pxi_partial_ready(&p, 0, sizes[i]));
            feed(&p, &b, 0, 15);
            CHECK(!pxi_partial_ready(&p, 0, 1)); /* the piece lacks a group */
            feed(&p, &b, 15, 1);
            check_served(&to, &p, 3, 9);
        }
        /* A promise is no group, and what is served never changes. */
        CHECK(!pxi_partial_ready(&p, sizes[i], 1) && !pxi_partial_ready(&p, 0, 0));
        for (uint64_t at = 16; at < tail; at += 16) {
            pxi_partial_promise(&p, at);
            CHECK(!pxi_partial_ready(&p, at, 16));
            pxi_partial_settle(&p, at, false);
            feed(&p, &b, at, 16);
        }
        check_served(&to, &p, 0, sizes[i]);
        /* A hash on the disk goes wrong: it is not given out. */
        if (tail > 16) {
            uint8_t wrong[PXI_TREE_NODE] = {1};
            struct pxi_tree_at top = {0, sizes[i], 0};
            uint64_t pos[2];
            pxi_tree_children(sizes[i], &top, pos);
            CHECK_EQ(
                to.files->ops->write(p.tree, pos[0] * PXI_DIGEST, px_view_of(wrong, sizeof wrong)),
                PX_ERR_OK);
            CHECK(!pxi_partial_ready(&p, 0, 16));
        }
        pxi_partial_finish(&p);
        CHECK_EQ(p.err, PX_ERR_OK);
        CHECK_EQ(pxi_partial_done(&p), PX_ERR_OK);
        pxi_partial_close(&p);
        pxi_blob_close(&b);
        free(in);
    }
    dir_close(&to);
    dir_remove(&to);
    teardown(&from);
}

TEST(sinks_of_every_size_are_served_as_slices)
{
    static const size_t sizes[] = {1, 100, 65535, 65536, 65537, 131072, 200000, BYTES};
    static uint8_t part[PXI_GROUP];
    struct dir d;
    setup(&d, 0);
    noise();
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pxi_sink k;
        struct pxi_blob b;
        struct pxi_bao s;
        uint8_t hash[PXI_DIGEST], plain[PXI_DIGEST];
        CHECK_EQ(pxi_sink_open(d.store, sizes[i], false, &k), PX_ERR_OK);
        for (size_t at = 0; at < sizes[i]; at += 7777)
            CHECK_EQ(pxi_sink_write(&k, input + at, sizes[i] - at < 7777 ? sizes[i] - at : 7777),
                     0);
        CHECK_EQ(pxi_sink_finish(&k, hash, NULL), PX_ERR_OK);
        CHECK_EQ(pxi_sink_done(&k, hash), PX_ERR_OK);
        pxi_sink_close(&k);
        pxi_blake3(px_view_of(input, sizes[i]), plain);
        CHECK(memcmp(hash, plain, sizeof hash) == 0);
        CHECK_EQ(pxi_blob_open(d.store, hash, &b), PX_ERR_OK);
        CHECK_EQ(pxi_bao_begin(&s, hash, b.bytes, 0, b.groups), PX_ERR_OK);
        while (!pxi_bao_done(&s)) {
            struct pxi_tree_at at;
            size_t n = pxi_bao_next(&s, &at);
            CHECK_EQ(pxi_blob_read(&b, &at, part, n), PX_ERR_OK);
            CHECK_EQ(pxi_bao_check(&s, px_view_of(part, n), NULL), PX_ERR_OK);
        }
        pxi_blob_close(&b);
    }
    struct pxi_sink k;
    uint8_t hash[PXI_DIGEST];
    CHECK_EQ(pxi_sink_open(d.store, 10, false, &k), PX_ERR_OK);
    pxi_sink_write(&k, input, 11);
    CHECK_EQ(pxi_sink_finish(&k, hash, NULL), PX_ERR_INVALID);
    pxi_sink_close(&k);
    CHECK_EQ(dir_count(&d, "partial"), 0);
    teardown(&d);
}

TEST_MAIN()
