/*
 * The path through a device of RDMA over Ethernet (RoCE v2), by libibverbs. The arena is one memory
 * region: frames leave from where they lie and arrive in the path's own part of it. Two members are
 * joined by a reliable connection (RC) of their own, with send and receive: a datagram may be
 * longer than the MTU, arrives whole, and one who reads slowly is waited for by the devices. Nobody
 * gets access to memory of another.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/path_verbs.h"

enum {
    RX = 4096, /* receives that are posted, of all peers together */
    RX_LEAST = 32,
    RX_MOST = 512, /* two windows: contributions and sums */
    BOUNCES = 256,
    PAGE = 4096,
};

static struct pxi_verbs_path *of(struct pxi_path *p)
{
    return (struct pxi_verbs_path *)p;
}

static unsigned depth_of(unsigned n)
{
    unsigned each = RX / (n ? n : 1);
    return each > RX_MOST ? RX_MOST : each < RX_LEAST ? RX_LEAST : each;
}

static unsigned stride_of(size_t frame)
{
    return (unsigned)((frame + 63) & ~(size_t)63);
}

/* Nothing, where there is no device. */
size_t pxi_path_verbs_room(unsigned n, size_t frame)
{
    const struct pxi_verbs *v = pxi_verbs_load();
    size_t frames = (size_t)n * depth_of(n) + BOUNCES;
    return v && v->devices ? (frames * stride_of(frame) + PAGE - 1) & ~(size_t)(PAGE - 1) : 0;
}

static void lose(struct pxi_verbs_path *x, const char *why)
{
    x->path.lost = true;
    snprintf(x->path.said, sizeof x->path.said, "%s", why);
}

static void verbs_leave(struct pxi_path *path, unsigned peer)
{
    pxi_verbs_drop(of(path), peer);
}

/* ------------------------------------------------------------------ sending */

/* What the device has sent, or could not. */
static void reap(struct pxi_verbs_path *x)
{
    struct ibv_wc wc[PXI_PATH_READ];
    int n;
    do {
        n = ibv_poll_cq(x->sends, PXI_PATH_READ, wc);
        for (int i = 0; i < n; i++) {
            struct pxi_verbs_mark m;
            struct pxi_verbs_peer *p = pxi_verbs_peer(x, wc[i].wr_id, &m);
            if (p && wc[i].status == IBV_WC_SUCCESS)
                p->in_flight -= m.n < p->in_flight ? m.n : p->in_flight;
            else if (p)
                pxi_verbs_drop(x, m.peer);
        }
    } while (n == PXI_PATH_READ);
    if (n < 0)
        lose(x, "its sends cannot be asked for");
}

/* Where the device can read a frame: where it lies, or in a copy. */
static uintptr_t place_of(struct pxi_verbs_path *x, px_view v)
{
    const struct pxi_frames *f = x->o.frames;
    uintptr_t at = (uintptr_t)v.p - (uintptr_t)f->p;
    if (at < f->bytes && v.n <= f->bytes - at)
        return (uintptr_t)v.p;
    uint8_t *to = x->bounce + (size_t)(x->bounces++ % BOUNCES) * x->stride;
    memcpy(to, v.p, v.n);
    x->path.counts.copied += v.n;
    return (uintptr_t)to;
}

static unsigned verbs_send(struct pxi_path *path, unsigned to, const px_view *frames, unsigned n)
{
    struct pxi_verbs_path *x = of(path);
    struct pxi_verbs_peer *p = &x->peers[to];
    struct ibv_send_wr wr[PXI_PATH_PARTS], *bad;
    struct ibv_sge at[PXI_PATH_PARTS];
    unsigned k = 0;
    reap(x);
    unsigned room = path->peers >> to & 1 ? pxi_verbs_sends(x) - p->in_flight : 0;
    for (; k < n && k < room && k < PXI_PATH_PARTS && frames[k].n <= x->o.frame; k++) {
        at[k] = (struct ibv_sge){
            .addr = place_of(x, frames[k]), .length = (uint32_t)frames[k].n, .lkey = x->mr->lkey};
        wr[k] = (struct ibv_send_wr){
            .next = &wr[k + 1], .sg_list = &at[k], .num_sge = 1, .opcode = IBV_WR_SEND};
    }
    path->counts.lost += n - k;
    if (!k)
        return n;
    /* The last one tells of all. */
    wr[k - 1].next = NULL;
    wr[k - 1].send_flags = IBV_SEND_SIGNALED;
    wr[k - 1].wr_id = pxi_verbs_number((struct pxi_verbs_mark){p->life, (uint16_t)to, (uint16_t)k});
    p->in_flight += k;
    if (ibv_post_send(p->qp, wr, &bad) == 0) {
        path->counts.sent += k;
    } else {
        path->counts.lost += k;
        pxi_verbs_drop(x, to);
    }
    return n;
}

