/* Jobs over libp2p: the node that offers some, and workers of this machine that join some here or
 * elsewhere (reduce/muster.h, codec/muster.h). */
#ifndef PXI_NODE_MUSTERING_H
#define PXI_NODE_MUSTERING_H

#include "node/node_impl.h"
#include "reduce/muster.h"

struct pxi_mustering;

/* Serve the protocol on the host of a node. NULL: no memory. Free it before the host. */
struct pxi_mustering *pxi_mustering_new(px_node *n);
void pxi_mustering_free(struct pxi_mustering *g);

struct pxi_muster *pxi_mustering_muster(struct pxi_mustering *g);

/* A worker that joins: here, or at the node of a connection. heard: orders; with
 * PXI_MUSTER_REFUSED, or NULL when the other side is gone, it is the last. Not from inside. */
struct pxi_joining {
    void (*heard)(struct pxi_joining *j, const struct pxi_muster_order *o, px_err why);
    struct pxi_seat *seat;
    uint8_t name[PXI_MUSTER_NAME], name_n;
    struct pxi_maddr address;
};
px_err pxi_joining_start(struct pxi_joining *j, struct pxi_mustering *g, struct pxi_conn *at,
                         const struct pxi_muster_join *join);
/* A worker of ours, known by its name and address, says which ranks were late (pxi_muster_late).
 * PX_ERR_NOT_FOUND, PX_ERR_LIMIT: its stream is full. */
px_err pxi_mustering_late(struct pxi_mustering *g, const struct pxi_muster_join *who);
/* Leave; nothing is heard any more. Harmless when it is over. */
void pxi_joining_end(struct pxi_joining *j);

#endif
