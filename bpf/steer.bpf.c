/*
 * Datagrams to one UDP address go to the AF_XDP socket of their queue (src/io/path_xsk.c). All else
 * passes untouched, and so do they where a queue has no socket.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/steer.h"

const volatile struct pxi_steer_chosen chosen;

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 64);
    __uint(key_size, 4);
    __uint(value_size, 4);
} sockets SEC(".maps");

SEC("xdp")
int px_steer(struct xdp_md *ctx)
{
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = (void *)(long)ctx->data;
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);
    if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || *(__u8 *)ip != 0x45 ||
        ip->protocol != IPPROTO_UDP || (ip->frag_off & bpf_htons(0x3fff)) ||
        ip->daddr != chosen.address || udp->dest != chosen.port)
        return XDP_PASS;
    return (int)bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

char dual[] SEC("license") = "Dual MIT/GPL";
