/*
 * What of the aggregator is in libxdp's dispatcher (src/io/xdp_join.c): it goes on to the program
 * in `held`, and passes what comes when there is none. The kernel empties such a map when the last
 * process that has it ends, so the gate of one that was killed lets all pass. Its run priority:
 * behind filters (xdp-filter has 10), before AF_XDP sockets, which take whatever comes (libxdp's
 * program for them has 20), and all that name none (50).
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} held SEC(".maps");

/* Read by libxdp: on XDP_PASS the next component is called. */
struct {
    __uint(priority, 15);
    __uint(XDP_PASS, 1);
} _px_gate SEC(".xdp_run_config");

SEC("xdp")
int px_gate(struct xdp_md *ctx)
{
    bpf_tail_call(ctx, &held, 0);
    return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
