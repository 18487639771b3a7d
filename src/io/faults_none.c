/* Faults on purpose, in a build without libbpf: it says so. */
#include "base/diag.h"
#include "plexus/faults.h"

px_err px_faults_attach(const char *interface, const px_faults *f, px_diag *diag)
{
    pxi_diag_field(diag, "faults on %s", interface);
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with libbpf and clang", "neither");
}
