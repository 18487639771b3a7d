/* A build without libbpf and clang: no slots are finished in the kernel. */
#include "io/sums.h"

px_err pxi_sums_open(struct pxi_xdp *x, uint32_t address, uint16_t port, pxi_tag_nh *nh,
                     struct pxi_sums **out)
{
    *out = NULL;
    return PX_ERR_UNSUPPORTED;
}

void pxi_sums_close(struct pxi_sums *s) {}

void pxi_sums_unbind(struct pxi_sums *s) {}

px_err pxi_sums_bind(struct pxi_sums *s)
{
    return PX_ERR_UNSUPPORTED;
}

px_err pxi_sums_add(struct pxi_sums *s, const struct pxi_sums_job *job)
{
    return PX_ERR_UNSUPPORTED;
}

void pxi_sums_remove(struct pxi_sums *s, uint32_t job, uint8_t shard) {}

void pxi_sums_work(struct pxi_sums *s) {}

struct pxi_sums_counts pxi_sums_counts(const struct pxi_sums *s)
{
    return (struct pxi_sums_counts){0};
}
