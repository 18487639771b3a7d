/*
 * Queue pairs of the path through verbs. Two members are joined by a reliable connection of their
 * own; it is agreed on with the hellos: each offers its queue pair, under a random number, and says
 * to which number of the other it is bound. One that finds the other bound to what is gone, or
 * offering anew, begins anew too; so both come to two that are bound to each other. Who knows that
 * the other is bound too knocks, with an empty message, and so does who hears it: what has come on
 * a queue pair is the proof that it leads there (`peers`).
 */
#include <string.h>

#include "base/limits.h"
#include "crypto/random.h"
#include "io/path_verbs.h"

enum {
    LAYOUT = 1,
    QPN = 1 << 24,
    /* As the devices count: 4.096 us << TIMEOUT until something is sent again, RETRIES times; one
     * who has nothing posted is asked again after 0.16 ms, for ever: silence is noticed above. */
    TIMEOUT = 14,
    RETRIES = 7,
    RNR_TIMER = 8,
    RNR_RETRIES = 7,
    HOPS = 64,
};

/* What is offered. */
struct offer {
    uint8_t layout, mtu;
    uint16_t pad;
    uint32_t qpn, psn, id, bound, frame;
    union ibv_gid gid;
};
_Static_assert(sizeof(struct offer) == 40 && sizeof(struct offer) <= PXI_PATH_OFFER, "no holes");

static struct pxi_verbs_path *of(struct pxi_path *p)
{
    return (struct pxi_verbs_path *)p;
}

uint64_t pxi_verbs_number(struct pxi_verbs_mark m)
{
    return (uint64_t)m.life << 32 | (uint64_t)m.peer << 16 | m.n;
}

/* NULL: of a queue pair that is gone. */
struct pxi_verbs_peer *pxi_verbs_peer(struct pxi_verbs_path *x, uint64_t number,
                                      struct pxi_verbs_mark *m)
{
    *m = (struct pxi_verbs_mark){(uint16_t)(number >> 32), (uint16_t)(number >> 16),
                                 (uint16_t)number};
    struct pxi_verbs_peer *p = m->peer < x->o.n ? &x->peers[m->peer] : NULL;
    return p && p->qp && p->life == m->life ? p : NULL;
}

void pxi_verbs_drop(struct pxi_verbs_path *x, unsigned i)
{
    struct pxi_verbs_peer *p = &x->peers[i];
    x->path.peers &= ~(UINT64_C(1) << i);
    if (p->qp)
        x->v->destroy_qp(p->qp);
    p->qp = NULL;
    p->bound = 0;
    p->in_flight = 0;
    p->knocked = false;
}

void pxi_verbs_knock(struct pxi_verbs_path *x, unsigned i)
{
    struct pxi_verbs_peer *p = &x->peers[i];
    struct ibv_send_wr *bad,
        wr = {.wr_id = pxi_verbs_number((struct pxi_verbs_mark){p->life, (uint16_t)i, 1}),
              .opcode = IBV_WR_SEND,
              .send_flags = IBV_SEND_SIGNALED};
    if (p->knocked)
        return;
    p->knocked = true;
    p->in_flight++;
    if (ibv_post_send(p->qp, &wr, &bad) != 0)
        pxi_verbs_drop(x, i);
}

uint8_t *pxi_verbs_place(const struct pxi_verbs_path *x, struct pxi_verbs_mark m)
{
    return x->rx + ((size_t)m.peer * x->depth + m.n) * x->stride;
}

bool pxi_verbs_post(struct pxi_verbs_path *x, const struct pxi_verbs_mark *marks, unsigned n)
{
    struct ibv_recv_wr wr[PXI_PATH_READ], *bad;
    struct ibv_sge at[PXI_PATH_READ];
    for (unsigned i = 0; i < n; i++) {
        at[i] = (struct ibv_sge){.addr = (uintptr_t)pxi_verbs_place(x, marks[i]),
                                 .length = x->stride,
                                 .lkey = x->mr->lkey};
        wr[i] = (struct ibv_recv_wr){.wr_id = pxi_verbs_number(marks[i]),
                                     .next = i + 1 < n ? &wr[i + 1] : NULL,
                                     .sg_list = &at[i],
                                     .num_sge = 1};
    }
    return ibv_post_recv(x->peers[marks[0].peer].qp, wr, &bad) == 0;
}

static bool post_all(struct pxi_verbs_path *x, unsigned i)
{
    struct pxi_verbs_peer *p = &x->peers[i];
    struct pxi_verbs_mark marks[PXI_PATH_READ];
    bool ok = true;
    for (unsigned at = 0, n; at < x->depth && ok; at += n) {
        n = x->depth - at < PXI_PATH_READ ? x->depth - at : PXI_PATH_READ;
        for (unsigned k = 0; k < n; k++)
            marks[k] = (struct pxi_verbs_mark){p->life, (uint16_t)i, (uint16_t)(at + k)};
        ok = pxi_verbs_post(x, marks, n);
    }
    return ok;
}

