/* The 12-byte header of a yamux frame (libp2p yamux specification) and what makes one valid. */
#ifndef PXI_CODEC_YAMUX_H
#define PXI_CODEC_YAMUX_H

#include <stdbool.h>

#include "plexus/err.h"
#include "plexus/view.h"

enum { PXI_YAMUX_HEADER = 12, PXI_YAMUX_WINDOW = 256 * 1024 };

enum pxi_yamux_type { PXI_YAMUX_DATA, PXI_YAMUX_UPDATE, PXI_YAMUX_PING, PXI_YAMUX_GO_AWAY };

enum { PXI_YAMUX_SYN = 1, PXI_YAMUX_ACK = 2, PXI_YAMUX_FIN = 4, PXI_YAMUX_RST = 8 };

/* Reasons of a go-away. */
enum { PXI_YAMUX_NORMAL, PXI_YAMUX_PROTOCOL, PXI_YAMUX_INTERNAL };

struct pxi_yamux_header {
    uint8_t type;
    uint16_t flags;
    uint32_t stream; /* 0 for pings and go-aways */
    uint32_t length; /* bytes of data, window delta, value of a ping, reason of a go-away */
};

void pxi_yamux_put(uint8_t out[PXI_YAMUX_HEADER], const struct pxi_yamux_header *h);

/* Read and check a header: version 0, a known type, known flags, a stream id where the type wants
 * one and none where it does not, a known reason (or a libp2p error code, 0x1000
 * and above). PX_ERR_VERSION, PX_ERR_CORRUPT; offset and field
 * of the diagnosis are inside the header. Anything else than PX_ERR_OK ends the session with
 * PXI_YAMUX_PROTOCOL. */
px_err pxi_yamux_get(const uint8_t in[PXI_YAMUX_HEADER], struct pxi_yamux_header *h, px_diag *d);

/* Whether the remote may open this stream: the dialer has the odd numbers. */
static inline bool pxi_yamux_may_open(uint32_t stream, bool remote_dialed)
{
    return (stream & 1) == (remote_dialed ? 1u : 0u);
}

#endif
