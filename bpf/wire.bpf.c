/*
 * The wire of `plexus bench agg`: a sender whose frames come from no socket (live frames of
 * BPF_PROG_TEST_RUN, redirected to a device), and what stands at the two ends of it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/reduce.h"
#include "bpf/wire.h"

#define INLINE  static inline __attribute__((always_inline))
#define HELD(x) asm volatile("" : "+r"(x))

struct pxi_wire_run run;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PXI_WIRE_PACKETS);
    __type(key, __u32);
    __type(value, struct pxi_wire_packet);
} packets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 8 * PXI_WIRE_WORDS);
} values SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

/* The counters of the aggregator that is measured: its packets. The sender runs on its processor.
 */
struct counters {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, sizeof(struct pxi_bpf_counts));
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct counters);
} counted SEC(".maps");

INLINE __u64 taken(void)
{
    __u32 zero = 0;
    void *counters = run.counted ? bpf_map_lookup_elem(&counted, &zero) : NULL;
    const struct pxi_bpf_counts *c = counters ? bpf_map_lookup_elem(counters, &zero) : NULL;
    return c ? *(volatile const __u64 *)&c->packets - run.before : *(volatile __u64 *)&run.answered;
}

/* No more packets are on their way than the device holds. */
INLINE int may(void)
{
    if (run.sent < taken() + PXI_WIRE_AHEAD)
        return 1;
    run.waited++;
    return 0;
}

/* Values stay in a frame from the last time, unless a sum was written over them. */
INLINE void put_values(__u8 *p, const __u8 *end)
{
    __u32 zero = 0, n = run.words;
    const __u64 *from = bpf_map_lookup_elem(&values, &zero);
    if (!from || p + 8 > end || *(__u64 *)p == *from)
        return;
    for (__u32 i = 0; i < PXI_WIRE_WORDS && i < n; i++) {
        if (p + 8 > end)
            return;
        *(__u64 *)p = *from;
        p += 8;
        from++;
        HELD(p);
        HELD(from);
    }
}

SEC("xdp")
int px_wire_send(struct xdp_md *ctx)
{
    __u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 at = run.sent;
    if (at >= run.packets || p + PXI_WIRE_HEAD > end)
        return XDP_DROP;
    const struct pxi_wire_packet *packet = bpf_map_lookup_elem(&packets, &at);
    if (!packet || !may())
        return XDP_DROP;
    __builtin_memcpy(p, packet->head, PXI_WIRE_HEAD);
    if (!run.still)
        put_values(p + PXI_WIRE_HEAD, end);
    run.sent++;
    return bpf_redirect(run.device, 0);
}

/* The other end, where sums come back. */
SEC("xdp")
int px_wire_heard(struct xdp_md *ctx)
{
    const __u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    const struct px_gradient_head *h = (const void *)(p + PXI_WIRE_BEFORE);
    if (p + PXI_WIRE_HEAD > end || h->magic != PX_GRADIENT_MAGIC || h->kind != PX_GRADIENT_RESULT)
        return XDP_PASS;
    run.heard++;
    return XDP_DROP;
}

/* The least that a program can do. */
SEC("xdp")
int px_wire_drop(struct xdp_md *ctx)
{
    run.answered++;
    return XDP_DROP;
}

/* Ours go to the socket of AF_XDP. */
SEC("xdp")
int px_wire_socket(struct xdp_md *ctx)
{
    const __u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    const struct px_gradient_head *h = (const void *)(p + PXI_WIRE_BEFORE);
    if (p + PXI_WIRE_HEAD > end || h->magic != PX_GRADIENT_MAGIC)
        return XDP_PASS;
    return bpf_redirect_map(&sockets, 0, XDP_PASS);
}

char dual[] SEC("license") = "Dual MIT/GPL";
