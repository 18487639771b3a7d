/*
 * Commands to a node: a JSON object with "op" and "id" comes in over a channel, one reply with the
 * same goes out, some time later; many run at once. The table of operations is in ops.c.
 */
#ifndef PXI_NODE_CALL_H
#define PXI_NODE_CALL_H

#include <jansson.h>

#include "codec/cid.h"
#include "net/host.h"
#include "node/node_impl.h"

/* One command in flight. */
struct pxi_call {
    px_node *node;
    struct pxi_list link;        /* in node->calls */
    struct pxi_channel *channel; /* NULL once it closed: the reply goes nowhere */
    bool ends_with_channel;      /* it is ended then instead */
    json_t *in;
    const char *op;
    uint64_t started_ns;
    void *state; /* of the operation; `drop` frees it */
    void (*drop)(struct pxi_call *c);
    struct pxi_reach reach;
    void (*met)(struct pxi_call *c, struct pxi_conn *conn);
    struct pxi_timer timer;
    uint64_t deadline_ns;
    bool (*ready)(struct pxi_call *c, json_t *out);
};

struct pxi_op {
    const char *name;
    void (*run)(struct pxi_call *c);
};
/* Tables of operations, each ended by a NULL name. */
extern const struct pxi_op pxi_ops_node[], pxi_ops_peer[], pxi_ops_stream[], pxi_ops_dht[],
    pxi_ops_gossip[], pxi_ops_store[], pxi_ops_swarm[], pxi_ops_infer[], pxi_ops_invite[],
    pxi_ops_drain[], pxi_ops_ps[], pxi_ops_reduce[];

/* Run the command of a line. */
void pxi_call_line(px_node *n, struct pxi_channel *from, const char *text, size_t length);
/* Reply {"id","op","ok":true} and the fields of `out` (stolen, may be NULL); ends the call. */
void pxi_call_ok(struct pxi_call *c, json_t *out);
/* Reply {"id","op","ok":false,"error","code"}; why may be NULL. Ends the call. */
void pxi_call_fail(struct pxi_call *c, px_err err, const char *why);
/* Tell {"id","op","progress":true} and the fields of `out` (stolen) on the way. */
void pxi_call_progress(struct pxi_call *c, json_t *out);
/* End a call without a reply. */
void pxi_call_end(struct pxi_call *c);

/* Fields of the command, or a default. */
const char *pxi_call_text(const struct pxi_call *c, const char *name);
uint64_t pxi_call_uint(const struct pxi_call *c, const char *name, uint64_t def);
bool pxi_call_true(const struct pxi_call *c, const char *name);
/* The peer named by "peer" (a peer id); false after the call was failed. */
bool pxi_call_peer(struct pxi_call *c, struct pxi_peer *out);
/* The CID of "cid", or of the bytes of "data" under "hash" (sha256, blake3); false after failing.
 */
bool pxi_call_cid(struct pxi_call *c, struct pxi_cid *out);
/* Milliseconds since the command came, or since another moment. */
double pxi_call_ms(const struct pxi_call *c);
double pxi_ms_since(px_node *n, uint64_t start_ns);

/* Get a connection to "peer", or to the address "addr" (force: a new one), then call met; the call
 * fails by itself when there is none. */
void pxi_call_meet(struct pxi_call *c, bool force,
                   void (*met)(struct pxi_call *c, struct pxi_conn *conn));
/* Reply as soon as `ready` is true (it fills the reply), or fail after "timeout" ms. */
void pxi_call_wait(struct pxi_call *c, uint64_t default_ms,
                   bool (*ready)(struct pxi_call *c, json_t *out));

/* Compact text of a document, freed with pxi_free (jansson's own would need its free). */
char *pxi_json_dump(json_t *doc);
/* The ready line (px_node_ready). */
json_t *pxi_json_ready(px_node *n);
/* JSON of things that many replies show. */
json_t *pxi_json_peer(const struct pxi_peer *p);
json_t *pxi_json_addr(px_view addr, const struct pxi_peer *p); /* with /p2p/p when p is given */
json_t *pxi_json_conn(const struct pxi_conn *c);
json_t *pxi_json_text(px_view v); /* bytes that are no UTF-8 are replaced */

#endif
