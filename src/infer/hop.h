/*
 * The way to the next stage: a connection is found or dialled, a stream is opened, messages go out,
 * replies come back, and a peer that lives no more is noticed (probes, see
 * docs/internals/infer.md).
 */
#ifndef PXI_INFER_HOP_H
#define PXI_INFER_HOP_H

#include "infer/pulse.h"
#include "infer/wire.h"
#include "net/host.h"

struct pxi_hop;

struct pxi_hop_events {
    /* The stream is there: messages may be sent. */
    void (*opened)(struct pxi_hop *h);
    /* A short message came back (not PING and PONG). */
    void (*message)(struct pxi_hop *h, const struct pxi_stage_head *m, px_view payload);
    /* A long message that was cut short can go on, or begin. */
    void (*writable)(struct pxi_hop *h);
    /* No way to that peer (any more). The hop is closed; the last event. */
    void (*lost)(struct pxi_hop *h, px_err why);
};

/* How a stage reaches itself: the other end of a local stream is given to it. */
struct pxi_hop_self {
    void (*accept)(void *ctx, struct pxi_stream *s);
    void *ctx;
};

/* Embedded in its owner; zeroed before it is opened for the first time. */
struct pxi_hop {
    struct pxi_host *host;
    const struct pxi_hop_events *on;
    struct pxi_peer peer;
    struct pxi_reach reach;
    struct pxi_stream *stream;
    struct pxi_wire_in in;
    struct pxi_wire_out out;
    struct pxi_timer probe; /* also runs while the stream is being opened */
    struct pxi_pulse pulse;
    uint64_t session, heard_ns;
    bool up, opening;
};

extern const char pxi_stage_protocol[];

/* Begin: `opened` or `lost` follows, later. */
void pxi_hop_open(struct pxi_hop *h, struct pxi_host *host, const struct pxi_peer *peer,
                  const px_view *addrs, unsigned addr_count, const struct pxi_hop_self *self);
/* Close without an event. Harmless when closed. */
void pxi_hop_close(struct pxi_hop *h);

#endif
