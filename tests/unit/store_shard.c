/* Cutting: shards by role whatever the order of the file, canonical, and openable as a split model
 * or as a slice; manifests that lie are refused. */
#include "base/limits.h"
#include "codec/gguf.h"
#include "net/envelope.h"
#include "store_dir.h"

static int collect(void *ctx, const void *p, size_t n)
{
    return !pxi_buf_add(ctx, p, n);
}

static struct pxi_buf shard(struct pxi_cut *c, uint32_t i)
{
    struct pxi_buf b = {.max = SIZE_MAX / 2};
    CHECK_EQ(pxi_shard_write(c, i, collect, &b), PX_ERR_OK);
    CHECK_EQ(b.n, c->shards[i].bytes);
    return b;
}

/* The same model with its tensors in another order and with another alignment. */
static struct pxi_buf shuffled(const px_gguf *g)
{
    struct pxi_buf out = {.max = SIZE_MAX / 2};
    px_gguf_writer *w = px_gguf_writer_new(4096);
    uint64_t n = px_gguf_tensor_count(g), step = n % 7 ? 7 : 11;
    for (uint64_t i = px_gguf_kv_count(g); i-- > 0;)
        if (!px_view_is(px_gguf_kv_at(g, i)->key, "general.alignment"))
            CHECK_EQ(px_gguf_put_kv(w, px_gguf_kv_at(g, i)), PX_ERR_OK);
    for (uint64_t i = 0; i < n; i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i * step % n);
        CHECK_EQ(px_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->dims), PX_ERR_OK);
    }
    CHECK_EQ(px_gguf_write_header(w, collect, &out), PX_ERR_OK);
    for (uint64_t i = 0; i < n; i++) {
        px_view data = px_gguf_tensor_at(g, i * step % n)->data;
        CHECK_EQ(px_gguf_write_data(w, data.p, data.n), PX_ERR_OK);
    }
    CHECK_EQ(px_gguf_write_finish(w), PX_ERR_OK);
    px_gguf_writer_free(w);
    return out;
}

TEST(the_same_shards_from_any_order)
{
    px_gguf *g = tiny_gguf(), *h;
    struct pxi_buf other = shuffled(g);
    struct pxi_cut a, b;
    CHECK_EQ(px_gguf_parse(px_view_of(other.p, other.n), &h, NULL), PX_ERR_OK);
    CHECK_EQ(pxi_cut_init(&a, g), PX_ERR_OK);
    CHECK_EQ(pxi_cut_init(&b, h), PX_ERR_OK);
    CHECK_EQ(a.count, b.count);
    for (uint32_t i = 0; i < a.count; i++) {
        struct pxi_buf x = shard(&a, i), y = shard(&b, i);
        CHECK(px_view_equal(px_view_of(x.p, x.n), px_view_of(y.p, y.n)));
        pxi_buf_deinit(&x);
        pxi_buf_deinit(&y);
    }
    pxi_cut_deinit(&a);
    pxi_cut_deinit(&b);
    px_gguf_free(g);
    px_gguf_free(h);
    pxi_buf_deinit(&other);
}

