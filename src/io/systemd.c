#include "io/systemd.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST = 3 }; /* where passed descriptors begin */

static long number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

static enum pxi_activated_kind kind_of(int fd)
{
    int type = 0, listening = 0, family = 0;
    socklen_t n = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n))
        return PXI_ACTIVATED_NONE;
    bool inet = family == AF_INET || family == AF_INET6;
    if (type == SOCK_DGRAM)
        return inet ? PXI_ACTIVATED_UDP : PXI_ACTIVATED_NONE;
    if (type != SOCK_STREAM || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) ||
        !listening)
        return PXI_ACTIVATED_NONE;
    return family == AF_UNIX ? PXI_ACTIVATED_LOCAL : inet ? PXI_ACTIVATED_TCP : PXI_ACTIVATED_NONE;
}

int pxi_activated(unsigned i, enum pxi_activated_kind *kind)
{
    long count = number("LISTEN_FDS");
    if (number("LISTEN_PID") != (long)getpid() || count <= 0 || count > 64 || (long)i >= count)
        return -1;
    int fd = FIRST + (int)i;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    *kind = kind_of(fd);
    return fd;
}

void pxi_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (!n || n >= sizeof a.sun_path)
        return;
    memcpy(a.sun_path, path, n);
    if (path[0] == '@')
        a.sun_path[0] = 0; /* an abstract name */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a, len);
    close(fd);
}
