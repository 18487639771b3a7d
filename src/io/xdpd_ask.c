/* The side of the helper's client. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/diag.h"
#include "io/xdp_load.h"

enum {
    FDS = 1 + PXI_XDP_MAPS,
    ROOM = CMSG_SPACE(FDS * sizeof(int)), /* rounded up: it may hold one more */
    FDS_MOST = ROOM / sizeof(int),
    PATIENCE_S = 20
};

static px_err unreachable(px_diag *diag, const char *path, int error)
{
    pxi_diag_field(diag, "xdpd");
    return pxi_diag_set(diag, error == EACCES ? PX_ERR_PERMISSION : PX_ERR_UNREACHABLE, 0,
                        "the helper (plexus setup xdp), and a right to ask it", "%s: %s", path,
                        strerror(error));
}

static int dial(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof at.sun_path)
        errno = ENAMETOOLONG;
    else if (fd >= 0 && snprintf(at.sun_path, sizeof at.sun_path, "%s", path) > 0 &&
             connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
             setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

/* An answer and its descriptors, each ours; how many, or -1. */
static int receive(int fd, struct pxi_xdpd_answer *a, int fds[FDS_MOST])
{
    uint8_t bytes[sizeof *a + 1];
    union {
        struct cmsghdr head;
        char bytes[ROOM];
    } c = {0};
    struct iovec v = {bytes, sizeof bytes};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
    int count = 0;
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
        count = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(h), (size_t)count * sizeof(int));
    }
    if (n > 0 && pxi_xdpd_heard(px_view_of(bytes, (size_t)n), a) && count == (a->err ? 0 : FDS))
        return count;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return -1;
}

/* The attachment lives as long as this connection: it stays open. */
static px_err keep(int fd, const struct pxi_xdpd_answer *a, const int fds[FDS],
                   struct pxi_xdp_loaded *out)
{
    *out = (struct pxi_xdp_loaded){.program = fds[0],
                                   .hold = {.fd = -1},
                                   .keeper = fd,
                                   .rung = (enum pxi_xdp_rung)a->rung,
                                   .shared = a->shared};
    memcpy(out->maps, fds + 1, sizeof out->maps);
    snprintf(out->said, sizeof out->said, "%s", a->said);
    return PX_ERR_OK;
}

px_err pxi_xdpd_ask(const char *path, const struct pxi_xdp_options *o, struct pxi_xdp_loaded *out,
                    px_diag *diag)
{
    struct pxi_xdpd_request r;
    struct pxi_xdpd_answer a;
    int fds[FDS_MOST], fd = dial(path);
    if (fd < 0)
        return unreachable(diag, path, errno);
    pxi_diag_field(diag, "xdpd");
    if (!pxi_xdpd_write(o, &r)) {
        close(fd);
        return pxi_diag_set(diag, PX_ERR_INVALID, 0, "what the helper offers", "other options");
    }
    int got = send(fd, &r, sizeof r, MSG_NOSIGNAL) == sizeof r ? receive(fd, &a, fds) : -1;
    if (got > 0)
        return keep(fd, &a, fds, out);
    close(fd);
    if (got < 0)
        return pxi_diag_set(diag, PX_ERR_PERMISSION, 0,
                            "a member of the helper's group, and a helper of this build",
                            "it hung up");
    return pxi_diag_set(diag, (px_err)a.err, 0, a.expected, "%s", a.said);
}
