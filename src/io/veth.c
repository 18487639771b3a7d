#include "io/veth.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* A netlink message that grows; none here is near its room. */
struct message {
    struct nlmsghdr head;
    uint8_t body[512];
};

static void *put(struct message *m, size_t n)
{
    void *at = (uint8_t *)m + NLMSG_ALIGN(m->head.nlmsg_len);
    m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + (uint32_t)n;
    return at;
}

static struct rtattr *attribute(struct message *m, unsigned short type, const void *v, size_t n)
{
    struct rtattr *a = put(m, RTA_LENGTH(n));
    *a = (struct rtattr){.rta_len = (unsigned short)RTA_LENGTH(n), .rta_type = type};
    if (n)
        memcpy(RTA_DATA(a), v, n);
    return a;
}

static void close_nest(struct message *m, struct rtattr *nest)
{
    nest->rta_len =
        (unsigned short)((uint8_t *)m + NLMSG_ALIGN(m->head.nlmsg_len) - (uint8_t *)nest);
}

/* What the kernel says to a message. */
static int ask(struct message *m)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t more[512];
    } reply = {0};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return errno;
    int rc = send(fd, m, m->head.nlmsg_len, 0) < 0 || recv(fd, &reply, sizeof reply, 0) < 0 ? errno
             : reply.head.nlmsg_type == NLMSG_ERROR ? -reply.error.error
                                                    : EPROTO;
    close(fd);
    return rc;
}

int pxi_veth_make(const char *own, const char *other, pid_t pid)
{
    struct message m = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                 .nlmsg_type = RTM_NEWLINK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK}};
    struct ifinfomsg none = {0};
    uint32_t where = (uint32_t)pid;
    attribute(&m, IFLA_IFNAME, own, strlen(own) + 1);
    struct rtattr *info = attribute(&m, IFLA_LINKINFO, NULL, 0);
    attribute(&m, IFLA_INFO_KIND, "veth", sizeof "veth");
    struct rtattr *data = attribute(&m, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *peer = attribute(&m, VETH_INFO_PEER, &none, sizeof none);
    attribute(&m, IFLA_IFNAME, other, strlen(other) + 1);
    attribute(&m, IFLA_NET_NS_PID, &where, sizeof where);
    close_nest(&m, peer);
    close_nest(&m, data);
    close_nest(&m, info);
    return ask(&m);
}

/* One request to a device. */
static int device_ask(const char *name, unsigned long what, struct ifreq *r)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(r->ifr_name, sizeof r->ifr_name, "%s", name);
    int rc = fd >= 0 && ioctl(fd, what, r) == 0 ? 0 : errno;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int set_address(const char *name, unsigned long what, uint32_t address)
{
    struct ifreq r = {0};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = address};
    memcpy(&r.ifr_addr, &a, sizeof a);
    return device_ask(name, what, &r);
}

/* Files of devices are those of this namespace only in a sysfs that was mounted here; it needs no
 * place. */
static int write_setting(const char *name, const char *setting, const char *text)
{
    char path[96];
    int rc = 0, fs = fsopen("sysfs", FSOPEN_CLOEXEC), at = -1, fd = -1;
    snprintf(path, sizeof path, "class/net/%s/%s", name, setting);
    if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        at = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    if (at >= 0)
        fd = openat(at, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        rc = errno;
    if (fd >= 0)
        close(fd);
    if (at >= 0)
        close(at);
    if (fs >= 0)
        close(fs);
    return rc;
}

int pxi_veth_up(const char *name, uint32_t address)
{
    struct ifreq r = {0};
    struct ethtool_value gro = {.cmd = ETHTOOL_SGRO, .data = 1};
    int rc = set_address(name, SIOCSIFADDR, address);
    if (!rc)
        rc = set_address(name, SIOCSIFNETMASK, htonl(0xffffff00));
    r.ifr_data = (char *)&gro;
    if (!rc)
        rc = device_ask(name, SIOCETHTOOL, &r);
    r = (struct ifreq){.ifr_flags = IFF_UP};
    if (!rc)
        rc = device_ask(name, SIOCSIFFLAGS, &r);
    return rc ? rc : write_setting(name, "threaded", "1");
}

int pxi_veth_mac(const char *name, uint8_t mac[6])
{
    struct ifreq r = {0};
    int rc = device_ask(name, SIOCGIFHWADDR, &r);
    memcpy(mac, r.ifr_hwaddr.sa_data, 6);
    return rc;
}

/* Threads of devices are called napi/DEVICE-NUMBER. */
static int is_thread_of(const char *pid, const char *name)
{
    char path[280], text[64] = "", want[32];
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    snprintf(want, sizeof want, "napi/%s", name);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    int is = fgets(text, sizeof text, f) && strncmp(text, want, strlen(want)) == 0;
    fclose(f);
    return is;
}

pid_t pxi_veth_thread(const char *name, int cpu)
{
    pid_t found = 0;
    struct dirent *e;
    cpu_set_t set;
    DIR *d = opendir("/proc");
    while (d && !found && (e = readdir(d)))
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9' && is_thread_of(e->d_name, name))
            found = (pid_t)strtol(e->d_name, NULL, 10);
    if (d)
        closedir(d);
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (found && cpu >= 0)
        sched_setaffinity(found, sizeof set, &set);
    return found;
}
