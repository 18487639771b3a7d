/*
 * Who offers work, beyond the peers that are connected: each node that does publishes a record in
 * the DHT, signed, under its own key (infer/capability.h), tells under one key that it did, and
 * looks for the records of others. docs/internals/infer.md.
 */
#ifndef PXI_NODE_BOARD_H
#define PXI_NODE_BOARD_H

#include "node/node_impl.h"

struct pxi_board;

/* Publish and look until freed; after the DHT and the pipeline, freed before them. NULL: no memory.
 */
struct pxi_board *pxi_board_new(px_node *n);
void pxi_board_free(struct pxi_board *b);
/* Something was loaded or unloaded, or somebody wants to know who there is: soon, not at the next
 * turn. b may be NULL. */
void pxi_board_look(struct pxi_board *b);

/* The i-th peer with a record that has not expired; false past the end. Its addresses are in the
 * peerstore. b may be NULL. */
struct pxi_board_row {
    struct pxi_peer peer;
    px_view record;     /* of infer/capability.h; borrowed until the loop goes on */
    uint64_t expires_s; /* wall clock */
};
bool pxi_board_at(const struct pxi_board *b, unsigned i, struct pxi_board_row *out);

#endif
