#include "io/socket.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

socklen_t pxi_sockaddr_of(const struct pxi_endpoint *e, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (e->family == 4) {
        struct sockaddr_in *a = (struct sockaddr_in *)out;
        a->sin_family = AF_INET;
        a->sin_port = htons(e->port);
        memcpy(&a->sin_addr, e->ip, 4);
        return sizeof *a;
    }
    if (e->family == 6) {
        struct sockaddr_in6 *a = (struct sockaddr_in6 *)out;
        a->sin6_family = AF_INET6;
        a->sin6_port = htons(e->port);
        memcpy(&a->sin6_addr, e->ip, 16);
        return sizeof *a;
    }
    return 0;
}

struct pxi_endpoint pxi_endpoint_of_sockaddr(const struct sockaddr *sa)
{
    struct pxi_endpoint e = {0};
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)sa;
        e.family = 4;
        e.port = ntohs(a->sin_port);
        memcpy(e.ip, &a->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)(const void *)sa;
        e.family = 6;
        e.port = ntohs(a->sin6_port);
        memcpy(e.ip, &a->sin6_addr, 16);
        if (memcmp(e.ip, mapped, sizeof mapped) == 0) {
            memmove(e.ip, e.ip + 12, 4);
            memset(e.ip + 4, 0, 12);
            e.family = 4;
        }
    }
    return e;
}

struct pxi_endpoint pxi_socket_local(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    getsockname(fd, (struct sockaddr *)&a, &n);
    return pxi_endpoint_of_sockaddr((struct sockaddr *)&a);
}

struct pxi_endpoint pxi_socket_remote(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    getpeername(fd, (struct sockaddr *)&a, &n);
    return pxi_endpoint_of_sockaddr((struct sockaddr *)&a);
}

struct pxi_endpoint pxi_socket_source(const struct pxi_endpoint *e)
{
    struct pxi_endpoint near = {0};
    struct sockaddr_storage sa;
    socklen_t len = pxi_sockaddr_of(e, &sa);
    int fd = len ? socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return near;
    if (connect(fd, (struct sockaddr *)&sa, len) == 0) /* sends nothing */
        near = pxi_socket_local(fd);
    close(fd);
    return near;
}

bool pxi_endpoint_sends(const struct pxi_endpoint *near, const struct pxi_endpoint *source)
{
    return near->family == source->family &&
           (pxi_endpoint_any(near) || memcmp(near->ip, source->ip, sizeof near->ip) == 0);
}

bool pxi_endpoint_any(const struct pxi_endpoint *e)
{
    static const uint8_t zero[16];
    return e->family && memcmp(e->ip, zero, sizeof zero) == 0;
}

void pxi_endpoint_expand(const struct pxi_endpoint *e,
                         void (*fn)(void *ctx, const struct pxi_endpoint *e), void *ctx)
{
    struct ifaddrs *all = NULL;
    if (!pxi_endpoint_any(e)) {
        fn(ctx, e);
        return;
    }
    if (getifaddrs(&all))
        return;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
            continue;
        struct pxi_endpoint one = pxi_endpoint_of_sockaddr(i->ifa_addr);
        one.port = e->port;
        one.via = e->via;
        /* Link-local IPv6 needs a zone, which multiaddrs of others cannot use. */
        if (one.family == e->family && !(one.family == 6 && one.ip[0] == 0xfe && one.ip[1] == 0x80))
            fn(ctx, &one);
    }
    freeifaddrs(all);
}
