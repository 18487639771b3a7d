#include "io/rate.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool has(const struct sockaddr *a, px_view ip)
{
    if (a && a->sa_family == AF_INET && ip.n == 4)
        return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr, ip.p, 4) == 0;
    if (a && a->sa_family == AF_INET6 && ip.n == 16)
        return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, ip.p, 16) == 0;
    return false;
}

/* Mbit/s of a device; 0 or less: it does not say. */
static long speed_of(const char *device)
{
    char path[64];
    long mbit = 0;
    snprintf(path, sizeof path, "/sys/class/net/%.32s/speed", device);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    if (fscanf(f, "%ld", &mbit) != 1)
        mbit = 0;
    fclose(f);
    return mbit;
}

uint64_t pxi_line_rate(px_view ip)
{
    struct ifaddrs *all, *a;
    long mbit = 0;
    if (getifaddrs(&all) != 0)
        return 0;
    for (a = all; a; a = a->ifa_next)
        if (has(a->ifa_addr, ip))
            mbit = speed_of(a->ifa_name);
    freeifaddrs(all);
    return mbit > 0 ? (uint64_t)mbit * 125000 : 0;
}
