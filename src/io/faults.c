/* Loads bpf/faults.bpf.c, which the program carries, and puts it at the entry of an interface. */
#include "plexus/faults.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/diag.h"
#include "base/embed.h"
#include "bpf/faults.h"
#include "faults_object.h" /* generated at build time: PXI_FAULTS_PATH */

PXI_EMBED(pxi_faults_object, PXI_FAULTS_PATH);

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
    return 0;
}

/* The plan goes into the program's constants before it is loaded. */
static int plan(struct bpf_object *object, const px_faults *f)
{
    struct px_faults_plan p = {.seed = f->seed,
                               .lose = (uint32_t)(f->lose * 10000),
                               .twice = (uint32_t)(f->twice * 10000),
                               .flip = (uint32_t)(f->flip * 10000)};
    struct bpf_map *m;
    bpf_object__for_each_map(m, object)
    {
        const char *name = bpf_map__name(m);
        if (strstr(name, ".rodata"))
            return bpf_map__set_initial_value(m, &p, sizeof p);
    }
    return -ENOENT;
}

static int attach(struct bpf_object *object, unsigned ifindex)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
    struct bpf_program *program = bpf_object__find_program_by_name(object, "faults");
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .flags = BPF_TC_F_REPLACE,
                        .prog_fd = program ? bpf_program__fd(program) : -1);
    int rc = bpf_tc_hook_create(&hook);
    return rc && rc != -EEXIST ? rc : bpf_tc_attach(&hook, &opts);
}

static bool sane(const px_faults *f)
{
    return f->size >= sizeof *f && f->lose >= 0 && f->lose <= 1 && f->twice >= 0 && f->twice <= 1 &&
           f->flip >= 0 && f->flip <= 1;
}

px_err px_faults_attach(const char *interface, const px_faults *f, px_diag *diag)
{
    pxi_diag_field(diag, "faults on %s", interface);
    if (!sane(f))
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "parts from 0 to 1", "others");
    unsigned ifindex = if_nametoindex(interface);
    if (!ifindex)
        return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, "an interface", "none of this name");
    libbpf_set_print(silent);
    DECLARE_LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "faults");
    struct bpf_object *object = bpf_object__open_mem(
        pxi_faults_object, (size_t)(pxi_faults_object_end - pxi_faults_object), &opts);
    int rc = object ? plan(object, f) : -errno;
    if (!rc)
        rc = bpf_object__load(object);
    if (!rc)
        rc = attach(object, ifindex);
    bpf_object__close(object);
    if (rc)
        return pxi_diag_set(diag, rc == -EPERM ? PX_ERR_PERMISSION : PX_ERR_IO, 0,
                            "CAP_BPF and CAP_NET_ADMIN, and a kernel with tc BPF", "%s",
                            strerror(-rc));
    return PX_ERR_OK;
}
