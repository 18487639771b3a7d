#include "io/xdp_load.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/embed.h"
#include "codec/gradient.h"
#include "io/xdp_join.h"
#include "xdp_object.h" /* generated at build time: PXI_XDP_PATH */

PXI_EMBED(pxi_xdp_object, PXI_XDP_PATH);

static const char *const names[PXI_XDP_MAPS] = {"jobs",   "workers", "slots",    "kept",
                                                "counts", "done",    "watch",    "events",
                                                "noted",  "centres", "sentries", "pasts"};

/* ----------------------------------------------------------------- load */

/* Of the Sentry, whose maps have one entry when there is none. */
static bool shape_sentry(const struct pxi_xdp_options *o, struct pxi_bpf_chosen *chosen,
                         struct bpf_map *const *maps)
{
    bool clip1 = o->sentry == PX_SENTRY_CLIP1, welford = o->sentry == PX_SENTRY_WELFORD;
    uint32_t lanes = 8 * chosen->lane_words;
    chosen->sentry = (uint8_t)o->sentry;
    chosen->k = (uint8_t)(o->k ? o->k : clip1 ? PX_SENTRY_K_CLIP1 : PX_SENTRY_K_WELFORD);
    chosen->clip = o->clip;
    return !bpf_map__set_value_size(maps[PXI_XDP_NOTED],
                                    (uint32_t)sizeof(struct pxi_bpf_noted) + lanes) &&
           !bpf_map__set_value_size(maps[PXI_XDP_CENTRES],
                                    (uint32_t)sizeof(struct pxi_bpf_centre) + lanes) &&
           !bpf_map__set_max_entries(maps[PXI_XDP_NOTED], o->sentry ? 2 * o->slots * o->jobs : 1) &&
           !bpf_map__set_max_entries(maps[PXI_XDP_CENTRES], clip1 ? o->chunks * o->jobs : 1) &&
           !bpf_map__set_max_entries(maps[PXI_XDP_SENTRIES], o->jobs) &&
           !bpf_map__set_max_entries(maps[PXI_XDP_PASTS],
                                     welford ? PX_GRADIENT_WORKERS * o->jobs : 1);
}

/* How large the maps are, and what the program is told for good. */
static bool shape(const struct pxi_xdp_options *o, struct bpf_object *object, bool shared,
                  struct bpf_map *const *maps)
{
    struct bpf_map *rodata = NULL, *m;
    size_t lanes = pxi_xdp_lane_bytes(o);
    bpf_object__for_each_map(m, object) if (strstr(bpf_map__name(m), ".rodata")) rodata = m;
    struct pxi_bpf_chosen chosen = {.address = o->address,
                                    .port = htons(o->port),
                                    .shared = shared,
                                    .untagged = o->untagged,
                                    .endless = o->endless,
                                    .lane_words = (uint32_t)lanes / 8};
    for (unsigned i = 0; i < PXI_XDP_MAPS; i++)
        if (!maps[i])
            return false;
    return rodata && shape_sentry(o, &chosen, maps) &&
           !bpf_map__set_initial_value(rodata, &chosen, sizeof chosen) &&
           !bpf_map__set_max_entries(maps[PXI_XDP_WORKERS], o->jobs * PXI_BPF_MEMBERS) &&
           !bpf_map__set_value_size(maps[PXI_XDP_SLOTS],
                                    (uint32_t)(sizeof(struct pxi_bpf_version) + lanes)) &&
           !bpf_map__set_max_entries(maps[PXI_XDP_SLOTS], 2 * o->slots * o->jobs) &&
           !bpf_map__set_value_size(maps[PXI_XDP_KEPT],
                                    (uint32_t)(sizeof(struct pxi_bpf_kept) + lanes)) &&
           !bpf_map__set_max_entries(maps[PXI_XDP_KEPT], o->chunks ? o->chunks * o->jobs : 1);
}

px_err pxi_xdp_refused(px_diag *diag, int error)
{
    pxi_diag_field(diag, "bpf");
    if (error == EPERM || error == EACCES)
        return pxi_diag_set(diag, PX_ERR_PERMISSION, 0, "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN",
                            "the kernel refuses: %s", strerror(error));
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "a kernel with BPF and its type information",
                        "%s", strerror(error));
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
    (void)level, (void)fmt, (void)args;
    return 0;
}

static px_err load(const struct pxi_xdp_options *o, struct pxi_xdp_loaded *l, px_diag *diag)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "px_reduce");
    struct bpf_map *maps[PXI_XDP_MAPS];
    libbpf_set_print(quiet);
    l->object =
        bpf_object__open_mem(pxi_xdp_object, (size_t)(pxi_xdp_object_end - pxi_xdp_object), &opts);
    if (!l->object)
        return pxi_xdp_refused(diag, errno);
    for (unsigned i = 0; i < PXI_XDP_MAPS; i++)
        maps[i] = bpf_object__find_map_by_name(l->object, names[i]);
    if (!shape(o, l->object, l->shared, maps))
        return pxi_xdp_refused(diag, EINVAL);
    struct bpf_program *p = bpf_object__find_program_by_name(l->object, "px_reduce");
    bpf_program__set_expected_attach_type(p, 0); /* as that of a gate, which has none */
    int rc = bpf_object__load(l->object);
    if (rc)
        return pxi_xdp_refused(diag, -rc);
    l->program = bpf_program__fd(p);
    for (unsigned i = 0; i < PXI_XDP_MAPS; i++)
        l->maps[i] = bpf_map__fd(maps[i]);
    return PX_ERR_OK;
}

