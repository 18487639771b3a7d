/* Sockets of multicast DNS: joined on each interface, sent by interface, told apart by interface.
 */
#include "io/mdns.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "io/socket.h"

enum { REFRESH_MS = 2000, DATAGRAM = 9216, TTL = 255, ROUNDS = 64 };

static const uint8_t group4[4] = {224, 0, 0, 251};
static const uint8_t group6[16] = {0xff, 0x02, [15] = 0xfb};

struct interface {
    unsigned index, count;
    bool seen, has4, has6; /* seen: still there in this round */
    struct pxi_mdns_prefix prefixes[PXI_MDNS_PREFIXES];
};

struct socket {
    uv_poll_t poll;
    struct pxi_io_mdns *io;
    int fd, family;
    bool open;
};

struct pxi_io_mdns {
    struct pxi_loop *loop;
    struct pxi_mdns *machine;
    uv_timer_t refresh;
    struct socket v4, v6;
    struct interface interfaces[PXI_LIMIT_MDNS_LINKS];
    unsigned interface_count, handles;
};

/* --------------------------------------------------------------- the socket */

static bool set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static bool bind_any(int fd, int family)
{
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(PXI_MDNS_PORT)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(PXI_MDNS_PORT)};
    if (family == AF_INET)
        return bind(fd, (struct sockaddr *)&a4, sizeof a4) == 0;
    return bind(fd, (struct sockaddr *)&a6, sizeof a6) == 0;
}

static bool configure(int fd, int family)
{
    /* other responders of this machine have the port too */
    bool good = set(fd, SOL_SOCKET, SO_REUSEADDR, 1) && set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (family == AF_INET) {
        good = good && set(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
               set(fd, IPPROTO_IP, IP_MULTICAST_TTL, TTL) &&
               set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
        set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    } else {
        good = good && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
               set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
               set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, TTL) &&
               set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
    }
    return good && bind_any(fd, family);
}

static void join(struct pxi_io_mdns *m, const struct interface *i)
{
    struct ip_mreqn r4 = {.imr_ifindex = (int)i->index};
    struct ipv6_mreq r6 = {.ipv6mr_interface = i->index};
    memcpy(&r4.imr_multiaddr, group4, sizeof group4);
    memcpy(&r6.ipv6mr_multiaddr, group6, sizeof group6);
    /* joining twice fails harmlessly; an interface that cannot is one without answers */
    if (m->v4.open && i->has4)
        (void)setsockopt(m->v4.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r4, sizeof r4);
    if (m->v6.open && i->has6)
        (void)setsockopt(m->v6.fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r6, sizeof r6);
}

/* ------------------------------------------------------------------ sending */

/* The interface goes along as ancillary data, so that one socket serves all of them. */
static void send_on(const struct socket *s, unsigned index, px_view datagram)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(PXI_MDNS_PORT)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PXI_MDNS_PORT)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {.bytes = {0}};
    struct iovec iov = {(void *)(uintptr_t)datagram.p, datagram.n};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes};
    struct in_pktinfo info4 = {.ipi_ifindex = (int)index};
    struct in6_pktinfo info6 = {.ipi6_ifindex = index};
    bool four = s->family == AF_INET;
    memcpy(&to4.sin_addr, group4, sizeof group4);
    memcpy(&to6.sin6_addr, group6, sizeof group6);
    to6.sin6_scope_id = index;
    h.msg_name = four ? (void *)&to4 : (void *)&to6;
    h.msg_namelen = four ? sizeof to4 : sizeof to6;
    h.msg_controllen = four ? CMSG_SPACE(sizeof info4) : CMSG_SPACE(sizeof info6);
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = four ? IPPROTO_IP : IPPROTO_IPV6;
    c->cmsg_type = four ? IP_PKTINFO : IPV6_PKTINFO;
    c->cmsg_len = four ? CMSG_LEN(sizeof info4) : CMSG_LEN(sizeof info6);
    memcpy(CMSG_DATA(c), four ? (void *)&info4 : (void *)&info6,
           four ? sizeof info4 : sizeof info6);
    (void)sendmsg(s->fd, &h, MSG_DONTWAIT); /* lost like any datagram; asked again later */
}

