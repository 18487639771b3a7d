#include "io/sums.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/gradient.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* Of one call: sums, and bytes of a message, which is one datagram before it is cut. */
enum { BATCH = 64, BATCH_BYTES = 65000, BUFFER_BYTES = 8 << 20, PATIENCE_MS = 20 };

struct place {
    uint32_t job;
    uint8_t shard;
    bool used;
    unsigned n;
    struct sockaddr_in to[PX_GRADIENT_WORKERS];
    struct pxi_tag_key key;
};

/* Sums of one job and one length, ready to go. */
struct batch {
    const struct place *place;
    unsigned n;
    size_t bytes; /* of each */
    struct px_gradient_head heads[BATCH];
    struct iovec parts[2 * BATCH];
};

struct pxi_sums {
    struct pxi_xdp *xdp;
    pxi_tag_nh *nh;
    struct sockaddr_in at;
    int fd;
    bool gso;
    struct pxi_sums_counts counts;
    struct batch batch;
    struct place places[PXI_BPF_JOBS];
};

px_err pxi_sums_bind(struct pxi_sums *s)
{
    int room = BUFFER_BYTES, on = 1, zero = 0, little = 4096;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&s->at, sizeof s->at))
        return errno == EACCES ? PX_ERR_PERMISSION : PX_ERR_IO;
    /* Nobody reads it: what the program passes to it is not kept. */
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    setsockopt(s->fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
        setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    s->gso = setsockopt(s->fd, IPPROTO_UDP, UDP_SEGMENT, &zero, sizeof zero) == 0;
    return PX_ERR_OK;
}

px_err pxi_sums_open(struct pxi_xdp *x, uint32_t address, uint16_t port, pxi_tag_nh *nh,
                     struct pxi_sums **out)
{
    struct pxi_sums *s = pxi_calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return PX_ERR_NOMEM;
    s->xdp = x;
    s->nh = nh;
    s->at = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = address};
    px_err err = pxi_sums_bind(s);
    if (err)
        pxi_sums_close(s);
    else
        *out = s;
    return err;
}

void pxi_sums_close(struct pxi_sums *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    explicit_bzero(s->places, sizeof s->places);
    pxi_free(s);
}

void pxi_sums_unbind(struct pxi_sums *s)
{
    close(s->fd);
    s->fd = -1;
}

static struct place *place_of(struct pxi_sums *s, uint32_t job, uint8_t shard)
{
    for (unsigned i = 0; i < PXI_BPF_JOBS; i++)
        if (s->places[i].used && s->places[i].job == job && s->places[i].shard == shard)
            return &s->places[i];
    return NULL;
}

px_err pxi_sums_add(struct pxi_sums *s, const struct pxi_sums_job *job)
{
    struct place *p = s->places, *end = p + PXI_BPF_JOBS;
    while (p < end && p->used)
        p++;
    if (!job->n || job->n > PX_GRADIENT_WORKERS || place_of(s, job->job, job->shard))
        return PX_ERR_INVALID;
    for (unsigned i = 0; i < job->n; i++)
        if (!job->addresses[i])
            return PX_ERR_INVALID;
    if (p == end)
        return PX_ERR_LIMIT;
    *p = (struct place){.job = job->job, .shard = job->shard, .used = true, .n = job->n};
    for (unsigned i = 0; i < job->n; i++)
        p->to[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons(job->ports ? job->ports[i] : job->port),
                                        .sin_addr.s_addr = job->addresses[i]};
    pxi_tag_key_init(&p->key, job->secret);
    return PX_ERR_OK;
}

void pxi_sums_remove(struct pxi_sums *s, uint32_t job, uint8_t shard)
{
    struct place *p = place_of(s, job, shard);
    if (p)
        explicit_bzero(p, sizeof *p);
}

/* -------------------------------------------------------------- sending */

static bool wait_writable(const struct pxi_sums *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    return poll(&p, 1, PATIENCE_MS) == 1;
}

/* Messages to a socket that may be full; how many went before it said anything but that. */
static unsigned send_some(struct pxi_sums *s, struct mmsghdr *m, unsigned n)
{
    unsigned done = 0;
    while (done < n) {
        s->counts.calls++;
        int k = sendmmsg(s->fd, m + done, n - done, MSG_DONTWAIT);
        if (k > 0)
            done += (unsigned)k;
        else if (errno != EINTR && ((errno != EAGAIN && errno != ENOBUFS) || !wait_writable(s)))
            break;
    }
    return done;
}

