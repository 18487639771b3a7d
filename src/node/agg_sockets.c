/* The kernel's aggregator without its program: when the link is gone (its device, the helper, who
 * detached it), a UDP socket at the same port goes on from the state that lies in the maps. */
#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "codec/gradient.h"
#include "io/udp.h"
#include "node/agg_impl.h"
#include "reduce/group.h"
#include "reduce/slots.h"

enum { AGGREGATOR = 64, ROUNDS = 16 };

struct pxi_agg_sockets {
    struct pxi_agg *of;
    struct pxi_udp udp;
    uv_poll_t poll;
    struct pxi_slots *slots;
    uint8_t *frames, *in;
    struct pxi_udp_addr to[PX_GRADIENT_WORKERS]; /* of sums for all */
    unsigned to_n;
    uint32_t addresses[PX_GRADIENT_WORKERS];
    struct pxi_tag_key keys[PXI_BPF_MEMBERS];
    uint64_t bad[PX_GRADIENT_DROPS];
};

static void send_to(struct pxi_agg_sockets *s, const struct pxi_udp_addr *to,
                    const struct pxi_slots_answer *a)
{
    struct pxi_udp_out o = {.bytes = a->bytes, .n = a->n, .segment = a->n, .remote = *to};
    pxi_udp_send(&s->udp, &o); /* what the socket does not take is asked for again */
}

/* Whose it is: the address and the tag, as in the kernel. */
static bool proven(struct pxi_agg_sockets *s, const struct px_gradient_head *h, px_view datagram,
                   const struct pxi_udp_addr *from)
{
    uint32_t address;
    memcpy(&address, from->ip, sizeof address);
    if (h->worker >= PX_GRADIENT_WORKERS ||
        (s->addresses[h->worker] && s->addresses[h->worker] != address)) {
        s->bad[PX_GRADIENT_DROP_SOURCE]++;
        return false;
    }
    if (pxi_tag_right(&s->keys[h->worker], s->of->kernels.tag_nh, datagram.p, datagram.n))
        return true;
    s->bad[PX_GRADIENT_DROP_TAG]++;
    return false;
}

static void take(struct pxi_agg_sockets *s, px_view datagram, const struct pxi_udp_addr *from)
{
    struct px_gradient_head h;
    enum px_gradient_drop why;
    px_view values;
    struct pxi_slots_answer a;
    if (!pxi_gradient_read(datagram, &h, &values, &why)) {
        s->bad[why]++;
        return;
    }
    if (h.kind != PX_GRADIENT_CONTRIBUTION || !proven(s, &h, datagram, from))
        return;
    enum pxi_slots_to to = pxi_slots_take(s->slots, &h, values, pxi_clock_ns(), &a);
    if (to == PXI_SLOTS_NOBODY)
        return;
    pxi_tag_put(&s->keys[PXI_BPF_MEMBERS - 1], s->of->kernels.tag_nh, a.bytes, a.n);
    if (to == PXI_SLOTS_SENDER)
        send_to(s, from, &a);
    for (unsigned i = 0; i < s->to_n && to == PXI_SLOTS_ALL; i++)
        send_to(s, &s->to[i], &a);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct pxi_agg_sockets *s = p->data;
    struct pxi_udp_in in[PXI_UDP_READ];
    unsigned n = PXI_UDP_READ;
    pxi_loop_now(s->of->loop);
    for (unsigned round = 0; round < ROUNDS && n == PXI_UDP_READ; round++) {
        n = pxi_udp_receive(&s->udp, s->in, in);
        for (unsigned i = 0; i < n; i++) {
            size_t step = in[i].segment ? in[i].segment : in[i].n;
            for (size_t at = 0; at < in[i].n; at += step) {
                size_t left = in[i].n - at;
                take(s, px_view_of(in[i].bytes + at, left < step ? left : step), &in[i].remote);
            }
        }
    }
}

/* --------------------------------------------------------------- opening */

static struct pxi_udp_addr address_of(uint32_t address, unsigned port)
{
    struct pxi_udp_addr a = {.family = 4, .port = (uint16_t)port};
    memcpy(a.ip, &address, sizeof address);
    return a;
}

static void find_workers(struct pxi_agg_sockets *s)
{
    const px_agg_options *o = &s->of->o;
    struct in_addr group;
    uint8_t secret[PXI_GROUP_SECRET];
    for (unsigned i = 0; i < o->worker_count; i++) {
        struct in_addr a = {0};
        inet_pton(AF_INET, o->workers[i], &a);
        s->addresses[i] = a.s_addr;
        s->to[i] = address_of(a.s_addr, o->group_port);
    }
    s->to_n = o->worker_count;
    if (o->group && inet_pton(AF_INET, o->group, &group) == 1) {
        s->to[0] = address_of(group.s_addr, o->group_port);
        s->to_n = 1;
    }
    for (unsigned i = 0; i < PXI_BPF_MEMBERS; i++) {
        pxi_group_secret(o->secret, i, AGGREGATOR, secret);
        pxi_tag_key_init(&s->keys[i], secret);
    }
    explicit_bzero(secret, sizeof secret);
}

