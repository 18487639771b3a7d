#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { BUFFER_BYTES = 8 << 20, CONTROL_BYTES = 128, ECN_BITS = 3 };

static socklen_t to_sockaddr(const struct pxi_udp_addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == 6) {
        struct sockaddr_in6 *s = (struct sockaddr_in6 *)out;
        s->sin6_family = AF_INET6;
        s->sin6_port = htons(a->port);
        s->sin6_scope_id = a->zone;
        memcpy(&s->sin6_addr, a->ip, 16);
        return sizeof *s;
    }
    struct sockaddr_in *s = (struct sockaddr_in *)out;
    s->sin_family = AF_INET;
    s->sin_port = htons(a->port);
    memcpy(&s->sin_addr, a->ip, 4);
    return sizeof *s;
}

static struct pxi_udp_addr from_sockaddr(const struct sockaddr_storage *sa)
{
    struct pxi_udp_addr a = {0};
    if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)sa;
        a.family = 6;
        a.port = ntohs(s->sin6_port);
        a.zone = s->sin6_scope_id;
        memcpy(a.ip, &s->sin6_addr, 16);
    } else {
        const struct sockaddr_in *s = (const struct sockaddr_in *)sa;
        a.family = 4;
        a.port = ntohs(s->sin_port);
        memcpy(a.ip, &s->sin_addr, 4);
    }
    return a;
}

/* ------------------------------------------------------------------ opening */

static void set(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value);
}

/* Large buffers keep bursts whole; the forced kind passes the system's limit when we may. */
static void enlarge(int fd)
{
    int n = BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof n))
        set(fd, SOL_SOCKET, SO_RCVBUF, n);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &n, sizeof n))
        set(fd, SOL_SOCKET, SO_SNDBUF, n);
}

