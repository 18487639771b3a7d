/* NAT-PMP (RFC 6886): requests to a gateway and its answers, as pure functions. */
#ifndef PXI_NET_NATPMP_H
#define PXI_NET_NATPMP_H

#include "plexus/err.h"
#include "plexus/view.h"

enum { PXI_NATPMP_PORT = 5351, PXI_NATPMP_REQUEST = 12, PXI_NATPMP_RESPONSE = 16 };
enum pxi_natpmp_op { PXI_NATPMP_ADDRESS, PXI_NATPMP_UDP, PXI_NATPMP_TCP };

struct pxi_natpmp_answer {
    enum pxi_natpmp_op op;
    uint16_t result; /* 0: success */
    uint32_t epoch_s, lifetime_s;
    uint8_t ip[4]; /* of ADDRESS */
    uint16_t inside, outside;
};

/* Write a request; returns its bytes (2 or 12). lifetime_s 0 deletes the mapping. */
size_t pxi_natpmp_request(uint8_t out[PXI_NATPMP_REQUEST], enum pxi_natpmp_op op, uint16_t inside,
                          uint16_t outside, uint32_t lifetime_s);
/* Read an answer. PX_ERR_CORRUPT: not one. A lifetime is clamped to a day. */
px_err pxi_natpmp_read(px_view in, struct pxi_natpmp_answer *out);

#endif
