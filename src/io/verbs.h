/*
 * libibverbs, where it is: its calls, and the device that has an address of ours. It is loaded when
 * it is first asked for (libibverbs.so.1), stays, and is not needed to start; what is inline in its
 * header needs no loading. Only built where that header is.
 */
#ifndef PXI_IO_VERBS_H
#define PXI_IO_VERBS_H

#include <infiniband/verbs.h>
#include <stdbool.h>

#include "net/quic.h"

#define PXI_VERBS_CALLS(X)                                                                         \
    X(get_device_list)                                                                             \
    X(free_device_list)                                                                            \
    X(get_device_name)                                                                             \
    X(open_device)                                                                                 \
    X(close_device)                                                                                \
    X(alloc_pd)                                                                                    \
    X(dealloc_pd)                                                                                  \
    X(reg_mr)                                                                                      \
    X(dereg_mr)                                                                                    \
    X(create_comp_channel)                                                                         \
    X(destroy_comp_channel)                                                                        \
    X(create_cq)                                                                                   \
    X(destroy_cq)                                                                                  \
    X(get_cq_event)                                                                                \
    X(ack_cq_events)                                                                               \
    X(create_qp)                                                                                   \
    X(modify_qp)                                                                                   \
    X(destroy_qp)                                                                                  \
    X(get_async_event)                                                                             \
    X(ack_async_event)

/* The calls, without their prefix, as their header declares them. */
struct pxi_verbs {
#define PXI_VERBS_CALL(name) __typeof__(ibv_##name) *name;
    PXI_VERBS_CALLS(PXI_VERBS_CALL)
#undef PXI_VERBS_CALL
    __typeof__(_ibv_query_gid_table) *query_gid_table;
    unsigned devices; /* when it was loaded */
};

/* NULL: there is none, or it is older than 2020. Any thread. */
const struct pxi_verbs *pxi_verbs_load(void);

struct pxi_verbs_device {
    struct ibv_context *context;
    uint8_t port, mtu; /* mtu: enum ibv_mtu */
    uint8_t gid_index;
    union ibv_gid gid; /* IPv4-mapped */
};

/* ::ffff:a.b.c.d */
union ibv_gid pxi_verbs_gid(const uint8_t ip[4]);

/* Open the device with a port that is active and has this address (RoCE v2). False: none has, and
 * `why` says it in one line. Close it by close_device. */
bool pxi_verbs_find(const struct pxi_verbs *v, const struct pxi_udp_addr *local,
                    struct pxi_verbs_device *out, char *why, size_t cap);
/* Whether the address is where it was. */
bool pxi_verbs_has(const struct pxi_verbs *v, const struct pxi_verbs_device *d);

#endif
