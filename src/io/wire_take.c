#include "io/wire_take.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "io/frames.h"

enum {
    MANY = 64,     /* datagrams a call */
    CHUNK = 4096,  /* room for one */
    CHUNKS = 1024, /* of AF_XDP, a power of two */
    TRAIN = 65536, /* room for what is joined */
    WAIT_MS = 100,
    BINDS = 500,     /* tries */
    ROOM = 16 << 20, /* of a socket: nothing is lost there */
};

/* A ring of AF_XDP, mapped. */
struct ring {
    uint32_t *producer, *consumer;
    void *entries;
    void *map;
    size_t mapped;
};

struct pxi_taker {
    struct pxi_wire *wire;
    enum pxi_take_way way;
    int fd;
    uint64_t calls;
    struct pxi_frames frames;
    struct mmsghdr many[MANY];
    struct iovec at[MANY];
    struct ring rx, fill;
};

/* ---------------------------------------------------------------- sockets */

static int open_socket(struct pxi_taker *t)
{
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_port = htons(PXI_WIRE_PORT),
                              .sin_addr.s_addr = pxi_wire_address()};
    struct timeval wait = {.tv_usec = WAIT_MS * 1000};
    int room = ROOM, one = 1;
    t->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0 || bind(t->fd, (void *)&own, sizeof own) ||
        setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) ||
        setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
        return errno;
    for (unsigned i = 0; i < MANY; i++) {
        t->at[i] = (struct iovec){t->frames.p + i * (size_t)CHUNK, CHUNK};
        t->many[i].msg_hdr = (struct msghdr){.msg_iov = &t->at[i], .msg_iovlen = 1};
    }
    if (t->way == PXI_TAKE_TRAINS && setsockopt(t->fd, SOL_UDP, UDP_GRO, &one, sizeof one))
        return errno;
    return 0;
}

