/*
 * multistream-select 1.0 as a small machine (connections specification): two ends agree on one of
 * several names. It serves the security and muxer steps of an upgrade and every stream. Bytes come
 * in as views, answers are appended to a small buffer; whatever follows the agreement is not taken
 * and belongs to the protocol.
 */
#ifndef PXI_NET_SELECT_H
#define PXI_NET_SELECT_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/mem.h"
#include "plexus/err.h"
#include "plexus/view.h"

/* Most bytes that the machine appends for one call of pxi_select_open_out (header and proposal). */
enum { PXI_SELECT_OUT = 20 + 2 + PXI_LIMIT_NET_PROTOCOL_BYTES };

struct pxi_select {
    bool outbound;
    bool header;                  /* the remote has named multistream-select */
    bool done;                    /* agreed or err is set; nothing more is taken */
    unsigned at, count;           /* outbound: the proposal in flight, and how many there are */
    unsigned tries;               /* inbound: names that were proposed */
    const char *const *proposals; /* outbound; borrowed until done */
    const char *(*serves)(void *ctx, px_view name); /* inbound */
    void *ctx;
    const char *agreed;  /* the proposal, or what `serves` returned */
    px_err err;          /* PX_ERR_NO_PROTOCOL, PX_ERR_PROTOCOL, PX_ERR_LIMIT, PX_ERR_NOMEM */
    struct pxi_buf part; /* of a message that is not all there yet */
};

/* Begin as the initiator: appends the header and the first proposal to out. Names hold at most
 * PXI_LIMIT_NET_PROTOCOL_BYTES - 1 bytes (else PX_ERR_INVALID), and live until done. A caller with
 * one proposal may let its own first bytes follow at once. */
px_err pxi_select_open_out(struct pxi_select *s, const char *const *proposals, unsigned count,
                           struct pxi_buf *out);
/* Begin as the responder. `serves` returns the served name as a string that lives on, or NULL. */
void pxi_select_open_in(struct pxi_select *s, const char *(*serves)(void *ctx, px_view name),
                        void *ctx);
/* Bytes arrived; returns how many were taken, all of them unless the machine is done. Answers are
 * appended to out, even when done. Malformed input, too many proposals (`ls` is one that is never
 * served) or no memory end the machine with s->err. */
size_t pxi_select_push(struct pxi_select *s, px_view in, struct pxi_buf *out);
/* Return memory; harmless twice. */
void pxi_select_close(struct pxi_select *s);

#endif
