/*
 * The path through AF_XDP: frames go from the arena to the device and come from it into the arena,
 * past the stack. The arena is the socket's UMEM, in chunks at any place. A datagram that leaves is
 * two descriptors, its Ethernet, IP and UDP heads from a ring of their own and the frame as it
 * lies; kernels that cannot do that (before 6.6) get a copy. Where a peer is on the link is learned
 * from what comes from it, so this end needs nothing of the other: on the wire it is the same UDP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_xdp.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/path.h"
#include "io/steer.h"

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

enum {
    RX = 2048, /* frames that wait to be filled, and those that are */
    TX = 2048, /* descriptors on their way */
    HEADS = 1024,
    HEAD = 64,   /* bytes of a place for heads; 42 are used */
    KICKS = 128, /* system calls for one send */
    /* Where the kernel puts a frame in its chunk: 256 bytes, then ours, so that values are aligned.
     */
    KERNEL_ROOM = 256,
    OWN_ROOM = 46,
    PAGE = 4096,
};

/* What is before a datagram. */
struct heads {
    struct ethhdr eth;
    struct iphdr ip;
    struct udphdr udp;
} __attribute__((packed));
_Static_assert(sizeof(struct heads) == 42 && sizeof(struct heads) <= HEAD, "no holes");

struct ring {
    _Atomic uint32_t *producer, *consumer, *flags;
    void *places;
    void *map;
    size_t bytes;
    uint32_t at, mask; /* our own side */
};

struct xsk {
    struct pxi_path path;
    struct pxi_path_options o;
    struct pxi_steer steer;
    struct ring fill, done, rx, tx;
    struct heads heads[PXI_PATH_PEERS];
    bool copies;                  /* the kernel takes no datagram in two descriptors */
    uint64_t rx_at, heads_at;     /* in the arena */
    uint32_t chunk, sent, reaped; /* descriptors */
    uint32_t head;
    uint64_t lent[PXI_PATH_READ]; /* chunks of what receive showed */
    unsigned lent_n, last;        /* last: the peer from whom the last one was */
    bool zero_copy;
};

static struct xsk *of(struct pxi_path *p)
{
    return (struct xsk *)p;
}

/* 0: a datagram is longer than any. */
static uint32_t chunk_of(size_t frame)
{
    size_t need = KERNEL_ROOM + OWN_ROOM + sizeof(struct heads) + frame;
    return need <= 2048 ? 2048 : need <= PAGE ? PAGE : 0;
}

size_t pxi_path_xsk_room(unsigned n, size_t frame)
{
    /* A place of copies is as large as a frame with its heads. */
    size_t heads = (size_t)HEADS * (HEAD + ((frame + 63) & ~(size_t)63));
    return ((size_t)RX * chunk_of(frame) + heads + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* ------------------------------------------------------------------- rings */

static bool map_ring(struct ring *r, int fd, const struct xdp_ring_offset *o, uint64_t page,
                     uint32_t n, size_t each)
{
    r->bytes = o->desc + n * each;
    r->map =
        mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)page);
    if (r->map == MAP_FAILED) {
        r->map = NULL;
        return false;
    }
    char *p = r->map;
    r->producer = (_Atomic uint32_t *)(void *)(p + o->producer);
    r->consumer = (_Atomic uint32_t *)(void *)(p + o->consumer);
    r->flags = (_Atomic uint32_t *)(void *)(p + o->flags);
    r->places = p + o->desc;
    r->mask = n - 1;
    return true;
}

static void unmap_ring(struct ring *r)
{
    if (r->map)
        munmap(r->map, r->bytes);
    r->map = NULL;
}

static bool map_rings(struct xsk *x)
{
    struct xdp_mmap_offsets o;
    socklen_t n = sizeof o;
    int fd = x->path.fd;
    return getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &o, &n) == 0 && n == sizeof o &&
           map_ring(&x->fill, fd, &o.fr, XDP_UMEM_PGOFF_FILL_RING, RX, sizeof(uint64_t)) &&
           map_ring(&x->done, fd, &o.cr, XDP_UMEM_PGOFF_COMPLETION_RING, TX, sizeof(uint64_t)) &&
           map_ring(&x->rx, fd, &o.rx, XDP_PGOFF_RX_RING, RX, sizeof(struct xdp_desc)) &&
           map_ring(&x->tx, fd, &o.tx, XDP_PGOFF_TX_RING, TX, sizeof(struct xdp_desc));
}

/* Chunks for the kernel to fill. */
static void give(struct xsk *x, const uint64_t *chunks, unsigned n)
{
    uint64_t *places = x->fill.places;
    for (unsigned i = 0; i < n; i++)
        places[x->fill.at++ & x->fill.mask] = chunks[i];
    atomic_store_explicit(x->fill.producer, x->fill.at, memory_order_release);
}

