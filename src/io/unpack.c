/* Compressed data of others. The few functions of the two libraries are of interfaces that have
 * been stable since 2016 (zstd.h, lz4frame.h), so that their headers are not needed. */
#include "io/unpack.h"

#include <dlfcn.h>
#include <stdbool.h>

#include "base/diag.h"

static px_err missing(const char *library, px_diag *d)
{
    pxi_diag_field(d, "%s", library);
    return pxi_diag_set(d, PX_ERR_UNSUPPORTED, 0, "the library, which unpacks it: apt install it",
                        "no such library");
}

static px_err malformed(const char *codec, size_t n, px_diag *d)
{
    pxi_diag_field(d, "%s", codec);
    return pxi_diag_set(d, PX_ERR_CORRUPT, 0, "a frame of as many bytes as it should have",
                        "no such frame for %zu bytes", n);
}

static px_err unpack_zstd(px_view in, uint8_t *out, size_t n, px_diag *d)
{
    void *lib = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
    size_t (*decompress)(void *, size_t, const void *, size_t) = NULL;
    if (lib)
        *(void **)&decompress = dlsym(lib, "ZSTD_decompress");
    if (!decompress)
        return missing("libzstd1", d);
    /* Errors are numbers that no size has. */
    return decompress(out, n, in.p, in.n) == n ? PX_ERR_OK : malformed("zstd", n, d);
}

/* The functions of lz4frame.h. */
struct lz4 {
    size_t (*begin)(void **ctx, unsigned version);
    size_t (*end)(void *ctx);
    size_t (*step)(void *ctx, void *out, size_t *written, const void *in, size_t *taken,
                   const void *options);
    unsigned (*failed)(size_t code);
};

enum { LZ4F_VERSION = 100 };

/* Frame by frame, until all n bytes are there and a frame has ended. */
static bool run_lz4(const struct lz4 *z, void *ctx, px_view in, uint8_t *out, size_t n)
{
    size_t from = 0, to = 0, more = 1;
    while (from < in.n) {
        size_t taken = in.n - from, written = n - to;
        more = z->step(ctx, out + to, &written, in.p + from, &taken, NULL);
        if (z->failed(more) || (!taken && !written))
            return false;
        from += taken;
        to += written;
    }
    return to == n && more == 0;
}

static px_err unpack_lz4(px_view in, uint8_t *out, size_t n, px_diag *d)
{
    void *lib = dlopen("liblz4.so.1", RTLD_NOW | RTLD_LOCAL), *ctx = NULL;
    struct lz4 z = {0};
    if (lib) {
        *(void **)&z.begin = dlsym(lib, "LZ4F_createDecompressionContext");
        *(void **)&z.end = dlsym(lib, "LZ4F_freeDecompressionContext");
        *(void **)&z.step = dlsym(lib, "LZ4F_decompress");
        *(void **)&z.failed = dlsym(lib, "LZ4F_isError");
    }
    if (!z.begin || !z.end || !z.step || !z.failed)
        return missing("liblz4-1", d);
    if (z.failed(z.begin(&ctx, LZ4F_VERSION)))
        return PX_ERR_NOMEM;
    bool good = run_lz4(&z, ctx, in, out, n);
    z.end(ctx);
    return good ? PX_ERR_OK : malformed("lz4", n, d);
}

px_err pxi_unpack(const char *codec, px_view in, uint8_t *out, size_t n, px_diag *d)
{
    if (strcmp(codec, "zstd") == 0)
        return unpack_zstd(in, out, n, d);
    if (strcmp(codec, "lz4") == 0)
        return unpack_lz4(in, out, n, d);
    pxi_diag_field(d, "compression");
    return pxi_diag_set(d, PX_ERR_UNSUPPORTED, 0, "none, zstd or lz4", "%s", codec);
}
