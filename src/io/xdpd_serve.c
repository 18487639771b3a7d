/* The helper. One thread, one attachment a connection, nothing read from a client but one request
 * of one size. */
#include "plexus/xdpd.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/limits.h"
#include "io/xdp_load.h"

enum { LOOK_MS = 250, REQUEST_NS = 1000000000, GROUPS = 256, FDS = 1 + PXI_XDP_MAPS };

struct client {
    int fd; /* -1: a free place */
    struct pxi_xdp_hold hold;
    bool served;
    uint64_t since_ns;
    uid_t uid;
};

struct xdpd {
    const px_xdpd_options *o;
    int listen;
    bool ours; /* the path of the socket goes with us */
    char path[sizeof((struct sockaddr_un){0}).sun_path];
    gid_t group;
    bool grouped;
    uid_t uid;
    gid_t gid;
    struct client clients[PXI_LIMIT_XDPD_CLIENTS];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* For the journal. */
static void note(const struct client *c, const char *what, const char *more)
{
    dprintf(2, "xdpd: uid %u: %s%s%s\n", (unsigned)c->uid, what, *more ? ": " : "", more);
}

/* -------------------------------------------------------------- clients */

static bool in_group(const struct xdpd *x, int fd, const struct ucred *peer)
{
    gid_t groups[GROUPS];
    socklen_t n = sizeof groups;
    if (!x->grouped)
        return false;
    if (peer->gid == x->group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n))
        return false;
    for (size_t i = 0; i < n / sizeof *groups; i++)
        if (groups[i] == x->group)
            return true;
    return false;
}

static void drop(struct client *c)
{
    pxi_xdp_release(&c->hold);
    close(c->fd);
    *c = (struct client){.fd = -1, .hold = {.fd = -1}};
}

static void let_in(struct xdpd *x)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    struct client *c = x->clients, *end = c + PXI_LIMIT_XDPD_CLIENTS;
    int fd = accept4(x->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    while (c < end && c->fd >= 0)
        c++;
    if (c == end || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) ||
        (peer.uid != x->uid && !in_group(x, fd, &peer))) {
        close(fd);
        return;
    }
    *c = (struct client){.fd = fd, .hold = {.fd = -1}, .since_ns = now_ns(), .uid = peer.uid};
}

static void answer(struct client *c, const struct pxi_xdpd_answer *a,
                   const struct pxi_xdp_loaded *l)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(FDS * sizeof(int))];
    } control = {0};
    struct iovec v = {(void *)(uintptr_t)a, sizeof *a};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (l) {
        int fds[FDS] = {l->program};
        memcpy(fds + 1, l->maps, sizeof l->maps);
        control.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
    }
    if (sendmsg(c->fd, &m, MSG_NOSIGNAL) != (ssize_t)sizeof *a)
        drop(c);
}

static void refuse(struct client *c, px_err err, const char *expected, const char *found)
{
    struct pxi_xdpd_answer a = {
        .magic = PXI_XDPD_MAGIC, .version = PXI_XDPD_VERSION, .err = (int32_t)err};
    snprintf(a.said, sizeof a.said, "%s", found);
    snprintf(a.expected, sizeof a.expected, "%s", expected);
    note(c, "refused", found);
    answer(c, &a, NULL);
    if (c->fd >= 0)
        drop(c);
}

static bool may_use(const px_xdpd_options *o, const char *device)
{
    for (unsigned i = 0; device && i < o->device_count; i++)
        if (strcmp(o->devices[i], device) == 0)
            return true;
    return !device || !o->device_count;
}

/* Load, attach, pass the descriptors on; of them only what holds it stays here. */
static void serve(struct xdpd *x, struct client *c, px_view bytes)
{
    struct pxi_xdpd_request r;
    struct pxi_xdp_options o;
    struct pxi_xdp_loaded l;
    px_diag diag = {0};
    c->served = true;
    if (!pxi_xdpd_read(bytes, &r, &o)) {
        refuse(c, PX_ERR_INVALID, "a request of this build, and not for too much", "another");
        return;
    }
    if (!may_use(x->o, o.device)) {
        refuse(c, PX_ERR_PERMISSION, "a device that the helper was given", r.device);
        return;
    }
    px_err err = pxi_xdp_load(&o, &l, &diag);
    if (err) {
        refuse(c, err, diag.expected, diag.found);
        return;
    }
    struct pxi_xdpd_answer a = {.magic = PXI_XDPD_MAGIC,
                                .version = PXI_XDPD_VERSION,
                                .rung = (uint8_t)l.rung,
                                .shared = l.shared};
    snprintf(a.said, sizeof a.said, "%s", l.said);
    note(c, "attached", l.said);
    c->hold = l.hold;
    l.hold = (struct pxi_xdp_hold){.fd = -1};
    answer(c, &a, &l);
    pxi_xdp_unload(&l);
}

/* It asks, once; whatever else comes of it is the end. */
static void hear(struct xdpd *x, struct client *c)
{
    uint8_t bytes[sizeof(struct pxi_xdpd_request) + 1];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && !c->served) {
        serve(x, c, px_view_of(bytes, (size_t)n));
        return;
    }
    note(c, "gone", "");
    drop(c);
}

/* Those who ask nothing, and those whose device is gone. */
static void look(struct client *c)
{
    bool idle = !c->served && now_ns() - c->since_ns > REQUEST_NS;
    bool lost = c->hold.fd >= 0 && !pxi_xdp_held(&c->hold);
    if (idle || lost) {
        note(c, idle ? "asked nothing" : "lost its device", "");
        drop(c);
    }
}