/* ------------------------------------------------------------------ sending */

/* What the device has sent: its places are free. */
static void reap(struct xsk *x)
{
    uint32_t n = atomic_load_explicit(x->done.producer, memory_order_acquire) - x->done.at;
    x->done.at += n;
    x->reaped += n;
    atomic_store_explicit(x->done.consumer, x->done.at, memory_order_release);
}

static uint16_t sum_of(const void *ip)
{
    uint16_t words[sizeof(struct iphdr) / 2];
    uint32_t sum = 0;
    memcpy(words, ip, sizeof words);
    for (unsigned i = 0; i < sizeof words / 2; i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

static void put(struct xsk *x, uint64_t addr, size_t n, uint32_t options)
{
    struct xdp_desc *places = x->tx.places;
    places[x->tx.at++ & x->tx.mask] =
        (struct xdp_desc){.addr = addr, .len = (uint32_t)n, .options = options};
    x->sent++;
}

/* A datagram: its heads, and the frame behind them or where it lies. */
static void put_frame(struct xsk *x, unsigned to, px_view v)
{
    const struct pxi_frames *f = x->o.frames;
    struct heads h = x->heads[to];
    size_t stride = HEAD + ((x->o.frame + 63) & ~(size_t)63);
    uint64_t at = x->heads_at + x->head++ % HEADS * stride,
             frame = (uintptr_t)v.p - (uintptr_t)f->p;
    h.ip.tot_len = htons((uint16_t)(sizeof h.ip + sizeof h.udp + v.n));
    h.ip.check = sum_of(&h.ip);
    h.udp.len = htons((uint16_t)(sizeof h.udp + v.n));
    memcpy(f->p + at, &h, sizeof h);
    if (!x->copies && frame < f->bytes && v.n <= f->bytes - frame) {
        put(x, at, sizeof h, XDP_PKT_CONTD);
        put(x, frame, v.n, 0);
        return;
    }
    memcpy(f->p + at + sizeof h, v.p, v.n);
    x->path.counts.copied += v.n;
    put(x, at, sizeof h + v.n, 0);
}

/* Have the kernel take what is in the ring. */
static void kick(struct xsk *x)
{
    for (unsigned i = 0; i < KICKS; i++) {
        if (!(atomic_load_explicit(x->tx.flags, memory_order_relaxed) & XDP_RING_NEED_WAKEUP))
            return;
        x->path.counts.sends++;
        ssize_t n = sendto(x->path.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
        if (n < 0 && (errno == ENXIO || errno == ENETDOWN || errno == EBADF || errno == ENODEV)) {
            x->path.lost = true;
            snprintf(x->path.said, sizeof x->path.said, "the device is gone");
            return;
        }
        reap(x);
        if (atomic_load_explicit(x->tx.consumer, memory_order_acquire) == x->tx.at)
            return;
        if (n < 0 && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS && errno != EINTR)
            return;
    }
}

static unsigned xsk_send(struct pxi_path *path, unsigned to, const px_view *frames, unsigned n)
{
    struct xsk *x = of(path);
    unsigned done = 0;
    reap(x);
    for (uint32_t most = x->copies ? HEADS : TX; done < n && x->sent - x->reaped + 2 <= most;
         done++)
        put_frame(x, to, frames[done]);
    atomic_store_explicit(x->tx.producer, x->tx.at, memory_order_release);
    kick(x);
    path->counts.sent += done;
    if (!path->lost)
        return done;
    path->counts.lost += n - done;
    return n;
}

/* ---------------------------------------------------------------- receiving */

static unsigned peer_of(struct xsk *x, const struct heads *h)
{
    for (unsigned i = 0; i < x->o.n; i++) {
        unsigned k = (x->last + i) % x->o.n;
        if (x->heads[k].ip.daddr == h->ip.saddr && x->heads[k].udp.dest == h->udp.source) {
            x->last = k;
            return k;
        }
    }
    return PXI_PATH_PEERS;
}

/* A frame of `n` bytes: whose datagram it is, and where that lies. */
static bool show(struct xsk *x, const uint8_t *p, size_t n, struct pxi_path_in *in)
{
    struct heads h;
    if (n < sizeof h)
        return false;
    memcpy(&h, p, sizeof h);
    size_t said = ntohs(h.udp.len);
    if (said < sizeof h.udp || said - sizeof h.udp > n - sizeof h)
        return false;
    unsigned from = peer_of(x, &h);
    if (from == PXI_PATH_PEERS) {
        x->path.counts.strangers++;
        return false;
    }
    /* Where it is on the link: as it says itself, like a neighbour of the stack. */
    if (!(x->path.peers >> from & 1)) {
        memcpy(x->heads[from].eth.h_dest, h.eth.h_source, ETH_ALEN);
        x->path.peers |= UINT64_C(1) << from;
    }
    *in =
        (struct pxi_path_in){.from = from, .bytes = px_view_of(p + sizeof h, said - sizeof h.udp)};
    return true;
}

static unsigned xsk_receive(struct pxi_path *path, struct pxi_path_in *in)
{
    struct xsk *x = of(path);
    const struct pxi_frames *f = x->o.frames;
    const struct xdp_desc *places = x->rx.places;
    uint32_t there = atomic_load_explicit(x->rx.producer, memory_order_acquire) - x->rx.at;
    uint64_t rejected[PXI_PATH_READ];
    unsigned n = 0, bad = 0;
    for (; there && n + bad < PXI_PATH_READ; there--) {
        struct xdp_desc d = places[x->rx.at++ & x->rx.mask];
        uint64_t base = d.addr & XSK_UNALIGNED_BUF_ADDR_MASK;
        uint64_t at = base + (d.addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT);
        bool ok = !(d.options & XDP_PKT_CONTD) && at < f->bytes && d.len <= f->bytes - at &&
                  show(x, f->p + at, d.len, &in[n]);
        if (ok)
            x->lent[n++] = base;
        else
            rejected[bad++] = base;
    }
    atomic_store_explicit(x->rx.consumer, x->rx.at, memory_order_release);
    give(x, rejected, bad);
    x->lent_n = n;
    path->drained = !there;
    path->counts.received += n;
    return n;
}

static void xsk_give_back(struct pxi_path *path)
{
    struct xsk *x = of(path);
    give(x, x->lent, x->lent_n);
    x->lent_n = 0;
}

static bool xsk_sleep(struct pxi_path *path)
{
    struct xsk *x = of(path);
    reap(x);
    return atomic_load_explicit(x->rx.producer, memory_order_acquire) == x->rx.at;
}

static void xsk_turn(struct pxi_path *path, uint64_t now_ns)
{
    struct xsk *x = of(path);
    reap(x);
    if (!path->lost && !pxi_steer_attached(&x->steer)) {
        path->lost = true;
        snprintf(path->said, sizeof path->said, "its XDP program was detached");
    }
}

static void xsk_leave(struct pxi_path *path, unsigned peer)
{
    path->peers &= ~(UINT64_C(1) << peer);
}

/* ------------------------------------------------------------------ opening */

static void xsk_close(struct pxi_path *path)
{
    struct xsk *x = of(path);
    pxi_steer_close(&x->steer);
    unmap_ring(&x->fill);
    unmap_ring(&x->done);
    unmap_ring(&x->rx);
    unmap_ring(&x->tx);
    if (path->fd >= 0)
        close(path->fd);
    pxi_free(x);
}

/* The device that has our address. */
static bool find_device(const struct pxi_udp_addr *local, char name[IF_NAMESIZE])
{
    struct ifaddrs *all = NULL;
    name[0] = 0;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *a = all; a && !name[0]; a = a->ifa_next) {
        struct sockaddr_in in;
        if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || (a->ifa_flags & IFF_LOOPBACK))
            continue;
        memcpy(&in, a->ifa_addr, sizeof in);
        if (memcmp(&in.sin_addr, local->ip, 4) == 0)
            snprintf(name, IF_NAMESIZE, "%s", a->ifa_name);
    }
    freeifaddrs(all);
    return name[0] != 0;
}

static bool mac_of(const char *device, uint8_t mac[ETH_ALEN])
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
    bool ok = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0;
    memcpy(mac, r.ifr_hwaddr.sa_data, ETH_ALEN);
    if (fd >= 0)
        close(fd);
    return ok;
}

