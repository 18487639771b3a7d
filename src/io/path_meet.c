#include "io/path_meet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64, ABSTRACT = 0, FILE_NAME = 1, FDS = 2 };

/* ------------------------------------------------------------------- names */

static void hex_of(const uint8_t name[PXI_MEET_NAME], char out[2 * PXI_MEET_NAME + 1])
{
    for (unsigned i = 0; i < PXI_MEET_NAME; i++)
        snprintf(out + 2 * i, 3, "%02x", name[i]);
}

/* A folder that is the user's alone; false: there is none. */
static bool folder(char *out, size_t cap)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    int n = run && run[0] == '/' ? snprintf(out, cap, "%s/plexus-paths", run)
                                 : snprintf(out, cap, "/tmp/plexus-paths-%u", (unsigned)geteuid());
    if (n < 0 || (size_t)n >= cap || (mkdir(out, 0700) != 0 && errno != EEXIST))
        return false;
    return lstat(out, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 077) == 0;
}

static bool file_of(const uint8_t name[PXI_MEET_NAME], char *out, size_t cap)
{
    char in[80], hex[2 * PXI_MEET_NAME + 1];
    hex_of(name, hex);
    if (!folder(in, sizeof in))
        return false;
    int n = snprintf(out, cap, "%s/%s", in, hex);
    return n > 0 && (size_t)n < cap;
}

static socklen_t abstract_of(const uint8_t name[PXI_MEET_NAME], struct sockaddr_un *a)
{
    char hex[2 * PXI_MEET_NAME + 1];
    hex_of(name, hex);
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "plexus-paths-%s", hex);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static bool address_of(const uint8_t *name, unsigned which, struct sockaddr_un *a, socklen_t *n)
{
    if (which == ABSTRACT) {
        *n = abstract_of(name, a);
        return true;
    }
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    *n = sizeof *a;
    return file_of(name, a->sun_path, sizeof a->sun_path);
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Sockets at which nobody listens any more. */
static void sweep(void)
{
    char in[80];
    struct dirent *e;
    DIR *d = folder(in, sizeof in) ? opendir(in) : NULL;
    while (d && (e = readdir(d))) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int n = snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", in, e->d_name);
        if (strlen(e->d_name) != 2 * PXI_MEET_NAME || n < 0 || (size_t)n >= sizeof a.sun_path)
            continue;
        int fd = new_socket();
        if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0 && errno == ECONNREFUSED)
            unlink(a.sun_path);
        if (fd >= 0)
            close(fd);
    }
    if (d)
        closedir(d);
}

/* ----------------------------------------------------------------- sockets */

static int listen_at(const uint8_t *name, unsigned which)
{
    struct sockaddr_un a;
    socklen_t n;
    for (unsigned i = 0; i < 3; i++) { /* the last one of others removes the folder */
        int fd = address_of(name, which, &a, &n) ? new_socket() : -1;
        if (fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, BACKLOG) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

bool pxi_meet_open(struct pxi_meet *m, const uint8_t name[PXI_MEET_NAME])
{
    m->file[0] = 0;
    sweep();
    m->fds[ABSTRACT] = listen_at(name, ABSTRACT);
    m->fds[FILE_NAME] = listen_at(name, FILE_NAME);
    if (m->fds[FILE_NAME] >= 0 && !file_of(name, m->file, sizeof m->file))
        m->file[0] = 0;
    return m->fds[ABSTRACT] >= 0 || m->fds[FILE_NAME] >= 0;
}

void pxi_meet_close(struct pxi_meet *m)
{
    for (unsigned i = 0; i < PXI_MEET_NAMES; i++)
        if (m->fds[i] >= 0)
            close(m->fds[i]);
    if (m->file[0]) {
        unlink(m->file);
        sweep(); /* a member that was killed while we were there */
        *strrchr(m->file, '/') = 0;
        rmdir(m->file); /* if nobody else is there */
    }
    *m = (struct pxi_meet){.fds = {-1, -1}};
}

static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && who.uid == geteuid();
}

int pxi_meet_accept(struct pxi_meet *m, unsigned which)
{
    int fd = accept4(m->fds[which], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 || is_ours(fd))
        return fd;
    close(fd);
    return -1;
}

int pxi_meet_call(const uint8_t name[PXI_MEET_NAME])
{
    for (unsigned which = 0; which < PXI_MEET_NAMES; which++) {
        struct sockaddr_un a;
        socklen_t n;
        int fd = address_of(name, which, &a, &n) ? new_socket() : -1;
        if (fd >= 0 && connect(fd, (struct sockaddr *)&a, n) == 0 && is_ours(fd))
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* ---------------------------------------------------------------- messages */

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(FDS * sizeof(int))];
};

bool pxi_meet_say(int fd, const void *message, size_t bytes, const int *fds, unsigned n)
{
    union control c = {0};
    struct iovec v = {(void *)(uintptr_t)message, bytes};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = c.bytes,
                       .msg_controllen = CMSG_SPACE(n * sizeof *fds)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(n * sizeof *fds);
    memcpy(CMSG_DATA(h), fds, n * sizeof *fds);
    return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)bytes;
}

/* The descriptors of a message; those that were not asked for are closed. */
static unsigned descriptors(struct msghdr *m, int *fds, unsigned n)
{
    unsigned got = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= h->cmsg_len; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + at, sizeof fd);
            if (got < n)
                fds[got++] = fd;
            else
                close(fd);
        }
    }
    return got;
}

bool pxi_meet_hear(int fd, void *message, size_t bytes, int *fds, unsigned n)
{
    union control c = {0};
    struct iovec v = {message, bytes};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = sizeof c.bytes};
    ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return false;
    unsigned found = descriptors(&m, fds, n);
    if (got == (ssize_t)bytes && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && found == n)
        return true;
    for (unsigned i = 0; i < found; i++)
        close(fds[i]);
    return false;
}