static void send_datagram(void *ctx, unsigned link, px_view datagram)
{
    struct pxi_io_mdns *m = ctx;
    for (unsigned i = 0; i < m->interface_count; i++) {
        if (m->interfaces[i].index != link)
            continue;
        if (m->v4.open && m->interfaces[i].has4)
            send_on(&m->v4, link, datagram);
        if (m->v6.open && m->interfaces[i].has6)
            send_on(&m->v6, link, datagram);
    }
}

/* ---------------------------------------------------------------- receiving */

/* Index of the interface that a datagram came in on; 0: not told. */
static unsigned arrived_on(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        struct in_pktinfo i4;
        struct in6_pktinfo i6;
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&i4, CMSG_DATA(c), sizeof i4);
            return (unsigned)i4.ipi_ifindex;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&i6, CMSG_DATA(c), sizeof i6);
            return i6.ipi6_ifindex;
        }
    }
    return 0;
}

static bool receive(struct socket *s)
{
    uint8_t *buffer = pxi_loop_in(s->io->loop);
    struct sockaddr_storage from = {0};
    union {
        struct cmsghdr align;
        char bytes[256];
    } control;
    struct iovec iov = {buffer, DATAGRAM};
    struct msghdr h = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(s->fd, &h, MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR;
    struct pxi_endpoint e = pxi_endpoint_of_sockaddr((struct sockaddr *)&from);
    unsigned link = arrived_on(&h);
    if (link && !(h.msg_flags & MSG_TRUNC))
        pxi_mdns_input(s->io->machine, link, &e, px_view_of(buffer, (size_t)n));
    return true;
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct socket *s = p->data;
    pxi_loop_now(s->io->loop);
    for (int i = 0; i < ROUNDS && s->open && receive(s); i++)
        ;
}

/* --------------------------------------------------------------- interfaces */

static struct interface *interface_of(struct pxi_io_mdns *m, unsigned index)
{
    for (unsigned i = 0; i < m->interface_count; i++)
        if (m->interfaces[i].index == index)
            return &m->interfaces[i];
    if (m->interface_count == PXI_LIMIT_MDNS_LINKS)
        return NULL;
    m->interfaces[m->interface_count] = (struct interface){.index = index};
    return &m->interfaces[m->interface_count++];
}

static uint8_t bits_of(const uint8_t *mask, unsigned bytes)
{
    unsigned n = 0;
    while (n < bytes * 8 && mask[n / 8] & 0x80 >> n % 8)
        n++;
    return (uint8_t)n;
}

static void add_prefix(struct interface *i, const struct ifaddrs *a)
{
    struct pxi_endpoint e = pxi_endpoint_of_sockaddr(a->ifa_addr);
    if (!e.family || !a->ifa_netmask || i->count == PXI_MDNS_PREFIXES)
        return;
    struct pxi_mdns_prefix *p = &i->prefixes[i->count++];
    *p = (struct pxi_mdns_prefix){.family = e.family};
    memcpy(p->ip, e.ip, sizeof p->ip);
    struct sockaddr_in m4;
    struct sockaddr_in6 m6;
    if (e.family == 4) {
        memcpy(&m4, a->ifa_netmask, sizeof m4);
        p->bits = bits_of((const uint8_t *)&m4.sin_addr, 4);
        i->has4 = true;
    } else {
        memcpy(&m6, a->ifa_netmask, sizeof m6);
        p->bits = bits_of((const uint8_t *)&m6.sin6_addr, 16);
        i->has6 = true;
    }
}

static bool usable(const struct ifaddrs *a)
{
    const unsigned want = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    return a->ifa_addr && (a->ifa_flags & want) == want && !(a->ifa_flags & IFF_LOOPBACK) &&
           (a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6);
}

/* Look at the interfaces, join on new ones, tell the machine. */
static void look(struct pxi_io_mdns *m)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0)
        return;
    for (unsigned i = 0; i < m->interface_count; i++)
        m->interfaces[i].count = m->interfaces[i].seen = m->interfaces[i].has4 =
            m->interfaces[i].has6 = 0;
    for (struct ifaddrs *a = all; a; a = a->ifa_next) {
        struct interface *i = usable(a) ? interface_of(m, if_nametoindex(a->ifa_name)) : NULL;
        if (i) {
            i->seen = true;
            add_prefix(i, a);
        }
    }
    freeifaddrs(all);
    for (unsigned i = 0; i < m->interface_count;) {
        struct interface *x = &m->interfaces[i];
        join(m, x);
        (void)pxi_mdns_link(m->machine, x->index, x->prefixes, x->seen ? x->count : 0);
        if (x->seen)
            i++;
        else
            *x = m->interfaces[--m->interface_count];
    }
}

