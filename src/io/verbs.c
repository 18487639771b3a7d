#include "io/verbs.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { GIDS = 256 };

static struct pxi_verbs calls;
static bool is_loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find(void *h, const char *name, void *out)
{
    void *f = dlsym(h, name);
    memcpy(out, &f, sizeof f);
    return f != NULL;
}

static void load(void)
{
    void *h = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
    bool all = h && find(h, "_ibv_query_gid_table", &calls.query_gid_table);
#define PXI_VERBS_CALL(name) all = all && find(h, "ibv_" #name, &calls.name);
    PXI_VERBS_CALLS(PXI_VERBS_CALL)
#undef PXI_VERBS_CALL
    int n = 0;
    struct ibv_device **list = all ? calls.get_device_list(&n) : NULL;
    if (list)
        calls.free_device_list(list);
    calls.devices = n > 0 ? (unsigned)n : 0;
    is_loaded = all;
}

const struct pxi_verbs *pxi_verbs_load(void)
{
    pthread_once(&once, load);
    return is_loaded ? &calls : NULL;
}

union ibv_gid pxi_verbs_gid(const uint8_t ip[4])
{
    union ibv_gid g = {.raw = {[10] = 0xff, [11] = 0xff}};
    memcpy(g.raw + 12, ip, 4);
    return g;
}

/* What a port says of itself; the call of this name is inline, and ends in another that is not. */
static bool is_active(struct ibv_context *c, uint8_t port, uint8_t *mtu)
{
    struct ibv_port_attr a = {0};
    struct verbs_context *v = verbs_get_ctx_op(c, query_port);
    if (!v || v->query_port(c, port, &a, sizeof a) != 0 || a.state != IBV_PORT_ACTIVE ||
        a.link_layer != IBV_LINK_LAYER_ETHERNET)
        return false;
    *mtu = (uint8_t)a.active_mtu;
    return true;
}

/* The place of an address among those of a device; false: it has no such. */
static bool find_gid(const struct pxi_verbs *v, struct pxi_verbs_device *d)
{
    struct ibv_gid_entry e[GIDS];
    ssize_t n = v->query_gid_table(d->context, e, GIDS, 0, sizeof *e);
    for (ssize_t i = 0; i < n; i++) {
        if (e[i].gid_type != IBV_GID_TYPE_ROCE_V2 || e[i].gid_index > UINT8_MAX ||
            e[i].port_num > UINT8_MAX || memcmp(&e[i].gid, &d->gid, sizeof d->gid) != 0 ||
            !is_active(d->context, (uint8_t)e[i].port_num, &d->mtu))
            continue;
        d->gid_index = (uint8_t)e[i].gid_index;
        d->port = (uint8_t)e[i].port_num;
        return true;
    }
    return false;
}

bool pxi_verbs_find(const struct pxi_verbs *v, const struct pxi_udp_addr *local,
                    struct pxi_verbs_device *out, char *why, size_t cap)
{
    int n = 0;
    struct ibv_device **list = v->get_device_list(&n);
    bool found = false;
    for (int i = 0; list && i < n && !found; i++) {
        *out = (struct pxi_verbs_device){.context = v->open_device(list[i]),
                                         .gid = pxi_verbs_gid(local->ip)};
        found = out->context && find_gid(v, out);
        if (out->context && !found)
            v->close_device(out->context);
    }
    if (list)
        v->free_device_list(list);
    if (!found)
        snprintf(why, cap, "none of %d devices has our address for RoCE v2", n);
    return found;
}

bool pxi_verbs_has(const struct pxi_verbs *v, const struct pxi_verbs_device *d)
{
    struct pxi_verbs_device now = *d;
    return find_gid(v, &now) && now.gid_index == d->gid_index && now.port == d->port;
}
