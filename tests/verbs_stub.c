/*
 * What io/verbs asks of libibverbs, on a device that is a table: queue pairs of one process reach
 * each other, messages wait until the other has a receive for them, and frames are read that late.
 * One thread. Tests fail its calls, count what is left, and have it say things.
 */
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

enum { QPS = 256, PLACES = 4096, EVENTS = 8 };

struct queue { /* of completions */
    struct ibv_cq cq;
    struct ibv_wc wc[2 * PLACES];
    unsigned head, tail, max;
    bool armed;
};

struct pair {
    struct ibv_qp qp;
    bool there;
    uint32_t dest;
    union ibv_gid gid;
    struct {
        uint64_t id;
        struct ibv_sge at;
        bool signaled;
    } sends[PLACES], receives[PLACES];
    unsigned sent, taken, filled, posted, most_sends, most_receives;
};

static struct ibv_device device = {.name = "stub0"};
static struct ibv_device *devices[] = {&device, NULL};
static struct pair pairs[QPS];
static unsigned next;
static struct ibv_async_event events[EVENTS];
static unsigned events_n;

/* The address of the device; objects that are there; calls until one fails, 0: none does. */
SHOWN uint8_t stub_ip[4];
SHOWN int stub_left;
SHOWN unsigned stub_fail;
SHOWN bool stub_silent; /* nobody is told that a queue pair is gone */
SHOWN void stub_say(struct ibv_context *c, struct ibv_async_event e);
SHOWN bool stub_inject(unsigned qpn, const void *p, size_t n);

static bool fails(void)
{
    errno = ENOMEM;
    return stub_fail && --stub_fail == 0;
}

static void *make(size_t n)
{
    void *p = fails() ? NULL : calloc(1, n);
    stub_left += p != NULL;
    return p;
}

static int forget(void *p)
{
    stub_left--;
    free(p);
    return 0;
}

/* ------------------------------------------------------------ what happens */

static void complete(struct ibv_cq *cq, struct ibv_wc wc)
{
    struct queue *q = (struct queue *)cq;
    uint64_t one = 1;
    if (q->head - q->tail >= q->max)
        abort();
    q->wc[q->head++ % (2 * PLACES)] = wc;
    if (q->armed && cq->channel && write(cq->channel->fd, &one, sizeof one) != sizeof one)
        abort();
    q->armed = false;
}

static struct pair *pair_of(uint32_t number)
{
    struct pair *p = &pairs[number % QPS];
    return p->there && p->qp.qp_num == number ? p : NULL;
}

static void flush(struct pair *p, enum ibv_wc_status first)
{
    p->qp.state = IBV_QPS_ERR;
    for (; p->taken != p->sent; p->taken++, first = IBV_WC_WR_FLUSH_ERR)
        complete(p->qp.send_cq, (struct ibv_wc){.wr_id = p->sends[p->taken % PLACES].id,
                                                .status = first,
                                                .qp_num = p->qp.qp_num});
    for (; p->filled != p->posted; p->filled++)
        complete(p->qp.recv_cq, (struct ibv_wc){.wr_id = p->receives[p->filled % PLACES].id,
                                                .status = IBV_WC_WR_FLUSH_ERR,
                                                .qp_num = p->qp.qp_num});
}

static bool arrive(struct pair *p, const void *bytes, size_t n)
{
    struct ibv_sge *at = &p->receives[p->filled % PLACES].at;
    struct ibv_wc wc = {.wr_id = p->receives[p->filled % PLACES].id,
                        .byte_len = (uint32_t)n,
                        .qp_num = p->qp.qp_num,
                        .opcode = IBV_WC_RECV,
                        .status = n <= at->length ? IBV_WC_SUCCESS : IBV_WC_LOC_LEN_ERR};
    if (n && n <= at->length)
        memcpy((void *)(uintptr_t)at->addr, bytes, n);
    p->filled++;
    complete(p->qp.recv_cq, wc);
    if (wc.status)
        flush(p, IBV_WC_WR_FLUSH_ERR);
    return !wc.status;
}

