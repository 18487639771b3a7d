/* The packets of a training through the aggregator in the kernel, by BPF_PROG_TEST_RUN: nothing is
 * attached, and the frames are as they would come from a device. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/mem.h"
#include "io/xdp.h"
#include "kernel/kernel.h"
#include "node/poison.h"

enum { BEFORE = 42, PORT = 9999, GROUP_PORT = 9998, ROOM = 1024, JOB = 0 };

struct pxi_poison_kernel {
    struct pxi_xdp *xdp;
    pxi_tag_nh *nh;
    struct pxi_tag_key keys[PX_GRADIENT_WORKERS];
    uint8_t in[ROOM], out[ROOM];
};

px_err pxi_poison_kernel_new(const struct pxi_poison_kernel_options *o,
                             struct pxi_poison_kernel **out, px_diag *diag)
{
    static const uint8_t secrets[PXI_BPF_MEMBERS][PXI_TAG_SECRET];
    struct pxi_xdp_options x = {.port = PORT,
                                .values = PXI_POISON_CHUNK,
                                .jobs = 1,
                                .slots = o->slots,
                                .chunks = o->chunks,
                                .sentry = o->rule};
    struct pxi_xdp_job j = {.job = JOB,
                            .slots = o->slots,
                            .values = PXI_POISON_CHUNK,
                            .fan_in = (uint8_t)o->n,
                            .members = o->n == 64 ? UINT64_MAX : (UINT64_C(1) << o->n) - 1,
                            .quorum = o->n / 2 + 1,
                            .deadline_ns = o->deadline_ns,
                            .chunks = o->chunks,
                            .group_address = htonl(0xef000001),
                            .group_port = GROUP_PORT,
                            .secrets = secrets};
    struct pxi_poison_kernel *k = pxi_calloc(1, sizeof *k);
    *out = k;
    if (!k)
        return PX_ERR_NOMEM;
    k->nh = o->nh;
    for (unsigned i = 0; i < PX_GRADIENT_WORKERS; i++)
        pxi_tag_key_init(&k->keys[i], secrets[i]);
    px_err err = pxi_xdp_open(&x, &k->xdp, diag);
    if (!err)
        err = pxi_xdp_begin(k->xdp, &j, diag);
    if (!err)
        return err;
    pxi_poison_kernel_free(k);
    *out = NULL;
    return err;
}

void pxi_poison_kernel_free(struct pxi_poison_kernel *k)
{
    if (!k)
        return;
    pxi_xdp_close(k->xdp);
    pxi_free(k);
}

static void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Ethernet, IPv4 and UDP before a packet of a worker, and its tag. */
static size_t wrap(struct pxi_poison_kernel *k, unsigned worker, px_view packet)
{
    uint8_t *f = k->in;
    size_t n = BEFORE + packet.n;
    memset(f, 0, BEFORE);
    put16(f + 12, 0x0800);
    f[14] = 0x45;
    put16(f + 16, n - 14);
    f[23] = 17;
    put16(f + 34, 5000);
    put16(f + 36, PORT);
    put16(f + 38, n - 34);
    memcpy(f + BEFORE, packet.p, packet.n);
    pxi_tag_put(&k->keys[worker], k->nh, f + BEFORE, packet.n);
    return n;
}

enum pxi_slots_to pxi_poison_kernel_take(struct pxi_poison_kernel *k, unsigned worker,
                                         px_view packet, uint64_t now_ns,
                                         struct pxi_slots_answer *a)
{
    size_t out_n = sizeof k->out;
    if (BEFORE + packet.n > sizeof k->in)
        return PXI_SLOTS_NOBODY;
    size_t n = wrap(k, worker, packet);
    pxi_xdp_clock(k->xdp, JOB, 0, now_ns);
    if (pxi_xdp_run(k->xdp, k->in, n, k->out, &out_n, 1, NULL) != XDP_TX || out_n < BEFORE)
        return PXI_SLOTS_NOBODY;
    *a = (struct pxi_slots_answer){k->out + BEFORE, out_n - BEFORE};
    return k->out[36] == GROUP_PORT >> 8 && k->out[37] == (GROUP_PORT & 255) ? PXI_SLOTS_ALL
                                                                             : PXI_SLOTS_SENDER;
}
