/* Keys of a node: made once, kept private, never overwritten; swarm keys in their text form. */
#include <fcntl.h>

#include "base/diag.h"
#include "node/node_impl.h"
#include "px_test.h"

static char dir[] = "/tmp/plexus-identity-XXXXXX";
static char path[256];

static void setup(const char *name)
{
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/%s", dir, name);
}

static void teardown(void)
{
    unlink(path);
    CHECK_EQ(rmdir(dir), 0); /* and no temporary file is left beside it */
}

static void put(const void *p, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n && fchmod(fd, mode) == 0);
    close(fd);
}

static px_err load(struct pxi_key **key)
{
    px_node_options o = {.key_file = path};
    px_diag d = {0};
    return pxi_identity_load(&o, key, &d);
}

TEST(made_once_with_mode_0600_then_the_same)
{
    struct pxi_key *a, *b;
    struct stat st;
    setup("key");
    CHECK_EQ(load(&a), PX_ERR_OK);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK_EQ(load(&b), PX_ERR_OK);
    CHECK(px_view_equal(pxi_key_public(a), pxi_key_public(b)));
    pxi_key_free(a);
    pxi_key_free(b);
    teardown();
}

TEST(a_file_that_others_may_read_is_refused)
{
    struct pxi_key *k;
    setup("key");
    CHECK_EQ(load(&k), PX_ERR_OK);
    pxi_key_free(k);
    static const mode_t modes[] = {0640, 0604, 0620, 0666};
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(chmod(path, modes[i]), 0);
        CHECK_EQ(load(&k), PX_ERR_PERMISSION);
        CHECK(!k);
    }
    teardown();
}

TEST(garbage_is_refused_and_left_as_it_is)
{
    static uint8_t junk[70000];
    static const size_t sizes[] = {0, 1, 4, 68, 5000, sizeof junk};
    struct pxi_key *k;
    struct stat st;
    setup("key");
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (uint8_t)(i * 37 + 11);
    for (unsigned i = 0; i < 6; i++) {
        put(junk, sizes[i], 0600);
        CHECK(load(&k) != PX_ERR_OK);
        CHECK(!k);
        CHECK(stat(path, &st) == 0 && st.st_size == (off_t)sizes[i]);
    }
    teardown();
}

TEST(a_truncated_key_is_refused)
{
    struct pxi_key *k;
    struct pxi_buf b = {.max = 4096};
    setup("key");
    CHECK_EQ(load(&k), PX_ERR_OK);
    CHECK_EQ(pxi_key_encode(k, &b), PX_ERR_OK);
    pxi_key_free(k);
    for (size_t n = 0; n < b.n; n++) {
        put(b.p, n, 0600);
        CHECK(load(&k) != PX_ERR_OK);
    }
    pxi_buf_deinit(&b);
    teardown();
}

TEST(a_pipe_or_a_folder_is_no_key_and_does_not_hang)
{
    struct pxi_key *k;
    setup("key");
    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK(load(&k) != PX_ERR_OK);
    unlink(path);
    CHECK_EQ(mkdir(path, 0700), 0);
    CHECK(load(&k) != PX_ERR_OK);
    CHECK_EQ(rmdir(path), 0);
    teardown();
}

TEST(seeds_and_types)
{
    struct pxi_key *k;
    px_diag d = {0};
    px_node_options o = {.key_seed =
                             "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"};
    CHECK_EQ(pxi_identity_load(&o, &k, &d), PX_ERR_OK);
    pxi_key_free(k);
    static const char *const bad[] = {"", "00", "zz0102030405060708090a0b0c0d0e0f"};
    for (unsigned i = 0; i < 3; i++) {
        o.key_seed = bad[i];
        CHECK_EQ(pxi_identity_load(&o, &k, &d), PX_ERR_INVALID);
    }
    px_node_options t = {.key_type = "DSA"};
    CHECK_EQ(pxi_identity_load(&t, &k, &d), PX_ERR_INVALID);
    t.key_type = "secp256k1";
    CHECK_EQ(pxi_identity_load(&t, &k, &d), PX_ERR_OK);
    pxi_key_free(k);
}

TEST(swarm_keys)
{
    uint8_t out[32];
    px_diag d = {0};
    char text[8192] = "/key/swarm/psk/1.0.0/\n/base16/\n";
    setup("swarm.key");
    CHECK(pxi_psk_load(path, out, &d) != PX_ERR_OK); /* none there */
    size_t n = strlen(text);
    put(text, n, 0600);
    CHECK_EQ(pxi_psk_load(path, out, &d), PX_ERR_CORRUPT);
    memset(text + n, 'a', 64);
    put(text, n + 64, 0600);
    CHECK_EQ(pxi_psk_load(path, out, &d), PX_ERR_OK);
    CHECK_EQ(out[31], 0xaa);
    put(text, n + 63, 0600);
    CHECK_EQ(pxi_psk_load(path, out, &d), PX_ERR_CORRUPT);
    put(text, sizeof text, 0600);
    CHECK(pxi_psk_load(path, out, &d) != PX_ERR_OK);
    put(text, 0, 0600);
    CHECK(pxi_psk_load(path, out, &d) != PX_ERR_OK);
    put(text, n + 64, 0644);
    CHECK_EQ(pxi_psk_load(path, out, &d), PX_ERR_PERMISSION);
    teardown();
}

TEST_MAIN()