static void move_one(struct pair *p)
{
    while (p->qp.state == IBV_QPS_RTS && p->taken != p->sent) {
        struct pair *to = pair_of(p->dest);
        if (!to || to->qp.state < IBV_QPS_RTR || to->qp.state == IBV_QPS_ERR) {
            if ((!to || to->qp.state == IBV_QPS_ERR) && !stub_silent)
                flush(p, IBV_WC_RETRY_EXC_ERR);
            return;
        }
        if (to->filled == to->posted)
            return;
        unsigned k = p->taken % PLACES;
        if (!arrive(to, (void *)(uintptr_t)p->sends[k].at.addr, p->sends[k].at.length)) {
            flush(p, IBV_WC_REM_INV_REQ_ERR);
            return;
        }
        p->taken++;
        if (p->sends[k].signaled)
            complete(p->qp.send_cq,
                     (struct ibv_wc){.wr_id = p->sends[k].id, .qp_num = p->qp.qp_num});
    }
}

static void move(void)
{
    for (unsigned i = 0; i < QPS; i++)
        if (pairs[i].there)
            move_one(&pairs[i]);
}

static int poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc)
{
    struct queue *q = (struct queue *)cq;
    int done = 0;
    move();
    for (; done < n && q->tail != q->head; done++)
        wc[done] = q->wc[q->tail++ % (2 * PLACES)];
    return done;
}

static int req_notify(struct ibv_cq *cq, int solicited)
{
    ((struct queue *)cq)->armed = !solicited;
    return 0;
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
    struct pair *p = (struct pair *)qp;
    for (; wr; wr = wr->next) {
        *bad = wr;
        if (p->qp.state != IBV_QPS_RTS || p->sent - p->taken >= p->most_sends || fails())
            return ENOMEM;
        p->sends[p->sent % PLACES].id = wr->wr_id;
        p->sends[p->sent % PLACES].at = wr->num_sge ? wr->sg_list[0] : (struct ibv_sge){0};
        p->sends[p->sent++ % PLACES].signaled = wr->send_flags & IBV_SEND_SIGNALED;
    }
    move();
    return 0;
}

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
    struct pair *p = (struct pair *)qp;
    for (; wr; wr = wr->next) {
        *bad = wr;
        if (p->posted - p->filled >= p->most_receives || fails())
            return ENOMEM;
        p->receives[p->posted % PLACES].id = wr->wr_id;
        p->receives[p->posted++ % PLACES].at = wr->sg_list[0];
    }
    return 0;
}

/* ------------------------------------------------------------------- calls */

#undef ibv_get_device_list
#undef ibv_reg_mr

SHOWN struct ibv_device **ibv_get_device_list(int *n)
{
    *n = 1;
    return fails() ? NULL : devices;
}

SHOWN void ibv_free_device_list(struct ibv_device **list)
{
    (void)list;
}

SHOWN const char *ibv_get_device_name(struct ibv_device *d)
{
    return d->name;
}

static int query_port(struct ibv_context *c, uint8_t port, struct ibv_port_attr *a, size_t n)
{
    (void)c, (void)n;
    a->state = IBV_PORT_ACTIVE;
    a->link_layer = IBV_LINK_LAYER_ETHERNET;
    a->active_mtu = IBV_MTU_1024;
    return port != 1;
}

SHOWN struct ibv_context *ibv_open_device(struct ibv_device *d)
{
    struct verbs_context *v = make(sizeof *v);
    if (!v)
        return NULL;
    v->sz = sizeof *v;
    v->query_port = query_port;
    v->context.device = d;
    v->context.abi_compat = __VERBS_ABI_IS_EXTENDED;
    v->context.async_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    v->context.ops.poll_cq = poll_cq;
    v->context.ops.req_notify_cq = req_notify;
    v->context.ops.post_send = post_send;
    v->context.ops.post_recv = post_recv;
    return &v->context;
}

SHOWN int ibv_close_device(struct ibv_context *c)
{
    close(c->async_fd);
    return forget(verbs_get_ctx(c));
}

SHOWN ssize_t _ibv_query_gid_table(struct ibv_context *c, struct ibv_gid_entry *e, size_t most,
                                   uint32_t flags, size_t size)
{
    (void)c, (void)flags;
    if (fails() || most < 2 || size != sizeof *e)
        return -1;
    memset(e, 0, 2 * sizeof *e);
    for (unsigned i = 0; i < 2; i++) {
        e[i].gid.raw[10] = e[i].gid.raw[11] = 0xff;
        memcpy(e[i].gid.raw + 12, stub_ip, 4);
        e[i].gid_index = i;
        e[i].port_num = 1;
        e[i].gid_type = i ? IBV_GID_TYPE_ROCE_V2 : IBV_GID_TYPE_ROCE_V1;
    }
    return 2;
}

