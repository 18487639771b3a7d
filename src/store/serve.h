/*
 * /plexus/shard/1, the serving side: ranges of blobs with the hashes that prove them. One request
 * after the other on a stream; what a slow reader has not asked for waits with the reader. Wire
 * format: docs/formats/manifest.md.
 */
#ifndef PXI_STORE_SERVE_H
#define PXI_STORE_SERVE_H

#include "net/host.h"
#include "store/store.h"

#define PXI_SHARD_PROTOCOL "/plexus/shard/1"

struct pxi_shard_server;

/* Serve until freed; the host and the store outlive it. NULL: no memory, or served already. */
struct pxi_shard_server *pxi_shard_server_new(struct pxi_host *h, struct pxi_store *s);
void pxi_shard_server_free(struct pxi_shard_server *v);

struct pxi_shard_served {
    unsigned streams;
    uint64_t requests, refused, bytes; /* bytes of groups */
};
struct pxi_shard_served pxi_shard_served_of(const struct pxi_shard_server *v);

#endif
