/* Memory for frames: what it is, and that CUDA's driver is told of it where a program uses it. The
 * driver is a stub that records (tests/cuda_stub.c). */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>

#include "io/frames.h"
#include "px_test.h"

enum { HUGE_BYTES = 2 << 20 };

TEST(memory_is_aligned_sealed_and_zero)
{
    struct pxi_frames f;
    CHECK(pxi_frames_map(&f, 100) == 0);
    CHECK(f.bytes == HUGE_BYTES && (uintptr_t)f.p % HUGE_BYTES == 0);
    for (size_t i = 0; i < f.bytes; i += 512)
        CHECK(f.p[i] == 0);
    f.p[f.bytes - 1] = 1;
    if (f.fd >= 0)
        CHECK(ftruncate(f.fd, 1) != 0 && (fcntl(f.fd, F_GET_SEALS) & F_SEAL_SHRINK));
    pxi_frames_unmap(&f);
    CHECK(!f.p && f.fd == -1);
    CHECK(pxi_frames_map(&f, 0) == -1);
    CHECK(pxi_frames_map(&f, SIZE_MAX) == -1);
}

TEST(no_driver_no_registration)
{
    struct pxi_frames f;
    CHECK(pxi_frames_map(&f, 100) == 0);
    CHECK(!pxi_frames_register(&f));
    pxi_frames_unmap(&f);
}

TEST(the_driver_is_told)
{
    struct pxi_frames f;
    const char *stub = getenv("PLEXUS_STUB_CUDA");
    void *h = stub ? dlopen(stub, RTLD_NOW | RTLD_GLOBAL) : NULL;
    if (!h)
        PX_SKIP("no stub of CUDA");
    void **context = dlsym(h, "stub_context"), **registered = dlsym(h, "stub_registered");
    size_t *bytes = dlsym(h, "stub_bytes");
    CHECK(pxi_frames_map(&f, 3 * HUGE_BYTES) == 0);
    CHECK(!pxi_frames_register(&f)); /* no context: the program does not use it */
    *context = &f;
    CHECK(pxi_frames_register(&f) && f.cuda);
    CHECK(*registered == f.p && *bytes == f.bytes);
    pxi_frames_unmap(&f);
    CHECK(*registered == NULL);
}

TEST_MAIN()