SHOWN struct ibv_pd *ibv_alloc_pd(struct ibv_context *c)
{
    struct ibv_pd *p = make(sizeof *p);
    if (p)
        p->context = c;
    return p;
}

SHOWN int ibv_dealloc_pd(struct ibv_pd *p)
{
    return forget(p);
}

SHOWN struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *at, size_t n, int access)
{
    struct ibv_mr *m = access == IBV_ACCESS_LOCAL_WRITE ? make(sizeof *m) : NULL;
    if (m)
        *m = (struct ibv_mr){.pd = pd, .addr = at, .length = n};
    return m;
}

SHOWN int ibv_dereg_mr(struct ibv_mr *m)
{
    return forget(m);
}

SHOWN struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *c)
{
    struct ibv_comp_channel *k = make(sizeof *k);
    if (k)
        *k = (struct ibv_comp_channel){.context = c, .fd = eventfd(0, EFD_CLOEXEC)};
    return k;
}

SHOWN int ibv_destroy_comp_channel(struct ibv_comp_channel *k)
{
    close(k->fd);
    return forget(k);
}

SHOWN struct ibv_cq *ibv_create_cq(struct ibv_context *c, int n, void *ctx,
                                   struct ibv_comp_channel *k, int vector)
{
    struct queue *q = n > 0 && n <= 2 * PLACES && !vector ? make(sizeof *q) : NULL;
    if (!q)
        return NULL;
    q->cq.context = c;
    q->cq.channel = k;
    q->cq.cq_context = ctx;
    q->max = (unsigned)n;
    return &q->cq;
}

SHOWN int ibv_destroy_cq(struct ibv_cq *cq)
{
    return forget(cq);
}

SHOWN int ibv_get_cq_event(struct ibv_comp_channel *k, struct ibv_cq **cq, void **ctx)
{
    uint64_t n;
    *cq = NULL;
    *ctx = NULL;
    return read(k->fd, &n, sizeof n) == sizeof n ? 0 : -1;
}

SHOWN void ibv_ack_cq_events(struct ibv_cq *cq, unsigned n)
{
    (void)cq, (void)n;
}

SHOWN struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *a)
{
    struct pair *p = &pairs[next % QPS];
    if (fails() || p->there || a->qp_type != IBV_QPT_RC || a->cap.max_send_wr > PLACES ||
        a->cap.max_recv_wr > PLACES)
        return NULL;
    memset(p, 0, sizeof *p);
    p->there = true;
    p->qp.context = pd->context;
    p->qp.send_cq = a->send_cq;
    p->qp.recv_cq = a->recv_cq;
    p->qp.qp_num = next++;
    p->most_sends = a->cap.max_send_wr;
    p->most_receives = a->cap.max_recv_wr;
    stub_left++;
    return &p->qp;
}

SHOWN int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *a, int mask)
{
    struct pair *p = (struct pair *)qp;
    if (fails() || !(mask & IBV_QP_STATE))
        return EINVAL;
    if (a->qp_state == IBV_QPS_RTR) {
        p->dest = a->dest_qp_num;
        p->gid = a->ah_attr.grh.dgid;
        if (a->path_mtu > IBV_MTU_1024 || a->ah_attr.grh.sgid_index != 1)
            return EINVAL;
    }
    qp->state = a->qp_state;
    return 0;
}

SHOWN int ibv_destroy_qp(struct ibv_qp *qp)
{
    ((struct pair *)qp)->there = false;
    stub_left--;
    return 0;
}

SHOWN int ibv_get_async_event(struct ibv_context *c, struct ibv_async_event *e)
{
    uint64_t n;
    if (!events_n || read(c->async_fd, &n, sizeof n) != sizeof n)
        return -1;
    *e = events[--events_n];
    return 0;
}

SHOWN void ibv_ack_async_event(struct ibv_async_event *e)
{
    (void)e;
}

/* ------------------------------------------------------------- for tests */

/* The device says something. */
void stub_say(struct ibv_context *c, struct ibv_async_event e)
{
    uint64_t one = 1;
    events[events_n++] = e;
    if (write(c->async_fd, &one, sizeof one) != sizeof one)
        abort();
}

/* Somebody sends to a queue pair what he likes; false: it could not arrive. */
bool stub_inject(unsigned qpn, const void *p, size_t n)
{
    struct pair *to = pair_of(qpn);
    return to && to->qp.state >= IBV_QPS_RTR && to->filled != to->posted && arrive(to, p, n);
}
