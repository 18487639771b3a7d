/* What the node keeps of publish and subscribe: the router, and messages that wait to be read. */
#ifndef PXI_NODE_PUBSUB_H
#define PXI_NODE_PUBSUB_H

#include "net/gossip.h"

/* Messages of all topics that were joined by a command, the newest INBOX of them. */
struct pxi_pubsub;

struct pxi_pubsub *pxi_pubsub_new(struct pxi_host *h, bool unsigned_only);
void pxi_pubsub_free(struct pxi_pubsub *p);
struct pxi_gossip *pxi_pubsub_router(struct pxi_pubsub *p);

/* The i-th message of a topic that is still kept, oldest first; NULL past the end. */
struct pxi_pubsub_message {
    struct pxi_list link;
    struct pxi_peer from;
    size_t topic_n, data_n;
    uint8_t bytes[]; /* topic, then data */
};
const struct pxi_pubsub_message *pxi_pubsub_get(const struct pxi_pubsub *p, px_view topic,
                                                unsigned i);

#endif