unsigned pxi_verbs_sends(const struct pxi_verbs_path *x)
{
    return 2 * x->depth;
}

static bool create(struct pxi_verbs_path *x, unsigned i)
{
    struct pxi_verbs_peer *p = &x->peers[i];
    struct ibv_qp_init_attr a = {.send_cq = x->sends,
                                 .recv_cq = x->receives,
                                 .qp_type = IBV_QPT_RC,
                                 .cap = {.max_send_wr = pxi_verbs_sends(x),
                                         .max_recv_wr = x->depth,
                                         .max_send_sge = 1,
                                         .max_recv_sge = 1}};
    struct ibv_qp_attr init = {.qp_state = IBV_QPS_INIT, .port_num = x->device.port};
    if (p->qp)
        return true;
    if (p->lives++ >= PXI_LIMIT_PATH_LIVES)
        return false;
    p->qp = x->v->create_qp(x->pd, &a);
    if (!p->qp)
        return false;
    p->life++;
    p->psn = (uint32_t)(pxi_random_u64(pxi_random_system()) & (QPN - 1));
    p->id = (uint32_t)pxi_random_u64(pxi_random_system()) | 1;
    if (x->v->modify_qp(p->qp, &init,
                        IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) ==
            0 &&
        post_all(x, i))
        return true;
    pxi_verbs_drop(x, i);
    return false;
}

static bool bind_to(struct pxi_verbs_path *x, unsigned i, const struct offer *o)
{
    struct pxi_verbs_peer *p = &x->peers[i];
    struct ibv_qp_attr ready = {
        .qp_state = IBV_QPS_RTR,
        .path_mtu = o->mtu < x->device.mtu ? o->mtu : x->device.mtu,
        .dest_qp_num = o->qpn,
        .rq_psn = o->psn,
        .min_rnr_timer = RNR_TIMER,
        .ah_attr = {.is_global = 1,
                    .port_num = x->device.port,
                    .grh = {.dgid = o->gid, .sgid_index = x->device.gid_index, .hop_limit = HOPS}}};
    struct ibv_qp_attr send = {.qp_state = IBV_QPS_RTS,
                               .sq_psn = p->psn,
                               .timeout = TIMEOUT,
                               .retry_cnt = RETRIES,
                               .rnr_retry = RNR_RETRIES};
    if (x->v->modify_qp(p->qp, &ready,
                        IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
                            IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER) ||
        x->v->modify_qp(p->qp, &send,
                        IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                            IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
        return false;
    p->bound = o->id;
    return true;
}

size_t pxi_verbs_offer(struct pxi_path *path, unsigned to, uint8_t out[PXI_PATH_OFFER])
{
    struct pxi_verbs_path *x = of(path);
    const struct pxi_verbs_peer *p = &x->peers[to];
    if (to == x->o.rank || path->lost || !create(x, to))
        return 0;
    struct offer o = {.layout = LAYOUT,
                      .mtu = x->device.mtu,
                      .qpn = p->qp->qp_num,
                      .psn = p->psn,
                      .id = p->id,
                      .bound = p->bound,
                      .frame = (uint32_t)x->o.frame,
                      .gid = x->device.gid};
    memcpy(out, &o, sizeof o);
    return sizeof o;
}

/* It comes from the address that the job says, or not at all. */
static bool is_sound(const struct pxi_verbs_path *x, unsigned from, const struct offer *o)
{
    union ibv_gid gid = pxi_verbs_gid(x->o.peers[from].ip);
    return o->layout == LAYOUT && o->mtu >= IBV_MTU_256 && o->mtu <= IBV_MTU_4096 && o->qpn < QPN &&
           o->psn < QPN && o->id && o->frame == x->o.frame &&
           memcmp(&o->gid, &gid, sizeof gid) == 0;
}

void pxi_verbs_meet(struct pxi_path *path, unsigned from, px_view offer)
{
    struct pxi_verbs_path *x = of(path);
    struct pxi_verbs_peer *p = &x->peers[from];
    struct offer o;
    if (from == x->o.rank || path->lost)
        return;
    if (offer.n == sizeof o)
        memcpy(&o, offer.p, sizeof o);
    if (offer.n != sizeof o || !is_sound(x, from, &o)) {
        path->counts.refused++;
        return;
    }
    if (p->bound && p->bound != o.id)
        pxi_verbs_drop(x, from);
    if (!create(x, from))
        return;
    if (!p->bound && (!o.bound || o.bound == p->id) && !bind_to(x, from, &o)) {
        path->counts.refused++;
        pxi_verbs_drop(x, from);
    } else if (p->bound == o.id && o.bound == p->id) {
        pxi_verbs_knock(x, from);
    }
}