static int take_many(struct pxi_taker *t, pxi_take_fn *fn, void *ctx)
{
    int n = recvmmsg(t->fd, t->many, MANY, MSG_WAITFORONE, NULL);
    for (int i = 0; i < n; i++)
        fn(ctx, t->at[i].iov_base, t->many[i].msg_len);
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* How long each datagram of a train is. */
static size_t segment_of(struct msghdr *m, size_t all)
{
    int size = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? (size_t)size : all;
}

static int take_train(struct pxi_taker *t, pxi_take_fn *fn, void *ctx)
{
    union {
        struct cmsghdr head;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec at = {t->frames.p, TRAIN};
    struct msghdr m = {
        .msg_iov = &at, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(t->fd, &m, 0);
    int count = 0;
    if (n <= 0)
        return n == 0 || errno == EAGAIN || errno == EINTR ? 0 : -1;
    size_t each = segment_of(&m, (size_t)n);
    for (size_t i = 0; i < (size_t)n; i += each, count++)
        fn(ctx, t->frames.p + i, (size_t)n - i < each ? (size_t)n - i : each);
    return count;
}

/* ----------------------------------------------------------------- AF_XDP */

static int map_ring(struct pxi_taker *t, struct ring *r, const struct xdp_ring_offset *o,
                    size_t entry, off_t at)
{
    r->mapped = o->desc + CHUNKS * entry;
    r->map = mmap(NULL, r->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, t->fd, at);
    if (r->map == MAP_FAILED) {
        r->map = NULL;
        return errno;
    }
    uint8_t *p = r->map;
    r->producer = (uint32_t *)(p + o->producer);
    r->consumer = (uint32_t *)(p + o->consumer);
    r->entries = p + o->desc;
    return 0;
}

static int map_rings(struct pxi_taker *t)
{
    struct xdp_mmap_offsets o;
    socklen_t n = sizeof o;
    if (getsockopt(t->fd, SOL_XDP, XDP_MMAP_OFFSETS, &o, &n))
        return errno;
    int rc = map_ring(t, &t->rx, &o.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
    return rc ? rc : map_ring(t, &t->fill, &o.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
}

static int open_frames(struct pxi_taker *t)
{
    struct xdp_umem_reg umem = {
        .addr = (uintptr_t)t->frames.p, .len = CHUNKS * CHUNK, .chunk_size = CHUNK};
    struct sockaddr_xdp where = {.sxdp_family = AF_XDP,
                                 .sxdp_flags = XDP_COPY,
                                 .sxdp_ifindex = if_nametoindex(pxi_wire_device(t->wire))};
    int n = CHUNKS;
    t->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (t->fd < 0 || setsockopt(t->fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) ||
        setsockopt(t->fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof n) ||
        setsockopt(t->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof n) ||
        setsockopt(t->fd, SOL_XDP, XDP_RX_RING, &n, sizeof n))
        return errno;
    int rc = map_rings(t);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < CHUNKS; i++)
        ((uint64_t *)t->fill.entries)[i] = (uint64_t)i * CHUNK;
    __atomic_store_n(t->fill.producer, CHUNKS, __ATOMIC_RELEASE);
    /* The socket before lets go of the queue some time after it was closed. */
    for (unsigned i = 0; bind(t->fd, (void *)&where, sizeof where); i++) {
        if (errno != EBUSY || i == BINDS)
            return errno;
        poll(NULL, 0, 10);
    }
    return 0;
}

static int take_frames(struct pxi_taker *t, pxi_take_fn *fn, void *ctx)
{
    const struct xdp_desc *d = t->rx.entries;
    uint64_t *free = t->fill.entries;
    uint32_t from = *t->rx.consumer, to = __atomic_load_n(t->rx.producer, __ATOMIC_ACQUIRE);
    uint32_t put = *t->fill.producer;
    if (from == to) {
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        t->calls++;
        poll(&p, 1, WAIT_MS);
        to = __atomic_load_n(t->rx.producer, __ATOMIC_ACQUIRE);
    }
    if (to - from > MANY)
        to = from + MANY;
    for (uint32_t i = from; i != to; i++) {
        const struct xdp_desc *one = &d[i & (CHUNKS - 1)];
        if (one->len > PXI_WIRE_BEFORE && one->addr + one->len <= (uint64_t)CHUNKS * CHUNK)
            fn(ctx, t->frames.p + one->addr + PXI_WIRE_BEFORE, one->len - PXI_WIRE_BEFORE);
        free[put++ & (CHUNKS - 1)] = one->addr & ~(uint64_t)(CHUNK - 1);
    }
    __atomic_store_n(t->rx.consumer, to, __ATOMIC_RELEASE);
    __atomic_store_n(t->fill.producer, put, __ATOMIC_RELEASE);
    return (int)(to - from);
}

/* ------------------------------------------------------------------- both */

px_err pxi_taker_open(struct pxi_wire *w, enum pxi_take_way way, struct pxi_taker **out,
                      px_diag *diag)
{
    struct pxi_taker *t = pxi_calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return PX_ERR_NOMEM;
    t->wire = w;
    t->way = way;
    t->fd = -1;
    int rc = pxi_frames_map(&t->frames, CHUNKS * CHUNK) ? ENOMEM
             : way == PXI_TAKE_FRAMES                   ? open_frames(t)
                                                        : open_socket(t);
    px_err err = PX_ERR_OK;
    if (!rc && way == PXI_TAKE_FRAMES)
        err = pxi_wire_put(w, PXI_WIRE_TO_SOCKET, t->fd, diag);
    if (!rc && !err) {
        *out = t;
        return PX_ERR_OK;
    }
    pxi_taker_close(t);
    if (err)
        return err;
    pxi_diag_field(diag, "socket");
    return pxi_diag_set(diag, PX_ERR_UNSUPPORTED, 0,
                        way == PXI_TAKE_FRAMES ? "AF_XDP" : "UDP with GRO", "%s", strerror(rc));
}

void pxi_taker_close(struct pxi_taker *t)
{
    if (!t)
        return;
    if (t->way == PXI_TAKE_FRAMES)
        pxi_wire_clear(t->wire);
    if (t->rx.map)
        munmap(t->rx.map, t->rx.mapped);
    if (t->fill.map)
        munmap(t->fill.map, t->fill.mapped);
    if (t->fd >= 0)
        close(t->fd);
    pxi_frames_unmap(&t->frames);
    pxi_free(t);
}

int pxi_taker_take(struct pxi_taker *t, pxi_take_fn *fn, void *ctx)
{
    if (t->way == PXI_TAKE_FRAMES)
        return take_frames(t, fn, ctx);
    t->calls++;
    return t->way == PXI_TAKE_MANY ? take_many(t, fn, ctx) : take_train(t, fn, ctx);
}

uint64_t pxi_taker_calls(const struct pxi_taker *t)
{
    return t->calls;
}