static void turn(struct xdpd *x)
{
    struct pollfd p[PXI_LIMIT_XDPD_CLIENTS + 1] = {{.fd = x->listen, .events = POLLIN}};
    for (unsigned i = 0; i < PXI_LIMIT_XDPD_CLIENTS; i++)
        p[i + 1] = (struct pollfd){.fd = x->clients[i].fd, .events = POLLIN};
    if (poll(p, PXI_LIMIT_XDPD_CLIENTS + 1, LOOK_MS) < 0)
        return;
    for (unsigned i = 0; i < PXI_LIMIT_XDPD_CLIENTS; i++) {
        if (p[i + 1].revents)
            hear(x, &x->clients[i]);
        if (x->clients[i].fd >= 0)
            look(&x->clients[i]);
    }
    if (p[0].revents)
        let_in(x);
}

/* ---------------------------------------------------------------- start */

static px_err said(px_diag *diag, const char *field, px_err err, const char *expected)
{
    pxi_diag_field(diag, "%s", field);
    return pxi_diag_set(diag, err, 0, expected, "%s", strerror(errno));
}

static px_err unknown(px_diag *diag, const char *name, const char *expected)
{
    pxi_diag_field(diag, "%s", name);
    return pxi_diag_set(diag, PX_ERR_NOT_FOUND, 0, expected, "a name that nobody has");
}

static px_err find_names(struct xdpd *x, px_diag *diag)
{
    const struct group *g = x->o->group ? getgrnam(x->o->group) : NULL;
    const struct passwd *p = x->o->user ? getpwnam(x->o->user) : NULL;
    if (x->o->group && !g)
        return unknown(diag, x->o->group, "a group");
    if (x->o->user && !p)
        return unknown(diag, x->o->user, "a user");
    x->grouped = g != NULL;
    x->group = g ? g->gr_gid : 0;
    x->uid = p ? p->pw_uid : geteuid();
    x->gid = p ? p->pw_gid : getegid();
    return PX_ERR_OK;
}

/* A socket that a dead helper left is replaced; one that answers is not. */
static bool is_stale(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool dead = connect(fd, (const struct sockaddr *)at, sizeof *at) && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

static bool bind_at(int fd, const struct sockaddr_un *at)
{
    mode_t mask = umask(0117);
    bool ok = bind(fd, (const struct sockaddr *)at, sizeof *at) == 0;
    umask(mask);
    return ok;
}

static px_err listen_at(struct xdpd *x, px_diag *diag)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = x->o->socket ? x->o->socket : PXI_XDPD_SOCKET;
    if (strlen(path) >= sizeof at.sun_path) {
        errno = ENAMETOOLONG;
        return said(diag, "socket", PX_ERR_INVALID, "a short path");
    }
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    snprintf(x->path, sizeof x->path, "%s", path);
    x->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    x->ours = bind_at(x->listen, &at);
    if (!x->ours && errno == EADDRINUSE && is_stale(&at) && unlink(path) == 0)
        x->ours = bind_at(x->listen, &at);
    if (!x->ours || listen(x->listen, (int)PXI_LIMIT_XDPD_CLIENTS))
        return said(diag, path,
                    errno == EADDRINUSE || errno == EACCES ? PX_ERR_PERMISSION : PX_ERR_IO,
                    "a place for the socket, and no other helper there");
    if (chown(path, x->uid, x->grouped ? x->group : (gid_t)-1))
        return said(diag, path, PX_ERR_PERMISSION, "a socket of the group");
    return PX_ERR_OK;
}

/* The socket that the service manager made (sd_listen_fds), if it did. */
static bool adopt(struct xdpd *x)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    int type = 0;
    socklen_t size = sizeof type;
    if (!x->o->activated || !pid || !n || strtol(pid, NULL, 10) != getpid() ||
        strcmp(n, "1") != 0 || getsockopt(3, SOL_SOCKET, SO_TYPE, &type, &size) ||
        type != SOCK_SEQPACKET)
        return false;
    x->listen = 3;
    return true;
}

/* Keep three rights, for good, and no way to get others. */
static px_err become_little(const struct xdpd *x, px_diag *diag)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {{0}};
    static const int kept[] = {CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        d[CAP_TO_INDEX(kept[i])].effective |= CAP_TO_MASK(kept[i]);
        d[CAP_TO_INDEX(kept[i])].permitted |= CAP_TO_MASK(kept[i]);
    }
    if (x->uid != geteuid() &&
        (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups(0, NULL) ||
         setresgid(x->gid, x->gid, x->gid) || setresuid(x->uid, x->uid, x->uid)))
        return said(diag, "user", PX_ERR_PERMISSION, "a right to become that user");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &h, d))
        return said(diag, "xdpd", PX_ERR_PERMISSION, "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return PX_ERR_OK;
}

px_err px_xdpd_serve(const px_xdpd_options *o, void (*ready)(void *ctx), void *ctx,
                     const volatile int *stop, px_diag *diag)
{
    struct xdpd x = {.o = o, .listen = -1};
    for (unsigned i = 0; i < PXI_LIMIT_XDPD_CLIENTS; i++)
        x.clients[i] = (struct client){.fd = -1, .hold = {.fd = -1}};
    px_err err = find_names(&x, diag);
    if (!err && !adopt(&x))
        err = listen_at(&x, diag);
    if (!err)
        err = become_little(&x, diag);
    if (!err)
        ready(ctx);
    while (!err && !*stop)
        turn(&x);
    for (unsigned i = 0; i < PXI_LIMIT_XDPD_CLIENTS; i++)
        if (x.clients[i].fd >= 0)
            drop(&x.clients[i]);
    if (x.listen >= 0)
        close(x.listen);
    if (x.ours)
        unlink(x.path);
    return err;
}
