/* A build without libbpf and clang, or without the network: there is no wire to measure on. */
#include "base/diag.h"
#include "plexus/agg_bench.h"

px_err px_agg_bench_open(px_agg_bench **out, px_diag *diag)
{
    *out = NULL;
    pxi_diag_field(diag, "wire");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with libbpf and clang", "neither");
}

void px_agg_bench_close(px_agg_bench *b) {}

px_err px_agg_bench_run(px_agg_bench *b, const px_agg_way *way, px_agg_cost *out, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}