/* ---------------------------------------------------------------- receiving */

static void look(struct pxi_verbs_path *x)
{
    int n = x->came_n ? 0 : ibv_poll_cq(x->receives, PXI_PATH_READ, x->came);
    if (n < 0)
        lose(x, "its receives cannot be asked for");
    else
        x->came_n += (unsigned)n;
}

static void verbs_give_back(struct pxi_path *path)
{
    struct pxi_verbs_path *x = of(path);
    for (unsigned i = 0, n; i < x->lent_n; i += n) {
        struct pxi_verbs_mark m;
        struct pxi_verbs_peer *p = pxi_verbs_peer(x, pxi_verbs_number(x->lent[i]), &m);
        for (n = 1; i + n < x->lent_n && x->lent[i + n].peer == m.peer; n++)
            ;
        if (p && !pxi_verbs_post(x, &x->lent[i], n))
            pxi_verbs_drop(x, m.peer);
    }
    x->lent_n = 0;
}

static unsigned verbs_receive(struct pxi_path *path, struct pxi_path_in *in)
{
    struct pxi_verbs_path *x = of(path);
    unsigned n = 0;
    look(x);
    for (unsigned i = 0; i < x->came_n; i++) {
        const struct ibv_wc *wc = &x->came[i];
        struct pxi_verbs_mark m;
        const struct pxi_verbs_peer *p = pxi_verbs_peer(x, wc->wr_id, &m);
        if (!p)
            continue;
        if (wc->status != IBV_WC_SUCCESS || m.n >= x->depth || wc->byte_len > x->o.frame) {
            path->counts.refused += wc->status != IBV_WC_WR_FLUSH_ERR;
            pxi_verbs_drop(x, m.peer);
            continue;
        }
        x->lent[x->lent_n++] = m;
        if (wc->byte_len)
            in[n++] = (struct pxi_path_in){
                .from = m.peer, .bytes = px_view_of(pxi_verbs_place(x, m), wc->byte_len)};
        if (p->bound) {
            path->peers |= UINT64_C(1) << m.peer;
            pxi_verbs_knock(x, m.peer);
        }
    }
    if (!n)
        verbs_give_back(path);
    path->drained = x->came_n < PXI_PATH_READ;
    x->came_n = 0;
    path->counts.received += n;
    return n;
}

/* ---------------------------------------------------------------- sleeping */

static bool verbs_sleep(struct pxi_path *path)
{
    struct pxi_verbs_path *x = of(path);
    x->armed = true;
    if (ibv_req_notify_cq(x->receives, 0) != 0)
        lose(x, "it does not wake us");
    look(x);
    return !x->came_n && !path->lost;
}

static void verbs_awake(struct pxi_path *path)
{
    struct pxi_verbs_path *x = of(path);
    struct ibv_cq *cq;
    void *ctx;
    if (!x->armed)
        return;
    x->armed = false;
    while (x->v->get_cq_event(x->channel, &cq, &ctx) == 0) {
        x->v->ack_cq_events(cq, 1);
        path->counts.receives++;
    }
    path->counts.receives++;
}

/* What the device says of itself and of queue pairs. */
static void hear(struct pxi_verbs_path *x)
{
    struct ibv_async_event e;
    while (x->v->get_async_event(x->device.context, &e) == 0) {
        const struct ibv_qp *qp = e.event_type == IBV_EVENT_QP_FATAL ||
                                          e.event_type == IBV_EVENT_QP_REQ_ERR ||
                                          e.event_type == IBV_EVENT_QP_ACCESS_ERR
                                      ? e.element.qp
                                      : NULL;
        x->v->ack_async_event(&e);
        for (unsigned i = 0; qp && i < x->o.n; i++)
            if (x->peers[i].qp == qp)
                pxi_verbs_drop(x, i);
        if (e.event_type == IBV_EVENT_DEVICE_FATAL)
            lose(x, "the device is gone");
        else if (e.event_type == IBV_EVENT_CQ_ERR)
            lose(x, "the device lost what has come");
        else if (e.event_type == IBV_EVENT_PORT_ERR && e.element.port_num == x->device.port)
            lose(x, "the port of the device went down");
        else if (e.event_type == IBV_EVENT_GID_CHANGE && !pxi_verbs_has(x->v, &x->device))
            lose(x, "the device has our address no more");
    }
}

static bool has_node(const struct pxi_verbs_path *x)
{
    return access(x->device.context->device->dev_path, F_OK) == 0;
}