/* --------------------------------------------------------------- attach */

static bool ask_device(const char *device, void *what)
{
    struct ifreq r = {.ifr_data = what};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
    bool answers = fd >= 0 && ioctl(fd, SIOCETHTOOL, &r) == 0;
    if (fd >= 0)
        close(fd);
    return answers;
}

/* A veth sends what a program answers only when the other end has one too. */
static bool is_veth(const char *device)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    return ask_device(device, &info) && strcmp(info.driver, "veth") == 0;
}

bool pxi_xdp_serial(const char *device)
{
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
    return ask_device(device, &c) && c.rx_count + c.combined_count == 1;
}

px_err pxi_xdp_attach(const struct pxi_xdp_options *o, int program, struct pxi_xdp_hold *out,
                      int *refused, px_diag *diag)
{
    LIBBPF_OPTS(bpf_link_create_opts, how,
                .flags = o->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
    struct pxi_xdp_hold h = {.device = if_nametoindex(o->device)};
    pxi_diag_field(diag, "%s", o->device);
    if (!h.device)
        return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, "a network device", "%s", strerror(errno));
    h.fd = bpf_link_create(program, (int)h.device, BPF_XDP, &how);
    int error = h.fd < 0 ? -h.fd : 0;
    bool taken = error == EBUSY || (error == EEXIST && o->generic);
    if (error == EPERM || error == EACCES)
        return pxi_xdp_refused(diag, error);
    if (taken && o->joiner) {
        px_err err = o->joiner->join(o, program, &h, diag);
        if (err)
            return err;
    } else if (error) {
        *refused = taken ? 0 : error;
        return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0,
                            taken ? "no other XDP program there (root joins libxdp's dispatcher)"
                                  : "a device with XDP",
                            "%s", strerror(error));
    }
    *out = h;
    return PX_ERR_OK;
}

/* native: why the driver refused before; 0: it was not asked. */
static px_err attach(const struct pxi_xdp_options *o, struct pxi_xdp_loaded *l, int *native,
                     px_diag *diag)
{
    int refused = 0;
    px_err err = pxi_xdp_attach(o, l->program, &l->hold, &refused, diag);
    if (err) {
        *native = o->generic ? 0 : refused;
        return err;
    }
    int left = l->hold.in ? 0 : *native;
    l->rung = o->generic ? PXI_XDP_GENERIC : PXI_XDP_NATIVE;
    snprintf(l->said, sizeof l->said, "%s XDP on %s%s%s%s%s", o->generic ? "generic" : "native",
             o->device, l->hold.in ? ", in libxdp's dispatcher" : "",
             left ? ", its driver has none that fits: " : "", left ? strerror(left) : "",
             !o->generic && is_veth(o->device) ? ", a veth: its other end needs an XDP program too"
                                               : "");
    return PX_ERR_OK;
}

bool pxi_xdp_held(struct pxi_xdp_hold *h)
{
    struct bpf_link_info info = {0};
    uint32_t n = sizeof info;
    if (h->in)
        return h->in->joined(h);
    return !bpf_obj_get_info_by_fd(h->fd, &info, &n) && info.xdp.ifindex;
}

void pxi_xdp_release(struct pxi_xdp_hold *h)
{
    if (h->fd >= 0)
        close(h->fd);
    if (h->in)
        h->in->leave(h);
    *h = (struct pxi_xdp_hold){.fd = -1};
}

static px_err load_as(const struct pxi_xdp_options *o, int *native, struct pxi_xdp_loaded *l,
                      px_diag *diag)
{
    *l = (struct pxi_xdp_loaded){.program = -1, .hold = {.fd = -1}, .keeper = -1};
    /* The stack runs it where a packet happens to be; a driver, on the CPU of its queue. */
    l->shared = o->device && !o->steered && (o->generic || !pxi_xdp_serial(o->device));
    snprintf(l->said, sizeof l->said, "loaded, attached nowhere");
    pxi_diag_field(diag, "xdp");
    px_err err = pxi_xdp_sane(o)
                     ? load(o, l, diag)
                     : pxi_diag_set(diag, PX_ERR_INVALID, 0, "slots and values that can be",
                                    "%u, %u", o->slots, o->values);
    if (!err && o->device)
        err = attach(o, l, native, diag);
    if (err)
        pxi_xdp_unload(l);
    return err;
}

px_err pxi_xdp_load(const struct pxi_xdp_options *o, struct pxi_xdp_loaded *out, px_diag *diag)
{
    struct pxi_xdp_options again = *o;
    int native = 0;
    px_err err = load_as(o, &native, out, diag);
    if (!err || !native)
        return err;
    again.generic = true;
    return load_as(&again, &native, out, diag);
}

void pxi_xdp_unload(struct pxi_xdp_loaded *l)
{
    pxi_xdp_release(&l->hold);
    if (l->keeper >= 0)
        close(l->keeper);
    if (l->object) {
        bpf_object__close(l->object);
    } else if (l->program >= 0) {
        close(l->program);
        for (unsigned i = 0; i < PXI_XDP_MAPS; i++)
            close(l->maps[i]);
    }
    *l = (struct pxi_xdp_loaded){.program = -1, .hold = {.fd = -1}, .keeper = -1};
}
