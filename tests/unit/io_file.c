/* Mapped files: what can be opened, and what happens when one shrinks while it is read. */
#include "plexus/file.h"

#include <fcntl.h>

#include "px_test.h"

static const char *temp_file(size_t bytes)
{
    static char path[] = "/tmp/plexus-file-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    close(fd);
    return path;
}

TEST(errors_say_what_was_found)
{
    px_file *f;
    px_diag d = {0};
    CHECK_EQ(px_file_open("/nonexistent/file", &f, &d), PX_ERR_NOT_FOUND);
    CHECK_EQ(px_file_open("/tmp", &f, &d), PX_ERR_NOT_A_FILE);
    CHECK_STR(d.found, "a directory");
    CHECK_EQ(px_file_open("/dev/null", &f, &d), PX_ERR_NOT_A_FILE);
    const char *path = temp_file(0);
    CHECK_EQ(px_file_open(path, &f, &d), PX_ERR_TRUNCATED);
    unlink(path);
}

TEST(truncated_under_the_map)
{
    const char *path = temp_file(3 * 4096);
    px_file *f;
    CHECK_EQ(px_file_guard(), PX_ERR_OK);
    CHECK_EQ(px_file_open(path, &f, NULL), PX_ERR_OK);
    CHECK_EQ(px_file_bytes(f).n, 3 * 4096);
    CHECK(!px_file_changed(f));
    CHECK(truncate(path, 4096) == 0);
    volatile const uint8_t *p = px_file_bytes(f).p;
    CHECK_EQ(p[2 * 4096 + 5], 0);
    CHECK(px_file_changed(f));
    px_file_close(f);
    unlink(path);
}

TEST(same_size_but_written)
{
    const char *path = temp_file(100);
    px_file *f;
    CHECK_EQ(px_file_open(path, &f, NULL), PX_ERR_OK);
    struct timespec t[2] = {{1, 0}, {1, 0}};
    CHECK(utimensat(AT_FDCWD, path, t, 0) == 0);
    CHECK(px_file_changed(f));
    px_file_close(f);
    unlink(path);
}

TEST(private_memory_may_be_written)
{
    const char *path = temp_file(2 * 4096);
    px_file *own, *plain;
    CHECK_EQ(px_file_guard(), PX_ERR_OK);
    CHECK_EQ(px_file_open_private(path, &own, NULL), PX_ERR_OK);
    CHECK_EQ(px_file_open(path, &plain, NULL), PX_ERR_OK);
    uint8_t *p = (uint8_t *)(uintptr_t)px_file_bytes(own).p;
    p[7] = 1;
    CHECK_EQ(px_file_bytes(plain).p[7], 0);
    CHECK(!px_file_changed(own));
    CHECK(truncate(path, 4096) == 0);
    *(volatile uint8_t *)(p + 4096) = 1; /* past the end: the guard's page may be written, too */
    CHECK(px_file_changed(own));
    px_file_close(own);
    px_file_close(plain);
    unlink(path);
}

TEST_MAIN()
