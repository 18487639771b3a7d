#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/embed.h"
#include "gate_object.h" /* generated at build time: PXI_GATE_PATH */
#include "io/xdp_join.h"

PXI_EMBED(pxi_gate_object, PXI_GATE_PATH);

struct xdp_program; /* of libxdp, and its calls */
struct xdp_multiprog;
enum { ANY, DRIVER, STACK }; /* enum xdp_attach_mode */
#define CALLS(X)                                                                                   \
    X(long, libxdp_get_error, (const void *))                                                      \
    X(void *, libxdp_set_print, (int (*)(int, const char *, va_list)))                             \
    X(struct xdp_multiprog *, xdp_multiprog__get_from_ifindex, (int))                              \
    X(struct xdp_program *, xdp_multiprog__next_prog, (struct xdp_program *, void *))              \
    X(void, xdp_multiprog__close, (struct xdp_multiprog *))                                        \
    X(struct xdp_program *, xdp_program__from_bpf_obj, (struct bpf_object *, const char *))        \
    X(uint32_t, xdp_program__id, (struct xdp_program *))                                           \
    X(int, xdp_program__fd, (struct xdp_program *))                                                \
    X(int, xdp_program__attach, (struct xdp_program *, int, int, unsigned))                        \
    X(int, xdp_program__detach, (struct xdp_program *, int, int, unsigned))                        \
    X(void, xdp_program__close, (struct xdp_program *))
#define MEMBER(type, name, args) type(*name) args;
static struct {
    CALLS(MEMBER)
} lib;

static bool load_library(void)
{
    void *h = dlopen("libxdp.so.1", RTLD_NOW | RTLD_LOCAL), *f = h;
#define FIND(type, name, args)                                                                     \
    f = f ? dlsym(h, #name) : NULL;                                                                \
    memcpy(&lib.name, &f, sizeof f);
    CALLS(FIND)
    libbpf_set_print(NULL);
    if (f)
        lib.libxdp_set_print(NULL);
    return f != NULL;
}

/* The program of a device; 0: none, or one of each kind. */
static uint32_t program_of(unsigned device, bool *generic)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, q);
    if (bpf_xdp_query((int)device, 0, &q) || q.attach_mode == XDP_ATTACHED_MULTI)
        return 0;
    *generic = q.attach_mode == XDP_ATTACHED_SKB;
    return q.prog_id;
}

static bool is_named(int program, const char *name)
{
    struct bpf_prog_info info = {0};
    uint32_t n = sizeof info;
    return !bpf_obj_get_info_by_fd(program, &info, &n) && strcmp(info.name, name) == 0;
}

/* Whose aggregator is gone: its map is empty. */
static bool is_dead(int gate)
{
    uint32_t map = 0, zero = 0, program;
    struct bpf_prog_info info = {.nr_map_ids = 1, .map_ids = (uintptr_t)&map};
    uint32_t n = sizeof info;
    int fd = bpf_obj_get_info_by_fd(gate, &info, &n) ? -1 : bpf_map_get_fd_by_id(map);
    bool dead = fd >= 0 && bpf_map_lookup_elem(fd, &zero, &program) && errno == ENOENT;
    if (fd >= 0)
        close(fd);
    return dead;
}

/* Whether a gate is in the dispatcher of a device: this one, or with 0 a dead one. */
static bool find_gate(unsigned device, uint32_t gate, bool take_out)
{
    struct xdp_multiprog *m = lib.xdp_multiprog__get_from_ifindex((int)device);
    struct xdp_program *p = NULL;
    bool found = false;
    if (lib.libxdp_get_error(m))
        return false;
    while (!found && (p = lib.xdp_multiprog__next_prog(p, m))) {
        int fd = lib.xdp_program__fd(p);
        found = gate ? lib.xdp_program__id(p) == gate : is_named(fd, "px_gate") && is_dead(fd);
    }
    if (found && take_out)
        found = lib.xdp_program__detach(p, (int)device, ANY, 0) == 0;
    lib.xdp_multiprog__close(m);
    return found;
}