union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* The batch as one message a worker, which the kernel cuts. How many workers have it. */
static unsigned send_cut(struct pxi_sums *s)
{
    struct batch *b = &s->batch;
    struct mmsghdr m[PX_GRADIENT_WORKERS];
    uint16_t segment = (uint16_t)b->bytes;
    union control c = {0};
    c.head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof segment), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT};
    memcpy(CMSG_DATA(&c.head), &segment, sizeof segment);
    for (unsigned i = 0; i < b->place->n; i++)
        m[i] = (struct mmsghdr){.msg_hdr = {.msg_name = (void *)(uintptr_t)&b->place->to[i],
                                            .msg_namelen = sizeof b->place->to[i],
                                            .msg_iov = b->parts,
                                            .msg_iovlen = 2 * b->n,
                                            .msg_control = b->n > 1 ? &c : NULL,
                                            .msg_controllen = b->n > 1 ? sizeof c : 0}};
    unsigned done = send_some(s, m, b->place->n);
    s->counts.datagrams += (uint64_t)done * b->n;
    return done;
}

/* The same as a message a datagram, from worker `from` on. */
static void send_each(struct pxi_sums *s, unsigned from)
{
    struct batch *b = &s->batch;
    struct mmsghdr m[BATCH];
    for (unsigned to = from; to < b->place->n; to++) {
        for (unsigned i = 0; i < b->n; i++)
            m[i] = (struct mmsghdr){.msg_hdr = {.msg_name = (void *)(uintptr_t)&b->place->to[to],
                                                .msg_namelen = sizeof b->place->to[to],
                                                .msg_iov = &b->parts[2 * i],
                                                .msg_iovlen = 2}};
        unsigned done = send_some(s, m, b->n);
        s->counts.datagrams += done;
        s->counts.lost += b->n - done;
    }
}

static void flush(struct pxi_sums *s)
{
    struct batch *b = &s->batch;
    unsigned done = 0;
    if (!b->n)
        return;
    if (s->gso || b->n == 1) {
        done = send_cut(s);
        if (done < b->place->n && (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP))
            s->gso = false; /* this device or kernel does not cut */
    }
    if (done < b->place->n)
        send_each(s, done);
    s->counts.slots += b->n;
    b->n = 0;
}

/* -------------------------------------------------------------- finished */

static struct px_gradient_head head_of(const struct pxi_bpf_job *j, const struct pxi_bpf_version *v,
                                       uint32_t seq)
{
    return (struct px_gradient_head){.magic = PX_GRADIENT_MAGIC,
                                     .version = PX_GRADIENT_LAYOUT,
                                     .kind = PX_GRADIENT_RESULT,
                                     .job = j->job,
                                     .epoch = __atomic_load_n(&j->epoch, __ATOMIC_RELAXED),
                                     .shard = j->shard,
                                     .worker = 255,
                                     .slot = (uint16_t)(seq & (j->slots - 1)),
                                     .format = v->format,
                                     .flags = v->flags,
                                     .seq = seq,
                                     .count = v->count,
                                     .exponent = v->exponent,
                                     .next = v->next,
                                     .where = v->added};
}

/*
 * A slot may go on while it is read, once its workers have the sum from elsewhere: then its
 * sequence is another one after the values were hashed. When it goes on later, while the socket
 * copies, the tag is wrong, and a worker that still needs the sum asks for it.
 */
static void on_done(void *ctx, const struct pxi_bpf_done *d, const struct pxi_bpf_version *v)
{
    struct pxi_sums *s = ctx;
    struct batch *b = &s->batch;
    const struct place *p = place_of(s, d->job, (uint8_t)d->shard);
    const struct pxi_bpf_job *j = pxi_xdp_job(s->xdp, d->job, (uint8_t)d->shard);
    if (!p || !j || !v || __atomic_load_n(&v->seq, __ATOMIC_ACQUIRE) != d->seq || !v->done) {
        s->counts.stale++;
        return;
    }
    struct px_gradient_head h = head_of(j, v, d->seq); /* read once: the kernel may go on */
    size_t values = pxi_gradient_result_bytes(h.format, h.count), bytes = sizeof h + values;
    if (h.format > PX_GRADIENT_I32 || values > pxi_xdp_room(s->xdp)) {
        s->counts.stale++;
        return;
    }
    if (b->n &&
        (b->place != p || b->bytes != bytes || b->n == BATCH || (b->n + 1) * bytes > BATCH_BYTES))
        flush(s);
    struct pxi_tag_sum sum = {{0}};
    s->nh(&sum, p->key.nh, v->lanes, values / 8);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&v->seq, __ATOMIC_RELAXED) != d->seq) {
        s->counts.stale++;
        return;
    }
    h.tag = pxi_tag_finish(&p->key, (const uint8_t *)&h, &sum);
    b->place = p;
    b->bytes = bytes;
    b->heads[b->n] = h;
    b->parts[2 * b->n] = (struct iovec){&b->heads[b->n], sizeof h};
    b->parts[2 * b->n + 1] = (struct iovec){(void *)(uintptr_t)v->lanes, values};
    b->n++;
}

void pxi_sums_work(struct pxi_sums *s)
{
    s->counts.wakeups++;
    pxi_xdp_take(s->xdp, 0, on_done, s);
    flush(s);
}

struct pxi_sums_counts pxi_sums_counts(const struct pxi_sums *s)
{
    return s->counts;
}
