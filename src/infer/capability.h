/*
 * What a peer can do for models: memory, speed, the slices that it serves already, and how far
 * others are from it. Told in replies of /plexus/offer/1, and published in the DHT as a signed
 * record under the peer's own key, /plexus/<peer>/work: docs/internals/infer.md.
 */
#ifndef PXI_INFER_CAPABILITY_H
#define PXI_INFER_CAPABILITY_H

#include "codec/pb.h"

#define PXI_CAPABILITY_KEY "work"

enum { PXI_SERVED_MAX = 16, PXI_LINKS_MAX = 16, PXI_CAPABILITY_ADDRS = 8 };

/* A slice that is loaded. */
struct pxi_msg_served {
    px_view model;
    uint64_t first, last, embed, output;
    uint64_t positions, slots, sessions; /* of a session; sessions at once; those that there are */
};
/* Another peer, as seen from this one. */
struct pxi_msg_link {
    px_view peer;
    uint64_t rtt_us;
};
struct pxi_msg_capability {
    uint64_t version, memory, rate;
    struct pxi_pb_list served; /* struct pxi_msg_served */
    struct pxi_pb_list links;  /* struct pxi_msg_link */
    struct pxi_pb_list addrs;  /* px_view: binary multiaddrs */
};
extern const struct pxi_pb_message pxi_pb_served, pxi_pb_link, pxi_pb_capability;

/* The value of a record. Decoding checks the version and the ranges; what it gives points into `in`
 * and the arena. PX_ERR_VERSION, PX_ERR_CORRUPT, and those of pxi_pb_decode. */
px_err pxi_capability_encode(const struct pxi_msg_capability *m, struct pxi_buf *out);
px_err pxi_capability_decode(px_view in, struct pxi_arena *a, struct pxi_msg_capability *out);

#endif
