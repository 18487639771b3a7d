/* A build without libbpf and clang: there is nothing to attach. */
#include "base/diag.h"
#include "plexus/xdpd.h"

px_err px_xdpd_serve(const px_xdpd_options *o, void (*ready)(void *ctx), void *ctx,
                     const volatile int *stop, px_diag *diag)
{
    pxi_diag_field(diag, "xdpd");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with libbpf and clang", "neither");
}
