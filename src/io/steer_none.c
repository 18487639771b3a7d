/* A build without libbpf or clang has no program to load. */
#include "io/steer.h"

#include <stdio.h>

bool pxi_steer_open(struct pxi_steer *s, unsigned ifindex, uint32_t address, uint16_t port,
                    char *why, size_t cap)
{
    (void)ifindex, (void)address, (void)port;
    *s = (struct pxi_steer){-1, -1, false};
    snprintf(why, cap, "this build has no BPF (libbpf, clang)");
    return false;
}

bool pxi_steer_to(const struct pxi_steer *s, uint32_t queue, int socket)
{
    (void)s, (void)queue, (void)socket;
    return false;
}

bool pxi_steer_attached(const struct pxi_steer *s)
{
    (void)s;
    return false;
}

void pxi_steer_close(struct pxi_steer *s)
{
    (void)s;
}
