/* What can be asked of the helper, and the bytes of it. */
#include <string.h>

#include "base/limits.h"
#include "codec/gradient.h"
#include "io/xdpd.h"

bool pxi_xdp_sane(const struct pxi_xdp_options *o)
{
    return o->values && o->values % PXI_GRADIENT_STEP == 0 && o->values <= PXI_GRADIENT_VALUES &&
           o->jobs >= 1 && o->jobs <= PXI_BPF_JOBS && o->slots &&
           (o->slots & (o->slots - 1)) == 0 && (uint64_t)o->jobs * o->slots <= 1u << 20 &&
           (uint64_t)o->jobs * o->chunks <= 1u << 26 && (unsigned)o->sentry <= PX_SENTRY_CLIP1 &&
           o->k <= PX_SENTRY_K_MAX && (!o->sentry || o->chunks);
}

size_t pxi_xdp_lane_bytes(const struct pxi_xdp_options *o)
{
    return pxi_gradient_most(o->values);
}

uint64_t pxi_xdp_map_bytes(const struct pxi_xdp_options *o)
{
    uint64_t lanes = pxi_xdp_lane_bytes(o);
    uint64_t noted = o->sentry ? sizeof(struct pxi_bpf_noted) + lanes : 0;
    uint64_t centre = o->sentry == PX_SENTRY_CLIP1 ? sizeof(struct pxi_bpf_centre) + lanes : 0;
    return o->jobs * (sizeof(struct pxi_bpf_sentry) + 2 * o->slots * noted + o->chunks * centre +
                      PX_GRADIENT_WORKERS * sizeof(struct pxi_bpf_past) +
                      PXI_BPF_MEMBERS * sizeof(struct pxi_bpf_worker) +
                      2 * o->slots * (sizeof(struct pxi_bpf_version) + lanes) +
                      o->chunks * (sizeof(struct pxi_bpf_kept) + lanes));
}

/* A name as the kernel has them: no slash, no space, nothing behind its end. */
static bool is_device(const char name[PXI_XDPD_DEVICE])
{
    size_t n = strnlen(name, PXI_XDPD_DEVICE);
    if (n == PXI_XDPD_DEVICE || name[0] == '.')
        return false;
    for (size_t i = 0; i < PXI_XDPD_DEVICE; i++)
        if (i < n ? name[i] <= ' ' || name[i] == '/' || name[i] == ':' || name[i] == 0x7f
                  : name[i] != 0)
            return false;
    return true;
}

bool pxi_xdpd_read(px_view bytes, struct pxi_xdpd_request *r, struct pxi_xdp_options *out)
{
    static const uint8_t zero[sizeof r->unused];
    if (bytes.n != sizeof *r)
        return false;
    memcpy(r, bytes.p, sizeof *r);
    *out = (struct pxi_xdp_options){.device = r->device[0] ? r->device : NULL,
                                    .generic = r->generic != 0,
                                    .address = r->address,
                                    .port = r->port,
                                    .values = r->values,
                                    .jobs = r->jobs,
                                    .slots = r->slots,
                                    .chunks = r->chunks,
                                    .steered = r->steered != 0,
                                    .sentry = r->sentry,
                                    .k = r->k,
                                    .clip = r->clip != 0};
    return r->magic == PXI_XDPD_MAGIC && r->version == PXI_XDPD_VERSION && is_device(r->device) &&
           r->port >= PXI_XDPD_LEAST_PORT && r->generic <= 1 && r->steered <= 1 && r->clip <= 1 &&
           memcmp(r->unused, zero, sizeof zero) == 0 && pxi_xdp_sane(out) &&
           pxi_xdp_map_bytes(out) <= PXI_LIMIT_XDPD_BYTES;
}

bool pxi_xdpd_write(const struct pxi_xdp_options *o, struct pxi_xdpd_request *out)
{
    size_t n = o->device ? strlen(o->device) : 0;
    if (n >= PXI_XDPD_DEVICE || o->untagged || o->endless || o->k > PX_SENTRY_K_MAX)
        return false;
    *out = (struct pxi_xdpd_request){.magic = PXI_XDPD_MAGIC,
                                     .version = PXI_XDPD_VERSION,
                                     .address = o->address,
                                     .port = o->port,
                                     .values = o->values,
                                     .jobs = o->jobs,
                                     .slots = o->slots,
                                     .chunks = o->chunks,
                                     .generic = o->generic,
                                     .steered = o->steered,
                                     .sentry = (uint8_t)o->sentry,
                                     .k = (uint8_t)o->k,
                                     .clip = o->clip};
    if (n)
        memcpy(out->device, o->device, n);
    return true;
}

bool pxi_xdpd_heard(px_view bytes, struct pxi_xdpd_answer *out)
{
    if (bytes.n != sizeof *out)
        return false;
    memcpy(out, bytes.p, sizeof *out);
    return out->magic == PXI_XDPD_MAGIC && out->version == PXI_XDPD_VERSION &&
           out->rung <= PXI_XDP_GENERIC && out->shared <= 1 &&
           memchr(out->said, 0, sizeof out->said) && memchr(out->expected, 0, sizeof out->expected);
}
