#include "io/steer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/embed.h"
#include "bpf/steer.h"
#include "steer_object.h" /* generated at build time: PXI_STEER_PATH */

PXI_EMBED(pxi_steer_object, PXI_STEER_PATH);

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
    return 0;
}

static struct bpf_map *map_with(struct bpf_object *object, const char *name)
{
    struct bpf_map *m;
    bpf_object__for_each_map(m, object) if (strstr(bpf_map__name(m), name)) return m;
    return NULL;
}

static int attach(struct pxi_steer *s, int program, unsigned ifindex)
{
    static const uint32_t modes[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
    int error = 0;
    for (unsigned i = 0; i < 2; i++) {
        LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = modes[i]);
        s->link = bpf_link_create(program, (int)ifindex, BPF_XDP, &opts);
        s->native = i == 0;
        if (s->link >= 0)
            return 0;
        error = -s->link;
        s->link = -1;
        if (error == EBUSY || error == EPERM)
            break;
    }
    return error;
}

/* 0, or an errno. */
static int load(struct pxi_steer *s, struct bpf_object *object, unsigned ifindex,
                const struct pxi_steer_chosen *chosen)
{
    struct bpf_map *rodata = map_with(object, ".rodata"), *sockets = map_with(object, "sockets");
    if (!rodata || !sockets || bpf_map__set_initial_value(rodata, chosen, sizeof *chosen))
        return EINVAL;
    int rc = bpf_object__load(object);
    if (rc)
        return -rc;
    s->sockets = dup(bpf_map__fd(sockets));
    struct bpf_program *program = bpf_object__find_program_by_name(object, "px_steer");
    return s->sockets < 0 || !program ? EINVAL : attach(s, bpf_program__fd(program), ifindex);
}

bool pxi_steer_open(struct pxi_steer *s, unsigned ifindex, uint32_t address, uint16_t port,
                    char *why, size_t cap)
{
    LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "px_steer");
    struct pxi_steer_chosen chosen = {.address = address, .port = port};
    *s = (struct pxi_steer){-1, -1, false};
    libbpf_set_print(silent);
    struct bpf_object *object = bpf_object__open_mem(
        pxi_steer_object, (size_t)(pxi_steer_object_end - pxi_steer_object), &opts);
    int error = object ? load(s, object, ifindex, &chosen) : errno;
    bpf_object__close(object);
    if (!error)
        return true;
    pxi_steer_close(s);
    snprintf(why, cap, "%s",
             error == EBUSY                      ? "the device has another XDP program"
             : error == EPERM || error == EACCES ? "needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW"
                                                 : strerror(error));
    return false;
}

bool pxi_steer_to(const struct pxi_steer *s, uint32_t queue, int socket)
{
    return bpf_map_update_elem(s->sockets, &queue, &socket, BPF_ANY) == 0;
}

bool pxi_steer_attached(const struct pxi_steer *s)
{
    struct bpf_link_info info = {0};
    uint32_t n = sizeof info;
    return s->link >= 0 && bpf_obj_get_info_by_fd(s->link, &info, &n) == 0 && info.xdp.ifindex;
}

void pxi_steer_close(struct pxi_steer *s)
{
    if (s->link >= 0)
        close(s->link);
    if (s->sockets >= 0)
        close(s->sockets);
    *s = (struct pxi_steer){-1, -1, false};
}