static void on_refresh(uv_timer_t *t)
{
    struct pxi_io_mdns *m = t->data;
    pxi_loop_now(m->loop);
    look(m);
}

/* --------------------------------------------------------------------- life */

static void open_socket(struct pxi_io_mdns *m, struct socket *s, int family)
{
    s->io = m;
    s->family = family;
    s->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return;
    if (!configure(s->fd, family) || uv_poll_init(pxi_loop_uv(m->loop), &s->poll, s->fd) != 0) {
        close(s->fd);
        return;
    }
    s->poll.data = s;
    s->open = true;
    m->handles++;
    uv_poll_start(&s->poll, UV_READABLE, on_readable);
}

static void handle_gone(struct pxi_io_mdns *m)
{
    if (--m->handles == 0)
        pxi_free(m);
}

static void on_socket_gone(uv_handle_t *h)
{
    struct socket *s = h->data;
    handle_gone(s->io);
}

static void on_timer_gone(uv_handle_t *h)
{
    handle_gone(h->data);
}

static void close_socket(struct socket *s)
{
    if (!s->open)
        return;
    s->open = false;
    uv_poll_stop(&s->poll);
    close(s->fd);
    uv_close((uv_handle_t *)&s->poll, on_socket_gone);
}

px_err pxi_io_mdns_open(struct pxi_loop *l, const struct pxi_mdns_options *o,
                        struct pxi_io_mdns **out)
{
    struct pxi_io_mdns *m = pxi_calloc(1, sizeof *m);
    struct pxi_mdns_options mine = *o;
    *out = NULL;
    if (!m)
        return PX_ERR_NOMEM;
    mine.ctx = m;
    mine.send = send_datagram;
    m->loop = l;
    m->machine = pxi_mdns_new(&mine);
    if (!m->machine) {
        pxi_free(m);
        return PX_ERR_NOMEM;
    }
    uv_timer_init(pxi_loop_uv(l), &m->refresh);
    m->refresh.data = m;
    m->handles = 1;
    open_socket(m, &m->v4, AF_INET);
    open_socket(m, &m->v6, AF_INET6);
    if (!m->v4.open && !m->v6.open) {
        pxi_io_mdns_close(m);
        return PX_ERR_IO;
    }
    look(m);
    uv_timer_start(&m->refresh, on_refresh, REFRESH_MS, REFRESH_MS);
    *out = m;
    return PX_ERR_OK;
}

void pxi_io_mdns_close(struct pxi_io_mdns *m)
{
    if (!m)
        return;
    pxi_mdns_free(m->machine);
    m->machine = NULL;
    close_socket(&m->v4);
    close_socket(&m->v6);
    uv_timer_stop(&m->refresh);
    uv_close((uv_handle_t *)&m->refresh, on_timer_gone);
}

struct pxi_mdns *pxi_io_mdns_machine(struct pxi_io_mdns *m)
{
    return m->machine;
}
