/* What io/frames asks of CUDA's driver, recorded. */
#include <stddef.h>

#define SHOWN __attribute__((visibility("default")))

SHOWN void *stub_context, *stub_registered;
SHOWN size_t stub_bytes;

SHOWN int cuCtxGetCurrent(void **out);
SHOWN int cuMemHostRegister_v2(void *p, size_t n, unsigned flags);
SHOWN int cuMemHostUnregister(void *p);

int cuCtxGetCurrent(void **out)
{
    *out = stub_context;
    return 0;
}

int cuMemHostRegister_v2(void *p, size_t n, unsigned flags)
{
    if (stub_registered || flags != 1)
        return 1;
    stub_registered = p;
    stub_bytes = n;
    return 0;
}

int cuMemHostUnregister(void *p)
{
    if (p != stub_registered)
        return 1;
    stub_registered = NULL;
    return 0;
}