/* A driver may wait, without a word, until we let go of a device that is removed. */
static void verbs_turn(struct pxi_path *path, uint64_t now_ns)
{
    struct pxi_verbs_path *x = of(path);
    (void)now_ns;
    reap(x);
    hear(x);
    if (x->has_node && !has_node(x))
        lose(x, "the device is removed");
}

/* ------------------------------------------------------------------ opening */

static void verbs_close(struct pxi_path *path)
{
    struct pxi_verbs_path *x = of(path);
    for (unsigned i = 0; i < x->o.n; i++)
        pxi_verbs_drop(x, i);
    if (x->receives)
        x->v->destroy_cq(x->receives);
    if (x->sends)
        x->v->destroy_cq(x->sends);
    if (x->channel)
        x->v->destroy_comp_channel(x->channel);
    if (x->mr)
        x->v->dereg_mr(x->mr);
    if (x->pd)
        x->v->dealloc_pd(x->pd);
    if (x->device.context)
        x->v->close_device(x->device.context);
    if (path->fd >= 0)
        close(path->fd);
    pxi_free(x);
}

static bool watch(struct pxi_verbs_path *x, int fd)
{
    struct epoll_event e = {.events = EPOLLIN};
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
           epoll_ctl(x->path.fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static bool set_up(struct pxi_verbs_path *x)
{
    const struct pxi_verbs *v = x->v;
    struct ibv_context *c = x->device.context;
    int n = (int)x->o.n;
    /* Twice: what former queue pairs left may still be there. */
    x->pd = v->alloc_pd(c);
    x->mr = x->pd ? (v->reg_mr)(x->pd, x->o.frames->p, x->o.frames->bytes, IBV_ACCESS_LOCAL_WRITE)
                  : NULL;
    x->channel = x->mr ? v->create_comp_channel(c) : NULL;
    x->receives = x->channel ? v->create_cq(c, 2 * n * (int)x->depth, NULL, x->channel, 0) : NULL;
    x->sends = x->receives ? v->create_cq(c, 2 * n * (int)pxi_verbs_sends(x), NULL, NULL, 0) : NULL;
    x->path.fd = x->sends ? epoll_create1(EPOLL_CLOEXEC) : -1;
    return x->path.fd >= 0 && watch(x, x->channel->fd) && watch(x, c->async_fd);
}

static const struct pxi_path_ops ops = {.send = verbs_send,
                                        .receive = verbs_receive,
                                        .give_back = verbs_give_back,
                                        .sleep = verbs_sleep,
                                        .awake = verbs_awake,
                                        .offer = pxi_verbs_offer,
                                        .meet = pxi_verbs_meet,
                                        .turn = verbs_turn,
                                        .leave = verbs_leave,
                                        .close = verbs_close};

static bool open_on(struct pxi_verbs_path *x, char *why, size_t cap)
{
    if (!pxi_verbs_find(x->v, &x->o.local, &x->device, why, cap)) {
        x->device.context = NULL;
        return false;
    }
    const char *name = x->v->get_device_name(x->device.context->device);
    if (!set_up(x)) {
        snprintf(why, cap, "%s: %s", name,
                 errno == ENOMEM ? "no memory to register, see ulimit -l" : strerror(errno));
        return false;
    }
    x->has_node = has_node(x);
    snprintf(x->path.said, sizeof x->path.said, "%s, RoCE v2, RC, MTU %u", name,
             128u << x->device.mtu);
    return true;
}

px_err pxi_path_verbs_open(const struct pxi_path_options *o, struct pxi_path **out, char *why,
                           size_t cap)
{
    const struct pxi_verbs *v = pxi_verbs_load();
    bool four = o->local.family == 4;
    *out = NULL;
    for (unsigned i = 0; i < o->n; i++)
        four &= o->peers[i].family == 4;
    if (!v || !v->devices || !o->frames || !four) {
        snprintf(why, cap, "%s",
                 !v            ? "no libibverbs.so.1"
                 : !v->devices ? "libibverbs.so.1 knows no device"
                               : "needs IPv4 and frames");
        return PX_ERR_UNSUPPORTED;
    }
    struct pxi_verbs_path *x = pxi_calloc(1, sizeof *x);
    if (!x)
        return PX_ERR_NOMEM;
    x->o = *o;
    x->v = v;
    x->depth = depth_of(o->n);
    x->stride = stride_of(o->frame);
    x->rx = o->frames->p + o->room;
    x->bounce = x->rx + (size_t)o->n * x->depth * x->stride;
    x->path = (struct pxi_path){
        .ops = &ops, .kind = PXI_PATH_VERBS, .parts = PXI_PATH_PARTS, .bytes = SIZE_MAX, .fd = -1};
    if (!open_on(x, why, cap)) {
        verbs_close(&x->path);
        return PX_ERR_UNSUPPORTED;
    }
    *out = &x->path;
    return PX_ERR_OK;
}
