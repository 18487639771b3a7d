/* UPnP by libminiupnpc, which is looked for when it is needed. */
#include "io/portmap_impl.h"

#if __has_include(<miniupnpc/miniupnpc.h>)
#include <arpa/inet.h>
#include <dlfcn.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <stdio.h>

enum { DISCOVER_MS = 2000 };

/* The functions of the library whose version the headers are of. */
struct upnp {
    void *lib;
    __typeof__(&upnpDiscover) discover;
    __typeof__(&freeUPNPDevlist) free_list;
    __typeof__(&UPNP_GetValidIGD) find;
    __typeof__(&FreeUPNPUrls) free_urls;
    __typeof__(&UPNP_GetExternalIPAddress) address;
    __typeof__(&UPNP_AddPortMapping) add;
};

static bool load(struct upnp *u)
{
    char name[64];
    snprintf(name, sizeof name, "libminiupnpc.so.%d", MINIUPNPC_API_VERSION);
    u->lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!u->lib)
        return false;
    *(void **)&u->discover = dlsym(u->lib, "upnpDiscover");
    *(void **)&u->free_list = dlsym(u->lib, "freeUPNPDevlist");
    *(void **)&u->find = dlsym(u->lib, "UPNP_GetValidIGD");
    *(void **)&u->free_urls = dlsym(u->lib, "FreeUPNPUrls");
    *(void **)&u->address = dlsym(u->lib, "UPNP_GetExternalIPAddress");
    *(void **)&u->add = dlsym(u->lib, "UPNP_AddPortMapping");
    return u->discover && u->free_list && u->find && u->free_urls && u->address && u->add;
}

static void map_one(const struct upnp *u, const struct UPNPUrls *urls, const struct IGDdatas *data,
                    const uint8_t outside[4], struct pxi_portmap_want *w)
{
    char port[8], lease[16], inside[INET_ADDRSTRLEN];
    const char *kind = w->inside.via == PXI_VIA_QUIC ? "UDP" : "TCP";
    snprintf(port, sizeof port, "%u", w->inside.port);
    snprintf(lease, sizeof lease, "%d", PXI_PORTMAP_LEASE_S);
    if (!inet_ntop(AF_INET, w->inside.ip, inside, sizeof inside) ||
        u->add(urls->controlURL, data->first.servicetype, port, port, inside, "plexus", kind, NULL,
               lease) != 0)
        return;
    w->outside = w->inside;
    memcpy(w->outside.ip, outside, 4);
}

static void ask(const struct upnp *u, struct pxi_portmap_job *job)
{
    struct UPNPUrls urls = {0};
    struct IGDdatas data = {0};
    char lan[64], text[64] = "";
    uint8_t outside[4];
    int err = 0;
    struct UPNPDev *devices = u->discover(DISCOVER_MS, NULL, NULL, 0, 0, 2, &err);
    int found = devices ? u->find(devices, &urls, &data, lan, sizeof lan) : 0;
    if (found == 1 && u->address(urls.controlURL, data.first.servicetype, text) == 0 &&
        inet_pton(AF_INET, text, outside) == 1)
        for (unsigned i = 0; i < job->n; i++)
            if (!job->want[i].outside.family)
                map_one(u, &urls, &data, outside, &job->want[i]);
    if (found)
        u->free_urls(&urls);
    u->free_list(devices);
}

void pxi_portmap_ask_upnp(struct pxi_portmap_job *job)
{
    struct upnp u = {0};
    if (load(&u))
        ask(&u, job);
    if (u.lib)
        dlclose(u.lib);
}
#else
void pxi_portmap_ask_upnp(struct pxi_portmap_job *job) {}
#endif
