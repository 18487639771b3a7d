/* What user space tells bpf/steer.bpf.c before it is loaded. */
#ifndef PX_BPF_STEER_H
#define PX_BPF_STEER_H

#include <linux/types.h>

struct pxi_steer_chosen {
    __u32 address; /* network order */
    __u16 port;    /* network order */
};

#endif