static int enter(bool generic, int program, struct pxi_xdp_hold *h)
{
    struct bpf_object *o = bpf_object__open_mem(
        pxi_gate_object, (size_t)(pxi_gate_object_end - pxi_gate_object), NULL);
    uint32_t zero = 0;
    h->fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "held", sizeof zero, sizeof zero, 1, NULL);
    int rc = o && h->fd >= 0 && !bpf_map_update_elem(h->fd, &zero, &program, BPF_ANY) &&
                     !bpf_map__reuse_fd(bpf_object__find_map_by_name(o, "held"), h->fd)
                 ? 0
                 : -errno;
    struct xdp_program *p = rc ? NULL : lib.xdp_program__from_bpf_obj(o, "xdp");
    rc = rc ? rc : (int)lib.libxdp_get_error(p);
    if (!rc) {
        rc = lib.xdp_program__attach(p, (int)h->device, generic ? STACK : DRIVER, 0);
        h->gate = lib.xdp_program__id(p);
        /* Alone on the device, since the dispatcher has gone: nobody would take it away. */
        if (!rc && !find_gate(h->device, h->gate, false) &&
            !lib.xdp_program__detach(p, (int)h->device, ANY, 0))
            rc = -EBUSY;
        lib.xdp_program__close(p);
    }
    bpf_object__close(o);
    if (rc && h->fd >= 0)
        close(h->fd);
    return rc;
}

static const char hidden[] =
    "no other XDP program there, or CAP_SYS_ADMIN to see whether it can be joined";

/* Why not, of a device whose program cannot be joined; NULL: it can. */
static const char *bar(uint32_t id, bool stack, bool generic)
{
    int fd = id ? bpf_prog_get_fd_by_id(id) : -1;
    if (fd < 0)
        return id && errno == EPERM ? hidden : "no other XDP program there";
    bool ours = is_named(fd, "xdp_dispatcher");
    close(fd);
    if (!ours)
        return "no other XDP program there";
    return generic && !stack ? "no --generic: the dispatcher is in the driver" : NULL;
}

static px_err no_library(px_diag *diag)
{
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, "libxdp, to join its dispatcher there",
                        "no libxdp.so.1");
}

static px_err join(const struct pxi_xdp_options *o, int program, struct pxi_xdp_hold *h,
                   px_diag *diag)
{
    bool stack = false;
    int error = EBUSY;
    h->found = program_of(h->device, &stack);
    const char *expected = bar(h->found, stack, o->generic);
    if (!expected && !load_library())
        return no_library(diag);
    if (!expected) {
        while (find_gate(h->device, 0, true)) {
        }
        error = -enter(o->generic, program, h);
        expected =
            "to join libxdp's dispatcher: CAP_SYS_ADMIN, BPF_PROG_TYPE_EXT, /sys/fs/bpf mounted";
    }
    h->in = &pxi_xdp_dispatcher;
    return error ? pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0, expected, "%s", strerror(error))
                 : PX_ERR_OK;
}

static bool joined(struct pxi_xdp_hold *h)
{
    bool stack;
    uint32_t now = program_of(h->device, &stack);
    if (now && now != h->found && find_gate(h->device, h->gate, false))
        h->found = now;
    return now && now == h->found;
}

static void leave(const struct pxi_xdp_hold *h)
{
    find_gate(h->device, h->gate, true);
}

const struct pxi_xdp_joiner pxi_xdp_dispatcher = {join, joined, leave};

px_err pxi_xdp_sweep(const char *device, unsigned *swept, px_diag *diag)
{
    bool stack;
    unsigned index = if_nametoindex(device);
    pxi_diag_field(diag, "%s", device);
    *swept = 0;
    if (!index)
        return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, "a network device", "%s", strerror(errno));
    uint32_t id = program_of(index, &stack);
    const char *expected = id ? bar(id, stack, false) : NULL;
    if (expected == hidden)
        return pxi_diag_set(diag, PX_ERR_PERMISSION, 0, "CAP_SYS_ADMIN", "%s", strerror(EPERM));
    if (!id || expected)
        return PX_ERR_OK;
    if (!load_library())
        return no_library(diag);
    while (find_gate(index, 0, true))
        ++*swept;
    return PX_ERR_OK;
}
