/*
 * Faults on purpose, for tests and benchmarks: at the entry of an interface UDP datagrams are lost,
 * doubled, or get a bit flipped in their payload. What happens to a datagram follows from the seed
 * and its number, so that a run can be repeated.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/faults.h"

enum { COPY = 0x70784658, PAYLOAD = 42, OF = 10000 }; /* the mark of a copy; behind eth, ip, udp */

const volatile struct px_faults_plan plan;
struct px_faults_done done;
__u64 number;

static __always_inline __u32 draw(__u64 n, __u32 salt)
{
    __u64 x = (n + 1) * 0x9e3779b97f4a7c15u + ((__u64)plan.seed << 32 | salt);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (__u32)(x >> 33);
}

static __always_inline void flip(struct __sk_buff *skb, __u64 n)
{
    __u8 byte;
    __u32 at;
    if (skb->len <= PAYLOAD)
        return;
    at = PAYLOAD + draw(n, 4) % (skb->len - PAYLOAD);
    if (bpf_skb_load_bytes(skb, at, &byte, 1))
        return;
    byte ^= 1 << (draw(n, 5) & 7);
    if (bpf_skb_store_bytes(skb, at, &byte, 1, 0) == 0)
        __sync_fetch_and_add(&done.flipped, 1);
}

SEC("tc")
int faults(struct __sk_buff *skb)
{
    struct iphdr ip;
    if (skb->mark == COPY || skb->protocol != bpf_htons(ETH_P_IP) ||
        bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof ip) || ip.protocol != IPPROTO_UDP)
        return TC_ACT_OK;
    __u64 n = __sync_fetch_and_add(&number, 1);
    __sync_fetch_and_add(&done.seen, 1);
    if (draw(n, 1) % OF < plan.lose) {
        __sync_fetch_and_add(&done.lost, 1);
        return TC_ACT_SHOT;
    }
    if (draw(n, 2) % OF < plan.twice) {
        skb->mark = COPY;
        if (bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS) == 0)
            __sync_fetch_and_add(&done.doubled, 1);
        skb->mark = 0;
    }
    if (draw(n, 3) % OF < plan.flip)
        flip(skb, n);
    return TC_ACT_OK;
}

char dual[] SEC("license") = "Dual MIT/GPL";