static void configure(struct pxi_udp *u)
{
    int on = 1, zero = 0;
    if (u->local.family == 6) {
        set(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        set(u->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        set(u->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    } else {
        set(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
        set(u->fd, IPPROTO_IP, IP_RECVTOS, 1);
        set(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    }
    enlarge(u->fd);
    u->gso = setsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &zero, sizeof zero) == 0;
    u->gro = setsockopt(u->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0;
}

/* Learn where a bound socket is bound; false with errno set. */
static bool locate(struct pxi_udp *u)
{
    static const uint8_t wildcard[16];
    struct sockaddr_storage sa;
    if (getsockname(u->fd, (struct sockaddr *)&sa, &(socklen_t){sizeof sa}))
        return false;
    u->local = from_sockaddr(&sa);
    u->any = memcmp(u->local.ip, wildcard, sizeof wildcard) == 0;
    return true;
}

px_err pxi_udp_adopt(struct pxi_udp *u, int fd)
{
    memset(u, 0, sizeof *u);
    u->fd = fd;
    if (!locate(u))
        return PX_ERR_IO;
    configure(u);
    return PX_ERR_OK;
}

px_err pxi_udp_open(struct pxi_udp *u, const struct pxi_udp_addr *at)
{
    struct sockaddr_storage sa;
    socklen_t n = to_sockaddr(at, &sa);
    memset(u, 0, sizeof *u);
    u->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->fd < 0)
        return PX_ERR_IO;
    if (at->family == 6)
        set(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (bind(u->fd, (struct sockaddr *)&sa, n) || !locate(u)) {
        int saved = errno;
        close(u->fd);
        u->fd = -1;
        errno = saved;
        return saved == EACCES ? PX_ERR_PERMISSION : PX_ERR_IO;
    }
    configure(u);
    return PX_ERR_OK;
}

void pxi_udp_close(struct pxi_udp *u)
{
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
}

/* ------------------------------------------------------------------ sending */

/* A control message buffer that is aligned as the kernel wants it. */
union control {
    struct cmsghdr align;
    char bytes[CONTROL_BYTES];
};

static void control_add(struct msghdr *m, union control *c, int level, int type, const void *p,
                        size_t n)
{
    size_t at = m->msg_controllen;
    struct cmsghdr *h = (struct cmsghdr *)(void *)(c->bytes + at);
    m->msg_control = c->bytes;
    h->cmsg_level = level;
    h->cmsg_type = type;
    h->cmsg_len = CMSG_LEN(n);
    memcpy(CMSG_DATA(h), p, n);
    m->msg_controllen = at + CMSG_SPACE(n);
}

static void control_of(struct pxi_udp *u, const struct pxi_udp_out *o, struct msghdr *m,
                       union control *c)
{
    memset(c, 0, sizeof *c);
    if (u->any && o->local.family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, o->local.ip, 4);
        control_add(m, c, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (u->any && o->local.family == 6) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, o->local.ip, 16);
        info.ipi6_ifindex = o->local.zone;
        control_add(m, c, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (o->ecn) {
        int tos = o->ecn;
        bool six = u->local.family == 6;
        control_add(m, c, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TCLASS : IP_TOS, &tos,
                    sizeof tos);
    }
}

/* 1: sent; 0: would block; -1: refused, errno tells. */
static int send_one(struct pxi_udp *u, struct msghdr *m)
{
    ssize_t n;
    do {
        u->sends++;
        n = sendmsg(u->fd, m, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 1;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
}

static size_t send_each(struct pxi_udp *u, const struct pxi_udp_out *o, struct msghdr *m)
{
    for (size_t at = 0; at < o->n; at += o->segment) {
        size_t n = o->n - at < o->segment ? o->n - at : o->segment;
        struct iovec v = {o->bytes + at, n};
        m->msg_iov = &v;
        int r = send_one(u, m);
        if (r == 0)
            return at;
        u->lost += r < 0;
    }
    return o->n;
}

size_t pxi_udp_send(struct pxi_udp *u, const struct pxi_udp_out *o)
{
    struct sockaddr_storage sa;
    union control c;
    struct iovec v = {o->bytes, o->n};
    struct msghdr m = {.msg_name = &sa, .msg_iov = &v, .msg_iovlen = 1};
    m.msg_namelen = to_sockaddr(&o->remote, &sa);
    control_of(u, o, &m, &c);
    if (o->n > o->segment && u->gso) {
        size_t plain = m.msg_controllen;
        uint16_t segment = (uint16_t)o->segment;
        control_add(&m, &c, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
        int r = send_one(u, &m);
        if (r >= 0)
            return r ? o->n : 0;
        m.msg_controllen = plain;
        if (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP)
            u->gso = false; /* this device or kernel does not split */
    }
    if (!m.msg_controllen)
        m.msg_control = NULL;
    return send_each(u, o, &m);
}

unsigned pxi_udp_send_parts(struct pxi_udp *u, const struct pxi_udp_addr *to, const px_view *parts,
                            unsigned n, size_t segment)
{
    struct sockaddr_storage sa;
    union control c = {0};
    struct iovec v[PXI_UDP_SEGMENTS];
    struct msghdr m = {.msg_name = &sa, .msg_namelen = to_sockaddr(to, &sa), .msg_iov = v};
    for (unsigned i = 0; i < n; i++)
        v[i] = (struct iovec){(void *)(uintptr_t)parts[i].p, parts[i].n};
    if (n > 1 && u->gso) {
        uint16_t size = (uint16_t)segment;
        m.msg_iovlen = n;
        control_add(&m, &c, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
        int r = send_one(u, &m);
        if (r >= 0)
            return r ? n : 0;
        if (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP)
            u->gso = false;
        m.msg_control = NULL;
        m.msg_controllen = 0;
    }
    m.msg_iovlen = 1;
    for (unsigned i = 0; i < n; i++, m.msg_iov++) {
        int r = send_one(u, &m);
        if (r == 0)
            return i;
        u->lost += r < 0;
    }
    return n;
}

/* ---------------------------------------------------------------- receiving */

static void read_control(struct pxi_udp *u, struct msghdr *m, struct pxi_udp_in *in)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        const void *p = CMSG_DATA(h);
        if (h->cmsg_level == IPPROTO_UDP && h->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, p, sizeof segment);
            in->segment = segment > 0 ? (size_t)segment : 0;
        } else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_TOS) {
            in->ecn = *(const uint8_t *)p & ECN_BITS;
        } else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_TCLASS) {
            int class;
            memcpy(&class, p, sizeof class);
            in->ecn = (uint8_t) class & ECN_BITS;
        } else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, p, sizeof info);
            memcpy(in->local.ip, &info.ipi_addr, 4);
        } else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, p, sizeof info);
            memcpy(in->local.ip, &info.ipi6_addr, 16);
            if (in->local.ip[0] == 0xfe && (in->local.ip[1] & 0xc0) == 0x80)
                in->local.zone = info.ipi6_ifindex;
        }
    }
}

unsigned pxi_udp_receive(struct pxi_udp *u, uint8_t *buf, struct pxi_udp_in *in)
{
    struct mmsghdr m[PXI_UDP_READ] = {0};
    struct sockaddr_storage sa[PXI_UDP_READ];
    struct iovec v[PXI_UDP_READ];
    union control c[PXI_UDP_READ];
    int n;
    for (unsigned i = 0; i < PXI_UDP_READ; i++) {
        v[i] = (struct iovec){buf + (size_t)i * PXI_UDP_BATCH, PXI_UDP_BATCH};
        m[i].msg_hdr = (struct msghdr){.msg_name = &sa[i],
                                       .msg_namelen = sizeof sa[i],
                                       .msg_iov = &v[i],
                                       .msg_iovlen = 1,
                                       .msg_control = c[i].bytes,
                                       .msg_controllen = sizeof c[i]};
    }
    do {
        u->receives++;
        n = recvmmsg(u->fd, m, PXI_UDP_READ, MSG_DONTWAIT, NULL);
    } while (n < 0 && errno == EINTR);
    for (int i = 0; i < n; i++) {
        memset(&in[i], 0, sizeof in[i]);
        in[i].bytes = v[i].iov_base;
        in[i].n = m[i].msg_len;
        in[i].remote = from_sockaddr(&sa[i]);
        in[i].local = u->local;
        read_control(u, &m[i].msg_hdr, &in[i]);
        if (m[i].msg_hdr.msg_flags & MSG_TRUNC)
            in[i].n = 0;
    }
    return n > 0 ? (unsigned)n : 0;
}
