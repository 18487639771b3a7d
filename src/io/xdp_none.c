/* A build without libbpf and clang: nothing can be loaded, and it says so. */
#include "base/diag.h"
#include "io/xdp.h"

px_err pxi_xdp_open(const struct pxi_xdp_options *o, struct pxi_xdp **out, px_diag *diag)
{
    *out = NULL;
    pxi_diag_field(diag, "xdp");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with libbpf and clang", "neither");
}

void pxi_xdp_close(struct pxi_xdp *x) {}

enum pxi_xdp_rung pxi_xdp_rung(const struct pxi_xdp *x)
{
    return PXI_XDP_LOADED;
}

const char *pxi_xdp_said(const struct pxi_xdp *x)
{
    return "not in this build";
}

int pxi_xdp_program(const struct pxi_xdp *x)
{
    return -1;
}

px_err pxi_xdp_begin(struct pxi_xdp *x, const struct pxi_xdp_job *job, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}

px_err pxi_xdp_end(struct pxi_xdp *x, uint32_t job, uint8_t shard)
{
    return PX_ERR_NOT_FOUND;
}

px_err pxi_xdp_members(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint16_t epoch,
                       uint64_t members)
{
    return PX_ERR_NOT_FOUND;
}

px_err pxi_xdp_deadline(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint64_t deadline_ns)
{
    return PX_ERR_NOT_FOUND;
}

px_err pxi_xdp_clock(struct pxi_xdp *x, uint32_t job, uint8_t shard, uint64_t now_ns)
{
    return PX_ERR_NOT_FOUND;
}

const struct px_sentry_worker *pxi_xdp_judged(const struct pxi_xdp *x, uint32_t job, uint8_t shard)
{
    return NULL;
}

px_err pxi_xdp_pardon(struct pxi_xdp *x, uint32_t job, uint8_t shard, unsigned worker)
{
    return PX_ERR_NOT_FOUND;
}

void pxi_xdp_counts(const struct pxi_xdp *x, struct pxi_bpf_counts *out)
{
    *out = (struct pxi_bpf_counts){0};
}

int pxi_xdp_counter(const struct pxi_xdp *x)
{
    return -1;
}

uint64_t pxi_xdp_received(const struct pxi_xdp *x)
{
    return 0;
}

int pxi_xdp_take(struct pxi_xdp *x, int wait_ms, pxi_xdp_done_fn *fn, void *ctx)
{
    return -1;
}

int pxi_xdp_wakes(const struct pxi_xdp *x)
{
    return -1;
}

int pxi_xdp_run(struct pxi_xdp *x, const uint8_t *frame, size_t n, uint8_t *out, size_t *out_n,
                unsigned repeat, uint32_t *ns)
{
    return -1;
}

bool pxi_xdp_helped(const struct pxi_xdp *x)
{
    return false;
}

bool pxi_xdp_attached(struct pxi_xdp *x)
{
    return false;
}

struct pxi_bpf_job *pxi_xdp_job(const struct pxi_xdp *x, uint32_t job, uint8_t shard)
{
    return NULL;
}

struct pxi_bpf_version *pxi_xdp_version(const struct pxi_xdp *x, uint32_t at)
{
    return NULL;
}

size_t pxi_xdp_room(const struct pxi_xdp *x)
{
    return 0;
}

void pxi_xdp_watch(struct pxi_xdp *x, bool on) {}

int pxi_xdp_events(struct pxi_xdp *x, pxi_xdp_event_fn *fn, void *ctx)
{
    return 0;
}

px_err pxi_xdp_relink(struct pxi_xdp *x, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}

px_err pxi_xdp_fetch(const struct pxi_xdp *x, struct pxi_xdp_loaded **out, px_diag *diag)
{
    *out = NULL;
    return PX_ERR_UNSUPPORTED;
}

px_err pxi_xdp_move(struct pxi_xdp *x, struct pxi_xdp_loaded *to, px_diag *diag)
{
    return PX_ERR_UNSUPPORTED;
}

void pxi_xdp_drop(struct pxi_xdp_loaded *l) {}

px_err pxi_xdp_sweep(const char *device, unsigned *swept, px_diag *diag)
{
    *swept = 0;
    pxi_diag_field(diag, "xdp");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a build with libbpf and clang", "neither");
}