TEST(each_shard_says_what_it_is)
{
    px_gguf *g = tiny_gguf(), *part;
    struct pxi_cut c;
    px_diag d;
    uint64_t tensors = 0;
    CHECK_EQ(pxi_cut_init(&c, g), PX_ERR_OK);
    for (uint32_t i = 0; i < c.count; i++) {
        struct pxi_buf b = shard(&c, i);
        const struct pxi_shard *s = &c.shards[i];
        CHECK_EQ(px_gguf_parse(px_view_of(b.p, b.n), &part, &d), PX_ERR_OK);
        uint64_t k = s->count;
        CHECK_EQ(pxi_shard_check(part, i, c.count, s->role, s->block, k, &d), PX_ERR_OK);
        CHECK_EQ(pxi_shard_check(part, i + 1, c.count, s->role, s->block, k, &d), PX_ERR_CORRUPT);
        CHECK_EQ(pxi_shard_check(part, i, c.count + 1, s->role, s->block, k, &d), PX_ERR_CORRUPT);
        CHECK_EQ(pxi_shard_check(part, i, c.count, s->role, s->block, k + 1, &d), PX_ERR_CORRUPT);
        if (k)
            CHECK_EQ(pxi_shard_check(part, i, c.count, (s->role + 1) % 4, s->block, k, &d),
                     PX_ERR_CORRUPT);
        tensors += px_gguf_tensor_count(part);
        px_gguf_free(part);
        /* Cut anywhere, a shard is refused and nothing outside of it is read. */
        for (size_t n = 0; n < b.n; n += 1 + b.n / 200) {
            uint8_t *copy = malloc(n + 1);
            memcpy(copy, b.p, n);
            CHECK(px_gguf_parse(px_view_of(copy, n), &part, &d) != PX_ERR_OK || n + 32 > b.n);
            free(copy);
        }
        pxi_buf_deinit(&b);
    }
    CHECK_EQ(tensors, px_gguf_tensor_count(g));
    CHECK_EQ(c.shards[0].role, PXI_SHARD_META);
    CHECK_EQ(c.shards[1].role, PXI_SHARD_EMBED);
    CHECK_EQ(c.shards[2].role, PXI_SHARD_BLOCK);
    CHECK_EQ(c.shards[c.count - 1].role, PXI_SHARD_OUTPUT);
    CHECK_EQ(c.blocks, c.count - 3);
    pxi_cut_deinit(&c);
    px_gguf_free(g);
}

/* All tensors of `part` are those of the model. */
static void compare(const px_gguf *whole, const px_gguf *part)
{
    for (uint64_t i = 0; i < px_gguf_tensor_count(part); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(part, i);
        char name[80];
        snprintf(name, sizeof name, "%.*s", (int)t->name.n, t->name.p);
        const px_gguf_tensor *u = px_gguf_tensor_find(whole, name);
        CHECK(u && u->type == t->type && px_view_equal(u->data, t->data));
    }
}

TEST(shards_open_as_a_model_and_as_a_slice)
{
    px_gguf *g = tiny_gguf(), *all, *some;
    struct dir d = {0};
    struct pxi_key *key = test_key(1);
    char **paths, *view;
    uint32_t count, missing;
    px_view parts[64];
    dir_open(&d, NULL, 0);
    struct pxi_store_model *m = dir_push(&d, g, key, "tiny", false);
    struct pxi_want want = pxi_want_all(&m->m);
    CHECK_EQ(pxi_store_slice(d.store, m, &want, &paths, &count, &missing), PX_ERR_OK);
    CHECK_EQ(count, m->m.count);
    for (uint32_t i = 0; i < count; i++)
        parts[i] = file_read(paths[i]);
    CHECK_EQ(px_gguf_parse_split(parts, count, &all, NULL), PX_ERR_OK);
    CHECK_EQ(px_gguf_tensor_count(all), px_gguf_tensor_count(g));
    compare(g, all);
    px_gguf_free(all);
    CHECK_EQ(pxi_gguf_parse_some(parts, count, NULL, NULL, &all, NULL), PX_ERR_OK);
    px_gguf_free(all);
    px_view swapped[3] = {parts[0], parts[3], parts[2]};
    CHECK(pxi_gguf_parse_some(swapped, 3, NULL, NULL, &some, NULL) != PX_ERR_OK);
    CHECK(pxi_gguf_parse_some(parts + 1, 2, NULL, NULL, &some, NULL) != PX_ERR_OK);
    for (uint32_t i = 0; i < count; i++)
        free((void *)parts[i].p);
    pxi_store_paths_free(paths, count);
    /* Blocks 1 and up, with the output. */
    want = (struct pxi_want){1, (uint32_t)m->m.blocks, false, true};
    CHECK_EQ(pxi_store_slice(d.store, m, &want, &paths, &count, &missing), PX_ERR_OK);
    CHECK_EQ(count, m->m.blocks - 1 + 2 + (m->m.tied ? 1 : 0));
    px_view slice[64];
    for (uint32_t i = 0; i < count; i++)
        slice[i] = file_read(paths[i]);
    CHECK_EQ(pxi_gguf_parse_some(slice, count, NULL, NULL, &some, NULL), PX_ERR_OK);
    CHECK(!px_gguf_tensor_find(some, "blk.0.attn_q.weight"));
    CHECK(px_gguf_tensor_find(some, "blk.1.attn_q.weight"));
    CHECK(px_gguf_kv_find(some, "tokenizer.ggml.tokens"));
    compare(g, some);
    px_gguf_free(some);
    for (uint32_t i = 0; i < count; i++)
        free((void *)slice[i].p);
    pxi_store_paths_free(paths, count);
    /* Under the names of a split file. */
    px_model *model;
    px_diag diag = {0};
    CHECK_EQ(pxi_store_view(d.store, m, &view), PX_ERR_OK);
    CHECK_EQ(px_model_open(view, &model, &diag), PX_ERR_OK);
    CHECK_EQ(px_model_info_get(model)->blocks, m->m.blocks);
    px_model_close(model);
    pxi_free(view);
    dir_close(&d);
    dir_remove(&d);
    pxi_key_free(key);
    px_gguf_free(g);
}

