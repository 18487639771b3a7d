/*
 * Programs of somebody else: they count packets to the port of a test's job and others, and pass
 * all. One runs before ours in libxdp's dispatcher, one behind it, and one has the dispatcher's
 * name.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { PORT = 47900 };

/* 0: of the job, 1: others. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

#ifdef DISPATCHER
#define COUNT xdp_dispatcher
#else
#define COUNT px_count
#endif

/* Read by libxdp. */
struct {
#ifdef BEHIND
    __uint(priority, 60);
#else
    __uint(priority, 5);
#endif
    __uint(XDP_PASS, 1);
} _px_count SEC(".xdp_run_config");

SEC("xdp")
int COUNT(struct xdp_md *ctx)
{
    const struct ethhdr *eth = (void *)(long)ctx->data;
    const struct iphdr *ip = (void *)(eth + 1);
    const struct udphdr *udp = (void *)(ip + 1);
    __u32 at = 1;
    __u64 *n;
    if ((void *)(udp + 1) <= (void *)(long)ctx->data_end && eth->h_proto == bpf_htons(ETH_P_IP) &&
        ip->protocol == IPPROTO_UDP && udp->dest == bpf_htons(PORT))
        at = 0;
    n = bpf_map_lookup_elem(&seen, &at);
    if (n)
        __sync_fetch_and_add(n, 1);
    return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