static void make_heads(struct xsk *x, const uint8_t mac[ETH_ALEN])
{
    for (unsigned i = 0; i < x->o.n; i++) {
        struct heads *h = &x->heads[i];
        memcpy(h->eth.h_source, mac, ETH_ALEN);
        h->eth.h_proto = htons(ETH_P_IP);
        h->ip.version = 4;
        h->ip.ihl = 5;
        h->ip.ttl = 64;
        h->ip.frag_off = htons(0x4000);
        h->ip.protocol = IPPROTO_UDP;
        memcpy(&h->ip.saddr, x->o.local.ip, 4);
        memcpy(&h->ip.daddr, x->o.peers[i].ip, 4);
        h->udp.source = htons(x->o.local.port);
        h->udp.dest = htons(x->o.peers[i].port);
    }
}

static bool set_up(struct xsk *x)
{
    struct xdp_umem_reg reg = {.addr = (uintptr_t)x->o.frames->p,
                               .len = x->o.frames->bytes,
                               .chunk_size = x->chunk,
                               .headroom = OWN_ROOM,
                               .flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG};
    uint32_t rx = RX, tx = TX;
    int fd = x->path.fd;
    return setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) == 0 &&
           setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &rx, sizeof rx) == 0 &&
           setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &tx, sizeof tx) == 0 &&
           setsockopt(fd, SOL_XDP, XDP_RX_RING, &rx, sizeof rx) == 0 &&
           setsockopt(fd, SOL_XDP, XDP_TX_RING, &tx, sizeof tx) == 0 && map_rings(x);
}