/* ------------------------------------------------------------------ manifests */

static const struct pxi_envelope_kind kind = {"plexus-manifest", {(const uint8_t *)"\x03\x20", 2}};

struct lie {
    const char *what;
    dir_lie *tell;
};
LIE(no_version, m->version = 0)
LIE(next_version, m->version = 2)
LIE(fewer_blocks, m->blocks--)
LIE(more_blocks, m->blocks++)
LIE(wrong_sum, m->bytes++)
LIE(huge_shard, s[2].bytes = UINT64_MAX)
LIE(big_shard, s[2].bytes = PXI_LIMIT_STORE_SHARD_BYTES + 1)
LIE(no_bytes, s[2].bytes = 0)
LIE(block_twice, s[3].block = 0)
LIE(block_skipped, s[3].block = 9)
LIE(roles_swapped, s[1].role = 3)
LIE(odd_role, s[1].role = 77)
LIE(same_cid, s[3].cid = s[2].cid)
LIE(short_cid, s[3].cid.n--)
LIE(no_cid, s[3].cid.n = 0)
LIE(sha_of_31, s[3].sha256 = px_view_of(s[3].cid.p, 31))
LIE(no_tensors, s[3].tensors = 0)
LIE(meta_with_many_tensors, s[0].tensors = PXI_LIMIT_GGUF_TENSORS + 1)
LIE(many_tensors, s[3].tensors = UINT64_MAX)
LIE(no_shards, m->shards.n = 0)
LIE(three_shards, m->shards.n = 3)
LIE(one_less, m->shards.n--)
LIE(huge_dim, m->embd = UINT64_MAX)
LIE(odd_name, m->name = px_view_str("a\033[2Jb"))
static const struct lie lies[] = {
    {"version 0", no_version},
    {"version 2", next_version},
    {"fewer blocks", fewer_blocks},
    {"more blocks", more_blocks},
    {"wrong sum", wrong_sum},
    {"huge shard", huge_shard},
    {"big shard", big_shard},
    {"no bytes", no_bytes},
    {"block twice", block_twice},
    {"block skipped", block_skipped},
    {"roles swapped", roles_swapped},
    {"odd role", odd_role},
    {"same cid", same_cid},
    {"short cid", short_cid},
    {"no cid", no_cid},
    {"sha256 of 31", sha_of_31},
    {"no tensors", no_tensors},
    {"meta with many tensors", meta_with_many_tensors},
    {"many tensors", many_tensors},
    {"no shards", no_shards},
    {"three shards", three_shards},
    {"one less", one_less},
    {"huge dim", huge_dim},
    {"odd name", odd_name},
};