/* The machine of slots where the program left off. */
static bool resume(struct pxi_agg_sockets *s, const struct pxi_bpf_job *j)
{
    struct pxi_slots_options o = {.job = j->job,
                                  .epoch = j->epoch,
                                  .shard = j->shard,
                                  .format = j->format,
                                  .base = j->base,
                                  .slots = j->slots,
                                  .values = j->values,
                                  .fan_in = j->fan_in,
                                  .members = j->members,
                                  .quorum = j->quorum,
                                  .deadline_ns = j->deadline_ns,
                                  .slack_ns = j->slack_ns,
                                  .chunks = j->chunks,
                                  .kernels = &s->of->kernels};
    s->frames = pxi_calloc_aligned(2 * (size_t)j->slots * pxi_slots_stride(j->values), 64);
    o.frames = s->frames;
    s->slots = s->frames ? pxi_slots_new(&o) : NULL;
    for (uint32_t i = 0; s->slots && i < 2 * j->slots; i++) {
        const struct pxi_bpf_version *v = pxi_xdp_version(s->of->xdp, j->first_version + i);
        if (!v || !pxi_slots_resume(s->slots, j, v))
            return false;
    }
    return s->slots != NULL;
}

static bool open_socket(struct pxi_agg_sockets *s)
{
    struct in_addr own = {0};
    if (s->of->o.address && inet_pton(AF_INET, s->of->o.address, &own) != 1)
        return false;
    struct pxi_udp_addr at = address_of(own.s_addr, s->of->o.port);
    if (pxi_udp_open(&s->udp, &at) != PX_ERR_OK)
        return false;
    uv_poll_init(pxi_loop_uv(s->of->loop), &s->poll, s->udp.fd);
    s->poll.data = s;
    uv_poll_start(&s->poll, UV_READABLE, on_readable);
    return true;
}

bool pxi_agg_sockets_open(struct pxi_agg *a)
{
    const struct pxi_bpf_job *j = pxi_xdp_job(a->xdp, a->o.job, 0);
    bool judged = strcmp(a->o.sentry, "none") != 0;
    struct pxi_agg_sockets *s = j && !judged ? pxi_calloc(1, sizeof *s) : NULL;
    if (!s)
        return false;
    s->of = a;
    s->udp.fd = -1;
    pxi_kernels_init(&a->kernels, pxi_cpu_detect());
    s->in = pxi_calloc_aligned((size_t)PXI_UDP_READ * PXI_UDP_BATCH, 64);
    find_workers(s);
    if (s->in && resume(s, j) && open_socket(s)) {
        a->sockets = s;
        return true;
    }
    pxi_agg_sockets_free(s);
    return false;
}

void pxi_agg_sockets_save(const struct pxi_agg_sockets *s)
{
    struct pxi_xdp *x = s->of->xdp;
    struct pxi_bpf_job *j = pxi_xdp_job(x, s->of->o.job, 0);
    struct pxi_bpf_version *versions[2 * PXI_LIMIT_REDUCE_SLOTS];
    for (uint32_t i = 0; i < 2 * j->slots; i++)
        versions[i] = pxi_xdp_version(x, j->first_version + i);
    pxi_slots_save(s->slots, j, versions, pxi_clock_ns());
}

static void on_closed(uv_handle_t *h)
{
    pxi_agg_sockets_free(h->data);
}

void pxi_agg_sockets_retire(struct pxi_agg_sockets *s)
{
    pxi_agg_sockets_count(s, &s->of->past);
    s->of->sockets = NULL;
    uv_poll_stop(&s->poll);
    pxi_udp_close(&s->udp); /* its port is needed at once */
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

void pxi_agg_sockets_stop(struct pxi_agg_sockets *s)
{
    uv_close((uv_handle_t *)&s->poll, NULL);
}

void pxi_agg_sockets_free(struct pxi_agg_sockets *s)
{
    if (!s)
        return;
    pxi_udp_close(&s->udp);
    pxi_slots_free(s->slots);
    pxi_free_aligned(s->frames);
    pxi_free_aligned(s->in);
    explicit_bzero(s->keys, sizeof s->keys);
    pxi_free(s);
}

void pxi_agg_sockets_count(const struct pxi_agg_sockets *s, struct pxi_bpf_counts *c)
{
    const struct pxi_slots_counts *k = pxi_slots_counts(s->slots);
    c->packets += k->packets;
    c->added += k->added;
    c->finished += k->finished;
    c->closed += k->closed;
    c->again += k->again;
    for (unsigned i = 0; i < PX_GRADIENT_DROPS; i++) {
        c->packets += s->bad[i];
        c->drops[i] += k->drops[i] + s->bad[i];
    }
}