/* The kernel itself falls back to copying where the driver cannot do without. */
static bool bind_to(struct xsk *x, unsigned ifindex)
{
    struct sockaddr_xdp a = {.sxdp_family = AF_XDP, .sxdp_ifindex = ifindex};
    struct xdp_options options = {0};
    socklen_t n = sizeof options;
    a.sxdp_flags = XDP_USE_NEED_WAKEUP | XDP_USE_SG;
    if (bind(x->path.fd, (struct sockaddr *)&a, sizeof a) != 0) {
        a.sxdp_flags = XDP_USE_NEED_WAKEUP;
        x->copies = true;
        if (bind(x->path.fd, (struct sockaddr *)&a, sizeof a) != 0)
            return false;
    }
    x->zero_copy = getsockopt(x->path.fd, SOL_XDP, XDP_OPTIONS, &options, &n) == 0 &&
                   (options.flags & XDP_OPTIONS_ZEROCOPY);
    return true;
}

static bool open_on(struct xsk *x, const char *device, char *why, size_t cap)
{
    uint8_t mac[ETH_ALEN];
    unsigned ifindex = if_nametoindex(device);
    uint32_t address;
    memcpy(&address, x->o.local.ip, sizeof address);
    x->path.fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (x->path.fd < 0 || !set_up(x) || !mac_of(device, mac)) {
        snprintf(why, cap, "%s",
                 errno == EPERM ? "needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW" : strerror(errno));
        return false;
    }
    for (unsigned i = 0; i < RX; i++)
        give(x, (const uint64_t[]){x->rx_at + (uint64_t)i * x->chunk}, 1);
    if (!bind_to(x, ifindex)) {
        snprintf(why, cap, "%s: %s", device, strerror(errno));
        return false;
    }
    if (!pxi_steer_open(&x->steer, ifindex, address, htons(x->o.local.port), why, cap))
        return false;
    if (!pxi_steer_to(&x->steer, 0, x->path.fd)) {
        snprintf(why, cap, "%s takes no AF_XDP socket", device);
        return false;
    }
    make_heads(x, mac);
    snprintf(x->path.said, sizeof x->path.said, "%s XDP on %s, %s%s",
             x->steer.native ? "native" : "generic", device,
             x->zero_copy ? "zero-copy" : "copied by the kernel",
             x->copies ? ", frames copied behind their heads" : "");
    return true;
}

static const struct pxi_path_ops ops = {.send = xsk_send,
                                        .receive = xsk_receive,
                                        .give_back = xsk_give_back,
                                        .sleep = xsk_sleep,
                                        .turn = xsk_turn,
                                        .leave = xsk_leave,
                                        .close = xsk_close};

px_err pxi_path_xsk_open(const struct pxi_path_options *o, struct pxi_path **out, char *why,
                         size_t cap)
{
    static const uint8_t any[4];
    char device[IF_NAMESIZE];
    bool four = o->local.family == 4 && memcmp(o->local.ip, any, 4) != 0;
    *out = NULL;
    for (unsigned i = 0; i < o->n; i++)
        four &= o->peers[i].family == 4;
    if (!o->frames || !four || !chunk_of(o->frame) || !find_device(&o->local, device)) {
        snprintf(why, cap, "no device with an IPv4 address of ours");
        return PX_ERR_UNSUPPORTED;
    }
    struct xsk *x = pxi_calloc(1, sizeof *x);
    if (!x)
        return PX_ERR_NOMEM;
    x->o = *o;
    x->chunk = chunk_of(o->frame);
    x->rx_at = o->room;
    x->heads_at = o->room + (uint64_t)RX * x->chunk;
    x->steer = (struct pxi_steer){-1, -1, false};
    x->path = (struct pxi_path){
        .ops = &ops, .kind = PXI_PATH_XSK, .parts = PXI_PATH_PARTS, .bytes = SIZE_MAX, .fd = -1};
    if (!open_on(x, device, why, cap)) {
        xsk_close(&x->path);
        return PX_ERR_UNSUPPORTED;
    }
    *out = &x->path;
    return PX_ERR_OK;
}