TEST(manifests_that_lie)
{
    px_gguf *g = tiny_gguf();
    struct dir d = {0};
    struct pxi_key *key = test_key(1);
    dir_open(&d, NULL, 0);
    struct pxi_store_model *model = dir_push(&d, g, key, "tiny", true);
    for (size_t i = 0; i <= sizeof lies / sizeof *lies; i++) {
        struct pxi_arena arena;
        struct pxi_msg_manifest m;
        struct pxi_manifest out;
        struct pxi_peer signer;
        struct pxi_buf payload = {.max = 1 << 17}, sealed = {.max = 1 << 17};
        px_view inner;
        px_diag diag = {0};
        pxi_arena_init(&arena, 1 << 20);
        CHECK_EQ(pxi_envelope_open(px_view_of(model->envelope, model->envelope_n), &kind, NULL,
                                   &inner, &signer),
                 PX_ERR_OK);
        CHECK_EQ(pxi_pb_decode(&pxi_pb_manifest, inner, &arena, &m, &diag), PX_ERR_OK);
        if (i < sizeof lies / sizeof *lies)
            lies[i].tell(&m, m.shards.p);
        CHECK_EQ(pxi_pb_encode(&pxi_pb_manifest, &m, &payload), PX_ERR_OK);
        CHECK_EQ(pxi_envelope_seal(key, &kind, px_view_of(payload.p, payload.n), &sealed),
                 PX_ERR_OK);
        px_err err = pxi_manifest_open(px_view_of(sealed.p, sealed.n), &out, &diag);
        if (i == sizeof lies / sizeof *lies) {
            CHECK_EQ(err, PX_ERR_OK);
            CHECK(memcmp(out.hash, model->m.hash, PXI_DIGEST) == 0);
            pxi_manifest_deinit(&out);
        } else if (err != PX_ERR_CORRUPT && err != PX_ERR_VERSION && err != PX_ERR_LIMIT) {
            PX_FAIL("%s: %s", lies[i].what, px_err_name(err));
        } else {
            CHECK(diag.field[0] && diag.expected[0]);
        }
        pxi_buf_deinit(&payload);
        pxi_buf_deinit(&sealed);
        pxi_arena_deinit(&arena);
    }
    dir_close(&d);
    dir_remove(&d);
    pxi_key_free(key);
    px_gguf_free(g);
}

TEST(a_manifest_with_any_byte_changed)
{
    px_gguf *g = tiny_gguf();
    struct dir d = {0};
    struct pxi_key *key = test_key(1);
    struct pxi_manifest out;
    dir_open(&d, NULL, 0);
    struct pxi_store_model *m = dir_push(&d, g, key, "", false);
    uint8_t *copy = malloc(m->envelope_n);
    for (size_t i = 0; i < m->envelope_n; i++) {
        memcpy(copy, m->envelope, m->envelope_n);
        copy[i] ^= (uint8_t)(1 + i % 255);
        CHECK(pxi_manifest_check(px_view_of(copy, m->envelope_n), NULL) != PX_ERR_OK);
        CHECK(pxi_manifest_check(px_view_of(m->envelope, i), NULL) != PX_ERR_OK);
    }
    for (uint64_t n = 1; n < 60; n++) {
        pxi_mem_fail_after(n);
        px_err err = pxi_manifest_open(px_view_of(m->envelope, m->envelope_n), &out, NULL);
        pxi_mem_fail_after(0);
        if (err == PX_ERR_OK)
            pxi_manifest_deinit(&out);
    }
    free(copy);
    dir_close(&d);
    dir_remove(&d);
    pxi_key_free(key);
    px_gguf_free(g);
}

TEST_MAIN()
